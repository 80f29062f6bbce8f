"""The training loop: what it learns, what it refuses, what it writes, and that a stopped run goes on to the bit."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compiler.errors import BsccError, TrainingFailed, UnreadableInput, UsageError
from tests.training_nets import NORMALISE, patterns, residual, splits, trainer
from training.data.sets import Splits
from training.data.transforms import Augment, Normalise
from training.loop import checkpoint
from training.loop.trainer import CHECKPOINT, Trainer
from training.schedule import LearningRate, Ramp
from training.schemes import SCHEMES
from training.sparsifier import BlockSparsifier

torch.set_num_threads(1)

STEPS = 12  # of the small trainer: three epochs of four steps


def tensors(found: object, name: str = "") -> dict[str, object]:
    """All leaves of a state, by their path."""
    if isinstance(found, Mapping):
        return {path: one for key, part in found.items() for path, one in tensors(part, f"{name}/{key}").items()}
    if isinstance(found, list | tuple):
        return {path: one for key, part in enumerate(found) for path, one in tensors(part, f"{name}/{key}").items()}
    return {name: found}


def state(one: Trainer) -> dict[str, object]:
    """All that a run ends with but its time."""
    found = {"model": one.model.state_dict(), "optimizer": one.optimizer.state_dict(), "loss": one.loss}
    return tensors(found | ({"scheme": one.sparsifier.state_dict()} if one.sparsifier else {}))


def assert_same(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        there = other[name]
        if isinstance(value, Tensor):
            assert isinstance(there, Tensor) and value.dtype == there.dtype and torch.equal(value, there), name
        else:
            assert value == there, name


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def sparsifier(scheme: str) -> BlockSparsifier:
    return BlockSparsifier(scheme, 0.5, ramp=Ramp(begin=0.0, end=0.8, updates=6))


@pytest.mark.parametrize("scheme", [None, *SCHEMES])
@pytest.mark.parametrize("stops", [(1,), (4,), (2, 3, 9), (10, 11)])
def test_a_stopped_run_goes_on_to_the_bit(scheme: str | None, stops: tuple[int, ...], tmp_path: Path) -> None:
    """Stopped in the middle of epochs, at their ends, before and after masks are final; each time by a new process,
    as it were: with a fresh model of other weights, a fresh sparsifier and another state of torch's generator."""
    make = (lambda: None) if scheme is None else (lambda: sparsifier(scheme))
    whole = trainer(tmp_path / "whole", make())
    outcome = whole.run()
    for number, stop in enumerate(stops):
        torch.manual_seed(100 + number)
        part = trainer(tmp_path / "parts", make(), seed=0 if not number else 50)
        assert part.run(stop).steps == stop
    last = trainer(tmp_path / "parts", make(), seed=99)
    again = last.run()
    assert (again.accuracy, again.loss, again.steps, again.epochs) == (outcome.accuracy, outcome.loss, STEPS, 3)
    assert_same(state(last), state(whole))
    files = [tensors(checkpoint.load(tmp_path / one / CHECKPOINT)) for one in ("whole", "parts")]
    for one in files:
        del one["/seconds"]
    assert_same(*files)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")


