"""A thousand thermal cases on one geometry: time per case, solvers made, memory over the run.

``python benchmarks/study.py [--cases 1000] [--workers 1]``; run with OMP_NUM_THREADS=1.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from stack3d import study
from stack3d.progress import Silent

COOLING = ["forced_air", "lid_heat_sink", "air_heat_sink", "cold_plate"]


def scenario(n_cases: int) -> str:
    """Four heated tiers under a lid, about 50 000 unknowns; powers drawn, cooling varied."""
    layer = {"material": {"conductivity": "130 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}}
    sources = [
        {"name": f"core{i}", "layer": f"t{i}_active", "x": ["1 mm", "3 mm"], "y": [f"{1 + 2 * i} mm", f"{2.5 + 2 * i} mm"], "power": "1 W"}
        for i in range(4)
    ]  # fmt: skip
    return json.dumps(
        {
            "scenario": "thousand",
            "geometry": {
                "footprint": ["10 mm", "10 mm"],
                "below": [{"name": "substrate", "thickness": "0.3 mm", **layer}],
                "tiers": {
                    "repeat": 4,
                    "layers": [
                        {"name": "bond", "thickness": "10 um", "material": {"conductivity": "2 W/m/K", "heat_capacity": "2e6 J/m^3/K"}},
                        {"name": "active", "thickness": "50 um", **layer},
                    ],
                },
                "above": [{"name": "lid", "thickness": "1 mm", "material": copper(), "contact_resistance": "5 mm^2*K/W"}],
            },
            "power": {"sources": sources},
            "cooling": {"top": "cold_plate", "bottom": "board", "ambient": "300 K"},
            "maps": {"layers": [f"t{i}_active" for i in range(4)], "grid": [16, 16]},
            "solver": {"backend": "tensor", "mesh": {"lateral": 41, "per_layer": 2, "aspect": 0.5}, "error_promise": 0.01},
            "sweep": {
                "cooling.top": COOLING,
                "sample": {"count": n_cases // len(COOLING), "keys": {f"power.sources.core{i}.power": {"from": "0.1 W", "to": "5 W"} for i in range(4)}},
            },
        }
    )  # fmt: skip


def copper() -> dict[str, str]:
    return {"conductivity": "398 W/m/K", "heat_capacity": "3.45e6 J/m^3/K"}


class Watch(Silent):
    """Resident memory and time at every tenth of the study."""

    def begin(self, total: int, pending: int) -> None:
        self.every, self.count, self.rows = max(1, total // 10), 0, list[tuple[int, float, float]]()
        self.start = time.perf_counter()

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        assert status == "done", lines
        self.count += 1
        if self.count % self.every == 0:
            self.rows.append((self.count, time.perf_counter() - self.start, resident()))


def resident() -> float:
    """Resident memory of this process. [MB]"""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def statistics(folder: Path) -> Iterator[dict]:
    for record in folder.glob("cases/*/run.json"):
        yield json.loads(record.read_text())["statistics"]["thermal"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        deck = Path(scratch) / "thousand.yaml"
        deck.write_text(scenario(chosen.cases))
        watch, began, cpu = Watch(), time.perf_counter(), time.process_time()
        count = sum(1 for _ in study.run([str(deck)], Path(scratch), watch, workers=chosen.workers))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        facts = list(statistics(Path(scratch) / "thousand"))
    made = len({f["seconds"]["setup"] for f in facts})
    print(f"{count} cases of {facts[0]['unknowns']} unknowns ({facts[0]['linear_solver']}), {chosen.workers} workers")
    print(
        f"{wall / count:.3f} s per case, {cpu / count:.3f} s CPU of this process; {made} solvers made for {len(COOLING)} coolings"
    )
    for n, seconds, megabytes in watch.rows:
        print(f"{n:6d} cases  {seconds:8.1f} s  {megabytes:8.0f} MB")


if __name__ == "__main__":
    main()
