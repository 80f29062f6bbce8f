"""Batch norms in quantisation-aware training: brought into the form that torchao trains, and folded in the end.

torchao trains `conv(x, round(w * f)) / f` with a batch norm behind, where f = factor / sqrt(variance + epsilon): the
rounding is that of the folded weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from compiler.errors import Diagnostic, UsageError
from training.int8.graphs import CONVOLUTIONS, TRANSPOSED, args_of, op_name, value_of
from training.zeros import Masks

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
EPSILON = 1e-5
"""The epsilon that torchao's pattern writes into every batch norm, whatever it was."""

Momenta = dict[str, float]
"""The momentum of each batch norm, by the name of its running mean."""


@torch.no_grad()
def regular_norms(model: nn.Module) -> Momenta:
    """Give all batch norms factors of their own and one epsilon; what they compute in eval mode stays the same.

    That needs variance + epsilon only, so what an epsilon is more or less goes to the running variance.
    """
    momenta: Momenta = {}
    for name, norm in model.named_modules():
        if not isinstance(norm, NORMS):
            continue
        if norm.running_var is None or norm.running_mean is None:
            text = f"batch norm '{name}' has track_running_stats False, expected True"
            help = "without running statistics an image is computed from its batch, which no plan can do"
            raise UsageError(Diagnostic("qat-norm", text, help=help))
        if norm.weight is None:
            norm.weight = nn.Parameter(torch.ones_like(norm.running_var), requires_grad=False)
            norm.bias = nn.Parameter(torch.zeros_like(norm.running_var), requires_grad=False)
        norm.running_var.add_(norm.eps - EPSILON).clamp_(min=0.0)
        norm.eps = EPSILON
        momenta[f"{name}.running_mean"] = 0.1 if norm.momentum is None else float(norm.momentum)
    return momenta


def pairs(program: GraphModule) -> list[tuple[Node, Node]]:
    """Convolutions of an exported program and the batch norms that alone read them."""
    found = []
    for norm in program.graph.nodes:
        conv = args_of(norm)[0] if op_name(norm) == "batch_norm" else None
        if isinstance(conv, Node) and op_name(conv) in (*CONVOLUTIONS, *TRANSPOSED) and len(conv.users) == 1:
            found.append((conv, norm))
    return found


@torch.no_grad()
def without_dead_channels(program: GraphModule, masks: Masks) -> Masks:
    """Write channels that a batch norm multiplies by 0 as zero weights with the factor 1; gives masks that hold them.

    Such a channel is a constant, and the form that torchao trains divides by the factor.
    """
    found = dict(masks)
    for conv, norm in pairs(program):
        given, (_, scale, _, *statistics) = args_of(conv), args_of(norm)[:5]
        weight, factor, mean, variance = (value_of(program, one) for one in (given[1], scale, *statistics))
        assert weight is not None and factor is not None and mean is not None and variance is not None
        name, axis = str(given[1].target), int(op_name(conv) in TRANSPOSED)
        if weight.shape[axis] != len(factor):
            text = f"a batch norm behind '{name}', a transposed convolution in groups, cannot be trained"
            raise UsageError(Diagnostic("qat-norm", text, help="fold it into the weights before"))
        dead = factor == 0
        if not bool(dead.any()):
            continue
        bias = value_of(program, given[2]) if len(given) > 2 else None
        kept = found.get(name, torch.ones_like(weight, dtype=torch.bool)).to(weight.device)
        found[name] = kept.index_fill(axis, dead.nonzero().flatten(), False)
        weight.masked_fill_(~found[name], 0.0)
        factor[dead], variance[dead] = 1.0, 1.0
        mean[dead] = 0.0 if bias is None else bias[dead]
    return found


@torch.no_grad()
def fold_norms(trained: GraphModule) -> None:
    """Turn what torchao trains, `norm(conv(x, round(w * f)) / f + bias)`, into `conv(x, round(w * f), bias')`.

    Rounded weights stay bit for bit what training saw; torchao's own folding takes ten times as long.
    """
    graph = trained.graph
    done: dict[str, str] = {}
    for norm in [node for node in graph.nodes if op_name(node) == "batch_norm"]:
        chain = _trained_form(norm)
        if chain is None:
            continue
        conv, rounding, weight_node, bias_node = chain
        name, owner = str(weight_node.target), str(args_of(norm)[1].target)
        path = ".".join([*name.split(".")[:-1], "bias"])
        if done.get(name, owner) != owner:
            text = f"weights '{name}' have two batch norms behind them, '{done[name]}' and '{owner}'"
            raise UsageError(Diagnostic("qat-norm", text, help="give each its own convolution"))
        if name not in done:  # a module that runs twice is folded once
            done[name] = owner
            weight, bias = value_of(trained, weight_node), value_of(trained, bias_node)
            factor, shift, mean, variance = (value_of(trained, one) for one in args_of(norm)[1:5])
            assert weight is not None and factor is not None and shift is not None
            assert mean is not None and variance is not None
            scale = factor / torch.sqrt(variance + EPSILON)
            axis = int(op_name(conv) in TRANSPOSED)
            weight.mul_(scale.reshape([-1 if at == axis else 1 for at in range(weight.dim())]))
            _set_parameter(trained, path, shift + ((0.0 if bias is None else bias) - mean) * scale)
        rounding.args = (weight_node,)
        with graph.inserting_before(conv):
            source = graph.get_attr(path)
        conv.args = (*conv.args[:2], source, *conv.args[3:])
        norm.replace_all_uses_with(conv)
        graph.erase_node(norm)
    graph.eliminate_dead_code()
    trained.recompile()


def _trained_form(norm: Node) -> tuple[Node, Node, Node, Node | None] | None:
    """The convolution, the rounding of its weights, these, and its bias, if a batch norm is of the trained form."""
    above, bias = args_of(norm)[0], None
    if op_name(above) == "add" and op_name(above.args[1]) == "reshape":
        above, (bias, *_) = above.args[0], above.args[1].args
    if op_name(above) != "div" or op_name(above.args[0]) not in (*CONVOLUTIONS, *TRANSPOSED):
        return None
    conv = above.args[0]
    rounding = conv.args[1]
    if rounding.op != "call_module" or op_name(rounding.args[0]) != "mul":
        return None
    return conv, rounding, rounding.args[0].args[0], bias


def _set_parameter(module: GraphModule, path: str, value: Tensor) -> None:
    owner, _, attribute = path.rpartition(".")
    setattr(module.get_submodule(owner), attribute, nn.Parameter(value, requires_grad=False))
