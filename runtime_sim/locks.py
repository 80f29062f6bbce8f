"""Counting locks with their waiters in order of arrival."""

from collections.abc import Callable
from dataclasses import dataclass

from runtime_sim.clock import Clock
from runtime_sim.faults import sim_fault


@dataclass(slots=True)
class _Waiter:
    amount: int
    at_least: bool
    resume: Callable[[], None]


class Lock:
    """One lock of a tile; at most `MAXIMUM` (six bits)."""

    MAXIMUM = 63

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.value = 0
        self._clock = clock
        self._waiters: list[_Waiter] = []

    def acquire(self, amount: int, at_least: bool, resume: Callable[[], None]) -> bool:
        """Take now and answer True, or remember to call `resume` once it was taken."""
        if not self._waiters and self._take(amount, at_least):
            return True
        self._waiters.append(_Waiter(amount, at_least, resume))
        self._serve()
        return False

    def set(self, value: int) -> None:
        """What the control processor writes."""
        self.value = value
        self._serve()

    def release(self, change: int, who: str, layer: int = -1) -> None:
        """Add to the value; leaving its range is a fault."""
        value = self.value + change
        if not 0 <= value <= self.MAXIMUM:
            text = f"{self.name} would go from {self.value} to {value}, allowed: 0..{self.MAXIMUM}"
            raise sim_fault("lock-range", text, who, layer)
        self.value = value
        self._serve()

    def _take(self, amount: int, at_least: bool) -> bool:
        if not at_least:
            return self.value == amount
        if self.value < amount:
            return False
        self.value -= amount
        return True

    def _serve(self) -> None:
        """Grant whoever can be granted, first come first served; they go on as events of this cycle."""
        left = []
        for waiter in self._waiters:
            if self._take(waiter.amount, waiter.at_least):
                self._clock.after(0, waiter.resume)
            else:
                left.append(waiter)
        self._waiters = left
