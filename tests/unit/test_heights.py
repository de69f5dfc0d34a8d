"""Elements through the height: levels that are read, jumps of temperature, faces that heat has come through."""

import numpy as np
import pytest
from test_geometry import SILICON, geometry

from stack3d.geometry import flatter, redrawn
from stack3d.geometry.grid import build_grid
from stack3d.geometry.heights import Heeded, element_heights
from stack3d.geometry.stack import build_stack
from stack3d.schema.numerics import MeshDeck

SLOW = {"name": "slow", "conductivity": "1.48 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}
"""A hundredth of the diffusivity of silicon."""
MESH = MeshDeck(lateral=10, per_source=24, per_layer=2, growth=0.1)
STACK = build_stack(geometry({"name": "a"}, {"name": "b", "material": SLOW}, {"name": "c"}))


def test_levels_are_lines_and_stay() -> None:
    level = 0.137e-3
    grid = build_grid(STACK, [], MESH, heeded=Heeded(levels=(level, level, 0.1e-3 + 1e-9)))
    assert level in grid.z and 0.1e-3 + 1e-9 not in grid.z  # the second is as good as the face below it
    assert level in flatter(grid, (level,))[0].z
    firm = grid.x[[0, -1]], grid.y[[0, -1]]
    halved = [np.full(n, 0.5) for n in grid.shape]
    assert level in redrawn(grid, firm, halved, (level,)).z and level not in redrawn(grid, firm, halved).z


@pytest.mark.parametrize("soonest", [1e-7, 1e-5, 1e-3])
def test_elements_at_a_jump_go_with_the_roots_of_diffusivities(soonest: float) -> None:
    """So the node on it begins at the mean by effusivities, where it stays: 10 to 1 here."""
    z, owner = element_heights(STACK, [], MESH, Heeded(soonest, (1,)))
    assert np.all(np.diff(z) > 0) and owner.size == z.size - 1
    for below in (0, 1):
        face = int(np.flatnonzero(owner == below)[-1]) + 1
        assert z[face] == STACK.layers[below].z1
        lower, upper = z[face] - z[face - 1], z[face + 1] - z[face]
        assert upper / lower == pytest.approx(0.1 if below == 0 else 10.0, rel=1e-6)


def test_faces_that_heat_has_come_through_are_resolved() -> None:
    """Through 0.1 mm of silicon it comes in 0.11 ms: the slow layer beyond has small elements from then on."""
    stack = build_stack(geometry({"name": "a"}, {"name": "b", "material": SILICON}, {"name": "c", "material": SLOW}))

    def at_slow(soonest: float) -> float:
        z, owner = element_heights(stack, [], MESH, Heeded(soonest, (0,)))
        return float(np.diff(z)[owner == 2][0])

    assert at_slow(1e-4) > 4 * at_slow(1.2e-4)
    assert at_slow(1.2e-4) < np.sqrt(1.48 / 1.66e6 * 1.2e-4) / 4
