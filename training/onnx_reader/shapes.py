"""Nodes that move numbers about.  Shapes in the file are those of its own batch: here they do for any number of images.

A literal batch (`Reshape` to [1, 512]) is the rule in exported models and would make training impossible; so the axis
of the images is found in the result, and left to be whatever follows from the number of images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from training.onnx_reader.functions import same
from training.onnx_reader.node import Call, Constant, Node, Operation, Reader, Refusal
from training.onnx_reader.windows import torch_pads


def _reshaped(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    return x.reshape(shape)


def to_shape(node: Node, asked: Sequence[int]) -> Operation:
    """Reshape to sizes that hold at the batch of the file; the axis of the images becomes free.

    In memory, what stands before the images' axis is the product of the axes before it: the new axis is where the new
    sizes have the same product before it.
    """
    old, before = node.shape(), node.traced().batch_axis
    known = math.prod(size for size in asked if size != -1)
    new = [math.prod(old) // known if size == -1 and known else size for size in asked]
    outer = math.prod(old[:before])
    found = [axis for axis in range(len(new)) if math.prod(new[:axis]) == outer and new[axis] % node.images == 0]
    if math.prod(new) != math.prod(old) or not found:
        raise Refusal("new shape", f"one that keeps the images of {list(old)} apart (axis {before})", str(list(asked)))
    # Several are possible where sizes are 1: the same axis as before, else the outermost.
    free = before if before in found and new[before] == old[before] else found[0]
    return Operation(partial(_reshaped, shape=tuple(-1 if axis == free else size for axis, size in enumerate(new))))


def reshape(node: Node) -> Operation:
    """Reshape; 0 is the old size unless `allowzero` is set."""
    asked = node.integers("shape", 1) or ()
    if not node.integer("allowzero", 0):
        asked = tuple(node.shape()[axis] if size == 0 else size for axis, size in enumerate(asked))
    return to_shape(node, asked)


def flatten(node: Node) -> Operation:
    """Flatten into a matrix."""
    shape = node.shape()
    axis = node.integer("axis", 1)
    axis += len(shape) * (axis < 0)
    return to_shape(node, (math.prod(shape[:axis]), math.prod(shape[axis:])))


def squeeze(node: Node) -> Operation:
    """Squeeze; the axis of the images stays, however few they are."""
    shape = node.shape()
    axes = node.integers("axes", 1)
    given = [axis for axis, size in enumerate(shape) if size == 1] if axes is None else axes
    gone = tuple(node.in_images(axis % len(shape)) for axis in given)
    return Operation(partial(torch.squeeze, dim=gone))


def unsqueeze(node: Node) -> Operation:
    """Unsqueeze; the axes are those of the result."""
    given = node.integers("axes", 1) or ()
    rank = len(node.shape()) + len(given)
    return Operation(partial(_unsqueezed, axes=tuple(sorted(axis % rank for axis in given))))


def _unsqueezed(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    for axis in axes:
        x = x.unsqueeze(axis)
    return x


def transpose(node: Node) -> Operation:
    """Transpose; without axes they are reversed."""
    order = node.integers("perm") or tuple(reversed(range(len(node.shape()))))
    return Operation(partial(torch.permute, dims=order))


def slices(node: Node) -> Operation:
    """Slice along any axis but that of the images, of which it may take all."""
    shape, batch = node.shape(), node.traced().batch_axis
    starts, ends = node.integers("starts", 1) or (), node.integers("ends", 2) or ()
    axes = node.integers("axes", 3) or tuple(range(len(starts)))
    steps = node.integers("steps", 4) or (1,) * len(starts)
    taken = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            raise Refusal("step", "1 or more", str(step))
        axis %= len(shape)
        first, last, _ = slice(start, end, step).indices(shape[axis])
        if (first, last, step) == (0, shape[axis], 1):
            continue
        if axis == batch:
            raise Refusal("axis", "one within each image", f"{axis}, which counts the images")
        taken[axis] = slice(first, last, step)
    return Operation(partial(_sliced, taken=tuple(taken)))


def _sliced(x: Tensor, *, taken: tuple[slice, ...]) -> Tensor:
    return x[taken]


def split(node: Node) -> Operation:
    """Split, into given or into equal parts."""
    axis = node.axis(0)
    size = node.shape()[axis]
    count = len(node.outputs)
    part = -(-size // count)
    sizes = node.integers("split", 1) or tuple(min(part, size - part * at) for at in range(count))
    return Operation(partial(torch.split, split_size_or_sections=list(sizes), dim=axis))


def concat(node: Node) -> Operation:
    """Concat of what each image has."""
    return Operation(partial(_joined, axis=node.axis(0)), tuple(range(len(node.inputs))))


def _joined(*tensors: Tensor, axis: int) -> Tensor:
    return torch.cat(tensors, axis)


def gather(node: Node) -> Operation:
    """Gather at constant places of each image, or of a constant table at places that come from the image."""
    if isinstance(node.inputs[0], Constant):
        if node.integer("axis", 0) != 0 or len(node.shape()) != 2:
            raise Refusal("table", "a matrix that is read by rows", str(list(node.shape())))
        return Operation(_rows, (0, 1))
    axis = node.axis(0)
    places = node.constant(1)
    shape = node.shape()
    index = torch.as_tensor(places.astype("int64") % shape[axis])
    result = (*shape[:axis], *places.shape, *shape[axis + 1 :])
    batch = node.traced().batch_axis
    free = batch if batch < axis else batch + places.ndim - 1
    sizes = tuple(-1 if at == free else size for at, size in enumerate(result))
    return Operation(partial(_gathered, axis=axis, shape=sizes), tables=(index.reshape(-1),))


def _rows(table: Tensor, places: Tensor) -> Tensor:
    return functional.embedding(places, table)


def _gathered(x: Tensor, index: Tensor, *, axis: int, shape: tuple[int, ...]) -> Tensor:
    return x.index_select(axis, index).reshape(shape)


def expand(node: Node) -> Operation:
    """Expand; the images' axis keeps its size."""
    asked = node.integers("shape", 1) or ()
    old = node.shape()
    rank = max(len(old), len(asked))
    aligned, wanted = (1,) * (rank - len(old)) + old, (1,) * (rank - len(asked)) + asked
    batch = node.traced().batch_axis + rank - len(old)
    if wanted[batch] not in (1, aligned[batch]):
        raise Refusal("new shape", f"one that keeps axis {batch}, which counts the images", str(list(asked)))
    sizes = tuple(-1 if at == batch or one == 1 else one for at, one in enumerate(wanted))
    return Operation(partial(_expanded, shape=sizes, rank=rank))


