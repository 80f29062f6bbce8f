"""The paper's own account of a network's time, for comparison only.

The estimator of "Weight Block Sparsity: Training, Compilation, and AI Engine Accelerators" (arXiv 2407.09453), as its
drafts describe it and as the logs that its authors published print it (paolodalberto/BlockSparsityyTraning,
BlockSparse/Experiments).  It counts what no machine does, above all multiplications (see `comp_cycles`): it serves to
set the paper's table beside a simulation, and predicts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from compiler.paper.network import Layer, Network
from compiler.paper.residency import Residency, Traffic
from compiler.paper.subvolume import (
    SubVolume,
    add_volume,
    aligned,
    conv_volume,
    pool_volume,
    reach,
    weights_of,
)
from compiler.target import Target

LABEL = "the paper's estimate, not a prediction"
"""Goes with every number of this package wherever it is shown."""

CHANNEL_BYTES_PER_US = 4 * 2**30 / 1e6
"""One channel: 4 GiB/s (log; the text says 4 GB/s, and 8 for writing, which the logs do not follow)."""

HEADER_BYTES = 192
"""Comes with the weights of a layer.  Log."""

OVERHEAD_BYTES = {"add": (192, 160), "max_pool": (128, 96), "avg_pool": (128, 96)}
"""LOADW and LOADWM of a layer without weights.  Log."""

TERMS = ("load", "loadw", "loadwm", "loadfm", "comp", "writefm", "write")


@dataclass(frozen=True)
class Estimate:
    """One layer in microseconds; the seven kinds of events overlap, `total_us` is not their sum.

    `mac_us` is what the kept multiplications take on all cores at full rate: COMP less this is the accounting's.
    """

    name: str
    kind: str
    load_us: float
    loadw_us: float
    loadwm_us: float
    loadfm_us: float
    comp_us: float
    writefm_us: float
    write_us: float
    total_us: float
    mac_us: float
    volume: SubVolume

    def to_dict(self) -> dict[str, Any]:
        """Plain data for paper.json."""
        volume = self.volume
        weights = volume.weights
        return {
            "name": self.name,
            "kind": self.kind,
            **{f"{one}_us": getattr(self, f"{one}_us") for one in TERMS},
            "total_us": self.total_us,
            "mac_us": self.mac_us,
            "comp_excess_us": self.comp_us - self.mac_us,
            "not_hidden_us": self.total_us - self.comp_us,
            "weights": [weights.out_channels, weights.in_channels] if weights else None,
            "input": [volume.in_rows, volume.in_width, volume.in_channels],
            "output": [volume.out_rows, volume.out_width, volume.out_channels],
        }


def channel_us(size: int) -> float:
    """Time of some bytes on one channel."""
    return size / CHANNEL_BYTES_PER_US


def comp_cycles(layer: Layer, volume: SubVolume, macs_per_cycle: int) -> int:
    """COMP of one step.  Log: ceil(I_h * I_w * I_c * kh * kw * Cin * density / 256) for every convolution.

    This is no count of multiplications: it has the input's channels where those of the output belong, takes the input
    volume for the output's, and leaves out what does not lie in one piece of the weights.  Poolings and sums: I / 256.
    """
    work: float = volume.in_rows * volume.in_width * volume.in_channels
    if volume.weights is not None:
        work *= layer.kernel[0] * layer.kernel[1] * volume.weights.in_channels * layer.density
    return ceil(work / macs_per_cycle)


def volume_of(layer: Layer, network: Network, target: Target) -> SubVolume:
    """The step of a layer's cores."""
    if layer.kind == "conv":
        return conv_volume(layer, network, target.columns, target.core_rows)
    if layer.kind == "add":
        return add_volume(layer, network, target.columns)
    return pool_volume(layer, network, target.columns)


