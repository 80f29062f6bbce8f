"""Options that say where samples come from and what happens to images, for the commands that quantise."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from compiler.cli import CommandParser
from compiler.errors import Diagnostic, UsageError
from compiler.images import Preprocess
from compiler.prepare import MOST_SAMPLES
from compiler.pruning import Prune, Scheme

_SIDES = re.compile(r"([0-9]{1,5})(?:x([0-9]{1,5}))?")
_TAPS = {"8x8": False, "8x8xK": True}


def numbers(text: str) -> tuple[float, ...]:
    """`0.485,0.456,0.406` as numbers; a quotient such as `1/255` is one."""
    found = []
    for one in text.split(","):
        above, _, below = one.partition("/")
        try:
            found.append(float(above) / float(below or 1))
        except (ValueError, ZeroDivisionError):
            raise argparse.ArgumentTypeError(f"'{one}' is no number") from None
    return tuple(found)


def number(text: str) -> float:
    """One number or quotient."""
    found = numbers(text)
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not one number")
    return found[0]


def positive(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return int(text)


def sides(text: str) -> tuple[int, int]:
    """`224x192`, height by width, or `224` for both."""
    match = _SIDES.fullmatch(text)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not height or not width:
        raise argparse.ArgumentTypeError(f"'{text}' is not HEIGHTxWIDTH")
    return height, width


def add_data_options(parser: CommandParser) -> None:
    """Where samples come from, and how pixels become numbers."""
    add = parser.add_argument
    add(
        "--calibration",
        metavar="DATA",
        help="samples to calibrate with: a folder of images (or of one folder for each class), .npz or .npy",
    )
    add("--samples", type=positive, metavar="N", help=f"at most so many ({MOST_SAMPLES})")
    add("--scale", type=number, metavar="FACTOR", help="images: (pixel * FACTOR - mean) / std (1/255)")
    add("--mean", type=numbers, metavar="R,G,B", help="images: one number or one for each channel (0)")
    add("--std", type=numbers, metavar="R,G,B", help="images: one number or one for each channel (1)")


def add_image_options(parser: CommandParser) -> None:
    """What else may happen to images."""
    add = parser.add_argument
    add("--resize", type=positive, metavar="N", help="images: make the shorter side N first, keeping proportions")
    add("--size", type=sides, metavar="HxW", help="images: then stretch to this size (without any: to the model's)")
    add("--crop", type=sides, metavar="HxW", help="images: then cut the centre out")
    add("--layout", choices=("nchw", "nhwc"), help="images: where the model has its channels (seen by its shape)")
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--rgb", dest="bgr", action="store_const", const=False, help="images: red first (the default)")
    order.add_argument("--bgr", dest="bgr", action="store_const", const=True, help="images: blue first")


def samples_of(given: argparse.Namespace) -> int:
    """How many samples are taken at most."""
    if given.samples is not None and given.calibration is None:
        help = "it says how many of those samples are taken"
        raise UsageError(Diagnostic("usage", "--samples is given without --calibration", help=help))
    return given.samples or MOST_SAMPLES


def preprocess_of(given: argparse.Namespace) -> Preprocess | None:
    """What the options say of images; none if they say nothing."""
    names = [one.name for one in fields(Preprocess)]
    said = {name: getattr(given, name, None) for name in names}
    kept = {name: value for name, value in said.items() if value is not None}
    if kept and given.calibration is None:
        text = f"--{next(iter(kept))} is given without --calibration"
        raise UsageError(Diagnostic("usage", text, help="it says what happens to the images of a folder"))
    return Preprocess(**kept) if kept else None


def add_prune_options(parser: CommandParser) -> None:
    """What-if sparsity."""
    add = parser.add_argument
    add(
        "--prune",
        type=number,
        metavar="SHARE",
        help="zero this share of weight blocks first, the weakest: what would block sparsity gain?",
    )
    add("--prune-scheme", choices=[one.value for one in Scheme], help="what makes a block weak (l1)")
    add("--prune-block", choices=tuple(_TAPS), help="one block of all kernel taps, as in the paper (8x8xK), or per tap")
    add("--prune-per-layer", action="store_true", help="the share of each layer instead of the whole network")


def prune_of(given: argparse.Namespace) -> Prune | None:
    """What the options say of pruning; none if nothing is to be pruned."""
    if given.prune is None:
        for option in ("prune_scheme", "prune_block", "prune_per_layer"):
            if getattr(given, option):
                text = f"--{option.replace('_', '-')} is given without --prune"
                raise UsageError(Diagnostic("usage", text, help="--prune 0.5 zeroes half of the blocks"))
        return None
    return Prune(
        given.prune,
        scheme_of(given),
        block_of(given),
        given.prune_per_layer,
    )


def scheme_of(given: argparse.Namespace) -> Scheme:
    """What the options say makes a block weak."""
    return Scheme(given.prune_scheme or Scheme.L1.value)


def block_of(given: argparse.Namespace) -> bool:
    """Whether the options say that a block has all taps of a kernel."""
    return _TAPS[given.prune_block or "8x8xK"]


def pruning_text(found: Mapping[str, Any]) -> str:
    """How many blocks were zeroed, and how they were chosen."""
    share = found["zeroed"] / found["blocks"]
    where = "of each layer" if found["scope"] == "layer" else "of the network"
    drawn = found["scheme"] == Scheme.RANDOM.value
    which = f"drawn at random {where}" if drawn else f"the weakest {where} by {found['scheme']}"
    return (
        f"{found['zeroed']:,} of {found['blocks']:,} {found['block']} blocks ({share:.1%}), {which}; "
        f"{len(found['skipped'])} layers left dense"
    )
