"""Maps of power become sources: their total, their places, and what is wrong with a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.errors import DeckError
from stack3d.schema.workload import SourceDeck


def sources_of(folder: Path, **more: Any) -> tuple[SourceDeck, ...]:
    """Sources of a deck whose only source, over 6 x 4 mm, has a map."""
    source = {"name": "core", "layer": "die", "x": ["1 mm", "7 mm"], "y": ["2 mm", "6 mm"], "power": "6 W", **more}
    source = {key: value for key, value in source.items() if value is not None}
    layers = [{"name": "die", "thickness": "100 um", "material": "silicon"}]
    tree = {"scenario": "mapped", "geometry": {"footprint": ["8 mm", "8 mm"], "layers": layers}, "solver": "study"}
    tree |= {"power": {"sources": [source]}, "cooling": {"ambient": "300 K", "top": {"film_coefficient": "1e3 W/m^2/K"}}}
    path = folder / "mapped.yaml"
    scenario = decks.resolve(yamlfile.parse_text(json.dumps(tree), str(path)), path, []).scenario
    assert scenario.power is not None
    return scenario.power.sources


@pytest.mark.parametrize("kind", [float, np.float32, np.int16, np.uint8])
def test_a_map_shares_the_power_among_its_cells(tmp_path: Path, kind: type) -> None:
    values: Any = np.random.default_rng(1).integers(0, 4, (7, 5)).astype(kind)
    np.save(tmp_path / "heat.npy", values)
    found = np.zeros(values.shape)
    x, y = (np.arange(n) / n for n in (5, 7))
    for source in sources_of(tmp_path, map="heat.npy"):
        assert source.x is not None and source.y is not None
        (x0, x1), (y0, y1) = ((v - 1e-3) / 6e-3 for v in source.x), ((v - 2e-3) / 4e-3 for v in source.y)
        there = np.ix_((y > y0 - 1e-9) & (y < y1 - 1e-9), (x > x0 - 1e-9) & (x < x1 - 1e-9))
        assert not found[there].any()
        found[there] = source.power / found[there].size
    np.testing.assert_allclose(found, 6.0 * values.astype(float) / values.sum(), rtol=1e-12)


def test_equal_neighbours_are_one_source(tmp_path: Path) -> None:
    (tmp_path / "heat.csv").write_text("1, 1, 2\n1, 1, 6\n")
    found = {source.name: source.power for source in sources_of(tmp_path, map="heat.csv")}
    assert found == pytest.approx({"core_0_0": 2.0, "core_0_2": 1.0, "core_1_2": 3.0})


@pytest.mark.parametrize(("unit", "cell"), [("W/cm^2", 0.06), ("mW/mm^2", 6e-3), ("W", 1.0), ("mW", 1e-3)])
def test_a_map_with_a_unit_says_the_power_itself(tmp_path: Path, unit: str, cell: float) -> None:
    """Cells of 3 x 2 mm: by their area where it is a density, else each as it stands."""
    (tmp_path / "heat.csv").write_text("1, 4\n0, 5\n")
    found = {source.name: source.power for source in sources_of(tmp_path, map="heat.csv", map_unit=unit, power=None)}
    assert found == pytest.approx({"core_0_0": cell, "core_0_1": 4 * cell, "core_1_1": 5 * cell}, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1, 2\n3\n", "heat.csv:2: map: wants 2 values, got 1"),
        ("1, 2\n3, x\n", "heat.csv:2: map: wants a number"),
        ("1; 2\n3; 4\n", "heat.csv:1: map"),
        ("0, 0\n", "values of 0 or more"),
        ("1, -2\n", "got -2 to 1"),
        ("", "rows and columns"),
    ],
)
def test_mistakes_of_a_table_are_told_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "heat.csv").write_text(text)
    with pytest.raises(DeckError, match=said.replace("+", r"\+")):
        sources_of(tmp_path, map="heat.csv")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((2, 2, 2)), r"got shape \(2, 2, 2\)"),
        (np.array([[1.0, np.nan]]), "no finite numbers"),
        (np.array([["a", "b"]]), "wants numbers"),
        (np.array([[None, 1]], dtype=object), "cannot be read as .npy"),
        (np.ones((1001, 1000)), "at most 1000000 values"),
        (np.arange(1, 20_102.0).reshape(1, -1), "20101 rectangles of equal values"),
    ],
)
def test_mistakes_of_an_array_are_told(tmp_path: Path, values: Any, said: str) -> None:
    np.save(tmp_path / "heat.npy", values)
    with pytest.raises(DeckError, match=said):
        sources_of(tmp_path, map="heat.npy")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"map": "none.npy"}, "none.npy: cannot be read"),
        ({"map": "none.csv"}, "none.csv"),
        ({"map": "heat.txt"}, "ends in .csv or .npy"),
        ({"map": 3}, "wants the name of"),
        ({"map": "heat.npy", "x": None}, r"sources\[0\].x: is missing: a map spans its source, x: .lower, upper."),
        ({"map": "heat.npy", "x": 3}, "wants the x that it spans, .lower, upper., got 3"),
        ({"map": "heat.npy", "y": ["6 mm", "2 mm"]}, "wants .lower, upper."),
        ({"map": "heat.npy", "power": "6 K"}, r"sources\[0\].power"),
        ({"map": "heat.npy", "power": None}, r"sources\[0\].power: is missing: the map holds shares of it; a map_unit"),
        ({"map": "heat.npy", "map_unit": "W/cm^2"}, "map_unit: says the power in full; leave out power"),
        ({"map": "heat.npy", "map_unit": "K", "power": None}, "map_unit: wants a power density as 'W/cm.2'.*got 'K'"),
        ({"map": "heat.npy", "map_unit": 3, "power": None}, "map_unit: wants a power density"),
        ({"map_unit": "W"}, "map_unit: belongs to a map; this source has none"),
        ({"map_unit": "W/cm^2", "power": None}, "map_unit: belongs to a map; this source has none"),
    ],
)
def test_mistakes_of_the_source_are_told(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    np.save(tmp_path / "heat.npy", np.ones((2, 2)))
    with pytest.raises(DeckError, match=said) as caught:
        sources_of(tmp_path, **more)
    assert len(caught.value.problems) == 1


REGIONS = """x0,y0,x1,y1,value (mW)
0,0,1000,2000,1.500000e+00
1000,0,2000,2000,0.000000e+00
2000,2000,6000,4000,4.500000e+00
"""
"""As OpenROAD writes the power map of a layout of 6 x 4 mm."""


@pytest.mark.parametrize(("power", "watts"), [(None, (1.5e-3, 4.5e-3)), ("6 W", (1.5, 4.5))])
def test_regions_of_a_layout_heat_where_they_lie(tmp_path: Path, power: str | None, watts: tuple[float, float]) -> None:
    """From the lower ends of x and y; their own powers, or those of the source in the same shares."""
    (tmp_path / "power.csv").write_text(REGIONS)
    first, last = sources_of(tmp_path, map="power.csv", power=power)
    assert (first.x, first.y) == (pytest.approx((1e-3, 2e-3)), pytest.approx((2e-3, 4e-3)))
    assert (last.x, last.y) == (pytest.approx((3e-3, 7e-3)), pytest.approx((4e-3, 6e-3)))
    assert (first.power, last.power) == pytest.approx(watts)


def test_without_a_place_regions_count_from_the_footprint(tmp_path: Path) -> None:
    (tmp_path / "power.csv").write_text(REGIONS)
    assert sources_of(tmp_path, map="power.csv", power=None, x=None, y=None)[1].x == pytest.approx((2e-3, 6e-3))


def test_four_digits_may_reach_over_the_edge(tmp_path: Path) -> None:
    """5999.6 um is written as 6000: what reaches over is cut off, no watt is lost."""
    (tmp_path / "power.csv").write_text(REGIONS)
    found = sources_of(tmp_path, map="power.csv", power=None, x=["1 mm", "6.9996 mm"])
    assert found[1].x == pytest.approx((3e-3, 6.9996e-3)) and found[1].power == pytest.approx(4.5e-3)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("(mW)", "(V)", r"power.csv:1: value: wants a power, as value \(mW\), got value \('V'\)"),
        ("(mW)", "(%)", "power.csv:1: value: wants a power"),
        (" (mW)", "", "power.csv:1: value: says no unit"),
        (",value (mW)", "", "power.csv:1: wants the titles x0, y0, x1, y1, value"),
        ("4.500000e+00", "-1", "power.csv:4: value: wants 0 or more, got -1"),
        ("4.500000e+00", "much", "power.csv:4: value: wants a number"),
        (",4000,4.5", ",2000,4.5", "power.csv:4: region has no area"),
        (",4000,4.5", ",4500,4.5", "power.csv:4: power.sources.0..map: region from 2000 to 4500 um reaches outside the y"),
        ("1000,0,2000", "1000,2000", "power.csv:3: wants 5 values, got 4"),
        ("4.500000e+00", "0", None),
    ],
)
def test_mistakes_of_regions_are_told_with_their_line(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    (tmp_path / "power.csv").write_text(REGIONS.replace(old, new, 1))
    if said is None:
        assert len(sources_of(tmp_path, map="power.csv", power=None)) == 1
        return
    with pytest.raises(DeckError, match=said):
        sources_of(tmp_path, map="power.csv", power=None)


@pytest.mark.parametrize("key", ["nonsense", "map_units", "pwoer"])
def test_unknown_keys_of_a_source_with_a_map_are_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "heat.csv").write_text("1, 2\n")
    with pytest.raises(DeckError, match=rf"power.sources\[0\].{key}: unknown key '{key}'.*allowed: name, layer, x, y"):
        sources_of(tmp_path, map="heat.csv", **{key: "W/cm^2"})


def test_regions_have_a_unit_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "power.csv").write_text(REGIONS)
    with pytest.raises(DeckError, match="map_unit: is left out: a table of regions states its unit"):
        sources_of(tmp_path, map="power.csv", map_unit="W/cm^2", power=None)
