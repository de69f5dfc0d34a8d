"""Spreading in a square slab against its closed form, and the error estimate of a run against the true error."""

import json

import neutral
import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.progress import Silent


def spreading_resistance(a: float, c: float, t: float, k: float, h: float, terms: int = 4000) -> float:
    """Mean of a square source of half width a on a slab of half width c, film h on the far side, over that film's ambient.

    Y. S. Muzychka, J. R. Culham, M. M. Yovanovich, J. Electronic Packaging 125 (2003) 178, doi:10.1115/1.1568125.
    """
    wave = np.arange(1, terms + 1) * np.pi / c

    def phi(z: np.ndarray) -> np.ndarray:
        tanh = np.tanh(z * t)
        return (z + h / k * tanh) / (z * tanh + h / k)

    one = np.sin(a * wave) ** 2
    single = (one / wave**3 * phi(wave)).sum() / (2 * a**2 * c**2 * k)
    both = np.hypot(wave[:, None], wave)
    double = (np.outer(one, one) / (np.outer(wave, wave) ** 2 * both) * phi(both)).sum() / (a**4 * c**2 * k)
    return 2 * single + double + (t / k + 1 / h) / (4 * c**2)


@pytest.mark.parametrize(
    ("half_source", "solver", "tolerance"),
    [
        (2e-3, "standard", 5e-3),
        (0.5e-3, "standard", 5e-3),
        (0.2e-3, "standard", 5e-3),
        (30e-6, "standard", 5e-3),
        (30e-6, "study", 0.04),
        (30e-6, "draft", 0.02),
    ],
)
def test_square_source_on_a_square_slab(half_source: float, solver: str, tolerance: float) -> None:
    """Narrow sources too, which get elements of their own; the source is a thin film of the slab's material."""
    c, t, k, h = 5e-3, 1e-3, 120.0, 2e4
    low, high = c - half_source, c + half_source
    film = half_source / 500
    material = {"conductivity": f"{k} W/m/K", "heat_capacity": "1.6e6 J/m^3/K"}
    tree = {
        "scenario": "spreading",
        "geometry": {
            "footprint": ["10 mm", "10 mm"],
            "layers": [
                {"name": "film", "thickness": f"{film} m", "material": material},
                {"name": "slab", "thickness": f"{t - film} m", "material": material},
            ],
        },
        "cooling": {"top": {"film_coefficient": f"{h} W/m^2/K"}, "ambient": "300 K"},
        "power": {"sources": [{"name": "s", "layer": "film", "x": [f"{low} m", f"{high} m"], "y": [f"{low} m", f"{high} m"], "power": "1 W"}]},
        "solver": solver,
    }  # fmt: skip
    chip = check(decks.resolve(yamlfile.parse_text(json.dumps(tree), "s.yaml")).scenario)
    field = make_backend(chip.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources).field
    found = field.box_means("film", [chip.sources[0].extent])[0] - 300.0
    assert found == pytest.approx(spreading_resistance(half_source, c, t, k, h), rel=tolerance)


@pytest.mark.parametrize("solver", ["ci", "draft"])
def test_the_error_estimate_of_a_run_is_of_the_size_of_its_error(reference, solver: str) -> None:
    """Two hot spots with exact values beside: the estimate neither hides the error nor exaggerates it by more than five."""
    case = neutral.load(reference / "thermal", "case2_hotspots", solver, (("solver.backend", "tensor"),))
    outcome = run_case(case.scenario, Silent())
    exact = neutral.exact(reference / "thermal", "case2_hotspots")
    layers = dict(zip(outcome.coordinates["layer"], outcome.values["thermal/layer_temperature_mean"]))
    probes = dict(zip(outcome.coordinates["probe"], outcome.values["thermal/probe_temperature"]))
    maps = outcome.values["thermal/map_temperature"]
    errors = [abs(layers[n] - v) for n, v in exact["layers"].items()] + [abs(probes[n] - v) for n, v in exact["probes"].items()]
    errors += [np.abs(maps[i] - exact["tiles"][n]).max() for i, n in enumerate(case.scenario.maps.layers)]
    assert 0.5 * max(errors) < float(outcome.values["thermal/discretisation_error"]) < 5 * max(errors)
