"""What a network keeps in each memory tile: resident tensors, what passes load and store, work packets that wait.

All sizes are of the column that needs most, and of nodes and tensors as they are decided when one asks.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from compiler.ir import Module
from compiler.mapping.exact import smallest
from compiler.mapping.memory import Request, lower_bound, place
from compiler.mapping.network import (
    Node,
    Tensor,
    band_bytes,
    column_extents,
    filled,
    needed,
    reaches,
    room_bytes,
    share_bytes,
)
from compiler.mapping.shapes import Mapping
from compiler.mapping.sizes import packet_bytes, senders_of, slots_of
from compiler.target import Target

PLACE_NODES = 10_000
"""Nodes of the search for a placement where greedy ones do not fit: fewer than memory-planning takes."""


class Staged(NamedTuple):
    """Bytes of what one pass loads, for each operand in DDR, and of what it stores there, 0 if its result stays."""

    loads: tuple[int, ...]
    store: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(self.loads) + self.store


class Ring(NamedTuple):
    """Slots in which work packets of a pass wait; each holds those of one step, one for each sender."""

    packet_bytes: int
    senders: int
    slots: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.packet_bytes * self.senders * self.slots


class Held(NamedTuple):
    """What is asked of a memory tile, and the number of the layer that it is for: of a tensor, that which writes it."""

    request: Request
    node: int


class Peak(NamedTuple):
    """Bytes of a memory tile in use, and those that every placement needs; the epoch in which most is alive, all of
    that, and the resident tensors among that."""

    bytes: int
    bound: int
    epoch: int
    held: list[Held]
    alive: list[Tensor]


class Footprint:
    """Sizes in the memory tiles; those that take long to find are kept, by what they depend on."""

    def __init__(self, nodes: Sequence[Node], tensors: Sequence[Tensor], module: Module, target: Target) -> None:
        self.nodes, self.tensors, self.module, self.target = nodes, tensors, module, target
        self._reaches: dict[Hashable, bool] = {}
        self._staged: dict[Hashable, list[Staged]] = {}
        self._packets: dict[tuple[int, int, Mapping], list[int]] = {}

    def reaches(self, node: Node) -> bool:
        """Whether columns find all rows of a layer's resident operands in their memory tile or beside it."""
        key = node.number, tuple(view.tensor.level for view in node.inputs)
        if key not in self._reaches:
            self._reaches[key] = reaches(node, self.target.columns)
        return self._reaches[key]

    def staged(self, node: Node) -> list[Staged]:
        """What each pass of a layer loads and stores."""
        levels = tuple(view.tensor.level for view in (*node.inputs, node.output))
        key = node.number, node.pieces, node.columns_by, levels
        if key not in self._staged:
            self._staged[key] = [self._staged_by(node, piece) for piece in range(node.pieces)]
        return self._staged[key]

    def _staged_by(self, node: Node, piece: int) -> Staged:
        extents = column_extents(node, self.target.columns, piece)
        loads = []
        for operand, view in enumerate(node.inputs):
            if view.tensor.level == "ddr":
                loads.append(share_bytes(view.tensor.storage, [needed(node, operand, one) for one in extents]))
        store = 0
        if node.output.tensor.level == "ddr":
            high = max(one.rows[1] - one.rows[0] for one in extents)
            store = room_bytes(node.output.tensor.storage, [filled(node, one) for one in extents], high)
        return Staged(tuple(loads), store)

    def rings(self, node: Node, work_bytes: int) -> list[Ring]:
        """Where work packets of each pass wait, as far as possible in so many bytes."""
        assert node.mapping is not None
        mapping, senders = node.mapping, senders_of(node.mapping, self.target)
        return [
            Ring(size, senders, slots_of(mapping, self.target, size, work_bytes)) for size in self._packet_bytes(node)
        ]

    def _packet_bytes(self, node: Node) -> list[int]:
        """Bytes of the largest work packet of each pass."""
        assert node.mapping is not None
        key = (node.number, node.pieces, node.mapping)
        if key not in self._packets:
            self._packets[key] = [packet_bytes(node, self.target, self.module, piece) for piece in range(node.pieces)]
        return self._packets[key]

    def peak(self, work_bytes: int) -> Peak:
        """How full a memory tile gets when so many bytes are for the work packets of a pass."""
        held, owners = self._held(work_bytes), self._residents()
        requests = [one.request for one in held]
        used, room = place(requests)[1], self.target.memory_tile.bytes
        least, at = lower_bound(requests)
        if least <= room < used:
            # There is room, but in pieces.
            used = min(used, smallest(requests, capacity=room, nodes=PLACE_NODES).peak)
        alive = [one.first <= at <= one.last for one in requests]
        tensors = [one for one, there in zip(owners, alive, strict=False) if there]
        return Peak(used, least, at, [one for one, there in zip(held, alive, strict=True) if there], tensors)

    def _held(self, work_bytes: int) -> list[Held]:
        """What memory tiles hold: resident tensors, then what is loaded, stored, and waits to be sent."""
        first_epoch: dict[int, int] = {}
        epoch = 0
        for node in self.nodes:
            first_epoch[node.number] = epoch
            epoch += node.pieces
        held = [self._resident(one, first_epoch) for one in self._residents()]
        # The order is that of memory-planning, so that what is found to fit here fits there.
        for node in self.nodes:
            for now, staged in enumerate(self.staged(node), first_epoch[node.number]):
                loaded, stored = f"operand of '{node.title}' from DDR", f"result of '{node.title}' for DDR"
                found = [Request(loaded, size, max(0, now - 1), now) for size in staged.loads if size]
                if node.output.tensor.level == "ddr":
                    found.append(Request(stored, staged.store, now, min(now + 1, epoch - 1)))
                held += [Held(one, node.number) for one in found]
        for node in self.nodes:
            for now, ring in enumerate(self.rings(node, work_bytes), first_epoch[node.number]):
                request = Request(f"work packets of '{node.title}'", ring.bytes, max(0, now - 1), now)
                held.append(Held(request, node.number))
        return held

    def _residents(self) -> list[Tensor]:
        return [one for one in self.tensors if one.level == "mem"]

    def _resident(self, tensor: Tensor, first_epoch: dict[int, int]) -> Held:
        """A tensor that stays in the memory tiles from its first writer to its last reader."""
        touching = (*tensor.writers, *tensor.readers)
        start = min(first_epoch[n] for n in tensor.writers)
        end = max(first_epoch[n] + self.nodes[n].pieces - 1 for n in touching)
        name = f"{tensor.owner}, the result of '{self.nodes[tensor.writers[0]].title}'"
        return Held(Request(name, band_bytes(tensor.storage, self.target.columns), start, end), tensor.writers[0])
