"""The published experiments as control streams for the simulator; each gives numbers in the unit of its row."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compiler.encoding.descriptors import CoreBd, ShimBd
from compiler.encoding.register_map import BdWord, LockValue, Special, register_offset
from compiler.encoding.registers import SHIM_MM2S_SOUTH, SHIM_S2MM_SOUTH, DemuxWord, MuxWord, ShimRoute
from compiler.encoding.switch import Bundle, Port
from compiler.encoding.tiles import Direction, Tile, TileKind
from compiler.encoding.transaction import BlockWrite, MaskWrite, Noop, Op, Write32
from compiler.target import Target
from runtime_sim.record import Event, Result
from tests.sim_streams import MEMTILE, MM2S, S2MM, Script, core, memtile_bd

SIZES = (1024, 2048, 4096, 8192, 16384)
"""Words of a single transfer, those of the published fits."""

RING_WORDS = 4096
MEGA = 1e6
Values = tuple[float, ...]
Run = Callable[[Target], Values]


@dataclass(frozen=True)
class Traffic:
    """What shim channels move at once: words per channel, and whether what is written is what was read."""

    columns: int
    channels: int
    read_words: int
    write_words: int = 0
    copy: bool = False


class Bench(Script):
    """A script over whole columns; memory tile channel 4 + k belongs to shim channel k, both ways."""

    def column(self, number: int) -> tuple[Tile, Tile]:
        """Set the routes of a column and give its shim and memory tile."""
        shim, memory = Tile(number, 0, TileKind.SHIM), Tile(number, 1, TileKind.MEMTILE)
        self.write(shim, Special.MUX, MuxWord(south3=ShimRoute.DMA, south7=ShimRoute.DMA))
        self.write(shim, Special.DEMUX, DemuxWord(south2=ShimRoute.DMA, south3=ShimRoute.DMA))
        for k in range(2):
            self.circuit(shim, Port(Bundle.SOUTH, SHIM_MM2S_SOUTH[k]), Port(Bundle.NORTH, k))
            self.circuit(memory, Port(Bundle.SOUTH, k), Port(Bundle.DMA, 4 + k))
            self.circuit(memory, Port(Bundle.DMA, 4 + k), Port(Bundle.SOUTH, k))
            self.circuit(shim, Port(Bundle.NORTH, k), Port(Bundle.SOUTH, SHIM_S2MM_SOUTH[k]))
        return shim, memory

    def fill(self, memory: Tile, k: int, words: int) -> None:
        """Take all that comes from shim channel k into one buffer."""
        bd = 24 * k
        self.bd(memory, bd, memtile_bd(8 * RING_WORDS * k, words, use_next_bd=True, next_bd=bd))
        self.push(memory, S2MM, 4 + k, bd)

    def drain(self, memory: Tile, k: int, words: int, times: int) -> None:
        """Send a buffer to shim channel k so many times."""
        bd = 24 * k + 2
        self.bd(memory, bd, memtile_bd(8 * RING_WORDS * k, words))
        if times:
            self.push(memory, MM2S, 4 + k, bd, times)

    def loop_back(self, memory: Tile, k: int) -> None:
        """Send what comes from shim channel k back to it, through two buffers guarded by two locks."""
        lock = 2 * k
        self.lock(memory, lock, 2)
        for first, taken, given in ((24 * k, lock, lock + 1), (24 * k + 2, lock + 1, lock)):
            for turn in range(2):
                offset, following = 4 * RING_WORDS * (2 * k + turn), first + 1 - turn
                bd = memtile_bd(offset, RING_WORDS, acquire=(taken, 1), release=(given, 1))
                self.bd(memory, first + turn, replace(bd, use_next_bd=True, next_bd=following))
        self.push(memory, S2MM, 4 + k, 24 * k)
        self.push(memory, MM2S, 4 + k, 24 * k + 2)

    def task(
        self, shim: Tile, direction: Direction, k: int, bd: int, words: int, offset: int = 0, token: bool = False
    ) -> None:
        """The three operations of a shim task; argument 1 is read and argument 2 written."""
        argument = 1 if direction is MM2S else 2
        self.shim_bd(bd, argument, offset, ShimBd(length=words), shim)
        self.push(shim, direction, k, bd, token=token)

    def play(self, target: Target, size: int = 1 << 16) -> Result:
        """The clock alone, with arguments of so many bytes."""
        arguments = {number: np.zeros(size if number in (1, 2) else 0, np.uint8) for number in range(4)}
        return self.run(target, arguments, compute=False)


def _events(result: Result, lane: str) -> list[Event]:
    return [event for event in result.events if event.lane == lane]


def _span(events: Iterable[Event]) -> int:
    known = list(events)
    return max(event.end for event in known) - min(event.start for event in known)


def memory_tile_to_core(words: int, repeat: int = 1, step: int = 1) -> Run:
    """Cycles of one memory tile MM2S channel; the core takes all that comes."""

    def run(target: Target) -> Values:
        bench = Bench()
        bench.circuit(MEMTILE, Port(Bundle.DMA, 0), Port(Bundle.NORTH, 0))
        bench.circuit(core(0), Port(Bundle.SOUTH, 0), Port(Bundle.DMA, 0))
        bench.bd(core(0), 0, CoreBd(length=8192, use_next_bd=True, next_bd=0))
        bench.push(core(0), S2MM, 0, 0)
        bench.bd(MEMTILE, 0, memtile_bd(0, words, step0=step))
        bench.push(MEMTILE, MM2S, 0, 0, repeat)
        return (float(_span(_events(bench.play(target), "memtile(0,1) mm2s0"))),)

    return run


def core_to_memory_tile(words: int) -> Run:
    """Cycles of one descriptor of a core's MM2S channel."""

    def run(target: Target) -> Values:
        bench = Bench()
        bench.circuit(core(0), Port(Bundle.DMA, 0), Port(Bundle.SOUTH, 0))
        bench.circuit(MEMTILE, Port(Bundle.NORTH, 0), Port(Bundle.DMA, 0))
        bench.bd(MEMTILE, 0, memtile_bd(0, words))
        bench.push(MEMTILE, S2MM, 0, 0)
        bench.bd(core(0), 0, CoreBd(length=words))
        bench.push(core(0), MM2S, 0, 0)
        return (float(_span(_events(bench.play(target), "core(0,2) mm2s0"))),)

    return run


