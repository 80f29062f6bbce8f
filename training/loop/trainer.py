"""The training loop: a model, images, a recipe; with a sparsifier, with a teacher; to be stopped and gone on with."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from torch.optim.swa_utils import update_bn

from compiler.errors import Diagnostic, TrainingFailed, UnreadableInput, UsageError
from training.data.batches import batches, steps_of
from training.data.sets import LabelledImages, Splits
from training.data.transforms import Augment, Normalise
from training.loop import checkpoint
from training.loop.logs import Log
from training.loop.outputs import check_outputs
from training.loop.processes import Processes
from training.loop.progress import Progress, duration
from training.loop.recipe import Recipe
from training.sparsifier import BlockSparsifier

CHECKPOINT = "last.pt"
_EVALUATED = 500


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `minutes` is training time without evaluation, earlier parts of a resumed run included."""

    accuracy: float
    loss: float
    steps: int
    epochs: int
    minutes: float


@dataclass
class Trainer:
    """Trains `model`, in place, on `splits.train`; `normalise` makes numbers of its pixels.

    With a `folder` there are checkpoints and a log, and a run that was stopped goes on where the last checkpoint is;
    the weights are then, bit for bit, those of a run that was not stopped (on a CPU, with as many threads).
    With `began`, a digest of the weights before training, it does not go on where a run of other weights stopped.
    `on_optimizer` is called with the optimiser before the first step, for hooks.
    """

    model: nn.Module
    splits: Splits
    normalise: Normalise
    recipe: Recipe
    folder: Path | None = None
    sparsifier: BlockSparsifier | None = None
    teacher: nn.Module | None = None
    where: Processes = field(default_factory=Processes)
    tensorboard: bool = False
    say: Callable[[str], None] = lambda _: None
    on_optimizer: Callable[[torch.optim.Optimizer], object] = lambda _: None
    began: str = ""

    def run(self, stop_after: int | None = None) -> Outcome:
        """Train to the end, or until `stop_after` steps are done in all, with a checkpoint there."""
        with checkpoint.locked(self.folder) if self.folder and self.where.first else nullcontext():
            return self._run(stop_after)

    def _run(self, stop_after: int | None) -> Outcome:
        self._set_up()
        step = self._resume()
        self._check_sparsifier(step)
        log = Log(self.folder, step, self.tensorboard) if self.folder and self.where.first else None
        last = self.total if stop_after is None else min(stop_after, self.total)
        self.progress = Progress(self.say, step, self.total)
        try:
            while step < last:
                step = self._epoch(step, last, log)
        except KeyboardInterrupt:
            if self.folder is not None and (self.folder / CHECKPOINT).exists():
                self.say(f"interrupted; the same run goes on from the last checkpoint, {self.folder / CHECKPOINT}")
            raise
        finally:
            if log is not None:
                log.close()
        if self.sparsifier is not None and step == self.total:
            self.sparsifier.finish()
        self._estimate_norms(max(0, step - 1) // self.steps)
        accuracy = self.accuracy()
        return Outcome(accuracy, self.loss, step, step // self.steps, self.seconds / 60)

    def accuracy(self) -> float:
        """Top-1 on the test images, 0 to 1."""
        return accuracy(self.model, self.splits.test, self.normalise, self.where.device)

    def _set_up(self) -> None:
        recipe, device = self.recipe, self.where.device
        if recipe.distill and self.teacher is None:
            help = "give a teacher, or distill=0"
            raise UsageError(Diagnostic("recipe", f"distill is {recipe.distill:g}, and there is no teacher", help=help))
        self.steps = steps_of(len(self.splits.train), recipe.batch, self.where.world)
        if not self.steps:
            needed = recipe.batch * self.where.world
            text = f"a step takes {needed} images, there are {len(self.splits.train)} to train on"
            raise UsageError(Diagnostic("recipe", text, self.splits.name, help="take a smaller batch"))
        _, *sides = self.splits.train.shape
        if recipe.padding > min(sides):
            text = f"crops of images of {sides[0]}x{sides[1]} cannot move by {recipe.padding} pixels"
            raise UsageError(Diagnostic("recipe", text, self.splits.name, help="take a smaller padding"))
        self.total = recipe.epochs * self.steps
        self.model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.where.agree(self.model)
        if self.sparsifier is not None and not self.sparsifier.prepared:
            image, _ = self.splits.train.batch([0])
            example = self.normalise(torch.from_numpy(image).to(device))
            self.sparsifier.prepare(self.model, self.total, example)
        groups = (self.sparsifier or BlockSparsifier()).parameters(self.model, recipe.weight_decay)
        self.optimizer = torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.momentum > 0)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        if self.sparsifier is not None:
            self.sparsifier.attach(self.optimizer)
        self.on_optimizer(self.optimizer)
        self.augment = Augment(recipe.padding, recipe.flip, recipe.seed)
        if self.teacher is not None:
            self.teacher.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.loss, self.seconds = math.nan, 0.0
        torch.manual_seed(recipe.seed)
        self.wrapped = self.where.wrap(self.model)

    def _check_sparsifier(self, step: int) -> None:
        """Masks change at steps of this run, so the sparsifier must be at the same one."""
        if self.sparsifier is None:
            return
        found = self.sparsifier.step, self.sparsifier.scheme.plan.steps
        if found != (step, self.total):
            done, steps = found
            text = f"the sparsifier is at step {done:,} of {steps:,}, the run at {step:,} of {self.total:,}"
            help = "take a new model and sparsifier for another run; one that was stopped goes on if it has a folder"
            raise UsageError(Diagnostic("train-steps", text, help=help))

    def _epoch(self, step: int, last: int, log: Log | None) -> int:
        """The rest of the epoch that `step` is in; gives the step after it."""
        epoch = step // self.steps
        start = time.perf_counter()
        self.wrapped.train()
        spent = self.seconds
        every = self.recipe.checkpoint_every
        for place, images, labels in self._batches(epoch, step % self.steps):
            self._step(step, images, labels, epoch, place)
            step += 1
            self.seconds = spent + time.perf_counter() - start
            if log is not None and step % self.recipe.log_every == 0:
                log.row(self._row(step))
            self.progress.step(step, self.loss)
            if step % self.steps and ((every and step % every == 0) or step == last):
                self._save(step)
            if step == last:
                break
        if step % self.steps == 0:
            self._estimate_norms(epoch)
            self.seconds = spent + time.perf_counter() - start
            self._end_of_epoch(step, log)
        return step

    def _end_of_epoch(self, step: int, log: Log | None) -> None:
        if self.where.first:
            found = self.accuracy()
            if log is not None:
                log.row({**self._row(step), "accuracy": round(found, 5)})
            zeros = f", {self._zero_share():.1%} of blocks zero" if self.sparsifier else ""
            epochs = f"epoch {step // self.steps}/{self.recipe.epochs}"
            text = f"{epochs}: loss {self.loss:.4f}, accuracy {found:.2%}{zeros}, {duration(self.seconds)}"
            self.progress.line(text, step)
        # Behind the log's rows: those of steps that no checkpoint has are written anew when the run goes on.
        self._save(step)
        self.where.wait()

    def _step(self, step: int, images: Tensor, labels: Tensor, epoch: int, place: int) -> None:
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * recipe.rate.factor(step, self.total)
        x = self._numbers(images, epoch, place)
        labels = labels.to(self.where.device)
        with self._autocast():
            outputs = check_outputs(self.wrapped(x), len(x), len(self.splits.train.classes))
            loss = self._loss(x, outputs, labels)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        if recipe.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.loss = float(loss.detach())
        if not math.isfinite(self.loss):
            raise self._diverged(f"the loss of step {step + 1:,} of {self.total:,} is {self.loss}")
        done = self.sparsifier.step if self.sparsifier is not None else 0
        self.scaler.step(self.optimizer)
        if self.sparsifier is not None and self.sparsifier.step == done:
            self.sparsifier.after_step()  # a step of fp16 that is left out for its infinite gradients counts, too
        self.scaler.update()

    def _loss(self, x: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
        recipe = self.recipe
        outputs = outputs.float()
        loss = cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing)
        if self.teacher is not None and recipe.distill:
            with torch.no_grad():
                taught = log_softmax(self.teacher(x).float() / recipe.temperature, 1)
            own = log_softmax(outputs / recipe.temperature, 1)
            apart = kl_div(own, taught, reduction="batchmean", log_target=True) * recipe.temperature**2
            loss = (1 - recipe.distill) * loss + recipe.distill * apart
        return loss

    def _check(self, step: int) -> None:
        """A loss may be a number still whose gradients made none of the weights: no such model is saved."""
        for name, one in self.model.named_parameters():
            if not bool(one.isfinite().all()):
                raise self._diverged(f"after step {step:,} of {self.total:,} not all of '{name}' are numbers")

    def _diverged(self, text: str) -> TrainingFailed:
        path = None if self.folder is None else self.folder / CHECKPOINT
        kept = (f"the last good checkpoint is {path}",) if path is not None and path.exists() else ()
        help = f"take a smaller learning rate (it is {self.recipe.lr:g}), a longer warm-up, or clip gradients"
        return TrainingFailed(Diagnostic("diverged", text, notes=kept, help=help))

    def _batches(self, epoch: int, start: int) -> Iterator[tuple[int, Tensor, Tensor]]:
        recipe, where = self.recipe, self.where
        return batches(self.splits.train, recipe.batch, recipe.seed, epoch, where.rank, where.world, start)

    def _numbers(self, images: Tensor, epoch: int, place: int) -> Tensor:
        moved = images.to(self.where.device)
        x = self.normalise(self.augment(moved, epoch, place, self.where.rank))
        return x.contiguous(memory_format=torch.channels_last)

    def _autocast(self) -> torch.autocast:
        kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.recipe.precision]
        return torch.autocast(self.where.device.type, kind, enabled=self.recipe.precision != "fp32")

    def _estimate_norms(self, epoch: int) -> None:
        """If masks changed, batch norms as the model now needs them, on the first batches of the epoch."""
        if self.sparsifier is None or not self.sparsifier.take_change():
            return
        found = []
        for place, images, _ in self._batches(epoch, 0):
            if place >= self.recipe.bn_batches:
                break
            found.append(self._numbers(images, epoch, place))
        if found:
            with self._autocast():
                update_bn(found, self.model)
            self.wrapped.train()

    def _zero_share(self) -> float:
        assert self.sparsifier is not None
        total = sum(site.mask.mask.numel() for site in self.sparsifier.scheme.sites)
        return self.sparsifier.zeros() / total

    def _row(self, step: int) -> dict[str, float | int]:
        row = {
            "step": step,
            "epoch": round(step / self.steps, 3),
            "lr": float(f"{self.optimizer.param_groups[0]['lr']:.6g}"),
            "loss": round(self.loss, 5),
            "seconds": round(self.seconds, 1),
        }
        return row | ({"zero_blocks": round(self._zero_share(), 5)} if self.sparsifier is not None else {})

    def _save(self, step: int) -> None:
        self._check(step)
        if self.folder is not None and self.where.first:
            checkpoint.save(self.folder / CHECKPOINT, self._state(step))

    def _state(self, step: int) -> dict[str, Any]:
        state: dict[str, Any] = {
            **self._asked(),
            "step": step,
            "began": self.began,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "loss": self.loss,
            "seconds": self.seconds,
        }
        return state | ({"scheme": self.sparsifier.state_dict()} if self.sparsifier is not None else {})

    def _asked(self) -> dict[str, str]:
        """What must be the same for a run to go on; how often it writes may change."""
        unwritten = replace(self.recipe, checkpoint_every=0, log_every=1)
        return {
            "recipe": repr(unwritten),
            "data": f"{self.splits.name}, {len(self.splits.train)} images",
            "normalisation": repr(self.normalise),
            "sparsifier": "none" if self.sparsifier is None else repr(self.sparsifier.settings),
            "teacher": "none" if self.teacher is None else type(self.teacher).__name__,
            "number of processes": str(self.where.world),
        }

    def _resume(self) -> int:
        if self.folder is None:
            return 0
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        state = checkpoint.load(path)
        asked = self._asked()
        for name in (*asked, *self._state(0)):
            if name not in state and name != "began" and (name in asked or state["sparsifier"] == asked["sparsifier"]):
                text = f"the checkpoint has no '{name}'"
                raise UnreadableInput(Diagnostic("checkpoint", text, str(path), help="remove it to begin anew"))
        other = [name for name, value in asked.items() if state[name] != value]
        if other:
            text = " and ".join(f"another {name}" for name in other)
            notes = tuple(one for name in other for one in checkpoint.differences(state[name], asked[name]))
            help = "give the same options, or another folder for another run"
            text = f"the checkpoint was made with {text}"
            raise UsageError(Diagnostic("resume-settings", text, str(path), notes, help))
        if self.began and state.get("began", self.began) != self.began:
            text = "the checkpoint is of a training that began with other weights"
            help = "give another folder to train this model, or remove the checkpoint"
            raise UsageError(Diagnostic("resume-settings", text, str(path), help=help))
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:  # torch has no error of its own for these
            said = tuple(line.strip() for line in str(error).splitlines()[:4])
            help = "give the same model, or another folder"
            text = "the checkpoint is of another model"
            raise UsageError(Diagnostic("resume-settings", text, str(path), said, help)) from error
        self.scaler.load_state_dict(state["scaler"])
        if self.sparsifier is not None:
            self.sparsifier.load_state_dict(state["scheme"])
        torch.set_rng_state(state["random"])
        self.loss, self.seconds = float(state["loss"]), float(state["seconds"])
        step = int(state["step"])
        if step and self.where.first:
            done = f"all {self.total:,} steps are done already" if step == self.total else ""
            self.say(done or f"going on after step {step:,} of {self.total:,}")
        return step


def accuracy(model: nn.Module, images: LabelledImages, normalise: Normalise, device: torch.device) -> float:
    """Top-1, 0 to 1, in float32, of the model as it is evaluated."""
    training = model.training
    model.eval()
    found = top1(model, images, normalise, device)
    model.train(training)
    return found


def top1(network: Callable[[Tensor], Tensor], images: LabelledImages, normalise: Normalise,
         device: torch.device) -> float:  # fmt: skip
    """The share of images whose class has the largest output."""
    right = 0
    with torch.no_grad():
        for start in range(0, len(images), _EVALUATED):
            pixels, labels = images.batch(range(start, min(start + _EVALUATED, len(images))))
            x = normalise(torch.from_numpy(pixels).to(device)).contiguous(memory_format=torch.channels_last)
            right += int((network(x).argmax(1).cpu() == torch.from_numpy(labels)).sum())
    return right / len(images)
