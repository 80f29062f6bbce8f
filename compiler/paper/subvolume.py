"""What one core holds at a time: the paper's "sub-volumes" of weights, input and output.

Each rule says how it is known.  *Log*: the compiler of the paper printed it, or it agrees with every line that it
printed (paolodalberto/BlockSparsityyTraning, BlockSparse/Experiments).  *Fitted*: chosen so that it agrees with nearly
all of them, without a text that says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from compiler.paper.network import Layer, Network

WEIGHT_BYTES = 16384
"""Weights of a core, 131072 bits.  Log: printed; no block is larger."""

ACTIVATION_BYTES = 8192
"""One of the two halves, ping and pong, of a core's 131072 bits of input, and of those of output.  Log: printed."""

STRIDED_BYTES = 12288
"""Input of a convolution whose windows move by more than one pixel.  Fitted: the largest in the logs."""

POOL_BYTES = 16384
"""Input of a pooling whose windows move by more than one pixel: both halves.  Fitted."""

OVERLAPPED_POOL_BYTES = 12288
"""The same where windows move by one pixel.  Fitted."""

GRAIN = 8
"""Channels of a block; rows of pixels are stored in multiples of as many.  Log: all sizes and times."""


def aligned(size: int, grain: int = GRAIN) -> int:
    """The size rounded up to a multiple."""
    return -(-size // grain) * grain


def divisors(size: int) -> Iterator[int]:
    """Divisors, the smallest first."""
    return (one for one in range(1, size + 1) if size % one == 0)


@dataclass(frozen=True)
class Weights:
    """Weights of one core at a time: [out_channels, kh, kw, in_channels], `blocks` such pieces per row of cores."""

    out_channels: int
    in_channels: int
    block_bytes: int
    blocks: int

    @property
    def bytes(self) -> int:
        """Bytes of all pieces."""
        return self.blocks * self.block_bytes


@dataclass(frozen=True)
class SubVolume:
    """One step of a core: `in_*` and `out_*` are [rows, width, channels]; steps go down `height` rows of output.

    `width_pieces` is how often a column's share of the width is cut once more, `channel_pieces` how often channels are.
    """

    weights: Weights | None
    in_rows: int
    in_width: int
    in_channels: int
    out_rows: int
    out_width: int
    out_channels: int
    width_pieces: int = 1
    channel_pieces: int = 1


def block_bytes(out_channels: int, taps: int, in_channels: int, density: float) -> int:
    """Bytes of a packed block: kept weights, a bias of 4 bytes, and 2 bytes of index per 8x8 position, kept or not.

    Log: Cout * (kh * kw * Cin * density + 4 + Cin / 32) for every block that was printed.
    """
    return ceil(out_channels * (taps * in_channels * density + 4 + in_channels / 32))


def weights_of(layer: Layer, rows: int) -> Weights:
    """Weights of one core: all input channels and as many output channels as fit, else fewer input channels.

    Output channels are shared by the rows of cores, Cout / rows rounded up to 8 (log), and then cut by a divisor
    of both Cout and that share which leaves multiples of 8; input channels by a divisor which does so (fitted).
    """
    taps = layer.kernel[0] * layer.kernel[1]
    share = aligned(-(-layer.output.channels // rows))
    channels = aligned(layer.inputs[0].channels)
    outs = [share // cut for cut in divisors(share // GRAIN) if aligned(layer.output.channels) % cut == 0]
    for cut in divisors(channels // GRAIN):
        for out in outs:
            size = block_bytes(out, taps, channels // cut, layer.density)
            if size <= WEIGHT_BYTES:
                return Weights(out, channels // cut, size, cut * share // out)
    out = outs[-1]  # a window so large that not even 8 input channels fit: what the paper never met
    size = block_bytes(out, taps, GRAIN, layer.density)
    return Weights(out, GRAIN, size, channels // GRAIN * share // out)


def share_of_width(width: int, columns: int) -> int:
    """Pixels of a row that one column computes; a row shorter than the columns stays whole (log)."""
    return width if width < columns else -(-width // columns)


def reach(count: int, kernel: int, stride: int) -> int:
    """Input pixels under `count` windows."""
    return (count - 1) * stride + kernel


def conv_volume(layer: Layer, network: Network, columns: int, rows: int) -> SubVolume:
    """Rows, width and channels of a convolution's step.

    The step has all channels of the layer's output and input, and as many rows of output as keep stride * rows *
    align8(width) * channels of the output and the input's volume within the core's buffers (log; the stride and the
    larger limit for strided inputs are fitted).  Where not even one row fits, the pixels of the neighbours' columns
    are left out, then the output's channels are halved, then the input's divided (fitted).
    """
    source, target = network.tensors[layer.inputs[0].tensor], network.tensors[layer.output.tensor]
    kernel, stride = layer.kernel, layer.strides
    depth = channels = aligned(layer.inputs[0].channels)
    outs = aligned(layer.output.channels)
    width = share_of_width(target.width, columns)
    in_width = reach(width, kernel[1], stride[1])
    if width == target.width:
        in_width = min(in_width, source.width)
    limit = ACTIVATION_BYTES if stride[0] == 1 else STRIDED_BYTES

    def made(count: int) -> int:
        return stride[0] * count * aligned(width) * outs

    def taken(count: int) -> int:
        return reach(count, kernel[0], stride[0]) * aligned(in_width) * depth

    if made(1) > ACTIVATION_BYTES or taken(1) > limit or target.width < columns <= source.width:
        in_width = share_of_width(source.width, columns)
    while outs > GRAIN and made(1) > ACTIVATION_BYTES:
        outs = aligned(outs // 2)
    cuts = divisors(channels // GRAIN)
    while depth > GRAIN and taken(1) > limit:
        depth = channels // next(cuts)
    steps = (one for one in range(1, target.height + 1) if made(one) <= ACTIVATION_BYTES and taken(one) <= limit)
    count = max(steps, default=1)
    in_rows = reach(count, kernel[0], stride[0])
    return SubVolume(weights_of(layer, rows), in_rows, in_width, depth, count, width, outs)


def pool_volume(layer: Layer, network: Network, columns: int) -> SubVolume:
    """Rows, width and channels of a pooling's step; without alignment (log), by the input's size (fitted).

    Where one row does not fit the width is halved, at last the channels.  The channels of a window that is all there
    is are shared by the columns (log).
    """
    target = network.tensors[layer.output.tensor]
    channels = aligned(layer.inputs[0].channels)
    alone = target.height == target.width == 1
    limit = OVERLAPPED_POOL_BYTES if layer.strides[0] == 1 and not alone else POOL_BYTES
    width = share_of_width(target.width, columns)

    def size(count: int) -> int:
        across = reach(width, layer.kernel[1], layer.strides[1])
        return reach(count, layer.kernel[0], layer.strides[0]) * across * depth

    depth = channels
    cuts = 1
    while width > 1 and size(1) > limit:
        width, cuts = -(-width // 2), 2 * cuts
    while depth > GRAIN and size(1) > limit:
        depth = aligned(depth // 2)
    count = max((one for one in range(1, target.height + 1) if size(one) <= limit), default=1)
    across = reach(width, layer.kernel[1], layer.strides[1])
    pieces = -(-(channels // depth) // columns) if alone else channels // depth
    in_rows = reach(count, layer.kernel[0], layer.strides[0])
    return SubVolume(None, in_rows, across, depth, count, width, depth, cuts, pieces)


def add_volume(layer: Layer, network: Network, columns: int) -> SubVolume:
    """Rows and width of a sum's step, without alignment (log)."""
    target = network.tensors[layer.output.tensor]
    channels = layer.output.channels
    whole = width = share_of_width(target.width, columns)
    while width > 1 and width * channels > ACTIVATION_BYTES:
        width = -(-width // 2)
    count = max((one for one in range(1, target.height + 1) if one * width * channels <= ACTIVATION_BYTES), default=1)
    return SubVolume(None, count, width, channels, count, width, channels, -(-whole // width))
