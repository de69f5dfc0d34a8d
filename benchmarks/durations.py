"""Estimated time of cases beside the time that they take: CPU seconds of one thread, first case of each scenario.

Run ``python benchmarks/durations.py [SCENARIO …]``; without names all shipped scenarios, which takes ten minutes.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import time

from stack3d import decks
from stack3d.case import check, run_case
from stack3d.case.duration import seconds_of
from stack3d.heat.meshing import meshed
from stack3d.progress import Silent
from stack3d.study.plan import StudyDraft


def main() -> None:
    """Print a row for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*")
    print(f"{'scenario':<28}{'estimated s':>12}{'taken s':>10}{'taken / estimated':>19}  terms")
    for name in parser.parse_args().scenarios or sorted(decks.available("scenarios")):
        draft = StudyDraft(name)
        scenario = draft.case(next(point for point in draft if point.dropped is None)).scenario
        chip = check(scenario)
        found = seconds_of(chip, meshed(chip))
        began = time.process_time()
        outcome = run_case(scenario, Silent())
        taken = time.process_time() - began
        total = sum(found.values())
        terms = ", ".join(f"{key} {seconds:.2g}" for key, seconds in found.items())
        measured = ", ".join(f"{key} {seconds:.2g}" for key, seconds in outcome.statistics["seconds"].items())
        print(f"{name:<28}{total:>12.2f}{taken:>10.2f}{taken / total:>19.2f}  {terms}; wall: {measured}", flush=True)


if __name__ == "__main__":
    main()
