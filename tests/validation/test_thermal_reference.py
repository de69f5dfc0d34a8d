"""The neutral benchmark stacks against exact values of a double cosine series."""

import neutral
import numpy as np
import pytest

from stack3d import decks
from stack3d.case import check
from stack3d.heat.meshing import Bricks
from stack3d.heat.solvers import make_backend
from stack3d.thermal.backend import ThermalSolution

PROFILES = list(decks.available("solvers"))


def solve(case: decks.Case) -> ThermalSolution:
    chip = check(case.scenario)
    return make_backend(case.scenario, chip.stack, Bricks.of(chip)).solve(chip.sources)


def errors(reference, name: str, solver: str) -> tuple[float, float, float, float, decks.Case]:
    """Largest error of probes, layer means and tile means [K], and the peak rise [K]."""
    folder = reference / "thermal"
    case = neutral.load(folder, name, solver)
    field, exact = solve(case).field, neutral.exact(folder, name)
    probes = max(abs(field.at(p.layer, p.x, p.y) - exact["probes"][p.name]) for p in case.scenario.probes)
    layers = max(abs(field.layer_mean(n) - v) for n, v in exact["layers"].items())
    tiles = max(np.abs(field.map(n, *case.scenario.maps.grid) - np.array(v)).max() for n, v in exact["tiles"].items())
    return probes, layers, tiles, exact["rise"], case


@pytest.mark.parametrize("name", neutral.CASES)
@pytest.mark.parametrize("solver", PROFILES)
def test_profile_keeps_its_promise(reference, solver: str, name: str) -> None:
    """Tile and layer means within the profile's error promise of the peak rise; probes within five times that."""
    probes, layers, tiles, rise, case = errors(reference, name, solver)
    promise = case.scenario.solver.error_promise
    assert max(layers, tiles) < promise * rise
    assert probes < 5 * promise * rise


@pytest.mark.parametrize("name", neutral.CASES)
def test_standard_meets_the_benchmark_tolerances(reference, name: str) -> None:
    probes, layers, tiles, rise, _ = errors(reference, name, "standard")
    if name == "case1_uniform_die":
        limits = (1e-6, 1e-6)
    elif name == "case4_four_tiers":
        limits = (5e-3, 2e-3)
    else:
        limits = (0.005 * rise, 0.001 * rise)
    assert probes < limits[0] and max(layers, tiles) < limits[1]
