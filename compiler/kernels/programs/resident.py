"""The program that stays in every core: its bundles, and what each of its phases costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache

from compiler.encoding.costs import KernelCosts
from compiler.encoding.isa import Program
from compiler.encoding.work import Kernel, WorkHeader
from compiler.errors import Diagnostic, DoesNotFit
from compiler.kernels.programs.blocks import multiply
from compiler.kernels.programs.combine import combine, fill
from compiler.kernels.programs.dispatch import COMBINES, boot, dispatch, end, finish
from compiler.kernels.programs.lookup import lookup
from compiler.kernels.programs.parts import PROGRAM_BYTES, Listing
from compiler.kernels.programs.pools import maximum


class Feature(Enum):
    """What a program can do beside taking packets and filling borders; a plan's program has what the plan needs."""

    DIRECT = "sums made bytes by a shift"
    NARROW = "sums made bytes by a 16-bit factor"
    STAGED = "the same for sums of several calls"
    CLIPPED = "both also held to their zero point, and int8 only"
    SCALE = "sums made bytes by a 30-bit factor"
    MEAN = "averages with a factor for each pixel"
    PARTS = "sums of several calls"
    MAX = "maximum of a window"
    LOOKUP = "a function of each byte"
    COMBINE = "two tensors added, or one rescaled, by 30-bit factors"
    COMBINE_NARROW = "the same by 15-bit factors"


@dataclass(frozen=True)
class Resident:
    """The program, and what its pieces cost in cycles."""

    program: Program
    boot: int
    costs: KernelCosts


def _costs(lengths: dict[str, int]) -> KernelCosts:
    """Costs by what is done, from the lengths of the pieces that a call runs through."""

    def total(*names: str) -> int:
        return sum(lengths.get(name, 0) for name in names)

    tests = ("choose_max_pool", "choose_add", "choose_requantize", "choose_lookup")
    made = {
        "packet": total("packet", "packet_end"),
        "call": total("call", "skip_test", "release_test", "more"),
        "tile": total("claim", "give", "fill_test"),
        "select_max_pool": total(*tests[:1]),
        "select_add": total(*tests[:2]),
        "select_requantize": total(*tests[:3]),
        "select_lookup": total(*tests),
        "select_multiply": total(*tests),
        "last": total("combine_test"),
    }
    # Behind sums and maxima the program looks whether the call was the last.
    for name in lengths:
        if name.startswith(("mac_call_", "max_call")):
            made[name] = total(name, "finish_test")
    return KernelCosts(**{one.name: made.get(one.name, lengths.get(one.name, 0)) for one in fields(KernelCosts)})


def features_of(header: WorkHeader, parts: bool) -> frozenset[Feature]:
    """What the calls of a packet need; `parts` says that a tile of it is summed up by several calls."""
    found = {Feature.PARTS} if parts else set()
    if header.kernel == Kernel.MAX_POOL:
        found.add(Feature.MAX)
    elif header.kernel == Kernel.LOOKUP:
        found.add(Feature.LOOKUP)
    elif header.kernel not in (Kernel.ADD, Kernel.REQUANTIZE):
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
    if header.clipped:
        found.add(Feature.CLIPPED)
    if header.combine:
        found.add(Feature.COMBINE_NARROW if header.combine_narrow else Feature.COMBINE)
    return frozenset(found)


@cache
def _resident(features: frozenset[Feature]) -> Resident:
    listing = Listing()
    names = frozenset(one.name for one in features)
    lengths = {"boot": boot(listing)}
    lengths |= dispatch(listing, names)
    if names & {"DIRECT", "NARROW", "STAGED", "SCALE", "MEAN", "PARTS"}:
        lengths |= multiply(listing, names)
    if "MAX" in names:
        lengths |= maximum(listing)
    lengths |= finish(listing, names)
    if "LOOKUP" in names:
        lengths |= lookup(listing)
    if names & COMBINES:
        lengths |= combine(listing, names)
    lengths |= fill(listing) | end(listing)
    program = listing.program()
    size = len(program.bytes)
    if size > PROGRAM_BYTES:
        text = f"the program of the cores has {size} bytes, a core's program memory {PROGRAM_BYTES}"
        notes = tuple(f"it needs {one.name}: {one.value}" for one in sorted(features, key=lambda one: one.name))
        raise DoesNotFit(Diagnostic("program-memory", text, notes=notes, help="run a part of the network elsewhere"))
    return Resident(program, lengths["boot"], _costs(lengths))


def resident(features: Iterable[Feature]) -> Resident:
    """The program that runs packets with these features, from reset."""
    return _resident(frozenset(features))
