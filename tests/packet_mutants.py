"""Faults in packets: a word that is off by one, a flag turned over.  What no run notices must have a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from compiler.encoding.fields import Bits, Record
from compiler.encoding.records import CHAIN_BYTES, CHAIN_SECOND, CHAIN_SHIFT
from compiler.encoding.work import (
    BLOCK_BYTES,
    GROUP_BYTES,
    SET,
    CallRecord,
    Kernel,
    Step,
    WorkHeader,
)
from compiler.kernels.programs.resident import Resident
from runtime_sim.instructions import CoreMemory, run_program
from tests.cores import OWN, WORK
from tests.packet_tools import Bytes
from tests.packets import Case
from tests.program_mutants import Verdict
from tests.program_runs import HALF, LEAST_CYCLES, Burden, Seen, plain, random_state

COMBINING = {Step.COMBINE, Step.COMBINE_NARROW, Step.MULTIPLY}
BYTEWISE = (Kernel.ADD, Kernel.REQUANTIZE, Kernel.MULTIPLY, Kernel.EXPAND)
"""Kernels whose packets have neither tables nor jumps."""

RESCALING = {Step.STAGED, Step.SCALE, Step.MEAN}
DATA = 4  # fills of the activations that a fault in a packet is tried with
MORE_DATA = 60  # further ones for what has no reason to go unseen, but may be lost in the rounding of a few numbers
NUMBERS = (
    *("q_min", "q_max", "y_min", "y_max", "add_a", "add_b", "add_start", "q_odd", "y_odd", "ready_round"),
    "rounding",
)
"""Fields of which the last bit may be lost in rounding, moves a limit, or matters to ties only: whether it shows is
up to the numbers, and other tests compare those."""


@dataclass(frozen=True)
class PacketMutant:
    """Other bytes from `at` on; `place` names the field, `index` which of many."""

    kind: str
    place: str
    index: int
    at: int
    new: bytes

    @property
    def text(self) -> str:
        return f"{self.place}[{self.index}]"


def _word(packet: Bytes, at: int) -> int:
    return int(packet[at : at + 4].view(np.int32)[0])


def _added(packet: Bytes, at: int, step: int) -> bytes:
    return (_word(packet, at) + step & 0xFFFFFFFF).to_bytes(4, "little")


def _fields(packet: Bytes, record: type[Record], base: int) -> Iterator[PacketMutant]:
    """Each field one more and one less, each flag turned over."""
    for one in fields(cast(Any, record)):
        if one.name in NUMBERS:
            continue
        declared: Bits = one.metadata["bits"]
        (piece,) = declared.pieces
        at = base + 4 * piece.word
        for step in (1,) if piece.hi == piece.lo else (1, -1):
            mask = (1 << piece.hi - piece.lo + 1) - 1
            word = _word(packet, at) & 0xFFFFFFFF
            value = (word >> piece.lo) + step & mask
            new = word & ~(mask << piece.lo) | value << piece.lo
            yield PacketMutant(record.__name__, one.name, step, at, new.to_bytes(4, "little"))


def packet_mutants(case: Case) -> Iterator[PacketMutant]:
    """Single faults of a packet, in all that a call of its kernel has."""
    packet, header = case.packet, case.header
    yield from _fields(packet, WorkHeader, 0)
    yield from _fields(packet, CallRecord, header.calls_offset)
    sections = [("table", header.table_offset, header.taps if header.kernel == Kernel.MAX_POOL else entries(case))]
    sections.append(("jumps", header.jumps_offset, SET * (-(-case.call.groups // SET) + 1)))
    if header.kernel in BYTEWISE:
        return
    for name, start, count in sections:
        for index in range(count):
            at = start + 4 * index
            yield from (PacketMutant(name, name, index, at, _added(packet, at, step)) for step in (GROUP_BYTES, 1))
    if header.kernel == Kernel.MAX_POOL:
        return
    first = header.jumps_offset - CHAIN_BYTES * (header.out_blocks + 1)
    for block in range(header.out_blocks):
        at = first + CHAIN_BYTES * block
        for name, lowest in (("periods", 0), ("shift", CHAIN_SHIFT), ("second_shift", CHAIN_SECOND)):
            yield from (PacketMutant("record", name, block, at, _added(packet, at, step << lowest)) for step in (1, -1))


def entries(case: Case) -> int:
    """Entries of the table: of all blocks, or those that the blocks share."""
    return max(case.periods, default=0) if case.header.taps else sum(case.periods)


@dataclass
class Reads(CoreMemory):
    """Memory that knows what of the work slot was read."""

    seen: set[int] = field(default_factory=set)

    def view(self, address: int, size: int) -> Bytes:
        if OWN + WORK <= address < OWN + 2 * WORK:
            self.seen.update(range(address - OWN - WORK, address - OWN - WORK + size))
        return super().view(address, size)


@dataclass
class PacketBench:
    """A call with its program, several fills of its activations, and what they lead to."""

    case: Case
    program: Resident
    features: frozenset[str]

    @property
    def code(self) -> bytes:
        return self.program.program.bytes

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        fills = [self.case.act, *self._drawn(rng, DATA - 2)]
        fills.append(rng.choice(np.array([0, 127, 128, 255], np.uint8), self.case.act.size))
        self.burdens, self.sound = self._sound(fills)
        memory = Reads({"own": self.burdens[0].start.copy()})
        run_program(self.code, memory, fast=False, locks=self.burdens[0].locks(), state=random_state(1))
        self.read = memory.seen

    def _drawn(self, rng: np.random.Generator, count: int) -> list[Bytes]:
        return [rng.integers(0, 256, self.case.act.size, np.uint8) for _ in range(count)]

    def _sound(self, fills: Sequence[Bytes]) -> tuple[list[Burden], list[Seen]]:
        """Calls with these activations, and what the packet without a fault makes of them."""
        burdens = [replace(plain(self.case, self.program), act=act) for act in fills]
        sound = [one.run(self.code, 1 << 20) for one in burdens]
        assert all(one.end == "waits" for one in sound)
        return burdens, sound

    @cached_property
    def more(self) -> tuple[list[Burden], list[Seen]]:
        return self._sound(self._drawn(np.random.default_rng(8), MORE_DATA))

    def caught(self, mutant: PacketMutant, *, more: bool = False) -> str:
        """How the first activations that show a fault show it: those that all are tried with, or `more`."""
        packet = self.case.packet.copy()
        packet[mutant.at : mutant.at + 4] = np.frombuffer(mutant.new, np.uint8)
        for one, sound in zip(*(self.more if more else (self.burdens, self.sound)), strict=True):
            # The packet itself is where the fault is: only what the core makes of it counts.
            watched = one.watched.copy()
            watched[WORK : WORK + 2 * HALF] = False
            found = sound.difference(
                replace(one, packet=packet).run(self.code, 2 * sound.cycles + LEAST_CYCLES), watched
            )
            if found:
                return found
        return ""

    def judge(self, mutant: PacketMutant) -> Verdict:
        run = self.caught(mutant)
        reason = "" if run else self.reason(mutant)
        if not run and not reason:
            run = self.caught(mutant, more=True)
        return Verdict(f"packet: {mutant.kind}", mutant.text, "", run, reason)

    def reason(self, mutant: PacketMutant) -> str:
        """Why a fault that nothing shows can show nothing."""
        changed = [mutant.at + place for place in range(4) if self.case.packet[mutant.at + place] != mutant.new[place]]
        if not set(changed) & self.read:
            return "a byte that the core does not read in this call"
        if mutant.kind == "table" and self._weightless(mutant.index):
            return "an entry whose weights are all zero"
        if mutant.kind == "jumps" and self._beyond(mutant.index):
            return "a step to groups that do not count"
        if mutant.place in UNUSED and UNUSED[mutant.place](self):
            return "a field for what this program or this call does not do"
        old, new = _word(self.case.packet, mutant.at), int.from_bytes(mutant.new, "little", signed=True)
        if mutant.place == "taps" and mutant.index < 0 and not self._first_offset():
            return "a shared table that begins one later ends in the guard, which repeats its first entry"
        if mutant.place == "result_sign" and old and new:
            return "any number but zero says that results have a sign"
        if mutant.place in ("ready_x", "ready_r", "ready_y") and getattr(self.case.header, mutant.place):
            return "a flag that is set one way or the other" if mutant.index > 0 else ""
        if mutant.place == "pad_bytes" and old > 0 < new and -(-old // GROUP_BYTES) == -(-new // GROUP_BYTES):
            return "as many vectors of border bytes"
        if mutant.place == "groups" and not self.case.call.last and -(-old // SET) == -(-new // SET):
            return "as many sets, of which no group is stored"
        return ""

    def _first_offset(self) -> int:
        """The first entry of the table; what stands behind the last one is 0."""
        return _word(self.case.packet, self.case.header.table_offset)

    def _weightless(self, entry: int) -> bool:
        """Whether every block that is multiplied at an entry is zero."""
        header, packet = self.case.header, self.case.packet
        if not self.case.periods or not self.case.header.blocks_offset:
            return False
        count = self.case.periods[0]
        numbers = [entry + count * block for block in range(header.out_blocks)] if header.taps else [entry]
        numbers = [number % count if header.blocks_back else number for number in numbers]
        starts = [header.blocks_offset + BLOCK_BYTES * number for number in numbers]
        return not any(packet[start : start + BLOCK_BYTES].any() for start in starts)

    def _beyond(self, index: int) -> bool:
        """Pointer index % 4 steps on to set index // 4, whose group may be none of the call's."""
        return index >= self.case.call.groups


