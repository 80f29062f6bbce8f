"""`bscc-sim`: run a plan on the simulated array: outputs, timing, trace."""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.cli import CommandParser, guarded, write_text
from compiler.cli.instructions import ALL, Found, look, said
from compiler.errors import Diagnostic, UnreadableInput, UsageError
from compiler.plan import LAYERS, PROGRAM, Plan, json_bytes
from runtime_sim.report import layer_table
from runtime_sim.session import Run, Session
from runtime_sim.trace import trace_json

Array = NDArray[Any]

FILES = ("timing", "trace", "listing")
"""Options that name a file, which may be stdout."""

DIGITS = 16
"""Of a digest, as control.asm shows it."""


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc-sim",
        "Run a plan on the simulated array; without --input only its clock.\n\n"
        "  bscc-sim plan/ --input x.npz --output y.npz\n\n"
        "--instructions runs cores bundle by bundle on the plan's own program and compares with the usual level, at\n"
        "which a kernel call is one step: 'all' the whole run, LAYER its kernel calls one by one, LAYER:COLUMN,ROW\n"
        "those of a core, LAYER:COLUMN,ROW,CALL one of them, counted from 0.\n\n"
        "  bscc-sim plan/ --input x.npz --instructions conv1:0,2,5 --listing conv1.txt\n\n"
        "exit codes: 0 ok, 1 internal error, 2 usage, 3 unreadable plan or input,\n"
        "6 the two levels compute different bytes, 7 simulation fault, or the two levels count different cycles",
    )
    add = parser.add_argument
    add("plan", help="the directory that bscc wrote")
    add("--input", metavar="FILE", help="an .npz with an array for each input of the model")
    add("--output", metavar="FILE", help="an .npz for the outputs; needs --input")
    add("--instructions", metavar="WHAT", help="compare with the instruction level: 'all' or a LAYER; needs --input")
    add("--listing", metavar="FILE", help="the bundles of the layer's longest call that was run; '-' is stdout")
    add("--timing", metavar="FILE", help="the time of each layer and resource as JSON; '-' is stdout")
    add("--trace", metavar="FILE", help="a trace for ui.perfetto.dev; '-' is stdout")
    add("--json", action="store_true", help="print the timing as JSON instead of a table")
    add("-q", "--quiet", action="store_true", help="print no table")
    return parser


def run(argv: Sequence[str]) -> int:
    """Do what the command line says; errors are raised."""
    options = command().parse(argv)
    _check(options)
    plan = Plan.load(options.plan)
    session = Session(plan)
    found = None
    if options.instructions:
        found = look(session, read_arrays(options.input), options.instructions)
        done = found.run
    else:
        done = session.execute(read_arrays(options.input)) if options.input else session.clock()
    if options.output:
        write_arrays(options.output, done.outputs)
    _report(options, plan, done, found)
    if found is not None:
        found.refuse()
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if options.output and not options.input:
        help = "outputs need data: give --input, or leave out --output"
        raise UsageError(Diagnostic("usage", "--output without --input", help=help))
    if options.instructions and not options.input:
        help = "code is run on data: give --input, or leave out --instructions"
        raise UsageError(Diagnostic("usage", "--instructions without --input", help=help))
    if options.listing and options.instructions in (None, ALL):
        raise UsageError(Diagnostic("usage", "--listing without the --instructions of a layer"))
    stdout = [f"--{name}" for name in FILES if getattr(options, name) == "-"]
    stdout += ["--json"] * options.json
    if len(stdout) > 1:
        raise UsageError(Diagnostic("usage", f"{' and '.join(stdout)} both write to stdout"))


def _report(options: argparse.Namespace, plan: Plan, done: Run, found: Found | None) -> None:
    timing = json_bytes(done.timing.to_dict()).decode()
    if options.timing:
        write_text(options.timing, timing)
    if options.trace:
        names = layer_table(plan.json(LAYERS), str(plan.path / LAYERS))
        write_text(options.trace, trace_json(done.result, plan.target, names))
    if options.json:
        sys.stdout.write(timing)
    text = said(found, options.listing) if found is not None else done.timing.table()
    if not options.quiet and not options.json and "-" not in [getattr(options, name) for name in FILES]:
        sys.stdout.write(f"{text}{_program(plan)}")


def _program(plan: Plan) -> str:
    """Which program the cores held; one that held another would not have started."""
    program = plan.files[PROGRAM]
    digest = hashlib.sha256(program).hexdigest()[:DIGITS]
    return f"program: {PROGRAM}, {len(program)} bytes, sha256 {digest}..., checked in each core that was started\n"


def read_arrays(path: str) -> dict[str, Array]:
    """The arrays of an .npz."""
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.lib.npyio.NpzFile):
            with archive:
                return {name: archive[name] for name in archive.files}
    except OSError as error:
        why = error.strerror or str(error)
        raise UnreadableInput(Diagnostic("unreadable", f"cannot read the file: {why}", path)) from error
    except (ValueError, EOFError, zipfile.BadZipFile):
        # numpy's own words speak of pickles, which a user never meant
        raise UnreadableInput(Diagnostic("unreadable", "not an .npz file of plain arrays", path)) from None
    text = "it holds one array, expected an .npz with an array for each input"
    raise UnreadableInput(Diagnostic("unreadable", text, path))


def write_arrays(path: str, arrays: Mapping[str, Array]) -> None:
    """Write an .npz, the same bytes for the same arrays, whatever their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    try:
        Path(path).write_bytes(buffer.getvalue())
    except OSError as error:
        raise UsageError(Diagnostic("unwritable", f"cannot write the file: {error.strerror}", path)) from error


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-sim`."""
    return guarded(lambda: run(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
