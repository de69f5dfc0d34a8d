"""Cells stuck from the start: independent, and in clusters along columns and rows."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, override

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stack3d.devices.laws import FAULTS, FaultLaw
from stack3d.devices.state import HEALTHY, STUCK_HIGH, STUCK_LOW
from stack3d.schema.base import DeckModel, Fraction, Number


class _Faults(FaultLaw):
    high_resistance: Fraction
    """Share of cells stuck at g_min."""
    low_resistance: Fraction
    """Share of cells stuck at g_max."""

    @model_validator(mode="after")
    def _shares(self) -> _Faults:
        if self.high_resistance + self.low_resistance > 1:
            raise ValueError("high_resistance and low_resistance add up to more than 1")
        return self

    @override
    def shares(self) -> tuple[float, float]:
        return self.high_resistance, self.low_resistance

    @override
    def alike(self, distance: int) -> tuple[float, float]:
        by_chance = sum(p * p for p in self.shares())
        return by_chance, by_chance

    def _kinds(self, rng: np.random.Generator, count: int) -> NDArray[np.int8]:
        """Kind of each of `count` faults."""
        total = self.low_resistance + self.high_resistance
        return np.where(rng.random(count) * total < self.low_resistance, STUCK_HIGH, STUCK_LOW).astype(np.int8)


@FAULTS.register("independent")
class Independent(_Faults):
    """Every cell for itself."""

    reference = "definition"

    @override
    def stuck(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
        stuck = np.zeros(shape, np.int8)
        # one binomial and the places of the few faults, in place of one uniform per cell
        count = int(rng.binomial(stuck.size, self.high_resistance + self.low_resistance))
        if count:
            places = rng.choice(stuck.size, count, replace=False, shuffle=False)
            stuck.reshape(-1)[places] = self._kinds(rng, count)
        return stuck


@FAULTS.register("column_clusters")
class ColumnClusters(_Faults):
    """Runs of neighbouring cells of one column (second-last axis), all stuck alike, with geometric lengths."""

    reference = "definition"

    mean_length: Annotated[Number, Field(ge=1)]
    """Mean cells of a run, cut at the end of the column."""

    @override
    def alike(self, distance: int) -> tuple[float, float]:
        # runs are rare and short against their column
        down, across = super().alike(distance)
        return down + sum(self.shares()) * (1 - 1 / self.mean_length) ** distance, across

    @override
    def stuck(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
        rows, columns = shape[-2:] if len(shape) > 1 else (shape[-1], 1)
        stuck = np.zeros((math.prod(shape[:-2]), rows, columns), np.int8)
        # a row is hit when any run starts in the cells above it: choose the start rate that gives the asked share
        stay = 1 - 1 / self.mean_length
        share = self.high_resistance + self.low_resistance
        start = _start_rate(share, stay, rows)
        starts = np.argwhere(rng.random(stuck.shape) < start)
        lengths = rng.geometric(1 / self.mean_length, len(starts))
        for (array, row, column), length, kind in zip(starts, lengths, self._kinds(rng, len(starts))):
            run = stuck[array, row : row + length, column]
            run[run == HEALTHY] = kind
        return stuck.reshape(shape)


class Cluster(DeckModel):
    """Faults that come in runs along a line."""

    share: Fraction
    """Of all cells."""
    mean_length: Annotated[Number, Field(ge=1)]
    """Mean cells of a run, cut at the end of the line."""
    low_resistance: Fraction
    """Share of the runs that are stuck at g_max; the rest at g_min."""


@FAULTS.register("clusters")
class Clusters(_Faults):
    """Independent cells, and runs along rows and along columns; where they meet, single cells and then columns win."""

    reference = "definition"

    also_fitted: ClassVar[tuple[str, ...]] = ("rows", "columns")
    rows: Cluster | None = None
    """Runs along rows (last axis), as of a broken word line; absent = none."""
    columns: Cluster | None = None
    """Runs along columns (second-last axis), as of a broken bit line; absent = none."""

    @override
    def shares(self) -> tuple[float, float]:
        low, high = super().shares()
        for cluster in (self.rows, self.columns):
            if cluster is not None:
                low, high = low + cluster.share * (1 - cluster.low_resistance), high + cluster.share * cluster.low_resistance
        return low, high

    @override
    def alike(self, distance: int) -> tuple[float, float]:
        by_chance, _ = super().alike(distance)
        runs = [c.share * (1 - 1 / c.mean_length) ** distance if c is not None else 0.0 for c in (self.columns, self.rows)]
        return by_chance + runs[0], by_chance + runs[1]

    @override
    def stuck(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
        flat = shape if len(shape) > 1 else (*shape, 1)
        stuck = Independent(high_resistance=self.high_resistance, low_resistance=self.low_resistance).stuck(rng, flat)
        for cluster, turned in ((self.columns, False), (self.rows, True)):
            if cluster is None:
                continue
            runs = ColumnClusters(
                high_resistance=cluster.share * (1 - cluster.low_resistance),
                low_resistance=cluster.share * cluster.low_resistance,
                mean_length=cluster.mean_length,
            )
            placed = runs.stuck(rng, (*flat[:-2], *flat[:-3:-1]) if turned else flat)
            placed = np.swapaxes(placed, -1, -2) if turned else placed
            stuck = np.where(stuck == HEALTHY, placed, stuck)
        return stuck.reshape(shape)


def _start_rate(share: float, stay: float, rows: int) -> float:
    """Probability per cell that a run starts, so that the mean share of covered cells over `rows` is `share`."""
    from scipy.optimize import brentq

    if share in (0.0, 1.0):
        return share
    reach = stay ** np.arange(rows)

    def excess(start: float) -> float:
        return float(np.mean(1 - np.cumprod(1 - start * reach))) - share

    return float(brentq(excess, 0.0, 1.0, xtol=1e-15))
