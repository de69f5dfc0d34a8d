"""Speed, memory and error of the thermal backends, all sizes; tables on the terminal, JSON on request.

Run ``python benchmarks/thermal.py [--json FILE] [--only SECTION …] [--quick]``. Every row runs in a process of its own (for
its peak memory), one thread, CPU seconds. What is timed and what it is compared with: README.md.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # imports are not part of any set-up that is timed
import scipy.sparse.linalg  # noqa: F401
from heat_fem import preconditioners, whole_case
from heat_stacks import (
    MM,
    REFERENCE,
    SIDE,
    TOP,
    Clock,
    Row,
    frozen,
    package,
    problem_of,
    tiers,
)
from neutral import CASES, scenario_text
from tensor_cases import lines, reference_case, z_cells

from stack3d.grids import Grid
from stack3d.layout import Block, HeatSource, Material, Rectangle
from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.grid.exact_transient import ExactTransient
from stack3d.thermal.grid.modal_system import ModalSystem
from stack3d.thermal.grid.response import thermal_response
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box, Probe
from stack3d.thermal.problem import ThermalProblem
from stack3d.thermal.time.march import integrate, integrate_fixed
from stack3d.thermal.time.schedule import PowerSchedule

PER_LAYER = {
    "case1_uniform_die": [4, 2],
    "case2_hotspots": [2, 12],
    "case2b_hotspots_unaligned": [2, 12],
    "case3_die_tim_spreader": [2, 12, 4, 12],
    "case4_four_tiers": [2, 2, 2, 2] * 4 + [8],
}
"""Elements through the layers of the reference cases at the coarse level."""


def steady(name: str) -> Row:
    """A reference case at two levels of refinement: probes against the exact values, and the order of their errors."""
    built, sources, top, data, exact = reference_case(REFERENCE.parent, name)
    wanted = np.array([exact["probes"][p["name"]] for p in data["probes"]])
    edges = [s.extent for s in sources]
    x = lines([0.0, data["domain"]["lx"], *(v for b in edges for v in (b.x0, b.x1))], 40)
    y = lines([0.0, data["domain"]["ly"], *(v for b in edges for v in (b.y0, b.y1))], 40)
    out: Row = {}
    errors = []
    for level in (1, 2):
        x, y = (np.sort(np.concatenate([v, 0.5 * (v[1:] + v[:-1])])) for v in (x, y))
        z, layer = z_cells(built, [level * n for n in PER_LAYER[name]])
        clock = Clock()
        solver = TensorSolver(ThermalProblem(built, Grid(x, y, z, layer), top))
        setup = clock()
        solution = solver.solve(sources)
        solve = clock()
        error = np.array([solution.field.at(p["layer"], p["x"], p["y"]) for p in data["probes"]]) - wanted
        errors.append(float(np.sqrt(np.mean(error**2))))
        out["coarse" if level == 1 else "fine"] = {
            "unknowns": solution.statistics["unknowns"],
            "set-up s": setup,
            "solve s": solve,
            "probe error %": 100 * float(np.abs(error).max()) / (wanted.max() - top.reference),
        }
    exactly = errors[0] < 1e-6  # a one-dimensional case is exact at nodes
    return out | {"order": "exact at nodes" if exactly else float(np.log2(errors[0] / errors[1]))}


def process(name: str) -> Row:
    """``stack3d run`` of a reference case with the profile ``standard``: a process of its own, imports and files included."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.yaml"
        path.write_text(scenario_text(REFERENCE, name))
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "stack3d", "run", str(path), "-o", scratch]
        subprocess.run(command, check=True, capture_output=True)
        wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
        record = json.loads((Path(scratch) / name / "run.json").read_text())
    return {
        "unknowns": record["statistics"]["thermal"]["unknowns"],
        "wall s": wall,
        "CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak MiB": after.ru_maxrss / 1024,
    }


