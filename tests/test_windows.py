"""Windows: which taps the front end leaves out as they meet pads alone."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.frontend.windows import Window, idle_ends


def met(window: Window, size: tuple[int, int], taps: tuple[slice, slice]) -> list[list[tuple[int, int, int]]]:
    """For rows and columns, each (result, tap, pixel) of an image of this size that a window brings together."""
    found = []
    for axis, extent in enumerate(size):
        kernel, step, gap = window.kernel[axis], window.strides[axis], window.dilations[axis]
        count = (extent + window.pads[axis] + window.pads[2 + axis] - gap * (kernel - 1) - 1) // step + 1
        places = ((at, tap, at * step + tap * gap - window.pads[axis]) for at in range(count) for tap in range(kernel))
        first = taps[axis].start or 0
        found.append([(at, tap + first, pixel) for at, tap, pixel in places if 0 <= pixel < extent])
    return found


@pytest.mark.parametrize("seed", range(60))
def test_taps_that_go_meet_no_pixel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel, strides, dilations = (tuple(rng.integers(1, high, 2).tolist()) for high in (6, 4, 13))
    size, pads = tuple(rng.integers(1, 12, 2).tolist()), tuple(rng.integers(0, 30, 4).tolist())
    reach = [gap * (taps - 1) + 1 for gap, taps in zip(dilations, kernel, strict=True)]
    pads = tuple(max(pad, whole) for pad, whole in zip(pads, (*reach, 0, 0), strict=True))
    window = Window(kernel, strides, pads, dilations)
    smaller, taps = idle_ends(window, size)
    assert met(smaller, size, taps) == met(window, size, (slice(None), slice(None)))
    assert smaller.kernel == tuple(one.stop - one.start for one in taps)


def test_one_tap_of_deeplabs_is_left() -> None:
    """Of dilation 36 on 33 by 33 pixels; one of 24 meets pixels with all nine."""
    window = Window((3, 3), (1, 1), (36,) * 4, (36, 36))
    assert idle_ends(window, (33, 33)) == (Window((1, 1)), (slice(1, 2), slice(1, 2)))
    window = Window((3, 3), (1, 1), (24,) * 4, (24, 24))
    assert idle_ends(window, (33, 33))[0] == window