def test_a_run_that_is_killed_loses_what_no_checkpoint_has(tmp_path: Path) -> None:
    """Rows of the log behind the last checkpoint are written anew, none twice."""
    trainer(tmp_path / "whole").run()
    one = trainer(tmp_path / "cut", checkpoint_every=3)
    step = one._step

    def killed(number: int, *args: object) -> None:
        if number == 9:
            raise KeyboardInterrupt
        step(number, *args)  # type: ignore[arg-type]

    one._step = killed  # type: ignore[method-assign, assignment]
    said: list[str] = []
    one.say = said.append
    with pytest.raises(KeyboardInterrupt):
        one.run()
    assert "goes on from the last checkpoint" in said[-1] and CHECKPOINT in said[-1]
    assert len(rows(tmp_path / "cut")) == 9 + 2
    assert checkpoint.load(tmp_path / "cut" / CHECKPOINT)["step"] == 9
    trainer(tmp_path / "cut", checkpoint_every=2).run()
    found = rows(tmp_path / "cut")
    assert found == rows(tmp_path / "whole")
    keys = [(row["step"], bool(row["accuracy"])) for row in found]
    assert len(set(keys)) == len(keys) == STEPS + 3


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"lr": 0.06}, "recipe"),
        ({"batch": 32}, "recipe"),
        ({"data": splits(80)}, "data"),
        ({"data": replace(splits(), name="others")}, "data"),
        ({"sparsifier": sparsifier("supermask")}, "sparsifier"),
        ({"sparsifier": BlockSparsifier("incremental", 0.25)}, "sparsifier"),
        ({"sparsifier": None}, "sparsifier"),
        ({"model": nn.Sequential(nn.Conv2d(1, 32, 3), nn.Conv2d(32, 32, 3), nn.Flatten(), nn.Linear(512, 4))}, "model"),
        ({"normalise": Normalise((0.4,), (0.25,))}, "normalisation"),
    ],
)
def test_other_settings_do_not_go_on(change: dict[str, object], what: str, tmp_path: Path) -> None:
    trainer(tmp_path, sparsifier("incremental")).run(5)
    before = (tmp_path / CHECKPOINT).read_bytes()
    more = {"sparsifier": sparsifier("incremental"), **change}
    normalise = more.pop("normalise", NORMALISE)
    other = trainer(tmp_path, **more)  # type: ignore[arg-type]
    other.normalise = normalise  # type: ignore[assignment]
    with pytest.raises(UsageError, match=rf"resume-settings(?s:.*)another {what}"):
        other.run()
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_run_without_a_sparsifier_does_not_go_on_with_one(tmp_path: Path) -> None:
    trainer(tmp_path).run(5)
    with pytest.raises(UsageError, match="another sparsifier"):
        trainer(tmp_path, sparsifier("set")).run()


