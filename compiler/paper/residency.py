"""Which activations of the paper's plan cross DDR, and into how many pieces a layer is cut to fit the memory tiles.

The paper's draft says: when tensors do not fit, "evict everything to DDR" and cut the computation by width, output
channels, height, input channels.  The order of events is read from the logs: agreement with them is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from compiler.paper.network import Layer, Network
from compiler.paper.subvolume import aligned, divisors, reach, share_of_width


@dataclass(frozen=True)
class Traffic:
    """Bytes per column that cross DDR for a layer, and its pieces by height and by output channels.

    All of a layer is done `repeats` times.
    """

    load: int = 0
    write: int = 0
    tiles: int = 1
    pieces: int = 1
    repeats: int = 1


@dataclass
class Residency:
    """Walks a network in order and keeps what lies in the memory tiles and what is safe in DDR."""

    network: Network
    columns: int
    rows: int
    capacity: int
    tiles_hold: dict[int, int] = field(default_factory=dict)
    in_ddr: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.in_ddr.update(self.network.images)

    def bytes_of(self, number: int) -> int:
        """A tensor's bytes in one memory tile."""
        tensor = self.network.tensors[number]
        return tensor.height * share_of_width(tensor.width, self.columns) * aligned(tensor.channels)

    def walk(self, weight_bytes: Callable[[Layer], int]) -> list[Traffic]:
        """The traffic of each layer; `weight_bytes` says what a layer's weights take in one memory tile."""
        last = {view.tensor: at for at, layer in enumerate(self.network.layers) for view in layer.inputs}
        found = []
        for at, layer in enumerate(self.network.layers):
            found.append(self._layer(layer, weight_bytes(layer)))
            self.tiles_hold = {one: size for one, size in self.tiles_hold.items() if last.get(one, -1) > at}
        return found

    def _layer(self, layer: Layer, weights: int) -> Traffic:
        inputs = list(dict.fromkeys(view.tensor for view in layer.inputs))
        output = layer.output.tensor
        image = any(one in self.network.images for one in inputs)
        # The image takes twice its bytes, as if one were fetched while another is read (fitted).
        taken = sum(map(self.bytes_of, inputs)) * (2 if image else 1)
        made = self.bytes_of(output)
        # A sum takes the place of an operand: the compiler's pass "element-wise in-place reuse" (log).
        own = taken if layer.kind == "add" else taken + made
        others = sum(size for one, size in self.tiles_hold.items() if one not in (*inputs, output))
        fits = own + weights <= self.capacity
        evicting = own + others + weights > self.capacity and weights <= self.capacity
        tiles, pieces = (1, 1) if fits else self._cuts(layer, taken + made, weights)
        # Rows of cores that do not divide the output channels repeat what is cut by them (log: 3x3 only).
        repeats = self.rows if pieces > 1 and layer.output.channels % self.rows else 1
        load, write = 0 if image else self._swapped_in(inputs), 0
        if image or evicting or tiles > 1:
            load += sum(self._loaded(layer, one, tiles) for one in inputs)
        if evicting or tiles > 1:
            write += self._evicted(inputs)
        if image or evicting or tiles > 1 or output in self.network.outputs:
            # What is computed from the image goes to DDR even where it would fit (log).
            write += made * layer.output.channels // self.network.tensors[output].channels
            self.in_ddr.add(output)
        else:
            self.tiles_hold |= {one: self.bytes_of(one) for one in (*inputs, output)}
        return Traffic(load, write, tiles, pieces, repeats)

    def _evicted(self, inputs: Sequence[int]) -> int:
        """Bytes that are written when everything leaves the memory tiles, the layer's own inputs too (log)."""
        leaving = [one for one in dict.fromkeys((*self.tiles_hold, *inputs)) if one not in self.in_ddr]
        self.in_ddr.update(leaving)
        self.tiles_hold = {}
        return sum(map(self.bytes_of, leaving))

    def _swapped_in(self, inputs: Sequence[int]) -> int:
        """Bytes of inputs that come back from DDR as long as the memory tiles have room, whatever follows (fitted)."""
        load = 0
        for one in inputs:
            room = self.capacity - sum(self.tiles_hold.values())
            if one not in self.tiles_hold and self.bytes_of(one) <= room:
                self.tiles_hold[one] = self.bytes_of(one)
                load += self.bytes_of(one)
        return load

    def _loaded(self, layer: Layer, number: int, tiles: int) -> int:
        """Bytes of an input; cut by height, the rows that two pieces need come twice."""
        tensor, target = self.network.tensors[number], self.network.tensors[layer.output.tensor]
        size = self.bytes_of(number)
        if tiles == 1:
            return size
        height = min(tensor.height, reach(target.height // tiles, layer.kernel[0], layer.strides[0]))
        return size // tensor.height * height * tiles

    def _cuts(self, layer: Layer, own: int, weights: int) -> tuple[int, int]:
        """Pieces by height and by output channels, each the smallest divisor that fits (fitted).

        Output channels are cut when the weights take more than half a memory tile and the activations fit; else the
        height, which goes down to single rows where it is a prime number (log: Inception-v3, 149, 71 and 73 rows).
        """
        height, outs = self.network.tensors[layer.output.tensor].height, aligned(layer.output.channels)
        if 2 * weights > self.capacity:
            for pieces in divisors(outs):
                if own + weights // pieces <= self.capacity:
                    return 1, pieces
        return next((cut for cut in divisors(height) if own // cut + weights <= self.capacity), height), 1
