# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""The course of a program for numba: what may issue, where it goes on, and what the end of a cycle writes."""

from compiler.encoding.isa.codec import BUNDLE_BYTES
from compiler.encoding.isa.registers import CELL
from runtime_sim.instructions.compiled_scalar import at
from runtime_sim.instructions.control import ACQUIRE_TO_MEMORY, LOCK_DISTANCE, LOOP_SETUP
from runtime_sim.instructions.events import KEPT_SCALARS, Fault, Flag, Kind, Outcome, Register, Tally
from runtime_sim.instructions.meaning_scalar import DELAY_SLOTS
from runtime_sim.instructions.unchecked import CELL_WORDS, compiled, copy_cell, inlined

_PC, _TIME, _BANK, _LOCKED = map(int, (Register.PC, Register.TIME, Register.BANK_STALLS, Register.LOCK_STALLS))
_BUNDLES, _DONE, _TARGET, _LEFT = map(int, (Register.BUNDLES, Register.DONE, Register.TARGET, Register.LEFT))
_SETUP, _LAST_ACCESS, _LAST_LOCK = map(int, (Register.LOOP_SETUP, Register.LAST_ACCESS, Register.LAST_LOCK))
_LAST_ACQUIRE, _GRANTED = int(Register.LAST_ACQUIRE), int(Register.LOCK_GRANTED)
_O_LIMIT, _O_LOCK, _O_FAULT = int(Outcome.LIMIT), int(Outcome.LOCK), int(Outcome.FAULT)
_F_LOCK, _F_DONE, _F_JUMP, _F_FIRST, _F_LAST = map(int, Flag)
_PC_FAULT, _WRITE = _O_FAULT + int(Fault.PC), int(Fault.WRITE)
_LOCK_FAULT = _O_FAULT + int(Fault.LOCK)
_BRANCH, _LOOP = int(Fault.BRANCH), int(Fault.LOOP)
_JUMP, _JUMP_ZERO, _JUMP_COUNT, _CALL = map(int, (Kind.JUMP, Kind.JUMP_ZERO, Kind.JUMP_COUNT, Kind.CALL))
_T_WRITES, _T_TARGET = int(Tally.WRITES), int(Tally.TARGET)
_LS, _LE, _LC = CELL["ls"], CELL["le"], CELL["lc"]


@compiled()
def jump(kind, ev, e, kept, base):
    """The target of a jump that is taken, or -1; what a jump leaves in registers besides."""
    taken = True
    if kind == _CALL:
        kept[base + ev[e + 4]] = ev[e + 5]
    elif kind != _JUMP:
        count = kept[at(ev[e + 1], base)]
        taken = (count == 0) == (kind == _JUMP_ZERO)
        if kind == _JUMP_COUNT:
            kept[base + ev[e + 4]] = count - 1 & 0xFFFFFFFF
    if not taken:
        return -1
    return ev[e + 3] if ev[e + 2] < 0 else kept[at(ev[e + 2], base)]


@compiled()
def lock_fault(regs, bundles, bundle):
    """Whether a bundle's lock request or memory access stands too near to others; as `core` checks it."""
    time = regs[_TIME]
    if bundles[bundle, _F_LOCK]:
        return regs[_LAST_ACCESS] > time or time - regs[_LAST_LOCK] < LOCK_DISTANCE
    return False


@compiled()
def access_fault(regs, bundles, bundle):
    """Whether a memory access of a bundle comes too early behind a lock."""
    first = regs[_TIME] + bundles[bundle, _F_FIRST] - 1
    return first < regs[_LAST_ACQUIRE] + ACQUIRE_TO_MEMORY or regs[_LAST_LOCK] == regs[_TIME]


@inlined()
def issue(regs, bundles, executed, count, check_locks, limit):
    """Count the next bundle as issued, or say why it cannot be: an outcome, 0 if it can."""
    time, bundle = regs[_TIME], regs[_PC] >> 4
    if time + regs[_BANK] + regs[_LOCKED] >= limit and not regs[_GRANTED]:
        return _O_LIMIT
    if regs[_PC] & 15 or bundle >= count:
        return _PC_FAULT
    if bundles[bundle, _F_LOCK] and not regs[_GRANTED]:
        return _LOCK_FAULT if check_locks and lock_fault(regs, bundles, bundle) else _O_LOCK
    regs[_GRANTED] = 0
    if bundles[bundle, _F_FIRST]:
        regs[_LAST_ACCESS] = max(regs[_LAST_ACCESS], time + bundles[bundle, _F_LAST] - 1)
        if check_locks and access_fault(regs, bundles, bundle):
            return _LOCK_FAULT
    if bundles[bundle, _F_JUMP] and regs[_LEFT]:
        return _O_FAULT + _BRANCH
    regs[_BUNDLES] += 1
    executed[bundle] += 1
    if bundles[bundle, _F_DONE]:
        regs[_DONE] = 1
    return 0


@inlined()
def go_on(regs, kept, tally):
    """Set the program counter behind a jump's delay slots, back to a loop's start, or simply on; a fault, or 0."""
    pc, target = regs[_PC], tally[_T_TARGET]
    following = pc + BUNDLE_BYTES
    if pc == kept[_LE] and kept[_LC]:
        if regs[_BUNDLES] - 1 - regs[_SETUP] < LOOP_SETUP:
            return _LOOP
        kept[_LC] -= 1
        if kept[_LC]:
            following = kept[_LS]
            if regs[_LEFT] or target >= 0:
                return _BRANCH
    if regs[_LEFT]:
        regs[_LEFT] -= 1
        if not regs[_LEFT]:
            following = regs[_TARGET]
    if target >= 0:
        regs[_TARGET], regs[_LEFT] = target, DELAY_SLOTS
    regs[_PC] = following
    return 0


@inlined()
def write_back(regs, kept, b64, tally, writes, stamps):
    """The register writes of a cycle; two of one cell are a fault."""
    time = regs[_TIME]
    for number in range(tally[_T_WRITES]):
        cell, value, cells = writes[number, 0], writes[number, 1], writes[number, 2]
        if not cells:
            if stamps[cell] == time:
                return _WRITE
            stamps[cell] = time
            kept[cell] = value
            if cell in (_LS, _LE, _LC):
                regs[_SETUP] = regs[_BUNDLES] - 1
        for part in range(cells):
            spot = KEPT_SCALARS + cell + part
            if stamps[spot] == time:
                return _WRITE
            stamps[spot] = time
            copy_cell(b64, CELL_WORDS * (cell + part), b64, value + CELL_WORDS * part)
    return 0
