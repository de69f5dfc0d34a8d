"""Rows of the thermal benchmark that run DOLFINx: preconditioners of one matrix, and whole cases."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from heat_stacks import Clock, Row, eight_tiers, package, problem_of, resolved, tiers

from stack3d import results
from stack3d.case.run import run_case
from stack3d.geometry.hexahedra import layered_cells
from stack3d.heat.solvers import Backends
from stack3d.progress import Silent
from stack3d.thermal.fem.solver_on_grid import solver_on_grid
from stack3d.thermal.grid.loads import source_loads
from stack3d.thermal.grid.preconditioner import GridPreconditioner

PETSC: dict[str, dict[str, str]] = {
    "grid": {},
    "averaged": {},
    "gamg": {"pc_type": "gamg"},
    "gamg 0.05": {"pc_type": "gamg", "pc_gamg_threshold": "0.05", "mg_levels_ksp_max_it": "3"},
    "icc": {"pc_type": "icc"},
    "mumps": {"pc_type": "cholesky", "pc_factor_mat_solver_type": "mumps"},
}
FEW = 200_000
"""Unknowns beyond which MUMPS wants more than 10 GB, and the stricter GAMG takes minutes to set up."""


def preconditioners(which: str, size: int, per_layer: int) -> Row:
    """One matrix of the solver, conjugate gradients to 1e-8 with every preconditioner in one process; k at 300 K."""
    if which == "tiers":
        built, sources, _ = tiers(8)
        problem = problem_of(built, sources, size, [per_layer * n for n in [1, 1, 1, 1] * 8 + [4]])
    else:
        chip, problem = package(size, per_layer)
        sources = list(chip.sources)
    clock = Clock()
    solver = solver_on_grid(problem, *layered_cells(problem.stack, problem.grid))
    from petsc4py import PETSc  # finds its libraries once DOLFINx is there

    matrix, nodes = solver.conduction.assembly.matrix, solver.conduction.at.nodes
    out: Row = {"unknowns": int(nodes.size), "mesh and assembly s": clock()}
    load = source_loads(problem.grid, problem.stack, sources).reshape(-1)[nodes]
    for name, options in PETSC.items():
        if (nodes.size > FEW and name in ("gamg 0.05", "mumps", "averaged")) or (which == "tiers" and name == "averaged"):
            continue
        ksp = PETSc.KSP().create(matrix.comm)
        ksp.setOptionsPrefix(name.replace(" ", "").replace(".", "") + "_")
        for key, value in options.items():
            PETSc.Options()[ksp.getOptionsPrefix() + key] = value
        ksp.setType("cg")
        ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        ksp.setTolerances(rtol=1e-8, max_it=2000)
        right, solution = matrix.createVecRight(), matrix.createVecRight()
        right.array[:] = load
        clock()
        ksp.setOperators(matrix)
        if not options:
            ksp.getPC().setType("python")
            kind = "auto" if name == "grid" else "diagonalisation"
            ksp.getPC().setPythonContext(GridPreconditioner(problem, nodes, kind=kind))
        ksp.setFromOptions()
        ksp.setUp()
        setup = clock()
        ksp.solve(right, solution)
        solve = clock()
        out[name] = {"set-up s": setup, "solve s": solve, "iterations": ksp.getIterationNumber()}
        if nodes.size <= FEW:
            right.array[:] = load * np.linspace(0.5, 1.5, load.size)
            clock()
            ksp.solve(right, solution)
            out[name]["next s"] = clock()
        ksp.destroy()
    least = out["grid"]["set-up s"] + out["grid"]["solve s"]
    for name in PETSC:
        if name in out:
            out[name]["over grid"] = (out[name]["set-up s"] + out[name]["solve s"]) / least
    return out


def whole_case(lateral: int, law: bool, forms: str) -> Row:
    """A scenario of eight tiers with `fem` from YAML to result.nc; then another power, then another cooling, in one process.

    `forms` says whether the form compiler begins with an ``empty`` cache or has met these forms before.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if forms == "empty":
            os.environ["XDG_CACHE_HOME"] = scratch
        backends = Backends()
        tree = eight_tiers(lateral, law)
        weaker = [{**s, "power": "0.3 W"} for s in tree["power"]["sources"]]
        changes: dict[str, dict[str, Any]] = {
            "first": {},
            "other power": {"power__sources": weaker},
            "other cooling": {"cooling__top": {"film_coefficient": "2e4 W/m^2/K"}},
        }
        out: Row = {}
        for name, overrides in changes.items():
            clock, wall = Clock(), time.perf_counter()
            case = resolved(tree, **overrides)
            outcome = run_case(case.scenario, Silent(), backends=backends)
            results.write_tree(Path(scratch) / "result.nc", results.to_tree(case, outcome))
            facts, built = outcome.statistics["thermal"], outcome.statistics["built"]
            out.setdefault("unknowns", facts["unknowns"])
            out[name] = {"total s": clock(), "wall s": time.perf_counter() - wall, "iterations": facts["iterations"], **built}
            if name == "first":
                out[name] |= {f"{stage} wall s": facts["seconds"][stage] for stage in ("hand_over", "assembly", "solve")}
    return out | {"peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
