"""`BlockSparsifier`: makes blocks of a model's weights zero while it is trained.

    sparsifier = BlockSparsifier("incremental", 0.5)
    sparsifier.prepare(model, steps=epochs * len(loader), example=images)
    optimizer = torch.optim.SGD(sparsifier.parameters(model, weight_decay=5e-4), lr=0.05)
    sparsifier.attach(optimizer)
    for images, labels in ...:
        loss = loss_function(model(images), labels)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    if sparsifier.take_change():  # before each evaluation
        torch.optim.swa_utils.update_bn(loader, model)
    sparsifier.finish()
    sparsifier.squash(model)  # plain weights with zeros, for export

Masks and trained scores are the model's, and are in its `state_dict`; the rest is in the sparsifier's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from compiler.errors import Diagnostic, UsageError, nearest
from training.blocks import Block
from training.choose import Budget, Scope, check_reachable, zeros_due
from training.importance import MEASURES
from training.layers import Layer, Rules, find, prunable
from training.masks import attach, masks_of, squash
from training.schedule import Ramp
from training.schemes import Plan, Scheme, Site, scheme_named


@dataclass(frozen=True)
class Settings:
    """What a sparsifier is asked for; `ramp` None is the scheme's own, `options` are the scheme's numbers."""

    scheme: str = "incremental"
    budget: Budget = field(default_factory=lambda: Budget(0.5))
    block: Block = field(default_factory=Block)
    measure: str = "l2"
    ramp: Ramp | None = None
    rules: Rules = field(default_factory=Rules)
    seed: int = 0
    options: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        kind = scheme_named(self.scheme)
        if self.measure not in MEASURES:
            text = f"there is no measure of importance '{self.measure}'"
            raise UsageError(Diagnostic("prune-importance", text, help=nearest(self.measure, MEASURES)))
        for name, _ in self.options:
            if name not in kind.options:
                text = f"scheme '{self.scheme}' has no option '{name}'"
                raise UsageError(Diagnostic("prune-option", text, help=nearest(name, kind.options)))
        for name, value in self.options:
            if not (math.isfinite(value) and value > 0):
                text = f"option '{name}' of scheme '{self.scheme}' is {value:g}, expected a number above 0"
                raise UsageError(Diagnostic("prune-option", text))


class BlockSparsifier:
    """One interface for all schemes; see the module's text for how it is used."""

    def __init__(self, scheme: str = "incremental", ratio: float | tuple[float, ...] = 0.5, *,
                 scope: Scope | str = Scope.LAYER, block: Block | str = "8x8xK", cores: int = 4, cover: bool = True,
                 measure: str = "l2", ramp: Ramp | None = None, rules: Rules | None = None, seed: int = 0,
                 **options: float) -> None:  # fmt: skip
        self.settings = Settings(
            scheme,
            Budget(ratio, _scope(scope), cores, cover),
            Block.read(block) if isinstance(block, str) else block,
            measure,
            ramp,
            rules or Rules(),
            seed,
            tuple(sorted(options.items())),
        )
        self.layers: list[Layer] = []
        self.step = 0
        self._scheme: Scheme | None = None

    @classmethod
    def of(cls, settings: Settings) -> BlockSparsifier:
        """A sparsifier of settings that are made already."""
        made = cls(settings.scheme)
        made.settings = settings
        return made

    def prepare(self, model: nn.Module, steps: int, example: Tensor | None = None) -> list[Layer]:
        """Put masks on the layers to prune, for a training of so many steps of the optimiser; gives all layers.

        Call it on the bare model, before it is compiled, wrapped for several GPUs or given to an optimiser.  In several
        processes the weights must be the same in all of them: what goes is decided by them in each.  `example`,
        [N, ...], shows which layers are first, last, and behind a flattened image.
        """
        settings = self.settings
        if any(True for _ in masks_of(model)):
            text = "the model has masks already"
            raise UsageError(
                Diagnostic("prune-twice", text, help="training.masks.squash makes them part of its weights")
            )
        if steps < 1:
            raise UsageError(Diagnostic("train-steps", f"a training of {steps} steps is none"))
        self.layers = find(model, example, settings.block, settings.rules)
        chosen = prunable(self.layers)
        grids = [one.view.grid for one in chosen]
        check_reachable([one.name for one in chosen], grids, settings.budget)
        kind = scheme_named(settings.scheme)
        sites = []
        for layer in chosen:
            mask = kind.mask(layer.view)
            attach(layer.module, mask)
            sites.append(Site(layer.name, layer.module, mask))
        ramp = settings.ramp or kind.ramp
        plan = Plan(settings.budget, ramp, steps, settings.measure, settings.seed, dict(settings.options))
        self._scheme = kind(sites, plan)
        self._scheme.begin()
        return self.layers

    @property
    def prepared(self) -> bool:
        """Whether there are masks."""
        return self._scheme is not None

    @property
    def scheme(self) -> Scheme:
        """The running scheme."""
        if self._scheme is None:
            help = "call it before the optimiser is made"
            raise UsageError(Diagnostic("not-prepared", "BlockSparsifier.prepare was not called", help=help))
        return self._scheme

    def parameters(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for an optimiser: weights decay; biases, batch norms and the scheme's scores and gates do not."""
        held = {id(one) for _, _, mask in masks_of(model) for one in mask.parameters()}
        decays: list[Tensor] = []
        stays: list[Tensor] = []
        for one in model.parameters():
            (stays if one.dim() < 2 or id(one) in held else decays).append(one)
        return [{"params": decays, "weight_decay": weight_decay}, {"params": stays, "weight_decay": 0.0}]

    def attach(self, optimizer: Optimizer) -> None:
        """Let the optimiser call the scheme before and after each of its steps; gradients must be there before.

        It must have the parameters that masks brought, such as gates: make it after `prepare`.
        """
        held = {id(one) for group in optimizer.param_groups for one in group["params"]}
        for site in self.scheme.sites:
            for one in (site.original, *site.mask.parameters()):
                if one.requires_grad and id(one) not in held:
                    text = f"the optimiser does not have all parameters of layer '{site.name}'"
                    help = "make it behind `prepare`, of `parameters(model, weight_decay)`"
                    raise UsageError(Diagnostic("prune-optimizer", text, help=help))
        optimizer.register_step_pre_hook(lambda *_: self.before_step())
        optimizer.register_step_post_hook(lambda *_: self.after_step())

    def before_step(self) -> None:
        """After the backward pass, before the optimiser's step."""
        self.scheme.gradients(self.step)

    def after_step(self) -> None:
        """After the optimiser's step."""
        self.scheme.stepped(self.step)
        self.step += 1

    def take_change(self) -> bool:
        """Whether a mask changed since this was last asked: batch norms should be estimated anew."""
        changed, self.scheme.changed = self.scheme.changed, False
        return changed

    def finish(self) -> None:
        """After the last step: the target must be met, to the block."""
        found, due = self.zeros(), zeros_due([one.view.grid for one in self.scheme.sites], self.settings.budget)
        if found != due:
            text = f"{found:,} blocks are zero after step {self.step:,}, {due:,} should be"
            help = f"the masks are final after step {self.scheme.end:,}"
            if not self.step:
                help += "; was `attach` called with the optimiser?"
            raise UsageError(Diagnostic("prune-unfinished", text, help=help))

    def zeros(self) -> int:
        """How many blocks the masks zero now."""
        return sum(int((~site.mask.mask).sum()) for site in self.scheme.sites)

    def squash(self, model: nn.Module) -> nn.Module:
        """Make the masked weights plain ones, in place, for export."""
        return squash(model)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must have beside the model's and the optimiser's."""
        scheme = self.scheme
        return {
            "step": self.step,
            "settings": repr(self.settings),
            "steps": scheme.plan.steps,
            "changed": scheme.changed,
            "scheme": scheme.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was; the model's own state must be loaded before."""
        if state["settings"] != repr(self.settings):
            notes = (f"then: {state['settings']}", f"now:  {self.settings!r}")
            raise UsageError(Diagnostic("resume-settings", "the checkpoint is of another sparsification", notes=notes))
        if state["steps"] != self.scheme.plan.steps:
            text = (
                f"the checkpoint is of a training of {state['steps']:,} steps, this one has {self.scheme.plan.steps:,}"
            )
            raise UsageError(Diagnostic("resume-settings", text, help="masks change at shares of all steps"))
        self.step, self.scheme.changed = int(state["step"]), bool(state["changed"])
        self.scheme.load_state_dict(state["scheme"])
        self.scheme.resumed(self.step)


def _scope(scope: Scope | str) -> Scope:
    words = [one.value for one in Scope]
    if isinstance(scope, str):
        if scope not in words:
            raise UsageError(Diagnostic("prune-scope", f"there is no scope '{scope}'", help=nearest(scope, words)))
        return Scope(scope)
    return scope
