"""Whole networks on machine code: every byte, the cycles of every kernel call, and programs that are wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.cli.instructions import look, selection_of
from compiler.cli.simulate import main as bscc_sim
from compiler.driver import Options, compile_model
from compiler.encoding.isa import BUNDLE_BYTES, Bundle, assemble, decode, disassemble, encode
from compiler.encoding.register_map import ProgramMemory, Special, find_register
from compiler.encoding.registers import CoreControlWord
from compiler.encoding.tiles import TileKind, split_address
from compiler.encoding.transaction import BlockWrite, Write32, read_transactions
from compiler.errors import NumericalMismatch, SimulationFault
from compiler.pipeline import DEFAULT_PIPELINE
from compiler.plan import CONTROL, LAYERS, MANIFEST, PROGRAM, PROGRAM_LISTING, ArrayPlan, Plan, write_plan
from runtime_sim.checked_core import Checks, Selection
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.occupancy import Profile, names_of
from runtime_sim.session import Session
from tests.models import Case, feeds, named_cases
from tests.reference_tools import Array, onnxruntime_outputs

ROOT = Path(__file__).parents[1]
NAMES = ("add_residual", "global_average_pool", "max_pool_pads", "inception", "depthwise_5x5_stride2", "separable")
CASES = [case for case in named_cases() if case.name in NAMES]


def image() -> dict[str, Array]:
    return {"image": np.load(ROOT / "examples/images/digits.npz")["x"][:1]}


@pytest.fixture(scope="module", params=["digits_int8", "digits_int8_half"])
def digits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of an example for the smallest array."""
    place = tmp_path_factory.mktemp("digits") / "plan"
    options = Options(target="aie2-2x2", compare_dense=False)
    return compile_model(ROOT / f"examples/models/{request.param}.onnx", place, options)[0]


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, str]:
    """A plan of a small network, and a file with its input."""
    place = tmp_path_factory.mktemp("half")
    case = next(one for one in named_cases() if one.name == "sparse_half")
    model = case.build()
    (place / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(place / "x.npz", **feeds(model, 3))  # type: ignore[arg-type]
    plan = compile_model(place / "model.onnx", place / "plan", Options(target="aie2-2x2", compare_dense=False))[0]
    return plan, str(place / "x.npz")


def same(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> bool:
    """Whether outputs are the same, byte for byte."""
    return list(ours) == list(theirs) and all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def checked(session: Session, fed: Mapping[str, Array]) -> int:
    """Compare all kernel calls of a plan at both levels; how many there are."""
    checks = Checks(Selection())
    session.execute(fed, checks.core)
    checks.refuse([layer["name"] for layer in session.plan.json(LAYERS)])
    return len(checks.calls)


def test_digits(digits: Plan) -> None:
    session, fed = Session(digits), image()
    fine = session.execute(fed, InstructionCore)
    assert same(fine.outputs, session.execute(fed).outputs)
    model = onnx.load(ROOT / f"examples/models/{digits.manifest['model']['name']}")
    for name, array in onnxruntime_outputs(model, fed).items():
        assert array.argmax() == fine.outputs[name].argmax()
        assert np.abs(array - fine.outputs[name]).max() <= 1.01 * session.plan.outputs[0].scale
    assert fine.result.calls and any(one.busy["compute"] for one in fine.timing.layers)
    assert checked(session, fed) > 0


@pytest.mark.parametrize("target", ["aie2-2x2", "aie2-5x5"])  # with 5 rows cores write through their south window
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_networks(case: Case, target: str, tmp_path: Path) -> None:
    model = case.build(pow2=False)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    options = Options(target=target, compare_dense=False)
    plan, _ = compile_model(tmp_path / "model.onnx", tmp_path / "plan", options)
    session, fed = Session(plan), feeds(model, 5)
    fine, coarse = session.execute(fed, InstructionCore), session.execute(fed)
    assert same(fine.outputs, coarse.outputs)
    assert fine.result.cycles == coarse.result.cycles
    assert checked(session, fed) > 0


def test_the_stream_loads_each_core_before_it_starts(half: tuple[Plan, str]) -> None:
    plan, _ = half
    loaded: dict[tuple[int, int], bytes] = {}
    started = []
    for op in read_transactions(plan.files[CONTROL]).ops:
        if not isinstance(op, BlockWrite | Write32):
            continue
        column, row, offset = split_address(op.address)
        if row < plan.target.first_core_row:
            continue
        register = find_register(TileKind.CORE, offset)
        if isinstance(op, BlockWrite) and register == ProgramMemory(0):
            loaded[column, row] = np.array(op.data, "<u4").tobytes()
        if isinstance(op, Write32) and register is Special.CORE_CONTROL:
            if CoreControlWord.decode((op.value,)) == CoreControlWord(enable=True):
                assert loaded[column, row] == plan.files[PROGRAM]
                started.append((column, row))
            else:
                assert op.value == CoreControlWord(reset=True).encode()[0] and (column, row) not in loaded
    assert sorted(started) == [(column, row) for column in range(2) for row in (2, 3)]
    assert assemble(plan.files[PROGRAM_LISTING].decode()).bytes == plan.files[PROGRAM]


def with_program(plan: Plan, place: Path, program: bytes, named: bytes | None = None) -> Plan:
    """The plan with another program in its stream, and in its files unless that is given."""
    control = plan.files[CONTROL]
    assert control.count(plan.files[PROGRAM]) == plan.target.cores
    changed = control.replace(plan.files[PROGRAM], program)
    listing = plan.files[PROGRAM_LISTING] if named else disassemble(program).encode()
    files = {**plan.files, CONTROL: changed, PROGRAM: named or program, PROGRAM_LISTING: listing}
    write_plan(place, files, dict(plan.manifest))
    return Plan.load(place)


def test_a_damaged_program_does_not_start(half: tuple[Plan, str], tmp_path: Path) -> None:
    plan, _ = half
    program = bytearray(plan.files[PROGRAM])
    program[len(program) // 2] ^= 1
    damaged = with_program(plan, tmp_path / "plan", bytes(program), plan.files[PROGRAM])
    with pytest.raises(SimulationFault) as caught:
        Session(damaged).clock()
    assert caught.value.diagnostic.code == "core-program"
    assert sha256(program).hexdigest() in str(caught.value)


def without(program: bytes, mnemonic: str) -> bytes:
    """The program with the first such instruction left out."""
    for at in range(0, len(program), BUNDLE_BYTES):
        bundle = decode(program[at : at + BUNDLE_BYTES])
        kept = tuple(one for one in bundle.instructions if one.opcode.mnemonic != mnemonic)
        if len(kept) < len(bundle.instructions):
            return program[:at] + encode(Bundle(kept)) + program[at + BUNDLE_BYTES :]
    raise AssertionError(f"no {mnemonic}")


def test_a_wrong_program_is_found_out(
    half: tuple[Plan, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, inputs = half
    wrong = with_program(plan, tmp_path / "plan", without(plan.files[PROGRAM], "vmac"))
    layer = plan.json(LAYERS)[0]["name"]
    for what in ("all", layer):
        assert bscc_sim([str(wrong.path), "--input", inputs, "--instructions", what]) == 6
        said = capsys.readouterr()
        assert "error[instruction-bytes]" in said.err and " at instruction level, " in said.err
        assert "1 of 1 outputs differ" in said.out or what != "all"
    assert f"{layer}:0,2,0" in said.err and "hottest loop" in said.out


def test_other_cycles_are_found_out(half: tuple[Plan, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, inputs = half
    costs = replace(ArrayPlan.of(plan).costs, call_run=ArrayPlan.of(plan).costs.call_run + 1).to_dict()
    write_plan(tmp_path / "plan", {**plan.files, "cores/costs.json": json.dumps(costs).encode()}, dict(plan.manifest))
    layer = plan.json(LAYERS)[0]["name"]
    words = [str(tmp_path / "plan"), "--input", inputs, "--instructions"]
    assert bscc_sim([*words, f"{layer}:1,2,0"]) == 7
    said = capsys.readouterr()
    assert said.err.count("error[instruction-cycles]") == 1 and " are charged" in said.err
    assert bscc_sim([*words, "all"]) == 7
    said = capsys.readouterr()
    assert said.err.startswith(f"layer '{layer}': error[instruction-cycles]: runs in cycles 0..")
    assert "the run: error[instruction-cycles]: takes " in said.err and "outputs are the same" in said.out


def test_layers_are_compared_one_by_one(half: tuple[Plan, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences of two layers that cancel each other are seen all the same."""
    plan, inputs = half
    run = Session(plan).execute(dict(np.load(inputs)))
    (layer,) = run.timing.layers
    layers = (replace(layer, end=layer.end - 5), replace(layer, index=1, name="second", start=layer.end - 5))
    runs = [replace(run, timing=replace(run.timing, layers=layers)), run]
    runs[1] = replace(run, timing=replace(run.timing, layers=(layer, replace(layers[1], start=layer.end))))
    monkeypatch.setattr(Session, "execute", lambda *_: runs.pop())
    with pytest.raises(SimulationFault) as caught:
        look(Session(plan), {}, "all").refuse()
    places = [str(one.place) for one in caught.value.diagnostics]
    assert places == [f"layer '{layer.name}'", "layer 'second'"]


def test_all_outputs_that_differ_are_named(half: tuple[Plan, str], monkeypatch: pytest.MonkeyPatch) -> None:
    plan, inputs = half
    run = Session(plan).execute(dict(np.load(inputs)))
    one = np.arange(6).reshape(2, 3)
    runs = [replace(run, outputs={"a": one + 1, "b": one, "c": -one}), replace(run, outputs=dict.fromkeys("abc", one))]
    monkeypatch.setattr(Session, "execute", lambda *_: runs.pop())
    found = look(Session(plan), {}, "all")
    assert "2 of 3 outputs differ" in found.text and found.run.outputs["c"][0, 1] == -1
    with pytest.raises(
        NumericalMismatch, match="5 of 6 values differ, the first at 1: -1 at instruction level"
    ) as caught:
        found.refuse()
    assert [str(one.place) for one in caught.value.diagnostics] == ["output 'a'", "output 'c'"]


def test_all_on_the_command_line(half: tuple[Plan, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, inputs = half
    words = [str(plan.path), "--input", inputs, "--output"]
    assert bscc_sim([*words, str(tmp_path / "coarse.npz"), "-q"]) == 0
    assert bscc_sim([*words, str(tmp_path / "fine.npz"), "--instructions", "all"]) == 0
    said = capsys.readouterr()
    assert said.err == "" and "outputs are the same" in said.out and PROGRAM in said.out
    assert (tmp_path / "fine.npz").read_bytes() == (tmp_path / "coarse.npz").read_bytes()


def test_a_layer_on_the_command_line(
    half: tuple[Plan, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, inputs = half
    layer = plan.json(LAYERS)[0]["name"]
    words = [str(plan.path), "--input", inputs, "--instructions"]
    assert bscc_sim([*words, layer]) == 0
    said = capsys.readouterr()
    assert said.err == "" and f"{layer}: " in said.out and "--listing FILE" in said.out
    for part in ("vec busy", "hottest loop", "vmac", "of stalls"):
        assert part in said.out
    listing = tmp_path / "listing.txt"
    assert bscc_sim([*words, f"{layer}:0,2,0", "--listing", str(listing)]) == 0
    assert capsys.readouterr().out.startswith(f"{layer}: 1 calls, ")
    lines = [line for line in listing.read_text().splitlines() if line.startswith(" ")]
    cycles = [int(line.split()[0]) for line in lines]
    assert cycles == sorted(cycles) and len(cycles) == len(set(cycles)) and "vmac" in listing.read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--instructions", "all"), "usage"),
        (("--input", "{x}", "--instructions", "conv_99"), "unknown-layer"),
        (("--input", "{x}", "--instructions", "conv_99:0,2"), "unknown-layer"),
        (("--input", "{x}", "--instructions", "{layer}:0"), "usage"),
        (("--input", "{x}", "--instructions", "{layer}:0,\u0662"), "usage"),
        (("--input", "{x}", "--instructions", "{layer}:0,2,"), "usage"),
        (("--input", "{x}", "--instructions", ""), "usage"),
        (("--input", "{x}", "--output", ""), "usage"),
        (("--input", ""), "usage"),
        (("--timing", ""), "usage"),
        (("--trace", ""), "usage"),
        (("--listing", ""), "usage"),
        (("--timing", "same", "--trace", "./same"), "usage"),
        (("--input", "{x}", "--output", "-"), "usage"),
        (("--input", "{x}", "--instructions", "{layer}:7,2,0"), "no-call"),
        (("--input", "{x}", "--instructions", "{layer}:0,2,999"), "no-call"),
        (("--input", "{x}", "--instructions", "all", "--listing", "l"), "usage"),
        (("--input", "{x}", "--listing", "l"), "usage"),
        (("--input", "{x}", "--instructions", "{layer}", "--listing", "-", "--json"), "usage"),
    ],
)
def test_usage(words: tuple[str, ...], code: str, half: tuple[Plan, str], capsys: pytest.CaptureFixture[str]) -> None:
    plan, inputs = half
    layer = plan.json(LAYERS)[0]["name"]
    assert bscc_sim([str(plan.path), *(word.format(x=inputs, layer=layer) for word in words)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"error[{code}]: ")


def test_a_selection_that_is_wrong_is_told_its_form(half: tuple[Plan, str], capsys: pytest.CaptureFixture[str]) -> None:
    plan, inputs = half
    layer = plan.json(LAYERS)[0]["name"]
    for what, text in ((f"{layer}:0;2", f"'0;2' behind layer '{layer}' names no calls"), ("x:0,2", "no layer 'x'")):
        assert bscc_sim([str(plan.path), "--input", inputs, "--instructions", what]) == 2
        said = capsys.readouterr().err
        assert text in said and "LAYER:COLUMN,ROW[,CALL]" in said


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (b"nop\n", "it is the listing of another program than cores/resident.bin"),
        (b"nop // \xff\n", "not UTF-8 text at byte 7"),
        (b"vclr cm9\n", "cores/resident.s:1:6: error[asm-register]"),
    ],
)
def test_a_listing_of_another_program_is_refused(
    listing: bytes, message: str, half: tuple[Plan, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, inputs = half
    write_plan(tmp_path / "plan", {**plan.files, PROGRAM_LISTING: listing}, dict(plan.manifest))
    layer = plan.json(LAYERS)[0]["name"]
    assert bscc_sim([str(tmp_path / "plan"), "--input", inputs, "--instructions", layer]) == 3
    said = capsys.readouterr()
    assert said.out == "" and message in said.err


def test_pieces_have_the_names_of_the_program(half: tuple[Plan, str]) -> None:
    """Labels of one address stay both; only the last bundle of a hardware loop ends one, and what is behind says so."""
    plan, inputs = half
    checks = Checks(Selection((0,)))
    Session(plan).execute(dict(np.load(inputs)), checks.core)
    assert checks.longest is not None
    text = """
        start: movxm ls, #loop
        movxm le, #loop_end
        add.nc lc, r0, #0
        call:
        call_end: also:
        nop
        loop: nop
        loop_end: nop
        nop
        one: one_end: nop
        next: nop
    """
    program = assemble(text)
    profile = Profile(checks.longest[1].run(trace=True), program.bytes, names_of(program.labels))
    assert [profile.piece(at) for at in range(0, len(program.bytes), BUNDLE_BYTES)] == [
        *["start"] * 3, "call = call_end = also", "loop", "loop", "loop behind its loop", "one = one_end", "next",
    ]  # fmt: skip
    text = text.replace("#loop_end", "#one_end").replace("#loop\n", "#one\n")
    profile = replace(profile, program=assemble(text).bytes)
    assert [profile.piece(at) for at in range(64, 144, BUNDLE_BYTES)] == ["loop", "loop_end", "loop_end", "one", "next"]


def test_the_plan_names_the_program(half: tuple[Plan, str]) -> None:
    plan, _ = half
    named = json.loads((plan.path / MANIFEST).read_text())["files"][PROGRAM]
    assert named == sha256(plan.files[PROGRAM]).hexdigest()


def test_a_layer_in_strips_is_looked_at_whole(half: tuple[Plan, str], tmp_path: Path) -> None:
    """Strips have one name; their calls are counted through, so that each has a name of its own."""
    model = Path(half[1]).parent / "model.onnx"
    pipeline = DEFAULT_PIPELINE.replace("depthwise-tiling", "depthwise-tiling{strips=2}")
    options = Options(target="aie2-2x2", compare_dense=False, pipeline=pipeline)
    session = Session(compile_model(model, tmp_path / "plan", options)[0])
    names = [one["name"] for one in session.plan.json(LAYERS)]
    assert len(names) == 2 and names[0] == names[1]
    fed = dict(np.load(half[1]))
    checks = Checks(selection_of(names[0], names))
    session.execute(fed, checks.core)
    assert {one.layer for one in checks.calls} == {0, 1}
    assert len({one.name for one in checks.calls}) == len(checks.calls)
    last = checks.calls[-1]
    again = Checks(selection_of(f"{names[0]}:{last.name}", names))
    session.execute(fed, again.core)
    assert [(one.layer, one.name) for one in again.calls] == [(1, last.name)]
