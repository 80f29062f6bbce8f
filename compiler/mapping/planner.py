"""Which mapping, which home and how many passes: the decisions of `choose-tiles`, made on nodes and tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from fractions import Fraction

from compiler.errors import DoesNotFit, Limit, Reason
from compiler.ir import Module
from compiler.kernels.programs.resident import resident
from compiler.mapping.estimate import Facts, smallest_tile_bytes
from compiler.mapping.features import features_of, least_needed, reconciled, simplify
from compiler.mapping.footprint import Footprint, Peak
from compiler.mapping.forced import FREE, Forced
from compiler.mapping.kept import Kept
from compiler.mapping.means import refuse_long
from compiler.mapping.network import Node, Tensor, most_pieces, passes_by
from compiler.mapping.program import Extent
from compiler.mapping.rates import load_rate, store_rate
from compiler.mapping.reader import Reader
from compiler.mapping.search import FAST, Budget, Choice, Space, search
from compiler.mapping.shapes import WAYS, CoreLayout
from compiler.mapping.sizes import kept_sums, packet_bytes
from compiler.mapping.timeline import Pass, layer_cycles, passes_of, spans_of
from compiler.target import Target

SWEEPS = 2
"""How often each layer's division is looked at again."""

WORK_SHARES = Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(0)
"""Parts of the bytes for work packets that are tried: what they leave may keep a tensor out of DDR."""


@dataclass(frozen=True)
class Decision:
    """What is decided of a layer, with its estimate."""

    choice: Choice
    columns_by: str
    pieces: int


@dataclass(frozen=True)
class Plan:
    """A settled plan: cycles of all passes, bytes for work packets, homes of tensors, and what layers got."""

    cycles: float
    work_bytes: int
    levels: tuple[str, ...]
    decisions: tuple[Decision, ...]


MOST_NOTES = 6
"""Buffers that a message names of those that do not fit together."""


