"""Stacks, scenarios and clocks of the thermal benchmark."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from tensor_cases import lines, stack, z_cells

from stack3d import decks, yamlfile
from stack3d.chip import Chip
from stack3d.decks import Case
from stack3d.grids import Grid
from stack3d.heat.meshing import Bricks
from stack3d.heat.placing import placed_chip
from stack3d.layout import HeatSource, Rectangle, Stack
from stack3d.thermal.places import Probe
from stack3d.thermal.problem import Face, ThermalProblem

Row = dict[str, Any]
REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference" / "thermal"
"""Exact values of the neutral cases; rows that want them are left out where they are absent."""
MM, UM = 1e-3, 1e-6
SIDE = 10 * MM
TOP = Face(1e4, 300.0)


class Clock:
    """CPU seconds since it was made or last read."""

    def __init__(self) -> None:
        self.last = time.process_time()

    def __call__(self) -> float:
        now = time.process_time()
        passed, self.last = now - self.last, now
        return passed


def tiers(n: int) -> tuple[Stack, list[HeatSource], list[Probe]]:
    """Dies of 64 µm with back end and bond, checkerboards of 4 x 4 sources, a lid; probes on hot, cold and middle."""
    slabs: list[dict[str, Any]] = []
    for t in range(n):
        slabs += [
            {"name": f"t{t}_bulk", "thickness": 50 * UM, "k": 148.0, "c": 1.66e6},
            {"name": f"t{t}_active", "thickness": 2 * UM, "k": 148.0, "c": 1.66e6},
            {"name": f"t{t}_beol", "thickness": 5 * UM, "k": 2.0, "c": 2e6},
            {"name": f"t{t}_bond", "thickness": 10 * UM, "k": 1.0, "c": 2e6},
        ]
    slabs[-1] = {"name": "tim", "thickness": 20 * UM, "k": 5.0, "c": 2e6}
    slabs.append({"name": "lid", "thickness": 500 * UM, "k": 400.0, "c": 3.45e6})
    edge = SIDE / 4
    sources = [
        HeatSource(f"t{t}_{j}{i}", f"t{t}_active", Rectangle(i * edge, (i + 1) * edge, j * edge, (j + 1) * edge), power)
        for t in range(n)
        for j in range(4)
        for i in range(4)
        for power in (0.5 if (i + j + t) % 2 == 0 else 0.125,)
    ]
    probes = [Probe(f"t{t}_active", x * MM, y * MM) for t in range(n) for x, y in ((1.25, 1.25), (3.75, 1.25), (5.0, 5.0))]
    return stack((SIDE, SIDE), slabs), sources, [*probes, Probe("lid", 5 * MM, 5 * MM)]


def problem_of(built: Stack, sources: list[HeatSource], cells: int, per_layer: list[int]) -> ThermalProblem:
    """Lines on the edges of sources, `cells` across, films on top."""
    boxes = [s.extent for s in sources]
    x = lines([0.0, SIDE, *(v for b in boxes for v in (b.x0, b.x1))], cells)
    y = lines([0.0, SIDE, *(v for b in boxes for v in (b.y0, b.y1))], cells)
    z, layer = z_cells(built, per_layer)
    return ThermalProblem(built, Grid(x, y, z, layer), TOP)


def eight_tiers(lateral: int, law: bool) -> dict[str, Any]:
    """The same stack of eight tiers as a scenario for `fem`, of constant conductivity or with the k(T) of silicon."""
    silicon = "silicon" if law else {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"}

    def layer(name: str, thickness: str, k: str | None) -> dict[str, Any]:
        material = silicon if k is None else {"conductivity": f"{k} W/m/K", "heat_capacity": "2e6 J/m^3/K"}
        return {"name": name, "thickness": thickness, "material": material}

    repeated = [
        layer("bulk", "50 um", None),
        layer("active", "2 um", None),
        layer("beol", "5 um", "2"),
        layer("bond", "10 um", "1"),
    ]
    _, sources, _ = tiers(8)
    boxes = [
        {
            "name": s.name,
            "layer": s.layer,
            "x": [f"{s.extent.x0} m", f"{s.extent.x1} m"],
            "y": [f"{s.extent.y0} m", f"{s.extent.y1} m"],
            "power": f"{s.power} W",
        }
        for s in sources
    ]
    mesh = {"lateral": lateral, "per_layer": 1, "aspect": 10.0, "refinement": 1, "growth": 1.0}
    return {
        "scenario": "eight_tiers",
        "geometry": {
            "footprint": ["10 mm", "10 mm"],
            "tiers": {"repeat": 8, "layers": repeated},
            "above": [layer("lid", "500 um", "400")],
        },
        "power": {"sources": boxes},
        "cooling": {"top": {"film_coefficient": "1e4 W/m^2/K"}, "bottom": "adiabatic", "ambient": "300 K"},
        "solver": {"backend": "fem", "mesh": mesh, "error_promise": 0.1},
    }


def resolved(tree: dict[str, Any], **overrides: Any) -> Case:
    """A scenario with dotted keys replaced (two underscores for a dot)."""
    changes = tuple((key.replace("__", "."), value) for key, value in overrides.items())
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "benchmark.yaml"), None, changes)


def package(lateral: int, per_layer: int) -> tuple[Chip, ThermalProblem]:
    """The shipped ``flip_chip_package`` with a hot spot: board, mold, die, lid and sink of three outlines."""
    source = {"layer": "active", "x": ["5 mm", "15 mm"], "y": ["5 mm", "15 mm"], "power": "20 W", "name": "die"}
    spot = {"layer": "active", "x": ["7 mm", "8 mm"], "y": ["7 mm", "8 mm"], "power": "10 W", "name": "spot"}
    tree = {
        "scenario": "package",
        "geometry": "flip_chip_package",
        "power": {"sources": [source, spot]},
        "cooling": {
            "top": {"film_coefficient": "500 W/m^2/K"},
            "bottom": {"film_coefficient": "10 W/m^2/K"},
            "ambient": "300 K",
        },
        "solver": {
            "backend": "fem",
            "mesh": {"lateral": lateral, "per_layer": per_layer, "aspect": 1.0, "refinement": 2, "growth": 0.2},
            "error_promise": 0.1,
        },
    }
    chip = placed_chip(resolved(tree).scenario)
    return chip, Bricks.of(chip).problem(chip.stack, chip.scenario.cooling)


def frozen(problem: ThermalProblem) -> np.ndarray:
    """A temperature to freeze k(T) at. [K]"""
    grid = problem.grid
    return np.full((grid.z.size, grid.y.size, grid.x.size), 300.0)
