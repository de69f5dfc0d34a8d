"""Functions stay short: few branches (radon's count), few lines of code; what goes beyond has a name and a reason here."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from radon.complexity import cc_visit_ast

import stack3d

ROOT = Path(stack3d.__file__).parent
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted(ROOT.rglob("*.py"))
    if "library" not in path.relative_to(ROOT).parts
}
MOST_BRANCHES = 15
MOST_LINES = 50
BEYOND: dict[str, str] = {}
"""Functions of more branches, as ``file:name``, and why they are not split; five at most."""
MOST_LONG = 6
"""Functions of more lines."""
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def branches(text: str) -> Iterator[tuple[str, int]]:
    """Complexity of every function and method."""
    for block in cc_visit_ast(ast.parse(text)):
        if block.letter != "C":
            yield block.fullname, block.complexity


def lengths(text: str) -> Iterator[tuple[str, int]]:
    """Lines of code of every function, without comments, docstring and empty lines."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {n for t in tokens if t.type not in NO_CODE for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            start = node.body[0].lineno - 1 if ast.get_docstring(node) is None else node.body[0].end_lineno or 0
            head = {n for n in range(node.lineno, node.body[0].lineno) if n in code}
            yield node.name, len(head | {n for n in code if start < n <= (node.end_lineno or 0)})


def test_counts_see_what_they_must() -> None:
    """Guard of the test itself."""
    text = 'class A:\n    def f(self, x):\n        """Two\n        lines."""\n        # why\n        if x and x > 1:\n            return 1\n\n'
    assert list(branches(text)) == [("A.f", 3)]
    assert list(lengths(text)) == [("f", 3)]


def test_no_function_has_many_branches() -> None:
    found = {f"{path}:{name}": n for path, text in TEXTS.items() for name, n in branches(text) if n > MOST_BRANCHES}
    assert set(found) == set(BEYOND), found
    assert len(BEYOND) <= 5


def test_few_functions_are_long() -> None:
    found = {f"{path}:{name}": n for path, text in TEXTS.items() for name, n in lengths(text) if n > MOST_LINES}
    assert len(found) <= MOST_LONG, found
