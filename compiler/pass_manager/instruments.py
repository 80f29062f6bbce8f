"""What can watch a pipeline run: timing, printing, dumping, checking."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from compiler.errors import Diagnostic, InternalError, UsageError
from compiler.ir import Context, Module, parse_module, print_module
from compiler.pass_manager.passes import Pass


class Instrument:
    """Called around the passes; `start` comes before the first and `finish` after the last."""

    def start(self, module: Module) -> None:
        """The pipeline begins."""

    def before(self, one: Pass, module: Module) -> None:
        """A pass is about to run."""

    def ran(self, one: Pass, module: Module) -> None:
        """A pass has run, and nothing is verified yet."""

    def after(self, one: Pass, module: Module) -> None:
        """A pass has run, and the module is verified if it is to be."""

    def finish(self, module: Module) -> None:
        """The pipeline is done."""


@dataclass
class Timing(Instrument):
    """Wall time of each pass, in seconds, in the order they ran."""

    seconds: list[tuple[str, float]] = field(default_factory=list)
    verification: float = 0.0
    _begun: float = 0.0

    def before(self, one: Pass, module: Module) -> None:
        self._begun = time.perf_counter()

    def ran(self, one: Pass, module: Module) -> None:
        now = time.perf_counter()
        self.seconds.append((one.name, now - self._begun))
        self._begun = now

    def after(self, one: Pass, module: Module) -> None:
        self.verification += time.perf_counter() - self._begun

    def table(self) -> str:
        """A table of the times, for people."""
        rows = [*self.seconds, ("(verification)", self.verification)]
        total = sum(seconds for _, seconds in rows)
        rows.append(("total", total))
        return "\n".join(f"{seconds:9.3f} s {100 * seconds / (total or 1):5.1f} %  {name}" for name, seconds in rows)


@dataclass
class PrintIR(Instrument):
    """Print the module after each pass, or after each that changed it."""

    stream: TextIO
    only_changes: bool = False
    locations: bool = False
    _last: str = ""

    def start(self, module: Module) -> None:
        self._last = print_module(module)

    def after(self, one: Pass, module: Module) -> None:
        text = print_module(module)
        if text != self._last or not self.only_changes:
            shown = print_module(module, locations=True) if self.locations else text
            self.stream.write(f"// -----// IR dump after {one} //----- //\n{shown}")
        self._last = text


@dataclass
class DumpIR(Instrument):
    """Write the module as `00-input.mlir`, `01-pass.mlir`, ... into a directory."""

    directory: Path
    _count: int = 0

    def start(self, module: Module) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._write("input", module)
        except OSError as error:
            text = f"cannot write the modules: {error.strerror}"
            raise UsageError(Diagnostic("unwritable", text, str(self.directory))) from error

    def after(self, one: Pass, module: Module) -> None:
        self._write(one.name, module)

    def _write(self, name: str, module: Module) -> None:
        path = self.directory / f"{self._count:02}-{name}.mlir"
        path.write_text(print_module(module), encoding="utf-8")
        self._count += 1


@dataclass
class Check(Instrument):
    """Call a function with the name of each pass and the module after it; the driver compares values so."""

    function: Callable[[str, Module], None]

    def after(self, one: Pass, module: Module) -> None:
        self.function(one.name, module)


@dataclass
class RoundTrip(Instrument):
    """Check that the module's text reads back as the same text, before and after every pass."""

    context: Context

    def start(self, module: Module) -> None:
        self._check(module, "reading")

    def after(self, one: Pass, module: Module) -> None:
        self._check(module, one.name)

    def _check(self, module: Module, name: str) -> None:
        for locations in (False, True):
            text = print_module(module, locations=locations)
            again = print_module(parse_module(text, self.context, "<round trip>"), locations=locations)
            if again != text:
                pairs = enumerate(zip(text.splitlines(), again.splitlines(), strict=False), 1)
                line, (old, new) = next((item for item in pairs if item[1][0] != item[1][1]), (0, ("", "")))
                raise InternalError(
                    Diagnostic(
                        "round-trip",
                        f"the text after '{name}' does not read back as itself, first in line {line}",
                        notes=(f"written: {old.strip()}", f"read back: {new.strip()}"),
                    )
                )
