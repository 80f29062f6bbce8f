"""Which mapping, which home and how many passes: the decisions of `choose-tiles`, made on nodes and tensors."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from compiler.errors import Diagnostic, DoesNotFit, UnsupportedModel
from compiler.ir import Module
from compiler.kernels.blocks import ACC_LIMIT, SUM_LIMIT
from compiler.kernels.programs.resident import Feature, resident
from compiler.mapping.memory import Request, lower_bound, place
from compiler.mapping.network import Node, Tensor, band, column_extents, filled, needed, reaches, share_bytes
from compiler.mapping.packing import blocks_of_layer
from compiler.mapping.reader import Reader
from compiler.mapping.search import Choice, Facts, part_count, search, smallest_tile_bytes
from compiler.mapping.shapes import CoreLayout, Mapping
from compiler.mapping.sizes import packet_bytes, work_slots
from compiler.target import Target

STEPS = 64
"""Densities are told apart so finely."""

LEAST_STAGE_BYTES = 8 * 1024
"""Below this a pass would hold less than a row of most layers."""


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


class Planner:
    """Chooses mappings, homes and passes; `core` is the layout that all cores get."""

    def __init__(self, module: Module, target: Target, core: CoreLayout, stage_bytes: int, work_bytes: int) -> None:
        self.module, self.target, self.core = module, target, core
        self.stage_bytes, self.work_bytes = stage_bytes, work_bytes
        reader = Reader(module)
        self.nodes, self.tensors, self.ports = reader.nodes, reader.tensors, reader.ports
        self._cycles: dict[int, float] = {}
        self._levels = [one.level for one in self.tensors]
        self._most_stage_bytes = stage_bytes
        self._sizes: dict[tuple[int, int, Mapping], list[int]] = {}
        self._choices: dict[Hashable, Choice | None] = {}
        self._facts: list[Facts] = []

    def facts(self, node: Node) -> Facts:
        """What the search must know of a layer's numbers."""
        layer, store = node.layer, self.module.store
        held = tuple(view.tensor.storage.blocks for view in (*node.inputs, node.output))
        counts = len(store[f"{layer.params}.count"]) if layer.kernel == "avg_pool" else 0
        if not layer.is_conv:
            return Facts(1.0, 1.0, False, counts, held)
        per_row = np.bincount(store[f"{layer.weight}.index"][:, 0], minlength=layer.out_blocks)
        whole = layer.taps * layer.in_blocks
        # Chunks of a heavy row may be heavier than the row.
        heaviest = min(1.0, float(per_row.max()) / whole * 1.25 + 0.05)
        # Layers of nearly one density are searched once.
        density, heaviest = round(float(per_row.mean()) / whole * STEPS) / STEPS, math.ceil(heaviest * STEPS) / STEPS
        blocks = blocks_of_layer(layer, self.module)
        largest = int(blocks.bound.max())
        limit = SUM_LIMIT if layer.exact else ACC_LIMIT
        if largest >= limit:
            raise _overflows(node, largest, limit)
        direct = blocks.direct(layer, (0, layer.out_blocks))
        return Facts(density, heaviest, direct, counts, held)

    def choose(self) -> None:
        """Mappings and homes for all layers; where a core has no room for all programs, fewer do the same."""
        if any(node.layer.is_conv and not (node.layer.exact or node.layer.first_signed) for node in self.nodes):
            # Narrow code either clips or makes uint8.
            self._forget_clips()
        self._facts = [self.facts(node) for node in self.nodes]
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
        self.stage_bytes = self._most_stage_bytes
        for tensor, level in zip(self.tensors, self._levels, strict=True):
            tensor.level = level
        for node in self.nodes:
            node.pieces = 1
            self._map(node, ("rows", "channels"))
        self._settle()

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
        facts = self._facts[node.number]
        found = []
        for way in ways:
            # What is dense always has room.
            for bound in (facts.heaviest, 1.0):
                rows = (0, -(-node.layer.out_height // node.pieces))
                known = replace(facts, heaviest=bound)
                choice = self._search(node, rows, way, known)
                if choice is None or not self._packets_fit(replace(node, columns_by=way, mapping=choice.mapping)):
                    continue
                moved = 0.0
                if way == "channels":
                    moved = sum(one.storage.bytes for one in node.inputs) / 4
                    moved += node.output.storage.bytes / (4 * self.target.columns)
                found.append((choice.cycles * node.pieces + moved, choice.mapping, way))
                break
        if not found:
            raise self._too_large(node)
        self._cycles[node.number], node.mapping, node.columns_by = min(found, key=lambda one: one[0])

    def _search(self, node: Node, rows: tuple[int, int], way: str, facts: Facts) -> Choice | None:
        """`search`, done once for layers that differ in their numbers only."""
        layer, output = replace(node.layer, weight="", params="", kept_blocks=0), node.output.storage
        key = layer, output, rows, way, facts
        if key not in self._choices:
            self._choices[key] = search(layer, output, self.target, self.core, rows, way, facts)
        return self._choices[key]

    @property
    def cycles(self) -> float:
        """Estimated cycles of all layers."""
        return sum(self._cycles.values())

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

    def _settle(self) -> None:
        """Send tensors to DDR until everything that stays fits the memory tiles."""
        for tensor in self.tensors:
            touching = [self.nodes[n] for n in (*tensor.writers, *tensor.readers)]
            if any(node.columns_by == "channels" for node in touching) or not tensor.readers:
                tensor.level = "ddr"
        while True:
            for node in self.nodes:
                if node.columns_by == "rows" and not reaches(node, self.target.columns):
                    for view in node.inputs:
                        view.tensor.level = "ddr"
            for node in self.nodes:
                self._stage(node)
            used, victim = self._overflow()
            if used <= self.target.memory_tile.bytes:
                return
            if victim is not None:
                victim.level = "ddr"
            elif self.stage_bytes >= 2 * LEAST_STAGE_BYTES:
                self.stage_bytes //= 2
            else:
                raise self._too_full(used)

    def _stage(self, node: Node) -> None:
        """As many passes as make the parts of DDR tensors that a pass touches fit the staging area, if any do.

        A pass has fewer rows, for which another tile may be better.
        """
        before = node.pieces
        most = -(-node.layer.out_height // (self.target.columns if node.columns_by == "rows" else 1))
        while max(map(sum, self._staged(node))) > self.stage_bytes and node.pieces < most:
            node.pieces += 1
        if node.pieces > before:
            self._map(node, (node.columns_by,))

    def _staged(self, node: Node) -> list[tuple[int, ...]]:
        """Per pass the bytes of what is loaded (each operand) and stored."""
        sizes = []
        for piece in range(node.pieces):
            extents = column_extents(node, self.target.columns, piece)
            row = []
            for operand, view in enumerate(node.inputs):
                if view.tensor.level == "ddr":
                    parts = [needed(node, operand, one) for one in extents]
                    row.append(share_bytes(view.tensor.storage, parts))
            if node.output.tensor.level == "ddr":
                row.append(share_bytes(node.output.tensor.storage, [filled(node, one) for one in extents]))
            sizes.append(tuple(row) or (0,))
        return sizes

    def _too_full(self, used: int) -> DoesNotFit:
        return DoesNotFit(
            Diagnostic(
                "does-not-fit",
                f"what is loaded, stored and waits to be sent needs {used} bytes of a memory tile of "
                f"{self.target.memory_tile.bytes}",
                help="choose-tiles{work-bytes=...} with a smaller number needs less",
            )
        )

    def _overflow(self) -> tuple[int, Tensor | None]:
        """Bytes of a memory tile in use, and the largest resident tensor alive at the peak."""
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
        used = place(requests)[1]
        at = lower_bound(requests)[1]
        live = [i for i in range(len(owners)) if requests[i].first <= at <= requests[i].last]
        live = live or list(range(len(owners)))
        return used, owners[max(live, key=lambda i: (requests[i].bytes, -i))] if live else None

    def _resident(self, tensor: Tensor, first_epoch: dict[int, int]) -> Request:
        """A tensor that stays in the memory tiles from its first writer to its last reader."""
        touching = (*tensor.writers, *tensor.readers)
        start = min(first_epoch[n] for n in tensor.writers)
        end = max(first_epoch[n] + self.nodes[n].pieces - 1 for n in touching)
        return Request(tensor.owner, self._band_bytes(tensor), start, end)

    def _work(self, node: Node) -> list[int]:
        """Bytes that the work packets of each pass take in a memory tile."""
        assert node.mapping is not None
        key = (node.number, node.pieces, node.mapping)
        if key not in self._sizes:
            sizes = [packet_bytes(node, self.target, self.module, piece) for piece in range(node.pieces)]
            self._sizes[key] = [work_slots(node.mapping, self.target, size, self.work_bytes) * size for size in sizes]
        return self._sizes[key]

    def _band_bytes(self, tensor: Tensor) -> int:
        columns = self.target.columns
        parts = [(band(tensor.storage, columns, c), (0, tensor.storage.blocks)) for c in range(columns)]
        return share_bytes(tensor.storage, parts)
