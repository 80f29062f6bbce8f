"""docs/assembly.md: what the assembler takes, and what the simulator cannot run; `--update-golden` writes the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler.encoding.isa import KINDS, OPCODES, Instruction, RegisterKind, assemble
from compiler.encoding.isa.opcodes import BY_MNEMONIC
from compiler.encoding.isa.program import PROGRAM_BYTES
from compiler.errors import SimulationFault
from runtime_sim.instructions.meaning import is_implemented, meaning_of
from runtime_sim.instructions.state import PROGRAM_BYTES as MEMORY_BYTES
from tests import pages

PAGE = Path(__file__).parents[1] / "docs" / "assembly.md"


def forms(name: str) -> str:
    """The table of forms without a meaning."""
    assert name == "forms"
    missing = [one for one in OPCODES.values() if not is_implemented(one)]
    rows = [f"{len(missing)} of the {len(OPCODES)} declared forms, of {len(BY_MNEMONIC)} mnemonics:\n\n"]
    rows.append("| mnemonic | forms that do not run | of | example |\n|---|---|---|---|\n")
    for mnemonic in sorted({one.mnemonic for one in missing}):
        here = [one for one in missing if one.mnemonic == mnemonic]
        rows.append(f"| `{mnemonic}` | {len(here)} | {len(BY_MNEMONIC[mnemonic])} | `{_example(here[0].name)}` |\n")
    return "".join(rows)


def _example(name: str) -> str:
    opcode = OPCODES[name]
    kinds = [KINDS[operand.kind] for operand in opcode.operands]
    values = [
        kind.registers[0] if isinstance(kind, RegisterKind) else min(max(kind.low, 0), kind.high) for kind in kinds
    ]
    return Instruction(opcode, tuple(values)).text()


def test_the_page_shows_what_the_code_gives(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [found[1] for found in pages.MARK.findall(text)] == ["forms"]
    pages.check(PAGE, pages.with_parts(text, forms), request)


def test_a_form_without_meaning_stops_the_core() -> None:
    for opcode in OPCODES.values():
        if not is_implemented(opcode):
            with pytest.raises(SimulationFault):
                meaning_of(opcode, "here")
    assert all(assemble(_example(name)).bytes for name in OPCODES)


def test_directives_are_those_of_the_page() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Directives")[2].partition("\n\n## ")[0].partition("\n\n")[2]
    named = list(re.findall(r"`(\.[^`]+)`", table.partition("\n\n")[0]))
    assert len(named) > 10
    for directive in named:
        assert assemble(f"{directive}\nnop\n").bytes == assemble("nop").bytes


def test_the_assembler_and_the_core_have_one_program_memory() -> None:
    assert PROGRAM_BYTES == MEMORY_BYTES and f"{PROGRAM_BYTES:,} bytes" in PAGE.read_text(encoding="utf-8")
