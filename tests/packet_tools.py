"""The geometry of kernel calls for tests: images cut into groups as docs/plan-format.md says, and random choices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import Kernel, WorkHeader

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
WINDOWED = (Kernel.CONV, Kernel.MAX_POOL, Kernel.AVG_POOL, Kernel.DEPTHWISE)


@dataclass(frozen=True)
class Shape:
    """Rows of `wide` groups of 4 pixels, blocks of 8 channels; pairs are (down, right)."""

    rows: int
    wide: int
    in_blocks: int
    out_blocks: int
    window: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def strided(self) -> bool:
        return self.window[1] > 1

    @property
    def groups(self) -> int:
        return self.rows * self.wide

    @property
    def sets(self) -> int:
        return -(-self.groups // 4)

    @property
    def image(self) -> tuple[int, int, int]:
        """Rows, pixels and channels of the input, junk pixels included."""
        sizes = [
            (count - 1) * self.stride[axis] + (self.window[axis] - 1) * self.dilation[axis] + 1
            for axis, count in enumerate((self.rows, 4 * self.wide))
        ]
        return sizes[0], sizes[1], 8 * self.in_blocks

    @property
    def in_wide(self) -> int:
        """Groups in a row of the input tile."""
        return (
            (self.wide - 1) * self.stride[1] + (self.window[1] - 1) * self.dilation[1] + 1
            if self.strided
            else self.wide
        )

    def input_tile(self, image: Ints) -> Bytes:
        """`[rows][in_blocks][in_wide][4][8]` of an image."""
        group, lane = np.arange(self.in_wide)[:, None], np.arange(4)
        step = self.stride[1]
        return tiled(image, lane * self.wide * step + group if self.strided else (4 * group + lane) * step)

    def output_tile(self, image: Ints) -> Bytes:
        """`[rows][out_blocks][wide][4][8]` of an image with as many pixels as the tile."""
        group, lane = np.arange(self.wide)[:, None], np.arange(4)
        return tiled(image, lane * self.wide + group if self.strided else 4 * group + lane)

    def tap(self, tap: tuple[int, int], block: int) -> int:
        """Byte offset of an input group from where a group's window begins."""
        row = tap[0] * self.dilation[0] * self.in_blocks + block
        return (row * self.in_wide + tap[1] * self.dilation[1]) * 32

    def taps(self) -> list[tuple[int, int]]:
        return [(down, right) for down in range(self.window[0]) for right in range(self.window[1])]

    def seen(self, image: Ints, tap: tuple[int, int]) -> Ints:
        """What every output pixel sees through one tap, `[rows][pixels][channels]`."""
        top, left = tap[0] * self.dilation[0], tap[1] * self.dilation[1]
        return image[top :: self.stride[0], left :: self.stride[1]][: self.rows, : 4 * self.wide]

    def jumps(self, spare_sets: int) -> Ints:
        """Pointers of the first set of 4 groups, then the steps from set to set, then zeros.

        Behind the last group pointers stay at it: further on they could meet the bank of the weights and stall.
        """
        flat = np.minimum(np.arange(4 * (self.sets + spare_sets)), self.rows * self.wide - 1)
        group_step = 32 * self.stride[1] if self.strided else 32
        row_step = self.stride[0] * self.in_blocks * self.in_wide * 32
        pointers = (flat // self.wide * row_step + flat % self.wide * group_step).reshape(-1, 4)
        return np.concatenate([pointers[:1], np.diff(pointers, axis=0), np.zeros((1, 4), np.int64)])


def tiled(image: Ints, pixels: Ints) -> Bytes:
    """Blocks of 8 channels, each of the pixels that an array `[groups][4]` names."""
    rows, _, channels = image.shape
    found = image.reshape(rows, -1, channels // 8, 8)[:, pixels].transpose(0, 3, 1, 2, 4)
    return (found % 256).astype(np.uint8).reshape(-1)


def rhe(value: Ints, shift: int | Ints) -> Ints:
    """value / 2^shift, halves to even."""
    down = value >> shift
    rest, whole = (value - (down << shift)) * 2, np.int64(1) << shift
    rounded: Ints = down + ((rest > whole) | ((rest == whole) & (down % 2 == 1)))
    return rounded


class Draw:
    """A random generator that fixed choices overrule."""

    def __init__(self, seed: int, fixed: dict[str, Any]) -> None:
        self.rng = np.random.default_rng(seed)
        self.fixed = fixed

    def pick(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def coin(self, name: str, chance: float = 0.5) -> bool:
        drawn = bool(self.rng.random() < chance)
        return bool(self.fixed.get(name, drawn))

    def numbers(self, low: int, high: int, *shape: int) -> Ints:
        return self.rng.integers(low, high + 1, shape, np.int64)

    def typed(self, signed: bool, *shape: int) -> Ints:
        """Values of a byte type, its extremes rather often."""
        low, high = limits(signed)
        values = self.numbers(low, high, *shape)
        return np.where(self.rng.random(shape) < 0.1, self.rng.choice([low, high, 0], shape), values)

    def zero_and_limits(self, signed: bool) -> tuple[int, int, int]:
        """A zero point near the middle of a byte type, and limits, mostly those of the type."""
        low, high = limits(signed)
        zero = self.pick(low + 64, high - 64)
        if self.coin("clamped", 0.3):
            low, high = sorted((self.pick(low, high), self.pick(low, high)))
        return zero, low, high

    def shape(self, kernel: Kernel) -> Shape:
        windowed = kernel in WINDOWED
        out_blocks = self.pick(1, 4)
        drawn = Shape(
            rows=self.pick(1, 5),
            wide=self.pick(1, 5),
            in_blocks=self.pick(1, 3) if kernel is Kernel.CONV else out_blocks,
            out_blocks=out_blocks,
            window=(self.pick(1, 3), self.pick(1, 3)) if windowed else (1, 1),
            stride=(self.pick(1, 3), self.pick(1, 3)) if windowed else (1, 1),
            dilation=(self.pick(1, 2), self.pick(1, 2)) if windowed else (1, 1),
        )
        return replace(drawn, **{name: value for name, value in self.fixed.items() if hasattr(drawn, name)})


def limits(signed: bool) -> tuple[int, int]:
    return (-128, 127) if signed else (0, 255)


class Parts:
    """Sections of a packet behind its header, with gaps between them."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.data = bytearray(4 * WorkHeader.WORDS)
        self.fields: dict[str, Any] = {}

    def add(self, name: str, section: NDArray[Any], aligned: int) -> int:
        """Append a section; the header field `name_offset` says where."""
        start = -(-len(self.data) // aligned) * aligned + aligned * self.draw.pick(0, 2)
        self.data += self.draw.rng.bytes(start - len(self.data)) + np.ascontiguousarray(section).tobytes()
        self.fields[f"{name}_offset"] = start
        return start
