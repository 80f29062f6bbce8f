"""Events in order of time, and of making where times are equal, so that every run is the same."""

import heapq
from collections.abc import Callable
from typing import Any


class Clock:
    """Array cycles; `run` plays events until none is left."""

    def __init__(self) -> None:
        self.now = 0
        self._sequence = 0
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []

    def after(self, cycles: int, action: Callable[..., None], *arguments: Any) -> None:
        """Call the action that many cycles from now."""
        self._sequence += 1
        heapq.heappush(self._events, (self.now + cycles, self._sequence, action, arguments))

    def run(self) -> None:
        """Play until no event is left."""
        events, pop = self._events, heapq.heappop
        while events:
            self.now, _, action, arguments = pop(events)
            action(*arguments)
