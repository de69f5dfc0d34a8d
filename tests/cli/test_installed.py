"""stack3d as another machine has it: a wheel in an empty environment outside any checkout, and without DOLFINx."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_command_line import ROOT, SMALL

HIDDEN = ("dolfinx", "dolfinx_solver", "petsc4py", "mpi4py", "ufl", "basix", "ffcx")
WITHOUT = "install dolfinx-solver-real (Linux x86-64, PyPI) or fenics-dolfinx (conda-forge), or do without: --set solver.backend=tensor"


def called(command: list[str], folder: Path, *, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with nothing of a checkout or of this environment on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")}
    environment = kept | {"STACK3D_CACHE": str(folder / "cache"), **more}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_without_dolfinx_arrays_solve_and_finite_elements_say_what_is_missing(tmp_path: Path) -> None:
    """Packages of the wheel are hidden by ones that cannot be imported."""
    for name in HIDDEN:
        (tmp_path / "hidden" / name).mkdir(parents=True)
        (tmp_path / "hidden" / name / "__init__.py").write_text(f"raise ImportError('no {name} here')\n")
    (tmp_path / "small.yaml").write_text(SMALL)
    program, path = [sys.executable, "-m", "stack3d"], str(tmp_path / "hidden")
    refused = called([*program, "run", "small.yaml"], tmp_path, code=6, PYTHONPATH=path)
    assert WITHOUT in refused.stderr and "no dolfinx here" in refused.stderr
    solved = called([*program, "run", "small.yaml", "--set", "solver.backend=tensor"], tmp_path, PYTHONPATH=path)
    assert "peak temperature" in solved.stdout


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_runs_the_quickstart(tmp_path: Path) -> None:
    """With all that the wheel asks for, and then, with DOLFINx taken away, on arrays."""
    called([sys.executable, "-m", "venv", "empty"], tmp_path)
    pip = [str(tmp_path / "empty" / "bin" / "pip"), "--disable-pip-version-check", "-q"]
    called([*pip, "wheel", "--no-deps", "-w", "wheels", str(ROOT)], tmp_path)
    [wheel] = (tmp_path / "wheels").glob("stack3d-*.whl")
    called([*pip, "install", str(wheel)], tmp_path)
    program = [str(tmp_path / "empty" / "bin" / "stack3d")]
    where = "import stack3d; print(stack3d.__file__)"
    module = called([str(tmp_path / "empty" / "bin" / "python"), "-c", where], tmp_path).stdout
    assert module.startswith(str(tmp_path / "empty"))
    first = called([*program, "run", "quickstart"], tmp_path).stdout
    shown = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "peak temperature" in line]
    assert shown[0] in first.splitlines()
    called([*program, "report", "results/quickstart", "-o", "page.html"], tmp_path)
    assert (tmp_path / "page.html").stat().st_size > 100_000
    called([*program, "new", "mine", "--kind", "package"], tmp_path)
    called([*program, "validate", "mine.yaml"], tmp_path)
    called([*pip, "uninstall", "-y", "dolfinx-solver-real"], tmp_path)
    refused = called([*program, "run", "quickstart", "--force"], tmp_path, code=6)
    assert WITHOUT in refused.stderr
    on_arrays = called([*program, "run", "quickstart", "--set", "solver.backend=tensor", "-o", "arrays"], tmp_path).stdout
    assert "peak temperature   44.04" in on_arrays
