# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""The multiply-accumulate instructions for numba; shapes and words are those of `multiply`.

Registers of all lane widths lie in one buffer: `b8` to `b64` are its views, and a place is a byte of it.
"""

import numpy as np

from runtime_sim.instructions.compiled_scalar import at
from runtime_sim.instructions.events import Fault
from runtime_sim.instructions.multiply import SHAPES
from runtime_sim.instructions.unchecked import compiled, matrix_product, peek, poke

# Indexed by amode + 4 bmode + 16 variant: bits of x and y, rows, inner, cols; zeros where nothing is implemented.
SHAPE_TABLE = np.zeros((128, 5), np.int64)
for (_amode, _bmode, _variant), _shape in SHAPES.items():
    SHAPE_TABLE[_amode + 4 * _bmode + 16 * _variant] = (
        _shape.x_bits,
        _shape.y_bits,
        _shape.rows,
        _shape.inner,
        _shape.cols,
    )
_DENSE_BYTES, _ELEMENTS = 4, 1 + 4 * 3 + 16 * 2
_MULTIPLY_FAULT = int(Fault.MULTIPLY)


@compiled()
def lane(b8, b16, b32, place, index, bits, positive):
    """A lane of a register that begins at a byte place, with its sign or without."""
    if bits == 8:
        value = np.int64(b8[place + index])
        return value & 0xFF if positive else value
    if bits == 16:
        value = np.int64(b16[(place >> 1) + index])
        return value & 0xFFFF if positive else value
    value = np.int64(b32[(place >> 2) + index])
    return value & 0xFFFFFFFF if positive else value


@compiled()
def any_shape(b8, b16, b32, b64, out, x, y, sign, index, x_positive, y_positive):
    """sign * products, of any shape."""
    x_bits, y_bits, rows, inner, cols = SHAPE_TABLE[index]
    for row in range(rows):
        for col in range(max(cols, 1)):
            total = np.int64(0)
            for k in range(inner):
                at_x, at_y = (row * inner + k, k * cols + col) if cols else (row + k * rows, row + k * rows)
                a = lane(b8, b16, b32, x, at_x, x_bits, x_positive)
                total += a * lane(b8, b16, b32, y, at_y, y_bits, y_positive)
            place = row * max(cols, 1) + col
            if index & 3:
                b64[(out >> 3) + place] = sign * total
            else:
                b32[(out >> 2) + place] = np.int32(sign * total)


@compiled()
def elements(b16, b64, out, x, y, sign, x_mask, y_mask):
    """16 elements of 2 products of 16-bit lanes; a mask of 65535 drops the sign of a lane, -1 keeps it."""
    left, right, to = x >> 1, y >> 1, out >> 3
    for index in range(16):
        first = (np.int64(peek(b16, left + index)) & x_mask) * (np.int64(peek(b16, right + index)) & y_mask)
        second = (np.int64(peek(b16, left + index + 16)) & x_mask) * (np.int64(peek(b16, right + index + 16)) & y_mask)
        poke(b64, to + index, sign * (first + second))


@compiled()
def multiply(ev, e, kept, base, b8, b16, b32, b64, place):
    """Perform a multiply event; the number of a fault, or 0."""
    word = kept[at(ev[e + 4], base)]
    index = (word >> 1 & 3) + 4 * (word >> 3 & 3) + 16 * (word >> 5 & 7)
    if word >> 16 or not SHAPE_TABLE[index, 0]:
        return _MULTIPLY_FAULT
    if ev[e + 6] >= 0:
        kept[base + ev[e + 6]] = word
    out, x, y = place + ev[e + 1], kept[base + ev[e + 2]], kept[base + ev[e + 3]]
    sign = -1 if (word >> 11 & 1) != ev[e + 5] else 1
    x_signed, y_signed = word >> 9 & 1, word >> 8 & 1
    if index == _DENSE_BYTES:
        x_mask, y_mask = np.int32(-1 if x_signed else 255), np.int32(-1 if y_signed else 255)
        matrix_product(b8, x, y, b32, out >> 2, np.int32(sign), x_mask, y_mask)
    elif index == _ELEMENTS:
        elements(b16, b64, out, x, y, sign, -1 if x_signed else 0xFFFF, -1 if y_signed else 0xFFFF)
    else:
        any_shape(b8, b16, b32, b64, out, x, y, sign, index, not x_signed, not y_signed)
    return 0


@compiled()
def acc_scale(word, negate):
    """What the first accumulator is multiplied by: zero_acc, shift16 and its sign in one number."""
    if word & 1:
        return 0
    scale = 1 << 16 if word >> 10 & 1 else 1
    return -scale if (word >> 12 & 1) != negate else scale


@compiled()
def accumulate(ev, e, kept, base, b32, b64, place):
    """Add the accumulator to the products that were computed when their factors were read."""
    word = kept[at(ev[e + 3], base)]
    out, acc = place + ev[e + 1], kept[base + ev[e + 2]]
    scale = acc_scale(word, ev[e + 4])
    if word >> 1 & 1:
        for index in range(16):
            poke(b64, (out >> 3) + index, peek(b64, (out >> 3) + index) + peek(b64, (acc >> 3) + index) * scale)
    else:
        narrow = np.int32(scale)
        for index in range(32):
            product = np.int32(peek(b32, (acc >> 2) + index) * narrow)
            poke(b32, (out >> 2) + index, np.int32(peek(b32, (out >> 2) + index) + product))


@compiled()
def add_accumulators(ev, e, kept, base, b32, b64, place):
    """Perform an accumulator addition; the number of a fault, or 0."""
    word = kept[at(ev[e + 4], base)]
    if word >> 16 or word >> 2 & 1 or word >> 3 & 31:
        return _MULTIPLY_FAULT
    out, a, b = place + ev[e + 1], kept[base + ev[e + 2]], kept[base + ev[e + 3]]
    scale = acc_scale(word, ev[e + 5])
    second = -1 if (word >> 13 & 1) != ev[e + 6] else 1
    if word >> 1 & 1:
        for index in range(16):
            b64[(out >> 3) + index] = b64[(a >> 3) + index] * scale + b64[(b >> 3) + index] * second
    else:
        for index in range(32):
            total = b32[(a >> 2) + index] * scale + b32[(b >> 2) + index] * second
            b32[(out >> 2) + index] = np.int32(total)
    return 0
