"""The compiled core does what the reference does: random legal bundles of every instruction give equal machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.encoding.isa import (
    BUNDLE_BYTES,
    KINDS,
    OPCODES,
    Bundle,
    Instruction,
    NumberKind,
    Opcode,
    Register,
    encode,
    ins,
)
from compiler.encoding.isa.kinds import Value
from compiler.encoding.isa.registers import CELL, REGISTERS
from compiler.errors import SimulationFault
from runtime_sim.instructions import CoreMemory, CoreState, Result, run_program
from runtime_sim.instructions.meaning import ACQUIRES, RELEASES, is_implemented
from runtime_sim.instructions.multiply import SHAPES
from runtime_sim.instructions.permute import shuffle_modes

ROOT = Path(__file__).parents[1]
OWN = 0x70000
# What registers hold so that every instruction can run: anything, words of multiplies, small numbers, shuffle modes.
CONFIGS, COUNTS, MODES, SHIFTS = ("r8", "r9", "r10", "r11"), ("r12",), ("r13",), ("r14",)
FREE = [f"r{number}" for number in (*range(8), *range(16, 32))]
ROLES = {"conf": CONFIGS, "mode": MODES}
CONTROL = ("JZ", "JNZ", "J", "JL", "J_REG", "JL_REG", "JNZD", "RET", "DONE", "MOVX_CR", *ACQUIRES, *RELEASES)
NAMES = sorted(name for name, one in OPCODES.items() if is_implemented(one) and name not in CONTROL)
END = "done"
Rng = np.random.Generator


def choose(rng: Rng, opcode: Opcode, role: str, kind_name: str) -> Value:
    """A value that keeps addresses aligned and registers with a purpose as they are."""
    kind = KINDS[kind_name]
    if isinstance(kind, NumberKind):
        if role == "imm" and (opcode.addressing or opcode.name.startswith("PADD")):
            step = max(kind.step, 32)
            low, high = max(kind.low, -4096), min(kind.high, 4096)
            return int(rng.integers(-(-low // step), high // step + 1)) * step
        return int(rng.integers(kind.low // kind.step, kind.high // kind.step + 1)) * kind.step
    names = [register.name for register in kind.registers]
    if role in ROLES and kind_name == "r":
        names = list(ROLES[role])
    elif role == "shift" and kind_name == "r":
        names = list(COUNTS)
    elif role == "b" and opcode.name in ("LSHL", "ASHL"):
        names = list(SHIFTS)
    elif role in ("dst", "cmp"):
        names = [name for name in names if not name.startswith(("p", "m", "d", "s", "l", "cr")) and name not in _KEPT]
    found = KINDS[kind_name]
    assert not isinstance(found, NumberKind)
    return found.by_name[str(rng.choice(names))]


_KEPT = (*CONFIGS, *COUNTS, *MODES, *SHIFTS, "CORE_ID", "lr")


def random_instruction(rng: Rng, name: str) -> Instruction:
    opcode = OPCODES[name]
    return opcode(*(choose(rng, opcode, one.role, one.kind) for one in opcode.operands))


def writes(one: Instruction, time: int) -> set[tuple[int, int]]:
    return {(cell, time + cycle) for cell, cycle, _ in one.cells_written()}


def random_program(rng: Rng, first: list[str], length: int) -> bytes:
    """Bundles without two writes of one cell in one cycle; the instructions that are named come first."""
    wanted = list(first)
    taken: set[tuple[int, int]] = set()
    bundles = []
    for time in range(length):
        bundle: tuple[Instruction, ...] = ()
        for attempt in range(7):
            name = wanted[0] if wanted and not attempt else str(rng.choice(NAMES))
            one = random_instruction(rng, name)
            slots = {slot for other in bundle for slot in other.opcode.slot.occupied}
            if slots & set(one.opcode.slot.occupied) or taken & writes(one, time):
                continue
            taken |= writes(one, time)
            bundle += (one,)
            wanted = wanted[1:] if wanted and not attempt else wanted
        bundles.append(Bundle(bundle))
    return b"".join(encode(bundle) for bundle in (*bundles, Bundle((ins(END),))))


def random_state(rng: Rng) -> CoreState:
    state = CoreState()
    for name in REGISTERS:
        if name.startswith(("r", "s")) and name in CELL and name != "sp":
            state[name] = int(rng.integers(0, 2**32)) if name.startswith("r") else int(rng.integers(0, 30))
    for number in range(8):
        window = OWN - 0x10000 * int(rng.integers(4))
        state[f"p{number}"] = window + int(rng.integers(0x100, 0x700)) * 32
        for part in ("m", "dj"):
            state[f"{part}{number}"] = int(rng.integers(-8, 8)) * 32
        state[f"dn{number}"], state[f"dc{number}"] = int(rng.integers(0, 4)), int(rng.integers(0, 3))
    state["sp"] = OWN + 0xC000
    for name in CONFIGS:
        amode, bmode, variant = list(SHAPES)[rng.integers(len(SHAPES))]
        flags = int(rng.integers(64)) << 8 | int(rng.integers(4) == 0)
        state[name] = flags | amode << 1 | bmode << 3 | variant << 5
    state["r12"], state["r13"] = int(rng.integers(64)), int(rng.choice(shuffle_modes()))
    state["r14"] = int(rng.integers(-31, 32))
    state["crSat"], state["crRnd"] = int(rng.choice([0, 1, 3])), int(rng.choice([0, 1, 2, 3, *range(8, 14)]))
    for name in ("crSRSSign", "crUPSSign", "crPackSign", "crUnpackSign", "crVaddSign"):
        state[name] = int(rng.integers(2))
    state.vectors[:] = rng.integers(0, 256, state.vectors.shape)
    return state


def run_both(program: bytes, seed: int) -> tuple[Result, Result, CoreMemory, CoreMemory]:
    results, memories = [], []
    for fast in (False, True):
        rng = np.random.default_rng(seed)
        state = random_state(rng)
        memory = CoreMemory.of(
            rng.integers(0, 256, 0x10000).astype(np.uint8),
            **{name: rng.integers(0, 256, 0x10000).astype(np.uint8) for name in ("south", "west", "north")},
        )
        results.append(run_program(program, memory, fast=fast, state=state))
        memories.append(memory)
    return results[0], results[1], memories[0], memories[1]


def assert_equal(program: bytes, seed: int) -> None:
    reference, fast, reference_memory, fast_memory = run_both(program, seed)
    for name in reference_memory.windows:
        np.testing.assert_array_equal(reference_memory.windows[name], fast_memory.windows[name])
    np.testing.assert_array_equal(reference.state.scalars, fast.state.scalars)
    np.testing.assert_array_equal(reference.state.vectors, fast.state.vectors)
    for field in ("status", "cycles", "bank_stalls", "lock_stalls", "bundles", "slots", "pc"):
        assert getattr(reference, field) == getattr(fast, field)


def without_accumulator_word(names: list[str]) -> list[str]:
    """Additions of accumulators want words of their own, see below."""
    return [name for name in names if name not in ("VADD_CM", "VSUB_CM", "VNEGADD_CM", "VNEGSUB_CM")]


@pytest.mark.parametrize("part", range(12))
def test_every_instruction_among_others(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = without_accumulator_word(NAMES)
    monkeypatch.setattr(f"{__name__}.NAMES", names)
    rng = np.random.default_rng(part)
    chosen = names[part::12]
    assert_equal(random_program(rng, chosen, len(chosen) + 10), part)


def looped(rng: Rng, length: int, rounds: int) -> bytes:
    """A random body in a hardware loop; its last bundle is empty, so that nothing in it depends on the way there."""
    body = random_program(rng, [], length)[:-BUNDLE_BYTES]
    head = ["movxm ls, #160", f"movxm le, #{160 + BUNDLE_BYTES * length}", f"movx r15, #{rounds}", "add.nc lc, r15, #0"]
    lines = [*head, *["nop"] * (160 // BUNDLE_BYTES - len(head))]
    return b"".join(encode(Bundle((ins(line),) if line != "nop" else ())) for line in lines) + body + tail()


def tail() -> bytes:
    return encode(Bundle()) + encode(Bundle((ins(END),)))


@pytest.mark.parametrize("seed", range(20))
def test_loops(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds overlap in the pipeline; where they write one register at once, both interpreters refuse."""
    monkeypatch.setattr(f"{__name__}.NAMES", without_accumulator_word(NAMES))
    rng = np.random.default_rng(100 + seed)
    program = looped(rng, int(rng.integers(1, 14)), int(rng.integers(1, 6)))
    try:
        assert_equal(program, seed)
    except SimulationFault as fault:
        assert fault.diagnostic.code == "core-write"
        state, memory = random_state(np.random.default_rng(seed)), CoreMemory.of(np.zeros(0x10000, np.uint8))
        memory.windows |= {name: np.zeros(0x10000, np.uint8) for name in ("south", "west", "north")}
        with pytest.raises(SimulationFault, match="core-write"):
            run_program(program, memory, fast=True, state=state)


