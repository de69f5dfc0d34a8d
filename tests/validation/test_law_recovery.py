"""Laws with slow fits, fitted to single cells that they made with other seeds: is the truth found?

``python tests/validation/test_law_recovery.py`` prints the table of the manual; names of laws after it choose some.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytest
from made_measurements import made

from stack3d.constants import BOLTZMANN
from stack3d.devices.fitting import Fit, fit_law

pytestmark = pytest.mark.slow
SEEDS = range(1, 4)
LAWS = (
    ("relaxation", "logarithmic"), ("relaxation", "falcone2025"), ("spread", "power_law"), ("crystallisation", "avrami"),
    ("temperature_dependence", "state_mix"), ("retention", "level_barriers"), ("retention", "power_law"),
    ("retention", "abrupt"), ("retention", "stretched_log_resistance"),
)  # fmt: skip


class Recovered(NamedTuple):
    """One fit beside the law that made its data."""

    held: dict[str, bool]
    """Parameter → whether its 95 % interval holds the truth."""
    told: dict[str, tuple[float, float, float]]
    """Parameter → truth and interval. [SI]"""
    finite: bool
    effective: float
    """Independent draws."""
    seconds: float
    """Of one core."""


def number_at(law: Any, key: str) -> float:
    """A number of a law by its dotted key."""
    for name in key.split("."):
        plain, _, index = name.removesuffix("]").partition("[")
        law = getattr(law, plain)
        law = law[int(index)] if index else law
    return float(law)


def truths(law: Any, fit: Fit) -> dict[str, float]:
    """The numbers that a fit finds, of the law that made the data, at the temperature that the fit counts from. [SI]"""
    found = {f.key: number_at(law, f.key) for f in fit.parameters.free}
    if "time_scale" in found:
        at = fit.parameters.build(fit.best[: len(fit.parameters.free)].tolist()).reference_temperature  # type: ignore[attr-defined]
        apart = 1 / law.reference_temperature - 1 / at
        found["time_scale"] *= float(np.exp(-law.activation_energy / BOLTZMANN * apart))
    return found


def recovered(mechanism: str, name: str, seed: int, folder: Path) -> Recovered:
    """A law fitted to what it made, beside the truth."""
    table, law, device = made(mechanism, name, folder, seed=seed)
    begun = time.process_time()
    fit = fit_law(f"{mechanism}.{name}", [table], device)
    seconds = time.process_time() - begun
    told = {key: (truth, *fit.interval(key)) for key, truth in truths(law, fit).items()}
    finite = all(bool(np.isfinite(v).all()) for v in (fit.best, fit.draws, fit.covariance))
    held = {key: low <= truth <= high for key, (truth, low, high) in told.items()}
    return Recovered(held, told, finite, fit.effective, seconds)


def test_the_energy_of_relaxation_is_found(tmp_path: Path) -> None:
    """With a time scale of 1 s at 25 degC held, whatever the data said, it was found in none of three."""
    found = [recovered("relaxation", "logarithmic", seed, tmp_path) for seed in range(1, 13)]
    assert all(one.finite for one in found)
    assert sum(one.held["activation_energy"] for one in found) >= 10
    assert np.mean([held for one in found for held in one.held.values()]) >= 0.88


def main(asked: Sequence[str]) -> None:
    """Print of every law how many truths were held, effective draws and seconds."""
    for mechanism, name in [law for law in LAWS if not asked or ".".join(law) in asked]:
        with TemporaryDirectory() as folder:
            found = []
            for seed in SEEDS:
                found.append(one := recovered(mechanism, name, seed, Path(folder)))
                for key, (truth, low, high) in one.told.items():
                    print(
                        f"  {seed} {key} {truth:.4g} in {low:.4g} … {high:.4g}{'' if one.held[key] else ' NO'}", file=sys.stderr
                    )
                print(
                    f"  {seed} finite {one.finite}, effective {one.effective:.0f}, {one.seconds:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
        every = [held for one in found for held in one.held.values()]
        draws, seconds = [f"{one.effective:.0f}" for one in found], [f"{one.seconds:.0f}" for one in found]
        print(f"| {mechanism}.{name} | {sum(every)} of {len(every)} | {', '.join(draws)} | {', '.join(seconds)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
