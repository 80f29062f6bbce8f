"""MLIR's own wrapping: the module, functions and their return."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from compiler.errors import UNKNOWN, Diagnostic, Location, UsageError, nearest
from compiler.ir.attributes import FunctionType, Type
from compiler.ir.fields import operands, prop, region
from compiler.ir.op import Op
from compiler.ir.store import WeightStore
from compiler.ir.values import BlockArgument, Region, Value


class Module(Op):
    """A whole network; `store` holds its weights."""

    name = "builtin.module"
    isolated = True

    body: Region = region()
    sym_name: str | None = prop(default=None)

    def __init__(self, body: Region | None = None, *, sym_name: str | None = None, loc: Location = UNKNOWN) -> None:
        super().__init__(sym_name=sym_name, body=body or Region.of(), loc=loc)

    def _build(self, given: dict[str, Any], loc: Location) -> None:
        super()._build(given, loc)
        self.store = WeightStore()

    @property
    def functions(self) -> Iterator[FuncOp]:
        return (op for op in self.body.ops if isinstance(op, FuncOp))

    def function(self, name: str = "main") -> FuncOp:
        """The function of this name."""
        for one in self.functions:
            if one.sym_name == name:
                return one
        known = [one.sym_name for one in self.functions]
        raise UsageError(Diagnostic("no-function", f"the module has no function '{name}'", help=nearest(name, known)))

    def verify(self) -> None:
        if self.body.empty:
            raise self.error("no-block", "needs a block, if only '^bb0:'")
        seen: set[str] = set()
        for one in self.functions:
            if one.sym_name in seen:
                raise one.error("symbol-repeated", f"'{one.sym_name}' is defined twice in the module")
            seen.add(one.sym_name)


class FuncOp(Op):
    """A function; its type says what its block is given and what `func.return` gives back."""

    name = "func.func"
    isolated = True

    function_type: FunctionType = prop()
    sym_name: str = prop()
    body: Region = region()
    sym_visibility: str | None = prop(default=None)

    @classmethod
    def make(cls, name: str, inputs: Sequence[Type], results: Sequence[Type], *, loc: Location = UNKNOWN) -> Self:
        """A function with an empty block of the right arguments."""
        return cls(FunctionType(tuple(inputs), tuple(results)), name, Region.of(*inputs), loc=loc)

    @property
    def arguments(self) -> tuple[BlockArgument[Type], ...]:
        return self.body.block.arguments

    @property
    def return_op(self) -> ReturnOp:
        """The operation that ends the function."""
        last = self.body.block.last
        if not isinstance(last, ReturnOp):
            raise self.error("no-return", "must end with 'func.return'")
        return last

    def verify(self) -> None:
        if self.body.empty:
            return
        given = tuple(one.type for one in self.arguments)
        if given != self.function_type.inputs:
            raise self.error("function-inputs", f"is declared {self.function_type}, its block has {_types(given)}")
        returned = tuple(one.type for one in self.return_op.operands)
        if returned != self.function_type.results:
            raise self.return_op.error(
                "function-results",
                f"gives {_types(returned)}, '{self.sym_name}' is declared {self.function_type}",
            )


class ReturnOp(Op):
    """The end of a function."""

    name = "func.return"
    terminator = True

    values: tuple[Value[Type], ...] = operands()


def module_of(op: Op) -> Module:
    """The module around an operation."""
    while op.parent is not None:
        op = op.parent
    assert isinstance(op, Module)
    return op


def _types(types: tuple[Type, ...]) -> str:
    return f"({', '.join(one.text for one in types)})"


BUILTIN_OPS: tuple[type[Op], ...] = (Module, FuncOp, ReturnOp)
