"""`PassManager`: runs a pipeline and holds every pass to its promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.errors import Diagnostic, InternalError, IRError
from compiler.ir import Module, verify
from compiler.pass_manager.instruments import Instrument
from compiler.pass_manager.passes import Pass
from compiler.pass_manager.pipeline import PassPipeline

if TYPE_CHECKING:
    from compiler.target import Target


@dataclass(frozen=True)
class PassManager:
    """A pipeline, the machine it compiles for, and who watches."""

    pipeline: PassPipeline
    target: Target
    instruments: Sequence[Instrument] = ()
    verify_each: bool = True

    def run(self, module: Module) -> None:
        """Run every pass; a broken promise is an error that names the pass."""
        for instrument in self.instruments:
            instrument.start(module)
        for one in self.pipeline:
            self._run_one(one, module)
        for instrument in self.instruments:
            instrument.finish(module)

    def _run_one(self, one: Pass, module: Module) -> None:
        try:
            one.requires.check(module)
        except IRError as error:
            note = f"the pass '{one.name}' requires it"
            raise IRError(*(_with_note(found, note) for found in error.diagnostics)) from None
        for instrument in self.instruments:
            instrument.before(one, module)
        try:
            one.run(module, self.target)
            for instrument in self.instruments:
                instrument.ran(one, module)
            if self.verify_each:
                verify(module)
                one.ensures.check(module)
        except IRError as error:
            note = f"after or in the pass '{one.name}': this is a bug of bscc, not of the model"
            raise InternalError(*(_with_note(found, note) for found in error.diagnostics)) from error
        for instrument in self.instruments:
            instrument.after(one, module)


def _with_note(diagnostic: Diagnostic, note: str) -> Diagnostic:
    return replace(diagnostic, notes=(*diagnostic.notes, note))
