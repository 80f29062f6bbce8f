"""Loops, random programs and a second judge for the tests of the scheduler."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from functools import cached_property

from compiler.encoding.isa import Register, ins
from compiler.kernels.schedule import Op, Row

BANKS = {"act": "B", "work": "A"}


def op(text: str, memory: str = "") -> Op:
    return Op(ins(text), memory=memory)


def sparse_conv(pixels: int = 4) -> list[Op]:
    """One kept weight block times `pixels` groups of four pixels; the offset of the activations comes from a table."""
    body = [
        op("lda.2d dj0, [p2], d2", "work"),
        op("vlda wl8, [p5], #32", "work"),
        op("vlda.2d wh8, [p5], d1", "work"),
        op("vmov x10, x8"),
    ]
    for group, pointer in enumerate(("p0", "p1", "p3", "p4")[:pixels]):
        body.append(op(f"vldb wl0, [{pointer}, dj0]", "act"))
        body.append(op(f"vmac cm{group}, cm{group}, x0, x10, r0"))
    return body


def scaling() -> list[Op]:
    """32 int16 products per iteration, which leave in two stores."""
    return [
        op("vlda wl0, [p0], #32", "in"),
        op("vlda wh0, [p0], #32", "in"),
        op("vmul cm0, x0, x1, r0"),
        op("vst.srs.s16.s32 bml0, s0, [p1], #32", "out"),
        op("vst.srs.s16.s32 bmh0, s0, [p1], #32", "out"),
    ]


FORMS = (
    "add r{}, r{}, r{}",
    "mul r{}, r{}, r{}",
    "lda r{}, [p{}], #4",
    "lda m{}, [p{}], #4",
    "st r{}, [p{}], #4",
    "vlda wl{}, [p{}], #32",
    "vldb wh{}, [p{}], m{}",
    "vldb wl{}, [p{}], #32",
    "vlda.2d wl{}, [p{}], d{}",
    "vlda amll{}, [p{}], #32",
    "vmov x{}, x{}",
    "vshuffle x{}, x{}, x{}, r{}",
    "vmul cm{}, x{}, x{}, r{}",
    "vmac cm{}, cm{}, x{}, x{}, r{}",
    "vst.srs.s8.s32 cm{}, s0, [p{}], #32",
    "vst wl{}, [p{}], #32",
    "padda [p{}], #64",
)
RANDOM_BANKS = {"a": "A", "b": "A", "c": "C"}


def random_program(seed: int, size: int, registers: int = 4) -> list[Op]:
    """Instructions of all slots on few registers and three memory objects, so that everything depends on much."""
    rng = random.Random(seed)
    found = []
    for _ in range(size):
        form = rng.choice(FORMS)
        instruction = ins(form.format(*(rng.randrange(registers) for _ in range(form.count("{}")))))
        if instruction.opcode.memory is None:
            found.append(Op(instruction))
            continue
        span = rng.choice((None, (0, 32), (32, 64)))
        found.append(Op(instruction, rng.choice("abc"), span, independent=rng.random() < 0.3))
    return found


class Judge:
    """What rows compute, found backwards: a read asks for the last write that landed before it.

    Neither the checker nor the schedulers work like that.  Sequential code is judged as rows of one op that are far
    apart.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.issued = [(cycle, one) for cycle, row in enumerate(rows) for one in row]

    @cached_property
    def _writes(self) -> dict[int, list[tuple[int, str, int, int]]]:
        found: dict[int, list[tuple[int, str, int, int]]] = {}
        for index, (cycle, one) in enumerate(self.issued):
            for position, (cell, at, bypass) in enumerate(one.ins.cells_written()):
                found.setdefault(cell, []).append((cycle + at - 1, bypass, index, position))
        return found

    def _source(self, cell: int, cycle: int, bypass: str) -> Hashable:
        seen = [
            (landed, index, position)
            for landed, other, index, position in self._writes.get(cell, ())
            if landed < cycle or (landed == cycle and bypass and other == bypass)
        ]
        if not seen:
            return cell
        _, index, position = max(seen)
        return hash((self.value(index), position))

    @cached_property
    def _values(self) -> dict[int, int]:
        return {}

    def value(self, index: int) -> int:
        if index not in self._values:
            cycle, one = self.issued[index]
            code = one.ins.opcode
            numbers = tuple(value for value in one.ins.values if not isinstance(value, Register))
            reads = tuple(self._source(cell, cycle + at - 1, by) for cell, at, by in one.ins.cells_read())
            earlier: tuple[int, ...] = ()
            if code.memory is not None:
                moment = cycle + code.memory.cycle
                earlier = tuple(sorted(self.value(other) for other in self._stores_before(one, moment)))
            self._values[index] = hash((code.name, str(numbers), one.memory, reads, earlier))
        return self._values[index]

    def _stores_before(self, one: Op, moment: int) -> list[int]:
        return [
            index
            for index, (cycle, other) in enumerate(self.issued)
            if (use := other.ins.opcode.memory) is not None
            and use.store
            and cycle + use.cycle < moment
            and other.memory == one.memory
            and not (other.independent or one.independent)
            and (other.span is None or one.span is None or other.span == one.span)
        ]

    def outcome(self) -> tuple[Hashable, ...]:
        """Stores and last values, by which two pieces of code are compared."""
        stores = [
            self.value(index)
            for index, (_, one) in enumerate(self.issued)
            if one.ins.opcode.memory is not None and one.ins.opcode.memory.store
        ]
        return tuple(sorted(stores)), tuple((cell, self._source(cell, 1 << 30, "")) for cell in sorted(self._writes))


def spread(program: Sequence[Op]) -> list[Row]:
    """A sequential program as rows in which every op is over before the next begins."""
    return [row for one in program for row in ((one,), *(() for _ in range(15)))]
