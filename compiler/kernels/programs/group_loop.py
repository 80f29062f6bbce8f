"""A loop over the groups of all output blocks of a call, one block behind the other without a stop.

Between two blocks lies peeled code in which the old block's last groups and the new block's first ones overlap, and in
which the registers of a block change.  Only the last stage of the loop stores, so the block that is begun behind the
last one is seen by nobody.  A block of no more groups than the peeled code begins passes the loop by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compiler.encoding.work import SET
from compiler.kernels.programs import parts
from compiler.kernels.programs.parts import BANKS, Listing, ops, storing_last
from compiler.kernels.schedule import LoopSchedule, Op, Row, ScheduleError, Timeline, expand, modulo_schedule
from compiler.kernels.schedule.ops import DELAY_SLOTS
from compiler.kernels.schedule.rules import SETUP_BUNDLES

MOST_INTERVAL = 64


def scheduled(body: Sequence[Op], stages: int) -> LoopSchedule:
    """A loop body at the smallest interval at which no more than `stages` groups are in flight."""
    for interval in range(1, MOST_INTERVAL):
        found = storing_last(modulo_schedule(body, BANKS, max_ii=MOST_INTERVAL, min_ii=interval))
        if found.stages <= stages:
            return found
    raise ScheduleError(f"no schedule with at most {stages} groups in flight")


@dataclass(frozen=True)
class GroupLoop:
    """What a loop is made of: `opening` leads from the dispatcher's registers to those of the first block, `between`
    from one block to the next.  r10 holds the groups of a block, r9 and then r27 how many blocks are left, r4 and r6
    where another one begins and where the call goes on to.
    """

    name: str
    opening: tuple[Op, ...]
    between: tuple[Op, ...]
    schedule: LoopSchedule

    @property
    def peeled(self) -> int:
        """Groups of a block that are begun before its loop."""
        return self.schedule.stages - 1

    def _begun(self) -> int:
        return self.peeled * self.schedule.interval

    def _counter(self) -> list[str]:
        return [f"add.nc lc, r10, #{-self.peeled}"]

    def first(self) -> list[Op]:
        """In program order, what is before the first group."""
        loop = ops(f"movxm ls, #.L{self.name}", f"movxm le, #.L{self.name}_end", *self._counter())
        enter = ops(f"movxm r4, #.L{self.name}")
        # Groups come in fours.
        if self.peeled == SET:
            enter += ops(f"movxm r5, #.L{self.name}_leave", f"add r27, r10, #{-SET}", "sel.eqz r4, r5, r4, r27")
            enter += ops("mov p4, r4", "j p4")
        return [*self.opening, *loop, *enter, *ops("add r27, r9, #0", "mov r6, lr")]

    def next(self) -> list[Op]:
        """The same between two blocks."""
        leave = ops("add r27, r27, #-1", "sel.eqz r5, r6, r4, r27", "mov p4, r5", "j p4")
        return [*self.between, *ops(*self._counter()), *leave]

    def program(self, groups: Sequence[int]) -> list[Op]:
        """Blocks of so many groups in program order, and what is begun of a block that does not come."""
        found = self.first()
        for count in groups:
            found += [*self.schedule.ops] * count + self.next()
        for number in range(self.peeled):
            timed = zip(self.schedule.ops, self.schedule.times, strict=True)
            found += [one for one, time in timed if time // self.schedule.interval < self.peeled - number]
        return found

    def _solved(self, line: Timeline, code: Iterable[Op], start: int) -> tuple[Row, ...]:
        """The bundles up to the loop, of groups that begin at `start`; none if there is no way."""
        end = start + self._begun()
        late = max(0, SETUP_BUNDLES - self.schedule.interval)
        for one in code:
            if one.is_branch:
                line.place(one, end - 1 - DELAY_SLOTS)
            else:
                sets_up = one.ins.text().startswith(("movxm l", "add.nc lc"))
                line.add(one, (0, end - 1 - (late if sets_up else 0)))
        # What has begun by the end may still be under way when the loop goes round.
        line.iterations(self.schedule, 0, 2 * self.schedule.stages, start=start)
        return line.bundles(0, end) if parts.solved(line) else ()

    def open(self) -> tuple[Row, ...]:
        """From the dispatcher's registers into the first loop, or past it."""
        for start in range(4 * len(self.opening)):
            rows = self._solved(Timeline(BANKS), self.first(), start)
            if rows:
                return rows
        raise ScheduleError(f"no opening of the loop {self.name} was found")

    def boundary(self) -> tuple[Row, ...]:
        """From one block to the next, or to the step behind."""
        for gap in range(max(0, DELAY_SLOTS + 1 - self._begun()), 4 * len(self.between)):
            line = Timeline(BANKS)
            line.iterations(self.schedule, -self.schedule.stages, 0)
            rows = self._solved(line, self.next(), gap)
            if rows:
                return rows
        raise ScheduleError(f"no boundary between two blocks of {self.name} was found")

    def add(self, listing: Listing) -> dict[str, int]:
        """Append the step; its costs."""
        opened = listing.add(self.open(), f"{self.name}_start")
        listing.loop(expand(self.schedule).kernel, self.name)
        gap = listing.add(self.boundary(), f"{self.name}_leave") - self._begun()
        return {f"{self.name}_call": opened, f"{self.name}_block": gap, f"{self.name}_group": self.schedule.interval}
