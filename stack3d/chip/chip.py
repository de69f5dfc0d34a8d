"""What is heated: a stack and its explicit heat, and with a workload the computer on it."""

from __future__ import annotations

from dataclasses import dataclass

from stack3d.chip.computer import Computer
from stack3d.geometry.stack import tile_sites
from stack3d.layout import HeatSource, Rectangle, Stack
from stack3d.schema.scenario import Scenario
from stack3d.workload.power import heated_place
from stack3d.workload.trace import PowerTrace


@dataclass(frozen=True, eq=False)
class Chip:
    """Stack and explicit heat.

    Parameters
    ----------
    scenario : Scenario
    stack : Stack
    sources : tuple of HeatSource
        Explicit heat, its mean where a trace is given.
    source_trace : PowerTrace or None
        Power of explicit sources over time. [W]
    """

    scenario: Scenario
    stack: Stack
    sources: tuple[HeatSource, ...]
    source_trace: PowerTrace | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ComputingChip(Chip):
    """A chip with a workload.

    Parameters
    ----------
    computer : Computer
    activity : PowerTrace
        Of the workload, a share of its rate.
    """

    computer: Computer
    activity: PowerTrace

    @property
    def sites(self) -> list[tuple[str, Rectangle]]:
        """Layer and box of every site that a tile may lie on."""
        return tile_sites(self.scenario.geometry, self.stack)

    def homes(self, component: str) -> list[tuple[str, Rectangle]]:
        """Layer and box that a component of each tile heats."""
        return [heated_place(self.stack, site, component, self.computer.design.periphery) for site in self.computer.places]

    @property
    def mean_rate(self) -> float:
        """Inferences per second, mean over the activity. [1/s]"""
        return self.computer.design.work.rate * float(self.activity.mean[0])
