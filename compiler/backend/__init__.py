"""From `aie2` operations to the control stream, and a check of hardware limits that trusts no pass."""

from compiler.backend.check import static_check
from compiler.backend.emit import emit_control

__all__ = ["emit_control", "static_check"]
