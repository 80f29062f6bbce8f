"""The overlay's fixed assignments: packet ids, DMA channels, lock numbers; both sides read them here."""

from compiler.encoding.tiles import CORE_LOCKS

ACT_STREAMS = 4
"""Activation streams of a column; every core listens to stream 0 and to its own, see `act_stream`."""

WORK_CHANNEL = 4
"""Sends work to all cores of a column at once."""
STORE_CHANNEL = 5
"""Sends results down to DDR, and between runs' stores work to cores."""
SHARED_CHANNEL = 5
"""Sends work to one row of cores in all columns: on its way up its stream shares no arbiter with what cores get."""
LOAD_CHANNELS = LOAD_CHANNEL, WORK_LOAD_CHANNEL = (4, 5)
"""Memory tile channels that receive from the shim's first and second channel: activations by the first, work by the
second; of work for cores one by one the first takes half."""

LANES_BESIDE_ACTS = (4, 5)
"""Channels that send work to cores one by one while each gets activations of its own, by channels 0 to 3."""
LANES_BELOW_ACTS = (1, 2, 3, 5)
"""The same while all get the same activations, by channel 0."""

# A slave port has four match slots, which must not overlap; with these ids each switch needs at most four
# (own row, broadcast, and at most two masked ranges for the rows above).
ROW_IDS = (16, 8, 2, 3, 4, 5, 6, 7)
"""Activations for a row alone."""
BROADCAST_ID = 17
STORE_ID = 18
WORK_IDS = tuple(range(24, 32))
"""Work for a row alone."""
SHARED_ID = 19
"""Work for one row of cores in all columns, see `shared_row`."""

ACT_FREE, ACT_FULL, WORK_FREE, WORK_FULL, OUT_FREE, OUT_FULL, UPPER_FREE, UPPER_FULL = range(8)
"""Locks of a core tile; the last two serve the core above when two rows share an output stream."""


def shares_rows(columns: int, core_rows: int) -> bool:
    """Whether each row of cores finds a column of its own whose memory tile can send work to all of them."""
    return core_rows <= columns


def shared_row(column: int, columns: int, core_rows: int) -> int | None:
    """The row of cores, of all columns, that the memory tile of a column sends work to by `SHARED_CHANNEL`; if any.

    Such packets go up to that row, and from there to both sides.
    """
    return column if shares_rows(columns, core_rows) and column < core_rows else None


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


def lane_of(row: int, lanes: tuple[int, ...], core_rows: int) -> int:
    """The channel that sends work to core row `row` alone; the stream it goes by has the same number.

    On its way up stream 4 shares an arbiter with what cores get of work: so it serves the lower rows only.
    """
    return lanes[row % len(lanes) if lanes is LANES_BELOW_ACTS else row * len(lanes) // core_rows]


def output_stream(row: int, core_rows: int) -> int:
    """The output stream that core row `row` feeds."""
    return row // 2 if shares_output(core_rows) else row
