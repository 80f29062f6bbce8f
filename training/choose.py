"""From scores to masks: which blocks are kept, exactly as many as asked, and no row or column without one.

Scores are numpy arrays in a grid's shape [groups, R, C, T]; the higher, the more a block matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UsageError
from training.blocks import Grid

Scores = NDArray[np.float64]
Kept = NDArray[np.bool_]


class Scope(Enum):
    """Within what the ratio holds: the network, each layer, each row of blocks, or each core's share of rows."""

    NETWORK = "network"
    LAYER = "layer"
    ROW = "row"
    CORES = "cores"


@dataclass(frozen=True)
class Budget:
    """How many blocks are zeroed: a ratio, 0 to 1, for all layers or one for each, within a scope.

    `cores` is among how many parts the rows of a layer are dealt out, in order, for `Scope.CORES`.  With `cover` every
    row and column of blocks keeps at least one: an output channel without weights is a constant, an input channel
    without any was computed for nothing.
    """

    ratio: float | tuple[float, ...]
    scope: Scope = Scope.LAYER
    cores: int = 4
    cover: bool = True

    def __post_init__(self) -> None:
        for ratio in self.ratio if isinstance(self.ratio, tuple) else (self.ratio,):
            if not 0.0 <= ratio < 1.0:  # a NaN, too, is not within
                text = f"{ratio:g} of the blocks cannot be zeroed"
                raise UsageError(Diagnostic("prune-ratio", text, help="give a share from 0 up to, not including, 1"))
        if isinstance(self.ratio, tuple) and self.scope is Scope.NETWORK:
            text = "ratios of single layers were given for the whole network"
            raise UsageError(Diagnostic("prune-ratio", text, help="give one ratio, or another scope"))
        if self.cores < 1:
            text = f"rows cannot be dealt out to {self.cores} cores"
            raise UsageError(Diagnostic("prune-cores", text, help="give a number above 0"))

    def scaled(self, share: float) -> Budget:
        """The budget on the way: `share` (0 to 1) of each ratio."""
        ratio = self.ratio
        part = tuple(share * one for one in ratio) if isinstance(ratio, tuple) else share * ratio
        return Budget(part, self.scope, self.cores, self.cover)

    def ratios(self, layers: int) -> tuple[float, ...]:
        """The ratio of each layer."""
        if isinstance(self.ratio, tuple):
            if len(self.ratio) != layers:
                text = f"{len(self.ratio)} ratios were given for {layers} layers"
                raise UsageError(Diagnostic("prune-ratio", text))
            return self.ratio
        return (self.ratio,) * layers


def zeros_due(grids: Sequence[Grid], budget: Budget) -> int:
    """The blocks that are zero in the end, in all layers together."""
    sizes = [int(np.prod(grid)) for grid in grids]
    return _round(sum(ratio * size for ratio, size in zip(budget.ratios(len(sizes)), sizes, strict=True)))


def check_reachable(names: Sequence[str], grids: Sequence[Grid], budget: Budget) -> None:
    """An error if so many zeros would leave a row or a column of some layer without a block."""
    if not budget.cover:
        return
    most = [int(np.prod(grid)) - _least(grid) for grid in grids]
    if budget.scope is Scope.NETWORK:
        due = zeros_due(grids, budget)
        if due > sum(most):
            raise _unreachable("the network", due, sum(most), sum(int(np.prod(grid)) for grid in grids))
        return
    for name, grid, due, limit in zip(names, grids, _shares(grids, budget), most, strict=True):
        if due > limit:
            raise _unreachable(f"layer '{name}'", due, limit, int(np.prod(grid)))


def _unreachable(what: str, due: int, limit: int, total: int) -> UsageError:
    text = f"{due:,} of {total:,} blocks of {what} were to be zeroed, {limit:,} can be"
    help = "every row and column of blocks keeps one; ask for a smaller ratio, or give this floor up"
    return UsageError(Diagnostic("prune-floor", text, help=help))


