"""The front end: an ONNX file becomes a module of `nn` operations.

    module = import_onnx("net.onnx", {"input": (1, 3, 224, 224)})

load       the file as protobuf, or what is wrong with it
check      what ONNX's own checker lets through or explains badly
static     one graph with known shapes: opset, dynamic dimensions, constants
qoperators, widths, batchnorm   other forms of a model as the one that handlers know
batch      which models leave images apart, and the graph of one image
foreign    shapes behind operators of other domains
graph      that graph as plain values
reasons    the facts of a refusal: what, which limit, what was found, what to change
refusals   which of its nodes cannot be translated, all in one go; advice of operators that nobody knows
sides      which nodes the host has, with what is around them there
partition  cuts it into parts for the array and for the host, by what work counts
translate, and the handlers beside it: nodes to operations
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import onnx

from compiler.errors import BsccError, Diagnostic, FileLocation, FusedLocation, NodeLocation
from compiler.frontend.check import check_model
from compiler.frontend.foreign import with_foreign_shapes
from compiler.frontend.graph import Graph
from compiler.frontend.load import load_model
from compiler.frontend.static import static_graph
from compiler.frontend.translate import translate
from compiler.ir import Module, verify

__all__ = ["Graph", "import_graph", "import_onnx", "placed", "read_graph", "read_onnx"]


def import_onnx(
    path: str | Path, shapes: Mapping[str, tuple[int, ...]] | None = None, outputs: Sequence[str] = ()
) -> Module:
    """The module of a model; `shapes` binds dynamic inputs, `outputs` names tensors to stop at."""
    return import_graph(read_graph(path, shapes, outputs), path)


def read_onnx(path: str | Path) -> onnx.ModelProto:
    """The model in a file, unchecked."""
    with placed(path):
        return load_model(Path(path))


def read_graph(
    path: str | Path,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    outputs: Sequence[str] = (),
    model: onnx.ModelProto | None = None,
) -> Graph:
    """The static graph of a model, whatever its operators; `shapes` and `outputs` as for `import_onnx`.

    A `model` is taken in place of what is in the file, which then only names the place of errors.
    """
    with placed(path):
        found = load_model(Path(path)) if model is None else onnx.ModelProto.FromString(model.SerializeToString())
        check_model(found)
        return with_foreign_shapes(static_graph(found, shapes or {}, outputs))


def import_graph(graph: Graph, path: str | Path) -> Module:
    """The module of a static graph; errors name the file that it was read from."""
    with placed(path):
        module = translate(graph)
        verify(module)
        return module


@contextmanager
def placed(path: str | Path) -> Iterator[None]:
    """Errors that are raised inside name the file."""
    try:
        yield
    except BsccError as error:
        raise type(error)(*(_placed(one, str(path)) for one in error.diagnostics)) from error


def _placed(diagnostic: Diagnostic, file: str) -> Diagnostic:
    """The diagnostic with the file's name in its place."""
    place = diagnostic.place
    if isinstance(place, NodeLocation):
        place = replace(place, file=file)
    elif isinstance(place, FusedLocation) and isinstance(place.parts[0], NodeLocation):
        place = FusedLocation((replace(place.parts[0], file=file), *place.parts[1:]))
    elif not str(place):
        place = FileLocation(file)
    return replace(diagnostic, place=place)
