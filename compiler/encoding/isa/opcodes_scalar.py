"""Slots alu and lng: scalar arithmetic, locks, jumps, long constants.

Source: Xilinx/llvm-aie, AIE2GenInstrFormats.td (bits), AIE2GenInstrInfo.td and AIE2InstrInfo.td (operands),
AIE2Schedule.td (cycles and units).  The carry flag is not modelled: `adc` and `sbc`, its readers, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.encoding.isa.declare import opcode
from compiler.encoding.isa.model import FILE_PORTS, Opcode, Slot

ALU, LNG = Slot.ALU, Slot.LNG
_BINARY = {
    "add": 0,
    "sub": 1,
    "and": 4,
    "or": 5,
    "xor": 6,
    "eq": 7,
    "ne": 8,
    "ge": 9,
    "lt": 10,
    "geu": 11,
    "ltu": 12,
    "lshl": 13,
    "ashl": 14,
}
_UNARY = {
    "clb": 0,
    "clz": 1,
    "extend.s8": 2,
    "extend.s16": 3,
    "extend.u8": 4,
    "extend.u16": 5,
    "eqz": 6,
    "nez": 7,
    "abs": 8,
}
_LOCKS = {"acq": ("01", ""), "rel": ("00", ""), "acq.cond": ("11", "r26"), "rel.cond": ("10", "r26")}
# The mv slot's write ports of the scalar files; `movxm` uses them too.  The first is taken whatever is written.
MOVE_PORTS = "RS_WM_PORT@1 " + " ".join(f"{port}@1" for port in FILE_PORTS.values() if port != "R_WA_PORT")


def _name(mnemonic: str) -> str:
    return mnemonic.upper().replace(".", "_")


def _arithmetic() -> Iterator[Opcode]:
    port = "R_WX_PORT@1"
    three = "dst:r a:r b:r"
    for mnemonic, code in _BINARY.items():
        text = f"{mnemonic} dst, a, b"
        yield opcode(_name(mnemonic), ALU, text, f"a dst b {code:04b} 1", three, "a@1 b@1", "dst@1", port)
    yield opcode("MUL", ALU, "mul dst, a, b", "a dst b 1111 1", three, "a@1 b@1", "dst@2", "R_WX_PORT@2")
    for mnemonic, code in _UNARY.items():
        text = f"{mnemonic} dst, a"
        yield opcode(_name(mnemonic), ALU, text, f"a dst {code:04b} 111000", "dst:r a:r", "a@1", "dst@1", port)
    for mnemonic, code in (("sel.eqz", 0), ("sel.nez", 1)):
        text = f"{mnemonic} dst, a, b, cond"
        reads = "a@1 b@1 cond@1"
        yield opcode(_name(mnemonic), ALU, text, f"a dst b {code} 1100", f"{three} cond:r27", reads, "dst@1", port)
    yield opcode("ADD_IMM", ALU, "add dst, a, imm", "a dst imm 110", "dst:r a:r imm:simm7", "a@1", "dst@1", port)
    pattern = "imm[10:6] dst imm[5:0] 010"
    yield opcode("MOVX_IMM", ALU, "movx dst, imm", pattern, "dst:scl.movx imm:simm11", "", "dst@1", port)
    yield opcode("MOVX_CR", ALU, "movx dst, src", "src dst .... 1 000000", "dst:cr src:r", "src@1", "dst@1", port)


def _locks() -> Iterator[Opcode]:
    # LLVM leaves the order of lock and memory operations to later steps; so do we, to whoever schedules.
    units = " ".join(f"SEMAPHORE@{cycle}" for cycle in range(2, 6))
    for mnemonic, (bits, cond) in _LOCKS.items():
        more, kind, read = (", cond", f" cond:{cond}", " cond@1") if cond else ("", "", "")
        for suffix, lock, pattern, reads in (("_IMM", "imm6", "lock 0", ""), ("_REG", "r", "lock . 1", "lock@1 ")):
            yield opcode(
                _name(mnemonic) + suffix,
                ALU,
                f"{mnemonic} lock, value{more}",
                f"{pattern} . {bits} value 00100",
                f"lock:{lock} value:r{kind}",
                f"{reads}value@1{read}",
                "",
                units,
            )


def _control() -> Iterator[Opcode]:
    port = "P_RM_PORT@1"
    target = "target:p"
    yield opcode("J_REG", ALU, "j target", "0000000000 target 0001000", target, "target@1", "", port, branch=True)
    yield opcode(
        "JL_REG", ALU, "jl target", "0000000000 target 0101000", target, "target@1", "@lr@4", port, branch=True
    )
    yield opcode(
        "JNZD",
        ALU,
        "jnzd dst, a, target",
        "a dst target 0011000",
        "dst:r a:r target:p",
        "a@1 target@1",
        "dst@1",
        port,
        branch=True,
    )
    yield opcode("RET", ALU, "ret lr", "0" * 14 + "110000", "", "@lr@1", branch=True)
    yield opcode("DONE", ALU, "done", "0" * 14 + "010000", units="DONE_UNIT@4 DONE_UNIT@5 DONE_UNIT@6")
    yield opcode("EVENT", ALU, "event imm", "imm 000000000000 100000", "imm:imm2")


def _long() -> Iterator[Opcode]:
    yield opcode(
        "MOVXM",
        LNG,
        "movxm dst, imm",
        "imm[31:12] dst imm[11:0] 001",
        "dst:scl.dst imm:simm32",
        "",
        "dst@1",
        MOVE_PORTS,
    )
    zeros = "0" * 14
    address = "target:addr20"
    yield opcode("J", LNG, "j target", f"00000 target {zeros} 010", address, branch=True)
    yield opcode("JL", LNG, "jl target", f"00000 target {zeros} 100", address, "", "@lr@4", branch=True)
    for mnemonic, bit in (("jz", 0), ("jnz", 1)):
        text = f"{mnemonic} a, target"
        pattern = f"a target {bit} {zeros[1:]} 110"
        yield opcode(_name(mnemonic), LNG, text, pattern, f"a:r {address}", "a@1", branch=True)
    # The other way to leave alu and mv empty; kept so that foreign bundles print and assemble to the same bytes.
    yield opcode("NOPXM", LNG, "nopxm", "0" * 42)


SCALARS: tuple[Opcode, ...] = (*_arithmetic(), *_locks(), *_control(), *_long())
