"""How a model in time learns what a start does whose parts have temperatures of their own; SI units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stack3d.layout import Floats
from stack3d.thermal.compact.compact_model import SHORTER
from stack3d.thermal.compact.followed_in_time import ANYWHERE
from stack3d.thermal.compact.model_in_time import ModelInTime
from stack3d.thermal.compact.time_reduction import (
    FASTER,
    GROWN,
    MOST_HALVINGS,
    PER_DECADE,
    SETTLED,
    SOLVE,
    TEST,
    TESTED,
    TimeReduction,
    not_within,
)

EARLY = 2.0**-8
"""First step of the test over the shortest time."""


class MissedByStart(NamedTuple):
    """What a model misses of a start, over the largest rise of it.

    Parameters
    ----------
    later : float
        Estimated error of any node from the shortest time on. [-]
    highest : float
        That of the highest and the lowest temperature that any node has by then. [-]
    """

    later: float
    highest: float


def started_model(
    reduction: TimeReduction, rise: Floats, shortest: float, tolerance: float
) -> tuple[ModelInTime, MissedByStart]:
    """The model with a start and its answers at rates up to 3 / `shortest`, which join.

    Parameters
    ----------
    reduction : TimeReduction
    rise : ndarray, shape (nodes,)
        That the solid begins with. [K]
    shortest : float
        Time from which on the model has to hold. [s]
    tolerance : float
        Largest error later, over the largest rise of the start. [-]

    Raises
    ------
    SolverError
        Where the tolerance is not met.

    Notes
    -----
    A solid that is left alone follows the heat it begins with as one that gets it in a pulse: the same rational Krylov space,
    of one load more. As the start itself joins, its temperatures are those of the mesh at time zero; what fades before
    `shortest` is not followed, and what that means for extremes is told.
    """
    parts, span = reduction.parts, reduction.span
    span.join(rise)
    heat, gaps = parts.mass(rise), dict[tuple[float, ...], list[float]]()
    for films in dict.fromkeys((tuple(parts.highest), tuple(parts.lowest))):
        slowest = float(reduction.model().at(np.array(films)).rates[0])
        fastest = max(FASTER / shortest, 10 * slowest)
        count = int(np.ceil(PER_DECADE * np.log10(fastest / slowest))) + 1
        gaps[films] = np.geomspace(slowest, fastest, count).tolist()
        for rate in gaps[films]:
            span.join(parts.solve(np.array(films), rate, heat, SOLVE))
    for _ in range(MOST_HALVINGS):
        model = reduction.model()
        if (missed := _missed(reduction, model, rise, shortest)).later <= tolerance:
            return model, missed
        for films, rates in gaps.items():
            middles = np.sqrt(np.array(rates[:-1]) * rates[1:]).tolist()
            for rate in middles:
                span.join(parts.solve(np.array(films), rate, heat, SOLVE))
            gaps[films] = sorted([*rates, *middles])
    raise not_within(parts, tolerance, f"; the start leaves {missed.later:.1e}")


def _missed(reduction: TimeReduction, model: ModelInTime, rise: Floats, shortest: float) -> MissedByStart:
    """By implicit steps that mesh and model take alike, and which grow, with films between the lowest and the highest."""
    parts, rows = reduction.parts, reduction.span.rows
    films = np.sqrt(parts.lowest * parts.highest)
    modes = model.at(films)
    state, now, step, passed, off = rise, reduction.span.images @ rise @ modes.modes, EARLY * shortest, 0.0, 0.0
    ends = [(rise, rise), (rise, rise)]
    while passed < max(SETTLED / modes.rates[0], 2 * shortest):
        now = now / (1 + step * modes.rates)
        near = (modes.modes @ now) @ rows
        state = parts.solve(films, 1 / step, parts.mass(state) / step, TEST, near=near)
        passed += step
        if passed < SHORTER * shortest:
            ends = [(np.minimum(low, one), np.maximum(high, one)) for (low, high), one in zip(ends, (state, near))]
        else:
            missed = near - state
            off = max(off, ANYWHERE * float(np.abs(missed).max()), TESTED * float(np.abs(parts.weights @ missed).max()))
        step = min(step * GROWN, 0.25 * shortest) if passed < 0.9 * shortest else step * GROWN
    far = max(float(np.abs(one - other).max()) for one, other in zip(*ends))
    scale = float(np.abs(rise).max())
    return MissedByStart(off / scale, ANYWHERE * far / scale)
