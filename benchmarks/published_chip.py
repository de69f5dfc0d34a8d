"""Writes what `scenarios/neurram_digits.yaml` predicts of a published chip, for `stack3d validate-models`.

uv run python benchmarks/published_chip.py    # two and a half minutes of one core
"""

from pathlib import Path

import numpy as np

import stack3d

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "stack3d" / "devices" / "predicted" / "neurram_digits.csv"


def lines() -> list[str]:
    """Age, accuracy in software, and mean and percentiles over chips."""
    tree = stack3d.load(str(ROOT / "scenarios" / "neurram_digits.yaml"), {"lifetime.band": False}).run()
    software = float(tree["mvm/accuracy_ideal"].mean())
    found = ["age [s],software,mean,5th percentile,95th percentile"]
    for age, chips in zip(tree["mvm/accuracy"]["time"].values, tree["mvm/accuracy"].values):
        low, high = np.quantile(chips, (0.05, 0.95))
        found.append(f"{age:.6g},{software:.6g},{chips.mean():.6g},{low:.6g},{high:.6g}")
    return found


if __name__ == "__main__":
    told = ["# written by: python benchmarks/published_chip.py", *lines()]
    STORED.write_text("\n".join(told) + "\n", encoding="utf-8")
    print("\n".join(told))
