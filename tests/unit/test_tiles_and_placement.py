import itertools
from dataclasses import replace

import numpy as np
import pytest

from stack3d.errors import DeckError
from stack3d.layout import Rectangle
from stack3d.tiles import split_matrix
from stack3d.workload.placement import SiteHeat, place, placements

SITES = [(f"t{t}_rram", Rectangle(i, i + 1, j, j + 1)) for t in range(3) for j in range(4) for i in range(4)]


def heat(n_tiles: int, seed: int = 0, n_sites: int = 48, spots: int = 0) -> SiteHeat:
    """Responses that fall with distance, two groups of components, unequal powers and surroundings; spots below the sites, hotter."""
    rng = np.random.default_rng(seed)
    at = np.array([[*box.centre, 0.5 * int(layer[1])] for layer, box in SITES[:n_sites]])
    below = [at - [0, 0, 0.4 * k] for k in range(spots + 1)]
    distance = np.array([np.linalg.norm(spot[:, None] - at[None], axis=-1) for spot in below])
    responses = np.array([1 / (0.5 + distance), (0.3 + np.arange(spots + 1))[:, None, None] / (1 + distance)])
    return SiteHeat(rng.random((2, n_tiles)), responses, 300 + rng.random((spots + 1, n_sites)), np.arange(n_sites))


@pytest.mark.parametrize(
    ("inputs", "outputs", "tile", "per_weight"),
    [(64, 64, (32, 32), 2), (65, 10, (64, 7), 2), (1, 1, (8, 8), 4), (300, 77, (128, 128), 6)],
)
def test_tiles_cover_the_matrix_once(inputs: int, outputs: int, tile: tuple[int, int], per_weight: int) -> None:
    covered = np.zeros((inputs, outputs), dtype=int)
    tiles = split_matrix("layer", inputs, outputs, tile, columns_per_weight=per_weight)
    for t in tiles:
        covered[t.row_start : t.row_stop, t.col_start : t.col_stop] += 1
        assert t.rows_used <= tile[0] and t.columns_used <= tile[1] and 0 < t.utilisation <= 1
    assert np.all(covered == 1)
    assert sum(t.weights for t in tiles) == inputs * outputs


def test_a_tile_too_narrow_is_refused() -> None:
    with pytest.raises(DeckError, match="one weight takes 4 columns"):
        split_matrix("layer", 4, 4, (8, 3), columns_per_weight=4)


@pytest.mark.parametrize("strategy", list(placements))
@pytest.mark.parametrize("count", [1, 7, 48])
def test_every_placement_gives_each_tile_its_own_site(strategy: str, count: int) -> None:
    tiles = split_matrix("layer", 8 * count, 4, (8, 8))
    chosen = place(strategy, tiles, SITES, lambda _: heat(count))
    assert len(chosen) == count and len(set(chosen.tolist())) == count and chosen.min() >= 0 and chosen.max() < 48


def test_spread_uses_all_tiers_and_no_column_twice() -> None:
    chosen = place("spread", split_matrix("layer", 72, 4, (8, 8)), SITES)
    layers = [SITES[i][0] for i in chosen]
    assert [layers.count(f"t{t}_rram") for t in range(3)] == [3, 3, 3]
    assert len({SITES[i][1].centre for i in chosen}) == 9


def test_bottom_and_top() -> None:
    tiles = split_matrix("layer", 16, 4, (8, 8))
    assert {SITES[i][0] for i in place("bottom_up", tiles, SITES)} == {"t0_rram"}
    assert {SITES[i][0] for i in place("top_down", tiles, SITES)} == {"t2_rram"}


def test_too_few_sites_says_what_is_missing() -> None:
    with pytest.raises(DeckError, match=r"takes 50 tiles \(layer: 50\) but the stack has 48"):
        place("spread", split_matrix("layer", 400, 4, (8, 8)), SITES)
    with pytest.raises(DeckError, match="no placement 'sprad'"):
        place("sprad", split_matrix("layer", 8, 4, (8, 8)), SITES)


