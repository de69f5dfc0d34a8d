"""Missions: every phase ages the cells at its own temperature, as long as it lasts."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import run_case
from stack3d.constants import YEAR
from stack3d.errors import DeckError
from stack3d.heat import Climate
from stack3d.heat.placing import placed_chip
from stack3d.life.chips import Population
from stack3d.progress import Silent

BOLTZMANN = 8.617333e-5
ENERGY = 1.0
"""Activation energy of the deck `bulk_rram_ucsd`. [eV]"""
QUICK = {
    "monte_carlo.samples": 2, "lifetime.epochs": 2, "lifetime.attribution": False, "solver.backend": "tensor",
    "workload.test_samples": 20, "geometry.tiers.repeat": 2, "solver.mesh": {"lateral": 6, "per_layer": 1, "aspect": 4},
}  # fmt: skip
DAY_AND_NIGHT = [
    {"name": "day", "share": 0.3, "ambient": "70 degC"},
    {"name": "night", "share": "70 %", "ambient": "20 degC", "activity": 0.25, "power": {"host": "10 mW"}},
]


def case(**overrides: Any) -> decks.Case:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return decks.load("quickstart", [*QUICK.items(), *keys.items()])


@cache
def mission() -> dict[str, Any]:
    return dict(run_case(case(mission=DAY_AND_NIGHT).scenario, Silent()).values)


def factor(temperature: Any, reference: float = 298.15) -> Any:
    return np.exp(ENERGY / BOLTZMANN * (1 / reference - 1 / np.asarray(temperature)))


def test_a_day_and_a_night_age_as_their_two_temperatures_do() -> None:
    """Equivalent time is 0.3 t AF(day) + 0.7 t AF(night) to rounding, which the mean temperature misses by half."""
    found = mission()
    phases = found["thermal/phase_temperature_mean"]  # (time, phase, tier)
    parts = np.array([0.3, 0.7])[:, None] * factor(phases[-1])
    epochs = np.diff(np.append(0.0, [1.0, 3600.0, 10 * YEAR]))[-len(phases) :, None, None]
    whole = (epochs * np.array([0.3, 0.7])[:, None] * factor(phases)).sum(axis=(0, 1))
    np.testing.assert_allclose(found["reliability/equivalent_time"][-1], whole, rtol=1e-6)  # digits of the constants
    np.testing.assert_allclose(found["reliability/phase_ageing"][-1], parts / parts.sum(axis=0), rtol=1e-6)
    of_the_mean = 10 * YEAR * factor(np.array([0.3, 0.7]) @ phases[-1])
    assert np.all(whole > 1.5 * of_the_mean)


def test_a_phase_is_as_hot_as_a_life_that_is_always_in_it() -> None:
    """Ambient, activity and power of a phase alone give its temperature; cells conduct as at the mean, worth 0.02 K here."""
    phases = mission()["thermal/phase_layer_temperature_mean"]
    for i, alone in enumerate(
        [
            {"cooling__ambient": "70 degC"},
            {"cooling__ambient": "20 degC", "workload__rate": "5e4 1/s", "power__sources__host__power": "10 mW"},
        ]
    ):
        found = run_case(case(**alone).scenario, Silent(), until="thermal").values["thermal/layer_temperature_mean"]
        assert np.abs(phases[i] - found).max() < 0.02


def test_work_follows_activity() -> None:
    """A climate whose night makes a fourth of the day's reads counts them there: reads disturb at the day's temperature."""
    chip = placed_chip(case().scenario)
    computer = chip.computer
    name = next(iter(computer.devices))
    seen = []

    class Counts:
        """Takes the place of the device: tells what it is asked."""

        def advance(self, state: Any, time: float, temperature: Any, *, reads: float) -> Any:
            seen.append((time, float(np.mean(temperature)), reads))
            return state

    counted = replace(computer, devices={name: Counts()})
    levels = np.array([340.0, 290.0])[:, None, None, None] * np.ones((1, len(computer.tiles), 2, 2))
    work = np.array([0.3, 0.7 * 0.25]) / (0.3 + 0.7 * 0.25)
    climate = Climate(np.array([0.3, 0.7]), levels, levels[0], work)
    Population({name: None}).aged(counted, 100.0, climate, rate=2.0)
    products = computer.products[name]
    assert seen == [
        (30.0, 340.0, pytest.approx(200 * work[0] * products)),
        (70.0, 290.0, pytest.approx(200 * work[1] * products)),
    ]


THERMAL = {
    "scenario": "parked",
    "geometry": {"footprint": ["5 mm", "5 mm"], "layers": [{"name": "die", "thickness": "1 mm", "material": "silicon"}]},
    "power": {"sources": [{"name": "core", "layer": "die", "power": "2 W"}]},
    "cooling": {"top": {"resistance": "10 K/W"}, "ambient": "20 degC"},
    "solver": {"backend": "tensor", "mesh": {"lateral": 2, "per_layer": 2}, "error_promise": 0.01},
}


def thermal(phases: Any, **more: Any) -> dict[str, Any]:
    tree = yamlfile.parse_text(json.dumps({**THERMAL, "mission": phases, **more}), "parked.yaml")
    return dict(run_case(decks.resolve(tree).scenario, Silent()).values)


def test_phases_without_a_workload_have_powers_and_films_of_their_own() -> None:
    """Means: ambient + R P of each phase, and the mean of both; 2 W on 10 K/W, none, half on 20 K/W."""
    found = thermal(
        [
            {"name": "driving", "duration": "2 h", "ambient": "40 degC"},
            {"name": "parked", "duration": "20 h", "power": {"core": "0 W"}},
            {"name": "idle", "duration": "2 h", "power": 0.5, "cooling": {"top": {"resistance": "20 K/W"}}},
        ]
    )
    rise = 2.0 * 0.5e-3 / 148 / 25e-6 / 3  # of a mean below the cooled face
    means = found["thermal/phase_layer_temperature_mean"][:, 0] - 273.15
    np.testing.assert_allclose(means, [60, 20, 40], atol=4 * rise)
    np.testing.assert_allclose(found["thermal/phase_power"], [2, 0, 1], atol=1e-12)
    np.testing.assert_allclose(found["thermal/phase_share"], [1 / 12, 10 / 12, 1 / 12])
    mean = 20 + 20 / 12 + 10 * 3 / 12
    assert found["thermal/layer_temperature_mean"][0] - 273.15 == pytest.approx(mean, abs=4 * rise)
    assert np.all(found["thermal/phase_layer_temperature_max_error"] < 0.1)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([], r"mission: wants 1 or more values, got 0"),
        ([{"name": "a", "share": 0.5}, {"name": "b", "share": 0.4}], r"mission: shares add up to 0.9 .0.5 \+ 0.4., not to 1"),
        ([{"name": "a", "share": 0.5}, {"name": "a", "share": 0.5}], r"mission: names are given twice: a"),
        ([{"name": "a"}], r"mission: every phase wants either a share or a duration: see a"),
        ([{"name": "a", "share": 1}, {"name": "b", "duration": "1 h"}], r"mission: give all phases a share, or all a duration"),
        ([{"name": "a", "share": 1, "ambiant": "3 K"}], r"mission\[0\]: .*|mission\[0\].ambiant: unknown key .*'ambient'"),
        ([{"name": "a", "share": 1, "power": {"cor": "1 W"}}], r"mission\[0\].power.cor: no source 'cor' .did you mean 'core'"),
        ([{"name": "a", "share": 1, "activity": 2}], r"mission\[0\].activity"),
        ([{"name": "a", "share": 1, "cooling": {"top": "forced_aire"}}], r"mission\[0\].cooling.top: no deck 'forced_aire'"),
    ],
)
def test_mistakes_are_told_in_a_line(phases: Any, message: str) -> None:
    with pytest.raises(DeckError, match=message) as caught:
        thermal(phases)
    assert len(caught.value.problems) == 1


def test_a_mission_stands_alone() -> None:
    with pytest.raises(DeckError, match="mission does not go with transient"):
        thermal([{"name": "a", "share": 1}], transient={"until": "1 s"})
