"""What a run leaves of its metrics: a CSV file, and TensorBoard events if they are asked for."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.errors import Diagnostic, UnreadableInput, UsageError

FIELDS = ("step", "epoch", "lr", "loss", "accuracy", "zero_blocks", "seconds")


class Log:
    """`log.csv` in a run's folder: a row every so many steps and after each epoch, in which `accuracy` (of the test
    set) is filled.  `zero_blocks` is the share that the masks zero, `seconds` the training time so far."""

    def __init__(self, folder: Path, after: int, tensorboard: bool = False) -> None:
        self.path = folder / "log.csv"
        rows = [row for row in self._read() if int(row["step"]) <= after]
        with self._said():
            self._write(rows)
            self.file = self.path.open("a", newline="", encoding="utf-8")
        self.events = _writer(folder, after) if tensorboard else None

    def row(self, values: Mapping[str, float | int | str]) -> None:
        """Add a row."""
        with self._said():
            csv.DictWriter(self.file, FIELDS, restval="").writerow(values)
            self.file.flush()
        if self.events is not None:
            for name, value in values.items():
                if name != "step":
                    self.events.add_scalar(name, float(value), int(values["step"]))

    def close(self) -> None:
        """Close what is open."""
        self.file.close()
        if self.events is not None:
            self.events.close()

    def _read(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                return [row for row in csv.DictReader(file) if row.get("step", "").isdecimal()]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            text = f"cannot go on with the log: {getattr(error, 'strerror', None) or error}"
            help = "move it elsewhere to begin another"
            raise UnreadableInput(Diagnostic("log-unreadable", text, str(self.path), help=help)) from error

    def _write(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, FIELDS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            beside.write_text(text.getvalue(), encoding="utf-8", newline="")
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)

    def _said(self) -> _Said:
        return _Said(self.path)


class _Said:
    """A log that cannot be written is an error with its path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            text = f"cannot write the log: {error.strerror}"
            raise UsageError(Diagnostic("log-unwritable", text, str(self.path))) from error


def no_tensorboard() -> UsageError:
    """What is said where the package is missing."""
    text = "TensorBoard events were asked for, and the package is not installed"
    return UsageError(Diagnostic("no-tensorboard", text, help="pip install tensorboard, or read log.csv"))


def _writer(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise no_tensorboard() from None
    return SummaryWriter(str(folder / "events"), purge_step=after)
