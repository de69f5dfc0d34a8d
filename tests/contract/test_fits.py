"""Every registered law, one from outside too, is fitted to measurements that it made itself."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, override

import numpy as np
import pytest

from stack3d import yamlfile
from stack3d.devices import MECHANISMS
from stack3d.devices.build import build_device, drawn, posterior_draws
from stack3d.devices.fitting import deck_text, fit_law, parsed, read_table
from stack3d.devices.fitting.kinds import KINDS, likelihood
from stack3d.devices.laws import READ_DISTURB, Law, ReadDisturbLaw, Reals, SpreadLaw
from stack3d.devices.levels import LevelFunction
from stack3d.schema.base import Fraction
from stack3d.schema.device import DeviceDeck

LEVELS = (5e-6, 20e-6, 40e-6)
NODES = ["5 uS", "20 uS", "40 uS"]
STATISTICS = {"unit": "1 uS"}
ACTIVATED = {"activation_energy": "0.3 eV", "reference_temperature": "150 degC"}
WEAR = {"activation_energy": "0.3 eV", "reference_temperature": "25 degC", "shape": 2}
FLICKER = {"read_time": "250 ns"}
BARRIERS = {"activation_energy": "1.3 eV", "barrier_sd": "0.03 eV"}
LATE = {"time_constant": "2e5 s", "reference_temperature": "200 degC", "saturation_resistance": "2 Mohm"}
NEAR = {"in_plane": 0.1, "next_layer": 0.08, "diagonal": 0.03, "time_constant": "20 ns"}
TRUTH: dict[tuple[str, str], dict[str, Any]] = {
    ("programming", "linear"): {"offset": "0.3 uS", "slope": 0.01},
    ("programming", "polynomial"): {**STATISTICS, "coefficients": [0.3, 0.4]},
    ("programming", "write_verify"): {"window": 0.02, "pulse_sd": 0.05, "max_pulses": 50},
    ("programming", "level_table"): {"table": {"target": NODES, "sd": ["0.3 uS", "0.5 uS", "0.8 uS"]}},
    ("relaxation", "logarithmic"): {**STATISTICS, **ACTIVATED, "mean_slope": -0.1, "sd_offset": 0.4, "sd_slope": 0.05},
    ("relaxation", "falcone2025"): {**STATISTICS, **ACTIVATED, "mean_slope": -0.1, "sd_offset": 0.4, "sd_slope": 0.05},
    ("relaxation", "level_polynomials"): {
        **STATISTICS, **ACTIVATED, "first_row_is_programming": False,
        "rows": [{"time": t, "coefficients": [0.2 * i, 0.5]} for i, t in enumerate(("10 s", "1000 s", "1e5 s"), 1)],
    },
    ("relaxation", "level_table"): {
        **ACTIVATED, "first_row_is_programming": False,
        "table": {
            "time": ["10 s"] * 3 + ["1e5 s"] * 3, "target": NODES * 2,
            "sd": ["0.1 uS", "0.2 uS", "0.3 uS", "0.3 uS", "0.8 uS", "1 uS"],
        },
    },
    ("relaxation", "own_equilibrium"): {
        "barrier_sd": "0.1 eV",
        "table": {
            "level": NODES, "displacement": ["2 uS", "1 uS", "-4 uS"], "displacement_sd": ["1 uS", "3 uS", "4 uS"],
            "skew": [0.3, 0, -0.3], "core_sd": ["0.1 uS", "0.2 uS", "0.2 uS"], "barrier": ["1.2 eV", "1.25 eV", "1.3 eV"],
        },
    },
    ("spread", "power_law"): {
        "sd_at_anchor": 0.02, "exponent": 0.3, "activation_energy": "0.5 eV", "anchor_time": "1 day",
        "anchor_temperature": "200 degC",
    },
    ("retention", "distributed_barriers"): {
        **BARRIERS, "shape": 0.6, "final_conductance": "0 S", "inverse_isokinetic_temperature": "0.0021 1/K",
        "anchor": {"time": "2e5 s", "temperature": "200 degC", "loss": 0.632, "cells": 0.5},
    },
    ("retention", "abrupt"): {**BARRIERS, **LATE, "shape": 1.5},
    ("retention", "stretched_log_resistance"): {**BARRIERS, **LATE, "shape": 0.7},
    ("retention", "power_law"): {
        "exponent_mean": {"offset": 0.05, "slope": 0, "low": 0.0, "high": 0.2},
        "exponent_sd": {"offset": 0.01, "slope": 0, "low": 0.0, "high": 0.2}, "reference_time": "1 s",
    },
    ("retention", "level_barriers"): {
        "barrier_sd": "0.05 eV", "shape": 0.8, "table": {"level": NODES, "barrier": ["1.8 eV", "1.82 eV", "1.85 eV"]},
    },
    ("retention", "both_directions"): {
        **BARRIERS, "shape": 0.6, "final_conductance": "0 S", "inverse_isokinetic_temperature": "0.0021 1/K", "rising": 0.2,
        "anchor": {"time": "2e5 s", "temperature": "200 degC", "loss": 0.632, "cells": 0.5},
    },
    ("retention", "gap_growth"): {
        "velocity": 300, "recombination_energy": "1.5 eV", "separation_energy": "1.52 eV", "gap_scale": "0.275 nm",
    },
    ("retention", "kaul2021_mapping"): {
        "velocity": 300, "recombination_energy": "1.5 eV", "separation_energy": "1.52 eV", "gap_scale": "0.275 nm",
    },
    ("crystallisation", "avrami"): {
        "activation_energy": "2.3 eV", "exponent": 3, "anchor": {"time": "1e5 s", "temperature": "200 degC"},
    },
    ("temperature_dependence", "state_mix"): {
        "activation_energy": "0.05 eV", "activation_energy_sd": "0.002 eV", "level_exponent": 1, "crossover": 0.5,
        "crossover_width": 0.1, "temperature_coefficient": "1e-3 1/K",
    },
    ("read_noise", "proportional"): {"share": 0.01},
    ("read_noise", "lombardo2024"): {**FLICKER, "amplitude": 0.03},
    ("read_noise", "flicker"): {**FLICKER, "amplitude": 0.01, "level_exponent": 0.6, "amplitude_max": 0.2, "time_offset": "20 s"},
    ("read_noise", "flicker_levels"): {
        **FLICKER, "amplitude": {"offset": 0.01, "slope": 0, "low": 0.0, "high": 0.1}, "time_offset": "20 s",
    },
    ("read_noise", "level_table"): {"table": {"target": ["2 uS", "20 uS", "40 uS"], "sd": ["0.03 uS", "0.12 uS", "0.22 uS"]}},
    ("read_disturb", "exponential_voltage"): {"coefficient": 1e-7, "voltage_scale": "1 V"},
    ("read_disturb", "logarithmic"): {"share": 0.01, "first_reads": 1e5, "reference_voltage": "0.2 V", "voltage_scale": "1 V"},
    ("endurance", "tent"): {
        **WEAR, "cycles_at_reference": 1e6, "optimum_voltage": "1.9 V", "voltage_per_decade": "1 V", "stuck_low_resistance": 0.5,
    },
    ("endurance", "two_sided"): {
        **WEAR, "cycles_at_reference": 1e6, "lower_corner": "0.5 V", "lower_step": "1 V", "upper_corner": "2 V",
        "upper_step": "1 V", "stuck_low_resistance": 0.5,
    },
    ("endurance", "lammie2021"): {
        **WEAR, "decades": 6, "lowest_voltage": "1.4 V", "highest_voltage": "2.4 V", "stuck_low_resistance": 0.5,
    },
    ("window_closure", "lammie2021_gradual"): {"threshold": 0.1, "low_resistance_slope": 0.2, "high_resistance_slope": -0.5},
    ("window_closure", "lammie2021_abrupt"): {"threshold": 0.2, "low_resistance_growth": 1.6, "high_resistance_growth": 0.4},
    ("faults", "independent"): {"high_resistance": 0.01, "low_resistance": 0.005},
    ("faults", "column_clusters"): {"high_resistance": 0.01, "low_resistance": 0.01, "mean_length": 8},
    ("faults", "clusters"): {
        "high_resistance": 0.005, "low_resistance": 0.005,
        "rows": {"share": 0.01, "mean_length": 6, "low_resistance": 0.5},
        "columns": {"share": 0.01, "mean_length": 10, "low_resistance": 0.5},
    },
    ("self_heating", "nearest_neighbours"): {**NEAR, "thermal_resistance": "3e6 K/W"},
    ("self_heating", "area"): {**NEAR, "thickness": "100 nm", "conductivity": "1.5 W/(m K)"},
    ("truncation", "clip"): {"lower": "1 uS"},
    ("truncation", "mean_preserving"): {"lower": "1 uS"},
    ("read_disturb", "outside"): {"share": 0.05},
}  # fmt: skip
"""Law → parameters that its measurements are made with; voltages are those of the device."""


class Outside(ReadDisturbLaw):
    """A law of another package: a share is lost once 1e6 reads are over."""

    share: Fraction

    @override
    def remaining(self, reads: Reals, device: DeviceDeck) -> Reals:
        return np.asarray(1 - self.share * -np.expm1(-reads / 1e6))


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(READ_DISTURB, "_entries", {**READ_DISTURB._entries, "outside": Outside})


def test_every_registered_law_is_walked(outside: None) -> None:
    """A law that is added without measurements of its own here fails."""
    ours = {(m, n) for m, laws in MECHANISMS.items() for n in laws if laws[n].__module__.startswith("stack3d.")}
    assert ours | {("read_disturb", "outside")} == set(TRUTH)
    assert set(KINDS) == set(MECHANISMS)


# ------------------------------------------------------------------------------------------------ measurements
Rows = Sequence[Sequence[Any]]
TEMPERATURES = (150.0, 175.0, 200.0)


def of_many(law: Any) -> bool:
    """Whether cells are compared by their statistics, which want more of them."""
    return isinstance(law, SpreadLaw) or getattr(law, "random_barrier", False)


def over_time(law: Any, device: DeviceDeck, rng: np.random.Generator, times: Sequence[float], move: Callable[..., Any]) -> Rows:
    """Cells of three levels at three temperatures, read with a noise of a half per cent at every time."""
    rows = []
    for celsius in TEMPERATURES:
        for level in LEVELS:
            for cell in range(20 if of_many(law) else 6):
                start = np.full(1, level * (1 + 0.01 * rng.standard_normal()))
                draws = rng.standard_normal((2, 1))
                for t in times:
                    seen = move(law, device, start, np.full(1, celsius + 273.15), np.full(1, t), draws)[0]
                    rows.append((celsius, level * 1e6, cell, t, max(seen, 1e-9) * (1 + 0.005 * rng.standard_normal()) * 1e6))
    return rows


def kept(law: Any, device: DeviceDeck, g: Reals, t: Reals, time: Reals, draws: Reals) -> Reals:
    draw = law.frozen(draws[0], g, device) if law.random else 0.0
    return law.conductance(g, g, law.rate(t, draw, device) * time, time, draw, device)


def relaxed(law: Any, device: DeviceDeck, g: Reals, t: Reals, time: Reals, draws: Reals) -> Reals:
    rate = law.rate(t, law.barrier(draws[1], g, device)) if law.random_barrier else law.rate(t)
    shift, offset, _ = law.move(g, rate * time, time, draws[0], device)
    return g + shift + offset


def widened(law: Any, device: DeviceDeck, g: Reals, t: Reals, time: Reals, draws: Reals) -> Reals:
    return g + draws[0] * law.sd(g, law.rate(t) * time, device)


def crystallised(law: Any, device: DeviceDeck, g: Reals, t: Reals, time: Reals, draws: Reals) -> Reals:
    return law.conductance(g, law.rate(t, device) * time, device)


def disturbed(law: Any, device: DeviceDeck, g: Reals, t: Reals, time: Reals, draws: Reals) -> Reals:
    return g * law.remaining(time, device)


def reversed_(law: Any, device: DeviceDeck, rng: np.random.Generator) -> Rows:
    rows = []
    for level in (5e-6, 12e-6, 20e-6, 28e-6, 36e-6):
        for cell in range(6):
            draw = rng.standard_normal(1)
            for celsius in (25.0, 60.0, 95.0):
                u, t, first = np.full(1, level / device.g_max), np.full(1, celsius + 273.15), np.full(1, 298.15)
                seen = level * law.factor(u, t, first, draw, device)[0] * (1 + 0.005 * rng.standard_normal())
                rows.append((f"{level}/{cell}", level * 1e6, celsius, seen * 1e6))
    return rows


def measurements(mechanism: str, law: Any, device: DeviceDeck, rng: np.random.Generator) -> tuple[str, Rows]:
    """Header and rows of a file that tells of a law."""
    timed = "temperature [degC],level [uS],cell,time [s],conductance [uS]"
    hours = (1.0, 1e2, 1e3, 1e4, 1e5, 1e6)
    if mechanism == "retention":
        return timed, over_time(law, device, rng, hours, kept)
    if mechanism == "relaxation":
        return timed, over_time(law, device, rng, (0.0, 10.0, 1e3, 1e5), relaxed)
    if mechanism == "spread":
        return timed, over_time(law, device, rng, (0.0, 1e2, 1e4, 1e6), widened)
    if mechanism == "crystallisation":
        return timed, over_time(law, device, rng, hours, crystallised)
    if mechanism == "read_disturb":
        reads = (0.0, 1e4, 1e5, 1e6, 1e7)
        return timed.replace("time [s]", "reads"), over_time(law, device, rng, reads, disturbed)
    if mechanism == "temperature_dependence":
        return "cell,level [uS],temperature [degC],conductance [uS]", reversed_(law, device, rng)
    if mechanism == "endurance":
        lives = []
        for celsius in (25.0, 85.0):
            scale = float(law.cycles(np.asarray(celsius + 273.15), device))
            lives += [(celsius, scale * x) for x in law.life(rng, (60,), np.dtype(float))]
        return "temperature [degC],cycles", lives
    if mechanism == "window_closure":
        damage = np.geomspace(0.01, 1.0, 40)
        low, high = (
            np.broadcast_to(v, damage.shape) * np.exp(0.02 * rng.standard_normal(40)) for v in law.window(damage, device)
        )
        return "damage,low [uS],high [uS]", list(zip(damage, low * 1e6, high * 1e6))
    if mechanism == "faults":
        maps = law.stuck(rng, (4, 64, 64))
        return "cell,row,column,stuck", [(a, r, c, maps[a, r, c]) for a, r, c in np.ndindex(maps.shape)]
    if mechanism == "self_heating":
        power = np.zeros((3, 3, 3))
        power[1, 1, 1] = 1e-6
        rise = law.rise(power, device)
        places = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 0, 0)]
        return "layer,row,column,power [uW],time [ns],rise [K]", [
            (*p, 1, t * 1e9, rise[1 + p[0], 1 + p[1], 1 + p[2]] * law.reached(t) * np.exp(0.03 * rng.standard_normal()))
            for p in places for t in (5e-9, 20e-9, 100e-9)
        ]  # fmt: skip
    if mechanism == "truncation":
        rows = []
        for target in (1e-6, 2e-6, 10e-6):
            seen = law.bound(np.full(60, target), 1e-6, 1e-6 * rng.standard_normal(60), device)
            rows += [(target * 1e6, max(g, 1e-12) * 1e6) for g in seen]
        return "target [uS],conductance [uS]", rows
    if mechanism == "read_noise":
        levels = np.linspace(2e-6, 40e-6, 12)
        sd = np.broadcast_to(law.sd(levels, levels, np.ones(12), device), (12,)) * np.exp(0.03 * rng.standard_normal(12))
        return "target [uS],time [s],sd [uS]", [(g * 1e6, 1, s * 1e6) for g, s in zip(levels, sd)]
    assert mechanism == "programming"
    levels = np.repeat([5e-6, 10e-6, 20e-6, 30e-6, 40e-6], 60)
    shift, sd = law.error(levels, device)
    seen = levels + shift + sd * law.draw(rng, levels.shape, np.dtype(float))
    return "target [uS],conductance [uS]", list(zip(levels * 1e6, seen * 1e6))


DEVICE = {
    "g_max": "40.001 uS", "g_min": "1 uS", "cell_size": "100 nm", "read": {"voltage": "0.2 V", "pulse": "100 ns"},
    "write": {"voltage": "1.9 V", "pulse": "1 us", "energy": "1 pJ", "pulses": 1},
}  # fmt: skip


def fitted(mechanism: str, name: str, folder: Path) -> tuple[Any, Law, DeviceDeck]:
    """A fit of a law to measurements that it made, and the law that made them."""
    device = DeviceDeck.model_validate(DEVICE)
    law = MECHANISMS[mechanism][name].model_validate(TRUTH[mechanism, name])
    head, rows = measurements(mechanism, law, device, np.random.default_rng(7))
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        file.write(head + "\n")
        csv.writer(file).writerows(rows)
    table = read_table(path)
    return fit_law(f"{mechanism}.{name}", [table], device), law, device


QUICK = ("programming", "read_noise", "endurance", "window_closure", "faults", "self_heating", "truncation", "read_disturb")
"""Mechanisms whose laws are fitted within a second or two."""
LONGER = (
    ("spread", "power_law"), ("crystallisation", "avrami"), ("retention", "abrupt"), ("relaxation", "logarithmic"),
    ("retention", "level_barriers"), ("retention", "both_directions"), ("relaxation", "own_equilibrium"),
)  # fmt: skip
"""Laws whose fits take from seconds to two minutes; the others of their mechanisms weigh their measurements in the next test."""


FITTED = [key for key in TRUTH if key[0] in QUICK] + [pytest.param(*key, marks=pytest.mark.slow) for key in LONGER]


@pytest.mark.parametrize(("mechanism", "name"), FITTED)
def test_a_law_is_fitted_to_what_it_made(mechanism: str, name: str, outside: None, tmp_path: Path) -> None:
    """The fit is finite, explains its rows as well as the truth does, and lives on in a deck with draws."""
    fit, truth, device = fitted(mechanism, name, tmp_path)
    assert np.isfinite(fit.best).all() and np.isfinite(fit.draws).all() and np.isfinite(fit.covariance).all()
    data, _ = likelihood(mechanism, type(truth), [fit.source], device)
    true = data.log(truth, fit.best[len(fit.parameters.free) :].tolist())
    assert fit.log_likelihood > true - 0.5 * len(fit.best) - 1, (fit.names, fit.best, fit.log_likelihood, true)
    deck = parsed(yamlfile.parse_text(deck_text([fit], device), "fitted.yaml"))
    assert posterior_draws(deck) == 200
    build_device(drawn(deck, 3))


def test_laws_with_slow_fits_weigh_their_own_measurements(outside: None, tmp_path: Path) -> None:
    """One likelihood each: finite at the truth, and lower where one of its numbers is off by a factor."""
    for mechanism, name in TRUTH:
        if mechanism in QUICK:
            continue
        device = DeviceDeck.model_validate(DEVICE)
        kind = MECHANISMS[mechanism][name]
        law = kind.model_validate(TRUTH[mechanism, name])
        head, rows = measurements(mechanism, law, device, np.random.default_rng(7))
        path = tmp_path / f"{name}.csv"
        with path.open("w", newline="") as file:
            file.write(head + "\n")
            csv.writer(file).writerows(rows)
        data, _ = likelihood(mechanism, kind, [read_table(path)], device)
        true = data.log(law, [0.005])
        assert np.isfinite(true), name
        key, off = WRONG.get(f"{mechanism}.{name}", WRONG[mechanism])
        assert true > data.log(law.model_copy(update={key: off}), [0.005]) + 2, (name, true)


WRONG: dict[str, tuple[str, Any]] = {
    "relaxation": ("activation_energy", 2.0),
    "relaxation.own_equilibrium": ("barrier_sd", 0.5),
    "spread": ("exponent", 0.9),
    "retention": ("activation_energy", 0.8),
    "retention.power_law": ("exponent_mean", LevelFunction(offset=0.15, slope=0, low=0.0, high=0.2)),
    "retention.level_barriers": ("shape", 0.3),
    "retention.gap_growth": ("separation_energy", 1.7),
    "retention.kaul2021_mapping": ("separation_energy", 1.7),
    "crystallisation": ("exponent", 1.0),
    "temperature_dependence": ("activation_energy", 0.2),
}
"""Law or mechanism → a number that its measurements speak against."""
