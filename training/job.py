"""A whole sparsification: measure the dense model, find ratios, train with masks, say what came of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from compiler.errors import Diagnostic, UsageError
from training import norms
from training.choose import Budget, Scope, check_reachable
from training.data.sets import Splits
from training.data.transforms import Normalise
from training.layer_weights import layers_of_model
from training.layers import Layer, find, prunable
from training.loop import checkpoint
from training.loop.outputs import check_outputs, remarks
from training.loop.processes import Processes
from training.loop.recipe import Recipe
from training.loop.trainer import Outcome, Trainer, accuracy
from training.masks import element_masks, squash
from training.search.allocate import Allocation, allocate
from training.search.costs import Costs, block_costs, mac_costs, read_costs
from training.search.sensitivity import CANDIDATES, losses, most_ratio
from training.sparsifier import BlockSparsifier, Settings
from training.zeros import Zeros, count_zeros

HELD_OUT, HELD_SEED = 0.1, 1
"""The share of training images that sensitivities are measured on, and the seed that draws them."""

SAMPLES = 1024
"""Training images that batch norms get their first statistics from."""

LITTLE = 0.1
"""Of the way from chance to all right: less is more often a mistake in what the model is given than a bad model."""


class Kind(Enum):
    """What a goal counts."""

    RATIO = "ratio"
    BLOCKS = "blocks"
    MACS = "macs"
    TIME = "time"


@dataclass(frozen=True)
class Goal:
    """What the sparse model is to be.

    RATIO zeroes that share of blocks within the settings' scope.  The others search a ratio for each layer: BLOCKS and
    MACS keep that share of the network's; TIME takes that share of the dense network's predicted time, by a cost file.
    """

    kind: Kind = Kind.RATIO
    value: float = 0.5
    costs: Path | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.value <= 1.0 and self.kind is not Kind.RATIO:
            text = f"{self.value:g} of what the dense network costs is no goal"
            raise UsageError(Diagnostic("prune-goal", text, help="give a share above 0, up to 1"))
        if (self.kind is Kind.TIME) != (self.costs is not None):
            text = "a goal of time and a cost file go together"
            raise UsageError(Diagnostic("prune-goal", text, help="bscc model.onnx --costs costs.json writes one"))


@dataclass(frozen=True)
class Sparse:
    """What came of it: the model, masks squashed, which weights are kept, and the figures."""

    model: nn.Module
    masks: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    zeros: Mapping[str, tuple[int, int]]
    dense_accuracy: float
    outcome: Outcome
    allocation: Allocation | None
    count: Zeros

    def json(self) -> dict[str, Any]:
        """As the report has it."""
        found: dict[str, Any] = {
            "accuracy": {"dense": self.dense_accuracy, "sparse": self.outcome.accuracy},
            "training": {
                "epochs": self.outcome.epochs,
                "steps": self.outcome.steps,
                "minutes": round(self.outcome.minutes, 2),
                "loss": self.outcome.loss,
            },
            "zero": {
                "blocks": self.count.of_blocks,
                "weights_of_pruned_layers": self.count.of_eligible_weights,
                "weights": self.count.of_weights,
                "macs": self.count.of_macs,
            },
            "layers": {
                one.name: {
                    "shape": list(one.view.shape),
                    "macs": one.macs,
                    **(
                        {"dense": one.reason}
                        if one.reason
                        else dict(zip(("zero", "blocks"), self.zeros[one.name], strict=True))
                    ),
                }
                for one in self.layers
            },
        }
        if self.allocation is not None:
            one = self.allocation
            found["search"] = {
                "unit": one.unit,
                "dense": one.dense,
                "cost": one.cost,
                "loss_thought": one.loss,
                "ratios": dict(one.ratios),
            }
        return found


@dataclass
class Job:
    """What `bscc-sparsify` does to a model, in place.

    `names` are what a cost file calls its layers, where that is not their module path.  With `add_norms`, a model that
    has no batch norms is trained with some (`training.norms`).
    """

    model: nn.Module
    splits: Splits
    normalise: Normalise
    settings: Settings
    goal: Goal
    recipe: Recipe
    folder: Path | None = None
    where: Processes = field(default_factory=Processes)
    teach: bool = False
    tensorboard: bool = False
    say: Callable[[str], None] = lambda _: None
    names: Mapping[str, str] = field(default_factory=dict)
    add_norms: bool = True

    def run(self) -> Sparse:
        """All of it; a run that was stopped goes on at its last checkpoint."""
        device = self.where.device
        if self.folder is not None and self.where.first:
            with checkpoint.locked(self.folder):  # said now, and not when ratios are found
                pass
        self.model.to(device)
        pixels, _ = self.splits.train.batch([0])
        example = self.normalise(torch.from_numpy(pixels).to(device))
        layers = find(self.model, example, self.settings.block, self.settings.rules)
        chosen = prunable(layers)
        if self.goal.kind is Kind.RATIO:
            check_reachable([one.name for one in chosen], [one.view.grid for one in chosen], self.settings.budget)
        costs = None if self.goal.kind is Kind.RATIO else self._costs(layers, chosen)
        dense = self._dense(example)
        inserted = self._insert_norms(layers) if norms.missing(self.model) else []
        settings, allocation = (self.settings, None) if costs is None else self._found(chosen, costs)
        sparsifier = BlockSparsifier.of(settings)
        teacher = copy.deepcopy(self.model) if self.teach else None
        trainer = Trainer(
            self.model,
            self.splits,
            self.normalise,
            self.recipe,
            self.folder,
            sparsifier,
            teacher,
            self.where,
            self.tensorboard,
            self.say,
            began=checkpoint.digest(self.model),
        )
        self.say("training with zero blocks")
        outcome = trainer.run()
        sites = sparsifier.scheme.sites
        zeros = {one.name: (int((~one.mask.mask).sum()), one.mask.mask.numel()) for one in sites}
        masks = {name: one.cpu() for name, one in element_masks(self.model).items()}
        squash(self.model)
        norms.fold(inserted)
        # Counted in the plain weights, and an error if a block that a mask zeroes is not zero there.
        count = count_zeros(layers_of_model(self.model, example), masks)
        return Sparse(self.model, masks, tuple(layers), zeros, dense, outcome, allocation, count)

    def _dense(self, example: Tensor) -> float:
        """The accuracy of the model as it came."""
        classes = len(self.splits.train.classes)
        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            outputs = check_outputs(self.model(example), 1, classes)
        self.model.train(training)
        for text in remarks(outputs, classes):
            self.say(f"note: {text}")
        dense = accuracy(self.model, self.splits.test, self.normalise, self.where.device)
        self.say(f"dense: accuracy {dense:.2%} on {len(self.splits.test):,} images")
        chance = 1 / classes
        if dense < chance + LITTLE * (1 - chance):
            text = f"that is little more than the {chance:.2%} of chance: how pixels become numbers (mean, std, scale),"
            self.say(f"note: {text} or the order of classes, may not be what the model was trained with")
        return dense

    def _insert_norms(self, layers: list[Layer]) -> list[norms.Inserted]:
        """Batch norms for the time of the training."""
        # Of one image a batch norm may see one number for each channel, which has no variance.
        places = norms.places(layers) if self.add_norms and self.recipe.batch > 1 else []
        if not places:
            text = "the model has no batch norms: if the loss does not fall, take a smaller --lr (0.002), --clip 1"
            self.say(f"note: {text} and more epochs")
            return []
        text = "the model has no batch norms, so training puts one behind each of"
        self.say(f"note: {text} {len(places)} convolutions, and folds them in the end")
        count = min(SAMPLES, len(self.splits.train))
        images = np.linspace(0, len(self.splits.train) - 1, count).astype(np.int64)
        parts = np.array_split(images, -(-count // self.recipe.batch))
        pixels = (torch.from_numpy(self.splits.train.batch(part)[0]) for part in parts)
        return norms.insert(self.model, places, (self.normalise(one.to(self.where.device)) for one in pixels))

    def _found(self, chosen: list[Layer], costs: Costs) -> tuple[Settings, Allocation]:
        """The settings with a ratio for each layer, so that the goal is met."""
        budget = self.settings.budget
        held = self.splits.held_out(HELD_OUT, HELD_SEED)
        tried = " ".join(f"{100 * one:g}" for one in CANDIDATES)
        self.say(f"sensitivity: by how much the loss grows with {tried} % of the blocks of one layer zero")
        lost = losses(
            self.model, chosen, held.test, self.normalise,
            measure=self.settings.measure, cover=budget.cover, progress=self.say,
        )  # fmt: skip
        most = {one.name: most_ratio(one) for one in chosen}
        found = allocate(costs, CANDIDATES, lost, self.goal.value * costs.total({}), most if budget.cover else None)
        share = found.cost / found.dense
        self.say(f"search: {share:.1%} of the dense model's {found.unit.removeprefix('of ')}")
        scope = Scope.LAYER if budget.scope is Scope.NETWORK else budget.scope
        ratios = tuple(found.ratios[one.name] for one in chosen)
        return replace(self.settings, budget=Budget(ratios, scope, budget.cores, budget.cover)), found

    def _costs(self, layers: list[Layer], chosen: list[Layer]) -> Costs:
        if self.goal.kind is Kind.BLOCKS:
            return block_costs(chosen)
        if self.goal.costs is not None:
            return read_costs(self.goal.costs, chosen, self.names)
        return mac_costs(chosen, [one for one in layers if one.reason])
