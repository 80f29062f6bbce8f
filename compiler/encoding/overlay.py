"""The overlay's fixed assignments: packet ids, DMA channels, lock numbers; both sides read them here."""

from compiler.encoding.tiles import CORE_LOCKS

ACT_STREAMS = 4
"""Activation streams of a column; every core listens to stream 0 and to its own, see `act_stream`."""

WORK_CHANNEL = 4
STORE_CHANNEL = 5
LOAD_CHANNEL = 4
WORK_LOAD_CHANNEL = 5

# A slave port has four match slots, which must not overlap; with these ids each switch needs at most four
# (own row, broadcast, and at most two masked ranges for the rows above).
ROW_IDS = (16, 8, 2, 3, 4, 5, 6, 7)
BROADCAST_ID = 17

ACT_FREE, ACT_FULL, WORK_FREE, WORK_FULL, OUT_FREE, OUT_FULL, UPPER_FREE, UPPER_FULL = range(8)
"""Locks of a core tile; the last two serve the core above when two rows share an output stream."""


def own_lock(lock: int) -> int:
    """The id a core uses for a lock of its own tile."""
    return CORE_LOCKS["own"] + lock


def south_lock(lock: int) -> int:
    """The id a core uses for a lock of the tile below."""
    return CORE_LOCKS["south"] + lock


def shares_output(core_rows: int) -> bool:
    """Whether two rows share an output stream: a memory tile has four streams down (AM020)."""
    return core_rows > ACT_STREAMS


def act_stream(row: int, core_rows: int) -> int:
    """The activation stream that carries packets for core row `row` alone.

    With more rows than streams, stream 0 is left to broadcasts: it shares an arbiter with every core's DMA, and a
    packet that waits there for its core would hold up those of the rows above.
    """
    return 1 + row % (ACT_STREAMS - 1) if core_rows > ACT_STREAMS else row


def output_stream(row: int, core_rows: int) -> int:
    """The output stream that core row `row` feeds."""
    return row // 2 if shares_output(core_rows) else row