class Planner:
    """Chooses mappings, homes and passes; `core` is the layout that all cores get."""

    def __init__(
        self,
        module: Module,
        target: Target,
        core: CoreLayout,
        stage_bytes: int,
        work_bytes: int,
        budget: Budget = FAST,
        forced: Forced = FREE,
    ) -> None:
        self.module, self.target, self.core, self.budget, self.forced = module, target, core, budget, forced
        self.stage_bytes, self.work_bytes = stage_bytes, work_bytes
        reader = Reader(module)
        self.nodes, self.tensors, self.ports, self.views = reader.nodes, reader.tensors, reader.ports, reader.views
        self._wanted, self._homes = forced.by_number(self.nodes), forced.by_tensor(self.tensors)
        self.cycles = 0.0
        self._decisions: dict[int, Decision] = {}
        self._choices: dict[tuple[Kept, Space], Choice | None] = {}
        self._ways: dict[int, list[Decision]] = {}
        self._levels = tuple(one.level for one in self.tensors)
        self._most_work_bytes = work_bytes
        self.footprint = Footprint(self.nodes, self.tensors, module, target)
        self.patterns: list[Kept] = []
        self._facts: list[Facts] = []

    def _patterns(self) -> list[Kept]:
        """The real blocks of each layer, one object for layers that keep the same blocks."""
        known: dict[Hashable, Kept] = {}
        found = []
        for node in self.nodes:
            sums = kept_sums(node, self.module)
            found.append(known.setdefault((sums.shape, sums.tobytes()), Kept(node.layer, self.target, sums)))
        return found

    def choose(self) -> None:
        """Mappings and homes for all layers; where a core has no room for all programs, fewer do the same."""
        refuse_long(self.module, self.target)
        self._facts = reconciled(self.nodes, self.module)
        self.patterns = self._patterns()
        while True:
            try:
                self._choose()
                resident(features_of(self.nodes))
                return
            except DoesNotFit as error:
                if error.diagnostic.code != "program-memory":
                    raise
                if not simplify(self.nodes, self._facts):
                    raise self._too_much_code(error) from None

    def _choose(self) -> None:
        """Settle the cheapest mappings with more or less room for work packets, and take what then is cheapest."""
        for node in self.nodes:
            wanted = self._wanted.get(node.number)
            node.pieces = wanted.passes if wanted else 1
            self._map(node, (wanted.mapping.columns_by,) if wanted else WAYS)
        first = self._improve()
        plans: list[Plan] = []
        failure: DoesNotFit | None = None
        for share in WORK_SHARES:
            self._restore(Plan(0.0, int(self._most_work_bytes * share), self._levels, first))
            try:
                changed = self._settle()
            except DoesNotFit as error:
                failure = failure or error
                continue
            plans.append(self._plan())
            if not changed:
                break
        if not plans:
            assert failure is not None
            raise failure
        self._restore(min(plans, key=lambda one: one.cycles))
        self.forced.check_homes(self.tensors)

    def _improve(self) -> tuple[Decision, ...]:
        """What each layer begins with: division by rows or by channels as all layers together are cheapest.

        A layer that divides by channels sends its operands and its result through DDR: its neighbours pay for it, too.
        So what begins is all by rows up to some layer and by channels from there on, as networks have fewer pixels and
        more weights towards their end.  Then layers are looked at one after another.  All this is as if the memory
        tiles had room for everything.
        """
        starts = [{node.number: self._decisions[node.number] for node in self.nodes}]
        starts += [self._parted(at) for at in range(len(self.nodes) + 1)]
        totals = [self._trial(one) for one in starts]
        best = min(totals)
        first = starts[totals.index(best)]
        for _ in range(SWEEPS):
            before = best
            for node in self.nodes:
                for other in self._ways[node.number]:
                    if other.columns_by != first[node.number].columns_by:
                        total = self._trial({**first, node.number: other})
                        if total < best:
                            best, first = total, {**first, node.number: other}
            if best == before:
                break
        return tuple(first[node.number] for node in self.nodes)

    def _parted(self, at: int) -> dict[int, Decision]:
        """Division by rows of the layers before one, by channels from it on, where both are possible."""
        found = {}
        for node in self.nodes:
            ways = {one.columns_by: one for one in self._ways[node.number]}
            way = "rows" if node.number < at else "channels"
            found[node.number] = ways.get(way, self._ways[node.number][0])
        return found

    def _trial(self, decisions: Table[int, Decision]) -> float:
        """Cycles of all passes if memory tiles had room for everything."""
        self._restore(Plan(0.0, self._most_work_bytes, self._levels, tuple(decisions.values())))
        self._send_away()
        self._fit()
        return self._total()

    def _plan(self) -> Plan:
        decisions = tuple(self._decisions[node.number] for node in self.nodes)
        return Plan(self._total(), self.work_bytes, tuple(one.level for one in self.tensors), decisions)

    def _restore(self, plan: Plan) -> None:
        self.cycles, self.work_bytes = plan.cycles, plan.work_bytes
        for tensor, level in zip(self.tensors, plan.levels, strict=True):
            tensor.level = level
        for node, decision in zip(self.nodes, plan.decisions, strict=True):
            node.pieces = decision.pieces
            self._decide(node, decision)

    def _decide(self, node: Node, decision: Decision) -> None:
        self._decisions[node.number] = decision
        node.mapping, node.columns_by = decision.choice.mapping, decision.columns_by

    def _map(self, node: Node, ways: Sequence[str]) -> None:
        """The cheaper of the ways; dividing by channels pays for moving activations through DDR."""
        found = []
        for way in ways:
            choice = self._search(node, way)
            if choice is None or not self._packets_fit(replace(node, columns_by=way, mapping=choice.mapping)):
                continue
            moved = 0.0
            if way == "channels":
                loaded, stored = sum(one.bytes for one in node.inputs), node.output.bytes
                moved = loaded / load_rate(self.target) + stored / (self.target.columns * store_rate(self.target))
            found.append((choice.cycles * node.pieces + moved, Decision(choice, way, node.pieces)))
        if not found:
            raise self._too_large(node)
        if len(ways) > 1 or node.number not in self._ways:
            self._ways[node.number] = [decision for _, decision in found]
        self._decide(node, min(found, key=lambda one: one[0])[1])

    def space(self, node: Node, way: str) -> Space:
        """Where to look for a mapping of a layer whose columns are divided in this way."""
        rows, blocks = node.layer.out_height, node.layer.out_blocks
        if passes_by(node.layer, way) == "rows":
            rows = -(-rows // node.pieces)
        else:
            blocks = -(-blocks // node.pieces)
        layer, facts = replace(node.layer, weight="", params="", kept_blocks=0), self._facts[node.number]
        whole = Extent((0, rows), (0, blocks))
        return Space(layer, node.output.storage, self.target, self.core, whole, way, facts)

    def _search(self, node: Node, way: str) -> Choice | None:
        """`search`, done once for layers that differ in the numbers of their weights only."""
        kept, space = self.patterns[node.number], self.space(node, way)
        wanted = self._wanted.get(node.number)
        if wanted:
            return self.forced.choice(node, wanted, space, kept, most_pieces(node.layer, way, self.target.columns))
        if (kept, space) not in self._choices:
            self._choices[kept, space] = search(space, kept, self.budget)
        return self._choices[kept, space]

    def passes(self) -> list[Pass]:
        """The passes of all layers in order, as they are decided."""
        return [
            one
            for node in self.nodes
            for one in passes_of(node, self.choice(node), self.footprint, self.target, self.work_bytes)
        ]

    def _total(self) -> float:
        """Estimated cycles of all passes one after another, with what DDR adds."""
        return sum(spans_of(self.passes(), self.target))

    def estimates(self) -> list[float]:
        """Estimated cycles of each layer: from the end of the one before, its stores included, to its own."""
        return layer_cycles(self.passes(), self.target)

    def choice(self, node: Node) -> Choice:
        """The mapping that is decided for a layer, with its estimate."""
        return self._decisions[node.number].choice

    def by_rows(self, node: Node) -> tuple[Choice, int]:
        """How a layer is, or would be, divided by rows, and the rows of a pass then."""
        decision = next((one for one in self._ways[node.number] if one.columns_by == "rows"), None)
        now = self._decisions[node.number]
        decision = now if decision is None or now.columns_by == "rows" else decision
        return decision.choice, -(-node.layer.out_height // decision.pieces)

    def _packets_fit(self, node: Node) -> bool:
        """Whether the real blocks fit the work slots."""
        return packet_bytes(node, self.target, self.module, 0) <= self.core.work_bytes

    def _too_large(self, node: Node) -> DoesNotFit:
        least = smallest_tile_bytes(node.layer)
        return DoesNotFit(
            Reason(
                "does-not-fit",
                f"no tile of this layer fits a core: 4 output pixels read {least} bytes of 8 channels, "
                f"an activation slot has {self.core.act_bytes}",
                node.place,
                notes=(f"results have {self.core.out_bytes} bytes, work packets {self.core.work_bytes}",),
                help="split the window into smaller ones, or run this layer elsewhere",
                limit=Limit("bytes of the smallest tile", f"at most {self.core.act_bytes}", str(least)),
            )
        )

    def _settle(self) -> bool:
        """Send tensors to DDR, and cut layers whose pass brings too much, until everything fits the memory tiles.

        Returns whether anything had to give way.
        """
        self._send_away()
        changed = False
        while True:
            self._fit()
            peak = self.footprint.peak(self.work_bytes)
            if peak.bytes <= self.target.memory_tile.bytes:
                return changed
            changed = True
            free = [one for one in peak.alive if one.number not in self._homes]
            if free:
                min(free, key=self._cost_of).level = "ddr"
            elif not self._cut(peak.epoch):
                raise self._too_full(peak)

    def _cost_of(self, tensor: Tensor) -> tuple[float, int]:
        """Cycles of all passes with a tensor in DDR."""
        before = self._plan()
        tensor.level = "ddr"
        self._fit()
        total = self._total()
        self._restore(before)
        return total, tensor.number

    def _send_away(self) -> None:
        """Tensors that layers do not find in the memory tiles, or leave there, as they divide by channels."""
        for tensor in self.tensors:
            touching = [self.nodes[n] for n in (*tensor.writers, *tensor.readers)]
            far = any(node.columns_by == "channels" for node in touching) or not tensor.readers
            if far or self._homes.get(tensor.number) == "ddr":
                tensor.level = "ddr"

    def _fit(self) -> None:
        """Send away what is out of a column's reach, and take as many passes as the staging area asks for."""
        for node in self.nodes:
            if node.columns_by == "rows" and not self.footprint.reaches(node):
                for view in node.inputs:
                    view.tensor.level = "ddr"
        for node in self.nodes:
            self._divide(node, self.stage_bytes)

    def _cut(self, epoch: int) -> bool:
        """More passes for the layer that brings most to a memory tile in an epoch; False if none can be cut."""
        first, found = 0, []
        for node in self.nodes:
            staged = self.footprint.staged(node)
            near = [staged[i - first].bytes for i in range(epoch - 1, epoch + 2) if first <= i < first + node.pieces]
            if any(near) and node.pieces < self._most_pieces(node) and node.number not in self._wanted:
                found.append((sum(near), -node.number, node))
            first += node.pieces
        if not found:
            return False
        node = max(found, key=lambda one: one[:2])[2]
        self._divide(node, self._most_staged(node) - 1)
        return True

    def _most_pieces(self, node: Node) -> int:
        return most_pieces(node.layer, node.columns_by, self.target.columns)

    def _most_staged(self, node: Node) -> int:
        """Bytes that the pass of a layer with most to load and store stages."""
        return max(one.bytes for one in self.footprint.staged(node))

    def _divide(self, node: Node, most: int) -> None:
        """More passes until each stages at most so many bytes; with fewer rows another tile may be better."""
        before = node.pieces
        if node.number in self._wanted:
            return
        while self._most_staged(node) > most and node.pieces < self._most_pieces(node):
            node.pieces += 1
        if node.pieces > before:
            self._map(node, (node.columns_by,))

    def _too_full(self, peak: Peak) -> DoesNotFit:
        """Nothing can give way any more: what is alive at the peak, and for which layer most of it."""
        own = Counter[int]()
        for one in peak.held:
            own[one.node] += one.request.bytes
        node, most = own.most_common(1)[0]
        largest = sorted((one.request for one in peak.held), key=lambda one: -one.bytes)[:MOST_NOTES]
        notes = [f"at the peak, {one.bytes:,} bytes: {one.name}" for one in largest]
        notes.append(f"a memory tile of {peak.bytes:,} bytes would do, one of less than {peak.bound:,} never")
        text = f"what is alive at once needs {peak.bytes:,} bytes of a memory tile of {self.target.memory_tile.bytes:,}"
        room = f"at most {self.target.memory_tile.bytes:,}"
        limit = Limit("bytes of a memory tile alive at once", room, f"{peak.bytes:,}")
        if self._wanted or self._homes:
            forced = f"{len(self._wanted)} layers and the homes of {len(self._homes)} tensors"
            notes.append(f"the mapping file forces {forced}")
            help = "leave some of them out"
            return DoesNotFit(Reason("does-not-fit", text, self.forced.place, tuple(notes), help, limit=limit))
        text += f", {most:,} of them are for this layer"
        help = "choose-tiles{work-bytes=...} with a smaller number needs less, and so do more columns"
        return DoesNotFit(Reason("does-not-fit", text, self.nodes[node].place, tuple(notes), help, limit=limit))

    def _too_much_code(self, error: DoesNotFit) -> DoesNotFit:
        """The program of the cores has no code to spare: the layers that could spare it some, if they ran elsewhere."""
        feature, nodes = least_needed(self.nodes)
        found = error.diagnostic
        found = replace(found, message=f"{found.message}; this layer needs {feature.name}: {feature.value}")
        first, *others = (node.place for node in nodes)
        more = (replace(found, place=one, notes=(), help="") for one in others)
        return DoesNotFit(replace(found, place=first), *more)
