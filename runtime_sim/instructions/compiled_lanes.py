# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""Conversions and lane operations for numba; the meanings are those of `rounding`, `permute` and `meaning_vector`."""

import numpy as np

from runtime_sim.instructions.compiled_multiply import lane
from runtime_sim.instructions.compiled_scalar import at
from runtime_sim.instructions.events import Fault, Operation
from runtime_sim.instructions.permute import X_BYTES, shuffle_bytes, shuffle_modes
from runtime_sim.instructions.rounding import MAX_SRS_SHIFT, MAX_UPS_SHIFT
from runtime_sim.instructions.unchecked import compiled, peek, poke

# Which byte of the operands each byte of a shuffle's result is, by mode; -1 where a mode is not implemented.
SHUFFLES = np.full((64, X_BYTES), -1, np.int64)
for _mode in shuffle_modes():
    SHUFFLES[_mode] = shuffle_bytes(_mode)
_SHIFT, _ROUNDING, _SATURATION = int(Fault.SHIFT), int(Fault.ROUNDING), int(Fault.SATURATION)
_SHUFFLE = int(Fault.SHUFFLE)
_ADD, _SUB, _AND, _OR = int(Operation.ADD), int(Operation.SUB), int(Operation.AND), int(Operation.OR)
_MAX_LT, _MIN_GE, _SUB_GE = int(Operation.MAX_LT), int(Operation.MIN_GE), int(Operation.SUB_GE)
_SUB_LT, _MAXDIFF_LT, _LT = int(Operation.SUB_LT), int(Operation.MAXDIFF_LT), int(Operation.LT)


@compiled()
def put(b8, b16, b32, b64, place, index, bits, value):
    """Write the low bits of a number into a lane."""
    if bits == 8:
        b8[place + index] = np.int8(value)
    elif bits == 16:
        b16[(place >> 1) + index] = np.int16(value)
    elif bits == 32:
        b32[(place >> 2) + index] = np.int32(value)
    else:
        b64[(place >> 3) + index] = value


@compiled()
def is_signed(given, kept, base):
    """A sign that is given (0, 1) or that a control register holds (2 + its place)."""
    return given == 1 if given < 2 else kept[at(given - 2, base)] != 0


@compiled()
def biases(shift, mode):
    """(positive, negative, odd): what is added to the dropped bits so that they carry where the mode rounds up.

    `odd` is what the lowest bit that stays adds besides: 1 if it is set, -1 if it is not, or nothing.
    """
    if shift == 0 or mode == 0:
        return 0, 0, 0
    full, half = (np.int64(1) << shift) - 1, np.int64(1) << (shift - 1)
    if mode == 1:
        return full, full, 0
    if mode == 2:
        return 0, full, 0
    if mode == 3:
        return full, 0, 0
    if mode == 8:
        return half - 1, half - 1, 0
    if mode == 9:
        return half, half, 0
    if mode == 10:
        return half - 1, half, 0
    if mode == 11:
        return half, half - 1, 0
    return (half - 1, half - 1, 1) if mode == 12 else (half, half, -1)


@compiled()
def convert(source, first, target, to, count, shift, bias, low, high):
    """Shift, round and limit lanes: the loop that the compiler turns into vector code."""
    positive, negative, odd = bias
    for index in range(count):
        value = np.int64(peek(source, first + index))
        floor = value >> shift
        rest = value - (floor << shift) + (negative if value < 0 else positive) + (floor & 1) * odd
        poke(target, to + index, min(max(floor + (rest >> shift), low), high))


@compiled()
def limits(bits, positive, mode):
    """The least and the greatest number of a saturation mode other than none."""
    high = (np.int64(1) << (bits if positive else bits - 1)) - 1
    low = 0 if positive else (-high - 1 if mode == 1 else -high)
    return np.int64(low), high


@compiled()
def saturated(value, bits, positive, mode):
    """A value limited to what bits hold, if the mode says so."""
    if mode == 0:
        return value
    low, high = limits(bits, positive, mode)
    return min(max(value, low), high)