def _steps(bench: PacketBench) -> set[int]:
    return {bench.case.call.start, bench.case.call.then, bench.case.call.after_rescale}


def _no_combine(bench: PacketBench) -> bool:
    return not (bench.case.header.combine and bench.case.call.last)


def _narrow(bench: PacketBench) -> bool:
    """Whether the call combines by narrow factors, or multiplies, which goes by the ready bytes of the header."""
    header = bench.case.header
    return not _no_combine(bench) and (header.combine_narrow or header.multiply)


def _one_operand(bench: PacketBench) -> bool:
    """Whether the second one is read, but comes to nothing."""
    return bench.case.header.add_b == 0 and not bench.case.header.multiply


def _no_product(bench: PacketBench) -> bool:
    return _no_combine(bench) or not bench.case.header.multiply


def _clips(bench: PacketBench) -> bool:
    """Whether sums become bytes by code that clips where it is asked to."""
    return "CLIPPED" in bench.features and (bench.case.header.narrow or bench.case.header.staged)


def _no_sums(bench: PacketBench) -> bool:
    return bench.case.header.kernel in (*BYTEWISE, Kernel.MAX_POOL)


def _on_the_way(bench: PacketBench) -> bool:
    """Whether sums become bytes where they are made."""
    return bench.case.header.direct or bench.case.header.narrow


