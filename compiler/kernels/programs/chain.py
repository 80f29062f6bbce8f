"""What a multiply-accumulate runs, in program order: all output blocks of a call one behind the other without a stop.

Table and weights flow on from one output block to the next: in a block's last set the pointers' steps at its end lead
on instead of back.  They lead one period too low, so that behind that set the period that is begun first is one that
does not count, and the new block's stream comes just when its other registers are ready.

Registers of a block that are needed before its start are those of the set "to come": r2, chosen when a block's last
set begins.  Bias and chain word of the block to come are read ahead, the bias by the loop over periods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from compiler.encoding.records import CHAIN_BYTES, CHAIN_SECOND, CHAIN_SHIFT, RECORD_BYTES, ZERO_LANE
from compiler.encoding.work import MIN_PERIODS, SET, CoreConfig
from compiler.kernels.programs.convention import CONFIG
from compiler.kernels.programs.mac import (
    BIAS,
    DIRECT,
    GROUPS,
    ZERO,
    Variant,
    additions,
    first_sums,
    last_sums,
    loads,
    period,
    reloads,
    stores,
)
from compiler.kernels.programs.parts import SPREAD, call_word, header, offset, op, ops
from compiler.kernels.schedule import Op

# Steps of the four input pointers to the next set: modifiers that no two-dimensional step uses.
STEPS = ("m0", "m5", "m6", "m7")
TABLE, LOWER, UPPER = "lda.2d dj0, [p0], d2", "vlda wl8, [p5], #32", "vlda.2d wh8, [p5], d1"
# The same reads without their counters.
PLAIN = {TABLE: "lda dj0, [p0], #4", LOWER: LOWER, UPPER: "vlda wh8, [p5], #32"}
# Where p7 stands when another block begins, from the jumps on: the starts and the first step are read.
AT_JUMPS = 4 * (SET + 1)
# Periods of a call's first set that are read before the counters are set up: any block has more.
UNCOUNTED = MIN_PERIODS - 1

Late = Mapping[int, Sequence[Op]]
"""Ops in program order behind a period, by its number."""


class Wraps(NamedTuple):
    """Behind which periods of a set, in program order, its steps of table and weights at its end are set."""

    table: int
    blocks: int


def _record(variant: Variant) -> int:
    """Bytes from one block's bias to the next: NARROW finds its factors between them."""
    return 2 * RECORD_BYTES if variant.end == "narrow" else RECORD_BYTES


def spare(variant: Variant) -> list[Op]:
    """What the loop over periods reads time and again, as it has a slot to spare: the bias of the block to come."""
    return [] if variant.from_scratch else [op(f"vlda wl9, [sp, #-{_record(variant)}]", "work")]


def counters() -> tuple[list[Op], list[Op]]:
    """The counts of weights and table for the set to come."""
    return ops("mov dn1, r2"), ops("mov dn2, r2")


def _table_wrap() -> list[Op]:
    return ops("sel.eqz r22, r26, r2, r27", "mul r22, r22, r1", "mov m2, r22")


def _blocks_wrap() -> list[Op]:
    """The step of the weights; behind it r2 is of the set to come."""
    wrap = ops("sel.eqz r22, r11, r2, r27", "mul r22, r22, r8", "add.nc m1, r22, #-32")
    return [*wrap, *ops("sel.eqz r2, r23, r2, r27")]


def wraps(at: Wraps) -> Late:
    """Where pointers go at the end of a set: back, or on if r27 says that none follows."""
    if at.table == at.blocks:
        return {at.table: [*_table_wrap(), *_blocks_wrap()]}
    return {at.table: _table_wrap(), at.blocks: _blocks_wrap()}


def added(variant: Variant, pause: int) -> Late:
    """Sums from the scratch join a set that is held up from the period `pause` on: until then none can multiply."""
    return {pause - 1: additions()} if variant.from_scratch else {}


def together(*several: Late) -> dict[int, list[Op]]:
    """What is behind each period in all of them."""
    numbers = sorted({number for late in several for number in late})
    return {number: [one for late in several for one in late.get(number, ())] for number in numbers}


def results(variant: Variant) -> list[Op]:
    """Behind each set: its results go out, and sums of the next one come in."""
    return [*stores(variant), *reloads(variant)]


def shared(variant: Variant) -> list[Op]:
    """Behind each set, whatever follows: the next loop's count, and what a block's start has no time for."""
    found = ops("extend.u16 r22, r2", f"add.nc lc, r22, #{1 - variant.peeled}")
    found += ops(f"lda {STEPS[0]}, [p7], #4")
    if variant is DIRECT:
        found += ops(f"movx r12, #-{CHAIN_SHIFT}", "lshl r12, r23, r12")
    return found


def pointers() -> list[Op]:
    """The four input pointers to the next set, and the counter of the sets that follow it."""
    return ops(*(f"padds [p{g + 1}], {STEPS[g]}" for g in GROUPS), "add r27, r27, #-1")


