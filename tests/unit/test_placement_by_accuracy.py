"""Tiles that bear heat badly go where it is cool: assignment, search, and what is asked without a sensitivity."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from stack3d.errors import DeckError
from stack3d.layout import Rectangle
from stack3d.tiles import split_matrix
from stack3d.workload import BY_ACCURACY, SiteHeat, place

SITES = [(f"t{t}_rram", Rectangle(i, i + 1, 0, 1)) for t in range(2) for i in range(4)]


def heat(n_tiles: int, sensitivity: object = None, seed: int = 0) -> SiteHeat:
    """Responses that fall with distance, two groups of components, unequal powers; the upper tier is 20 K hotter."""
    rng = np.random.default_rng(seed)
    at = np.array([[*box.centre, 0.5 * int(layer[1])] for layer, box in SITES])
    distance = np.linalg.norm(at[:, None] - at[None], axis=-1)
    responses = np.array([1 / (0.5 + distance), 0.3 / (1 + distance)])[:, None]
    unpowered = 300 + rng.random((1, len(SITES))) + np.repeat([0.0, 20.0], 4)
    given = None if sensitivity is None else np.asarray(sensitivity, dtype=float)
    return SiteHeat(2 * rng.random((2, n_tiles)), responses, unpowered, np.arange(len(SITES)), sensitivity=given)


def placed(known: SiteHeat, name: str = BY_ACCURACY) -> np.ndarray:
    n_tiles = known.powers.shape[1]
    return place(name, split_matrix("layer", 8 * n_tiles, 4, (8, 8)), SITES, lambda _: known)


@pytest.mark.parametrize("tile", range(8))
def test_the_one_tile_that_minds_heat_lies_where_it_is_coolest(tile: int) -> None:
    """Eight tiles of equal power on eight sites: the sensitive one gets the coolest site, whichever it is."""
    known = replace(heat(8, np.arange(8) == tile), powers=np.full((2, 8), 1e-3))
    assert placed(known)[tile] == np.argmin(known.temperatures(np.arange(8))[0])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [2, 4])
def test_the_sum_over_tiles_is_the_least_of_all(count: int, seed: int) -> None:
    """All placements tried: none has a smaller sum of sensitivity times temperature, tiles heating each other."""
    weights = np.random.default_rng([seed, 1]).random(count) ** 3 + 2e-3
    known = heat(count, weights, seed)
    weights = np.maximum(weights / weights.max(), 1e-3)
    found = weights @ known.temperatures(placed(known))[0]
    every = [weights @ known.temperatures(np.array(p))[0] for p in itertools.permutations(range(8), count)]
    assert found - min(every) < 0.01 * (np.median(every) - min(every))


@pytest.mark.parametrize("sensitivity", [None, np.zeros(3), -np.ones(3)])
def test_tiles_that_bear_heat_lie_as_with_thermal_aware(sensitivity: object) -> None:
    known = heat(3, sensitivity)
    np.testing.assert_array_equal(placed(known), placed(known, "thermal_aware"))


def test_it_says_what_it_needs() -> None:
    with pytest.raises(DeckError, match="accuracy_aware needs the thermal response"):
        place(BY_ACCURACY, split_matrix("layer", 8, 4, (8, 8)), SITES)
