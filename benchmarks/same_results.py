"""Whether two versions of the program give the same datasets: runs every shipped scenario and study, compares to the bit.

    python benchmarks/same_results.py run FOLDER        # every scenario at its own profile, one worker
    python benchmarks/same_results.py compare A B       # exit 1 and a line per variable that differs

Times and what describes the run itself (versions, history, hashes) are left out of the comparison.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray as xr

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
OF_THE_RUN = ("wall_time",)
"""Variables that say how long something took."""


def run(folder: Path) -> int:
    """Run all shipped scenarios, one after the other; returns how many failed."""
    failed = 0
    for deck in sorted(SCENARIOS.glob("*.yaml")):
        code = subprocess.run(["stack3d", "run", str(deck), "-o", str(folder), "--workers", "1", "--force"], check=False)
        print(f"{deck.stem}: exit {code.returncode}", flush=True)
        failed += code.returncode != 0
    return failed


def datasets(folder: Path) -> dict[str, Path]:
    """Files of results by scenario and case, cases in the order of their hashes' numbers in the study."""
    found = {}
    for path in sorted(folder.glob("*/*.nc")):
        found[f"{path.parent.name}/{path.name}"] = path
    return found


def differences(one: Path, other: Path) -> list[str]:
    """Variables of two files that are not equal to the bit."""
    out = []
    with xr.open_datatree(one) as a, xr.open_datatree(other) as b:
        groups = {node.path for node in a.subtree} | {node.path for node in b.subtree}
        for group in sorted(groups):
            if group not in a.groups or group not in b.groups:
                out.append(f"{group}: in one of the two only")
                continue
            names = set(a[group].variables) | set(b[group].variables)
            for name in sorted(str(n) for n in names if n not in OF_THE_RUN):
                if name not in a[group].variables or name not in b[group].variables:
                    out.append(f"{group}/{name}: in one of the two only")
                    continue
                left, right = np.asarray(a[group][name].values), np.asarray(b[group][name].values)
                if left.shape != right.shape or left.dtype != right.dtype:
                    out.append(f"{group}/{name}: {left.dtype}{left.shape} against {right.dtype}{right.shape}")
                elif not np.array_equal(left, right, equal_nan=left.dtype.kind == "f"):
                    size = float(np.nanmax(np.abs(left - right))) if left.dtype.kind == "f" else float("nan")
                    out.append(f"{group}/{name}: differs by up to {size:.3g}")
    return out


def compare(one: Path, other: Path) -> int:
    """Compare two folders of results; returns how many files differ."""
    a, b = datasets(one), datasets(other)
    wrong = 0
    for name in sorted(a | b):
        found = differences(a[name], b[name]) if name in a and name in b else ["in one of the two folders only"]
        wrong += bool(found)
        print(f"{name}: {'equal' if not found else '; '.join(found)}")
    return wrong


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", folder]:
            sys.exit(bool(run(Path(folder))))
        case ["compare", one, other]:
            sys.exit(bool(compare(Path(one), Path(other))))
        case _:
            sys.exit(__doc__)
