"""What every opcode computes, apart from how it is encoded and when it reads and writes."""

from collections.abc import Iterator

import numpy as np

from compiler.encoding.isa.model import Opcode
from runtime_sim.faults import sim_fault
from runtime_sim.instructions.meaning_scalar import SCALAR_MEANINGS, Meaning
from runtime_sim.instructions.meaning_vector import (
    VECTOR_MEANINGS,
    pack_meaning,
    srs_meaning,
    unpack_meaning,
    ups_meaning,
)
from runtime_sim.instructions.operands import MEMORY, WORD_MASK, Inputs, Outputs

_SUFFIXES = ("_IDX_IMM", "_IDX_DJ", "_POSTINC_IMM", "_POSTINC_M", "_2D", "_3D", "_SP_IMM")


def base_name(opcode: Opcode) -> str:
    """The name without the addressing mode: what the opcode computes does not depend on it."""
    if not opcode.addressing:
        return opcode.name
    return next(opcode.name.removesuffix(suffix) for suffix in _SUFFIXES if opcode.name.endswith(suffix))


def _nothing(i: Inputs) -> Outputs:
    return {}


def _load_number(signed: bool) -> Meaning:
    return lambda i: {"dst": int.from_bytes(i.memory.tobytes(), "little", signed=signed) & WORD_MASK}


def _load_vector(i: Inputs) -> Outputs:
    return {"dst": i.memory}


def _store_number(size: int) -> Meaning:
    def meaning(i: Inputs) -> Outputs:
        value = i.scalar("src") & ((1 << 8 * size) - 1)
        return {MEMORY: np.frombuffer(value.to_bytes(size, "little"), np.uint8)}

    return meaning


def _store_vector(i: Inputs) -> Outputs:
    return {MEMORY: i.vector("src")}


def _memory() -> Iterator[tuple[str, Meaning]]:
    for name, signed in (("LDA", False), ("LDA_S8", True), ("LDA_U8", False), ("LDA_S16", True), ("LDA_U16", False)):
        yield name, _load_number(signed)
    for name, size in (("ST", 4), ("ST_S8", 1), ("ST_S16", 2)):
        yield name, _store_number(size)
    yield from ((name, _load_vector) for name in ("VLDA_W", "VLDB_W", "VLDA_AM"))
    yield from ((name, _store_vector) for name in ("VST_W", "VST_AM"))
    yield from ((name, _nothing) for name in ("PADDA", "PADDB", "PADDS"))
    for sign in "DS":
        for form in (f"S32_{sign}8", f"S32_{sign}16", f"S64_{sign}16", f"S64_{sign}32"):
            yield f"VLDA_UPS_{form}", ups_meaning(form, lambda i: i.memory)
        for form in ("8_S32", "16_S32", "16_S64", "32_S64"):
            yield f"VST_SRS_{sign}{form}", srs_meaning(sign + form, MEMORY)
        yield f"VST_PACK_{sign}8_{sign}16", pack_meaning(f"{sign}8_{sign}16", MEMORY)
        yield f"VLDB_UNPACK_{sign}16_{sign}8", unpack_meaning(f"{sign}16_{sign}8", lambda i: i.memory)


MEANINGS: dict[str, Meaning] = {**SCALAR_MEANINGS, **VECTOR_MEANINGS, **dict(_memory())}
# Their effect is not on registers or memory: the core asks whoever keeps the locks.
ACQUIRES = ("ACQ_IMM", "ACQ_REG", "ACQ_COND_IMM", "ACQ_COND_REG")
RELEASES = ("REL_IMM", "REL_REG", "REL_COND_IMM", "REL_COND_REG")


def is_implemented(opcode: Opcode) -> bool:
    """Whether the meaning of an opcode is known here."""
    return base_name(opcode) in MEANINGS or opcode.name in (*ACQUIRES, *RELEASES)


def meaning_of(opcode: Opcode, place: str) -> Meaning:
    """The meaning of an opcode, a fault if it has none."""
    found = MEANINGS.get(base_name(opcode))
    if found is None:
        text = f"the meaning of '{opcode.mnemonic}' ({opcode.name}) is not implemented"
        raise sim_fault("core-opcode", text, place)
    return found
