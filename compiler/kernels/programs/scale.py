"""From sums to bytes: a factor for each channel (SCALE), or two roundings with a factor for each pixel (MEAN).

AIE2 multiplies 16 by 16 bits into 64-bit lanes, two products a lane.  A sum a = A * 2^16 + B and a factor
M = H * 2^16 + L, all four signed 16-bit numbers, give a * M = ((A*H) * 2^16 + (B*H + A*L)) * 2^16 + B*L: three
multiplies, the accumulator shifted left by 16 before the second and third.  The scratch holds a + 2^15, whose upper
half is A and whose lower half is B + 2^15: adding 2^15 in 16 bits makes it B.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial

from compiler.encoding.work import BLOCK_RECORD_BYTES, GROUP_BYTES, RECORD_WORDS, WorkHeader
from compiler.kernels.programs.parts import (
    INTO_HEADER,
    Code,
    Listing,
    ahead,
    bit,
    block,
    call_word,
    ending,
    header,
    offset,
    op,
    ops,
    pipelined,
)
from compiler.kernels.schedule import LoopCode, Op

# Configuration words of elementwise 16 x 16 multiplies into 16 lanes of 64 bits, and with the accumulator shifted
# left by 16 first (aiev2_vmult.h of llvm-aie: mul_elem_16_2, shift16).
WIDE, WIDE_SHIFTED = 858, 858 + 1024
# vshuffle mode that splits 32-bit lanes: lower halves to the lower half of a vector (T16_16x2, aiev2_enums.h).
SPLIT = 44
# Groups come in fours, so no loop over them may need more iterations than that.
STAGES = 4
# How far behind the scratch the loop over its groups reads at most: 4 groups of 128 bytes.
SCRATCH_AHEAD = 512
# Averages are few: their loop is kept short rather than fast.
MEAN_STAGES = 1


def limits(low: str, high: str, zero: str) -> list[Op]:
    """Vectors of the limits without zero point, and of the zero point, into the three registers."""
    return [
        header("r1", "q_min"),
        header("r22", "q_max"),
        header("r12", "q_zero"),
        *ops(
            "sub r1, r1, r12",
            "sub r22, r22, r12",
            f"vbcst.16 {low}, r1",
            f"vbcst.16 {high}, r22",
            f"vbcst.16 {zero}, r12",
        ),
    ]


def _constants() -> list[Op]:
    """x7 takes 2^15 off the lower halves; r1, r12, r22 are what multiplies and shuffles are told."""
    return ops(
        "movxm r1, #0x8000",
        "vbcst.16 x7, r1",
        "mov r1, #0",
        "vbcst.32 x11, r1",
        "vmov wh7, wl11",
        "mov r1, #429",
        "add r1, r1, r1",
        f"movxm r12, #{WIDE_SHIFTED}",
        f"movx r22, #{SPLIT}",
    )


def _sums() -> list[Op]:
    """Pointers to the two halves of a scratch vector, the results, and the counter of a loop over the groups."""
    return ops("mov p0, r8", "mov p1, r8", "padda [p1], #32", "mov p7, r7", "mov dc3, #0")


def _halves(number: int, data: str, factors: tuple[str, str, str]) -> list[Op]:
    """Sixteen sums into `data`, and their products into accumulator `number`."""
    name = data[1:]
    first, second, third = factors
    return [
        op(f"vlda wl{name}, [p0], #64", "scratch"),
        op(f"vldb wh{name}, [p1], #64", "scratch"),
        *ops(
            f"vshuffle {data}, {data}, {data}, r22",
            f"vadd.16 {data}, {data}, x7",
            f"vmul cm{number}, {data}, {first}, r1",
            f"vmac cm{number}, cm{number}, {data}, {second}, r12",
            f"vmac cm{number}, cm{number}, {data}, {third}, r12",
        ),
    ]


def _finish(low: str, high: str, zero: str) -> list[Op]:
    """Clamp 32 results in x11, add the zero point, and store their bytes."""
    return [
        *ops(f"vmax_lt.s16 x11, r23, x11, {low}", f"vmin_ge.s16 x11, r23, x11, {high}", f"vadd.16 x11, x11, {zero}"),
        op("vst.2d.pack.d8.d16 x11, [p7], d3", "out"),
    ]


def _scale_loop() -> LoopCode:
    factors = "x4", "x5", "x6"
    body = [*_halves(4, "x0", factors), *_halves(5, "x9", factors)]
    body += ops("vsrs.s16.s64 wl11, cm4, s0", "vsrs.s16.s64 wh11, cm5, s0")
    return pipelined([*body, *_finish("x1", "x2", "x3")], STAGES)


def _mean_loop() -> LoopCode:
    body: list[Op] = []
    for half in range(2):
        high, low = 32 * half, 64 + 32 * half
        body += ops(f"vlda wh1, [p3, #{high}]", f"vlda wl2, [p3, #{high}]")
        body += ops(f"vlda wh2, [p3, #{low}]", f"vlda wl3, [p3, #{low}]")
        body += _halves(4 + half, "x0", ("x1", "x2", "x3"))
        body += ops(f"vsrs.s32.s64 x{9 + half}, cm{4 + half}, s1", f"vmov bm{'lh'[half]}6, x{9 + half}")
    body += ops("padda [p3], m0", "vsrs.s16.s32 x11, cm6, s2")
    return pipelined([*body, *_finish("x4", "x5", "x6")], MEAN_STAGES)


def _run(listing: Listing, code: LoopCode, name: str) -> tuple[int, int]:
    """Append a loop and the return; (cycles beside its iterations, cycles of one)."""
    interval = code.schedule.interval
    fixed = listing.add(code.prologue)
    listing.loop(code.kernel, name)
    fixed += listing.add(ending(code.epilogue, "ret lr"))
    return fixed - (code.least_trips - 1) * interval, interval


def _counter(name: str, code: LoopCode) -> list[Op]:
    """Registers of the loop over all groups of the sets, r12 being free."""
    return ops(
        f"movxm ls, #.L{name}",
        f"movxm le, #.L{name}_end",
        "lshl r12, r10, r31",
        f"add.nc lc, r12, #{1 - code.least_trips}",
    )


# The ways from sums to bytes, with the flag of the packet that asks for each; SCALE is what no flag asks for.
_FLAGS = {"MEAN": "mean", "STAGED": "staged", "SCALE": ""}


def rescale(listing: Listing, features: Set[str]) -> dict[str, int]:
    """`rescale`: the sums of one output block in the scratch become bytes; r6 is behind its record.

    Called with `jl`; keeps r2 to r11 and p6.
    """
    wanted = [name for name in _FLAGS if name in features]
    staged = partial(_staged, clips="CLIPPED" in features)
    ways: dict[str, Callable[[Listing, int], dict[str, int]]] = {"MEAN": _mean, "STAGED": staged, "SCALE": _scale}
    spent = 0
    costs: dict[str, int] = {}
    listing.add([], "rescale")
    for position, name in enumerate(wanted):
        if position < len(wanted) - 1:
            flag = _FLAGS[name]
            spent += listing.add(
                block(
                    "mov p3, r18",
                    op(f"lda.u8 r1, [p3, #{offset(WorkHeader, flag)}]", "work"),
                    f"movx r12, #{bit(WorkHeader, flag)}",
                    "and r1, r1, r12",
                    f"jnz r1, #.Lrescale_{name.lower()}",
                )
            )
        else:
            costs |= ways[name](listing, spent)
        costs[f"{name.lower()}_tests"] = spent
    for name in wanted[:-1]:
        costs |= ways[name](listing, costs[f"{name.lower()}_tests"])
    return {name: cycles for name, cycles in costs.items() if not name.endswith("_tests")}


def _scale(listing: Listing, entry: int) -> dict[str, int]:
    loop = _scale_loop()
    setup = listing.add(
        block(
            "mov p3, r18",
            _counter("scale", loop),
            limits("x1", "x2", "x3"),
            _sums(),
            _constants(),
            "mov p2, r6",
            "vmov wl4, wl11",
            "vlda wh4, [p2, #-96]",
            "vlda wl5, [p2, #-96]",
            "vlda wh5, [p2, #-64]",
            "vlda wl6, [p2, #-64]",
            "vmov wh6, wl11",
        ),
        "rescale_scale",
    )
    fixed, each = _run(listing, loop, "scale")
    return {"scale_block": entry + setup + fixed, "scale_group": each}


def _mean(listing: Listing, entry: int) -> dict[str, int]:
    loop = _mean_loop()
    setup = listing.add(
        block(
            "mov p3, r18",
            _counter("mean_loop", loop),
            limits("x4", "x5", "x6"),
            _sums(),
            header("r1", "mean_inner"),
            "mov s1, r1",
            header("r1", "mean_outer"),
            "mov s2, r1",
            header("m0", "scale_step"),
            "mov p3, r13",
            call_word("r1", "scales_offset", "p3"),
            "add r1, r1, r18",
            "mov p3, r1",
            _constants(),
            "vmov wl1, wl11",
            "vmov wh3, wl11",
        ),
        "rescale_mean",
    )
    fixed, each = _run(listing, loop, "mean_loop")
    return {"mean_block": entry + setup + fixed, "mean_group": each}


def _staged_body(clips: bool) -> list[Op]:
    halves, byte = ("d16", "s8") if clips else ("s16", "d8")
    body = [op(f"vlda {quarter}4, [p0], #32", "scratch") for quarter in ("amll", "amlh", "amhl", "amhh")]
    body += ops(f"vsrs.{halves}.s32 x0, cm4, s0", "vmac cm5, cm7, x0, x5, r12")
    return [*body, op(f"vst.2d.srs.{byte}.s32 cm5, s1, [p7], d3", "out")]


def _staged(listing: Listing, entry: int, clips: bool) -> dict[str, int]:
    """What `narrow` does on the way, for sums that several calls make: no offset is in them."""
    setup: Code = [
        "mov p3, r18",
        f"padda [p3], #{INTO_HEADER}",
        "mov p2, r6",
        op(f"lda r1, [p2, #{RECORD_WORDS['second_shift'] - BLOCK_RECORD_BYTES}]", "work"),
        op(f"lda r23, [p2, #{RECORD_WORDS['zero'] - BLOCK_RECORD_BYTES}]", "work"),
        "mov p0, r8",
        "mov p7, r7",
        "mov dc3, #0",
        "mov s1, r1",
        "vbcst.32 x11, r23",
        "vmov bml7, x11",
        "vmov bmh7, x11",
        "vlda wl5, [p2, #-96]",
        "vlda wh5, [p2, #-64]",
        header("r12", "narrow_conf", INTO_HEADER),
        "lshl r23, r10, r31",
    ]
    loop = ahead(setup, _staged_body(clips), "staged", "r23")
    assert 4 * GROUP_BYTES * (loop.schedule.stages - 1) <= SCRATCH_AHEAD, "the loop reads further ahead than is said"
    fixed = listing.add(loop.rows, "rescale_staged")
    listing.loop(loop.kernel, "staged")
    fixed += listing.add(block("ret lr"))
    return {"staged_block": entry + fixed, "staged_group": len(loop.kernel)}
