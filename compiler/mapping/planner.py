"""Which mapping, which home and how many passes: the decisions of `choose-tiles`, made on nodes and tensors."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from compiler.encoding.overlay import LOAD_CHANNELS
from compiler.errors import Diagnostic, DoesNotFit, UnsupportedModel
from compiler.ir import Module
from compiler.kernels.blocks import ACC_LIMIT, SUM_LIMIT
from compiler.kernels.programs.resident import Feature, resident
from compiler.mapping.cuts import part_count
from compiler.mapping.estimate import Facts, smallest_tile_bytes
from compiler.mapping.exact import smallest
from compiler.mapping.forced import FREE, Forced
from compiler.mapping.kept import Kept
from compiler.mapping.memory import Request, lower_bound, place
from compiler.mapping.network import (
    Node,
    Tensor,
    band,
    column_extents,
    filled,
    needed,
    reaches,
    room_bytes,
    share_bytes,
)
from compiler.mapping.packing import blocks_of_layer
from compiler.mapping.reader import Reader
from compiler.mapping.search import FAST, Budget, Choice, Space, search
from compiler.mapping.shapes import CoreLayout, Mapping
from compiler.mapping.sizes import kept_sums, packet_bytes, senders_of, slots_of
from compiler.target import Target

WAYS = "rows", "channels"
"""What columns may divide."""

SWEEPS = 2
"""How often each layer's division is looked at again."""

PLACE_NODES = 10_000
"""Nodes of the search for a placement where greedy ones do not fit: fewer than memory-planning takes."""

WORK_SHARES = Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(0)
"""Parts of the bytes for work packets that are tried: what they leave may keep a tensor out of DDR."""


FEATURES = {
    "direct": Feature.DIRECT,
    "narrow": Feature.NARROW,
    "staged": Feature.STAGED,
    "scale": Feature.SCALE,
    "mean": Feature.MEAN,
}
"""What the cores' program needs for each way of making bytes of sums."""


def _overflows(node: Node, largest: int, limit: int) -> UnsupportedModel:
    return UnsupportedModel(
        Diagnostic(
            "accumulator",
            f"sums of this layer can reach {largest}, and only below {limit} do they certainly fit 32 bits",
            node.title,
            help="a bias or weights so large are seldom meant: look at the scales of this layer",
        )
    )


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


_searched = lru_cache(maxsize=1 << 14)(search)
"""The search of a layer, done once for all plans that are tried."""


