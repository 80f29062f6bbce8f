# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""The scalar instructions and address generation for numba; the meanings are those of `meaning_scalar`, `address`."""

from compiler.encoding.isa.registers import CELL
from runtime_sim.instructions.events import KEPT_SCALARS, Fault, Kind
from runtime_sim.instructions.unchecked import compiled, inlined

WORD_MASK = 0xFFFFFFFF
POINTER_MASK = 0xFFFFF

# Numba takes plain integers from module level, but no enumerations.
_CONSTANT, _COPY, _ADD_NUMBER = int(Kind.CONSTANT), int(Kind.COPY), int(Kind.ADD_NUMBER)
_ADD, _SUB, _AND, _OR, _XOR = int(Kind.ADD), int(Kind.SUB), int(Kind.AND), int(Kind.OR), int(Kind.XOR)
_EQ, _NE, _GE, _LT, _GEU, _LTU = map(int, (Kind.EQ, Kind.NE, Kind.GE, Kind.LT, Kind.GEU, Kind.LTU))
_LSHL, _ASHL, _MUL, _CLB, _CLZ = map(int, (Kind.LSHL, Kind.ASHL, Kind.MUL, Kind.CLB, Kind.CLZ))
_EXTEND, _EQZ, _NEZ, _ABS, _SELECT = map(int, (Kind.EXTEND, Kind.EQZ, Kind.NEZ, Kind.ABS, Kind.SELECT))
_IMM, _DJ, _POST_IMM = int(Kind.ADDRESS_IMM), int(Kind.ADDRESS_DJ), int(Kind.ADDRESS_POST_IMM)
_POST_M, _2D = int(Kind.ADDRESS_POST_M), int(Kind.ADDRESS_2D)
_SHIFT_FAULT = int(Fault.SHIFT)
_DIMENSIONS, _OUTER = CELL["dn0"] - CELL["m0"], CELL["m4"] - CELL["m0"]


@compiled()
def signed32(value):
    """A word with its sign."""
    return value - (1 << 32) if value >> 31 & 1 else value


@compiled()
def leading_zeros(value):
    """Zeros above the highest one of a word."""
    count = 32
    while value:
        value >>= 1
        count -= 1
    return count


@compiled()
def extended(value, bits):
    """The low bits of a word, as a word; bits below zero mean a signed number."""
    width = abs(bits)
    low = value & ((1 << width) - 1)
    return low - (1 << width) if bits < 0 and low >> (width - 1) else low


@compiled()
def binary(kind, a, b):
    """A result of two words, its high bits still to be dropped."""
    if kind == _ADD:
        return a + b
    if kind == _SUB:
        return a - b
    if kind == _AND:
        return a & b
    if kind == _OR:
        return a | b
    if kind == _XOR:
        return a ^ b
    if kind == _EQ:
        return int(a == b)
    if kind == _NE:
        return int(a != b)
    if kind == _GE:
        return int(signed32(a) >= signed32(b))
    if kind == _LT:
        return int(signed32(a) < signed32(b))
    if kind == _GEU:
        return int(a >= b)
    if kind == _LTU:
        return int(a < b)
    return (a & 0xFFFF) * b + ((a >> 16) * (b & 0xFFFF) << 16)  # mul, without leaving 64 bits


@compiled()
def unary(kind, a, number):
    """A result of one word and perhaps a number."""
    if kind == _CONSTANT:
        return number
    if kind == _COPY:
        return a
    if kind == _ADD_NUMBER:
        return a + number
    if kind == _CLZ:
        return leading_zeros(a)
    if kind == _CLB:
        return leading_zeros(a ^ 0xFFFFFFFF if a >> 31 else a)
    if kind == _EXTEND:
        return extended(a, number)
    if kind == _EQZ:
        return int(a == 0)
    if kind == _NEZ:
        return int(a != 0)
    return abs(signed32(a))


@inlined()
def at(place, base):
    """Where a scalar lies: a register, or what the bundle of this base keeps."""
    return place + base if place >= KEPT_SCALARS else place


@inlined()
def scalar(kind, ev, e, kept, base):
    """Perform a scalar event; the number of a fault, or 0."""
    result = base + ev[e + 1]
    a = kept[at(ev[e + 2], base)]
    if kind <= _ADD_NUMBER or (kind >= _CLB and kind <= _ABS):
        kept[result] = unary(kind, a, ev[e + 4]) & WORD_MASK
        return 0
    b = kept[at(ev[e + 3], base)]
    if kind == _SELECT:
        kept[result] = a if kept[at(ev[e + 4], base)] else b
        return 0
    if kind in (_LSHL, _ASHL):
        amount = signed32(b)
        if amount <= -32 or amount >= 32:
            return _SHIFT_FAULT
        if amount >= 0:
            kept[result] = a << amount & WORD_MASK
        else:
            kept[result] = (signed32(a) if kind == _ASHL else a) >> -amount & WORD_MASK
        return 0
    kept[result] = binary(kind, a, b) & WORD_MASK
    return 0


@inlined()
def generate(kind, ev, e, kept, base, writes, written):
    """Keep the address, add what becomes of pointer and counters to the writes; their new number."""
    pointer, cells = kept[ev[e + 2]], ev[e + 3]
    if kind == _IMM:
        kept[base + ev[e + 1]] = pointer + ev[e + 4] & POINTER_MASK
        return written
    if kind == _DJ:
        kept[base + ev[e + 1]] = pointer + kept[cells] & POINTER_MASK
        return written
    kept[base + ev[e + 1]] = pointer
    step = ev[e + 4]
    if kind == _POST_M:
        step = kept[cells]
    elif kind != _POST_IMM:  # the cells of m, dn, dj and dc lie _DIMENSIONS apart, those of the outer loop 4 further
        step = kept[cells]
        inner, outer = kept[cells + 3 * _DIMENSIONS], kept[cells + 3 * _DIMENSIONS + _OUTER]
        if inner < kept[cells + _DIMENSIONS]:
            step = kept[cells + 2 * _DIMENSIONS]
            inner += 1
        else:
            inner = 0
            if kind != _2D and outer < kept[cells + _DIMENSIONS + _OUTER]:
                step = kept[cells + 2 * _DIMENSIONS + _OUTER]
                outer += 1
            else:
                outer = 0
        written = add_write(writes, written, cells + 3 * _DIMENSIONS, inner)
        if kind != _2D:
            written = add_write(writes, written, cells + 3 * _DIMENSIONS + _OUTER, outer)
    return add_write(writes, written, ev[e + 2], pointer + step & POINTER_MASK)


@inlined()
def add_write(writes, written, cell, value):
    """Note the write of a scalar for the end of the cycle."""
    writes[written, 0], writes[written, 1], writes[written, 2] = cell, value, 0
    return written + 1
