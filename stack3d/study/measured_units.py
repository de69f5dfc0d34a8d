"""What parts of an expression over outputs are measured in: only what is alike is added or compared."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from stack3d import fields, units
from stack3d.errors import DeckError, brief
from stack3d.study.conditions import ARITHMETIC, DEEP, LARGEST, MOST_DEPTH

if TYPE_CHECKING:
    from stack3d.study.expressions import Expression

FUNCTIONS = ("max", "min", "mean", "sum")
"""Over all chips, times and places of what stands in their brackets."""
HOLDS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.LtE: lambda a, b: a - b,
    ast.Lt: lambda a, b: a - b,
    ast.GtE: lambda a, b: b - a,
    ast.Gt: lambda a, b: b - a,
    ast.Eq: lambda a, b: abs(a - b),
}
"""By how much a comparison is missed; zero and below is met."""


class MeasuredUnit(NamedTuple):
    """What a value is measured in: exponents of base dimensions, and how it is written."""

    dims: tuple[tuple[str, float], ...]
    text: str


NUMBER = MeasuredUnit((), "")
TRUTH = None


def constant_of(node: ast.AST) -> float | None:
    """SI value of a number, of a quantity, and of what is computed from such alone; None of what else there is, and of x/0."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = constant_of(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        left, right = constant_of(node.left), constant_of(node.right)
        if left is None or right is None or (isinstance(node.op, ast.Div) and right == 0):
            return None
        return float(ARITHMETIC[type(node.op)](left, right))
    if not isinstance(node, ast.Constant):
        return None
    found = units.quantity(node.value) if isinstance(node.value, str) else None
    return found[0] if found else float(node.value) if isinstance(node.value, (int, float)) else None


class Units:
    """Walks an expression as it is written: every part is known, and only what is alike is added or compared."""

    def __init__(self, owner: Expression) -> None:
        self.owner = owner

    def _wrong(self, message: str) -> DeckError:
        return self.owner.wrong(message)

    def of(self, node: ast.AST, depth: int) -> MeasuredUnit | None:
        """Unit of a part; None for what is true or false."""
        if depth > MOST_DEPTH:
            raise self._wrong(DEEP)
        if isinstance(node, ast.Constant):
            return self._literal(node.value)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            found = self.owner.reference(node).variable
            return MeasuredUnit(units.dimensions_of(found.units), "" if found.units == "1" else found.units)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            return self._combined(node, self.number_of(node.left, depth), self.number_of(node.right, depth))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.number_of(node.operand, depth)
        self._truth(node, depth)
        return TRUTH

    def _truth(self, node: ast.AST, depth: int) -> None:
        """Check what is true or false."""
        if isinstance(node, ast.Compare) and all(type(op) in HOLDS for op in node.ops):
            sides = [node.left, *node.comparators]
            first, *others = (self.number_of(side, depth) for side in sides)
            for other in others:
                self._alike(first, other, "compares")
            self._check_shares(sides)
        elif isinstance(node, ast.BoolOp):
            if any(self.of(part, depth + 1) is not TRUTH for part in node.values):
                raise self._wrong("joins by and, or, what is no comparison")
        else:
            kind = type(node).__name__
            raise self._wrong(f"may compare (<= >= < > ==), add, multiply, and, or; {kind} is something else")

    def _check_shares(self, sides: list[ast.expr]) -> None:
        """Raise DeckError where a share is compared with more than one: per cent are written with their sign."""
        share = next((name for side in sides if (name := self._share(side))), "")
        for value in map(constant_of, sides) if share else ():
            if value is not None and abs(value) > 1:
                meant = f", as {value:g} %" if abs(value) <= 100 else ""
                raise self._wrong(
                    f"compares {share}, a share from 0 to 1, with {value:g}: per cent are written with their sign{meant}"
                )

    def _share(self, node: ast.expr) -> str:
        """Output that makes a part a share, or a difference of shares; empty for other parts."""
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            found = self.owner.reference(node).variable
            return found.name if fields.is_share(found) else ""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id != "sum":
            return self._share(node.args[0])
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            names = [self._share(side) for side in (node.left, node.right) if constant_of(side) is None]
            return names[0] if names and all(names) else ""
        return self._share(node.operand) if isinstance(node, ast.UnaryOp) else ""

    def number_of(self, node: ast.AST, depth: int) -> MeasuredUnit:
        """Unit of a part that has to be a number."""
        unit = self.of(node, depth + 1)
        if unit is TRUTH:
            raise self._wrong("computes with a comparison as if it were a number")
        return unit

    def _literal(self, value: Any) -> MeasuredUnit:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST:
            return NUMBER
        found = units.quantity(value)
        if found is None or not abs(found[0]) <= LARGEST:
            what = "is neither" if found is None else "is too large"
            raise self._wrong(f"knows numbers and quantities; {brief(value)} {what}")
        return MeasuredUnit(units.dimensions_of(found[1]), found[1])

    def _call(self, node: ast.Call, depth: int) -> MeasuredUnit:
        name = node.func.id if isinstance(node.func, ast.Name) else "(…)"
        if name not in FUNCTIONS or len(node.args) != 1 or node.keywords:
            raise self._wrong(f"knows {', '.join(f'{f}(…)' for f in FUNCTIONS)} of one thing; {name}(…) is something else")
        return self.number_of(node.args[0], depth)

    def _alike(self, one: MeasuredUnit, other: MeasuredUnit, verb: str) -> None:
        if one.dims != other.dims:
            said = [unit.text or "a number without unit" for unit in (one, other)]
            raise self._wrong(f"{verb} {said[0]} with {said[1]}")

    def _combined(self, node: ast.BinOp, left: MeasuredUnit, right: MeasuredUnit) -> MeasuredUnit:
        if isinstance(node.op, ast.Div) and constant_of(node.right) == 0:
            raise self._wrong("divides by zero")
        if isinstance(node.op, (ast.Add, ast.Sub)):
            self._alike(left, right, "adds")
            return left
        sign = 1 if isinstance(node.op, ast.Mult) else -1
        powers = dict(left.dims)
        for name, power in right.dims:
            powers[name] = powers.get(name, 0.0) + sign * power
        dims = tuple(sorted((name, power) for name, power in powers.items() if power))
        if not right.text:
            return MeasuredUnit(dims, left.text)
        if sign > 0:
            return MeasuredUnit(dims, f"{left.text} {right.text}".strip())
        return MeasuredUnit(dims, f"{left.text or '1'}/({right.text})" if dims else "")
