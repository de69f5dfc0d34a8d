"""Steady heat by a few unknowns, with a bound for what that costs; SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stack3d.layout import Floats

ROUNDING = 1e-10
"""Rounding of answers and of their bound, as a share of the rise that the loads would make if each were positive."""


@dataclass(frozen=True, eq=False)
class SteadyModel:
    r"""Galerkin projection of a solid on some of its own steady states, for any films above the lowest.

    Parameters
    ----------
    lowest : ndarray, shape (films,)
        Of the films that vary. [W m⁻² K⁻¹]
    films : ndarray, shape (films, modes, modes)
        Integral of each two modes over the face of each of these films.
    loads : ndarray, shape (loads, modes)
        Of each load on each mode.
    shown : ndarray, shape (places, modes)
        What places see of each mode.
    parts : ndarray, shape (parts, answers)
        On answers orthonormal in A(lowest), each part of a residual: loads, places, stiffness at the lowest films times each
        mode, then each film times each mode. They hold A(lowest)⁻¹ times every part, so that products there are those in it.
    on_faces : ndarray, shape (films, answers, answers)
        Integral over the face of each film of each two of these answers.

    Notes
    -----
    Modes are orthonormal in A = A(lowest), so that the reduced matrix is 1 + Σ (h - lowest) films. With the residuals r of the
    answer and r' of the answer to a unit load at a place, a place errs by e = r' · (A + D)⁻¹ r, where D = Σ (h - lowest) F ≥ 0
    are the films above the lowest. It is bounded twice, and the smaller bound counts. As A + D lies between A and A/β,
    β = min lowest/h,

    .. math:: |e - \tfrac{1+\beta}{2}\, r' A^{-1} r| \le \tfrac{1-\beta}{2}\, \|r\| \|r'\|, \quad \|r\|^2 = r A^{-1} r.

    With w = A⁻¹ r and w' = A⁻¹ r', e = r' A⁻¹ r - w' D w + (D w') (A + D)⁻¹ (D w), whose last part lies between 0 and D:

    .. math:: |e - r' A^{-1} r + \tfrac12 w' D w| \le \tfrac12 \sqrt{w D w}\, \sqrt{w' D w'}.

    Both are against the mesh that the model was made from, solved without rounding. Residuals of answer and dual answer:
    Prud'homme et al. 2002, doi:10.1115/1.1448332.
    """

    lowest: Floats
    films: Floats
    loads: Floats
    shown: Floats
    parts: Floats
    on_faces: Floats

    def modes(self, films: Floats) -> Floats:
        """Amplitudes for 1 of each load, then for a unit load at each place, shape (loads + places, modes)."""
        matrix = np.eye(self.loads.shape[1]) + np.tensordot(films - self.lowest, self.films, axes=1)
        return np.asarray(np.linalg.solve(matrix, np.vstack([self.loads, self.shown]).T).T)

    def answer(self, films: Floats, loads: Floats) -> tuple[Floats, Floats]:
        """Rise of places and its bound, shapes (mixtures, places). [K]

        Parameters
        ----------
        films : ndarray, shape (films,)
            None below its lowest. [W m⁻² K⁻¹]
        loads : ndarray, shape (mixtures, loads)
            How much of each.
        """
        modes, (count, places) = self.modes(films), (len(self.loads), len(self.shown))
        each = modes[:count] @ self.shown.T
        left = self._left(films, modes, np.pad(loads, ((0, 0), (0, places))))
        of_places = self._left(films, modes, np.eye(count + places)[count:])
        more = films - self.lowest
        above = np.tensordot(more, self.on_faces, axes=1)
        share = float((self.lowest / films).min(initial=1.0))
        between, across = left @ of_places.T, left @ above @ of_places.T
        still = np.eye(len(above))
        size, beside = (_norms(left, matrix)[:, None] * _norms(of_places, matrix) for matrix in (still, above))
        one = 0.5 * (1 + share) * np.abs(between) + 0.5 * (1 - share) * size
        other = np.abs(between - 0.5 * across) + 0.5 * beside
        return loads @ each, np.minimum(one, other) + ROUNDING * np.abs(loads) @ np.abs(each)

    def _left(self, films: Floats, modes: Floats, shares: Floats) -> Floats:
        """A(lowest)⁻¹ times what is left of mixtures of loads and places, shape (mixtures, answers)."""
        amplitudes = shares @ modes
        return np.hstack([shares, -amplitudes, *(-more * amplitudes for more in films - self.lowest)]) @ self.parts


def _norms(left: Floats, matrix: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(0.0, np.einsum("ap,ap->a", left @ matrix, left))))
