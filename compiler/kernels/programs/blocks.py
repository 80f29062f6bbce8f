"""Kernels that multiply: for each output block the sums of all sets, then what brings sums to bytes."""

from __future__ import annotations

from collections.abc import Set

from compiler.encoding.work import BLOCK_RECORD_BYTES, RECORD_WORDS, CallRecord, CoreConfig, WorkHeader
from compiler.kernels.programs import scale
from compiler.kernels.programs.convention import CONFIG, flag_to, result_places, rounding
from compiler.kernels.programs.mac import (
    BIAS,
    BIAS_RAW,
    CLIPPED,
    DIRECT,
    NARROW,
    QUARTERS,
    SCRATCH_RAW,
    ZERO,
    Variant,
    block_boundary,
    boundary,
    lead,
    left_at,
    opening,
    read_ahead,
    steady,
)
from compiler.kernels.programs.parts import Listing, bit, block, call_word, header, offset, op, ops
from compiler.kernels.schedule import Op


def _record(dst: str, word: str, next: bool = False) -> Op:
    """A word of the record in front of p7, or of the one that p7 stands at."""
    return op(f"lda {dst}, [p7, #{RECORD_WORDS[word] - (0 if next else BLOCK_RECORD_BYTES)}]", "work")


def _fetch() -> list[Op]:
    """Periods of the record at p7 into r23, and what follows from them into dj5 and dj6, which are spare."""
    return [
        _record("r8", "blocks_wrap", next=True),
        *ops("mov dj5, r8", "movx r23, #-4", "ashl r8, r8, r23", "add r8, r8, #2", "mov dj6, r8"),
        *ops("movx r23, #-2", "ashl r8, r8, r23", "mul r8, r8, r24", "add r23, r8, #1"),
    ]


def chained(variant: Variant) -> list[Op]:
    """Registers of an output block that follows another one directly; r6 is behind its record."""
    code = ops("mov p0, r4", "mov p5, r5", "add r8, r23, #-1", "mov dn2, r8", "mov m2, dj6", "mov dn1, r8")
    code += ops("mov m1, dj5", "mov m0, r3")
    code += [one for g in range(4) for one in ops(f"mov p{g + 1}, dn{g + 4}", f"paddb [p{g + 1}], m0")]
    code += ops("mov r2, r23", "mov p7, r6", *(f"vlda {name}{BIAS}, [p7, #-128]" for name in QUARTERS))
    code += [_record("r22", "shift"), op("mov s0, r22")]
    if variant.end == "narrow":
        code += [
            _record("r22", "second_shift"),
            *ops("mov s1, r22", "mov r15, dj7", "extend.s16 r15, r15", "lshl r22, r15, r22"),
        ]
        code += ops("vbcst.32 x11, r22", f"vmov bml{ZERO}, x11", f"vmov bmh{ZERO}, x11")
        code += ops("vlda wl5, [p7, #-96]", "vlda wh5, [p7, #-64]")
    code += [*_fetch(), *ops("add r6, r6, #63", "add r6, r6, #63", "add r6, r6, #2")]
    code += ops("mov p7, r11", *(f"lda m{4 + g}, [p7], #4" for g in range(4)))
    code += ops("mov p6, r7", "add r7, r7, r28", "mov dc3, #0")
    code += ops(f"add.nc lc, r2, #-{variant.peeled}", "add r1, r10, #-1", "add r3, r3, r29")
    return code + _advance("r22") + ops("add r9, r9, #-1")


def _advance(spare: str) -> list[Op]:
    """Table and blocks of the output block after one of r2 periods."""
    return ops(
        f"lshl {spare}, r2, r31",
        f"and {spare}, {spare}, r26",
        f"add r4, r4, {spare}",
        f"lshl {spare}, r2, r30",
        f"and {spare}, {spare}, r27",
        f"add r5, r5, {spare}",
    )


