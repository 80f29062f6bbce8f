"""`bscc-sim`: run a plan on the simulated array: outputs, timing, trace."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.cli import CommandParser, guarded, simulate_parts
from compiler.cli.files import STREAM, check_apart, check_writable, write_files
from compiler.cli.instructions import ALL, Found, look, said
from compiler.errors import Diagnostic, UnreadableInput, UsageError
from compiler.plan import LAYERS, PROGRAM, ArrayPlan, PartedPlan, Plan, json_bytes
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
        "6 the two levels compute different bytes, 7 simulation fault, or the two levels count different cycles\n\n"
        "Files appear whole, all or none, when the run is over.  If it ends in a fault, none appears.  If the levels\n"
        "differ, table and files are written before the error is shown: with 'all' those of the instruction level,\n"
        "with a LAYER those of the usual level.",
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
    check_writable(_paths(options).values())
    loaded = Plan.load(options.plan)
    if isinstance(loaded, PartedPlan):
        return _run_parts(options, loaded)
    plan = ArrayPlan.of(loaded)
    session = Session(plan)
    found = None
    if options.instructions:
        found = look(session, read_arrays(options.input), options.instructions)
        done = found.run
    else:
        done = session.execute(read_arrays(options.input)) if options.input else session.clock()
    _report(options, plan, done, found)
    if found is not None:
        found.refuse()
    return 0


def _run_parts(options: argparse.Namespace, plan: PartedPlan) -> int:
    """The same for a plan of parts."""
    simulate_parts.check_files(options, plan)
    feeds = read_arrays(options.input) if options.input else None
    done, found = simulate_parts.run_parts(plan, feeds, options.instructions)
    simulate_parts.report(options, plan, done, found, archive_of(done.outputs))
    simulate_parts.refuse(found)
    return 0


def _paths(options: argparse.Namespace) -> dict[str, str]:
    """Options that say where a result goes, with the place."""
    given = {f"--{name}": getattr(options, name) for name in ("output", *FILES)}
    return {option: path for option, path in given.items() if path is not None}


def _check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if options.output is not None and options.input is None:
        help = "outputs need data: give --input, or leave out --output"
        raise UsageError(Diagnostic("usage", "--output without --input", help=help))
    if options.instructions is not None and options.input is None:
        help = "code is run on data: give --input, or leave out --instructions"
        raise UsageError(Diagnostic("usage", "--instructions without --input", help=help))
    if options.listing is not None and options.instructions in (None, ALL):
        raise UsageError(Diagnostic("usage", "--listing without the --instructions of a layer"))
    if options.output == STREAM:
        raise UsageError(Diagnostic("usage", "--output writes an archive: it needs a file"))
    _check_apart(_paths(options), options.json)
    for option, path in _paths(options).items():
        check_apart(option, path, {"the data of --input": options.input}, options.plan)


def _check_apart(paths: Mapping[str, str], json: bool) -> None:
    """Refuse two results in one place; what is no plain file, such as /dev/null, takes any number."""
    owners = {STREAM: "--json"} if json else {}
    for option, path in paths.items():
        place = path if path == STREAM else os.path.realpath(path)
        if place in owners:
            both = f"{owners[place]} and {option}" if path != STREAM or not json else f"{option} and {owners[place]}"
            where = "stdout" if path == STREAM else f"'{path}'"
            raise UsageError(Diagnostic("usage", f"{both} both write to {where}"))
        if path == STREAM or not os.path.exists(path) or os.path.isfile(path):
            owners[place] = option


def _report(options: argparse.Namespace, plan: Plan, done: Run, found: Found | None) -> None:
    timing = json_bytes(done.timing.to_dict())
    results = []
    if options.output is not None:
        results.append((options.output, archive_of(done.outputs)))
    if options.timing is not None:
        results.append((options.timing, timing))
    if options.trace is not None:
        names = layer_table(plan.json(LAYERS), str(plan.path / LAYERS))
        results.append((options.trace, trace_json(done.result, plan.target, names).encode()))
    if options.listing is not None and found is not None:
        results.append((options.listing, found.listing.encode()))
    write_files(results)
    if options.json:
        sys.stdout.write(timing.decode())
    elif not options.quiet and STREAM not in _paths(options).values():
        table = done.timing.table() + simulate_parts.images_line(done.images, done.timing.us)
        text = said(found, headed=options.listing is None) if found is not None else table
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


def archive_of(arrays: Mapping[str, Array]) -> bytes:
    """An .npz, the same bytes for the same arrays, whatever their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-sim`."""
    return guarded(lambda: run(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
