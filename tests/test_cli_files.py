"""Files that commands read and write: whole or not at all, where they are meant to be, and a full or closed stdout."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.cli import guarded, shown
from compiler.cli.assemble import main as bscc_asm
from compiler.cli.compile import main as bscc
from compiler.cli.files import check_writable, read_text, write_files
from compiler.cli.quantize import main as bscc_quantize
from compiler.cli.simulate import main as bscc_sim
from compiler.encoding.isa import assemble
from compiler.errors import Diagnostic, UnreadableInput, UsageError
from tests.plans import small_plan

ROOT = Path(__file__).parents[1]
Capture = pytest.CaptureFixture[str]


def names(place: Path) -> list[str]:
    return sorted(one.name for one in place.iterdir())


def test_text_is_utf8_with_or_without_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "in"
    place.write_bytes("\ufeffä\r\nb\rc\n".encode())
    assert read_text(str(place)) == "ä\nb\rc\n"
    stream = io.TextIOWrapper(io.BytesIO(place.read_bytes()), encoding="latin-1")  # whatever the locale says
    monkeypatch.setattr("sys.stdin", stream)
    assert read_text("-") == "ä\nb\rc\n"
    place.write_bytes(b"ab\xff")
    with pytest.raises(UnreadableInput, match="not UTF-8 text, byte 2 is 0xff"):
        read_text(str(place))


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"before")
    with pytest.raises(UsageError, match="No such file or directory"):
        write_files([(str(one), b"after"), (str(tmp_path / "no" / "where"), b"")])
    assert one.read_bytes() == b"before" and names(tmp_path) == ["one"]
    write_files([(str(one), b"after"), (str(two), b"new"), ("/dev/null", b"gone")])
    assert (one.read_bytes(), two.read_bytes(), names(tmp_path)) == (b"after", b"new", ["one", "two"])
    assert Path("/dev/null").is_char_device()


def test_a_file_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    file, link, dangling = tmp_path / "file", tmp_path / "link", tmp_path / "dangling"
    file.write_bytes(b"before")
    file.chmod(0o750)
    link.symlink_to(file)
    dangling.symlink_to("made")
    before = os.umask(0o027)
    try:
        write_files([(str(link), b"after"), (str(dangling), b"new")])
    finally:
        os.umask(before)
    assert link.is_symlink() and file.read_bytes() == b"after" and file.stat().st_mode & 0o777 == 0o750
    assert dangling.is_symlink() and (tmp_path / "made").read_bytes() == b"new"
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for place, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "no" / "where", "No such file or directory"),
        (tmp_path / ("n" * 300), "File name too long"),
        (loop, "Too many levels of symbolic links"),
    ):
        with pytest.raises(UsageError, match=why):
            check_writable([str(place)])
    long = tmp_path / ("n" * 255)  # room for the name, but for nothing longer
    write_files([(str(long), b"x")])
    assert long.read_bytes() == b"x"


def test_names_that_are_too_long(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "in.s"
    source.write_text("nop\n")
    assert bscc_asm([str(source), "-o", str(tmp_path / ("n" * 255))]) == 0
    assert bscc_asm([str(source), "-o", str(tmp_path / ("n" * 256))]) == 2
    assert "error[unwritable]: cannot write the file: File name too long" in capsys.readouterr().err
    assert bscc_asm(["-d", str(source), "-o", ""]) == 2


def test_results_of_a_simulation_come_together(tmp_path: Path, capsys: Capture) -> None:
    plan = small_plan(tmp_path / "plan")
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3, 2, 3), np.float32))
    words = [str(plan), "--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]
    assert bscc_sim([*words, "--timing", str(tmp_path / "t"), "--trace", str(tmp_path / "no" / "where")]) == 2
    assert names(tmp_path) == ["plan", "x.npz"]
    assert bscc_sim([*words, "--timing", "/dev/null", "--trace", "/dev/null"]) == 0
    assert names(tmp_path) == ["plan", "x.npz", "y.npz"]
    assert capsys.readouterr().err.count("error[") == 1


def test_nothing_is_written_over_what_is_read(tmp_path: Path, capsys: Capture) -> None:
    """A slip in a command line costs no data, and no plan whose digests then no longer hold."""
    plan = small_plan(tmp_path / "plan")
    samples, model = tmp_path / "x.npz", tmp_path / "model.onnx"
    np.savez(samples, x=np.zeros((1, 3, 2, 3), np.float32))
    model.write_bytes(b"never read")
    (tmp_path / "link").symlink_to(samples)
    simulate = [str(plan), "--input", str(samples)]
    quantize = [str(model), "--calibration", str(samples)]
    compile = [*quantize, "-o", str(tmp_path / "new"), "--mapping-out"]
    for run, words, place, why in (
        (bscc_sim, [*simulate, "--output"], samples, "--output 'PLACE' is the data of --input"),
        (bscc_sim, [*simulate, "--timing"], tmp_path / "link", "--timing 'PLACE' is the data of --input"),
        (bscc_sim, [*simulate, "--timing"], plan / "timing.json", "--timing 'PLACE' lies in the plan"),
        (bscc_quantize, [*quantize, "-o"], samples, "-o 'PLACE' is the data of --calibration"),
        (bscc_quantize, [*quantize, "--evaluate", str(plan), "-o"], model, "-o 'PLACE' is the model itself"),
        (bscc, [str(model), "-o", str(plan), "--dump-ir"], plan / "ir", "--dump-ir 'PLACE' lies in the plan"),
        (bscc, [str(model), "-o", str(plan), "--dump-ir"], plan, "--dump-ir 'PLACE' lies in the plan"),
        (bscc, compile, model, "--mapping-out 'PLACE' is the model itself"),
        (bscc, compile, samples, "--mapping-out 'PLACE' is the data of --calibration"),
        (bscc, compile, tmp_path / "new/m.json", "--mapping-out 'PLACE' lies in the plan"),
    ):
        before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
        assert run([*words, str(place)]) == 2
        assert f"error[usage]: {why.replace('PLACE', str(place))}\n" in capsys.readouterr().err
        assert {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()} == before


def test_errors_are_counted_where_there_are_many(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "in.s"
    source.write_text("foo\n" * 50)
    assert bscc_asm([str(source), "-o", str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert said.count("error[asm-mnemonic]") == 20 and said.endswith("\nand 30 more\n")
    error = UsageError(*[Diagnostic("a", "b")] * 3)
    assert shown(error) == shown(error, 3) == "error[a]: b\nerror[a]: b\nerror[a]: b"


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "in.s"
    source.write_text("nop\n")
    words = [sys.executable, "-m", "compiler.cli.assemble", str(source), "-o", "/dev/stdout"]
    done = subprocess.run(words, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    assert done.stdout == assemble("nop").bytes


def command(*words: str, stdout: str) -> subprocess.CompletedProcess[str]:
    with open(stdout, "wb") as place:
        return subprocess.run(
            [sys.executable, "-m", *words], stdout=place, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False
        )


@pytest.mark.parametrize("words", [("compiler.cli.assemble", "--help"), ("compiler.cli.opt", "--list-passes")], ids=str)
def test_a_full_stdout(words: tuple[str, ...]) -> None:
    done = command(*words, stdout="/dev/full")
    assert (done.returncode, done.stderr) == (
        2,
        "error[unwritable]: cannot write to stdout: No space left on device\n",
    )


def test_a_full_stdout_does_not_hide_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> int:
        raise UnreadableInput(Diagnostic("a", "b"))

    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

        def fileno(self) -> int:
            return spare

    spare = os.dup(1)
    monkeypatch.setattr("sys.stdout", Full())
    assert guarded(body) == 3
    os.close(spare)


def test_other_failures_of_the_system_are_no_talk_of_stdout() -> None:
    with pytest.raises(FileNotFoundError):
        guarded(lambda: len(Path("/no/where").read_text()))
