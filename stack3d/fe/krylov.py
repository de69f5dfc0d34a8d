"""Preconditioned conjugate gradients and GMRES for operators given as functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stack3d.errors import SolverError
from stack3d.layout import Floats

Apply = Callable[[Floats], Floats]


def inner(one: Floats, other: Floats) -> float:
    """Inner product of two arrays of one shape; not by BLAS, whose threads take longer to wake than vectors of heat to add."""
    if one.dtype == np.float32:  # few digits are added by parts
        return float(np.einsum("ki,ki->k", one.reshape(len(one), -1), other.reshape(len(one), -1)).sum(dtype=float))
    return float(np.einsum("i,i->", one.ravel(), other.ravel()))


def norm(values: Floats) -> float:
    """Euclidean norm, by `inner`."""
    return float(np.sqrt(inner(values, values)))


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
    """Solve to a residual of `rtol` times the load's norm; raises SolverError after `most` iterations.

    Parameters
    ----------
    operator, precondition : callable
        Of an array, shape of `load`; symmetric and positive.
    load : ndarray
        Any shape.
    guess : ndarray, optional
        Shape of `load`; absent = zero.
    rtol : float
        Residual over the norm of the load. [-]
    most : int
        Iterations.
    """
    scale = norm(load)
    if scale == 0.0:
        return Iterations(np.zeros_like(load), 0, 0.0)
    x = np.zeros_like(load) if guess is None else guess.copy()
    r = load.copy() if guess is None else load - operator(x)
    p = np.zeros_like(r)
    rho, residual = 1.0, norm(r) / scale
    for count in range(most + 1):
        if residual <= rtol:
            return Iterations(x, count, residual)
        z = precondition(r)
        before, rho = rho, inner(r, z)
        p *= rho / before if count else 0.0
        p += z
        q = operator(p)
        turn = inner(p, q)
        step = rho / turn if turn else np.nan
        x += step * p
        q *= step
        r -= q
        residual = norm(r) / scale
        if not (rho and np.isfinite(residual)):
            raise SolverError(
                f"conjugate gradients: the residual is no number after {count + 1} iterations; check properties and power"
            )
    raise SolverError(
        f"conjugate gradients: residual {residual:.1e} after {most} iterations, {rtol:.1e} asked;"
        " loosen the tolerance, allow more iterations, or use the fem backend with a direct solver"
    )


RESTART = 40
"""Directions kept before a restart."""
STAYS = 0.7
"""Share of a direction that has to be left for one pass to be enough to make it orthogonal to the others: else two are
(L. Giraud, J. Langou, M. Rozložník, Comput. Math. Appl. 50 (2005) 1069)."""


def gmres(operator: Apply, precondition: Apply, load: Floats, *, rtol: float, most: int) -> Iterations:
    """Solve to a residual of `rtol` times the load's norm; raises SolverError after `most` iterations.

    Preconditioned from the right, so that the residual is the true one (Y. Saad, M. H. Schultz, SIAM J. Sci. Stat. Comput. 7
    (1986) 856, doi:10.1137/0907058). What the preconditioner gives is kept, so that it may be of few digits, and need not be
    the same each time.

    Parameters
    ----------
    operator, precondition : callable
        Of an array, shape of `load`.
    load : ndarray
        Any shape.
    rtol : float
        Residual over the norm of the load. [-]
    most : int
        Iterations.
    """
    scale = norm(load)
    x = np.zeros_like(load)
    if scale == 0.0:
        return Iterations(x, 0, 0.0)
    count, residual = 0, 1.0
    r = load
    while count < most:
        beta = norm(r)
        basis, images, work = [r / beta], [], np.empty_like(r)
        h = np.zeros((RESTART + 1, RESTART))
        for j in range(min(RESTART, most - count)):
            images.append(precondition(basis[j]))
            w = operator(images[j])
            left = norm(w)
            for _ in range(2):
                for i, v in enumerate(basis):
                    part = inner(v, w)
                    h[i, j] += part
                    w -= np.multiply(v, part, out=work)
                before, left = left, norm(w)
                if left > STAYS * before:
                    break
            h[j + 1, j] = left
            count += 1
            target = np.zeros(j + 2)
            target[0] = beta
            y = np.linalg.lstsq(h[: j + 2, : j + 1], target, rcond=None)[0]
            residual = norm(target - h[: j + 2, : j + 1] @ y) / scale
            if not np.isfinite(residual):
                raise SolverError(f"gmres: the residual is no number after {count} iterations; check properties and power")
            if residual <= rtol or h[j + 1, j] == 0.0:
                break
            w /= left
            basis.append(w)
        for weight, image in zip(y, images):
            x += np.multiply(image, weight, out=work)
        if residual <= rtol:
            return Iterations(x, count, residual)
        r = load - operator(x)
    raise SolverError(
        f"gmres: residual {residual:.1e} after {most} iterations, {rtol:.1e} asked;"
        " check flow_rate and power, or loosen the tolerance"
    )
