"""One thermal state of a chip: what heats it, what keeps it accurate, how hot its tiles are, and what it has to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stack3d.chip import ComputingChip
from stack3d.layout import Floats, Rectangle
from stack3d.thermal import ThermalSolution
from stack3d.workload import TileActivity

LEAKAGE_TOLERANCE = 1e-3
"""Change of the hottest tile between two leakage iterations at which they end. [K]"""
LEAKAGE_ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class Upkeep:
    """Work beside inferences: reads that calibrate corrections or train a layer, counted; in all, or per second.

    Parameters
    ----------
    reads : ndarray, shape (tiles,)
        Of each tile, in inferences.
    passes : float
        Of the digital layers, in inferences.
    macs : float
        Further digital multiply-accumulates.
    """

    reads: Floats
    passes: float = 0.0
    macs: float = 0.0

    def plus(self, other: Upkeep, times: float = 1.0) -> Upkeep:
        """Return this and `times` the other."""
        reads = self.reads + times * other.reads
        return Upkeep(reads, self.passes + times * other.passes, self.macs + times * other.macs)

    def per_second(self, before: Upkeep, seconds: float) -> Upkeep:
        """What has been added since `before`, over so many seconds."""
        added = self.plus(before, -1.0)
        return Upkeep(added.reads / seconds, added.passes / seconds, added.macs / seconds)

    def is_close(self, other: Upkeep) -> bool:
        """Whether it is the same but for rounding."""
        return bool(
            np.allclose(self.reads, other.reads, rtol=1e-12, atol=0.0)
            and np.allclose([self.passes, self.macs], [other.passes, other.macs], rtol=1e-12, atol=0.0)
        )


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
    is_once : bool
        Whether one pass is enough, however hot it gets and whatever leakage would then be.
    """

    tolerance: float = LEAKAGE_TOLERANCE
    iterations: int = LEAKAGE_ITERATIONS
    hottest: float | None = None
    idle_leakage: float = 1.0
    is_once: bool = False


def tile_boxes(chip: ComputingChip, subgrid: tuple[int, int]) -> list[tuple[str, list[Rectangle]]]:
    """Layer and nx by ny equal boxes of every tile, row after row."""
    nx, ny = subgrid
    out = []
    for layer, box in chip.computer.places:
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        out.append((layer, [Rectangle(xs[a], xs[a + 1], ys[b], ys[b + 1]) for b in range(ny) for a in range(nx)]))
    return out


def tile_field(chip: ComputingChip, solution: ThermalSolution, subgrid: tuple[int, int]) -> Floats:
    """Mean temperature of nx by ny equal boxes of every tile, shape (tiles, ny, nx). [K]"""
    parts = tile_boxes(chip, subgrid)
    out = np.empty((len(parts), *subgrid[::-1]))
    for layer in {name for name, _ in parts}:
        mine = [i for i, (name, _) in enumerate(parts) if name == layer]
        boxes = [box for i in mine for box in parts[i][1]]
        out[mine] = solution.field.box_means(layer, boxes).reshape(len(mine), *subgrid[::-1])
    return out


def periphery_means(chip: ComputingChip, solution: ThermalSolution) -> Floats:
    """Mean temperature where each tile leaks, shape (tiles,). [K]"""
    homes = chip.homes("leakage")
    out = np.empty(len(homes))
    for layer in {name for name, _ in homes}:
        mine = [i for i, (name, _) in enumerate(homes) if name == layer]
        out[mine] = solution.field.box_means(layer, [homes[i][1] for i in mine])
    return out
