"""Every file and every class that a page or a docstring points to is there."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import stack3d

ROOT = Path(stack3d.__file__).parents[1]
FILES = {
    path.relative_to(ROOT)
    for folder in ("stack3d", "docs", "tests", "scenarios", "geometries", "solvers", "benchmarks")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".md", ".yaml", ".csv")
} | {path.relative_to(ROOT) for path in ROOT.glob("*.*")}
TEXTS = sorted(p for p in FILES if p.suffix in (".py", ".md") and p.name != "CHANGELOG.md" and "corpus" not in p.parts)
PLACE = re.compile(r"`([\w./-]+/[\w-]+\.(?:py|md))`")
CLASS = re.compile(r"`(?:stack3d\.)?([a-z_]+(?:\.[a-z_0-9]+)*)\.([A-Z]\w+)`")


def lines() -> Iterator[tuple[str, str]]:
    for path in TEXTS:
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path}:{number}", line


def is_there(name: str) -> bool:
    parts = Path(name).parts
    return any(path.parts[-len(parts) :] == parts for path in FILES)


def test_files_that_are_named_are_there() -> None:
    missing = [f"{where}: {name}" for where, line in lines() for name in PLACE.findall(line) if not is_there(name)]
    assert missing == []


def test_classes_that_are_named_are_there() -> None:
    missing = []
    for where, line in lines():
        for module, name in CLASS.findall(line):
            if (ROOT / "stack3d" / module.split(".")[0]).exists() or (ROOT / "stack3d" / f"{module.split('.')[0]}.py").exists():
                try:
                    found = hasattr(importlib.import_module(f"stack3d.{module}"), name)
                except ImportError:
                    found = False
                if not found:
                    missing.append(f"{where}: {module}.{name}")
    assert missing == []
