"""Periodic steady state of any stack: the state that one period gives back, without marching to it; SI units."""

from __future__ import annotations

import numpy as np

from stack3d.errors import ArrayError, SolverError
from stack3d.layout import Floats
from stack3d.thermal.time.march import integrate
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.time.system import TransientSystem

FAST_SHARE = 0.85
"""What a mode that a period forgets is corrected by; with it no mode keeps more than 0.18 of its error (see Notes)."""
MOST_PERIODS = 30


def periodic_state(
    system: TransientSystem, schedule: PowerSchedule, *, tolerance: float, relative: float = 0.0
) -> tuple[Floats, int]:
    r"""State at the start of a period after infinitely many, and how many periods were marched to find it.

    Parameters
    ----------
    system : TransientSystem
    schedule : PowerSchedule
        With a period.
    tolerance : float
        Largest local error of a step, and largest distance from the periodic state (`TransientSystem.size`). [K]
    relative : float
        The same as a share of the rise by the mean power; the larger of the two counts. [-]

    Raises
    ------
    SolverError
        When the corrections do not shrink.

    Notes
    -----
    One period τ maps u to P(u). The gap g = P(u) - u asks for the correction (1 - P')⁻¹ g. A mode of rate λ has
    P' = e^{-x} with x = λ τ, and :math:`1/(1 - e^{-x}) \approx \theta + 1/x`, which is θ g + (τ K)⁻¹ M g: one steady solve.
    With θ = 0.85 the error shrinks by :math:`|1 - (1 - e^{-x})(\theta + 1/x)| \le 0.18` whatever x is, so that slow sinks cost
    no more than fast dies. Begins at the steady state of the mean power. Because the scheme keeps the heat balance of a
    period, the mean temperature has no error from the many time constants that are skipped.
    """
    period = schedule.period
    if period is None:
        raise ArrayError("schedule: a periodic steady state wants one with a period")
    lengths = np.diff([*schedule.times, period])
    mean = lengths @ schedule.powers / period
    state = system.solve(0.0, system.load(mean), system.start(system.problem.reference))
    tolerance = max(tolerance, relative * system.size(state - system.start(system.problem.reference)))
    size = np.inf
    for periods in range(1, MOST_PERIODS + 1):
        end = integrate(system, schedule, [period], initial=state, tolerance=tolerance).state
        gap = end - state
        change = FAST_SHARE * gap + system.correct(0.0, system.mass(gap) / period)
        last, size = size, system.size(change)
        state = state + change
        if size <= tolerance:
            return state, periods
        if not np.isfinite(size) or (periods > 5 and size > 2 * last):
            break
    raise SolverError(f"periodic: {periods} periods leave a change of {size:.1e} K, {tolerance:.1e} K asked; march instead")
