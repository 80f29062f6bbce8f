"""Syntax to operations: names are looked up, types are compared with what `infer()` says."""

from __future__ import annotations

from lark import Token

from compiler.errors import Diagnostic, FileLocation, IRError, Location
from compiler.ir.attributes import Attribute, FunctionType, Type, UnitAttr
from compiler.ir.builtin import Module
from compiler.ir.context import Context
from compiler.ir.op import Op
from compiler.ir.scanner import Scanner
from compiler.ir.store import WeightStore
from compiler.ir.syntax import Entries, OpSyntax, RegionSyntax, read, text_of
from compiler.ir.values import Block, Region, Value
from compiler.ir.verifier import verify

MAX_DEPTH = 64  # what Python's stack can take is a few times more


def parse_module(
    text: str,
    context: Context,
    file: str = "<stdin>",
    *,
    store: WeightStore | None = None,
    check: bool = True,
) -> Module:
    """Read a module and verify it; errors show their source lines."""
    try:
        op = _Builder(context, file).op(read(text, file))
        if not isinstance(op, Module):
            raise op.error("no-module", "is not a module", help='wrap it in "builtin.module"() ({ ... }) : () -> ()')
        if store is not None:
            op.store = store
        if check:
            verify(op)
    except IRError as error:
        raise error.with_source(file, text) from None
    return op


class _Builder:
    def __init__(self, context: Context, file: str) -> None:
        self.context = context
        self.file = file
        self.attributes: dict[str, Attribute] = {}
        self.scope: dict[str, Value[Type]] = {}
        self.defined: list[str] = []
        self.depth = 0

    def place(self, token: Token) -> Location:
        return FileLocation(self.file, token.line or 0, token.column or 0)

    def fail(self, code: str, message: str, token: Token) -> IRError:
        return IRError(Diagnostic(code, message, self.place(token)))

    def op(self, syntax: OpSyntax) -> Op:
        """Make the operation, those in its regions first."""
        place = self.place(syntax.name)
        if self.depth > MAX_DEPTH:
            raise self.fail("too-deep", f"regions nest deeper than {MAX_DEPTH}", syntax.name)
        kind = self.context.op(text_of(syntax.name), place)
        operands = [self.value(token) for token in syntax.operands]
        properties = self.dictionary(syntax.properties)
        regions = [self.region(one, kind.isolated) for one in syntax.regions]
        try:
            op = kind.create(operands, properties, regions, place)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # `infer` met shapes that its author did not think of; to the user the text is at fault.
            message = f"'{kind.name}' cannot take these operands and properties: {error}"
            raise self.fail("cannot-infer", message, syntax.name) from error
        self.check_signature(op, syntax)
        op.loc = syntax.loc or place
        op.notes.update(self.dictionary(syntax.notes))
        self.name_results(op, syntax)
        return op

    def check_signature(self, op: Op, syntax: OpSyntax) -> None:
        """Compare the types as written with what the operands have and the results must have."""
        written = self.attribute(syntax.signature)
        assert isinstance(written, FunctionType)
        operands = tuple(value.type for value in op.operands)
        if written.inputs != operands:
            for index, (said, has) in enumerate(zip(written.inputs, operands, strict=False)):
                if said != has:
                    raise op.error("operand-type", f"says operand {index} is {said}, it is {has}")
            raise op.error("operand-count", f"says {len(written.inputs)} operand types, has {len(operands)} operands")
        if written.results != op.result_types:
            for index, (said, has) in enumerate(zip(written.results, op.result_types, strict=False)):
                if said != has:
                    raise op.error("result-type", f"says result {index} is {said}, infers {has}")
            raise op.error(
                "result-count",
                f"says {len(written.results)} result types, infers {len(op.result_types)} results",
            )

    def name_results(self, op: Op, syntax: OpSyntax) -> None:
        """Let the names on the left mean the results, `%0:2` meaning `%0#0` and `%0#1`."""
        count = sum(max(size, 1) for _, size in syntax.results)
        if syntax.results and count != len(op.results):
            raise op.error("result-count", f"names {count} results, has {len(op.results)}")
        start = 0
        for token, size in syntax.results:
            if size:
                for index in range(size):
                    self.define(token, f"{token}#{index}", op.results[start + index])
            else:
                self.define(token, str(token), op.results[start])
            start += max(size, 1)

    def define(self, token: Token, name: str, value: Value[Type]) -> None:
        if name in self.scope:
            raise self.fail("value-repeated", f"'{name}' is defined twice", token)
        self.scope[name] = value
        self.defined.append(name)

    def value(self, token: Token) -> Value[Type]:
        if token not in self.scope:
            raise self.fail("value-undefined", f"'{token}' is not defined before this", token)
        return self.scope[token]

    def region(self, syntax: RegionSyntax, isolated: bool) -> Region:
        """Make a region; the names it defines end with it."""
        if syntax.header is None and not syntax.ops:
            return Region()
        self.depth += 1
        outer, count = self.scope, len(self.defined)
        self.scope = {} if isolated else outer
        arguments = syntax.header.arguments if syntax.header else []
        block = Block([self.type(token) for _, token in arguments])
        for (name, _), argument in zip(arguments, block.arguments, strict=True):
            self.define(name, str(name), argument)
        for op in syntax.ops:
            block._insert(self.op(op), None)
        for ended in self.defined[count:]:
            del self.scope[ended]
        del self.defined[count:]
        self.scope = outer
        self.depth -= 1
        return Region(block)

    def dictionary(self, entries: Entries) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {}
        for name, token in entries:
            if name in found:
                raise self.fail("property-repeated", f"'{name}' is given twice", name)
            found[str(name)] = UnitAttr() if token is None else self.attribute(token)
        return found

    def type(self, token: Token) -> Type:
        attribute = self.attribute(token)
        if not isinstance(attribute, Type):
            raise self.fail("syntax", f"expected a type, got {attribute}", token)
        return attribute

    def attribute(self, token: Token) -> Attribute:
        """Read an attribute; the same text is read once."""
        if token not in self.attributes:
            scanner = Scanner(str(token), self.context.attributes, self.place(token))
            self.attributes[str(token)] = scanner.attribute()
            scanner.end()
        return self.attributes[token]
