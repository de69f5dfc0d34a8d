"""DOLFINx as it is installed: from PyPI or from conda-forge."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any

from stack3d import signals
from stack3d.errors import MissingDependencyError


def import_dolfinx() -> Any:
    """The package with its PETSc part; raises MissingDependencyError without it or without a C compiler."""
    import shutil

    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        raise MissingDependencyError("the form compiler needs a C compiler; on Debian or Ubuntu: apt-get install gcc libc6-dev")
    try:
        return _dolfinx()
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"DOLFINx cannot be imported ({error}); install dolfinx-solver-real (Linux x86-64, PyPI)"
            " or fenics-dolfinx (conda-forge), or do without: --set solver.backend=tensor"
        ) from error


@cache
def _dolfinx() -> Any:
    with signals.handlers_kept():
        _set_up()
        import dolfinx
        import dolfinx.fem.petsc
        import dolfinx.io.gmsh
    return dolfinx


@cache
def import_petsc() -> Any:
    """PETSc as DOLFINx brings it; its stubs take enumerations for plain classes."""
    with signals.handlers_kept():
        _set_up()
        from petsc4py import PETSc

    return PETSc


@cache
def import_mpi() -> Any:
    """MPI as DOLFINx brings it."""
    with signals.handlers_kept():
        _set_up()
        from mpi4py import MPI

    return MPI


def _set_up() -> None:
    """Load the libraries that the PyPI wheel brings, MPI and PETSc among them."""
    with contextlib.suppress(ImportError):  # conda-forge's fenics-dolfinx has no such module and needs none
        import dolfinx_solver  # noqa: F401