def test_own_loops_are_told_when_steps_differ() -> None:
    one, other = sparsifier("incremental"), sparsifier("incremental")
    one.prepare(residual(), 100)
    other.prepare(residual(), 101)
    with pytest.raises(UsageError, match="of a training of 100 steps, this one has 101"):
        other.load_state_dict(one.state_dict())


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    loss = one._loss

    calls = itertools.count()

    def poisoned(x: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
        found = loss(x, outputs, labels)
        return found * math.nan if next(calls) == 7 else found

    one._loss = poisoned  # type: ignore[method-assign]
    with pytest.raises(
        TrainingFailed, match=r"error\[diverged\]: the loss of step 8 of 12 is nan(?s:.*)last good"
    ) as found:
        one.run()
    assert found.value.exit_code == 8 and "it is 0.05" in found.value.diagnostic.help
    assert checkpoint.load(tmp_path / CHECKPOINT)["step"] == 4
    trainer(tmp_path / "whole").run()
    last = trainer(tmp_path)
    last.run()
    assert rows(tmp_path) == rows(tmp_path / "whole")


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    """The loss of a step may be a number though its gradients were none: the next step would tell, too late."""
    one = trainer(tmp_path)
    step = one._step

    def broken(number: int, *args: object) -> None:
        step(number, *args)  # type: ignore[arg-type]
        if number == 7:
            with torch.no_grad():
                one.model.get_parameter("conv2.weight")[0, 0] = math.inf

    one._step = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(TrainingFailed, match=r"after step 8 of 12 not all of 'conv2.weight' are numbers"):
        one.run()
    assert checkpoint.load(tmp_path / CHECKPOINT)["step"] == 4


def test_a_rate_that_is_far_too_large_diverges(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="diverged"):
        trainer(tmp_path, lr=1e30, epochs=8).run()
    if (tmp_path / CHECKPOINT).exists():
        saved = checkpoint.load(tmp_path / CHECKPOINT)["model"]
        assert all(one.isfinite().all() for name, one in saved.items() if "running" not in name)


def easy(**recipe: object) -> dict[str, object]:
    return {"data": splits(256, 64), "epochs": 6, "batch": 32, "lr": 0.05, "padding": 0, "flip": False, **recipe}


def test_it_learns_and_ends_sparse() -> None:
    """The default scheme on patterns that are easy to tell apart."""
    one = trainer(sparsifier=BlockSparsifier(), **easy())  # type: ignore[arg-type]
    assert one.accuracy() < 0.6
    outcome = one.run()
    assert outcome.accuracy > 0.95 and outcome.steps == 48 and outcome.epochs == 6 and outcome.minutes > 0
    assert one.sparsifier is not None and one.sparsifier.zeros() == 27


def test_the_same_run_gives_the_same_weights() -> None:
    one, other, third = trainer(), trainer(), trainer(seed=1)
    for each in (one, other, third):
        each.run()
    assert_same(state(one), state(other))
    assert not torch.equal(one.model.get_parameter("conv1.weight"), third.model.get_parameter("conv1.weight"))


def test_a_teacher_draws_the_student_near() -> None:
    teacher = trainer(**easy())  # type: ignore[arg-type]
    teacher.run()
    x = NORMALISE(torch.from_numpy(patterns(64, 7).images))
    labels = torch.from_numpy(patterns(64, 7).labels)

    def apart(distill: float) -> float:
        student = trainer(model=residual(3), teacher=teacher.model, **easy(distill=distill, epochs=3))  # type: ignore[arg-type]
        student.run()
        with torch.no_grad():
            logits, taught = student.model.eval()(x), teacher.model.eval()(x)
        assert (logits.argmax(1) == labels).float().mean() > 0.8
        return float(nn.functional.kl_div(logits.log_softmax(1), taught.log_softmax(1), log_target=True,
                                          reduction="batchmean"))  # fmt: skip

    before = {name: one.clone() for name, one in teacher.model.state_dict().items()}
    assert apart(0.9) < 0.6 * apart(0.0)
    assert all(torch.equal(one, before[name]) for name, one in teacher.model.state_dict().items())


def test_batch_norms_are_estimated_where_masks_changed() -> None:
    """After the first epoch they are, to rounding, the means over its first batches of the model as it is."""
    one = trainer(sparsifier=BlockSparsifier("predetermined"), bn_batches=3, momentum=0.0)
    one.run(4)
    recipe, augment = one.recipe, Augment(one.recipe.padding, one.recipe.flip, one.recipe.seed)
    model = residual()
    BlockSparsifier("predetermined").prepare(model, 12, torch.zeros(1, 1, 8, 8))
    model.load_state_dict(one.model.state_dict())
    sums = {name: [] for name, part in model.named_modules() if isinstance(part, nn.BatchNorm2d)}  # type: ignore[var-annotated]
    for name in sums:
        model.get_submodule(name).register_forward_pre_hook(lambda _, x, name=name: sums[name].append(x[0]))
    order = np.random.default_rng(np.random.SeedSequence((recipe.seed, 0))).permutation(64)
    model.train()
    with torch.no_grad():
        for place in range(3):
            images = torch.from_numpy(one.splits.train.batch(order[16 * place : 16 * place + 16])[0])
            model(NORMALISE(augment(images, 0, place, 0)))
    for name, seen in sums.items():
        norm = one.model.get_submodule(name)
        mean = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
        variance = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
        assert torch.allclose(norm.running_mean, mean, atol=1e-5)  # type: ignore[arg-type]
        assert torch.allclose(norm.running_var, variance, rtol=1e-4)  # type: ignore[arg-type]
        assert norm.momentum == 0.1 and int(norm.num_batches_tracked) == 3  # type: ignore[arg-type]


def test_batch_norms_are_left_alone_where_none_changed() -> None:
    for make in (lambda: None, lambda: BlockSparsifier("incremental", ramp=Ramp(begin=0.9, end=1.0))):
        one = trainer(sparsifier=make())
        one.run(4)
        assert int(one.model.get_submodule("bn1").num_batches_tracked) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: str) -> None:
    one = trainer(sparsifier=BlockSparsifier(), **easy(precision=precision, epochs=4))  # type: ignore[arg-type]
    kinds: list[torch.dtype] = []
    one.model.get_submodule("conv2").register_forward_hook(
        lambda part, _, result: kinds.append(result.dtype) if part.training else None
    )
    assert one.run().accuracy > 0.8
    assert set(kinds) == {{"bf16": torch.bfloat16, "fp16": torch.float16}[precision]}
    assert all(one.dtype == torch.float32 for one in one.model.parameters())


