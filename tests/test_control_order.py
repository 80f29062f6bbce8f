"""Control pushes what a task needs before it waits for that task, whatever the mapping."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from compiler.encoding.descriptors import LIMITS
from compiler.encoding.tiles import Direction, TileKind
from compiler.errors import UNKNOWN, DoesNotFit
from compiler.ir import FuncOp, Module, Rewriter
from compiler.mapping.control import Channel, Controller
from compiler.mapping.forced import asked
from compiler.mapping.lowering import in_turn
from compiler.mapping.patterns import MAX_CHAIN, Spec, Task
from compiler.mapping.reader import Reader
from compiler.mapping.shapes import Mapping
from dialects import aie2
from passes.assign_layout import AssignLayout
from tests.model_cases import PAD1, Case
from tests.reference_tools import PASSES, imported, run_passes
from tests.test_end_to_end import outputs_of

ACT, OTHER_ACT = (Channel(column, 1, TileKind.MEMTILE, Direction.MM2S, 0) for column in range(2))
OUT = Channel(0, 1, TileKind.MEMTILE, Direction.S2MM, 0)
FREE = LIMITS[TileKind.MEMTILE].queue_depth


def force(model: onnx.ModelProto, wanted: Mapping, directory: Path) -> str:
    """A file that gives layers with a window of one pixel this mapping."""
    nodes = Reader(run_passes(imported(model, directory), *PASSES, AssignLayout())).nodes
    names = [node.title for node in nodes if node.layer.window == (1, 1)]
    path = directory / "mapping.json"
    path.write_text(json.dumps({"schema": 1, "layers": [{"name": name, **asked(wanted)} for name in names]}))
    return str(path)


@pytest.mark.parametrize("target", ["aie2-4x4", "aie2-6x6", "aie2-8x8"])
@pytest.mark.parametrize(("channels", "inner"), [(200, 9), (144, 18)])
def test_a_tile_and_its_border_in_the_step_that_sends_its_input(
    target: str, channels: int, inner: int, tmp_path: Path
) -> None:
    """One tile a core, whose border makes more descriptors than a queue holds: they wait for this very step.

    In the last step the activations come by a task of their own, as their packet is shorter than those before.
    """
    shape = (channels, 7, 7)
    case = Case("one_tile", lambda n, x: n.quant(n.conv(n.quant(n.conv(x, 96, (1, 1))), 16, pads=PAD1)), shape)
    model = case.build()
    mapping = force(model, Mapping("channels", "channels", 7, 7, 1, inner, 1), tmp_path)
    outputs_of(model, target, 5, tmp_path, mapping).check_bytes()


def test_work_in_more_tasks_than_a_queue_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What does not fit the queue ahead of the run is pushed among the activations that make room for it."""
    limits = LIMITS[TileKind.MEMTILE]
    monkeypatch.setitem(LIMITS, TileKind.MEMTILE, replace(limits, max_repeat=4))
    case = Case("many_steps", lambda n, x: n.quant(n.conv(x, 16, (1, 1))), (24, 12, 12))
    model = case.build()
    mapping = force(model, Mapping("rows", "channels", 1, 4, 1, 1, 1), tmp_path)
    outputs_of(model, "aie2-6x6", 5, tmp_path, mapping).check_bytes()


def controller() -> Controller:
    module = Module()
    main = Rewriter.at_end(module.body.block).insert(FuncOp.make("main", [], []))
    return Controller(Rewriter.at_end(main.body.block), UNKNOWN)


def task(first: int, last: int, chain: int = 1) -> Task:
    return Task((Spec(0, 4),) * chain, 1, first, last)


def test_senders_before_receivers_of_a_step() -> None:
    late, out, act = task(2, 2), task(1, 1), task(1, 3)
    assert in_turn([(OUT, late), (OUT, out), (ACT, act)]) == [(ACT, act), (OUT, out), (OUT, late)]


def test_channels_take_turns_in_a_step() -> None:
    tasks = [task(0, 0), task(0, 0, 2), task(0, 0, 3)]
    found = in_turn([(one, each) for one in (ACT, OTHER_ACT) for each in tasks])
    assert found == [(one, each) for each in tasks for one in (ACT, OTHER_ACT)]


def test_only_what_is_awaited_gives_tokens() -> None:
    """A token that nobody takes would stand for a later one."""
    control = controller()
    for _ in range(3):
        control.push(OUT, task(0, 0), 0)
    control.push(ACT, task(0, 0), 0)
    control.push(ACT, task(0, 0), 1)
    control.drain(0)
    block = control.rw.block
    assert block is not None
    pushed = [(one.direction, one.token) for one in block.ops if isinstance(one, aie2.PushOp)]
    assert pushed == [("S2MM", False), ("S2MM", False), ("S2MM", True), ("MM2S", True), ("MM2S", False)]
    assert len([one for one in block.ops if isinstance(one, aie2.SyncOp)]) == 2
    control.drain(1)
    assert [one.token for one in block.ops if isinstance(one, aie2.PushOp)][-1]
    assert len(control.free[OUT.pool]) == 24


@pytest.mark.parametrize("chain", [1, MAX_CHAIN])
def test_a_task_that_ends_later_is_not_awaited(chain: int) -> None:
    """Neither for room in the queue, nor for its descriptors; what ends by then is."""
    control = controller()
    for _ in range(FREE):
        control.push(OUT, task(0, 1, chain), 0)
    with pytest.raises(DoesNotFit, match="no room in its queue"):
        control.push(OUT, task(0, 1, chain), 0)
    control.push(OUT, task(1, 1, chain), 0)
    own = replace(ACT, number=2)
    with pytest.raises(DoesNotFit, match="free descriptor"):
        for _ in range(24):
            control.push(own, task(1, 1, 24), 0)
