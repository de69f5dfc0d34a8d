"""Temperatures back on blocks and cells: where they are, what they are, and what they are off by."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import exit_code

import stack3d

DIE = {"conductivity": "120 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}
BASE = {"conductivity": "20 W/m/K", "heat_capacity": "2e6 J/m^3/K"}
DECK: dict[str, Any] = {
    "scenario": "places",
    "geometry": {
        "footprint": ["6 mm", "6 mm"],
        "layers": [
            {"name": "base", "thickness": "0.5 mm", "material": BASE},
            {"name": "die", "thickness": "0.2 mm", "material": DIE},
        ],
    },
    "power": {"sources": [
        {"name": "core", "layer": "die", "power": "1 W", "x": ["1 mm", "2 mm"], "y": ["2 mm", "4 mm"]},
        {"name": "cache", "layer": "die", "power": "0.5 W", "x": ["3 mm", "5 mm"], "y": ["3 mm", "5 mm"]},
        {"name": "ground", "layer": "base", "power": "0.2 W"},
    ]},
    "cooling": {"bottom": {"film_coefficient": "3000 W/m^2/K"}, "ambient": "300 K"},
    "maps": {"sources": True, "layers": ["die", "base"], "grid": [4, 3]},
    "solver": {"profile": "ci", "backend": "tensor"},
}  # fmt: skip


PART = {**DECK, "geometry": {**DECK["geometry"], "layers": [
    DECK["geometry"]["layers"][0], {**DECK["geometry"]["layers"][1], "size": ["4 mm", "3 mm"], "offset": ["1 mm", "2 mm"]}]}}  # fmt: skip
"""With a die smaller than its base."""


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def exported(tmp_path: Path, given: dict[str, Any], *kinds: str) -> dict[str, list[dict[str, str]]]:
    """Rows by kind of a run of a deck."""
    deck = tmp_path / "places.yaml"
    deck.write_text(json.dumps(given))
    assert exit_code("run", str(deck), "-o", str(tmp_path / "out")) == 0
    result = next((tmp_path / "out").rglob("result.nc"))
    found = {}
    for kind in kinds:
        table = tmp_path / f"{kind}.csv"
        assert exit_code("export", str(result), "-o", str(table), "--of", kind) == 0
        found[kind] = read(table)
    return found


def box(row: dict[str, str]) -> tuple[float, ...]:
    return tuple(float(row[f"{edge} [m]"]) for edge in ("x0", "x1", "y0", "y1"))


def test_blocks_and_cells_lie_where_the_deck_has_them(tmp_path: Path) -> None:
    """A part smaller than its base begins where it does; cells of a layer have its mean, weighted by nothing but their number."""
    found = exported(tmp_path, PART, "blocks", "cells", "layers")
    boxes = {row["block"]: (row["layer"], *np.round(1e3 * np.array(box(row)), 9)) for row in found["blocks"]}
    assert boxes == {"core": ("die", 1, 2, 2, 4), "cache": ("die", 3, 5, 3, 5), "ground": ("base", 0, 6, 0, 6)}
    means = {row["layer"]: float(row["temperature [K]"]) for row in found["layers"]}
    assert float(found["blocks"][2]["temperature [K]"]) == pytest.approx(means["base"], abs=2e-6)
    for layer, edges in (("die", (1, 5, 2, 5)), ("base", (0, 6, 0, 6))):
        mine = [row for row in found["cells"] if row["layer"] == layer]
        corners = 1e3 * np.array([box(row) for row in mine])
        np.testing.assert_allclose([corners[:, 0].min(), corners[:, 1].max(), corners[:, 2].min(), corners[:, 3].max()], edges)
        assert len(mine) == 12 and np.mean([float(r["temperature [K]"]) for r in mine]) == pytest.approx(means[layer], abs=1e-5)
    assert all(0 < float(row["error [K]"]) < 1 for rows in found.values() for row in rows)


def test_a_block_has_the_mean_of_the_cells_it_is_made_of(tmp_path: Path) -> None:
    """Of a cache that covers two by two cells of a map of 6 x 6 exactly; over time at every output."""
    given = {**DECK, "maps": {**DECK["maps"], "grid": [6, 6]}, "transient": {"until": "0.2 s", "outputs": ["0.05 s", "0.2 s"]}}
    found = exported(tmp_path, given, "blocks", "cells")
    for time in ("0.05", "0.2"):
        cache = next(row for row in found["blocks"] if row["block"] == "cache" and row["time [s]"] == time)
        x0, x1, y0, y1 = box(cache)
        inside = [
            float(row["temperature [K]"])
            for row in found["cells"]
            if row["layer"] == "die" and row["time [s]"] == time
            and x0 - 1e-9 < box(row)[0] and box(row)[1] < x1 + 1e-9 and y0 - 1e-9 < box(row)[2] and box(row)[3] < y1 + 1e-9
        ]  # fmt: skip
        assert len(inside) == 4 and np.mean(inside) == pytest.approx(float(cache["temperature [K]"]), abs=2e-6)


def test_means_of_blocks_keep_their_errors(tmp_path: Path) -> None:
    """What is stated at `ci` holds the difference from a mesh with eight times the elements."""
    deck = tmp_path / "places.yaml"
    deck.write_text(json.dumps(DECK))
    coarse = stack3d.load(deck).run()["thermal"]
    fine = stack3d.load(deck).with_overrides([("solver", {"profile": "standard", "backend": "tensor"})]).run()["thermal"]
    off = np.abs(coarse["block_temperature"].values - fine["block_temperature"].values)
    assert 1e-5 < off.max() < coarse["block_temperature_error"].values.max()


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ({"layers": ["die"]}, "layers and grid go together"),
        ({"grid": [2, 2]}, "layers and grid go together"),
        ({"sources": False}, "asks for nothing"),
    ],
)
def test_maps_that_ask_for_half(tmp_path: Path, maps: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    deck = tmp_path / "places.yaml"
    deck.write_text(json.dumps({**DECK, "maps": maps}))
    assert exit_code("validate", str(deck)) == 2
    assert said in capsys.readouterr().err


def test_what_a_result_does_not_have_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported(tmp_path, {**DECK, "maps": {"layers": ["die"], "grid": [2, 2]}})
    result = str(next((tmp_path / "out").rglob("result.nc")))
    capsys.readouterr()
    for extra, said in (((), "put maps: {sources: true}"), (("--of", "tiles"), "there are blocks, cells, layers, probes"),
                        (("--film", "top=5 W/m^2/K"), "--film is for .fmu alone")):  # fmt: skip
        assert exit_code("export", result, "-o", str(tmp_path / "t.csv"), *extra) != 0
        assert said in capsys.readouterr().err
    assert not (tmp_path / "t.csv").exists()
