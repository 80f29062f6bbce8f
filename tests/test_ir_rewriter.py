"""The rewriter keeps the IR whole; patterns run until none applies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.errors import InternalError, UnreadableInput
from compiler.ir import (
    I8,
    I32,
    Op,
    Region,
    Rewriter,
    TensorType,
    WeightStore,
    apply_patterns,
    clone_module,
    print_module,
    rewrites,
    verify,
)
from tests.test_ir_core import X, Y, small, value
from tests.toy import Activation, ConvOp, LoopOp, MatrixType, ReluOp, WeightOp


@rewrites(ReluOp)
def relu_of_conv(relu: ReluOp, rw: Rewriter) -> bool:
    """relu(conv(x)) -> conv(x) {act = relu}"""
    conv = relu.x.op
    if not isinstance(conv, ConvOp) or conv.act is not None:
        return False
    rw.replace(relu, rw.copy(conv, act=Activation.RELU))
    return True


def test_pattern_fuses_and_the_unread_goes() -> None:
    module, conv, relu = small()
    assert apply_patterns((relu_of_conv,), module) == 1
    verify(module)
    assert [op.name for op in module.walk()][2:] == ["toy.weight", "toy.conv", "func.return"]
    assert relu.erased and conv.erased
    assert next(module.walk(ConvOp)).act is Activation.RELU
    assert apply_patterns((relu_of_conv,), module) == 0


def test_pattern_without_end_is_stopped() -> None:
    @rewrites(ReluOp)
    def again(relu: ReluOp, rw: Rewriter) -> bool:
        """relu(x) -> relu(x)"""
        rw.replace(relu, rw.copy(relu))
        return True

    module, _, _ = small()
    with pytest.raises(InternalError, match="'again' still applies"):
        apply_patterns((again,), module)


def test_pattern_for_every_operation() -> None:
    seen = []

    @rewrites(Op)
    def look(op: Op, rw: Rewriter) -> bool:
        """Change nothing."""
        seen.append(op.name)
        return False

    module, _, _ = small()
    apply_patterns((look,), module)
    assert len(seen) == 6


def test_change_refreshes_result_types() -> None:
    _, conv, relu = small()
    weight = conv.weight.op
    assert isinstance(weight, WeightOp)
    rw = Rewriter()
    rw.change(weight, type=MatrixType((48, 16), I8, 5))
    rw.refresh(conv)
    rw.refresh(relu)
    assert relu.y.type == TensorType((1, 8, 8, 48), I8)


def test_copy_takes_other_operands_and_keeps_the_rest() -> None:
    _, conv, _ = small()
    conv.notes["bscc.seen"] = Activation.CLIP
    other = value()
    copy = Rewriter().copy(conv, x=other)
    assert copy.x is other and copy.weight is conv.weight and copy.loc == conv.loc
    assert copy.notes == conv.notes and copy.block is None and copy.y is not conv.y


def test_copy_of_regions_is_deep() -> None:
    module, conv, relu = small()
    loop = Rewriter.behind(conv).insert(LoopOp((conv.y,), Region.of(I32), Region()))
    Rewriter.at_end(loop.body.block).insert(ReluOp(conv.y))
    copy = Rewriter.behind(loop).insert(Rewriter().copy(loop))
    verify(module)
    Rewriter().erase(loop)
    verify(module)
    (inner,) = copy.walk(ReluOp)
    assert set(conv.y.users) == {relu, copy, inner}


def test_clone_shares_nothing() -> None:
    module, conv, _ = small()
    text = print_module(module)
    clone = clone_module(module)
    verify(clone)
    assert print_module(clone) == text and next(clone.walk(ConvOp)) is not conv
    apply_patterns((relu_of_conv,), clone)
    assert print_module(module) == text


def test_replace_all_uses_can_leave_some() -> None:
    module, _, relu = small()
    clip = Rewriter.behind(relu).insert(ReluOp(relu.y))
    Rewriter().replace_all_uses(relu.y, clip.y, unless=lambda use: use.op is clip)
    verify(module)
    assert clip.x is relu.y and relu.y.users == (clip,) and module.function().return_op.values == (clip.y,)


def test_insertion_points() -> None:
    module, conv, relu = small()
    block = module.function().body.block
    assert Rewriter.at_end(block).insert(WeightOp("end", conv.weight.type)).next is module.function().return_op
    assert Rewriter.at_start(block).insert(WeightOp("start", conv.weight.type)) is block.first
    rw = Rewriter.at(conv)
    one, two = (rw.insert(WeightOp(name, conv.weight.type)) for name in "ab")
    assert one.next is two and two.next is conv and conv.next is relu
    Rewriter().insert_after(relu, WeightOp("after", conv.weight.type))
    verify(module)
    assert [op.symbol for op in module.walk(WeightOp)] == ["start", "w", "a", "b", "after", "end"]


def test_arguments_can_be_added_and_retyped() -> None:
    block = Region.of(X).block
    rw = Rewriter()
    argument = rw.add_argument(block, X)
    rw.retype(argument, Y)
    assert [one.type for one in block.arguments] == [X, Y] and argument.index == 1


def test_store(tmp_path: Path) -> None:
    store = WeightStore()
    array = np.arange(6, dtype=np.int8).reshape(2, 3)
    store["w"] = array
    array[0, 0] = 9
    assert store["w"][0, 0] == 0 and not store["w"].flags.writeable
    assert len(store.digest("w")) == 16 and store.digest("w") != WeightStore().copy().__class__.__name__
    assert store.add("w", store["w"]) == "w" and store.add("w", array) == "w_1" and store.add("w", array) == "w_1"
    store.save(tmp_path / "a.npz")
    store.copy().save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = WeightStore.load(tmp_path / "a.npz")
    assert list(again) == ["w", "w_1"] and again.digest("w_1") == store.digest("w_1")
    (tmp_path / "c.npz").write_bytes(b"PK no")
    with pytest.raises(UnreadableInput, match="cannot read weights"):
        WeightStore.load(tmp_path / "c.npz")
    with pytest.raises(UnreadableInput, match="no weights are stored for 'v'"):
        store["v"]
