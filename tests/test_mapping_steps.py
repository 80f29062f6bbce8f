"""Steps of work: how many there are is known before they are made; and sums take the place of what they add to."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from compiler.mapping.program import Extent, Work, column_steps, step_count
from compiler.mapping.reader import Reader
from compiler.mapping.shapes import Mapping
from passes.assign_layout import AssignLayout
from tests.model_cases import Case
from tests.netbuilder import Tensor
from tests.netlayers import Layers
from tests.reference_tools import PASSES, imported, run_passes


def block(net: Layers, x: Tensor, *, again: bool) -> Tensor:
    """A residual block; `again` reads the operand of the sum once more, behind it."""
    skip = net.quant(net.conv(x, 24, (1, 1)))
    y = net.quant(net.conv(skip, 24, (1, 1)))
    y = net.quant(net.add(net.quant(net.conv(y, 24, (1, 1))), skip))
    if again:
        return net.quant(net.add(net.quant(net.conv(y, 24, (1, 1))), skip))
    return net.quant(net.conv(y, 8, (1, 1)))


def reader(directory: Path, *, again: bool) -> Reader:
    model = Case("block", lambda net, x: block(net, x, again=again), (16, 12, 12)).build()
    return Reader(run_passes(imported(model, directory), *PASSES, AssignLayout()))


@pytest.mark.parametrize("again", [False, True])
def test_a_sum_takes_the_place_of_an_operand_that_nobody_reads_later(again: bool, tmp_path: Path) -> None:
    sums = [node for node in reader(tmp_path, again=again).nodes if node.layer.operands == 2]
    assert len(sums) == 1 + again
    assert (sums[0].output.tensor is sums[0].inputs[1].tensor) is not again


@pytest.mark.parametrize("seed", range(40))
def test_steps_are_as_many_as_counted(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    node = draw.choice([node for node in reader(tmp_path, again=False).nodes if node.layer.is_conv])
    work = Work(node.layer, tuple(view.storage for view in node.inputs), node.output.storage)
    sizes = draw.randint(1, 5), draw.choice((4, 8, 12)), draw.randint(1, 3), draw.randint(1, 3)
    mapping = Mapping("rows", draw.choice(("rows", "channels")), *sizes, 1, "narrow")
    first, low = draw.randint(0, 5), draw.randrange(node.layer.out_blocks)
    extent = Extent((first, draw.randint(first + 1, 12)), (low, draw.randint(low + 1, node.layer.out_blocks)))
    rows = draw.randint(1, 8)
    for steps in column_steps(work, mapping, extent, rows):
        assert len(steps) == step_count(node.layer, mapping, extent, rows)
