"""Cells that move towards an equilibrium of their own over a distribution of barriers: relaxation, and loss when hot."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Self, override

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BeforeValidator, Field, model_validator

from stack3d.constants import BOLTZMANN
from stack3d.devices.laws import RELAXATION, RETENTION, Reals, RelaxationLaw, RetentionLaw
from stack3d.devices.levels import Factor
from stack3d.devices.retention import relax_towards
from stack3d.devices.tables import Conductances, RowPlace
from stack3d.schema.base import (
    ActivationEnergy,
    Conductance,
    ConductanceChange,
    DeckModel,
    Duration,
    Fraction,
    Number,
    Positive,
    Rate,
    bare,
)
from stack3d.schema.device import DeviceDeck

ATTEMPTS = 1e13
"""[s⁻¹] Attempts over a barrier: the order of a phonon's frequency."""

Changes = Annotated[tuple[ConductanceChange, ...], BeforeValidator(bare), Field(min_length=2)]
Energies = Annotated[tuple[ActivationEnergy, ...], BeforeValidator(bare), Field(min_length=2)]
Factors = Annotated[tuple[Factor, ...], BeforeValidator(bare), Field(min_length=2)]
Fractions = Annotated[tuple[Fraction, ...], BeforeValidator(bare), Field(min_length=2)]


# ------------------------------------------------------------------------------------------------ pure functions
def escape_rate(temperature: Reals, barrier: Reals | float, *, attempts: float = ATTEMPTS) -> Reals:
    r"""Rate at which a cell leaves over its barrier.

    Parameters
    ----------
    temperature : ndarray
        [K]
    barrier : ndarray or float
        Broadcast against `temperature`. [eV]
    attempts : float
        ν. [s⁻¹]

    Returns
    -------
    ndarray
        :math:`\nu e^{-E/k_BT}`. [s⁻¹]
    """
    return np.asarray(attempts * np.exp(barrier * (-1 / (BOLTZMANN * temperature))))


def reach(temperature: ArrayLike, time: ArrayLike, *, attempts: float = ATTEMPTS) -> Reals:
    """Barrier that cells kept for `time` [s] at `temperature` [K] have just crossed: k_B T ln(ν t). [eV]"""
    return np.asarray(BOLTZMANN * np.asarray(temperature) * np.log(attempts * np.asarray(time)))


def two_populations(draw: Reals, edge: Reals, *, fast: float, fast_sd: float, slow: Reals, slow_sd: float) -> Reals:
    r"""Barriers of a fast and a slow population.

    Parameters
    ----------
    draw : ndarray
        Standard normal, one per cell, any shape. [-]
    edge : ndarray, broadcast against `draw`
        Cells whose draw lies below are fast: :math:`\Phi^{-1}` of the share of fast cells. [-]
    fast, fast_sd : float
        Highest barrier of the fast cells, and its change per unit of the draw. [eV]
    slow : ndarray, broadcast against `draw`
        Lowest barrier of the slow cells. [eV]
    slow_sd : float
        Its change per unit of the draw. [eV]

    Returns
    -------
    ndarray
        :math:`E_f + s_f(y - y_e)` below the edge, :math:`E_s + s_s(y - y_e)` above it. [eV]
    """
    beyond = draw - edge
    return np.where(beyond < 0, fast + fast_sd * beyond, slow + slow_sd * beyond).astype(draw.dtype)


def skewed(draw: Reals, skew: Reals) -> Reals:
    r"""Tukey's g transformation :math:`(e^{gz} - 1)/g` of standard normal draws, z where g is 0; fast growth one way. [-]"""
    small = np.abs(skew) < 1e-4
    g = np.where(small, skew.dtype.type(1), skew)
    return np.where(small, draw, np.expm1(g * draw) / g)


