"""Ten sets of made measurements, fitted from single cells, from level means, from a third of the times: is the truth found?

``python tests/validation/test_fit_recovery.py`` prints the table of the manual.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from stack3d.constants import BOLTZMANN
from stack3d.devices.faults import ColumnClusters
from stack3d.devices.fitting import fit_law, fitted_device, read_table

pytestmark = pytest.mark.slow
SEEDS = range(1, 11)
CELLS = 20
ENERGY, SPREAD, SHAPE, LIFE, NOISE = 1.30, 0.03, 0.60, 2e5, 0.01
"""[eV], [eV], [-], [s] at 200 degC whatever the barrier, share of a reading."""
LEVELS = np.linspace(5, 40, 8)
TIMES = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 3e5, 1e6, 3e6)
BAKES = {
    "activation_energy": ENERGY,
    "barrier_sd": SPREAD,
    "inverse_isokinetic_temperature": 1 / 473.15,
    "anchor.time": LIFE,
    "shape": SHAPE,
    "read_noise": NOISE,
}
TRUTH = {
    "single cells": BAKES,
    "level means": BAKES | {"read_noise": NOISE / CELLS**0.5},
    "a third of the times": BAKES,
    "programming errors": {"offset": 0.3e-6, "slope": 0.01},
    "lives": {
        "cycles_at_reference": 1e6 * np.exp(0.3 / BOLTZMANN * (1 / 358.15 - 1 / 298.15)),
        "activation_energy": 0.3,
        "shape": 2.0,
    },
}
LAWS = dict.fromkeys(TRUTH, "distributed_barriers") | {"programming errors": "linear", "lives": "tent"}


def files(seed: int, folder: Path) -> dict[str, Path]:
    """Measurements of cells with these truths, as CSV files."""
    rng = np.random.default_rng(seed)
    rows = []
    for celsius in (125, 165, 200):
        for level in LEVELS:
            for cell in range(CELLS):
                energy = ENERGY + SPREAD * rng.normal()
                start = max(level + rng.normal() * (0.3 + 0.01 * level), 0.2)
                life = LIFE * np.exp(energy / BOLTZMANN * (1 / (celsius + 273.15) - 1 / 473.15))
                for time in TIMES:
                    rows.append(
                        (celsius, level, cell, time, start * np.exp(-((time / life) ** SHAPE)) * (1 + NOISE * rng.normal()))
                    )
    writes = [(level, (level + rng.normal(size=200) * (0.3 + 0.01 * level)).std(ddof=1)) for level in LEVELS]
    lives = []
    for celsius in (25, 85):
        scale = 1e6 * np.exp(0.3 / BOLTZMANN * (1 / (celsius + 273.15) - 1 / 298.15))
        lives += [(celsius, n) for n in scale * rng.weibull(2, 30)]
    bakes = "temperature [degC],level [uS],cell,time [s],conductance [uS]"
    groups: dict[tuple[float, float, float], list[float]] = {}
    for celsius, level, _, time, seen in rows:
        groups.setdefault((celsius, level, time), []).append(seen)
    tables = {
        "single cells": (bakes, rows),
        "level means": (bakes.replace("cell,", "cells,"), [(c, g, CELLS, t, np.mean(v)) for (c, g, t), v in groups.items()]),
        "a third of the times": (bakes, [r for r in rows if r[3] in TIMES[::3]]),
        "programming errors": ("target [uS],sd [uS]", writes),
        "lives": ("temperature [degC],cycles", lives),
    }
    found = {}
    for name, (head, body) in tables.items():
        found[name] = folder / f"{name} {seed}.csv"
        text = "\n".join(",".join(f"{v:.7g}" for v in row) for row in body)
        found[name].write_text(f"{head}\n{text}\n", encoding="utf-8")
    return found


def recovered(seed: int, folder: Path) -> Iterator[tuple[str, str, bool, bool]]:
    """What was fitted from, parameter, whether the 95 % interval holds the truth, whether all is finite."""
    for name, path in files(seed, folder).items():
        table = read_table(path)
        fit = fit_law(LAWS[name], [table], fitted_device([table]))
        finite = bool(np.isfinite(fit.best).all() and np.isfinite(fit.draws).all() and np.isfinite(fit.covariance).all())
        for parameter, truth in TRUTH[name].items():
            low, high = fit.interval(parameter)
            yield name, parameter, bool(low <= truth <= high), finite


def test_nine_of_ten_truths_lie_in_their_interval(tmp_path: Path) -> None:
    found = [row for seed in SEEDS for row in recovered(seed, tmp_path)]
    assert len(found) == 10 * 23 and all(finite for *_, finite in found)
    assert np.mean([held for *_, held, _ in found]) >= 0.90


def test_shares_of_stuck_runs_are_not_told_too_small(tmp_path: Path) -> None:
    """Few runs make a map: one with fewer than usual must not look like a sure one with a smaller share."""
    law = ColumnClusters(high_resistance=0.01, low_resistance=0.01, mean_length=8)
    truth = {"high_resistance": 0.01, "low_resistance": 0.01, "mean_length": 8.0}
    held, shares = [], []
    for seed in range(20):
        maps = law.stuck(np.random.default_rng(seed), (4, 64, 64))
        path = tmp_path / f"{seed}.csv"
        rows = "\n".join(f"{a},{r},{c},{maps[a, r, c]}" for a, r, c in np.ndindex(maps.shape))
        path.write_text(f"cell,row,column,stuck\n{rows}\n", encoding="utf-8")
        table = read_table(path)
        fit = fit_law("column_clusters", [table], fitted_device([table]))
        held += [fit.interval(name)[0] <= value <= fit.interval(name)[1] for name, value in truth.items()]
        shares.append(fit.best[:2].mean() / 0.01)
    assert np.mean(held) >= 0.85 and 0.85 < np.mean(shares) < 1.15


def main() -> None:
    """Print how many of ten truths were held, and the share of all."""
    counts: dict[tuple[str, str], list[bool]] = {}
    with TemporaryDirectory() as folder:
        for seed in SEEDS:
            for name, parameter, held, finite in recovered(seed, Path(folder)):
                assert finite, (seed, name)
                counts.setdefault((name, parameter), []).append(held)
            print(seed, np.mean([h for v in counts.values() for h in v]), flush=True)
    for (name, parameter), held in counts.items():
        print(f"| {name} | {parameter} | {sum(held)} of {len(held)} |")


if __name__ == "__main__":
    main()
