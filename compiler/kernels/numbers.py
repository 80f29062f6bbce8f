"""Whole numbers, one or many: formulas that weigh one thing or an array of candidates are written once."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Number = TypeVar("Number", int, Ints)
"""One number, or an array of them."""


def ceil_div(value: Number, by: Number | int) -> Number:
    """Division rounded up."""
    return -(-value // by)


def larger(one: Number, other: Number) -> Number:
    """The larger of two, each with each."""
    return one + (other - one) * (other > one)
