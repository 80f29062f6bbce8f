"""Programs as bytes, and what governs locks and loops; the numbers are those of Xilinx/llvm-aie and AM020."""

from collections.abc import Callable
from functools import cache

from compiler.encoding.isa.codec import BUNDLE_BYTES, decode
from compiler.encoding.isa.model import Bundle, Instruction
from compiler.encoding.isa.registers import Register
from compiler.errors import UnreadableInput
from runtime_sim.faults import sim_fault
from runtime_sim.instructions.operands import signed
from runtime_sim.instructions.state import PROGRAM_BYTES, CoreState

# llvm-aie, AIE2InstrInfo.cpp, getZOLSupport: ls, le and lc are set at least 112 bytes before the loop's last bundle.
LOOP_SETUP = 7
# AIE2 lock delays: the core stands still in cycle 2 of a request and goes on in cycle 8; requests are 4 cycles apart.
ACQUIRE_TO_MEMORY = 8
LOCK_DISTANCE = 4


def lock_request(instruction: Instruction, state: CoreState) -> tuple[int, int] | None:
    """The lock and the value of an acq or rel; none if its condition, which the `.cond` forms have, is 0."""
    if instruction.opcode.mnemonic.endswith(".cond"):
        condition = instruction.register("cond")
        if not int(state.scalars[condition.cells[0]]):
            return None
    lock, value = instruction.value("lock"), instruction.register("value")
    if isinstance(lock, Register):
        lock = int(state.scalars[lock.cells[0]])
    return lock, signed(int(state.scalars[value.cells[0]]))


def fetcher(program: bytes) -> Callable[[int], Bundle]:
    """What gives the bundle at a byte address of a program memory."""
    if len(program) > PROGRAM_BYTES or len(program) % BUNDLE_BYTES:
        text = f"a program has {len(program)} bytes, expected at most {PROGRAM_BYTES} in bundles of {BUNDLE_BYTES}"
        raise sim_fault("core-program", text, "core")

    @cache
    def fetch(pc: int) -> Bundle:
        place = f"core at {pc:#x}"
        if pc % BUNDLE_BYTES or not 0 <= pc < len(program):
            text = f"the program counter is {pc:#x}, expected a bundle of the {len(program)} bytes of the program"
            raise sim_fault("core-pc", text, place)
        try:
            return decode(program[pc : pc + BUNDLE_BYTES])
        except UnreadableInput as error:
            found = error.diagnostic
            raise sim_fault("core-word", found.message, place, notes=found.notes, help=found.help) from error

    return fetch
