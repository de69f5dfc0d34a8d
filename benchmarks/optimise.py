"""A search against the full grid of its lists: CPU of both, screens included, and how near the best design several seeds come.

``python benchmarks/optimise.py [architect_choice] [--seeds 5] [--keep FOLDER]``; run with OMP_NUM_THREADS=1. Cases of the grid
are reused by the searches, and counted in each with the CPU that they took.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import stack3d
from stack3d import study
from stack3d.progress import Silent
from stack3d.study.planning import plan


class Timed(Silent):
    """CPU seconds of the case that ended last."""

    began = last = 0.0

    def started(self, label: str) -> None:
        self.began = time.process_time()

    def ended(self, label: str, status: str, lines: tuple[str, ...]) -> None:
        self.last = time.process_time() - self.began


class Times:
    """CPU of every case by its folder, kept beside the results."""

    def __init__(self, root: Path) -> None:
        self.path = root / "cpu.json"
        self.of: dict[str, float] = json.loads(self.path.read_text()) if self.path.exists() else {}

    def run(self, source: str, root: Path, overrides: list) -> tuple[list[study.Report], float]:
        """Reports of a study, and the CPU that it took in all: of its cases, now or before, and of itself."""
        watch, began, now, folders = Timed(), time.process_time(), 0.0, dict[str, None]()
        reports = []
        for report in study.run([source], root, watch, overrides=overrides, workers=1):
            reports.append(report)
            if report.folder is None or report.is_verdict:
                continue
            folders[report.folder.name] = None
            if report.status != study.SKIPPED:
                self.of[report.folder.name] = watch.last
                now += watch.last
                self.path.write_text(json.dumps(self.of))
        own = time.process_time() - began - now
        return reports, own + sum(self.of[name] for name in folders)


def best_of(search, reports) -> float:
    """Least value of the first goal among the designs of a grid that meet every condition."""
    sign = 1.0 if search.goals[0].is_minimised else -1.0
    found = []
    for report in reports:  # screens that lie in the same folder are no part of the grid
        if report.status != study.FAILED:
            case = stack3d.open_result(report.folder)
            if all(limit.missed_by(case) <= 0 for limit in search.limits):
                found.append(sign * search.goals[0].of(case))
    print(f"{len(found)} designs of the grid meet every condition")
    return sign * min(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", nargs="?", default="architect_choice")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = chosen.keep or Path(scratch)
        root.mkdir(parents=True, exist_ok=True)
        search, times = plan(chosen.scenario), Times(root)
        lists = dict(search.draft.tree["optimise"]["vary"])
        reports, grid = times.run(chosen.scenario, root, [("optimise", None), ("sweep", lists)])
        failed = sum(report.status == study.FAILED for report in reports)
        print(f"grid: {len(reports)} designs, {failed} of them fail; {grid:.0f} s CPU")
        best = best_of(search, reports)
        print(f"best: {search.goals[0].text} = {search.goals[0].told(best)}")
        for seed in range(1, chosen.seeds + 1):
            reports, cpu = times.run(chosen.scenario, root, [("optimise.seed", seed)])
            found = stack3d.open_results(root / search.name)["optimise"].to_dataset()
            value = float(found["value"].values[found["chosen"].values.astype(bool)][0, 0])
            print(f"seed {seed}: {100 * cpu / grid:.1f} % of the grid's CPU, {100 * abs(value / best - 1):.2f} % from the best")
            print("\n".join(f"  {line}" for line in reports[-1].lines))


if __name__ == "__main__":
    main()