def size(cells: int, through: int) -> Row:
    """Eight tiers: set-up and solve, memory, error, and a full right-hand side more."""
    built, sources, probes = tiers(8)
    problem = problem_of(built, sources, cells, [through * n for n in [2, 1, 1, 2] * 8 + [4]])
    clock = Clock()
    solver = TensorSolver(problem)
    setup = clock()
    solution = solver.solve(sources)
    solve = clock()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = np.array([solution.field.at(p.layer, p.x, p.y) for p in probes])
    exact = CosineSeries(built, sources, TOP, modes=1024).steady(probes).temperature
    return {
        "unknowns": solution.statistics["unknowns"],
        "set-up s": setup,
        "solve s": solve,
        "total s": setup + solve,
        "peak MiB": peak,
        "probe error %": 100 * float(np.abs(found - exact).max() / (exact.max() - 300)),
        "residual": solution.statistics["residual"],
    }


def flip_chip(lateral: int, per_layer: int, preconditioner: str) -> Row:
    """The shipped package with k frozen at 300 K, ten digits; with ``k(T)`` by multigrid, as a run does it."""
    chip, problem = package(lateral, per_layer)
    clock = Clock()
    if preconditioner == "k(T)":
        solver = TensorSolver(problem)
    else:
        solver = TensorSolver(problem, preconditioner=preconditioner, at=frozen(problem))  # type: ignore[arg-type]
    setup = clock()
    solution = solver.solve(chip.sources)
    return {
        "unknowns": solution.statistics["unknowns"],
        "iterations": solution.statistics["iterations"],
        "updates": solution.statistics["conductivity_updates"],
        "set-up s": setup,
        "solve s": clock(),
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def contrast(ratio: float, preconditioner: str) -> Row:
    """Sixteen blocks of another conductivity in the dies of two tiers."""
    built, sources, _ = tiers(2)
    edges = np.linspace(0.5 * MM, 9.5 * MM, 9)
    other = Material("other", (148.0 / ratio,) * 3, 1.66e6)
    blocks = tuple(
        Block(f"b{i}{j}", Rectangle(edges[2 * i], edges[2 * i + 1], edges[2 * j], edges[2 * j + 1]), other)
        for i in range(4)
        for j in range(4)
    )
    from dataclasses import replace

    built = replace(built, layers=tuple(replace(la, blocks=blocks) if "bulk" in la.name else la for la in built.layers))
    x = lines([0.0, SIDE, *edges], 80)
    z, layer = z_cells(built, [2, 1, 1, 2] * 2 + [4])
    clock = Clock()
    solver = TensorSolver(ThermalProblem(built, Grid(x, x, z, layer), TOP), preconditioner=preconditioner)  # type: ignore[arg-type]
    setup = clock()
    solution = solver.solve(sources)
    return {"iterations": solution.statistics["iterations"], "set-up s": setup, "solve s": clock()}


def transient() -> Row:
    """Step response of `case4_four_tiers` at about 100 000 unknowns, by all three ways, against the series."""
    built, sources, top, data, _ = reference_case(REFERENCE.parent, "case4_four_tiers")
    probes = [Probe(p["layer"], p["x"], p["y"]) for p in data["probes"]]
    x = lines([0.0, data["domain"]["lx"], *(v for s in sources for v in (s.extent.x0, s.extent.x1))], 44)
    y = lines([0.0, data["domain"]["ly"], *(v for s in sources for v in (s.extent.y0, s.extent.y1))], 44)
    z, layer = z_cells(built, [3, 2, 2, 2] * 3 + [3, 2, 2, 4, 8])
    problem = ThermalProblem(built, Grid(x, y, z, layer), top)
    powers = np.array([s.power for s in sources])
    schedule = PowerSchedule.constant(powers)
    times = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0]
    exact = CosineSeries(built, sources, top, modes=512).step(probes, times, 300.0).temperature
    rise = (exact - 300).max(axis=1, keepdims=True)

    def worst(found: np.ndarray) -> float:
        return 100 * float((np.abs(found - exact) / rise).max())

    out: Row = {"unknowns": problem.grid.n_nodes}
    for name in ("fixed", "controlled", "eigenmodes"):
        clock = Clock()
        system = TensorSolver(problem).system(sources, probes)
        assert isinstance(system, ModalSystem)
        if name == "fixed":
            result = integrate_fixed(system, schedule, 1e-3, 1.0, initial=300.0)
            found = result.temperature[[int(np.abs(result.times - t).argmin()) for t in times]]
            steps = result.statistics["steps"]
        elif name == "controlled":
            result = integrate(system, schedule, times, initial=300.0, tolerance=2e-3)
            found, steps = result.temperature, result.statistics["steps"]
        else:
            found, steps = ExactTransient(system).integrate(schedule, times, initial=300.0).temperature, 0
        out[name] = {"steps": steps, "total s": clock(), "error from 1 ms on %": worst(found)}
    return out


