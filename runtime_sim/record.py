"""What a run leaves behind: events for a trace, kernel calls, spans of layers, sums per resource."""

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """One bar of a trace; a layer below 0 is unknown."""

    start: int
    end: int
    tile: str
    lane: str
    name: str
    layer: int
    bytes: int


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """One kernel call; `wait` is how long its core stood still since its last call."""

    core: tuple[int, int]
    layer: int
    kernel: int
    start: int
    end: int
    cycles: int
    wait: int


@dataclass
class Result:
    """A finished run, in array cycles and bytes; channels and resources go by their lane names."""

    cycles: int = 0
    events: list[Event] = field(default_factory=list)
    calls: list[KernelRecord] = field(default_factory=list)
    layers: dict[int, tuple[int, int]] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    moved: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    ddr_read: int = 0
    ddr_written: int = 0
    control_cycles: int = 0
    sync_wait_cycles: int = 0

    def event(self, event: Event) -> None:
        """Keep an event and widen the span of its layer."""
        self.events.append(event)
        self.span(event.layer, event.start, event.end)

    def span(self, layer: int, start: int, end: int) -> None:
        """Widen the span of a layer, if it is known."""
        if layer < 0:
            return
        known = self.layers.get(layer)
        self.layers[layer] = (start, end) if known is None else (min(known[0], start), max(known[1], end))
