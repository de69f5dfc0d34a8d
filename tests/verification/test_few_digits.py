"""Multigrid of single precision beside GMRES and conjugate gradients: the same answer to the digits of double precision, in as many iterations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import check
from stack3d.fe.krylov import conjugate_gradient, gmres
from stack3d.heat.loads import channel_runs
from stack3d.heat.meshing import Bricks
from stack3d.layout import Floats
from stack3d.thermal import TensorSolver
from stack3d.thermal.grid.multigrid import LateralMultigrid

CASE = "microchannels_2tier", [("solver", "study"), ("solver.mesh.lateral", 8), ("solver.mesh.per_source", 4)]


@pytest.fixture(scope="module")
def solvers() -> tuple[TensorSolver, TensorSolver]:
    """Of the solid, and with its coolant."""
    chip = check(decks.load(*CASE).scenario)
    solid = TensorSolver(Bricks.of(chip).problem(chip.stack, chip.scenario.cooling), rtol=1e-11)
    return solid, solid.with_coolant(channel_runs(chip.stack))


@pytest.mark.parametrize("method", [gmres, conjugate_gradient])
def test_few_digits_precondition_as_well(solvers: tuple[TensorSolver, TensorSolver], method: Any) -> None:
    """GMRES for the solid with its coolant, conjugate gradients for the solid alone."""
    solid, cooled = solvers
    solver = cooled if method is gmres else solid
    load = np.random.default_rng(1).normal(size=tuple(n + 1 for n in solid.problem.grid.shape))
    load = solid.restrict(load)
    found = []
    for inverse in (solver.inverse, LateralMultigrid(solid.operator)):

        def precondition(v: Floats, inverse: Any = inverse) -> Floats:
            return solver.restrict(inverse.solve(v))

        def applied(v: Floats) -> Floats:
            return solver.restrict(solver._applied(solver.operator, v))

        found.append(method(applied, precondition, load, rtol=1e-11, most=100))
    few, many = found
    assert isinstance(solver.inverse, LateralMultigrid)
    assert solver.inverse.levels[0].kind == np.float32
    assert few.count <= many.count + 1
    np.testing.assert_allclose(few.solution, many.solution, atol=1e-8 * np.abs(many.solution).max())


def test_few_digits_have_the_range_of_many(solvers: tuple[TensorSolver, TensorSolver]) -> None:
    """A load below the smallest number of single precision is solved as a large one."""
    solid, _ = solvers
    load = solid.restrict(np.random.default_rng(3).normal(size=tuple(n + 1 for n in solid.problem.grid.shape)))
    large = solid.inverse.solve(load)
    np.testing.assert_allclose(1e60 * solid.inverse.solve(1e-60 * load), large, rtol=0, atol=1e-6 * np.abs(large).max())
    assert not solid.inverse.solve(np.zeros_like(load)).any()


def test_the_operator_of_few_digits_is_the_operator(solvers: tuple[TensorSolver, TensorSolver]) -> None:
    """To seven digits, whether a grid keeps its weights or makes them anew."""
    solid, _ = solvers
    field = np.random.default_rng(2).normal(size=tuple(n + 1 for n in solid.problem.grid.shape))
    few = solid.operator.of_few_digits().apply(field.astype(np.float32))
    whole = solid.operator.apply(field)
    assert few.dtype == np.float32
    np.testing.assert_allclose(few, whole, rtol=0, atol=1e-5 * np.abs(whole).max())
