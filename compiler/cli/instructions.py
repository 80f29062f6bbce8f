"""`bscc-sim --instructions`: a whole run, or chosen kernel calls, at instruction level beside the transaction level."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.isa import assemble
from compiler.errors import Diagnostic, NumericalMismatch, SimulationFault, UnreadableInput, UsageError, nearest
from compiler.plan import LAYERS, PROGRAM, PROGRAM_LISTING, Plan
from runtime_sim.checked_core import CheckedCall, Checks, Selection
from runtime_sim.instruction_core import InstructionCore
from runtime_sim.occupancy import Profile, names_of
from runtime_sim.report import LayerTime, layer_table
from runtime_sim.session import Run, Session

ALL = "all"
SHOWN_CALLS, SHOWN_BUNDLES = 24, 40
FORM = "LAYER:COLUMN,ROW[,CALL]"
_TILE = re.compile(r"([0-9]{1,9}),([0-9]{1,9})(?:,([0-9]{1,9}))?")

Feeds = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Found:
    """A run, what there is to say of it, and what raises the differences of the two levels when all is said."""

    run: Run
    text: str
    listing: str
    refuse: Callable[[], None]


def look(session: Session, feeds: Feeds, what: str) -> Found:
    """Run with what `--instructions` names at instruction level."""
    return _whole(session, feeds) if what == ALL else _calls(session, feeds, what)


def _whole(session: Session, feeds: Feeds) -> Found:
    """All cores at instruction level; outputs and cycles must be those of the transaction level."""
    coarse, fine = session.execute(feeds), session.execute(feeds, InstructionCore)

    def refuse() -> None:
        wrong = list(_wrong_bytes(coarse, fine))
        if wrong:
            raise NumericalMismatch(*wrong)
        wrong = list(_wrong_cycles(coarse, fine))
        if wrong:
            raise SimulationFault(*wrong)

    return Found(fine, _both(coarse, fine), "", refuse)


def _wrong_bytes(coarse: Run, fine: Run) -> Iterator[Diagnostic]:
    """Every output that is not the same at both levels."""
    for name, value in coarse.outputs.items():
        theirs, ours = value.reshape(-1), fine.outputs[name].reshape(-1)
        wrong = np.flatnonzero(theirs != ours)
        if wrong.size:
            values = f"{ours[wrong[0]]} at instruction level, {theirs[wrong[0]]} at transaction level"
            text = f"{wrong.size} of {value.size} values differ, the first at {wrong[0]}: {values}"
            yield Diagnostic("instruction-bytes", text, f"output '{name}'")


def _wrong_cycles(coarse: Run, fine: Run) -> Iterator[Diagnostic]:
    """The layers that do not run in the same cycles at both levels, and the whole run if it does not."""
    for theirs, ours in _pairs(coarse, fine):
        levels = [f"cycles {one.start}..{one.end}" if one else "no cycle" for one in (ours, theirs)]
        if levels[0] != levels[1]:
            text = f"runs in {levels[0]} at instruction level, in {levels[1]} at transaction level"
            yield Diagnostic("instruction-cycles", text, f"layer '{_name(theirs, ours)}'")
    if coarse.timing.cycles != fine.timing.cycles:
        text = f"takes {fine.timing.cycles} cycles at instruction level, {coarse.timing.cycles} at transaction level"
        help = "name a layer instead of `all` to see the calls whose cycles differ"
        yield Diagnostic("instruction-cycles", text, "the run", help=help)


Pair = tuple[LayerTime | None, LayerTime | None]


def _pairs(coarse: Run, fine: Run) -> list[Pair]:
    """Each layer at transaction and at instruction level."""
    levels = [{one.index: one for one in run.timing.layers} for run in (coarse, fine)]
    return [(levels[0].get(index), levels[1].get(index)) for index in dict.fromkeys([*levels[0], *levels[1]])]


def _name(*levels: LayerTime | None) -> str:
    return next(one.name for one in levels if one)


def _both(coarse: Run, fine: Run) -> str:
    """The cycles of layers at both levels."""
    pairs = _pairs(coarse, fine)
    rows = [(_name(a, b), a.cycles if a else 0, b.cycles if b else 0) for a, b in pairs]
    wide = max(map(len, ["layer", *(name for name, _, _ in rows)]))
    wrong = len(list(_wrong_bytes(coarse, fine)))
    outputs = f"{wrong} of {len(coarse.outputs)} outputs differ" if wrong else "outputs are the same"
    lines = [f"{'layer':{wide}}{'transactions':>14}{'instructions':>14}  cycles, {outputs}"]
    for name, ours, theirs in [*rows, ("total", coarse.timing.cycles, fine.timing.cycles)]:
        lines.append(f"{name:{wide}}{ours:14}{theirs:14}  {theirs / max(ours, 1) - 1:+.2%}")
    us = coarse.timing.target.microseconds
    lines.append(f"{'':{wide}}{us(coarse.timing.cycles):14.2f}{us(fine.timing.cycles):14.2f}  us")
    return "\n".join(lines) + "\n"


def _calls(session: Session, feeds: Feeds, what: str) -> Found:
    """Chosen calls at instruction level by themselves, the longest one bundle by bundle."""
    plan = session.plan
    names = layer_table(plan.json(LAYERS), str(plan.path / LAYERS))
    labels = _labels(plan)
    checks = Checks(selection_of(what, names))
    run = session.execute(feeds, checks.core)
    if checks.longest is None:
        raise UsageError(Diagnostic("no-call", f"there is no kernel call '{what}'", help=_known(checks)))
    longest, image = checks.longest
    profile = Profile(image.run(trace=True), plan.files[PROGRAM], labels)
    listing = list(profile.listing())
    parts = [_table(names[longest.layer], checks.calls), f"call {longest.name}\n", profile.summary()]
    text = "".join(f"{line}\n" for line in listing)
    return Found(run, "\n".join(parts), text, lambda: checks.refuse(names))


def selection_of(what: str, names: Sequence[str]) -> Selection:
    """`LAYER`, `LAYER:COLUMN,ROW` or `LAYER:COLUMN,ROW,CALL` among the layers of a plan, whose strips have one name."""
    if what in names:
        return Selection(_all_of(what, names))
    layer, _, tail = what.rpartition(":")
    if layer in names:
        tile = _TILE.fullmatch(tail)
        if not tile:
            text = f"'{tail}' behind layer '{layer}' names no calls"
            raise UsageError(Diagnostic("usage", text, help=f"{FORM}, three numbers counted from 0"))
        column, row, call = tile.groups()
        return Selection(_all_of(layer, names), (int(column), int(row)), None if call is None else int(call))
    layer = layer if _TILE.fullmatch(tail) else what
    help = f"{ALL}, LAYER or {FORM}; {nearest(layer, names)}"
    raise UsageError(Diagnostic("unknown-layer", f"the plan has no layer '{layer}'", help=help))


def _all_of(name: str, names: Sequence[str]) -> tuple[int, ...]:
    return tuple(number for number, one in enumerate(names) if one == name)


def _known(checks: Checks) -> str:
    """The calls that the layer does have."""
    first = checks.selection.layers[0]
    counts = sorted((core, count) for (layer, core), count in checks.seen.items() if layer == first)
    calls = ", ".join(f"{column},{row},0..{count - 1}" for (column, row), count in counts)
    return f"COLUMN,ROW,CALL of this layer: {calls}"


def _labels(plan: Plan) -> dict[int, tuple[str, ...]]:
    """The names of each address of the program by its listing, which must spell the very program."""
    listing = plan.files.get(PROGRAM_LISTING)
    if listing is None:
        return {}
    place = str(plan.path / PROGRAM_LISTING)
    try:
        program = assemble(listing.decode("utf-8"), place)
    except UnicodeDecodeError as error:
        raise UnreadableInput(Diagnostic("plan-listing", f"not UTF-8 text at byte {error.start}", place)) from error
    if program.bytes != plan.files[PROGRAM]:
        raise UnreadableInput(Diagnostic("plan-listing", f"it is the listing of another program than {PROGRAM}", place))
    return names_of(program.labels)


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


def said(found: Found, *, headed: bool) -> str:
    """What goes to stdout: with `headed` the head of the listing of bundles behind the rest."""
    if not headed or not found.listing:
        return found.text
    lines = found.listing.splitlines(keepends=True)
    left = len(lines) - SHOWN_BUNDLES
    more = f"... and {left} more lines: --listing FILE\n" if left > 0 else ""
    return f"{found.text}\n   cycle    pc\n{''.join(lines[:SHOWN_BUNDLES])}{more}"
