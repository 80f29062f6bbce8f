"""Stored activations and layers as the mapping sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.encoding.work import BLOCK, LANES, MIN_PERIODS, NARROW_PERIODS, RAW_PERIODS
from compiler.ir import DialectAttribute
from compiler.kernels.numbers import Number, ceil_div

WAYS = "rows", "channels"
"""What columns, and what the core rows of a column, may divide: rows of the image, or channels of the output."""


WINDOW_TAPS = 112
"""Taps of one row of a window that an average multiplies in a call: a weight block of 64 bytes and a table entry of 4
for each, with what else a packet holds, fit the smallest work slot, which has 8 KB."""


def blocks_of(channels: int) -> int:
    """Blocks of 8 channels that hold this many."""
    return -(-channels // BLOCK)


def groups_of(pixels: Number) -> Number:
    """Groups of 4 pixels that hold this many."""
    return ceil_div(pixels, LANES)


def type_limits(signed: bool) -> tuple[int, int]:
    """The integers of a byte."""
    return (-128, 127) if signed else (0, 255)


def least_periods(finish: str) -> int:
    """Fewest table entries of an output block whose sums become bytes in this way."""
    return {"direct": MIN_PERIODS, "narrow": NARROW_PERIODS, "": MIN_PERIODS}.get(finish, RAW_PERIODS)


def share(count: int, parts: int, index: int) -> tuple[int, int]:
    """The index-th of `parts` equal shares of range(count), rounded up; the last may be smaller or empty."""
    size = -(-count // parts)
    return min(index * size, count), min((index + 1) * size, count)


def even_share(count: int, parts: int, index: int) -> tuple[int, int]:
    """The same, but all shares are of one size: the last ones overlap what is before them."""
    size = -(-count // parts)
    start = min(index * size, count - size)
    return start, start + size


@dataclass(frozen=True)
class Storage(DialectAttribute, mnemonic="tile.storage"):
    """An activation in memory: `[top + height + bottom][blocks][left + width + right + slack][8]` bytes.

    `pad` is the byte value (signed where the type is) that fills the border; the slack holds what no valid result
    depends on.
    """

    height: int
    width: int
    channels: int
    top: int
    bottom: int
    left: int
    right: int
    slack: int
    pad: int
    signed: bool

    @property
    def rows(self) -> int:
        """Rows with the border."""
        return self.top + self.height + self.bottom

    @property
    def pitch(self) -> int:
        """Pixels of a row with the border and the slack."""
        return self.left + self.width + self.right + self.slack

    @property
    def bordered(self) -> bool:
        """Whether tiles alone, whose width is rounded up to groups, would leave bytes unwritten or wrong."""
        edges = (self.top, self.bottom, self.left, self.right)
        return any(edges) or self.pitch > self.left + LANES * groups_of(self.width)

    @property
    def blocks(self) -> int:
        """Blocks of 8 channels."""
        return blocks_of(self.channels)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, all blocks."""
        return self.blocks * self.pitch * BLOCK

    @property
    def bytes(self) -> int:
        """Bytes of the whole activation."""
        return self.rows * self.row_bytes

    def stored_rows(self, first: int, last: int) -> tuple[int, int]:
        """Stored rows that belong to valid rows [first, last): the border goes with the edge rows."""
        if first >= last:
            return 0, 0
        start = 0 if first == 0 else self.top + first
        return start, self.rows if last == self.height else self.top + last


