"""Self-heating of a cell and crosstalk to its neighbours."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, override

import numpy as np

from stack3d.devices.laws import SELF_HEATING, Reals, SelfHeatingLaw
from stack3d.errors import DeckError, Problem
from stack3d.schema.base import Conductivity, Duration, Fraction, ThermalResistance, Thickness
from stack3d.schema.device import DeviceDeck


def area_thermal_resistance(thickness: float, conductivity: float, cell_size: float) -> float:
    """One-dimensional thermal resistance t/(k d²) of a cell that heats in its whole area.

    Parameters
    ----------
    thickness, conductivity, cell_size : float
        Of the switching layer. [m], [W m⁻¹ K⁻¹], [m]

    Returns
    -------
    float
        [K W⁻¹]
    """
    return thickness / (conductivity * cell_size**2)


def neighbour_rise(power: Reals, resistance: float, *, in_plane: float, next_layer: float, diagonal: float) -> Reals:
    """Temperature rise of cells by their own and their neighbours' power.

    Parameters
    ----------
    power : ndarray, shape (..., layer, row, column)
        Power of each cell. [W]
    resistance : float
        Rise of a cell per watt of its own. [K W⁻¹]
    in_plane, next_layer, diagonal : float
        Share of that rise seen by the four nearest cells of the layer, by the cell right above or below, and by
        the four diagonal cells of the layer. [-]

    Returns
    -------
    ndarray
        Rise over the tier, of the shape of `power`. [K]
    """
    rise = power.copy()
    beside = np.zeros_like(power)  # what lies above and below in the layer
    beside[..., 1:, :] += power[..., :-1, :]
    beside[..., :-1, :] += power[..., 1:, :]
    for source, share in ((power, in_plane), (beside, diagonal)):
        if share:
            scaled = share * source
            rise[..., 1:] += scaled[..., :-1]
            rise[..., :-1] += scaled[..., 1:]
    beside *= in_plane
    rise += beside
    if power.ndim > 2 and power.shape[-3] > 1:
        rise[..., 1:, :, :] += next_layer * power[..., :-1, :, :]
        rise[..., :-1, :, :] += next_layer * power[..., 1:, :, :]
    rise *= resistance
    return rise


class _Neighbours(SelfHeatingLaw):
    also_fitted: ClassVar[tuple[str, ...]] = ("time_constant",)
    in_plane: Fraction
    """Share of it seen by the four nearest cells of the layer."""
    next_layer: Fraction
    """Share of it seen by the cells right above and below, of layers that are read together; a life reads one at a time."""
    diagonal: Fraction
    """Share of it seen by the four diagonal cells of the layer."""
    time_constant: Duration | None = None
    """Time after which a pulse has reached 1 - 1/e of its rise; absent = the rise is there at once."""

    @abstractmethod
    def _resistance(self, device: DeviceDeck) -> float:
        """Rise of a cell per watt of its own. [K W⁻¹]"""

    @override
    def reached(self, pulse: float) -> float:
        return 1.0 if self.time_constant is None else -math.expm1(-pulse / self.time_constant)

    @override
    def beside(self) -> float:
        return self.in_plane

    @override
    def rise(self, power: Reals, device: DeviceDeck) -> Reals:
        return neighbour_rise(
            power, self._resistance(device), in_plane=self.in_plane, next_layer=self.next_layer, diagonal=self.diagonal
        )


@SELF_HEATING.register("nearest_neighbours")
class NearestNeighbours(_Neighbours):
    """Thermal resistance of a cell, and the shares of its rise that its neighbours see."""

    reference = "definition"

    thermal_resistance: ThermalResistance
    """Rise of a cell per watt of its own."""

    @override
    def _resistance(self, device: DeviceDeck) -> float:
        return self.thermal_resistance


@SELF_HEATING.register("area")
class AreaHeating(_Neighbours):
    """A cell that heats in its whole area; the deck gives its size."""

    reference = "definition: t/(k d²) of the switching layer"

    thickness: Thickness
    """Of the switching layer."""
    conductivity: Conductivity
    """Of the switching layer."""

    @override
    def _resistance(self, device: DeviceDeck) -> float:
        if device.cell_size is None:
            text = "is missing in the device deck, and self-heating over the area of a cell needs it"
            raise DeckError(Problem("cell_size", text))
        return area_thermal_resistance(self.thickness, self.conductivity, device.cell_size)
