"""THE list of dialects and passes, in the order they run."""

from __future__ import annotations

from compiler.ir import Dialect
from compiler.pass_manager import Pass

DIALECTS: tuple[Dialect, ...] = ()

PASSES: tuple[type[Pass], ...] = ()

DEFAULT_PIPELINE: str = ",".join(one.name for one in PASSES)