def _chain(listing: Listing, variant: Variant) -> dict[str, int]:
    """All output blocks of a call whose bytes are made on the way, one behind the other without a stop."""
    name = f"mac_{variant.name}"
    ahead = read_ahead(variant, name, f"{name}_leave")
    starts = [
        one for g in range(4) for one in ops(f"lda r12, [p7, #{4 * g}]", "add r12, r12, r3", f"mov dn{g + 4}, r12")
    ]
    start = block(
        f"movxm ls, #.L{name}",
        f"movxm le, #.L{name}_end",
        "mov p7, r11",
        starts,
        "padda [p7], #16",
        "mov r11, p7",
        "mov r3, #0",
        f"mov dc2, #{ahead.table}",
        f"mov dc1, #{ahead.blocks}",
        "mov p7, r6",
        _fetch(),
        "padda [p7], #128",
        "mov r6, p7",
        "add r9, r9, #1",
        [header("dj7", "q_zero"), *scale.narrow_multiply(variant.clips, "r2")] if variant.end == "narrow" else [],
    )
    opened = listing.add(start, f"{name}_start")
    opened += listing.add(opening(variant, chained(variant), ahead))
    listing.loop(steady(), name)
    inner = boundary(variant, name, f"{name}_leave")
    listing.add(inner.rows)
    outer = block_boundary(variant, name, f"{name}_leave", chained(variant))
    listing.add(outer.rows, f"{name}_leave")
    leave = listing.add(block("j #.Lfinish"))
    # A call opens once.  A set passes its loop `periods` - `peeled` times and then a boundary; the boundary behind the
    # last set of a block is another one, of which the first bundles are the same.
    peeled = 4 * variant.peeled
    common = left_at() - lead()
    per_set = len(inner.rows) - peeled
    return {
        f"mac_call_{variant.name}": opened + leave,
        f"mac_block_{variant.name}": common + len(outer.rows) - peeled - per_set,
        f"mac_set_{variant.name}": per_set,
    }


def setup(variant: Variant) -> list[Op]:
    """Registers of an output block whose sums go to the scratch, in program order."""
    return ops(
        "mov p2, r6",
        "mov p7, r11",
        f"lda r2, [p2, #{RECORD_WORDS['periods']}]",
        f"lda r1, [p2, #{RECORD_WORDS['shift']}]",
        f"lda dn1, [p2, #{RECORD_WORDS['last']}]",
        f"lda dn2, [p2, #{RECORD_WORDS['last']}]",
        f"lda m1, [p2, #{RECORD_WORDS['blocks_wrap']}]",
        f"lda m2, [p2, #{RECORD_WORDS['table_wrap']}]",
        *(f"lda m{4 + g}, [p7], #4" for g in range(4)),
        *(f"vlda {quarter}{BIAS}, [p2, #0]" for quarter in QUARTERS),
        f"padda [p2], #{BLOCK_RECORD_BYTES}",
        "mov r6, p2",
        "mov dc1, #0",
        "mov dc2, #0",
        "mov dj1, #32",
        "mov dj2, #4",
        "mov p0, r4",
        "mov p5, r5",
        "mov p6, r8",
        "mov s0, r1",
        f"add.nc lc, r2, #-{variant.peeled}",
        "mov r1, r10",
        *(line for g in range(1, 5) for line in (f"mov p{g}, r3", f"padda [p{g}], m{g + 3}")),
        *(f"lda m{4 + g}, [p7], #4" for g in range(4)),
    )


def _raw(listing: Listing, variant: Variant) -> dict[str, int]:
    """Sums that stay in the scratch, or are rescaled block by block in the last call of a tile."""
    name = f"mac_{variant.name}"
    enter = ops(f"movxm ls, #.L{name}", f"movxm le, #.L{name}_end")
    once = listing.add(opening(variant, [*enter, *setup(variant)]), f"{name}_start")
    listing.loop(steady(), name)
    between = boundary(variant, name).rows
    # A set passes its loop `periods` - `peeled` times, and its boundary once.
    per_set = listing.add(between) - 4 * variant.peeled
    last = f"movx r12, #{bit(CallRecord, 'last')}"
    once += listing.add(block(last, "and r1, r15, r12", f"jz r1, #.L{name}_next"))
    call = listing.add(block("jl #.Lrescale"))
    next_block = ops("mov r8, p6", "add r3, r3, r29", "add r7, r7, r28", "add r9, r9, #-1")
    once += listing.add(block(next_block, _advance("r12"), f"jnz r9, #.L{name}_start"), f"{name}_next")
    leave = listing.add(block("j #.Lfinish"))
    return {
        f"mac_call_{variant.name}": leave,
        f"mac_block_{variant.name}": once,
        f"mac_set_{variant.name}": per_set,
        "rescale_call": call,
    }


