"""Numbers in the pages that come from tables of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.encoding.isa import OPCODES, Instruction, RegisterKind
from compiler.encoding.isa.kinds import KINDS
from compiler.encoding.isa.registers import REGISTERS
from compiler.kernels.schedule import Op
from compiler.kernels.schedule.edges import dependences

DOCS = Path(__file__).parents[1] / "docs"


def _reader(name: str) -> Op:
    """A store or move through the rounder, of an accumulator that cm0 holds."""
    opcode = OPCODES[name]
    values = []
    for operand in opcode.operands:
        kind = KINDS[operand.kind]
        values.append(kind.registers[0] if isinstance(kind, RegisterKind) else max(kind.low, 0))
    return Op(Instruction(opcode, tuple(values)), memory="out" if opcode.memory else "")


@pytest.mark.parametrize("mnemonic", ["vst.srs", "vsrs"])
def test_how_early_an_accumulator_may_be_overwritten(mnemonic: str) -> None:
    """The least distance from what reads an accumulator to the multiply that overwrites it, by the tables."""
    multiply = next(one for one in OPCODES.values() if one.mnemonic == "vmac" and one.kind("acc") == "cm")
    cm0 = REGISTERS["cm0"]
    registers = {"dst": cm0, "acc": cm0}
    kinds = {one.role: KINDS[one.kind] for one in multiply.operands}
    others = {role: kind.registers[-1] for role, kind in kinds.items() if isinstance(kind, RegisterKind)}
    product = Op(Instruction(multiply, tuple((others | registers)[one.role] for one in multiply.operands)))
    readers = [name for name, one in OPCODES.items() if one.mnemonic.startswith(f"{mnemonic}.")]
    assert readers
    found = {
        edge.distance
        for name in readers
        for edge in dependences([_reader(name), product])
        if edge.why.startswith("WAR am")
    }
    assert found == {-4}
    for page in ("hardware.md", "kernels.md"):
        text = " ".join((DOCS / page).read_text(encoding="utf-8").split())
        assert f"up to {-max(found)} cycles" in text and f"`{mnemonic}`" in text, page
