"""The program that stays in every core: its bundles, and what each of its phases costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import cache

from compiler.encoding.costs import KernelCosts
from compiler.encoding.isa import Program
from compiler.encoding.isa.codec import BUNDLE_BYTES
from compiler.encoding.work import COMBINING, CoreConfig, Kernel, Step, WorkHeader
from compiler.errors import DoesNotFit, Limit, Reason
from compiler.kernels.programs.blocks import multiply
from compiler.kernels.programs.combine import combine, fill
from compiler.kernels.programs.combine_narrow import combine_narrow
from compiler.kernels.programs.dispatch import boot, dispatch
from compiler.kernels.programs.expand import expand
from compiler.kernels.programs.fold import fold
from compiler.kernels.programs.lookup import lookup
from compiler.kernels.programs.multiply import multiply as products
from compiler.kernels.programs.parts import PROGRAM_BYTES, Listing
from compiler.kernels.programs.pools import maximum


class Feature(Enum):
    """What a program can do beside taking packets and filling borders; a plan's program has what the plan needs."""

    DIRECT = "sums made bytes by a shift"
    NARROW = "sums made bytes by a 15-bit factor"
    STAGED = "the same for sums of several calls"
    CLIPPED = "both also held to their zero point, and int8 only"
    SCALE = "sums made bytes by a 30-bit factor"
    MEAN = "averages with a factor for each pixel"
    PARTS = "sums of several calls"
    MAX = "maximum of a window"
    LOOKUP = "a function of each byte"
    COMBINE = "two tensors added, or one rescaled, by 30-bit factors"
    COMBINE_NARROW = "the same by 15-bit factors"
    MULTIPLY = "two tensors multiplied"
    EXPAND = "a pixel made a whole tile, to be combined"
    FOLD = "averages of which each lane has a part"


@dataclass(frozen=True)
class Resident:
    """The program, what its pieces cost in cycles, and the byte addresses of the steps that it has."""

    program: Program
    costs: KernelCosts
    steps: Mapping[Step, int]

    def configured(self, config: CoreConfig) -> CoreConfig:
        """A core's record with the addresses of the steps; a step that the program lacks leads out of its memory."""
        found = {f"step_{step.name.lower()}": self.steps.get(step, PROGRAM_BYTES) for step in Step}
        return replace(config, **found)


def _costs(lengths: dict[str, int]) -> KernelCosts:
    """Costs by what is done, from the lengths of the pieces that a call runs through."""

    return KernelCosts(**{one.name: lengths.get(one.name, 0) for one in fields(KernelCosts)})


STEP_LABELS = {
    Step.END: "call_end",
    Step.DIRECT: "mac_direct_start",
    Step.NARROW: "mac_narrow_start",
    Step.BIAS_RAW: "mac_bias_raw_start",
    Step.SCRATCH_RAW: "mac_scratch_raw_start",
    Step.MAX_POOL: "max_pool",
    Step.LOOKUP: "lookup",
    Step.COMBINE: "combine",
    Step.FILL: "fill",
    Step.COMBINE_NARROW: "combine_narrow",
    Step.STAGED: "staged_start",
    Step.SCALE: "scale_start",
    Step.MEAN: "mean_start",
    Step.MULTIPLY: "multiply",
    Step.EXPAND: "expand",
    Step.FOLD: "fold",
}


def features_of(header: WorkHeader, parts: bool) -> frozenset[Feature]:
    """What the calls of a packet need; `parts` says that a tile of it is summed up by several calls."""
    found = {Feature.PARTS} if parts else set()
    if header.kernel == Kernel.MAX_POOL:
        found.add(Feature.MAX)
    elif header.kernel == Kernel.LOOKUP:
        found.add(Feature.LOOKUP)
    elif header.kernel == Kernel.EXPAND:
        found.add(Feature.EXPAND)
    elif header.kernel not in COMBINING:
        found.add(
            Feature.DIRECT
            if header.direct
            else Feature.NARROW
            if header.narrow
            else Feature.MEAN
            if header.mean
            else Feature.STAGED
            if header.staged
            else Feature.SCALE
        )
    if header.fold:
        found.add(Feature.FOLD)
    if header.clipped:
        found.add(Feature.CLIPPED)
    if header.combine:
        narrow = Feature.COMBINE_NARROW if header.combine_narrow else Feature.COMBINE
        found.add(Feature.MULTIPLY if header.multiply else narrow)
    return frozenset(found)


@cache
def _resident(features: frozenset[Feature]) -> Resident:
    listing = Listing()
    names = frozenset(one.name for one in features)
    lengths: dict[str, int] = {}
    booted = boot(listing)
    if names & {"DIRECT", "NARROW", "STAGED", "SCALE", "MEAN", "PARTS"}:
        lengths |= multiply(listing, names)
    if "MAX" in names:
        lengths |= maximum(listing)
    if "LOOKUP" in names:
        lengths |= lookup(listing)
    if "COMBINE" in names:
        lengths |= combine(listing)
    if "COMBINE_NARROW" in names:
        lengths |= combine_narrow(listing)
    if "MULTIPLY" in names:
        lengths |= products(listing)
    if "EXPAND" in names:
        lengths |= expand(listing)
    if "FOLD" in names:
        lengths |= fold(listing)
    lengths |= fill(listing)
    lengths |= dispatch(listing)
    lengths["boot"] += booted
    program = listing.program()
    size = len(program.bytes)
    if size > PROGRAM_BYTES:
        text = f"the program of the cores has {size} bytes, a core's program memory {PROGRAM_BYTES}"
        notes = tuple(f"it needs {one.name}: {one.value}" for one in sorted(features, key=lambda one: one.name))
        limit = Limit("bytes of program", f"at most {PROGRAM_BYTES}", str(size))
        help = "run a part of the network elsewhere"
        raise DoesNotFit(Reason("program-memory", text, notes=notes, help=help, limit=limit))
    steps = {
        step: BUNDLE_BYTES * listing.labels[label] for step, label in STEP_LABELS.items() if label in listing.labels
    }
    return Resident(program, _costs(lengths), steps)


def resident(features: Iterable[Feature]) -> Resident:
    """The program that runs packets with these features, from reset."""
    return _resident(frozenset(features))
