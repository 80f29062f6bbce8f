"""How much of the multiplier's peak convolutions reach: a typical kernel call of each layer, at instruction level.

    python benchmarks/kernels.py PLAN...    # what `bscc` wrote
    python benchmarks/kernels.py            # one call: 64x64x64 matmul

A plan runs twice on random inputs, first to find its calls.  The typical one of a layer is on the core that works
longest: of its most frequent tile shape, the call of median length.  Its bytes and its cycles must be those of the
transaction level.  docs/benchmarks.md, "Kernels", explains the columns.
"""

from __future__ import annotations

import argparse
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import calls
from benchmarks.spent import Notes, variant, width
from compiler.encoding.isa import BUNDLE_BYTES, Bundle, assemble
from compiler.encoding.work import LANES, SET, CallRecord, WorkHeader
from compiler.plan import LAYERS, PROGRAM, PROGRAM_LISTING, ArrayPlan, Plan
from runtime_sim.checked_core import CheckedCall, Checks, Selection
from runtime_sim.occupancy import Profile, names_of
from runtime_sim.packet import entries
from runtime_sim.session import Session
from runtime_sim.single_call import CallImage
from runtime_sim.streams import Place

PEAK_MACS = 256
"""Of a core and a cycle, int8 by int8."""

_HEADER = (
    "layer", "kept", "call", "variant", "tile", "blocks", "periods", "cycles", "mac %", "ideal", "vmac", "issue %",
    "useful %", "loop", "layer %",
)  # fmt: skip


@dataclass(frozen=True)
class Chosen(Selection):
    """Calls of several layers."""

    calls: frozenset[tuple[int, Place, int]] = frozenset()

    def takes(self, layer: int, core: Place, call: int) -> bool:
        """Whether a call is one of them."""
        return (layer, core, call) in self.calls


@dataclass
class Measured(Checks):
    """Keeps what each chosen call's core saw."""

    images: dict[int, tuple[CheckedCall, CallImage]] = field(default_factory=dict)

    def add(self, call: CheckedCall, image: CallImage) -> None:
        """Keep both."""
        super().add(call, image)
        self.images[call.layer] = call, image


@dataclass(frozen=True)
class Issue:
    """Multiplies of a traced call and of the hardware loop for them, cycles of that loop and of all phases `mac`."""

    multiplies: int
    mac_cycles: int
    loop_multiplies: int
    loop_cycles: int

    @classmethod
    def of(cls, profile: Profile) -> Issue:
        """Count; of several such loops the one in which most cycles pass."""
        issued = profile.issued
        ends = [one.cycle for one in issued[1:]] + [profile.run.result.cycles]
        multiplies = {pc: _multiplies(bundle) for pc, bundle in profile.bundles.items()}
        cycles, vmacs = Counter[int](), Counter[int]()
        for one, end in zip(issued, ends, strict=True):
            cycles[one.pc] += end - one.cycle
            vmacs[one.pc] += multiplies[one.pc]
        places = {name: pc for pc, names in profile.labels.items() for name in names}
        loops = [
            range(places[name.removesuffix("_end")], last + 1, BUNDLE_BYTES)
            for name, last in places.items()
            if name.startswith("mac_") and name.endswith("_end")
        ]
        loop = max(loops, key=lambda found: sum(cycles[pc] for pc in found))
        return cls(
            multiplies=vmacs.total(),
            mac_cycles=sum(cycles[pc] for pc in cycles if profile.piece(pc).startswith("mac")),
            loop_multiplies=sum(vmacs[pc] for pc in loop),
            loop_cycles=sum(cycles[pc] for pc in loop),
        )


def _multiplies(bundle: Bundle) -> int:
    return sum(one.opcode.name.startswith("VMAC") for one in bundle.instructions)


