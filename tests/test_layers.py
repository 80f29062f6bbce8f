"""Imports go down the floors of the house, lazy ones and those for type checking included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    (
        "compiler.errors",
        "compiler.target",
        "compiler.blocks",
        "compiler.pruning",
        "compiler.images",
        "compiler.numerics",
        "compiler.encoding",
    ),
    ("compiler.ir", "compiler.plan"),
    ("compiler.pass_manager", "compiler.kernels", "compiler.mapping", "dialects"),
    (
        *("compiler.frontend", "compiler.quantize", "compiler.backend", "compiler.reference", "compiler.paper"),
        *("passes", "runtime_sim"),
    ),
    ("compiler.pipeline", "compiler.summary", "compiler.prepare", "compiler.driver"),
    ("compiler.cli", "compiler.onnx_backend"),
    ("bscc", "examples", "training.examples"),
)
FLOOR = {unit: floor for floor, units in enumerate(FLOORS) for unit in units}
# The simulator must be able to judge the lowering, and training must run without a compiler.
ONLY = {
    "runtime_sim": {
        "compiler.errors",
        "compiler.encoding",
        "compiler.numerics",
        "compiler.plan",
        "compiler.target",
    },
    "training": {"compiler.errors", "compiler.blocks", "compiler.pruning", "compiler.images"},
}
# On some floors a unit may read another: what it may see beside itself.
BESIDE = {
    "compiler.target": {"compiler.errors"},
    "compiler.blocks": {"compiler.errors"},
    "compiler.pruning": {"compiler.errors", "compiler.blocks"},
    "compiler.images": {"compiler.errors"},
    "compiler.numerics": {"compiler.errors"},
    "compiler.encoding": {"compiler.errors"},
    "compiler.driver": {"compiler.pipeline", "compiler.summary", "compiler.prepare"},
    # Layers and mappings are attributes of tile ops, and are cut from bsp ops; packets are made for layers.
    "compiler.mapping": {"compiler.kernels", "dialects"},
    "compiler.kernels": {"compiler.mapping"},
    "dialects": {"compiler.mapping"},
    "examples": {"bscc"},
    "training.examples": {"bscc"},
}
UNITS = (*FLOOR, "training", "compiler")
SOURCES = sorted(
    path
    for folder in ("compiler", "dialects", "passes", "runtime_sim", "training", "examples")
    for path in (ROOT / folder).rglob("*.py")
) + sorted(ROOT.glob("bscc.py"))


def unit_of(name: str) -> str | None:
    """The unit that a dotted name belongs to, the longest that fits."""
    return max((unit for unit in UNITS if f"{name}.".startswith(f"{unit}.")), key=len, default=None)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(source: str, module: str) -> Iterator[tuple[int, str]]:
    """Every imported name with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def fault(here: str, there: str) -> bool:
    """Whether code of one unit may not import another."""
    if here == there or there == "compiler" or here == "compiler":
        # `compiler/__init__.py` holds a glossary; the check below keeps it free of imports.
        return False
    if here in ONLY:
        return there not in ONLY[here]
    if there == "training":
        return here not in ("compiler.cli", "training.examples")
    return FLOOR[there] >= FLOOR[here] and there not in BESIDE.get(here, ())


def faults(source: str, module: str) -> list[str]:
    here = unit_of(module)
    wrong = []
    for line, name in imports(source, module):
        there = unit_of(name)
        if here and there and fault(here, there):
            wrong.append(f"{module}:{line}: {here} may not import {there}")
        if module.startswith("passes.") and name.startswith("passes") and there == "passes":
            wrong.append(f"{module}:{line}: a pass may not import a pass ({name})")
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    assert not faults(path.read_text(encoding="utf-8"), module_of(path))


def test_glossary_imports_nothing() -> None:
    assert not list(imports((ROOT / "compiler/__init__.py").read_text(encoding="utf-8"), "compiler"))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("compiler.ir.op", "import dialects.nn"),
        ("compiler.ir.op", "def f():\n    from dialects import nn"),
        ("passes.fuse_epilogue", "from passes.place import place"),
        ("passes.fuse_epilogue", "from .place import place"),
        ("passes.fuse_epilogue", "from passes import place"),
        ("passes.fuse_epilogue", "import compiler.pipeline"),
        ("runtime_sim.machine", "from compiler import ir"),
        ("runtime_sim.machine", "from compiler.kernels import conv"),
        ("training.prune", "import compiler.ir"),
        ("compiler.driver", "import training.prune"),
        ("compiler.frontend.onnx", "from compiler.backend import emit"),
        ("compiler.pass_manager.manager", "from compiler.pipeline import PASSES"),
    ],
)
def test_the_check_sees(module: str, source: str) -> None:
    assert faults(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("passes.fuse_epilogue", "from compiler.pass_manager import Pass\nfrom dialects import nn"),
        ("runtime_sim.machine", "from compiler.encoding import bd\nimport runtime_sim.locks"),
        ("compiler.driver", "from compiler.pipeline import PASSES"),
        ("bscc", "from compiler.cli import opt"),
    ],
)
def test_the_check_allows(module: str, source: str) -> None:
    assert not faults(source, module)
