"""Ambient and films as tables in a transient: against the closed form of a body of one temperature, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stack3d
from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.progress import Silent

THICKNESS, CAPACITY = 1e-3, 3.4e6
TABLE = {"times": ["0 s", "10 s", "25 s"], "ambient": ["300 K", "350 K", "320 K"]}
FILMS = {"top": ["100 W/m^2/K", "400 W/m^2/K", "50 W/m^2/K"]}
TIMES = (5.0, 10.0, 18.0, 25.0, 40.0)


def plate(backend: str, surroundings: dict[str, Any], *, block: bool = False, **more: Any) -> dict[str, Any]:
    """A plate of copper, heated all over; with a block of the same size and heat capacity that is no layer of its own."""
    copper = {"conductivity": "4000 W/m/K", "heat_capacity": f"{CAPACITY} J/m^3/K"}
    better = {**copper, "conductivity": "8000 W/m/K"}
    blocks = {"blocks": [{"name": "half", "x": ["0 mm", "2 mm"], "y": ["0 mm", "4 mm"], "material": better}]} if block else {}
    return {
        "scenario": "plate",
        "geometry": {
            "footprint": ["4 mm", "4 mm"],
            "layers": [{"name": "plate", "thickness": f"{THICKNESS} m", "material": copper, **blocks}],
        },
        "power": {"sources": [{"name": "all", "layer": "plate", "power": "0.16 W"}]},
        "cooling": {"top": {"film_coefficient": "100 W/m^2/K"}, "ambient": "300 K"},
        "compact": {"films": {"top": ["10 W/m^2/K", "1e3 W/m^2/K"]}, "shortest": "1 s"},
        "transient": {"until": "40 s", "outputs": [f"{t} s" for t in TIMES], "surroundings": surroundings, **more},
        "solver": {"backend": backend, "mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 1e-3},
    }


def scenario(given: dict[str, Any]) -> Any:
    return decks.resolve(yamlfile.parse_text(json.dumps(given), "plate.yaml")).scenario


def closed_form(times: Any) -> Any:
    """C dT/dt = q - h (T - T_air) row by row of the table, per area; q = 10 kW/m²."""
    rows = [(0.0, 300.0, 100.0), (10.0, 350.0, 400.0), (25.0, 320.0, 50.0)]
    found, now = [], 300.0
    for (begin, air, film), end in zip(rows, [10.0, 25.0, np.inf]):
        rate, settled = film / (CAPACITY * THICKNESS), air + 1e4 / film
        found += [settled + (now - settled) * np.exp(-rate * (t - begin)) for t in times if begin < t <= end]
        now = settled + (now - settled) * np.exp(-rate * (end - begin)) if np.isfinite(end) else now
    return np.array(found)


@pytest.mark.parametrize(("backend", "block"), [("tensor", False), ("tensor", True), ("compact", True), ("fem", False)])
def test_a_plate_follows_its_surroundings(backend: str, block: bool) -> None:
    """By modes, by nodes, by a compact model and by DOLFINx; errors are those that are stated, with a thousandth of the rise."""
    found = run_case(scenario(plate(backend, {**TABLE, "films": FILMS}, block=block)), Silent()).values
    mean, error = (np.asarray(found[f"thermal/layer_temperature_mean{end}"])[:, 0] for end in ("", "_error"))
    off = np.abs(mean - closed_form(TIMES))
    assert np.all(off <= error + 0.02) and off.max() < 0.15, (off, error)
    hottest = closed_form(np.linspace(0.0, 40.0, 40_001)[1:]).max()
    assert float(found["thermal/peak_temperature"]) == pytest.approx(hottest, abs=0.3)


def test_rows_that_say_nothing_new_change_nothing() -> None:
    """A table of the surroundings that there are already is the run without it."""
    same = {"times": ["0 s", "7 s"], "ambient": ["300 K", "300 K"], "films": {"top": ["100 W/m^2/K", "100 W/m^2/K"]}}
    by_table = run_case(scenario(plate("tensor", same, step="0.5 s")), Silent()).values
    given = plate("tensor", same, step="0.5 s")
    del given["transient"]["surroundings"]
    plain = run_case(scenario(given), Silent()).values
    key = "thermal/layer_temperature_mean"
    np.testing.assert_allclose(by_table[key], plain[key], rtol=0, atol=1e-3)


AIR = "time [min],ambient [degC],films.top [W/m^2/K]\n0,26.85,100\n0.16666666666666666,76.85,400\n0.4166666666666667,46.85,50\n"


def test_a_file_is_the_table_that_it_holds(tmp_path: Path) -> None:
    """Its units are its own, its last row holds to the end, a name counts from the deck, and its content is in the hash."""
    (tmp_path / "air.csv").write_text(AIR)
    deck, digests = tmp_path / "plate.yaml", []
    deck.write_text(json.dumps(plate("tensor", {"file": "air.csv"}, step="0.5 s")))
    by_file = stack3d.load(str(deck)).run()
    given = run_case(scenario(plate("tensor", {**TABLE, "films": FILMS}, step="0.5 s")), Silent()).values
    key = "thermal/layer_temperature_mean"
    np.testing.assert_allclose(by_file[key], given[key], rtol=1e-9)
    for text in (AIR, AIR.replace("76", "77")):
        (tmp_path / "air.csv").write_text(text)
        digests.append(stack3d.load(str(deck)).case.digest())
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("76.85", ""), "transient.surroundings.file: air.csv line 3, 'ambient \\[degC\\]': '' is no number"),
        (("ambient", "ambeint"), "column 'ambeint .*': is neither 'ambient' nor 'films.' and a face"),
        (("films.top", "films.tpo"), "transient.surroundings.films.tpo: no face 'tpo' .did you mean 'top'"),
        (("degC", "W"), "column 'ambient \\[W\\]'"),
        (("0.4166666666666667", "0.1"), "air.csv line 4: times start at 0 and rise, got 6 s"),
    ],
)
def test_mistakes_of_a_file_are_told(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    (tmp_path / "air.csv").write_text(AIR.replace(*change))
    with pytest.raises(DeckError, match=said):
        check(scenario(plate("tensor", {"file": str(tmp_path / "air.csv")})))


def test_a_file_or_columns_not_both() -> None:
    with pytest.raises(DeckError, match="wants either a file, or times and columns"):
        scenario(plate("tensor", {**TABLE, "file": "air.csv"}))
    with pytest.raises(DeckError, match="wants times and columns, or a file"):
        scenario(plate("tensor", {"ambient": ["300 K"]}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"times": ["0 s", "10 s"]}, "ambient has 3 values for 2 times"),
        ({"times": ["1 s", "2 s", "3 s"]}, "times begin at 0 s, got 1 s"),
        ({"times": ["0 s", "9 s", "9 s"]}, "times have to ascend, got 9 s after 9 s"),
        ({"ambient": ["300 K", "350 W", "300 K"]}, "transient.surroundings.ambient"),
        ({"films": {"tpo": ["1 W/m^2/K"] * 3}}, "no face 'tpo' .did you mean 'top'"),
        ({"films": {"top": ["100 W/m^2/K", "5 W/m^2/K", "90 W/m^2/K"]}}, "film of top = 5 W/m.2/K lies outside .* compact.films.top"),
    ],
)  # fmt: skip
def test_mistakes_are_told(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DeckError, match=said):
        check(scenario(plate("compact", {**TABLE, **change})))


def test_a_period_has_surroundings_that_stay() -> None:
    with pytest.raises(DeckError, match="periodic goes with surroundings that stay"):
        scenario(plate("tensor", TABLE, periodic=True))
