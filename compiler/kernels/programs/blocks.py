"""Kernels that multiply: for each output block the sums of all sets, then what brings sums to bytes."""

from __future__ import annotations

from collections.abc import Set

from compiler.encoding.work import BLOCK_RECORD_BYTES, HALF_TO_EVEN, RECORD_WORDS, CallRecord, CoreConfig
from compiler.kernels.programs import scale, weave
from compiler.kernels.programs.convention import CONFIG, result_places
from compiler.kernels.programs.mac import (
    BIAS,
    BIAS_RAW,
    CLIPPED,
    DIRECT,
    NARROW,
    QUARTERS,
    SCRATCH_RAW,
    Variant,
    boundary,
    lead,
    opening,
    steady_at,
)
from compiler.kernels.programs.parts import Listing, bit, block, call_word, header, offset, op, ops
from compiler.kernels.schedule import Op


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
    leave = f"{name}_leave"
    opened = listing.add(weave.opened(variant, name).rows, f"{name}_start")
    listing.loop(weave.steady(), name)
    inner = weave.boundary(variant, name, leave)
    listing.add(inner.rows)
    outer = listing.add(weave.block_boundary(variant, name, inner).rows, leave)
    opened += listing.add(block("ret lr"))
    # A call opens once.  A set passes its loop `periods` - `peeled` times and then a boundary; the boundary behind the
    # last set of a block is another one, of which the first bundles are the same.
    peeled = 4 * variant.peeled
    common = weave.LEFT - weave.LEAD
    per_set = len(inner.rows) - peeled
    return {
        f"mac_call_{variant.name}": opened,
        f"mac_block_{variant.name}": common + outer - peeled - per_set,
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
    listing.loop(steady_at(lead()), name)
    between = boundary(variant, name).rows
    # A set passes its loop `periods` - `peeled` times, and its boundary once.
    per_set = listing.add(between) - 4 * variant.peeled
    last = f"movx r12, #{bit(CallRecord, 'last')}"
    once += listing.add(block(last, "and r1, r15, r12", f"jz r1, #.L{name}_next"))
    call = listing.add(block("jl #.Lrescale"))
    next_block = ops("mov r8, p6", "add r3, r3, r29", "add r7, r7, r28", "add r9, r9, #-1")
    once += listing.add(block(next_block, _advance("r12"), f"jnz r9, #.L{name}_start"), f"{name}_next")
    leave = listing.add(block("mov lr, dc4", "ret lr"))
    return {
        f"mac_call_{variant.name}": leave,
        f"mac_block_{variant.name}": once,
        f"mac_set_{variant.name}": per_set,
        "rescale_call": call,
    }


def multiply(listing: Listing, features: Set[str]) -> dict[str, int]:
    """The steps that multiply, with the variants that these features need."""
    costs: dict[str, int] = {}
    for variant in (DIRECT, CLIPPED if "CLIPPED" in features else NARROW):
        if variant.name.upper() in features:
            costs |= _chain(listing, variant)
    if features & {"SCALE", "MEAN", "STAGED", "PARTS"}:
        costs |= _all_raw(listing, features)
    return costs


def _all_raw(listing: Listing, features: Set[str]) -> dict[str, int]:
    """The variants whose sums stay in the scratch, and what makes bytes of them."""
    variants = [BIAS_RAW, SCRATCH_RAW] if "PARTS" in features else [BIAS_RAW]
    first: list[str] = []
    if SCRATCH_RAW in variants:
        flag = bit(CallRecord, "first")
        first = [f"movx r12, #{flag}", "and r12, r15, r12", f"jz r12, #.Lmac_{SCRATCH_RAW.name}_start"]
    spent = listing.add(block(_arguments(), first), "mac_raw")
    costs = {f"mac_call_{variant.name}": spent for variant in variants}
    for variant in variants:
        lengths = _raw(listing, variant)
        costs |= {name: costs.get(name, 0) + cycles for name, cycles in lengths.items()}
    call = costs.pop("rescale_call") // len(variants)
    scaled = scale.rescale(listing, features)
    return costs | {name: scaled[name] + (call if name.endswith("block") else 0) for name in scaled}


def _arguments() -> list[Op | str]:
    """Registers of a call whose sums go to the scratch."""
    return [
        # Where a raw variant returns to, as it calls others.
        "mov dc4, lr",
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
        header("r1", "result_sign"),
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
        # The sign of the results.
        "mov crSRSSign, r1",
        "mov crPackSign, r1",
        f"mov crRnd, #{HALF_TO_EVEN}",
        f"movxm p7, #{CONFIG:#x}",
        op(f"lda r8, [p7, #{offset(CoreConfig, 'acc_address')}]", "config"),
        "mov dj1, #32",
        "mov dj2, #4",
    ]
