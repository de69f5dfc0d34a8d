"""Lines of a grid that follow the bend of a temperature: what straight elements miss, and how many elements that asks for."""

import numpy as np
import pytest
import tensor_cases

from stack3d.geometry.coarsening import redrawn
from stack3d.grids import Grid
from stack3d.heat.meshing.roughness import LEAST, MOST, elements_for, roughness

K = 20.0
X = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 2.3, 3.1]) * 1e-3
GRID = Grid(X, X[:4], np.array([0.0, 1e-4, 2e-4]), np.array([0, 0]))
STACK = tensor_cases.stack((X[-1], X[3]), [{"thickness": 2e-4, "k": K}])


def test_what_straight_elements_miss_of_a_parabola_is_known() -> None:
    """Of a x² an element misses k (2 a)² h³ / 12 per area; along y and z, where it is straight, nothing."""
    bend = 3e6
    values = np.broadcast_to(bend * X**2, (3, 4, X.size)).copy()
    z, y, x = roughness(STACK, GRID, np.zeros(GRID.shape), values)
    assert not np.any(z) and not np.any(y)
    jump = K * bend * np.diff(0.5 * (X[1:] + X[:-1])) * 2
    at_ends = np.pad(jump, 1, mode="edge")
    exact = np.diff(X) * (0.5 * (at_ends[1:] + at_ends[:-1])) ** 2 / (12 * K) * X[3] * 2e-4
    assert x == pytest.approx(exact, rel=1e-9)
    even = slice(4, 6)  # elements between others of their size
    assert x[even] == pytest.approx(K * (2 * bend) ** 2 * np.diff(X)[even] ** 3 / 12 * X[3] * 2e-4, rel=1e-9)


def test_heat_that_a_source_explains_is_no_error_through_the_height() -> None:
    """A layer that its own heat alone bends: nodes are exact, and nothing is asked for."""
    density = 1e9
    z = GRID.z
    values = np.broadcast_to((-density * z**2 / (2 * K))[:, None, None], (3, 4, X.size)).copy()
    found = roughness(STACK, GRID, np.full(GRID.shape, density), values)
    assert found[0].max() < 1e-12 * np.sum((density * z[1]) ** 2 * z[-1] / (12 * K) * X[-1] * X[3])


def test_elements_asked_for_bring_the_error_to_what_is_allowed_in_equal_shares() -> None:
    """Errors that fall with the square of the elements of each interval, split along three axes."""
    rng = np.random.default_rng(3)
    rough = [rng.uniform(1.0, 5.0, n) for n in (20, 30, 40)]
    errors = (0.5, 1.0, 2.0)
    wanted = elements_for(rough, errors, 0.3, 1e9)
    left = [e * (r / m**2).sum() / r.sum() for e, r, m in zip(errors, rough, wanted)]
    assert left == pytest.approx([0.1] * 3)
    held = elements_for(rough, errors, 0.3, 2.0)
    assert np.prod([m.sum() / m.size for m in held]) == pytest.approx(2.0)
    still = elements_for(rough, (0.0, 1.0, 2.0), 0.3, 1e9)
    assert np.all(still[0] == 1.0)
    assert all(m.min() >= LEAST and m.max() <= MOST for m in elements_for(rough, (1e-9, 1.0, 1e9), 0.3, 1e9))


def test_lines_that_are_firm_stay_and_the_others_follow() -> None:
    layer = np.array([0, 1, 1, 1])
    grid = Grid(X, X, np.array([0.0, 1.0, 1.0, 2.0, 3.0]), layer)  # a contact under the second layer
    firm = X[[0, 2, 6]], X[[0, 6]]
    new = redrawn(grid, firm, [np.full(4, 2.0), np.full(6, 0.5), np.array([3.0, 3.0, 1.0, 1.0, 1.0, 1.0])])
    assert np.isin(firm[0], new.x).all() and np.isin(firm[1], new.y).all()
    assert new.x.size - 1 == 6 + 4 and new.y.size - 1 == 4
    assert new.z.tolist() == [0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert new.layer.tolist() == [0, 0, 1, 1, 1, 1, 1]
