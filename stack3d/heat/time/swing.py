"""Temperatures of a chip within one period of its power: the history that its cells live through, not its mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import ComputingChip
from stack3d.heat import (
    RATE_TOLERANCE,
    Climate,
    Heat,
    RateLaw,
    channel_runs,
    film_laws,
    grouped,
    mean_rates,
    power_schedule,
    quadrature,
    tile_boxes,
)
from stack3d.layout import Floats
from stack3d.thermal import (
    Box,
    Place,
    PowerSchedule,
    Probe,
    ThermalBackend,
    ThermalSolution,
    TransientSystem,
    integrate,
    periodic_state,
)

FEWEST_NODES, MOST_NODES = 4, 32
"""Instants per interval between changes of power."""
TURNS = 8
"""Instants per interval that the coldest and the hottest are looked for at, beside those of the mean."""
DRAWN = 96
"""Instants of the history that is reported, over all intervals."""
MARCHED = 0.01
"""Local error of a step, and distance from the periodic state, where periods are marched. [K]"""
DENSE = 128
"""Instants per interval that a marched period is read between."""
UNMOVED = 1e-3
"""Powers that differ by less than this share of their largest swing leave the history as it is."""


@dataclass(frozen=True, eq=False)
class Swing:
    """One period about its mean.

    Parameters
    ----------
    climate : Climate
        Differences from the mean. [K]
    low, high : ndarray, shape (tiles, ny, nx)
        Coldest and hottest instant of each box, as a difference from its mean. [K]
    tiers : ndarray, shape (levels, tiers)
        Of the means of the crossbar layers, at the levels of the climate. [K]
    spots : ndarray, shape (spots,)
        Hottest instant of the places where a layer may be hottest, as differences from their means. [K]
    leaking : ndarray, shape (tiles,)
        Mean leakage over that at the mean temperature; the periphery is taken to swing as its tile. [-]
    moving : ndarray, shape (intervals, sources)
        Powers that made it, as differences from their mean. [W]
    rate : float
        Inferences per second among them, mean over the period. [1/s]
    phase : ndarray of int, shape (levels,)
        Of a mission that each level of the climate is of; all 0 without one.
    """

    climate: Climate
    low: Floats
    high: Floats
    tiers: Floats
    spots: Floats
    leaking: Floats
    moving: Floats
    rate: float
    phase: NDArray[np.intp]


States = Callable[[PowerSchedule, Floats], Floats]
"""Temperature of the places, boxes of tiles, then tiers, then spots, at ascending instants within a period; (instants, places).
[K]"""


def hot_spots(chip: ComputingChip, solution: ThermalSolution) -> list[Probe]:
    """Where a layer may be hottest at some instant: where it is on average, and over and under every explicit source."""
    centres = [(0.5 * (s.extent.x0 + s.extent.x1), 0.5 * (s.extent.y0 + s.extent.y1)) for s in chip.sources]
    spots = []
    for layer in chip.stack.named:
        x, y, z = solution.field.layer_peak(layer.name)[1]
        within = [
            (a, b) for a, b in centres if layer.extent.x0 <= a <= layer.extent.x1 and layer.extent.y0 <= b <= layer.extent.y1
        ]
        spots += [Probe(layer.name, *place, z) for place in dict.fromkeys([(x, y), *within])]
    return spots


def instants(schedule: PowerSchedule, count: int) -> Floats:
    """Ascending instants over a period, `count` steps after each change of power, the shortest first. [s]"""
    lengths = np.diff([*schedule.times, schedule.repeat])
    spaced = schedule.times[:, None] + lengths[:, None] * np.linspace(0.0, 1.0, count + 1)[:-1] ** 2
    return np.append(spaced.ravel(), schedule.repeat)


class PeriodicHeat:
    """Follows the temperature through a period for the powers of an epoch.

    What goes with the rate follows the activity, explicit sources their trace; leakage and writes stay at their mean, that of
    leakage taken over the swing.
    Conductivities are held at each layer's mean temperature of the first epoch. Layers that are uniform in the plane are solved
    exactly in time; other stacks, tetrahedra, coolant and films that follow their face are marched from the state that a period
    gives back.

    Parameters
    ----------
    chip : ComputingChip
    backend : ThermalBackend
    first : Heat
        Of the chips just programmed.
    """

    def __init__(self, chip: ComputingChip, backend: ThermalBackend, first: Heat) -> None:
        self.chip, self.backend = chip, backend
        self.shape = first.field.shape
        self.laws: list[RateLaw] = []
        for device in {id(d): d for d in chip.computer.devices.values()}.values():
            self.laws += [device.acceleration, device.damage_rate]
        self.tiers = [layer.name for layer in chip.stack.with_role("rram")]
        self.spots = hot_spots(chip, first.solution)
        self._sources, schedule = power_schedule(chip, first)
        self._schedule = schedule
        self._period: tuple[Floats, Floats, Floats] | None = None
        self._states = self._solver(first, schedule)

    def _solver(self, first: Heat, schedule: PowerSchedule) -> States:
        given, chip = self.backend.problem, self.chip
        means = {name: first.solution.field.layer_mean(name) for name in chip.stack.slabs}
        places: list[Place] = [
            Box(layer, box) for layer, boxes in tile_boxes(chip, (self.shape[2], self.shape[1])) for box in boxes
        ]
        places = [*places, *(Box(name, chip.stack.layer(name).extent) for name in self.tiers), *self.spots]
        rtol = chip.scenario.solver.linear.tolerance
        laws, runs = film_laws(chip.scenario.cooling, given), channel_runs(chip.stack)
        system = self.backend.held_at(means).system(self._sources, places, rtol=rtol, laws=laws, runs=runs)
        if (exact := system.exact) is not None:
            return lambda now, times: exact.periodic(now, times.tolist()).temperature
        return partial(self._marched, system)

    def _marched(self, system: TransientSystem, schedule: PowerSchedule, times: Floats) -> Floats:
        """Between dense instants of one marched period, which is kept for these powers."""
        if self._period is None or not np.array_equal(self._period[0], schedule.powers):
            start, _ = periodic_state(system, schedule, tolerance=MARCHED)
            dense = instants(schedule, DENSE)
            seen = integrate(system, schedule, dense.tolist(), initial=start, tolerance=MARCHED).temperature
            self._period = schedule.powers, dense, seen
        _, dense, seen = self._period
        right = np.clip(np.searchsorted(dense, times), 1, dense.size - 1)
        share = ((times - dense[right - 1]) / (dense[right] - dense[right - 1]))[:, None]
        return (1 - share) * seen[right - 1] + share * seen[right]

    def swing(self, state: Heat, before: Swing | None = None) -> Swing:
        """One period by the fewest levels that age the cells alike; `before` if the powers of the state are its own."""
        self._sources, schedule = power_schedule(self.chip, state)
        moving = schedule.powers - schedule.powers.mean(axis=0)
        if before is not None and np.abs(moving - before.moving).max() <= UNMOVED * np.abs(before.moving).max():
            return before
        field, boxes = state.field, state.field.size
        nodes, coarser = FEWEST_NODES, np.zeros(())
        while True:
            times, shares = quadrature(schedule.times, schedule.repeat, nodes)
            values = self._states(schedule, times)
            mean = shares @ values
            inside = (values - mean)[:, :boxes].reshape(-1, *self.shape)
            rates = mean_rates(shares, inside + field, self.laws)
            if np.all(np.abs(rates - coarser) <= 0.2 * RATE_TOLERANCE * np.abs(rates)) or nodes == MOST_NODES:
                break
            nodes, coarser = 2 * nodes, rates
        total, weights = grouped(shares, inside + field, self.laws)
        activity = self.chip.activity
        busy = shares * activity.values[np.searchsorted(activity.times, times, side="right") - 1, 0]
        busy = busy / busy.sum() if busy.any() else shares
        climate = Climate(total, np.tensordot(weights, inside, axes=1), np.tensordot(busy, inside, axes=1), total)
        between = self._states(schedule, instants(schedule, TURNS))  # far from a source extremes lag behind its turns
        extremes = np.concatenate([values, between]) - mean
        low, high = extremes[:, :boxes].min(axis=0).reshape(self.shape), extremes[:, :boxes].max(axis=0).reshape(self.shape)
        after = boxes + len(self.tiers)
        tiers = weights @ (values - mean)[:, boxes:after]
        spots, leaking = extremes[:, after:].max(axis=0), shares @ self._leakage(inside.mean(axis=(2, 3)))
        return Swing(climate, low, high, tiers, spots, leaking, moving, state.rate, np.zeros(total.size, np.intp))

    def _leakage(self, above: Floats) -> Floats:
        """Leakage above a mean temperature [K], over that at the mean."""
        return 2.0 ** (above / self.chip.computer.design.periphery.leakage_doubling)

    @cached_property
    def unthrottled(self) -> Floats:
        """Hottest instant of each box above its mean that no rate of inferences changes, shape (tiles, ny, nx). [K]"""
        if self.chip.source_trace is None:
            return np.zeros(self.shape)
        schedule, n = self._schedule, len(self.chip.sources)
        powers = np.where(np.arange(schedule.powers.shape[1]) < n, schedule.powers, schedule.powers.mean(axis=0))
        times, shares = quadrature(schedule.times, schedule.repeat, MOST_NODES)
        alone = PowerSchedule(schedule.times, powers, schedule.period)
        values = self._states(alone, times)
        high = np.concatenate([values, self._states(alone, instants(schedule, TURNS))]).max(axis=0) - shares @ values
        return np.asarray(high[: np.prod(self.shape)].reshape(self.shape))

    def _at_spots(self, solution: ThermalSolution) -> Floats:
        return np.array([solution.field.at(s.layer, s.x, s.y, s.z) for s in self.spots])

    def layer_peaks(self, solution: ThermalSolution, swing: Swing) -> Floats:
        """Hottest instant of every layer over a period about a mean, shape (layers,). [K]"""
        hottest = np.nan_to_num(self._at_spots(solution) + swing.spots, nan=-np.inf)
        names = [spot.layer for spot in self.spots]
        return np.array([max(t for t, n in zip(hottest, names) if n == layer.name) for layer in self.chip.stack.named])

    def history(self, state: Heat) -> tuple[Floats, Floats]:
        """Instants over a period, shape (phases,) [s], and the mean of every tile at each, shape (phases, tiles). [K]"""
        self._sources, schedule = power_schedule(self.chip, state)
        phases = instants(schedule, max(2, DRAWN // schedule.times.size))
        times, shares = quadrature(schedule.times, schedule.repeat, MOST_NODES)
        values = self._states(schedule, phases) - shares @ self._states(schedule, times)
        boxes = values[:, : state.field.size].reshape(-1, *self.shape)
        return phases, (state.field + boxes).mean(axis=(2, 3))


def climate_of(field: Floats, swing: Swing | None) -> Climate:
    """Temperatures about a mean. [K]"""
    return Climate.steady(field) if swing is None else swing.climate.shifted(field)


def leaking_of(swing: Swing | None) -> Floats | float:
    """Mean leakage over that at the mean temperature. [-]"""
    return 1.0 if swing is None else swing.leaking
