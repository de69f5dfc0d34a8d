"""Films of air, radiation, boiling limits: published values, settled faces, warnings; shipped packages under shipped cooling."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError, RangeError
from stack3d.films import (
    AIR_CONDUCTIVITY,
    AIR_VISCOSITY,
    critical_heat_flux,
    forced_air,
    natural_convection,
    radiation,
    rayleigh_number,
)
from stack3d.geometry.stack import build_stack
from stack3d.heat.loads import face_of
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.progress import Silent


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
    film = natural_convection(surface - 300, 2.5e-3, "up", ambient=300.0) + radiation(surface, 300.0, 0.5)
    assert film * (surface - 300) * 1e-4 == pytest.approx(0.5, rel=2e-5)


def test_published_examples() -> None:
    """Incropera & DeWitt, 6th ed.: example 9.2 (vertical, Ra 1.813e9: Nu = 147); air at 300 K along a plate, Re = 1e5."""
    length = (1.813e9 / rayleigh_number(100.0, 1.0, 350.0)) ** (1 / 3)
    film = natural_convection(100.0, length, "vertical", ambient=300.0)
    assert film * length / AIR_CONDUCTIVITY == pytest.approx(147, rel=0.02)  # property values differ a little
    velocity = 1e5 * AIR_VISCOSITY / 0.1
    assert forced_air(velocity, 0.1) == pytest.approx(0.664 * 1e5**0.5 * 0.707 ** (1 / 3) * 0.263, rel=1e-12)
    water = critical_heat_flux(latent_heat=2257e3, liquid_density=957.9, vapour_density=0.5956, surface_tension=0.0589)
    assert water == pytest.approx(1.11e6, rel=0.01)  # the value quoted for water at 1 bar with the constant 0.131
    fluorinated = critical_heat_flux(latent_heat=88e3, liquid_density=1600.0, vapour_density=13.4, surface_tension=8e-3)
    assert fluorinated == pytest.approx(15e4, rel=0.1)  # what the deck for two-phase immersion warns of


def test_correlations_refuse_what_was_not_measured() -> None:
    with pytest.raises(RangeError, match="Rayleigh number"):
        natural_convection(100.0, 10.0, "up", ambient=300.0)
    with pytest.raises(RangeError, match="Reynolds number"):
        forced_air(0.01, 1e-3)


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


def test_limits_that_are_kept_are_told_with_what_is_left() -> None:
    outcome = run("immersion_two_phase", power="1 W", limits={"logic": "400 K", "die": "500 K"})
    hottest = dict(zip(outcome.record.coordinates["layer"], outcome.values["thermal/layer_temperature_max"]))
    told = next(line for line in outcome.summary if line.startswith("within limits"))
    assert told.endswith(f"{400.0 - hottest['die']:.2f} K are left in die up to its 126.9 degC, the least of all limits")


def test_limits_are_warned_of() -> None:
    outcome = run("immersion_two_phase", power="20 W", limits={"logic": "315 K", "die": "500 K"})
    assert any("20 W/cm2 leaves, its limit is 15 W/cm2" in text for text in outcome.warnings)
    assert any("limits.logic" in text and "above its limit" in text for text in outcome.warnings)
    assert not any("limits.die" in text for text in outcome.warnings)
    assert not any(line.startswith("within limits") for line in outcome.summary)
    assert run("immersion_two_phase", power="10 W").warnings == ()
    with pytest.raises(DeckError, match="no role or layer 'dye'.*did you mean 'die'"):
        run("cold_plate", limits={"dye": "400 K"})


def test_more_than_one_way_is_refused() -> None:
    with pytest.raises(DeckError, match="film_coefficient and temperature"):
        run({"film_coefficient": "10 W/m^2/K", "temperature": "300 K"})


PACKAGES = list(decks.available("geometries"))
GEOMETRIES = Path(__file__).parents[2] / "geometries"
MIRRORED = [name for name in PACKAGES if "\nparts:" not in (GEOMETRIES / f"{name}.yaml").read_text(encoding="utf-8")]
"""Those whose parts do not stand side by side in an order of their own."""


def package(geometry: str, top: str, *, backend: str = "tensor", **more: Any) -> Any:
    """Case of a shipped stack under a shipped deck, half a watt in its logic or, without one, its fifth layer."""
    bare = {"scenario": "x", "geometry": geometry, "cooling": {"top": "board", "ambient": "300 K"}, "power": {}, "solver": "ci"}
    stack = build_stack(decks.resolve(yamlfile.parse_text(json.dumps(bare), "p.yaml")).scenario.geometry)
    heated = [*stack.with_role("logic"), stack.layers[min(4, len(stack.layers) - 1)]][0].name
    text = {
        "scenario": "packages", "geometry": geometry, "cooling": {"top": top, "bottom": "board", "ambient": "300 K"},
        "power": {"sources": [{"name": "s", "layer": heated, "power": "0.5 W"}]},
        "solver": {"backend": backend, "mesh": {"lateral": 4, "aspect": 8}, "error_promise": 0.1},
        **more,
    }  # fmt: skip
    return decks.resolve(yamlfile.parse_text(json.dumps(text), "p.yaml")).scenario


LARGE = ("chiplets_on_interposer", "hbm_like_12high", "rram_beside_logic", "tsv_stack_4tier")


@pytest.mark.parametrize(
    "geometry",
    [pytest.param(name, marks=pytest.mark.slow if "channels" in name or name in LARGE else ()) for name in PACKAGES],
)
def test_every_package_under_every_cooling(geometry: str) -> None:
    """Balance to 1e-8 of the input under every deck; no layer hotter, in peak or mean, under a larger film.

    T falls everywhere as a film grows: its change solves the same equation with the heat -dh (T - Ta) put in at the face.
    """
    found = {}
    for name in decks.available("cooling"):
        scenario = package(geometry, name)
        values = run_case(scenario, Silent()).values
        assert values["thermal/heat_balance_error"] < 1e-8, name
        area = build_stack(scenario.geometry).layers[-1].extent.area
        face = face_of(scenario.cooling.top, area, 300.0)
        if (
            not face.is_fixed
            and face.reference == 300.0
            and not (scenario.cooling.top.natural or scenario.cooling.top.emissivity)
        ):
            found[face.film_coefficient] = np.concatenate(
                [values["thermal/layer_temperature_max"], values["thermal/layer_temperature_mean"]]
            )
    ordered = np.array([found[film] for film in sorted(found)])
    assert len(ordered) > 8
    assert np.all(np.diff(ordered, axis=0) < 0)


@pytest.mark.parametrize(("geometry", "backend"), [*((g, "tensor") for g in MIRRORED), ("flip_chip_package", "fem")])
def test_symmetric_input_gives_a_symmetric_field(geometry: str, backend: str) -> None:
    """Every shipped stack without parts is its own mirror image in x and in y; with a whole layer heated its field is too, to the solver.

    Coolant that flows along y leaves the mirror image in x, to the 1e-6 K that it settles to.
    """
    chip = check(package(geometry, "air_heat_sink", backend=backend))
    bricks = Bricks.of(chip)
    values = make_backend(chip.scenario, chip.stack, bricks).solve(chip.sources).field.values
    flows = any(layer.channels for layer in chip.stack.layers)
    slack = 5e-6 if flows else 1e-8 * (values.max() - 300.0)
    for lines in (bricks.grid.x, bricks.grid.y):
        np.testing.assert_allclose(lines + lines[::-1], lines[0] + lines[-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(values[:, :, ::-1], values, rtol=0, atol=slack)
    if not flows:
        np.testing.assert_allclose(values[:, ::-1], values, rtol=0, atol=slack)
    if geometry == "flip_chip_package":  # square as well
        np.testing.assert_allclose(values.swapaxes(1, 2), values, rtol=0, atol=slack)
    assert values.max() > 300.01
