"""Current-voltage laws of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError
from stack3d.mvm.array_library import in_place


@dataclass(frozen=True)
class SinhCell:
    r"""A cell whose current grows faster than its voltage.

    Parameters
    ----------
    voltage_scale : float
        :math:`V_0`. [V]

    Notes
    -----
    :math:`I = G V_0 \sinh(V / V_0)`, where G is the conductance at small voltage.
    Without wires the law is the same for all cells of a row, so it acts as a fixed distortion of the drive.

    Raises
    ------
    DeckError
        A scale that is not above zero.
    """

    voltage_scale: float

    def __post_init__(self) -> None:
        if not self.voltage_scale > 0.0:
            raise DeckError(f"cell voltage_scale is {self.voltage_scale} V; must be above zero")

    def drive(self, xp: Any, u: Any, read_voltage: float) -> Any:
        """Return the ohmic drive of equal current for a drive `u` in parts of `read_voltage` [V]."""
        ratio = read_voltage / self.voltage_scale
        driven = u * ratio
        driven = xp.sinh(driven, **in_place(xp, driven))  # new memory costs more than the law
        driven *= 1.0 / ratio
        return driven

    def ohmic_error(self, voltage: float) -> float:
        """Return what treating the cell as ohmic loses of its current at a voltage [V], without wires. [-]"""
        ratio = abs(voltage) / self.voltage_scale
        return float(1.0 - ratio / np.sinh(ratio)) if ratio else 0.0

    def current(self, voltage: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the current per small-signal conductance at a voltage [V]. [V]"""
        return self.voltage_scale * np.sinh(voltage / self.voltage_scale)

    def slope(self, voltage: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the differential conductance over that at small voltage, at a voltage [V]. [-]"""
        return np.cosh(voltage / self.voltage_scale)
