"""Tiles put on sites, and how hot sites get, for placements that ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem, RangeError, SolverError
from stack3d.geometry.grid import build_grid
from stack3d.geometry.stack import tile_sites
from stack3d.layout import Block, Floats, HeatSource, Material, Rectangle, Stack
from stack3d.lifetime import heat
from stack3d.lifetime.backends import make_backend
from stack3d.lifetime.chip import build_chip
from stack3d.lifetime.computer import Chip, Computer, energies_of
from stack3d.lifetime.faces import thermal_problem
from stack3d.schema.scenario import Scenario
from stack3d.thermal.places import Box, Place, Probe
from stack3d.thermal.response import thermal_response
from stack3d.thermal.tensor import TensorSolver
from stack3d.workload.placement import Site, SiteHeat, place
from stack3d.workload.power import heated_place, tier_boundaries


def linear(material: Material, temperature: float) -> Material:
    """A material whose conductivity stays at its value at a temperature [K]."""
    factor = float(material.conductivity_factor(np.asarray(temperature)))
    kx, ky, kz = (factor * k for k in material.conductivity)
    return replace(material, conductivity=(kx, ky, kz), exponent=0.0)


def linear_stack(stack: Stack, temperatures: Mapping[str, float] = MappingProxyType({})) -> Stack:
    """The stack with conductivities held at their value at a temperature of each layer, 300 K unless given. [K]"""
    at = {layer.name: temperatures.get(layer.name, 300.0) for layer in stack.layers}
    layers = tuple(
        replace(
            layer,
            material=linear(layer.material, at[layer.name]),
            blocks=tuple(Block(b.name, b.extent, linear(b.material, at[layer.name])) for b in layer.blocks),
        )
        for layer in stack.layers
    )
    return Stack(layers, stack.footprint)


def _middle(stack: Stack, layer: str, box: Rectangle) -> Probe:
    """Where a layer is hottest when heated under a box: in its middle, or in that of a layer that does not hold the box."""
    extent = stack.layer(layer).extent
    return Probe(layer, *(box if extent.contains(box) else extent).centre)


DEFAULT = "spread"
"""The placement that no thermal one may be hotter than."""


def _spaced(sites: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Evenly picked ones of some sites, at most so many."""
    return sites[np.linspace(0, sites.size - 1, min(count, sites.size)).round().astype(np.intp)]


MOST_TRIALS = 4
"""Placements that are solved in full before `DEFAULT` stays."""
MOST_SOLVES = 48
"""Sites whose response is computed one by one where layers are not uniform, unless more are required."""
RESPONSE_TOLERANCE = 1e-6
"""Relative residual of each."""
RESPONSE_LINES = 16
"""Elements across such a stack: the response only ranks sites."""


