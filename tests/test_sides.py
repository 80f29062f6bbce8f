"""Nodes are judged again when it is known what else runs on the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

import bscc
from compiler.frontend import read_graph
from compiler.frontend.refusals import refusals
from compiler.frontend.sides import host_nodes
from compiler.plan import HOST, PartedPlan
from tests.hostnets import HostLayers
from tests.models import feeds
from tests.netbuilder import Style, Tensor, session


class Steps(HostLayers):
    """A normalisation, then a convolution over the steps of a sequence [1, T, C] as over rows."""

    def reshaped(self, kind: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Numbers that stay in their order."""
        name = self.emit(kind, [self.read(x), self.const(np.array(shape, np.int64), "shape")])
        y = Tensor(x.value.reshape(len(x.value), *shape[1:]), float_name=name)
        return self.quant(y, like=x)


def sequence() -> onnx.ModelProto:
    """What lies behind the Transpose is [1, C, T, 1] for ONNX, and no image as the array has it before."""
    net = Steps(11, (48, 16), Style(dtype="int8", pow2=True))
    x = net.quant(net.layer_norm(net.x))
    x = net.quant(net.with_constants("Mul", x, [np.float32(0.5) * np.ones((1, 1, 16), np.float32)]))
    x = net.reshaped("Reshape", x, (1, 48, 16, 1))
    x = net.move("Transpose", x, {"perm": [0, 2, 1, 3]})
    return net.finish(net.quant(net.conv(net.quant(net.conv(x, 32, (5, 1))), 8, (3, 1))))


def test_a_convolution_reads_what_the_host_has_turned(tmp_path: Path) -> None:
    model = sequence()
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    graph = read_graph(path)
    kinds = [{graph.nodes[number].op_type for number in found} for found in (refusals(graph), host_nodes(graph))]
    assert "Conv" in kinds[0] and "Conv" not in kinds[1]
    plan, summary = bscc.compile(path, tmp_path / "plan", bscc.Options(target="aie2-2x2", compare_dense=False))
    assert isinstance(plan, PartedPlan) and summary["host"]["array_macs_share"] == 1.0
    assert {row["operator"] for row in plan.json(HOST)} >= {"LayerNormalization", "Transpose"}
    fed = feeds(model, 2)
    for one, other in zip(bscc.Session(plan).run(None, fed), session(model).run(None, dict(fed)), strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
