"""What has arrived in the slots of a core, held against what it says of itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from compiler.encoding.work import GROUP_BYTES, SET, WORK_VERSION, CallRecord, Kernel, Step, WorkHeader, with_steps
from compiler.errors import BsccError
from runtime_sim.memory import WORD, Bytes, Memory
from runtime_sim.packet import fault

_KERNELS = frozenset(map(int, Kernel))
_CALL_BYTES = CallRecord.WORDS * WORD


class Slot(NamedTuple):
    """A buffer of a core, which may lie in a neighbour's memory."""

    memory: Memory
    offset: int
    size: int

    @property
    def received(self) -> int:
        """Bytes of the packet that arrived last."""
        return self.memory.received.get(self.offset, 0)

    def bytes(self, count: int) -> Bytes:
        """The first bytes of the slot."""
        return self.memory.bytes[self.offset : self.offset + count]


def work_header(work: Slot) -> WorkHeader:
    """The header of a packet, if it is whole and of a known kernel and version."""
    words = work.bytes(WorkHeader.WORDS * WORD).view(np.uint32)
    version = int(words[0]) >> 8 & 0xFF
    if version != WORK_VERSION:
        raise fault("work-version", f"the work packet has version {version}, expected {WORK_VERSION}")
    try:
        header = WorkHeader.decode(words.tolist())
    except BsccError as error:
        raise fault("work-header", error.diagnostic.message) from error
    if header.kernel not in _KERNELS:
        raise fault("work-kernel", f"kernel {header.kernel} is unknown")
    if header.size_words * WORD != work.received or work.received > work.size:
        text = f"the work packet says {header.size_words * WORD} bytes, {work.received} of {work.size} arrived"
        raise fault("work-size", text)
    return header


def call_list(work: Slot, header: WorkHeader, row: int) -> list[CallRecord]:
    """The calls of a packet for the core in a row."""
    lists = header.call_lists
    if lists != 1 and row >= lists:
        raise fault("work-size", f"the work packet has call lists for {lists} rows, this core is in row {row}")
    step = header.calls * _CALL_BYTES if lists != 1 else 0
    if header.list_step != step:
        raise fault(
            "work-size", f"{lists} lists of {header.calls} calls are {header.list_step} bytes apart, not {step}"
        )
    start = header.calls_offset + row * step
    end = start + header.calls * _CALL_BYTES
    if header.calls_offset % WORD or end > header.size_words * WORD:
        raise fault("work-size", f"{header.calls} call records end at byte {end} of {header.size_words * WORD}")
    table = work.bytes(end)[start:].view(np.uint32).reshape(-1, CallRecord.WORDS)
    try:
        calls = [CallRecord.decode(words) for words in table.tolist()]
    except BsccError as error:
        raise fault("work-call", error.diagnostic.message) from error
    for call in calls:
        _check_steps(header, call)
    return calls


def _check_steps(header: WorkHeader, call: CallRecord) -> None:
    """Refuse a call that would go through other steps of the program than its packet is made for."""
    if call.skip and call.last:
        raise fault("work-call", "a call that computes nothing is flagged as the last of its tile")
    expected = with_steps(header, call)
    for name in ("start", "then", "after_rescale", "after_combine"):
        found, right = getattr(call, name), getattr(expected, name)
        if found != right:
            text = f"a call's step `{name}` is {found}, its packet is made for {right} ({Step(right).name})"
            raise fault("work-call", text)


def check_act(act: Slot, call: CallRecord) -> None:
    """Refuse an activation packet of another size than the call was made for."""
    if act.received != call.act_bytes:
        text = f"the activation packet has {act.received} bytes, the call expects {call.act_bytes}"
        raise fault("act-size", text)


def stores_reach(out: Slot, header: WorkHeader, call: CallRecord) -> int:
    """Bytes of the out slot that a call may write: whole sets of groups, though some are none of the tile's."""
    row_bytes = header.out_blocks * header.groups_wide * GROUP_BYTES
    tile_bytes = call.rows * row_bytes
    filled = _rounded(tile_bytes + call.pad_bytes, GROUP_BYTES)
    combined = _rounded(tile_bytes, SET * GROUP_BYTES) if header.combine else 0
    row, group = divmod(_rounded(call.groups, SET) - 1, max(header.groups_wide, 1))
    last_block = (header.out_blocks - 1) * header.groups_wide
    reached = max(filled, combined, row * row_bytes + (last_block + group + 1) * GROUP_BYTES)
    if reached > out.size:
        raise fault("out-size", f"the call's stores reach byte {reached} of a slot of {out.size}")
    return reached


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step
