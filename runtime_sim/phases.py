"""The phases that a kernel call consists of, in the order a core runs them: docs/plan-format.md, "Kernels"."""

from __future__ import annotations

from enum import Enum, auto

from compiler.encoding.work import CallRecord, Kernel, WorkHeader

MULTIPLIES = (Kernel.CONV, Kernel.AVG_POOL, Kernel.DEPTHWISE)


class Phase(Enum):
    """A loop nest of the program: each goes from memory to memory of the core."""

    MAC = auto()
    STAGED = auto()
    SCALE = auto()
    FOLD = auto()
    MEAN = auto()
    MAX = auto()
    LOOKUP = auto()
    EXPAND = auto()
    COMBINE = auto()
    MULTIPLY = auto()
    FILL = auto()


def phases_of(header: WorkHeader, call: CallRecord) -> tuple[Phase, ...]:
    """What a call that is no `skip` does."""
    phases: list[Phase] = []
    if header.kernel in MULTIPLIES:
        phases.append(Phase.MAC)
        if call.last and not header.direct and not header.narrow:
            if header.fold:
                phases.append(Phase.FOLD)
            phases.append(Phase.MEAN if header.mean else Phase.STAGED if header.staged else Phase.SCALE)
    elif header.kernel == Kernel.MAX_POOL:
        phases.append(Phase.MAX)
    elif header.kernel == Kernel.LOOKUP:
        phases.append(Phase.LOOKUP)
    elif header.kernel == Kernel.EXPAND:
        phases.append(Phase.EXPAND)
    if call.last and header.combine:
        phases.append(Phase.MULTIPLY if header.multiply else Phase.COMBINE)
    if call.last and call.pad_bytes:
        phases.append(Phase.FILL)
    return tuple(phases)
