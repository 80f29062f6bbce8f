"""Zero blocks from training to the plan: they survive quantisation-aware training, the export and the compiler."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.fx import GraphModule

import bscc
from compiler.errors import NumericalMismatch, UnreadableInput, UsageError
from compiler.plan import ArrayPlan
from tests.netbuilder import session
from tests.trained_nets import NETS, images, sparse
from training.export import qdq_bytes, to_onnx, to_qdq
from training.int8.array_quantizer import Activation, Numbers
from training.int8.quantise import QatModel, prepare
from training.layer_weights import layers_of_converted, layers_of_model, layers_of_onnx
from training.zeros import count_zeros, masks_of_zeros

NUMBERS = {
    "residual": Numbers(),
    "joined": Numbers(Activation.UINT8),
    "vgg": Numbers(power_of_two=True),
}


def trained(qat: QatModel, steps: int = 6, hold: bool = True) -> None:
    """A few steps of SGD on noise, with batches of different sizes; scales and batch norms frozen before the last."""
    optimizer = torch.optim.SGD(qat.module.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3)
    if hold:
        qat.hold(optimizer)
    for step in range(steps):
        if step == steps - 1:
            qat.freeze_observers()
            qat.freeze_batch_norm()
        count = 6 + step
        loss = nn.functional.cross_entropy(qat.module(images(count, step)), torch.arange(count) % 10)
        assert bool(torch.isfinite(loss))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    qat.eval()


@dataclass(frozen=True)
class Made:
    """A net on its way: float with zeros, trained, converted, exported."""

    net: nn.Module
    masks: dict[str, Tensor]
    qat: QatModel
    converted: GraphModule
    path: Path


@pytest.fixture(scope="module", params=list(NETS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    torch.set_num_threads(1)
    net, masks = sparse(request.param)
    qat = prepare(net, (images(4),), masks, NUMBERS[request.param])
    trained(qat)
    converted = qat.convert()
    path = tmp_path_factory.mktemp(request.param) / "net.onnx"
    to_qdq(converted, (images(1),), path)
    return Made(net, masks, qat, converted, path)


def steps_apart(found: Any, wanted: Any, scale: float) -> Any:
    return np.rint(np.abs(np.asarray(found) - np.asarray(wanted)) / scale)


def test_zeros_reach_the_plan(made: Made, tmp_path: Path) -> None:
    """The compiler drops exactly the blocks that the counts say are zero, and computes what onnxruntime does."""
    like = layers_of_model(made.net, images(1))
    zeros = count_zeros(layers_of_onnx(made.path, like), made.masks, str(made.path))
    plan, summary = bscc.compile(made.path, tmp_path / "plan", bscc.Options(target="aie2-2x2", compare_dense=False))
    assert summary["host"]["nodes"] == 0
    rows = json.loads((tmp_path / "plan" / "sparsity.json").read_text())
    found = {row["name"].split(" + ")[0]: (row["blocks"], row["blocks"] - row["kept"]) for row in rows}
    # The compiler counts the blocks of a convolution in groups over all channels: only those within groups compare.
    plain = [one for one, layer in zip(zeros.layers, layers_of_onnx(made.path), strict=True) if layer.view.groups == 1]
    assert {one.name: (one.blocks, one.zero) for one in plain} == {one.name: found[one.name] for one in plain}
    assert sum(one.trained for one in zeros.layers) >= 20
    opened, reference = bscc.Session(plan), session(onnx.load(made.path))
    scale = ArrayPlan.of(opened.plan).outputs[0].scale
    fed = [{"x": images(1, seed).numpy()} for seed in range(6)]
    wanted = np.concatenate([reference.run(None, one)[0] for one in fed])
    apart = steps_apart(np.concatenate([opened.run(None, one)[0] for one in fed]), wanted, scale)
    assert np.ptp(wanted) > 20 * scale
    if NUMBERS[_kind(made)].power_of_two:
        assert not apart.any()
    else:
        assert apart.max() <= 1 and np.mean(apart > 0) <= 0.25


def _kind(made: Made) -> str:
    return next(name for name, kind in NETS.items() if isinstance(made.net, kind))


def test_torch_and_onnxruntime_agree(made: Made) -> None:
    """The converted model and its file; and the rounding that training saw, but for biases, rounded in the end."""
    x = images(6, 9)
    reference = session(onnx.load(made.path))
    wanted = np.concatenate([reference.run(None, {"x": one[None].numpy()})[0] for one in x])
    with torch.no_grad():
        converted, seen = made.converted(x).numpy(), made.qat.module(x).numpy()
    last = next(node for node in reversed(onnx.load(made.path).graph.node) if node.op_type == "DequantizeLinear")
    constants = {one.name: one for one in onnx.load(made.path).graph.initializer}
    scale = float(numpy_helper.to_array(constants[last.input[1]]))
    apart = steps_apart(converted, wanted, scale)
    assert apart.max() <= 1 and np.mean(apart > 0) <= 0.02
    assert np.mean(steps_apart(seen, wanted, scale) > 1) <= 0.02
    with torch.no_grad():
        assert steps_apart(made.net(x).numpy(), wanted, scale).mean() > 0.5  # training has moved it


def test_counts_agree_wherever_they_are_taken(made: Made) -> None:
    like = layers_of_model(made.net, images(1))
    files = {one.name: one for one in count_zeros(layers_of_onnx(made.path, like), made.masks).layers}
    again = {one.name: one for one in count_zeros(layers_of_converted(made.converted, like), made.masks).layers}
    assert files == again
    floats = count_zeros(like, made.masks)
    assert [one.trained for one in floats.layers] == [files[one.name].trained for one in floats.layers]
    assert [one.macs for one in floats.layers] == [files[one.name].macs for one in floats.layers] and floats.of_macs


def test_layers_keep_their_names(made: Made) -> None:
    graph = onnx.load(made.path).graph
    weighted = [node.name for node in graph.node if node.op_type in ("Conv", "Gemm", "ConvTranspose")]
    assert sorted(weighted) == sorted(one.name for one in layers_of_model(made.net))
    names = {one.name for one in graph.initializer}
    assert {f"{name}.weight" for name in weighted} <= names
    assert [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] == [1, 3, 16, 16]
    assert [one.name for one in made.path.parent.iterdir()] == ["net.onnx"]
    assert qdq_bytes(made.converted, (images(1),)) == made.path.read_bytes()


def test_a_float_export_keeps_names_and_zeros(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "float.onnx"
    made.net.train()
    to_onnx(made.net, (images(2),), path)
    assert made.net.training
    made.net.eval()
    assert [one.name for one in tmp_path.iterdir()] == ["float.onnx"]
    zeros = count_zeros(layers_of_onnx(path), made.masks, str(path))
    assert sorted(one.name for one in zeros.layers) == sorted(one.name for one in layers_of_model(made.net))
    model = onnx.load(path)
    assert "BatchNormalization" not in [node.op_type for node in model.graph.node]
    for one in model.graph.initializer:
        values = numpy_helper.to_array(one)
        assert values.dtype != np.float32 or not (np.signbit(values) & (values == 0)).any()
    with torch.no_grad():
        wanted = made.net(images(1, 5)).numpy()
    (found,) = session(model).run(None, {"x": images(1, 5).numpy()})
    assert np.abs(found - wanted).max() < 1e-4


def test_without_hold_zeros_are_lost() -> None:
    """What `hold` prevents; and the counts see it, as floats and as integers."""
    net, masks = sparse("vgg")
    qat = prepare(net, (images(4),), masks)
    trained(qat, hold=False)
    weight = qat.module.get_parameter("classifier.1.weight")
    assert bool((weight[~masks["classifier.1.weight"]] != 0).any())
    qat.masks.clear()  # as nothing holds them in the conversion either
    lost = layers_of_converted(qat.convert())
    with pytest.raises(NumericalMismatch, match=r"layer 'features.3' has \d+ of the \d+ zero 8x8 blocks of its mask"):
        count_zeros(lost, masks, "net")


def test_training_is_deterministic_and_goes_on_from_a_state() -> None:
    """The same steps give the same weights: with evaluation and conversion in between, and in another module from the
    state of the first."""
    torch.manual_seed(0)
    net, masks = sparse("vgg")
    found, states = [], []
    for begin in (None, 0):
        qat = prepare(net, (images(4),), masks)
        module = qat.module
        if begin is None:
            trained(qat, 2)
            qat.convert()
            states.append({name: value.clone() for name, value in module.state_dict().items()})
        else:
            module(images(4))  # scales of weights get their sizes
            module.load_state_dict(states[begin])
            qat.freeze_observers()
            qat.freeze_batch_norm()
        averaged = copy.deepcopy(module).eval()
        random = torch.get_rng_state()
        torch.manual_seed(3)
        module.train()
        averaged.eval()
        trained(qat, 2)
        torch.set_rng_state(random)
        found.append([one.detach().clone() for one in module.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_gradients_of_several_processes_meet(tmp_path: Path) -> None:
    """DistributedDataParallel takes the module, hooks and modes included."""
    net, masks = sparse("vgg")
    qat = prepare(net, (images(4),), masks)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        both = nn.parallel.DistributedDataParallel(qat.module)
        optimizer = torch.optim.Adam(both.parameters(), lr=0.01)
        qat.hold(optimizer)
        before = qat.module.get_parameter("features.3.weight").detach().clone()
        for step in range(2):
            both.train()  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            both(images(4, step)).square().mean().backward()
            optimizer.step()
            both.eval()
            with torch.no_grad():
                assert torch.equal(both(images(2)), both(images(2)))
    finally:
        torch.distributed.destroy_process_group()
    after = qat.module.get_parameter("features.3.weight").detach()
    kept = masks["features.3.weight"]
    assert bool((after[~kept] == 0).all()) and bool((after[kept] != before[kept]).any())


class Odd(nn.Module):
    """Channels without weights, factors of 0 and below, a transposed convolution, an epsilon that is not PyTorch's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16, eps=0.01, momentum=None)
        self.up, self.second = nn.ConvTranspose2d(16, 24, 2, 2, bias=False), nn.BatchNorm2d(24, affine=False)
        self.act, self.last = nn.Hardswish(), nn.Conv2d(24, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        result: Tensor = self.last(self.act(self.second(self.up(x))))
        return result


def odd() -> nn.Module:
    torch.manual_seed(1)
    net = Odd()
    with torch.no_grad():
        net.norm.weight.uniform_(-1, 1)
        net.norm.bias.uniform_(-1, 1)
        net.norm.weight[3:6] = 0
        net.conv.weight[8] = 0
        net.last.weight[:8, 8:16] = 0
        net.last.weight[2] = 0
        net.up.weight[8:, 16:] = 0
        for seed in range(3):
            net(images(8, seed))
    return net.eval()


def test_channels_of_zeros_and_factors_of_zero(tmp_path: Path) -> None:
    net, x = odd(), images(8, 7)
    qat = prepare(net, (images(4),))
    assert set(qat.masks) == {"conv.weight", "up.weight", "last.weight"}
    with torch.no_grad():
        wanted = net(x)
    qat.freeze_batch_norm()
    for seed in range(3):
        qat.module(images(8, seed))
    qat.eval()
    before = qat.convert()
    with torch.no_grad():
        assert (before(x) - wanted).abs().max() < 0.1 * wanted.abs().max()
    qat = prepare(net, (images(4),))
    optimizer = torch.optim.SGD(qat.module.parameters(), lr=0.01)
    qat.hold(optimizer)
    for seed in range(4):
        optimizer.zero_grad()
        qat.module(images(8, seed)).square().mean().backward()
        optimizer.step()
    assert all(bool(torch.isfinite(one).all()) for one in qat.module.parameters())
    converted, path = qat.convert(), tmp_path / "odd.onnx"
    to_qdq(converted, (images(1),), path)
    zeros = count_zeros(layers_of_onnx(path), masks_of_zeros(net), str(path))
    assert {one.name: one.trained for one in zeros.layers} == {"conv": 0, "up": 4, "last": 1}
    plan, summary = bscc.compile(path, tmp_path / "plan", bscc.Options(target="aie2-2x2", compare_dense=False))
    assert summary["host"]["nodes"] == 0
    opened = bscc.Session(plan)
    fed = {"x": images(1, 3).numpy()}
    apart = steps_apart(opened.run(None, fed)[0], session(onnx.load(path)).run(None, fed)[0],
                        ArrayPlan.of(opened.plan).outputs[0].scale)  # fmt: skip
    assert apart.max() <= 2 and np.mean(apart > 0) < 0.2


def test_a_file_whose_zeros_are_its_zero_point(tmp_path: Path) -> None:
    """Weights of uint8 are zero where they are 122, not where they are 0."""
    weight = np.full((16, 16), 122, np.uint8)
    weight[:8, :8] = 7
    weight[8:, 8:] = 0
    made = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [
            made("DequantizeLinear", ["fc.weight", "s", "z"], ["w"]),
            made("Gemm", ["x", "w"], ["y"], transB=1),
        ],
        "net",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 16])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 16])],
        [
            numpy_helper.from_array(weight, "fc.weight"),
            numpy_helper.from_array(np.array(0.1, np.float32), "s"),
            numpy_helper.from_array(np.array(122, np.uint8), "z"),
        ],
    )
    path = tmp_path / "net.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[:8, :8] = mask[8:, 8:] = True
    mask[:8, 8:] = True
    zeros = count_zeros(layers_of_onnx(path), {"fc.weight": mask})
    (one,) = zeros.layers
    assert (one.blocks, one.trained, one.rounded, one.macs) == (4, 1, 1, 256)
    assert (zeros.of_blocks, zeros.of_weights, zeros.of_macs) == (0.5, 0.5, 0.5)
    assert zeros.table().splitlines()[1].split() == ["fc", "4", "1", "1", "4", "2", "256", "128", "256"]
    mask[8:, 8:] = False
    with pytest.raises(NumericalMismatch, match="64 of 128 masked weights are not zero"):
        count_zeros(layers_of_onnx(path), {"fc.weight": mask})
    with pytest.raises(NumericalMismatch, match=r"'fd.weight' are none of the 1 layers"):
        count_zeros(layers_of_onnx(path), {"fd.weight": mask})
    path.write_bytes(b"no model")
    with pytest.raises(UnreadableInput):
        layers_of_onnx(path)


