"""Temperature of the chip for its present power, leakage included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d.errors import SolverError, ThermalRunawayError
from stack3d.geometry.gmsh_model import layered_hexahedra
from stack3d.geometry.grid import build_grid
from stack3d.layout import Floats, Grid, HeatSource, Stack
from stack3d.lifetime.chip import Chip
from stack3d.schema.cooling import Cooling
from stack3d.schema.cooling import Face as FaceDeck
from stack3d.schema.scenario import Scenario
from stack3d.thermal.problem import Face, ThermalBackend, ThermalProblem, ThermalSolution
from stack3d.workload import power

LEAKAGE_TOLERANCE = 1e-3
"""Change of the hottest tile between two leakage iterations at which they end. [K]"""
LEAKAGE_ITERATIONS = 60
TILE_CONTRAST = 0.01
"""Tiles whose power over the root of their area is below this share of the strongest source get no lines of their own."""
RUNAWAY_TEMPERATURE = 1000.0
"""No stack survives this; leakage that gets here runs away. [K]"""


def face_of(deck: FaceDeck, area: float, ambient: float) -> Face:
    """Condition of a cooled face of an area [m²]."""
    reference = ambient
    film = 0.0
    if deck.film_coefficient is not None:
        film = deck.film_coefficient
    elif deck.resistance is not None:
        film = 1.0 / (deck.resistance * area)
    elif deck.areal_resistance is not None:
        film = 1.0 / deck.areal_resistance if deck.areal_resistance > 0 else np.inf
    elif deck.temperature is not None:
        film, reference = np.inf, deck.temperature
    return Face(float(film), reference, deck.flux or 0.0)


def thermal_problem(stack: Stack, grid: Grid, cooling: Cooling) -> ThermalProblem:
    """Stack, grid and cooled faces."""
    top, bottom = stack.layers[-1].extent.area, stack.layers[0].extent.area
    around = 2 * ((stack.footprint.x1 - stack.footprint.x0) + (stack.footprint.y1 - stack.footprint.y0)) * stack.height
    return ThermalProblem(
        stack,
        grid,
        top=face_of(cooling.top, top, cooling.ambient),
        bottom=face_of(cooling.bottom, bottom, cooling.ambient),
        sides=face_of(cooling.sides, around, cooling.ambient),
    )


def make_grid(chip: Chip) -> Grid:
    """Grid of a chip: lines on explicit sources, and on tiles whose heat stands out beside them."""
    sources = list(chip.sources)
    if chip.computer is not None and chip.scenario.workload is not None:
        targets = {name: m.target_conductances()[None] for name, m in chip.computer.matrices.items()}
        tiles = power.tile_sources(chip.stack, chip.computer.places, tile_energies(chip, targets), chip.scenario.workload.rate)
        strongest = max(_contrast(s) for s in [*sources, *tiles])
        sources += [s for s in tiles if _contrast(s) > TILE_CONTRAST * strongest]
    return build_grid(chip.stack, sources, chip.scenario.solver.mesh, [(p.x, p.y) for p in chip.scenario.probes])


def _contrast(source: HeatSource) -> float:
    """Power over the square root of the area, which the local rise of a small source follows. [W/m]"""
    return abs(source.power) / float(np.sqrt(source.extent.area))


def tile_energies(chip: Chip, conductances: Mapping[str, Floats]) -> dict[str, Floats]:
    """Energy per inference of each tile by component. [J]"""
    computer, work = chip.computer, chip.scenario.workload
    assert computer is not None and work is not None
    return power.tile_energies(
        computer.activities(conductances),
        work.periphery,
        dac_bits=chip.scenario.mvm.dac_bits or work.periphery.dac.bits,
        adc_bits=chip.scenario.mvm.adc_bits or work.periphery.adc.bits,
    )


def make_backend(scenario: Scenario, problem: ThermalProblem) -> ThermalBackend:
    """Set up the solver that a profile asks for; for ``fem`` mesh the stack in Gmsh first."""
    linear = scenario.solver.linear
    if scenario.solver.backend != "fem":
        from stack3d.thermal.tensor import TensorSolver

        return TensorSolver(problem, rtol=linear.tolerance, most_iterations=linear.max_iterations)
    from stack3d.thermal.fem import FemSolver

    with layered_hexahedra(problem.stack, problem.grid) as mesh:
        return FemSolver(
            problem,
            mesh,
            method=linear.method,
            preconditioner=linear.preconditioner,
            tolerance=linear.tolerance,
            max_iterations=linear.max_iterations,
        )


class Backends:
    """Keeps the solver made last, for cases that differ in power alone; one at a time, so that memory stays flat.

    Parameters
    ----------
    made : int
        How many were made so far.
    """

    def __init__(self) -> None:
        self.made = 0
        self._key: tuple[Any, ...] | None = None
        self._backend: ThermalBackend | None = None

    def of(self, scenario: Scenario, problem: ThermalProblem) -> ThermalBackend:
        """The solver kept when stack, grid, faces and profile are the same ones, else a new one."""
        grid = problem.grid
        lines = tuple(a.tobytes() for a in (grid.x, grid.y, grid.z, grid.layer))
        profile = scenario.solver.model_dump_json(exclude={"source", "assumed", "title"})
        key = (problem.stack, lines, problem.top, problem.bottom, problem.sides, profile)
        if self._backend is None or key != self._key:
            self._backend = None  # let go of the old one before the new one takes its memory
            self._backend = make_backend(scenario, problem)
            self._key = key
            self.made += 1
        return self._backend


@dataclass(frozen=True, eq=False)
class Heat:
    """One thermal state of the chip.

    Parameters
    ----------
    solution : ThermalSolution
    tile_temperature : ndarray, shape (tiles,)
        Volume mean over each tile's box. [K]
    energies : mapping of str to ndarray, shape (tiles,)
        Per inference by component. [J]
    static : ndarray, shape (tiles,)
        Leakage. [W]
    iterations : int
        Leakage iterations.
    """

    solution: ThermalSolution
    tile_temperature: Floats
    energies: Mapping[str, Floats]
    static: Floats
    iterations: int

    def tile_power(self, rate: float) -> Floats:
        """Power of each tile with its converters and leakage. [W]"""
        return np.asarray(rate * sum(self.energies.values()) + self.static)


def tile_means(chip: Chip, solution: ThermalSolution) -> Floats:
    """Mean temperature of each tile's box, shape (tiles,). [K]"""
    assert chip.computer is not None
    out = np.empty(len(chip.computer.places))
    for layer in {name for name, _ in chip.computer.places}:
        mine = [i for i, (name, _) in enumerate(chip.computer.places) if name == layer]
        out[mine] = solution.field.box_means(layer, [chip.computer.places[i][1] for i in mine])
    return out