@dataclass(frozen=True)
class Line:
    """A layer's typical call."""

    name: str
    call: str
    variant: str
    kept: float  # blocks of the layer
    rows: int
    groups: int
    pixels: int
    out_blocks: int
    periods: int
    blocks: int  # of these periods, those that are not filled up with zeros
    cycles: int
    issue: Issue
    macs: int  # of the layer, kept
    layer_cycles: int  # of all cores

    @property
    def ideal(self) -> int:
        """Multiplies of the kept blocks with whole sets of groups."""
        return self.blocks * -(-self.groups // SET) * SET

    @property
    def issued(self) -> float:
        """Share of the cycles with a multiply that some pixel of the tile and a kept block need."""
        return self.blocks * self.groups / self.cycles

    @property
    def useful(self) -> float:
        """Multiplications of pixels of the tile with kept blocks, by those that the cycles have room for."""
        return self.blocks * self.pixels / LANES / self.cycles

    @property
    def layer_useful(self) -> float:
        """The same for all calls of the layer, without channels that fill up a block."""
        return self.macs / PEAK_MACS / self.layer_cycles

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        return (
            self.name, f"{self.kept:.0%}", self.call, self.variant, f"{self.rows} x {self.groups // self.rows}",
            str(self.out_blocks), str(self.periods), f"{self.cycles:,}",
            f"{100 * self.issue.mac_cycles / self.cycles:.0f}", f"{self.ideal:,}",
            f"{self.issue.multiplies / self.cycles:.3f}", f"{100 * self.issued:.1f}", f"{100 * self.useful:.1f}",
            f"{self.issue.loop_multiplies / self.issue.loop_cycles:.3f}", f"{100 * self.layer_useful:.1f}",
        )  # fmt: skip


def random_feeds(plan: Plan, seed: int = 1) -> dict[str, NDArray[Any]]:
    """Inputs of full range."""
    rng = np.random.default_rng(seed)
    found = {}
    for tensor in ArrayPlan.of(plan).inputs:
        low, high = (-128, 127) if tensor.type == "int8" else (0, 255)
        numbers = rng.integers(low, high + 1, tensor.onnx_shape)
        floats = (numbers - tensor.zero) * np.float32(tensor.scale)
        found[tensor.name] = (floats if tensor.host_type == "float32" else numbers).astype(tensor.host_type)
    return found


def lines_of(plan: Plan) -> tuple[list[Line], Notes]:
    """The layers that are convolutions, and all their calls."""
    layers = plan.json(LAYERS)
    session, feeds, notes = Session(plan), random_feeds(plan), Notes(layers)
    session.execute(feeds, notes.core)
    chosen = Chosen(calls=frozenset(map(notes.typical, notes.calls)))
    measured = Measured(chosen)
    session.execute(feeds, measured.core)
    measured.refuse([layer["name"] for layer in layers])
    program, kept = (
        plan.files[PROGRAM],
        {one["index"]: one["kept"] / one["blocks"] for one in plan.json("sparsity.json")},
    )
    assembled = assemble(plan.files[PROGRAM_LISTING].decode(), PROGRAM_LISTING)
    labels = names_of(assembled.labels)
    lines = [
        _line(layers[number], kept[number], *measured.images[number], notes.cycles(number), program, labels)
        for number in sorted(notes.calls)
    ]
    return lines, notes


def _line(
    layer: Mapping[str, Any],
    kept: float,
    checked: CheckedCall,
    image: CallImage,
    cycles: int,
    program: bytes,
    labels: Mapping[int, tuple[str, ...]],
) -> Line:
    header, call, packet = _packet(image)
    found = entries(packet, header)
    traced = image.run(trace=True)
    assert traced.cycles == checked.cycles, "both interpreters count the same cycles"
    return Line(
        name=layer["name"].split(" + ")[0],
        call=checked.name,
        variant=variant(header, call),
        kept=kept,
        rows=call.rows,
        groups=call.groups,
        pixels=call.rows * width(layer, call.groups // call.rows),
        out_blocks=header.out_blocks,
        periods=found.block.size,
        blocks=int(found.weights.any(axis=1).sum()),
        cycles=checked.cycles,
        issue=Issue.of(Profile(traced, program, labels)),
        macs=layer["macs_kept"],
        layer_cycles=cycles,
    )


def _packet(image: CallImage) -> tuple[WorkHeader, CallRecord, NDArray[np.uint8]]:
    at = image.config.work_slot0
    header = WorkHeader.decode(image.at(at, 4 * WorkHeader.WORDS).view("<u4").tolist())
    call = CallRecord.decode(image.at(at + header.calls_offset, 4 * CallRecord.WORDS).view("<u4").tolist())
    return header, call, image.at(at, 4 * header.size_words)


def table(lines: Sequence[Line]) -> Iterator[str]:
    """Markdown."""
    yield "| " + " | ".join(_HEADER) + " |"
    yield "|" + "---|" * len(_HEADER)
    for one in lines:
        yield "| " + " | ".join(one.cells) + " |"


def summary(lines: Sequence[Line]) -> str:
    """The layer in the middle if each counts as often as it has MACs, the worst, and all together."""
    shares: dict[str, Callable[[Line], float]] = {"issue": lambda one: one.issued, "useful": lambda one: one.useful}
    parts = []
    for name, share in shares.items():
        ordered = sorted(lines, key=share)
        passed = list(accumulate(one.macs for one in ordered))
        middle = ordered[bisect_left(passed, passed[-1] / 2)]
        worst = ordered[0]
        parts.append(f"{name}: median of MACs {share(middle):.1%}, worst {share(worst):.1%} ({worst.name})")
    whole = sum(one.macs for one in lines) / PEAK_MACS / sum(one.layer_cycles for one in lines)
    return f"{'; '.join(parts)}; all calls of all layers {whole:.1%}"


def matmul() -> Iterator[str]:
    """The matmul of 64x64x64 as one call, by what makes bytes of its sums."""
    yield "| 64x64x64 int8 matmul | cycles | without the dispatcher | multiplies needed | issued |"
    yield "|---|---|---|---|---|"
    for name, finish in (("direct", calls.DIRECT), ("narrow", calls.NARROW)):
        run = calls.matmul_call(finish)
        yield f"| {name} | {run.cycles:,} | {run.kernel:,} | {64**3 // PEAK_MACS:,} | {run.multiplies:,} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plans", nargs="*", type=Path)
    plans = parser.parse_args(arguments).plans
    for path in plans:
        plan = Plan.load(path)
        lines, notes = lines_of(plan)
        print(f"{plan.manifest['model']['name']} on {plan.target.name}\n")
        print("\n".join([*table(lines), "", f"{summary(lines)}.", "", *notes.table(), ""]), flush=True)
    if not plans:
        print("\n".join(matmul()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
