"""Rows about cores: programs in the syntax of llvm-aie, a bundle a line, run by the simulator of instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from compiler.encoding.isa import assemble
from compiler.encoding.tiles import CORE_MEMORY_BYTES
from compiler.target import Target
from runtime_sim.instructions import run_program

FEW, MANY = 100, 1000
"""Iterations of two runs, whose difference holds nothing but iterations."""

_SETUP = """\
movxm ls, #.LStart
movxm le, #.LEnd
movx r5, #{iterations}
add.nc lc, r5, #0"""

_OWN = CORE_MEMORY_BYTES["own"]
_BANK_A, _BANK_A_LATER, _BANK_B = _OWN, _OWN + 0x400, _OWN + 0x4000
"""Two addresses in the first bank of 16 KB, one in the second."""


def loop(bundles: Sequence[str], iterations: int, before: Sequence[str] = ()) -> str:
    """A hardware loop of these bundles.

    Its registers are written well before its last bundle: llvm-aie keeps 112 bytes between them.
    """
    body = [".LStart:", *bundles[:-1], ".LEnd:", bundles[-1]]
    lines = [*before, _SETUP.format(iterations=iterations), *["nop"] * 7, ".p2align 4", *body]
    return "\n".join([*lines, "nop", "done"]) + "\n"


def loop_of_9(iterations: int) -> str:
    """A scalar load, and its use when the value has landed."""
    return loop(["lda r1, [p0, #0]", *["nop"] * 6, "add r0, r0, r1", "nop"], iterations, [f"movxm p0, #{_BANK_A}"])


def loop_of_2(iterations: int) -> str:
    """Hardly anything."""
    return loop(["add r0, r0, #1", "nop"], iterations)


def two_loads_of_one_bank(iterations: int) -> str:
    """Two vector loads in a bundle, both from the first bank."""
    return _two_loads(iterations, _BANK_A_LATER)


def two_loads_of_two_banks(iterations: int) -> str:
    """The same from two banks."""
    return _two_loads(iterations, _BANK_B)


def _two_loads(iterations: int, second: int) -> str:
    pointers = [f"movxm p0, #{_BANK_A}", f"movxm p1, #{second}"]
    return loop(["vldb wl0, [p0, #0]; vlda wl2, [p1, #0]", "nop"], iterations, pointers)


def iteration(program: Callable[[int], str]) -> float:
    """Cycles of an iteration."""
    few, many = (_cycles(program(count)) for count in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _cycles(text: str) -> int:
    return run_program(assemble(text).bytes, np.zeros(1 << 16, np.uint8), fast=False).cycles


def nine_bundles(_: Target) -> tuple[float, ...]:
    """Cycles of an iteration of 9 bundles."""
    return (iteration(loop_of_9),)


def two_bundles(_: Target) -> tuple[float, ...]:
    """Cycles of an iteration of 2 bundles."""
    return (iteration(loop_of_2),)


def bank_conflict(_: Target) -> tuple[float, ...]:
    """Cycles that an iteration is longer when its two loads meet in a bank."""
    return (iteration(two_loads_of_one_bank) - iteration(two_loads_of_two_banks),)