def response() -> Row:
    """Response of 512 tiles and their means in eight tiers, against one full solve."""
    built, sources, _ = tiers(8)
    n = 8
    e = np.linspace(0.0, SIDE, n + 1)
    tiles = [
        HeatSource(f"{t}_{j}{i}", f"t{t}_active", Rectangle(e[i], e[i + 1], e[j], e[j + 1]), 1.0)
        for t in range(8)
        for j in range(n)
        for i in range(n)
    ]
    problem = problem_of(built, sources, 64, [2, 1, 1, 2] * 8 + [4])
    clock = Clock()
    solver = TensorSolver(problem)
    result = thermal_response(solver, tiles, [Box(s.layer, s.extent) for s in tiles])
    seconds = clock()
    powers = np.random.default_rng(1).uniform(0, 0.1, len(tiles))
    return {
        "unknowns": problem.grid.n_nodes,
        "tiles": len(tiles),
        "total s": seconds,
        "one solve s": solver.solve(tiles).statistics["seconds"]["solve"],
        "error K": result.error(solver, powers),
    }


def sections(quick: bool) -> dict[str, list[tuple[Callable[..., Row], tuple[Any, ...]]]]:
    """Rows by section: what to call, and with what."""
    sizes = [(44, 1), (80, 1), (138, 1), (238, 1), (308, 2)][: 3 if quick else None]
    packages = [(24, 1), (40, 1), (60, 1), (102, 2)][: 2 if quick else None]
    matrices = [("tiers", 60, 1), ("package", 40, 1), ("tiers", 173, 1), ("package", 102, 2)][: 2 if quick else None]
    lateral = 60 if quick else 173
    known = list(CASES) if REFERENCE.is_dir() else []
    return {
        "steady": [(steady, (name,)) for name in known],
        "process": [(process, (name,)) for name in known],
        "size": [(size, s) for s in sizes],
        "package": [
            (flip_chip, (*p, by))
            for p in packages
            for by in (("multigrid", "diagonalisation", "k(T)") if p != (102, 2) else ("multigrid", "k(T)"))
        ],
        "contrast": [(contrast, (r, by)) for r in (1.3, 3.0, 10.0, 30.0, 160.0) for by in ("diagonalisation", "multigrid")],
        "preconditioners": [(preconditioners, a) for a in matrices],
        "case": [(whole_case, (lateral, law, forms)) for law, forms in ((False, "empty"), (False, "warm"), (True, "warm"))],
        "transient": [(transient, ())],
        "response": [(response, ())],
    }


def row_of(section: str, index: int, quick: bool) -> Row:
    action, arguments = sections(quick)[section][index]
    return {"case": list(arguments), **action(*arguments)}


def show(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{k} {show(v)}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else f"{value}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(sections(True)), default=list(sections(True)))
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(row_of(options.row[0], int(options.row[1]), options.quick)))
        return
    results: dict[str, list[Row]] = {}
    for section in options.only:
        print(section)
        for index in range(len(sections(options.quick)[section])):
            command = [sys.executable, __file__, "--row", section, str(index), *(["--quick"] if options.quick else [])]
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"  failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            row = json.loads(done.stdout.splitlines()[-1]) | {"process s": time.perf_counter() - started}
            results.setdefault(section, []).append(row)
            nested = {k: v for k, v in row.items() if isinstance(v, dict)}
            print("  " + "   ".join(f"{k} {show(v)}" for k, v in row.items() if k not in nested), flush=True)
            for key, value in nested.items():
                print(f"    {key:12} {show(value)}")
    rows = results.get("size", [])
    if len(rows) > 2:
        slope = np.polyfit(np.log([r["unknowns"] for r in rows]), np.log([r["total s"] for r in rows]), 1)[0]
        print(f"cost of set-up and solve grows as n^{slope:.2f}")
        results["growth"] = [{"exponent": float(slope)}]
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
