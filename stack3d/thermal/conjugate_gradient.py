"""Preconditioned conjugate gradients for symmetric positive definite operators given as functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats

Apply = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Iterations:
    """Result of an iterative solve.

    Parameters
    ----------
    solution : ndarray
    count : int
        Iterations taken.
    residual : float
        Last Euclidean residual over that of the right-hand side. [-]
    """

    solution: Floats
    count: int
    residual: float


def conjugate_gradient(
    operator: Apply, precondition: Apply, load: Floats, *, guess: Floats | None = None, rtol: float, most: int
) -> Iterations:
    """Solve to a residual of `rtol` times the load's norm; raises SolverError after `most` iterations."""
    scale = float(np.linalg.norm(load))
    if scale == 0.0:
        return Iterations(np.zeros_like(load), 0, 0.0)
    x = np.zeros_like(load) if guess is None else guess.copy()
    r = load.copy() if guess is None else load - operator(x)
    p = np.zeros_like(r)
    rho, residual = 1.0, float(np.linalg.norm(r)) / scale
    for count in range(most + 1):
        if residual <= rtol:
            return Iterations(x, count, residual)
        z = precondition(r)
        before, rho = rho, float(np.vdot(r, z))
        p *= rho / before if count else 0.0
        p += z
        q = operator(p)
        step = rho / float(np.vdot(p, q))
        x += step * p
        q *= step
        r -= q
        residual = float(np.linalg.norm(r)) / scale
        if not np.isfinite(residual):
            raise SolverError(
                f"conjugate gradients: the residual is no number after {count + 1} iterations; check properties and power"
            )
    raise SolverError(
        f"conjugate gradients: residual {residual:.1e} after {most} iterations, {rtol:.1e} asked;"
        " loosen the tolerance, allow more iterations, or use the fem backend with a direct solver"
    )