def steps() -> list[Op]:
    """The steps to the set after, but for the first one; behind a block's last ones those of the next block."""
    return ops(*(f"lda {step}, [p7], #4" for step in STEPS[1:3]), f"lda.2d {STEPS[3]}, [p7], d4")


def _fill_bias(variant: Variant) -> list[Op]:
    """The bias in every row, where sums start from it."""
    if variant.from_scratch:
        return []
    return ops("vmov wh9, wl9", f"vmov bml{BIAS}, x9", f"vmov bmh{BIAS}, x9")


def _inputs() -> list[Op]:
    """The four input pointers of a block, and where those of the next one start."""
    return [one for g in GROUPS for one in ops(f"mov p{g + 1}, r{g + 3}", f"add r{g + 3}, r{g + 3}, r29")]


def _shifts() -> list[Op]:
    """The first shift of the block that begins, out of its chain word, into s0, and the second one into r15."""
    first = ops("lshl r22, r2, r30", f"movx r15, #-{CHAIN_SECOND}", "lshl r22, r22, r15", "mov s0, r22")
    return [*first, *ops("lshl r15, r2, r15")]


def _factors() -> list[Op]:
    """The factors of the block that begins for each pixel of a group, and the zero point in every lane."""
    code = ops(f"vlda wl6, [sp, #-{RECORD_BYTES}]", f"movx r22, #{SPREAD}", "vshuffle x5, x6, x6, r22", "vmov wh5, wl5")
    return [*code, *ops(f"vextbcst.32 x11, x6, #{ZERO_LANE}")]


def setup(variant: Variant) -> list[Op]:
    """Registers of a block that follows another one; sp, r23 and what leads to it are moved on to the block after."""
    # Nothing else is in r15, but that NARROW needs it.
    code = ops("lda r23, [p7, dj5]", *(["mov r15, dj5"] if variant.end == "narrow" else []))
    code += ops(f"add r15, r15, #{CHAIN_BYTES}", "mov dj5, r15")
    code += ops("mov s0, r12") if variant.end == "direct" else []
    if variant.end == "narrow":
        code += [*_shifts(), *_factors()]
    if not variant.from_scratch:
        code += ops(f"paddb [sp], #{_record(variant)}")
    code += [*_inputs(), *_fill_bias(variant), *steps()]
    if variant.end != "raw":
        code += ops("mov p6, r7", "add r7, r7, r28", "mova dc3, #0")
    return [*code, *ops("add r27, r10, #0", "add r9, r9, #-1")]


def setup_behind(variant: Variant, at: Wraps) -> Late:
    """The rest of a block's registers, which are set while its first set has begun."""
    found = {number: list(code) for number, code in wraps(at).items()}
    if variant.end == "narrow":
        found[at.blocks] += ops("mov s1, r15", f"vmov bml{ZERO}, x11", f"vmov bmh{ZERO}, x11")
    return found


def _addresses() -> list[Op]:
    """Pointers into the packet."""
    return [
        *ops("mov p3, r18", "mov m0, r18"),
        header("r9", "out_blocks"),
        header("p7", "jumps_offset"),
        header("p0", "table_offset"),
        header("p5", "blocks_offset"),
        *ops("padds [p7], m0", "padds [p0], m0", "padds [p5], m0", "mov p1, p7"),
    ]


def _chain() -> list[Op]:
    """The chain words of the first two blocks, which stand with all others before the jumps, and where the third is."""
    code = ops("mul r15, r9, r1", f"add.nc m2, r15, #-{CHAIN_BYTES}", "padds [p1], m2")
    code += ops("lda r2, [p1, #0]", f"lda r23, [p1, #{CHAIN_BYTES}]")
    return [*code, *ops(f"add r15, r15, #{CHAIN_BYTES - AT_JUMPS}", "mov dj5, r15")]


def _first_bias(variant: Variant) -> list[Op]:
    """The first bias in every row; sp stands behind the record."""
    if variant.from_scratch:
        return []
    code = [header("r23", "bias_offset"), *ops("add r23, r23, r18", "mov sp, r23", f"paddb [sp], #{_record(variant)}")]
    return [*code, *spare(variant), *_fill_bias(variant)]


def _first_factors() -> list[Op]:
    """What else a narrow block needs."""
    code = [*_shifts(), *_factors()]
    return [*code, *ops("mov s1, r15", f"vmov bml{ZERO}, x11", f"vmov bmh{ZERO}, x11")]


def _starts() -> list[Op]:
    """Input pointers of the first block."""
    code = [op("mov p2, r13"), call_word("r12", "x_offset"), op("add r12, r12, r16")]
    for g in GROUPS:
        code += ops(f"lda r{g + 3}, [p7], #4", f"add r{g + 3}, r{g + 3}, r12")
    return code


