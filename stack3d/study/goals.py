"""Goals, and limits that a design has to keep, over the outputs of a case."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import unit_text
from stack3d.chances import SURE, range_held, variance_over_inputs
from stack3d.errors import ResultsError, brief
from stack3d.study.conditions import wrong
from stack3d.study.doubts import ACCURACIES, YIELD, Doubt, chips_wanted, doubt_of, surely, yield_doubt
from stack3d.study.expressions import CHIPS, NEVER, Expression, ExpressionValues, NamedOutput
from stack3d.study.measured_units import HOLDS, TRUTH, Units, constant_of

if TYPE_CHECKING:
    import xarray as xr

ROUNDING = 1e-12
"""Share of a limit by which it is missed in the last digits only, and so met: 97 % less 96 % is a little over 1 %."""
_ABOVE = (ast.GtE, ast.Gt)


def _worst(values: Any, *, largest: bool) -> float:
    """Over all that is left of an array."""
    if isinstance(values, float):
        return values
    return float(values.max(skipna=False) if largest else values.min(skipna=False))


@dataclass(frozen=True)
class Goal:
    """What is wanted small or large."""

    expression: Expression
    is_minimised: bool

    @classmethod
    def parse(cls, text: str, *, minimise: bool, key: str = "") -> Goal:
        """Read a goal, under a `key` of the deck; raises DeckError."""
        found = Expression.parse(text, key or f"optimise.{'minimise' if minimise else 'maximise'}")
        if found.unit is TRUTH or (found.chips, found.draws, found.sure) != (None, None, None):
            raise found.wrong("wants a number; conditions stand under 'subject to'")
        return cls(found, minimise)

    @property
    def text(self) -> str:
        """As written."""
        return self.expression.text

    @property
    def unit(self) -> str:
        """Of its value, SI."""
        return "" if self.expression.unit is None else self.expression.unit.text

    @property
    def output(self) -> str:
        """Output that it names as a whole; "" for anything else."""
        return self.expression.whole(self.expression.tree)

    def of(self, case: xr.DataTree) -> float:
        """Value for a case, the worst over times and places; raises ResultsError where it has none."""
        value = _worst(ExpressionValues(self.expression, case).of(self.expression.tree), largest=self.is_minimised)
        if not math.isfinite(value):
            raise ResultsError(f"{self.text} is {value}")
        return value

    def over_chips(self, case: xr.DataTree) -> float:
        """Half the range that is known to hold 90 % of the chips of a case, see `range_held`; NaN where chips do not differ."""
        if not any(CHIPS in r.variable.dims for r in self.expression.references()):
            return math.nan
        apart = replace(self.expression, chips=1.0)
        values = ExpressionValues(apart, case).of(apart.tree)
        if isinstance(values, float) or CHIPS not in values.dims:
            return math.nan
        others = [dim for dim in values.dims if dim != CHIPS]
        chips = values.max(others, skipna=False) if self.is_minimised else values.min(others, skipna=False)
        low, high, _ = range_held(chips.values) if chips.notnull().all() else (math.nan,) * 3
        return 0.5 * (high - low)

    def by_mesh(self, case: xr.DataTree) -> float:
        """How far the errors by mesh and steps that a case states move the value; NaN where it states none."""
        ends = []
        for shift in (-1.0, 1.0):
            values = ExpressionValues(self.expression, case, shift=shift)
            ends.append(_worst(values.of(self.expression.tree), largest=self.is_minimised))
            if not values.has_errors:
                return math.nan
        return max(abs(end - self.of(case)) for end in ends)

    @property
    def few(self) -> str:
        """What there are few of, where `by_inputs` is told."""
        return "so few chips and test inputs" if self._is_yield else "so few test inputs"

    @property
    def _is_yield(self) -> bool:
        named = self.expression.named(self.expression.tree)
        return named is not None and named.variable.name == YIELD

    def by_inputs(self, case: xr.DataTree) -> float:
        """Twice the standard error over test inputs, of an accuracy alone; of a share of good chips how far few may put it off.

        NaN for anything else.
        """
        if (named := self.expression.named(self.expression.tree)) is not None and named.variable.name == YIELD:
            return max(yield_doubt(case, named.label, slope, SURE).size for slope in (-1.0, 1.0)) or math.nan
        if self.output not in ACCURACIES or (right := case["mvm"].dataset.get("input_accuracy_worst")) is None:
            return math.nan
        return 2.0 * math.sqrt(variance_over_inputs(np.asarray(right.values), np.asarray(float(right.mean()))))

    def is_at_least(self, case: xr.DataTree) -> bool:
        """Whether the value counts a time that does not come within the run as the run's end, so that it may be more."""
        if self.output not in NEVER:
            return False
        values = ExpressionValues(self.expression, case)
        values.of(self.expression.tree)
        return values.is_cut

    def told(self, value: float, *, at_least: bool = False) -> str:
        """The value as it is said."""
        return f"{'at least ' * at_least}{unit_text.value_told(value, self.unit, self.text)}"


