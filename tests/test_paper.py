"""The paper's estimator: lines of the paper's own logs, its published table, and what must hold of any account.

Figures of layers are from the logs that the authors published (paolodalberto/BlockSparsityyTraning,
BlockSparse/Experiments), in microseconds with three digits.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from benchmarks.paper_account import PUBLISHED
from benchmarks.paper_networks import NETWORKS
from compiler.paper import TERMS, Estimate, Layer, Network, View, estimate
from compiler.paper.estimate import comp_cycles, volume_of
from compiler.paper.subvolume import WEIGHT_BYTES, block_bytes, weights_of
from compiler.target import Target

SIZES = range(2, 9)


@cache
def account(network: str, size: int, density: float) -> dict[str, Estimate]:
    """The estimates of a network by the names of its layers."""
    found = estimate(NETWORKS[network](density), Target.load(f"aie2-{size}x{size}"))
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def total_us(network: str, size: int, density: float) -> float:
    return sum(one.total_us for one in account(network, size, density).values())


def conv(channels: int, outs: int, size: int, kernel: int, density: float = 1.0) -> tuple[Network, Layer]:
    """A network of one convolution that keeps its size, behind another so that it does not read the image."""
    network = Network()
    x, y = network.tensor(size, size, channels), network.tensor(size, size, outs)
    pads = (kernel // 2,) * 4
    layer = Layer("conv", "conv", (x,), y, (kernel, kernel), (1, 1), pads, density)
    network.layers.append(layer)
    return network, layer


def test_block_bytes() -> None:
    """Cout * (kh * kw * Cin * density + 4 + Cin / 32): the index is as large for half of the blocks as for all."""
    assert block_bytes(16, 9, 64, 1.0) == 16 * (576 + 4 + 2) == 9312
    assert block_bytes(16, 9, 64, 0.5) == 16 * (288 + 4 + 2) == 4704
    assert block_bytes(344, 1, 64, 0.5) == 344 * (32 + 4 + 2) == 13072


@pytest.mark.parametrize(
    ("channels", "outs", "kernel", "rows", "density", "expected"),
    [
        (64, 64, 3, 4, 1.0, (16, 64)),
        (128, 128, 3, 4, 1.0, (8, 128)),
        (128, 128, 3, 4, 0.5, (16, 128)),
        (2048, 512, 1, 4, 1.0, (8, 1024)),
        (2048, 512, 1, 4, 0.5, (8, 2048)),
        (128, 128, 3, 7, 1.0, (24, 64)),  # 24 = 128 / 7 rounded up is not cut by 3, which does not divide 128
        (80, 192, 3, 8, 1.0, (8, 80)),  # 24 = 192 / 8 is: 3 divides 192
        (512, 1024, 1, 3, 0.5, (344, 64)),
        (512, 512, 3, 3, 0.5, (88, 32)),
    ],
)
def test_weights_of_a_core(
    channels: int, outs: int, kernel: int, rows: int, density: float, expected: tuple[int, int]
) -> None:
    _, layer = conv(channels, outs, 28, kernel, density)
    found = weights_of(layer, rows)
    assert (found.out_channels, found.in_channels) == expected
    assert found.block_bytes <= WEIGHT_BYTES
    assert found.blocks * found.out_channels * found.in_channels >= outs * channels / rows


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("conv1", (9, 61, 8), (2, 28, 64)),
        ("layer1.0.conv2", (8, 16, 64), (6, 14, 64)),
        ("layer2.1.conv1", (2, 7, 512), (2, 7, 128)),
        ("layer2.1.conv2", (4, 9, 128), (2, 7, 128)),
        ("layer3.1.conv2", (4, 6, 256), (2, 4, 256)),
        ("layer4.1.conv2", (4, 2, 256), (2, 2, 512)),  # half of the input's channels, and no neighbours' pixels
        ("layer4.1.conv3", (1, 2, 512), (1, 2, 1024)),  # half of the output's
        ("maxpool", (7, 29, 64), (3, 14, 64)),
        ("layer1.0.add", (2, 14, 256), (2, 14, 256)),
        ("avgpool", (7, 7, 256), (1, 1, 256)),
    ],
)
def test_sub_volumes(name: str, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
    volume = account("ResNet50", 4, 1.0)[name].volume
    assert (volume.in_rows, volume.in_width, volume.in_channels) == inputs
    assert (volume.out_rows, volume.out_width, volume.out_channels) == outputs


@pytest.mark.parametrize(
    ("channels", "outs", "cycles", "macs"), [(256, 64, 200704, 12544), (64, 64, 12544, 3136), (64, 256, 12544, 12544)]
)
def test_comp_is_no_count_of_multiplications(channels: int, outs: int, cycles: int, macs: int) -> None:
    """1x1 at 56x56 on 4x4: up to 16 times what one core multiplies."""
    network, _ = conv(channels, outs, 56, 1)
    (found,) = estimate(network, Target.load("aie2-4x4"))
    assert found.comp_us == pytest.approx(cycles / 1000)
    assert found.mac_us == pytest.approx(macs / 1000)


LINES = [
    # network, size, density, layer: total, LOAD, LOADW, LOADWM, LOADFM, COMP, WRITEFM, WRITE
    ("ResNet50", 4, 1.0, "conv1", (452.328, 23.365, 1.535, 1.524, 60.081, 376.656, 53.406, 46.730)),
    ("ResNet50", 4, 1.0, "maxpool", (104.903, 46.730, 0.030, 0.022, 57.474, 0.969, 11.891, 0.000)),
    ("ResNet50", 4, 1.0, "layer1.0.conv2", (195.429, 0.000, 2.220, 2.213, 19.073, 184.320, 14.305, 0.000)),
    ("ResNet50", 4, 0.5, "layer1.0.conv2", (101.1, 0.000, 1.147, 1.140, 19.073, 92.160, 14.305, 0.000)),
    ("ResNet50", 4, 1.0, "layer1.0.add", (93.542, 0.000, 0.045, 0.037, 93.460, 0.784, 46.730, 0.000)),
    ("ResNet50", 4, 1.0, "layer4.1.conv2", (231.683, 0.000, 138.327, 4.366, 15.259, 73.728, 15.259, 0.000)),
    ("ResNet50", 4, 1.0, "avgpool", (6.370, 0.000, 0.030, 0.022, 5.841, 0.098, 0.119, 0.477)),
    # Weights of 1.2 MB in a memory tile of 512 KB: 16 pieces of the output channels, 448 steps.
    ("VGG16", 2, 1.0, "conv11", (11256.05, 0.000, 276.610, 34.615, 640.869, 10838.016, 854.492, 0.000)),
    # Joined by a concatenation: charged twice.
    ("InceptionV3", 4, 1.0, "Mixed_5b.branch_pool", (94.541, 0.000, 0.432, 0.797, 51.498, 93.312, 8.583, 0.000)),
]


@pytest.mark.parametrize(("network", "size", "density", "name", "printed"), LINES)
def test_lines_of_the_logs(network: str, size: int, density: float, name: str, printed: tuple[float, ...]) -> None:
    one = account(network, size, density)[name]
    found = [one.total_us, *(getattr(one, f"{term}_us") for term in TERMS)]
    assert found == pytest.approx(printed, rel=0.005, abs=0.06)


def test_what_does_not_fit_leaves_everything() -> None:
    """ResNet-50 on 2x2: at a block's second convolution all that lives goes to DDR, and its input comes back."""
    found = account("ResNet50", 2, 1.0)["layer1.0.conv1"]
    byte_us = 1e6 / (4 * 2**30)
    assert found.load_us == pytest.approx(100_352 * byte_us)
    assert found.write_us == pytest.approx((401_408 + 2 * 100_352) * byte_us)


