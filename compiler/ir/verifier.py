"""Check that a module keeps every rule of the IR: values, types, properties, results, each op's own rules."""

from __future__ import annotations

from compiler.errors import Diagnostic, IRError
from compiler.ir.attributes import Type
from compiler.ir.op import Op
from compiler.ir.values import Region, Use, Value


def verify(root: Op) -> None:
    """Raise an `IRError` with every operation that breaks a rule, in program order."""
    checker = _Verifier()
    checker.op(root, set())
    if checker.found:
        raise IRError(*checker.found)


class _Verifier:
    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def op(self, op: Op, visible: set[Value[Type]]) -> None:
        """Check one operation where these values may be read."""
        try:
            _check_operands(op, visible)
            op.check_fields()
            _check_results(op)
            for region in op.regions:
                self.region(region, set() if op.isolated else visible)
            op.verify()
        except IRError as error:
            self.found += error.diagnostics

    def region(self, region: Region, visible: set[Value[Type]]) -> None:
        """Check a region; what it defines is visible in it alone."""
        if region.empty:
            return
        block = region.block
        defined: list[Value[Type]] = [*block.arguments]
        visible.update(defined)
        for op in block.ops:
            if op.terminator and op.next is not None:
                self.found += op.error("terminator", "must be the last of its block").diagnostics
            self.op(op, visible)
            defined += op.results
            visible.update(op.results)
        visible.difference_update(defined)


def _check_operands(op: Op, visible: set[Value[Type]]) -> None:
    for index, value in enumerate(op.operands):
        if value not in visible:
            gone = value.op is not None and value.op.erased
            why = "is not in the module any more" if gone else "is not defined before it"
            maker = f" of '{value.op.name}'" if value.op else ""
            raise op.error("not-dominated", f"reads as operand {index} a value{maker} that {why}")
        assert Use(op, index) in value._uses, f"'{op.name}' is not in the use list of its operand {index}"


def _check_results(op: Op) -> None:
    inferred = op.infer_checked()
    if inferred != op.result_types:
        wrong = next(
            (pair for pair in zip(inferred, op.result_types, strict=False) if pair[0] != pair[1]),
            (f"{len(inferred)} results", f"{len(op.result_types)} results"),
        )
        raise op.error("result-type", f"infers {wrong[0]}, has {wrong[1]}")
