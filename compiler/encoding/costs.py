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
    What a plan's program cannot do costs nothing.
    """

    packet: int
    call: int
    acquire_act: int
    release_act: int
    begin: int
    tile: int
    select_max_pool: int
    select_add: int
    select_requantize: int
    select_lookup: int
    select_multiply: int
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
    staged_block: int
    staged_group: int
    scale_block: int
    scale_group: int
    mean_block: int
    mean_group: int
    max_call: int
    max_block: int
    max_set: int
    last: int
    combine_call: int
    combine_group: int
    combine_narrow_call: int
    combine_narrow_pair: int
    lookup_call: int
    lookup_group: int
    fill_call: int
    fill_group: int

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
