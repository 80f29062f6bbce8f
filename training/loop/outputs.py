"""What a model gives for labelled images: one number for each class, of which cross entropy takes the logarithms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from compiler.errors import Diagnostic, UsageError
from training.int8.graphs import op_name


def check_outputs(outputs: Any, images: int, classes: int) -> Tensor:
    """The outputs for so many images if they are [images, classes or more]; else an error that says what they are."""
    if isinstance(outputs, Tensor) and outputs.dim() == 2 and len(outputs) == images and outputs.shape[1] >= classes:
        return outputs
    found = "x".join(map(str, outputs.shape)) if isinstance(outputs, Tensor) else f"{len(outputs)} tensors"
    text = f"of {images} images the model gives {found}, expected {images}x{classes}: a number for each class"
    help = "the images must be of the model's classes; models of other kinds: define one in PyTorch, BlockSparsifier"
    raise UsageError(Diagnostic("model-outputs", text, help=help))


def remarks(outputs: Tensor, classes: int) -> list[str]:
    """What may be a mistake and need not be one."""
    found = []
    if outputs.shape[1] > classes:
        text = f"the model has {outputs.shape[1]} outputs and the images {classes} classes: these are taken to be"
        found.append(f"{text} outputs 0 to {classes - 1}")
    sums = outputs.sum(1)
    if bool((outputs >= 0).all()) and bool(torch.isclose(sums, torch.ones_like(sums), atol=1e-3).all()):
        text = "the model's outputs are probabilities, of which cross entropy learns slowly"
        found.append(f"{text}: leave the softmax at its end out of training")
    return found


def give_probabilities(converted: GraphModule) -> None:
    """Make the LogSoftmax at the end of an int8 model, which a Softmax was trained as, a Softmax again.

    What it gives was rounded in the range of logarithms, and is not rounded any more: the host computes it.
    """
    for node in converted.graph.nodes:
        if node.target is torch.ops.aten.log_softmax.int:
            node.target = torch.ops.aten.softmax.int
            for quantised in [one for one in node.users if op_name(one).startswith("quantize")]:
                for one in list(quantised.users):
                    one.replace_all_uses_with(node)
    converted.graph.eliminate_dead_code()
    converted.recompile()
