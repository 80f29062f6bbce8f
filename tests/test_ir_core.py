"""Operations, their fields, use lists, locations and errors."""

from __future__ import annotations

import time

import pytest

from compiler.errors import (
    UNKNOWN,
    BsccError,
    Diagnostic,
    DoesNotFit,
    FileLocation,
    FusedLocation,
    IRError,
    Limit,
    NodeLocation,
    Reason,
    UnsupportedModel,
    UsageError,
    fuse,
    nearest,
)
from compiler.ir import (
    I8,
    UI8,
    Context,
    FuncOp,
    IntAttr,
    IntegerType,
    Module,
    Region,
    ReturnOp,
    Rewriter,
    StringArray,
    TensorType,
    Use,
    Value,
    parse_module,
    print_module,
    verify,
)
from tests.toy import (
    DIALECT,
    Activation,
    ConvOp,
    LoopOp,
    MatrixType,
    MixOp,
    Quant,
    ReluOp,
    TokenType,
    WeightOp,
    YieldOp,
)

X = TensorType((1, 8, 8, 16), I8)
Y = TensorType((1, 8, 8, 32), I8)
W = MatrixType((32, 16), I8, 5)
CONTEXT = Context([DIALECT])
LOC = NodeLocation("Conv_1", "Conv")


def small() -> tuple[Module, ConvOp, ReluOp]:
    """main(x) = relu(conv(x, w))."""
    module = Module()
    func = Rewriter.at_end(module.body.block).insert(FuncOp.make("main", [X], [Y]))
    rw = Rewriter.at_end(func.body.block)
    weight = rw.insert(WeightOp("w", W))
    conv = rw.insert(ConvOp(func.arguments[0].typed(TensorType), weight.y, (1, 1), loc=LOC))
    relu = rw.insert(ReluOp(conv.y))
    rw.insert(ReturnOp((relu.y,)))
    return module, conv, relu


def value(type: TensorType = X) -> Value[TensorType]:
    return Region.of(type).block.arguments[0].typed(TensorType)


def test_fields_read_what_was_given() -> None:
    module, conv, relu = small()
    verify(module)
    assert conv.strides == (1, 1) and conv.act is None and conv.y.type == Y
    assert conv.operands == (conv.x, conv.weight) and relu.x is conv.y and relu.x.op is conv
    assert conv.y.uses == (Use(relu, 0),) and conv.y.used_once and conv.y.users == (relu,)
    assert conv.parent is next(module.functions) and conv.next is relu and relu.previous is conv
    assert list(conv.properties()) == ["strides"] and conv.fields()["strides"] == (1, 1)
    assert module.function("main").return_op.values == (relu.y,)


def test_fields_are_read_only() -> None:
    _, conv, _ = small()
    with pytest.raises(AttributeError, match="read only"):
        conv.strides = (2, 2)


def test_groups_that_vary() -> None:
    x, a, b = value(), value(), value(Y)
    mix = MixOp(x, None, (a, b))
    assert mix.first is x and mix.bias is None and mix.others == (a, b)
    assert [one.type for one in mix.results] == [X, X, Y, TokenType()]
    assert mix.head is mix.results[0] and mix.rest == mix.results[1:3] and mix.tail is mix.results[3]
    assert MixOp(x, a, ()).bias is a and MixOp(x, a, ()).rest == ()
    assert mix.properties()["operandSegmentSizes"].text == "array<i32: 1, 0, 2>"


