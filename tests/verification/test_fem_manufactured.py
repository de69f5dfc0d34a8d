"""Manufactured temperatures in DOLFINx: a flux that crosses material interfaces, anisotropic layers, k(T)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tensor_cases import grid, stack
from tetrahedra import structured

from stack3d.geometry.hexahedra import layered_cells
from stack3d.layout import Floats, HeatSource
from stack3d.thermal.column_problem import ColumnProblem
from stack3d.thermal.fem.solver_of_cells import MeshSolver
from stack3d.thermal.fem.solver_on_grid import FemSolver
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


class Manufactured:
    """Puts the source and the film's reference of a known temperature into the load of a solver.

    T = 300 K + cos(a x) cos(a y) (g(z) / k_z + c) with g = -PUSH (1 - cos(b z)) and c such that T is continuous: k_z dT/dz is
    continuous and not zero where the material changes.
    """

    def _known(self) -> tuple[Any, Any]:
        """T and K grad T, as expressions."""
        import ufl

        fem, mesh = self._dolfinx.fem, self._mesh  # type: ignore[attr-defined]
        constants = fem.functionspace(mesh, ("DG", 0))
        z_cell = fem.Function(constants)
        z_cell.interpolate(lambda p: p[2])
        layers = self.problem.stack.layers  # type: ignore[attr-defined]
        owner = np.searchsorted([layer.z1 for layer in layers[:-1]], z_cell.x.array)
        shift = [0.0]
        for low, high in zip(layers[:-1], layers[1:]):
            g = -PUSH * (1 - np.cos(SLOPE * low.z1))
            shift.append(shift[-1] + g * (1 / low.material.conductivity[2] - 1 / high.material.conductivity[2]))
        k = [fem.Function(constants) for _ in range(3)]
        for axis in range(3):
            k[axis].x.array[:] = np.array([layer.material.conductivity[axis] for layer in layers])[owner]
        c = fem.Function(constants)
        c.x.array[:] = np.array(shift)[owner]
        x, a = ufl.SpatialCoordinate(mesh), np.pi / SIDE
        profile = -PUSH * (1 - ufl.cos(SLOPE * x[2])) / k[2] + c
        temperature = 300.0 + ufl.cos(a * x[0]) * ufl.cos(a * x[1]) * profile
        law = (temperature / 300.0) ** layers[0].material.exponent
        slope = ufl.grad(temperature)
        return temperature, ufl.as_vector([law * k[i] * slope[i] for i in range(3)])

    def _load(self, sources: Sequence[HeatSource]) -> Floats:
        import ufl

        temperature, flux = self._known()
        v = ufl.TestFunction(self._space)  # type: ignore[attr-defined]
        degree = {"quadrature_degree": 6}
        film = FILM * (temperature - self._reference) + flux[2]  # type: ignore[attr-defined]
        return self._vector(-ufl.div(flux) * v * ufl.dx(metadata=degree) + film * v * self._handed.measure("top", degree))  # type: ignore[attr-defined, no-any-return]

    def error(self) -> float:
        """L2 norm of the error over that of the field. [-]"""
        import ufl

        solution = self.solve([])  # type: ignore[attr-defined]
        found = self._dolfinx.fem.Function(self._space)  # type: ignore[attr-defined]
        found.x.array[:] = self._at_unknowns(solution.field.values)  # type: ignore[attr-defined]
        temperature, _ = self._known()
        form, degree = self._dolfinx.fem.form, {"quadrature_degree": 8}  # type: ignore[attr-defined]
        parts = [form(w**2 * ufl.dx(metadata=degree)) for w in (found - temperature, temperature - 300.0)]
        return float(np.sqrt(np.divide(*(self._dolfinx.fem.assemble_scalar(part) for part in parts))))  # type: ignore[attr-defined]


class Tetrahedra(Manufactured, MeshSolver):
    pass


class Hexahedra(Manufactured, FemSolver):
    pass


def error(kind: str, order: int, n: int, exponent: float) -> float:
    built = slabs(exponent)
    counts, options = [3 * n, n, 4 * n], {"method": "direct", "tolerance": 1e-11}
    if kind == "tetrahedra":
        problem = ColumnProblem(built, structured(built, 4 * n, 4 * n, counts), {"top": Face(FILM, 300.0)})
        return Tetrahedra(problem, order=order, **options).error()
    layered = ThermalProblem(built, grid(built, 4 * n, 4 * n, counts), Face(FILM, 300.0))
    return Hexahedra(layered, *layered_cells(built, layered.grid), **options).error()


@pytest.mark.parametrize("exponent", [0.0, -1.3])
@pytest.mark.parametrize(
    ("kind", "order", "cells", "bound"),
    [("hexahedra", 1, (1, 2, 4), 5e-3), ("tetrahedra", 1, (2, 4, 8), 5e-3), ("tetrahedra", 2, (1, 2, 3, 4), 3e-4)],
)
def test_order_with_flux_across_interfaces(
    kind: str, order: int, cells: tuple[int, ...], bound: float, exponent: float
) -> None:
    """Fitted order at least 1.9 for linear and 2.9 for quadratic elements in L2, and the last error small."""
    errors = np.array([error(kind, order, n, exponent) for n in cells])
    fitted = -np.polyfit(np.log(cells), np.log(errors), 1)[0]
    assert fitted >= order + 0.9
    assert errors[-1] < bound