def _unscaled(bench: PacketBench) -> bool:
    """Whether sums are not rescaled from the scratch."""
    return _no_sums(bench) or _on_the_way(bench) or not bench.case.call.last


UNUSED: dict[str, Callable[[PacketBench], bool]] = {
    # A second operand of factor 0 is read anyhow.
    "r_signed": lambda bench: _no_combine(bench) or _narrow(bench) or _one_operand(bench),
    "ready_r": lambda bench: not _narrow(bench) or _one_operand(bench),
    "y_signed": lambda bench: _no_combine(bench) or _narrow(bench),
    # Vectors of the header are read for what else is in them.
    "conf": _no_sums,
    "q_zero": lambda bench: _unscaled(bench) or bench.case.header.staged,
    "taps": lambda bench: bench.case.header.kernel != Kernel.MAX_POOL and _no_sums(bench),
    "narrow_conf": lambda bench: not bench.case.header.narrow and (_unscaled(bench) or not bench.case.header.staged),
    **dict.fromkeys(("mean_inner", "mean_outer", "scale_step"), lambda bench: not bench.case.header.mean),
    "pad_word": lambda bench: not bench.case.call.pad_bytes,
    # In a call record, which reads beyond the last weights touch: only the last call has a border or a mean to make.
    "pad_bytes": lambda bench: not bench.case.call.last,
    "scales_offset": lambda bench: not (bench.case.header.mean and bench.case.call.last),
    **dict.fromkeys(("ready_x", "ready_y", "ready_round"), lambda bench: not _narrow(bench)),
    "add_start": lambda bench: not (_narrow(bench) or bench.case.header.fold),
    "in_place": _no_combine,
    **dict.fromkeys(("product_shift", "product_x_zero", "product_r_less"), _no_product),
    "add_shift": _no_combine,
    "add_b": lambda bench: _no_combine(bench) or bench.case.header.multiply,
    # How a multiply reads its input is said by its configuration word.
    "x_signed": lambda bench: bench.case.header.kernel != Kernel.MAX_POOL and (_no_combine(bench) or _narrow(bench)),
    # Who makes bytes of sums goes by `result_sign`; a sum of two tensors asks only if it is made in place.
    "q_signed": lambda bench: (
        not bench.case.call.last or not (bench.case.header.combine and bench.case.header.in_place) or _narrow(bench)
    ),
    "r_offset": _no_combine,
    # For people and for the simulator: the core goes by the steps; reads beyond the last weights may touch them.
    **dict.fromkeys(
        ("kernel", "direct", "narrow", "staged", "mean", "clipped", "combine", "combine_narrow", "multiply", "fold"),
        lambda bench: True,
    ),
    **dict.fromkeys(
        ("first", "skip", "rows", "act_bytes"),
        lambda bench: True,
    ),
    **dict.fromkeys(("size_words", "layer", "version"), lambda bench: True),
    "groups_wide": lambda bench: not bench.case.call.last,
    # The core in row 0 has the first list, however many there are.
    **dict.fromkeys(("call_lists", "list_step"), lambda bench: True),
    "then": lambda bench: bench.case.call.start in COMBINING,
    "after_rescale": lambda bench: bench.case.call.then not in {*RESCALING, Step.FOLD},
    "after_combine": lambda bench: not {*COMBINING, Step.FOLD} & _steps(bench),
    # An average is rounded by words of the header, sums that stay in the scratch not at all.
    "shift": lambda bench: bench.case.header.mean or bench.case.header.direct or not bench.case.call.last,
    "second_shift": lambda bench: not bench.case.header.narrow and (_unscaled(bench) or not bench.case.header.staged),
}
"""When a field that is read, or that shares a byte with others, has no meaning."""