def test_constructor_mistakes() -> None:
    with pytest.raises(TypeError, match="misses 'x'"):
        ReluOp()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected"):
        ReluOp(value(), z=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes 1"):
        ReluOp(value(), value())  # type: ignore[call-arg, arg-type]
    weight = WeightOp("w", W)
    with pytest.raises(IRError, match="expects TensorType as operand 'x', got !toy"):
        ReluOp(weight.y)  # type: ignore[arg-type]
    with pytest.raises(IRError, match="expects tuple of int as property 'strides', got 'same'"):
        ConvOp(value(), weight.y, "same")  # type: ignore[arg-type]
    with pytest.raises(IRError, match="expects int as property 'count', got True"):
        MixOp(value(), None, (), count=True)


def test_failed_construction_leaves_no_use() -> None:
    x = value()
    with pytest.raises(IRError, match="expects 16 weight columns, got 17"):
        ConvOp(x, WeightOp("w", MatrixType((32, 17), I8, 1)).y, (1, 1))
    assert not x.used


def test_attributes_are_values() -> None:
    assert Quant(0.5) == Quant(0.5) and hash(Quant(0.5)) == hash(Quant(0.5)) and Quant(0.5) != Quant(0.25)
    assert TensorType((1, 2), UI8).text == "tensor<1x2xui8>" and TensorType((), I8).text == "tensor<i8>"
    assert TensorType((2, 3, 4), I8).elements == 24 and IntAttr(3, IntegerType(16)).text == "3 : i16"
    assert Activation.RELU.text == "#toy.act<relu>" and StringArray.of("a").values == ("a",)
    assert str(Quant(0.5, 3, None, ("a",))) == '#toy.quant<scale = 0.5, zero = 3, names = ["a"], element = i8>'


def test_verify_sees_a_reader_before_its_value() -> None:
    module, conv, relu = small()
    Rewriter().move_before(conv, relu)
    with pytest.raises(IRError, match=r"reads as operand 0 a value of 'toy.conv' that is not defined before"):
        verify(module)


def test_verify_sees_a_value_of_an_inner_region() -> None:
    module, conv, _ = small()
    rw = Rewriter.behind(conv)
    loop = rw.insert(LoopOp((), Region.of(), Region()))
    inner = Rewriter.at_end(loop.body.block).insert(ReluOp(conv.y))
    verify(module)
    rw.insert(YieldOp((inner.y,)))
    with pytest.raises(IRError, match="not-dominated"):
        verify(module)


def test_verify_sees_an_erased_maker_and_a_stale_type() -> None:
    module, _, relu = small()
    relu.y._type = X
    with pytest.raises(IRError, match="infers tensor<1x8x8x32xi8>, has") as error:
        verify(module)
    assert [one.code for one in error.value.diagnostics] == ["result-type", "function-results"]


def test_walk_goes_on_while_operations_go() -> None:
    module, conv, relu = small()
    seen = []
    for op in module.walk():
        seen.append(op.name)
        if op is conv:
            rw = Rewriter()
            rw.replace(relu, conv.y)
    assert seen == ["builtin.module", "func.func", "toy.weight", "toy.conv", "func.return"]
    verify(module)


def test_module_finds_functions() -> None:
    module, _, _ = small()
    with pytest.raises(UsageError, match="did you mean 'main'"):
        module.function("man")


def test_locations() -> None:
    a, b = NodeLocation("Conv_17", "Conv", "net.onnx"), NodeLocation("Relu_18", "Relu")
    assert str(a) == "net.onnx: node 'Conv_17' (Conv)"
    assert fuse(a, UNKNOWN, b, a) == FusedLocation((a, b)) and fuse(fuse(a, b), a) == fuse(a, b)
    assert fuse(UNKNOWN) == UNKNOWN and fuse(a, a) == a
    assert str(fuse(a, b)) == "net.onnx: node 'Conv_17' (Conv) and node 'Relu_18' (Relu)"


def test_diagnostics_show_place_source_notes_and_help() -> None:
    text = 'a\n  %1 = "toy.conv"(%0)\n'
    diagnostic = Diagnostic("code", "is wrong", FileLocation("f.mlir", 2, 8), ("one", "two"), "do better")
    assert str(diagnostic.with_source("f.mlir", text)).split("\n") == [
        "f.mlir:2:8: error[code]: is wrong",
        '  %1 = "toy.conv"(%0)',
        "       ^^^^^^^^^^",
        "  note: one",
        "  note: two",
        "  help: do better",
    ]
    assert str(Diagnostic("code", "is wrong")) == "error[code]: is wrong"
    assert str(diagnostic.with_source("other", text)) == str(diagnostic)


def test_errors_have_exit_codes() -> None:
    one = Reason("a", "b", limit=Limit("size", "1", "2"))
    assert [kind(one).exit_code for kind in (BsccError, UsageError, IRError, UnsupportedModel, DoesNotFit)] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert str(BsccError(one, Diagnostic("c", "d"))) == "error[a]: b\nerror[c]: d"
    assert nearest("cov", ["conv", "relu"]) == "did you mean 'conv'? known: conv, relu"
    many = nearest("conv77", [f"conv{index}" for index in range(1000)])
    assert many.startswith("did you mean 'conv77'? known: conv0, conv1,") and many.endswith("conv39 and 960 more")


def test_twenty_thousand_operations_are_quick() -> None:
    module = Module()
    func = Rewriter.at_end(module.body.block).insert(FuncOp.make("main", [Y], []))
    rw = Rewriter.at_end(func.body.block)
    last = func.arguments[0].typed(TensorType)
    for _ in range(20_000):
        last = rw.insert(ReluOp(last)).y
    rw.insert(ReturnOp(()))
    start = time.perf_counter()
    verify(module)
    text = print_module(module)
    assert time.perf_counter() - start < 2
    assert text.count("\n") == 20_006


def test_parse_takes_a_store() -> None:
    module, _, _ = small()
    again = parse_module(print_module(module), CONTEXT, store=module.store)
    assert again.store is module.store
