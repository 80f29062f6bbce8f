"""A core's program on its way: operation, control stream, listing, program memory, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from compiler.backend import emit_control, static_check
from compiler.encoding.isa import assemble
from compiler.encoding.register_map import ProgramMemory, Special, decode_address
from compiler.encoding.registers import CoreControlWord
from compiler.encoding.tiles import TileKind, split_address
from compiler.encoding.transaction import BlockWrite, Write32, read_transactions
from compiler.errors import InternalError, SimulationFault
from compiler.ir import FuncOp, Module, Op, ReturnOp, Rewriter
from dialects.aie2 import CoreEnableOp, CoreResetOp, ProgramOp
from runtime_sim import instruction_core
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.machine import simulate
from runtime_sim.memory import Memory
from runtime_sim.written import Written
from tests.plans import COSTS
from tests.sim_columns import TARGET, ddr
from tests.sim_streams import Script, core

BYTES = np.arange(32, dtype=np.uint8)


def module_of(*ops: Op) -> Module:
    module = Module()
    module.store["program"], module.store["odd"] = BYTES, BYTES[:-1]
    module.store["large"] = np.zeros(0x4010, np.uint8)
    main = Rewriter.at_end(module.body.block).insert(FuncOp.make("main", [], []))
    rewriter = Rewriter.at_end(main.body.block)
    for op in (*ops, ReturnOp(())):
        rewriter.insert(op)
    return module


def program(row: int = 2, symbol: str = "program", digest: str = "") -> ProgramOp:
    store = module_of().store
    return ProgramOp(0, row, symbol, digest or (store.digest(symbol) if symbol in store else ""))


def test_a_program_is_one_block_write() -> None:
    stream, listing, _ = emit_control(module_of(CoreResetOp(0, 2), program(), CoreEnableOp(0, 2)), TARGET)
    reset, block, enable = read_transactions(stream).ops
    assert isinstance(reset, Write32) and isinstance(block, BlockWrite) and isinstance(enable, Write32)
    registers = [decode_address(TileKind.CORE, split_address(one.address)[2]) for one in (reset, block, enable)]
    assert registers == [Special.CORE_CONTROL, ProgramMemory(0), Special.CORE_CONTROL]
    words = [CoreControlWord.decode((one.value,)) for one in (reset, enable)]
    assert words == [CoreControlWord(reset=True), CoreControlWord(enable=True)]
    assert np.array(block.data, "<u4").tobytes() == BYTES.tobytes()
    digest = hashlib.sha256(BYTES.tobytes()).hexdigest()[:16]
    assert f"blockwrite tile(0,2) program[0x0] words=8 bundles=2 sha256={digest}" in listing


BAD: list[tuple[str, Callable[[], list[Op]]]] = [
    ("check-tile", lambda: [program(row=1)]),
    ("check-program", lambda: [CoreEnableOp(0, 2)]),
    ("check-program", lambda: [program(row=3), CoreEnableOp(0, 2)]),
    ("check-program", lambda: [program(symbol="absent")]),
    ("check-program", lambda: [program(symbol="odd")]),
    ("check-program", lambda: [program(symbol="large")]),
    ("check-program", lambda: [program(digest="0123456789abcdef")]),
    ("check-running", lambda: [program(), CoreEnableOp(0, 2), program()]),
    ("check-running", lambda: [program(), CoreEnableOp(0, 2), CoreResetOp(0, 2)]),
]


@pytest.mark.parametrize(("code", "ops"), BAD)
def test_wrong_programs_are_refused(code: str, ops: Callable[[], list[Op]]) -> None:
    with pytest.raises(InternalError) as caught:
        static_check(module_of(*ops()), TARGET)
    assert caught.value.diagnostic.code == code


def words_of(text: str) -> tuple[int, ...]:
    return tuple(np.frombuffer(assemble(text).bytes, "<u4").tolist())


def fault_of(script: Script, *, digest: str = "", instructions: bool = False) -> str:
    """The code and the text of the fault of a run."""
    cores = InstructionCore if instructions else None
    with pytest.raises(SimulationFault) as caught:
        simulate(script.writer.finish(), TARGET, ddr(64), COSTS, program=digest, core=cores)
    return f"{caught.value.diagnostic.code}: {caught.value}"


ENABLE, RESET = CoreControlWord(enable=True), CoreControlWord(reset=True)


def test_a_core_without_a_program_does_not_start() -> None:
    script = Script()
    script.write(core(0), Special.CORE_CONTROL, ENABLE)
    assert fault_of(script).startswith("core-program: core(0,2)")


def test_another_program_than_the_plan_names() -> None:
    script = Script()
    script.core_program(core(0))
    digest = hashlib.sha256(bytes(16)).hexdigest()
    simulate(script.writer.finish(), TARGET, ddr(64), COSTS, program=digest)
    assert "the plan's program has " in fault_of(script, digest=digest[::-1])


@pytest.mark.parametrize(("offset", "words", "code"), [(4, 4, "control-address"), (0, 3, "control-address")])
def test_program_memory_takes_bundles(offset: int, words: int, code: str) -> None:
    script = Script()
    script.write(core(0), ProgramMemory(offset), *[1] * words)
    assert fault_of(script).startswith(f"{code}: ")


def test_a_running_core_keeps_its_program() -> None:
    script = Script()
    script.core_program(core(0))
    script.write(core(0), ProgramMemory(0), 1, 2, 3, 4)
    assert fault_of(script).startswith("control-running: ")
    script = Script()
    script.core_program(core(0))
    script.write(core(0), Special.CORE_CONTROL, RESET)
    assert fault_of(script).startswith("control-unsupported: ")


def test_a_program_that_runs_on_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruction_core, "LIMIT_CYCLES", 100)
    script = Script()
    script.core_program(core(0), program=words_of("here: j #here\nnop\nnop\nnop\nnop\nnop"))
    assert fault_of(script, instructions=True).startswith("core-endless: core(0,2)")


def test_a_lock_that_nobody_gives() -> None:
    script = Script()
    script.core_program(core(0), program=words_of("mov r24, #-1\nmov r2, #58\nnop\nnop\nacq r2, r24"))
    assert "core(0,2) waits for core(0,2) lock 10 >= 1, which is 0" in fault_of(script, instructions=True)


def test_a_fault_of_the_machine_code_names_core_and_address() -> None:
    script = Script()
    script.core_program(core(0), program=words_of("movxm p0, #0x10\nnop\nlda r0, [p0, #0]" + "\nnop" * 8))
    text = fault_of(script, instructions=True)
    assert text.startswith("core-address: core(0,2): ") and "core at 0x20" in text


def test_written_words_are_found() -> None:
    memory = Memory("memory", np.zeros(64, np.uint8), written=False)
    memory.mark(3, 2)
    stretch = Written(memory)
    memory.words[[0, 5]] = 0, 7
    memory.words[6] = memory.words[7]
    stretch.mark()
    assert memory.shadow is not None
    assert np.flatnonzero(memory.shadow).tolist() == [0, 3, 4, 5, 6]
    assert memory.words[[3, 4, 0, 5]].tolist() == [0, 0, 0, 7]