@pytest.mark.parametrize("name", ["vadd", "vsub", "vnegadd", "vnegsub"])
@pytest.mark.parametrize("word", [0, 2, 1, 0x400, 0x402, 0x1000, 0x2002])
def test_sums_of_accumulators(name: str, word: int) -> None:
    lines = [f"movxm r0, #{word}", f"{name} cm1, cm2, cm3, r0", f"{name} cm4, cm1, cm3, r0", END]
    assert_equal(b"".join(encode(Bundle((ins(line),))) for line in lines), word)


def test_a_register_is_as_wide_as_a_pointer() -> None:
    lines = ["movxm p0, #-1", "mov r0, p0", "movxm r1, #-1", END]
    program = b"".join(encode(Bundle((ins(line),))) for line in lines)
    for fast in (False, True):
        state = run_program(program, np.zeros(0x10000, np.uint8), fast=fast).state
        assert (state["r0"], state["r1"]) == (0xFFFFF, 0xFFFFFFFF)


def test_instructions_are_only_register_operands() -> None:
    """The generator's own check: every value that it makes is a register or a number."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        assert all(isinstance(value, Register | int) for value in random_instruction(rng, name).values)


def test_numba_is_imported_only_to_be_used() -> None:
    code = "import sys, runtime_sim.instructions as i; assert i.run_program; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "False"