def site_heat(
    scenario: Scenario,
    stack: Stack,
    sources: Sequence[HeatSource],
    sites: Sequence[Site],
    powers: Mapping[str, Floats],
    required: NDArray[np.intp],
) -> SiteHeat:
    """Response of tile sites to heat at tile sites.

    Parameters
    ----------
    scenario : Scenario
    stack : Stack
    sources : sequence of HeatSource
        Explicit heat.
    sites : sequence of (layer, Rectangle)
    powers : mapping of str to ndarray, shape (tiles,)
        By component; links as they are over one tier boundary. [W]
    required : ndarray of int
        Sites that must be among those known.

    Notes
    -----
    Conductivities are held at 300 K, so that temperatures superpose. Uniform layers take one solve per heated layer for all
    sites; other stacks take one per heated box, on a coarser grid, for the required sites and some more, evenly picked: half
    of them above or below the required ones, where converters in the logic die heat the same spot.
    """
    assert scenario.workload is not None
    linear, mesh = linear_stack(stack), scenario.solver.mesh
    chosen = np.arange(len(sites))
    solver = TensorSolver(thermal_problem(linear, build_grid(linear, list(sources), mesh, []), scenario.cooling))
    if not solver.is_direct:
        coarse = mesh.model_copy(update={"lateral": min(mesh.lateral, RESPONSE_LINES), "refinement": 1.0})
        solver = TensorSolver(thermal_problem(linear, build_grid(linear, [], coarse, []), scenario.cooling))
        solver = solver.with_tolerance(RESPONSE_TOLERANCE)
        above = {sites[int(i)][1].centre for i in required}
        others = np.setdiff1d(chosen, required)
        columns = np.array([i for i in others if sites[int(i)][1].centre in above], dtype=np.intp)
        more = max(0, MOST_SOLVES - required.size)
        near = _spaced(columns, more // 2)
        chosen = np.union1d(required, [*near, *_spaced(np.setdiff1d(others, near), more - near.size)])
    known = [sites[int(i)] for i in chosen]
    periphery = scenario.workload.periphery
    heated: dict[Site, int] = {}
    spots: list[list[Place]] = [[Box(layer, box) for layer, box in known]]
    groups: dict[tuple[tuple[int, float], ...], Floats] = {}
    for component, watts in powers.items():
        where = [heated_place(stack, site, component, periphery) for site in known]
        indices = [heated.setdefault(place, len(heated)) for place in where]
        spots.append([_middle(stack, layer, site[1]) for (layer, _), site in zip(where, known)])
        factors = [1.0] * len(known)
        if component == "link" and periphery.link is not None:
            link = periphery.link
            hops = [tier_boundaries(stack, site[0], hub) for site, (hub, _) in zip(known, where)]
            factors = [(link.bit + h * link.tier) / ((link.bit + link.tier) or 1.0) for h in hops]
        key = tuple(zip(indices, factors))
        groups[key] = groups.get(key, np.zeros(watts.size)) + watts
    boxes = [HeatSource(f"site{i}", layer, box, 0.0) for i, (layer, box) in enumerate(heated)]
    spots += [[_middle(stack, s.layer, s.extent)] * len(known) for s in sources]
    places = list(dict.fromkeys(place for row in spots for place in row))
    order = {place: i for i, place in enumerate(places)}
    seen = np.array(list(dict.fromkeys(tuple(order[place] for place in row) for row in spots)))
    response = thermal_response(solver, [*boxes, *sources], places)
    explicit = response.matrix[:, len(boxes) :] @ np.array([s.power for s in sources])
    return SiteHeat(
        np.array(list(groups.values())),
        np.array([response.matrix[:, [i for i, _ in key]][seen] * np.array([f for _, f in key]) for key in groups]),
        (response.unpowered + explicit)[seen],
        chosen,
    )


class _HeatIsAskedError(Exception):
    """A strategy wants to know how hot sites get."""


def placed_chip(scenario: Scenario, *, solve: bool = True) -> Chip:
    """Make a scenario concrete, tiles on their sites.

    Parameters
    ----------
    scenario : Scenario
    solve : bool
        Without it no temperature is solved: tiles whose strategy asks for one lie as with `DEFAULT`.

    Raises
    ------
    DeckError
        With every mistake that only shows when the parts meet: geometry, places, network, device, tiles, rate.
    """
    problems: list[Problem] = []
    chip = build_chip(scenario, problems)
    if chip.computer is not None and scenario.workload is not None:
        wanted = scenario.workload.placement
        try:
            chip = with_places(chip, wanted) if solve else _described(chip, wanted)
        except DeckError as error:
            problems += error.problems
    if problems:
        raise DeckError(problems)
    return chip


def _described(chip: Chip, wanted: Any) -> Chip:
    """The chip with its tiles as `wanted`, or as with `DEFAULT` where that would take a solve; raises DeckError."""
    try:
        return _arranged(chip, wanted, None)
    except _HeatIsAskedError:
        return _arranged(chip, DEFAULT, None)


def with_places(chip: Chip, wanted: Any, trials: Trials | None = None) -> Chip:
    """The chip with its tiles placed as `wanted`: a strategy or sites; raises DeckError.

    Superposition finds the sites of a strategy that asks for the thermal response. The chip is then solved in full with them
    and with `spread`: as long as the hottest tile or the whole stack is hotter than with `spread`, the strategy tries again
    with a lower limit, and `spread` stays in the end.
    """
    known: dict[int, SiteHeat] = {}
    placed = _arranged(chip, wanted, known)
    if not known:
        return placed
    trials = trials or Trials(chip)
    default = _arranged(chip, DEFAULT, {})
    bound, margin = trials.peaks(default), 0.0
    for _ in range(MOST_TRIALS):
        peaks = trials.peaks(placed)
        if np.all(peaks <= bound):
            return placed
        if not np.all(np.isfinite(peaks)):
            break
        margin += 2.0 * float((peaks - bound).max())
        placed = _arranged(chip, wanted, known, margin)
    return default


def _arranged(chip: Chip, wanted: Any, known: dict[int, SiteHeat] | None, margin: float = 0.0) -> Chip:
    """The chip with its tiles placed as `wanted`; raises DeckError.

    Layers of a hybrid part go to its tiers, the others to the tiers that are left. `known` keeps the thermal responses, by
    part, that a strategy asks for; None refuses to find any.
    """
    scenario, stack, computer = chip.scenario, chip.stack, chip.computer
    assert computer is not None and scenario.workload is not None
    sites = tile_sites(scenario.geometry, stack)
    targets = {name: m.target_conductances() for name, m in computer.matrices.items()}
    special = {t for part in scenario.hybrid for t in part.tiers}
    elsewhere = {layer for part in scenario.hybrid for layer in part.layers}
    groups = [(set(part.layers), set(part.tiers)) for part in scenario.hybrid]
    tier_of = {layer.name: i for i, layer in enumerate(stack.with_role("rram"))}
    groups.append(({layer.name for layer in computer.network.layers} - elsewhere, set(tier_of.values()) - special))
    chosen: dict[int, Site] = {}
    for part, (layers, tiers) in enumerate(groups):
        mine = [i for i, tile in enumerate(computer.tiles) if computer.layer_of[tile.layer] in layers]
        free = [site for site in sites if tier_of[site[0]] in tiers]

        def heat_of(required: NDArray[np.intp], part: int = part, mine: list[int] = mine, free: list[Site] = free) -> SiteHeat:
            if known is None:
                raise _HeatIsAskedError
            if part not in known:
                energies = energies_of(replace(computer, hops=(1,) * len(computer.tiles)), scenario, targets)
                powers = {name: chip.mean_rate * e[mine] for name, e in energies.items()}
                known[part] = site_heat(scenario, stack, chip.sources, free, powers, required)
            return replace(known[part], margin=margin)

        for i, site in zip(mine, place(wanted, [computer.tiles[i] for i in mine], free, heat_of)):
            chosen[i] = free[site]
    places = tuple(chosen[i] for i in range(len(computer.tiles)))
    hubs = [heated_place(stack, site, "link", scenario.workload.periphery)[0] for site in places]
    hops = tuple(tier_boundaries(stack, site[0], hub) for site, hub in zip(places, hubs))
    return replace(chip, computer=replace(computer, places=places, hops=hops))


class Trials:
    """Full solves of a freshly programmed chip for any placement of its tiles, on one grid.

    Cells are as programmed, leakage settles with temperature; solved by the tensor backend, whichever the profile asks for.
    """

    def __init__(self, chip: Chip) -> None:
        scenario = chip.scenario
        sites = tile_sites(scenario.geometry, chip.stack)
        boxes = [HeatSource(f"site{i}", layer, box, 1.0) for i, (layer, box) in enumerate(sites)]
        grid = build_grid(chip.stack, [*chip.sources, *boxes], scenario.solver.mesh, [])
        profile = scenario.solver.model_copy(update={"backend": "tensor"})
        problem = thermal_problem(chip.stack, grid, scenario.cooling)
        self.backend = make_backend(scenario.model_copy(update={"solver": profile}), problem)
        self.ambient = scenario.cooling.ambient
        self.known: dict[tuple[Site, ...], heat.Heat] = {}

    def settled(self, chip: Chip) -> heat.Heat:
        """Temperatures of a chip with its tiles placed, solved once; raises SolverError."""
        assert chip.computer is not None
        places = chip.computer.places
        if places not in self.known:
            self.known[places] = self._solve(chip, chip.computer)
        return self.known[places]

    def _solve(self, chip: Chip, computer: Computer) -> heat.Heat:
        targets = {name: m.target_conductances()[None] for name, m in computer.matrices.items()}
        start = np.full((len(computer.tiles), 1, 1), self.ambient)
        return heat.settle(chip, self.backend, lambda _: targets, start)

    def peaks(self, chip: Chip) -> Floats:
        """Hottest tile and hottest point of the stack; infinite where no temperature is stable. [K]"""
        try:
            state = self.settled(chip)
        except (SolverError, RangeError):
            return np.full(2, np.inf)
        return np.array([state.tile_temperature.max(), state.solution.field.values.max()])
