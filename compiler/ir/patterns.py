"""Rewrite patterns: small named functions, gathered in tuples, applied until none applies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from compiler.errors import Diagnostic, InternalError
from compiler.ir.op import Op
from compiler.ir.rewriter import Rewriter

O = TypeVar("O", bound=Op)  # noqa: E741

# A pattern set that has not come to rest after so many rewrites for each operation never will.
_REWRITES_PER_OP = 100


@dataclass(frozen=True)
class Pattern:
    """A rewrite of one class of operations; it says whether it changed anything."""

    root: type[Op]
    function: Callable[[Any, Rewriter], bool]

    @property
    def name(self) -> str:
        return self.function.__name__


def rewrites(root: type[O]) -> Callable[[Callable[[O, Rewriter], bool]], Pattern]:
    """Make a function a pattern for operations of this class."""
    return lambda function: Pattern(root, function)


def apply_patterns(patterns: Sequence[Pattern], module: Op) -> int:
    """Apply patterns, earlier ones first, until none applies; give the number of rewrites.

    What changed is looked at again, and so are its readers; pure operations that nobody reads are erased.
    """
    work = _WorkList()
    for found in module.walk():
        work.add(found)
    limit = _REWRITES_PER_OP * (len(work.queue) + 10)
    by_class: dict[type[Op], list[Pattern]] = {}
    count = 0
    while (op := work.take()) is not None:
        if op.erased or (op.block is None and op is not module):
            continue
        rewriter = Rewriter(op.block, op)
        rewriter.changed = work.add
        if rewriter.erase_dead(op):
            continue
        kind = type(op)
        if kind not in by_class:
            by_class[kind] = [one for one in patterns if issubclass(kind, one.root)]
        fired = next((one for one in by_class[kind] if one.function(op, rewriter)), None)
        if fired is None:
            continue
        count += 1
        if count > limit:
            raise InternalError(
                Diagnostic("rewrite-loop", f"'{fired.name}' still applies after {count} rewrites", op.loc)
            )
        if not op.erased:
            work.add(op)
    return count


class _WorkList:
    """Operations to look at, each at most once at a time, first come first served."""

    def __init__(self) -> None:
        self.queue: deque[Op] = deque()
        self.waiting: set[Op] = set()

    def add(self, op: Op) -> None:
        if op not in self.waiting:
            self.waiting.add(op)
            self.queue.append(op)

    def take(self) -> Op | None:
        if not self.queue:
            return None
        op = self.queue.popleft()
        self.waiting.remove(op)
        return op
