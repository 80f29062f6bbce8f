"""`bscc-opt`: any pass pipeline on IR text, text to text, as users of mlir-opt know it."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from compiler import pipeline as project
from compiler.cli import CommandParser, guarded
from compiler.cli.expectations import check_expectations
from compiler.cli.files import check_writable, read_text, write_files, write_text
from compiler.errors import BsccError
from compiler.ir import Context, Module, WeightStore, parse_module, print_module
from compiler.pass_manager import DumpIR, Instrument, PassManager, PassPipeline, PrintIR, RoundTrip, Timing

DEFAULT_TARGET = "aie2-4x4"
SPLIT = re.compile(r"^// -----.*\n?", re.MULTILINE)
# Spellings of mlir-opt that mean an option of ours, or nothing because we always do so.
SYNONYMS = {
    "--mlir-print-ir-after-all": "--print-ir-after-all",
    "--mlir-print-ir-after-change": "--print-ir-after-change",
    "--mlir-print-debuginfo": "--print-debuginfo",
    "--mlir-timing": "--timing",
    "--verify-each=false": "--no-verify-each",
    "--verify-each=0": "--no-verify-each",
    "--verify-each=true": "--verify-each",
    "--verify-each=1": "--verify-each",
    "--mlir-print-op-generic": "",
    "--mlir-print-local-scope": "",
}


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc-opt",
        "Run passes on IR text.\n\n  bscc-opt in.mlir --pass-pipeline 'canonicalize,choose-tiles{x=1}'",
    )
    add = parser.add_argument
    add("input", nargs="?", default="-", help="IR text; stdin when absent or '-'")
    add("-o", dest="output", default="-", metavar="FILE", help="where the text goes; stdout by default")
    add("--pass-pipeline", default="", metavar="TEXT", help="passes with their options: a,b{x=1 y=true}")
    add("--default-pipeline", action="store_true", help="run the pipeline of the bscc command")
    add("--target", default=DEFAULT_TARGET, metavar="NAME", help="the machine, by name or TOML file")
    add("--weights", metavar="FILE", help="an .npz with the weights of the module")
    add("--save-weights", metavar="FILE", help="write the weights after the passes")
    add("--list-passes", action="store_true", help="list the passes and their options")
    add("--dump-pass-pipeline", action="store_true", help="print the pipeline with every option to stderr")
    add("--print-ir-after-all", action="store_true", help="print the IR after each pass to stderr")
    add("--print-ir-after-change", action="store_true", help="the same, after passes that changed it")
    add("--print-debuginfo", action="store_true", help="print locations")
    add("--dump-ir", metavar="DIR", help="write the IR after each pass into a directory")
    add("--verify-each", action=argparse.BooleanOptionalAction, default=True, help="verify after each pass")
    add("--verify-roundtrip", action="store_true", help="check that the text reads back as itself")
    add("--split-input-file", action="store_true", help="treat parts between '// -----' as files")
    add("--verify-diagnostics", action="store_true", help="check errors against expected-error comments")
    add("--timing", action="store_true", help="print the time of each pass to stderr")
    return parser


@dataclass
class Opt:
    """One run of the command: its options, and the passes and dialects of the project."""

    options: argparse.Namespace
    pipeline: PassPipeline
    context: Context
    timing: Timing

    @classmethod
    def of(cls, argv: Sequence[str]) -> Opt:
        """Read a command line."""
        options = command().parse([SYNONYMS.get(word, word) for word in argv if SYNONYMS.get(word, "-")])
        text = project.DEFAULT_PIPELINE if options.default_pipeline else options.pass_pipeline
        return cls(options, PassPipeline.parse(text, project.PASSES), Context(project.DIALECTS), Timing())

    def transform(self, text: str, file: str) -> str:
        """The text after the passes."""
        store = WeightStore.load(self.options.weights) if self.options.weights else WeightStore()
        module = parse_module(text, self.context, file, store=store)
        try:
            self.run_passes(module)
        except BsccError as error:
            raise error.with_source(file, text) from error
        if self.options.save_weights:
            self._save_weights(module)
        return print_module(module, locations=self.options.print_debuginfo)

    def _save_weights(self, module: Module) -> None:
        archive = io.BytesIO()
        module.store.save(archive)
        write_files([(self.options.save_weights, archive.getvalue())])

    def run_passes(self, module: Module) -> None:
        """Run the pipeline on a module, watched as the options ask."""
        instruments = self.instruments()
        if not len(self.pipeline):
            for instrument in instruments:
                instrument.start(module)
            return
        from compiler.target import Target

        target = Target.load(self.options.target)
        PassManager(self.pipeline, target, instruments, self.options.verify_each).run(module)

    def instruments(self) -> list[Instrument]:
        """Who watches the passes."""
        found: list[Instrument] = [self.timing]
        if self.options.print_ir_after_all or self.options.print_ir_after_change:
            only_changes = not self.options.print_ir_after_all
            found.append(PrintIR(sys.stderr, only_changes, self.options.print_debuginfo))
        if self.options.dump_ir:
            found.append(DumpIR(Path(self.options.dump_ir)))
        if self.options.verify_roundtrip:
            found.append(RoundTrip(self.context))
        return found

    def transform_part(self, text: str, file: str) -> tuple[str, list[BsccError]]:
        """The text after the passes, or the errors; announced errors are none."""
        output = ""
        errors: list[BsccError] = []
        try:
            output = self.transform(text, file)
        except BsccError as error:
            errors.append(error)
        if self.options.verify_diagnostics:
            found = [one for error in errors for one in error.diagnostics]
            errors = check_expectations(text, file, found)
        return output, errors


def parts_of(text: str) -> list[str]:
    """The parts of a split file, each behind as many newlines as make its lines count right."""
    parts, start = [], 0
    for mark in [*SPLIT.finditer(text), None]:
        end = mark.start() if mark else len(text)
        parts.append("\n" * text.count("\n", 0, start) + text[start:end])
        start = mark.end() if mark else end
    return parts


def list_passes() -> str:
    """Every pass with its summary and options."""
    lines = []
    for one in project.PASSES:
        lines.append(f"{one.name:24} {one.summary()}")
        for (name, value), field in zip(one().options(every=True).items(), fields(one), strict=True):
            lines.append(f"    {name + '=' + value:24} {field.metadata.get('help', '')}")
    return "".join(f"{line.rstrip()}\n" for line in lines)


def run(argv: Sequence[str]) -> int:
    """Do what the command line says; errors are raised or shown."""
    opt = Opt.of(argv)
    options = opt.options
    check_writable(path for path in (options.output, options.save_weights) if path is not None)
    if options.list_passes:
        write_text(options.output, list_passes())
        return 0
    if options.dump_pass_pipeline:
        print(opt.pipeline.text(every=True), file=sys.stderr)
    text = read_text(options.input)
    file = "<stdin>" if options.input == "-" else options.input
    parts = parts_of(text) if options.split_input_file else [text]
    results = [opt.transform_part(part, file) for part in parts]
    errors = [error for _, found in results for error in found]
    for error in errors:
        print(error, file=sys.stderr)
    if options.timing:
        print(opt.timing.table(), file=sys.stderr)
    if not errors or len(parts) > 1:
        write_text(options.output, "// -----\n".join(output for output, _ in results))
    return errors[0].exit_code if errors else 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-opt`."""
    return guarded(lambda: run(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
