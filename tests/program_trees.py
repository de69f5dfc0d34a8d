"""Every file of the program, parsed once for the tests that read it."""

import ast
from functools import cache
from pathlib import Path

import stack3d

ROOT = Path(stack3d.__file__).parent


@cache
def trees() -> dict[Path, ast.Module]:
    """By path inside the package, without the library."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(ROOT.rglob("*.py"))
        if "library" not in path.relative_to(ROOT).parts
    }
