"""Full solves of a chip as programmed, for any placement of its tiles."""

from __future__ import annotations

import numpy as np

from stack3d.chip.chip import ComputingChip
from stack3d.errors import RangeError, SolverError
from stack3d.geometry.grid import build_grid
from stack3d.heat.meshing import Bricks
from stack3d.heat.settle import settle
from stack3d.heat.solvers import make_backend
from stack3d.heat.state import Heat
from stack3d.layout import Floats, HeatSource
from stack3d.workload.placement import Site


class Trials:
    """Full solves of a freshly programmed chip for any placement of its tiles, on one grid.

    Cells are as programmed, leakage settles with temperature; solved by the tensor backend, whichever the profile asks for.
    """

    def __init__(self, chip: ComputingChip) -> None:
        scenario = chip.scenario
        boxes = [HeatSource(f"site{i}", layer, box, 1.0) for i, (layer, box) in enumerate(chip.sites)]
        grid = build_grid(chip.stack, [*chip.sources, *boxes], scenario.solver.mesh, [])
        profile = scenario.solver.model_copy(update={"backend": "tensor"})
        self.backend = make_backend(scenario.model_copy(update={"solver": profile}), chip.stack, Bricks(grid))
        self.ambient = scenario.cooling.ambient
        self.known: dict[tuple[Site, ...], Heat] = {}

    def settled(self, chip: ComputingChip) -> Heat:
        """Temperatures of a chip with its tiles placed, solved once; raises SolverError."""
        places = chip.computer.places
        if places not in self.known:
            self.known[places] = self._solve(chip)
        return self.known[places]

    def _solve(self, chip: ComputingChip) -> Heat:
        computer = chip.computer
        targets = {name: m.target_conductances()[None] for name, m in computer.matrices.items()}
        start = np.full((len(computer.tiles), 1, 1), self.ambient)
        return settle(chip, self.backend, lambda _: targets, start)

    def peaks(self, chip: ComputingChip) -> Floats:
        """Hottest tile and hottest point of the stack; infinite where no temperature is stable. [K]"""
        try:
            state = self.settled(chip)
        except (SolverError, RangeError):
            return np.full(2, np.inf)
        return np.array([state.tile_temperature.max(), state.solution.field.values.max()])