def moved_share(reduced_time: Reals, shape: float, dtype: np.dtype[np.floating]) -> Reals:
    r"""Share of its way that a cell has moved, :math:`1 - e^{-x^\beta}`, in `dtype`. [-]"""
    x = np.asarray(reduced_time, dtype)
    if shape != 1:
        with np.errstate(over="ignore"):  # beyond the largest number nothing is left to move
            x = np.power(x, dtype.type(shape))
    return np.asarray(-np.expm1(-x))


# ---------------------------------------------------------------------------------------------------------- laws
class EquilibriumTable(DeckModel):
    """What cells of each level move towards; linear between rows, held beyond them."""

    level: Conductances
    """Target conductance, rising."""
    displacement: Changes
    """Way of the middle cell to its equilibrium; negative = down."""
    displacement_sd: Conductances
    """Spread of the way over cells."""
    skew: Factors
    """g of the way: above 0 the long tail goes up."""
    core_sd: Conductances
    """Spread at once, before any barrier is crossed."""
    barrier: Energies
    """Lowest barrier of the slow cells."""
    fast_share: Fractions | None = None
    """Share of fast cells; absent = none."""

    @model_validator(mode="after")
    def _rows(self) -> Self:
        columns = [self.displacement, self.displacement_sd, self.skew, self.core_sd, self.barrier, self.fast_share]
        if any(c is not None and len(c) != len(self.level) for c in columns):
            raise ValueError("columns of a table have the same number of rows")
        if any(a >= b for a, b in zip(self.level, self.level[1:])):
            raise ValueError("rows come in order of rising level")
        if self.fast_share is not None and not all(0 < share < 1 for share in self.fast_share):
            raise ValueError("fast_share lies between 0 and 1, both excluded")
        return self

    @cached_property
    def edge(self) -> Reals:
        """Draw below which a cell is fast, by row; 0 without fast cells, so that `barrier` is the median. [-]"""
        from scipy.special import ndtri

        return np.zeros(len(self.level)) if self.fast_share is None else np.asarray(ndtri(self.fast_share))


