"""Both cores run all programs alike, and every program that a plan can ask for fits or is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from compiler.encoding.work import Kernel
from compiler.errors import DoesNotFit
from compiler.kernels.programs import blocks, scale
from compiler.kernels.programs import resident as home
from compiler.kernels.programs.group_loop import GroupLoop
from compiler.kernels.programs.parts import PROGRAM_BYTES, Listing
from compiler.kernels.programs.resident import Feature, resident
from tests.cores import program_for
from tests.packets import random_call
from tests.program_calls import FIFTH, FIRST, FOURTH, SECOND, THIRD
from tests.program_runs import fits, plain

SEEDS = range(2)
KERNELS = list(Kernel)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_the_two_cores_agree(kernel: Kernel, seed: int) -> None:
    case = next(case for number in range(100) if fits(case := random_call(kernel, 100 * seed + number)))
    program = program_for(case)
    code, call = program.program.bytes, plain(case, program)
    slow, fast = (call.run(code, 1 << 20, seed, fast=way) for way in (False, True))
    assert slow.end == fast.end == "waits"
    assert slow.cycles == fast.cycles and slow.log == fast.log
    assert np.array_equal(slow.memory, fast.memory)
    assert slow.result and fast.result
    assert slow.result.bank_stalls == fast.result.bank_stalls == 0
    assert np.array_equal(slow.result.state.scalars, fast.result.state.scalars)
    assert np.array_equal(slow.result.state.vectors, fast.result.state.vectors)


def fitting(features: frozenset[Feature]) -> bool:
    """Whether a program fits; if it does not, the error is the documented one."""
    try:
        size = len(resident(features).program.bytes)
    except DoesNotFit as error:
        assert error.exit_code == 5
        assert error.diagnostic.code == "program-memory"
        assert str(PROGRAM_BYTES) in str(error) and all(one.name in str(error) for one in features)
        return False
    assert size <= PROGRAM_BYTES and size % 16 == 0
    return True


def test_programs_of_the_benches_and_of_single_features_fit_and_all_features_do_not() -> None:
    assert all(
        fitting(features) for features in (FIRST, SECOND, THIRD, FOURTH, FIFTH, *(frozenset({one}) for one in Feature))
    )
    assert not fitting(frozenset(Feature))


PIECES = ("maximum", "lookup", "combine", "combine_narrow", "products", "expand", "fold", "fill", "dispatch")


def remembered(piece: Callable[..., dict[str, int]], at: int = 0) -> Callable[..., dict[str, int]]:
    """A piece of a program, put into other listings as it was scheduled for the first; argument `at` is the listing."""
    made: dict[tuple[int, ...], tuple[tuple[object, ...], Listing, dict[str, int]]] = {}

    def add(*args: Any) -> dict[str, int]:
        rest = args[:at] + args[at + 1 :]
        key = tuple(map(id, rest))
        if key not in made:
            alone = Listing()
            # Arguments are kept, so that no other ever has their id.
            made[key] = rest, alone, piece(*args[:at], alone, *args[at + 1 :])
        _, alone, costs = made[key]
        into: Listing = args[at]
        start = len(into.rows)
        assert not alone.labels.keys() & into.labels.keys()
        into.labels |= {name: start + row for name, row in alone.labels.items()}
        into.add(alone.rows)
        return costs

    return add


@pytest.fixture
def schedule_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedule each piece of programs once: all sets of features are put together from few."""
    for name in PIECES:
        monkeypatch.setattr(home, name, remembered(getattr(home, name)))
    monkeypatch.setattr(blocks, "_chain", remembered(blocks._chain))
    for name in ("_mean", "_scale", "_staged"):
        monkeypatch.setattr(scale, name, cache(getattr(scale, name)))
    monkeypatch.setattr(GroupLoop, "add", remembered(GroupLoop.add, at=1))
    # The programs themselves are not kept: thousands have no room.
    monkeypatch.setattr(home, "_resident", home._resident.__wrapped__)


def test_programs_of_remembered_pieces_are_those_that_are_scheduled(request: pytest.FixtureRequest) -> None:
    sets = [frozenset({Feature.SCALE}), frozenset({Feature.DIRECT, Feature.COMBINE, Feature.MAX})]
    scheduled = {features: resident(features) for features in sets}
    request.getfixturevalue("schedule_once")
    for features in (*sets, *sets):
        put_together, wanted = resident(features), scheduled[features]
        assert put_together is not wanted
        assert put_together.program.bytes == wanted.program.bytes
        assert put_together.costs == wanted.costs and put_together.steps == wanted.steps


@pytest.mark.sweep
def test_every_set_of_features_fits_or_is_refused(schedule_once: None) -> None:
    """Who needs less never needs more room."""
    fit = {
        frozenset(chosen): fitting(frozenset(chosen))
        for count in range(1, len(Feature) + 1)
        for chosen in combinations(Feature, count)
    }
    for features, good in fit.items():
        if good:
            assert all(fit[features - {one}] for one in features if len(features) > 1)
