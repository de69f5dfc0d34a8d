"""Tiles put on sites as a scenario wants them; full solves of any placement, and all placements compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Chip, ComputingChip, build_chip
from stack3d.errors import DeckError, Problem, RangeError, SolverError
from stack3d.heat import Bricks, Heat, make_backend, settle
from stack3d.heat.placing.superposition import site_heat
from stack3d.layout import Floats, HeatSource
from stack3d.schema import Scenario
from stack3d.workload import BY_ACCURACY, Site, SiteHeat, heated_place, place, placements, tier_boundaries

DEFAULT = "spread"
"""The placement that no thermal one may be hotter than."""
MOST_TRIALS = 4
"""Placements that are solved in full before `DEFAULT` stays."""


class Trials:
    """Full solves of a freshly programmed chip for any placement of its tiles, on one grid.

    Cells are as programmed, leakage settles with temperature; solved by the tensor backend, whichever the profile asks for.
    """

    def __init__(self, chip: ComputingChip) -> None:
        scenario = chip.scenario
        boxes = [HeatSource(f"site{i}", layer, box, 1.0) for i, (layer, box) in enumerate(chip.sites)]
        self.bricks = Bricks.around(chip.stack, [*chip.sources, *boxes], scenario.solver.mesh)
        profile = scenario.solver.model_copy(update={"backend": "tensor"})
        self.backend = make_backend(scenario.model_copy(update={"solver": profile}), chip.stack, self.bricks)
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
    if isinstance(chip, ComputingChip):
        wanted = chip.computer.design.work.placement
        try:
            chip = with_places(chip, wanted) if solve else _described(chip, wanted)
        except DeckError as error:
            problems += error.problems
    if problems:
        raise DeckError(problems)
    return chip


def _described(chip: ComputingChip, wanted: Any) -> ComputingChip:
    """The chip with its tiles as `wanted`, or as with `DEFAULT` where that would take a solve; raises DeckError."""
    try:
        return _arranged(chip, wanted, None)
    except _HeatIsAskedError:
        return _arranged(chip, DEFAULT, None)


def with_places(
    chip: ComputingChip, wanted: Any, trials: Trials | None = None, sensitivity: Floats | None = None
) -> ComputingChip:
    """The chip with its tiles placed as `wanted`: a strategy or sites; raises DeckError.

    Superposition finds the sites of a strategy that asks for the thermal response. The chip is then solved in full with them
    and with `spread`: as long as the hottest tile or the whole stack is hotter than with `spread`, the strategy tries again
    with a lower limit, and `spread` stays in the end.

    Parameters
    ----------
    chip : ComputingChip
    wanted : str, sequence or mapping
    trials : Trials, optional
        Kept from other placements of the chip.
    sensitivity : ndarray, shape (tiles,), optional
        What a kelvin on each tile costs, see `SiteHeat`; sites then stay as they are found, however hot they are.
    """
    known: dict[int, SiteHeat] = {}
    placed = _arranged(chip, wanted, known, sensitivity=sensitivity)
    if not known or sensitivity is not None:
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


def _arranged(
    chip: ComputingChip,
    wanted: Any,
    known: dict[int, SiteHeat] | None,
    margin: float = 0.0,
    sensitivity: Floats | None = None,
) -> ComputingChip:
    """The chip with its tiles placed as `wanted`; raises DeckError.

    Layers of a hybrid part go to its tiers, the others to the tiers that are left. `known` keeps the thermal responses, by
    part, that a strategy asks for; None refuses to find any.
    """
    stack, computer = chip.stack, chip.computer
    chosen: dict[int, Site] = {}
    for part, (mine, free) in enumerate(_parts(chip)):

        def heat_of(required: NDArray[np.intp], part: int = part, mine: list[int] = mine, free: list[Site] = free) -> SiteHeat:
            if known is None:
                raise _HeatIsAskedError
            if part not in known:
                powers = {name: watts[mine] for name, watts in _powers_one_tier_away(chip).items()}
                known[part] = site_heat(chip, free, powers, required)
            costs = None if sensitivity is None else sensitivity[mine]
            return replace(known[part], margin=margin, sensitivity=costs)

        for i, site in zip(mine, place(wanted, [computer.tiles[i] for i in mine], free, heat_of)):
            chosen[i] = free[site]
    places = tuple(chosen[i] for i in range(len(computer.tiles)))
    hubs = [heated_place(stack, site, "link", computer.design.periphery)[0] for site in places]
    hops = tuple(tier_boundaries(stack, site[0], hub) for site, hub in zip(places, hubs))
    return replace(chip, computer=replace(computer, places=places, hops=hops))


def _parts(chip: ComputingChip) -> list[tuple[list[int], list[Site]]]:
    """Tiles and the sites that are free for them: of every hybrid part, then of all the rest."""
    hybrid, computer = chip.scenario.hybrid, chip.computer
    tier_of = {layer.name: i for i, layer in enumerate(chip.stack.with_role("rram"))}
    groups = [(set(part.layers), set(part.tiers)) for part in hybrid]
    layers, tiers = {layer.name for layer in computer.network.layers}, set(tier_of.values())
    groups.append((layers.difference(*(part.layers for part in hybrid)), tiers.difference(*(part.tiers for part in hybrid))))
    return [
        (
            [i for i, tile in enumerate(computer.tiles) if computer.layer_of[tile.layer] in layers],
            [site for site in chip.sites if tier_of[site[0]] in tiers],
        )
        for layers, tiers in groups
    ]


def _powers_one_tier_away(chip: ComputingChip) -> dict[str, Floats]:
    """Power of each tile by component as programmed, its logic one tier boundary away, shape (tiles,). [W]"""
    computer = chip.computer
    activities = replace(computer, hops=(1,) * len(computer.tiles)).activities(computer.targets)
    return {name: chip.mean_rate * energy for name, energy in computer.energies(activities).items()}


@dataclass(frozen=True)
class PlacementOutcome:
    """Temperatures of a freshly programmed chip with one placement.

    Parameters
    ----------
    name : str
    tile_peak, tile_mean : float
        Of the means of the tiles. [K]
    stack_peak : float
        Largest temperature anywhere. [K]
    tile_power : float
        Of all tiles. [W]
    """

    name: str
    tile_peak: float
    tile_mean: float
    stack_peak: float
    tile_power: float


def compare_placements(scenario: Scenario) -> list[PlacementOutcome]:
    """Every registered placement but the one by accuracy, and the scenario's own if it lists sites, each solved on one grid.

    See `Trials` for what is solved.

    Raises
    ------
    DeckError
        Without a workload.
    """
    chip = build_chip(scenario)
    if not isinstance(chip, ComputingChip):
        raise DeckError(Problem("workload", "is missing: only tiles of a network can be placed"))
    own = chip.computer.design.work.placement
    wanted: dict[str, Any] = {name: name for name in placements if name != BY_ACCURACY}
    if not isinstance(own, str):
        wanted["explicit"] = own
    trials = Trials(chip)
    out = []
    for name, choice in wanted.items():
        state = trials.settled(with_places(chip, choice, trials))
        tiles, field = state.tile_temperature, state.solution.field.values
        peak, mean, power = float(tiles.max()), float(tiles.mean()), float(state.tile_power.sum())
        out.append(PlacementOutcome(name, peak, mean, float(field.max()), power))
    return sorted(out, key=lambda outcome: outcome.tile_peak)
