"""What a case will take, estimated from its decks before anything of that size is made."""

from __future__ import annotations

import math

from stack3d import memory
from stack3d.chip.chip import Chip
from stack3d.errors import DeckError, Problem
from stack3d.heat.bodies import make_grid, size_of_body

CELL_MEMORY = 90.0
"""Of a cell of a chip while its state is read and aged. Assumed: not measured. [byte]"""
NUMBER = 8.0
COPIES = 3
"""Of a map: as computed, in the dataset, and on its way to the file."""


def terms_of(chip: Chip) -> dict[str, float]:
    """Memory by what asks for it, named by the key of the scenario to make smaller. [byte]"""
    scenario = chip.scenario
    found: dict[str, float] = {}
    if scenario.geometry.mesh is None:
        found["solver.mesh"] = _mesh(chip)
    times = _times(chip)
    n_tiers = scenario.geometry.tiers.repeat if scenario.geometry.tiers else 1
    found["tier_map"] = COPIES * NUMBER * times * n_tiers * math.prod(scenario.tier_map)
    if scenario.maps is not None:
        found["maps.grid"] = COPIES * NUMBER * times * len(scenario.maps.layers) * math.prod(scenario.maps.grid)
    if chip.computer is not None and scenario.lifetime is not None:
        cells = sum(math.prod(m.state_shape) for m in chip.computer.matrices.values())
        found["monte_carlo.samples"] = CELL_MEMORY * cells * scenario.monte_carlo.samples
    return found


def _mesh(chip: Chip) -> float:
    """Of matrix and solver; of tetrahedra the fewest that the profile asks for. [byte]"""
    mesh = chip.scenario.solver.mesh
    if mesh.cells == "hex":
        return size_of_body(chip, make_grid(chip))[1]
    order = chip.scenario.solver.order
    across = (mesh if order == 1 else mesh.coarser()).lateral
    core = chip.stack.footprint
    shape = (core.x1 - core.x0) / (core.y1 - core.y0)
    points = across**2 * min(shape, 1 / shape) * len(chip.stack.layers)
    return points * (1 if order == 1 else 4) * 1300.0


def _times(chip: Chip) -> int:
    """Instants that maps are kept of."""
    scenario = chip.scenario
    if scenario.transient is not None:
        return len(scenario.transient.times)
    if scenario.lifetime is not None:
        refine = scenario.lifetime.refine
        return 2 + (refine.most if refine is not None else scenario.lifetime.epochs)
    return 1


def check_size(chip: Chip) -> None:
    """Refuse a case that wants more memory than there is; raises DeckError with every term that matters."""
    found, there = terms_of(chip), memory.available()
    total = sum(found.values())
    if total <= there:
        return
    parts = {key: n for key, n in sorted(found.items(), key=lambda item: -item[1]) if n > 0.02 * total}
    listed = ", ".join(f"{key} {memory.size(n)}" for key, n in parts.items())
    largest = next(iter(parts))
    fitting = _fitting(largest, found[largest], there)
    raise DeckError(Problem(largest, f"wants more memory than there is: {listed}; there is {memory.size(there)}; {fitting}"))


def _fitting(key: str, wanted: float, there: float) -> str:
    share = max(there / wanted, 1e-9)
    if key == "solver.mesh":
        return f"a mesh {share ** (-1 / 3):.2g} times coarser in every direction would fit"
    return f"{100 * share:.2g} % of it would fit"
