"""The one door: check a scenario, say what it takes, run it, sum it up."""

from stack3d.case.duration import time_told, warning_of
from stack3d.case.few_unknowns import compact_of
from stack3d.case.fitting import fitting
from stack3d.case.odd_values import odd_values
from stack3d.case.run import Outcome, check, run_case
from stack3d.case.size import told as size_told
from stack3d.case.solved_field import solve_field
from stack3d.case.threads import one_thread

__all__ = [
    "Outcome",
    "check",
    "compact_of",
    "fitting",
    "odd_values",
    "one_thread",
    "run_case",
    "size_told",
    "solve_field",
    "time_told",
    "warning_of",
]