def kept_blocks(scores: Sequence[Scores], budget: Budget, comparable: bool = False) -> list[Kept]:
    """The blocks to keep in each layer: those of the highest scores, of equal ones the last.

    Over the network scores count by the mean of their layer's, as weights are the smaller, the more inputs a layer
    sums; not if they are `comparable` as they are.  Each row, and each core for its rows, has its share to
    within one block; only in layers with groups may that fail near the floor, where covering comes first.
    """
    grids = [(one.shape[0], one.shape[1], one.shape[2], one.shape[3]) for one in scores]
    if budget.scope is Scope.NETWORK:
        return _of_network(scores if comparable else [_over_mean(one) for one in scores], grids, budget)
    shares = _shares(grids, budget)
    return [_of_layer(one, zeros, budget) for one, zeros in zip(scores, shares, strict=True)]


def _shares(grids: Sequence[Grid], budget: Budget) -> list[int]:
    """The zeros of each layer: together the exact number, each within one of its own ratio."""
    wanted = [ratio * int(np.prod(grid)) for ratio, grid in zip(budget.ratios(len(grids)), grids, strict=True)]
    return _dealt(np.array(wanted), zeros_due(grids, budget))


def _dealt(wanted: NDArray[np.float64], total: int) -> list[int]:
    """Whole numbers that sum to `total`, by the largest remainders."""
    counts = np.floor(wanted + 1e-9).astype(np.int64)
    order = np.argsort(-(wanted - counts), kind="stable")
    counts[order[: max(0, total - int(counts.sum()))]] += 1
    return [int(one) for one in counts]


def _of_network(scores: Sequence[Scores], grids: Sequence[Grid], budget: Budget) -> list[Kept]:
    due, total = zeros_due(grids, budget), sum(one.size for one in scores)
    needed = [np.zeros(one.shape, np.bool_) for one in scores]
    while True:
        kept = _strongest(scores, needed, due)
        if not budget.cover or not any(_cover_lines(*layer) for layer in zip(needed, kept, scores, strict=True)):
            return kept
        if sum(int(one.sum()) for one in needed) > total - due:
            return _strongest(scores, [_cover(one) for one in scores], due)


def _over_mean(scores: Scores) -> Scores:
    mean = float(np.abs(scores).mean())
    return scores / mean if mean > 0 else scores


def _strongest(scores: Sequence[Scores], needed: Sequence[Kept], due: int) -> list[Kept]:
    """All but the `due` weakest blocks of all layers; those that are needed are out of reach."""
    flat = np.concatenate([np.where(*one).ravel() for one in zip(needed, [np.inf] * len(scores), scores, strict=True)])
    kept = np.ones(flat.size, np.bool_)
    kept[np.argsort(flat, kind="stable")[:due]] = False
    bounds = np.cumsum([one.size for one in scores])[:-1]
    return [part.reshape(one.shape) for part, one in zip(np.split(kept, bounds), scores, strict=True)]


def _cover_lines(needed: Kept, kept: Kept, scores: Scores) -> bool:
    """Note the strongest block of each row and column of a layer that has none; False if there is no such line."""
    grid: Kept = np.asarray(kept.any(axis=3))
    best, empty = scores.max(axis=3), False
    for axis in (2, 1):
        for group, line in np.argwhere(~grid.any(axis=axis)):
            where = np.s_[group, line] if axis == 2 else np.s_[group, :, line]
            other = int(best[where].argmax())
            row, column = (line, other) if axis == 2 else (other, line)
            needed[group, row, column, int(scores[group, row, column].argmax())] = True
            grid[group, row, column] = True
            empty = True
    return empty


def _of_layer(scores: Scores, zeros: int, budget: Budget) -> Kept:
    groups, rows, columns, taps = scores.shape
    if budget.scope is Scope.LAYER:
        parts = [np.arange(groups * rows)]
    else:
        number = groups * rows if budget.scope is Scope.ROW else min(budget.cores, groups * rows)
        parts = np.array_split(np.arange(groups * rows), number)
    by_row = scores.reshape(groups * rows, columns * taps)
    kept = np.ones(by_row.shape, np.bool_)
    wanted = np.array([zeros * len(part) / len(by_row) for part in parts])
    for part, count in zip(parts, _dealt(wanted, zeros), strict=True):
        weakest = np.argsort(by_row[part].ravel(), kind="stable")[:count]
        flat = np.ones(by_row[part].size, np.bool_)
        flat[weakest] = False
        kept[part] = flat.reshape(len(part), -1)
    grid = kept.reshape(scores.shape)
    shares = np.repeat(np.arange(len(parts)), [len(part) for part in parts]).reshape(groups, rows)
    return _covered(grid, scores, shares) if budget.cover else grid


