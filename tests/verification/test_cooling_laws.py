"""Films of air, radiation, boiling limits: published values, settled faces, warnings; shipped packages under shipped cooling."""

import json
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.errors import DeckError, RangeError
from stack3d.lifetime import run_case
from stack3d.progress import Silent
from stack3d.thermal import cooling


def run(top: Any, *, solver: str = "tensor", power: str = "0.5 W", **more: Any) -> Any:
    tree = {
        "scenario": "faces",
        "geometry": {
            "footprint": ["10 mm", "10 mm"],
            "layers": [{"name": "die", "role": "logic", "thickness": "1 mm", "material": {"conductivity": "1e4 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}}],
        },
        "cooling": {"top": top, "ambient": "300 K"},
        "power": {"sources": [{"name": "all", "layer": "die", "power": power}]},
        "solver": {"backend": solver, "mesh": {"lateral": 6}, "error_promise": 0.01},
        **more,
    }  # fmt: skip
    case = decks.resolve(yamlfile.parse_text(json.dumps(tree), "faces.yaml"))
    return run_case(case.scenario, Silent())


def test_radiation_is_that_of_a_grey_body() -> None:
    """One warm plate in large surroundings: epsilon sigma (T^4 - Ta^4) A = P, by hand 0.9 of a black body."""
    outcome = run({"emissivity": 0.9})
    surface = float(outcome.values["thermal/layer_temperature_mean"][0])
    assert 0.9 * 5.670374419e-8 * (surface**4 - 300**4) * 1e-4 == pytest.approx(
        0.5, rel=2e-5
    )  # films settled to 1e-7, 1e-5 from the middle of the die to its face
    assert outcome.values["thermal/heat_balance_error"] < 1e-8


@pytest.mark.parametrize("solver", ["tensor", "fem"])
def test_a_face_in_still_air_loses_what_its_correlation_says(solver: str) -> None:
    outcome = run({"natural": {"facing": "up", "length": "2.5 mm"}, "emissivity": 0.5}, solver=solver)
    surface = float(outcome.values["thermal/layer_temperature_mean"][0])
    film = cooling.natural_convection(surface - 300, 2.5e-3, "up", ambient=300.0) + cooling.radiation(surface, 300.0, 0.5)
    assert film * (surface - 300) * 1e-4 == pytest.approx(0.5, rel=2e-5)


def test_published_examples() -> None:
    """Incropera & DeWitt, 6th ed.: example 9.2 (vertical, Ra 1.813e9: Nu = 147); air at 300 K along a plate, Re = 1e5."""
    length = (1.813e9 / cooling.rayleigh_number(100.0, 1.0, 350.0)) ** (1 / 3)
    film = cooling.natural_convection(100.0, length, "vertical", ambient=300.0)
    assert film * length / cooling.AIR_CONDUCTIVITY == pytest.approx(147, rel=0.02)  # property values differ a little
    velocity = 1e5 * cooling.AIR_VISCOSITY / 0.1
    assert cooling.forced_air(velocity, 0.1) == pytest.approx(0.664 * 1e5**0.5 * 0.707 ** (1 / 3) * 0.263, rel=1e-12)
    water = cooling.critical_heat_flux(latent_heat=2257e3, liquid_density=957.9, vapour_density=0.5956, surface_tension=0.0589)
    assert water == pytest.approx(1.11e6, rel=0.01)  # the value quoted for water at 1 bar with the constant 0.131
    fluorinated = cooling.critical_heat_flux(latent_heat=88e3, liquid_density=1600.0, vapour_density=13.4, surface_tension=8e-3)
    assert fluorinated == pytest.approx(15e4, rel=0.1)  # what the deck for two-phase immersion warns of


def test_correlations_refuse_what_was_not_measured() -> None:
    with pytest.raises(RangeError, match="Rayleigh number"):
        cooling.natural_convection(100.0, 10.0, "up", ambient=300.0)
    with pytest.raises(RangeError, match="Reynolds number"):
        cooling.forced_air(0.01, 1e-3)


def test_a_thermoelectric_cooler_follows_its_line() -> None:
    deck = {
        "thermoelectric": {
            "peltier": "600 W/m^2/K",
            "conductance": "1500 W/m^2/K",
            "joule": "4e4 W/m^2",
            "hot_side": "318.15 K",
        }
    }
    surface = float(run(deck, power="3 W").values["thermal/layer_temperature_mean"][0])
    assert 600 * surface + 1500 * (surface - 318.15) - 4e4 == pytest.approx(3e4, rel=1e-4)  # mean of the layer, not of its face


def test_limits_are_warned_of() -> None:
    outcome = run("immersion_two_phase", power="20 W", limits={"logic": "315 K", "die": "500 K"})
    assert any("20 W/cm2 leaves, its limit is 15 W/cm2" in text for text in outcome.warnings)
    assert any("limits.logic" in text and "above its limit" in text for text in outcome.warnings)
    assert not any("limits.die" in text for text in outcome.warnings)
    assert run("immersion_two_phase", power="10 W").warnings == ()
    with pytest.raises(DeckError, match="no role or layer 'dye'.*did you mean 'die'"):
        run("cold_plate", limits={"dye": "400 K"})


def test_more_than_one_way_is_refused() -> None:
    with pytest.raises(DeckError, match="film_coefficient and temperature"):
        run({"film_coefficient": "10 W/m^2/K", "temperature": "300 K"})


PACKAGES = list(decks.available("geometries"))
ORDER = ["natural_convection", "forced_air", "air_heat_sink", "cold_plate"]
"""From worse to better."""


@pytest.mark.parametrize("geometry", PACKAGES)
def test_every_package_under_every_cooling(geometry: str) -> None:
    """Balance to 1e-8 of the input under every deck, and never hotter where the film is better."""
    from stack3d.geometry.stack import build_stack

    def solve(top: str) -> tuple[float, float]:
        text = {
            "scenario": "packages", "geometry": geometry, "cooling": {"top": top, "bottom": "board", "ambient": "300 K"},
            "power": {"sources": [{"name": "s", "layer": heated, "power": "0.5 W"}]},
            "solver": {"backend": "tensor", "mesh": {"lateral": 4, "aspect": 8}, "error_promise": 0.1},
        }  # fmt: skip
        values = run_case(decks.resolve(yamlfile.parse_text(json.dumps(text), "p.yaml")).scenario, Silent()).values
        return float(values["thermal/layer_temperature_max"].max()), float(values["thermal/heat_balance_error"])

    first = {
        "scenario": "x",
        "geometry": geometry,
        "cooling": {"top": "board", "ambient": "300 K"},
        "power": {},
        "solver": "ci",
    }
    stack = build_stack(decks.resolve(yamlfile.parse_text(json.dumps(first), "p.yaml")).scenario.geometry)
    heated = [*stack.with_role("logic"), stack.layers[min(4, len(stack.layers) - 1)]][0].name
    peaks = {name: solve(name) for name in decks.available("cooling")}
    assert max(balance for _, balance in peaks.values()) < 1e-8
    ordered = np.array([peaks[name][0] for name in ORDER])
    assert np.all(np.diff(ordered) < 0)
