"""The small steps that the compiled interpreter takes, as numbers; `lowering` writes them, `engine` performs them.

An event is a row of eight integers: its kind, then what the kind says below.

Scalars of all kinds lie in one array: first the registers' cells, from KEPT_SCALARS on those that instructions keep
while they are under way, as many for each of the last DEPTH cycles.  `s` is a place in it, KEPT_SCALARS and more
meaning what this bundle keeps.  Vectors lie in one buffer likewise; `v` is the byte place of a vector that the bundle
keeps, `row` the row of a vector register's cell, and `at` a kept scalar that says where in the buffer an operand is.
"""

from enum import IntEnum, auto

COLUMNS = 8
DEPTH = 16  # cycles that an instruction may be under way; a power of two
KEPT_SCALARS, KEPT_VECTORS = 128, 2048  # where what instructions keep begins, in scalars and in bytes
BYPASSES = {"": 0, "MOV_Bypass": 1, "VEC_Bypass": 2}


class Kind(IntEnum):
    """What an event does."""

    RESOLVE = 0  # at, row, count, bypass, v, copy: finds an operand, and copies it if it is needed later
    READ_SCALAR = auto()  # s, cell
    WRITE_SCALAR = auto()  # s, cell, mask
    WRITE_VECTOR = auto()  # v, row, count
    ANNOUNCE = auto()  # v, row, count, bypass, cycles until the bypass may be read
    LOAD_SCALAR = auto()  # s of the address, s of the result, size, signed
    LOAD_VECTOR = auto()  # s of the address, v of the result, size, at or -1
    STORE_SCALAR = auto()  # s of the address, s of the value, size
    STORE_VECTOR = auto()  # s of the address, v of the value, size
    TOUCH = auto()  # s of the address, -, size: a bank is busy
    FAULT = auto()  # number of the fault
    # Addresses: s of the address, cell of the pointer, cell of the modifier (m or dj), the number.
    ADDRESS_IMM = auto()
    ADDRESS_DJ = auto()
    ADDRESS_POST_IMM = auto()
    ADDRESS_POST_M = auto()
    ADDRESS_2D = auto()
    ADDRESS_3D = auto()
    # Jumps: s of the condition, s of the target or -1, the target, result, address behind the delay slots.
    JUMP = auto()
    JUMP_ZERO = auto()
    JUMP_NOT_ZERO = auto()
    JUMP_COUNT = auto()
    CALL = auto()
    # Scalars: result, a, b, number, cell that is written at once or -1, its mask.
    CONSTANT = auto()
    COPY = auto()
    ADD_NUMBER = auto()
    ADD = auto()
    SUB = auto()
    AND = auto()
    OR = auto()
    XOR = auto()
    EQ = auto()
    NE = auto()
    GE = auto()
    LT = auto()
    GEU = auto()
    LTU = auto()
    LSHL = auto()
    ASHL = auto()
    MUL = auto()
    CLB = auto()
    CLZ = auto()
    EXTEND = auto()  # number: bits, below zero if signed
    EQZ = auto()
    NEZ = auto()
    ABS = auto()
    SELECT = auto()  # result, where the condition is not 0, where it is 0, s of the condition
    # Vectors: v of the result, then the operands' at.
    MULTIPLY = auto()  # v, a, b, s of conf, negate, s that keeps conf or -1
    ACCUMULATE = auto()  # v of the products, acc, s of conf, negate acc
    ADD_ACCUMULATORS = auto()  # v, a, b, s of conf, negate, negate second
    CLEAR = auto()  # v, count
    MOVE = auto()  # v, source, count
    SRS = auto()  # v, source, lanes + 256 * sign, acc bits * 256 + bits, s of shift, s of crSat, s of crRnd
    UPS = auto()  # v, source, count of lanes, acc bits * 256 + bits, s of shift, s of crSat, sign
    PACK = auto()  # v, source, s of crSat, sign
    UNPACK = auto()  # v, source, sign
    LANES = auto()  # v, a, b, bits, operation
    COMPARE = auto()  # v or -1, a, b, bits, operation, s of the mask, sign
    ZEROS = auto()  # -, a, -, bits, -, s of the mask
    INVERT = auto()  # v, a, -, bits, -, s of the mask
    CHOOSE = auto()  # v, a, b, bits, s of the mask
    BROADCAST = auto()  # v, s of the value, bits
    INSERT = auto()  # v, a, s of the value, bits, s of the index
    EXTRACT = auto()  # s of the result, a, bits, s of the index, sign
    EXTRACT_BROADCAST = auto()  # v, a, bits, s of the index or -1, index
    SHUFFLE = auto()  # v, a, b, s of the mode
    SHIFT = auto()  # v, a, b, s of the count


SCALARS = Kind.CONSTANT
VECTORS = Kind.MULTIPLY
# A sign is given, or comes from a control register: SIGN + its place among the scalars.
UNSIGNED, SIGNED, SIGN = 0, 1, 2


class Fault(IntEnum):
    """What the engine refuses."""

    NONE = 0
    WORD = auto()
    OPCODE = auto()
    PC = auto()
    ALIGN = auto()
    ADDRESS = auto()
    SHIFT = auto()
    ROUNDING = auto()
    SATURATION = auto()
    MULTIPLY = auto()
    SHUFFLE = auto()
    WRITE = auto()
    LOCK = auto()
    BRANCH = auto()
    LOOP = auto()


class Operation(IntEnum):
    """Operations on two lanes."""

    ADD = 0
    SUB = auto()
    AND = auto()
    OR = auto()
    MAX_LT = auto()
    MIN_GE = auto()
    SUB_LT = auto()
    SUB_GE = auto()
    MAXDIFF_LT = auto()
    LT = auto()
    GE = auto()


class Register(IntEnum):
    """What the engine keeps between calls, beside cells and memory."""

    PC = 0
    TIME = auto()
    BANK_STALLS = auto()
    LOCK_STALLS = auto()
    BUNDLES = auto()
    DONE = auto()
    TARGET = auto()  # of a jump that is taken
    LEFT = auto()  # delay slots that are still to come, 0 if there is no jump
    LOOP_SETUP = auto()  # number of the last bundle that wrote ls, le or lc
    LAST_ACCESS = auto()
    LAST_LOCK = auto()
    LAST_ACQUIRE = auto()
    LOCK_GRANTED = auto()
    DRAIN = auto()  # cycles to go on without issuing
    FAULT_PC = auto()
    FAULT_VALUE = auto()


class Tally(IntEnum):
    """What the engine counts within one cycle: writes, stores, a jump's target, banks with so many accesses."""

    WRITES = 0
    STORES = auto()
    TARGET = auto()
    BANKS = auto()  # with one access, and behind it those with two, three and four


TALLIES = Tally.BANKS + 4
MOST = 64  # writes and stores of one cycle


class Outcome(IntEnum):
    """Why the engine returned; a fault adds its number to the last."""

    DONE = 0
    LIMIT = auto()
    LOCK = auto()
    FAULT = auto()


class Flag(IntEnum):
    """The columns of the table of bundles."""

    LOCK = 0  # 1 release, 2 acquire
    DONE = auto()
    JUMP = auto()
    FIRST_ACCESS = auto()  # the first cycle of a memory access, 0 if there is none
    LAST_ACCESS = auto()
