"""The front end: an ONNX file becomes a module of `nn` operations.

    module = import_onnx("net.onnx", {"input": (1, 3, 224, 224)})

load     the file as protobuf, or what is wrong with it
check    what ONNX's own checker lets through or explains badly
static   one graph with known shapes: opset, dynamic dimensions, constants
graph    that graph as plain values
translate, and the handlers beside it: nodes to operations
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from compiler.errors import BsccError, Diagnostic, FileLocation, NodeLocation
from compiler.frontend.check import check_model
from compiler.frontend.load import load_model
from compiler.frontend.static import static_graph
from compiler.frontend.translate import translate
from compiler.ir import Module, verify

__all__ = ["import_onnx"]


def import_onnx(
    path: str | Path, shapes: Mapping[str, tuple[int, ...]] | None = None, outputs: Sequence[str] = ()
) -> Module:
    """The module of a model; `shapes` binds dynamic inputs, `outputs` names tensors to stop at."""
    file = str(path)
    try:
        model = load_model(Path(path))
        check_model(model)
        graph = static_graph(model, shapes or {}, outputs)
        module = translate(graph)
        verify(module)
        return module
    except BsccError as error:
        raise type(error)(*(_placed(one, file) for one in error.diagnostics)) from error


def _placed(diagnostic: Diagnostic, file: str) -> Diagnostic:
    """The diagnostic with the file's name in its place."""
    place = diagnostic.place
    if isinstance(place, NodeLocation):
        place = NodeLocation(place.name, place.op_type, file)
    elif not str(place):
        place = FileLocation(file)
    return Diagnostic(diagnostic.code, diagnostic.message, place, diagnostic.notes, diagnostic.help, diagnostic.source)