@compiled()
def srs(ev, e, kept, base, b8, b16, b32, b64, place):
    """Shift, round, saturate; the number of a fault, or 0."""
    shift, saturation, mode = kept[at(ev[e + 5], base)], kept[at(ev[e + 6], base)], kept[at(ev[e + 7], base)]
    if mode > 13 or (mode > 3 and mode < 8):
        return _ROUNDING
    if shift > MAX_SRS_SHIFT:
        return _SHIFT
    if saturation > 3 or saturation == 2:
        return _SATURATION
    acc_bits, bits = ev[e + 4] >> 8, ev[e + 4] & 255
    low, high = np.int64(-0x7FFFFFFFFFFFFFFF - 1), np.int64(0x7FFFFFFFFFFFFFFF)
    if saturation:
        low, high = limits(bits, not is_signed(ev[e + 3] >> 8, kept, base), saturation)
    bias, count = biases(shift, mode), ev[e + 3] & 255
    out, source = place + ev[e + 1], kept[base + ev[e + 2]]
    if acc_bits == 32 and bits == 8:
        convert(b32, source >> 2, b8, out, count, shift, bias, low, high)
    elif acc_bits == 32:
        convert(b32, source >> 2, b16, out >> 1, count, shift, bias, low, high)
    elif bits == 16:
        convert(b64, source >> 3, b16, out >> 1, count, shift, bias, low, high)
    else:
        convert(b64, source >> 3, b32, out >> 2, count, shift, bias, low, high)
    return 0


@compiled()
def ups(ev, e, kept, base, b8, b16, b32, b64, place):
    """Shift left into an accumulator; the number of a fault, or 0."""
    shift, saturation = kept[at(ev[e + 5], base)], kept[at(ev[e + 6], base)]
    if shift > MAX_UPS_SHIFT:
        return _SHIFT
    if saturation > 3 or saturation == 2:
        return _SATURATION
    positive = not is_signed(ev[e + 7], kept, base)
    acc_bits, bits = ev[e + 4] >> 8, ev[e + 4] & 255
    high = (np.int64(1) << 31) - 1 if acc_bits == 32 else np.int64(0x7FFFFFFFFFFFFFFF)
    low = -high - 1 if saturation == 1 else -high
    for index in range(ev[e + 3]):
        value = lane(b8, b16, b32, kept[base + ev[e + 2]], index, bits, positive)
        if saturation:
            value = min(max(value, low >> shift), high >> shift)
        put(b8, b16, b32, b64, place + ev[e + 1], index, acc_bits, value << shift)
    return 0


@compiled()
def pack(ev, e, kept, base, b8, b16, b32, place):
    """32 lanes of 16 bits to 8; the number of a fault, or 0."""
    saturation = kept[at(ev[e + 3], base)]
    if saturation > 3 or saturation == 2:
        return _SATURATION
    positive = not is_signed(ev[e + 4], kept, base)
    for index in range(32):
        value = lane(b8, b16, b32, kept[base + ev[e + 2]], index, 16, positive)
        b8[place + ev[e + 1] + index] = np.int8(saturated(value, 8, positive, saturation))
    return 0


@compiled()
def unpack(ev, e, kept, base, b8, b16, b32, place):
    """32 lanes of 8 bits to 16."""
    positive = not is_signed(ev[e + 3], kept, base)
    for index in range(32):
        value = lane(b8, b16, b32, kept[base + ev[e + 2]], index, 8, positive)
        b16[(place + ev[e + 1] >> 1) + index] = np.int16(value)


@compiled()
def two_lanes(operation, a, b):
    """The result of an operation, and whether its condition holds."""
    if operation == _ADD:
        return a + b, False
    if operation == _SUB:
        return a - b, False
    if operation == _AND:
        return a & b, False
    if operation == _OR:
        return a | b, False
    if operation == _MAX_LT:
        return max(a, b), a < b
    if operation == _MIN_GE:
        return min(a, b), a >= b
    if operation == _SUB_LT:
        return a - b, a < b
    if operation == _SUB_GE:
        return a - b, a >= b
    if operation == _MAXDIFF_LT:
        return max(a - b, 0), a < b
    return a, a < b if operation == _LT else a >= b


