"""Missions: every phase ages the cells at its own temperature, as long as it lasts."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_periodic_life import case as busy

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


def test_elements_follow_each_phase_as_the_tensor_grid_does() -> None:
    """With a workload, on the same bricks: temperatures of every phase, and what they age."""
    bricks = dict(run_case(case(mission=DAY_AND_NIGHT, solver__backend="fem").scenario, Silent()).values)
    for name in ("thermal/phase_temperature_mean", "reliability/equivalent_time", "reliability/phase_ageing"):
        np.testing.assert_allclose(bricks[name], mission()[name], rtol=1e-5)


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


HOT = {"workload__periphery__adc__energy": "5 nJ"}
BURSTS = {"pattern": "bursts", "on": "2 s", "off": "8 s"}


def test_a_trace_in_the_only_phase_is_that_of_the_workload() -> None:
    """One phase all along with bursts, against a life with `workload.trace`: swings, extremes, leakage and ageing are the same."""
    mission = run_case(busy(**HOT, mission=[{"name": "all", "share": 1, "trace": BURSTS}]).scenario, Silent()).values
    alone = run_case(busy(**HOT, workload__trace=BURSTS).scenario, Silent()).values
    swing = np.ptp([alone["thermal/tile_temperature_low"], alone["thermal/tile_temperature_high"]])
    assert swing > 2
    for end in ("low", "high", "working"):
        name = f"thermal/tile_temperature_{end}"
        np.testing.assert_allclose(mission[name], alone[name], rtol=0, atol=1e-3 * swing)
    equivalent = "reliability/equivalent_time"
    np.testing.assert_allclose(mission[equivalent], alone[equivalent], rtol=1e-3)
    assert mission["reliability/temperature_levels"].max() > 1 and np.all(mission["reliability/phase_ageing"] == 1)
    hottest = mission["thermal/phase_layer_temperature_max"][0].max()
    assert hottest == pytest.approx(float(np.asarray(alone["thermal/peak_temperature"]).max()), abs=0.02 * swing)


def test_a_day_of_bursts_and_a_night_age_as_both_do() -> None:
    """Shares of the ageing of a life in bursts by day and of one that rests by night; bursts of microseconds leave their mean."""
    night = {"name": "night", "share": 0.7, "ambient": "20 degC", "activity": 0.0}
    day = {"name": "day", "share": 0.3, "ambient": "70 degC", "trace": BURSTS}
    both = run_case(busy(**HOT, mission=[day, night]).scenario, Silent()).values
    by_day = run_case(busy(**HOT, workload__trace=BURSTS, cooling__ambient="70 degC").scenario, Silent()).values
    by_night = run_case(busy(**HOT, mission=[{**night, "share": 1}]).scenario, Silent()).values
    name = "reliability/equivalent_time"
    parts = np.array([0.3 * by_day[name][-1], 0.7 * by_night[name][-1]])
    np.testing.assert_allclose(both[name][-1], parts.sum(axis=0), rtol=2e-3)
    np.testing.assert_allclose(both["reliability/phase_ageing"][-1], parts / parts.sum(axis=0), atol=2e-3)
    fast = {"pattern": "bursts", "on": "20 us", "off": "80 us"}
    short = run_case(busy(**HOT, mission=[{**day, "trace": fast}, night]).scenario, Silent()).values
    still = {"name": "day", "share": 0.3, "ambient": "70 degC", "activity": 0.2}
    mean = run_case(busy(**HOT, mission=[still, night]).scenario, Silent()).values
    np.testing.assert_allclose(short[name], mean[name], rtol=2e-3)
    assert np.all(both[name][-1] > 1.01 * mean[name][-1])


def test_a_table_within_a_phase_counts_from_its_deck(tmp_path: Path) -> None:
    """Its content belongs to the case, and what is wrong with it is told with its line."""
    digests = set()
    for text in ("time [s],activity\n0,1\n2,0\n10,0\n", "time [s],activity\n0,1\n3,0\n10,0\n"):
        (tmp_path / "day.csv").write_text(text)
        phases = [{"name": "day", "share": 1, "trace": {"pattern": "table", "file": str(tmp_path / "day.csv")}}]
        digests.add(case(mission=phases).digest())
        (phase,) = placed_chip(case(mission=phases).scenario).phases
        assert phase.mean_activity == pytest.approx(0.2 if "\n2" in text else 0.3)
    assert len(digests) == 2
    (tmp_path / "day.csv").write_text("time [s],activity\n0,1\n2,1.5\n10,0\n")
    with pytest.raises(DeckError, match=r"mission\[0\].trace.file: .*activity runs from 1 to 1.5; wants 0 to 1"):
        placed_chip(case(mission=phases).scenario)
    (tmp_path / "day.csv").unlink()
    with pytest.raises(DeckError, match=r"mission\[0\].trace.file: .*day.csv"):
        case(mission=phases)


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


def parked(phases: Any, **more: Any) -> Any:
    tree = yamlfile.parse_text(json.dumps({**THERMAL, "mission": phases, **more}), "parked.yaml")
    return run_case(decks.resolve(tree).scenario, Silent())


def thermal(phases: Any, **more: Any) -> dict[str, Any]:
    return dict(parked(phases, **more).values)


SOLVERS = {
    "tensor": THERMAL["solver"],
    "fem": {"backend": "fem", "mesh": {"lateral": 2, "per_layer": 2}, "error_promise": 0.01},
    "tetrahedra": {"backend": "fem", "order": 1, "mesh": {"cells": "tet", "lateral": 2, "per_layer": 2}, "error_promise": 0.01},
}


@pytest.mark.parametrize("solver", SOLVERS)
def test_phases_without_a_workload_have_powers_and_films_of_their_own(solver: str) -> None:
    """Means: ambient + R P of each phase, and the mean of both; 2 W on 10 K/W, none, half on 20 K/W."""
    found = thermal(
        [
            {"name": "driving", "duration": "2 h", "ambient": "40 degC"},
            {"name": "parked", "duration": "20 h", "power": {"core": "0 W"}},
            {"name": "idle", "duration": "2 h", "power": 0.5, "cooling": {"top": {"resistance": "20 K/W"}}},
        ],
        solver=SOLVERS[solver],
    )
    rise = 2.0 * 0.5e-3 / 148 / 25e-6 / 3  # of a mean below the cooled face
    means = found["thermal/phase_layer_temperature_mean"][:, 0] - 273.15
    np.testing.assert_allclose(means, [60, 20, 40], atol=4 * rise)
    np.testing.assert_allclose(found["thermal/phase_power"], [2, 0, 1], atol=1e-12)
    np.testing.assert_allclose(found["thermal/phase_share"], [1 / 12, 10 / 12, 1 / 12])
    mean = 20 + 20 / 12 + 10 * 3 / 12
    assert found["thermal/layer_temperature_mean"][0] - 273.15 == pytest.approx(mean, abs=4 * rise)
    assert np.all(found["thermal/phase_layer_temperature_max_error"] < 0.1)


def test_a_limit_is_passed_in_a_phase_by_the_power_of_it() -> None:
    """2 W on 10 K/W at 40 degC pass 50 degC, and the mean of 0.5 W at 25 degC does not; at 60 degC no power is to blame."""
    phases = [
        {"name": "driving", "share": 0.25, "ambient": "40 degC"},
        {"name": "parked", "share": 0.75, "power": {"core": "0 W"}},
    ]
    [said] = parked(phases, limits={"die": "50 degC"}).warnings
    assert "above its limit of 50 degC with 2 W in the stack in phase 'driving'; lower power.sources" in said
    phases[0]["ambient"] = "60 degC"
    [said] = parked(phases, limits={"die": "50 degC"}).warnings
    assert said.endswith("with 2 W in the stack in phase 'driving'; lower mission[0].ambient")


def test_a_face_is_held_to_its_limit_in_every_phase() -> None:
    """2 W through 10 K/W at 40 degC: the face is at 60 degC in the first phase, and at 30 degC in the mean of all."""
    phases = [
        {"name": "driving", "share": 0.25, "ambient": "40 degC"},
        {"name": "parked", "share": 0.75, "power": {"core": "0 W"}},
    ]

    def said(limit: str) -> Any:
        top = {"film_coefficient": "4000 W/m^2/K", "largest_temperature": limit}  # 10 K/W on 25 mm2
        return parked(phases, cooling={"top": top, "ambient": "20 degC"}).warnings

    [told] = said("50 degC")
    assert "the face is at 60 degC, its limit is 50 degC with 2 W in the stack in phase 'driving'" in told
    assert not said("61 degC")


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
        ([{"name": "a", "share": 1, "trace": BURSTS}], r"mission\[0\].trace: is the activity of a workload"),
        ([{"name": "a", "share": 1, "activity": 0.5}], r"mission\[0\].activity: is that of a workload, and there is none"),
        (
            [{"name": "a", "share": 1, "cooling": {"top": {"film_coefficient": "0 W/m^2/K"}}}],
            r"mission\[0\].cooling: leaves every",
        ),
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


def test_a_film_outside_a_model_is_told_by_the_key_of_its_phase() -> None:
    phases = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "cooling": {"top": {"film_coefficient": "9 kW/m^2/K"}}}]
    solver = {**THERMAL["solver"], "backend": "compact"}
    more = {"cooling": {"top": {"film_coefficient": "50 W/m^2/K"}, "ambient": "20 degC"}, "solver": solver}
    with pytest.raises(DeckError, match=r"mission\[1\]\.cooling\.top: film of top = 9000 "):
        parked(phases, compact={"films": {"top": ["10 W/m^2/K", "100 W/m^2/K"]}}, **more)
