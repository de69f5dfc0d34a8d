"""Maps of shares: blocks of the mixing rule, layers that may have them, and what is wrong with a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.decks.case import Case
from stack3d.errors import DeckError
from stack3d.geometry.mixing import along_cylinders, between_bounds
from stack3d.geometry.stack import build_stack
from stack3d.layout import Stack

METAL: dict[str, Any] = {"host": "silicon_dioxide", "fill": "copper"}


def case_of(folder: Path, pattern: dict[str, Any] | None = None, **geometry: Any) -> Case:
    """A die of 8 x 6 mm whose upper layer, of 4 x 2 mm in its middle, has a pattern."""
    die = {"name": "die", "thickness": "100 um", "material": "silicon"}
    metal = {"name": "metal", "thickness": "2 um", "size": ["4 mm", "2 mm"], "material": {"pattern": METAL | (pattern or {})}}
    tree: dict[str, Any] = {
        "scenario": "covered",
        "geometry": {"footprint": ["8 mm", "6 mm"], "layers": [die, metal]} | geometry,
    }
    tree |= {"power": {"sources": [{"name": "s", "layer": "die", "power": "1 W"}]}, "solver": "study"}
    tree |= {"cooling": {"ambient": "300 K", "top": {"film_coefficient": "1e3 W/m^2/K"}}}
    path = folder / "covered.yaml"
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), str(path)), path, [])


def stack_of(folder: Path, pattern: dict[str, Any] | None = None, **geometry: Any) -> Stack:
    return build_stack(case_of(folder, pattern, **geometry).scenario.geometry)


def test_one_share_everywhere_is_the_rule_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "even.npy", np.full((5, 7), 0.3))
    mapped, plain = stack_of(tmp_path, {"map": "even.npy"}), stack_of(tmp_path, {"share": 0.3})
    assert mapped.layer("metal").material == plain.layer("metal").material and not mapped.layer("metal").blocks


def test_half_and_half_are_two_zones_of_the_rule(tmp_path: Path) -> None:
    """Columns go from the lowest x on, rows from the lowest y on, over the layer's own size."""
    (tmp_path / "half.csv").write_text("0.2, 0.2, 0.6, 0.6\n0.2, 0.2, 0.6, 0.6\n")
    layer = stack_of(tmp_path, {"map": "half.csv"}).layer("metal")
    (block,) = layer.blocks
    assert vars(block.extent) == pytest.approx({"x0": 4e-3, "x1": 6e-3, "y0": 2e-3, "y1": 4e-3})
    copper, oxide = (stack_of(tmp_path, {"share": share}).layer("metal").material.conductivity[0] for share in (1.0, 0.0))
    for material, share in ((layer.material, 0.2), (block.material, 0.6)):
        sideways, upwards = between_bounds(copper, oxide, share), along_cylinders(copper, oxide, share)
        assert material.conductivity == pytest.approx((sideways, sideways, upwards), rel=1e-14)