def _shim_events(target: Target, direction: Direction, words: int, count: int) -> list[Event]:
    """Tasks of so many words pushed one after another to channel 0 of a shim, the memory tile ready before."""
    bench = Bench()
    shim, memory = bench.column(0)
    if direction is MM2S:
        bench.fill(memory, 0, min(words, RING_WORDS))
    else:
        bench.drain(memory, 0, words, count)
    for bd in range(count):
        bench.task(shim, direction, 0, bd, words)
    return _events(bench.play(target), f"shim(0,0) {direction.name.lower()}0")


def single_tasks(direction: Direction) -> Run:
    """Cycles of one shim task of each size."""
    return lambda target: tuple(float(_span(_shim_events(target, direction, words, 1))) for words in SIZES)


def chain(direction: Direction) -> Run:
    """Cycles of each of 8 shim tasks of 64 words."""
    return lambda target: tuple(float(one.end - one.start) for one in _shim_events(target, direction, 64, 8))


def task_pauses(target: Target) -> Values:
    """Cycles from the end of a shim task to the next start, MM2S and S2MM, once the chain runs evenly."""
    pauses = []
    for direction in (MM2S, S2MM):
        events = _shim_events(target, direction, 64, 8)
        pauses.append(float(events[-1].start - events[-2].end))
    return tuple(pauses)


def _control_cycles(target: Target, ops: Iterable[Op]) -> float:
    """Cycles that the controller works on these operations, the fixed part of a stream left out."""
    bench = Bench()
    for op in ops:
        bench.op(op)
    return bench.play(target).control_cycles - target.cycles(target.control.stream_us * 1000)


_LOCK = MEMTILE.address(register_offset(TileKind.MEMTILE, LockValue(0)))
_BD = MEMTILE.address(register_offset(TileKind.MEMTILE, BdWord(0, 0)))
_WRITE = Write32(address=_LOCK, value=1)
_BLOCK = BlockWrite(address=_BD, data=(0,) * 8)
_MASK = MaskWrite(address=_LOCK, value=1, mask=1)


def operations(target: Target) -> Values:
    """Cycles of a write, of a block write of 8 words and of a masked write."""
    return tuple(_control_cycles(target, [op] * 1000) / 1000 for op in (_WRITE, _BLOCK, _MASK))


def block_writes(target: Target) -> Values:
    """Nanoseconds of each of 21,883 descriptor block writes."""
    count = 21883
    return (target.microseconds(_control_cycles(target, [_BLOCK] * count)) * 1000 / count,)


