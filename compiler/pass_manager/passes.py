"""`Pass` and `Stage`: what a pass is and what it promises."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from compiler.errors import Diagnostic, IRError, nearest
from compiler.ir import FuncOp, Module, Op, ReturnOp
from compiler.pass_manager.options import bad_option, option_name, option_type, parse_option, print_option

if TYPE_CHECKING:
    from compiler.target import Target

_ALWAYS = frozenset(op.name for op in (Module, FuncOp, ReturnOp))


@dataclass(frozen=True)
class Stage:
    """A named set of operations; a module is at the stage when it holds no other."""

    name: str
    ops: frozenset[str] | None  # none means any operation

    @classmethod
    def of(cls, name: str, *groups: Iterable[type[Op]]) -> Stage:
        """The stage of the operations in these groups, mostly `DIALECT.ops`."""
        return cls(name, frozenset(op.name for group in groups for op in group))

    def check(self, module: Module) -> None:
        """Raise an error that names every kind of operation that has no place at this stage."""
        if self.ops is None:
            return
        allowed = self.ops | _ALWAYS
        first: dict[str, Op] = {}
        for op in module.walk():
            if op.name not in allowed:
                first.setdefault(op.name, op)
        if first:
            raise IRError(
                *(
                    Diagnostic("stage", f"'{name}' has no place in a module that is '{self.name}'", op.loc)
                    for name, op in first.items()
                )
            )


ANY = Stage("any", None)


@dataclass(frozen=True)
class Pass:
    """One step from module to module; a subclass is a frozen dataclass whose fields are its options."""

    name: ClassVar[str] = ""
    requires: ClassVar[Stage] = ANY
    ensures: ClassVar[Stage] = ANY

    def run(self, module: Module, target: Target) -> None:
        """Change the module in place."""
        raise NotImplementedError(self.name)

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    @classmethod
    def parse(cls, options: dict[str, str]) -> Self:
        """Make the pass from options as written on the command line."""
        known = {option_name(one.name): one for one in fields(cls)}
        given: dict[str, Any] = {}
        for name, text in options.items():
            if name not in known:
                raise bad_option(f"pass '{cls.name}' has no option '{name}'", nearest(name, known))
            one = known[name]
            given[one.name] = parse_option(f"{cls.name}{{{name}}}", option_type(cls, one.name), text)
        return cls(**given)

    def options(self, *, every: bool = False) -> dict[str, str]:
        """The options as written on the command line; those at their default only on demand."""
        return {
            option_name(one.name): print_option(getattr(self, one.name))
            for one in fields(self)
            if every or getattr(self, one.name) != one.default
        }

    def text(self, *, every: bool = False) -> str:
        """The pass with its options, as in a pipeline."""
        options = " ".join(f"{name}={value}" for name, value in self.options(every=every).items())
        return f"{self.name}{{{options}}}" if options else self.name

    def __str__(self) -> str:
        return self.text()
