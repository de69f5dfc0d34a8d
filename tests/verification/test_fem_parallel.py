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
from stack3d.thermal.fem.hexahedra import FemSolver
from stack3d.thermal.tensor import TensorSolver
from mpi4py import MPI
problem, sources = flip_chip(20, 1)
solver = FemSolver(problem, *layered_cells(problem.stack, problem.grid))
parallel, serial = solver.solve(sources), TensorSolver(problem).solve(sources)
row = MPI.COMM_WORLD.size, np.abs(parallel.field.values - serial.field.values).max(), parallel.balance
for size, difference, balance in MPI.COMM_WORLD.gather(row) or []:
    print(size, difference, balance)
"""


def test_two_processes() -> None:
    """Same temperatures on both ranks to 2e-6 K, the tolerance of the linear solvers for a rise of 100 K; heat in = out."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec beside the interpreter or on the path")
    tests = Path(__file__).resolve().parents[1]
    script = f"import sys; sys.path.insert(0, {str(tests)!r})\n{SCRIPT}"
    done = subprocess.run([mpiexec, "-n", "2", sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line]
    assert len(rows) == 2
    for size, difference, balance in rows:
        assert int(size) == 2 and float(difference) < 2e-6 and float(balance) < 1e-8
