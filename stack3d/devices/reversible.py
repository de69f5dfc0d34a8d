"""Reversible dependence of conductance on temperature."""

from __future__ import annotations

from typing import override

import numpy as np

from stack3d.constants import BOLTZMANN
from stack3d.devices.laws import TEMPERATURE_DEPENDENCE, Reals, TemperatureDependence
from stack3d.schema.base import ActivationEnergy, Fraction, InverseTemperature, Number
from stack3d.schema.device import DeviceDeck


def semiconducting(temperature: Reals, reference: Reals, activation_energy: Reals | float) -> Reals:
    """exp[-(E_c/k_B)(1/T - 1/T_p)] for `activation_energy` [eV] and temperatures [K]. [-]"""
    inverse = 1 / np.asarray(temperature) - 1 / np.asarray(reference)
    if isinstance(activation_energy, np.ndarray):
        inverse = inverse.astype(activation_energy.dtype)
    return np.asarray(np.exp(inverse * (-1 / BOLTZMANN) * activation_energy))


def metallic(temperature: Reals, reference: Reals, coefficient: float) -> Reals:
    """1/[1 + α(T - T_p)] for `coefficient` α [K⁻¹] and temperatures [K]. [-]"""
    return np.asarray(1 / (1 + coefficient * (np.asarray(temperature) - np.asarray(reference))))


@TEMPERATURE_DEPENDENCE.register("state_mix")
class StateMix(TemperatureDependence):
    """Semiconducting with E_c0 (1-u)^m below u_x, metallic with α above it; E_c spreads over cells."""

    reference = "definition: Arrhenius conduction below a level, a metallic coefficient above it"

    activation_energy: ActivationEnergy
    """E_c0, of an empty cell."""
    activation_energy_sd: ActivationEnergy
    """Spread of E_c over cells."""
    level_exponent: Number = 1.0
    """m."""
    crossover: Fraction = 1.0
    """u_x; 1 = semiconducting throughout."""
    crossover_width: Fraction = 0.0
    """Distance from u_x over which one form passes into the other; at 0 neighbouring levels jump past each other."""
    temperature_coefficient: InverseTemperature = 0.0
    """α of the metallic part."""

    @override
    def factor(self, level: Reals, temperature: Reals, reference: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        energy = np.maximum(1 - level, 0)
        if self.level_exponent != 1:
            energy **= self.level_exponent
        energy *= self.activation_energy
        if self.activation_energy_sd:
            energy += draw * self.activation_energy_sd
        if self.crossover == 1:
            return semiconducting(temperature, reference, energy)
        # the logarithms of the two forms are mixed
        log_factor = ((1 / reference - 1 / temperature) / BOLTZMANN).astype(level.dtype) * energy
        log_metal = np.log(metallic(temperature, reference, self.temperature_coefficient)).astype(level.dtype)
        half = max(self.crossover_width, 1e-6)
        share = np.clip((level - (self.crossover - half)) / (2 * half), 0, 1)
        log_factor += share * (log_metal - log_factor)
        return np.exp(log_factor, out=log_factor)