def test_rows_of_a_map_go_up(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("0.1\n0.1\n0.9\n")
    (block,) = stack_of(tmp_path, {"map": "rows.csv"}).layer("metal").blocks
    assert (block.extent.y0, block.extent.y1) == pytest.approx((2e-3 + 4e-3 / 3, 4e-3))


def test_lines_have_the_bounds_of_any_mixture(tmp_path: Path) -> None:
    """Along lines the area mean, across them solids one behind the other, both exact."""
    plain = {share: stack_of(tmp_path, {"share": share}).layer("metal").material.conductivity for share in (0.0, 1.0)}
    (oxide, _, _), (copper, _, _) = plain[0.0], plain[1.0]
    along, across = 0.25 * copper + 0.75 * oxide, 1 / (0.25 / copper + 0.75 / oxide)
    for name, k in (("lines_x", (along, across)), ("lines_y", (across, along))):
        found = stack_of(tmp_path, {"share": 0.25, "sideways": name}).layer("metal").material.conductivity
        assert found == pytest.approx((*k, along), rel=1e-14)
    for name in ("islands", "mixed", "planes"):
        assert across < stack_of(tmp_path, {"share": 0.25, "sideways": name}).layer("metal").material.conductivity[0] < along


def test_layers_of_tiers_and_parts_have_maps_too(tmp_path: Path) -> None:
    np.save(tmp_path / "half.npy", np.array([[0.2, 0.6]]))
    metal = {"name": "metal", "thickness": "2 um", "material": {"pattern": METAL | {"map": "half.npy"}}}
    base = {"name": "base", "thickness": "100 um", "material": "silicon"}
    tiers = stack_of(tmp_path, layers=[], below=[base], tiers={"repeat": 2, "layers": [metal]})
    assert [len(layer.blocks) for layer in tiers.layers] == [0, 1, 1]
    part = {"name": "chip", "at": ["1 mm", "1 mm"], "size": ["2 mm", "2 mm"], "layers": [metal]}
    parts = stack_of(tmp_path, layers=[], below=[{**base, "name": "die"}], parts=[part], fill="mold_compound")
    (layer,) = parts.parts
    assert [vars(block.extent) for block in layer.blocks] == [pytest.approx({"x0": 2e-3, "x1": 3e-3, "y0": 1e-3, "y1": 3e-3})]


def test_a_case_is_told_by_the_shares_in_its_files(tmp_path: Path) -> None:
    digests = []
    for values in ([[0.1, 0.2]], [[0.1, 0.3]], [[0.1, 0.2]]):
        np.save(tmp_path / "cu.npy", np.array(values))
        digests.append(case_of(tmp_path, {"map": "cu.npy"}).digest())
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ({"map": "none.npy"}, "none.npy cannot be read"),
        ({"map": "high.csv"}, "values from 0 to 1; got 1.5"),
        ({"map": "low.csv"}, "values of 0 or more; got -0.5 to 0.1"),
        ({"map": "odd.csv"}, "odd.csv:2: map: wants 2 values, got 1"),
        ({"map": "fine.npy"}, "has 20101 rectangles of equal shares"),
        ({"map": "cu.txt"}, "ends in .csv or .npy"),
        ({"map": "high.csv", "share": 0.5}, "wants either share, or map"),
        ({}, "wants either share, or map"),
        ({"share": 0.5, "sideways": "lines"}, "lines_x"),
    ],
)
def test_mistakes_of_a_map_are_told(tmp_path: Path, pattern: dict[str, Any], said: str) -> None:
    for name, text in (("high", "0.1, 1.5"), ("low", "0.1, -0.5"), ("odd", "1, 1\n1\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "cu.txt").write_text("0.5")
    np.save(tmp_path / "fine.npy", np.linspace(0, 1, 20_102).reshape(1, -1))
    with pytest.raises(DeckError, match=said):
        stack_of(tmp_path, pattern)


MAPPED = {"pattern": METAL | {"map": "cu.csv"}}
SOLID = {"conductivity": "1 W/m/K", "heat_capacity": "1e6 J/m^3/K"}
INNER = {"pattern": {"host": SOLID, "fill": SOLID, "map": "cu.csv"}}


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"material": "silicon", "blocks": [{"name": "b", "x": ["0 mm", "1 mm"], "y": ["0 mm", "1 mm"], "material": MAPPED}]}, "of a layer alone"),
        ({"material": MAPPED, "blocks": [{"name": "b", "x": ["0 mm", "1 mm"], "y": ["0 mm", "1 mm"], "material": "silicon"}]}, "can have no blocks"),
        ({"material": {"cylinders": {"host": INNER, "fill": "copper", "diameter": "5 um", "pitch": "20 um"}}}, "host has a map"),
        ({"material": {"pattern": {"host": "silicon", "fill": INNER, "share": 0.5}}}, "fill has a map"),
    ],
)  # fmt: skip
def test_a_map_belongs_to_a_layer(tmp_path: Path, layer: dict[str, Any], said: str) -> None:
    (tmp_path / "cu.csv").write_text("0.1, 0.2")
    with pytest.raises(DeckError, match=said):
        stack_of(tmp_path, layers=[{"name": "die", "thickness": "100 um", **layer}])
