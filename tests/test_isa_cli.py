"""`bscc-asm` as it is typed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from compiler.cli.assemble import main
from compiler.encoding.isa import assemble

TEXT = "loop: vldb wl0, [p0], #32; vmac cm0, cm0, x0, x1, r0\n  jnz r0, #loop\n"
DATA = assemble(TEXT).bytes
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.s"
    path.write_text(TEXT)
    return path


def test_there_and_back(source: Path, tmp_path: Path, capsys: Capture) -> None:
    binary, listing = tmp_path / "out.bin", tmp_path / "out.s"
    assert main([str(source), "-o", str(binary)]) == 0
    assert binary.read_bytes() == DATA and capsys.readouterr() == ("", "")
    assert main(["-d", str(binary)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[1] == "nopb; nopa; nops; jnz r0, #0x0; nopv"
    assert main(["--disassemble", str(binary), "-o", str(listing)]) == 0
    assert listing.read_text() == printed
    assert main([str(listing), "-o", str(binary)]) == 0 and binary.read_bytes() == DATA
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.s", "out.bin", "out.s"]


def test_stdin_and_stdout(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert main(["-o", "-"]) == 0
    assert capsysbinary.readouterr().out == DATA
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(DATA)))
    assert main(["-d"]) == 0
    assert capsysbinary.readouterr().out.count(b"\n") == 2


def test_a_pipe_is_not_replaced_by_a_file(source: Path) -> None:
    assert main([str(source), "-o", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()


def test_nothing_is_written_on_error(tmp_path: Path, capsys: Capture) -> None:
    bad, binary = tmp_path / "bad.s", tmp_path / "out.bin"
    bad.write_text("nop\nvclr cm9\n")
    binary.write_bytes(b"before")
    assert main([str(bad), "-o", str(binary)]) == 3
    output = capsys.readouterr()
    assert output.err.startswith(
        f"{bad}:2:6: error[asm-register]: vclr: dst: 'cm9' is no register\n  vclr cm9\n       ^^^"
    )
    assert output.out == "" and binary.read_bytes() == b"before"
    bad.write_bytes(DATA + b"\1")
    assert main(["-d", str(bad), "-o", str(binary)]) == 3 and binary.read_bytes() == b"before"
    assert "33 bytes, 1 more than a multiple of 16" in capsys.readouterr().err
    bad.write_bytes(DATA[:16] + b"\xff" * 16)
    assert main(["-d", str(bad)]) == 3
    assert capsys.readouterr().err.startswith(f"{bad}: error[asm-format]: bundle at byte 0x10: bits 3..0 hold 0b1111")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["in.s"], 2, "assembling needs -o FILE"),
        (["in.s", "--nothing"], 2, "unknown option '--nothing'"),
        (["in.s", "more.s", "-o", "x"], 2, "unexpected argument 'more.s'"),
        (["none.s", "-o", "x"], 3, "cannot read the file: No such file"),
        (["-d", "none.bin"], 3, "cannot read the file: No such file"),
        (["in.s", "-o", "no/where"], 2, "cannot write the file: No such file"),
    ],
)
def test_mistakes(
    arguments: list[str], code: int, message: str, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(source.parent)
    assert main(arguments) == code
    output = capsys.readouterr()
    assert message in output.err and output.out == ""
    assert [path.name for path in source.parent.iterdir()] == ["in.s"]


def test_help(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "bscc-asm kernel.s -o kernel.bin" in shown and "exit codes:" in shown
