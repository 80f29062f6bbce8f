"""The front end: an ONNX file becomes a module of `nn` operations.

    module = import_onnx("net.onnx", {"input": (1, 3, 224, 224)})

load       the file as protobuf, or what is wrong with it
check      what ONNX's own checker lets through or explains badly
static     one graph with known shapes: opset, dynamic dimensions, constants
foreign    shapes behind operators of other domains
graph      that graph as plain values
refusals   which of its nodes cannot be translated, all in one go
partition  cuts it into parts for the array and for the host, by what work counts
translate, and the handlers beside it: nodes to operations
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from compiler.errors import BsccError, Diagnostic, FileLocation, NodeLocation
from compiler.frontend.check import check_model
from compiler.frontend.foreign import with_foreign_shapes
from compiler.frontend.graph import Graph
from compiler.frontend.load import load_model
from compiler.frontend.static import static_graph
from compiler.frontend.translate import translate
from compiler.ir import Module, verify

__all__ = ["Graph", "import_graph", "import_onnx", "module_of", "placed_in", "read_graph"]


def import_onnx(
    path: str | Path, shapes: Mapping[str, tuple[int, ...]] | None = None, outputs: Sequence[str] = ()
) -> Module:
    """The module of a model; `shapes` binds dynamic inputs, `outputs` names tensors to stop at."""
    return import_graph(read_graph(path, shapes, outputs), str(path))


def read_graph(
    path: str | Path, shapes: Mapping[str, tuple[int, ...]] | None = None, outputs: Sequence[str] = ()
) -> Graph:
    """The static graph of a model, whatever its operators."""
    with placed_in(str(path)):
        model = load_model(Path(path))
        check_model(model)
        return with_foreign_shapes(static_graph(model, shapes or {}, outputs))


def import_graph(graph: Graph, file: str) -> Module:
    """The module of a static graph; errors name the file that it was read from."""
    with placed_in(file):
        return module_of(graph)


def module_of(graph: Graph) -> Module:
    """The module of a static graph."""
    module = translate(graph)
    verify(module)
    return module


@contextmanager
def placed_in(file: str) -> Iterator[None]:
    """Errors from within get the name of the file that the model was read from."""
    try:
        yield
    except BsccError as error:
        raise type(error)(*(_placed(one, file) for one in error.diagnostics)) from error


def _placed(diagnostic: Diagnostic, file: str) -> Diagnostic:
    """The diagnostic with the file's name in its place."""
    place = diagnostic.place
    if isinstance(place, NodeLocation):
        place = NodeLocation(place.name, place.op_type, file)
    elif not str(place):
        place = FileLocation(file)
    return replace(diagnostic, place=place)
