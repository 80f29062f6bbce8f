"""Quantisation of what moves or picks numbers: it has the scale of what it reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

import bscc
from compiler.quantize.network import Network
from tests.floatnets import FloatNet
from tests.test_quantise import made, near, scales_around, surrounded


def test_what_moves_numbers_shares_its_scale() -> None:
    net = FloatNet((1, 8, 8, 3))
    x = net.add("Transpose", net.x, perm=[0, 3, 1, 2])
    net.channels[x] = 3
    x = net.conv(x, 8)
    pads = net.store(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    x = net.add("Pad", x, pads, net.number(0))
    ends = [net.store(np.array(one, np.int64)) for one in ([0, 0], [8, 8], [2, 3])]
    net.channels[x] = 8
    x = net.add("Slice", x, *ends)
    first, second = (f"half{i}" for i in range(2))
    net.nodes.append(
        onnx.helper.make_node("Split", [x, net.store(np.array([4, 4], np.int64))], [first, second], "split", axis=1)
    )
    x = net.add("DepthToSpace", net.add("Mul", first, second), blocksize=2)
    x = net.add("ReduceMean", net.add("GlobalMaxPool", x), axes=[2, 3])
    net.channels[x] = 1
    result = made(net, net.gemm(x, 1, 10))
    network = Network(result.model)
    for node in result.model.graph.node:
        if node.op_type in ("Transpose", "Slice", "Split", "Mul", "Pad", "DepthToSpace", "GlobalMaxPool", "ReduceMean"):
            read = [network.makers[name] for name in node.input if name in network.makers]
            assert {one.op_type for one in read} == {"DequantizeLinear"}, node.name
            for name in node.output:
                (reader,) = network.readers[name]
                assert reader.op_type == "QuantizeLinear"
                if node.op_type in ("Transpose", "Slice", "Split"):
                    assert network.constant(reader.input[1]) == network.constant(read[0].input[1])
    near(result, net.samples(), 20)


def test_picked_channels_keep_their_scale() -> None:
    net = FloatNet((1, 8, 4, 4))
    picked = net.store(np.array([6, 1, 3], np.int64))
    net.channels[net.x] = 8
    result = made(net, net.add("Gather", net.conv(net.x, 8), picked, axis=1))
    first, second = scales_around(result.model, "Gather")
    assert first == second
    near(result, net.samples(), 20)


def test_a_model_that_only_picks_channels_is_quantised(tmp_path: Path) -> None:
    net = FloatNet((1, 8, 1, 1))
    model = net.finish(net.add("Gather", net.x, net.store(np.array([0, 5], np.int64)), axis=1))
    onnx.save(model, tmp_path / "model.onnx")
    options = bscc.Options(target="aie2-2x2", compare_dense=False)
    plan, _ = bscc.compile(tmp_path / "model.onnx", tmp_path / "plan", options)
    x = net.samples()[0]["x"]
    np.testing.assert_allclose(bscc.Session(plan).run(None, {"x": x})[0], x[:, [0, 5]], atol=0.1)


def test_a_stored_table_is_looked_up_in_float() -> None:
    net = FloatNet((1, 8, 4, 4))
    table = net.store(net.rng.normal(size=(4, 8, 1, 1)).astype(np.float32))
    net.channels[net.x] = 8
    x = net.conv(net.x, 8)
    share = net.add("Sigmoid", net.add("ReduceMean", x, keepdims=0))
    row = net.add("Cast", share, to=onnx.TensorProto.INT64)
    result = made(net, net.add("Add", x, net.add("Gather", table, row, axis=0)))
    assert not surrounded(result.model, next(one.name for one in net.nodes if one.op_type == "Gather"))
