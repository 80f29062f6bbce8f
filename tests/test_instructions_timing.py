"""Latencies: one cycle too early a consumer sees the old value, in time the new one; in both interpreters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from compiler.encoding.isa import assemble
from runtime_sim.instructions import CoreState, Status, run_program
from runtime_sim.instructions.lanes import Bytes

OWN = 0x70000
OLD, NEW, OTHER = 1, 2, 3
DENSE = 776  # 4x8x8 of signed bytes
Outcome = Callable[[CoreState, Bytes], object]


@dataclass(frozen=True)
class Case:
    """`old` and `new` are what the outcome shows when the consumer comes a cycle early, and in time."""

    producer: str
    consumer: str
    distance: int
    outcome: Outcome
    old: object
    new: object


def scalar(name: str) -> Outcome:
    return lambda state, memory: state[name]


def byte(name: str) -> Outcome:
    return lambda state, memory: int(state.vector(name)[0])


def word(name: str) -> Outcome:
    return lambda state, memory: int(state.vector(name).view(np.int32)[0])


def stored(state: CoreState, memory: Bytes) -> object:
    return int(memory[0x100])


def fresh_state() -> CoreState:
    """x0 and accumulator 0 are old; x4 is all new; x6 is one byte 1 and zeros, x8 its matrix; r0 multiplies bytes."""
    state = CoreState()
    state["r0"] = DENSE
    state["p0"], state["p1"], state["p3"] = OWN, OWN + 64, OWN + 0x100
    state["r5"], state["r6"], state["crSat"] = NEW, OLD, 1
    state.set_vector("x0", np.full(64, OLD, np.uint8))
    state.set_vector("x4", np.full(64, NEW, np.uint8))
    one = np.zeros(64, np.uint8)
    one[0] = 1
    state.set_vector("x6", one)
    state.set_vector("cm0", np.full(32, OLD, np.int32))
    state.set_vector("cm2", np.full(32, NEW, np.int32))
    return state


def fresh_memory() -> Bytes:
    memory = np.full(0x10000, NEW, np.uint8)
    memory[64:96] = np.full(8, NEW, np.int32).view(np.uint8)
    memory[0x100:0x200] = 0
    return memory


FOUR = 0x02020202  # four bytes that are new
CASES = {
    "lda to alu": Case("lda r6, [p1, #0]", "add r2, r6, r7", 7, scalar("r2"), OLD, NEW),
    "lda to pointer move": Case("lda p2, [p1, #0]", "mov r2, p2", 7, scalar("r2"), 0, NEW),
    "lda to modifier": Case("lda m0, [p1, #0]", "padda [p3], m0", 7, scalar("p3"), OWN + 0x100, OWN + 0x100 + NEW),
    "lda.s8 to alu": Case("lda.s8 r6, [p1, #0]", "add r2, r6, r7", 7, scalar("r2"), OLD, NEW),
    "vlda to vmul": Case("vlda wl0, [p0, #0]", "vmul cm1, x0, x6, r0", 7, word("cm1"), OLD, NEW),
    "vldb to vmul": Case("vldb wl0, [p0, #0]", "vmul cm1, x0, x6, r0", 7, word("cm1"), OLD, NEW),
    "vldb to vst": Case("vldb wl0, [p0, #0]", "vst wl0, [p3, #0]", 7, stored, OLD, NEW),
    "vlda to vmov": Case("vlda wl0, [p0, #0]", "vmov x2, x0", 7, byte("x2"), OLD, NEW),
    "vldb.unpack": Case("vldb.unpack.s16.s8 x0, [p0], m0", "vmov x2, x0", 7, byte("x2"), OLD, NEW),
    "vlda am to vmac": Case("vlda amll0, [p1, #0]", "vmac cm1, cm0, x10, x10, r0", 5, word("cm1"), OLD, NEW),
    "vlda am to vst.srs": Case("vlda amll0, [p1, #0]", "vst.srs.s8.s32 cm0, s0, [p3, #0]", 7, stored, OLD, NEW),
    "vlda.ups to vmac": Case(
        "vlda.ups.s32.s8 cm0, s0, [p0, #0]", "vmac cm1, cm0, x10, x10, r0", 7, word("cm1"), OLD, NEW
    ),
    "vlda.ups to vst.srs": Case(
        "vlda.ups.s32.s8 cm0, s0, [p0, #0]", "vst.srs.s8.s32 cm0, s0, [p3, #0]", 9, stored, OLD, NEW
    ),
    "pointer to address": Case("paddb [p1], #256", "lda r2, [p1, #0]", 1, scalar("r2"), NEW, 0),
    "post-increment to address": Case("vldb wl2, [p3], #32", "mov r2, p3", 1, scalar("r2"), OWN + 0x100, OWN + 0x120),
    "vmac to vmac": Case("vmac cm0, cm2, x10, x10, r0", "vmac cm1, cm0, x10, x10, r0", 2, word("cm1"), OLD, NEW),
    "vmul to vst.srs": Case("vmul cm0, x4, x6, r0", "vst.srs.s8.s32 cm0, s0, [p3, #0]", 5, stored, OLD, NEW),
    "vmul to vsrs": Case("vmul cm0, x4, x6, r0", "vsrs.s8.s32 wl2, cm0, s0", 5, byte("wl2"), OLD, NEW),
    "vmul to vst am": Case("vmul cm0, x4, x6, r0", "vst amll0, [p3, #0]", 5, stored, OLD, NEW),
    "vclr to vmac": Case("vclr cm0", "vmac cm1, cm0, x10, x10, r0", 2, word("cm1"), OLD, 0),
    "vmov.d to vmac": Case("vmov.d cm0, cm2", "vmac cm1, cm0, x10, x10, r0", 2, word("cm1"), OLD, NEW),
    "vadd cm to vmac": Case("vadd cm0, cm2, cm3, r8", "vmac cm1, cm0, x10, x10, r0", 2, word("cm1"), OLD, NEW),
    "vsrs to vst": Case("vsrs.s8.s32 wl0, cm2, s0", "vst wl0, [p3, #0]", 4, stored, OLD, NEW),
    "vups to vmac": Case("vups.s32.s8 cm0, wl4, s0", "vmac cm1, cm0, x10, x10, r0", 1, word("cm1"), OLD, NEW),
    "vadd to mv slot": Case("vadd.8 x0, x4, x10", "vmov x2, x0", 1, byte("x2"), None, NEW),
    "vadd to vst": Case("vadd.8 x0, x4, x10", "vst wl0, [p3, #0]", 2, stored, OLD, NEW),
    "vmax to vmul": Case("vmax_lt.s8 x0, r17:r16, x4, x10", "vmul cm1, x0, x6, r0", 2, word("cm1"), OLD, NEW),
    "vmov w to vst": Case("vmov wl0, wl4", "vst wl0, [p3, #0]", 2, stored, OLD, NEW),
    "vpack to vst": Case("vpack.s8.s16 wl0, x4", "vst wl0, [p3, #0]", 2, stored, OLD, 127),
    "vextract to alu": Case("vextract.s8 r6, x4, r16", "add r2, r6, r7", 2, scalar("r2"), OLD, NEW),
    "mask to vsel": Case("vge.s8 r17:r16, x4, x10", "vsel.8 x2, x0, x4, r17:r16", 2, byte("x2"), OLD, NEW),
    "vmov cm to vst am": Case("vmov cm0, cm2", "vst amll0, [p3, #0]", 2, stored, OLD, NEW),
    "alu to mv": Case("add r6, r5, r7", "mov r2, r6", 1, scalar("r2"), OLD, NEW),
    "mov to alu": Case("mov r6, r5", "add r2, r6, r7", 1, scalar("r2"), OLD, NEW),
    "mova to alu": Case("mova r6, #2", "add r2, r6, r7", 1, scalar("r2"), OLD, NEW),
    "movx to mv": Case("movx r6, #2", "mov r2, r6", 1, scalar("r2"), OLD, NEW),
    "add.nc to alu": Case("add.nc r6, r5, #0", "add r2, r6, r7", 1, scalar("r2"), OLD, NEW),
    "mov.d3": Case("mov.d3 r6, r5", "add r2, r6, r7", 4, scalar("r2"), OLD, NEW),
    "mul to alu": Case("mul r6, r5, r6", "add r2, r6, r7", 2, scalar("r2"), OLD, NEW),
    "control register to srs": Case("mov crSat, #0", "vsrs.s8.s32 wl2, cm4, s0", 1, byte("wl2"), 127, 0),
    "vst to load": Case("vst wl4, [p3, #0]", "lda r2, [p3, #0]", 1, scalar("r2"), 0, FOUR),
    "vst.srs to load": Case("vst.srs.s8.s32 cm2, s0, [p3, #0]", "lda r2, [p3, #0]", 3, scalar("r2"), 0, FOUR),
    "st.s8 to load": Case("st.s8 r5, [p3, #0]", "lda r2, [p3, #0]", 7, scalar("r2"), 0, NEW),
}


def outcome(case: Case, distance: int, fast: bool) -> object:
    """Run the two instructions at a distance; 0 is one bundle."""
    if distance:
        lines = [case.producer, *["nop"] * (distance - 1), case.consumer]
    else:
        lines = [f"{case.producer}; {case.consumer}"]
    state, memory = fresh_state(), fresh_memory()
    state.set_vector("cm4", np.full(32, 256, np.int32))
    program = assemble("\n".join([*lines, *["nop"] * 12, "done"])).bytes
    result = run_program(program, memory, fast=fast, state=state)
    assert result.status is Status.DONE
    return case.outcome(result.state, memory)


@pytest.mark.parametrize("fast", [False, True], ids=["reference", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_distance(name: str, fast: bool) -> None:
    case = CASES[name]
    assert outcome(case, case.distance, fast) == case.new
    if case.old is not None:  # None: producer and consumer need one slot
        assert outcome(case, case.distance - 1, fast) == case.old


@pytest.mark.parametrize("fast", [False, True], ids=["reference", "compiled"])
def test_a_load_every_cycle_into_one_register(fast: bool) -> None:
    """Each value is visible until the next one lands."""
    state = fresh_state()
    memory = fresh_memory()
    memory[0:16] = np.arange(10, 14, dtype=np.int32).view(np.uint8)
    lines = ["lda r6, [p0], #4"] * 4 + ["nop"] * 3 + [f"add r{number}, r6, r7" for number in range(10, 14)] + ["done"]
    state = run_program(assemble("\n".join(lines)).bytes, memory, fast=fast, state=state).state
    assert [state[f"r{number}"] for number in range(10, 14)] == [10, 11, 12, 13]


@pytest.mark.parametrize("fast", [False, True], ids=["reference", "compiled"])
def test_old_values_are_stored_behind_a_multiply(fast: bool) -> None:
    """The accumulator is written 4 cycles behind its read, so a store may follow the multiply that overwrites it."""
    for distance in range(1, 5):
        case = Case("vmul cm0, x4, x6, r0", "vst.srs.s8.s32 cm0, s0, [p3, #0]", 5, stored, OLD, NEW)
        assert outcome(case, distance, fast) == OLD
