"""Laws given as tables of mean and standard deviation per level, typically from a CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self, override

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Field, model_validator

from stack3d.devices.laws import PROGRAMMING, READ_NOISE, RELAXATION, ProgrammingLaw, ReadNoiseLaw, Reals
from stack3d.devices.relaxation import ActivatedRelaxation
from stack3d.schema.base import Conductance, DeckModel, Time, bare
from stack3d.schema.device import DeviceDeck

Conductances = Annotated[tuple[Conductance, ...], BeforeValidator(bare), Field(min_length=2)]
Times = Annotated[tuple[Time, ...], BeforeValidator(bare), Field(min_length=2)]


@dataclass(frozen=True)
class RowPlace:
    """Where cells lie among the rows of a table; searched once for all columns."""

    row: NDArray[np.intp]
    share: Reals

    @classmethod
    def of(cls, target: Reals, rows: ArrayLike) -> RowPlace:
        """Place of `target` among rising `rows`; beyond the first and the last it is held."""
        nodes = np.asarray(rows, target.dtype)
        row = np.searchsorted(nodes[1:-1], target, side="right")
        share = (target - nodes[row]) / np.diff(nodes)[row]
        return cls(row, np.clip(share, 0, 1, out=share))

    def between(self, column: ArrayLike) -> Reals:
        """Linear interpolation of a column."""
        values = np.asarray(column, self.share.dtype)
        result: Reals = np.diff(values)[self.row]
        result *= self.share
        result += values[self.row]
        return result


class LevelTable(DeckModel):
    """Columns over target conductance, rising; linear between its rows, held beyond them."""

    target: Conductances
    mean: Conductances | None = None
    """Mean conductance; absent = the target."""
    sd: Conductances

    @model_validator(mode="after")
    def _rows(self) -> Self:
        if any(len(c) != len(self.target) for c in (self.mean or self.target, self.sd)):
            raise ValueError("columns of a table have the same number of rows")
        if any(a >= b for a, b in zip(self.target, self.target[1:])):
            raise ValueError("rows come in order of rising target")
        return self

    def at(self, target: Reals) -> tuple[Reals, Reals]:
        """Shift of the mean and standard deviation at `target`, in its precision. [S]"""
        place = RowPlace.of(target, self.target)
        return place.between(self.shift), place.between(self.sd)

    @property
    def shift(self) -> NDArray[np.float64]:
        """Mean less target of every row. [S]"""
        return np.subtract(self.mean or self.target, self.target)


class LevelTimeTable(DeckModel):
    """Columns over time and target conductance: every target at every time, times in order."""

    time: Times
    target: Conductances
    mean: Conductances | None = None
    sd: Conductances

    @model_validator(mode="after")
    def _grid(self) -> Self:
        self.rows  # noqa: B018  its errors belong to the deck
        return self

    @cached_property
    def rows(self) -> tuple[tuple[float, LevelTable], ...]:
        """One table per time."""
        columns = (self.time, self.target, self.mean or self.target, self.sd)
        if len({len(c) for c in columns}) > 1:
            raise ValueError("columns of a table have the same number of rows")
        times = sorted(set(self.time))
        rows = []
        for time in times:
            part = [row for row in zip(*columns) if row[0] == time]
            _, target, mean, sd = zip(*part)
            rows.append((time, LevelTable.model_construct(target=target, mean=mean, sd=sd)))
        if any(row.target != rows[0][1].target for _, row in rows) or list(self.time) != sorted(self.time):
            raise ValueError("a table over time holds the same targets at every time, and its times in order")
        return tuple(rows)


@PROGRAMMING.register("level_table")
class ProgrammingTable(ProgrammingLaw):
    """Mean and standard deviation per level."""

    reference = "definition"

    table: LevelTable
    """Columns, or the name of a CSV file beside the deck."""

    @override
    def error(self, target: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        return self.table.at(target)


@RELAXATION.register("level_table")
class RelaxationTable(ActivatedRelaxation):
    """Mean and standard deviation per level at a few times, linear in time between them, held after the last."""

    reference = "definition"

    conventions: ClassVar[Mapping[str, Any]] = {"first_row_is_programming": False}
    table: LevelTimeTable
    """Columns, or the name of a CSV file beside the deck."""
    first_row_is_programming: bool = True
    """The rows hold the total error and the programming law the first of them; only the rest is added here."""

    @override
    def shift(self, target: Reals, time: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        rows = self.table.rows
        nodes = [t for t, _ in rows]
        place = RowPlace.of(target, self.table.target[: len(self.table.target) // len(rows)])
        mean, sd = np.zeros((2, *np.broadcast_shapes(target.shape, time.shape)), target.dtype)
        for (_, row), unit in zip(rows, np.eye(len(rows))):
            weight = np.asarray(np.interp(time, nodes, unit), target.dtype)
            if weight.any():
                mean += place.between(row.shift) * weight
                sd += place.between(row.sd) * weight
        if self.first_row_is_programming:
            mean -= place.between(rows[0][1].shift)
            sd *= sd
            sd -= np.square(place.between(rows[0][1].sd))
            np.sqrt(np.maximum(sd, 0, out=sd), out=sd)
        return mean, sd


@READ_NOISE.register("level_table")
class ReadNoiseTable(ReadNoiseLaw):
    """Standard deviation per level."""

    reference = "definition"

    table: LevelTable
    """Columns, or the name of a CSV file beside the deck."""

    @override
    def sd(self, conductance: Reals, programmed: Reals, age: Reals, device: DeviceDeck) -> Reals:
        return RowPlace.of(conductance, self.table.target).between(self.table.sd)
