"""Ten minutes at one second, and ten years at one minute, of a real package by a compact model; against full steps.

Board, interposer, four dies, eight-high memory: 12 sources, about 0.2 million unknowns. `--full SECONDS` marches that much of
the first trace on all nodes beside it, with steps of two lengths, `--years` takes the ten years,
and marches to their hottest instant on all nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np

from stack3d import decks, yamlfile
from stack3d.case import check, compact_of
from stack3d.chip import Chip
from stack3d.heat import Backends, meshed
from stack3d.thermal import Box, CompactModel, PowerSchedule, TransientSystem, integrate_fixed
from stack3d.thermal.compact.long_trace import KeptOfTrace, TraceAnswer, follow

MATERIALS = {  # textbook values, for a figure of speed
    "silicon": {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"},
    "board": {"conductivity": ["20 W/m/K", "20 W/m/K", "0.4 W/m/K"], "heat_capacity": "2e6 J/m^3/K"},
    "mold": {"conductivity": "0.9 W/m/K", "heat_capacity": "2e6 J/m^3/K"},
    "bond": {"conductivity": "1.5 W/m/K", "heat_capacity": "2e6 J/m^3/K"},
    "tim": {"conductivity": "4 W/m/K", "heat_capacity": "2.2e6 J/m^3/K"},
    "copper": {"conductivity": "398 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"},
}
MINUTES = 10
"""That a peak is marched to on all nodes."""
DIES = {"a": (4, 4), "b": (4, 22), "c": (24, 4), "d": (24, 22)}  # lower left corners of 10 mm x 10 mm [mm]
MEMORY = (15, 14, 23, 26)


def package(lateral: int) -> dict[str, Any]:
    """A scenario."""

    def block(name: str, x0: float, y0: float, x1: float, y1: float, material: str) -> dict[str, Any]:
        spans = {"x": [f"{x0} mm", f"{x1} mm"], "y": [f"{y0} mm", f"{y1} mm"]}
        return {"name": name, **spans, "material": MATERIALS[material]}

    def level(name: str, thickness: str, in_memory: str, in_dies: str) -> dict[str, Any]:
        dies = [block(die, x, y, x + 10, y + 10, in_dies) for die, (x, y) in DIES.items()]
        blocks = [*dies, block("memory", *MEMORY, in_memory)]
        return {"name": name, "thickness": thickness, "material": MATERIALS["mold"], "blocks": blocks}

    layers = [
        {"name": "board", "thickness": "1.2 mm", "material": MATERIALS["board"]},
        {"name": "interposer", "thickness": "0.1 mm", "material": MATERIALS["silicon"]},
        level("bumps", "60 um", "bond", "bond"),
    ]
    for i in range(8):
        layers += [level(f"tier{i}", "50 um", "silicon", "silicon"), level(f"bond{i}", "15 um", "bond", "silicon")]
    layers += [level("tim", "50 um", "tim", "tim"), {"name": "lid", "thickness": "2 mm", "material": MATERIALS["copper"]}]
    sources = []
    for die, (x, y) in DIES.items():
        sources += [
            heat(f"{die}_core", "tier0", 12, x + 1, y + 1, x + 4, y + 4),
            heat(f"{die}_rest", "tier0", 8, x, y, x + 10, y + 10),
        ]
    sources += [heat(f"memory{i}", f"tier{i}", 2, *MEMORY) for i in (0, 2, 5, 7)]
    return {
        "scenario": "package",
        "geometry": {"footprint": ["38 mm", "36 mm"], "layers": layers},
        "cooling": {
            "top": {"film_coefficient": "2000 W/m^2/K"},
            "bottom": {"film_coefficient": "15 W/m^2/K"},
            "ambient": "300 K",
        },
        "power": {"sources": sources},
        "compact": {"shortest": "1 s"},
        "solver": {"backend": "tensor", "mesh": {"lateral": lateral}, "error_promise": 0.05},
    }


def heat(name: str, layer: str, watts: float, x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    """A source of heat."""
    return {"name": name, "layer": layer, "power": f"{watts} W", "x": [f"{x0} mm", f"{x1} mm"], "y": [f"{y0} mm", f"{y1} mm"]}


def random_powers(steps: int, count: int) -> np.ndarray:
    """Each source anew every step: 0 to twice its power."""
    return np.random.default_rng(1).uniform(0.0, 16.0, (steps, count))


def check_peak(model: CompactModel, chip: Chip, years: TraceAnswer, schedule: PowerSchedule) -> None:
    """March to the hottest instant on all nodes, from the steady state of the mean powers ten minutes before it."""
    place = int(np.argmax(years.highest))
    last = round(float(years.highest_at[place]) / 60.0)
    powers = schedule.powers[last - MINUTES : last]
    system = on_all_nodes(chip)
    mean = system.load(schedule.powers.mean(axis=0))
    start = system.solve(0.0, mean, system.start(300.0))
    full = integrate_fixed(system, PowerSchedule(60.0 * np.arange(MINUTES), powers), 3.0, 60.0 * MINUTES, initial=start)
    peak = float(full.temperature[-1, place] + model.bow[place] @ powers[-1])
    rise, slowest = years.highest[place] - 300.0, 1 / model.exponentials().rates[0]
    print(
        f"on all nodes {peak:.3f} K in {model.places[place]}, {100 * abs(peak - years.highest[place]) / rise:.3f} % of the rise off"
    )
    print(f"(from {MINUTES} minutes before, the slowest mode takes {slowest:.0f} s)")


def on_all_nodes(chip: Chip) -> TransientSystem:
    """What steps in time see of the mesh."""
    solid = Backends().solid(chip.scenario, chip.stack, meshed(chip))
    return solid.system(chip.sources, [Box(source.layer, source.extent) for source in chip.sources], rtol=1e-7)


def main() -> None:
    """Print CPU seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lateral", type=int, default=98)
    parser.add_argument("--full", type=float, default=0.0)
    parser.add_argument("--step", type=float, default=0.05)
    parser.add_argument("--years", action="store_true")
    given = parser.parse_args()
    scenario = decks.resolve(yamlfile.parse_text(json.dumps(package(given.lateral)), "package.yaml")).scenario
    chip = check(scenario)
    print(f"unknowns {meshed(chip).unknowns(chip.stack, 1)}, sources {len(chip.sources)}")
    began = time.process_time()
    model = compact_of(
        scenario, lambda solves, miss: print(f"  {solves} solves, within {miss:.2e}: {time.process_time() - began:.1f} s")
    )
    assert model.in_time is not None
    print(f"model: {model.in_time.still.size} modes, CPU {time.process_time() - began:.1f} s")
    powers = random_powers(600, len(model.sources))
    schedule = PowerSchedule(np.arange(600.0), powers)
    for _ in range(2):
        began = time.process_time()
        found = follow(model, schedule, 600.0, asked=KeptOfTrace(limits=[358.15], counted=model.places[:1]))
        print(f"ten minutes at one second: CPU {time.process_time() - began:.2f} s, hottest {found.highest.max():.2f} K")
    if given.years:
        steps = 5_256_000
        schedule_of_years = PowerSchedule(60.0 * np.arange(steps), random_powers(steps, len(model.sources)))
        began = time.process_time()
        years = follow(model, schedule_of_years, 60.0 * steps, asked=KeptOfTrace(limits=[358.15], counted=model.places[:1]))
        print(f"ten years at one minute: CPU {time.process_time() - began:.1f} s, hottest {years.highest.max():.2f} K")
        check_peak(model, chip, years, schedule_of_years)
    if given.full:
        system = on_all_nodes(chip)
        seen = follow(model, schedule, given.full).temperature[1:]
        for step in (2 * given.step, given.step):
            began = time.process_time()
            full = integrate_fixed(system, schedule, step, given.full, initial=300.0)
            at = np.flatnonzero(np.isclose(full.times % 1.0, 0.0) | np.isclose(full.times % 1.0, 1.0))[1:]
            off = np.abs(seen - full.temperature[at] - powers[: at.size] @ model.bow.T)
            print(f"the first {given.full:g} s on all nodes, steps of {step:g} s: CPU {time.process_time() - began:.1f} s")
            print(
                f"largest difference {off.max():.2e} K, estimate {found.of_model[0]:.2e} K, with the mesh {found.estimate.max():.2e} K"
            )


if __name__ == "__main__":
    main()
