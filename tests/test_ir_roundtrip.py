"""Text and module are the same thing: what is printed reads back as itself, here and in mlir-opt."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.errors import UNKNOWN, FileLocation, Location, NodeLocation, fuse
from compiler.ir import (
    F32,
    I8,
    I32,
    INDEX,
    UI8,
    ArrayAttr,
    Attribute,
    BoolAttr,
    Context,
    FloatAttr,
    FuncOp,
    FunctionType,
    IntArray,
    IntAttr,
    Module,
    Region,
    ReturnOp,
    Rewriter,
    Scanner,
    StringArray,
    StringAttr,
    SymbolRef,
    TensorType,
    Type,
    UnitAttr,
    Value,
    clone_module,
    parse_module,
    print_module,
    verify,
)
from tests.test_golden import MLIR_OPT
from tests.toy import DIALECT, Activation, LoopOp, MatrixType, MixOp, Quant, ReluOp, TokenType, YieldOp

CONTEXT = Context([DIALECT])
nothing: st.SearchStrategy[list[Any]] = st.just([])
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
words = st.text(max_size=8).filter(lambda text: "\ud800" not in text.encode("utf-8", "replace").decode())
sizes = st.lists(st.integers(0, 300), max_size=4).map(tuple)
elements = st.sampled_from([I8, UI8, I32, F32])
matrices = st.builds(MatrixType, sizes.filter(bool), elements, st.integers(0, 99))
quants = st.builds(
    Quant, floats, integers, st.none() | integers, st.lists(words, max_size=2).map(tuple), elements | matrices
)
tensors = st.builds(TensorType, sizes, elements, st.none() | quants | st.just(Activation.CLIP))
plain_types: st.SearchStrategy[Type] = elements | tensors | matrices | st.sampled_from([INDEX, TokenType()])
types = st.recursive(
    plain_types,
    lambda inner: st.builds(
        FunctionType, st.lists(inner, max_size=2).map(tuple), st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=3,
)
attributes: st.SearchStrategy[Attribute] = st.one_of(
    types,
    quants,
    st.sampled_from([*Activation, UnitAttr(), BoolAttr(True), BoolAttr(False), ArrayAttr(())]),
    st.builds(IntAttr, integers),
    st.builds(StringAttr, words),
    st.builds(FloatAttr, floats),
    st.builds(SymbolRef, st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)),
    st.builds(IntArray, st.lists(st.integers(-100, 100), max_size=3).map(tuple), st.sampled_from([8, 32, 64])),
    st.builds(lambda items: StringArray.of(*items), st.lists(words, min_size=1, max_size=3)),
    st.builds(lambda items: ArrayAttr(tuple(items)), st.lists(quants, max_size=2)),
)
node_names = words.filter(lambda name: not name.endswith(")"))
places: st.SearchStrategy[Location] = st.one_of(
    st.just(UNKNOWN),
    st.builds(FileLocation, words, st.integers(0, 999), st.integers(0, 99)),
    st.builds(NodeLocation, node_names, st.sampled_from(["", "Conv"]), st.sampled_from(["", "net.onnx"])),
)
locations = places | st.lists(places, min_size=2, max_size=3).map(lambda parts: fuse(*parts))


@settings(max_examples=300)
@given(attributes)
def test_attributes_read_back(attribute: Attribute) -> None:
    scanner = Scanner(attribute.text, CONTEXT.attributes)
    assert scanner.attribute() == attribute
    scanner.end()


def fill(data: st.DataObject, rw: Rewriter, visible: list[Value[Type]], depth: int) -> None:
    """Insert operations of every form, reading any value that may be read."""
    for _ in range(data.draw(st.integers(0, 4))):
        tensor_values: list[Any] = [one for one in visible if isinstance(one.type, TensorType)]
        some = st.lists(st.sampled_from(tensor_values), max_size=3) if tensor_values else nothing
        loc = data.draw(locations)
        kind = data.draw(st.sampled_from(["mix", "relu", "loop"]))
        if kind == "relu" and tensor_values:
            visible += rw.insert(ReluOp(data.draw(st.sampled_from(tensor_values)), loc=loc)).results
        elif kind == "loop" and depth < 3:
            arguments = data.draw(st.lists(types, max_size=2))
            loop = rw.insert(LoopOp(tuple(data.draw(some)), Region.of(*arguments), Region.of(), loc=loc))
            for region in (loop.body, loop.done):
                inner = [*visible, *region.block.arguments]
                fill(data, Rewriter.at_end(region.block), inner, depth + 1)
                Rewriter.at_end(region.block).insert(YieldOp(tuple(inner[-2:])))
        elif visible:
            first, others = data.draw(st.sampled_from(visible)), tuple(data.draw(some))
            bias = data.draw(st.sampled_from([None, *others[:1]]))
            mix = MixOp(
                first,
                bias,
                others,
                count=data.draw(integers),
                name_=data.draw(st.none() | words),
                flag=data.draw(st.none() | st.booleans()),
                scale=data.draw(st.none() | floats),
                names=data.draw(st.none() | st.lists(words, max_size=2).map(tuple)),
                quant=data.draw(st.none() | quants),
                loc=loc,
            )
            mix.notes.update(data.draw(st.dictionaries(st.sampled_from(["bscc.a", "bscc.b"]), attributes)))
            visible += rw.insert(mix).results


def draw_module(data: st.DataObject) -> Module:
    """A module with up to two functions of random operations."""
    module = Module(loc=data.draw(locations))
    for index in range(data.draw(st.integers(0, 2))):
        inputs = data.draw(st.lists(types, max_size=3))
        func = Rewriter.at_end(module.body.block).insert(FuncOp.make(f"f{index}", inputs, []))
        fill(data, Rewriter.at_end(func.body.block), list(func.arguments), 0)
        Rewriter.at_end(func.body.block).insert(ReturnOp(()))
    return module


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_modules_read_back(data: st.DataObject) -> None:
    module = draw_module(data)
    verify(module)
    for with_locations in (False, True):
        text = print_module(module, locations=with_locations)
        assert print_module(parse_module(text, CONTEXT), locations=with_locations) == text
        assert print_module(clone_module(module), locations=with_locations) == text


@pytest.mark.skipif(shutil.which(MLIR_OPT[0]) is None, reason="mlir-opt-19 is not installed")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mlir_writes_the_same_bytes(data: st.DataObject) -> None:
    text = print_module(draw_module(data))
    mlir = subprocess.run(MLIR_OPT, input=text, capture_output=True, text=True)
    assert mlir.stderr == ""
    assert mlir.stdout.strip() == text.strip()
