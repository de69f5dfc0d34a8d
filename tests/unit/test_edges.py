"""Edges that differ by rounding are one; of crowding ones the middle stays."""

import json
from itertools import product
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check
from stack3d.errors import DeckError
from stack3d.geometry.edges import apart
from stack3d.heat.meshing import Bricks


def package(outer: float, inner: float, sources: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A die in the middle over a block of the same outline, sizes in mm."""
    low, high = f"{round(0.5 * (outer - inner), 6)} mm", f"{round(0.5 * (outer + inner), 6)} mm"
    block = {"name": "b", "x": [low, high], "y": [low, high], "material": "copper"}
    return {
        "scenario": "twins",
        "geometry": {
            "footprint": [f"{outer} mm", f"{outer} mm"],
            "layers": [
                {"name": "a", "thickness": "0.5 mm", "material": "silicon", "blocks": [block]},
                {"name": "die", "thickness": "0.2 mm", "material": "silicon", "size": [f"{inner} mm", f"{inner} mm"]},
                {"name": "lid", "thickness": "1 mm", "material": "copper"},
            ],
        },
        "power": {"sources": sources or [{"name": "q", "layer": "die", "power": "2 W"}]},
        "cooling": {"top": {"film_coefficient": "1000 W/m^2/K"}, "ambient": "300 K"},
        "solver": "study",
    }


def chip(tree: dict[str, Any]) -> Any:
    return check(decks.resolve(yamlfile.parse_text(json.dumps(tree), "s.yaml")).scenario)


@pytest.mark.parametrize(("outer", "inner"), list(product((10, 7.7, 3.3), (3, 2.1, 1.3))))
def test_the_outline_of_a_block_and_of_a_centred_layer_are_one(outer: float, inner: float) -> None:
    built = chip(package(outer, inner))
    block, die = built.stack.layer("a").blocks[0].extent, built.stack.layer("die").extent
    assert block == die
    for lines in ((grid := Bricks.of(built).grid).x, grid.y):
        assert np.diff(lines).min() > 1e-6 * outer * 1e-3
        assert die.x0 in lines and die.x1 in lines


@pytest.mark.parametrize(("gap", "refused"), [(1e-9, False), (1e-7, True), (1e-6, True), (1e-5, False)])
def test_edges_closer_than_a_solver_can_part_are_refused(gap: float, refused: bool) -> None:
    """Over 6 mm: of 1e-9 mm they are one, of 1e-6 mm too narrow, of 1e-5 mm solved."""
    tree = package(6, 3)
    beside = {"name": "c", "x": [f"{4.5 + gap:.9f} mm", "5 mm"], "y": ["2 mm", "4 mm"], "material": "silicon"}
    tree["geometry"]["layers"][0]["blocks"].append(beside)
    if refused:
        with pytest.raises(DeckError, match=r"edges of layers or blocks at 4.5 mm and 4.5\d+ mm are [\d.]+ nm apart"):
            chip(tree)
    else:
        chip(tree)


def test_of_crowding_lines_the_same_stay_from_either_end() -> None:
    """Sources whose ends lie 0.2 um apart: the mirror image has the mirrored lines."""

    def lines(flip: bool) -> Any:
        spans = [(1.0, 2.0), (2.0002, 2.9), (2.9001, 3.6)]
        spans = [(10 - b, 10 - a) for a, b in spans] if flip else spans
        sources = [
            {"name": f"s{i}", "layer": "lid", "power": "1 W", "x": [f"{a:.6f} mm", f"{b:.6f} mm"]}
            for i, (a, b) in enumerate(spans)
        ]
        return Bricks.of(chip(package(10, 3, sources))).grid.x

    np.testing.assert_allclose(lines(True), (0.01 - lines(False))[::-1], rtol=0, atol=1e-12)
    assert apart([1.0, 1.1, 1.25, 3.0], 0.2) == [1.0, 1.25, 3.0]
    assert apart([1.0, 1.1, 3.0], 0.2) == [1.05, 3.0]
