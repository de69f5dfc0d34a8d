"""How fast a temperature changes with numbers of a deck: one adjoint solve, then two residuals a number; SI units."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stack3d.case.placing import placed
from stack3d.chip import Chip, ComputingChip
from stack3d.errors import DeckError, Problem, ValidityWarning
from stack3d.heat.loads import Heat, channel_runs, film_laws, heat_sources, surfaces_of
from stack3d.heat.meshing import AnyKind, kind_of, meshed
from stack3d.heat.placing import placed_chip
from stack3d.heat.solvers import Backends
from stack3d.layout import Floats, HeatSource
from stack3d.life.chips import chosen_policies
from stack3d.life.start import first_heat
from stack3d.schema.numerics import SolverDeck
from stack3d.schema.scenario import Scenario
from stack3d.thermal import RATES_TOLERANCE, Box, Place, Probe, SteadyRates

PEAK = "peak"
"""Name of the hottest node."""
TILE = re.compile(r"tile (\d{1,6})")
"""Name of a tile, by its number in the dataset."""
TIE = 1e-9
"""Share of its rise by which another node may be colder than the peak and still count as one. [-]"""
MOST_ITERATIONS = 5000
"""Of a linear solve, so exact."""


@dataclass(frozen=True)
class Neighbours:
    """Two scenarios beside one, in which a number of its deck is smaller and larger.

    Parameters
    ----------
    lower, upper : Scenario
    between : float
        Difference of the number. [SI]
    """

    lower: Scenario
    upper: Scenario
    between: float


@dataclass(frozen=True, eq=False)
class _PlacedHeat:
    """Heat of a chip with a workload, the site of each of its tiles and the tier boundaries to its logic."""

    heat: Heat
    sites: Sequence[int]
    hops: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _OnElements:
    """A scenario on its mesh, with the power of its cells held."""

    chip: Chip
    body: AnyKind
    rates: SteadyRates

    @classmethod
    def of(cls, scenario: Scenario, heat: _PlacedHeat | None) -> _OnElements:
        """On the mesh of the profile."""
        if not kind_of(scenario).follows_parts:
            raise DeckError(Problem("solver.mesh.cells", "a gradient wants hex or tet, whose elements move with the parts"))
        chip = _on_sites(scenario, heat)
        if scenario.solver.mesh.cells == "tet" and any(layer.cylinders for layer in chip.stack.layers):
            text = "a gradient wants bricks (hex) here: outlines of resolved cylinders do not move with the parts"
            raise DeckError(Problem("solver.mesh.cells", text))
        body = meshed(chip)
        problem = body.problem(chip.stack, scenario.cooling)
        follows = film_laws(scenario.cooling, problem)
        if follows or channel_runs(chip.stack):
            what = f"the film of {next(iter(follows))} follows its surface" if follows else "a coolant flows through channels"
            raise DeckError(Problem("cooling", f"{what}; a gradient wants films that stay"))
        return cls(chip, body, body.rates(problem, _exact(scenario), _sources(chip, heat)))

    def moved(self, scenario: Scenario, heat: _PlacedHeat | None, key: str) -> _OnElements:
        """Another scenario on the elements of this one, which move with the parts; nothing is factorised."""
        chip = _on_sites(scenario, heat)
        body = self.body.moved(chip, lambda lines, axis: _carried(lines, _edges(self.chip, axis), _edges(chip, axis), key))
        problem = body.problem(chip.stack, scenario.cooling)
        return _OnElements(chip, body, body.rates(problem, _exact(scenario, "jacobi"), _sources(chip, heat)))


def _exact(scenario: Scenario, preconditioner: str | None = None) -> SolverDeck:
    """The profile with exact solves, or with a preconditioner that costs nothing to make."""
    how: dict[str, Any] = {"tolerance": RATES_TOLERANCE, "max_iterations": MOST_ITERATIONS}
    if preconditioner is not None:
        how |= {"method": "cg", "preconditioner": preconditioner}
    return scenario.solver.model_copy(update={"linear": scenario.solver.linear.model_copy(update=how)})


def place_of(chip: Chip, name: str) -> Place | None:
    """The probe of a name, the mean of the layer of a name or of a tile by number, None for `PEAK`; raises DeckError."""
    if name == PEAK:
        return None
    for probe in chip.scenario.probes:
        if probe.name == name:
            return Probe(probe.layer, probe.x, probe.y, probe.z)
    if name in chip.stack.index:
        return Box(name, chip.stack.layer(name).extent)
    tiles = chip.places
    if (tile := TILE.fullmatch(name)) and int(tile[1]) < len(tiles):
        return Box(*tiles[int(tile[1])])
    known = [PEAK, *(probe.name for probe in chip.scenario.probes), *chip.stack.index]
    known += [f"tile 0 to tile {len(tiles) - 1}"] if tiles else []
    raise DeckError(Problem("of", f"no probe, layer or tile {name!r}; known: {', '.join(known)}"))


def gradients(scenario: Scenario, beside: Mapping[str, Neighbours], of: str) -> dict[str, float]:
    """Derivative of a steady temperature by numbers of the deck; the power of cells just programmed is held.

    Parameters
    ----------
    scenario : Scenario
    beside : mapping of str to Neighbours
        By key: two scenarios so close that the temperature is straight between them.
    of : str
        ``peak``, a probe, or a layer or a tile (``tile 0``), whose mean is taken.

    Returns
    -------
    dict of str to float
        [K per SI unit of the key]

    Raises
    ------
    DeckError
        Where films follow their surface, coolant flows, the mesh is of another kind, or a key parts edges that lie on one line.

    Notes
    -----
    dJ/dp = ∂J/∂p + λ·∂r/∂p, with the residual r and the adjoint λ of the place. Both partial derivatives are taken at
    nodal temperatures that stay, as differences of the two scenarios, whose elements move with their parts: the outcome is
    the derivative of what the solver gives, not of what it approximates.
    """
    heat = _heat(scenario)
    case = _OnElements.of(scenario, heat)
    rates = case.rates
    values = rates.solved()
    place = place_of(case.chip, of)
    node = int(np.argmax(rates.solid(values)))
    if place is None:
        weights = np.zeros_like(values)
        weights.reshape(-1)[node] = 1.0
        _warn_of_ties(rates, values, node)
    else:
        weights = rates.weights(place, values)
    found = rates.adjoint(values, weights)
    out = {}
    for key, pair in beside.items():
        ends = []
        for one in (pair.lower, pair.upper):
            other = case.moved(one, heat, key)
            held = other.rates.held(values)
            ends.append(_temperature(other, held, of, node) + other.rates.lacking(found, held))
        out[key] = (ends[1] - ends[0]) / pair.between
    return out


def _temperature(case: _OnElements, values: Floats, of: str, node: int) -> float:
    """Of a place, or of a node, where nodes have these temperatures. [K]"""
    place = place_of(case.chip, of)
    return float(values.reshape(-1)[node]) if place is None else case.rates.at(place, values)


def _heat(scenario: Scenario) -> _PlacedHeat | None:
    """Steady heat of chips just programmed, and where it is made; None without a workload."""
    chip, _ = placed(scenario)
    if not isinstance(chip, ComputingChip):
        return None
    heat = first_heat(chip, Backends().of(scenario, chip.stack, meshed(chip)), chosen_policies(chip.computer))
    return _PlacedHeat(heat, [chip.sites.index(place) for place in chip.computer.places], chip.computer.hops)


def _on_sites(scenario: Scenario, heat: _PlacedHeat | None) -> Chip:
    """The chip with its tiles on the sites where the heat is made: placements may choose others for another scenario."""
    chip = placed_chip(scenario, solve=False)
    if heat is None or not isinstance(chip, ComputingChip):
        return chip
    places = tuple(chip.sites[i] for i in heat.sites)
    return replace(chip, computer=replace(chip.computer, places=places, hops=heat.hops))


def _sources(chip: Chip, heat: _PlacedHeat | None) -> Sequence[HeatSource]:
    """Those of the deck, and the cells' where their heat is given."""
    if heat is None:
        return chip.sources
    return heat_sources(chip, heat.heat.powers, heat.heat.rate)  # type: ignore[arg-type]


