"""One thermal state of a chip, and what it has to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stack3d.heat.upkeep import Upkeep
from stack3d.layout import Floats
from stack3d.thermal.backend import ThermalSolution
from stack3d.workload.power import TileActivity

LEAKAGE_TOLERANCE = 1e-3
"""Change of the hottest tile between two leakage iterations at which they end. [K]"""
LEAKAGE_ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class Heat:
    """One thermal state of the chip.

    Parameters
    ----------
    solution : ThermalSolution
    field : ndarray, shape (tiles, ny, nx)
        Mean temperature of equal boxes of each tile. [K]
    powers : mapping of str to ndarray, shape (tiles,)
        Mean power by component, leakage and writes included. [W]
    rate : float
        Mean inferences per second, below what was asked for when throttled. [1/s]
    iterations : int
        Of the fixed point of temperature, leakage and conductance.
    change : float
        Of any box in the last iteration. [K]
    activities : tuple of TileActivity
        What each tile does per inference, with what its cells conduct.
    upkeep : Upkeep or None
        Reads that calibrate and train, per second; None = none.
    """

    solution: ThermalSolution
    field: Floats
    powers: Mapping[str, Floats]
    rate: float
    iterations: int
    change: float
    activities: tuple[TileActivity, ...]
    upkeep: Upkeep | None = None

    @property
    def tile_temperature(self) -> Floats:
        """Mean of each tile, shape (tiles,). [K]"""
        return np.asarray(self.field.mean(axis=(1, 2)))

    @property
    def tile_power(self) -> Floats:
        """Power of each tile with its converters and leakage. [W]"""
        return np.asarray(sum(self.powers.values()))


@dataclass(frozen=True)
class Limits:
    """What a thermal fixed point has to keep.

    Parameters
    ----------
    tolerance : float
        Change of the last iteration. [K]
    iterations : int
    hottest : float or None
        Throttle the rate so that no box of a tile is hotter. [K]
    idle_leakage : float
        Share of the leakage that stays while a tile is idle; 1 = no power gating. [-]
    """

    tolerance: float = LEAKAGE_TOLERANCE
    iterations: int = LEAKAGE_ITERATIONS
    hottest: float | None = None
    idle_leakage: float = 1.0
