"""How hot tile sites get per watt on each of them, by superposition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import ComputingChip
from stack3d.heat import Bricks
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.thermal import Box, Place, Probe, TensorSolver, thermal_response
from stack3d.workload import Site, SiteHeat, heated_place, tier_boundaries

MOST_SOLVES = 48
"""Sites whose response is computed one by one where layers are not uniform, unless more are required."""
RESPONSE_TOLERANCE = 1e-6
"""Relative residual of each."""
RESPONSE_LINES = 16
"""Elements across such a stack: the response only ranks sites."""


def _middle(stack: Stack, layer: str, box: Rectangle) -> Probe:
    """Where a layer is hottest when heated under a box: in its middle, or in that of a layer that does not hold the box."""
    extent = stack.layer(layer).extent
    return Probe(layer, *(box if extent.contains(box) else extent).centre)


def _spaced(sites: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Evenly picked ones of some sites, at most so many."""
    return sites[np.linspace(0, sites.size - 1, min(count, sites.size)).round().astype(np.intp)]


def site_heat(chip: ComputingChip, sites: Sequence[Site], powers: Mapping[str, Floats], required: NDArray[np.intp]) -> SiteHeat:
    """Response of tile sites to heat at tile sites.

    Parameters
    ----------
    chip : ComputingChip
    sites : sequence of (layer, Rectangle)
    powers : mapping of str to ndarray, shape (tiles,)
        By component; links as they are over one tier boundary. [W]
    required : ndarray of int, shape (required,)
        Sites that must be among those known.

    Notes
    -----
    Conductivities are held at 300 K, so that temperatures superpose. Uniform layers take one solve per heated layer for all
    sites; other stacks take one per heated box, on a coarser grid, for the required sites and some more, evenly picked: half
    of them above or below the required ones, where converters in the logic die heat the same spot.
    """
    stack, sources = chip.stack, chip.sources
    solver, chosen = _superposing(chip), np.arange(len(sites))
    if not solver.is_direct:
        solver, chosen = _superposing(chip, RESPONSE_LINES).with_tolerance(RESPONSE_TOLERANCE), _some(sites, required)
    known = [sites[int(i)] for i in chosen]
    heated: dict[Site, int] = {}
    spots: list[list[Place]] = [[Box(layer, box) for layer, box in known]]
    groups: dict[tuple[tuple[int, float], ...], Floats] = {}
    for component, watts in powers.items():
        where = [heated_place(stack, site, component, chip.computer.design.periphery) for site in known]
        indices = [heated.setdefault(place, len(heated)) for place in where]
        spots.append([_middle(stack, layer, site[1]) for (layer, _), site in zip(where, known)])
        key = tuple(zip(indices, _factors(chip, component, known, where)))
        groups[key] = groups.get(key, np.zeros(watts.size)) + watts
    boxes = [HeatSource(f"site{i}", layer, box, 0.0) for i, (layer, box) in enumerate(heated)]
    spots += [[_middle(stack, s.layer, s.extent)] * len(known) for s in sources]
    places, seen = _without_repeats(spots)
    response = thermal_response(solver, [*boxes, *sources], places)
    explicit = response.matrix[:, len(boxes) :] @ np.array([s.power for s in sources])
    return SiteHeat(
        np.array(list(groups.values())),
        np.array([response.matrix[:, [i for i, _ in key]][seen] * np.array([f for _, f in key]) for key in groups]),
        (response.unpowered + explicit)[seen],
        chosen,
    )


def _superposing(chip: ComputingChip, lines: int | None = None) -> TensorSolver:
    """A solver with conductivities held at 300 K; with at most so many elements across, sources then get no lines."""
    linear, mesh, sources = chip.stack.held_at(), chip.scenario.solver.mesh, list(chip.sources)
    if lines is not None:
        mesh, sources = mesh.model_copy(update={"lateral": min(mesh.lateral, lines), "refinement": 1.0}), []
    return TensorSolver(Bricks.around(linear, sources, mesh).problem(linear, chip.scenario.cooling))


def _some(sites: Sequence[Site], required: NDArray[np.intp]) -> NDArray[np.intp]:
    """The required sites and some more, half of them above or below a required one."""
    above = {sites[int(i)][1].centre for i in required}
    others = np.setdiff1d(np.arange(len(sites)), required)
    columns = np.array([i for i in others if sites[int(i)][1].centre in above], dtype=np.intp)
    more = max(0, MOST_SOLVES - required.size)
    near = _spaced(columns, more // 2)
    return np.union1d(required, [*near, *_spaced(np.setdiff1d(others, near), more - near.size)])


def _factors(chip: ComputingChip, component: str, sites: Sequence[Site], where: Sequence[Site]) -> list[float]:
    """Power of a component by site, which heats `where`, over what it is for one tier boundary; of links alone not 1. [-]"""
    link = chip.computer.design.periphery.link
    if component != "link" or link is None:
        return [1.0] * len(sites)
    hops = [tier_boundaries(chip.stack, site[0], hub) for site, (hub, _) in zip(sites, where)]
    return [(link.bit + h * link.tier) / ((link.bit + link.tier) or 1.0) for h in hops]


def _without_repeats(rows: Sequence[Sequence[Place]]) -> tuple[list[Place], NDArray[np.intp]]:
    """All places of some rows, and the rows as indices of them, shape (rows, columns); each once."""
    places = list(dict.fromkeys(place for row in rows for place in row))
    order = {place: i for i, place in enumerate(places)}
    return places, np.array(list(dict.fromkeys(tuple(order[place] for place in row) for row in rows)))
