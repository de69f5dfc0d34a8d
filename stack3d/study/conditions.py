"""Conditions on swept keys: comparisons, arithmetic and and/or/not over values as they are written, units included."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stack3d.errors import DeckError, Problem, brief, did_you_mean
from stack3d.units import quantity

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
WHERE = "sweep.where"
"""Key of the conditions of a sweep."""
MOST_TEXT = 1000
"""Characters of a condition."""
MOST_DEPTH = 20
"""Operations inside each other."""
DEEP = f"has more than {MOST_DEPTH} operations inside each other"
LARGEST = 1e300
"""Number that is computed with."""


def _number(value: Any) -> Any:
    """SI value of a quantity; anything else as it is, a deck by its name."""
    if isinstance(value, Mapping):
        value = value.get("name", value)
    found = quantity(value)
    return value if found is None else found[0]


@dataclass(frozen=True)
class Condition:
    """A parsed condition.

    Parameters
    ----------
    text : str
    tree : ast.expr
    names : mapping of str to str
        What a condition may name (dotted key, or its dimension) → dotted key.
    key : str
        Of the deck.
    """

    text: str
    tree: ast.expr
    names: Mapping[str, str]
    key: str = WHERE

    @classmethod
    def parse(cls, text: str, dimensions: Mapping[str, str], key: str = WHERE) -> Condition:
        """Parse a condition, under a `key` of the deck, over swept keys (dotted key → dimension); raises DeckError."""
        names = {**{d: k for k, d in dimensions.items()}, **{k: k for k in dimensions}}
        condition = cls(text, expression_of(text, key), names, key)
        condition._check(condition.tree, 1)
        return condition

    def _check(self, node: ast.AST, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise self.wrong(DEEP)
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = dotted_name(node)
            if name not in self.names:
                known = ", ".join(sorted(self.names))
                raise self.wrong(f"names {name!r}, which is not swept{did_you_mean(name, self.names)}; swept: {known}")
            return
        allowed = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Constant, ast.List, ast.Tuple)
        parts = (*_COMPARE, *ARITHMETIC, ast.And, ast.Or, ast.Not, ast.USub, ast.Load)
        if not isinstance(node, (*allowed, *parts)):
            raise self.wrong(f"may compare, add, multiply, and, or and not; {type(node).__name__} is something else")
        if isinstance(node, ast.Constant) and not isinstance(node.value, (bool, int, float, str, type(None))):
            raise self.wrong(f"knows numbers and texts; {brief(node.value)} is neither")
        for child in ast.iter_child_nodes(node):
            self._check(child, depth + 1)

    def wrong(self, message: str) -> DeckError:
        """What is said of it."""
        return wrong(self.text, message, self.key)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the values of a point (dotted key → value) meet the condition; a key not set there meets any comparison."""
        return bool(_Valuation(self, values).visit(self.tree))


class _Valuation(ast.NodeVisitor):
    """Value of a condition at a point; None for what is not set there."""

    def __init__(self, condition: Condition, values: Mapping[str, Any]) -> None:
        self.condition, self.values = condition, values

    def visit_Constant(self, node: ast.Constant) -> Any:
        return _number(node.value)

    def visit_Name(self, node: ast.Name | ast.Attribute) -> Any:
        return _number(self.values.get(self.condition.names[dotted_name(node)]))

    visit_Attribute = visit_Name

    def visit_List(self, node: ast.List | ast.Tuple) -> Any:
        return [self.visit(item) for item in node.elts]

    visit_Tuple = visit_List

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        parts = (self.visit(part) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        inner = self.visit(node.operand)
        return not inner if isinstance(node.op, ast.Not) else -self._real(inner)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.visit(node.left), self.visit(node.right)
        if left is None or right is None:
            return None
        try:
            found = ARITHMETIC[type(node.op)](self._real(left), self._real(right))
        except ZeroDivisionError:
            raise self._wrong("divides by zero") from None
        if not math.isfinite(found):
            raise self._wrong("computes a number that is too large")
        return found

    def visit_Compare(self, node: ast.Compare) -> Any:
        sides = [self.visit(side) for side in (node.left, *node.comparators)]
        pairs = [(op, a, b) for op, a, b in zip(node.ops, sides[:-1], sides[1:]) if a is not None and b is not None]
        try:
            return all(_COMPARE[type(op)](a, b) for op, a, b in pairs)
        except TypeError as error:
            raise self._wrong(f"compares what cannot be compared: {error}") from None

    def generic_visit(self, node: ast.AST) -> Any:
        raise self._wrong(f"{type(node).__name__} has no value")

    def _real(self, value: Any) -> float:
        """A number to compute with; texts and lists are compared only."""
        if not isinstance(value, (int, float)) or abs(value) > LARGEST:
            raise self._wrong(f"computes with numbers; {brief(value)} is none, or too large")
        return value

    def _wrong(self, message: str) -> DeckError:
        return self.condition.wrong(message)


def dotted_name(node: ast.Name | ast.Attribute) -> str:
    """The name ``a.b.c``; another text where the expression is none."""
    parts: list[str] = []
    at: ast.expr = node
    while isinstance(at, ast.Attribute):
        parts.append(at.attr)
        at = at.value
    return ".".join([at.id if isinstance(at, ast.Name) else "(…)", *reversed(parts)])


def expression_of(text: str, key: str) -> ast.expr:
    """What an expression says, of bounded length and depth; raises DeckError under a `key` of the deck."""
    if not text.strip():
        raise wrong(text, "is empty", key)
    if len(text) > MOST_TEXT:
        raise wrong(text, f"has {len(text)} characters, at most {MOST_TEXT}", key)
    if sum(text.count(word) for word in "([-") + text.count("not ") > 10 * MOST_DEPTH:
        raise wrong(text, DEEP, key)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own advice on its own language
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        if error.offset:
            raise wrong(text, f"cannot be read at column {error.offset}: {error.msg}", key) from None
        ends = "it ends before it is complete" if error.msg == "invalid syntax" else error.msg
        raise wrong(text, f"cannot be read: {ends}", key) from None
    except (ValueError, RecursionError, MemoryError):
        raise wrong(text, "cannot be read", key) from None


def wrong(text: str, message: str, key: str) -> DeckError:
    """The error of an expression."""
    return DeckError(Problem(key, f"{brief(text)} {message}"))
