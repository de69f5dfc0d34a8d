"""What a temperature owes to each residual: one solve with the transposed Jacobian of the steady state; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats
from stack3d.thermal.grid.cell_properties import to_corners
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.problem import ThermalProblem

MOST_PASSES = 60
"""Solves of an adjoint where conductivities follow the temperature."""


def cell_heat(problem: ThermalProblem, solver: TensorSolver, first: Floats, second: Floats) -> Floats:
    """First nodal field times the element matrices at 300 K times the second, shape (nz, ny, nx). [W K]

    Parameters
    ----------
    problem : ThermalProblem
    solver : TensorSolver
        Whose cells conduct.
    first, second : ndarray, shape (nz+1, ny+1, nx+1)
        [K]
    """
    grid = problem.grid
    lengths = (np.diff(grid.z)[:, None, None], np.diff(grid.y)[None, :, None], np.diff(grid.x)[None, None, :])
    lengths = (np.where(lengths[0] > 0, lengths[0], np.inf), *lengths[1:])  # contacts do not follow the temperature
    total = np.zeros(tuple(n - 1 for n in first.shape))
    k = np.stack([np.broadcast_to(solver.cells.conductivity[i], (3, *total.shape[1:])) for i in grid.layer], axis=1)
    for differenced in product((False, True), repeat=3):  # along z, y, x
        a, b = (_combined(field, differenced) for field in (first, second))
        for axis, conductivity in zip((2, 1, 0), k):
            if not differenced[axis]:
                continue
            weight = conductivity / lengths[axis]
            for other in (o for o in range(3) if o != axis):
                weight = weight * (lengths[other] / (12.0 if differenced[other] else 4.0))
            total += np.where(np.isfinite(weight), weight, 0.0) * a * b
    return total


def _combined(field: Floats, differenced: Sequence[bool]) -> Floats:
    """Sums, or differences, of neighbouring nodes along each axis."""
    for axis, is_difference in enumerate(differenced):
        low, high = np.take(field, range(field.shape[axis] - 1), axis), np.take(field, range(1, field.shape[axis]), axis)
        field = high - low if is_difference else high + low
    return field


def adjoint(solver: TensorSolver, temperature: Floats, weights: Floats) -> Floats:
    """Change of a weighted sum of nodal temperatures per watt that a node lacks, shape (nz+1, ny+1, nx+1). [K W⁻¹]

    Parameters
    ----------
    solver : TensorSolver
    temperature : ndarray, shape (nz+1, ny+1, nx+1)
        The steady state. [K]
    weights : ndarray, shape (nz+1, ny+1, nx+1)

    Raises
    ------
    SolverError
        When conductivities follow the temperature so steeply that the solves do not settle.

    Notes
    -----
    Where conductivities follow the temperature the Jacobian is not symmetric: its transpose is the operator at that
    temperature, plus the slope of k(T) times the heat that each element carries between adjoint and temperature. The second
    part is small and goes to the right-hand side.
    """
    if solver.is_linear:
        return solver.solve_loads(weights)
    problem, grid, cells = solver.problem, solver.problem.grid, solver.cells
    frozen = TensorSolver(problem, rtol=solver.rtol, preconditioner=solver.preconditioner, at=temperature)
    _, slope = cells.conductivity_slope(grid, temperature)
    rise = temperature - problem.reference
    found = frozen.solve_loads(weights)
    for _ in range(MOST_PASSES):
        lacking = to_corners(slope * cell_heat(problem, solver, found, rise))
        before, found = found, frozen.solve_loads(weights - lacking)
        if np.abs(found - before).max() <= max(solver.rtol, 1e-13) * np.abs(found).max():
            return found
    raise SolverError("the adjoint of k(T) has not settled: the stack is close to a runaway")
