"""Write a module as MLIR's generic syntax, byte for byte as `mlir-opt-19` writes it back.

With `--allow-unregistered-dialect --mlir-print-op-generic --mlir-print-local-scope`, that is.  Properties are
sorted; values are numbered as MLIR numbers them: those of a region before those of the regions inside it, and
of several regions the last one first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compiler.errors import FileLocation, FusedLocation, Location, NodeLocation
from compiler.ir.attributes import Attribute, Type, UnitAttr, quote, results_text
from compiler.ir.op import Op
from compiler.ir.values import Region, Value


def print_module(module: Op, *, locations: bool = False) -> str:
    """The text of an operation and all in it, with a newline at its end."""
    printer = _Printer(module, locations)
    printer.op(module, "")
    return "".join(printer.parts)


class _Printer:
    def __init__(self, root: Op, locations: bool) -> None:
        self.locations = locations
        self.parts: list[str] = []
        self.names = number_values(root)
        self.signatures: dict[tuple[tuple[Type, ...], tuple[Type, ...]], str] = {}

    def op(self, op: Op, indent: str) -> None:
        names, parts = self.names, self.parts
        parts.append(indent)
        if op.results:
            first = names[op.results[0]].partition("#")[0]
            parts.append(f"{first} = " if len(op.results) == 1 else f"{first}:{len(op.results)} = ")
        parts.append(f'"{op.name}"({", ".join([names[value] for value in op.operands])})')
        if properties := op.properties():
            parts.append(f" <{{{dictionary_text(properties)}}}>")
        if op.regions:
            self.regions(op.regions, indent)
        if op.notes:
            parts.append(f" {{{dictionary_text(dict(sorted(op.notes.items())))}}}")
        parts.append(self.signature(op))
        if self.locations:
            parts.append(f" loc({location_text(op.loc)})")
        parts.append("\n")

    def regions(self, regions: Iterable[Region], indent: str) -> None:
        separator = " ("
        for region in regions:
            self.parts.append(f"{separator}{{\n")
            if not region.empty:
                self.block(region, indent)
            self.parts.append(f"{indent}}}")
            separator = ", "
        self.parts.append(")")

    def block(self, region: Region, indent: str) -> None:
        place = " loc(unknown)" if self.locations else ""
        arguments = ", ".join(f"{self.names[one]}: {one.type.text}{place}" for one in region.block.arguments)
        if arguments:
            self.parts.append(f"{indent}^bb0({arguments}):\n")
        elif region.block.first is None:
            self.parts.append(f"{indent}^bb0:\n")
        inner = indent + "  "
        for op in region.block.ops:
            self.op(op, inner)

    def signature(self, op: Op) -> str:
        key = (tuple([value.type for value in op.operands]), op.result_types)
        if key not in self.signatures:
            operands = ", ".join(type.text for type in key[0])
            self.signatures[key] = f" : ({operands}) -> {results_text(key[1])}"
        return self.signatures[key]


def dictionary_text(entries: Mapping[str, Attribute]) -> str:
    """`key = value, ...`; a unit attribute is its key alone."""
    return ", ".join(
        name if isinstance(value, UnitAttr) else f"{name} = {value.text}" for name, value in entries.items()
    )


def number_values(root: Op) -> dict[Value[Type], str]:
    """The name of every value, as MLIR's printer chooses it."""
    names: dict[Value[Type], str] = {}
    next_argument = next_result = 0
    for index, value in enumerate(root.results):
        names[value] = "%0" if len(root.results) == 1 else f"%0#{index}"
        next_result = 1
    stack = list(root.regions)
    while stack:
        region = stack.pop()
        if region.empty:
            continue
        for argument in region.block.arguments:
            names[argument] = f"%arg{next_argument}"
            next_argument += 1
        for op in region.block.ops:
            if op.results:
                if len(op.results) == 1:
                    names[op.results[0]] = f"%{next_result}"
                else:
                    for index, value in enumerate(op.results):
                        names[value] = f"%{next_result}#{index}"
                next_result += 1
            stack.extend(op.regions)
    return names


def location_text(location: Location) -> str:
    """What stands in `loc(...)`; an ONNX node is `"name (Kind)"("file":0:0)`, which xDSL reads too."""
    match location:
        case FileLocation(file, line, column):
            return f"{quote(file)}:{line}:{column}"
        case NodeLocation(name, op_type, file):
            inner = f"({quote(file)}:0:0)" if file else ""
            return quote(f"{name} ({op_type})" if op_type else name) + inner
        case FusedLocation(parts):
            return f"fused[{', '.join(location_text(part) for part in parts)}]"
    return "unknown"