def test_temperatures_superpose() -> None:
    known = heat(3, spots=2)
    chosen = np.array([5, 0, 17])
    by_hand = known.unpowered.copy()
    for tile, site in enumerate(chosen):
        for group in range(2):
            by_hand += known.powers[group, tile] * known.responses[group][..., site]
    np.testing.assert_allclose(known.temperatures(chosen), by_hand[:, chosen], rtol=1e-14)


@pytest.mark.parametrize("count", [1, 2, 5, 20, 47, 48])
@pytest.mark.parametrize("seed", range(4))
def test_thermal_placement_is_never_hotter_than_any_other(count: int, seed: int) -> None:
    known, tiles = heat(count, seed), split_matrix("layer", 8 * count, 4, (8, 8))
    peaks = {name: known.temperatures(place(name, tiles, SITES, lambda _: known)).max() for name in placements}
    assert peaks["thermal_aware"] == min(peaks.values())


@pytest.mark.parametrize("count", [1, 5, 20, 47])
@pytest.mark.parametrize("seed", range(4))
def test_thermal_placement_keeps_every_spot_as_cool_as_spread(count: int, seed: int) -> None:
    """Logic below the tiles gets hotter than they do: no spot above the hottest of `spread`, no tile above any that keeps so."""
    known, tiles = heat(count, seed, spots=2), split_matrix("layer", 8 * count, 4, (8, 8))
    found = {name: known.temperatures(place(name, tiles, SITES, lambda _: known)) for name in placements}
    limit = found["spread"].max()
    assert found["thermal_aware"].max() <= limit + 1e-9
    assert found["thermal_aware"][0].max() <= min(t[0].max() for t in found.values() if t.max() <= limit) + 1e-9
    lower = replace(known, margin=0.1 * (limit - 300))
    cooler = known.temperatures(place("thermal_aware", tiles, SITES, lambda _: lower)).max()
    assert cooler <= found["thermal_aware"].max() + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_thermal_placement_comes_near_the_best_of_all(seed: int) -> None:
    """Three tiles on eight sites: all 336 placements tried; within a fifth of what separates the best from the median."""
    known, tiles = heat(3, seed, 8), split_matrix("layer", 24, 4, (8, 8))
    found = known.temperatures(place("thermal_aware", tiles, SITES[:8], lambda _: known)).max()
    every = sorted(known.temperatures(np.array(p)).max() for p in itertools.permutations(range(8), 3))
    assert found - every[0] < 0.2 * (every[len(every) // 2] - every[0])


def test_explicit_placement_by_name_and_in_order() -> None:
    tiles = split_matrix("fc", 16, 4, (8, 8))
    wanted = [SITES.index(("t2_rram", Rectangle(3, 4, 1, 2))), SITES.index(("t0_rram", Rectangle(0, 1, 2, 3)))]
    assert place([(2, 3, 1), (0, 0, 2)], tiles, SITES).tolist() == wanted
    assert place({"fc[1]": (0, 0, 2), "fc[0]": (2, 3, 1)}, tiles, SITES).tolist() == wanted
    for given, words in (
        ({"fc[0]": (0, 0, 0), "fc[2]": (0, 1, 0)}, "no tile 'fc.2.' .did you mean"),
        ({"fc[0]": (0, 0, 0)}, r"has no site for fc\[1\]"),
        ([(0, 0, 0), (0, 4, 0)], r"tile fc\[1\]: no site \[0, 4, 0\]; .* run to \[2, 3, 3\]"),
        ([(0, 0, 0), (0, 0, 0)], r"site \[0, 0, 0\] holds tile fc\[0\] already"),
        ([(0, 0, 0), (0, 1, 0), (0, 2, 0)], "lists 3 sites for 2 tiles"),
    ):
        with pytest.raises(DeckError, match=words):
            place(given, tiles, SITES)


def test_thermal_placement_says_what_it_needs() -> None:
    with pytest.raises(DeckError, match="needs the thermal response"):
        place("thermal_aware", split_matrix("layer", 8, 4, (8, 8)), SITES)
