"""The error promises of the quick profiles on every shipped stack, against the profile `standard`."""

import json
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.geometry.stack import build_stack
from stack3d.lifetime import check, faces, heat
from stack3d.lifetime.backends import make_backend
from stack3d.thermal.problem import ThermalSolution


def case(geometry: str, solver: str, sources: list[dict[str, Any]]) -> decks.Case:
    tree = {
        "scenario": "promise", "geometry": geometry, "cooling": {"top": "air_heat_sink", "bottom": "board", "ambient": "300 K"},
        "power": {"sources": sources}, "solver": solver,
    }  # fmt: skip
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "promise.yaml"), None, [("solver.backend", "tensor")])


def solve(one: decks.Case) -> ThermalSolution:
    chip = check(one.scenario)
    problem = faces.thermal_problem(chip.stack, heat.make_grid(chip), one.scenario.cooling)
    return make_backend(one.scenario, problem).solve(chip.sources)


@pytest.mark.slow  # minutes: `standard` solves of every stack
@pytest.mark.parametrize("geometry", list(decks.available("geometries")))
def test_quick_profiles_keep_their_promise_on_packages(geometry: str) -> None:
    """Means of every heated layer, and of 8 x 8 boxes of it, with a strip of the layer heated; standard errs ten times less.

    The elements are the same in both backends, so the quicker one stands for both.
    """
    stack = build_stack(case(geometry, "ci", []).scenario.geometry)
    heated = [*stack.with_role("logic"), *stack.with_role("rram")][:3] or [stack.layer("active")]
    sources = []
    for layer in heated:
        box = layer.blocks[0].extent if layer.blocks else layer.extent
        middle = 0.5 * (box.x0 + box.x1)
        extent = {"x": [f"{box.x0} m", f"{middle} m"], "y": [f"{box.y0} m", f"{box.y1} m"]}
        sources.append({"name": layer.name, "layer": layer.name, "power": "5 W", **extent})
    reference = solve(case(geometry, "standard", sources)).field
    rise = max(reference.layer_peak(layer.name)[0] for layer in stack.layers) - 300.0
    for solver in ("ci", "draft"):
        one = case(geometry, solver, sources)
        field = solve(one).field
        maps = max(np.abs(field.map(a.name, 8, 8) - reference.map(a.name, 8, 8)).max() for a in heated)
        means = max(abs(field.layer_mean(a.name) - reference.layer_mean(a.name)) for a in heated)
        assert max(maps, means) < one.scenario.solver.error_promise * rise, solver