@dataclass(frozen=True)
class Layer(DialectAttribute, mnemonic="tile.layer"):
    """One kernel's work on whole tensors; symbols name arrays of the module's store ('' for none).

    `clips` says that narrow results are held to their zero point on the way, `combine_narrow` that what ends the layer
    multiplies by 15 bits.  Both are cheaper ways to the same numbers, which a plan may do without.  `group` is how many
    groups a convolution has that has several.  A `product` is (M, first shift, second shift) of what multiplies its two
    operands, where others add.
    """

    kernel: str
    channels: int
    out_height: int
    out_width: int
    out_channels: int
    window: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    x_signed: bool
    y_signed: bool
    r_signed: bool
    x_zero: int
    r_zero: int
    mid: tuple[int, ...]
    out: tuple[int, ...]
    add: tuple[int, ...]
    operands: int
    weight: str
    params: str
    scale: tuple[int, ...]
    kept_blocks: int
    counted_pads: tuple[int, ...]
    exact: bool
    clips: bool = False
    combine_narrow: bool = False
    group: int | None = None
    product: tuple[int, ...] = ()

    @property
    def is_conv(self) -> bool:
        """Whether output channels mix input channels."""
        return self.kernel == "conv"

    @property
    def weighted(self) -> bool:
        """Whether it multiplies by weights of its own, and each output channel has its bias and its factor."""
        return self.kernel in ("conv", "depthwise")

    @property
    def sums(self) -> bool:
        """Whether it sums over its window, so that the window may be cut into several calls."""
        return self.weighted or self.kernel == "avg_pool"

    @property
    def first_stage(self) -> tuple[int, ...]:
        """Zero point and bounds of what a sum is scaled to: the result, or what is then added to or clamped."""
        if self.weighted and self.operands == 2:
            return self.mid
        return (self.out[0], *type_limits(self.y_signed)) if self.clamps else self.out

    @property
    def first_signed(self) -> bool:
        """Whether the first stage, or what a maximum is taken of, is int8; bounds that fit both types count as such."""
        if self.kernel in ("max_pool", "expand"):
            return self.x_signed
        return self.mid[2] <= 127 if self.weighted and self.operands == 2 else self.y_signed

    @property
    def clamps(self) -> bool:
        """Whether a convolution's results, which saturate as their type does, are clamped behind that."""
        if not self.weighted or self.exact or self.clips:
            return False
        return self.operands == 1 and self.out[1:] != type_limits(self.y_signed)

    @property
    def combines(self) -> bool:
        """Whether a rescaling, an addition or a clamp ends it."""
        if self.kernel == "max_pool":
            same = self.x_signed == self.y_signed and self.x_zero == self.out[0]
            return not (same and self.out[1:] == type_limits(self.y_signed) and self.scale[0] == 1 << self.scale[1])
        return self.kernel in ("add", "mul", "requantize") or self.operands == 2 or self.clamps

    @property
    def adds_wide(self) -> bool:
        """Whether what ends it adds by factors of 30 bits."""
        return self.combines and not self.combine_narrow and not self.product

    @property
    def factors(self) -> tuple[int, int, int]:
        """(a, b, shift) of what it is combined by: y = (a * x + b * r) / 2^shift without zero points."""
        if self.weighted or self.kernel in ("add", "expand"):
            return (1, 0, 0) if self.clamps or not self.add else (self.add[0], self.add[1], self.add[2])
        return (self.scale[0], 0, self.scale[1]) if self.scale else (1, 0, 0)

    @property
    def in_blocks(self) -> int:
        """Blocks of input channels."""
        return blocks_of(self.channels)

    @property
    def out_blocks(self) -> int:
        """Blocks of output channels."""
        return blocks_of(self.out_channels)

    @property
    def folds(self) -> bool:
        """Whether the lanes of a group share a row of the window, as there is one pixel of the result for them all."""
        return self.kernel == "avg_pool" and self.out_width == 1 and self.window[1] > 1

    @property
    def row_taps(self) -> int:
        """What a call multiplies a lane by for a row of the window: each pixel of it, or each of a lane's share."""
        return ceil_div(self.window[1], LANES) if self.folds else self.window[1]

    @property
    def taps(self) -> int:
        """Positions of the window."""
        return self.window[0] * self.window[1]

    @property
    def across(self) -> tuple[tuple[int, int], ...]:
        """Pixels [first, last) of a window's rows that a call multiplies: of a wide average some at a time, near equal
        in number."""
        wide = self.window[1]
        parts = ceil_div(self.row_taps, WINDOW_TAPS) if self.kernel == "avg_pool" else 1
        return tuple((wide * i // parts, wide * (i + 1) // parts) for i in range(parts))

    def narrowed(self, across: tuple[int, int]) -> Layer:
        """The layer with some pixels of its window's rows, as one call sees it."""
        wide = across[1] - across[0]
        return self if wide == self.window[1] else replace(self, window=(self.window[0], wide))

    @property
    def of_a_call(self) -> Layer:
        """The layer with the most pixels of its window's rows that a call has."""
        return self.narrowed(max(self.across, key=lambda one: one[1] - one[0]))

    @property
    def macs(self) -> int:
        """Multiplications of the dense layer on true channels; 0 for what has no weights."""
        return self.out_height * self.out_width * self.weights

    @property
    def weights(self) -> int:
        """Weights of the dense layer on true channels, inside its groups."""
        return self.out_channels * self.channels // (self.group or 1) * self.taps if self.weighted else 0

    def in_rows(self, first: int, last: int) -> tuple[int, int]:
        """Rows of the input, counted from its first valid row, that output rows [first, last) read."""
        start = first * self.strides[0] - self.pads[0]
        return start, (last - 1) * self.strides[0] - self.pads[0] + (self.window[0] - 1) * self.dilations[0] + 1


@dataclass(frozen=True)
class Mapping(DialectAttribute, mnemonic="tile.mapping"):
    """One layer's cut: what columns and core rows divide, and the tile that a core works on at a time.

    `columns_by` and `rows_by` are of `WAYS`; `rows` counts output rows of a tile, `width` its pixels (all of a row or
    a multiple of 4), `out_blocks` and `in_blocks` blocks of 8 channels, `window_rows` rows of the window.  `finish`
    says how sums become bytes: `direct` by a shift, `narrow` by a 15-bit factor, `staged` the same for sums of several
    calls, `scale` by a 30-bit factor, `mean`, or, where there are none, not at all.  `shared` says that a row of cores
    gets the same work packets in all columns, from one memory tile.
    """

    columns_by: str
    rows_by: str
    rows: int
    width: int
    out_blocks: int
    in_blocks: int
    window_rows: int
    finish: str = ""
    shared: bool = False

    @property
    def least_periods(self) -> int:
        """Fewest table entries of an output block."""
        return least_periods(self.finish)


@dataclass(frozen=True)
class CoreLayout(DialectAttribute, mnemonic="tile.core_layout"):
    """How a core's data memory is cut; bytes, the same in every core and for the whole plan."""

    act: tuple[int, ...]
    act_bytes: int
    work: tuple[int, ...]
    work_bytes: int
    out: tuple[int, ...]
    out_bytes: int
    acc: int
    acc_bytes: int
