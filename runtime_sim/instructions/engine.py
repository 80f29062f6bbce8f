# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""The compiled core: performs the events of a program, cycle by cycle, as `core` runs its instructions.

Each cycle issues one bundle and then, oldest bundle first, performs the events of every bundle under way that fall
into this cycle; the events of a bundle are sorted by its age.  Register writes and stores wait for the cycle's end.
"""

from collections.abc import Callable

from runtime_sim.instructions.compiled_control import go_on, issue, jump, write_back
from runtime_sim.instructions.compiled_memory import access, announce, finish_stores, resolve
from runtime_sim.instructions.compiled_scalar import generate, scalar
from runtime_sim.instructions.compiled_vector import vector
from runtime_sim.instructions.events import (
    COLUMNS,
    DEPTH,
    SCALARS,
    TALLIES,
    VECTORS,
    Kind,
    Outcome,
    Register,
    Tally,
)
from runtime_sim.instructions.unchecked import compiled, inlined

_PC, _TIME, _BANK = int(Register.PC), int(Register.TIME), int(Register.BANK_STALLS)
_DONE, _DRAIN, _FAULT_PC = int(Register.DONE), int(Register.DRAIN), int(Register.FAULT_PC)
_O_DONE, _O_FAULT = int(Outcome.DONE), int(Outcome.FAULT)
_RESOLVE, _READ_SCALAR, _FAULT = int(Kind.RESOLVE), int(Kind.READ_SCALAR), int(Kind.FAULT)
_WRITE_SCALAR, _WRITE_VECTOR, _ANNOUNCE = int(Kind.WRITE_SCALAR), int(Kind.WRITE_VECTOR), int(Kind.ANNOUNCE)
_TOUCH, _ADDRESS_END = int(Kind.TOUCH), int(Kind.ADDRESS_3D)
_SCALARS, _VECTORS, _TALLIES = int(SCALARS), int(VECTORS), int(TALLIES)
_T_WRITES, _T_TARGET, _T_BANKS = int(Tally.WRITES), int(Tally.TARGET), int(Tally.BANKS)


@inlined()
def note_write(writes, tally, cell, value, cells):
    """Note a write for the end of the cycle; of vectors the value is the place of so many cells."""
    written = tally[_T_WRITES]
    writes[written, 0], writes[written, 1], writes[written, 2] = cell, value, cells
    tally[_T_WRITES] += 1


@inlined()
def compute(kind, ev, e, kept, base, b8, b16, b32, b64, place, tally, writes):
    """Perform an event that has nothing to do with memory; the number of a fault, or 0."""
    if kind >= _VECTORS:
        return vector(kind, ev, e, kept, base, b8, b16, b32, b64, place)
    if kind >= _SCALARS:
        fault = scalar(kind, ev, e, kept, base)
        if ev[e + 5] >= 0:
            note_write(writes, tally, ev[e + 5], kept[base + ev[e + 1]] & ev[e + 6], 0)
        return fault
    if kind == _WRITE_SCALAR:
        note_write(writes, tally, ev[e + 2], kept[base + ev[e + 1]] & ev[e + 3], 0)
    elif kind == _WRITE_VECTOR:
        note_write(writes, tally, ev[e + 2], place + ev[e + 1] >> 3, ev[e + 3])
    elif kind == _READ_SCALAR:
        kept[base + ev[e + 1]] = kept[ev[e + 2]]
    elif kind <= _ADDRESS_END:
        if kind == _FAULT:
            return ev[e + 1]
        tally[_T_WRITES] = generate(kind, ev, e, kept, base, writes, tally[_T_WRITES])
    else:
        target = jump(kind, ev, e, kept, base)
        if target >= 0:
            tally[_T_TARGET] = target
    return 0


def make_engine(digest: int) -> Callable[..., int]:
    """The engine; numba compiles it anew for another digest, which stands for the sources of all that it calls."""

    @compiled(cache=True)
    def engine(
        regs,
        kept,
        b8,
        b16,
        b32,
        b64,
        ev,
        spans,
        bundles,
        executed,
        history,
        announced,
        stamps,
        writes,
        stores,
        tally,
        south,
        west,
        north,
        own,
        sizes,
        limit,
    ):
        if digest < 0:  # numba keeps the digest because it is used
            return _O_FAULT
        count, scalar_places, vector_places, ages, present, check_locks = sizes
        while True:
            time, bundle = regs[_TIME], count
            if not regs[_DRAIN]:
                outcome = issue(regs, bundles, executed, count, check_locks, limit)
                if outcome:
                    regs[_FAULT_PC] = regs[_PC]
                    return outcome
                bundle = regs[_PC] >> 4
            history[time & DEPTH - 1] = bundle
            for number in range(_TALLIES):
                tally[number] = 0
            tally[_T_TARGET] = -1
            for back in range(ages):
                age = ages - 1 - back
                row = time - age & DEPTH - 1
                current = history[row]
                base, place = row * scalar_places, row * vector_places
                for number in range(spans[current, age], spans[current, age + 1]):
                    e = number * COLUMNS
                    kind, fault = ev[e], 0
                    if kind == _RESOLVE:
                        resolve(ev, e, kept, base, b64, place, announced, time)
                    elif kind == _ANNOUNCE:
                        announce(ev, e, place, announced, time)
                    elif _ANNOUNCE < kind <= _TOUCH:
                        fault = access(
                            kind, ev, e, kept, base, b64, place, regs, tally, stores, present, south, west, north, own
                        )
                    else:
                        fault = compute(kind, ev, e, kept, base, b8, b16, b32, b64, place, tally, writes)
                    if fault:
                        regs[_FAULT_PC] = current * 16
                        return _O_FAULT + fault
            finish_stores(ev, kept, b64, tally, stores, south, west, north, own)
            fault = 0
            if not regs[_DRAIN] and not regs[_DONE]:
                regs[_FAULT_PC] = regs[_PC]
                fault = go_on(regs, kept, tally)
            if not fault:
                fault = write_back(regs, kept, b64, tally, writes, stamps)
            if fault:
                return _O_FAULT + fault
            for number in range(1, 4):
                regs[_BANK] += tally[_T_BANKS + number] != 0
            regs[_TIME] = time + 1
            if regs[_DRAIN]:
                regs[_DRAIN] -= 1
                if not regs[_DRAIN]:
                    return _O_DONE
            elif regs[_DONE]:
                return _O_DONE

    return engine
