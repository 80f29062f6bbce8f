"""Values, blocks and regions: the graph that operations hang in.

Only `Rewriter` calls the methods whose names start with an underscore.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from compiler.errors import UNKNOWN, Location
from compiler.ir.attributes import Type

if TYPE_CHECKING:
    from compiler.ir.op import Op

T_co = TypeVar("T_co", bound=Type, covariant=True)
U = TypeVar("U", bound=Type)


class Use(NamedTuple):
    """Operand `number` of `op`."""

    op: Op
    number: int


class Value(Generic[T_co]):
    """What an operation computes or a block is given; `uses` says who reads it."""

    def __init__(self, type: T_co) -> None:
        self._type = type
        self._uses: dict[Use, None] = {}

    @property
    def type(self) -> T_co:
        return self._type

    def typed(self, kind: builtins.type[U]) -> Value[U]:
        """The same value, known to mypy to be of a kind of type that it must be of."""
        assert isinstance(self._type, kind), f"expects a {kind.__name__}, got {self._type}"
        return self  # type: ignore[return-value]  # a type parameter cannot be narrowed

    @property
    def op(self) -> Op | None:
        """The operation that computes the value, or none for a block argument."""
        return None

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every operand that reads the value, oldest first."""
        return tuple(self._uses)

    @property
    def users(self) -> tuple[Op, ...]:
        """Every operation that reads the value, each once."""
        return tuple(dict.fromkeys(use.op for use in self._uses))

    @property
    def used(self) -> bool:
        return bool(self._uses)

    @property
    def used_once(self) -> bool:
        """Whether exactly one operand reads the value."""
        return len(self._uses) == 1


class OpResult(Value[T_co]):
    """A result of an operation."""

    def __init__(self, type: T_co, op: Op, index: int) -> None:
        super().__init__(type)
        self._op = op
        self.index = index

    @property
    def op(self) -> Op:
        return self._op


class BlockArgument(Value[T_co]):
    """A value that a block is given when it is entered."""

    def __init__(self, type: T_co, block: Block, index: int) -> None:
        super().__init__(type)
        self.block = block
        self.index = index


class Block:
    """Operations in order, as a linked list so that a change costs the same in a block of any length."""

    def __init__(self, argument_types: Sequence[Type] = ()) -> None:
        self.arguments: tuple[BlockArgument[Type], ...] = tuple(
            BlockArgument(type, self, index) for index, type in enumerate(argument_types)
        )
        self.region: Region | None = None
        self._first: Op | None = None
        self._last: Op | None = None

    @property
    def first(self) -> Op | None:
        return self._first

    @property
    def last(self) -> Op | None:
        return self._last

    @property
    def ops(self) -> Iterator[Op]:
        """The operations in order; the one just given may be erased or moved."""
        op = self._first
        while op is not None:
            following = op._next
            yield op
            op = following

    @property
    def parent(self) -> Op | None:
        """The operation around the block."""
        return self.region.parent if self.region else None

    def _insert(self, op: Op, before: Op | None) -> None:
        assert op.block is None, f"'{op.name}' is already in a block"
        previous = before._previous if before else self._last
        op.block, op._previous, op._next = self, previous, before
        if previous:
            previous._next = op
        else:
            self._first = op
        if before:
            before._previous = op
        else:
            self._last = op

    def _remove(self, op: Op) -> None:
        assert op.block is self
        if op._previous:
            op._previous._next = op._next
        else:
            self._first = op._next
        if op._next:
            op._next._previous = op._previous
        else:
            self._last = op._previous
        op.block = op._previous = op._next = None


class Region:
    """One block, or none; control flow is said with operations and not with branches."""

    def __init__(self, block: Block | None = None, loc: Location = UNKNOWN) -> None:
        assert block is None or block.region is None, "the block is already in a region"
        self._block = block
        self.loc = loc
        self.parent: Op | None = None
        if block:
            block.region = self

    @classmethod
    def of(cls, *argument_types: Type) -> Region:
        """A region with an empty block of these arguments."""
        return cls(Block(argument_types))

    @property
    def empty(self) -> bool:
        """Whether there is no block at all, as in a declaration."""
        return self._block is None

    @property
    def block(self) -> Block:
        """The one block; ask `empty` first where there may be none."""
        assert self._block is not None, "the region has no block"
        return self._block

    @property
    def ops(self) -> Iterator[Op]:
        return iter(()) if self._block is None else self._block.ops
