"""How far what a condition compares may be off by chance: few chips and few test inputs stand for all that there could be."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stack3d.chances import share_of_chips, variance_over, variance_over_inputs
from stack3d.layout import Floats
from stack3d.study.expressions import CHIPS, Expression, ExpressionValues, NamedOutput

if TYPE_CHECKING:
    import xarray as xr

ACCURACIES = ("accuracy", "accuracy_mean", "accuracy_worst")
"""Outputs that are means over test inputs too."""
YIELD = "yield"
"""Output that is a share of the chips, each judged by test inputs."""
STEP = 1e-4
"""Share of its size by which an output is changed to see what that does to a condition. [-]"""

Missed = Callable[[Mapping[NamedOutput, float]], float]
"""What a condition is missed by where some outputs are so much larger."""


class Doubt(NamedTuple):
    """How far a condition may be off by chance.

    Parameters
    ----------
    size : float
        On one side, in the unit of the condition or as a share of its limit; infinite where chips are too few for any answer.
    chips, inputs : int
        That it is judged by; 0 where it does not depend on them.
    """

    size: float = 0.0
    chips: int = 0
    inputs: int = 0

    @property
    def of(self) -> str:
        """What it is judged by, in words."""
        both = ((self.chips, "chip"), (self.inputs, "test input"))
        return " and ".join(f"{n} {word}{'s' * (n > 1)}" for n, word in both if n)


@dataclass
class _Weighed:
    """What each chip, and each test input, adds to what a condition is missed by."""

    by_chip: Floats = field(default_factory=lambda: np.zeros(0))
    by_input: Floats = field(default_factory=lambda: np.zeros(0))
    change: float = 0.0
    unit: float = 0.0

    def add(self, slope: float, named: NamedOutput, values: xr.DataArray, case: xr.DataTree) -> None:
        """An output, and how much a condition changes with it."""
        chips = values.mean([dim for dim in values.dims if dim != CHIPS], skipna=False)
        if CHIPS in values.dims:
            self.by_chip = slope * chips.values + (self.by_chip if self.by_chip.size else 0.0)
        if (inputs := _by_input(named, case)) is not None:
            self.by_input = slope * inputs + (self.by_input if self.by_input.size else 0.0)
            self.change += slope * float(chips.mean())
            self.unit = max(self.unit, abs(slope))

    def variance(self, sure: float, *, over_chips: bool) -> float:
        """Of both means, each times the square of how far off it may be with a confidence."""
        from scipy.special import ndtri, stdtrit

        found, n = 0.0, len(self.by_chip)
        if over_chips and n > 1:
            found += float(variance_over(self.by_chip)) * float(stdtrit(n - 1, sure)) ** 2
        if self.unit:
            one = variance_over_inputs(self.by_input / self.unit, np.asarray(self.change / self.unit))
            found += self.unit**2 * float(one) * float(ndtri(sure)) ** 2
        return found


def doubt_of(expression: Expression, case: xr.DataTree, missed: Missed, sure: float) -> Doubt:
    """Chance in a condition on means over chips and test inputs; of one for a share of the chips that of the inputs alone.

    Parameters
    ----------
    expression : Expression
    case : DataTree
    missed : callable
    sure : float
        Confidence. [-]

    Notes
    -----
    To first order: each output is moved a little to see what that does to the worst time and place. So weighed, what outputs
    are for a chip, or for a test input, adds up to one number: what chips or inputs share, as in a difference of accuracies,
    cancels. The variances of both means add, that of few chips by Student's t.
    """
    weighed, value, of_yield = _Weighed(), missed({}), Doubt()
    for named in dict.fromkeys(_averaged(expression.tree, expression)):
        values = ExpressionValues(expression, case).array_of(named)
        if CHIPS not in values.dims and named.variable.name not in (*ACCURACIES, YIELD):
            continue
        step = STEP * (float(np.abs(values).mean()) or 1.0)
        slope = (missed({named: step}) - value) / step if math.isfinite(step) else 0.0
        if not slope or not math.isfinite(slope):
            continue
        if named.variable.name == YIELD:
            found = yield_doubt(case, named.label, slope, sure)
            of_yield = found._replace(size=of_yield.size + found.size)
        else:
            weighed.add(slope, named, values.isel(time=-1) if "time" in values.dims else values, case)
    size = math.sqrt(weighed.variance(sure, over_chips=expression.chips is None)) + of_yield.size
    return Doubt(size, len(weighed.by_chip) or of_yield.chips, len(weighed.by_input) or of_yield.inputs)


def yield_doubt(case: xr.DataTree, label: str | int | None, slope: float, sure: float) -> Doubt:
    """How far a share of good chips may be off, times the change of a condition with it; see `share_of_chips`.

    Parameters
    ----------
    case : DataTree
    label : str or int or None
        Part of the share; None = all together.
    slope : float
        Of what the condition is missed by: below zero, chips may be worse than they seem, above it better. [1]
    sure : float
        Confidence. [-]
    """
    if label not in (None, "all", "cells") or "fresh_room" not in case["reliability"].dataset:
        return Doubt()
    shares, mvm = case["reliability/yield"], case["mvm"].dataset
    defects, bonds, cells = (float(shares.sel(yield_part=part)) for part in ("defects", "bonds", "cells"))
    room, fresh = np.asarray(case["reliability/fresh_room"].values), np.atleast_2d(mvm["accuracy"].values)[0]
    changes = np.asarray(mvm["input_accuracy_ideal"].values - np.atleast_2d(mvm["input_accuracy"].values)[0])
    low, high = share_of_chips(room, changes, float(mvm["accuracy_ideal"]) - float(fresh.mean()), sure)
    off = cells - low if slope < 0 else high - cells
    return Doubt(abs(slope) * off * (1.0 if label == "cells" else defects * bonds), room.size, changes.size)


def _averaged(node: ast.AST, expression: Expression) -> Iterator[NamedOutput]:
    """Outputs whose mean over chips counts: not those of which the largest or least chip does."""
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        yield expression.reference(node)
    elif not isinstance(node, ast.Call) or (isinstance(node.func, ast.Name) and node.func.id == "mean"):
        for part in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
            yield from _averaged(part, expression)


def _by_input(named: NamedOutput, case: xr.DataTree) -> Floats | None:
    """What each test input adds to an accuracy; None where it is none, or the case does not tell."""
    name = named.variable.name
    if name not in ACCURACIES or (found := case["mvm"].dataset.get("input_accuracy")) is None:
        return None
    if named.when == "start" or name == "accuracy":
        return np.asarray(found.values[0 if named.when == "start" else -1], dtype=float)
    return np.asarray(case["mvm/input_accuracy_worst"].values, dtype=float)


def surely(n: int, share: float, sure: float) -> int | None:
    """How many of `n` chips have to meet a condition for a share of all there could be to meet it; None where no number does.

    Notes
    -----
    C. J. Clopper and E. S. Pearson, Biometrika 26, 404, 1934: the least k whose lower confidence bound is the share.
    """
    from scipy.special import betaincinv

    k = np.arange(1, n + 1)
    enough = np.flatnonzero(betaincinv(k, n - k + 1.0, 1.0 - sure) >= share)
    return int(k[enough[0]]) if enough.size else None


def chips_wanted(share: float, sure: float) -> int:
    """Chips that show that a share of all meets a condition, where all of them do."""
    return math.ceil(math.log(1.0 - sure) / math.log(share) - 1e-9)
