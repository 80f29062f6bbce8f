"""`bscc-asm`: AIE2 assembly text to program memory and back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from compiler.cli import CommandParser, guarded
from compiler.cli.files import check_writable, read_bytes, read_text, write_files, write_text
from compiler.encoding.isa import assemble, disassemble
from compiler.errors import Diagnostic, UnreadableInput, UsageError

SHOWN_ERRORS = 20
"""Of a text that is wrong; the others are counted."""


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc-asm",
        "Assemble AIE2 instructions into 128-bit bundles, or print them.\n\n"
        "  bscc-asm kernel.s -o kernel.bin\n"
        "  bscc-asm -d kernel.bin\n\n"
        "docs/assembly.md has the syntax.  Nothing is written unless all is well.\n\n"
        "exit codes: 0 ok, 1 internal error, 2 usage, 3 unreadable text or bundles",
    )
    add = parser.add_argument
    add("input", nargs="?", default="-", help="assembly text, or bundles with -d; stdin when absent or '-'")
    add("-o", dest="output", metavar="FILE", help="where the result goes; '-' is stdout, the default of -d")
    add("-d", "--disassemble", action="store_true", help="read bundles and print one a line")
    return parser


def run(argv: Sequence[str]) -> int:
    """Do what the command line says; errors are raised, and then nothing is written."""
    options = command().parse(argv)
    if options.disassemble:
        _print(options)
        return 0
    if not options.output:
        raise UsageError(Diagnostic("usage", "assembling needs -o FILE", help="'-o -' writes the bytes to stdout"))
    file = "<stdin>" if options.input == "-" else options.input
    check_writable([options.output])
    write_files([(options.output, assemble(read_text(options.input), file).bytes)])
    return 0


def _print(options: argparse.Namespace) -> None:
    data = read_bytes(options.input)
    try:
        text = disassemble(data)
    except UnreadableInput as error:
        place = "<stdin>" if options.input == "-" else options.input
        found = (Diagnostic(one.code, one.message, place, one.notes, one.help) for one in error.diagnostics)
        raise UnreadableInput(*found) from error
    if options.output in (None, "-"):
        write_text("-", text)
    else:
        write_files([(options.output, text.encode())])


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-asm`."""
    return guarded(lambda: run(sys.argv[1:] if argv is None else argv), SHOWN_ERRORS)


if __name__ == "__main__":
    sys.exit(main())
