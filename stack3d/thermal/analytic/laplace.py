"""Numerical inversion of Laplace transforms whose singularities lie on the negative real axis, as those of heat flow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats

NODES = 12


# Optimal hyperbola for one time: steps, scale and angle of Weideman and Trefethen, section 4.
STEP, SCALE, ANGLE = 1.081792140, 4.492075287, 1.172104229


def contour(time: float, *, nodes: int = NODES) -> list[complex]:
    """Points at which `invert` wants the transform, upper half of a hyperbola round the negative axis. [s⁻¹]"""
    u = (np.arange(nodes) + 0.5) * (STEP / nodes)
    return [complex(s) for s in SCALE * nodes / time * (1 + np.sin(1j * u - ANGLE))]


def invert(transforms: Sequence[NDArray[np.complex128]], time: float) -> Floats:
    r"""Value at `time` of real functions from their transforms at the points of `contour`.

    Parameters
    ----------
    transforms : sequence of ndarray
        One array of any shape per point.
    time : float
        Above 0. [s]

    Returns
    -------
    ndarray
        Same shape as each transform. The relative error falls as 10.1⁻ⁿ with n points [1]_: about 1e-12 for 12.

    References
    ----------
    .. [1] J. A. C. Weideman, L. N. Trefethen, Math. Comp. 76 (2007) 1341. doi:10.1090/S0025-5718-07-01945-X
    """
    nodes = len(transforms)
    u = (np.arange(nodes) + 0.5) * (STEP / nodes)
    s = np.array(contour(time, nodes=nodes))
    slope = SCALE * nodes / time * 1j * np.cos(1j * u - ANGLE)
    weights = np.exp(s * time) * slope * (STEP / nodes)
    return np.asarray(np.tensordot(weights, np.asarray(transforms), axes=1).imag / np.pi)
