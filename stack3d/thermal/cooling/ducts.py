"""Laminar flow in rectangular ducts: film coefficient, pressure drop; SI units."""

from __future__ import annotations

import numpy as np

from stack3d.errors import RangeError

LAMINAR = 2300.0
"""Largest Reynolds number of the correlations here. [-]"""


def _aspect(width: float, height: float) -> float:
    if not (width > 0 and height > 0):
        raise RangeError(f"a duct of {width:g} m by {height:g} m has no section")
    return min(width, height) / max(width, height)


def hydraulic_diameter(width: float, height: float) -> float:
    """Four times the section over the perimeter. [m]"""
    return 2 * width * height / (width + height)


def reynolds_number(velocity: float, width: float, height: float, *, density: float, viscosity: float) -> float:
    """Of a rectangular duct with its hydraulic diameter; [m s⁻¹], [m], [kg m⁻³], [Pa s] → [-].

    Parameters
    ----------
    velocity : float
        Mean. [m s⁻¹]
    width, height : float
        [m]
    density : float
        [kg m⁻³]
    viscosity : float
        Dynamic. [Pa s]
    """
    return density * velocity * hydraulic_diameter(width, height) / viscosity


def nusselt_number(width: float, height: float) -> float:
    r"""Fully developed laminar flow, four walls of uniform axial heat flux and peripherally uniform temperature (H1). [-]

    Notes
    -----
    :math:`8.235 (1 - 2.0421 a + 3.0853 a^2 - 2.4765 a^3 + 1.0578 a^4 - 0.1861 a^5)`, a the smaller over the larger side,
    within 0.03 % of the exact values [1]_. Holds beyond the thermal entrance, length > 0.05 Re Pr D; before it the film
    coefficient is larger.

    References
    ----------
    .. [1] R. K. Shah, A. L. London, Laminar Flow Forced Convection in Ducts, Academic Press 1978, eq. 342.
       doi:10.1016/C2013-0-06152-X
    """
    return float(8.235 * np.polynomial.Polynomial([1, -2.0421, 3.0853, -2.4765, 1.0578, -0.1861])(_aspect(width, height)))


def friction_product(width: float, height: float) -> float:
    r"""Fanning friction factor times Reynolds number of fully developed laminar flow. [-]

    Notes
    -----
    :math:`24 (1 - 1.3553 a + 1.9467 a^2 - 1.7012 a^3 + 0.9564 a^4 - 0.2537 a^5)`, within 0.05 % (Shah and London 1978,
    eq. 341).
    """
    return float(24 * np.polynomial.Polynomial([1, -1.3553, 1.9467, -1.7012, 0.9564, -0.2537])(_aspect(width, height)))


def film_coefficient(width: float, height: float, conductivity: float) -> float:
    """Nu k / D; [m], [m], [W m⁻¹ K⁻¹] → [W m⁻² K⁻¹]."""
    return nusselt_number(width, height) * conductivity / hydraulic_diameter(width, height)


def pressure_drop(velocity: float, width: float, height: float, length: float, *, viscosity: float) -> float:
    """Friction of fully developed laminar flow; inlet, outlet and manifold not included. [Pa]

    Parameters
    ----------
    velocity : float
        Mean. [m s⁻¹]
    width, height, length : float
        [m]
    viscosity : float
        [Pa s]
    """
    return 2 * friction_product(width, height) * viscosity * velocity * length / hydraulic_diameter(width, height) ** 2
