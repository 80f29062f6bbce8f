"""Pipelines have a text form; the manager holds passes to their promises."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import DoesNotFit, InternalError, IRError, UsageError
from compiler.ir import Module
from compiler.pass_manager import (
    Check,
    DumpIR,
    Instrument,
    PassManager,
    PassPipeline,
    PrintIR,
    RoundTrip,
    Timing,
)
from compiler.target import Target
from tests.test_ir_core import CONTEXT, small
from tests.toy import Quant
from tests.toy_passes import PASSES, TOY, Order, ToyFuse, ToyLimit

TARGET = Target.load("aie2-4x4")


def run(text: str, module: Module, instruments: Sequence[Instrument] = (), verify_each: bool = True) -> None:
    PassManager(PassPipeline.parse(text, PASSES), TARGET, instruments, verify_each).run(module)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("", ""),
        (" toy-fuse , toy-limit ", "toy-fuse,toy-limit"),
        ("toy-limit{}", "toy-limit"),
        ("toy-limit{max-channels=64 strict=true}", "toy-limit"),
        (
            "toy-limit{ strict=false  max-channels=3 },toy-fuse",
            "toy-limit{max-channels=3 strict=false},toy-fuse",
        ),
        ("builtin.module(toy-fuse,toy-limit{order=last})", "toy-fuse,toy-limit{order=last}"),
        ("toy-limit{strict}", "toy-limit"),
        ("toy-limit{sizes=1,2,3},toy-fuse", "toy-limit{sizes=1,2,3},toy-fuse"),
        ('toy-limit{label="a } b\\"" sizes=""}', 'toy-limit{sizes="" label="a } b\\""}'),
    ],
)
def test_text_of_a_pipeline(text: str, again: str) -> None:
    pipeline = PassPipeline.parse(text, PASSES)
    assert str(pipeline) == again
    assert PassPipeline.parse(again, PASSES) == pipeline
    assert PassPipeline.parse(pipeline.text(every=True), PASSES) == pipeline


@given(
    st.builds(
        ToyLimit,
        st.integers(),
        st.booleans(),
        st.sampled_from(Order),
        st.lists(st.integers(), max_size=3).map(tuple),
        st.none() | st.text(max_size=5).filter(lambda text: text != "none"),
    )
)
def test_any_pass_reads_back(one: ToyLimit) -> None:
    pipeline = PassPipeline((one, ToyFuse()))
    assert PassPipeline.parse(str(pipeline), PASSES) == pipeline
    assert PassPipeline.parse(pipeline.text(every=True), PASSES) == pipeline


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toy-fused", "there is no pass 'toy-fused'\n  help: did you mean 'toy-fuse'?"),
        ("toy-limit{max-chanels=3}", "has no option 'max-chanels'\n  help: did you mean 'max-channels'?"),
        ("toy-limit{max_channels=3}", "did you mean 'max-channels'?"),
        ("toy-limit{order=frist}", "did you mean 'first'?"),
        ("toy-limit{strict=yes}", "expected true or false"),
        ("toy-limit{max-channels=}", "expected an integer"),
        ("toy-limit{strict=true strict=true}", "given twice"),
        ("toy-fuse{x", "has no option|expected an option"),
        ("toy-fuse toy-limit", "expected ',', got 'toy-limit'"),
        ("toy-fuse,", "expected the name of a pass, got the end"),
        (",", "expected the name of a pass"),
    ],
)
def test_mistakes_in_a_pipeline(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PassPipeline.parse(text, PASSES)


def test_promises_are_checked() -> None:
    with pytest.raises(InternalError, match="no place in a module that is 'toy-fused'"):
        run("toy-lower", small()[0])
    with pytest.raises(IRError, match="the pass 'toy-after' requires it"):
        run("toy-after", small()[0])
    with pytest.raises(InternalError, match="'toy-break': this is a bug of bscc"):
        run("toy-break", small()[0])
    run("toy-break", small()[0], verify_each=False)
    run("toy-fuse,toy-lower,toy-after", small()[0])
    with pytest.raises(DoesNotFit, match="has 32 channels, allowed are 31"):
        run("toy-limit{max-channels=32}", small()[0])


def test_instruments(tmp_path: Path) -> None:
    module = small()[0]
    seen: list[tuple[str, int]] = []
    everything, changes, timing = io.StringIO(), io.StringIO(), Timing()
    instruments = [
        timing,
        PrintIR(everything),
        PrintIR(changes, only_changes=True),
        DumpIR(tmp_path / "ir"),
        Check(lambda name, after: seen.append((name, len(list(after.walk()))))),
        RoundTrip(CONTEXT),
    ]
    run("toy-fuse,toy-limit", module, instruments)
    assert seen == [("toy-fuse", 5), ("toy-limit", 5)]
    assert everything.getvalue().count("IR dump after") == 2
    assert changes.getvalue().count("IR dump after toy-fuse //") == 1 == changes.getvalue().count("IR dump")
    names = sorted(path.name for path in (tmp_path / "ir").iterdir())
    assert names == ["00-input.mlir", "01-toy-fuse.mlir", "02-toy-limit.mlir"]
    assert [name for name, _ in timing.seconds] == ["toy-fuse", "toy-limit"] and "total" in timing.table()


def test_a_check_that_fails_stops_the_pipeline() -> None:
    def check(name: str, module: Module) -> None:
        raise ValueError(name)

    with pytest.raises(ValueError, match="toy-fuse"):
        run("toy-fuse,toy-limit", small()[0], [Check(check)])


def test_text_that_does_not_read_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module, conv, _ = small()
    monkeypatch.setattr(Quant, "body", lambda self: f"scale = {self.scale / 2}")
    conv.notes["bscc.quant"] = Quant(1.0)
    with pytest.raises(InternalError, match="after 'reading' does not read back as itself, first in line 5"):
        RoundTrip(CONTEXT).start(module)


def test_stage_names_every_kind_once() -> None:
    assert TOY.ops is not None and "toy.conv" in TOY.ops
    TOY.check(small()[0])
