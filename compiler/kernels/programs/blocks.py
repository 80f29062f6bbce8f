"""Steps that multiply, all output blocks of a call one behind the other, and those that bring sums to bytes."""

from __future__ import annotations

from collections.abc import Set

from compiler.kernels.programs import scale, weave
from compiler.kernels.programs.mac import BIAS_RAW, CLIPPED, DIRECT, NARROW, SCRATCH_RAW, Variant
from compiler.kernels.programs.parts import Listing, block


def _chain(listing: Listing, variant: Variant) -> dict[str, int]:
    """A step that multiplies, from the dispatcher's registers to its return."""
    name = f"mac_{variant.name}"
    leave = f"{name}_leave"
    opened = listing.add(weave.opened(variant, name).rows, f"{name}_start")
    listing.loop(weave.steady(variant), name)
    inner = weave.boundary(variant, name, leave)
    listing.add(inner.rows)
    outer = listing.add(weave.block_boundary(variant, name, inner).rows, leave)
    opened += listing.add(block("ret lr"))
    # A call opens once.  A set passes its loop `periods` - `peeled` times and then a boundary; the boundary behind the
    # last set of a block is another one, of which the first bundles are the same.
    peeled = 4 * variant.peeled
    common = weave.LEFT - weave.LEAD
    per_set = len(inner.rows) - peeled
    return {
        f"mac_call_{variant.name}": opened,
        f"mac_block_{variant.name}": common + outer - peeled - per_set,
        f"mac_set_{variant.name}": per_set,
    }


def variants(features: Set[str]) -> list[Variant]:
    """What a program with these features multiplies by."""
    found = [DIRECT] if "DIRECT" in features else []
    if "NARROW" in features:
        found.append(CLIPPED if "CLIPPED" in features else NARROW)
    if features & {"SCALE", "MEAN", "STAGED", "PARTS"}:
        found.append(BIAS_RAW)
    return [*found, SCRATCH_RAW] if "PARTS" in features else found


def multiply(listing: Listing, features: Set[str]) -> dict[str, int]:
    """The steps that multiply and those that rescale, with the variants that these features need."""
    costs: dict[str, int] = {}
    for variant in variants(features):
        costs |= _chain(listing, variant)
    return costs | scale.rescale(listing, features)
