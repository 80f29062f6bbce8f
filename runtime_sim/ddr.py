"""The DDR: what a shim channel moves in a cycle, and what all channels share."""

from compiler.encoding.tiles import Direction
from compiler.target import Target

STREAM_BYTES_PER_CYCLE = 4
"""A stream carries a word a cycle, whatever the DDR could do."""


class _Meter:
    """A rate that several take from, in order of asking; a rate of 0 does not limit."""

    def __init__(self, bytes_per_cycle: float) -> None:
        self._rate = bytes_per_cycle
        self._free = 0.0

    def take(self, count: int, now: int) -> float:
        """When these bytes have passed."""
        if not self._rate:
            return now
        self._free = max(self._free, now) + count / self._rate
        return self._free


class Ddr:
    """Shares the DDR among the shim channels of a run: MM2S reads, S2MM writes."""

    def __init__(self, target: Target) -> None:
        ddr = target.ddr
        read = _Meter(target.bytes_per_cycle(ddr.read_gb_per_s))
        write = _Meter(target.bytes_per_cycle(ddr.write_gb_per_s))
        both = _Meter(target.bytes_per_cycle(ddr.total_gb_per_s))
        self._meters = {Direction.MM2S: (read, both), Direction.S2MM: (write, both)}
        self._rates = channel_rates(target)
        self.limits = bool(ddr.read_gb_per_s or ddr.write_gb_per_s or ddr.total_gb_per_s)

    def cycles(self, direction: Direction, count: int) -> float:
        """How long one channel takes for these bytes when it is alone."""
        return count / self._rates[direction]

    def take(self, direction: Direction, count: int, now: int) -> float:
        """When these bytes have passed all that channels share."""
        return max(meter.take(count, now) for meter in self._meters[direction])


def channel_rates(target: Target) -> dict[Direction, float]:
    """Bytes a cycle of one shim channel, reading (MM2S) and writing (S2MM)."""
    ddr = target.ddr
    return {
        Direction.MM2S: min(ddr.read_channel_bytes_per_cycle, STREAM_BYTES_PER_CYCLE),
        Direction.S2MM: min(ddr.write_channel_bytes_per_cycle, STREAM_BYTES_PER_CYCLE),
    }
