"""`bscc-opt` as a user of mlir-opt types it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from compiler import pipeline
from compiler.cli.opt import main
from compiler.ir import WeightStore, print_module
from tests import toy, toy_passes
from tests.test_ir_core import small

TEXT = print_module(small()[0])
BAD = TEXT.replace("toy.relu", "toy.rely")


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "DIALECTS", (toy.DIALECT,))
    monkeypatch.setattr(pipeline, "PASSES", toy_passes.PASSES)
    monkeypatch.setattr(pipeline, "DEFAULT_PIPELINE", "toy-fuse,toy-lower")


@pytest.fixture
def opt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Opt:
    return Opt(monkeypatch, capsys)


class Opt:
    """Runs the command on a text given to stdin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *argv: str, text: str = TEXT) -> tuple[int, str, str]:
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        code = main(argv)
        output = self.capsys.readouterr()
        return code, output.out, output.err


def test_text_in_text_out(opt: Opt) -> None:
    assert opt() == (0, TEXT, "")
    assert opt("--verify-roundtrip", "--mlir-print-op-generic", "-") == (0, TEXT, "")


def test_files(opt: Opt, tmp_path: Path) -> None:
    (tmp_path / "in.mlir").write_text(TEXT)
    assert opt(str(tmp_path / "in.mlir"), "-o", str(tmp_path / "out.mlir")) == (0, "", "")
    assert (tmp_path / "out.mlir").read_text() == TEXT
    code, out, err = opt(str(tmp_path / "none.mlir"))
    assert (code, out) == (3, "") and "cannot read the file: No such file" in err
    (tmp_path / "bytes.mlir").write_bytes(b"\xff\xfe")
    assert opt(str(tmp_path / "bytes.mlir"))[0] == 3
    assert opt("-o", str(tmp_path / "no" / "where"))[0] == 2


def test_passes_run(opt: Opt) -> None:
    code, out, err = opt("--pass-pipeline", "toy-fuse,toy-limit{max-channels=64}")
    assert code == 0 and "toy.relu" not in out and err == ""
    assert opt("--pass-pipeline=builtin.module(toy-fuse)")[1] == out
    assert opt("--default-pipeline")[1] == out


def test_errors_go_to_stderr_with_their_code(opt: Opt) -> None:
    code, out, err = opt("--pass-pipeline", "toy-limit{max-channels=32}")
    assert (code, out) == (5, "") and err.startswith("<stdin>:5:10: error[toy-limit]: 'toy.conv' has 32 ")
    code, out, err = opt(text=BAD)
    assert (code, out) == (3, "") and err.startswith("<stdin>:6:10: error[unknown-op]: unknown operation")
    assert opt("--pass-pipeline", "toy-lower")[0] == 1
    assert opt("--pass-pipeline", "toy-nothing")[0] == 2


def test_verify_each_can_be_switched_off(opt: Opt) -> None:
    assert opt("--pass-pipeline", "toy-break")[0] == 1
    assert opt("--pass-pipeline", "toy-break", "--no-verify-each")[0] == 0
    assert opt("--pass-pipeline", "toy-break", "--verify-each=false")[0] == 0


def test_unknown_options_suggest_the_nearest(opt: Opt) -> None:
    code, _, err = opt("--pass-pipelin", "toy-fuse")
    assert code == 2 and "unknown option '--pass-pipelin'" in err and "did you mean '--pass-pipeline'?" in err
    code, _, err = opt("a", "b")
    assert code == 2 and "unexpected argument 'b'" in err
    code, _, err = opt("--pass-pipeline")
    assert code == 2 and "expected one argument" in err


def test_list_passes(opt: Opt) -> None:
    code, out, _ = opt("--list-passes")
    assert code == 0 and out.startswith("toy-fuse                 Fuse activations into convolutions.\n")
    assert "    max-channels=64          how many channels a convolution may have\n" in out