@RELAXATION.register("own_equilibrium")
class OwnEquilibrium(RelaxationLaw):
    """Every cell moves to an equilibrium of its own, up or down, in first order over a barrier of its own.

    ΔG = D_i (1 - exp[-x_i^β]) + core, x_i = ∫ν exp(-E_i/k_BT) dt. D_i is skewed over cells; barriers form a fast and a slow
    population, so that a narrow core has heavy tails until all have moved. A β below 1 spreads barriers within each cell too:
    cells then move together, and their whole distribution widens by one factor. For one temperature the moved share follows
    k_B T ln(νt): the spread grows with ln t and nearly in proportion to T, at no single activation energy. Ours, after the flat
    distributions of barriers of disordered solids.
    """

    reference = "ours, after the flat distributions of barriers of disordered solids"

    random_barrier: ClassVar[bool] = True
    table: EquilibriumTable
    """Columns, or the name of a CSV file beside the deck."""
    barrier_sd: ActivationEnergy
    """Change of a slow cell's barrier per standard deviation of its draw."""
    shape: Positive = 1.0
    """β; 1 = one barrier a cell, less = barriers spread within it, over about k_BT/β."""
    fast_barrier: ActivationEnergy | None = None
    """Highest barrier of the fast cells."""
    fast_barrier_sd: ActivationEnergy = 0.0
    """Change of a fast cell's barrier per standard deviation of its draw."""
    core_growth: Number = 0.0
    """Growth of the core per e-fold of age over `core_time`, as a share of it."""
    core_time: Duration = 1e-3
    """Age at which the core begins to grow."""
    attempts: Rate = ATTEMPTS
    """ν of all barriers."""
    pair_correlation: Fraction = 0.0
    """Correlation of the barriers' draws of the two cells of a differential pair; their ways are independent."""

    @model_validator(mode="after")
    def _fast(self) -> Self:
        if (self.fast_barrier is None) != (self.table.fast_share is None):
            raise ValueError("fast_barrier and the column fast_share come together")
        return self

    @cached_property
    def nominal(self) -> float:
        """Mean of the slow barriers over levels. [eV]"""
        return float(np.mean(self.table.barrier))

    @property
    @override
    def barrier_correlation(self) -> float:
        return self.pair_correlation

    @override
    def barrier(self, draw: Reals, target: Reals, device: DeviceDeck) -> Reals:
        place = RowPlace.of(target, self.table.level)
        slow = place.between(self.table.barrier)
        if self.table.fast_share is None:
            return np.asarray(slow + self.barrier_sd * draw - self.nominal, draw.dtype)
        found = two_populations(
            draw,
            place.between(self.table.edge),
            fast=self.fast_barrier or 0.0,
            fast_sd=self.fast_barrier_sd,
            slow=slow,
            slow_sd=self.barrier_sd,
        )
        return np.asarray(found - self.nominal, draw.dtype)

    @override
    def rate(self, temperature: Reals, barrier: Reals | float = 0.0) -> Reals:
        return escape_rate(temperature, self.nominal + barrier, attempts=self.attempts)

    @override
    def shift(self, target: Reals, time: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        place = RowPlace.of(target, self.table.level)
        moved = moved_share(time, self.shape, target.dtype)
        return place.between(self.table.displacement) * moved, place.between(self.table.displacement_sd) * moved

    @override
    def move(
        self, target: Reals, time: Reals, age: Reals, draw: Reals, device: DeviceDeck
    ) -> tuple[Reals | float, Reals, Reals | float]:
        place = RowPlace.of(target, self.table.level)
        way = skewed(draw, place.between(self.table.skew))
        way *= place.between(self.table.displacement_sd)
        way += place.between(self.table.displacement)
        way *= moved_share(time, self.shape, target.dtype)
        growth = np.where(age > 0, 1 + self.core_growth * np.log1p(age / self.core_time), 0.0).astype(target.dtype)
        core = place.between(self.table.core_sd) * growth
        way += core * draw
        return 0.0, way, core


class BarrierTable(DeckModel):
    """Barrier of each level; linear between rows, held beyond them."""

    level: Conductances
    """Target conductance, rising."""
    barrier: Energies
    """Median barrier of the cells."""

    @model_validator(mode="after")
    def _rows(self) -> Self:
        if len(self.barrier) != len(self.level):
            raise ValueError("columns of a table have the same number of rows")
        if any(a >= b for a, b in zip(self.level, self.level[1:])):
            raise ValueError("rows come in order of rising level")
        return self


@RETENTION.register("level_barriers")
class LevelBarriers(RetentionLaw):
    """First-order loss of what relaxation has left, over barriers that depend on the level and are normal over cells.

    G = G_inf + (G - G_inf) exp(-x_i^β), x_i = ∫ν exp(-E_i/k_BT) dt.
    """

    reference = "ours, for bakes of two foundries (akashlevy/RRAM-Relaxation-Master-Model)"

    last: ClassVar[bool] = True
    table: BarrierTable
    """Columns, or the name of a CSV file beside the deck."""
    barrier_sd: ActivationEnergy
    """Standard deviation of the barrier over cells."""
    shape: Positive
    """β."""
    final_conductance: Conductance = 0.0
    """G_inf."""
    attempts: Rate = ATTEMPTS
    """ν."""

    @cached_property
    def nominal(self) -> float:
        """Mean of the barriers over levels. [eV]"""
        return float(np.mean(self.table.barrier))

    @override
    def frozen(self, draw: Reals, target: Reals, device: DeviceDeck) -> Reals:
        level = RowPlace.of(target, self.table.level).between(self.table.barrier)
        return np.asarray(level + self.barrier_sd * draw - self.nominal, draw.dtype)

    @override
    def rate(self, temperature: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        return escape_rate(temperature, self.nominal + draw, attempts=self.attempts)

    @override
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        return relax_towards(programmed, reduced_time, shape=self.shape, final=self.final_conductance)
