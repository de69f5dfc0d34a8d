"""The epochs of one life: temperature and cells found together in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import TODAY, ComputingChip
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import RangeError, SolverError, ThermalRunawayError
from stack3d.fixed_points import Pass, Until, fixed_point
from stack3d.heat import Climate, Heat, heat_sources, in_epoch, located, power_schedule, settle, total_power, upkeep_power
from stack3d.heat.time import MissionHeat, PeriodicHeat, Swing, climate_of, leaking_of
from stack3d.life import checkpoint
from stack3d.life.answers import answered
from stack3d.life.chips import Life, Policy, elapse, programmed, read_out
from stack3d.life.epoch_record import add_whole_life, closed, epoch_record
from stack3d.life.history import History
from stack3d.life.moment import Moment
from stack3d.life.periods import Curve, read_between
from stack3d.life.start import (
    acts_at_once,
    epoch_times,
    first_heat,
    fresh_life,
    heat_as_programmed,
    limits_of,
    present,
    upkeep_of,
)
from stack3d.progress import Observer, Stopwatch
from stack3d.record import Record, over_time
from stack3d.thermal import ThermalBackend, ThermalSolution

SWINGS = Until(0, 8)
"""Parts of an epoch that still move: its swings within a period, and what is billed to it."""
NARROWEST = 1.1
"""End over start of an epoch that is not divided any more."""


class _EpochTrial(NamedTuple):
    """What a pass over an epoch begins with: chips at its end, temperature of tiles, and its swings."""

    guess: Life
    field: NDArray[np.float64]
    swing: Swing | None


class Loop:
    """The epochs of one life.

    Parameters
    ----------
    chip : ComputingChip
    backend : ThermalBackend
    plan : sequence of Policy
    observer : Observer
    clock : Stopwatch
    resume : Path or None
        Checkpoint file.
    key : str
        What it belongs to.
    also : sequence of float
        Times at which the chips are looked at beside the ends of epochs. [s]
    """

    def __init__(
        self,
        chip: ComputingChip,
        backend: ThermalBackend,
        plan: Sequence[Policy],
        observer: Observer,
        clock: Stopwatch,
        resume: Path | None = None,
        key: str = "",
        also: Sequence[float] = (),
    ) -> None:
        self.chip, self.computer, self.backend, self.plan = chip, chip.computer, backend, plan
        self.observer, self.clock, self.resume, self.key, self.also = observer, clock, resume, key, also
        self.lifetime = chip.computer.design.lifetime
        self.limits = limits_of(chip, plan)
        self.times: list[float] = []
        self.climates: list[Climate] = []
        self.rows: list[Record] = []
        self.between: dict[float, NDArray[np.float64]] = {}
        self.by_input: dict[float, NDArray[np.float64]] = {}
        self.periodic: PeriodicHeat | MissionHeat | None = None

    def run(self) -> tuple[Record, ThermalSolution]:
        """Follow the chips through all epochs, then answer."""
        with self.clock("program"):
            start = fresh_life(self.chip)
        cells = sum(int(np.prod(m.state_shape)) for m in self.computer.matrices.values())
        self.observer.stage("program", chips=start.samples, cells=cells)
        with self.clock("heat"):
            self.first = first_heat(self.chip, self.backend, self.plan)
            self.periodic = self._repeated()
            swing = self._held(self.periodic) if self.periodic is not None else None
        life, ahead, field, swing = self._begin(start, swing)
        while ahead:
            moment = self._moment(life, ahead[0], field, swing)
            swing = moment.swing
            if self._is_coarse(moment, ahead):
                ahead.insert(0, float(np.sqrt(life.time * ahead[0])))
                continue
            with self.clock("read"):
                following, end = ahead[1] if len(ahead) > 1 else np.inf, ahead[-1]
                epoch, taken = len(self.times), len(self.between)
                more = read_between(life, moment.after, following, end, moment.climate, self.plan, epoch, taken)
                self.between |= {instant: reading.accuracy for instant, reading in more.items()}
                self.by_input |= {instant: reading.by_input for instant, reading in more.items()}
            life, field = moment.after, moment.heat.field
            if not self.rows and self.lifetime.coupling.enabled:
                self.first = moment.heat
            self.times.append(ahead.pop(0))
            self.climates.append(moment.climate)
            self.rows.append(epoch_record(moment))
            self._tell(moment, len(ahead))
            if self.resume is not None:
                with self.clock("checkpoint"):
                    checkpoint.save(
                        self.resume,
                        self.key,
                        checkpoint.Progress(
                            self.times, ahead, life, self.rows, self.between, self.by_input, self.climates, field, swing
                        ),
                    )
        record = self._opening()
        record.add(over_time(self.rows, self.times))
        record.put("thermal/peak_temperature", record["thermal/layer_temperature_high"].max())
        followed = History(
            start, life, record.coordinates["time"], self.climates, self.plan, start.tier_of_tile, len(start.tiers)
        )
        read = Curve(followed.times, record["mvm/accuracy"], self.between, self.plan)
        answered(followed, read, self.by_input, self.lifetime, record, self.observer, self.clock)
        add_whole_life(followed, record)
        return record, self.first.solution

    def _repeated(self) -> PeriodicHeat | MissionHeat | None:
        """What repeats over the life: a mission, a period of the power, or nothing."""
        if self.chip.phases:
            return MissionHeat(self.chip, self.first, self.limits)
        repeats = power_schedule(self.chip, self.first)[1].period is not None
        return PeriodicHeat(self.chip, self.backend, self.first) if repeats else None

    def _opening(self) -> Record:
        """Temperatures and powers of the first epoch, what is written and calibrated in it included; one way, without."""
        record = present(self.chip, self.first)
        if isinstance(self.periodic, PeriodicHeat):
            phases, history = self.periodic.history(self.first)
            record.along("phase", phases)
            record.put("thermal/tile_temperature_history", history)
        return record

    def _held(self, periodic: PeriodicHeat | MissionHeat) -> Swing:
        """Swing of the first heat, found together with its leakage and, where throttled, its rate."""

        def once(before: Swing) -> Pass[Swing, Swing]:
            self.first = first_heat(self.chip, self.backend, self.plan, before, self._above(before))
            swing = periodic.swing(self.first, before)
            return Pass(swing, swing is not before, swing)

        return fixed_point(periodic.swing(self.first), once, SWINGS).answer

    def _begin(self, start: Life, swing: Swing | None) -> tuple[Life, list[float], NDArray[np.float64], Swing | None]:
        """The checkpoint, or freshly programmed chips; ends of epochs ahead, temperature, and its swings."""
        stored = checkpoint.load(self.resume, self.key, start) if self.resume is not None else None
        life = programmed(start, climate_of(self.first.field, swing), self.plan)
        if stored is None:
            return life, epoch_times(self.lifetime, self.also).tolist(), self.first.field, swing
        if self.lifetime.coupling.enabled:  # the heat of the first epoch is found once more
            self.first, _, _ = self._epoch(life, 0, stored.times[0], self.first.field, swing)
        self.times, self.climates = list(stored.times), list(stored.climates)
        self.rows, self.between, self.by_input = list(stored.rows), dict(stored.between), dict(stored.by_input)
        self.observer.stage("resume", epochs=f"{len(stored.times)}/{len(stored.times) + len(stored.ahead)}")
        return stored.life, list(stored.ahead), stored.field, stored.swing

    def first_epoch(self, *, beyond: bool) -> Heat:
        """Heat of the first epoch alone.

        Parameters
        ----------
        beyond : bool
            Whether a chip that is hotter than its laws allow gets that of `heat_as_programmed`; not where leakage runs away,
            which has no temperatures to give.
        """
        try:
            self.first = first_heat(self.chip, self.backend, self.plan)
            if acts_at_once(self.chip, self.plan):
                field = self.first.field
                life = programmed(fresh_life(self.chip), climate_of(field, None), self.plan)
                self.first, _, _ = self._epoch(life, 0, TODAY, field, None)
        except (RangeError, SolverError) as error:
            if self.chip.scenario.transient is not None:
                error = type(error)(f"in the steady state that a transient takes leakage and cells from, {error}")
            if not beyond or isinstance(error, ThermalRunawayError):
                raise error from None
            self.first = heat_as_programmed(self.chip, self.backend, self.plan, error)
        return self.first

    def _moment(self, life: Life, end: float, field: NDArray[np.float64], swing: Swing | None) -> Moment:
        """The next epoch, read at its end."""
        epoch = len(self.times)
        try:
            state, swing, after = self._epoch(life, epoch, end, field, swing)
        except (RangeError, SolverError) as error:
            if epoch == 0:
                raise
            raise in_epoch(error, life.time, end) from None
        climate = climate_of(state.field, swing)
        with self.clock("read"):
            reading = read_out(after, climate, self.plan, epoch)
        if after.fresh_accuracy is None:
            after = replace(after, fresh_accuracy=float(reading.accuracy.mean()))
        return closed(Moment(life, after, state, swing, reading, self._peaks(state, swing)))

    def _epoch(
        self, life: Life, epoch: int, end: float, field: NDArray[np.float64], swing: Swing | None
    ) -> tuple[Heat, Swing | None, Life]:
        """Temperature of an epoch and the chips at its end, found together.

        The writes, calibrations and trainings that heat are those that are billed. One way, the temperature is that of the
        first heat, whatever they add to it.
        """
        first = _EpochTrial(self._elapsed(life, epoch, end, climate_of(field, swing), self.first), field, swing)

        def once(trial: _EpochTrial) -> Pass[_EpochTrial, tuple[Heat, Swing | None, Life]]:
            guess, field, before = trial
            state = self._settled(life, guess, epoch, end, field, before)
            swing = before
            if self.periodic is not None:
                with self.clock("heat"):
                    swing = self.periodic.swing(state, before)
            after = self._elapsed(life, epoch, end, climate_of(state.field, swing), state)
            is_billed = np.allclose(after.bill.tile_energy, guess.bill.tile_energy, rtol=1e-12, atol=0.0)
            is_billed &= after.bill.upkeep.is_close(guess.bill.upkeep)
            moving = (swing is not before) + (not is_billed)
            return Pass((state, swing, after if is_billed else guess), moving, _EpochTrial(after, state.field, swing))

        if self.lifetime.coupling.enabled:
            return fixed_point(first, once, SWINGS).answer
        return self._one_way(life, first.guess), swing, first.guess

    def _peaks(self, state: Heat, swing: Swing | None) -> NDArray[np.float64]:
        """Hottest place of every layer at the hottest instant of a period, shape (layers,). [K]"""
        peaks = np.array([state.solution.field.layer_peak(layer.name)[0] for layer in self.chip.stack.named])
        if self.periodic is None or swing is None:
            return peaks
        return np.asarray(np.maximum(peaks, self.periodic.layer_peaks(state.solution, swing)))

    def _aged(self, life: Life, epoch: int, end: float, climate: Climate) -> Life:
        with self.clock("age"):
            return elapse(life, end, climate, self.plan, epoch)

    def _elapsed(self, life: Life, epoch: int, end: float, climate: Climate, heat: Heat) -> Life:
        try:
            return self._aged(life, epoch, end, climate)
        except RangeError as error:
            raise located(error, self.chip, climate.levels.max(axis=0), heat) from None

    def _settled(
        self,
        life: Life,
        guess: Life,
        epoch: int,
        end: float,
        field: NDArray[np.float64],
        swing: Swing | None,
    ) -> Heat:
        """Fixed point of temperature, leakage and what the cells conduct on average over the epoch; `guess` ends it."""

        def conductances(trial: NDArray[np.float64]) -> dict[str, Any]:
            climate = climate_of(trial, swing)
            later = guess if trial is field else self._aged(life, epoch, end, climate)
            with self.clock("age"):
                before, after = life.conductances(climate), later.conductances(climate)
                return {name: 0.5 * (before[name] + after[name]) for name in before}

        with self.clock("heat"):
            power, upkeep = upkeep_of(life, guess, end)
            return settle(
                self.chip,
                self.backend,
                conductances,
                field,
                self.limits,
                power,
                self._above(swing),
                leaking_of(swing),
                upkeep,
                self.first.solution.field.values,  # the same after a resume, as that of the last epoch would not be
            )

    def _one_way(self, life: Life, after: Life) -> Heat:
        """The first heat with the powers of an epoch's writes, calibrations and trainings; its temperature stays."""
        writes, upkeep = upkeep_of(life, after, after.time)
        first = self.first
        calibrating = upkeep_power(self.chip, self.chip.computer.energies(first.activities), upkeep)
        powers = {**first.powers, "write": writes, "calibration": calibrating}
        before, now = (total_power(heat_sources(self.chip, p, first.rate)) for p in (first.powers, powers))
        solution = replace(first.solution, heat_in=first.solution.heat_in + now - before)
        return replace(first, solution=solution, powers=powers, upkeep=upkeep)

    def _above(self, swing: Swing | None) -> Callable[[float], NDArray[np.float64] | float]:
        """Rate [1/s] → how far the hottest instant of a period lies above the mean of each box. [K]"""

        def above(rate: float) -> NDArray[np.float64] | float:
            if self.periodic is None or swing is None:
                return 0.0
            if not swing.rate:
                return swing.high
            fixed = self.periodic.unthrottled
            return fixed + (swing.high - fixed) * (rate / swing.rate)

        return above

    def _is_coarse(self, moment: Moment, ahead: Sequence[float]) -> bool:
        """Whether more has changed in an epoch than the scenario allows, and the epoch can be divided."""
        refine, before, now = self.lifetime.refine, moment.before, moment.after.totals
        if refine is None or not self.rows or ahead[0] / before.time < NARROWEST or len(self.times) + len(ahead) >= refine.most:
            return False
        lost = abs(before.totals.accuracy - now.accuracy)
        moved = float(np.abs(before.totals.tile_temperature - now.tile_temperature).max())
        return lost > refine.accuracy or moved > refine.temperature

    def _tell(self, moment: Moment, ahead: int) -> None:
        self.observer.step(
            "epoch",
            len(self.times),
            len(self.times) + ahead,
            accuracy=f"{moment.reading.accuracy.mean():.4f}",
            peak=f"{float(moment.heat.field.max()) - ZERO_CELSIUS:.1f} degC",
            iterations=moment.heat.iterations,
        )
