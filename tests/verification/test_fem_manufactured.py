"""Manufactured temperatures in DOLFINx: a flux that crosses material interfaces, anisotropic layers, k(T)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tensor_cases import grid, stack
from tetrahedra import structured

from stack3d.fe.linear_solver import LinearMethod
from stack3d.fe.space import Space
from stack3d.geometry.hexahedra import layered_cells
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.column_problem import ColumnProblem
from stack3d.thermal.fem.conduction import Conduction
from stack3d.thermal.fem.discretised import Discretised
from stack3d.thermal.fem.solver_of_cells import OnCells, solver_of_cells
from stack3d.thermal.fem.solver_on_grid import OnGrid
from stack3d.thermal.fem.steady import FemSolver
from stack3d.thermal.problem import Face, ThermalProblem

SIDE, FILM = 1e-3, 3e4
SLABS = [
    {"k": [60.0, 30.0, 120.0], "thickness": 0.3e-3},
    {"k": [1.0, 3.0, 2.0], "thickness": 0.1e-3},
    {"k": [400.0, 300.0, 200.0], "thickness": 0.4e-3},
]
HEIGHT = sum(slab["thickness"] for slab in SLABS)
SLOPE = 2.0 / HEIGHT
PUSH = 300.0
"""Makes the temperature vary by 150 K, so that k(T) varies by half. [W/m]"""


def slabs(exponent: float) -> Any:
    """The layers, all of one law of k(T), or else no flux would be continuous."""
    return stack((SIDE, SIDE), [{**slab, "exponent": exponent} for slab in SLABS])


def known(at: Discretised) -> tuple[Any, Any]:
    """A temperature T and K grad T, as expressions.

    T = 300 K + cos(a x) cos(a y) (g(z) / k_z + c) with g = -PUSH (1 - cos(b z)) and c such that T is continuous: k_z dT/dz is
    continuous and not zero where the material changes.
    """
    space, ufl, layers = at.space, at.space.ufl, at.problem.stack.layers
    z_cell = space.dolfinx.fem.Function(space.constants)
    z_cell.interpolate(lambda p: p[2])
    owner = np.searchsorted([layer.z1 for layer in layers[:-1]], z_cell.x.array)
    shift = [0.0]
    for low, high in zip(layers[:-1], layers[1:]):
        g = -PUSH * (1 - np.cos(SLOPE * low.z1))
        shift.append(shift[-1] + g * (1 / low.material.conductivity[2] - 1 / high.material.conductivity[2]))
    k, c = [space.dolfinx.fem.Function(space.constants) for _ in range(3)], space.dolfinx.fem.Function(space.constants)
    for axis in range(3):
        k[axis].x.array[:] = np.array([layer.material.conductivity[axis] for layer in layers])[owner]
    c.x.array[:] = np.array(shift)[owner]
    x, a = ufl.SpatialCoordinate(space.domain), np.pi / SIDE
    profile = -PUSH * (1 - ufl.cos(SLOPE * x[2])) / k[2] + c
    temperature = 300.0 + ufl.cos(a * x[0]) * ufl.cos(a * x[1]) * profile
    conducts = layers[0].material.conducts
    law = 1.0 if conducts is None else (temperature / 300.0) ** conducts.exponent
    slope = ufl.grad(temperature)
    return temperature, ufl.as_vector([law * k[i] * slope[i] for i in range(3)])


class Manufactured:
    """Puts the source and the film's reference of the known temperature into the load of a discretised problem."""

    def load(self: Any, sources: Sequence[HeatSource]) -> Floats:
        temperature, flux = known(self)
        space, degree = self.space, {"quadrature_degree": 6}
        film = FILM * (temperature - self.problem.reference) + flux[2]
        inside = -space.ufl.div(flux) * space.v * space.ufl.dx(metadata=degree)
        loads: Floats = space.vector(inside + film * space.v * space.handed.measure("top", degree))
        return loads


class Tetrahedra(Manufactured, OnCells):
    pass


class Hexahedra(Manufactured, OnGrid):
    pass


def error(kind: str, order: int, n: int, exponent: float) -> float:
    """L2 norm of the error over that of the field. [-]"""
    built = slabs(exponent)
    counts = [3 * n, n, 4 * n]
    at: Discretised
    if kind == "tetrahedra":
        problem = ColumnProblem(built, structured(built, 4 * n, 4 * n, counts), {"top": Face(FILM, 300.0)})
        at = Tetrahedra(problem, Space(problem.mesh, order, faces=problem.faces), solver_of_cells)
    else:
        layered = ThermalProblem(built, grid(built, 4 * n, 4 * n, counts), Face(FILM, 300.0))
        cells, nodes = layered_cells(built, layered.grid)
        at = Hexahedra(layered, Space(cells, faces=layered.faces, degree=2), nodes)
    solution = FemSolver(Conduction(at), LinearMethod("cg", "icc", 1e-11, 3000, fill=1)).solve([])
    space, (temperature, _) = at.space, known(at)
    found, dx = space.function(at.at_unknowns(solution.field.values)), space.ufl.dx(metadata={"quadrature_degree": 8})
    parts = [space.form(w**2 * dx) for w in (found - temperature, temperature - 300.0)]
    return float(np.sqrt(np.divide(*(space.dolfinx.fem.assemble_scalar(part) for part in parts))))


@pytest.mark.parametrize("exponent", [0.0, -1.3])
@pytest.mark.parametrize(
    ("kind", "order", "cells", "bound"),
    [
        ("hexahedra", 1, (1, 2, 4), 5e-3),
        pytest.param("tetrahedra", 1, (2, 4, 8), 5e-3, marks=pytest.mark.slow),
        ("tetrahedra", 2, (1, 2, 3, 4), 3e-4),
    ],
)
def test_order_with_flux_across_interfaces(
    kind: str, order: int, cells: tuple[int, ...], bound: float, exponent: float
) -> None:
    """Fitted order at least 1.9 for linear and 2.9 for quadratic elements in L2, and the last error small."""
    errors = np.array([error(kind, order, n, exponent) for n in cells])
    fitted = -np.polyfit(np.log(cells), np.log(errors), 1)[0]
    assert fitted >= order + 0.9
    assert errors[-1] < bound
