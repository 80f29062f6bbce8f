"""`bscc --check`: problems and host nodes of a model as a table or as JSON; nothing is compiled."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from compiler.driver import Checked, Options, check_model
from compiler.errors import Diagnostic, UsageError
from compiler.frontend.partition import DERIVED
from compiler.plan import json_bytes
from runtime_sim.report import shortened

SHOWN = 3
"""Nodes that are named of those that share a line."""

COLUMNS = ("part", "node", "operator", "code", "reason")
WIDEST = 40
"""Letters of a column but the last."""


def check_alone(given: argparse.Namespace) -> None:
    """Refuse what would stay undone because nothing is compiled."""
    explained = given.explain_mapping is not None
    refuse_undone("--check", given, {"--explain-mapping": explained, "--mapping": given.mapping})


def refuse_undone(word: str, given: argparse.Namespace, more: Mapping[str, Any]) -> None:
    """Refuse options that ask something of a compilation beside an option that does without one."""
    asked = {
        "-o": given.output_dir,
        "--mapping-out": given.mapping_out,
        "--dump-ir": given.dump_ir,
        "--verify-each": given.verify_each,
        **more,
    }
    refuse_options(asked, f"{word} compiles nothing, so there is nothing for {{}}")


def refuse_options(asked: Mapping[str, Any], text: str) -> None:
    """Refuse the first of these options that is given; `text` has {} for its name."""
    for option, value in asked.items():
        if value:
            raise UsageError(Diagnostic("usage", text.format(option), help="run the two one after the other"))


def check(model: str, options: Options, *, json: bool, quiet: bool) -> int:
    """Print what a check finds; 0 if the model would compile, as far as was checked, and 4 if not."""
    found = check_model(model, options)
    if json:
        sys.stdout.write(json_bytes(found.to_dict()).decode())
    elif not quiet:
        sys.stdout.write(table(found))
    return found.exit_code


def table(found: Checked) -> str:
    """Problems as errors are shown, host nodes as a table, and what was not looked at."""
    lines = [str(one) for one in found.problems]
    if found.problems:
        count = len(found.problems)
        lines.append(f"{found.model}: does not compile: {count} problem{'s' * (count > 1)}")
    else:
        lines += _host_lines(found)
    if found.left_out:
        lines.append(f"not checked: whether it fits the memories, and all else of {', '.join(found.left_out)}")
    return "\n".join(lines) + "\n"


def _host_lines(found: Checked) -> list[str]:
    host = found.host
    if not host or not host["nodes"]:
        return [f"{found.model}: compiles, wholly for the array"]
    share = host["array_macs_share"]
    macs = f", {share:.1%} of its MACs on the array" if share is not None else ""
    rows = [COLUMNS, *([_cell(one[key], key) for key in COLUMNS] for one in host["reasons"])]
    wide = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [f"{found.model}: compiles, {counted(host)} on the host{macs}"]
    lines += ["  ".join(f"{one:{size}}" for one, size in zip(row, wide, strict=True)).rstrip() for row in rows]
    return lines + [f"to change: {line}" for line in by_text(host["reasons"], "help")]


def by_text(rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """`'a', 'b' and 2 more (Resize): ...`: a line for all host nodes of one operator with one text.

    Only of nodes that are there for a reason of their own: the others follow them.
    """
    found: dict[str, list[str]] = {}
    for one in rows:
        if one["code"] not in DERIVED and one[key]:
            found.setdefault(f"({one['operator']}): {one[key]}", []).append(one["node"])
    return [
        ", ".join(f"'{shortened(name)}'" for name in names[:SHOWN])
        + f"{f' and {len(names) - SHOWN} more' * (len(names) > SHOWN)} {words}"
        for words, names in found.items()
    ]


def counted(host: Mapping[str, Any]) -> str:
    """`3 nodes in 1 part`"""
    nodes, parts = host["nodes"], host["parts"]
    return f"{nodes} node{'s' * (nodes != 1)} in {parts} part{'s' * (parts != 1)}"


def _cell(value: object, column: str) -> str:
    text = str(value)
    return text if column == COLUMNS[-1] or len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."
