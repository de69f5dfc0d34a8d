"""Energy of inferences times their rate against the heat that enters conduction beside explicit sources, per scenario.

python benchmarks/same_results.py run FOLDER     # all shipped scenarios, as shipped
python benchmarks/balance.py FOLDER              # the table of the manual, with the largest difference of all their epochs
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import stack3d


def imbalance(path: Path) -> np.ndarray:
    """Of every epoch of a case, and of its stored field, relative to their heat; empty without a workload."""
    tree = stack3d.open_result(path)
    if "power" not in tree.children or "energy_per_inference" not in tree["power"]:
        return np.empty(0)
    power = tree["power"]
    explicit = power["component_power"].sel(component="explicit")
    billed = power["energy_per_inference"].sum("component") * power["rate"]
    of_field = billed[0] / (tree["thermal"]["heat_in"] - explicit[0]) - 1.0  # the stored field is that of the first epoch
    return np.append(billed / (power["total_power"] - explicit) - 1.0, of_field)


def main(folder: Path) -> None:
    """Print the table."""
    print("| scenario | cases | epochs | largest difference |\n|---|---|---|---|")
    for scenario in sorted(p for p in folder.iterdir() if (p / "cases").is_dir()):
        found = [imbalance(path) for path in sorted(scenario.glob("cases/*/result.nc"))]
        all_epochs = np.abs(np.concatenate([f for f in found if f.size] or [np.empty(0)]))
        if all_epochs.size:
            epochs = all_epochs.size - sum(f.size > 0 for f in found)
            print(f"| `{scenario.name}` | {len(found)} | {epochs} | {all_epochs.max():.0e} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
