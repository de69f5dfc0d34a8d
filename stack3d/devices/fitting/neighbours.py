"""How likely maps of stuck cells, and rises of heated ones, are under a law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from stack3d.devices.fitting.likelihood import Likelihood
from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.quality import Quality, beside_known
from stack3d.devices.laws import FaultLaw, SelfHeatingLaw
from stack3d.devices.state import HEALTHY, STUCK_HIGH, STUCK_LOW
from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

DISTANCES = (1, 2, 4)
"""Cells apart of the pairs that are counted along rows and along columns."""
BLOCK = 16
"""Cells along a side of the parts of a map whose scatter tells at first how well a count is known."""
MADE, FEWEST_MADE, MOST_CELLS = 400, 60, 20_000_000
"""Maps of the fitted law whose scatter tells it then; fewer, where they would hold more cells than that."""
LARGEST = 1024
"""Cells along a side of a made map, and arrays in it times that: counts of a larger one scatter like theirs."""
NEAR_ZERO = 0.375
"""Added to a count, whose root then scatters alike whatever was expected (F. J. Anscombe, Biometrika 35 (1948) 246)."""


class StuckMaps(Likelihood):
    """Maps of stuck cells, a line per cell; `cell` names the array.

    Faults and how they cluster are told by counts: of stuck cells, and of pairs one, two and four apart that are stuck alike.
    Roots of counts are taken as normal. At first they are known as well as their scatter over blocks of the maps says, then as
    well as that over maps made by the law that was fitted: runs are few, and data that hold fewer scatter less.
    """

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        c = table.columns
        row, column = c["row"].astype(int), c["column"].astype(int)
        names, array = np.unique(table.cell or ("",) * table.rows, return_inverse=True)
        rows, columns = int(row.max()) + 1, int(column.max()) + 1
        kind = c["stuck"].astype(np.int8)
        if table.rows != len(names) * rows * columns or min(rows, columns) < BLOCK:
            text = (
                f"holds {table.rows} cells; a map of {len(names)} x {rows} x {columns} holds each once, {BLOCK} wide at least"
            )
            raise DeckError(Problem("", text, str(table.path)))
        maps = np.zeros((len(names), rows, columns), np.int8)
        maps[array, row, column] = kind
        rows, columns = rows // BLOCK * BLOCK, columns // BLOCK * BLOCK
        fields = self._fields(maps)[..., :rows, :columns]
        blocks = fields.reshape(fields.shape[0], len(names), rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).sum((3, 5))
        blocks = blocks.reshape(fields.shape[0], -1)
        self.pairs = np.array([maps.size, maps.size, *(self._places(maps.shape, d, a) for d in DISTANCES for a in (1, 2))])
        self.counts = self._fields(maps).sum((1, 2, 3))
        covariance = np.cov(blocks) * (maps.size / BLOCK**2) + np.diag(np.maximum(self.counts * 0.1, 1.0))
        self._know(covariance / (4 * np.sqrt(np.outer(*(np.maximum(self.counts, 1.0),) * 2))))
        self.shape, self.observations, self.nuisance, self.device = maps.shape, table.rows, {}, device

    def _know(self, covariance: Floats) -> None:
        """Take the roots of the counts as known with this covariance."""
        lower = np.linalg.cholesky(covariance)
        self.root, self.log_scale = np.linalg.inv(lower), float(np.sum(np.log(np.diag(lower))))

    @override
    def weighed_by(self, laws: Sequence[FaultLaw]) -> StuckMaps:
        """The same counts, known as well as the scatter over maps made by laws that the data allow says."""
        arrays, rows, columns = self.shape
        side = (min(rows, LARGEST), min(columns, LARGEST))
        shape = (max(min(arrays, LARGEST**2 // (side[0] * side[1])), 1), *side)
        each = max(min(MADE, MOST_CELLS // math.prod(shape)), FEWEST_MADE) // len(laws)
        rng, away = np.random.default_rng(0), []
        for law in laws:
            made = np.array([self._fields(law.stuck(rng, shape)).sum((1, 2, 3)) for _ in range(each)])
            away.append(np.sqrt(made + NEAR_ZERO))
            away[-1] -= away[-1].mean(0)
        scatter = np.concatenate(away)
        known = copy(self)
        known._know(scatter.T @ scatter / (len(scatter) - len(laws)) + 1e-3 * np.eye(self.counts.size))
        return known

    @staticmethod
    def _places(shape: tuple[int, ...], distance: int, axis: int) -> int:
        """Pairs so far apart in maps of this shape."""
        return int(np.prod(shape)) // shape[axis] * (shape[axis] - distance)

    @staticmethod
    def _fields(maps: NDArray[np.int8]) -> Floats:
        """1 where a cell is stuck low, high, or like the cell so far behind it along its column or row; counts come first."""
        found = [maps == STUCK_LOW, maps == STUCK_HIGH]
        for d in DISTANCES:
            for axis in (1, 2):
                field = np.zeros(maps.shape, bool)
                near, far = (np.moveaxis(maps, axis, 0)[part] for part in (slice(None, -d), slice(d, None)))
                np.moveaxis(field, axis, 0)[d:] = (near == far) & (near != HEALTHY)
                found.append(field)
        return np.stack(found).astype(np.float64)

    def _residuals(self, law: FaultLaw) -> Floats:
        """Roots of counts less those expected, in standard deviations along independent axes."""
        expected = np.array([*law.shares(), *(share for d in DISTANCES for share in law.alike(d))]) * self.pairs
        return np.asarray(self.root @ (np.sqrt(self.counts + NEAR_ZERO) - np.sqrt(expected + NEAR_ZERO)))

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        e = self._residuals(law)
        return -0.5 * float(e @ e) - self.log_scale

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        e = self._residuals(law)
        return np.arange(1.0, e.size + 1), e, "combination of counts", "residual / standard deviation"

    @override
    def judged(self, law: Any, noise: Sequence[float], values: float) -> Quality | None:
        return beside_known(self._residuals(law), values, "counts")


class Rises(Likelihood):
    """Rises of cells by the power of one; `layer`, `row` and `column` say how far away it is (absent = the cell itself)."""

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        c, self.device = table.columns, device
        self.power, self.rise = c["power"], c["rise"]
        self.pulse = c.get("time")
        away = [np.abs(c.get(k, np.zeros(table.rows))).astype(int) for k in ("layer", "row", "column")]
        if max(int(a.max()) for a in away) > 1:
            raise DeckError(
                Problem("", "laws of self-heating reach the nearest cells: layer, row and column are 0 or 1", str(table.path))
            )
        if self.pulse is not None and not (self.pulse > 0).all():
            raise DeckError(Problem("", "column time holds zero: a pulse of no length warms nothing", str(table.path)))
        self.place = tuple(1 + a for a in away)
        self.observations, self.nuisance = table.rows, {"scatter": 0.05}

    def _residuals(self, law: SelfHeatingLaw) -> Floats:
        """Logarithm of the seen rises over those of the law."""
        unit = np.zeros((3, 3, 3))
        unit[1, 1, 1] = 1.0
        expected = law.rise(unit, self.device)[self.place] * self.power
        if self.pulse is not None:
            expected = expected * np.array([law.reached(float(t)) for t in self.pulse])
        return np.asarray(np.log(self.rise / np.maximum(expected, 1e-300)))

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        e = self._residuals(law) / noise[0]
        total = -0.5 * float(e @ e) - e.size * math.log(noise[0])
        return total if math.isfinite(total) else -math.inf

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        return self.power * 1e6, self._residuals(law) / noise[0], "power [uW]", "residual / scatter"
