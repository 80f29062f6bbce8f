"""A plan for a whole network, by the first layout of the cores that it fits."""

from __future__ import annotations

from compiler.errors import DoesNotFit
from compiler.ir import Module
from compiler.mapping.cores import core_layouts
from compiler.mapping.forced import FREE, Forced
from compiler.mapping.planner import Planner
from compiler.mapping.reader import Reader
from compiler.mapping.search import FAST, Budget
from compiler.target import Target

STAGE_BYTES = 320 * 1024
"""Bytes of a memory tile for what one pass loads and stores, if nothing else is said."""

WORK_BYTES = 72 * 1024
"""Bytes of a memory tile for the work packets of one pass, if nothing else is said."""


def plan_of(
    module: Module,
    target: Target,
    stage_bytes: int = STAGE_BYTES,
    work_bytes: int = WORK_BYTES,
    budget: Budget = FAST,
    forced: Forced = FREE,
    *,
    every_layout: bool = False,
) -> Planner:
    """The plan of a `bsp` module by the first layout that it fits, or by the best; else `DoesNotFit` of the first."""
    failure: DoesNotFit | None = None
    plans: list[Planner] = []
    for core in forced.layouts(core_layouts(target)):
        plan = Planner(module, target, core, stage_bytes, work_bytes, budget, forced)
        try:
            plan.choose()
        except DoesNotFit as error:
            failure = failure or error
            continue
        plans.append(plan)
        if not every_layout:
            break
    if not plans:
        assert failure is not None
        raise failure
    return min(plans, key=lambda one: one.cycles)


def overflows(module: Module, target: Target) -> bool:
    """Whether activations that are alive at once certainly leave no room in the memory tiles for a layer's weights."""
    reader = Reader(module)
    held = [one for one in reader.tensors if one.writers and one.readers]
    room = target.columns * (target.memory_tile.bytes - WORK_BYTES)
    return any(
        sum(one.storage.bytes for one in held if one.writers[0] <= node.number <= max(one.readers)) > room
        for node in reader.nodes
    )
