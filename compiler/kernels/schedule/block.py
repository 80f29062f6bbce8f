"""Scheduling straight-line code into as few bundles as the search finds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from compiler.kernels.schedule.ops import DELAY_SLOTS, Banks, Op, Row, ScheduleError, Use, last_cycle
from compiler.kernels.schedule.place import Piece, Window, rows

NODES, LARGE = 3000, 60  # search effort for one length; blocks of more ops than that get fewer nodes


@dataclass(frozen=True)
class BlockSchedule:
    """Issue cycles of a block's ops; the block is the bundles of cycles 0..length, pinned ops may lie outside."""

    ops: tuple[Op, ...]
    times: tuple[int, ...]
    length: int
    banks: Banks
    drained: bool
    pinned: tuple[Op, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        return rows(self.ops, self.times, 0, self.length)

    def time(self, op: Op) -> int:
        return self.times[self.ops.index(op)]


def schedule_block(
    ops: Sequence[Op],
    pinned: Mapping[Op, int] | None = None,
    banks: Banks | None = None,
    length: int | None = None,
    *,
    drain: bool = True,
    live_out: Collection[Op] = (),
    windows: Mapping[Op, Window] | None = None,
    fixed_units: Iterable[tuple[str, int]] = (),
    nodes: int = NODES,
) -> BlockSchedule:
    """Place ops in program order into the shortest block found, or into one of exactly `length` bundles.

    With `drain` every op has read, written and stored by the end of the block, those in `live_out` excepted.  A branch
    is followed by its delay slots and then the block ends.  `fixed_units` are resources taken by others, by name and
    cycle ("LDA", "bank act", "port R_RV_PORT").
    """
    body, pinned, windows = tuple(ops), dict(pinned or {}), dict(windows or {})
    stray = [op.text() for op in (*pinned, *windows, *live_out) if op not in body]
    if any(op.is_branch for op in body[:-1]):
        raise ScheduleError("a block ends with its only jump: the jump must be the last op")
    if stray:
        raise ScheduleError(f"pinned, bounded or live ops that are not in the block: {', '.join(stray)}")
    fixed = {index: pinned[op] for index, op in enumerate(body) if op in pinned}
    reserved = [Use(name, cycle) for name, cycle in fixed_units]
    piece = Piece(body, fixed, {}, dict(banks or {}), reserved)
    piece.check_fixed()
    leaves = [1 if not drain or op in live_out else last_cycle(op) for op in body]
    bounded = {index: windows[op] for index, op in enumerate(body) if op in windows}
    effort = max(nodes * LARGE // max(LARGE, len(body)), 4 * len(body))
    sized = _Sized(piece, leaves, bounded, effort)
    if length is not None:
        times = sized.at(length)
        if times is None:
            raise ScheduleError(f"no schedule of {length} bundles: {piece.failed}")
        return BlockSchedule(body, tuple(times), length, piece.banks, drain, tuple(pinned))
    best, times = sized.shortest()
    return BlockSchedule(body, tuple(times), best, piece.banks, drain, tuple(pinned))


@dataclass
class _Sized:
    """Schedules of one piece at several lengths; `leaves` is how long before the end each op must issue."""

    piece: Piece
    leaves: Sequence[int]
    windows: Mapping[int, Window]
    nodes: int

    def at(self, length: int) -> list[int] | None:
        windows = {}
        for index, op in enumerate(self.piece.ops):
            low, high = self.windows.get(index, (0, length - 1))
            high = min(high, length - self.leaves[index])
            if op.is_branch:
                low = high = length - DELAY_SLOTS - 1
            windows[index] = (low, high)
            if index in self.piece.fixed and op.is_branch and self.piece.fixed[index] != high:
                self.piece.failed = f"{self.piece.text(index)} is not followed by {DELAY_SLOTS} bundles"
                return None
        return self.piece.solve(self.nodes, windows)

    def shortest(self) -> tuple[int, list[int]]:
        """Go up from the bound in growing steps until a schedule is found, then close in from above."""
        bound = self._bound()
        tried, step = bound - 1, 1
        length = bound
        while (found := self.at(length)) is None:
            tried = length
            length, step = length + step, 2 * step
            if length > bound + 4 * len(self.piece.ops) + 64:
                raise ScheduleError(f"no schedule of up to {tried} bundles: {self.piece.failed}")
        while length - tried > 1:
            middle = (length + tried) // 2
            shorter = self.at(middle)
            if shorter is None:
                tried = middle
            else:
                length, found = middle, shorter
        return length, found

    def _bound(self) -> int:
        """Bundles that the longest path, the scarcest resource or a fixed op needs."""
        piece = self.piece
        far = 1 << 20
        low, _ = piece.windows_of_all({index: self.windows.get(index, (0, far)) for index in range(len(piece.ops))})
        by_path = max((at + leave for at, leave in zip(low, self.leaves, strict=True)), default=0)
        counts: dict[str, int] = {}
        for index, used in enumerate(piece.uses):
            for use in used:
                if use.takes and index not in piece.fixed:
                    counts[use.resource] = counts.get(use.resource, 0) + 1
        by_branch = [at + DELAY_SLOTS + 1 for at, op in zip(low, piece.ops, strict=True) if op.is_branch]
        return max([by_path, *counts.values(), *by_branch])