def _expanded(x: Tensor, *, shape: tuple[int, ...], rank: int) -> Tensor:
    return x.reshape((1,) * (rank - x.dim()) + tuple(x.shape)).expand(shape)


def pad(node: Node) -> Operation:
    """Pad with a constant, with the edge or with the mirror image."""
    rank = len(node.shape())
    given = node.integers("pads", 1) or ()
    axes = node.integers("axes", 3) or tuple(range(rank))
    begin, end = [0] * rank, [0] * rank
    for at, axis in enumerate(axes):
        begin[axis], end[axis] = given[at], given[at + len(axes)]
    batch = node.traced().batch_axis
    if begin[batch] or end[batch]:
        raise Refusal("pads", "0 for the axis of the images", str([begin[batch], end[batch]]))
    modes = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}
    mode = node.word("mode", "constant")
    if not any((*begin, *end)):
        return Operation(same)
    if mode == "constant":
        value = node.number("value", 0.0, 2)
        return Operation(partial(functional.pad, pad=torch_pads(begin, end), value=value))
    if any((*begin[:2], *end[:2])) or not 3 <= rank <= 5:
        raise Refusal("pads", f"none for images and channels in mode '{mode}'", str(list(given)))
    return Operation(partial(functional.pad, pad=torch_pads(begin[2:], end[2:]), mode=modes[mode]))


def _reduction(call: Call, node: Node) -> Operation:
    rank = len(node.shape())
    axes = node.integers("axes", 1)
    if not axes and node.integer("noop_with_empty_axes", 0):
        return Operation(same)
    dims = tuple(node.in_images(axis % rank) for axis in axes or range(rank))
    return Operation(partial(call, dim=dims, keepdim=bool(node.integer("keepdims", 1))))


def _depth_to_space(node: Node) -> Operation:
    if node.word("mode", "DCR") != "CRD":
        raise Refusal("mode", "CRD", node.word("mode", "DCR"))
    return Operation(partial(functional.pixel_shuffle, upscale_factor=node.integer("blocksize", 1)))


READERS: dict[str, Reader] = {
    "Concat": concat,
    "DepthToSpace": _depth_to_space,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Pad": pad,
    "ReduceL2": partial(_reduction, torch.linalg.vector_norm),
    "ReduceMax": partial(_reduction, torch.amax),
    "ReduceMean": partial(_reduction, torch.mean),
    "ReduceMin": partial(_reduction, torch.amin),
    "ReduceSum": partial(_reduction, torch.sum),
    "Reshape": reshape,
    "Slice": slices,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