def test_a_prime_number_of_rows_is_cut_into_rows() -> None:
    """149 rows of Inception-v3's first layer: weights are loaded 149 times."""
    found = account("InceptionV3", 2, 1.0)["Conv2d_1a_3x3"]
    once = account("InceptionV3", 8, 1.0)["Conv2d_1a_3x3"]
    assert found.loadw_us > 40 and once.loadw_us < 1


def test_published_totals() -> None:
    """All 36 cells; median and largest error as docs/benchmarks.md says."""
    errors = [
        abs(total_us(network, size, density) / 1000 / published - 1)
        for network, cells in PUBLISHED.items()
        for size, pair in zip(SIZES, cells, strict=True)
        for density, published in zip((1.0, 0.5), pair, strict=True)
        if published is not None
    ]
    assert len(errors) == 36
    assert np.median(errors) < 0.005 and max(errors) < 0.06


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", SIZES)
def test_half_the_blocks_are_cheaper(network: str, size: int) -> None:
    """A network always; a layer too, if its piece of the weights has not more than twice the input channels."""
    dense, half = account(network, size, 1.0), account(network, size, 0.5)
    assert total_us(network, size, 0.5) < total_us(network, size, 1.0)
    for name, one in half.items():
        whole, cut = dense[name].volume.weights, one.volume.weights
        if whole is None or cut is None or cut.in_channels <= 2 * whole.in_channels:
            assert one.comp_us <= dense[name].comp_us
        assert one.mac_us == dense[name].mac_us * (0.5 if one.volume.in_channels > 8 else 1)


def test_more_blocks_may_be_cheaper() -> None:
    """COMP charges one piece of the weights: of 60 % of the blocks all input channels fit, of all only half."""
    target = Target.load("aie2-4x4")
    cycles = {}
    for density in (0.6, 1.0):
        network, layer = conv(256, 256, 28, 3, density)
        cycles[density] = comp_cycles(layer, volume_of(layer, network, target), target.core.macs_per_cycle)
    assert cycles[0.6] > cycles[1.0]


@pytest.mark.parametrize("network", NETWORKS)
def test_no_event_is_longer_than_its_layer(network: str) -> None:
    for one in account(network, 4, 0.5).values():
        assert all(0 <= getattr(one, f"{term}_us") <= one.total_us * (1 + 1e-9) for term in TERMS)
        assert one.total_us <= sum(getattr(one, f"{term}_us") for term in TERMS) * (1 + 1e-9)


def test_the_target_is_read() -> None:
    """Half the clock doubles COMP and nothing else."""
    target = Target.load("aie2-4x4")
    network, _ = conv(64, 64, 56, 3)
    (fast,), (slow,) = (estimate(network, replace(target, clock_mhz=clock)) for clock in (1000.0, 500.0))
    assert slow.comp_us == pytest.approx(2 * fast.comp_us) and slow.mac_us == pytest.approx(2 * fast.mac_us)
    assert all(getattr(slow, f"{term}_us") == getattr(fast, f"{term}_us") for term in TERMS if term != "comp")


def test_joined_keeps_the_first_concatenation() -> None:
    network = Network()
    parts = [network.tensor(8, 8, channels) for channels in (16, 32)]
    network.layers.append(Layer("a", "add", (parts[0], parts[0]), parts[1]))
    inner = network.joined(parts)
    outer = network.joined([inner, network.tensor(8, 8, 48)])
    assert inner == View(2, 48, 48) and outer == View(4, 96, 96)
    assert network.layers[0].inputs[0] == View(4, 16, 48)
    assert network.layers[0].output == View(4, 32, 48)
