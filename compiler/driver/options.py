"""What a compilation is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from compiler.errors import Diagnostic, UsageError, nearest
from compiler.mapping.search import Effort
from compiler.pass_manager import Pass, PassPipeline
from compiler.pipeline import DEFAULT_PIPELINE, PASSES
from compiler.prepare import Preparation
from passes.block_compaction import BlockCompaction, Mode
from passes.choose_tiles import ChooseTiles
from passes.fold_quantization import FoldQuantization, Requantize

COST_MODELS = ("simulator", "paper")
"""`paper` sets the paper's own estimate beside the simulated time, for comparison."""


class Host(StrEnum):
    """What becomes of nodes that the array does not do: they run on the host, or the model is refused."""

    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True)
class Options:
    """What a compilation was asked for; the text form goes into the manifest.

    `sparsity`, `requantize`, `search` and `mapping`, where they are given, go before what the pipeline says of them.
    """

    target: str = "aie2-4x4"
    pipeline: str = DEFAULT_PIPELINE
    sparsity: str = "auto"
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    verify_each: bool = False
    dump_ir: Path | None = None
    compare_dense: bool = True
    cost_model: str = "simulator"
    search: str = ""
    requantize: str = ""
    mapping: str = ""
    batch: int = 0
    host: str = Host.AUTO
    preparation: Preparation = field(default_factory=Preparation)

    def check(self) -> None:
        """Refuse words that are none of an option; those of passes are refused by `full_pipeline`."""
        if self.cost_model not in COST_MODELS:
            text = f"there is no cost model '{self.cost_model}'"
            raise UsageError(Diagnostic("cost-model", text, help=nearest(self.cost_model, COST_MODELS)))
        one_of(self.host, [one.value for one in Host], "host")
        full_pipeline(self)


DEFAULTS = Options()


def full_pipeline(options: Options) -> PassPipeline:
    """The pipeline, with what options ask of single passes; it must lead to the array's registers."""
    pipeline = PassPipeline.parse(options.pipeline, PASSES)
    last = PASSES[-1].name
    if [one.name for one in pipeline][-1:] != [last]:
        text = f"the pipeline does not end in '{last}', so that no plan comes of it"
        raise UsageError(Diagnostic("pipeline-end", text, help="bscc-opt runs any part of it, text to text"))
    return PassPipeline(tuple(_with_options(one, options) for one in pipeline))


def _with_options(one: Pass, options: Options) -> Pass:
    if isinstance(one, BlockCompaction) and options.sparsity != "auto":
        return replace(one, mode=Mode(one_of(options.sparsity, [mode.value for mode in Mode], "sparsity")))
    if isinstance(one, FoldQuantization) and options.requantize:
        words = [way.value for way in Requantize]
        return replace(one, requantize=Requantize(one_of(options.requantize, words, "requantize")))
    if isinstance(one, ChooseTiles):
        words = [effort.value for effort in Effort]
        effort = Effort(one_of(options.search, words, "search")) if options.search else one.search
        return replace(one, search=effort, load=options.mapping or one.load)
    return one


def one_of(word: str, words: Sequence[str], option: str) -> str:
    """A word of an option; others are a `UsageError`."""
    if word not in words:
        raise UsageError(Diagnostic("usage", f"{option} is '{word}'", help=nearest(word, words)))
    return word
