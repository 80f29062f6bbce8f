"""Estimated times of all passes of a network one after another: what DDR adds to the estimates of single passes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from compiler.encoding.overlay import LOAD_CHANNELS
from compiler.mapping.footprint import Footprint, Ring, Staged
from compiler.mapping.network import Node
from compiler.mapping.rates import load_rate, store_rate
from compiler.mapping.search import Choice
from compiler.mapping.sizes import senders_of
from compiler.target import Target


@dataclass(frozen=True)
class Pass:
    """One pass of a layer: what it moves, where its work packets wait, and cycles of its loads, run and stores."""

    node: Node
    choice: Choice
    staged: Staged
    ring: Ring
    load: float
    run: float
    store: float


def passes_of(node: Node, choice: Choice, footprint: Footprint, target: Target, work_bytes: int) -> list[Pass]:
    """The passes of a layer with its mapping, with so many bytes of a memory tile for work packets."""
    found = []
    for staged, ring in zip(footprint.staged(node), footprint.rings(node, work_bytes), strict=True):
        # With one slot packets come and go by turns.
        run = max(choice.cycles, choice.work * (2 if ring.slots == 1 else 1))
        times = len(node.output.tensor.stored_in)
        load, store = sum(staged.loads) / load_rate(target), times * staged.store / store_rate(target)
        found.append(Pass(node, choice, staged, ring, load, run, store))
    return found


def spans_of(passes: Sequence[Pass], target: Target) -> list[float]:
    """Cycles from the end of each pass to that of the next; their sum are the cycles of all.

    What a pass loads is fetched while the one before runs, as far as the channels have time beside its work; what one
    of the two before stores has to wait.  So have all passes for stores: a channel of the memory tile that stores sends
    work, too.
    """
    rate, idle, ends = load_rate(target), 0.0, [0.0]
    for i, one in enumerate(passes):
        fresh = [one for other in passes[max(0, i - 2) : i] for one in other.node.output.tensor.stored_in]
        # What one of the two passes before stores, and what the first loads, nothing has time to load ahead.
        waits = [not i or view.tensor in fresh for view in one.node.inputs if view.tensor.level == "ddr"]
        loads = list(zip(one.staged.loads, waits, strict=True))
        late = sum(size for size, waiting in loads if waiting) / rate
        early = sum(size for size, waiting in loads if not waiting) / rate + one.choice.step
        ends.append(ends[-1] + late + max(0.0, early - idle) + one.run + one.store)
        idle = max(0.0, one.run - one.choice.work) + one.store
    return [last - first for first, last in pairwise(ends)]


def layer_cycles(passes: Sequence[Pass], target: Target) -> list[float]:
    """Cycles of each layer in order: from the end of the one before, its stores included, to its own."""
    found: defaultdict[int, float] = defaultdict(float)
    for one, span in zip(passes, spans_of(passes, target), strict=True):
        found[one.node.number] += span
    return list(found.values())


def steps_ahead(before: Choice | None, choice: Choice, packet: int, target: Target) -> int:
    """Steps of work, of packets of so many bytes, to fetch while the pass before runs: as many as keep the cores of
    this pass from waiting, but no more than that pass has time for, as this one begins when they are there.

    Passes whose work comes by one channel take the two in turn.
    """
    senders = senders_of(choice.mapping, target)
    step_cycles = packet * senders / load_rate(target, min(senders, len(LOAD_CHANNELS)))
    wanted = 1 + math.ceil(max(0.0, choice.work - choice.busy) / step_cycles)
    past = before or choice
    apart = senders == 1 == senders_of(past.mapping, target)
    return max(1, min(wanted, int(max(0.0, past.cycles - past.work * (not apart)) // step_cycles)))
