"""Which layers of a module have blocks to prune, and why the others have none."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from compiler.blocks import BLOCK
from compiler.errors import Diagnostic, UsageError, nearest
from training.blocks import Block, BlockView

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
PRODUCTS = (*CONVOLUTIONS, nn.Linear)


@dataclass(frozen=True)
class Rules:
    """What is left dense unless it is named in `include`: small layers, the first and the last one, those of `exclude`.

    `min_channels` counts on both sides, and in each group: two block rows are the least that leave a choice.
    """

    min_channels: int = 2 * BLOCK
    first: bool = False
    last: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layer:
    """A layer with weights: its module path, how its weights are blocks, its work, and why it stays dense (or "").

    `macs` are multiplications for one sample, 0 if the model was not run.
    """

    name: str
    module: nn.Module
    view: BlockView
    macs: int
    reason: str

    @property
    def weights(self) -> int:
        """How many weights it has."""
        return self.weight.numel()

    @property
    def weight(self) -> Tensor:
        """Its weights as the layer uses them, masked if there is a mask."""
        weight = self.module.weight
        assert isinstance(weight, Tensor)
        return weight


def find(model: nn.Module, example: Tensor | None = None, block: Block | None = None,
         rules: Rules | None = None) -> list[Layer]:  # fmt: skip
    """Every layer with weights, in the order in which `example` [N, ...] passes them, or of declaration without one.

    The example also shows the multiplications of each layer, and which dense layers read a flattened image.
    """
    block, rules = block or Block(), rules or Rules()
    named = {name: one for name, one in model.named_modules() if isinstance(one, PRODUCTS)}
    for name in (*rules.include, *rules.exclude):
        if name not in named:
            text = f"the model has no layer '{name}' with weights"
            raise UsageError(Diagnostic("no-layer", text, help=nearest(name, named)))
    both = [name for name in rules.include if name in rules.exclude]
    if both:
        raise UsageError(Diagnostic("layer-rules", f"layer '{both[0]}' is both to be pruned and to be left dense"))
    seen = _Watch(named).run(model, example) if example is not None else {name: _Use() for name in named}
    order = list(seen)
    found = []
    for place, (name, use) in enumerate(seen.items()):
        view = BlockView.of(named[name], block, use.flattened)
        reason = "" if name in rules.include else _reason(name, view, rules, place == 0, place == len(order) - 1)
        found.append(Layer(name, named[name], view, use.macs, reason))
    found += [Layer(name, one, BlockView.of(one, block), 0, "the model does not use it")
              for name, one in named.items() if name not in seen]  # fmt: skip
    return found


def prunable(layers: Sequence[Layer]) -> list[Layer]:
    """Those with blocks to choose from; an error with every layer's reason if there is none."""
    found = [one for one in layers if not one.reason]
    if not found:
        notes = tuple(f"'{one.name}' {tuple(one.weight.shape)}: {one.reason}" for one in layers[:8])
        help = "name layers to prune all the same, or use smaller blocks"
        raise UsageError(Diagnostic("nothing-to-prune", "no layer of the model can be pruned", notes=notes, help=help))
    return found


def _reason(name: str, view: BlockView, rules: Rules, first: bool, last: bool) -> str:
    groups, out, inp, _ = view.matrix
    if name in rules.exclude:
        return "it was excluded"
    if groups > 1 and min(out, inp) == 1:
        return "it is depthwise: it has no two channels that one block could hold"
    if first and not rules.first:
        return "it is the first layer: it has few weights and all that follows depends on them"
    if last and not rules.last:
        return "it is the last layer: its outputs are the classes"
    if min(out, inp) < rules.min_channels:
        each = f" in each of {groups} groups" if groups > 1 else ""
        return f"{inp} input and {out} output channels{each}: fewer than {rules.min_channels}"
    return ""


@dataclass(frozen=True)
class _Use:
    macs: int = 0
    flattened: int = 0


_MOVES = ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis")
"""Calls that give the same numbers with their axes in another order."""
_SUMS = ("linear", "matmul", "__matmul__", "mm", "bmm", "addmm", "einsum", "conv1d", "conv2d", "conv_transpose1d",
         "conv_transpose2d")  # fmt: skip
"""Calls whose results have channels of their own."""


class _Watch(TorchFunctionMode):
    """Runs a model once and notes, for each layer, when it ran, its work, and the image behind a dense one.

    It sees every call of PyTorch, in modules or between them, and follows the axis of the channels from tensor to
    tensor, so that it knows at a dense layer what was flattened.
    """

    def __init__(self, named: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = {one: name for name, one in named.items()}
        self.uses: dict[str, _Use] = {}
        self.axis: MutableMapping[Tensor, int] = WeakIdKeyDictionary()
        """Of tensors with an image in them, which of their axes counts its channels."""
        self.flat: MutableMapping[Tensor, int] = WeakIdKeyDictionary()
        """Of tensors that are flattened images, how many channels these have."""

    def run(self, model: nn.Module, example: Tensor) -> dict[str, _Use]:
        modes = [(one, one.training) for one in model.modules()]
        handles = [one.register_forward_hook(self._see) for one in self.names]
        try:
            model.eval()
            with torch.no_grad(), self:
                model(example)
        finally:
            for handle in handles:
                handle.remove()
            for one, training in modes:  # some may be frozen
                one.training = training
        return self.uses

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [one for one in tree_leaves(args) if isinstance(one, Tensor)]
        if given and isinstance(result, Tensor) and result is not given[0]:
            self._follow(func, given, result, args[1:], kwargs or {})
        return result

    def _follow(self, func: Any, given: Sequence[Tensor], result: Tensor, args: Any, kwargs: Any) -> None:
        """Note what the result of a call has of the images in what it was given."""
        source, name = given[0], getattr(func, "__name__", "")
        axis = self.axis.get(source, 1 if source.dim() == 4 else None)
        if name in _MOVES and axis is not None:
            marked = torch.empty([2 if place == axis else 1 for place in range(source.dim())])
            with torch._C.DisableTorchFunction():
                self.axis[result] = list(func(marked, *args, **kwargs).shape).index(2)
        elif name in _SUMS:
            if name.startswith("conv"):
                self.axis[result] = 1
        elif result.dim() == 2 and source.dim() > 2 and result.numel() == source.numel() and axis == 1:
            self.flat[result] = source.shape[1] if source[0, 0].numel() > 1 else 0
        elif result.dim() == source.dim():
            for one in given:  # of several the first that is known: what they are added to, say
                if result.dim() > 2 and one.dim() == result.dim() and one in self.axis:
                    self.axis.setdefault(result, self.axis[one])
                elif one.shape == result.shape and one in self.flat:
                    self.flat.setdefault(result, self.flat[one])
        elif result.dim() == 3 and source.dim() == 4 and result.shape[:2] == source.shape[:2] and axis == 1:
            self.axis[result] = 1  # the pixels in a row

    def _see(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not isinstance(output, Tensor):
            return
        given = inputs[0]
        flattened = 0
        if isinstance(module, nn.Linear):
            per_sample = output.numel() // len(output) // module.out_features
            macs = module.weight.numel() * per_sample
            flattened = self.flat.get(given, 0)
        else:
            weight = module.weight
            assert isinstance(weight, Tensor)
            # Each weight meets every pixel of the result, or of what is read if the convolution is transposed.
            over = given if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d) else output
            macs = weight.numel() * over[0, 0].numel()
        before = self.uses.get(self.names[module], _Use(flattened=flattened))
        self.uses[self.names[module]] = _Use(before.macs + macs, before.flattened)
