"""From sums to bytes: a factor for each channel (SCALE), or two roundings with a factor for each pixel (MEAN).

AIE2 multiplies 16 by 16 bits into 64-bit lanes, two products a lane.  A sum a = A * 2^16 + B and a factor
M = H * 2^16 + L, all four signed 16-bit numbers, give a * M = ((A*H) * 2^16 + (B*H + A*L)) * 2^16 + B*L: three
multiplies, the accumulator shifted left by 16 before the second and third.  The scratch holds a + 2^15, whose upper
half is A and whose lower half is B + 2^15: adding 2^15 in 16 bits makes it B.

Each way is a step of its own, over all output blocks of a call (`group_loop.py`).
"""

from __future__ import annotations

from collections.abc import Set

from compiler.encoding.records import CHAIN_BYTES, CHAIN_SECOND, CHAIN_SHIFT, RECORD_BYTES, ZERO_LANE
from compiler.encoding.work import GROUP_BYTES, HALF_TO_EVEN, LANES, CoreConfig, WorkHeader
from compiler.kernels.programs.convention import CONFIG, result_places, return_to
from compiler.kernels.programs.group_loop import GroupLoop, scheduled
from compiler.kernels.programs.parts import SPREAD, Listing, call_word, header, low, offset, op, ops, written
from compiler.kernels.schedule import Op

# Configuration words of elementwise 16 x 16 multiplies into 16 lanes of 64 bits, and with the accumulator shifted
# left by 16 first (aiev2_vmult.h of llvm-aie: mul_elem_16_2, shift16).
WIDE, WIDE_SHIFTED = 858, 858 + 1024
# vshuffle mode that splits 32-bit lanes: lower halves to the lower half of a vector (T16_16x2, aiev2_enums.h).
SPLIT = 44
# Where the word of both shifts of a mean has the outer one, behind the inner one of 6 bits.
MEAN_OUTER = low(WorkHeader, "mean_outer")
# Groups come in fours, so no more of them may be begun before a loop.
STAGES = 5
# How far behind the scratch reads go at most: what is multiplied begins a set too many, 4 groups of 128 bytes.
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
        f"mov r1, #{WIDE // 2}",
        "add r1, r1, r1",
        f"movxm r12, #{WIDE_SHIFTED}",
        f"movx r22, #{SPLIT}",
    )


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


def _scale_body() -> list[Op]:
    factors = "x4", "x5", "x6"
    body = [*_halves(4, "x0", factors), *_halves(5, "x9", factors)]
    body += ops("vsrs.s16.s64 wl11, cm4, s0", "vsrs.s16.s64 wh11, cm5, s0")
    return [*body, *_finish("x1", "x2", "x3")]


def _mean_body() -> list[Op]:
    body: list[Op] = []
    for half in range(2):
        high, low = 32 * half, 64 + 32 * half
        body += ops(f"vlda wh1, [p3, #{high}]", f"vlda wl2, [p3, #{high}]")
        body += ops(f"vlda wh2, [p3, #{low}]", f"vlda wl3, [p3, #{low}]")
        body += _halves(4 + half, "x0", ("x1", "x2", "x3"))
        body += ops(f"vsrs.s32.s64 x{9 + half}, cm{4 + half}, s1", f"vmov bm{'lh'[half]}6, x{9 + half}")
    body += ops("padda [p3], m0", "vsrs.s16.s32 x11, cm6, s2")
    return [*body, *_finish("x4", "x5", "x6")]


def _staged_body(*, clips: bool) -> list[Op]:
    halves, byte = ("d16", "s8") if clips else ("s16", "d8")
    body = [op(f"vlda {quarter}4, [p0], #32", "scratch") for quarter in ("amll", "amlh", "amhl", "amhh")]
    body += ops(f"vsrs.{halves}.s32 x0, cm4, s0", "vmac cm5, cm7, x0, x5, r12")
    return [*body, op(f"vst.2d.srs.{byte}.s32 cm5, s1, [p7], d3", "out")]


def _call() -> list[Op]:
    """Registers of a call: the next step, where sums and results are, and how many; p3 is the packet's start."""
    return [
        *ops("mov p3, r18", "mov p2, r13"),
        call_word("r10", "groups"),
        *written(return_to("after_rescale", load=call_word)),
        *ops("add r10, r10, #3", "movx r22, #-2", "lshl r10, r10, r22", "lshl r10, r10, r31"),
        header("r9", "out_blocks"),
        *written(result_places("r9")),
        header("r1", "result_sign"),
        *ops("mov crSRSSign, r1", "mov crPackSign, r1", f"mov crRnd, #{HALF_TO_EVEN}"),
        op(f"movxm p7, #{CONFIG:#x}"),
        op(f"lda p0, [p7, #{offset(CoreConfig, 'acc_address')}]", "config"),
        op("mov r7, r20"),
    ]