def empty_stream(target: Target) -> Values:
    """Milliseconds of a stream that does nothing."""
    bench = Bench()
    bench.op(Noop())
    return (target.microseconds(bench.play(target).cycles) / 1000,)


def _controller_of_tasks(target: Target, rounds: int) -> float:
    """Cycles of the controller that pushes tasks of 64 words to all shim channels in turn.

    Every second task of a channel gives a token, which is awaited when the channel gets the next such task.
    """
    bench = Bench()
    shims = []
    for number in range(target.columns):
        shim, memory = bench.column(number)
        shims.append(shim)
        for k in range(2):
            bench.fill(memory, k, 64)
            bench.drain(memory, k, 64, rounds)
    for turn in range(rounds):
        for direction in (MM2S, S2MM):
            for k in range(2):
                for shim in shims:
                    token = turn % 2 == 1
                    if token and turn > 1:
                        bench.sync(shim, direction, k)
                    if token:
                        bench.op(_MASK)
                    bd = turn % 4 + 4 * (2 * k + (direction is MM2S))
                    bench.task(shim, direction, k, bd, 64, token=token)
    result = bench.play(target)
    return float(result.control_cycles + result.sync_wait_cycles)


def task_in_a_crowd(target: Target) -> Values:
    """Microseconds that one more shim task costs when the tasks go to all 16 channels in turn."""
    few, many = 4, 24
    extra = (many - few) * target.columns * 4
    return (target.microseconds(_controller_of_tasks(target, many) - _controller_of_tasks(target, few)) / extra,)


def two_tasks(target: Target) -> Values:
    """Cycles of the controller for a task and a write of 32 bits, on one channel and then on the other."""

    def until(tasks: int) -> float:
        bench = Bench()
        shim, memory = bench.column(0)
        for k in range(2):
            bench.fill(memory, k, 64)
        for k in range(tasks):
            bench.task(shim, MM2S, k, k, 64)
            bench.op(_WRITE)
        return float(bench.play(target).control_cycles)

    times = [until(tasks) for tasks in range(3)]
    return times[1] - times[0], times[2] - times[1]


def _traffic_us(target: Target, traffic: Traffic) -> float:
    """Microseconds from the first shim task's start to the last one's end."""
    bench = Bench()
    share = 4 * max(traffic.read_words, traffic.write_words)
    number = 0
    for column in range(traffic.columns):
        shim, memory = bench.column(column)
        for k in range(traffic.channels):
            if traffic.copy:
                bench.loop_back(memory, k)
            else:
                bench.fill(memory, k, RING_WORDS)
                bench.drain(memory, k, RING_WORDS, traffic.write_words // RING_WORDS)
            bench.task(shim, MM2S, k, k, traffic.read_words, number * share)
            if traffic.write_words:
                bench.task(shim, S2MM, k, 2 + k, traffic.write_words, number * share)
            number += 1
    result = bench.play(target, number * share)
    return target.microseconds(_span(event for event in result.events if event.tile.startswith("shim")))


def bandwidth(target: Target) -> Values:
    """GB/s in each direction of one and of two channels, from how time grows with the size."""
    rates = []
    for channels in (1, 2):
        small, large = 1 << 19, 1 << 20
        times = [_traffic_us(target, Traffic(1, channels, words, words, copy=True)) for words in (small, large)]
        rates.append(4 * channels * (large - small) / (times[1] - times[0]) / 1000)
    return tuple(rates)


def copy_64_mib(target: Target) -> Values:
    """Microseconds, 2 channels each way in 2 columns."""
    words = (64 << 20) // 4 // 4
    return (_traffic_us(target, Traffic(2, 2, words, words, copy=True)),)


def fills(target: Target) -> Values:
    """Milliseconds to read 78.7 MB over 8 channels."""
    return (_traffic_us(target, Traffic(4, 2, int(78.7 * MEGA / 4 / 8))) / 1000,)


def two_reads_and_a_write(target: Target) -> Values:
    """Microseconds to read 19.27 MB twice and write it once over 8 channels each way."""
    words = int(19.27 * MEGA / 4 / 8) // RING_WORDS * RING_WORDS
    return (_traffic_us(target, Traffic(4, 2, 2 * words, words)),)


def all_of(*runs: Run) -> Run:
    """One experiment after another, their numbers in a row."""
    return lambda target: tuple(value for run in runs for value in run(target))
