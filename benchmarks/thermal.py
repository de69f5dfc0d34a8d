"""Speed, memory and error of the tensor backend and its preconditioner, all sizes; tables on the terminal, JSON on request.

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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg  # imports are not part of any set-up that is timed
import scipy.sparse.linalg  # noqa: F401

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from tensor_cases import dolfinx_matrix, flip_chip, lines, stack, z_cells

from stack3d.layout import Block, Grid, HeatSource, Material, Rectangle, Stack
from stack3d.thermal.analytic import CosineSeries
from stack3d.thermal.exact_transient import ExactTransient
from stack3d.thermal.places import Probe
from stack3d.thermal.preconditioner import GridPreconditioner
from stack3d.thermal.problem import Face, ThermalProblem, source_loads
from stack3d.thermal.response import thermal_response
from stack3d.thermal.schedule import PowerSchedule
from stack3d.thermal.tensor import TensorSolver
from stack3d.thermal.transient import integrate, integrate_fixed, transient_system
from stack3d.thermal.transient_systems import ModalSystem

Row = dict[str, Any]
MM, UM = 1e-3, 1e-6
SIDE = 10 * MM
TOP = Face(1e4, 300.0)


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


def two_spots(spreader: bool) -> tuple[Stack, list[HeatSource], list[Probe]]:
    """A die with background and two hot spots, bare or under interface material and copper."""
    slabs = [{"name": "active", "thickness": 10 * UM, "k": 148.0}, {"name": "bulk", "thickness": 290 * UM, "k": 148.0}]
    if spreader:
        slabs += [{"name": "tim", "thickness": 50 * UM, "k": 4.0}, {"name": "spreader", "thickness": 1 * MM, "k": 400.0}]
    sources = [
        HeatSource("background", "active", Rectangle(0.0, SIDE, 0.0, SIDE), 2.0),
        HeatSource("a", "active", Rectangle(1.25 * MM, 2.5 * MM, 1.25 * MM, 2.5 * MM), 5.0),
        HeatSource("b", "active", Rectangle(6.21 * MM, 6.9 * MM, 5.03 * MM, 7.47 * MM), 3.0),
    ]
    at = ((1.875, 1.875), (6.5625, 6.25), (2.5, 1.875), (5.0, 5.0), (9.6, 0.4), (4.1, 3.3))
    return stack((SIDE, SIDE), slabs), sources, [Probe("active", x * MM, y * MM) for x, y in at]


def problem_of(built: Stack, sources: list[HeatSource], cells: int, per_layer: list[int]) -> ThermalProblem:
    """Lines on the edges of sources, `cells` across, films on top."""
    boxes = [s.extent for s in sources]
    x = lines([0.0, SIDE, *(v for b in boxes for v in (b.x0, b.x1))], cells)
    y = lines([0.0, SIDE, *(v for b in boxes for v in (b.y0, b.y1))], cells)
    z, layer = z_cells(built, per_layer)
    return ThermalProblem(built, Grid(x, y, z, layer), TOP)


class Clock:
    """CPU seconds since it was made or last read."""

    def __init__(self) -> None:
        self.last = time.process_time()

    def __call__(self) -> float:
        now = time.process_time()
        passed, self.last = now - self.last, now
        return passed


STACKS: dict[str, tuple[Callable[[], tuple[Stack, list[HeatSource], list[Probe]]], list[int]]] = {
    "two hot spots": (lambda: two_spots(False), [1, 6]),
    "die, TIM, spreader": (lambda: two_spots(True), [1, 6, 2, 6]),
    "four tiers": (lambda: tiers(4), [1, 1, 1, 1] * 4 + [4]),
}


def steady(name: str, level: int) -> Row:
    """A whole steady case at one level of refinement, with its error against the series."""
    make, base = STACKS[name]
    built, sources, probes = make()
    clock = Clock()
    problem = problem_of(built, sources, 40 * 2**level, [n * 2**level for n in base])
    solver = TensorSolver(problem)
    setup = clock()
    solution = solver.solve(sources)
    solve = clock()
    found = np.array([solution.field.at(p.layer, p.x, p.y) for p in probes])
    exact = CosineSeries(built, sources, TOP, modes=2048).steady(probes).temperature
    error = found - exact
    rise = exact.max() - 300
    return {
        "unknowns": solution.statistics["unknowns"],
        "set-up s": setup,
        "solve s": solve,
        "probe error %": 100 * np.abs(error).max() / rise,
        "rms error K": float(np.sqrt(np.mean(error**2))),
        "iterations": solution.statistics["iterations"],
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


def package(cells: int, through: int, sink: float, preconditioner: str) -> Row:
    """Die in mold under lid and sink, ten digits."""
    problem, sources = flip_chip(cells, through, sink=sink * MM)
    clock = Clock()
    solver = TensorSolver(problem, preconditioner=preconditioner)  # type: ignore[arg-type]
    setup = clock()
    solution = solver.solve(sources)
    return {
        "nodes": problem.grid.n_nodes,
        "unknowns": solution.statistics["unknowns"],
        "iterations": solution.statistics["iterations"],
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


PETSC = {
    "grid": {},
    "gamg": {"pc_type": "gamg"},
    "gamg 0.05": {"pc_type": "gamg", "pc_gamg_threshold": "0.05", "mg_levels_ksp_max_it": "3"},
    "icc": {"pc_type": "icc"},
    "mumps": {"pc_type": "cholesky", "pc_factor_mat_solver_type": "mumps"},
}


def mesh_solver(which: str, cells: int, through: int) -> Row:
    """One DOLFINx matrix, PETSc conjugate gradients to 1e-8 with every preconditioner in one process."""
    import dolfinx_solver  # noqa: F401
    from petsc4py import PETSc

    if which == "tiers":
        built, sources, _ = tiers(8)
        problem = problem_of(built, sources, cells, [through * n for n in [1, 1, 1, 1] * 8 + [4]])
    else:
        problem, sources = flip_chip(cells, through, sink=20.0 * MM)
    clock = Clock()
    matrix, nodes, _mesh = dolfinx_matrix(problem)
    out: Row = {"unknowns": int(nodes.size), "mesh and assembly s": clock()}
    load = source_loads(problem.grid, problem.stack, sources).reshape(-1)[nodes]
    for name, options in PETSC.items():
        if name in ("gamg 0.05", "mumps") and nodes.size > 150_000:
            continue  # beyond 10 GB at a million unknowns
        solver = PETSc.KSP().create(matrix.comm)
        solver.setOptionsPrefix(name.replace(" ", "").replace(".", "") + "_")
        for key, value in options.items():
            PETSc.Options()[solver.getOptionsPrefix() + key] = value
        solver.setType("cg")
        solver.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        solver.setTolerances(rtol=1e-8, max_it=2000)
        right, solution = matrix.createVecRight(), matrix.createVecRight()
        right.array[:] = load
        clock()
        solver.setOperators(matrix)
        if name == "grid":
            solver.getPC().setType("python")
            solver.getPC().setPythonContext(GridPreconditioner(problem, nodes))
        solver.setFromOptions()
        solver.setUp()
        setup = clock()
        solver.solve(right, solution)
        solve = clock()
        out[name] = {"set-up s": setup, "solve s": solve, "iterations": solver.getIterationNumber()}
    for name in PETSC:
        if name in out:
            out[name]["over grid"] = (out[name]["set-up s"] + out[name]["solve s"]) / (
                out["grid"]["set-up s"] + out["grid"]["solve s"]
            )
    return out


def transient() -> Row:
    """Step response of four tiers at about 100 000 unknowns, by all three ways, against the series."""
    built, sources, probes = tiers(4)
    problem = problem_of(built, sources, 44, [3, 2, 2, 2] * 3 + [3, 2, 2, 4, 8])
    powers = np.array([s.power for s in sources])
    schedule = PowerSchedule.constant(powers)
    times = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0]
    exact = CosineSeries(built, sources, TOP, modes=512).step(probes, times, 300.0).temperature
    rise = (exact - 300).max(axis=1, keepdims=True)

    def worst(found: np.ndarray) -> float:
        return 100 * float((np.abs(found - exact) / rise).max())

    out: Row = {"unknowns": problem.grid.n_nodes}
    for name in ("fixed", "controlled", "eigenmodes"):
        clock = Clock()
        system = transient_system(problem, sources, probes)
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
    from stack3d.thermal.places import Box

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
    sizes = [(44, 1), (80, 1), (138, 1), (238, 1), (308, 2)][: 3 if quick else None]
    packages = [(30, 1), (60, 1), (100, 1), (150, 2)][: 2 if quick else None]
    return {
        "steady": [(steady, (name, level)) for name in STACKS for level in (1, 2)],
        "size": [(size, s) for s in sizes],
        "package": [
            (package, (*p, sink, by))
            for sink in (20.0, 40.0)
            for p in packages
            for by in (("multigrid", "diagonalisation") if p != (150, 2) else ("multigrid",))
        ],
        "contrast": [(contrast, (r, by)) for r in (1.3, 3.0, 10.0, 30.0, 160.0) for by in ("diagonalisation", "multigrid")],
        "mesh": [(mesh_solver, a) for a in ((("tiers", 60, 1), ("package", 60, 1)) if quick else MESHES)],
        "transient": [(transient, ())],
        "response": [(response, ())],
    }


MESHES = (("tiers", 60, 1), ("package", 60, 1), ("tiers", 164, 1), ("package", 104, 2))


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
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
