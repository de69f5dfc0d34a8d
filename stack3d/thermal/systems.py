"""The system over time that fits a solver: lateral modes where it has them, its nodes otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stack3d.layout import HeatSource
from stack3d.thermal.backend import SolidBackend
from stack3d.thermal.cooling.channels import ChannelRun
from stack3d.thermal.cooling.settled import FilmLaw
from stack3d.thermal.grid.body import TensorBody
from stack3d.thermal.grid.modal_system import ModalSystem
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Place
from stack3d.thermal.problem import ThermalProblem
from stack3d.thermal.time.body import Body
from stack3d.thermal.time.nodal import NodalSystem
from stack3d.thermal.time.system import TransientSystem


def transient_system(
    problem: ThermalProblem, sources: Sequence[HeatSource], places: Sequence[Place], *, rtol: float = 1e-10
) -> TransientSystem:
    """The cheapest form on the tensor grid: lateral modes for separable stacks, nodes otherwise."""
    return system_of(TensorSolver(problem, rtol=rtol), sources, places, rtol=rtol)


def system_of(
    solver: TensorSolver | Body,
    sources: Sequence[HeatSource],
    places: Sequence[Place],
    *,
    rtol: float = 1e-10,
    laws: Mapping[str, FilmLaw] | None = None,
    runs: Sequence[ChannelRun] = (),
) -> TransientSystem:
    """The system of a solver: its lateral modes where it has them, nodes otherwise.

    `laws` are of films that follow the temperature of their face, `runs` channels with coolant.
    """
    if isinstance(solver, TensorSolver):
        if solver.is_direct and not (laws or runs or solver.problem.sides.capacity):
            return ModalSystem(solver, sources, places)
        solver = TensorBody(solver)
    return NodalSystem(solver, sources, places, rtol=rtol, laws=laws, runs=runs)


def stepped(solid: SolidBackend) -> TensorSolver | Body:
    """What steps in time see of a solver."""
    if isinstance(solid, TensorSolver):
        return solid
    from stack3d.thermal.fem.body import FemBody
    from stack3d.thermal.fem.conduction import ConductionSolver

    assert isinstance(solid, ConductionSolver)
    return FemBody(solid)
