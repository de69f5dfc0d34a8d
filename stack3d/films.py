"""Film coefficients of air and of boiling, radiation; SI units."""

from __future__ import annotations

import math

from stack3d.constants import GRAVITY, STEFAN_BOLTZMANN
from stack3d.errors import RangeError


def rayleigh_number(difference: float, length: float, mean_temperature: float) -> float:
    """G β ΔT L³ / (ν α) of air with the properties at 300 K; [K], [m], [K] → [-]."""
    diffusivity = AIR_VISCOSITY / AIR_PRANDTL
    return GRAVITY / mean_temperature * abs(difference) * length**3 / (AIR_VISCOSITY * diffusivity)


def natural_convection(difference: float, length: float, facing: str, *, ambient: float) -> float:
    r"""Mean film coefficient of still air on an isothermal plate. [W m⁻² K⁻¹]

    Parameters
    ----------
    difference : float
        Surface minus ambient temperature. [K]
    length : float
        Height of a vertical plate; area over perimeter of a level one. [m]
    facing : {"vertical", "up", "down"}
    ambient : float
        [K]

    Raises
    ------
    RangeError
        For a Rayleigh number above 1e11, where none of them was measured.

    Notes
    -----
    Vertical: :math:`0.68 + 0.670 Ra^{1/4} / [1 + (0.492/Pr)^{9/16}]^{4/9}` for Ra ≤ 1e9, and the formula for all Ra above
    [1]_. Up: 0.54 Ra^1/4, above 1e7 0.15 Ra^1/3; down: 0.27 Ra^1/4 [2]_, measured from Ra = 1e4 on. Chips lie below
    that; Nu is not let fall under 1, conduction over the length.

    References
    ----------
    .. [1] S. W. Churchill, H. H. S. Chu, Int. J. Heat Mass Transfer 18 (1975) 1323. doi:10.1016/0017-9310(75)90243-4
    .. [2] W. H. McAdams, Heat Transmission, 3rd ed., McGraw-Hill 1954; J. R. Lloyd, W. R. Moran, J. Heat Transfer 96
       (1974) 443. doi:10.1115/1.3450224
    """
    ra = rayleigh_number(difference, length, ambient + 0.5 * difference)
    if ra > 1e11:
        raise RangeError(f"natural convection: Rayleigh number {ra:.1e}, measured up to 1e11; is the length in metres?")
    if facing == "vertical" and ra <= 1e9:
        nusselt = 0.68 + 0.670 * ra**0.25 / (1 + (0.492 / AIR_PRANDTL) ** (9 / 16)) ** (4 / 9)
    elif facing == "vertical":
        nusselt = (0.825 + 0.387 * ra ** (1 / 6) / (1 + (0.492 / AIR_PRANDTL) ** (9 / 16)) ** (8 / 27)) ** 2
    elif facing == "up":
        nusselt = 0.54 * ra**0.25 if ra <= 1e7 else 0.15 * ra ** (1 / 3)
    else:
        nusselt = 0.27 * ra**0.25
    return float(max(nusselt, 1.0) * AIR_CONDUCTIVITY / length)


def forced_air(velocity: float, length: float) -> float:
    r"""Mean film coefficient of air along an isothermal plate. [W m⁻² K⁻¹]

    Parameters
    ----------
    velocity : float
        Of the free stream. [m s⁻¹]
    length : float
        Along the flow. [m]

    Raises
    ------
    RangeError
        For a Reynolds number outside 1e2 to 1e8.

    Notes
    -----
    :math:`0.664 Re^{1/2} Pr^{1/3}` up to Re = 5e5, beyond it :math:`(0.037 Re^{4/5} - 871) Pr^{1/3}` (Incropera, eqs. 7.30
    and 7.38; Pohlhausen 1921).
    """
    reynolds = velocity * length / AIR_VISCOSITY
    if not 1e2 <= reynolds <= 1e8:
        raise RangeError(f"forced air: Reynolds number {reynolds:.2g}, the plate formulas hold from 1e2 to 1e8")
    nusselt = 0.664 * reynolds**0.5 if reynolds <= 5e5 else 0.037 * reynolds**0.8 - 871
    return float(nusselt * AIR_PRANDTL ** (1 / 3) * AIR_CONDUCTIVITY / length)


def radiation(surface: float, ambient: float, emissivity: float) -> float:
    """Film coefficient ε σ (T² + Ta²)(T + Ta) that radiates as much to large surroundings; [K], [K], [-] → [W m⁻² K⁻¹]."""
    return emissivity * STEFAN_BOLTZMANN * (surface**2 + ambient**2) * (surface + ambient)


def critical_heat_flux(*, latent_heat: float, liquid_density: float, vapour_density: float, surface_tension: float) -> float:
    r"""Largest heat flux of pool boiling on a large plain surface facing up. [W m⁻²]

    Parameters
    ----------
    latent_heat : float
        [J kg⁻¹]
    liquid_density, vapour_density : float
        At saturation. [kg m⁻³]
    surface_tension : float
        [N m⁻¹]

    Notes
    -----
    :math:`0.131\, h_{fg} \rho_v^{1/2} [\sigma g (\rho_l - \rho_v)]^{1/4}`.

    References
    ----------
    .. [1] N. Zuber, Hydrodynamic Aspects of Boiling Heat Transfer, AEC Report AECU-4439, 1959. doi:10.2172/4175511
    """
    lift = (surface_tension * GRAVITY * (liquid_density - vapour_density)) ** 0.25
    return float(0.131 * latent_heat * math.sqrt(vapour_density) * lift)


AIR_CONDUCTIVITY, AIR_VISCOSITY, AIR_PRANDTL = 0.0263, 15.9e-6, 0.707
"""Air at 300 K and 1 bar (Incropera, table A.4): [W m⁻¹ K⁻¹], kinematic [m² s⁻¹], [-]."""
