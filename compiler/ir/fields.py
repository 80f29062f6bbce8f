"""The parts of an operation, declared as annotated fields of its class.

This is the one file where `Any` is at home: a field specifier returns whatever the annotation says.
"""

from __future__ import annotations

import inspect
import types
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from compiler.errors import Location
from compiler.ir.attributes import Type
from compiler.ir.codec import Codec, codec_of
from compiler.ir.values import Value

MISSING: Any = object()


def operand() -> Any:
    """`x: Value[TensorType] = operand()`, exactly one value."""
    return OperandField("one")


def operands() -> Any:
    """`inputs: tuple[Value[TensorType], ...] = operands()`, any number of values."""
    return OperandField("many")


def optional_operand(*, default: None = None) -> Any:
    """`bias: Value[TensorType] | None = optional_operand(default=None)`, one value or none."""
    return OperandField("optional", default)


def prop(*, default: Any = MISSING) -> Any:
    """`strides: tuple[int, ...] = prop()`, an attribute that carries meaning."""
    return PropField(default)


def result(*, init: Literal[False] = False) -> Any:
    """`y: Value[TensorType] = result()`, whose type `infer()` gives."""
    return ResultField(False)


def results(*, init: Literal[False] = False) -> Any:
    """`outputs: tuple[Value[Type], ...] = results()`, as many as `infer()` gives."""
    return ResultField(True)


def region() -> Any:
    """`body: Region = region()`."""
    return RegionField()


def where(*, default: Location, kw_only: Literal[True]) -> Any:
    """The location, which every operation has."""
    return default


class Field:
    """A descriptor that reads its part of an operation; only the Rewriter writes."""

    default: Any = MISSING
    index = 0
    name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, op: Any, value: Any) -> None:
        raise AttributeError(f"'{self.name}' of '{op.name}' is read only: use Rewriter.change or Rewriter.copy")

    def resolve(self, hint: Any) -> None:
        """Learn from the annotation what the field may hold."""


class OperandField(Field):
    """One group of operands: one value, one or none, or any number."""

    def __init__(self, arity: Literal["one", "optional", "many"], default: Any = MISSING) -> None:
        self.arity = arity
        self.default = default
        self.kinds: tuple[type[Type], ...] = (Type,)

    def resolve(self, hint: Any) -> None:
        self.kinds = _value_kinds(hint)

    def __get__(self, op: Any, owner: type) -> Any:
        if op is None:
            return self
        sizes = op._sizes
        if sizes is None:
            return op._operands[self.index]
        start = sum(sizes[: self.index])
        if self.arity == "one":
            return op._operands[start]
        group = tuple(op._operands[start : start + sizes[self.index]])
        return group if self.arity == "many" else group[0] if group else None

    def group(self, value: Any) -> tuple[Value[Type], ...]:
        """What the constructor was given, as the operands it means."""
        if self.arity == "many":
            return tuple(value)
        return () if value is None and self.arity == "optional" else (value,)

    def holds(self, count: int) -> bool:
        """Whether the group may have so many operands."""
        return self.arity == "many" or count == 1 or (self.arity == "optional" and count == 0)


class PropField(Field):
    """A property, kept as the Python value that the annotation says."""

    codec: Codec

    def __init__(self, default: Any) -> None:
        self.default = default

    def resolve(self, hint: Any) -> None:
        self.codec = codec_of(hint)
        assert self.codec.accepts(self.default) or self.default is MISSING, f"default of '{self.name}'"

    def __get__(self, op: Any, owner: type) -> Any:
        return self if op is None else op._props[self.name]


class ResultField(Field):
    """One result, or the results that are left."""

    def __init__(self, many: bool) -> None:
        self.many = many
        self.after = 0

    def __get__(self, op: Any, owner: type) -> Any:
        if op is None:
            return self
        if self.many:
            return op.results[self.index : len(op.results) - self.after]
        return op.results[self.index if not self.after else len(op.results) - self.after]


class RegionField(Field):
    """A region."""

    def __get__(self, op: Any, owner: type) -> Any:
        return self if op is None else op.regions[self.index]


@dataclass
class OpSpec:
    """The declaration of an operation, in the order of its fields."""

    inits: list[OperandField | PropField | RegionField] = field(default_factory=list)
    operands: list[OperandField] = field(default_factory=list)
    props: dict[str, PropField] = field(default_factory=dict)
    results: list[ResultField] = field(default_factory=list)
    regions: list[RegionField] = field(default_factory=list)

    SEGMENTS: ClassVar[str] = "operandSegmentSizes"

    @property
    def fixed(self) -> bool:
        """Whether every operand group has exactly one value."""
        return all(one.arity == "one" for one in self.operands)

    @property
    def segmented(self) -> bool:
        """Whether the text must say how many operands each group has."""
        return sum(one.arity != "one" for one in self.operands) > 1

    def sizes(self, count: int) -> tuple[int, ...] | None:
        """Share out operands when at most one group varies; none if they cannot be."""
        spare = count - sum(one.arity == "one" for one in self.operands)
        sizes = tuple(1 if one.arity == "one" else spare for one in self.operands)
        fits = sum(sizes) == count and all(one.holds(size) for one, size in zip(self.operands, sizes, strict=True))
        return sizes if fits else None


def spec_of(cls: type) -> OpSpec:
    """Gather the fields of an operation's class, those of its bases first."""
    spec = OpSpec()
    for base in reversed(cls.__mro__):
        own = {name: one for name, one in vars(base).items() if isinstance(one, Field)}
        hints = inspect.get_annotations(base, eval_str=True) if own else {}
        for name, one in own.items():
            assert name in hints, f"{base.__name__}.{name} needs an annotation"
            one.resolve(hints[name])
            _add(spec, one)
    varying = [index for index, one in enumerate(spec.results) if one.many]
    assert len(varying) <= 1, f"{cls.__name__} has two groups of results"
    for index in range(varying[0] if varying else len(spec.results), len(spec.results)):
        spec.results[index].after = len(spec.results) - 1 - index + (not spec.results[index].many)
    return spec


def _add(spec: OpSpec, one: Field) -> None:
    if isinstance(one, ResultField):
        one.index = len(spec.results)
        spec.results.append(one)
        return
    if isinstance(one, OperandField):
        one.index = len(spec.operands)
        spec.operands.append(one)
    elif isinstance(one, RegionField):
        one.index = len(spec.regions)
        spec.regions.append(one)
    elif isinstance(one, PropField):
        spec.props[one.name] = one
    assert isinstance(one, OperandField | PropField | RegionField)
    spec.inits.append(one)


def _value_kinds(hint: Any) -> tuple[type[Type], ...]:
    """The type classes in `Value[A | B]`, `Value[A] | None` or `tuple[Value[A], ...]`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType, tuple):
        parts = [one for one in arguments if one not in (type(None), ...)]
        return tuple(kind for part in parts for kind in _value_kinds(part))
    if origin is Value:
        inner = arguments[0]
        return get_args(inner) if get_origin(inner) in (Union, types.UnionType) else (inner,)
    assert hint is Value, f"an operand is annotated Value[...], and not {hint}"
    return (Type,)
