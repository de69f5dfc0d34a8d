"""What is called with many arguments says what they are: a Parameters section with units and shapes, said once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from program_trees import trees

MANY = 4
"""Arguments from which a name and a type no longer say it all."""
Function = ast.FunctionDef


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Functions and methods by dotted name, without those inside others and without private ones."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from ((f"{node.name}.{part.name}", part) for part in node.body if isinstance(part, Function))


def arguments(node: Function) -> list[str]:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *([node.args.kwarg] if node.args.kwarg else [])]
    return [a.arg for a in given if a.arg not in ("self", "cls")]


def entries(node: Function) -> dict[str, str]:
    """Text on each name of the Parameters section."""
    text = ast.get_docstring(node) or ""
    found = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", text, re.MULTILINE | re.DOTALL)
    out: dict[str, str] = {}
    for part in re.split(r"\n(?=\S)", found[1].strip()) if found else ():
        for name in part.split("\n")[0].split(" : ")[0].split(","):
            out[name.strip().lstrip("*")] = part
    return out


PUBLIC = [
    (f"{path}:{name}", node)
    for path, tree in trees().items()
    for name, node in functions(tree)
    if not node.name.startswith("_") and len(arguments(node)) >= MANY
]
SAID = {(node.name, tuple(arguments(node))) for _, node in PUBLIC if entries(node)}
"""Names with their arguments that are explained somewhere: what fills a protocol need not say it again."""


def is_elsewhere(node: Function) -> bool:
    """Whether another place says it: the class that is overridden, or the help of a command's options."""
    decorators = " ".join(ast.unparse(d) for d in node.decorator_list)
    return "override" in decorators or "overload" in decorators or "app.command" in decorators


def test_every_function_of_many_arguments_explains_them() -> None:
    bare = [
        where
        for where, node in PUBLIC
        if not is_elsewhere(node) and not entries(node) and (node.name, tuple(arguments(node))) not in SAID
    ]
    assert bare == []


def test_parameters_are_those_of_the_signature() -> None:
    assert [
        (where, arguments(n), list(entries(n))) for where, n in PUBLIC if entries(n) and set(arguments(n)) ^ set(entries(n))
    ] == []


def test_arrays_say_their_shape_and_numbers_their_unit() -> None:
    wrong = []
    for where, node in PUBLIC:
        for name, text in entries(node).items():
            kind = text.split("\n")[0].partition(" : ")[2]
            if kind.startswith("ndarray") and not re.search(r"shape|broadcast", text, re.IGNORECASE):
                wrong.append(f"{where}: {name} has no shape")
            if kind.startswith("float") and not re.search(r"\[[^\]]+\]", text):
                wrong.append(f"{where}: {name} has no unit")
    assert wrong == []
