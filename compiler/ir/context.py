"""What may stand in a text: the operations, attributes and types of some dialects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from compiler.errors import Diagnostic, IRError, Location, nearest
from compiler.ir.builtin import BUILTIN_OPS
from compiler.ir.custom import DialectAttribute
from compiler.ir.op import Op
from compiler.ir.scanner import BodyParser, parse_float


@dataclass(frozen=True)
class Dialect:
    """Operations and attributes that share a prefix."""

    name: str
    ops: tuple[type[Op], ...] = ()
    attributes: tuple[type[DialectAttribute], ...] = ()

    def __post_init__(self) -> None:
        for op in self.ops:
            assert op.name.startswith(f"{self.name}."), f"{op.__name__} has the name '{op.name}'"
        for attribute in self.attributes:
            assert attribute.mnemonic.startswith(f"{self.name}."), f"mnemonic of {attribute.__name__}"


class Context:
    """A registry of dialects, `builtin.module` and `func.func` always among them."""

    def __init__(self, dialects: Iterable[Dialect] = ()) -> None:
        self.dialects = tuple(dialects)
        self.ops: dict[str, type[Op]] = {op.name: op for op in BUILTIN_OPS}
        self.attributes: dict[str, BodyParser] = {"#bscc.float": parse_float}
        for dialect in self.dialects:
            for op in dialect.ops:
                assert op.name not in self.ops, f"two operations are named '{op.name}'"
                self.ops[op.name] = op
            for one in dialect.attributes:
                self.attributes[one.sigil + one.mnemonic] = one.parse_body

    def op(self, name: str, place: Location) -> type[Op]:
        """The class of an operation, or an error that suggests the nearest name."""
        if name not in self.ops:
            same = [known for known in self.ops if known.split(".")[0] == name.split(".")[0]] or list(self.ops)
            raise IRError(Diagnostic("unknown-op", f"unknown operation '{name}'", place, help=nearest(name, same)))
        return self.ops[name]
