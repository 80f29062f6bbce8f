"""`Rewriter`, the only door through which the IR changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from compiler.errors import Location
from compiler.ir.attributes import Type
from compiler.ir.op import Op
from compiler.ir.values import Block, BlockArgument, OpResult, Region, Use, Value

O = TypeVar("O", bound=Op)  # noqa: E741


class Rewriter:
    """Changes operations where they stand, and inserts new ones at a point that moves along behind them.

    `changed` is called with every operation that is new or that reads something new.
    """

    def __init__(self, block: Block | None = None, before: Op | None = None) -> None:
        self.block = block
        self.before = before
        self.changed: Callable[[Op], None] = lambda op: None
        self.changes = 0

    @classmethod
    def at_end(cls, block: Block) -> Rewriter:
        """Insert at the end of a block, in front of its terminator if it has one."""
        last = block.last
        return cls(block, last if last is not None and last.terminator else None)

    @classmethod
    def at_start(cls, block: Block) -> Rewriter:
        """Insert at the start of a block."""
        return cls(block, block.first)

    @classmethod
    def at(cls, op: Op) -> Rewriter:
        """Insert in front of an operation."""
        return cls(op.block, op)

    @classmethod
    def behind(cls, op: Op) -> Rewriter:
        """Insert behind an operation."""
        return cls(op.block, op.next)

    def insert(self, op: O) -> O:
        """Put a new operation at the insertion point; the next one goes behind it."""
        assert self.block is not None, "the rewriter has no insertion point"
        self.block._insert(op, self.before)
        self._touch(op)
        return op

    def insert_before(self, anchor: Op, op: O) -> O:
        """Put a new operation in front of another."""
        assert anchor.block is not None, f"'{anchor.name}' is in no block"
        anchor.block._insert(op, anchor)
        self._touch(op)
        return op

    def insert_after(self, anchor: Op, op: O) -> O:
        """Put a new operation behind another."""
        assert anchor.block is not None, f"'{anchor.name}' is in no block"
        anchor.block._insert(op, anchor.next)
        self._touch(op)
        return op

    def move_before(self, anchor: Op, op: Op) -> None:
        """Take an operation out of its place and put it in front of another."""
        assert op.block is not None and anchor.block is not None
        if op is not anchor:
            op.block._remove(op)
            anchor.block._insert(op, anchor)
            self._touch(op)

    def replace(self, old: Op, new: Op | Value[Type] | Sequence[Value[Type]]) -> None:
        """Let readers of `old` read `new`, put in its place if it is in no block yet; then erase `old`."""
        if isinstance(new, Op):
            if new.block is None:
                self.insert_before(old, new)
            values: Sequence[Value[Type]] = new.results
        else:
            values = (new,) if isinstance(new, Value) else new
        assert len(values) == len(old.results), f"'{old.name}' has {len(old.results)} results, got {len(values)}"
        for one, other in zip(old.results, values, strict=True):
            self.replace_all_uses(one, other)
        self.erase(old)

    def replace_all_uses(
        self, old: Value[Type], new: Value[Type], *, unless: Callable[[Use], bool] = lambda use: False
    ) -> None:
        """Let every reader of one value, but those that `unless` names, read another."""
        if old is new:
            return
        for use in old.uses:
            if not unless(use):
                self.set_operand(use.op, use.number, new)

    def set_operand(self, op: Op, index: int, value: Value[Type]) -> None:
        """Let operand number `index` be another value."""
        use = Use(op, index)
        del op._operands[index]._uses[use]
        op._operands[index] = value
        value._uses[use] = None
        self._touch(op)

    def change(self, op: Op, **properties: object) -> None:
        """Give properties of an operation other values, in place; result types follow."""
        for name, value in properties.items():
            assert name in op.spec.props, f"'{op.name}' has no property '{name}'"
            op._props[name] = value
        self.refresh(op)

    def refresh(self, op: Op) -> None:
        """Infer the result types again, after operands or properties have changed."""
        op.check_fields()
        for value, type in zip(op.results, op.infer_checked(), strict=True):
            self.retype(value, type)
        self._touch(op)

    def retype(self, value: OpResult[Type] | BlockArgument[Type], type: Type) -> None:
        """Give a value another type; its readers are for the caller to refresh."""
        if value._type != type:
            value._type = type
            for user in value.users:
                self._touch(user)

    def add_argument(self, block: Block, type: Type) -> BlockArgument[Type]:
        """Give a block one more argument, at the end."""
        argument = BlockArgument(type, block, len(block.arguments))
        block.arguments = (*block.arguments, argument)
        self.changes += 1
        return argument

    def erase(self, op: Op) -> None:
        """Remove an operation that nobody reads, with all that is in it."""
        assert op.unread, f"'{op.name}' is still read"
        if op.block is not None:
            op.block._remove(op)
        for inner in list(op.walk()):
            for index, value in enumerate(inner._operands):
                value._uses.pop(Use(inner, index), None)
                if isinstance(value, OpResult) and not value.op.erased:
                    self.changed(value.op)
            inner.erased = True
        self.changes += 1

    def erase_dead(self, op: Op) -> bool:
        """Remove a pure operation that nobody reads, and then whatever nobody reads because of that."""
        before = self.changes
        stack = [op]
        while stack:
            dead = stack.pop()
            if not dead.erased and dead.pure and dead.unread and dead.block is not None:
                self.erase(dead)
                stack += [value.op for value in dead.operands if value.op is not None]
        return self.changes != before

    def copy(self, op: O, *, loc: Location | None = None, **changes: object) -> O:
        """A new operation like this one but for some fields, in no block yet; regions are copied too."""
        given: dict[str, Any] = op.fields()
        for name, value in given.items():
            if isinstance(value, Region) and name not in changes:
                given[name] = clone_region(value, {})
        unknown = [name for name in changes if name not in given]
        assert not unknown, f"'{op.name}' has no field '{', '.join(unknown)}'"
        new = type(op)(**(given | changes), loc=loc or op.loc)
        new.notes.update(op.notes)
        return new

    def clone(self, op: O, values: Mapping[Value[Type], Value[Type]]) -> O:
        """A copy whose operands, and those of what is in it, are looked up in a table; in no block yet."""
        return clone_op(op, dict(values))

    def _touch(self, op: Op) -> None:
        self.changes += 1
        self.changed(op)


def clone_op(op: O, values: dict[Value[Type], Value[Type]]) -> O:
    """Copy an operation and enter its results in the table of values."""
    operands = [values.get(value, value) for value in op.operands]
    regions = [clone_region(region, values) for region in op.regions]
    new = type(op).create(operands, op.properties(), regions, op.loc)
    new.notes.update(op.notes)
    values.update(zip(op.results, new.results, strict=True))
    return new


def clone_region(region: Region, values: dict[Value[Type], Value[Type]]) -> Region:
    """Copy a region; what it reads from outside is looked up in the table, or stays."""
    if region.empty:
        return Region()
    block = Block([argument.type for argument in region.block.arguments])
    values.update(zip(region.block.arguments, block.arguments, strict=True))
    for op in region.block.ops:
        block._insert(clone_op(op, values), None)
    return Region(block)


def clone_module(module: O) -> O:
    """A copy of a whole module that shares nothing that can change; its store is for the caller to copy."""
    return clone_op(module, {})