@dataclass(frozen=True)
class Limit:
    """A condition that a design has to meet."""

    expression: Expression

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read a condition; raises DeckError."""
        found = Expression.parse(text, "optimise.subject to")
        if found.unit is not TRUTH:
            raise wrong(text, "wants a comparison, as 'temperature_max <= 85 degC'", found.key)
        if found.sure is not None and found.chips == 1:
            raise wrong(text, "asks for all chips there could be: no number of chips is sure; ask for a share", found.key)
        return cls(found)

    @property
    def text(self) -> str:
        """As written."""
        return self.expression.text

    @property
    def draws(self) -> float | None:
        """Share of the draws of what is not known that it has to hold for; None = without draws. [-]"""
        return self.expression.draws

    @property
    def unit(self) -> str | None:
        """In which a miss is told, SI; None for comparisons that are joined."""
        tree = self.expression.tree
        return Units(self.expression).number_of(tree.left, 1).text if isinstance(tree, ast.Compare) else None

    def missed_by(self, case: xr.DataTree, *, scaled: bool = True) -> float:
        """By how much a case misses it at its worst time and place, zero and below for one that meets it.

        Parameters
        ----------
        case : DataTree
        scaled : bool
            As a share of the limit, 50 K for temperatures; else in `unit`.

        Raises
        ------
        ResultsError
            Where the case does not have what is compared, or it is not a number.
        """
        value = self._missed(case, scaled, {})
        if math.isnan(value):
            raise ResultsError(f"{self.text}: what it compares is not a number")
        if self.expression.sure is not None:
            doubt = self._doubt(case, scaled, self.expression.sure)
            if math.isinf(doubt.size):
                raise ResultsError(self.too_few(doubt.chips))
            value += doubt.size
        if value > 0 and (value if scaled else self.missed_by(case)) <= ROUNDING:
            return 0.0
        return value

    def _missed(self, case: xr.DataTree, scaled: bool, moved: Mapping[NamedOutput, float], met_by: int | None = None) -> float:
        """What it is missed by; where it is for a share of the chips by the one that makes the share, or so many, full."""
        missed = ExpressionValues(self.expression, case, scaled=scaled, moved=moved).of(self.expression.tree)
        if self.expression.chips is not None and not isinstance(missed, float) and CHIPS in missed.dims:
            chips = missed.max([d for d in missed.dims if d != CHIPS], skipna=False)
            needed = met_by or math.ceil(self.expression.chips * chips.sizes[CHIPS] - 1e-9)
            missed = chips.isel({CHIPS: chips.argsort().values[needed - 1]}) if not chips.isnull().any() else chips
        return _worst(missed, largest=True)

    def doubt(self, case: xr.DataTree, *, scaled: bool = False) -> Doubt:
        """How far what it compares may be off by chance with a confidence of 95 %; nothing where it asks for one itself."""
        return Doubt() if self.expression.sure is not None else self._doubt(case, scaled, SURE)

    def _doubt(self, case: xr.DataTree, scaled: bool, sure: float) -> Doubt:
        found = doubt_of(self.expression, case, lambda moved: self._missed(case, scaled, moved), sure)
        if self.expression.chips in (None, 1.0) or not found.chips:
            return found
        met_by = surely(found.chips, self.expression.chips, sure)
        if met_by is None:
            return found._replace(size=math.inf)
        return found._replace(size=found.size + self._missed(case, scaled, {}, met_by) - self._missed(case, scaled, {}))

    def doubt_told(self, missed: float, doubt: Doubt) -> str:
        """What is said where chance may make it met, or missed; empty where it does not, or that is not known."""
        if not doubt.of or abs(missed) > doubt.size or math.isnan(missed):
            return ""
        if math.isinf(doubt.size):
            return f", but {doubt.of} cannot tell: {chips_wanted(self.expression.chips or 0.0, SURE)} chips would be needed"
        size = unit_text.off_by(doubt.size, self.unit or "", self.text)
        return f", but {doubt.of} cannot tell: ± {size} with a confidence of {100 * SURE:.0f} %"

    def too_few(self, chips: int) -> str:
        """What is said where so many chips are too few for the confidence asked for; empty where they are enough."""
        share, sure = self.expression.chips, self.expression.sure
        if sure is None:
            return ""
        wanted = 0
        if share is not None and surely(chips, share, sure) is None:
            wanted = chips_wanted(share, sure)
        elif share is None and (least := self._least_yield()):
            wanted = chips_wanted(least, 0.5 + 0.5 * sure)  # one half of the doubt is that of test inputs
        text = f"{self.text} wants at least {wanted} chips, and has {chips} (monte_carlo.samples)"
        return text if wanted > chips else ""

    def _least_yield(self) -> float:
        """Share of good chips that it asks for at least, by itself; 0 for anything else."""
        tree = self.expression.tree
        if not isinstance(tree, ast.Compare) or len(tree.ops) > 1 or not isinstance(tree.ops[0], _ABOVE):
            return 0.0
        named, value = self.expression.named(tree.left), constant_of(tree.comparators[0]) or 0.0
        is_asked = named is not None and named.variable.name == YIELD and named.label in (None, "all", "cells")
        return value if is_asked and 0 < value < 1 else 0.0

    def told(self, missed: float) -> str:
        """By how much it is missed, or how far it is from being missed."""
        return f"by {unit_text.off_by(abs(missed), self.unit or '', self.text)}"

    @property
    def line(self) -> tuple[str, float]:
        """Output that is compared as a whole ("" for anything else), and the constant it is compared with (NaN). [SI]"""
        tree = self.expression.tree
        value = constant_of(tree.comparators[0]) if isinstance(tree, ast.Compare) and len(tree.ops) == 1 else None
        if not isinstance(tree, ast.Compare) or value is None:
            return "", math.nan
        return self.expression.whole(tree.left), value

    @property
    def side(self) -> tuple[str, float]:
        """What is compared with a constant, as written, and 1 where less of it is better, else -1; "" for anything else."""
        tree = self.expression.tree
        if math.isnan(self.line[1]) or not isinstance(tree, ast.Compare) or isinstance(tree.ops[0], ast.Eq):
            return "", math.nan
        written = re.split(r"<=?|>=?", self.text, maxsplit=1)[0].strip()
        return written, -1.0 if isinstance(tree.ops[0], _ABOVE) else 1.0

    def bounds(self) -> Iterator[tuple[str, float, float]]:
        """(what, lowest, highest) of every comparison with a constant that has to hold."""
        waiting: list[ast.expr] = [self.expression.tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
                waiting += node.values
            elif isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for op, a, b in zip(node.ops, sides[:-1], sides[1:]):
                    yield from self._bound(op, a, b)

    def _bound(self, op: ast.cmpop, a: ast.expr, b: ast.expr) -> Iterator[tuple[str, float, float]]:
        left, right = constant_of(a), constant_of(b)
        if left is not None and right is not None and HOLDS[type(op)](left, right) > 0:
            yield self.text, 1.0, 0.0  # no number lies between
        if (left is None) == (right is None):
            return
        value = right if right is not None else left or 0.0
        is_low = isinstance(op, _ABOVE) == (right is not None)
        what = f"{ast.dump(b if right is None else a)} {self.expression.chips} {self.expression.draws} {self.expression.sure}"
        is_equal = isinstance(op, ast.Eq)
        yield what, value if is_low or is_equal else -math.inf, value if not is_low or is_equal else math.inf


def check_limits_agree(limits: Sequence[Limit]) -> None:
    """Refuse conditions that no number can meet together; raises DeckError."""
    known: dict[str, tuple[float, str, float, str]] = {}
    for limit in limits:
        for what, low, high in limit.bounds():
            lowest, low_text, highest, high_text = known.get(what, (-math.inf, "", math.inf, ""))
            if low > lowest:
                lowest, low_text = low, limit.text
            if high < highest:
                highest, high_text = high, limit.text
            known[what] = lowest, low_text, highest, high_text
            if lowest > highest:
                said = f"contradicts {brief(low_text if limit.text == high_text else high_text)}"
                raise wrong(limit.text, "contradicts itself" if low_text == high_text else said, "optimise.subject to")
