"""Memories as bytes, with a shadow of what was written and the accesses that are under way."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from compiler.encoding.descriptors import Dim
from runtime_sim.faults import sim_fault

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]
WORD = 4


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """Word offsets that a descriptor visits; `offsets` None means 0, 1, 2 and so on."""

    length: int
    span: int
    offsets: npt.NDArray[np.intp] | None = None


@lru_cache(maxsize=4096)
def pattern_of(dims: tuple[Dim, ...], length: int) -> Pattern:
    """The pattern of dimensions, innermost first; a wrap of 0 runs until the length is used up."""
    if _is_contiguous(dims, length):
        return Pattern(length, length)
    left = np.arange(length, dtype=np.intp)
    offsets = np.zeros(length, dtype=np.intp)
    for step, wrap in dims:
        if wrap == 0:
            offsets += left * step
            break
        offsets += left % wrap * step
        left //= wrap
    return Pattern(length, int(offsets.max()) + 1, offsets)


def _is_contiguous(dims: tuple[Dim, ...], length: int) -> bool:
    """Whether each dimension goes on where the one inside it ended."""
    covered = 1
    for step, wrap in dims:
        if covered >= length:
            return True
        if step != covered:
            return False
        if wrap == 0:
            return True
        covered *= wrap
    return covered >= length


@lru_cache(maxsize=8192)
def _patterns_meet(first: Pattern, second: Pattern, distance: int) -> bool:
    """Whether two patterns share a word, the second beginning `distance` words after the first."""
    low, high = max(0, distance), min(first.span, distance + second.span)
    if low >= high:
        return False
    marks = np.zeros(high - low, dtype=np.bool_)
    marks[_within(first, 0, low, high)] = True
    return bool(marks[_within(second, distance, low, high)].any())


def _within(pattern: Pattern, shift: int, low: int, high: int) -> slice | npt.NDArray[np.intp]:
    """The words of a shifted pattern that lie in low..high, counted from low."""
    if pattern.offsets is None:
        return slice(max(low, shift) - low, min(high, shift + pattern.length) - low)
    absolute = pattern.offsets + (shift - low)
    return absolute[(absolute >= 0) & (absolute < high - low)]


@dataclass(slots=True, eq=False)
class Access:
    """A read or write under way: a descriptor that has begun, or a kernel that runs."""

    who: str
    base: int
    pattern: Pattern
    write: bool
    layer: int = -1

    def describe(self) -> str:
        """The access for a message, with its byte range."""
        verb = "writes" if self.write else "reads"
        return f"{self.who} {verb} bytes 0x{self.base * WORD:x}..0x{(self.base + self.pattern.span) * WORD:x}"


class Memory:
    """A data memory or a DDR argument, addressed by words."""

    def __init__(self, name: str, data: Bytes, written: bool) -> None:
        self.name = name
        self.bytes = data
        self.words: Words = data.view(np.uint32)
        self.size = len(self.words)
        self.shadow: npt.NDArray[np.bool_] | None = None if written else np.zeros(self.size, np.bool_)
        self.received: dict[int, int] = {}
        self._accesses: list[Access] = []

    def begin(self, access: Access) -> None:
        """Start an access; one that meets another where either writes is a fault."""
        low, high = access.base, access.base + access.pattern.span
        for other in self._accesses:
            if not (access.write or other.write):
                continue
            if high <= other.base or other.base + other.pattern.span <= low:
                continue
            if _patterns_meet(access.pattern, other.pattern, other.base - low):
                raise self._clash(access, other)
        self._accesses.append(access)

    def end(self, access: Access) -> None:
        """The access is over."""
        self._accesses.remove(access)

    def _clash(self, access: Access, other: Access) -> Exception:
        code = "overwrite" if access.write else "early-read"
        text = f"{access.describe()} of {self.name} while {other.describe()}"
        return sim_fault(code, text, access.who, access.layer)

    def read(self, access: Access, position: int, count: int) -> Words:
        """The words of a part of the access; words that nobody wrote are a fault."""
        offsets = access.pattern.offsets
        if offsets is None:
            part = slice(access.base + position, access.base + position + count)
            if self.shadow is not None and not self.shadow[part].all():
                raise self._unwritten(access, access.base + position + int(np.argmin(self.shadow[part])))
            return self.words[part]
        window = slice(access.base, access.base + access.pattern.span)
        chosen = offsets if count == len(offsets) else offsets[position : position + count]
        if self.shadow is not None:
            known = self.shadow[window][chosen]
            if not known.all():
                raise self._unwritten(access, access.base + int(chosen[int(np.argmin(known))]))
        return self.words[window][chosen]

    def _unwritten(self, access: Access, word: int) -> Exception:
        text = f"{access.describe()} of {self.name}, but nobody wrote byte 0x{word * WORD:x}"
        return sim_fault("unwritten-read", text, access.who, access.layer)

    def write(self, access: Access, position: int, data: Words) -> None:
        """Store words into a part of the access."""
        count, offsets = len(data), access.pattern.offsets
        if offsets is None:
            part = slice(access.base + position, access.base + position + count)
            self.words[part] = data
            if self.shadow is not None:
                self.shadow[part] = True
            return
        window = slice(access.base, access.base + access.pattern.span)
        chosen = offsets[position : position + count]
        self.words[window][chosen] = data
        if self.shadow is not None:
            self.shadow[window][chosen] = True

    def forget(self, access: Access) -> None:
        """Mark the words of an access as unwritten: what a slot held before a packet is not part of it."""
        if self.shadow is None:
            return
        window = self.shadow[access.base : access.base + access.pattern.span]
        window[slice(None) if access.pattern.offsets is None else access.pattern.offsets] = False

    def mark(self, first_word: int, count: int) -> None:
        """Count words as written."""
        if self.shadow is not None:
            self.shadow[first_word : first_word + count] = True
