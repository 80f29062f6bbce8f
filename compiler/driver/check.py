"""`bscc --check`: problems and host nodes of a model, by the front end and the passes that take little time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compiler.driver.array import Source
from compiler.driver.host import causes_of, facts, host_model, host_summary
from compiler.driver.mixed import path_of
from compiler.driver.options import Host, Options, full_pipeline
from compiler.driver.settle import Settled, settle
from compiler.errors import Diagnostic, DoesNotFit, UnsupportedModel
from compiler.frontend import import_graph, placed
from compiler.frontend.partition import DERIVED
from compiler.pass_manager import Check, PassManager, PassPipeline
from compiler.target import Target
from passes.assign_layout import AssignLayout

LAST_CHEAP = AssignLayout.name
"""The last pass that `--check` runs: behind it mappings and memories are searched for."""


@dataclass(frozen=True)
class Checked:
    """What a check found: problems that stop a compilation, and the host's share if it would not stop."""

    model: str
    problems: tuple[Diagnostic, ...]
    host: dict[str, Any]
    left_out: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if nothing that was checked stops a compilation."""
        return UnsupportedModel.exit_code if self.problems else 0

    def to_dict(self) -> dict[str, Any]:
        """The content of `bscc --check --json`."""
        return {
            "schema": 1,
            "model": self.model,
            "compiles": not self.problems,
            "problems": [
                {"code": one.code, "place": str(one.place), "message": one.message, **facts(one)}
                for one in self.problems
            ],
            "host": self.host or None,
            "not_checked": list(self.left_out),
        }


def check_source(source: Source, options: Options, target: Target, progress: Callable[[str], None]) -> Checked:
    """Run the cheap part of a compilation; without the host, every node that would need it is a problem."""
    pipeline = full_pipeline(options)
    names = [one.name for one in pipeline]
    count = names.index(LAST_CHEAP) + 1 if LAST_CHEAP in names else 0
    cheap = PassPipeline(pipeline.passes[:count])

    def attempt(part: Source, number: int) -> None:
        module = import_graph(part.graph, str(part.model))
        with placed(part.model):
            PassManager(cheap, target, (Check(lambda name, _: progress(name)),)).run(module)

    problems: tuple[Diagnostic, ...] = ()
    host: dict[str, Any] = {}
    try:
        found = settle(source, replace(options, host=Host.AUTO), attempt)
        if options.host == Host.OFF:
            with placed(source.model):
                _refuse_host(found)
        host = host_summary(found)
        for number, part in enumerate(found.parts):
            if part.host:
                host_model(part, path_of(number, host=True), causes_of(part, found.reasons))
    except (UnsupportedModel, DoesNotFit) as error:
        problems = error.diagnostics
    return Checked(str(source.model), problems, host, tuple(names[count:]))


def refused(model: str | Path, error: UnsupportedModel, options: Options) -> Checked:
    """What there is to say of a model that is refused as it is read: no pass has looked at it."""
    return Checked(str(model), error.diagnostics, {}, tuple(one.name for one in full_pipeline(options)))


def _refuse_host(found: Settled[None]) -> None:
    """Raise every reason for which a node would run on the host."""
    causes = [one for one in found.reasons.values() if one.code not in DERIVED]
    if causes:
        raise UnsupportedModel(*causes)
