"""Tiles put on sites, and how hot sites get, for placements that ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.geometry.grid import build_grid
from stack3d.geometry.stack import tile_sites
from stack3d.layout import Block, Floats, HeatSource, Material, Stack
from stack3d.lifetime.computer import Computer, energies_of
from stack3d.schema.scenario import Scenario
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


MOST_SOLVES = 32
"""Sites whose response is computed one by one where layers are not uniform, unless more are required."""
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
    sites; other stacks take one per site, on a coarser grid, for the required sites and some more, evenly picked.
    """
    from stack3d.lifetime.faces import thermal_problem
    from stack3d.thermal.places import Box
    from stack3d.thermal.response import thermal_response
    from stack3d.thermal.tensor import TensorSolver

    assert scenario.workload is not None
    linear, mesh = linear_stack(stack), scenario.solver.mesh
    chosen = np.arange(len(sites))
    solver = TensorSolver(thermal_problem(linear, build_grid(linear, list(sources), mesh, []), scenario.cooling))
    if not solver.is_direct:
        coarse = mesh.model_copy(update={"lateral": min(mesh.lateral, RESPONSE_LINES), "refinement": 1.0})
        solver = TensorSolver(thermal_problem(linear, build_grid(linear, [], coarse, []), scenario.cooling))
        more = max(0, MOST_SOLVES - required.size)
        spaced = np.linspace(0, len(sites) - 1, min(more, len(sites))).round().astype(np.intp)
        chosen = np.union1d(required, spaced)
    known = [sites[int(i)] for i in chosen]
    periphery = scenario.workload.periphery
    heated: dict[Site, int] = {}
    groups: dict[tuple[tuple[int, float], ...], Floats] = {}
    for component, watts in powers.items():
        where = [heated_place(stack, site, component, periphery) for site in known]
        indices = [heated.setdefault(place, len(heated)) for place in where]
        factors = [1.0] * len(known)
        if component == "link" and periphery.link is not None:
            link = periphery.link
            hops = [tier_boundaries(stack, site[0], hub) for site, (hub, _) in zip(known, where)]
            factors = [(link.bit + h * link.tier) / ((link.bit + link.tier) or 1.0) for h in hops]
        key = tuple(zip(indices, factors))
        groups[key] = groups.get(key, np.zeros(watts.size)) + watts
    boxes = [HeatSource(f"site{i}", layer, box, 0.0) for i, (layer, box) in enumerate(heated)]
    response = thermal_response(solver, [*boxes, *sources], [Box(layer, box) for layer, box in known])
    explicit = response.matrix[:, len(boxes) :] @ np.array([s.power for s in sources])
    return SiteHeat(
        np.array(list(groups.values())),
        np.array([response.matrix[:, [i for i, _ in key]] * np.array([f for _, f in key]) for key in groups]),
        response.unpowered + explicit,
        chosen,
    )


def with_places(
    computer: Computer, scenario: Scenario, stack: Stack, sources: tuple[HeatSource, ...], rate: float, wanted: Any
) -> Computer:
    """The computer with its tiles placed as `wanted`: a strategy or sites, at a mean rate [1/s]; raises DeckError.

    Layers of a hybrid part go to its tiers, the others to the tiers that are left.
    """
    work = scenario.workload
    assert work is not None
    sites = tile_sites(scenario.geometry, stack)
    targets = {name: m.target_conductances() for name, m in computer.matrices.items()}
    special = {t for part in scenario.hybrid for t in part.tiers}
    elsewhere = {layer for part in scenario.hybrid for layer in part.layers}
    groups = [(set(part.layers), set(part.tiers)) for part in scenario.hybrid]
    tier_of = {layer.name: i for i, layer in enumerate(stack.with_role("rram"))}
    groups.append(({layer.name for layer in computer.network.layers} - elsewhere, set(tier_of.values()) - special))
    chosen: dict[int, Site] = {}
    for layers, tiers in groups:
        mine = [i for i, tile in enumerate(computer.tiles) if computer.layer_of[tile.layer] in layers]
        free = [site for site in sites if tier_of[site[0]] in tiers]

        def heat(required: NDArray[np.intp], mine: list[int] = mine, free: list[Site] = free) -> SiteHeat:
            energies = energies_of(replace(computer, hops=(1,) * len(computer.tiles)), scenario, targets)
            return site_heat(scenario, stack, sources, free, {name: rate * e[mine] for name, e in energies.items()}, required)

        for i, site in zip(mine, place(wanted, [computer.tiles[i] for i in mine], free, heat)):
            chosen[i] = free[site]
    places = tuple(chosen[i] for i in range(len(computer.tiles)))
    hubs = [heated_place(stack, site, "link", work.periphery)[0] for site in places]
    return replace(
        computer,
        places=places,
        hops=tuple(tier_boundaries(stack, site[0], hub) for site, hub in zip(places, hubs)),
    )
