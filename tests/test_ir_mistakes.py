"""Odd text is an error with a place, and never a traceback."""

from __future__ import annotations

import random
import re

import pytest

from compiler.errors import BsccError, IRError
from compiler.ir import Context, parse_module, print_module
from tests.test_golden import CASES, GOLDEN, MARK
from tests.toy import DIALECT

CONTEXT = Context([DIALECT])
HEAD = '"builtin.module"() ({\n  ^bb0(%arg0: i8):\n    '
TAIL = "\n}) : () -> ()\n"
TOKENS = ["#", "!", '"', "\\", "%", "9" * 30, "{", "}", "<", ">", "é", "\0", "i0", "true", "-", "(", ")", "@"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '"toy.loop"() ({\n^bb0(%a: #toy.act<relu>):\n}, {}) : () -> ()',
            "<stdin>:4:10: error[syntax]: expected a type",
        ),
        ('"toy.weight"() <{symbol = "w", type = !toy.token<x>}> : () -> i8', "unexpected word 'x'"),
        ('"toy.weight"() <{symbol = "w", type = !toy.mat}> : () -> i8', "expected a type, got the end"),
        (
            '"toy.mix"(%arg0) <{quant = #toy.quant<zero = 3>}> : (i8) -> i8',
            "3:51: error[syntax]: 'scale' is missing",
        ),
        (
            '"toy.mix"(%arg0) <{quant = #toy.quant<scale = 1.0, scale2 = 3>}> : (i8) -> i8',
            "did you mean 'scale'",
        ),
        ('"toy.mix"(%arg0) <{count = 3 : f32}> : (i8) -> i8', "an integer cannot be of type f32"),
        (
            '"toy.mix"(%arg0) <{operandSegmentSizes = array<i32: 1, 0, 0>, count = 3 : i32}> : (i8) -> i8',
            "got 3 : i32",
        ),
        (
            '"toy.mix"(%arg0) <{operandSegmentSizes = array<i32: -1, 1, 1>}> : (i8) -> i8',
            "expects one 'first', got -1",
        ),
        ('"toy.mix"(%arg0) <{operandSegmentSizes = array<i32: 1, 0, 3>}> : (i8) -> i8', "got 1 operands"),
        (
            f'"toy.loop"() <{{a = {"9" * 5000} : i64}}> ({{}}, {{}}) : () -> ()',
            "an integer of 5000 digits is too large",
        ),
        ('"toy.relu"(%arg0, %arg0) : (i8) -> i8', "expects x (one), got 2 operands"),
        ('"toy.loop"(%arg0) ({}, {}) : (i8, i8) -> ()', "says 2 operand types, has 1 operands"),
        ('"toy.loop"() ({\n' * 100 + "}, {}) : () -> ()" * 100, "regions nest deeper than 64"),
        ("%0:99999999999 = ", "unexpected '99'"),
        ("/ a", "unexpected '/'"),
    ],
)
def test_message(text: str, message: str) -> None:
    with pytest.raises(IRError) as error:
        parse_module(HEAD + text + TAIL, CONTEXT)
    assert message in str(error.value)


def test_infer_that_fails_is_an_error_of_the_text() -> None:
    weight = "!toy.mat<2xi8, kept = 1>"
    text = f"""%0 = "toy.weight"() <{{symbol = "w", type = {weight}}}> : () -> {weight}
%1 = "toy.relu"(%t) : (tensor<2xi8>) -> tensor<2xi8>
%2 = "toy.conv"(%1, %0) <{{strides = array<i64>}}> : (tensor<2xi8>, {weight}) -> i8"""
    with pytest.raises(IRError, match=r"5:6: error\[cannot-infer\]: 'toy.conv' cannot take these operands"):
        parse_module(HEAD.replace("%arg0: i8", "%t: tensor<2xi8>") + text + TAIL, CONTEXT)


@pytest.mark.parametrize("seed", range(300))
def test_damaged_text(seed: int) -> None:
    rng = random.Random(seed)
    text = (GOLDEN / rng.choice(CASES)).read_text(encoding="utf-8").partition(MARK)[0]
    tokens = re.findall(r"\w+|\s+|.", text)
    for _ in range(rng.randint(1, 3)):
        index = rng.randrange(len(tokens))
        tokens[index : index + rng.randint(0, 1)] = rng.choice([[], [rng.choice(tokens)], [rng.choice(TOKENS)]])
    try:
        printed = print_module(parse_module("".join(tokens), CONTEXT))
    except BsccError as error:
        assert str(error)
    else:
        assert print_module(parse_module(printed, CONTEXT)) == printed
