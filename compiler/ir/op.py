"""`Op`, the base of every operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform, overload

from compiler.errors import UNKNOWN, Diagnostic, IRError, Limit, Location
from compiler.ir.attributes import Attribute, IntArray, Type
from compiler.ir.fields import (
    MISSING,
    OperandField,
    OpSpec,
    PropField,
    operand,
    operands,
    optional_operand,
    prop,
    region,
    result,
    results,
    spec_of,
    where,
)
from compiler.ir.values import Block, OpResult, Region, Use, Value

O = TypeVar("O", bound="Op")  # noqa: E741


@dataclass_transform(
    eq_default=False,
    field_specifiers=(operand, operands, optional_operand, prop, result, results, region, where),
)
class OpBase:
    """Turns annotated fields into a declaration when a subclass is made."""

    spec: ClassVar[OpSpec]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.spec = spec_of(cls)


class Op(OpBase):
    """An operation: operands in, results out, properties and regions inside.

    A subclass says `name`, its fields, `infer()` for the types of its results, `verify()` for other rules.
    """

    name: ClassVar[str] = ""
    pure: ClassVar[bool] = False  # may go when nobody reads its results
    terminator: ClassVar[bool] = False  # must be the last of its block
    isolated: ClassVar[bool] = False  # its regions see no value from outside

    loc: Location = where(default=UNKNOWN, kw_only=True)

    def __init__(self, *args: Any, loc: Location = UNKNOWN, **kwargs: Any) -> None:
        self._build(self._bind(args, kwargs), loc)

    @classmethod
    def create(
        cls,
        operands: Sequence[Value[Type]] = (),
        props: Mapping[str, Attribute] | None = None,
        regions: Sequence[Region] = (),
        loc: Location = UNKNOWN,
    ) -> Self:
        """Make the operation from flat operands and attributes, as text and generic code have them."""
        op = cls.__new__(cls)
        op.loc = loc
        op._build(op._unpack(operands, dict(props or {}), regions), loc)
        return op

    def infer(self) -> tuple[Type, ...]:
        """The types of the results, in order; written once, for the builder, the parser and the verifier."""
        return ()

    def verify(self) -> None:
        """Check what the types of the fields and `infer` do not; raise `self.error(...)`."""

    def error(
        self, code: str, message: str, help: str = "", notes: tuple[str, ...] = (), limit: Limit | None = None
    ) -> IRError:
        """An error at this operation; the message goes on after its name.

        A rule that a model can break says the limit as data, too.
        """
        return IRError(Diagnostic(code, f"'{self.name}' {message}", self.loc, notes, help, limit=limit))

    @property
    def operands(self) -> tuple[Value[Type], ...]:
        return tuple(self._operands)

    @property
    def result_types(self) -> tuple[Type, ...]:
        return tuple(one.type for one in self.results)

    @property
    def parent(self) -> Op | None:
        """The operation around this one."""
        return self.block.parent if self.block else None

    @property
    def next(self) -> Op | None:
        return self._next

    @property
    def previous(self) -> Op | None:
        return self._previous

    @property
    def unread(self) -> bool:
        """Whether nobody reads any result."""
        return not any(one.used for one in self.results)

    def fields(self) -> dict[str, object]:
        """What the constructor would take to make this operation again, by name."""
        return {one.name: getattr(self, one.name) for one in self.spec.inits}

    def properties(self) -> dict[str, Attribute]:
        """The properties as attributes, absent ones left out, sorted by name as the text has them."""
        encoded = {
            name: one.codec.encode(self._props[name])
            for name, one in self.spec.props.items()
            if self._props[name] is not None
        }
        if self.spec.segmented:
            assert self._sizes is not None
            encoded[OpSpec.SEGMENTS] = IntArray(self._sizes, 32)
        return dict(sorted(encoded.items()))

    @overload
    def walk(self) -> Iterator[Op]: ...
    @overload
    def walk(self, kind: type[O]) -> Iterator[O]: ...
    def walk(self, kind: type[Op] | None = None) -> Iterator[Op]:
        """The operations of a class, itself included, in program order, but those erased meanwhile."""
        found: list[Op] = []
        self._collect(kind or Op, found)
        return (op for op in found if not op.erased)

    def _collect(self, kind: type[Op], found: list[Op]) -> None:
        if isinstance(self, kind):
            found.append(self)
        for one in self.regions:
            for op in one.ops:
                op._collect(kind, found)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Give each argument its field, as a dataclass constructor does."""
        inits = self.spec.inits
        if len(args) > len(inits):
            raise TypeError(f"{type(self).__name__} takes {len(inits)} arguments, got {len(args)}")
        given = {one.name: arg for one, arg in zip(inits, args, strict=False)}
        for name in kwargs:
            if name in given or all(one.name != name for one in inits):
                raise TypeError(f"{type(self).__name__} got an unexpected or repeated '{name}'")
        given |= kwargs
        for one in inits:
            if one.name not in given:
                if one.default is MISSING:
                    raise TypeError(f"{type(self).__name__} misses '{one.name}'")
                given[one.name] = one.default
        return given

    def _unpack(
        self, operands: Sequence[Value[Type]], props: dict[str, Attribute], regions: Sequence[Region]
    ) -> dict[str, Any]:
        """Give operands, attributes and regions their fields."""
        given = self._unpack_props(props)
        segments = props.get(OpSpec.SEGMENTS) if self.spec.segmented else None
        sizes = segments.values if isinstance(segments, IntArray) else self.spec.sizes(len(operands))
        if sizes is None or len(sizes) != len(self.spec.operands) or sum(sizes) != len(operands):
            names = ", ".join(f"{one.name} ({one.arity})" for one in self.spec.operands) or "no operands"
            raise self.error("operand-count", f"expects {names}, got {len(operands)} operands")
        start = 0
        for one, size in zip(self.spec.operands, sizes, strict=True):
            if not one.holds(size):
                raise self.error("operand-count", f"expects {one.arity} '{one.name}', got {size}")
            group = tuple(operands[start : start + size])
            start += size
            given[one.name] = group if one.arity == "many" else group[0] if group else None
        if len(regions) != len(self.spec.regions):
            raise self.error("region-count", f"expects {len(self.spec.regions)} regions, got {len(regions)}")
        given |= {one.name: body for one, body in zip(self.spec.regions, regions, strict=True)}
        return given

    def _unpack_props(self, props: dict[str, Attribute]) -> dict[str, Any]:
        known = set(self.spec.props) | ({OpSpec.SEGMENTS} if self.spec.segmented else set())
        for name in props:
            if name not in known:
                listing = ", ".join(self.spec.props) or "none"
                raise self.error("property-unknown", f"has no property '{name}'", help=f"known: {listing}")
        given: dict[str, Any] = {}
        for name, one in self.spec.props.items():
            if name in props:
                given[name] = one.codec.decode(props[name])
            elif one.default is not MISSING:
                given[name] = one.default
            elif one.codec.optional:
                given[name] = None
            else:
                raise self.error("property-missing", f"needs the property '{name}'", help=f"it is {one.codec}")
        return given

    def _build(self, given: dict[str, Any], loc: Location) -> None:
        """Fill the object, infer, and only then enter it in the use lists."""
        self.loc = loc
        self.notes: dict[str, Attribute] = {}
        self.block: Block | None = None
        self.erased = False
        self._previous: Op | None = None
        self._next: Op | None = None
        self.results: tuple[OpResult[Type], ...] = ()
        groups = [one.group(given[one.name]) for one in self.spec.operands]
        self._operands: list[Value[Type]] = [value for group in groups for value in group]
        self._sizes = None if self.spec.fixed else tuple(len(group) for group in groups)
        self._props: dict[str, Any] = {name: given[name] for name in self.spec.props}
        self.regions: tuple[Region, ...] = tuple(given[one.name] for one in self.spec.regions)
        self.check_fields()
        for body in self.regions:
            assert body.parent is None, f"a region of '{self.name}' already has an operation"
            body.parent = self
        self.results = tuple(OpResult(one, self, index) for index, one in enumerate(self.infer_checked()))
        for index, value in enumerate(self._operands):
            value._uses[Use(self, index)] = None

    def check_fields(self) -> None:
        """Check that operands and properties are of the kinds that the fields declare."""
        spec = self.spec
        if self._sizes is None:
            for one, value in zip(spec.operands, self._operands, strict=True):
                if not isinstance(value.type, one.kinds):
                    raise self._wrong_operand(one, value)
        else:
            start = 0
            for one, size in zip(spec.operands, self._sizes, strict=True):
                for value in self._operands[start : start + size]:
                    if not isinstance(value.type, one.kinds):
                        raise self._wrong_operand(one, value)
                start += size
        for name, declared in spec.props.items():
            if not declared.codec.accepts(self._props[name]):
                raise self._wrong_property(declared, self._props[name])

    def infer_checked(self) -> tuple[Type, ...]:
        """`infer()`, with as many types as there are result fields."""
        types = self.infer()
        declared = self.spec.results
        if len(types) != len(declared) and not (any(one.many for one in declared) and len(types) >= len(declared) - 1):
            raise self.error("result-count", f"declares {len(declared)} results, infers {len(types)}")
        return types

    def _wrong_operand(self, one: OperandField, value: Value[Type]) -> IRError:
        expected = " or ".join(kind.__name__ for kind in one.kinds)
        return self.error("operand-type", f"expects {expected} as operand '{one.name}', got {value.type}")

    def _wrong_property(self, one: PropField, value: object) -> IRError:
        got = value.text if isinstance(value, Attribute) else repr(value)
        return self.error("property-type", f"expects {one.codec} as property '{one.name}', got {got}")
