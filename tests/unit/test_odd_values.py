"""Temperatures and films that are legal but hardly meant are told with their place, before a run and in it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stack3d import decks, yamlfile
from stack3d.case import check, odd_values, run_case
from stack3d.cli import app
from stack3d.progress import Silent

FILM = {"film_coefficient": "1e4 W/m^2/K"}
LAYER = {"name": "die", "thickness": "1 mm", "material": {"conductivity": "100 W/m/K", "heat_capacity": "2e6 J/m^3/K"}}
WATER = {"heat_capacity": "4.2e6 J/m^3/K", "conductivity": "0.6 W/m/K", "viscosity": "1e-3 Pa*s", "boiling_point": "77 K"}
CHANNELS = {
    "direction": "y", "coolant": WATER, "flow_rate": "20 ml/min", "inlet_temperature": "25 degC", "count": 20,
    "width": "0.2 mm", "wall_width": "0.2 mm", "wall_film_coefficient": "3e4 W/m^2/K",
}  # fmt: skip


def tree(top: dict[str, Any], ambient: str = "35 degC", **more: Any) -> dict[str, Any]:
    return {
        "scenario": "odd",
        "geometry": {"footprint": ["10 mm", "10 mm"], "layers": [LAYER]},
        "power": {"sources": [{"name": "p", "layer": "die", "power": "1 W"}]},
        "cooling": {"top": top, "ambient": ambient},
        "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 2, "aspect": 4}, "error_promise": 0.02},
    } | more


def told(content: dict[str, Any]) -> list[str]:
    return [str(p) for p in odd_values(check(decks.resolve(yamlfile.parse_text(json.dumps(content), "odd.yaml")).scenario))]


def cavity(**other: str) -> dict[str, Any]:
    layer = LAYER | {"name": "cavity", "thickness": "0.2 mm", "channels": CHANNELS | other}
    return {"geometry": {"footprint": ["10 mm", "10 mm"], "layers": [LAYER, layer, LAYER | {"name": "lid"}]}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tree(FILM), ""),
        (tree({"temperature": "-40 degC"}, limits={"die": "400 degC"}), ""),
        (tree({"areal_resistance": "0 m^2*K/W"}), ""),
        (tree(FILM, "35 K"), "cooling.ambient: 35 K is -238.1 degC: are degrees Celsius meant?"),
        (tree(FILM, "358 degC"), "cooling.ambient: 631.15 K is 358 degC: are kelvin meant?"),
        (tree({"temperature": "60 K"}), "cooling.top.temperature: 60 K is"),
        (tree(FILM, limits={"die": "85 K"}), "limits.die: 85 K is -188."),
        (tree(FILM, mission=[{"name": "day", "share": 1, "ambient": "20 K"}]), "mission[0].ambient: 20 K is"),
        (tree({"film_coefficient": "1e8 W/m^2/K"}), "cooling.top.film_coefficient: 1e+08 W/m2/K; no cooling of chips reaches"),
        (tree({"areal_resistance": "1e-9 m^2*K/W"}), "cooling.top.areal_resistance: is a film of 1e+09 W/m2/K"),
        (tree({"resistance": "1e-3 K/W"}), "cooling.top.resistance: is a film of 1e+07 W/m2/K"),
        (tree(FILM, **cavity()), ""),
        (tree(FILM, **cavity(inlet_temperature="25 K")), "geometry.layers[1].channels.inlet_temperature: 25 K is"),
        (tree(FILM, **cavity(wall_film_coefficient="3e7 W/m^2/K")), "geometry.layers[1].channels.wall_film_coefficient: 3e+07"),
    ],
)
def test_what_is_hardly_meant_is_told(content: dict[str, Any], said: str) -> None:
    found = told(content)
    assert len(found) == bool(said)
    assert all(one.startswith(said) for one in found)


def test_a_run_and_a_check_tell_it_with_its_line(tmp_path: Path) -> None:
    scenario = decks.resolve(yamlfile.parse_text(json.dumps(tree(FILM, "35 K")), "odd.yaml")).scenario
    assert [text for text in run_case(scenario, Silent()).warnings if text.startswith("cooling.ambient: 35 K is")]
    path = tmp_path / "odd.yaml"
    path.write_text(json.dumps(tree(FILM, "35 K") | {"sweep": {"power.sources.p.power": ["1 W", "2 W"]}}, indent=1))
    line = path.read_text().splitlines().index('  "ambient": "35 K"') + 1
    found = CliRunner().invoke(app, ["validate", str(path)])
    assert found.exit_code == 0
    assert found.stderr.count(f"odd.yaml:{line}: cooling.ambient: 35 K is -238.1 degC") == 1  # once, not once a case


def on_a_die(*boxes: tuple[tuple[float, float], tuple[float, float]], size: float = 10.0) -> dict[str, Any]:
    """Sources [mm] on a die in the middle of a board of 18 mm: it lies from 4 to 14 mm where it is 10 mm wide."""
    layers = [LAYER | {"name": "board"}, LAYER | {"size": [f"{size} mm", f"{size} mm"]}]
    sources = [
        {"name": f"b{i}", "layer": "die", "power": "1 W", "x": [f"{v} mm" for v in x], "y": [f"{v} mm" for v in y]}
        for i, (x, y) in enumerate(boxes)
    ]
    return tree(FILM, geometry={"footprint": ["18 mm", "18 mm"], "layers": layers}, power={"sources": sources})


@pytest.mark.parametrize(
    ("boxes", "is_told"),
    [
        ([((5, 8), (5, 8)), ((8, 10), (5, 7))], True),  # ends at 10 mm, the edge of a die of 10 mm
        ([((5, 8), (5, 8))], False),  # at no edge either way
        ([((4, 10), (5, 8))], False),  # at the edge of the die as it stands
        ([((12, 14), (5, 8))], False),
        ([((5, 10), (5, 12))], False),  # outside if counted from the die
    ],
)
def test_a_floorplan_that_fits_and_may_count_from_its_die_is_told(boxes: Any, is_told: bool) -> None:
    said = [text for text in told(on_a_die(*boxes)) if "counted from the corner" in text]
    assert len(said) == is_told
    if is_told:
        assert said[0].endswith(
            "power.sources: those of layer 'die' lie at x 5 to 10 mm, y 5 to 8 mm, counted from the corner of the footprint, and end at"
            " no edge of the layer (x 4 to 14 mm, y 4 to 14 mm); counted from the corner of the layer they would. If they do,"
            " add 4 mm to x and 4 mm to y, or write floorplan_from: layer beside a floorplan"
        )


def test_show_says_where_sources_lie_in_their_layer(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps(on_a_die(((5, 8), (6, 7)))))
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "a.yaml")]).output
    assert "b0                die                        1 W  5 to 8            6 to 7            1 to 4, 2 to 3\n" in shown
    (tmp_path / "b.yaml").write_text(json.dumps(tree(FILM)))
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "b.yaml")]).output
    assert "p                 die                        1 W  0 to 10           0 to 10\n" in shown and "within" not in shown
