# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""Which vector event is performed by what, for numba."""

from runtime_sim.instructions import compiled_lanes as lanes
from runtime_sim.instructions.compiled_multiply import accumulate, add_accumulators, multiply
from runtime_sim.instructions.events import Kind
from runtime_sim.instructions.unchecked import CELL_WORDS, compiled, copy_cell, poke

_MULTIPLY, _ACCUMULATE, _ADD_ACC = int(Kind.MULTIPLY), int(Kind.ACCUMULATE), int(Kind.ADD_ACCUMULATORS)
_CLEAR, _MOVE = int(Kind.CLEAR), int(Kind.MOVE)
_SRS, _UPS, _PACK, _UNPACK = map(int, (Kind.SRS, Kind.UPS, Kind.PACK, Kind.UNPACK))
_LANES, _COMPARE, _ZEROS, _INVERT = map(int, (Kind.LANES, Kind.COMPARE, Kind.ZEROS, Kind.INVERT))
_CHOOSE, _BROADCAST, _INSERT, _EXTRACT = map(int, (Kind.CHOOSE, Kind.BROADCAST, Kind.INSERT, Kind.EXTRACT))
_SHUFFLE, _SHIFT = int(Kind.SHUFFLE), int(Kind.SHIFT)


@compiled()
def element(kind, ev, e, kept, base, b8, b16, b32, place):
    """Perform a vector event that cannot fail."""
    if kind == _UNPACK:
        lanes.unpack(ev, e, kept, base, b8, b16, b32, place)
    elif kind in (_ZEROS, _INVERT):
        lanes.examine(ev, e, kept, base, b8, b16, b32, place, kind == _INVERT)
    elif kind == _CHOOSE:
        lanes.choose(ev, e, kept, base, b8, place)
    elif kind == _BROADCAST:
        lanes.broadcast(ev, e, kept, base, b8, place)
    elif kind == _INSERT:
        lanes.insert(ev, e, kept, base, b8, place)
    elif kind == _EXTRACT:
        lanes.extract(ev, e, kept, base, b8, b16, b32, place)
    else:
        lanes.extract_broadcast(ev, e, kept, base, b8, place)


@compiled()
def vector(kind, ev, e, kept, base, b8, b16, b32, b64, place):
    """Perform a vector event; the number of a fault, or 0."""
    if kind == _MULTIPLY:
        return multiply(ev, e, kept, base, b8, b16, b32, b64, place)
    if kind == _ACCUMULATE:
        accumulate(ev, e, kept, base, b32, b64, place)
        return 0
    if kind == _MOVE:
        to, source = place + ev[e + 1] >> 3, kept[base + ev[e + 2]] >> 3
        for cell in range(ev[e + 3]):
            copy_cell(b64, to + CELL_WORDS * cell, b64, source + CELL_WORDS * cell)
        return 0
    if kind in (_LANES, _COMPARE):
        lanes.compare(ev, e, kept, base, b8, b16, b32, b64, place)
        return 0
    if kind == _SRS:
        return lanes.srs(ev, e, kept, base, b8, b16, b32, b64, place)
    if kind == _SHUFFLE:
        return lanes.shuffle(ev, e, kept, base, b8, place)
    if kind == _SHIFT:
        return lanes.shift(ev, e, kept, base, b8, place)
    if kind == _PACK:
        return lanes.pack(ev, e, kept, base, b8, b16, b32, place)
    if kind == _UPS:
        return lanes.ups(ev, e, kept, base, b8, b16, b32, b64, place)
    if kind == _ADD_ACC:
        return add_accumulators(ev, e, kept, base, b32, b64, place)
    if kind == _CLEAR:
        for index in range(CELL_WORDS * ev[e + 2]):
            poke(b64, (place + ev[e + 1] >> 3) + index, 0)
        return 0
    element(kind, ev, e, kept, base, b8, b16, b32, place)
    return 0
