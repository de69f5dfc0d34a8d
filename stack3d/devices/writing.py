"""Writes of cells: errors of write-verify, wear, and what a write costs."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from stack3d.devices.bound import CLOCKS, BoundLaws
from stack3d.devices.cell_arrays import fits, paired_normal, streams
from stack3d.devices.laws import EnduranceLaw, Reals
from stack3d.devices.state import HEALTHY, STUCK_HIGH, STUCK_LOW, CellState
from stack3d.errors import DeckError


@dataclass(frozen=True)
class WriteBill:
    """What a write cost."""

    cells: int
    """Cells written."""
    pulses: float
    """Pulses, at the mean of write-verify."""
    energy: float
    """[J]"""
    failed: int
    """Cells that wore out in this write."""

    def __add__(self, other: WriteBill) -> WriteBill:
        """Both writes."""
        return WriteBill(*(a + b for a, b in zip(astuple(self), astuple(other))))


def _worn_out(
    law: EnduranceLaw, stuck: NDArray[np.int8], dead: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.int8], int]:
    """Stuck map after some cells have failed, and how many."""
    places = np.flatnonzero(dead)
    if not len(places):
        return stuck, 0
    stuck = stuck.copy()
    conducting = rng.random(len(places)) < law.stuck_low_resistance
    stuck.reshape(-1)[places] = np.where(conducting, STUCK_HIGH, STUCK_LOW)
    return stuck, len(places)


class Writing(BoundLaws):
    """Program cells and write them again."""

    def program(
        self,
        target: ArrayLike,
        rng: np.random.Generator,
        *,
        temperature: ArrayLike = 300.0,
        pair_axis: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> CellState:
        """Write fresh cells.

        Parameters
        ----------
        target : array_like
            Wanted conductance, any shape. [S]
        rng : numpy.random.Generator
        temperature : array_like
            Of the cells during the write, broadcast against `target`; conductances are those at this temperature. [K]
        pair_axis : int, optional
            Axis of length 2 that holds the two cells of a differential pair, for correlated ageing.
        dtype : dtype
            Precision of the state; clocks are float64 always.

        Returns
        -------
        CellState

        Raises
        ------
        ArrayError
            NaN or infinite target, temperature that does not broadcast, pair axis whose length is not 2.
        RangeError
            Target below 0 or above g_max, or anything outside a law's allowed range.
        """
        target = self._target(target, dtype)
        temperature = self._temperature(temperature, target.shape)
        rngs = streams(rng, ("faults", "temperature_dependence", "life"))
        stuck = self.faults.stuck(rngs["faults"], target.shape) if self.faults else np.zeros(target.shape, np.int8)
        zero = np.zeros(())
        draws = {}
        if self.temperature_dependence and self.temperature_dependence.random:
            draws["temperature_dependence"] = paired_normal(rngs["temperature_dependence"], target.shape, target.dtype)
        if self.endurance:
            draws["life"] = self.endurance.life(rngs["life"], target.shape, target.dtype)
        blank = CellState(target, target, temperature, writes=zero, damage=zero, stuck=stuck, draws=draws)
        return self._write(blank, target, rng, temperature, pair_axis)[0]

    def reprogram(
        self,
        state: CellState,
        mask: ArrayLike | None,
        target: ArrayLike,
        rng: np.random.Generator,
        *,
        temperature: ArrayLike = 300.0,
        pair_axis: int | None = None,
    ) -> tuple[CellState, WriteBill]:
        """Write cells again: new error, clocks at zero, new filament; wear, life and faults stay.

        Parameters
        ----------
        state : CellState
        mask : array_like of bool, optional
            Cells to write, broadcast against the state; None = all.
        target : array_like
            Wanted conductance, broadcast against the state. [S]
        rng : numpy.random.Generator
        temperature : array_like
            During the write. [K]
        pair_axis : int, optional
            As in `program`.

        Returns
        -------
        CellState, WriteBill
            Cells known to be stuck are left out and cost nothing.

        Raises
        ------
        ArrayError, RangeError
            As in `program`.
        """
        target = self._target(target, state.target.dtype)
        fits("target", target.shape, state.shape)
        target = np.broadcast_to(target, state.shape)
        temperature = self._temperature(temperature, state.shape)
        mask = np.asarray(True if mask is None else mask, bool)
        fits("mask", mask.shape, state.shape)
        chosen = np.broadcast_to(mask, state.shape)
        fresh, bill = self._write(state, target, rng, temperature, pair_axis, chosen)
        if chosen.all():
            return fresh, bill

        def merge(new: Reals, old: Reals) -> Reals:
            return np.where(chosen, new, old).astype(old.dtype)

        return (
            replace(
                fresh,
                target=merge(fresh.target, state.target),
                programmed=merge(fresh.programmed, state.programmed),
                programming_temperature=merge(fresh.programming_temperature, state.programming_temperature),
                clocks={k: merge(v, state.clocks[k]) for k, v in fresh.clocks.items()},
                draws={k: merge(v, state.draws[k]) if v is not state.draws[k] else v for k, v in fresh.draws.items()},
            ),
            bill,
        )

    def _write(
        self,
        state: CellState,
        target: Reals,
        rng: np.random.Generator,
        temperature: Reals,
        pair_axis: int | None,
        chosen: NDArray[np.bool_] | None = None,
    ) -> tuple[CellState, WriteBill]:
        """Write every cell anew; wear, faults and bill count the `chosen` ones."""
        device = self.device
        rngs = streams(rng, ("wear", "programming", "relaxation", "spread", "retention"))
        everything = chosen is None or bool(chosen.all())
        alive = state.stuck == HEALTHY
        alive = alive if everything else chosen & alive
        cells = int(np.count_nonzero(alive))
        pulses = self.write_pulses()
        # stuck cells of a full write may wear along: they stay stuck, and the wear stays one number for all
        worn = np.asarray(pulses) if everything else np.where(alive, pulses, 0.0)
        damage, stuck, failed = self._wear(state, worn, alive, temperature, rngs["wear"])
        bounds = self.window_closure.window(damage, device) if self.window_closure else None
        goal = target if bounds is None else np.clip(target, *bounds).astype(target.dtype)
        for name, law in self.mechanisms.items():
            law.check("conductance", goal, where=self._where(name))
        programmed = self._programmed(goal, rngs["programming"])
        draws = {k: state.draws[k] for k in ("temperature_dependence", "life") if k in state.draws}
        draws |= self._draws(goal, rngs, pair_axis)
        energy = pulses * cells * (device.write.energy if device.write else 0.0)
        fresh = CellState(
            np.ascontiguousarray(target),
            programmed,
            temperature,
            state.writes + worn,
            damage,
            stuck,
            self._clocks(temperature),
            draws,
        )
        return fresh, WriteBill(cells, pulses * cells, energy, failed)

    def _wear(
        self, state: CellState, worn: Reals, alive: NDArray[np.bool_], temperature: Reals, rng: np.random.Generator
    ) -> tuple[Reals, NDArray[np.int8], int]:
        """Damage and stuck map after `worn` more pulses, and how many of the cells that are `alive` fail by them."""
        if not self.endurance:
            return state.damage, state.stuck, 0
        self.endurance.check("temperature", temperature, where=self._where("endurance"))
        damage = state.damage + worn / self.endurance.cycles(temperature, self.device)
        dead = (damage >= state.draws["life"]) & alive
        return damage, *_worn_out(self.endurance, state.stuck, dead, rng)

    def _draws(self, goal: Reals, rngs: dict[str, np.random.Generator], pair_axis: int | None) -> dict[str, Reals]:
        """What a new filament draws anew."""
        shape, dtype = goal.shape, goal.dtype
        draws: dict[str, Reals] = {}
        if self.relaxation:
            draws["relaxation"] = paired_normal(rngs["relaxation"], shape, dtype)
            if self.relaxation.random_barrier:
                draw = paired_normal(rngs["relaxation"], shape, dtype, pair_axis, self.relaxation.barrier_correlation)
                draws["relaxation_barrier"] = self.relaxation.barrier(draw, goal, self.device)
        if self.spread:
            draws["spread"] = paired_normal(rngs["spread"], shape, dtype)
        if self.retention and self.retention.random:
            draw = paired_normal(rngs["retention"], shape, dtype, pair_axis, self.retention.pair_correlation)
            draws["retention"] = self.retention.frozen(draw, goal, self.device)
        return draws

    def _clocks(self, temperature: Reals) -> dict[str, Reals]:
        """Clocks at the end of a write."""
        clocks: dict[str, Reals] = {"age": np.zeros(())}
        clocks.update({name: np.zeros(()) for name in CLOCKS if getattr(self, name)})
        if self.read_disturb:
            clocks["reads"] = np.zeros(())
        if self.self_heating and self.retention and self.device.write:
            clocks["retention"] = self._write_disturb(temperature)
        return clocks

    def _programmed(self, goal: Reals, rng: np.random.Generator) -> Reals:
        if self.programming is None:
            return goal.copy()
        shift, sd = self.programming.error(goal, self.device)
        error = self.programming.draw(rng, goal.shape, goal.dtype)
        error *= sd
        return self.truncation.bound(goal + shift, sd, error, self.device)

    def damage_at(self, share: float) -> float:
        """Damage at which a `share` [-] of the cells is worn out; infinite without a law of endurance. [-]"""
        if self.endurance is None:
            return np.inf
        try:
            self.endurance.log_survival(np.ones(()))
        except DeckError:  # of a law that states no distribution of lives
            return 1.0
        low, high = -12.0, 6.0  # decades
        for _ in range(60):
            middle = 0.5 * (low + high)
            worn = -np.expm1(self.endurance.log_survival(np.array(10.0**middle))) >= share
            low, high = (low, middle) if worn else (middle, high)
        return float(10.0**high)

    def damage_rate(self, temperature: ArrayLike) -> Reals:
        """Share of the life's scale that one write-verify at `temperature` [K] costs. [-]"""
        if self.endurance is None:
            return np.zeros(np.shape(temperature))
        return np.asarray(self.write_pulses() / self.endurance.cycles(np.asarray(temperature, np.float64), self.device))
