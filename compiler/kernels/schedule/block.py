"""Scheduling straight-line code into as few bundles as the search finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.kernels.schedule.ops import DELAY_SLOTS, Banks, Op, Row, ScheduleError, last_cycle
from compiler.kernels.schedule.place import Piece, rows

NODES, LARGE = 3000, 60  # search effort for one length; blocks of more ops than that get fewer nodes


@dataclass(frozen=True)
class BlockSchedule:
    """Issue cycles of a block's ops; the block is the bundles of cycles 0..length."""

    ops: tuple[Op, ...]
    times: tuple[int, ...]
    length: int
    banks: Banks

    @property
    def rows(self) -> tuple[Row, ...]:
        return rows(self.ops, self.times, 0, self.length)

    def time(self, op: Op) -> int:
        return self.times[self.ops.index(op)]


def schedule_block(ops: Sequence[Op], banks: Banks | None = None) -> BlockSchedule:
    """Place ops in program order into the shortest block found; an error says which ops have no place.

    Every op has read, written and stored by the end of the block.  A branch is followed by its delay slots and then
    the block ends.
    """
    body = tuple(ops)
    if any(op.is_branch for op in body[:-1]):
        raise ScheduleError("a block ends with its only jump: the jump must be the last op")
    piece = Piece(body, {}, {}, dict(banks or {}))
    effort = max(NODES * LARGE // max(LARGE, len(body)), 4 * len(body))
    length, times = _Sized(piece, [last_cycle(op) for op in body], effort).shortest()
    return BlockSchedule(body, tuple(times), length, piece.banks)


@dataclass
class _Sized:
    """Schedules of one piece at several lengths; `leaves` is how long before the end each op must issue."""

    piece: Piece
    leaves: Sequence[int]
    nodes: int

    def at(self, length: int) -> list[int] | None:
        windows = {}
        for index, op in enumerate(self.piece.ops):
            low, high = 0, length - self.leaves[index]
            if op.is_branch:
                low = high = length - DELAY_SLOTS - 1
            windows[index] = (low, high)
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
        """Bundles that the longest path or the scarcest resource needs."""
        piece = self.piece
        far = 1 << 20
        low, _ = piece.windows_of_all(dict.fromkeys(range(len(piece.ops)), (0, far)))
        by_path = max((at + leave for at, leave in zip(low, self.leaves, strict=True)), default=0)
        counts: dict[str, int] = {}
        for used in piece.uses:
            for use in used:
                if use.takes:
                    counts[use.resource] = counts.get(use.resource, 0) + 1
        by_branch = [at + DELAY_SLOTS + 1 for at, op in zip(low, piece.ops, strict=True) if op.is_branch]
        return max([by_path, *counts.values(), *by_branch])
