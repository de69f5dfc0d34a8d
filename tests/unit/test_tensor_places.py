"""Weights of places and sources are those of the field and of the load vector."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_cases import flip_chip

from stack3d.errors import DeckError
from stack3d.layout import Rectangle
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.place_weights import observe, place_groups, source_groups
from stack3d.thermal.places import Box, Probe

MM = 1e-3


def test_places_agree_with_the_field():
    problem, _ = flip_chip(20, 2)
    grid, built = problem.grid, problem.stack
    field = GridField(built, grid, np.random.default_rng(5).normal(size=(grid.z.size, grid.y.size, grid.x.size)))
    boxes = [Box("bulk", Rectangle(6 * MM, 9 * MM, 7 * MM, 8.3 * MM)), Box("sink", built.layer("sink").extent)]
    probes = [
        Probe("bulk", 6.1 * MM, 5 * MM),
        Probe("lid", 20 * MM, 0.0),
        Probe("bulk", 7 * MM, 7 * MM, built.layer("bulk").z0),
    ]
    expected = [*(field.box_means(b.layer, [b.extent])[0] for b in boxes), *(field.at(p.layer, p.x, p.y, p.z) for p in probes)]
    np.testing.assert_allclose(observe(place_groups(built, grid, [*boxes, *probes]), field.values), expected, rtol=1e-10)


def test_sources_agree_with_the_load_vector():
    problem, sources = flip_chip(20, 1)
    load = np.zeros((problem.grid.z.size, problem.grid.y.size, problem.grid.x.size))
    for group in source_groups(problem.stack, problem.grid, sources):
        powers = np.array([sources[i].power for i in group.members])
        load[group.nodes] += np.einsum("s,k,sj,si->kji", powers, group.z, group.y, group.x)
    np.testing.assert_allclose(load, source_loads(problem.grid, problem.stack, sources), atol=1e-15)


def test_probe_above_its_layer_is_refused():
    problem, _ = flip_chip(10, 1)
    with pytest.raises(DeckError, match="outside layer 'die'|outside layer 'bulk'"):
        place_groups(problem.stack, problem.grid, [Probe("bulk", 7 * MM, 7 * MM, 1.0)])
