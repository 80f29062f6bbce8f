"""What `bscc` says of models that need the host, word for word; `--update-golden` writes it for you to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from compiler.cli.compile import main as bscc
from tests.bad_cases import bad_cases
from tests.hostnets import NETS

GOLDEN = Path(__file__).parent / "golden" / "host"
CASES = {
    "check_norm_between": ("norm_between", "--check"),
    "check_island": ("island", "--check"),
    "check_no_host": ("island", "--check", "--no-host"),
    "check_foreign": ("foreign", "--check"),
    "check_float_model": ("float_layers", "--check"),
    "summary_norm_between": ("norm_between", "--no-compare-dense", "-o", "{plan}"),
    "no_host_norm_between": ("norm_between", "--no-host", "-o", "{plan}"),
    "no_host_overflow": ("overflow", "--no-host", "-o", "{plan}"),
    "no_host_too_large": ("too_large", "--no-host", "-o", "{plan}"),
    "nothing_left": ("float_layers", "-o", "{plan}"),
}


def model_of(name: str, place: Path) -> Path:
    """A network of `hostnets`, or a bad model."""
    if name not in NETS:
        return next(one for one in bad_cases() if one.name == name).write(place)
    path = place / "model.onnx"
    path.write_bytes(NETS[name](True).SerializeToString())
    return path


def said(words: Sequence[str], place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Exit code, stdout and stderr of `bscc`, places made the same in each run."""
    name, *rest = words
    path = model_of(name, place)
    code = bscc([str(path), "--target", "aie2-2x2", *(one.format(plan=place / "plan") for one in rest)])
    heard = capsys.readouterr()
    text = heard.out + heard.err
    if text.startswith("target "):  # of a plan's summary what it says of the host: its times are not at stake here
        text = "".join(f"{line}\n" for line in text.splitlines() if line.startswith(("host", "note")))
    return f"exit code {code}\n{text}".replace(f"{place}/", "")


@pytest.mark.parametrize("name", CASES)
def test_words(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> None:
    text = said(CASES[name], tmp_path, capsys)
    file = GOLDEN / f"{name}.txt"
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return
    assert text == file.read_text(encoding="utf-8")
    assert "Traceback" not in text


def test_check_tells_what_a_compilation_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same host nodes, but for those that only the passes find which a check leaves out."""
    for name in ("norm_between", "two_heads"):
        path = model_of(name, tmp_path)
        assert bscc([str(path), "--check", "--json"]) == 0
        checked = json.loads(capsys.readouterr().out)
        words = ["-o", str(tmp_path / "plan"), "--json", "--no-compare-dense", "--target", "aie2-2x2"]
        assert bscc([str(path), *words]) == 0
        assert checked["host"] == json.loads(capsys.readouterr().out)["host"]
        assert checked["compiles"] and not checked["problems"]
        assert checked["not_checked"][0] == "balance-channels"


def test_check_of_bad_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are no model are the errors that they are for a compilation; what is unsupported is a finding."""
    for bad in bad_cases():
        place = tmp_path / bad.name
        place.mkdir()
        path = bad.write(place)
        code = bscc([str(path), "--check", "--no-host"])
        heard = capsys.readouterr()
        assert code == bad.exit_code, bad.name
        assert bad.error_code in (heard.out if code == 4 else heard.err) and "Traceback" not in heard.err
        if code == 4:
            assert bscc([str(path), "--check", "--no-host", "--json"]) == 4
            found = json.loads(capsys.readouterr().out)
            assert not found["compiles"] and bad.error_code in [one["code"] for one in found["problems"]]
