"""Benchmarks are not run by the tests, but the names of the package that they use are there."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


def imported(tree: ast.Module) -> tuple[dict[str, object], list[str]]:
    """What a script imports of stack3d, by the name it has there, and what of it is missing."""
    found, missing = {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stack3d":
            module = importlib.import_module(node.module)
            for one in node.names:
                value = getattr(module, one.name, None)
                if value is None:
                    try:
                        value = importlib.import_module(f"{node.module}.{one.name}")
                    except ImportError:
                        missing.append(f"line {node.lineno}: {node.module}.{one.name}")
                found[one.asname or one.name] = value
        elif isinstance(node, ast.Import):
            for one in node.names:
                if one.name.split(".")[0] == "stack3d":
                    found[one.asname or "stack3d"] = importlib.import_module(one.name if one.asname else "stack3d")
    return found, missing


def missing_names(text: str) -> list[str]:
    """What a script takes from stack3d and its modules that is not there."""
    tree = ast.parse(text)
    found, missing = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = found.get(node.value.id)
            if isinstance(module, ModuleType) and not hasattr(module, node.attr):
                missing.append(f"line {node.lineno}: {node.value.id}.{node.attr}")
    return missing


def test_names_that_are_not_there_are_seen() -> None:
    """Guard of the test itself."""
    text = "from stack3d import mvm as m\nfrom stack3d.mvm import nothing\nm.infer\nm.infers\n"
    assert missing_names(text) == ["line 2: stack3d.mvm.nothing", "line 4: m.infers"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_names_that_benchmarks_use_are_there(script: Path) -> None:
    assert missing_names(script.read_text(encoding="utf-8")) == []
