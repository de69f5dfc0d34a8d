"""Multigrid of single precision beside GMRES: the same answer to the digits of double precision, in as many iterations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import check
from stack3d.fe.krylov import gmres
from stack3d.heat.loads import channel_runs
from stack3d.heat.meshing import Bricks
from stack3d.layout import Floats
from stack3d.thermal import TensorSolver

CASE = "microchannels_2tier", [("solver", "study"), ("solver.mesh.lateral", 8), ("solver.mesh.per_source", 4)]


@pytest.fixture(scope="module")
def solvers() -> tuple[TensorSolver, TensorSolver]:
    """Of the solid, and with its coolant."""
    chip = check(decks.load(*CASE).scenario)
    solid = TensorSolver(Bricks.of(chip).problem(chip.stack, chip.scenario.cooling), rtol=1e-11)
    return solid, solid.with_coolant(channel_runs(chip.stack))


def test_few_digits_precondition_as_well(solvers: tuple[TensorSolver, TensorSolver]) -> None:
    solid, cooled = solvers
    load = np.random.default_rng(1).normal(size=tuple(n + 1 for n in solid.problem.grid.shape))
    load = solid.restrict(load)
    found = []
    for inverse in (cooled.inverse, solid.inverse):

        def precondition(v: Floats, inverse: Any = inverse) -> Floats:
            return cooled.restrict(inverse.solve(v))

        def applied(v: Floats) -> Floats:
            return cooled.restrict(cooled._applied(cooled.operator, v))

        found.append(gmres(applied, precondition, load, rtol=1e-11, most=100))
    few, many = found
    assert cooled.inverse is not solid.inverse
    assert few.count <= many.count + 1
    np.testing.assert_allclose(few.solution, many.solution, atol=1e-8 * np.abs(many.solution).max())


def test_the_operator_of_few_digits_is_the_operator(solvers: tuple[TensorSolver, TensorSolver]) -> None:
    """To seven digits, whether a grid keeps its weights or makes them anew."""
    solid, _ = solvers
    field = np.random.default_rng(2).normal(size=tuple(n + 1 for n in solid.problem.grid.shape))
    few = solid.operator.of_few_digits().apply(field.astype(np.float32))
    whole = solid.operator.apply(field)
    assert few.dtype == np.float32
    np.testing.assert_allclose(few, whole, rtol=0, atol=1e-5 * np.abs(whole).max())
