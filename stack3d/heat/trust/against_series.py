"""The chosen solver against the exact series of the same stack, place by place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stack3d.chip import Chip, ComputingChip
from stack3d.errors import DeckError, Problem
from stack3d.heat import make_backend, meshed, outer_faces, sources_as_programmed
from stack3d.thermal import Box, CosineSeries, Place, Probe


@dataclass(frozen=True)
class Comparison:
    """One place.

    Parameters
    ----------
    name : str
    computed, exact : float
        [K]
    """

    name: str
    computed: float
    exact: float


@dataclass(frozen=True)
class Verification:
    """All places of a scenario.

    Parameters
    ----------
    rows : tuple of Comparison
    rise : float
        Largest exact rise over ambient among them. [K]
    truncation : float
        Of the series. [K]
    solver : str
    is_frozen : bool
        Whether k(T) was frozen at 300 K for the comparison.
    """

    rows: tuple[Comparison, ...]
    rise: float
    truncation: float
    solver: str
    is_frozen: bool

    @property
    def worst(self) -> float:
        """Largest error over the largest rise. [-]"""
        return max(abs(r.computed - r.exact) for r in self.rows) / self.rise


def verify(chip: Chip) -> Verification:
    """Compare probes, tiles, map boxes and layer means with a double cosine series.

    Raises
    ------
    DeckError
        With every reason why the stack has no such series: layers that differ in size, blocks, cooled sides, …
    """
    scenario, stack = chip.scenario, chip.stack.held_at()
    sources = sources_as_programmed(chip)
    if scenario.geometry.mesh is not None:
        raise DeckError(Problem("geometry.mesh", "a mesh of your own has no series; compare it with a finer mesh of yours"))
    body, faces = meshed(replace(chip, stack=stack)), outer_faces(stack, scenario.cooling)
    series = CosineSeries(stack, sources, faces["top"], faces["bottom"], faces["sides"])
    places: list[tuple[str, Place]] = [(f"probe {p.name}", Probe(p.layer, p.x, p.y, p.z)) for p in scenario.probes]
    if isinstance(chip, ComputingChip):
        places += [(f"tile {t.layer}[{t.index}]", Box(*place)) for t, place in zip(chip.computer.tiles, chip.computer.places)]
    places += [(f"layer {layer.name}", Box(layer.name, layer.extent)) for layer in stack.layers]
    exact = series.steady([place for _, place in places])
    solution = make_backend(scenario, stack, body).solve(sources)
    rows = []
    for (name, place), value in zip(places, exact.temperature):
        if isinstance(place, Probe):
            computed = solution.field.at(place.layer, place.x, place.y, place.z)
        else:
            computed = float(solution.field.box_means(place.layer, [place.extent])[0])
        rows.append(Comparison(name, computed, float(value)))
    rise = max(abs(r.exact - scenario.cooling.ambient) for r in rows)
    frozen = any(layer.material.conducts is not None for layer in chip.stack.layers)
    told = (
        f"{solution.statistics['backend']}, {solution.statistics['linear_solver']}, {solution.statistics['unknowns']} unknowns"
    )
    return Verification(tuple(rows), rise, exact.truncation, told, frozen)
