"""Single kernel calls of sizes that other people measured, on the program of our cores; their results are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compiler.encoding.isa import BUNDLE_BYTES, decode
from compiler.encoding.work import Kernel, Step
from compiler.target import Target
from tests.cores import program_for, run_case, same
from tests.packets import random_call

_PLAIN = {"pads": False, "combine": False, "x_signed": True, "q_signed": True, "twice": False, "wild": False}


@dataclass(frozen=True)
class CallCycles:
    """`cycles` go from one request for a packet to the next, `kernel` without the dispatcher."""

    cycles: int
    kernel: int
    multiplies: int


@dataclass(frozen=True)
class OneCall:
    """A convolution of random numbers; `fixed` are choices of `tests.packets.random_call`."""

    fixed: Mapping[str, Any]

    def run(self) -> CallCycles:
        """Run it on the smallest program that can."""
        case = random_call(Kernel.CONV, seed=1, **_PLAIN, **self.fixed)
        resident = program_for(case)
        ran = run_case(case, trace=True)
        assert same(case, ran), "the call computes what it should"
        program, labels = resident.program.bytes, resident.program.labels
        places = range(resident.steps[Step(case.call.start)], labels[".Lfill"])
        issued = [one for one in ran.result.trace if one.pc in places]
        multiplies = sum(
            one.opcode.name.startswith("VMAC")
            for place in issued
            for one in decode(program[place.pc : place.pc + BUNDLE_BYTES]).instructions
        )
        stalls = ran.result.bank_stalls
        return CallCycles(ran.result.cycles - resident.costs.boot, len(issued) + stalls, multiplies)


def _dense(**fixed: Any) -> dict[str, Any]:
    """All blocks kept."""
    taps = fixed["window"][0] * fixed["window"][1]
    return {"stride": (1, 1), "dilation": (1, 1), "kept": taps * fixed["in_blocks"], **fixed}


DIRECT, NARROW = {"direct": True}, {"direct": False, "narrow": True}
_SUMS = {"direct": False, "narrow": False, "staged": True}
_MATMUL = _dense(rows=1, wide=16, in_blocks=8, out_blocks=8, window=(1, 1))
_CONV_32 = _dense(rows=1, wide=2, in_blocks=4, out_blocks=4, window=(3, 3))
_CONV_128 = _dense(rows=1, wide=2, in_blocks=16, out_blocks=1, window=(3, 3))


def matmul_call(finish: Mapping[str, bool]) -> CallCycles:
    """64 pixels of 64 channels by 64 x 64 weights; sums become int8 by `finish`."""
    return OneCall({**_MATMUL, **finish}).run()


def matmul(_: Target) -> tuple[float, ...]:
    """The kernel alone."""
    return (matmul_call(DIRECT).kernel,)


def conv_32(_: Target) -> tuple[float, ...]:
    """8 pixels of a 3x3 convolution from 32 channels to 32."""
    return (OneCall({**_CONV_32, **DIRECT}).run().kernel,)


def conv_512(_: Target) -> tuple[float, ...]:
    """The same from 512 channels; a core has no room for their weights, so 16 calls from 128 to 8 add up their sums."""
    first, middle, last = (
        OneCall({**_CONV_128, **_SUMS, "first": place == 0, "last": place == 2}).run().kernel for place in range(3)
    )
    return (4 * (first + 2 * middle + last),)
