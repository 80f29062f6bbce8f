'''Passes, stages, pipelines and the manager that runs them.

    TILED = Stage.of("tiled", tile.DIALECT.ops)      # builtin.module, func.func, func.return always pass

    @dataclass(frozen=True)
    class FitTiles(Pass):
        """Say whether every convolution fits a core."""   # --list-passes shows the first line

        name: ClassVar[str] = "fit-tiles"
        requires: ClassVar[Stage] = TILED
        ensures: ClassVar[Stage] = TILED

        double_buffer: bool = option(True, help="keep two copies of every streamed tile")
        reserve_bytes: int = option(1024, help="core memory left to the stack")

        def run(self, module: Module, target: Target) -> None: ...

    pipeline = PassPipeline.parse("fit-tiles{double-buffer=false reserve-bytes=2048},other", PASSES)
    PassManager(pipeline, target, (Timing(), DumpIR(directory))).run(module)

Options are bool, int, float, str, an `Enum` by value, a tuple of these (`sizes=8,8`), perhaps `| None`.
'''

from compiler.pass_manager.instruments import Check, DumpIR, Instrument, PrintIR, RoundTrip, Timing
from compiler.pass_manager.manager import PassManager
from compiler.pass_manager.options import option
from compiler.pass_manager.passes import ANY, Pass, Stage
from compiler.pass_manager.pipeline import PassPipeline

__all__ = [
    "ANY",
    "Check",
    "DumpIR",
    "Instrument",
    "Pass",
    "PassManager",
    "PassPipeline",
    "PrintIR",
    "RoundTrip",
    "Stage",
    "Timing",
    "option",
]
