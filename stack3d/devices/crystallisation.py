"""Crystallisation of the amorphous part of a phase-change cell, beside its drift."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, override

import numpy as np

from stack3d.devices.laws import CRYSTALLISATION, CrystallisationLaw, Reals
from stack3d.devices.relaxation import acceleration
from stack3d.schema.base import POSITIVE, ActivationEnergy, DeckModel, Duration, Number, Temperature
from stack3d.schema.device import DeviceDeck


def avrami_share(reduced_time: Reals, *, exponent: float) -> Reals:
    r"""Share of the amorphous volume that has crystallised.

    Parameters
    ----------
    reduced_time : ndarray
        :math:`x = \int dt/\tau(T)`. [-]
    exponent : float
        Avrami's n: 3 for growth in space from what is already there, 4 with new nuclei all the time. [-]

    Returns
    -------
    ndarray
        :math:`1 - e^{-x^n}`. [-]

    References
    ----------
    .. [1] M. Avrami, "Kinetics of phase change. II", J. Chem. Phys. 8 (1940) 212.
    """
    return -np.expm1(-(np.asarray(reduced_time, np.float64) ** exponent))


def mixed_conductance(conductance: Reals, crystalline: float, share: Reals) -> Reals:
    r"""Conductance of a cell of which a share has crystallised: :math:`G^{1-c} G_c^{c}`, never below what it was. [S]

    Lichtenecker's logarithmic mixture of two phases; a fully crystalline cell stays as it is.
    """
    lowest = np.finfo(conductance.dtype).tiny
    missing = np.log(np.maximum(crystalline / np.maximum(conductance, lowest), 1.0))
    return np.where(conductance > 0, conductance * np.exp(missing * share.astype(conductance.dtype)), conductance)


class HalfResistance(DeckModel):
    """Time at a temperature after which a cell in its highest resistance has lost half of it."""

    time: Duration
    temperature: Temperature


@CRYSTALLISATION.register("avrami")
class Avrami(CrystallisationLaw):
    """Avrami growth with an Arrhenius rate; the amorphous and the crystalline part mix logarithmically.

    The anchor states when a cell at g_min reads half of its resistance, the usual criterion of phase-change retention.
    """

    reference = "M. Avrami, J. Chem. Phys. 8 (1940) 212"

    usual: ClassVar[Mapping[str, float]] = {"exponent": 3.0}  # growth in space, as packaged decks have it
    activation_energy: ActivationEnergy
    """Of nucleation and growth together."""
    exponent: Annotated[Number, POSITIVE]
    """Avrami's n."""
    anchor: HalfResistance
    """What fixes the rate."""

    @override
    def rate(self, temperature: Reals, device: DeviceDeck) -> Reals:
        share = math.log(2) / math.log(device.g_max / max(device.g_min, 1e-6 * device.g_max))
        speed = acceleration(
            temperature, activation_energy=self.activation_energy, reference_temperature=self.anchor.temperature
        )
        return np.asarray(speed * ((-math.log1p(-share)) ** (1 / self.exponent) / self.anchor.time))

    @override
    def conductance(self, conductance: Reals, reduced_time: Reals, device: DeviceDeck) -> Reals:
        share = avrami_share(reduced_time, exponent=self.exponent)
        if float(share.max()) < np.finfo(conductance.dtype).eps:  # cold cells: nothing that the precision shows
            return conductance
        return mixed_conductance(conductance, device.g_max, share)
