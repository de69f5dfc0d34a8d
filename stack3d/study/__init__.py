"""Many cases: expand sweeps, skip what is done, run the rest here or on a cluster, and let one bad case stop nothing."""

from stack3d.study.checks import checked
from stack3d.study.job import DONE, FAILED, SKIPPED, Job, Report
from stack3d.study.lever_study import LeverStudy
from stack3d.study.optimising import Optimisation
from stack3d.study.plan import Found, Plan
from stack3d.study.planning import plan
from stack3d.study.ranks import Ranks
from stack3d.study.runner import run
from stack3d.study.search import Search, Steps

__all__ = [
    "DONE", "FAILED", "SKIPPED", "Found", "Job", "LeverStudy", "Optimisation", "Plan", "Ranks", "Report", "Search", "Steps",
    "checked", "plan", "run",
]  # fmt: skip
