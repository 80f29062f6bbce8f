"""Proofs of everything that is scheduled in the resident programs, and of the seams between the pieces."""

from __future__ import annotations

import pytest

from compiler.encoding.isa.registers import CELLS
from compiler.kernels.programs import weave
from compiler.kernels.programs.parts import op
from compiler.kernels.programs.resident import Feature
from compiler.kernels.schedule.checker import check_timeline
from tests.program_calls import FIFTH, FIRST, FOURTH, SECOND, THIRD
from tests.program_mutants import VARIANTS, least_of, nest_of
from tests.program_paths import Trips, nest_faults, seam_faults
from tests.program_pieces import piece_faults, recorded

PROGRAMS = [FIRST, SECOND, THIRD, FOURTH, FIFTH, *(frozenset({one}) for one in Feature)]
IDS = ["first", "second", "third", "fourth", "fifth", *(one.name for one in Feature)]
every_program = pytest.mark.parametrize("features", PROGRAMS, ids=IDS)
MORE_TRIPS = 6


@every_program
def test_every_block_and_loop_does_what_its_program_says(features: frozenset[Feature]) -> None:
    made = recorded(features)
    rows = made.listing.rows
    assert made.pieces
    assert not [(piece.name, str(one)) for piece in made.pieces for one in piece_faults(piece, rows, MORE_TRIPS)]


@every_program
def test_every_time_line_does_what_its_program_says(features: frozenset[Feature]) -> None:
    assert not [str(one) for line in recorded(features).lines for one in check_timeline(line)]


@every_program
@pytest.mark.parametrize("sets", [1, 2, 3])
@pytest.mark.parametrize("more", [(0,), (1, 0), (0, 3, 1)], ids=str)
def test_whole_loops_over_output_blocks(features: frozenset[Feature], more: tuple[int, ...], sets: int) -> None:
    """From the first bundle to the jump away: output blocks of various periods, all set and block boundaries."""
    made = recorded(features)
    for name in made.nests:
        nest = nest_of(features, name)
        trips = Trips(tuple(least_of(nest) + one for one in more), sets)
        assert not [str(one) for one in nest_faults(made, name, nest, trips)], name


@every_program
def test_nothing_in_flight_meets_the_next_piece(features: frozenset[Feature]) -> None:
    """Also: hardware loops are set up in time, no slot, port or bank is wanted twice on any way through the listing."""
    assert not seam_faults(recorded(features))


@every_program
def test_nothing_is_left_without_a_proof(features: frozenset[Feature]) -> None:
    """All but the one store of the border loop, and bundles that wait, belong to a piece or to a nest."""
    made = recorded(features)
    proved = {row for piece in made.pieces for row in range(piece.start, piece.end)}
    proved |= {row for start, end in made.nests.values() for row in range(start, end)}
    rest = [one.text() for at, row in enumerate(made.listing.rows) if at not in proved for one in row]
    assert rest == ["vst wl0, [p6], #32"]


def test_the_lint_of_seams_sees_a_late_result() -> None:
    """A load in the last bundle of a piece lands in the next one."""
    made = recorded(frozenset({Feature.COMBINE}))
    rows = list(made.listing.rows)
    first, second = made.pieces[:2]
    read = next(cell for cell, _, _ in rows[second.start][0].ins.cells_written())
    rows[first.end - 1] = (op(f"lda {CELLS[read]}, [p7, #0]", "config"),)
    assert seam_faults(made, rows)


@pytest.mark.sweep
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_searches_from_nothing_find_nothing_shorter(name: str) -> None:
    """`KNOWN` only saves time: without it the boundaries come out as long."""
    variant = VARIANTS[name]
    inner = weave.boundary(variant, name, f"{name}_leave", {})
    outer = weave.block_boundary(variant, name, inner, {})
    assert inner.choice == weave.boundary(variant, name, f"{name}_leave").choice == weave.KNOWN["set", variant.name]
    assert outer.choice == weave.block_boundary(variant, name, inner).choice == weave.KNOWN["block", variant.name]