@dataclass(frozen=True)
class Pass:
    """One pass of a layer with its cycles: what it loads and stores, its run, the coming of its work packets.

    `work_bytes` are those of a memory tile that the packets wait in.
    """

    node: Node
    load: float
    store: float
    run: float
    work: float
    work_bytes: int


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
        self._ways: dict[int, list[Decision]] = {}
        self._levels = tuple(one.level for one in self.tensors)
        self._most_work_bytes = work_bytes
        self._reach: dict[Hashable, bool] = {}
        self._staging: dict[Hashable, list[tuple[int, ...]]] = {}
        self._sizes: dict[tuple[int, int, Mapping], list[int]] = {}
        self.patterns: list[Kept] = []
        self._facts: list[Facts] = []

    def facts(self, node: Node) -> Facts:
        """What the search must know of a layer's numbers."""
        layer, store = node.layer, self.module.store
        held = tuple(view.tensor.storage.blocks for view in (*node.inputs, node.output))
        counts = len(store[f"{layer.params}.count"]) if layer.kernel == "avg_pool" else 0
        if not layer.is_conv:
            return Facts(1.0, False, counts, held)
        density = len(store[f"{layer.weight}.index"]) / (layer.out_blocks * layer.in_blocks * layer.taps)
        blocks = blocks_of_layer(layer, self.module)
        largest = int(blocks.bound.max())
        limit = SUM_LIMIT if layer.exact else ACC_LIMIT
        if largest >= limit:
            raise _overflows(node, largest, limit)
        direct = blocks.direct(layer, (0, layer.out_blocks))
        return Facts(density, direct, counts, held)

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
        if any(node.layer.is_conv and not (node.layer.exact or node.layer.first_signed) for node in self.nodes):
            # Narrow code either clips or makes uint8.
            self._forget_clips()
        self._facts = [self.facts(node) for node in self.nodes]
        self.patterns = self._patterns()
        if any(self._is_narrow(node) for node in self.nodes):
            # Shifts alone are a case of narrow factors: the program that has these needs no other code.
            self._forget_shifts()
        while True:
            try:
                self._choose()
                resident(self._features())
                return
            except DoesNotFit as error:
                if error.diagnostic.code != "program-memory" or not self._simplified():
                    raise

    def _simplified(self) -> bool:
        """Do without code whose work other code of the program does as well; False if there is none left."""
        features = self._features()
        if Feature.DIRECT in features:
            self._forget_shifts()
        elif {Feature.COMBINE, Feature.COMBINE_NARROW} <= features:
            self._forget_narrow_combines()
        elif Feature.CLIPPED in features:
            self._forget_clips(combine_narrow=Feature.COMBINE not in features)
        else:
            return False
        return True

    def _is_narrow(self, node: Node) -> bool:
        """Whether a layer needs narrow factors, as a shift alone does not do."""
        return node.layer.is_conv and not node.layer.exact and not self._facts[node.number].direct

    def _forget_shifts(self) -> None:
        self._facts = [replace(one, direct=False) for one in self._facts]

    def _forget_narrow_combines(self) -> None:
        for node in self.nodes:
            node.layer = replace(node.layer, combine_narrow=False)

    def _forget_clips(self, combine_narrow: bool = True) -> None:
        """Clamp behind narrow results, by a factor of 1."""
        for node in self.nodes:
            if node.layer.clips:
                node.layer = replace(node.layer, clips=False, combine_narrow=combine_narrow)

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

    def _features(self) -> frozenset[Feature]:
        """What the cores' program must be able to do."""
        found = set()
        for node in self.nodes:
            assert node.mapping is not None
            if node.mapping.finish:
                found.add(FEATURES[node.mapping.finish])
            if part_count(node.layer, node.mapping) > 1:
                found.add(Feature.PARTS)
            if node.layer.kernel == "max_pool":
                found.add(Feature.MAX)
            if node.layer.clips:
                found.add(Feature.CLIPPED)
            if node.layer.combines:
                found.add(Feature.COMBINE_NARROW if node.layer.combine_narrow else Feature.COMBINE)
        return frozenset(found)

    def _map(self, node: Node, ways: Sequence[str]) -> None:
        """The cheaper of the ways; dividing by channels pays for moving activations through DDR."""
        found = []
        for way in ways:
            choice = self._search(node, way)
            if choice is None or not self._packets_fit(replace(node, columns_by=way, mapping=choice.mapping)):
                continue
            moved = 0.0
            if way == "channels":
                ddr = self.target.ddr
                loaded, stored = sum(one.bytes for one in node.inputs), node.output.bytes
                moved = loaded / (len(LOAD_CHANNELS) * ddr.read_channel_bytes_per_cycle)
                moved += stored / (self.target.columns * ddr.write_channel_bytes_per_cycle)
            found.append((choice.cycles * node.pieces + moved, Decision(choice, way, node.pieces)))
        if not found:
            raise self._too_large(node)
        if len(ways) > 1 or node.number not in self._ways:
            self._ways[node.number] = [decision for _, decision in found]
        self._decide(node, min(found, key=lambda one: one[0])[1])

    def space(self, node: Node, way: str) -> Space:
        """Where to look for a mapping of a layer whose columns are divided in this way."""
        rows = (0, -(-node.layer.out_height // node.pieces))
        layer, facts = replace(node.layer, weight="", params="", kept_blocks=0), self._facts[node.number]
        return Space(layer, node.output.storage, self.target, self.core, rows, way, facts)

    def _search(self, node: Node, way: str) -> Choice | None:
        """`search`, done once for layers that differ in the numbers of their weights only."""
        kept, space = self.patterns[node.number], self.space(node, way)
        wanted = self._wanted.get(node.number)
        if wanted:
            return self.forced.choice(node, wanted, space, kept, self._most_pieces(replace(node, columns_by=way)))
        return _searched(space, kept, self.budget)

    def _total(self) -> float:
        """Estimated cycles of all passes one after another, with what DDR adds."""
        return sum(self._spans())

    def estimates(self) -> list[float]:
        """Estimated cycles of each layer: from the end of the one before, its stores included, to its own."""
        spans = iter(self._spans())
        return [sum(next(spans) for _ in range(node.pieces)) for node in self.nodes]

    def _spans(self) -> list[float]:
        """Cycles from the end of each pass to that of the next.

        What a pass loads is fetched while the one before runs, as far as the channels have time beside its work; what
        one of the two before stores has to wait.  So have all passes for stores: a channel of the memory tile that
        stores sends work, too.
        """
        passes = [(node, piece) for node in self.nodes for piece in range(node.pieces)]
        late: list[float] = []
        early: list[float] = []
        stores, runs, idle = [], [], [0.0]
        for i, (node, piece) in enumerate(passes):
            sizes = self._staged(node)[piece]
            stored = node.output.tensor.level == "ddr"
            rate = len(LOAD_CHANNELS) * self.target.ddr.read_channel_bytes_per_cycle
            fresh = [one.output.tensor for one, _ in passes[max(0, i - 2) : i]]
            views = [view for view in node.inputs if view.tensor.level == "ddr"]
            for into, wanted in ((late, True), (early, False)):
                # What one of the two passes before stores, and what the first loads, nothing has time to load ahead.
                own = [view.tensor in fresh or not i for view in views]
                found = zip(own, sizes, strict=False)
                into.append(sum(size for waits, size in found if waits == wanted) / rate)
            stores.append(sizes[-1] / self.target.ddr.write_channel_bytes_per_cycle if stored else 0.0)
            choice = self._decisions[node.number].choice
            alone = slots_of(choice.mapping, self.target, self._packet(node)[piece], self.work_bytes) == 1
            runs.append(max(choice.cycles, choice.work * (1 + alone)))
            idle.append(max(0.0, runs[-1] - choice.work) + stores[-1])
            early[-1] += choice.step
        ends = [0.0]
        for i in range(len(passes)):
            begins = ends[-1] + late[i] + max(0.0, early[i] - idle[i])
            ends.append(begins + runs[i] + stores[i])
        return [last - first for first, last in pairwise(ends)]

    def passes(self) -> list[Pass]:
        """The passes of all layers in order, as they are decided."""
        found = []
        rate = len(LOAD_CHANNELS) * self.target.ddr.read_channel_bytes_per_cycle
        for node in self.nodes:
            stored = node.output.tensor.level == "ddr"
            choice = self._decisions[node.number].choice
            rows = zip(self._staged(node), self._packet(node), self._work(node), strict=True)
            for sizes, packet, waiting in rows:
                load = sum(sizes[:-1] if stored else sizes) / rate
                store = sizes[-1] / self.target.ddr.write_channel_bytes_per_cycle if stored else 0.0
                alone = slots_of(choice.mapping, self.target, packet, self.work_bytes) == 1
                run = max(choice.cycles, choice.work * (1 + alone))
                found.append(Pass(node, load, store, run, choice.work, waiting))
        return found

    def by_rows(self, node: Node) -> tuple[Choice, int]:
        """How a layer is, or would be, divided by rows, and the rows of a pass then."""
        decision = next((one for one in self._ways[node.number] if one.columns_by == "rows"), None)
        now = self._decisions[node.number]
        decision = now if decision is None or now.columns_by == "rows" else decision
        return decision.choice, -(-node.layer.out_height // decision.pieces)

    def ahead(self, before: Node | None, node: Node, packet: int) -> int:
        """Steps of work to fetch while the pass before runs: as many as keep the cores of this pass from waiting, but
        no more than that pass has time for, as this one begins when they are there.

        Passes whose work comes by one channel take the two in turn.
        """
        choice = self._decisions[node.number].choice
        senders = senders_of(choice.mapping, self.target)
        rate = min(senders, len(LOAD_CHANNELS)) * min(4.0, self.target.ddr.read_channel_bytes_per_cycle)
        step_cycles = packet * senders / rate
        wanted = 1 + math.ceil(max(0.0, choice.work - choice.busy) / step_cycles)
        past = self._decisions[before.number].choice if before is not None else choice
        apart = senders == 1 == senders_of(past.mapping, self.target)
        return max(1, min(wanted, int(max(0.0, past.cycles - past.work * (not apart)) // step_cycles)))

    def _packets_fit(self, node: Node) -> bool:
        """Whether the real blocks fit the work slots."""
        return packet_bytes(node, self.target, self.module, 0) <= self.core.work_bytes

    def _too_large(self, node: Node) -> DoesNotFit:
        least = smallest_tile_bytes(node.layer)
        return DoesNotFit(
            Diagnostic(
                "does-not-fit",
                f"no tile of this layer fits a core: 4 output pixels read {least} bytes of 8 channels, "
                f"an activation slot has {self.core.act_bytes}",
                node.title,
                notes=(f"results have {self.core.out_bytes} bytes, work packets {self.core.work_bytes}",),
                help="split the window into smaller ones, or run this layer elsewhere",
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
            used, at, live = self._overflow()
            if used <= self.target.memory_tile.bytes:
                return changed
            changed = True
            if live:
                min(live, key=self._cost_of).level = "ddr"
            elif not self._cut(at):
                raise self._too_full(used)

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
            if node.columns_by == "rows" and not self._reaches(node):
                for view in node.inputs:
                    view.tensor.level = "ddr"
        for node in self.nodes:
            self._divide(node, self.stage_bytes)

    def _reaches(self, node: Node) -> bool:
        key = node.number, tuple(view.tensor.level for view in node.inputs)
        if key not in self._reach:
            self._reach[key] = reaches(node, self.target.columns)
        return self._reach[key]

    def _cut(self, epoch: int) -> bool:
        """More passes for the layer that brings most to a memory tile in an epoch; False if none can be cut."""
        first, found = 0, []
        for node in self.nodes:
            sizes = self._staged(node)
            near = [sum(sizes[i - first]) for i in range(epoch - 1, epoch + 2) if first <= i < first + node.pieces]
            if any(near) and node.pieces < self._most_pieces(node) and node.number not in self._wanted:
                found.append((sum(near), -node.number, node))
            first += node.pieces
        if not found:
            return False
        node = max(found, key=lambda one: one[:2])[2]
        self._divide(node, max(map(sum, self._staged(node))) - 1)
        return True

    def _most_pieces(self, node: Node) -> int:
        return -(-node.layer.out_height // (self.target.columns if node.columns_by == "rows" else 1))

    def _divide(self, node: Node, most: int) -> None:
        """More passes until each stages at most so many bytes; with fewer rows another tile may be better."""
        before = node.pieces
        if node.number in self._wanted:
            return
        while max(map(sum, self._staged(node))) > most and node.pieces < self._most_pieces(node):
            node.pieces += 1
        if node.pieces > before:
            self._map(node, (node.columns_by,))

    def _staged(self, node: Node) -> list[tuple[int, ...]]:
        """Per pass the bytes of what is loaded (each operand) and stored."""
        levels = tuple(view.tensor.level for view in (*node.inputs, node.output))
        key = node.number, node.pieces, node.columns_by, levels
        if key not in self._staging:
            self._staging[key] = [self._pass_bytes(node, piece) for piece in range(node.pieces)]
        return self._staging[key]

    def _pass_bytes(self, node: Node, piece: int) -> tuple[int, ...]:
        extents = column_extents(node, self.target.columns, piece)
        row = []
        for operand, view in enumerate(node.inputs):
            if view.tensor.level == "ddr":
                parts = [needed(node, operand, one) for one in extents]
                row.append(share_bytes(view.tensor.storage, parts))
        if node.output.tensor.level == "ddr":
            high = max(one.rows[1] - one.rows[0] for one in extents)
            row.append(room_bytes(node.output.tensor.storage, [filled(node, one) for one in extents], high))
        return tuple(row) or (0,)

    def _too_full(self, used: int) -> DoesNotFit:
        return DoesNotFit(
            Diagnostic(
                "does-not-fit",
                f"what is loaded, stored and waits to be sent needs {used} bytes of a memory tile of "
                f"{self.target.memory_tile.bytes}",
                help="choose-tiles{work-bytes=...} with a smaller number needs less",
            )
        )

    def _overflow(self) -> tuple[int, int, list[Tensor]]:
        """Bytes of a memory tile in use, the epoch of the peak, and the resident tensors alive then."""
        requests, owners = self._requests(), [one for one in self.tensors if one.level == "mem"]
        used, room = place(requests)[1], self.target.memory_tile.bytes
        least, at = lower_bound(requests)
        if least <= room < used:
            # There is room, but in pieces.
            used = min(used, smallest(requests, capacity=room, nodes=PLACE_NODES).peak)
        free = [i for i, one in enumerate(owners) if one.number not in self._homes]
        return used, at, [owners[i] for i in free if requests[i].first <= at <= requests[i].last]

    def _requests(self) -> list[Request]:
        """What memory tiles hold: resident tensors, then what is loaded, stored, and waits to be sent."""
        first_epoch: dict[int, int] = {}
        epoch = 0
        for node in self.nodes:
            first_epoch[node.number] = epoch
            epoch += node.pieces
        owners = [one for one in self.tensors if one.level == "mem"]
        requests = [self._resident(one, first_epoch) for one in owners]
        # The order is that of memory-planning, so that what is found to fit here fits there.
        for node in self.nodes:
            for piece, sizes in enumerate(self._staged(node)):
                now = first_epoch[node.number] + piece
                loads = sizes[:-1] if node.output.tensor.level == "ddr" else sizes
                requests += [Request("loaded", size, max(0, now - 1), now) for size in loads if size]
                last = min(now + 1, epoch - 1)
                requests += [Request("stored", size, now, last) for size in sizes[len(loads) :]]
        for node in self.nodes:
            now = first_epoch[node.number]
            for piece, size in enumerate(self._work(node)):
                requests.append(Request("work", size, max(0, now + piece - 1), now + piece))
        return requests

    def _resident(self, tensor: Tensor, first_epoch: dict[int, int]) -> Request:
        """A tensor that stays in the memory tiles from its first writer to its last reader."""
        touching = (*tensor.writers, *tensor.readers)
        start = min(first_epoch[n] for n in tensor.writers)
        end = max(first_epoch[n] + self.nodes[n].pieces - 1 for n in touching)
        return Request(tensor.owner, self._band_bytes(tensor), start, end)

    def _work(self, node: Node) -> list[int]:
        """Bytes that the work packets of each pass take in a memory tile."""
        assert node.mapping is not None
        senders = senders_of(node.mapping, self.target)
        sizes = self._packet(node)
        return [senders * size * slots_of(node.mapping, self.target, size, self.work_bytes) for size in sizes]

    def _packet(self, node: Node) -> list[int]:
        """Bytes of the largest work packet of each pass."""
        assert node.mapping is not None
        key = (node.number, node.pieces, node.mapping)
        if key not in self._sizes:
            self._sizes[key] = [packet_bytes(node, self.target, self.module, piece) for piece in range(node.pieces)]
        return self._sizes[key]

    def _band_bytes(self, tensor: Tensor) -> int:
        columns = self.target.columns
        parts = [(band(tensor.storage, columns, c), (0, tensor.storage.blocks)) for c in range(columns)]
        return room_bytes(tensor.storage, parts, -(-tensor.storage.height // columns))
