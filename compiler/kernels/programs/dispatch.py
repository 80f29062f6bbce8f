"""What a core runs for ever: take a work packet, run its calls, hand the results on."""

from __future__ import annotations

from collections.abc import Set

from compiler.encoding.work import HALF_TO_EVEN, CallRecord, CoreConfig, Kernel, WorkHeader
from compiler.kernels.programs.convention import CONFIG, SATURATE
from compiler.kernels.programs.parts import Code, Listing, bit, block, call_word, header, offset, op
from compiler.kernels.schedule import Op

# Cycles from a lock request to the first load or store behind it (AIE2 LockDelays in llvm-aie).
LOCK_TO_MEMORY = 4
# A lock request holds the core up for a cycle of arbitration even when nobody else asks (xdna-emu, core timing).
LOCK_STALL = 1
# Features of which any has code at the label `combine`.
COMBINES = {"COMBINE", "COMBINE_NARROW"}


def _config(dst: str, name: str) -> Op:
    return op(f"lda {dst}, [p7, #{offset(CoreConfig, name)}]", "config")


def _lock(dst: str, name: str) -> Code:
    """A lock id of the configuration: bytes of its words, reached by a pointer of their own."""
    at = offset(CoreConfig, name)
    return [f"movxm p6, #{CONFIG + at:#x}", op(f"lda.u8 {dst}, [p6, #0]", "config")]


def _swap(now: str, other: str) -> Code:
    return [f"mov r1, {now}", f"mov {now}, {other}", f"mov {other}, r1"]


def _flag(name: str) -> Code:
    """Whether a flag of the call is set, in r1 as nonzero."""
    return [f"movx r12, #{bit(CallRecord, name)}", "and r1, r15, r12"]


def _take(listing: Listing, lock: str, now: str, other: str, label: str = "") -> int:
    """Wait for a slot and make it the current one; what follows must not touch memory too near to the wait."""
    wait = listing.add(block(_lock("r2", lock), "acq r2, r24", _swap(now, other)), label)
    return wait + listing.add([()] * (LOCK_TO_MEMORY - 1)) + LOCK_STALL


def _give(listing: Listing, lock: str, label: str = "") -> int:
    return listing.add(block(_lock("r2", lock), "rel r2, r25"), label) + LOCK_STALL


def boot(listing: Listing) -> int:
    """From reset: constants, and the slots so that the first exchange makes slot 0 the current one."""
    return listing.add(
        block(
            f"movxm p7, #{CONFIG:#x}",
            _config("r16", "act_slot1"),
            _config("r17", "act_slot0"),
            _config("r18", "work_slot1"),
            _config("r19", "work_slot0"),
            _config("r20", "out_slot1"),
            _config("r21", "out_slot0"),
            "mov r24, #-1",
            "mov r25, #1",
            "mov r30, #6",
            "mov r31, #2",
            f"mov crSat, #{SATURATE}",
            f"mov crRnd, #{HALF_TO_EVEN}",
        ),
        "boot",
    )


def dispatch(listing: Listing, features: Set[str]) -> dict[str, int]:
    """The program from `packet` to the choice of a kernel among those of the program."""
    packet = _take(listing, "work_full_lock", "r18", "r19", "packet")
    packet += listing.add(
        block(
            "mov p3, r18",
            _lock("r2", "row"),
            header("r14", "calls"),
            header("r4", "call_lists"),
            header("r13", "calls_offset"),
            # A packet for all cores has a list of calls for each, of one length.
            "ltu r4, r25, r4",
            "mul r2, r2, r4",
            "mul r2, r2, r14",
            "movx r12, #5",
            "lshl r2, r2, r12",
            "add r13, r13, r2",
            "add r13, r13, r18",
        )
    )
    call = listing.add(
        block("mov p2, r13", call_word("r15", "acquire_act"), _flag("acquire_act"), "jz r1, #.Lheld"), "call"
    )
    acquire = _take(listing, "act_full_lock", "r16", "r17")
    skip = listing.add(block(_flag("skip"), "jnz r1, #.Lcall_skipped"), "held")
    begin = listing.add(block(_flag("last"), "jz r1, #.Lchoose"))
    claim = _take(listing, "out_free_lock", "r20", "r21")
    begin += listing.add(
        block("mov p3, r18", op(f"lda.u8 r1, [p3, #{offset(WorkHeader, 'kernel')}]", "work")), "choose"
    )
    costs = {
        "packet": packet,
        "call": call,
        "acquire_act": acquire,
        "skip_test": skip,
        "begin": begin,
        "claim": claim,
    }
    targets = {Kernel.MAX_POOL: ({"MAX"}, "max_pool"), Kernel.ADD: (COMBINES, "combine")}
    targets[Kernel.REQUANTIZE] = targets[Kernel.ADD]
    targets[Kernel.LOOKUP] = ({"LOOKUP"}, "lookup")
    for kernel, (any_of, target) in targets.items():
        if features & any_of:
            test = block(f"add r12, r1, #-{int(kernel)}", f"jz r12, #.L{target}")
            costs[f"choose_{kernel.name.lower()}"] = listing.add(test)
    return costs


def finish(listing: Listing, features: Set[str]) -> dict[str, int]:
    """From `finish`, behind a kernel that may need COMBINE and border bytes, to the next call."""
    flags: Code = ["mov p2, r13", call_word("r15", "last")]  # a kernel may have used r15
    test = listing.add(block(flags, _flag("last"), "jz r1, #.Lcall_skipped"), "finish")
    if not features & COMBINES:
        return {"finish_test": test, "combine_test": 0}
    combined = listing.add(
        block(
            "mov p3, r18",
            op(f"lda.u8 r1, [p3, #{offset(WorkHeader, 'combine')}]", "work"),
            f"movx r12, #{bit(WorkHeader, 'combine')}",
            "and r1, r1, r12",
            "jz r1, #.Lfill",
        )
    )
    return {"finish_test": test, "combine_test": combined}


def end(listing: Listing) -> dict[str, int]:
    """From `call_end`: results to whoever waits, the activations back, and on."""
    give = _give(listing, "out_full_lock", "call_end")
    test = listing.add(block(_flag("release_act"), "jz r1, #.Lnext_call"), "call_skipped")
    release = _give(listing, "act_free_lock")
    more = listing.add(block("add r13, r13, #32", "add r14, r14, #-1", "jnz r14, #.Lcall"), "next_call")
    last = _give(listing, "work_free_lock")
    last += listing.add(block("j #.Lpacket"))
    return {"give": give, "release_test": test, "release_act": release, "more": more, "packet_end": last}
