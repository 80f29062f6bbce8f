"""`bscc-sim --instructions`: a whole run, or chosen kernel calls, at instruction level beside the transaction level."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.cli import write_text
from compiler.encoding.isa import assemble
from compiler.errors import Diagnostic, NumericalMismatch, SimulationFault, UsageError, nearest
from compiler.plan import LAYERS, PROGRAM, PROGRAM_LISTING, Plan
from runtime_sim.checked_core import CheckedCall, Checks, Selection
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.occupancy import Profile
from runtime_sim.report import Timing, layer_table
from runtime_sim.session import Run, Session

ALL = "all"
SHOWN_CALLS, SHOWN_BUNDLES = 24, 40
_TILE = re.compile(r"(\d+),(\d+)(?:,(\d+))?")

Feeds = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Found:
    """A run, what there is to say of it, and what was wrong, to be raised when all is said."""

    run: Run
    text: str
    listing: str
    checks: Checks | None = None
    names: Sequence[str] = ()
    charged: int | None = None
    """Cycles of the whole run at transaction level, if `run` is one at instruction level."""

    def refuse(self) -> None:
        """Raise what the two levels do not agree on."""
        if self.checks is not None:
            self.checks.refuse(self.names)
        cycles = self.run.result.cycles
        if self.charged not in (None, cycles):
            text = f"the run takes {cycles} cycles at instruction level, {self.charged} at transaction level"
            help = "name a layer instead of `all` to see the calls whose cycles differ"
            raise SimulationFault(Diagnostic("instruction-cycles", text, help=help))


def look(session: Session, feeds: Feeds, what: str) -> Found:
    """Run with what `--instructions` names at instruction level."""
    return _whole(session, feeds) if what == ALL else _calls(session, feeds, what)


def _whole(session: Session, feeds: Feeds) -> Found:
    """All cores at instruction level; outputs and cycles must be those of the transaction level."""
    coarse, fine = session.execute(feeds), session.execute(feeds, InstructionCore)
    for name, value in coarse.outputs.items():
        wrong = np.flatnonzero(value.reshape(-1) != fine.outputs[name].reshape(-1))
        if wrong.size:
            ours, theirs = fine.outputs[name].reshape(-1)[wrong[0]], value.reshape(-1)[wrong[0]]
            values = f"{ours} at instruction level, {theirs} at transaction level"
            text = f"{wrong.size} of {value.size} values differ, the first at {wrong[0]}: {values}"
            raise NumericalMismatch(Diagnostic("instruction-bytes", text, f"output '{name}'"))
    return Found(fine, _both(coarse.timing, fine.timing), "", charged=coarse.result.cycles)


def _both(coarse: Timing, fine: Timing) -> str:
    """The cycles of layers at both levels; outputs agree."""
    names = [one.name for one in coarse.layers]
    wide = max(map(len, [*names, "layer"]))
    lines = [f"{'layer':{wide}}{'transactions':>14}{'instructions':>14}  cycles, outputs are the same"]
    rows = [(a.name, a.cycles, b.cycles) for a, b in zip(coarse.layers, fine.layers, strict=True)]
    for name, ours, theirs in [*rows, ("total", coarse.cycles, fine.cycles)]:
        lines.append(f"{name:{wide}}{ours:14}{theirs:14}  {theirs / max(ours, 1) - 1:+.2%}")
    us = coarse.target.microseconds
    lines.append(f"{'':{wide}}{us(coarse.cycles):14.2f}{us(fine.cycles):14.2f}  us")
    return "\n".join(lines) + "\n"


def _calls(session: Session, feeds: Feeds, what: str) -> Found:
    """Chosen calls at instruction level by themselves, the longest one bundle by bundle."""
    plan = session.plan
    names = layer_table(plan.json(LAYERS), str(plan.path / LAYERS))
    checks = Checks(selection_of(what, names))
    run = session.execute(feeds, checks.core)
    if checks.longest is None:
        raise UsageError(Diagnostic("no-call", f"there is no kernel call '{what}'", help=_known(checks)))
    longest, image = checks.longest
    profile = Profile(image.run(trace=True), plan.files[PROGRAM], _labels(plan))
    listing = list(profile.listing())
    parts = [_table(names[longest.layer], checks.calls), f"call {longest.name}\n", profile.summary()]
    return Found(run, "\n".join(parts), "".join(f"{line}\n" for line in listing), checks, names)


def selection_of(what: str, names: Sequence[str]) -> Selection:
    """`LAYER`, `LAYER:COLUMN,ROW` or `LAYER:COLUMN,ROW,CALL` among the layers of a plan."""
    head, _, tail = what.rpartition(":")
    tile = _TILE.fullmatch(tail)
    layer = head if tile and head else what
    if layer not in names:
        raise UsageError(
            Diagnostic("unknown-layer", f"the plan has no layer '{layer}'", help=nearest(layer, [*names, ALL]))
        )
    if not tile or layer == what:
        return Selection(names.index(layer))
    column, row, call = tile.groups()
    return Selection(names.index(layer), (int(column), int(row)), None if call is None else int(call))


def _known(checks: Checks) -> str:
    """The calls that the layer does have."""
    counts = sorted((core, count) for (layer, core), count in checks.seen.items() if layer == checks.selection.layer)
    calls = ", ".join(f"{column},{row},0..{count - 1}" for (column, row), count in counts)
    return f"COLUMN,ROW,CALL of this layer: {calls}"


def _labels(plan: Plan) -> dict[int, str]:
    listing = plan.files.get(PROGRAM_LISTING)
    if listing is None:
        return {}
    labels = assemble(listing.decode(), PROGRAM_LISTING).labels
    return {address: name.removeprefix(".L") for name, address in labels.items()}


def _table(layer: str, calls: Sequence[CheckedCall]) -> str:
    cycles, charged = sum(one.cycles for one in calls), sum(one.charged for one in calls)
    size = sum(one.ours.size for one in calls)
    lines = [f"{layer}: {len(calls)} calls, {size} bytes of results, {cycles} cycles, {charged} charged\n"]
    lines.append(f"{'call':12}{'kernel':12}{'bytes':>8}{'wrong':>8}{'cycles':>8}{'stalls':>8}{'charged':>8}")
    lines += islice(_rows(calls), SHOWN_CALLS)
    if len(calls) > SHOWN_CALLS:
        lines.append(f"... and {len(calls) - SHOWN_CALLS} more")
    return "\n".join(lines) + "\n"


def _rows(calls: Sequence[CheckedCall]) -> Iterator[str]:
    """Those that differ first."""
    for one in sorted(calls, key=lambda one: (not one.wrong.size, one.cycles == one.charged)):
        sizes = f"{one.ours.size:8}{one.wrong.size:8}{one.cycles:8}{one.bank_stalls:8}{one.charged:8}"
        yield f"{one.name:12}{one.kernel.name.lower():12}{sizes}"


def said(found: Found, listing: str | None) -> str:
    """What goes to stdout; the listing of bundles goes to its file, or its head behind the rest."""
    if listing is not None:
        write_text(listing, found.listing)
    if listing is not None or not found.listing:
        return found.text
    lines = found.listing.splitlines(keepends=True)
    left = len(lines) - SHOWN_BUNDLES
    more = f"... and {left} more lines: --listing FILE\n" if left > 0 else ""
    return f"{found.text}\n   cycle    pc\n{''.join(lines[:SHOWN_BUNDLES])}{more}"
