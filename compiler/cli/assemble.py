"""`bscc-asm`: AIE2 assembly text to program memory and back."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from compiler.cli import CommandParser, guarded, read_text, write_text
from compiler.encoding.isa import assemble, disassemble
from compiler.errors import Diagnostic, UnreadableInput, UsageError


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser(
        "bscc-asm",
        "Assemble AIE2 instructions into 128-bit bundles, or print them.\n\n"
        "  bscc-asm kernel.s -o kernel.bin\n"
        "  bscc-asm -d kernel.bin\n\n"
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
    data = assemble(read_text(options.input), file).bytes
    write_bytes(options.output, data)
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
        write_bytes(options.output, text.encode())


def read_bytes(path: str) -> bytes:
    """The bytes of a file, or of stdin for `-`."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise UnreadableInput(Diagnostic("unreadable", f"cannot read the file: {error.strerror}", path)) from error


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file or none, or stdout for `-`."""
    if path == "-":
        sys.stdout.buffer.write(data)
        return
    target = Path(path)
    # What is no plain file (a pipe, /dev/null) must not be replaced by one.
    part = target if target.exists() and not target.is_file() else target.with_name(f"{target.name}.part{os.getpid()}")
    try:
        part.write_bytes(data)
        if part != target:
            part.replace(target)
    except OSError as error:
        if part != target:
            part.unlink(missing_ok=True)
        message = f"cannot write the file: {error.strerror}"
        raise UsageError(Diagnostic("unwritable", message, path)) from error


def main(argv: Sequence[str] | None = None) -> int:
    """The command `bscc-asm`."""
    return guarded(lambda: run(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
