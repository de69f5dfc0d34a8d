import numpy as np
import pytest

from stack3d.errors import DeckError
from stack3d.layout import Rectangle
from stack3d.tiles import split_matrix
from stack3d.workload.placement import place, placements

SITES = [(f"t{t}_rram", Rectangle(i, i + 1, j, j + 1)) for t in range(3) for j in range(4) for i in range(4)]


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
    chosen = place(strategy, tiles, SITES)
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