@compiled()
def compare(ev, e, kept, base, b8, b16, b32, b64, place):
    """An operation on the lanes of two vectors, with a mask if it has one."""
    bits, operation = ev[e + 4], ev[e + 5]
    masks = operation >= _MAX_LT
    positive = masks and not is_signed(ev[e + 7], kept, base)
    low = high = 0
    for index in range(512 // bits):
        a = lane(b8, b16, b32, kept[base + ev[e + 2]], index, bits, positive)
        b = lane(b8, b16, b32, kept[base + ev[e + 3]], index, bits, positive)
        result, holds = two_lanes(operation, a, b)
        if ev[e + 1] >= 0:
            put(b8, b16, b32, b64, place + ev[e + 1], index, bits, result)
        if holds and index < 32:
            low |= 1 << index
        elif holds:
            high |= 1 << (index - 32)
    if masks:
        kept[base + ev[e + 6]] = low
        if bits == 8:
            kept[base + ev[e + 6] + 1] = high


@compiled()
def examine(ev, e, kept, base, b8, b16, b32, place, invert):
    """A mask of the lanes that are zero; or of those below zero, and every bit inverted."""
    bits = ev[e + 4]
    low = high = 0
    for index in range(512 // bits):
        value = lane(b8, b16, b32, kept[base + ev[e + 2]], index, bits, False)
        if (value < 0) if invert else (value == 0):
            if index < 32:
                low |= 1 << index
            else:
                high |= 1 << (index - 32)
    kept[base + ev[e + 6]] = low
    if bits == 8:
        kept[base + ev[e + 6] + 1] = high
    if invert:
        for index in range(X_BYTES):
            b8[place + ev[e + 1] + index] = ~b8[kept[base + ev[e + 2]] + index]


@compiled()
def choose(ev, e, kept, base, b8, place):
    """Lanes of the second operand where the mask has a one."""
    size = ev[e + 4] >> 3
    for index in range(X_BYTES):
        spot = index // size
        chosen = kept[at(ev[e + 5], base) + (spot >> 5)] >> (spot & 31) & 1
        b8[place + ev[e + 1] + index] = b8[kept[base + ev[e + 3 if chosen else e + 2]] + index]


@compiled()
def scalar_byte(kept, place, index):
    """A byte of a scalar or of a pair of them."""
    return np.int8(kept[place + (index >> 2)] >> 8 * (index & 3) & 0xFF)


@compiled()
def broadcast(ev, e, kept, base, b8, place):
    """Every lane the low bits of a scalar."""
    size = ev[e + 3] >> 3
    for index in range(X_BYTES):
        b8[place + ev[e + 1] + index] = scalar_byte(kept, at(ev[e + 2], base), index % size)


@compiled()
def insert(ev, e, kept, base, b8, place):
    """A vector with one lane replaced."""
    size = ev[e + 4] >> 3
    first = kept[at(ev[e + 5], base)] % (X_BYTES // size) * size
    for index in range(X_BYTES):
        b8[place + ev[e + 1] + index] = b8[kept[base + ev[e + 2]] + index]
    for index in range(size):
        b8[place + ev[e + 1] + first + index] = scalar_byte(kept, at(ev[e + 3], base), index)


@compiled()
def extract(ev, e, kept, base, b8, b16, b32, place):
    """One lane as a scalar, or 64 bits as two."""
    bits = ev[e + 3]
    index = kept[at(ev[e + 4], base)]
    if bits == 64:
        first = index % 8 * 2
        kept[base + ev[e + 1]] = np.int64(b32[(kept[base + ev[e + 2]] >> 2) + first]) & 0xFFFFFFFF
        kept[base + ev[e + 1] + 1] = np.int64(b32[(kept[base + ev[e + 2]] >> 2) + first + 1]) & 0xFFFFFFFF
        return
    positive = not is_signed(ev[e + 5], kept, base)
    value = lane(b8, b16, b32, kept[base + ev[e + 2]], index % (512 // bits), bits, positive)
    kept[base + ev[e + 1]] = value & 0xFFFFFFFF


@compiled()
def extract_broadcast(ev, e, kept, base, b8, place):
    """Every lane a copy of one."""
    size = ev[e + 3] >> 3
    chosen = ev[e + 5] if ev[e + 4] < 0 else kept[at(ev[e + 4], base)]
    first = chosen % (X_BYTES // size) * size
    for index in range(X_BYTES):
        b8[place + ev[e + 1] + index] = b8[kept[base + ev[e + 2]] + first + index % size]


@compiled()
def shuffle(ev, e, kept, base, b8, place):
    """The transposes of `permute`; the number of a fault, or 0."""
    mode = kept[at(ev[e + 4], base)]
    if mode >= 64 or SHUFFLES[mode, 0] < 0:
        return _SHUFFLE
    out, low, high = place + ev[e + 1], kept[base + ev[e + 2]], kept[base + ev[e + 3]]
    for index in range(X_BYTES):
        byte = SHUFFLES[mode, index]
        b8[out + index] = b8[low + byte if byte < X_BYTES else high + byte - X_BYTES]
    return 0


@compiled()
def shift(ev, e, kept, base, b8, place):
    """64 bytes from some byte of two operands on; the number of a fault, or 0."""
    count = kept[at(ev[e + 4], base)]
    if count >= X_BYTES:
        return _SHIFT
    out, low, high = place + ev[e + 1], kept[base + ev[e + 2]], kept[base + ev[e + 3]]
    for index in range(X_BYTES):
        byte = index + count
        b8[out + index] = b8[low + byte if byte < X_BYTES else high + byte - X_BYTES]
    return 0
