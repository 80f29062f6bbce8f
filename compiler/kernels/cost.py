"""Cycles of a core's work: the sums of docs/plan-format.md, "Cycles", over the costs of a program's pieces.

Sizes are numbers of one call, or arrays with one number for each call.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache

from compiler.encoding.costs import KernelCosts
from compiler.encoding.work import GROUP_BYTES, PAIR, SET
from compiler.kernels.numbers import Number, ceil_div
from compiler.kernels.programs.resident import Feature, resident


@cache
def typical() -> KernelCosts:
    """What mappings are weighed by: the costs of programs that can do everything between them.

    A plan's own program differs by a few cycles a call, as it tests for nothing that it cannot do.
    """
    first = resident({Feature.DIRECT, Feature.NARROW, Feature.MAX, Feature.COMBINE_NARROW, Feature.MEAN}).costs
    second = resident({Feature.STAGED, Feature.SCALE, Feature.PARTS, Feature.COMBINE}).costs
    third = resident({Feature.MULTIPLY, Feature.EXPAND, Feature.LOOKUP, Feature.FOLD}).costs
    programs = first, second, third
    names = [one.name for one in fields(KernelCosts)]
    return KernelCosts(**{name: next(filter(None, (getattr(one, name) for one in programs)), 0) for name in names})


def packet_cycles(costs: KernelCosts, lock_cycles: int) -> int:
    """A packet without its calls: from asking for it to asking for the next, if nothing is waited for."""
    return costs.packet + costs.packet_next + 2 * lock_cycles


def call_cycles(costs: KernelCosts, lock_cycles: int, *, last: bool) -> int:
    """A call that takes an activation packet and gives it back, without its phases."""
    return costs.call + (4 if last else 2) * lock_cycles


def mac_cycles(costs: KernelCosts, variant: str, groups: Number, blocks: Number, periods: Number) -> Number:
    """Multiply-accumulate: `periods` weight blocks in all, over `blocks` output blocks.

    `variant` is `direct`, `narrow`, `bias_raw` or `scratch_raw`.
    """
    call, block, each = (int(getattr(costs, f"mac_{of}_{variant}")) for of in ("call", "block", "set"))
    return call + blocks * block + ceil_div(groups, SET) * (blocks * each + SET * periods)


def rescale_cycles(costs: KernelCosts, way: str, groups: Number, blocks: Number) -> Number:
    """From sums in the scratch to results, in whole sets.

    `way` is `staged` (two shifts and a narrow factor), `scale` (a factor for each channel) or `mean` (for each pixel).
    """
    call, block, group = (int(getattr(costs, f"{way}_{of}")) for of in ("call", "block", "group"))
    return call + blocks * (block + SET * ceil_div(groups, SET) * group)


def fold_cycles(costs: KernelCosts, groups: Number, blocks: Number) -> Number:
    """The lanes of sums in the scratch added up, in whole sets."""
    return costs.fold_call + SET * ceil_div(groups, SET) * blocks * costs.fold_group


def max_cycles(costs: KernelCosts, groups: Number, blocks: Number, taps: int) -> Number:
    """The maximum of `taps` pixels."""
    return costs.max_call + blocks * (costs.max_block + ceil_div(groups, SET) * (SET * taps + costs.max_set))


def combine_cycles(costs: KernelCosts, groups: Number, blocks: Number, *, narrow: bool) -> Number:
    """A rescaling, or a sum of two operands; 4 groups at a time, or 2 by narrow factors."""
    if narrow:
        return costs.combine_narrow_call + ceil_div(groups * blocks, PAIR) * costs.combine_narrow_pair
    return costs.combine_call + SET * ceil_div(groups * blocks, SET) * costs.combine_group


def multiply_cycles(costs: KernelCosts, groups: Number, blocks: Number) -> Number:
    """A product of two operands."""
    return costs.multiply_call + groups * blocks * costs.multiply_group


def expand_cycles(costs: KernelCosts, groups: Number, blocks: Number) -> Number:
    """A pixel made a tile."""
    return costs.expand_call + groups * blocks * costs.expand_group


def lookup_cycles(costs: KernelCosts, groups: Number, blocks: Number) -> Number:
    """A table look-up for each byte."""
    return costs.lookup_call + groups * blocks * costs.lookup_group


def fill_cycles(costs: KernelCosts, pad_bytes: Number) -> Number:
    """Filling what stands behind a tile."""
    return costs.fill_call * (pad_bytes > 0) + ceil_div(pad_bytes, GROUP_BYTES) * costs.fill_group
