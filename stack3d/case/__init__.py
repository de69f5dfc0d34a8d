"""The one door: check a scenario, run it, sum it up."""

from stack3d.case.run import check, run_case

__all__ = ["check", "run_case"]