def settle(chip: Chip, backend: ThermalBackend, conductances: Mapping[str, Floats], start: Floats | None = None) -> Heat:
    """Solve for temperature and leakage together.

    Parameters
    ----------
    chip : Chip
        With a computer.
    backend : ThermalBackend
    conductances : mapping of str to ndarray
        By layer, shape (chips, devices, n_inputs, n_columns). [S]
    start : ndarray, optional
        Tile temperatures to begin with. [K]

    Raises
    ------
    ThermalRunawayError
        When leakage and temperature drive each other up, with the temperature where it began.
    SolverError
        When they have not settled after the allowed iterations.
    """
    computer, work = chip.computer, chip.scenario.workload
    assert computer is not None and work is not None
    energies = tile_energies(chip, conductances)
    temperature = np.full(len(computer.tiles), chip.scenario.cooling.ambient) if start is None else start
    steps: list[float] = []
    for iteration in range(1, LEAKAGE_ITERATIONS + 1):
        static = power.leakage(work.periphery.leakage, temperature)
        tiles = power.tile_sources(chip.stack, computer.places, energies, work.rate, static)
        solution = backend.solve([*chip.sources, *tiles])
        new = tile_means(chip, solution)
        steps.append(float(np.abs(new - temperature).max()))
        temperature = new
        if work.periphery.leakage == 0 or steps[-1] < LEAKAGE_TOLERANCE:
            return Heat(solution, temperature, energies, static, iteration)
        growing = len(steps) > 3 and steps[-1] > steps[-2] > steps[-3]
        if temperature.max() > RUNAWAY_TEMPERATURE or (growing and temperature.max() > 500.0):
            began = temperature.max() - sum(steps[-3:])
            raise ThermalRunawayError(
                f"leakage runs away: from about {began:.0f} K on each iteration adds more heat than the cooling removes"
                f" (last steps {', '.join(f'{s:.1f} K' for s in steps[-3:])}); cool better, or lower workload.periphery.leakage"
            )
    raise SolverError(
        f"leakage and temperature have not settled after {LEAKAGE_ITERATIONS} iterations (last step {steps[-1]:.2g} K)"
    )


def total_power(sources: Sequence[HeatSource]) -> float:
    """Sum of powers. [W]"""
    return float(sum(s.power for s in sources))
