"""Linear elements on a line: integrals and values of their hat functions, and the curvature recovered from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stack3d.layout import Floats


def hat_integrals(lines: Floats, lower: float, upper: float) -> Floats:
    """Integrals of the 1-D linear hat functions of `lines` over [lower, upper]; exact.

    Parameters
    ----------
    lines : ndarray, shape (n,)
        Ascending nodes; equal neighbours allowed. [m]
    lower, upper : float
        Bounds inside the lines. [m]

    Returns
    -------
    ndarray, shape (n,)
        They sum to ``upper - lower``. [m]
    """
    left, right = cell_integrals(lines, lower, upper)
    out = np.zeros(lines.size)
    out[1:] += right
    out[:-1] += left
    return out


def cell_integrals(lines: Floats, lower: float | Floats, upper: float | Floats) -> Floats:
    """Integrals of the hat functions of both ends of each interval over what of it lies in [lower, upper], shape (2, n - 1).

    Bounds of shape (m, 1) give shape (2, m, n - 1).
    """
    left, right = lines[:-1], lines[1:]
    width = right - left
    low, high = np.clip(lower, left, right), np.clip(upper, left, right)
    length = high - low
    safe = np.where(width > 0, width, 1.0)
    share = np.where(width > 0, (0.5 * (low + high) - left) / safe, 0.0)
    return np.array([length * (1.0 - share), length * share])


def hat_values(lines: Floats, position: float) -> Floats:
    """Values of the 1-D linear hat functions of `lines` at `position`, shape (n,); they sum to 1."""
    out = np.zeros(lines.size)
    j = int(np.clip(np.searchsorted(lines, position, side="right") - 1, 0, lines.size - 2))
    while lines[j + 1] == lines[j]:
        j -= 1
    share = (position - lines[j]) / (lines[j + 1] - lines[j])
    out[j], out[j + 1] = 1.0 - share, share
    return out


def _curvature(lines: Floats, breaks: Floats, element: int) -> Floats:
    """Second derivative in an element as weights on the nodes, shape (n,). [m⁻²]

    The mean of the second differences at its two ends, of those that lie inside a smooth segment; a segment of one element has
    none.
    """
    out, known = np.zeros(lines.size), 0
    slack = 1e-9 * float(lines[-1] - lines[0])
    for i in range(max(1, element), min(element + 2, lines.size - 1)):
        if np.abs(breaks - lines[i]).min(initial=np.inf) > slack:
            left, right = lines[i] - lines[i - 1], lines[i + 1] - lines[i]
            scale = 2.0 / (left + right)
            out[i - 1 : i + 2] += scale / left, -scale / left - scale / right, scale / right
            known += 1
    return out / max(known, 1)


@dataclass(frozen=True, eq=False)
class LineRecovery:
    """Integrals and values along one direction of a grid function, with the curvature inside elements recovered.

    Linear elements are exact at nodes of one-dimensional problems but follow a chord in between, which alone makes means
    wrong by h² T''/12. Second differences give that curvature back, inside segments where the gradient is continuous.

    Parameters
    ----------
    lines : ndarray, shape (n,)
        Strictly ascending nodes. [m]
    breaks : ndarray
        Positions where the gradient jumps. [m]
    """

    lines: Floats
    breaks: Floats = field(default_factory=lambda: np.empty(0))

    def integral(self, lower: float, upper: float) -> Floats:
        """Weights of the nodes in the integral over [lower, upper], shape (n,); they sum to ``upper - lower``. [m]"""
        left, right = self.lines[:-1], self.lines[1:]
        width = right - left
        a, b = ((np.clip(v, left, right) - left) / width for v in (lower, upper))
        bends = np.array([_curvature(self.lines, self.breaks, j) for j in range(width.size)])
        chord = width * ((b**2 / 2 - b**3 / 3) - (a**2 / 2 - a**3 / 3))
        return np.asarray(hat_integrals(self.lines, lower, upper) - (0.5 * width**2 * chord) @ bends)

    def value(self, position: float) -> Floats:
        """Weights of the nodes in the value at `position`, shape (n,); they sum to 1."""
        j = int(np.clip(np.searchsorted(self.lines, position, side="right") - 1, 0, self.lines.size - 2))
        width = self.lines[j + 1] - self.lines[j]
        share = (position - self.lines[j]) / width
        bend = _curvature(self.lines, self.breaks, j)
        return np.asarray(hat_values(self.lines, position) - 0.5 * width**2 * share * (1 - share) * bend)
