"""What a wheel holds: every folder of code is a package, and setup.cfg finds it."""

from __future__ import annotations

from configparser import ConfigParser
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_folder_of_code_is_in_the_wheel() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["options"]["packages"] == "find:"
    patterns = setup["options.packages.find"]["include"].split()
    folders = {
        path.parent
        for top in ("compiler", "dialects", "passes", "runtime_sim", "training")
        for path in (ROOT / top).rglob("*.py")
    }
    assert len(folders) > 10
    for folder in folders:
        name = ".".join(folder.relative_to(ROOT).parts)
        assert (folder / "__init__.py").is_file(), f"{name} has no __init__.py"
        assert any(fnmatchcase(name, pattern) for pattern in patterns), f"{name} is not among {patterns}"
