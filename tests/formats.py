"""Models as files of the formats that people bring, and the static graph that the front end makes of them."""

from __future__ import annotations

from pathlib import Path

import onnx

from compiler.frontend.check import check_model
from compiler.frontend.graph import Graph
from compiler.frontend.load import load_model
from compiler.frontend.static import static_graph

EXPORTS = Path(__file__).parent / "data"
"""What exporters and quantisers wrote: see make_exports.py there."""


def static(model: onnx.ModelProto | Path, directory: Path) -> Graph:
    """The static graph of a model or of a file."""
    path = model if isinstance(model, Path) else directory / "model.onnx"
    if not isinstance(model, Path):
        path.write_bytes(model.SerializeToString())
    loaded = load_model(path)
    check_model(loaded)
    return static_graph(loaded, {}, ())
