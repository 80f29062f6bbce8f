"""A run at instruction level for a person: its bundles cycle by cycle, and how busy the slots of the core were."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from compiler.encoding.isa import BUNDLE_BYTES, Bundle, Slot, decode
from compiler.encoding.isa.registers import CELL
from runtime_sim.instructions.state import Traced
from runtime_sim.single_call import CallRun

SLOTS = (Slot.LDB, Slot.LDA, Slot.ST, Slot.ALU, Slot.MV, Slot.VEC)
END = "_end"
"""What the label of a loop's last bundle adds to that of its first."""

BAR = 50
STRIP = 64


def names_of(labels: Mapping[str, int]) -> dict[int, tuple[str, ...]]:
    """The names of each address, from the labels of a program; `.L`, which makes them local, is left out."""
    found: dict[int, tuple[str, ...]] = {}
    for name, address in labels.items():
        found[address] = (*found.get(address, ()), name.removeprefix(".L"))
    return found


@dataclass(frozen=True)
class Loop:
    """The bundles [first, last] that take most cycles among those that follow each other equally often."""

    first: int
    last: int
    rounds: int

    @property
    def bundles(self) -> int:
        """Cycles of a round."""
        return (self.last - self.first) // BUNDLE_BYTES + 1


@dataclass(frozen=True)
class Profile:
    """A traced run of a call, with the labels of its program by address."""

    run: CallRun
    program: bytes
    labels: Mapping[int, tuple[str, ...]]

    @cached_property
    def issued(self) -> list[Traced]:
        """The bundles from the packet on; what came before it is the way from reset."""
        return [one for one in self.run.result.trace if one.cycle >= self.run.begins]

    @cached_property
    def bundles(self) -> dict[int, Bundle]:
        """The bundles that were issued, by address."""
        places = {one.pc for one in self.issued}
        return {pc: decode(self.program[pc : pc + BUNDLE_BYTES]) for pc in places}

    def slots(self, pc: int) -> set[Slot]:
        """The slots that a bundle uses."""
        return {slot for one in self.bundles[pc].instructions for slot in one.opcode.slot.occupied}

    def piece(self, pc: int) -> str:
        """The labels that an address lies behind, those of one address together."""
        at = bisect_right(self._starts, pc, key=lambda one: one[0]) - 1
        return self._starts[at][1] if at >= 0 else ""

    @cached_property
    def _starts(self) -> list[tuple[int, str]]:
        """Where pieces begin; what is behind a hardware loop and has no label of its own is said to be behind it."""
        found: dict[int, list[str]] = {}
        behind: dict[int, list[str]] = {}
        for pc, names in self.labels.items():
            for name in names:
                if self._ends_loop(pc, name):
                    behind.setdefault(pc + BUNDLE_BYTES, []).append(f"{name.removesuffix(END)} behind its loop")
                else:
                    found.setdefault(pc, []).append(name)
        return sorted((pc, " = ".join(names)) for pc, names in (behind | found).items())

    def _ends_loop(self, pc: int, name: str) -> bool:
        """Whether a label is there for the last bundle of a hardware loop, and not for what begins with it."""
        return pc in self._loop_ends and name.endswith(END) and name.removesuffix(END) in self._names

    @cached_property
    def _names(self) -> set[str]:
        return {name for names in self.labels.values() for name in names}

    @cached_property
    def _loop_ends(self) -> set[int]:
        """The addresses that the program puts into `le`."""
        bundles = (decode(self.program[pc : pc + BUNDLE_BYTES]) for pc in range(0, len(self.program), BUNDLE_BYTES))
        return {
            int(value)
            for bundle in bundles
            for one in bundle.instructions
            if any(cell == CELL["le"] for cell, _, _ in one.cells_written())
            for value in one.values
            if isinstance(value, int)
        }

    def listing(self) -> Iterator[str]:
        """Cycle, address and instructions of each bundle; cycles count from the request for the packet."""
        for one in self.issued:
            yield from (f"{name}:" for name in self.labels.get(one.pc, ()))
            yield f"{one.cycle - self.run.begins:8d}  {one.pc:04x}  {_text(self.bundles[one.pc])}"

    def summary(self) -> str:
        """Slots, pieces of the program, the hottest loop and a stretch of it."""
        loop = self.hottest()
        parts = [self._occupancy(), self._pieces()]
        if loop is not None:
            parts.append(self._strip(loop))
        return "\n".join(parts)

    def _occupancy(self) -> str:
        cycles, result = self.run.cycles, self.run.result
        counts = Counter(slot for one in self.issued for slot in self.slots(one.pc))
        lines = [f"{'slot':8}{'busy':>8}  of {cycles} cycles"]
        for slot in SLOTS:
            lines.append(f"{slot.name.lower():8}{_part(counts[slot], cycles)}")
        lines.append(f"{'none':8}{_part(sum(not self.slots(one.pc) for one in self.issued), cycles)}")
        for name, stalls in (("bank", result.bank_stalls), ("lock", self._lock_stalls())):
            lines.append(f"{name:8}{stalls:8}  cycles of stalls")
        return "\n".join(lines) + "\n"

    def _lock_stalls(self) -> int:
        """Cycles without a bundle that no bank conflict explains; all stalls of the way from reset are before."""
        return self.run.cycles - len(self.issued) - self.run.result.bank_stalls

    def _pieces(self) -> str:
        whole, vector = Counter[str](), Counter[str]()
        for one, end in zip(self.issued, self._ends(), strict=True):
            whole[self.piece(one.pc)] += end - one.cycle
            vector[self.piece(one.pc)] += Slot.VEC in self.slots(one.pc)
        wide = max((len(name) for name in whole), default=0)
        lines = [f"{'piece':{wide}}  {'cycles':>8}  share  vec busy"]
        for name, cycles in whole.items():
            share, busy = cycles / self.run.cycles, vector[name] / cycles
            lines.append(f"{name:{wide}}  {cycles:8}  {share:5.1%}  {busy:8.1%}")
        return "\n".join(lines) + "\n"

    def _ends(self) -> list[int]:
        """The cycle in which each bundle makes room for the next."""
        return [one.cycle for one in self.issued[1:]] + [self.run.result.cycles]

    def hottest(self) -> Loop | None:
        """The loop with most cycles, if anything is run twice."""
        counts = Counter(one.pc for one in self.issued)
        found: list[Loop] = []
        for (_, rounds), run in groupby(
            enumerate(sorted(counts)), lambda at: (at[1] - BUNDLE_BYTES * at[0], counts[at[1]])
        ):
            places = [pc for _, pc in run]
            found.append(Loop(places[0], places[-1], rounds))
        repeated = [one for one in found if one.rounds > 1]
        return max(repeated, key=lambda one: one.bundles * one.rounds, default=None)

    def _strip(self, loop: Loop) -> str:
        """The loop's bundles, and who was busy in a stretch of cycles around its middle round."""
        share = loop.bundles * loop.rounds / self.run.cycles
        size = f"{loop.bundles} bundles, {loop.rounds} rounds, {share:.1%} of the cycles"
        lines = [
            f"hottest loop: {self.piece(loop.first)}, {size}",
            *(f"  {pc:04x}  {_text(self.bundles[pc])}" for pc in _places(loop)),
        ]
        starts = [place for place, one in enumerate(self.issued) if one.pc == loop.first]
        start = self.issued[starts[len(starts) // 2]].cycle
        at = {one.cycle: one.pc for one in self.issued}
        stretch = range(start, min(start + STRIP, self.run.result.cycles))
        lines.append(f"\ncycles {start - self.run.begins}..{stretch[-1] - self.run.begins}: # busy, . idle, ~ stalled")
        for slot in SLOTS:
            cells = "".join("~" if cycle not in at else ".#"[slot in self.slots(at[cycle])] for cycle in stretch)
            lines.append(f"{slot.name.lower():4}{cells}")
        marks = "".join("|" if at.get(cycle) == loop.first else " " for cycle in stretch)
        return "\n".join([*lines, f"    {marks}".rstrip()]) + "\n"


def _places(loop: Loop) -> range:
    return range(loop.first, loop.last + BUNDLE_BYTES, BUNDLE_BYTES)


def _part(count: int, whole: int) -> str:
    """A number, its share and a bar."""
    share = count / whole
    return f"{count:8}  {share:6.1%}  {'#' * round(BAR * share):.<{BAR}}"


def _text(bundle: Bundle) -> str:
    """The instructions of a bundle, empty slots left out."""
    return "; ".join(one.text() for one in bundle.instructions) or "nop"
