"""Ageing under power that comes and goes: the history of the temperature counts, not its mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import iv

from stack3d import decks
from stack3d.case import run_case
from stack3d.constants import YEAR
from stack3d.heat.climate import Climate, grouped, mean_rates, quadrature
from stack3d.heat.placing import placed_chip
from stack3d.progress import Silent

BOLTZMANN = 8.617333e-5
ENERGY = 1.0
"""Activation energy of the deck `bulk_rram_ucsd`. [eV]"""
QUICK = {
    "monte_carlo.samples": 2, "lifetime.epochs": 3, "lifetime.attribution": False, "solver.backend": "tensor",
    "workload.test_samples": 50, "cooling.ambient": "60 degC", "geometry.tiers.repeat": 2,
    "solver.mesh": {"lateral": 6, "per_layer": 1, "aspect": 4},
}  # fmt: skip
SWINGING = {
    "workload.rate": "2e6 1/s", "workload.periphery.adc.energy": "300 pJ", "workload.periphery.leakage": "0 W",
    "power.sources.host.power": "1 mW",
}  # fmt: skip
"""Ten tiles that heat themselves by some ten kelvin when they work, and nothing else that heats."""


def case(**overrides: Any) -> decks.Case:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return decks.load("quickstart", [*QUICK.items(), *SWINGING.items(), *keys.items()])


def bursts(on: str, off: str) -> dict[str, str]:
    return {"pattern": "bursts", "on": on, "off": off}


def factor(temperature: Any, reference: float = 298.15) -> Any:
    return np.exp(ENERGY / BOLTZMANN * (1 / reference - 1 / np.asarray(temperature)))


def square_wave(time: Any, on: float, period: float, constant: float) -> Any:
    """Periodic response of one time constant to a square wave of unit height, from its closed form."""
    time = np.asarray(time)
    top = -np.expm1(-on / constant) / -np.expm1(-period / constant)
    bottom = top * np.exp(-(period - on) / constant)
    rising = 1 - (1 - bottom) * np.exp(-time / constant)
    return np.where(time <= on, rising, top * np.exp(-np.maximum(time - on, 0.0) / constant))


@pytest.mark.parametrize("constant", [1e-4, 0.03, 0.7, 100.0])
def test_equivalent_time_of_a_known_history(constant: float) -> None:
    """A square wave of power through one time constant: Arrhenius average by levels against adaptive quadrature."""
    on, period, low, height = 0.3, 1.0, 330.0, 40.0

    def temperature(time: Any) -> Any:
        return low + height * square_wave(np.asarray(time), on, period, constant)

    times, shares = quadrature(np.array([0.0, on]), period, 16)
    levels = temperature(times)[:, None, None, None]
    total, weights = grouped(shares, levels, [factor])
    climate = Climate(total, np.tensordot(weights, levels, axes=1), levels[0], total)
    pieces = np.unique(np.clip([0, *(on * np.geomspace(1e-5, 1, 30)), *(on + 0.7 * np.geomspace(1e-5, 1, 30))], 0, period))
    exact = sum(quad(lambda t: float(factor(temperature(t))), a, b, epsrel=1e-10)[0] for a, b in zip(pieces, pieces[1:]))
    assert climate.averaged(factor).item() * period == pytest.approx(exact, rel=2e-3)  # 1e-3 is promised of the levels alone
    assert total.sum() == pytest.approx(1.0, rel=1e-12)
    assert climate.mean.item() == pytest.approx(float(shares @ levels.ravel()), rel=1e-12)
    assert total.size <= 16
    mean_alone = float(factor(climate.mean.item()))
    if constant <= 0.03:
        assert mean_alone < 0.75 * exact  # the mean temperature would promise a third more life, or more
    if constant == 100.0:
        assert total.size == 1


def test_a_sine_gives_a_bessel_function() -> None:
    """Rate exp(bT) at T = A sin: the mean over a period is I0(bA)."""
    times, shares = quadrature(np.array([0.0]), 1.0, 64)
    levels = (10.0 * np.sin(2 * np.pi * times))[:, None, None, None]
    for slope in (0.01, 0.1, 0.3):
        law = lambda t, slope=slope: np.exp(slope * t)  # noqa: E731
        total, weights = grouped(shares, levels, [law])
        found = mean_rates(total, np.tensordot(weights, levels, axes=1), [law]).item()
        assert found == pytest.approx(iv(0, 10 * slope), rel=1.5e-3)


@pytest.fixture(scope="module")
def tempered() -> dict[str, dict[str, Any]]:
    """The same mean power as bursts much shorter and much longer than any time constant of the stack, and as neither."""
    out = {}
    for name, trace in {
        "fast": bursts("1e-7 s", "3e-7 s"),
        "slow": bursts("2.5e5 s", "7.5e5 s"),
        "between": bursts("20 s", "60 s"),
    }.items():
        out[name] = dict(run_case(case(workload__trace=trace).scenario, Silent()).values)
    full = {"workload.rate": "2e6 1/s"}, {"workload.rate": "5e5 1/s"}, {"workload.rate": "1 1/s"}
    for name, rate in zip(("working", "mean", "idle"), full):
        out[name] = dict(run_case(case(**{k.replace(".", "__"): v for k, v in rate.items()}).scenario, Silent()).values)
    return out


def test_a_fast_cycle_ages_as_its_mean(tempered: dict[str, dict[str, Any]]) -> None:
    fast, mean = tempered["fast"], tempered["mean"]
    np.testing.assert_array_equal(fast["reliability/temperature_levels"], 1)
    np.testing.assert_allclose(fast["thermal/tile_temperature"], mean["thermal/tile_temperature"], atol=2e-3)
    np.testing.assert_allclose(fast["reliability/equivalent_time"], mean["reliability/equivalent_time"], rtol=1e-3)


def test_a_slow_cycle_ages_at_two_temperatures(tempered: dict[str, dict[str, Any]]) -> None:
    """A quarter of the time at the steady temperature of work, the rest at that of idleness."""
    slow, working, idle = tempered["slow"], tempered["working"], tempered["idle"]
    np.testing.assert_array_equal(slow["reliability/temperature_levels"], 2)
    rise = (working["thermal/tile_temperature"] - idle["thermal/tile_temperature"]).max()
    assert rise > 8
    for name, steady in (("high", working), ("working", working), ("low", idle)):
        found = slow[f"thermal/tile_temperature_{name}"]
        np.testing.assert_allclose(found, steady["thermal/tile_temperature"], atol=0.03 * rise)  # k(T) held at the mean
    both = (0.25 * part["reliability/equivalent_time"] for part in (working, idle))
    expected = next(both) + 3 * next(both)
    np.testing.assert_allclose(slow["reliability/equivalent_time"][-1], expected[-1], rtol=0.02)


def test_the_history_lies_between_its_limits(tempered: dict[str, dict[str, Any]]) -> None:
    age = {name: values["reliability/equivalent_time"][-1] for name, values in tempered.items()}
    assert np.all(age["fast"] * 1.002 < age["between"]) and np.all(age["between"] * 1.002 < age["slow"])
    assert np.all(age["slow"] > 1.1 * age["mean"])
    between = tempered["between"]
    low, high = (between[f"thermal/tile_temperature_{n}"] for n in ("low", "high"))
    history = between["thermal/tile_temperature_history"]
    assert np.all(low < between["thermal/tile_temperature"]) and np.all(between["thermal/tile_temperature"] < high)
    np.testing.assert_allclose(history[0], history[-1], atol=1e-6)  # a period closes
    assert history.min() >= low[0].min() - 1e-4 and history.max() <= high[0].max() + 1e-4


def test_the_equivalent_time_is_that_of_the_reported_history() -> None:
    """Dense trapezoids over the history in the dataset give the equivalent time in the dataset."""
    loaded = case(workload__trace=bursts("20 s", "60 s"), lifetime__epochs=1, lifetime__until="1 year")
    outcome = run_case(loaded.scenario, Silent())
    chip = placed_chip(loaded.scenario)
    phases, history = outcome.coordinates["phase"], outcome.values["thermal/tile_temperature_history"]
    assert phases[0] == 0 and phases[-1] == 80
    tile = int(np.argmax(history.max(axis=0)))
    tier = [layer.name for layer in chip.stack.with_role("rram")].index(chip.computer.places[tile][0])
    mine = [i for i, (layer, _) in enumerate(chip.computer.places) if layer == chip.computer.places[tile][0]]
    over_period = np.trapezoid(factor(history[:, mine]), phases, axis=0).mean() / 80
    shift = outcome.values["thermal/temperature_mean"][tier] - history[:, mine].mean(axis=1)  # tier and tile differ by mK
    assert np.abs(np.trapezoid(shift, phases) / 80) < 0.2
    found = outcome.values["reliability/equivalent_time"][-1, tier] / YEAR
    assert found == pytest.approx(over_period, rel=0.02)


def test_wear_counts_every_instant() -> None:
    """A slow cycle: writes at random instants wear as the mean of the damage at both temperatures."""
    loaded = case(workload__trace=bursts("2.5e5 s", "7.5e5 s"), lifetime__refresh={"period": "1 day"})
    chip = placed_chip(loaded.scenario)
    device = next(iter(chip.computer.devices.values()))
    values = dict(run_case(loaded.scenario, Silent()).values)
    tiles = {n: values[f"thermal/tile_temperature_{n}"][-1].mean() for n in ("low", "high")}
    per_write = 0.25 * device.damage_rate(tiles["high"]) + 0.75 * device.damage_rate(tiles["low"])
    gained = np.diff(values["reliability/endurance_used"])[-1] / np.diff(values["reliability/refreshes"])[-1]
    assert gained == pytest.approx(float(per_write), rel=0.01)
    mean_alone = float(device.damage_rate(values["thermal/tile_temperature"][-1].mean()))
    assert gained > 1.01 * mean_alone


class Killed(Exception):
    """Stands for the end of a process."""


class Killer(Silent):
    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        if name == "epoch" and done == 3:
            raise Killed


def test_a_killed_run_goes_on_with_its_history(tmp_path: Path) -> None:
    scenario = case(workload__trace=bursts("20 s", "60 s")).scenario
    whole = run_case(scenario, Silent()).values
    with pytest.raises(Killed):
        run_case(scenario, Killer(), resume=tmp_path / "c.npz", key="k")
    again = run_case(scenario, Silent(), resume=tmp_path / "c.npz", key="k").values
    for name, value in whole.items():
        np.testing.assert_array_equal(value, again[name], err_msg=name)


def test_throttling_looks_at_the_hottest_instant() -> None:
    trace = bursts("20 s", "60 s")
    free = run_case(case(workload__trace=trace).scenario, Silent()).values
    limit = 0.5 * float(free["thermal/tile_temperature"].max() + free["thermal/tile_temperature_high"].max())
    held = run_case(case(workload__trace=trace, lifetime__throttling={"limit": f"{limit} K"}).scenario, Silent()).values
    assert held["thermal/tile_temperature_high"].max() <= limit + 0.05
    assert held["thermal/tile_temperature_high"].max() > limit - 0.5
    assert np.all(held["power/rate"] < free["power/rate"])


@pytest.mark.slow
def test_coolant_goes_along() -> None:
    """A cavity of coolant over the tiers and bursts of an hour: the steady temperatures of work and of idleness."""
    channels = {
        "direction": "x", "count": 2, "width": "2 mm", "wall_width": "2 mm", "edge_wall_width": "1 mm",
        "coolant": "water", "flow_rate": "40 ml/min", "inlet_temperature": "300 K",
    }  # fmt: skip
    above = [
        {"name": "cavity", "thickness": "100 um", "material": "silicon", "channels": channels},
        {"name": "cap", "thickness": "200 um", "material": "silicon"},
    ]
    common = {
        "geometry__above": above, "geometry__tiers.repeat": 1, "lifetime__epochs": 1, "lifetime__until": "1 s",
        "workload__periphery.adc.energy": "3 nJ",
    }  # fmt: skip
    outcome = run_case(case(**common, workload__trace=bursts("1 h", "3 h")).scenario, Silent())
    assert not any("taken as steady" in text for text in outcome.warnings)
    found = outcome.values
    assert found["reliability/temperature_levels"][0] == 2
    for name, rate in (("working", "2e6 1/s"), ("low", "1 1/s")):
        steady = run_case(case(**common, workload__rate=rate).scenario, Silent()).values["thermal/tile_temperature"]
        np.testing.assert_allclose(found[f"thermal/tile_temperature_{name}"], steady, atol=0.03)


def test_marched_and_exact_swings_agree() -> None:
    """A film on the sides that cools next to nothing costs the stack its lateral modes, and nothing else."""
    swings = []
    for sides in ("adiabatic", {"film_coefficient": "1e-6 W/m^2/K"}):
        outcome = run_case(
            case(workload__trace=bursts("20 s", "60 s"), cooling__sides=sides, lifetime__epochs=1).scenario, Silent()
        )
        swings.append([outcome.values[f"thermal/tile_temperature_{n}"] for n in ("low", "high", "working")])
    np.testing.assert_allclose(swings[1], swings[0], atol=0.05)
    assert (swings[0][1] - swings[0][0]).max() > 2


@pytest.mark.slow
def test_swings_on_tetrahedra_are_those_on_bricks() -> None:
    """Marched on tetrahedra and exact on bricks, with k(T) held alike; nothing is taken as steady."""
    swings = []
    tets = {"solver__backend": "fem", "solver__mesh": {"cells": "tet", "lateral": 6, "per_layer": 1}}
    for solver in ({}, tets):
        outcome = run_case(case(workload__trace=bursts("20 s", "60 s"), lifetime__epochs=1, **solver).scenario, Silent())
        assert not any("steady" in text for text in outcome.warnings)
        swings.append([outcome.values[f"thermal/tile_temperature_{n}"] for n in ("low", "high", "working")])
    swing = (swings[0][1] - swings[0][0]).max()
    assert swing > 2
    np.testing.assert_allclose(swings[1], swings[0], atol=0.05 * swing)


def test_the_period_is_drawn() -> None:
    """The figure shows the extremes that the dataset holds, and the summary names them."""
    import stack3d
    from stack3d.report.cases import chart, possible

    chosen = {**QUICK, **SWINGING, "workload.trace": bursts("20 s", "60 s"), "lifetime.epochs": 1}
    tree = stack3d.load("quickstart", chosen).run()
    assert "period" in possible(tree)
    (panel,) = chart(tree, "period").panels
    history = tree["thermal/tile_temperature_history"] - 273.15
    top = max(float(mark.y.max()) for mark in panel.marks if hasattr(mark, "y"))
    assert top == pytest.approx(float(history.max()), abs=1e-9)
    assert panel.x.label == "time within the period [s]" and panel.x.high == pytest.approx(80)
    assert "within a period" in tree.attrs["summary"]
    assert "period" not in possible(stack3d.load("quickstart", {**QUICK, "lifetime.epochs": 1}).run())


def hot_unit(tmp_path: Path, power: str) -> dict[str, Any]:
    """A small hot unit in a corner, whose power comes and goes so slowly that every temperature is steady."""
    (tmp_path / "unit.csv").write_text(f"time [s],unit\n0,{power}\n1e7,0\n2e7,0\n")
    unit = {"name": "unit", "layer": "logic", "x": ["0 mm", "1 mm"], "y": ["0 mm", "1 mm"], "power": f"{power} W"}
    return {"power__sources": [unit], "workload__rate": "1e4 1/s"}


def test_limits_and_peaks_are_those_of_the_hottest_instant(tmp_path: Path) -> None:
    """The unit's own layer peaks as in a steady run at full power, and the limit that only this peak passes warns."""
    chosen = hot_unit(tmp_path, "0.5")
    steady = run_case(case(**chosen).scenario, Silent())
    traced = {**chosen, "power__trace": {"pattern": "table", "file": str(tmp_path / "unit.csv")}}
    logic = list(steady.coordinates["layer"]).index("logic")
    full = steady.values["thermal/layer_temperature_max"][logic]
    limit = f"{full - 2} K"
    swinging = run_case(case(**traced, limits={"logic": limit}).scenario, Silent())
    mean, high = (swinging.values[f"thermal/layer_temperature_{n}"] for n in ("max", "high"))
    assert mean[logic] < full - 10  # the mean is far below the limit
    np.testing.assert_allclose(high[:, logic] - 333.15, full - 333.15, rtol=5e-3)
    assert np.all(high >= mean - 1e-9)
    assert any("limits.logic: layer 'logic' reaches" in text for text in swinging.warnings)
    said, peak = swinging.summary[0], float(swinging.values["thermal/peak_temperature"])
    assert said.startswith(f"peak temperature   {peak - 273.15:.2f} ± ") and "at the hottest instant of the life" in said
    assert peak == swinging.values["thermal/layer_temperature_high"].max()
    calm = run_case(case(**traced, limits={"logic": f"{full + 2} K"}).scenario, Silent())
    assert not any("limits" in text for text in calm.warnings)


