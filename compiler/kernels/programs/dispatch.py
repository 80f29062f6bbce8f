"""What a core runs for ever: take a work packet, run its calls, hand the results on.

There is no test but for the last call of a packet: what a call may leave out are lock requests, which have a condition
each, and which pieces of the program it goes through its record says.  A step ends with `ret lr`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from compiler.encoding.work import CallRecord, CoreConfig
from compiler.kernels.programs.convention import CONFIG, SATURATE, return_to
from compiler.kernels.programs.parts import Code, Listing, bit, block, call_byte, header, offset, op
from compiler.kernels.schedule import Op, Row

# Loads of bytes reach from 4 bytes before a pointer to 3 behind it: from here, all lock ids.
LOCKS = offset(CoreConfig, "out_free_lock")


def _config(dst: str, name: str) -> Op:
    return op(f"lda {dst}, [p7, #{offset(CoreConfig, name) - LOCKS}]", "config")


def _lock(dst: str, name: str) -> Op:
    return op(f"lda.u8 {dst}, [p7, #{offset(CoreConfig, name) - LOCKS}]", "config")


def _condition(flag: str) -> Code:
    """A flag of the call as the condition of a lock request, r26, and of a choice, r27."""
    shift = bit(CallRecord, flag).bit_length() - 1
    return [f"movx r12, #{-shift}", "lshl r26, r15, r12", "and r26, r26, r25", "mov r27, r26"]


def _exchange(now: str, other: str) -> Code:
    """The other slot, if r27 says so."""
    return [f"mov r1, {now}", f"sel.nez {now}, {other}, {now}, r27", f"sel.nez {other}, r1, {other}, r27"]


def _stretches(rows: Sequence[Row]) -> list[int]:
    """Cycles up to each lock request of a block, from its beginning or from the request before, and up to its end."""
    requests = [at for at, row in enumerate(rows) if any(one.is_lock for one in row)]
    return [to - since for since, to in pairwise((0, *requests, len(rows)))]


def boot(listing: Listing) -> int:
    """From reset: constants, and the slots so that the first exchange makes slot 0 the current one."""
    return listing.add(
        block(
            f"movxm p7, #{CONFIG + LOCKS:#x}",
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
            _lock("r22", "work_free_lock"),
            _lock("r23", "work_full_lock"),
            # No packet to give back yet.
            "mov r26, #0",
            "j #.Lpacket",
        ),
        "boot",
    )


def _call_end() -> tuple[Row, ...]:
    """The last step of a call: results to whoever waits, the activations back, and on to the next call."""
    return block(
        "mov p2, r13",
        call_byte("r15", "acquire_act"),
        f"movxm p7, #{CONFIG + LOCKS:#x}",
        _lock("r1", "out_full_lock"),
        _lock("r2", "act_free_lock"),
        _lock("r22", "work_free_lock"),
        _lock("r23", "work_full_lock"),
        _condition("last"),
        "rel.cond r1, r25, r26",
        _condition("release_act"),
        "rel.cond r2, r25, r26",
        # For the packet, if this was its last call.
        "mov r26, r25",
        f"add r13, r13, #{4 * CallRecord.WORDS}",
        "add r14, r14, #-1",
        "jnz r14, #.Lcall",
    )


def _packet() -> tuple[Row, ...]:
    """The old packet back, the next one, and where its calls are."""
    return block(
        "rel.cond r22, r25, r26",
        "acq r23, r24",
        "mov r1, r18",
        "mov r18, r19",
        "mov r19, r1",
        "mov p3, r18",
        f"movxm p7, #{CONFIG + LOCKS:#x}",
        _config("r2", "row"),
        header("r14", "calls"),
        header("r12", "list_step"),
        header("r13", "calls_offset"),
        # A packet for all cores of a column has a list of calls for each.
        "mul r2, r2, r12",
        "add r13, r13, r18",
        "add r13, r13, r2",
    )


def _call() -> tuple[Row, ...]:
    """Activations and room for results, if the call takes any, and to its first step."""
    return block(
        "mov p2, r13",
        call_byte("r15", "acquire_act"),
        f"movxm p7, #{CONFIG + LOCKS:#x}",
        return_to("start", "p5"),
        return_to("then"),
        _lock("r2", "act_full_lock"),
        _lock("r22", "out_free_lock"),
        _condition("acquire_act"),
        "acq.cond r2, r24, r26",
        _exchange("r16", "r17"),
        _condition("last"),
        "acq.cond r22, r24, r26",
        _exchange("r20", "r21"),
        "j p5",
    )


def dispatch(listing: Listing) -> dict[str, int]:
    """The program from `call_end`, the last step of a call, through `packet` and `call` to the first step of one."""
    call_end, packet, call = _call_end(), _packet(), _call()
    listing.add(call_end, "call_end")
    listing.add(packet, "packet")
    listing.add(call, "call")
    back, asking, having = _stretches(packet)
    names = ("end_out", "end_act", "end_call", "call_act", "call_out", "call_run")
    costs = dict(zip(names, (*_stretches(call_end), *_stretches(call)), strict=True))
    # The first packet is asked for with none to give back.
    return costs | {"boot": back + asking, "packet_next": asking, "packet": having}
