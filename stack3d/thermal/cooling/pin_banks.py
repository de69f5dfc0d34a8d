"""Flow across banks of round pins: Nusselt number and resistance; films of two measured cavities; SI units."""

from __future__ import annotations

import math

from stack3d.errors import RangeError

LEAST_REYNOLDS, MOST_REYNOLDS = 1.0, 2e4
"""Of the correlations here, by the diameter and the velocity at the narrowest place. [-]"""


def nusselt_number(reynolds: float, prandtl: float, *, across: float, along: float, staggered: bool) -> float:
    r"""Mean over the pins of a deep bank, by their diameter. [-]

    Parameters
    ----------
    reynolds : float
        By the diameter and the velocity at the narrowest place. [-]
    prandtl : float
        [-]
    across, along : float
        Pitches over the diameter. [-]
    staggered : bool

    Raises
    ------
    RangeError
        For a Reynolds number outside 1 to 2e4.

    Notes
    -----
    :math:`C Re^m Pr^{0.36}`, of the fluid as it is in the bank [1]_. In line: 0.9 and 0.4 up to Re = 100, 0.52 and 0.5 up to
    1000, then 0.27 and 0.63. Staggered: 1.04 and 0.4 up to 500, 0.71 and 0.5 up to 1000, then 0.35 (across/along)^0.2 and
    0.6. Where two ranges meet the larger stands, up to the end of the lower one, so that more flow never takes less heat.
    Of twenty rows and more: the first ones take less.

    References
    ----------
    .. [1] A. Žukauskas, Advances in Heat Transfer 8 (1972) 93, as fitted in A. Bejan, Convection Heat Transfer, 4th ed. 2013.
    """
    if not LEAST_REYNOLDS <= reynolds <= MOST_REYNOLDS:
        measured = f"the film was measured from {LEAST_REYNOLDS:g} to {MOST_REYNOLDS:g}"
        raise RangeError(f"pins: Reynolds number {reynolds:.3g}, {measured}; give a film_coefficient")
    lean = (across / along) ** 0.2
    parts = (
        ((0.0, 1.04, 0.4), (500.0, 0.71, 0.5), (1000.0, 0.35 * lean, 0.6))
        if staggered
        else ((0.0, 0.9, 0.4), (100.0, 0.52, 0.5), (1000.0, 0.27, 0.63))
    )
    ends = (parts[1][0], parts[2][0], math.inf)
    largest = max(c * min(reynolds, end) ** m for (start, c, m), end in zip(parts, ends) if start < reynolds)
    return float(largest * prandtl**0.36)


def resistance(reynolds: float, *, across: float, along: float, staggered: bool) -> float:
    r"""Pressure drop of one row over the stagnation pressure at the narrowest place, ξ of Δp = ξ n ρ V² / 2. [-]

    Parameters
    ----------
    reynolds : float
        By the diameter and the velocity at the narrowest place. [-]
    across, along : float
        Pitches over the diameter, a and b. [-]
    staggered : bool

    Notes
    -----
    A laminar part, :math:`280 \pi [(\sqrt b - 0.6)^2 + 0.75] / [(4 a b - \pi) a^{1.6} Re]`, with the diagonal pitch in the
    place of the last a where the diagonal is narrowest, and a turbulent one that fades out below Re = 1000 [1]_. Measured for
    1.25 ≤ a ≤ 3, 0.6 ≤ b ≤ 3, 1 < Re < 3e5, ten rows and more, tubes long beside their diameter.

    References
    ----------
    .. [1] E. S. Gaddis, V. Gnielinski, Int. Chem. Eng. 25 (1985) 1; VDI Heat Atlas 2010, L1.4, eqs. 10 to 22.
    """
    a, b = across, along
    diagonal = math.hypot(0.5 * a, b)
    is_diagonal = staggered and b < 0.5 * math.sqrt(2 * a + 1)
    wide = diagonal if is_diagonal else a
    laminar = 280 * math.pi * ((math.sqrt(b) - 0.6) ** 2 + 0.75) / ((4 * a * b - math.pi) * wide**1.6) / reynolds
    if staggered:
        turbulent = 2.5 + 1.2 / (a - 0.85) ** 1.08 + 0.4 * (b / a - 1) ** 3 - 0.01 * (a / b - 1) ** 3
        return float(laminar + turbulent / reynolds**0.25 * (1 - math.exp(-(reynolds + 200) / 1000)))
    open_share = 0.22 + 1.2 * max(1 - 0.94 / b, 0.0) ** 0.6 / (a - 0.85) ** 1.3
    turbulent = open_share * 10 ** (0.47 * (b / a - 1.5)) + 0.03 * (a - 1) * (b - 1)
    return float(laminar + turbulent / reynolds**0.1 * (1 - math.exp(-(reynolds + 1000) / 2000)))


def measured_film(velocity: float, *, staggered: bool) -> float:
    r"""Effective film of floor and ceiling of a cavity with pins, per area of the cavity, what the pins take included.

    Parameters
    ----------
    velocity : float
        Flow rate over the whole section of the cavity (Darcy). [m s⁻¹]
    staggered : bool

    Returns
    -------
    float
        :math:`1 / [2.527\cdot10^{-5} / (V + 1.35)^n + 1.533\cdot10^{-6}]`, n 0.64 in line and 1.52 staggered. [W m⁻² K⁻¹]

    Notes
    -----
    Fitted to two measured cavities with water [1]_; 3D-ICE has the same (user guide, "Pinfins"; its decks have pins of
    50 µm at a pitch of 100 µm, 100 µm tall).

    References
    ----------
    .. [1] T. Brunschwiler et al., Heat-removal performance scaling of interlayer cooled chip stacks, ITherm 2010.
    """
    return float(1.0 / (2.527e-5 / (velocity + 1.35) ** (1.52 if staggered else 0.64) + 1.533e-6))
