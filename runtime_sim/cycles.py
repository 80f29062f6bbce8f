"""How many cycles a kernel call takes, from the costs that its plan gives: docs/plan-format.md, "Cycles"."""

from __future__ import annotations

from collections.abc import Callable

from compiler.encoding.costs import KernelCosts
from compiler.encoding.work import GROUP_BYTES, PAIR, SET, CallRecord, WorkHeader
from runtime_sim.packet import Bytes, chain
from runtime_sim.phases import Phase, phases_of

MULTIPLIES_PER_PERIOD = SET
"""A period of the loop multiplies one table entry for each group of a set, one multiply a cycle."""


def phase_cycles(packet: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    """Cycles of what a call computes, from its first step to its end."""
    if call.skip:
        return 0
    return sum(_CYCLES[phase](packet, header, call, costs) for phase in phases_of(header, call))


def lock_requests(call: CallRecord) -> int:
    """Lock requests that a call makes."""
    return int(call.acquire_act) + int(call.release_act) + 2 * int(call.last)


def _sets(call: CallRecord) -> int:
    return -(-call.groups // SET)


def _variant(header: WorkHeader, call: CallRecord) -> str:
    if header.direct:
        return "direct"
    if header.narrow:
        return "narrow"
    return "bias_raw" if call.first else "scratch_raw"


def _mac(packet: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    variant = _variant(header, call)
    per_call, per_block, per_set = (getattr(costs, f"mac_{of}_{variant}") for of in ("call", "block", "set"))
    periods = int(chain(packet, header).periods.sum())
    blocks = header.out_blocks
    products = MULTIPLIES_PER_PERIOD * periods + blocks * per_set
    return int(per_call + blocks * per_block + _sets(call) * products)


def _staged(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    each = costs.staged_block + _sets(call) * SET * costs.staged_group
    return costs.staged_call + header.out_blocks * each


def _scale(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    return costs.scale_call + header.out_blocks * (costs.scale_block + _sets(call) * SET * costs.scale_group)


def _mean(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    return costs.mean_call + header.out_blocks * (costs.mean_block + _sets(call) * SET * costs.mean_group)


def _fold(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    return costs.fold_call + header.out_blocks * _sets(call) * SET * costs.fold_group


def _max(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    per_set = MULTIPLIES_PER_PERIOD * header.taps + costs.max_set
    return costs.max_call + header.out_blocks * (costs.max_block + _sets(call) * per_set)


def _combine(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    """The groups of all blocks in one loop, four or two at a time."""
    groups = call.groups * header.out_blocks
    if header.combine_narrow:
        return costs.combine_narrow_call + -(-groups // PAIR) * costs.combine_narrow_pair
    return costs.combine_call + -(-groups // SET) * SET * costs.combine_group


def _multiply(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    return costs.multiply_call + call.groups * header.out_blocks * costs.multiply_group


def _expand(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    return costs.expand_call + call.groups * header.out_blocks * costs.expand_group


def _lookup(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    return costs.lookup_call + call.groups * header.out_blocks * costs.lookup_group


def _fill(_: Bytes, header: WorkHeader, call: CallRecord, costs: KernelCosts) -> int:
    return costs.fill_call + -(-call.pad_bytes // GROUP_BYTES) * costs.fill_group


_CYCLES: dict[Phase, Callable[[Bytes, WorkHeader, CallRecord, KernelCosts], int]] = {
    Phase.MAC: _mac,
    Phase.STAGED: _staged,
    Phase.SCALE: _scale,
    Phase.FOLD: _fold,
    Phase.MEAN: _mean,
    Phase.MAX: _max,
    Phase.LOOKUP: _lookup,
    Phase.EXPAND: _expand,
    Phase.COMBINE: _combine,
    Phase.MULTIPLY: _multiply,
    Phase.FILL: _fill,
}
