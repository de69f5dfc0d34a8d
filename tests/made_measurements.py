"""Measurements that laws made themselves, for fits that shall find them again."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.devices import MECHANISMS
from stack3d.devices.fitting import Table, read_table
from stack3d.devices.laws import Law, Reals, SpreadLaw
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


def made(mechanism: str, name: str, folder: Path, *, seed: int = 7) -> tuple[Table, Law, DeviceDeck]:
    """Measurements of a law read back from a file, the law with the numbers that made them, and the device.

    Parameters
    ----------
    mechanism, name : str
        Of the law.
    folder : Path
        Where the file is written.
    seed : int
        Of the cells and of the noise.
    """
    device = DeviceDeck.model_validate(DEVICE)
    law = MECHANISMS[mechanism][name].model_validate(TRUTH[mechanism, name])
    head, rows = measurements(mechanism, law, device, np.random.default_rng(seed))
    path = folder / f"{mechanism} {name} {seed}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(head + "\n")
        csv.writer(file).writerows(rows)
    return read_table(path), law, device