def test_steps_that_fp16_leaves_out_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scaler that begins too high leaves steps out; masks are final in time all the same."""
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, enabled: scaler(device, 2.0**36, enabled=enabled))
    for scheme in SCHEMES:
        found = BlockSparsifier(scheme, 0.5, ramp=Ramp(end=1.0))
        one = trainer(sparsifier=found, precision="fp16")
        one.run()
        assert found.step == STEPS and one.scaler.get_scale() < 2.0**36


def test_labels_are_smoothed() -> None:
    outputs, labels = torch.tensor([[2.0, 0.0, 0.0, 0.0]]), torch.tensor([0])
    one = trainer(label_smoothing=0.2)
    logs = outputs.log_softmax(1)[0]
    expected = -(0.85 * logs[0] + 0.05 * logs[1:].sum())
    assert torch.allclose(one._loss(outputs, outputs, labels), expected)


def test_gradients_are_clipped() -> None:
    one, other = trainer(clip=1e-6, momentum=0.0, weight_decay=0.0), residual()
    one.run(1)
    pairs = zip(one.model.parameters(), other.parameters(), strict=True)
    moved = sum(float((new - old).detach().double().square().sum()) for new, old in pairs)
    assert 0 < math.sqrt(moved) < 0.05 * 1e-6 * 1.2


def test_the_schedule_is_what_the_optimiser_has(tmp_path: Path) -> None:
    trainer(tmp_path, rate=LearningRate("linear", warmup=2)).run()
    rates = [float(row["lr"]) for row in rows(tmp_path) if not row["accuracy"]]
    assert rates[:3] == pytest.approx([0.05 / 3, 0.1 / 3, 0.05], rel=1e-5) and rates[-1] == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: trainer(batch=65), "a step takes 65 images, there are 64"),
        (lambda: trainer(distill=0.5), "distill is 0.5, and there is no teacher"),
        (lambda: trainer(sparsifier=BlockSparsifier(ratio=0.9)), "of layer 'conv1' were to be zeroed"),
    ],
)
def test_runs_that_cannot_be(make: type[Trainer], message: str) -> None:
    with pytest.raises(BsccError, match=message) as found:
        make().run()  # type: ignore[call-arg]
    assert found.value.exit_code == UsageError.exit_code


def test_a_sparsifier_of_another_run() -> None:
    one = trainer(sparsifier=BlockSparsifier())
    one.run(5)
    with pytest.raises(UsageError, match="the sparsifier is at step 5 of 12, the run at 0 of 12"):
        one.run()
    other = BlockSparsifier()
    model = residual()
    other.prepare(model, 100)
    with pytest.raises(UsageError, match="at step 0 of 100, the run at 0 of 12"):
        trainer(sparsifier=other, model=model).run()


def test_the_same_trainer_goes_on_in_its_folder(tmp_path: Path) -> None:
    one, whole = (trainer(tmp_path / name, BlockSparsifier("rigl")) for name in ("one", "whole"))
    one.run(5)
    one.run()
    whole.run()
    assert_same(state(one), state(whole))


def test_a_log_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b"\xff\xfe\x00 no text")
    with pytest.raises(UnreadableInput, match="log-unreadable"):
        trainer(tmp_path).run()


def test_what_a_run_says(tmp_path: Path) -> None:
    said: list[str] = []
    for stop in (5, None):
        one = trainer(tmp_path, BlockSparsifier("predetermined"))
        one.say = said.append
        one.run(stop)
    assert [line.split(":")[0] for line in said] == [
        "epoch 1/3",
        "going on after step 5 of 12",
        "epoch 2/3",
        "epoch 3/3",
    ]
    assert "50.0% of blocks zero" in said[0]


def test_the_test_set_may_be_of_any_size() -> None:
    one = trainer(data=Splits(patterns(32), patterns(501, 1), "odd"))
    found = one.accuracy()
    model = one.model.eval()
    with torch.no_grad():
        right = model(NORMALISE(torch.from_numpy(patterns(501, 1).images))).argmax(1).numpy() == patterns(501, 1).labels
    assert found == pytest.approx(right.mean())