def test_talk_goes_to_stderr(opt: Opt, tmp_path: Path) -> None:
    words = ["--pass-pipeline", "toy-fuse,toy-limit"]
    code, out, err = opt(*words, "--mlir-print-ir-after-all", "--timing", "--dump-pass-pipeline")
    assert code == 0 and out == opt(*words)[1]
    assert err.startswith("toy-fuse,toy-limit{max-channels=64 strict=true order=first sizes=8,8 label=none}\n")
    assert err.count("IR dump after") == 2 and "total" in err
    assert opt(*words, "--print-ir-after-change")[2].count("IR dump after") == 1
    assert opt(*words, "--dump-ir", str(tmp_path / "ir"))[0] == 0
    assert (tmp_path / "ir" / "01-toy-fuse.mlir").read_text() == out


def test_locations_are_printed_on_demand(opt: Opt) -> None:
    code, out, _ = opt("--mlir-print-debuginfo")
    assert code == 0 and 'loc("<stdin>":5:10)' in out
    assert opt("--mlir-print-debuginfo", text=out)[1] == out


def test_parts_of_a_file(opt: Opt) -> None:
    code, out, err = opt("--split-input-file", "--pass-pipeline", "toy-fuse", text=f"{TEXT}// -----\n{TEXT}")
    assert code == 0 and err == "" and out.count("// -----\n") == 1 and "toy.relu" not in out
    code, out, err = opt("--split-input-file", text=f"{TEXT}// -----\n{BAD}// -----\n{TEXT}")
    assert code == 3 and out == f"{TEXT}// -----\n// -----\n{TEXT}"
    assert err.startswith("<stdin>:16:10: error[unknown-op]")


def annotated(comment: str, text: str = BAD) -> str:
    return text.replace('    %2 = "toy.rel', f'    // {comment}\n    %2 = "toy.rel')


@pytest.mark.parametrize(
    "comment",
    [
        "expected-error@+1 {{unknown operation 'toy.rely'}}",
        "expected-error@below {{error[unknown-op]}}",
        "expected-error@7 {{toy.rely}}",
    ],
)
def test_announced_errors_are_none(opt: Opt, comment: str) -> None:
    assert opt("--verify-diagnostics", text=annotated(comment)) == (0, "", "")


def test_announcements_that_fail(opt: Opt) -> None:
    code, _, err = opt("--verify-diagnostics", text=annotated("expected-error {{unknown operation}}"))
    assert code == 1 and "no comment announces this" in err and "did not come" in err
    code, _, err = opt("--verify-diagnostics", text=annotated("expected-error@+1 {{some error}}", TEXT))
    assert code == 1 and "<stdin>:6:8: error[missing-diagnostic]: the error 'some error' did not come" in err
    code, _, err = opt("--verify-diagnostics", text=BAD)
    assert code == 1 and "note: error[unknown-op]: unknown operation 'toy.rely'" in err
    assert opt("--verify-diagnostics")[0] == 0


def test_announced_errors_of_parts(opt: Opt) -> None:
    bad = annotated("expected-error@+1 {{unknown operation}}")
    words = ["--split-input-file", "--verify-diagnostics"]
    assert opt(*words, text=f"{bad}// -----\n{TEXT}// -----\n{bad}")[0] == 0
    assert opt(*words, text=f"{bad}// -----\n{BAD}")[0] == 1


def test_weights_travel(opt: Opt, tmp_path: Path) -> None:
    store = WeightStore()
    store["w"] = np.ones((32, 16), np.int8)
    store.save(tmp_path / "in.npz")
    assert opt("--weights", str(tmp_path / "in.npz"), "--save-weights", str(tmp_path / "out.npz"))[0] == 0
    assert (tmp_path / "in.npz").read_bytes() == (tmp_path / "out.npz").read_bytes()
    assert opt("--weights", str(tmp_path / "none.npz"))[0] == 3


def test_help_is_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0 and "--pass-pipeline" in capsys.readouterr().out
