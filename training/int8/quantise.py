"""Quantisation-aware training that keeps zero blocks zero: a float model in, a model of int8 weights out.

    qat = prepare(model, (images,), masks)
    optimizer = torch.optim.SGD(qat.module.parameters(), lr=0.001)
    qat.hold(optimizer)
    qat.train(); ...; qat.freeze_observers(); qat.freeze_batch_norm(); ...
    int8 = qat.convert()

Rounding, ranges and gradients are those of torchao's PT2E; where the array rounds says `training.int8.array_quantizer`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantize
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

from compiler.errors import Diagnostic, UsageError, nearest
from training.int8.array_quantizer import WEIGHT_NAME, ArrayQuantizer, Numbers
from training.int8.graphs import NOTHING, WEIGHTED, any_batch, args_of, op_name, value_of
from training.int8.norms import Momenta, fold_norms, regular_norms, without_dead_channels
from training.int8.observers import WeightObserver
from training.zeros import Masks, masks_of_zeros


class QatModel:
    """A model in quantisation-aware training; `module` is what is trained, with the parameter names of the model."""

    def __init__(self, module: GraphModule, masks: Masks, example: tuple[Tensor, ...], momenta: Momenta) -> None:
        self.module = module
        self.masks = masks
        self._example = example
        self._momenta = momenta
        self._norms_frozen = self._observers_frozen = False
        # torchao refuses both on what it made; loops, DistributedDataParallel and copies for averages call them.
        module.train = MethodType(self._switch, module)  # type: ignore[method-assign]
        module.eval = MethodType(lambda of: self._switch(of, False), module)  # type: ignore[method-assign]
        self.train()
        self.zero()

    def train(self) -> None:
        """Batch norms, dropouts and scales as in training; `module.train()` is the same."""
        self._switch(self.module)

    def eval(self) -> None:
        """Batch norms and dropouts as when the network runs, and scales stay as they are; so does `module.eval()`."""
        self._switch(self.module, False)

    def _switch(self, module: GraphModule, mode: bool = True) -> GraphModule:
        """Of the module, or of a copy of it."""
        _set_mode(module, mode, self._norms_frozen, self._momenta)
        for one in _of_activations(module):
            one.enable_observer(mode and not self._observers_frozen)
        return module

    @torch.no_grad()
    def zero(self) -> None:
        """Set what the masks zero to +0.0."""
        own = dict(self.module.named_parameters())
        for name, kept in self.masks.items():
            if kept.device != own[name].device:
                self.masks[name] = kept = kept.to(own[name].device)
            own[name].masked_fill_(~kept, 0.0)

    def hold(self, optimizer: torch.optim.Optimizer) -> Any:
        """Keep zeros through each step of this optimizer; gives the handle, which `remove()` ends it by."""
        trained = {id(one) for group in optimizer.param_groups for one in group["params"]}
        own = dict(self.module.named_parameters())
        lost = [name for name in self.masks if id(own[name]) not in trained and own[name].requires_grad]
        if lost:
            text = f"the optimizer trains {len(self.masks) - len(lost)} of the {len(self.masks)} masked weights"
            note = f"not among its parameters: {', '.join(lost[:3])}" + " ..." * (len(lost) > 3)
            help = "make the optimizer of the parameters of QatModel.module, which are copies of the model's"
            raise UsageError(Diagnostic("qat-optimizer", text, notes=(note,), help=help))
        self.zero()
        return optimizer.register_step_post_hook(lambda *_: self.zero())

    def freeze_observers(self) -> None:
        """Keep the scales of activations; those of weights always follow the weights."""
        self._observers_frozen = True
        self._switch(self.module, self.module.training)

    def freeze_batch_norm(self) -> None:
        """Batch norms use, and keep, their running statistics from now on."""
        self._norms_frozen = True
        self._switch(self.module, self.module.training)

    def convert(self) -> GraphModule:
        """A copy with int8 weights and the scales learned, Q and DQ between them; training may go on."""
        self.zero()
        trained = copy.deepcopy(self.module)
        _set_mode(trained, False, True, self._momenta)
        for one in _of_activations(trained):
            if not bool(torch.isfinite(one.activation_post_process.min_val)):
                text = "scales of activations are not known: nothing has run through the model in training"
                raise UsageError(Diagnostic("qat-untrained", text, help="train, or run samples, before converting"))
            one.disable_observer()
        fold_norms(trained)
        device = next(iter(trained.parameters())).device
        with torch.no_grad():  # weights have moved since their scales were taken
            trained(*(one.to(device) for one in self._example))
        with torch.random.fork_rng(devices=[]):  # torchao draws numbers to trace its patterns with
            converted: GraphModule = convert_pt2e(trained)
        _name_weights(converted)
        _round_biases(converted)
        return converted


def prepare(
    model: nn.Module,
    example: tuple[Tensor, ...],
    masks: Mapping[str, Tensor] | None = None,
    numbers: Numbers | None = None,
) -> QatModel:
    """Get a plain model, whose masks are squashed, ready for quantisation-aware training; the model stays as it is.

    `example` are inputs of two images or more, [N, ...]: the model then takes any number.  `masks` say which weights
    are kept, True, by the name of their parameter; without them the zero 8x8xK blocks that the model has are held.
    """
    plain = copy.deepcopy(model).eval()
    held = masks_of_zeros(plain, example[0] if len(example) == 1 else None) if masks is None else _checked(plain, masks)
    momenta = regular_norms(plain)
    if any(one.shape[0] < 2 for one in example):
        text = "an example has 1 image, expected 2 or more, so that the number of images stays free"
        raise UsageError(Diagnostic("qat-example", text))
    program = torch.export.export(plain, example, dynamic_shapes=any_batch(plain, len(example)))
    graph = program.module(check_guards=False)
    held = without_dead_channels(graph, held)
    with torch.random.fork_rng(devices=[]):  # as in `QatModel.convert`
        module = prepare_qat_pt2e(graph, ArrayQuantizer(numbers))
    names = dict(module.named_parameters())
    lost = [name for name in masks or {} if name not in names]
    if lost:
        text = f"the mask '{lost[0]}' is of weights that no layer of the exported model has by this name"
        help = "layers that share weights have one mask, by the name of the first; the others of such masks go"
        raise UsageError(Diagnostic("qat-mask", text, help=help))
    kept = {name: mask for name, mask in held.items() if name in names}
    return QatModel(module, kept, example, momenta)


def _checked(model: nn.Module, masks: Mapping[str, Tensor]) -> Masks:
    """The masks, if each fits a parameter of the model."""
    own = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in own:
            help = nearest(name, own)
            raise UsageError(Diagnostic("qat-mask", f"the mask '{name}' is of no parameter of the model", help=help))
        if mask.shape != own[name].shape:
            text = f"the mask '{name}' has shape {list(mask.shape)}, the weights have {list(own[name].shape)}"
            raise UsageError(Diagnostic("qat-mask", text, help="give a bool for each weight, True where it is kept"))
    return {name: mask.detach().to(torch.bool).clone() for name, mask in masks.items()}


def _of_activations(module: GraphModule) -> list[Any]:
    """The fake quantisation of each tensor that is no weight."""
    found = [one for one in module.modules() if isinstance(one, FakeQuantize)]
    return [one for one in found if not isinstance(one.activation_post_process, WeightObserver)]


def _set_mode(module: GraphModule, training: bool, norms_frozen: bool, momenta: Momenta) -> None:
    """Switch batch norms and dropouts of an exported module.

    torchao's own switch also resets what it does not know, momentum and epsilon.
    """
    for node in module.graph.nodes:
        if op_name(node) == "batch_norm":
            arguments = list(args_of(node))
            arguments[5] = training and not norms_frozen
            mean = arguments[3]
            if isinstance(mean, Node):
                arguments[6] = momenta.get(str(mean.target), arguments[6])
            node.args = tuple(arguments)
        elif op_name(node) in ("dropout", "feature_dropout"):
            node.args = (*args_of(node)[:2], training)
    module.recompile()
    module.training = training


def _name_weights(converted: GraphModule) -> None:
    """Call the int8 weights by the names that the floats had."""
    for node in converted.graph.nodes:
        name = node.meta.get(WEIGHT_NAME)
        if name is None or op_name(node) not in WEIGHTED:
            continue
        source = args_of(node)[1].args[0]
        if source.op != "get_attr" or source.target == name:
            continue
        value = getattr(converted, source.target)
        owner_name, _, attribute = name.rpartition(".")
        owner = converted.get_submodule(owner_name)
        if hasattr(owner, attribute):
            delattr(owner, attribute)
        owner.register_buffer(attribute, value.detach())
        for other in converted.graph.nodes:
            if other.op == "get_attr" and other.target == source.target and other is not source:
                other.target = name
        source.target = name
    converted.graph.lint()
    converted.recompile()


@torch.no_grad()
def _round_biases(converted: GraphModule) -> None:
    """Round each bias to what the sums of its layer count in, scale of the input times scale of the weights.

    The array has no other biases (docs/numerics.md), so the file says what is computed.
    """
    for node in converted.graph.nodes:
        given = args_of(node)
        if op_name(node) not in WEIGHTED or len(given) < 3:
            continue
        source, weight = given[:2]
        while op_name(source) in NOTHING:
            source = args_of(source)[0]
        bias = value_of(converted, given[2])
        scales = value_of(converted, args_of(weight)[1]) if op_name(weight).startswith("dequantize") else None
        if bias is None or scales is None or len(scales) != len(bias):
            continue
        if not op_name(source).startswith("dequantize"):
            continue
        step = scales.to(torch.float64) * float(args_of(source)[1])
        bias.copy_(torch.round(bias.to(torch.float64) / step) * step)