def _edges(chip: Chip, axis: int) -> Floats:
    """Coordinates of all parts along an axis, in an order that does not depend on their values. [m]"""
    if axis == 2:
        return np.array([v for layer in chip.stack.named for v in (layer.z0, layer.z1)])
    boxes = [box for layer in chip.stack.named for box in (layer.extent, *(block.extent for block in layer.blocks))]
    boxes += [chip.stack.footprint]
    boxes += [source.extent for source in chip.sources]
    boxes += [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
    points = [(probe.x, probe.y)[axis] for probe in chip.scenario.probes]
    return np.array([*points, *(v for box in boxes for v in ((box.x0, box.x1), (box.y0, box.y1))[axis])])


def _carried(lines: Floats, old: Floats, new: Floats, key: str) -> Floats:
    """Lines that move with the edges of parts, evenly between them; raises DeckError where edges on one line part."""
    order = np.argsort(old, kind="stable")
    slack = 1e-9 * (lines[-1] - lines[0])
    first = np.concatenate([[True], np.diff(old[order]) > slack])
    group = np.cumsum(first) - 1
    at, to = old[order][first], new[order][first]
    if np.abs(new[order] - to[group]).max() > slack:
        raise DeckError(Problem(key, "moves an edge away from another on the same line; there is no one derivative"))
    return np.asarray(np.interp(lines, at, to))


def _warn_of_ties(rates: SteadyRates, values: Floats, node: int) -> None:
    """Tell of other nodes as hot as the hottest, whose temperature may change faster."""
    peak = values.reshape(-1)[node]
    count = int(np.count_nonzero(rates.solid(values) >= peak - TIE * abs(peak - rates.base)))
    if count > 1:
        text = f"the peak is shared by {count} nodes; its gradient is that of one of them, and the largest may be another's"
        warnings.warn(ValidityWarning(text), stacklevel=3)