def test_what_is_refused(tmp_path: Path) -> None:
    net, masks = sparse("vgg")
    with pytest.raises(UsageError, match=r"'classifier.x' is of no parameter"):
        prepare(net, (images(4),), {"classifier.x": masks["classifier.1.weight"]})
    with pytest.raises(UsageError, match=r"has shape \[3\], the weights have \[32, 80\]"):
        prepare(net, (images(4),), {"classifier.1.weight": torch.ones(3, dtype=torch.bool)})
    with pytest.raises(UsageError, match="an example has 1 image"):
        prepare(net, (images(1),), masks)
    with pytest.raises(UsageError, match="'int4' activations"):
        Numbers("int4")  # type: ignore[arg-type]
    qat = prepare(net, (images(4),), masks)
    with pytest.raises(UsageError, match=r"the optimizer trains 0 of the \d masked weights"):
        qat.hold(torch.optim.SGD(net.parameters(), lr=0.1))
    with pytest.raises(UsageError, match="nothing has run through the model"):
        qat.convert()
    with pytest.raises(UsageError, match="cannot write the file: No such file"):
        to_onnx(nn.Conv2d(3, 8, 1), (images(1),), tmp_path / "none" / "net.onnx")
    with pytest.raises(UsageError, match="cannot write the file: No space left"):
        to_onnx(nn.Conv2d(3, 8, 1), (images(1),), "/dev/full")
    with pytest.raises(UsageError, match="not constant integers behind a DequantizeLinear"):
        to_qdq(nn.Conv2d(3, 8, 1), (images(1),), tmp_path / "net.onnx")  # type: ignore[arg-type]
    masked = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 1))
    with pytest.raises(UsageError, match="still have parametrizations"):
        to_onnx(masked, (images(1),), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