def _sets() -> list[Op]:
    """Their number less one, and the steps' counter: p7 goes round the steps of a block."""
    return [
        call_word("r10", "groups"),
        *ops("add r10, r10, #-1", "movx r1, #-2", "lshl r10, r10, r1", "mov dn4, r10"),
        *ops("movx r8, #-16", "mul r8, r10, r8", "add.nc m4, r8, #-12", "mov dj4, #4", "mov dc4, #0"),
        *ops("movx r1, #-4", "movx r8, #-64"),
    ]


def _places(variant: Variant) -> list[Op]:
    """Where results go: see `result_places`, with other temporary registers.  Sums lie one behind the other."""
    if variant.end == "raw":
        return [op("add r27, r10, #0")]
    return [
        header("r7", "groups_wide"),
        *ops("movx r27, #5", "lshl r28, r7, r27", "add r7, r7, #-1", "mov dn3, r7", "mov dj3, #32", "mov dc3, #0"),
        *ops("add r27, r9, #-1", "mul r27, r27, r28", "add r27, r27, #32", "mov m3, r27"),
        *ops("mov p6, r20", "add r7, r20, r28", "add r27, r10, #0"),
    ]


def _modes(variant: Variant) -> list[Op]:
    """The sign of the results, and how ties are rounded."""
    if variant.end == "raw":
        return []
    sign = [header("r26", "result_sign"), op("mov crSRSSign, r26")]
    return [*sign, header("r11", "rounding"), op("mov crRnd, r11")]


def _first_block(variant: Variant) -> list[Op]:
    """The first block, and the chain word of the second."""
    code = [*_first_bias(variant), *_chain()]
    code += ops("extend.u16 r22, r2", f"add.nc lc, r22, #{1 - variant.peeled}")
    if variant is DIRECT:
        code += ops(f"movx r12, #-{CHAIN_SHIFT}", "lshl r12, r2, r12", "mov s0, r12")
    if variant.end == "narrow":
        code += _first_factors()
    return [*code, *([] if variant.from_scratch else ops(f"paddb [sp], #{_record(variant)}"))]


def _scratch(variant: Variant) -> list[Op]:
    """Where sums go, and what those of the first set start from."""
    if variant.end != "raw":
        return []
    acc = offset(CoreConfig, "acc_address")
    code = [op(f"movxm p7, #{CONFIG:#x}"), op(f"lda p6, [p7, #{acc}]", "config")]
    return [*code, *loads()] if variant.from_scratch else code


def opening(variant: Variant, label: str) -> list[Op]:
    """Everything from the dispatcher's registers to those of the first set."""
    return [
        *_scratch(variant),
        *_addresses(),
        *_sets(),
        *_first_block(variant),
        *_starts(),
        header("r0", "conf"),
        *_places(variant),
        *_modes(variant),
        header("r26", "taps"),
        header("r11", "blocks_back"),
        header("r29", "act_step"),
        *([header("r12", "narrow_conf")] if variant.end == "narrow" else []),
        # By 0, accumulators are added in lanes of 32 bits.
        *ops(*(["mov r12, #0"] if variant.from_scratch else [])),
        *_inputs(),
        *ops("mov dj1, #32", "mov dj2, #4", f"mov dc1, #{UNCOUNTED}", f"mov dc2, #{UNCOUNTED}"),
        *(one for some in counters() for one in some),
        *_table_wrap(),
        *_blocks_wrap(),
        *ops(f"lda {STEPS[0]}, [p7], #4"),
        *steps(),
        *ops(f"movxm ls, #.L{label}", f"movxm le, #.L{label}_end"),
    ]


class Reads(NamedTuple):
    """How many of the first reads of a set's table and of its weights go without counters, from which ones on.

    `opens` says that the set is a call's first one.
    """

    first_table: int = 0
    first_blocks: int = 0
    number: int = 0
    opens: bool = False

    def changed(self, period: int) -> dict[str, str]:
        """By what reads of a period are replaced."""
        table = self.first_table <= period < self.first_table + self.number
        blocks = self.first_blocks <= period < self.first_blocks + self.number
        return {text: PLAIN[text] for text in ([TABLE] if table else []) + ([UPPER] if blocks else [])}


COUNTED = Reads()
OPENING = Reads(0, 0, UNCOUNTED, opens=True)


def replaced(variant: Variant, reads: Reads, number: int, one: Op, *, last: bool = False) -> Op:
    """What stands for an op of a set's period."""
    text = one.ins.text()
    if number == 0:
        one = first_sums(variant, loaded=reads.opens).get(text, one)
    if last:
        one = last_sums(variant).get(text, one)
    other = reads.changed(number).get(text)
    return one if other is None else op(other, "work")


def set_program(variant: Variant, periods: int, reads: Reads = COUNTED, late: Late | None = None) -> list[Op]:
    """A set in program order."""
    found = []
    for number in range(periods):
        found += [replaced(variant, reads, number, one, last=number == periods - 1) for one in period().ops]
        found += (late or {}).get(number, ())
    return [*found, *spare(variant)]