def groups_of(layer: Layer, network: Network, volume: SubVolume, tiles: int) -> Iterator[tuple[int, bool]]:
    """Steps of each group, and whether they read padding: head, body and tail (log)."""
    height = network.tensors[layer.inputs[0].tensor].height
    out_height = network.tensors[layer.output.tensor].height
    rows = out_height // tiles
    for tile in range(tiles):
        last, steps = (0, 0), 0
        for first in range(tile * rows, (tile + 1) * rows, volume.out_rows):
            top = first * layer.strides[0] - layer.pads[0]
            count = min(volume.out_rows, (tile + 1) * rows - first)
            bottom = top + reach(count, layer.kernel[0], layer.strides[0])
            padding = (max(0, -top), max(0, bottom - height))
            if steps and padding != last:
                yield steps, any(last)
                steps = 0
            last, steps = padding, steps + 1
        yield steps, any(last)


def weight_bytes(layer: Layer, rows: int) -> int:
    """Packed weights of one row of cores, which one memory tile holds (log)."""
    return weights_of(layer, rows).bytes if layer.kind == "conv" else 0


def branch_pieces(layer: Layer, target: Target) -> int:
    """How often a branch of a concatenation is charged: the whole's channels over rows * its own (fitted)."""
    return -(-layer.output.joined // (target.core_rows * layer.output.channels))


def estimate_layer(layer: Layer, network: Network, traffic: Traffic, target: Target) -> Estimate:
    """The layer's events and its time.

    Log: max(LOAD, LOADW) + LOADWM + sum over groups of (one step with padding: LOADFM + COMP + WRITEFM, else the
    longest of the three times the steps) + WRITE.
    """
    volume = volume_of(layer, network, target)
    weights = volume.weights
    branches = branch_pieces(layer, target)
    if weights is not None:
        in_width, out_width = aligned(volume.in_width), aligned(volume.out_width)
        repeats = max(traffic.pieces, branches) * traffic.repeats
        loadw = aligned(weights.bytes + HEADER_BYTES, 64) * traffic.tiles * traffic.repeats
        loadwm = aligned(weights.block_bytes, 16) * traffic.tiles * repeats + HEADER_BYTES
    else:
        in_width, out_width = volume.in_width, volume.out_width
        repeats = volume.width_pieces * volume.channel_pieces * branches
        loadw, loadwm = OVERHEAD_BYTES[layer.kind]
    loadfm = channel_us(len(layer.inputs) * volume.in_rows * in_width * volume.in_channels)
    writefm = channel_us(volume.out_rows * out_width * volume.out_channels)
    comp = target.microseconds(comp_cycles(layer, volume, target.core.macs_per_cycle))
    groups = list(groups_of(layer, network, volume, traffic.tiles))
    steps = sum(count for count, _ in groups) * repeats
    alone, together = loadfm + comp + writefm, max(loadfm, comp, writefm)
    span = sum(alone if padded and count == 1 else together * count for count, padded in groups) * repeats
    fetched = max(channel_us(traffic.load), channel_us(loadw)) + channel_us(loadwm)
    return Estimate(
        name=layer.name,
        kind=layer.kind,
        load_us=channel_us(traffic.load),
        loadw_us=channel_us(loadw),
        loadwm_us=channel_us(loadwm),
        loadfm_us=loadfm * steps,
        comp_us=comp * steps,
        writefm_us=writefm * steps,
        write_us=channel_us(traffic.write),
        total_us=fetched + span + channel_us(traffic.write),
        mac_us=_mac_us(layer, network, target),
        volume=volume,
    )


def _mac_us(layer: Layer, network: Network, target: Target) -> float:
    """The kept multiplications on all cores at full rate."""
    if layer.kind != "conv":
        return 0.0
    out = network.tensors[layer.output.tensor]
    taps = layer.kernel[0] * layer.kernel[1]
    macs = out.height * out.width * layer.output.channels * layer.inputs[0].channels * taps * layer.density
    return target.microseconds(macs / (target.core.macs_per_cycle * target.cores))


def estimate(network: Network, target: Target) -> list[Estimate]:
    """The paper's estimate of each layer, in order; layers are summed (log)."""
    places = Residency(network, target.columns, target.core_rows, target.memory_tile.bytes)
    traffic = places.walk(lambda layer: weight_bytes(layer, target.core_rows))
    return [estimate_layer(layer, network, one, target) for layer, one in zip(network.layers, traffic, strict=True)]
