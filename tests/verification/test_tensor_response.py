"""Superposition of unit responses against full solves, and its symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_cases import flip_chip, grid, stack

from stack3d.errors import ArrayError
from stack3d.layout import HeatSource, Rectangle
from stack3d.thermal.grid.response import thermal_response
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box, Probe
from stack3d.thermal.problem import Face, ThermalProblem

MM = 1e-3
SLABS = [
    {"k": 148.0, "thickness": 0.1 * MM, "name": "t0"},
    {"k": 1.0, "thickness": 0.02 * MM, "name": "bond", "contact_resistance": 1e-6},
    {"k": 148.0, "thickness": 0.1 * MM, "name": "t1"},
    {"k": 400.0, "thickness": 0.5 * MM, "name": "lid"},
]


def tiles(layer: str, n: int, size: float) -> list[HeatSource]:
    e = np.linspace(0.0, size, n + 1)
    return [
        HeatSource(f"{layer}_{j}{i}", layer, Rectangle(e[i], e[i + 1], e[j], e[j + 1]), 1.0) for j in range(n) for i in range(n)
    ]


def test_uniform_stack_superposes_to_rounding():
    built = stack((4 * MM, 4 * MM), SLABS)
    problem = ThermalProblem(
        built, grid(built, 18, 18, [2, 1, 2, 3]), Face(5000.0, 310.0), Face(20.0, 300.0), Face(np.inf, 305.0)
    )
    solver = TensorSolver(problem)
    sources = tiles("t0", 3, 4 * MM) + tiles("t1", 2, 4 * MM)
    places = [Box(s.layer, s.extent) for s in sources] + [Probe("lid", MM, 3 * MM), Probe("bond", 0.0, 0.0)]
    response = thermal_response(solver, sources, places)
    powers = np.random.default_rng(4).uniform(0, 1, len(sources))
    assert response.error(solver, powers) < 1e-9
    square = response.matrix[: len(sources)]
    np.testing.assert_allclose(square, square.T, rtol=2e-3)  # reciprocity, but for the curvature recovered in heated cells
    assert np.all(square > 0)
    np.testing.assert_allclose(response.temperature(np.zeros((2, len(sources)))), np.tile(response.unpowered, (2, 1)))


@pytest.mark.parametrize("n_places", [1, 3])
def test_package_superposes_from_places_or_sources(n_places):
    problem, _ = flip_chip(20, 1)
    sources = [
        HeatSource(f"s{i}", "active", Rectangle((5 + 5 * i) * MM, (10 + 5 * i) * MM, 5 * MM, 9 * MM), 1.0) for i in (0, 1)
    ]
    places = [Probe("active", 7 * MM, 7 * MM), Box("sink", problem.stack.layer("sink").extent), Probe("lid", MM, MM)][:n_places]
    solver = TensorSolver(problem)
    response = thermal_response(solver, sources, places)
    assert response.matrix.shape == (n_places, 2)
    assert response.error(solver, np.array([8.0, 3.0])) < 1e-5  # two solves to 1e-10 of the residual


def test_frozen_conductivity_is_exact_where_frozen_and_says_its_error_elsewhere():
    slabs = [{**SLABS[0], "exponent": -1.3}, *SLABS[1:]]
    built = stack((4 * MM, 4 * MM), slabs)
    problem = ThermalProblem(built, grid(built, 12, 12, [2, 1, 2, 3]), Face(1e4, 300.0))
    sources = tiles("t0", 2, 4 * MM)
    powers = np.array([9.0, 1.0, 1.0, 1.0])
    full = TensorSolver(problem)
    hot = full.solve([HeatSource(s.name, s.layer, s.extent, p) for s, p in zip(sources, powers)]).field
    response = thermal_response(TensorSolver(problem, at=hot.values), sources, [Box(s.layer, s.extent) for s in sources])
    assert response.error(full, powers) < 1e-6
    assert 1e-4 < response.error(full, 2 * powers) < 0.1 * (hot.values.max() - 300)


def test_wrong_number_of_powers_is_refused():
    built = stack((4 * MM, 4 * MM), SLABS)
    solver = TensorSolver(ThermalProblem(built, grid(built, 4, 4, [1, 1, 1, 1]), Face(1e4)))
    response = thermal_response(solver, tiles("t0", 2, 4 * MM), [Probe("t0", MM, MM)])
    with pytest.raises(ArrayError, match=r"shape \(3,\) does not end in the number of sources, 4"):
        response.temperature(np.ones(3))
