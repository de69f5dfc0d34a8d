"""DOLFINx in time: closed-form decay with order two, the tensor solve of the same steps, two processes."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensor_cases import flip_chip, grid, stack
from test_fem_packages import with_contact_and_law

from stack3d.geometry.hexahedra import layered_cells
from stack3d.layout import HeatSource
from stack3d.thermal.fem.solver_on_grid import solver_on_grid
from stack3d.thermal.fem.steady import FemSolver
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box, Probe
from stack3d.thermal.problem import Face, ThermalProblem
from stack3d.thermal.time.march import integrate, integrate_fixed
from stack3d.thermal.time.schedule import PowerSchedule


def fem(problem: ThermalProblem, **options: Any) -> FemSolver:
    return solver_on_grid(problem, *layered_cells(problem.stack, problem.grid), **options)


def rate_of_lines(length: float, cells: int, wave: float) -> float:
    """Eigenvalue of (stiffness, mass) of linear elements on equal lines for cos(wave x): 6 (1 - c) / (2 + c) / h²."""
    h = length / cells
    c = np.cos(wave * h)
    return float(6 * (1 - c) / (2 + c) / h**2)


def test_second_order_in_time_of_an_anisotropic_mode() -> None:
    """cos(pi x/a) cos(2 pi y/b) cos(pi z/2d) under a fixed top decays as exp(-λ t); λ is that of equal lines, so time alone errs."""
    a, b, d = 2e-3, 3e-3, 1e-3
    k, c = (20.0, 5.0, 1.0), 2e6
    built = stack((a, b), [{"k": k, "thickness": d, "name": "slab", "c": c}])
    problem = ThermalProblem(built, grid(built, 8, 12, [6]), Face(np.inf, 300.0))
    g = problem.grid
    waves = (np.pi / a, 2 * np.pi / b, np.pi / (2 * d))
    shape = [np.cos(wave * lines) for wave, lines in zip(waves, (g.x, g.y, g.z))]
    mode = 50 * np.einsum("k,j,i->kji", shape[2], shape[1], shape[0])
    decay = sum(k[i] * rate_of_lines((a, b, d)[i], (8, 12, 6)[i], waves[i]) for i in range(3)) / c
    system = fem(problem).system([HeatSource("none", "slab", built.footprint, 0.0)], [Probe("slab", 0.0, 0.0, 0.0)], rtol=1e-12)
    until = 1.5 / decay
    errors = []
    for n in (8, 16, 32):
        end = integrate_fixed(
            system, PowerSchedule.constant([0.0]), until / n, until, initial=GridField(built, g, mode + 300.0)
        )
        errors.append(np.abs(end.field.values - 300.0 - np.exp(-1.5) * mode).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > 1.9), orders
    assert errors[-1] < 2e-3


@pytest.mark.parametrize("case", ["films", "fixed", "contacts and k(T)"])
def test_steps_are_those_of_the_tensor_solve(case: str) -> None:
    """Same elements and same steps, so same numbers to the tolerance of the linear solvers."""
    problem, sources = flip_chip(10, 1)
    problem = replace(problem, top=Face(500.0, 300.0, capacity=2e4))
    if case == "fixed":
        problem = replace(problem, top=Face(np.inf, 310.0), bottom=Face(20.0, 300.0, 1e3))
    if case == "contacts and k(T)":
        problem = with_contact_and_law(problem)
    places = [Box("active", sources[0].extent)]
    schedule = PowerSchedule(np.array([0.0, 2e-3]), np.array([[80.0, 20.0], [0.0, 0.0]]), 6e-3)
    ends = [
        integrate_fixed(body.system(sources, places), schedule, 1e-3, 4e-3, initial=300.0)
        for body in (TensorSolver(problem), fem(problem))
    ]
    assert ends[0].temperature.max() > 302.0
    np.testing.assert_allclose(ends[1].temperature, ends[0].temperature, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ends[1].field.values, ends[0].field.values, rtol=0, atol=1e-6)
    assert ends[1].statistics["backend"] == "fem"
    per_solve = ends[1].statistics["iterations"] / ends[1].statistics["solves"]
    assert per_solve < 40


def test_error_control_runs_on_fem() -> None:
    problem, sources = flip_chip(8, 1)
    system = fem(problem).system(sources, [Box("active", sources[0].extent)], rtol=1e-8)
    schedule = PowerSchedule.constant([20.0, 10.0])
    rough, fine = (integrate(system, schedule, [0.05], initial=300.0, tolerance=t) for t in (0.2, 0.01))
    assert abs(rough.temperature[0, 0] - fine.temperature[0, 0]) < 4 * 0.2
    assert rough.statistics["steps"] < fine.statistics["steps"]


SCRIPT = """
import numpy as np
from tensor_cases import flip_chip
from test_fem_transient import fem
from stack3d.thermal.places import Box
from stack3d.thermal.time.schedule import PowerSchedule
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.time.march import integrate_fixed
from mpi4py import MPI
problem, sources = flip_chip(10, 1)
schedule = PowerSchedule(np.array([0.0, 2e-3]), np.array([[80.0, 20.0], [0.0, 0.0]]), 6e-3)
places = [Box("active", sources[0].extent)]
ends = [
    integrate_fixed(body.system(sources, places), schedule, 1e-3, 4e-3, initial=300.0)
    for body in (TensorSolver(problem), fem(problem))
]
worst = MPI.COMM_WORLD.allreduce(np.abs(ends[0].field.values - ends[1].field.values).max(), op=MPI.MAX)
if MPI.COMM_WORLD.rank == 0:
    print(MPI.COMM_WORLD.size, worst, np.ptp(ends[0].temperature))
"""


def test_two_processes_march_alike() -> None:
    """Steps distributed over two processes against the tensor solve, on both ranks."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec beside the interpreter or on the path")
    here = Path(__file__).resolve()
    script = f"import sys; sys.path[:0] = [{str(here.parents[1])!r}, {str(here.parent)!r}]\n{SCRIPT}"
    done = subprocess.run([mpiexec, "-n", "2", sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    size, difference, swing = done.stdout.split()
    assert int(size) == 2 and float(difference) < 1e-6 and float(swing) > 2.0
