"""A chip: stack, explicit heat and, with a workload, the computer on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stack3d.chip.computer import Computer
from stack3d.layout import HeatSource, Stack
from stack3d.schema.scenario import Scenario
from stack3d.workload import trace


@dataclass(frozen=True, eq=False)
class Chip:
    """Stack, explicit heat and, with a workload, the computer on it.

    Parameters
    ----------
    scenario : Scenario
    stack : Stack
    sources : tuple of HeatSource
        Explicit heat, its mean where a trace is given.
    computer : Computer or None
    activity : PowerTrace
        Activity of the workload, a share of its rate.
    source_trace : PowerTrace or None
        Power of explicit sources over time. [W]
    """

    scenario: Scenario
    stack: Stack
    sources: tuple[HeatSource, ...]
    computer: Computer | None
    activity: trace.PowerTrace = field(default_factory=lambda: trace.read_activity(None))
    source_trace: trace.PowerTrace | None = None

    @property
    def mean_rate(self) -> float:
        """Inferences per second, mean over the activity. [1/s]"""
        work = self.scenario.workload
        return work.rate * float(self.activity.mean[0]) if work is not None else 0.0
