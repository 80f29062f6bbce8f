"""Schedules run on the simulator's reference core: equal results as the sequential program, in as many cycles as rows.

The core knows nothing of schedules, so this tests the dependences, the banks and the hardware loop as one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from compiler.encoding.isa import Bundle, ins
from compiler.kernels.schedule import BlockSchedule, Op, Row, bundles, expand, modulo_schedule, schedule_block
from runtime_sim.instructions.core import ReferenceCore
from runtime_sim.instructions.lanes import Bytes
from runtime_sim.instructions.state import CoreMemory, CoreState, Result
from tests.schedule_mutants import mutants
from tests.test_schedule_support import op, scaling, sparse_conv, spread

OWN = 0x70000
# Pointer, its memory object and the bank that it lies in; p4 and p5 step by words, the others by vectors.
OBJECTS = {f"p{pointer}": f"object {pointer}" for pointer in range(6)}
BANKS = {f"object {pointer}": f"bank {pointer % 4}" for pointer in range(6)}
FORMS = (
    "add r{0}, r{1}, r{2}",
    "mul r{0}, r{1}, r{2}",
    "lda r{0}, [p4], #4",
    "lda r{0}, [p5], #4",
    "st r{0}, [p4], #4",
    "st r{0}, [p5], #4",
    "vlda wl{0}, [p{1}], #32",
    "vldb wh{0}, [p{1}], m{2}",
    "vldb wl{0}, [p{1}], #32",
    "vlda amll{0}, [p{1}], #32",
    "vmov x{0}, x{1}",
    "vadd.8 x{0}, x{1}, x{2}",
    "vmul cm{0}, x{1}, x{2}, r8",
    "vmac cm{0}, cm{1}, x{2}, x{0}, r8",
    "vst.srs.s8.s32 cm{0}, s0, [p{1}], #32",
    "vst wl{0}, [p{1}], #32",
    "padda [p{0}], #64",
)


def random_program(seed: int, size: int, registers: int = 4) -> list[Op]:
    rng = random.Random(seed)
    found = []
    for _ in range(size):
        one = ins(rng.choice(FORMS).format(*(rng.randrange(registers) for _ in range(3))))
        pointer = str(one.value("ptr")) if one.opcode.memory else ""
        found.append(Op(one, OBJECTS.get(pointer, "")))
    return found


def initial(seed: int) -> tuple[CoreState, Bytes]:
    rng = np.random.default_rng(seed)
    state = CoreState()
    for number in range(8):
        state[f"r{number}"] = int(rng.integers(1 << 16))
        state[f"m{number}"] = 32 * int(rng.integers(1, 4))
        state[f"p{number}"] = OWN + 0x4000 * (number % 4) + 0x2000 * (number // 4)
    state["r8"] = state["r9"] = 776  # int8 products of 4x8 by 8x8; r9 is what a mutant takes for r8
    state["s0"] = 4
    state.vectors[:] = rng.integers(256, size=state.vectors.shape, dtype=np.uint8)
    return state, rng.integers(256, size=0x10000, dtype=np.uint8)


def execute(code: Sequence[Bundle], seed: int, **more: int) -> tuple[Result, Bytes]:
    state, memory = initial(seed)
    for name, value in more.items():
        state[name] = value
    rows = [*code, Bundle((ins("done"),))]
    core = ReferenceCore(lambda address: rows[address // 16], CoreMemory.of(memory), state=state)
    return core.run(), memory


def same(rows: Sequence[Row], program: Sequence[Op], seed: int) -> None:
    """Memory, all registers and the number of cycles: no access ever waits for a bank."""
    found, memory = execute(bundles(rows), seed)
    wanted, expected = execute(bundles(spread(program)), seed)
    assert found.bank_stalls == 0
    assert found.cycles == len(rows) + 1
    assert np.array_equal(memory, expected)
    assert np.array_equal(found.state.scalars, wanted.state.scalars)
    assert np.array_equal(found.state.vectors, wanted.state.vectors)


@pytest.mark.parametrize("seed", range(30))
def test_blocks(seed: int) -> None:
    program = random_program(seed, 5 + 2 * seed)
    same(schedule_block(program, banks=BANKS).rows, program, seed)


@pytest.mark.parametrize("seed", range(30))
def test_loops(seed: int) -> None:
    program = random_program(seed, 4 + seed % 15)
    code = expand(modulo_schedule(program, BANKS, max_ii=100))
    trips = code.least_trips + 2
    same(code.rows(trips), program * trips, seed)


@pytest.mark.parametrize("seed", range(6))
def test_faults_that_the_checker_calls_harmless(seed: int) -> None:
    """The core is the judge of what the checker lets through."""
    program = random_program(seed, 9, 3)
    alike = 0
    for mutant in mutants(schedule_block(program, banks=BANKS)):
        if not mutant.check():
            assert isinstance(mutant.code, BlockSchedule)
            same(mutant.code.rows, program, seed)
            alike += 1
    assert alike


@pytest.mark.parametrize("trips", (8, 13))
def test_hardware_loop(trips: int) -> None:
    """The same bundles, but the kernel stands there once and ls, le, lc say how often it runs."""
    code = expand(modulo_schedule(scaling_in_banks(), {"in": "bank 0", "out": "bank 1"}))
    first = len(code.prologue)
    setup = {"ls": 16 * first, "le": 16 * (first + len(code.kernel) - 1), "lc": code.kernel_passes(trips)}
    found, memory = execute(bundles((*code.prologue, *code.kernel, *code.epilogue)), 3, **setup)
    _, expected = execute(bundles(spread(scaling_in_banks() * trips)), 3)
    assert np.array_equal(memory, expected)
    assert found.cycles == len(code.rows(trips)) + 1


def scaling_in_banks() -> list[Op]:
    return [Op(ins(one.ins.text().replace("r0", "r8")), one.memory) for one in scaling()]


def test_sparse_convolution() -> None:
    """Table and weights in one bank, activations in another, all addresses from the table."""
    body = [Op(ins(one.ins.text().replace("r0", "r8")), one.memory) for one in sparse_conv(2)]
    setup = [op("mova dj0, #64"), op("movxm p2, #0x72000"), op("movxm p5, #0x74000"), op("movxm p0, #0x70000")]
    setup += [op("movxm p1, #0x70100"), op("mova m2, #0"), op("mova dn2, #0"), op("mova dj2, #0"), op("mova m1, #32")]
    setup += [op("mova dn1, #0"), op("mova dc1, #0"), op("mova dc2, #0"), op("mova dj1, #0"), op("movxm r3, #96")]
    setup.append(op("st r3, [p2, #0]", "work"))
    code = expand(modulo_schedule(body, {"act": "bank 0", "work": "bank 1"}))
    trips = code.least_trips + 3
    start = schedule_block(setup)
    rows = [*start.rows, *code.rows(trips)]
    found, memory = execute(bundles(rows), 5)
    wanted, expected = execute(bundles(spread([*setup, *body * trips])), 5)
    assert np.array_equal(memory, expected)
    assert np.array_equal(found.state.vectors, wanted.state.vectors)
    assert np.array_equal(found.state.scalars, wanted.state.scalars)
