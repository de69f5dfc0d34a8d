"""The loop for equations whose matrix follows their solution, on equations of one unknown whose every step is known."""

from typing import Any

import numpy as np
import pytest

from stack3d.errors import SolverError
from stack3d.fe.corrections import Left, accelerated, corrected
from stack3d.fe.krylov import gmres
from stack3d.layout import Floats


def left(state: Floats) -> Left:
    """Of u (1 + u / 4) = 1.25, whose solution is 1; one as good as exact in rounding."""
    residual = 1.25 - state * (1 + 0.25 * state)
    return Left(residual, float(np.abs(residual).max()) / 1.25)


def by(matrix: float) -> Any:
    return lambda residual, gain: (residual / matrix, 1)


def test_an_older_matrix_leads_to_the_solution() -> None:
    """Matrix 2 leaves e/4 + e²/8 of an error e: 7.5e-3 after four corrections, a quarter by each of twelve more to 1e-9."""
    found = corrected(np.zeros(3), left, by(2.0), tolerance=1e-9, what="u")
    np.testing.assert_allclose(found.state, 1.0, rtol=0, atol=2e-9)
    assert found.updates == found.iterations == 16
    assert found.left.size <= 1e-9


def test_a_solution_is_left_as_it_is() -> None:
    one = np.ones(3)
    found = corrected(one, left, by(2.0), tolerance=1e-9, what="u")
    assert found.state is one and found.updates == 0


def test_a_matrix_that_gains_too_little_is_filled_anew() -> None:
    """Matrix 6 leaves 3/4: after the first such correction the tangent takes its place, which squares what is left."""
    held = {"matrix": 6.0, "times": 0}

    def refill() -> None:
        held.update(matrix=1.5, times=held["times"] + 1)

    found = corrected(np.zeros(1), left, lambda r, gain: (r / held["matrix"], 1), tolerance=1e-12, what="u", refill=refill)
    assert held["times"] == 1 and found.updates <= 8
    assert found.state == pytest.approx(1.0, abs=1e-12)


def test_linear_solves_are_asked_for_what_is_worth_it() -> None:
    """Two digits while coefficients follow, half the tolerance at the end; all at once where none follows."""
    asked: list[float] = []

    def correct(residual: Floats, gain: float) -> tuple[Floats, int]:
        asked.append(gain)
        return residual / 1.5 * (1 - gain), 1

    found = corrected(np.zeros(1), left, correct, tolerance=1e-6, what="u")
    assert asked[0] == 0.02 and max(asked[:-1]) == 0.02 and found.updates == len(asked)
    asked.clear()
    corrected(
        np.zeros(1), lambda u: Left(1.5 - 1.5 * u, float(abs(1 - u[0]))), correct, tolerance=1e-6, what="u", is_linear=True
    )
    assert asked == [0.5e-6]


@pytest.mark.parametrize("known", [False, True])
def test_rounding_ends_the_loop(known: bool) -> None:
    """A residual that stays at 1e-8 is accepted where that is what rounding explains, or where nobody knows and it does not halve."""
    found = corrected(
        np.zeros(1), lambda u: Left(np.full(1, 1e-8), 1e-8, 1e-8 if known else None), by(1.0), tolerance=1e-10, what="u"
    )
    assert found.updates == (0 if known else 1)
    with pytest.raises(SolverError, match=r"u: relative residual 1.0e-08 after 50 updates, 1.0e-10 asked"):
        corrected(np.zeros(1), lambda u: Left(np.full(1, 1e-8), 1e-8, 0.0), by(1.0), tolerance=1e-10, what="u")


def test_a_residual_that_is_no_number_ends_the_loop() -> None:
    with pytest.raises(SolverError, match="nan after 0 updates"), np.errstate(all="ignore"):
        corrected(np.full(1, np.nan), left, by(1.0), tolerance=1e-10, what="u")


MATRIX = np.diag(np.linspace(1.0, 4.0, 60)) + np.diag(np.full(59, 0.9), 1) - np.diag(np.full(59, 0.5), -1)
"""Not symmetric."""


def of_matrix(bend: float, load: Floats) -> Any:
    """What is left of M u + bend u² = load."""

    def left(state: Floats) -> Left:
        residual = load - MATRIX @ state[0] - bend * state[0] ** 2
        return Left(residual[None], float(np.abs(residual).max()))

    return left


def steps_of(bend: float, tolerance: float = 1e-11) -> int:
    """Steps to a solution that is known, by the diagonal alone."""
    wanted = np.cos(np.arange(60.0))
    load = MATRIX @ wanted + bend * wanted**2
    diagonal = np.diag(MATRIX).astype(np.float32)
    found = accelerated(
        np.zeros((1, 60)), of_matrix(bend, load), lambda r: r / diagonal, tolerance=tolerance, what="u", most=60
    )
    np.testing.assert_allclose(found.state[0], wanted, rtol=0, atol=2e-10)
    assert found.left.size <= tolerance and found.updates == found.iterations
    return found.iterations


def test_steps_know_what_earlier_ones_did() -> None:
    """About as many as GMRES takes, with a short memory; coefficients that follow the state cost little on top."""
    load = MATRIX @ np.cos(np.arange(60.0))
    diagonal = np.diag(MATRIX)
    best = gmres(lambda v: MATRIX @ v, lambda v: v / diagonal, load, rtol=1e-11 / np.linalg.norm(load), most=60).count
    assert best <= steps_of(0.0) <= 1.5 * best
    assert steps_of(0.1) <= 1.6 * best


def test_steps_end_at_rounding_and_where_there_is_no_solution() -> None:
    found = accelerated(
        np.zeros((1, 1)), lambda u: Left(np.full((1, 1), 1e-8), 1e-8), lambda r: r, tolerance=1e-10, what="u", most=9
    )
    assert found.updates == 4
    with pytest.raises(SolverError, match=r"u: relative residual 1.0e-06 after 9 updates, 1.0e-10 asked"):
        accelerated(
            np.zeros((1, 1)), lambda u: Left(np.full((1, 1), 1e-6), 1e-6), lambda r: r, tolerance=1e-10, what="u", most=9
        )
    with pytest.raises(SolverError, match="nan after 0 updates"):
        accelerated(np.full((1, 1), np.nan), lambda u: Left(u, float(u[0, 0])), lambda r: r, tolerance=1e-10, what="u", most=9)


def test_a_start_is_not_written_to() -> None:
    start = np.zeros((1, 60))
    accelerated(start, of_matrix(0.0, np.ones(60)), lambda r: r / 2, tolerance=1e-6, what="u", most=60)
    assert not start.any()
