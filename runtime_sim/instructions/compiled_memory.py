# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""Operands and memory for numba: finding vectors, bypasses, loads, stores and the banks that they keep busy."""

from compiler.encoding.tiles import CORE_MEMORY_BYTES
from runtime_sim.instructions.events import KEPT_VECTORS, Fault, Kind, Register, Tally
from runtime_sim.instructions.unchecked import CELL_WORDS, copy_cell, inlined

_LOAD_SCALAR, _LOAD_VECTOR = int(Kind.LOAD_SCALAR), int(Kind.LOAD_VECTOR)
_STORE_VECTOR, _TOUCH = int(Kind.STORE_VECTOR), int(Kind.TOUCH)
_ALIGN, _NO_MEMORY = int(Fault.ALIGN), int(Fault.ADDRESS)
_FAULT_VALUE, _STORES, _BANKS = int(Register.FAULT_VALUE), int(Tally.STORES), int(Tally.BANKS)
SOUTH, WEST, OWN = (CORE_MEMORY_BYTES[name] >> 16 for name in ("south", "west", "own"))
FIRST_WINDOW, WINDOWS = min(CORE_MEMORY_BYTES.values()) >> 16, len(CORE_MEMORY_BYTES)
ROWS = KEPT_VECTORS // 32


@inlined()
def resolve(ev, e, kept, base, b64, place, announced, time):
    """Find a vector operand: in its register, or where the result lies that a bypass makes visible."""
    row, count = ev[e + 2], ev[e + 3]
    found = row * 32
    scattered = False
    if ev[e + 4]:
        first = ((time & 1) * ROWS + row) * 3
        for cell in range(count):
            entry = first + 3 * cell
            ahead = announced[entry] == time and announced[entry + 1] == ev[e + 4]
            spot = announced[entry + 2] if ahead else (row + cell) * 32
            if cell == 0:
                found = spot
            elif spot != found + 32 * cell:
                scattered = True
    if scattered or ev[e + 6]:
        to = place + ev[e + 5]
        for cell in range(count):
            entry = ((time & 1) * ROWS + row + cell) * 3
            ahead = ev[e + 4] and announced[entry] == time and announced[entry + 1] == ev[e + 4]
            source = (announced[entry + 2] if ahead else (row + cell) * 32) >> 3
            copy_cell(b64, (to >> 3) + CELL_WORDS * cell, b64, source)
        found = to
    kept[base + ev[e + 1]] = found


@inlined()
def announce(ev, e, place, announced, time):
    """Make a result visible to the readers of its bypass, in this cycle or the next."""
    when = time + ev[e + 5]
    for cell in range(ev[e + 3]):
        entry = ((when & 1) * ROWS + ev[e + 2] + cell) * 3
        announced[entry], announced[entry + 1] = when, ev[e + 4]
        announced[entry + 2] = place + ev[e + 1] + 32 * cell


@inlined()
def memory_fault(address, size, present):
    """The number of the fault of an access, or 0."""
    if address % size:
        return _ALIGN
    window = (address >> 16) - FIRST_WINDOW
    return 0 if 0 <= window < WINDOWS and present >> window & 1 else _NO_MEMORY


@inlined()
def bank_bits(address, size):
    """The physical banks of an access, one bit each: two for 256 bits, else one."""
    first = ((address >> 16) - FIRST_WINDOW) * 8 + (address >> 14 & 3) * 2
    return 3 << first if size >= 32 else 1 << (first + (address >> 4 & 1))


@inlined()
def load(kind, ev, e, kept, base, data, b64, place):
    """Read memory, seen in words of 64 bits, into a kept vector or scalar."""
    address = kept[base + ev[e + 1]] & 0xFFFF
    word = address >> 3
    if kind == _LOAD_VECTOR:
        copy_cell(b64, place + ev[e + 2] >> 3, data, word)
        if ev[e + 4] >= 0:
            kept[base + ev[e + 4]] = place + ev[e + 2]
        return
    bits = 8 * ev[e + 3]
    value = data[word] >> 8 * (address & 7) & ((1 << bits) - 1)
    if ev[e + 4] and value >> (bits - 1):
        value -= 1 << bits
    kept[base + ev[e + 2]] = value & 0xFFFFFFFF


@inlined()
def store(ev, e, kept, base, data, b64, place):
    """Write a kept vector or scalar to memory."""
    address = kept[base + ev[e + 1]] & 0xFFFF
    word = address >> 3
    if ev[e] == _STORE_VECTOR:
        copy_cell(data, word, b64, place + ev[e + 2] >> 3)
        return
    mask, shift = (1 << 8 * ev[e + 3]) - 1, 8 * (address & 7)
    data[word] = data[word] & ~(mask << shift) | (kept[base + ev[e + 2]] & mask) << shift


@inlined()
def access(kind, ev, e, kept, base, b64, place, regs, tally, stores, present, south, west, north, own):
    """Perform a load, note a store for the end of the cycle; the number of a fault, or 0."""
    address, size = kept[base + ev[e + 1]], ev[e + 3]
    fault = memory_fault(address, size, present)
    if fault:
        regs[_FAULT_VALUE] = address
        return fault
    bits = bank_bits(address, size)
    tally[_BANKS + 3] |= tally[_BANKS + 2] & bits
    tally[_BANKS + 2] |= tally[_BANKS + 1] & bits
    tally[_BANKS + 1] |= tally[_BANKS] & bits
    tally[_BANKS] |= bits
    if kind > _LOAD_VECTOR:
        if kind != _TOUCH:
            stored = tally[_STORES]
            stores[stored, 0], stores[stored, 1], stores[stored, 2] = e, base, place
            tally[_STORES] += 1
        return 0
    window = address >> 16
    if window == OWN:
        load(kind, ev, e, kept, base, own, b64, place)
    elif window == SOUTH:
        load(kind, ev, e, kept, base, south, b64, place)
    elif window == WEST:
        load(kind, ev, e, kept, base, west, b64, place)
    else:
        load(kind, ev, e, kept, base, north, b64, place)
    return 0


@inlined()
def finish_stores(ev, kept, b64, tally, stores, south, west, north, own):
    """The stores of a cycle, behind its loads."""
    for number in range(tally[_STORES]):
        e, base, place = stores[number, 0], stores[number, 1], stores[number, 2]
        window = kept[base + ev[e + 1]] >> 16
        if window == OWN:
            store(ev, e, kept, base, own, b64, place)
        elif window == SOUTH:
            store(ev, e, kept, base, south, b64, place)
        elif window == WEST:
            store(ev, e, kept, base, west, b64, place)
        else:
            store(ev, e, kept, base, north, b64, place)
