"""The mesh solver in two processes gives the numbers of one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import numpy as np
from tensor_cases import flip_chip
from stack3d.geometry.hexahedra import layered_cells
from stack3d.thermal.fem.solver_on_grid import solver_on_grid
from stack3d.thermal.grid.solver import TensorSolver
from mpi4py import MPI
problem, sources = flip_chip(20, 1)
solver = solver_on_grid(problem, *layered_cells(problem.stack, problem.grid))
parallel, serial = solver.solve(sources), TensorSolver(problem).solve(sources)
row = MPI.COMM_WORLD.size, np.abs(parallel.field.values - serial.field.values).max(), parallel.balance
for size, difference, balance in MPI.COMM_WORLD.gather(row) or []:
    print(size, difference, balance)
"""


TETRAHEDRA = """
import numpy as np
from mpi4py import MPI
from test_tetrahedra import FACES, PACKAGE, SOURCES, MESH, build_columns, ColumnProblem, solver_of_cells
problem = ColumnProblem(PACKAGE, build_columns(PACKAGE, SOURCES, MESH), FACES["fixed_bottom"])
for order in (1, 2):
    one = np.array(ONE[order - 1])
    for preconditioner in ("icc", "gamg"):
        solution = solver_of_cells(problem, order=order, preconditioner=preconditioner, tolerance=1e-11).solve(SOURCES)
        found = [solution.field.layer_mean(layer.name) for layer in PACKAGE.layers]
        print(MPI.COMM_WORLD.size, np.abs(found - one).max(), solution.balance, flush=True)
"""


def in_two_processes(script: str) -> list[list[str]]:
    """What both processes print, in words; one of them writes for both, since lines of two mix."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec beside the interpreter or on the path")
    tests = Path(__file__).resolve().parents[1]
    before = f"import io, sys; sys.path[:0] = {[str(tests), str(tests / 'verification')]!r}\nout, sys.stdout = sys.stdout, io.StringIO()"
    after = "from mpi4py import MPI\nout.write(''.join(MPI.COMM_WORLD.gather(sys.stdout.getvalue()) or []))"
    script = f"{before}\n{script}\n{after}\n"
    done = subprocess.run([mpiexec, "-n", "2", sys.executable, "-c", script], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    return [words[i : i + 3] for i in range(0, len(words), 3)]


def test_two_processes() -> None:
    """Same temperatures on both ranks to 2e-6 K, the tolerance of the linear solvers for a rise of 100 K; heat in = out."""
    rows = in_two_processes(SCRIPT)
    assert len(rows) == 2
    for size, difference, balance in rows:
        assert int(size) == 2 and float(difference) < 2e-6 and float(balance) < 1e-8


def test_tetrahedra_in_two_processes() -> None:
    """Layer means of one process on both ranks, both orders, films and a fixed face; heat in = out."""
    from test_tetrahedra import FACES, MESH, PACKAGE, SOURCES, solve

    fields = [solve(PACKAGE, FACES["fixed_bottom"], SOURCES, MESH, order=order, method="direct").field for order in (1, 2)]
    one = [[field.layer_mean(layer.name) for layer in PACKAGE.layers] for field in fields]
    rows = in_two_processes(TETRAHEDRA.replace("ONE[", f"{one!r}["))
    assert len(rows) == 8
    for size, difference, balance in rows:
        assert int(size) == 2 and float(difference) < 2e-6 and float(balance) < 1e-8
