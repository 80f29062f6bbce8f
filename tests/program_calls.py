"""Programs and calls for the faults: between them they run all code, loops more than once."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.encoding.work import Kernel
from compiler.kernels.programs.resident import Feature
from tests.program_mutants import calls_for
from tests.program_runs import Burden

Wanted = tuple[Kernel, dict[str, Any]]

FIRST = frozenset({Feature.DIRECT, Feature.SCALE, Feature.PARTS, Feature.COMBINE})
SECOND = frozenset({Feature.NARROW, Feature.MEAN, Feature.MAX, Feature.COMBINE_NARROW})
THIRD = frozenset({Feature.NARROW, Feature.STAGED, Feature.CLIPPED, Feature.COMBINE, Feature.COMBINE_NARROW})
FOURTH = frozenset({Feature.COMBINE_NARROW, Feature.MULTIPLY, Feature.EXPAND})
FIFTH = frozenset({Feature.MEAN, Feature.FOLD, Feature.PARTS})

# Blocks of more periods than any loop holds in flight, and three sets.
LONG: dict[str, Any] = {"kept": 9, "window": (2, 3), "in_blocks": 2, "out_blocks": 3, "dilation": (1, 1)}
LONG |= {"stride": (1, 1), "rows": 2, "wide": 5}
# The same with blocks of different periods.
UNEVEN = {name: value for name, value in LONG.items() if name != "kept"}
RAW: dict[str, Any] = {"direct": False, "narrow": False, "staged": False}
# Sums that become int8 by narrow factors, in one call or in the last of several.
INT8: dict[str, Any] = {"direct": False, "q_signed": True}
SMALL = {"wide": 1, "in_blocks": 1, "out_blocks": 1}
ONCE, STAGED = {"narrow": True} | INT8, {"narrow": False, "staged": True, "first": True, "last": True} | INT8

FOLDED: dict[str, Any] = {"mean": True, "fold": True, "combine": False}
MANY_TAPS: dict[str, Any] = {"window": (4, 4), "rows": 2, "wide": 3, "stride": (1, 1), "dilation": (1, 1)}


def _raw(first: bool, last: bool) -> dict[str, Any]:
    return RAW | {"first": first, "last": last}


CALLS: dict[frozenset[Feature], list[Wanted]] = {
    FIRST: [
        (Kernel.CONV, {"direct": True}),
        (Kernel.CONV, {"direct": True} | LONG),
        (Kernel.CONV, {"direct": True} | UNEVEN),
        (Kernel.DEPTHWISE, {"direct": True, "combine": True}),
        *((Kernel.CONV, _raw(first, last)) for first in (True, False) for last in (True, False)),
        *((Kernel.CONV, _raw(first, True) | LONG) for first in (True, False)),
        (Kernel.ADD, {}),
        (Kernel.REQUANTIZE, {}),
    ],
    SECOND: [
        (Kernel.CONV, {"direct": False, "narrow": True}),
        (Kernel.CONV, {"direct": False, "narrow": True} | LONG),
        (Kernel.CONV, {"direct": False, "narrow": True} | UNEVEN),
        (Kernel.DEPTHWISE, {"direct": False, "narrow": True, "combine": True}),
        (Kernel.AVG_POOL, _raw(True, True) | {"mean": True}),
        (Kernel.AVG_POOL, _raw(True, True) | {"mean": True, "window": (3, 3), "rows": 2, "wide": 3}),
        (Kernel.MAX_POOL, {"window": (2, 3), "rows": 2, "wide": 3}),
        (Kernel.MAX_POOL, {"combine": True}),
        (Kernel.ADD, {}),
        (Kernel.REQUANTIZE, {}),
    ],
    THIRD: [
        *((Kernel.CONV, ONCE | {"clipped": clipped}) for clipped in (False, True)),
        (Kernel.CONV, ONCE | {"clipped": True} | LONG),
        # Groups come in fours, and 12 of them are also a constant that `staged` has in a register.
        *((Kernel.CONV, STAGED | {"clipped": clipped} | LONG | {"rows": 3}) for clipped in (False, True)),
        # As many groups as are begun before the loop over them.
        (Kernel.CONV, STAGED | LONG | {"rows": 1, "wide": 3}),
        (Kernel.DEPTHWISE, ONCE | {"clipped": True, "combine": True}),
        *((Kernel.ADD, {"combine_narrow": narrow}) for narrow in (False, True)),
        *((Kernel.ADD, {"combine_narrow": True, "rows": rows} | SMALL) for rows in (1, 2)),
        (Kernel.REQUANTIZE, {}),
    ],
    FOURTH: [
        *((Kernel.MULTIPLY, {"power": power}) for power in (False, True)),
        *((Kernel.MULTIPLY, {"rows": rows} | SMALL) for rows in (1, 2)),
        *(
            (Kernel.EXPAND, {"multiply": multiply, "combine": True, "combine_narrow": True})
            for multiply in (False, True)
        ),
        (Kernel.EXPAND, {"multiply": True, "combine": True, "rows": 1} | SMALL),
        (Kernel.ADD, {"combine_narrow": True}),
    ],
    FIFTH: [
        *(
            (Kernel.AVG_POOL, _raw(first, last) | FOLDED | MANY_TAPS)
            for first in (True, False)
            for last in (True, False)
        ),
        (Kernel.AVG_POOL, _raw(True, True) | FOLDED | {"rows": 1, "wide": 1, "in_blocks": 3, "out_blocks": 3}),
        # Whole fours of groups, which nothing rounds up.
        (Kernel.AVG_POOL, _raw(True, True) | FOLDED | MANY_TAPS | {"wide": 4}),
    ],
}

PLAIN: dict[str, Any] = {"combine": False, "clamped": False, "wild": False, "any_shift": False, "pads": True}
_PLACES: dict[str, Any] = {"rows": 2, "wide": 3, "in_blocks": 2, "out_blocks": 2}
PACKETS: dict[frozenset[Feature], list[Wanted]] = {
    FIRST: [
        (Kernel.CONV, {"direct": True} | LONG | PLAIN),
        (Kernel.CONV, _raw(True, True) | LONG | PLAIN),
        (Kernel.CONV, _raw(False, True) | LONG | PLAIN),
        (Kernel.CONV, _raw(True, False) | LONG | PLAIN),
        (Kernel.ADD, PLAIN),
    ],
    SECOND: [
        (Kernel.CONV, {"direct": False, "narrow": True} | LONG | PLAIN),
        (
            Kernel.AVG_POOL,
            _raw(True, True) | {"mean": True, "window": (3, 3), "in_blocks": 2, "out_blocks": 2} | _PLACES | PLAIN,
        ),
        (Kernel.MAX_POOL, {"window": (2, 3), "in_blocks": 2, "out_blocks": 2} | _PLACES | PLAIN),
        (Kernel.REQUANTIZE, PLAIN),
    ],
    THIRD: [
        (Kernel.CONV, ONCE | {"clipped": False} | LONG | PLAIN),
        (Kernel.CONV, STAGED | {"clipped": False} | LONG | PLAIN),
        (Kernel.ADD, PLAIN | {"combine_narrow": True}),
    ],
    FOURTH: [
        (Kernel.MULTIPLY, PLAIN),
        (Kernel.EXPAND, PLAIN | {"combine": True, "multiply": True}),
        (Kernel.EXPAND, PLAIN | {"combine": True, "multiply": False, "combine_narrow": True}),
    ],
    FIFTH: [
        (Kernel.AVG_POOL, _raw(first, True) | FOLDED | {"window": (3, 3)} | _PLACES | PLAIN) for first in (True, False)
    ],
}
MOST_ALIKE = 0.5


def telling(features: frozenset[Feature]) -> list[Burden]:
    """Calls for faults in packets, the first of each kind whose results differ in all blocks and are of both signs."""
    found = []
    for wanted in PACKETS[features]:
        calls = calls_for(features, [wanted], 100)
        found.append(next(call for call in calls if _tells(call)))
    return found


def _tells(call: Burden) -> bool:
    case, header = call.case, call.case.header
    if not case.call.last:
        return bool(case.expected_scratch[case.scratch_defined].any())
    tile = case.expected_out[: case.call.groups * header.out_blocks * 32]
    blocks = tile.reshape(case.call.rows, header.out_blocks, -1).swapaxes(0, 1).reshape(header.out_blocks, -1)
    alike = max(np.bincount(block, minlength=256).max() / block.size for block in blocks)
    return bool(alike < MOST_ALIKE and tile.max() >= 128 > tile.min())
