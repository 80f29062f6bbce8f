"""What the multiply-accumulate instructions compute: the shapes that a configuration word selects, and their sums.

Layout of the word: `aiev2_compute_control` in clang/lib/Headers/aiev2/aiev2_vmult.h of Xilinx/llvm-aie.  Shapes: the
intrinsics of the same header name one for every (amode, bmode, variant) that they put into the word; the words of
the elementwise shapes are also in test/Conversion/AIEVecToLLVM/mul_elem.mlir of Xilinx/mlir-aie (808 and 824).
Dense operands lie row by row in the lowest lanes of their registers: AMD's emulations of 32-bit matrices leave the
upper lanes undefined.  Sparse, complex and bfloat16 shapes are not implemented.
"""

from dataclasses import dataclass

import numpy as np

from runtime_sim.faults import sim_fault
from runtime_sim.instructions.lanes import Bytes, Lanes, lanes, pack_lanes

SHIFT16 = 16


@dataclass(frozen=True)
class Shape:
    """Widths of the lanes and extents of the sums; an elementwise shape has `cols` 0 and sums `inner` products."""

    name: str
    x_bits: int
    y_bits: int
    acc_bits: int
    rows: int
    inner: int
    cols: int = 0

    @property
    def results(self) -> int:
        """Accumulator lanes, which always fill 1024 bits."""
        return self.rows * (self.cols or 1)


# (amode, bmode, variant) -> shape.
SHAPES = {
    (0, 1, 0): Shape("i8 x i8, 4x8x8", 8, 8, 32, 4, 8, 8),
    (0, 1, 1): Shape("i8 x i8, 32 elements of 2 products", 8, 8, 32, 32, 2),
    (0, 2, 0): Shape("i16 x i8, 4x4x8", 16, 8, 32, 4, 4, 8),
    (0, 3, 0): Shape("i16 x i16, 4x2x8", 16, 16, 32, 4, 2, 8),
    (0, 3, 1): Shape("i16 x i16, 32 elements", 16, 16, 32, 32, 1),
    (1, 0, 0): Shape("i32 x i16, 4x2x4", 32, 16, 64, 4, 2, 4),
    (1, 2, 0): Shape("i16 x i8, 2x8x8", 16, 8, 64, 2, 8, 8),
    (1, 2, 1): Shape("i16 x i8, 4x8x4", 16, 8, 64, 4, 8, 4),
    (1, 3, 0): Shape("i16 x i16, 2x4x8", 16, 16, 64, 2, 4, 8),
    (1, 3, 1): Shape("i16 x i16, 4x4x4", 16, 16, 64, 4, 4, 4),
    (1, 3, 2): Shape("i16 x i16, 16 elements of 2 products", 16, 16, 64, 16, 2),
}


@dataclass(frozen=True)
class Config:
    """The fields of a configuration word."""

    zero_acc: bool
    amode: int
    bmode: int
    variant: int
    y_signed: bool
    x_signed: bool
    shift16: bool
    sub_mul: bool
    sub_acc1: bool
    sub_acc2: bool
    sub_mask: int

    @classmethod
    def decode(cls, word: int) -> "Config":
        """The fields of a 32-bit word."""
        y, x, shift16, mul, acc1, acc2 = (bool(word >> bit & 1) for bit in range(8, 14))
        zero, modes = bool(word & 1), (word >> 1 & 3, word >> 3 & 3, word >> 5 & 7)
        return cls(zero, *modes, y, x, shift16, mul, acc1, acc2, word >> 16 & 0xFFFF)

    def encode(self) -> int:
        """The word of the fields."""
        flags = (self.y_signed, self.x_signed, self.shift16, self.sub_mul, self.sub_acc1, self.sub_acc2)
        word = self.zero_acc | self.amode << 1 | self.bmode << 3 | self.variant << 5 | self.sub_mask << 16
        return word | sum(int(flag) << bit for bit, flag in enumerate(flags, 8))

    @property
    def shape(self) -> Shape:
        """The shape that the word selects."""
        found = SHAPES.get((self.amode, self.bmode, self.variant))
        if found is None or self.sub_mask:
            text = (
                f"configuration {self.encode():#x} has amode {self.amode}, bmode {self.bmode}, variant {self.variant} "
                f"and mask {self.sub_mask:#x}, which is not implemented"
            )
            known = "; ".join(f"{key}: {shape.name}" for key, shape in SHAPES.items())
            raise sim_fault("core-multiply", text, "core", help=f"implemented with mask 0: {known}")
        return found


def products(config: Config, x: Bytes, y: Bytes) -> Lanes:
    """The sums of products, one for each accumulator lane."""
    shape = config.shape
    a = lanes(x, shape.x_bits, config.x_signed)
    b = lanes(y, shape.y_bits, config.y_signed)
    if not shape.cols:
        used = shape.rows * shape.inner
        summed: Lanes = (a[:used] * b[:used]).reshape(shape.inner, shape.rows).sum(axis=0)
        return summed
    left = a[: shape.rows * shape.inner].reshape(shape.rows, shape.inner)
    right = b[: shape.inner * shape.cols].reshape(shape.inner, shape.cols)
    return (left @ right).ravel()


def multiply(word: int, x: Bytes, y: Bytes, acc: Bytes | None, negate: bool = False, negate_acc: bool = False) -> Bytes:
    """acc + x * y as the word says; an instruction may negate the products or the accumulator by itself."""
    config = Config.decode(word)
    bits = config.shape.acc_bits
    with np.errstate(over="ignore"):
        result = products(config, x, y)
        if config.sub_mul != negate:
            result = -result
        if acc is not None:
            result = result + _first(config, acc, bits, negate_acc)
    return pack_lanes(result, bits)


def _first(config: Config, acc: Bytes, bits: int, negate: bool) -> Lanes:
    """What the first accumulator adds.  A shift by 16 goes left: AMD's 32-bit products rely on it (aiev2_vmult.h)."""
    if config.zero_acc:
        return np.zeros(len(acc) * 8 // bits, np.int64)
    value = lanes(acc, bits)
    if config.shift16:
        value = value << SHIFT16
    return -value if config.sub_acc1 != negate else value


def add_accumulators(word: int, first: Bytes, second: Bytes, negate: bool, negate_second: bool) -> Bytes:
    """first + second in 32-bit lanes (word 0) or 64-bit lanes (word 2): the lanes' width is amode.

    Words: the accumulator operators of clang/lib/CodeGen/CGExprScalar.cpp in Xilinx/llvm-aie.
    """
    config = Config.decode(word)
    if config.amode > 1 or config.bmode or config.variant or config.sub_mask:
        text = f"accumulator addition with configuration {word:#x} is not implemented"
        raise sim_fault("core-multiply", text, "core", help="0 adds 32-bit lanes, 2 adds 64-bit lanes")
    bits = 64 if config.amode else 32
    with np.errstate(over="ignore"):
        other = lanes(second, bits)
        other = -other if config.sub_acc2 != negate_second else other
        return pack_lanes(_first(config, first, bits, negate) + other, bits)
