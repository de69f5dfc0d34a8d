"""Conductivity that follows the temperature by every law on every kind of mesh, and laws against their own closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tensor_cases import grid, stack
from tetrahedra import structured

from stack3d.geometry.hexahedra import layered_cells
from stack3d.layout import HeatSource
from stack3d.schema.material_laws import (
    DopedSilicon,
    MaterialLaw,
    PolynomialOfTemperature,
    PowerOfTemperature,
    TableOfTemperature,
    material_laws,
)
from stack3d.thermal.column_problem import ColumnProblem
from stack3d.thermal.fem.solver_of_cells import solver_of_cells
from stack3d.thermal.fem.solver_on_grid import solver_on_grid
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.mesh_problem import CellProblem
from stack3d.thermal.places import Box
from stack3d.thermal.problem import Face, ThermalProblem
from stack3d.thermal.time.march import integrate
from stack3d.thermal.time.schedule import PowerSchedule

K, DEPTH, SIDE, COLD = 148.0, 0.4e-3, 2e-5, 320.0
LAWS: dict[str, MaterialLaw] = {
    "power": PowerOfTemperature(value=1.0, exponent=-1.3),
    "table": TableOfTemperature(temperatures=("300 K", "340 K", "400 K", "600 K"), values=(148.0, 125.0, 104.0, 62.0)),
    "polynomial": PolynomialOfTemperature(value=1.0, coefficients=(2.0, -2.5e-3, 1e-6), valid=("250 K", "700 K")),
    "doped_silicon": DopedSilicon(value=110.0),
}

KINDS = ("tensor", "fem", "own", "tetrahedra 1", "tetrahedra 2")
WORST = {"power": 4e-4, "table": 1e-3, "polynomial": 1e-4, "doped_silicon": 2e-4}
"""Error over the rise with 8 cells of one conductivity each, at most (k'/k ΔT)² of a cell; kinks of a table count once more."""


def tried(laws: dict[str, MaterialLaw]) -> list[Any]:
    """Every law on every kind of mesh; order 1 costs as much as order 2 and shows little more, so that one law of it will do."""
    slow = [pytest.mark.slow]
    return [pytest.param(n, k, marks=slow if k == "tetrahedra 1" and n != "power" else []) for n in laws for k in KINDS]


def kirchhoff(law: MaterialLaw, k: float, flux: float, distance: float) -> float:
    """Temperature at which the integral of k(T) from the cold face is flux times distance, by bisection on fine Simpson sums. [K]"""

    def carried(hot: float) -> float:
        t = np.linspace(COLD, hot, 20001)
        f = law.factor(t)
        return float(k * (t[1] - t[0]) / 3 * (f[0] + f[-1] + 4 * f[1:-1:2].sum() + 2 * f[2:-1:2].sum()))

    low, high = COLD, 1000.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if carried(middle) < flux * distance else (low, middle)
    return low


def bottom(kind: str, law: MaterialLaw, flux: float, cells: int) -> tuple[float, float]:
    """Temperature of the heated bottom of a slab whose top is held [K], and heat that leaves [W], on a kind of mesh."""
    slab = {"name": "slab", "k": K, "thickness": DEPTH, "conducts": law}
    built = stack((SIDE, SIDE), [slab])
    faces = {"top": Face(np.inf, COLD), "bottom": Face(flux=flux)}
    lines = grid(built, 2, 2, [cells])
    solver: Any
    if kind == "tensor":
        solver = TensorSolver(ThermalProblem(built, lines, **faces), rtol=1e-11)
    elif kind == "fem":
        hexahedra, nodes = layered_cells(built, lines)
        solver = solver_on_grid(ThermalProblem(built, lines, **faces), hexahedra, nodes, tolerance=1e-11)
    elif kind == "own":
        hexahedra, _ = layered_cells(built, lines)
        solver = solver_of_cells(CellProblem(built, hexahedra, faces), tolerance=1e-11)
    else:
        solver = solver_of_cells(
            ColumnProblem(built, structured(built, 1, 1, cells), faces), order=int(kind[-1]), tolerance=1e-11
        )
    solution = solver.solve([])
    return solution.field.layer_peak("slab")[0], solution.face_heat["top"]


def test_every_law_of_the_package_is_tried() -> None:
    assert {n for n in material_laws if material_laws[n].__module__.startswith("stack3d.")} == set(LAWS)


@pytest.mark.parametrize(("name", "kind"), tried(LAWS))
def test_a_slab_obeys_kirchhoff(name: str, kind: str) -> None:
    """Heat through a slab whose k follows the temperature by about a half: integral of k dT = flux times distance."""
    law, flux = LAWS[name], 3.5e7
    exact = kirchhoff(law, K, flux, DEPTH)
    assert exact - COLD > 100
    errors = []
    for cells in (4, 8):
        found, heat = bottom(kind, law, flux, cells)
        assert heat == pytest.approx(flux * SIDE**2, rel=1e-8)
        errors.append(abs(found - exact) / (exact - COLD))
    assert errors[1] < WORST[name], errors
    is_plain = name != "table" and not kind.startswith("tet")  # kinks, and elements that are not alike, spoil the order
    assert not is_plain or errors[1] < 0.3 * errors[0] or errors[1] < 1e-8, errors


@pytest.mark.parametrize("name", LAWS)
def test_the_integral_is_that_of_the_factor(name: str) -> None:
    """By central differences, beyond the ends of the range too; nothing at 300 K, where the factor is 1."""
    law, t, step = LAWS[name], np.linspace(262.0, 800.0, 77), 1e-3
    assert law.factor(np.array(300.0)) == pytest.approx(1.0, abs=1e-15)
    assert law.integral(np.array(300.0)) == pytest.approx(0.0, abs=1e-12)
    slope = (law.integral(t + step) - law.integral(t - step)) / (2 * step)
    np.testing.assert_allclose(slope, law.factor(t), rtol=1e-7)


def test_pure_silicon_is_as_measured() -> None:
    """Recommended values of Glassbrenner and Slack 1964, table V of bulk silicon, within 4 %."""
    kelvin = [300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0]
    measured = [156.0, 105.0, 80.0, 64.0, 52.0, 43.0, 35.6, 31.0]
    law = DopedSilicon()
    np.testing.assert_allclose(law.at_reference[0] * law.factor(np.array(kelvin)), measured, rtol=0.04)


def test_dopants_add_what_does_not_depend_on_temperature() -> None:
    t = np.linspace(250.0, 900.0, 14)
    pure, doped = DopedSilicon(), LAWS["doped_silicon"]
    added = 1 / (doped.at_reference[0] * doped.factor(t)) - 1 / (pure.at_reference[0] * pure.factor(t))
    np.testing.assert_allclose(added, 1 / 110.0 - 1 / pure.at_reference[0], rtol=1e-9)


CAPACITY, FLUX = 1.66e6, 4e4
STORES = {
    "power": PowerOfTemperature(value=1.0, exponent=0.8),
    "table": TableOfTemperature(temperatures=("300 K", "340 K", "400 K"), values=(1.0, 1.3, 1.4)),
    "polynomial": PolynomialOfTemperature(
        value=1.0, coefficients=(850.9, 0.1522, 0.0), first_power=0, valid=("250 K", "700 K")
    ),
}


def heated(kind: str, law: MaterialLaw, until: float) -> tuple[float, float]:
    """Mean temperature of an insulated block that has been heated from 300 K [K], and its stored heat over what came in [-]."""
    slabs = [
        {"name": "slab", "k": 2e3, "c": CAPACITY, "thickness": DEPTH, "stores": law},
        {"name": "cap", "k": 2e3, "c": 2 * CAPACITY, "thickness": DEPTH / 4},
    ]
    built = stack((SIDE, SIDE), slabs)
    faces = {"top": Face(1e-9, 300.0), "bottom": Face()}
    source = HeatSource("all", "slab", built.footprint, FLUX * SIDE**2)
    lines = grid(built, 1, 1, [2, 1])
    solver: Any
    if kind == "tensor":
        solver = TensorSolver(ThermalProblem(built, lines, **faces))
    elif kind == "fem":
        solver = solver_on_grid(ThermalProblem(built, lines, **faces), *layered_cells(built, lines), method="direct")
    elif kind == "own":
        solver = solver_of_cells(CellProblem(built, layered_cells(built, lines)[0], faces))
    else:
        solver = solver_of_cells(ColumnProblem(built, structured(built, 1, 1, [2, 1]), faces), order=int(kind[-1]))
    system = solver.system([source], [Box("slab", built.footprint)], rtol=1e-12)
    start = system.start(300.0)
    found = integrate(system, PowerSchedule.constant([source.power]), [until], initial=start, tolerance=0.3)
    kept = float((system.stored(found.state) - system.stored(start)).sum()) / (source.power * until)
    return float(found.temperature[-1, 0]), kept


@pytest.mark.parametrize(("name", "kind"), tried(STORES))
def test_heat_capacity_that_follows_the_temperature_keeps_the_heat(name: str, kind: str) -> None:
    """An insulated block of even temperature: integral of c over the rise = heat per area, whatever the steps; k is large."""
    law, until = STORES[name], 0.8
    found, kept = heated(kind, law, until)
    low, high = 300.0, 500.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        held = CAPACITY * DEPTH * float(law.integral(np.array(middle))) + 0.5 * CAPACITY * DEPTH * (middle - 300.0)
        low, high = (middle, high) if held < FLUX * until else (low, middle)
    assert found == pytest.approx(low, abs=1e-2) and found - 300.0 > 25
    assert kept == pytest.approx(1.0, abs=1e-8)
