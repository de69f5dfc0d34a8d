"""Foster chains and Cauer ladders: the one as the other, none negative, nothing lost."""

import numpy as np
import pytest

from stack3d.thermal.time.ladders import Cauer, Foster, cauer, foster

TIMES = np.geomspace(1e-7, 1e3, 101)


def test_two_stages_by_hand() -> None:
    """C1 = 2, R1 = 3, C2 = 5, R2 = 7: the rates are those of the 2 x 2 matrix, and the way back finds the ladder."""
    ladder = Cauer(np.array([3.0, 7.0]), np.array([2.0, 5.0]))
    matrix = np.array([[1 / 3, -1 / 3], [-1 / 3, 1 / 3 + 1 / 7]]) / np.array([[2.0], [5.0]])
    rates, modes = np.linalg.eig(matrix)
    start = np.linalg.solve(modes, [1 / 2, 0.0])  # 1 W into the first capacitor
    by_hand = [(modes[0] * start / rates) @ -np.expm1(-rates * t) for t in (0.1, 1.0, 30.0)]
    np.testing.assert_allclose(ladder.step(np.array([0.1, 1.0, 30.0])), by_hand, rtol=1e-13)
    rates, modes, start = rates.real, modes.real, start.real
    order = np.argsort(1 / rates)
    back = cauer(Foster((modes[0] * start / rates)[order], (1 / rates)[order]))
    np.testing.assert_allclose(back.resistances, ladder.resistances, rtol=1e-12)
    np.testing.assert_allclose(back.capacitances, ladder.capacitances, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_many_terms_are_followed_by_few(seed: int) -> None:
    rng = np.random.default_rng(seed)
    constants = np.geomspace(1e-8, 1e2, 60)
    resistances = rng.lognormal(0.0, 1.0, constants.size) * constants**0.2
    wanted = Foster(resistances, constants).step(TIMES)
    chain = foster(resistances, constants, TIMES, 30, 0.01)
    assert chain.resistances.size < 25 and chain.resistances.min() > 0
    assert np.all(np.diff(chain.time_constants) > 0)
    assert chain.resistances.sum() == pytest.approx(resistances.sum(), rel=1e-12)
    np.testing.assert_allclose(chain.step(TIMES), wanted, rtol=0.01)
    ladder = cauer(chain)
    assert ladder.resistances.min() > 0 and ladder.capacitances.min() > 0
    np.testing.assert_allclose(ladder.step(TIMES), chain.step(TIMES), rtol=1e-9)


def test_no_more_terms_than_asked_for() -> None:
    constants = np.geomspace(1e-8, 1e2, 60)
    assert foster(constants**0.3, constants, TIMES, 4, 1e-6).resistances.size <= 4


def test_one_term_stays_one() -> None:
    chain = foster(np.array([2.0]), np.array([0.3]), TIMES, 10, 0.01)
    np.testing.assert_allclose(chain.step(TIMES), 2 * -np.expm1(-TIMES / 0.3), rtol=0.01)
