"""The whole chain in one command: train, sparsify, quantise, compile, simulate; accuracy against predicted time.

    python -m training.examples.chain --data fashion-mnist -o chain/

trains the network dense and with four ratios of zero blocks, and leaves in the folder, for each, checkpoints, the float
and the int8 model and the plan; `chain.json` has the figures and `chain.svg` the picture.  A stopped run goes on.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compiler.cli import CommandParser, guarded, say
from compiler.cli.calibration import number, positive
from compiler.cli.files import write_files
from compiler.errors import Diagnostic, UsageError
from compiler.target import Target
from training.choose import Budget
from training.data.sets import Splits
from training.data.sources import FORMS, load
from training.data.transforms import Normalise
from training.examples.deploy import deploy
from training.job import Goal, Job, Kind
from training.loop import checkpoint
from training.loop.processes import processes
from training.loop.recipe import Precision, Recipe
from training.loop.trainer import Trainer
from training.nets import resnet8, vgg7
from training.schedule import LearningRate
from training.sparsifier import Settings

NETS: dict[str, Callable[[int, int], nn.Module]] = {one.__name__: one for one in (resnet8, vgg7)}
RATIOS = (0.25, 0.5, 0.75, 0.875)


def command() -> CommandParser:
    """The command line."""
    parser = CommandParser("python -m training.examples.chain", __doc__ or "")
    add = parser.add_argument
    add("-o", "--output", metavar="DIR", required=True, help="everything that is made")
    add("--data", required=True, metavar="DATA", help=f"labelled images: {'; '.join(FORMS)}")
    add("--net", choices=tuple(NETS), default="resnet8", help="(resnet8)")
    add("--dense", metavar="FILE", help="a checkpoint of the dense network (none: it is trained first)")
    add("--target", default="aie2-4x4", help="the array (aie2-4x4)")
    add("--ratios", type=ratios, default=RATIOS, metavar="R,R,...", help="of zero blocks (0.25,0.5,0.75,0.875)")
    add("--epochs", type=positive, default=5, help="with zero blocks (5)")
    add("--dense-epochs", type=positive, default=12, help="before (12)")
    add("--batch", type=positive, default=128, help="images a step (128)")
    add("--precision", choices=("fp32", "bf16", "fp16"), default="fp32", help="(fp32)")
    add("--seed", type=int, default=0, help="(0)")
    return parser


def ratios(text: str) -> tuple[float, ...]:
    """`0.25,0.5` as numbers."""
    return tuple(number(one) for one in text.split(","))


def run(argv: Sequence[str] | None) -> int:
    """The command, without its guard."""
    given = command().parse(argv)
    budgets = [Budget(ratio) for ratio in given.ratios]
    Target.load(given.target)
    if importlib.util.find_spec("matplotlib") is None:
        text = "the picture is drawn by matplotlib, which is not installed"
        raise UsageError(Diagnostic("no-matplotlib", text, help="pip install matplotlib"))
    folder = Path(given.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(Diagnostic("unwritable", f"cannot make the folder: {error.strerror}", given.output)) from None
    splits = load(given.data)
    normalise = Normalise.measured(splits.train)
    torch.manual_seed(given.seed)
    model = NETS[given.net](splits.train.shape[0], len(splits.train.classes))
    precision: Precision = given.precision
    dense = Recipe(
        given.dense_epochs, given.batch, 0.1, rate=LearningRate(warmup=200), precision=precision, seed=given.seed
    )
    again = Recipe(given.epochs, given.batch, 0.05, rate=LearningRate(warmup=50), precision=precision, seed=given.seed)
    with processes() as where:
        if given.dense:
            checkpoint.load_weights(model, Path(given.dense))
        else:
            say("training dense")
            Trainer(model, splits, normalise, dense, folder / "dense", where=where, say=say).run()
        points = [_point(0.0, model, splits, normalise, folder / "dense", given.target)]
        for budget in budgets:
            ratio = budget.ratio
            assert isinstance(ratio, float)
            place = folder / f"ratio{ratio:g}"
            job = Job(
                copy.deepcopy(model), splits, normalise, Settings(budget=budget, seed=given.seed),
                Goal(Kind.RATIO, ratio), again, place, where, say=say,
            )  # fmt: skip
            points.append(_point(ratio, job.run().model, splits, normalise, place, given.target))
    found = {"network": given.net, "data": splits.name, "target": given.target, "points": points}
    files = [("chain.json", json.dumps(found, indent=1) + "\n"), ("chain.svg", picture(found))]
    write_files([(str(folder / name), text.encode()) for name, text in files])
    sys.stdout.write(table(found))
    return 0


def _point(ratio: float, model: nn.Module, splits: Splits, normalise: Normalise, folder: Path,
           target: str) -> dict[str, Any]:  # fmt: skip
    say(f"ratio {ratio:g}: quantise, compile, simulate")
    return {"ratio": ratio, **asdict(deploy(model, splits, normalise, folder, target))}


def table(found: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{found['network']}, {found['data']}, {found['target']}"]
    lines.append(f"{'zero':>6} {'float':>8} {'int8':>8} {'us':>8} {'speed-up':>8}")
    dense = found["points"][0]["time_us"]
    for one in found["points"]:
        accuracies = f"{one['float_accuracy']:8.2%} {one['int8_accuracy']:8.2%}"
        lines.append(f"{one['ratio']:6.1%} {accuracies} {one['time_us']:8.2f} {dense / one['time_us']:8.2f}")
    return "\n".join(lines) + "\n"


def picture(found: dict[str, Any]) -> str:
    """The same as an SVG chart, drawn by matplotlib."""
    import io

    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = "bscc"  # the same figures give the same bytes
    figure = Figure((7, 4.5), layout="constrained")
    axes = figure.subplots()
    times = [one["time_us"] for one in found["points"]]
    for kind, style in (("float", "--"), ("int8", "-")):
        axes.plot(times, [100 * one[f"{kind}_accuracy"] for one in found["points"]], style, marker="o", label=kind)
    for one in found["points"]:
        name = f"{one['ratio']:.3g}" if one["ratio"] else "dense"
        axes.annotate(name, (one["time_us"], 100 * one["int8_accuracy"]), xytext=(4, -12), textcoords="offset points")
    axes.set_xlabel(f"predicted time on {found['target']}, us")
    axes.set_ylabel(f"accuracy on {found['data']}, %")
    axes.set_title(f"{found['network']}: share of zero 8x8 blocks")
    axes.grid(alpha=0.3)
    axes.legend()
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def main() -> int:
    """The command."""
    return guarded(lambda: run(None))


if __name__ == "__main__":
    sys.exit(main())
