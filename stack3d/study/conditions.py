"""Conditions on swept keys: comparisons, arithmetic and and/or/not over values as they are written, units included."""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
_SPOKEN = frozenset(("and", "or", "not", "in", "is", "if", "else", "for", "lambda", "True", "False", "None"))
"""Words of Python that keep their meaning, where no dot stands beside them."""
_WORDS = re.compile(rf"""("[^"]*"|'[^']*')|(\.\s*)?\b({"|".join(keyword.kwlist)})\b(\s*\.)?""")
_WIDE = ord("Ａ") - ord("A")
LARGEST = 1e300
"""Number that is computed with."""
MOST_TOLD = 12
"""Names that a message lists."""

Value = Callable[[Mapping[str, Any]], Any]
"""Value of a part of a condition at a point: dotted key → value."""


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
                known = ", ".join(sorted(self.names)[:MOST_TOLD]) + (", …" if len(self.names) > MOST_TOLD else "")
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
        return bool(self._value(values))

    @cached_property
    def _value(self) -> Value:
        return _Valuation(self).of(self.tree)


class _Valuation(ast.NodeVisitor):
    """Makes of every part of a condition, once, what gives its value at a point; None for what is not set there."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition

    def of(self, node: ast.AST) -> Value:
        made: Value = self.visit(node)
        return made

    def visit_Constant(self, node: ast.Constant) -> Value:
        constant = _number(node.value)
        return lambda values: constant

    def visit_Name(self, node: ast.Name | ast.Attribute) -> Value:
        key = self.condition.names[dotted_name(node)]
        return lambda values: _number(values.get(key))

    visit_Attribute = visit_Name

    def visit_List(self, node: ast.List | ast.Tuple) -> Value:
        items = [self.of(item) for item in node.elts]
        return lambda values: [item(values) for item in items]

    visit_Tuple = visit_List

    def visit_BoolOp(self, node: ast.BoolOp) -> Value:
        parts, join = [self.of(part) for part in node.values], all if isinstance(node.op, ast.And) else any
        return lambda values: join(part(values) for part in parts)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Value:
        inner = self.of(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda values: not inner(values)
        return lambda values: -self._real(inner(values))

    def visit_BinOp(self, node: ast.BinOp) -> Value:
        return self._computed(ARITHMETIC[type(node.op)], self.of(node.left), self.of(node.right))

    def visit_Compare(self, node: ast.Compare) -> Value:
        return self._compared([_COMPARE[type(op)] for op in node.ops], [self.of(n) for n in (node.left, *node.comparators)])

    def generic_visit(self, node: ast.AST) -> Value:
        raise self._wrong(f"{type(node).__name__} has no value")

    def _computed(self, how: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
        def value(values: Mapping[str, Any]) -> Any:
            a, b = left(values), right(values)
            if a is None or b is None:
                return None
            try:
                found = how(self._real(a), self._real(b))
            except ZeroDivisionError:
                raise self._wrong("divides by zero") from None
            if not math.isfinite(found):
                raise self._wrong("computes a number that is too large")
            return found

        return value

    def _compared(self, how: Sequence[Callable[[Any, Any], Any]], sides: Sequence[Value]) -> Value:
        def value(values: Mapping[str, Any]) -> bool:
            there = [side(values) for side in sides]
            try:
                return all(op(a, b) for op, a, b in zip(how, there[:-1], there[1:]) if a is not None and b is not None)
            except TypeError as error:
                raise self._wrong(f"compares what cannot be compared: {error}") from None

        return value

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
            return ast.parse(_WORDS.sub(_as_name, text.strip()), mode="eval").body
    except SyntaxError as error:
        if error.offset:
            raise wrong(text, f"cannot be read at column {error.offset}: {error.msg}", key) from None
        ends = "it ends before it is complete" if error.msg == "invalid syntax" else error.msg
        raise wrong(text, f"cannot be read: {ends}", key) from None
    except (ValueError, RecursionError, MemoryError):
        raise wrong(text, "cannot be read", key) from None


def _as_name(found: re.Match[str]) -> str:
    """A word of Python that is a name here, as ``yield`` is: its first letter wide, which Python reads as the same name."""
    quoted, dot, word, other_dot = found.groups()
    if quoted or (word in _SPOKEN and not (dot or other_dot)):
        return found[0]
    return f"{dot or ''}{chr(ord(word[0]) + _WIDE)}{word[1:]}{other_dot or ''}"


def wrong(text: str, message: str, key: str) -> DeckError:
    """The error of an expression."""
    return DeckError(Problem(key, f"{brief(text)} {message}"))
