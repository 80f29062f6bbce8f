"""What is refused, or runs on the host, says as data what of it, which limit, what was found, and what to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from compiler.driver import Host, Options, check_model
from compiler.driver.host import facts
from compiler.errors import UNKNOWN, BsccError, Diagnostic, Limit, Reason
from compiler.frontend import read_graph
from compiler.frontend.partition import DERIVED
from compiler.frontend.reasons import Code, Refusal
from compiler.frontend.refusals import refusals
from tests.bad_cases import bad_cases
from tests.bad_formats import format_cases
from tests.bad_models import Bad
from tests.floatnets import FloatNet
from tests.hostnets import NETS
from tests.netbuilder import Style
from tests.netmoves import Moves
from tests.onnx_nodes import OPERATORS, Case, Twin, cases
from tests.test_moves_rules import REFUSED

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "host.md").read_text(encoding="utf-8")
_LINES = [one for one in PAGE.splitlines() if one.startswith("| `") or one.startswith("Of a model as a whole")]
DOCUMENTED = {code for line in _LINES for code in re.findall(r"`([a-z0-9-]+)`", line.split(" | ")[0])}
REFUSED_MODELS = tuple(
    one for one in (*bad_cases(), *format_cases()) if one.exit_code == 4 and one.name != "three_gigabytes"
)


def whole(code: str, message: str, found: dict[str, str | None]) -> None:
    """All facts are there, in one line each, and the code is a documented one."""
    for key in ("attribute", "limit", "found"):
        assert found[key], f"{code}: {message}: no {key}"
        assert "\n" not in str(found[key])
    assert "\n" not in message
    assert code in DOCUMENTED, f"docs/host.md does not tell of {code}"


def whole_diagnostic(one: Diagnostic) -> None:
    assert isinstance(one, Reason), one.code
    whole(one.code, one.message, facts(one))


def test_every_kind_is_documented() -> None:
    assert {*Code, *DERIVED} <= DOCUMENTED


@pytest.mark.parametrize("bad", REFUSED_MODELS, ids=lambda bad: bad.name)
def test_refused_models(bad: Bad, tmp_path: Path) -> None:
    found = check_model(bad.write(tmp_path), Options(host=Host.OFF))
    assert found.problems
    for one in found.problems:
        whole_diagnostic(one)
        assert one.help, "each of these models can be changed"
    for row in found.to_dict()["problems"]:
        assert row["attribute"] and row["limit"] and row["found"]


@pytest.mark.parametrize("name", NETS)
def test_host_nodes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(NETS[name](True).SerializeToString())
    host = check_model(path).host
    for row in host["reasons"] if host else ():
        whole(row["code"], row["reason"], row)
        assert row["help"]


@pytest.mark.parametrize("name", REFUSED)
def test_moves(name: str, tmp_path: Path) -> None:
    net = Moves(3, (16, 9, 7), Style(opset=19))
    path = tmp_path / "model.onnx"
    path.write_bytes(net.finish(REFUSED[name][0](net, net.x)).SerializeToString())
    found = refusals(read_graph(path))
    assert found
    for one in found.values():
        whole_diagnostic(one)
        assert one.help


def refused_twins(path: Path) -> Iterator[tuple[Case, Diagnostic]]:
    """What of ONNX's node tests cannot be translated."""
    for case in cases():
        path.write_bytes(Twin(case).model.SerializeToString())
        try:
            graph = read_graph(path)
        except BsccError as error:
            yield from ((case, one) for one in error.diagnostics if error.exit_code == 4)
        else:
            yield from ((case, one) for one in refusals(graph).values())


def test_node_tests(tmp_path: Path) -> None:
    found = list(refused_twins(tmp_path / "model.onnx"))
    for _, one in found:
        whole_diagnostic(one)
    operators = {case.operator for case, _ in found}
    assert len(found) > 100 and len(operators) > 20 and operators <= set(OPERATORS.split())


def test_sentences() -> None:
    assert str(Limit("mode", "nearest", "linear")) == "its mode is linear, expected nearest"
    assert str(Limit("axis", "1", "2")) == "its axis is 2, expected 1"
    assert str(Limit("dilations", "[1, 1]", "[2, 2]")) == "its dilations are [2, 2], expected [1, 1]"
    assert str(Limit("number of scales", "1", "2")) == "its number of scales is 2, expected 1"
    one = Refusal(Code.ATTRIBUTE, "pads", (0, 0), (1, 2), help="none").at(UNKNOWN)
    assert (one.code, one.message) == ("unsupported-attribute", "its pads are [1, 2], expected [0, 0]")


def test_a_sentence_alone_is_what_was_found() -> None:
    """Errors of passes that say no facts are reasons all the same."""
    one = Reason.of(Diagnostic("accumulator", "sums can reach 9", help="less"))
    assert (one.limit.attribute, one.limit.found, one.help) == ("accumulator", "sums can reach 9", "less")
    assert Reason.of(one) is one
    facts_of = Limit("sums", "8", "9")
    assert Reason.of(Diagnostic("accumulator", "sums can reach 9", limit=facts_of)).limit is facts_of


def test_no_way_out_leads_to_an_input() -> None:
    """`--output` takes what the model computes, so that it is no help for the first node."""
    for first in (False, True):
        net = FloatNet((1, 3, 8, 8))
        graph = read_graph("model", model=net.finish(net.add("Softmax", net.x if first else net.conv(net.x, 8))))
        (softmax,) = (one for one in refusals(graph).values() if one.code == "unsupported-op")
        assert softmax.help and ("--output" in softmax.help) is not first


def test_a_model_for_the_host_alone_says_so(tmp_path: Path) -> None:
    """Each operator by itself would be left to the host: why is the model refused?"""
    net = FloatNet((1, 3, 8, 8))
    path = tmp_path / "model.onnx"
    path.write_bytes(net.finish(net.add("Softmax", net.add("Softmax", net.x))).SerializeToString())
    notes = [one.notes for one in check_model(path).problems]
    assert notes == [(), ("nothing of the model is left for the array, and the host alone needs no plan",)]


def test_a_result_that_onnx_infers_as_no_image(tmp_path: Path) -> None:
    """Of an output_shape smaller than the input, onnx says but [N, C]."""
    net = FloatNet((1, 3, 8, 8))
    weight = net.store(net.rng.standard_normal((3, 8, 3, 3), np.float32))
    model = net.finish(net.add("ConvTranspose", net.x, weight, strides=[2, 2], output_shape=[3, 3]))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    found = [facts(one) for one in check_model(path).problems if "ConvTranspose" in str(one.place)]
    assert [(one["attribute"], one["limit"], one["found"]) for one in found] == [("result rank", "4", "2")]