def multiply(listing: Listing, features: Set[str]) -> dict[str, int]:
    """The program from `mac` on, with the variants that these features need; it goes on at `finish`.

    Each variant but the last is tested for by its flag: `direct` and `narrow` of the packet, `first` of the call.
    """
    narrow = CLIPPED if "CLIPPED" in features else NARROW
    flags = {
        DIRECT: ("r1", bit(WorkHeader, "direct")),
        narrow: ("r2", bit(WorkHeader, "narrow")),
        BIAS_RAW: ("r15", bit(CallRecord, "first")),
        SCRATCH_RAW: ("", 0),
    }
    raw = bool(features & {"SCALE", "MEAN", "STAGED", "PARTS"})
    wanted = {
        DIRECT: "DIRECT" in features,
        narrow: "NARROW" in features,
        BIAS_RAW: raw,
        SCRATCH_RAW: "PARTS" in features,
    }
    variants = [variant for variant in flags if wanted[variant]]
    spent = listing.add(block(_arguments()), "mac")
    costs: dict[str, int] = {}
    for variant in variants:
        if variant is not variants[-1]:
            byte, flag = flags[variant]
            code = block(f"movx r12, #{flag}", f"and r12, {byte}, r12", f"jnz r12, #.Lmac_{variant.name}_start")
        else:
            code = block(f"j #.Lmac_{variant.name}_start")
        spent += listing.add(code)
        costs[f"mac_call_{variant.name}"] = spent
    for variant in variants:
        lengths = _raw(listing, variant) if variant.end == "raw" else _chain(listing, variant)
        costs |= {name: costs.get(name, 0) + cycles for name, cycles in lengths.items()}
    if raw:
        call = costs.pop("rescale_call") // sum(variant.end == "raw" for variant in variants)
        scaled = scale.rescale(listing, features)
        costs |= {name: scaled[name] + (call if name.endswith("block") else 0) for name in scaled}
    return costs


def _arguments() -> list[Op | str]:
    """Registers of a call, and in r1 and r2 two bytes of flags."""
    return [
        "mov p3, r18",
        "mov p2, r13",
        header("r0", "conf"),
        header("r4", "table_offset"),
        header("r5", "blocks_offset"),
        header("r6", "records_offset"),
        header("r9", "out_blocks"),
        header("r11", "jumps_offset"),
        header("r26", "table_mask"),
        header("r27", "blocks_mask"),
        header("r29", "act_step"),
        call_word("r3", "x_offset"),
        call_word("r10", "groups"),
        op(f"lda.u8 r1, [p3, #{offset(WorkHeader, 'direct')}]", "work"),
        op(f"lda.u8 r2, [p3, #{offset(WorkHeader, 'q_odd')}]", "work"),
        "add r4, r4, r18",
        "add r5, r5, r18",
        "add r6, r6, r18",
        "add r11, r11, r18",
        "add r3, r3, r16",
        "mov r7, r20",
        "add r10, r10, #3",
        "movx r22, #-2",
        "lshl r10, r10, r22",
        *result_places("r9"),
        # The sign of the results, and how ties are rounded.
        *flag_to("r22", "r1", bit(WorkHeader, "q_signed")),
        "mov crSRSSign, r22",
        "mov crPackSign, r22",
        *rounding("r2", bit(WorkHeader, "q_odd")),
        f"movxm p7, #{CONFIG:#x}",
        op(f"lda r8, [p7, #{offset(CoreConfig, 'acc_address')}]", "config"),
        "mov dj1, #32",
        "mov dj2, #4",
    ]
