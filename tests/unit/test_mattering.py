"""Which choices of a search matter: against shares known in closed form, and nothing said where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from stack3d.chances import total_shares
from stack3d.study.designing.asking import Asker
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.judged import JudgedDesign
from stack3d.study.designing.mattering import Mattering, mattering, mattering_told

SPACE = (Choice("cooling", 4, False), Choice("bits", 6, True), Choice("idle", 3, True), Choice("film", 0, True))


def designs(count: int, seed: int = 1) -> list[Positions]:
    rng = np.random.default_rng(seed)
    return [tuple(choice.position(float(share)) for choice, share in zip(SPACE, row)) for row in rng.random((count, 4))]


def exact(values: np.ndarray) -> np.ndarray:
    """Total shares of the variance of ranks over a full grid."""
    return total_shares(rankdata(values.ravel()).reshape(values.shape))


def searched(choices: tuple[Choice, ...], goal: np.ndarray, limit: np.ndarray, seed: int, budget: int) -> list[Positions]:
    """Designs that a search with one goal and one condition asks for: most of them near the best."""
    asker = Asker(choices, lambda _: True, n_goals=1, n_limits=1, seed=seed, budget=budget)
    ran = list[Positions]()
    while len(ran) < budget and (asked := asker.ask(4)):
        asker.tell_all([JudgedDesign(d, (float(goal[d]),), (float(limit[d]),)) for d in asked])
        ran += asked
    return ran


_ANGLES = -np.pi + 2 * np.pi * (np.arange(8) + 0.5) / 8
_A, _B, _C = np.meshgrid(_ANGLES, _ANGLES, _ANGLES, indexing="ij")
_KIND, _BITS, _TIERS, _RATE = np.indices((4, 6, 3, 5))
_TABLE = np.random.default_rng(7).normal(size=(4, 6))
PROBLEMS = {
    "ishigami": (
        tuple(Choice(name, 8, True) for name in "abc"),
        np.sin(_A) + 7 * np.sin(_B) ** 2 + 0.1 * _C**4 * np.sin(_A),
        _A + _B * _C - 2,
        40,
    ),
    "energy": (
        (Choice("kind", 4, False), Choice("bits", 6, True), Choice("tiers", 3, True), Choice("rate", 5, True)),
        (1 + 0.3 * _TIERS) * 2.0**_BITS + 0.5 * np.array([0.0, 2.0, 1.0, 5.0])[_KIND],
        8 * np.exp(-_BITS) + 0.5 * _RATE**2 * (1 + 0.2 * _KIND) - 6,
        48,
    ),
    "table": (
        (Choice("kind", 4, False), Choice("bits", 6, True), Choice("tiers", 3, True), Choice("rate", 5, True)),
        _TABLE[_KIND, _BITS] + 0.5 * _TIERS,
        np.where((_KIND == 2) & (_BITS < 2), 10.0, _TABLE[_KIND, _BITS] * (1 + _TIERS)) - 0.2 * _RATE,
        48,
    ),
}


def held(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether the intervals of goal and condition hold the shares of the full grid, and how wide they are; of what is told."""
    choices, goal, limit, budget = PROBLEMS[name]
    ran, found = searched(choices, goal, limit, seed, budget), list[tuple[np.ndarray, np.ndarray]]()
    for grid in (goal, limit):
        told = mattering(choices, ran, np.array([grid[d] for d in ran]), seed)
        truth = exact(grid)
        if told.is_known:
            found.append(((told.low <= truth) & (truth <= told.high), told.high - told.low))
    return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])


def test_intervals_of_a_search_hold_the_shares_of_the_full_grid() -> None:
    """A search looks near its best, and its intervals speak of all designs."""
    inside, widths = held("energy", 1)
    assert inside.all() and len(inside) == 8 and np.median(widths) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_nine_of_ten_intervals_hold_over_ten_searches(name: str) -> None:
    inside, widths = map(np.concatenate, zip(*(held(name, seed) for seed in range(11, 21))))
    assert inside.mean() >= 0.85 and len(inside) >= 40 and np.median(widths) < 0.4