def _least(grid: Grid) -> int:
    """The fewest blocks that leave no row and no column empty."""
    return grid[0] * max(grid[1], grid[2])


def _cover(scores: Scores) -> Kept:
    """The fewest blocks that leave no row and no column empty, strong ones first."""
    best = scores.max(axis=3)
    kept = np.zeros(scores.shape, np.bool_)
    for group, matrix in enumerate(best):
        rows, columns = matrix.shape
        free_rows, free_columns = np.ones(rows, np.bool_), np.ones(columns, np.bool_)
        chosen: list[tuple[int, int]] = []
        for place in np.argsort(-matrix, axis=None, kind="stable"):
            row, column = divmod(int(place), columns)
            if free_rows[row] and free_columns[column]:
                free_rows[row] = free_columns[column] = False
                chosen.append((row, column))
                if len(chosen) == min(rows, columns):
                    break
        chosen += [(int(row), int(matrix[row].argmax())) for row in np.flatnonzero(free_rows)]
        chosen += [(int(matrix[:, column].argmax()), int(column)) for column in np.flatnonzero(free_columns)]
        for row, column in chosen:
            kept[group, row, column, int(scores[group, row, column].argmax())] = True
    return kept


def _covered(kept: Kept, scores: Scores, shares: NDArray[np.int64]) -> Kept:
    """The same number of blocks, with one in each row and column.

    Of what was empty a strong block comes, and a weak one goes that leaves nothing empty and is of the same share:
    `shares` [groups, R] numbers what must keep its count.  That is always possible if the group has enough blocks:
    a row that is empty has another in its share with two, and a block of it can move along its column; if a column is
    empty then another has two blocks, and one of these can move along its row.
    """
    kept = kept.copy()
    for group in range(len(kept)):
        while True:
            grid = kept[group].any(axis=2)
            empty = [(0, int(one)) for one in np.flatnonzero(~grid.any(axis=1))]
            empty += [(1, int(one)) for one in np.flatnonzero(~grid.any(axis=0))]
            if not empty:
                break
            if not _swap(kept[group], scores[group], shares[group], *empty[0]):
                return _rebuilt(kept, scores)
    return kept


def _swap(kept: Kept, scores: Scores, shares: NDArray[np.int64], axis: int, line: int) -> bool:
    """Put the strongest block that can be of an empty row (axis 0) or column (1) in, a weak one out; False if none."""
    best = (scores[line] if axis == 0 else scores[:, line]).max(axis=1)
    for other in np.argsort(-best, kind="stable"):
        row, column = (line, int(other)) if axis == 0 else (int(other), line)
        by_row, by_column = kept.sum(axis=(1, 2)), kept.sum(axis=(0, 2))
        by_row[row] += 1
        by_column[column] += 1
        spare = kept & ((by_row > 1) & (shares == shares[row]))[:, None, None] & (by_column > 1)[None, :, None]
        if spare.any():
            kept.reshape(-1)[int(np.where(spare, scores, np.inf).argmin())] = False
            kept[row, column, int(scores[row, column].argmax())] = True
            return True
    return False


def _rebuilt(kept: Kept, scores: Scores) -> Kept:
    """As many blocks as `kept` has: a cover first, then the strongest."""
    needed = _cover(scores)
    order = np.argsort(-np.where(needed, np.inf, scores), axis=None, kind="stable")
    found = np.zeros(kept.size, np.bool_)
    found[order[: int(kept.sum())]] = True
    return found.reshape(kept.shape)


def _round(number: float) -> int:
    return int(number + 0.5 + 1e-9)
