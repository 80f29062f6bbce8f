"""What the phases of a core's program cost: numbers of a plan, which the simulator's clock goes by."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from compiler.encoding.faults import damaged

LIMIT_CYCLES = 1 << 16
"""Costs are small numbers: a bound keeps every time of the simulator an exact and sensible one."""


@dataclass(frozen=True, kw_only=True)
class KernelCosts:
    """Cycles, each of the thing that its name says; docs/plan-format.md, "Cycles", has the sums.

    A `block` is an output block of a call, a `set` 4 groups of it, a `pair` 2, a `group` 4 pixels of 8 channels.  A
    multiply-accumulate is `direct`, `narrow`, or raw: its sums start from their bias or the scratch, and stay there.
    What a plan's program cannot do costs nothing.  The time line of a core is cut at its lock requests: `boot` leads
    from reset to asking for the first packet, `packet` from having one to its first call, `packet_next` from giving it
    back to asking for another; a call asks for activations `call_act` cycles from its beginning, for room for results
    `call_out` later, and computes `call_run` behind that; then it gives results `end_out` cycles later, activations
    `end_act` behind that, and is over in `end_call` more.  Requests themselves hold a core up by what the target says.
    """

    boot: int
    packet: int
    packet_next: int
    call_act: int
    call_out: int
    call_run: int
    end_out: int
    end_act: int
    end_call: int
    mac_call_direct: int
    mac_block_direct: int
    mac_set_direct: int
    mac_call_narrow: int
    mac_block_narrow: int
    mac_set_narrow: int
    mac_call_bias_raw: int
    mac_block_bias_raw: int
    mac_set_bias_raw: int
    mac_call_scratch_raw: int
    mac_block_scratch_raw: int
    mac_set_scratch_raw: int
    staged_call: int
    staged_block: int
    staged_group: int
    scale_call: int
    scale_block: int
    scale_group: int
    mean_call: int
    mean_block: int
    mean_group: int
    fold_call: int
    fold_group: int
    max_call: int
    max_block: int
    max_set: int
    combine_call: int
    combine_group: int
    combine_narrow_call: int
    combine_narrow_pair: int
    multiply_call: int
    multiply_group: int
    expand_call: int
    expand_group: int
    lookup_call: int
    lookup_group: int
    fill_call: int
    fill_group: int

    @property
    def call(self) -> int:
        """What a call costs beside its phases and its lock requests."""
        return self.call_act + self.call_out + self.call_run + self.end_out + self.end_act + self.end_call

    def to_dict(self) -> dict[str, int]:
        """As a plan holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any, place: str) -> Self:
        """The costs of a plan: every name there, none more, each a number of cycles."""
        names = [one.name for one in fields(cls)]
        if not isinstance(data, dict) or sorted(data) != sorted(names):
            found = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
            raise damaged("plan-costs", f"the costs are {found}; expected {', '.join(names)}", place)
        for name, value in data.items():
            if type(value) is not int or not 0 <= value < LIMIT_CYCLES:
                raise damaged("plan-costs", f"{name} is {value!r}, expected 0..{LIMIT_CYCLES - 1} cycles", place)
        return cls(**data)