def test_shares_of_few_designs_by_chance() -> None:
    """A product, of which neither part acts by itself: 40 of 72 designs, and the choice that does nothing is told as that."""
    cooling, bits, _ = np.indices((4, 6, 3))
    values = (cooling - 1.5) * (bits - 2.5)
    chosen = np.random.default_rng(3).permutation(72)[:40]
    known = [tuple(int(at) for at in row) for row in np.indices(values.shape).reshape(3, -1).T[chosen]]
    found = mattering(SPACE[:3], known, values.ravel()[chosen], 1)
    assert (found.low <= exact(values)).all() and (exact(values) <= found.high).all()
    assert found.shares[2] < 0.02 and found.high[2] < 0.1


def test_one_choice_of_two_entries_makes_all() -> None:
    """Designs that are the same have one rank: what does not change them has no share, though two values are all there are."""
    space = (Choice("side", 2, False), *SPACE[1:3])
    known = [design[1:] for design in designs(30)]
    known = [(int(i) % 2, *design[:2]) for i, design in enumerate(known)]
    found = mattering(space, known, np.array([float(design[0]) for design in known]), 1)
    assert found.low[0] > 0.95 and (found.high[1:] < 0.05).all()


def test_an_entry_that_never_ran() -> None:
    """Of what never ran nothing is assumed; half of the variance of two equal parts each."""
    known = [design for design in designs(150) if design[0] != 3]
    found = mattering(SPACE, known, np.array([float(b) + 5.0 * film for _, b, _, film in known]), 1)
    np.testing.assert_allclose(found.shares, [0.0, 0.55, 0.0, 0.45], atol=0.07)


@pytest.mark.parametrize(
    ("count", "make"),
    [
        (8, lambda known: np.array([float(d[1]) for d in known])),  # too few
        (60, lambda known: np.full(len(known), 3.0)),  # all the same
        (60, lambda known: np.random.default_rng(5).standard_normal(len(known))),  # chance alone
        (20, lambda known: np.where(np.arange(len(known)) < 10, np.nan, 1.0 + np.arange(len(known)))),  # too few have a value
    ],
)
def test_nothing_is_said_where_nothing_is_known(count: int, make: object) -> None:
    known = designs(count)
    found = mattering(SPACE, known, make(known), 1)  # type: ignore[operator]
    assert np.isnan(found.shares).all() and not found.explained >= 0.6
    assert mattering_told(SPACE, "y", found) == ""


def test_what_is_told() -> None:
    ends = np.array([0.05, 0.85]), np.array([0.25, 0.95])
    told = mattering_told(SPACE[:2], "latency", Mattering(np.array([0.2, 0.9]), *ends, 0.876))
    assert told == (
        "what matters for the order of all designs by latency: bits 90 % (85 to 95), cooling 20 % (5 to 25) of its variance"
        " (confidence 90 %, by a model that explains 88 % of designs left out)"
    )
    ends = np.array([0.0, 0.99]), np.array([0.03, 1.0])
    told = mattering_told(SPACE[:2], "latency", Mattering(np.array([0.0, 1.0]), *ends, 0.9))
    assert "bits at least 99 %, cooling at most 3 % of" in told


@pytest.mark.parametrize("count", [12, 24, 40])
def test_a_choice_that_changes_nothing_has_no_share(count: int) -> None:
    """One interval makes the whole output: all others are told to matter little, however few designs ran."""
    known = designs(count, 2)
    found = mattering(SPACE, known, np.array([5.0 * d[3] for d in known]), 1)
    assert (found.shares[:3] < 0.03).all() and (found.low[:3] < 0.005).all() and found.high[3] > 0.97


def test_many_choices_are_asked_for_in_a_sample() -> None:
    """Six intervals, of which two act: more designs than are gone through."""
    space = tuple(Choice(f"film {i}", 0, True) for i in range(6))
    rng = np.random.default_rng(4)
    known: list[Positions] = [tuple(float(at) for at in row) for row in rng.random((60, 6))]
    found = mattering(space, known, np.array([d[0] + 2.0 * d[1] for d in known]), 1)
    at = (np.arange(64) + 0.5) / 64
    truth = exact(at[:, None] + 2.0 * at)
    assert (found.low[:2] <= truth).all() and (truth <= found.high[:2]).all() and (found.shares[2:] < 0.05).all()
