"""The machine as data: a frozen description of an array, read from a TOML file in which each number has a source."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from compiler.errors import Diagnostic, UnreadableInput, UsageError, nearest

_DIRECTORY = Path(__file__).parent / "targets"

MAX_COLUMNS = 8
"""Columns and rows that the overlay's packet ids cover (`compiler.encoding` has 5-bit packet ids)."""

CORE_BYTES = 65536
"""Data memory of a core (AM020), which addresses in `compiler.encoding` take for granted."""

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
_LEAST = 1e-9


@dataclass(frozen=True)
class Core:
    """One compute tile."""

    data_memory_bytes: int
    bank_bytes: int
    macs_per_cycle: int
    stack_bytes: int


@dataclass(frozen=True)
class MemoryTile:
    """The memory tile of a column."""

    bytes: int


@dataclass(frozen=True)
class Ddr:
    """What lies beyond the shims; `total_gb_per_s` 0 means that only the channels limit."""

    channel_bytes_per_cycle: float
    total_gb_per_s: float


@dataclass(frozen=True)
class Timing:
    """Costs that a transaction-level clock charges; cycles of the array clock unless the name says ns."""

    control_op_ns: float
    sync_ns: float
    mm2s_start_cycles: int
    shim_mm2s_start_cycles: int
    shim_s2mm_start_cycles: int
    bd_switch_cycles: int
    lock_cycles: int


@dataclass(frozen=True)
class Target:
    """An array of `columns` x `core_rows` cores with one memory tile and one shim per column."""

    name: str
    columns: int
    core_rows: int
    clock_mhz: float
    notes: tuple[str, ...]
    core: Core
    memory_tile: MemoryTile
    ddr: Ddr
    timing: Timing

    @property
    def cores(self) -> int:
        """Cores in the array."""
        return self.columns * self.core_rows

    @property
    def memory_tile_row(self) -> int:
        """Row of the memory tiles; row 0 is the shim, cores start one above."""
        return 1

    @property
    def first_core_row(self) -> int:
        """Row of the lowest core of a column."""
        return 2

    @property
    def ddr_bytes_per_cycle(self) -> float:
        """Bytes a cycle that all read channels together can bring from DDR."""
        channels = 2 * self.columns * self.ddr.channel_bytes_per_cycle
        if not self.ddr.total_gb_per_s:
            return channels
        return min(channels, self.ddr.total_gb_per_s * 1000 / self.clock_mhz)

    def microseconds(self, cycles: float) -> float:
        """Array cycles as microseconds."""
        return cycles / self.clock_mhz

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest, the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any], place: str = "target") -> Self:
        """Build from plain data; a missing, unknown or impossible entry is an `UnreadableInput`."""
        groups = {"core": Core, "memory_tile": MemoryTile, "ddr": Ddr, "timing": Timing}
        values: dict[str, Any] = dict(_known(cls, data, place))
        if not isinstance(values["notes"], list | tuple) or not all(isinstance(one, str) for one in values["notes"]):
            raise UnreadableInput(Diagnostic("target-value", "'notes' is no list of texts", place))
        values["notes"] = tuple(values["notes"])
        for key, group in groups.items():
            values[key] = group(**_known(group, values[key], f"{place} [{key}]"))
        target = cls(**values)
        if not (1 <= target.columns <= MAX_COLUMNS and 1 <= target.core_rows <= MAX_COLUMNS):
            text = f"{target.columns} columns x {target.core_rows} core rows, at most {MAX_COLUMNS} x {MAX_COLUMNS}"
            raise UnreadableInput(Diagnostic("target-size", text, place))
        core = target.core
        if core.data_memory_bytes != CORE_BYTES or 4 * core.bank_bytes != CORE_BYTES or core.stack_bytes > 8192:
            text = f"a core has {core.data_memory_bytes} bytes in banks of {core.bank_bytes}, stack {core.stack_bytes}"
            help = f"an AIE2 core has {CORE_BYTES} bytes in 4 banks; at most 8192 of the last are stack"
            raise UnreadableInput(Diagnostic("target-core", text, place, help=help))
        return target

    @classmethod
    def load(cls, name: str) -> Self:
        """A built-in target by name, or a user's own by the path of its TOML file."""
        path = Path(name) if name.endswith(".toml") else _DIRECTORY / f"{name}.toml"
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            help = nearest(name, target_names()) + "; or the path of a .toml file"
            raise UsageError(Diagnostic("unknown-target", f"no target is called '{name}'", help=help)) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UnreadableInput(Diagnostic("target-file", f"cannot be read: {error}", str(path))) from None
        return cls.from_dict(data, str(path) if name.endswith(".toml") else name)


def target_names() -> tuple[str, ...]:
    """The built-in targets."""
    return tuple(sorted(path.stem for path in _DIRECTORY.glob("*.toml")))


def _known(cls: type[Any], data: Any, place: str) -> dict[str, Any]:
    """The mapping, if it has exactly the entries that the class declares."""
    wanted = {item.name for item in fields(cls)}
    found = set(data) if isinstance(data, dict) else set()
    if wanted != found:
        missing, unknown = sorted(wanted - found), sorted(found - wanted)
        text = f"entries missing: {missing or 'none'}, unknown: {unknown or 'none'}"
        raise UnreadableInput(Diagnostic("target-entries", text, place))
    for item in fields(cls):
        kinds = _KINDS.get(str(item.type))
        value = data[item.name]
        if kinds and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise UnreadableInput(Diagnostic("target-value", f"'{item.name}' is {value!r}, not {item.type}", place))
        least = 0 if cls is Timing or item.name == "total_gb_per_s" else _LEAST
        if kinds and kinds != (str,) and not least <= value < math.inf:
            text = f"'{item.name}' is {value!r}, expected a number {'from' if not least else 'above'} 0"
            raise UnreadableInput(Diagnostic("target-value", text, place))
    return dict(data)
