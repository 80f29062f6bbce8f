"""How the simulator refuses: one shape for everything that hardware would hang or corrupt on."""

from collections.abc import Sequence

from compiler.errors import Diagnostic, SimulationFault


def sim_fault(
    code: str, text: str, place: str, layer: int = -1, notes: Sequence[str] = (), help: str = ""
) -> SimulationFault:
    """Build (not raise) the fault; a layer below 0 is unknown and not named."""
    suffix = f" (layer {layer})" if layer >= 0 else ""
    return SimulationFault(Diagnostic(code, text + suffix, place, tuple(notes), help))