def _records() -> list[Op]:
    """Behind what goes by the header: p2 at the factors, and p3 at the chain words, which stand before the jumps."""
    code = [header("r2", "factors_offset"), *ops("add r2, r2, r18", "mov p2, r2"), header("r2", "jumps_offset")]
    # r31 is 2: a word for each block, and one more.
    return [*code, *ops("lshl r22, r9, r31", "add r2, r2, r18", "sub r2, r2, r22", f"add.nc p3, r2, #-{CHAIN_BYTES}")]


def _factors() -> list[Op]:
    """The factors of the next block, and its chain word."""
    return ops(f"vlda wl8, [p2], #{RECORD_BYTES}", f"lda r2, [p3], #{CHAIN_BYTES}")


def _places() -> list[Op]:
    """Where the results of the next block go."""
    return ops("mov p7, r7", "add r7, r7, r28", "mova dc3, #0")


def _scale() -> GroupLoop:
    each = [*_places(), *_factors(), *ops(f"movx r5, #{SPREAD}", "vshuffle x5, x8, x8, r5")]
    each += ops("vmov wh4, wl5", "vmov wl6, wh5", f"movx r5, #-{CHAIN_SHIFT}", "lshl r2, r2, r5", "mov s0, r2")
    once = [*_call(), *limits("x1", "x2", "x3"), *_records(), *_constants()]
    once += ops("mov r3, p0", "mov p1, r3", "padda [p1], #32", "vmov wl4, wl11", "vmov wh6, wl11")
    return GroupLoop("scale", (*once, *each), tuple(each), scheduled(_scale_body(), STAGES))


def _mean() -> GroupLoop:
    each = [*_places(), *ops("mov p3, r3")]
    once = [*_call(), *ops("mov r3, p0", "mov p1, r3", "padda [p1], #32"), *limits("x4", "x5", "x6")]
    once += [header("r1", "mean_inner"), *ops(f"movx r22, #-{MEAN_OUTER}", "lshl r12, r1, r22", "mov s2, r12")]
    once += ops("lshl r1, r1, r30", "lshl r1, r1, r22", "mov s1, r1")
    once += [header("m0", "scale_step"), *ops("mov p2, r13"), call_word("r3", "scales_offset")]
    once += [*ops("add r3, r3, r18"), *_constants(), *ops("vmov wl1, wl11", "vmov wh3, wl11")]
    return GroupLoop("mean", (*once, *each), tuple(each), scheduled(_mean_body(), MEAN_STAGES))


def _staged(*, clips: bool) -> GroupLoop:
    """What `narrow` does on the way, for sums that several calls make: no offset is in them."""
    each = [*_places(), *_factors(), *ops(f"movx r11, #{SPREAD}", "vshuffle x5, x8, x8, r11", "vmov wh5, wl5")]
    each += ops(f"vextbcst.32 x11, x8, #{ZERO_LANE}", "vmov bml7, x11", "vmov bmh7, x11")
    each += ops("lshl r1, r2, r30", "lshl r1, r1, r3", "mov s0, r1", "lshl r2, r2, r3", "mov s1, r2")
    once = [*_call(), header("r12", "narrow_conf"), *_records(), op(f"movx r3, #-{CHAIN_SECOND}")]
    return GroupLoop("staged", (*once, *each), tuple(each), scheduled(_staged_body(clips=clips), STAGES))


def loops(features: Set[str]) -> list[GroupLoop]:
    """The ways from sums to bytes that a program with these features has."""
    found = [_mean()] if "MEAN" in features else []
    if "STAGED" in features:
        found.append(_staged(clips="CLIPPED" in features))
    return [*found, _scale()] if "SCALE" in features else found


def rescale(listing: Listing, features: Set[str]) -> dict[str, int]:
    """The steps that bring sums from the scratch to bytes."""
    costs: dict[str, int] = {}
    for loop in loops(features):
        # Reads of sums behind the last block, which somebody may write at the time.
        assert LANES * GROUP_BYTES * loop.peeled <= SCRATCH_AHEAD, "the loop reads further ahead than is said"
        costs |= loop.add(listing)
    return costs
