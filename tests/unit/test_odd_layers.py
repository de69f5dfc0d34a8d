"""Layers that are hardly meant are told: too thick for the narrow heat that fills them, or for an interface material."""

import json
from pathlib import Path
from typing import Any

import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, odd_values, run_case
from stack3d.case.odd_layers import hidden_rise
from stack3d.progress import Silent

POWER, K = 8.0, 130.0
DIE = {"conductivity": f"{K} W/m/K", "heat_capacity": "1.6e6 J/m^3/K"}
LID = {"name": "lid", "thickness": "2 mm", "material": {"conductivity": "390 W/m/K", "heat_capacity": "3.4e6 J/m^3/K"}}
TIM = {"name": "tim", "thickness": "50 um", "material": "tim1"}


def case(width: float, thickness: float, active: float = 0.0, **more: Any) -> decks.Case:
    """8 W in the middle of 10 x 10 mm, in the whole die or in an active layer on its lower face. [m]"""
    ends = [f"{5e-3 - width / 2} m", f"{5e-3 + width / 2} m"]
    die = {"name": "die", "thickness": f"{thickness - active} m", "material": DIE}
    own = [{"name": "active", "thickness": f"{active} m", "material": DIE}] if active else []
    tree = {
        "scenario": "thick",
        "geometry": {"footprint": ["10 mm", "10 mm"], "layers": [*own, die, TIM, LID]},
        "power": {
            "sources": [{"name": "hot", "layer": (own or [die])[0]["name"], "x": ends, "y": ends, "power": f"{POWER} W"}]
        },
        "cooling": {"top": {"film_coefficient": "3000 W/m^2/K"}, "ambient": "300 K"},
        "solver": {"profile": "ci", "backend": "tensor"},
    } | more
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "thick.yaml"), None)


def told(of: decks.Case) -> list[str]:
    return [str(problem) for problem in odd_values(check(of.scenario))]


def test_a_narrow_source_in_a_thick_layer_is_told_with_the_remedy() -> None:
    (said,) = told(case(1e-3, 0.5e-3))
    assert "source 'hot' is 1 mm wide and heats the whole 500 um of layer 'die'" in said
    assert 'about 11 K higher: give the heat a layer of its own on that face, as {name: active, thickness: "5 um"' in said


@pytest.mark.parametrize(
    ("width", "thickness", "active"),
    [
        (1e-3, 0.5e-3, 5e-6),  # the remedy
        (3.1e-3, 0.5e-3, 0.0),  # 6.2 thicknesses wide
    ],
)
def test_thin_layers_and_wide_sources_are_silent(width: float, thickness: float, active: float) -> None:
    assert told(case(width, thickness, active)) == []


def test_many_sources_of_a_layer_are_told_once() -> None:
    box = {"layer": "die", "y": ["1 mm", "2 mm"]}
    sources = [{"name": f"s{i}", **box, "x": [f"{2 * i} mm", f"{2 * i + 1} mm"], "power": f"{i} W"} for i in range(4)]
    (said,) = told(case(1e-3, 0.5e-3, power={"sources": sources}))
    assert "source 's3'" in said
    assert ", and 2 more in this layer" in said, "s0 heats nothing"


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_what_is_hidden_is_that_of_solved_stacks(ratio: float) -> None:
    thick, width = 0.5e-3, ratio * 0.5e-3
    whole, face = (
        float(run_case(case(width, thick, active).scenario, Silent()).values["thermal/layer_temperature_max"].max())
        for active in (0.0, 5e-6)
    )
    assert hidden_rise(POWER, width, width, thick, K) == pytest.approx(face - whole, rel=0.06)


def test_an_interface_material_of_centimetres_is_told() -> None:
    layers = [{"name": "die", "thickness": "0.5 mm", "material": DIE}, TIM | {"thickness": "50 mm"}, LID]
    (said,) = told(case(9e-3, 0.5e-3, geometry={"footprint": ["10 mm", "10 mm"], "layers": layers}))
    assert said.endswith("geometry.layers.tim.thickness: 50 mm of interface material (tim1), more than 1 mm: is um meant?")


@pytest.mark.parametrize("path", sorted(Path("scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_scenarios_are_silent_but_for_a_die_of_two_thicknesses(path: Path) -> None:
    """The dies of `resolved_bumps` are 50 um thick, and its source, 100 um wide, has no active layer."""
    said = [text for text in told(decks.load(path)) if "heats the whole" in text or "interface" in text]
    assert len(said) == (path.stem == "resolved_bumps")
