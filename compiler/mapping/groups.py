"""Which layers run together strip by strip, and in how many strips: chosen for a whole schedule at once.

A schedule is cut into layers by themselves and groups; a shortest path over the places where it can be cut finds the
cheapest way.  What a layer by itself costs is taken from a plan of the network without groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from compiler.mapping.cuts import part_count
from compiler.mapping.layers import tensors_of
from compiler.mapping.network import Node, Tensor
from compiler.mapping.planner import Planner
from compiler.mapping.program import chunks
from compiler.mapping.rates import load_rate, store_rate
from compiler.mapping.strips import Activation, Cut, Group, Read, Rows, Step, group_of, reads_of, strip_rows
from compiler.mapping.timeline import Pass
from compiler.target import Target
from dialects import bsp

DENSE_BLOCK = 64
"""Multiplications of an 8x8 block for one pixel."""

GAIN = 0.98
"""A group must take less than this of what its layers take by themselves: what differs by less nobody can tell."""

FILL = 0.95
"""Of a memory tile so much can be filled; the rest are gaps between buffers."""

BOUND = 1.1
"""A layer whose cycles are more than this above those of its weights is bound by something else."""

TRIES = 4
"""Of the numbers of strips that fit the memory tiles so many are weighed: each strip more reads the weights again."""


def can_cut(group: Group, rows: int) -> bool:
    """Whether all strips of so many rows can be computed."""
    spans = chunks(0, group.exit.type.shape[1], rows)
    # Strips between the outermost two differ in nothing but where they lie.
    return len(spans) > 1 and all(strip_rows(group, one) is not None for one in (*spans[:2], *spans[-2:]))


def longest_cuts(steps: Sequence[Step], strips: int) -> tuple[Cut, ...]:
    """The fewest groups, each in so many strips, for all layers that can be cut so."""
    best: list[tuple[int, tuple[Cut, ...]]] = [(0, ())]
    for last in range(1, len(steps) + 1):
        count, cuts = best[last - 1]
        found = [(count + 1, cuts)]
        for first in range(last):
            group = group_of(steps[first:last])
            if group is None:
                continue
            rows = -(-group.exit.type.shape[1] // strips)
            if can_cut(group, rows):
                count, cuts = best[first]
                # A layer by itself costs more than any strip that it could be cut into.
                found.insert(0, (count, (*cuts, Cut(first, last, rows))))
        best.append(min(found, key=lambda one: (one[0], len(one[1]))))
    return best[-1][1]


def best_cuts(steps: Sequence[Step], plan: Planner, target: Target, most: int) -> tuple[Cut, ...]:
    """The groups, of at most so many strips each, with which the whole schedule is estimated to take least time."""
    weigher = Weigher(steps, plan, target, most)
    best: list[tuple[float, tuple[Cut, ...]]] = [(0.0, ())]
    for last in range(1, len(steps) + 1):
        cycles, cuts = best[last - 1]
        found = [(cycles + weigher.alone(steps[last - 1]), cuts)]
        for cost, cut in weigher.ending_at(last):
            cycles, cuts = best[cut.first]
            if cost < GAIN * sum(map(weigher.alone, steps[cut.first : last])):
                found.append((cycles + cost, (*cuts, cut)))
        best.append(min(found, key=lambda one: one[0]))
    return best[-1][1]


@dataclass
class Turn:
    """One layer of a strip: cycles of its run, weights, loads and stores, bytes of a memory tile they lie in."""

    run: float
    work: float
    work_bytes: int
    load: float = 0.0
    store: float = 0.0
    loaded_bytes: int = 0
    stored_bytes: int = 0


@dataclass
class Weigher:
    """Estimates groups of a schedule."""

    steps: Sequence[Step]
    plan: Planner
    target: Target
    most: int
    nodes: dict[Step, Node] = field(init=False)
    passes: dict[int, list[Pass]] = field(init=False)

    def __post_init__(self) -> None:
        layers = [step for step in self.steps if not isinstance(step, bsp.ConcatOp)]
        self.nodes = dict(zip(layers, self.plan.nodes, strict=True))
        self.passes = {node.number: [] for node in self.plan.nodes}
        for one in self.plan.passes():
            self.passes[one.node.number].append(one)
        # Of one column.
        self.load_rate, self.store_rate = load_rate(self.target), store_rate(self.target)

    def alone(self, step: Step) -> float:
        """Cycles of a layer as the plan has it: what is loaded and stored first and last has to be waited for."""
        if isinstance(step, bsp.ConcatOp):
            return 0.0
        passes = self.passes[self.nodes[step].number]
        loads = [one.load for one in passes]
        stores = [one.store for one in passes]
        inner = zip(passes, [*loads[1:], 0.0], [0.0, *stores[:-1]], strict=True)
        return loads[0] + sum(max(one.run, one.choice.work + load, store) for one, load, store in inner) + stores[-1]

    def ending_at(self, last: int) -> Iterator[tuple[float, Cut]]:
        """Groups that end before a step, each with its cycles in as many strips as is best for it."""
        for first in range(last - 2, -1, -1):
            group = group_of(self.steps[first:last])
            if group is None:
                continue
            found = list(self._weighed(group))
            if not found:
                return  # with more layers even more would have to fit
            cost, rows = min(found)
            yield cost, Cut(first, last, rows)

    def _weighed(self, group: Group) -> Iterator[tuple[float, int]]:
        """Cycles and rows of the fewest strips that fit the memory tiles, and of a few more."""
        height, tries = group.exit.type.shape[1], 0
        heights = dict.fromkeys(-(-height // count) for count in range(2, min(self.most, height) + 1))
        for rows in heights:
            if tries == TRIES:
                return
            cost = self._cost(group, rows) if can_cut(group, rows) else None
            if cost is not None:
                tries += 1
                yield cost, rows

    def _cost(self, group: Group, rows: int) -> float | None:
        """Cycles of a group in strips of so many rows; None if a strip does not fit the memory tiles."""
        spans = chunks(0, group.exit.type.shape[1], rows)
        found = strip_rows(group, spans[len(spans) // 2])
        assert found is not None
        turns = self._turns(group, found)
        if self._peak_bytes(group, found, turns) > FILL * self.target.memory_tile.bytes:
            return None
        cycles = 0.0
        for i, one in enumerate(turns):
            # The first layer of the next strip is behind the last one.
            ahead = turns[(i + 1) % len(turns)].load
            cycles += max(one.run, one.work + ahead, turns[i - 1].store)
        return len(spans) * cycles + turns[0].load + turns[-1].store + self._sent_away(group)

    def _turns(self, group: Group, found: dict[Activation, Rows]) -> list[Turn]:
        """The layers of a strip in order."""
        inside, turns = frozenset(group.steps), []
        for step in group.steps:
            if isinstance(step, bsp.ConcatOp):
                continue
            node, whole = self.nodes[step], bsp.whole_of(step.y)
            first, last = found[whole]
            share = -(-(last - first) // self.target.columns)
            choice, rows = self.plan.by_rows(node)
            compute = self._compute(node, choice.cycles, choice.work, rows)
            # A tile that is summed up by several calls gets its own copy of the weights.
            scale = (last - first) / rows if part_count(node.layer, choice.mapping) > 1 else 1.0
            weights = choice.work * scale
            run = max(weights, compute * share / -(-rows // self.target.columns))
            turn = Turn(run, weights, max(one.ring.bytes for one in self.passes[node.number]))
            middle = (first + last - share) // 2
            for read in reads_of(step, (middle, middle + share)):
                if read.value.op not in inside:
                    size = self._bytes(read)
                    turn.loaded_bytes += size
                    turn.load += size / self.load_rate
            if whole is group.exit:
                turn.stored_bytes = share * node.output.storage.row_bytes
                turn.store = turn.stored_bytes / self.store_rate
            turns.append(turn)
        return turns

    def _compute(self, node: Node, cycles: float, work: float, rows: int) -> float:
        """Cycles in which cores make so many rows; where weights come too slowly to tell, those of multiplications."""
        if cycles > BOUND * work:
            return cycles
        blocks = node.layer.kept_blocks * rows * node.layer.out_width
        return BOUND * blocks * DENSE_BLOCK / (self.target.core.macs_per_cycle * self.target.cores)

    def _bytes(self, read: Read) -> int:
        return (read.rows[1] - read.rows[0]) * self._tensor(read.value).storage.row_bytes

    def _tensor(self, value: Activation) -> Tensor:
        return self.plan.views[value].tensor

    def _peak_bytes(self, group: Group, found: dict[Activation, Rows], turns: Sequence[Turn]) -> int:
        """Bytes of a memory tile that a strip needs when it needs most."""
        layers = [step for step in group.steps if not isinstance(step, bsp.ConcatOp)]
        born: dict[Activation, int] = {}
        dies: dict[Activation, int] = {}
        inside = frozenset(group.steps)
        for number, step in enumerate(layers):
            whole = bsp.whole_of(step.y)
            if whole is not group.exit:
                born.setdefault(whole, number)
            for read in reads_of(step, found[whole]):
                if read.value.op in inside:
                    dies[bsp.whole_of(read.value)] = number
        peak = 0
        for number in range(len(layers)):
            near = [turns[number - 1], turns[number], turns[(number + 1) % len(turns)]]
            moved = near[1].loaded_bytes + near[2].loaded_bytes + near[0].stored_bytes + near[1].stored_bytes
            held = sum(self._held(one, found[one]) for one in born if born[one] <= number <= dies[one])
            peak = max(peak, moved + held + near[1].work_bytes + near[2].work_bytes)
        return peak

    def _held(self, whole: Activation, rows: Rows) -> int:
        """Bytes of a column's rows of a strip, those of the border with them."""
        storage = self._tensor(whole).storage
        return (-(-(rows[1] - rows[0]) // self.target.columns) + storage.top) * storage.row_bytes

    def _sent_away(self, group: Group) -> float:
        """Cycles of other layers for what they would leave in the memory tiles were it not for this group."""
        inside, cycles = frozenset(group.steps), 0.0
        layers = [step for step in group.steps if not isinstance(step, bsp.ConcatOp)]
        for value in dict.fromkeys(one for step in layers for one in tensors_of(step) if one.op not in inside):
            outer = self.plan.views[value]
            if outer.tensor.level == "mem":
                cycles += outer.bytes / (self.target.columns * self.store_rate)
        view = self.plan.views[group.exit]
        if view.tensor.level == "mem":
            cycles += view.bytes / (self.target.columns * self.load_rate)
        return cycles
