"""What a kernel call costs: to the compiler, to the simulator, and to the machine code that runs."""

from __future__ import annotations

import pytest

from compiler.encoding.costs import KernelCosts
from compiler.encoding.work import CallRecord, Kernel, WorkHeader
from compiler.kernels import cost
from runtime_sim.cycles import lock_requests, phase_cycles
from runtime_sim.instructions import Settings
from tests.cores import fits, program_for, run_case, same
from tests.packets import Case, random_call

CALLS, CHUNK = 225, 25  # of each kernel, and of each test; a few fit no core, 200 do
LOCK_CYCLES = Settings().lock_cycles


def variant(case: Case) -> str:
    """Which multiply-accumulate a call runs."""
    if case.header.direct or case.header.narrow:
        return "direct" if case.header.direct else "narrow"
    return "bias_raw" if case.call.first else "scratch_raw"


def compiled(case: Case, costs: KernelCosts) -> int:
    """What the compiler takes a call for."""
    header, call = case.header, case.call
    groups, blocks, kernel = call.groups, header.out_blocks, Kernel(header.kernel)
    cycles = 0
    if case.periods:
        cycles += cost.mac_cycles(costs, variant(case), groups, blocks, sum(case.periods))
        if call.last and variant(case).endswith("raw"):
            cycles += cost.fold_cycles(costs, groups, blocks) if header.fold else 0
            way = "mean" if header.mean else "staged" if header.staged else "scale"
            cycles += cost.rescale_cycles(costs, way, groups, blocks)
    if kernel == Kernel.MAX_POOL:
        cycles += cost.max_cycles(costs, groups, blocks, header.taps)
    if kernel == Kernel.LOOKUP:
        cycles += cost.lookup_cycles(costs, groups, blocks)
    if kernel == Kernel.EXPAND:
        cycles += cost.expand_cycles(costs, groups, blocks)
    if call.last and header.multiply:
        cycles += cost.multiply_cycles(costs, groups, blocks)
    elif call.last and header.combine:
        cycles += cost.combine_cycles(costs, groups, blocks, narrow=header.combine_narrow)
    return cycles + cost.fill_cycles(costs, call.pad_bytes)


@pytest.mark.parametrize("start", range(0, CALLS, CHUNK))
@pytest.mark.parametrize("kernel", Kernel, ids=lambda kernel: kernel.name)
def test_machine_code_gives_the_bytes_and_takes_the_cycles_that_are_charged(kernel: Kernel, start: int) -> None:
    for seed in range(start, start + CHUNK):
        case = random_call(kernel, seed)
        if not fits(case):
            continue
        program = program_for(case)
        ran = run_case(case)
        costs = program.costs
        charged = phase_cycles(case.packet, case.header, case.call, costs)
        assert same(case, ran), seed
        assert ran.result.bank_stalls == 0, seed
        assert charged == compiled(case, costs), seed
        # From reset, one packet, and round to the wait for the next one.
        around = costs.call + costs.packet + costs.packet_next + (2 + lock_requests(case.call)) * LOCK_CYCLES
        whole = costs.boot + around + charged
        assert around == cost.packet_cycles(costs, LOCK_CYCLES) + cost.call_cycles(
            costs, LOCK_CYCLES, last=case.call.last
        )
        assert ran.result.cycles == whole, seed


@pytest.mark.parametrize("kernel", Kernel, ids=lambda kernel: kernel.name)
def test_enough_calls_are_run(kernel: Kernel) -> None:
    assert sum(fits(random_call(kernel, seed)) for seed in range(CALLS)) >= 200


@pytest.mark.parametrize("pad_bytes", [0, 8, 32, 40])
def test_padding(pad_bytes: int) -> None:
    costs = cost.typical()
    header = WorkHeader(kernel=Kernel.ADD, combine=True, out_blocks=3, groups_wide=2)
    call = CallRecord(rows=1, groups=2, pad_bytes=pad_bytes, last=True, acquire_act=True, release_act=True)
    whole = cost.combine_cycles(costs, 2, 3, narrow=False) + cost.fill_cycles(costs, pad_bytes)
    assert phase_cycles(random_call(Kernel.ADD, 0).packet, header, call, costs) == whole
