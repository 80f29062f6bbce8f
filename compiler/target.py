"""The machine as data: a frozen description of an array, read from a TOML file in which each number has a source."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from compiler.errors import Diagnostic, UnreadableInput, UsageError, nearest

_DIRECTORY = Path(__file__).parent / "targets"

MAX_MEMORY_TILE_ROWS = 2
"""The VE2802 has two, other arrays one (mlir-aie AIETargetModel.h:789-944)."""

MAX_COLUMNS = 8
"""Columns and rows that the overlay's packet ids cover (`compiler.encoding` has 5-bit packet ids)."""

CORE_BYTES = 65536
"""Data memory of a core (AM020), which addresses in `compiler.encoding` take for granted."""

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
_LEAST = 1e-9
_MAY_BE_ZERO = {"read_gb_per_s", "write_gb_per_s", "total_gb_per_s"}


@dataclass(frozen=True)
class Core:
    """One compute tile."""

    data_memory_bytes: int
    bank_bytes: int
    macs_per_cycle: int
    stack_bytes: int


@dataclass(frozen=True)
class MemoryTile:
    """A memory tile; of the `rows` that a column has the lowest holds data, streams go straight through the others."""

    bytes: int
    rows: int


@dataclass(frozen=True)
class Ddr:
    """What lies beyond the shims: one channel's rate in each direction, and the rates of all channels together.

    A rate of all together that is 0 does not limit; `total_gb_per_s` counts both directions.
    """

    read_channel_bytes_per_cycle: float
    write_channel_bytes_per_cycle: float
    read_gb_per_s: float
    write_gb_per_s: float
    total_gb_per_s: float


@dataclass(frozen=True)
class Timing:
    """What DMA channels and locks cost; cycles of the array clock, but ns where DDR answers.

    A shim channel that was idle starts a task late: `first` is its first task of a run, `start` any later one.
    """

    mm2s_start_cycles: int
    shim_mm2s_first_ns: float
    shim_mm2s_start_ns: float
    shim_s2mm_start_ns: float
    bd_switch_cycles: int
    lock_cycles: int
    memory_tile_release_cycles: int


@dataclass(frozen=True)
class Control:
    """What operations of the control stream cost, in cycles of the controller, which has a clock of its own.

    A task's token is seen `token_cycles` after its last word.  `task_interval_cycles` is the least time between two
    pushes to one shim channel, `stream_us` what a stream costs before its first operation.
    """

    mhz: float
    write_cycles: float
    block_word_cycles: float
    mask_write_cycles: float
    patch_cycles: float
    sync_cycles: float
    token_cycles: float
    task_interval_cycles: float
    stream_us: float


@dataclass(frozen=True)
class Target:
    """An array of `columns` x `core_rows` cores; each column has a shim with two DDR channels each way."""

    name: str
    columns: int
    core_rows: int
    clock_mhz: float
    notes: tuple[str, ...]
    core: Core
    memory_tile: MemoryTile
    ddr: Ddr
    timing: Timing
    control: Control

    @property
    def cores(self) -> int:
        """Cores in the array."""
        return self.columns * self.core_rows

    @property
    def memory_tile_row(self) -> int:
        """Row of the memory tiles that hold data; row 0 is the shim."""
        return 1

    @property
    def first_core_row(self) -> int:
        """Row of the lowest core of a column."""
        return self.memory_tile_row + self.memory_tile.rows

    def ddr_cycles(self, read_bytes: float, written_bytes: float) -> float:
        """The least cycles in which all channels together read and write so much; both directions run at once."""
        ddr, channels = self.ddr, 2 * self.columns
        times = [
            read_bytes / (channels * ddr.read_channel_bytes_per_cycle),
            written_bytes / (channels * ddr.write_channel_bytes_per_cycle),
        ]
        moved = (read_bytes, ddr.read_gb_per_s), (written_bytes, ddr.write_gb_per_s)
        both = (read_bytes + written_bytes, ddr.total_gb_per_s)
        return max(*times, *(size / self.bytes_per_cycle(rate) for size, rate in (*moved, both) if rate))

    def bytes_per_cycle(self, gb_per_s: float) -> float:
        """A rate in bytes per array cycle."""
        return gb_per_s * 1000 / self.clock_mhz

    def cycles(self, ns: float) -> float:
        """Nanoseconds as array cycles."""
        return ns * self.clock_mhz / 1000

    def control_cycles(self, controller_cycles: float) -> float:
        """Cycles of the controller as array cycles."""
        return controller_cycles * self.clock_mhz / self.control.mhz

    def microseconds(self, cycles: float) -> float:
        """Array cycles as microseconds."""
        return cycles / self.clock_mhz

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest, the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any], place: str = "target") -> Self:
        """Build from plain data; a missing, unknown or impossible entry is an `UnreadableInput`."""
        groups = {"core": Core, "memory_tile": MemoryTile, "ddr": Ddr, "timing": Timing, "control": Control}
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
        if target.memory_tile.rows > MAX_MEMORY_TILE_ROWS:
            text = f"{target.memory_tile.rows} rows of memory tiles, at most {MAX_MEMORY_TILE_ROWS}"
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
        except (OSError, ValueError, RecursionError) as error:
            why = getattr(error, "strerror", None) or error
            raise UnreadableInput(Diagnostic("target-file", f"cannot be read: {why}", str(path))) from None
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
        cost = cls in (Timing, Control) and item.name != "mhz"
        least = 0 if cost or item.name in _MAY_BE_ZERO else _LEAST
        if kinds and kinds != (str,) and not least <= value < math.inf:
            text = f"'{item.name}' is {value!r}, expected a number {'from' if not least else 'above'} 0"
            raise UnreadableInput(Diagnostic("target-value", text, place))
    return dict(data)
