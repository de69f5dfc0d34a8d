"""Bricks on the lines of a grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np

from stack3d.chip import Chip
from stack3d.errors import Problem
from stack3d.geometry import (
    CellRegions,
    Heeded,
    are_divided,
    build_grid,
    firm_lines,
    flatter,
    layered_cells,
    n_nodes,
    narrower,
    redrawn,
    through_gmsh,
    wider,
)
from stack3d.grids import Grid, heated_cells
from stack3d.heat.loads import outer_faces, patches_of, since_change, standing_out, surfaces_of, surroundings
from stack3d.heat.meshing.corners import upright_order
from stack3d.heat.meshing.edge_reads import EdgeRead, edge_reads, is_alike_across, on_edge, unresolved
from stack3d.heat.meshing.judging import (
    ACROSS,
    HOW,
    OF_TWICE,
    ON_EDGES,
    Answers,
    Judged,
    Other,
    Pair,
    judged,
    of_finer,
)
from stack3d.heat.meshing.mesh_kind import Levels, MeshKind, Solve, SolvedCells, faces_of_a_stack
from stack3d.heat.meshing.one_by_one import one_by_one
from stack3d.heat.meshing.roughness import elements_for, roughness
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.meshes import VOID, CellMesh
from stack3d.schema import CoolingDeck, EarlierDeck, FaceDeck, MeshDeck, Scenario, SolverDeck, mesh_kinds
from stack3d.thermal import (
    Field,
    SolidBackend,
    SteadyRates,
    ThermalProblem,
    averages_well,
    kept_in_time,
    rates_of_grid,
    solves_at_once,
)

MOST_THROUGH_GMSH = 40_000
"""Bricks that the builder `auto` takes through Gmsh; of more, its copy of the mesh costs time and memory."""
TENSOR_MEMORY = {True: 120.0, False: 300.0}
"""Per node of a mesh that the tensor solver solves, by whether averages of layers precondition it, else multigrid; by
`benchmarks/memory.py`. [byte]"""
BRICK_MEMORY = 1800.0
"""Per unknown of DOLFINx on bricks, with the bricks on their way to it; `benchmarks/memory.py`. [byte]"""
HANDED_OVER = 0.5
"""Of that, what goes when the matrix is there, at least: arrays of bricks, tables of DOLFINx. [-]"""
FINER = 5.0
"""Times the nodes of a mesh that the finest has which judges it, about."""
STILL, UNEVEN, FLOWING, AT_ONCE = 4e-6, 1e-5, 1.2e-5, 4e-8
"""Per unknown of a solve with its error, in solids of one footprint, of several, beside channels, and in uniform layers;
`benchmarks/durations.py`. [s]"""
PROBES = "thermal/probe_temperature"
_GRIDS: WeakKeyDictionary[Chip, Grid] = WeakKeyDictionary()
"""Grid of each chip that is still there: its size is asked for before it is solved on."""


@mesh_kinds.register("hex")
@dataclass(frozen=True, eq=False)
class Bricks(MeshKind[ThermalProblem]):
    """Bricks on the lines of a graded grid, for either solver."""

    grid: Grid
    is_even: bool = False
    """Whether averages of layers precondition the tensor solver, which takes less memory than multigrid."""
    follows_parts = True

    @classmethod
    def of(cls, chip: Chip) -> Self:
        """Grid of a chip, with lines on sources that stand out."""
        if chip not in _GRIDS:
            points = [(p.x, p.y) for p in chip.scenario.probes]
            patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
            mesh = chip.scenario.solver.mesh
            _GRIDS[chip] = build_grid(chip.stack, standing_out(chip), mesh, points, patches, heeded(chip))
        return cls(_GRIDS[chip], averages_well(chip.stack) and not chip.scenario.cooling.patches)

    @classmethod
    def least_memory(cls, chip: Chip) -> float:
        """Of matrix and solver, and of the three meshes that judge this one where all fit. [byte]"""
        mesh = cls.of(chip)
        return mesh.memory(chip.scenario.solver) + mesh._memory_of_judges(chip)

    @classmethod
    def passing_memory(cls, chip: Chip) -> float:
        """Of those meshes, and of bricks on their way to DOLFINx. [byte]"""
        mesh, profile = cls.of(chip), chip.scenario.solver
        return mesh._memory_of_judges(chip) + (HANDED_OVER * mesh.memory(profile) if profile.backend == "fem" else 0.0)

    def _memory_of_judges(self, chip: Chip) -> float:
        """Of the meshes that judge this one; nothing where they do not fit beside it. [byte]"""
        firm = self._firm(chip)
        wide = wider(self.grid, firm)
        grids = [wide, flatter(wide, heeded(chip).levels)[0], narrower(self.grid, firm)[0]]
        found = TENSOR_MEMORY[self.is_even] * sum(grid.n_nodes for grid in grids)
        if (other := one_by_one(chip)) is not None:
            body = type(self).of(other)
            found += TENSOR_MEMORY[body.is_even] * body.grid.n_nodes + body._memory_of_judges(other)
        return found if self.fits(chip.scenario.solver, found) else 0.0

    @classmethod
    def least_memory_in_time(cls, chip: Chip) -> float:
        """Of factors or multigrid on the mesh that judges this one, which has up to five times its nodes. [byte]"""
        if chip.scenario.solver.backend == "fem":
            return super().least_memory_in_time(chip)
        return kept_in_time(cls.of(chip).grid, FINER)

    @classmethod
    def least_seconds(cls, chip: Chip) -> float:
        """The mesh costs nothing beside its solution. [s]"""
        return cls.of(chip).seconds(chip)

    @classmethod
    def around(cls, stack: Stack, sources: Sequence[HeatSource], mesh: MeshDeck) -> Self:
        """Grid of a stack with lines on all of some sources."""
        return cls(build_grid(stack, list(sources), mesh, []))

    def kept_for(self, chip: Chip) -> Chip:
        """A chip that is solved, and judged, on these lines from now on."""
        _GRIDS[chip] = self.grid
        return chip

    @classmethod
    def mistakes(cls, scenario: Scenario) -> list[Problem]:
        """Named faces, and elements of order 2."""
        problems = faces_of_a_stack(scenario)
        if scenario.solver.order == 2:
            problems.append(Problem("solver.order", "2 wants tetrahedra: solver.mesh.cells: tet"))
        return problems

    @classmethod
    def judged(cls, chip: Chip, own: Answers, solve: Solve) -> Judged | None:
        """Narrower elements, and flatter ones on elements of twice the size; None where they do not fit into memory.

        Where nothing changes across the plane, narrower elements would change nothing, and are left out.
        """
        body = cls.of(chip)
        grid, firm = body.grid, body._firm(chip)
        on_lines = _on_lines(chip)
        wide, (narrow, across) = wider(grid, firm), narrower(grid, firm)
        flat, upright = flatter(wide, heeded(chip).levels)
        if not body.fits(chip.scenario.solver, cls(narrow, body.is_even).memory(on_lines.scenario.solver)):
            return None
        edges = body._firm(chip, on_points=False) if chip.scenario.probes else firm
        rough, far = _with_edges(on_lines, cls(wide), firm, edges, solve, 1)
        close, near = own, far
        if not is_alike_across(chip, edges):
            close, near = _with_edges(on_lines, cls(narrow), firm, edges, solve, 0)
        parts = {
            "across": (of_finer(across, ACROSS), own, close),
            "upright": (of_finer(upright, upright_order(chip.stack)), rough, solve(on_lines, cls(flat), 2)),
        }
        found = judged(own, parts, HOW["bricks"], Other(on_lines, cls(wide), 1, rough))
        if PROBES in own:
            more = of_finer(across, ON_EDGES) - of_finer(across, ACROSS)
            there = np.array([on_edge(grid, probe, edges) for probe in chip.scenario.probes])
            beside = more * there * np.abs(own[PROBES] - close[PROBES]) + unresolved(own[PROBES], near, far)
            for of_probes in (found.errors, found.parts["across"]):
                of_probes[PROBES] = of_probes[PROBES] + beside
        return found

    @classmethod
    def pairs(cls, chip: Chip) -> list[Pair]:
        """Wider elements, and flatter ones beside them; where some cannot be wider, narrower ones beside those."""
        body = cls.of(chip)
        firm, on_lines = body._firm(chip), _on_lines(chip)
        wide = wider(body.grid, firm)
        flat, upright = flatter(wide, heeded(chip).levels)
        one, other = (on_lines, cls(wide)), (on_lines, cls(flat))
        found = [Pair(of_finer(upright, upright_order(chip.stack)), one, other)]
        if are_divided(body.grid, firm):
            return [Pair(OF_TWICE, (chip, body), one), *found]
        narrow, across = narrower(wide, firm)
        return [Pair(of_finer(across, ACROSS), one, (on_lines, cls(narrow))), *found]

    def _firm(self, chip: Chip, on_points: bool = True) -> tuple[Floats, Floats]:
        """Lines along x and y that no other grid of a chip goes without, those on points of probes among them. [m]"""
        patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
        points = [(probe.x, probe.y) for probe in chip.scenario.probes] if on_points else []
        return firm_lines(self.grid, chip.stack, standing_out(chip), patches, points)

    def closer(
        self, chip: Chip, field: Field, sources: Sequence[HeatSource], parts: Mapping[str, float], allowed: float, most: float
    ) -> Chip | None:
        """Lines closer where the field bends, and wider where it does not."""
        if (values := field.on_lines(self.grid)) is None:
            return None
        self.kept_for(chip)
        if parts:
            rough = roughness(chip.stack, self.grid, power_density(chip.stack, self.grid, sources), values)
            across = parts.get("across", 0.0) / max(rough[1].sum() + rough[2].sum(), 1e-300)
            errors = parts.get("upright", 0.0), across * rough[1].sum(), across * rough[2].sum()
            _GRIDS[chip] = redrawn(self.grid, self._firm(chip), elements_for(rough, errors, allowed, most), heeded(chip).levels)
        return chip

    def unknowns(self, stack: Stack, order: int) -> int:
        """Nodes of the solid bricks."""
        return n_nodes(stack, self.grid)

    def memory(self, profile: SolverDeck) -> float:
        """Of matrix and solver. [byte]"""
        each = TENSOR_MEMORY[self.is_even] if profile.backend != "fem" else BRICK_MEMORY
        return each * self.grid.n_nodes

    def seconds(self, chip: Chip) -> float:
        """By fast diagonalisation or multigrid. [s]"""
        scenario = chip.scenario
        if any(layer.channels is not None for layer in chip.stack.layers):
            return FLOWING * self.grid.n_nodes
        is_quick = scenario.solver.backend != "fem" and solves_at_once(self.problem(chip.stack, scenario.cooling))
        each = AT_ONCE if is_quick else STILL if self.is_even else UNEVEN
        return each * self.grid.n_nodes

    def told(self, order: int) -> str:
        """Bricks along each axis."""
        nz, ny, nx = self.grid.shape
        return f"{nx} x {ny} x {nz} hexahedra"

    def facts(self, profile: SolverDeck) -> dict[str, str]:
        """Who hands the bricks over."""
        builder = self.builder(profile)
        return {} if builder is None else {"builder": builder}

    def builder(self, profile: SolverDeck) -> str | None:
        """Who hands the bricks to DOLFINx, ``gmsh`` or ``arrays``; None where the profile takes another solver."""
        if profile.backend != "fem":
            return None
        if profile.mesh.builder != "auto":
            return profile.mesh.builder
        return "gmsh" if int(np.prod(self.grid.shape)) <= MOST_THROUGH_GMSH else "arrays"

    def cells(self, stack: Stack, cooling: CoolingDeck) -> CellMesh:
        """The solid bricks."""
        return layered_cells(stack, self.grid, [surface for surface, _ in patches_of(stack, cooling)])[0]

    def problem(self, stack: Stack, cooling: CoolingDeck) -> ThermalProblem:
        """Heat on the grid."""
        return ThermalProblem(stack, self.grid, **outer_faces(stack, cooling), patches=tuple(patches_of(stack, cooling)))

    def solver(self, problem: ThermalProblem, profile: SolverDeck, counts: Counter[str]) -> SolidBackend:
        """Fast diagonalisation, or DOLFINx where the profile says ``fem``."""
        linear = profile.linear
        if profile.backend != "fem":
            from stack3d.thermal import TensorSolver

            return TensorSolver(problem, rtol=linear.tolerance, most_iterations=linear.max_iterations, counts=counts)
        from stack3d.thermal.fem.solver_on_grid import solver_on_grid

        cells, nodes = layered_cells(problem.stack, problem.grid, [surface for surface, _ in problem.patches])
        if self.builder(profile) == "gmsh":
            cells = through_gmsh(cells)
        return solver_on_grid(
            problem,
            cells,
            nodes,
            method=linear.method,
            preconditioner=linear.preconditioner,
            tolerance=linear.tolerance,
            max_iterations=linear.max_iterations,
            counts=counts,
        )

    def moved(self, chip: Chip, carry: Callable[[Floats, int], Floats]) -> Bricks:
        """Lines that move with the edges of parts."""
        x, y, z = (carry(lines, axis) for axis, lines in enumerate((self.grid.x, self.grid.y, self.grid.z)))
        return Bricks(Grid(x, y, z, self.grid.layer))

    def rates(self, problem: ThermalProblem, profile: SolverDeck, sources: Sequence[HeatSource]) -> SteadyRates:
        """By DOLFINx where the profile says ``fem`` and no conductivity follows the temperature; the equations are the same."""
        is_fem = profile.backend == "fem"
        return rates_of_grid(problem, sources, (lambda: self.solver(problem, profile, Counter())) if is_fem else None)

    def begun_at(self, field: Field) -> Floats | None:
        """Linear between the nodes of another grid. [K]"""
        return field.on_lines(self.grid)

    def on_cells(self, problem: ThermalProblem, values: Floats, order: int, sources: Sequence[HeatSource]) -> SolvedCells:
        """A solved state on the solid bricks."""
        grid, stack = problem.grid, problem.stack
        mesh, nodes = layered_cells(stack, grid, [surface for surface, _ in problem.patches])
        density = power_density(stack, grid, sources)[CellRegions.of(stack, grid).number != VOID]
        levels = Levels(grid.z, grid.layer, nodes // (grid.x.size * grid.y.size))
        return SolvedCells(mesh, values.ravel()[nodes], density, levels)


def _on_lines(chip: Chip) -> Chip:
    """The chip with the solver that other bricks are solved by."""
    profile = chip.scenario.solver.model_copy(update={"backend": "tensor"})
    return replace(chip, scenario=chip.scenario.model_copy(update={"solver": profile}))


def _with_edges(
    chip: Chip, body: Bricks, firm: tuple[Floats, Floats], edges: tuple[Floats, Floats], solve: Solve, away: int
) -> tuple[Answers, tuple[list[EdgeRead], Floats]]:
    """Answers on a mesh, and what they are read from beside probes on edges."""
    probes = chip.scenario.probes
    more, reads = edge_reads(chip.stack, body.grid, probes, edges, firm)
    if not reads:
        return solve(chip, body, away), ([], np.empty(0))
    scenario = chip.scenario.model_copy(update={"probes": (*probes, *more)})
    found = solve(replace(chip, scenario=scenario), body, away)
    return {**found, PROBES: found[PROBES][..., : len(probes)]}, (reads, found[PROBES])


def heeded(chip: Chip) -> Heeded:
    """What elements through the height of a chip heed; lines go through mid-planes that probes read where heat comes early."""
    soonest, levels = first_output(chip), list[float]()
    for probe in chip.scenario.probes:
        layer = chip.stack.layer(probe.layer)
        if probe.z is not None or soonest is not None:
            levels.append(0.5 * (layer.z0 + layer.z1) if probe.z is None else probe.z)
    return Heeded(soonest, tuple(fronts(chip)), tuple(levels))


def first_output(chip: Chip) -> float | None:
    """Shortest time after which a transient, step responses or a compact model are read; None where there is none. [s]

    Of a transient it counts from the start, from every change of power, and from every row of a table of surroundings.
    """
    transient, impedance, shortest = chip.scenario.transient, chip.scenario.impedance, chip.scenario.compact.shortest
    found = [time for time in (None if impedance is None else impedance.start, shortest) if time is not None]
    if transient is not None:
        outputs = np.array([*transient.times, transient.until])
        found += since_change(chip, transient, outputs[outputs > 0.0]).tolist()
        rows = () if transient.surroundings is None else transient.surroundings.times
        found += [outputs[outputs > row].min() - row for row in rows if row < transient.until]
    return min(found, default=None)


def fronts(chip: Chip) -> list[int]:
    """Positions of layers that are at another temperature than what is around them, when a transient begins or later."""
    transient, cooling = chip.scenario.transient, chip.scenario.cooling
    if transient is None or transient.periodic:
        return []
    cooled = _cooled_ends(chip)
    found = set[int]() if transient.surroundings is None else set(cooled)
    if isinstance(transient.initial, EarlierDeck):
        return sorted(found)  # what an earlier run has left is smooth
    begun = cooling.ambient if transient.initial is None else transient.initial
    if isinstance(begun, float):
        found |= {at for at, face in cooled.items() if surroundings(face, cooling.ambient) != begun}
    else:
        told = {part for name in begun for part in (name, name.rsplit(".", 1)[0])}
        found |= {i for i, layer in enumerate(chip.stack.layers) if layer.name in told}
    return sorted(found)


def _cooled_ends(chip: Chip) -> dict[int, FaceDeck]:
    """Conditions at the lowest and the highest layer that take heat away, by the position of the layer."""
    conditions, ends = chip.scenario.cooling.conditions, {"bottom": 0, "top": len(chip.stack.layers) - 1}
    return {at: conditions[name] for name, at in ends.items() if name in conditions and conditions[name].is_cooled}


def power_density(stack: Stack, grid: Grid, sources: Sequence[HeatSource]) -> Floats:
    """Power of box sources per volume of the cells, shape (nz, ny, nx). [W m⁻³]

    The integral over all cells is the sum of the powers.
    """

    def share(lines: Floats, lower: float, upper: float) -> Floats:
        return np.asarray(np.clip(np.minimum(lines[1:], upper) - np.maximum(lines[:-1], lower), 0.0, None) / (upper - lower))

    watts = np.zeros(grid.shape)
    for source in sources:
        layer = stack.layer(source.layer)
        box = source.extent
        parts = share(grid.z, layer.z0, layer.z1), share(grid.y, box.y0, box.y1), share(grid.x, box.x0, box.x1)
        shares = np.einsum("k,j,i->kji", *parts)
        if (solid := heated_cells(stack, grid, layer)) is not None:
            shares *= solid / (solid * shares).sum()
        watts += source.power * shares
    volume = np.einsum("k,j,i->kji", np.diff(grid.z), np.diff(grid.y), np.diff(grid.x))
    return np.asarray(np.divide(watts, volume, out=np.zeros_like(watts), where=volume > 0))