def test_throttling_cannot_cool_what_others_heat(tmp_path: Path) -> None:
    """Explicit heat alone passes the limit at its hottest instant: the chip stands still, and that is told."""
    traced = {**hot_unit(tmp_path, "0.5"), "power__trace": {"pattern": "table", "file": str(tmp_path / "unit.csv")}}
    free = run_case(case(**traced).scenario, Silent()).values
    limit = 0.5 * (free["thermal/tile_temperature_high"].max() + free["thermal/tile_temperature"].max())
    outcome = run_case(case(**traced, lifetime__throttling={"limit": f"{limit} K"}).scenario, Silent())
    assert any("the idle chip is at" in text for text in outcome.warnings)
    assert np.all(outcome.values["power/rate"] == 0.0)


def test_leakage_is_the_mean_over_the_swing() -> None:
    """Long bursts: half of the leakage at the temperature of work, half at that of idleness; more than at their mean."""
    from stack3d.workload.power import leakage

    deck = {**case().tree["workload"]["periphery"], "leakage": "20 uW"}
    chosen = {"workload__periphery": deck, "workload__trace": bursts("1e7 s", "1e7 s"), "lifetime__subgrid": [1, 1]}
    outcome = run_case(case(**chosen).scenario, Silent())
    work = case(**chosen).scenario.workload
    assert work is not None
    cold, hot, mean = (outcome.values[f"thermal/tile_temperature{n}"][-1] for n in ("_low", "_high", ""))
    both = 0.5 * (leakage(work.periphery, cold).sum() + leakage(work.periphery, hot).sum())
    one = leakage(work.periphery, mean).sum()
    parts = dict(zip(outcome.coordinates["component"], outcome.values["power/component_power"][-1]))
    assert both > 1.04 * one
    assert parts["leakage"] == pytest.approx(both, rel=0.01)
