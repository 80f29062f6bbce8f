"""Which words machine code has written, found without a look at each of its stores."""

from __future__ import annotations

import numpy as np

from runtime_sim.memory import Memory

_MULTIPLIER = 0x9E3779B1  # odd: another junk word for each address
_JUNK = (np.arange(1, 1 << 16, dtype=np.uint64) * _MULTIPLIER).astype(np.uint32)


class Written:
    """Words that nobody has written hold junk before a stretch of code; those that hold something else after it are
    marked as written.

    Junk of another address is other junk, so that copied junk counts as written too.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        assert memory.shadow is not None
        self._places = np.flatnonzero(~memory.shadow)
        memory.words[self._places] = _JUNK[self._places]

    def mark(self) -> None:
        """Count what has changed since as written."""
        assert self.memory.shadow is not None
        changed = self.memory.words[self._places] != _JUNK[self._places]
        self.memory.shadow[self._places[changed]] = True
