"""All declared opcodes by name."""

from __future__ import annotations

from compiler.encoding.isa.model import Opcode, Slot
from compiler.encoding.isa.opcodes_lanes import LANES
from compiler.encoding.isa.opcodes_load import LOADS
from compiler.encoding.isa.opcodes_move import MOVES
from compiler.encoding.isa.opcodes_scalar import SCALARS
from compiler.encoding.isa.opcodes_store import STORES
from compiler.encoding.isa.opcodes_vector import VECTORS

_ALL = (*LOADS, *STORES, *SCALARS, *MOVES, *LANES, *VECTORS)

OPCODES: dict[str, Opcode] = {opcode.name: opcode for opcode in _ALL}
assert len(OPCODES) == len(_ALL), "two opcodes have one name"

BY_MNEMONIC: dict[str, tuple[Opcode, ...]] = {}
BY_SLOT: dict[Slot, tuple[Opcode, ...]] = {slot: () for slot in Slot}
for _opcode in _ALL:
    BY_MNEMONIC[_opcode.mnemonic] = (*BY_MNEMONIC.get(_opcode.mnemonic, ()), _opcode)
    BY_SLOT[_opcode.slot] = (*BY_SLOT[_opcode.slot], _opcode)
