"""Both cores run all programs alike, and every program that a plan can ask for fits or is refused."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from compiler.encoding.work import Kernel
from compiler.errors import DoesNotFit
from compiler.kernels.programs.parts import PROGRAM_BYTES
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


@pytest.mark.sweep
def test_every_set_of_features_fits_or_is_refused() -> None:
    """Who needs less never needs more room."""
    fit = {
        frozenset(chosen): fitting(frozenset(chosen))
        for count in range(1, len(Feature) + 1)
        for chosen in combinations(Feature, count)
    }
    for features, good in fit.items():
        if good:
            assert all(fit[features - {one}] for one in features if len(features) > 1)
