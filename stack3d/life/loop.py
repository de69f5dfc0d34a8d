"""The epochs of one life: temperature and cells found together in each, and what every epoch leaves in the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Chip, Computer
from stack3d.heat.climate import Climate
from stack3d.heat.periodic import PeriodicHeat, Swing
from stack3d.heat.settle import settle
from stack3d.heat.sources import power_schedule
from stack3d.heat.state import Heat
from stack3d.heat.upkeep import calibration_energy, digital_energy
from stack3d.life import checkpoint
from stack3d.life.answers import answered
from stack3d.life.epochs import elapse
from stack3d.life.histogram import errors_by_tier, histogram, histogram_edges
from stack3d.life.history import History
from stack3d.life.life import Life
from stack3d.life.policy import Policy
from stack3d.life.reading import Reading, read_out
from stack3d.life.start import climate_of, first_heat, fresh_life, leaking_of, limits_of, present
from stack3d.life.times import TODAY, epoch_times
from stack3d.progress import Observer, Stopwatch
from stack3d.schema.life import Lifetime
from stack3d.thermal.backend import ThermalBackend, ThermalSolution
from stack3d.workload.power import DYNAMIC

ANCHOR = 298.15
"""Temperature of the equivalent time in the dataset. [K]"""
MOST_PASSES = 8
"""Solutions of an epoch until its swings within a period fit its powers."""
NARROWEST = 1.1
"""End over start of an epoch that is not divided any more."""


class Loop:
    """The epochs of one life.

    Parameters
    ----------
    chip : Chip
    computer : Computer
    backend : ThermalBackend
    plan : sequence of Policy
    observer : Observer
    clock : Stopwatch
    resume : Path or None
        Checkpoint file.
    key : str
        What it belongs to.
    """

    def __init__(
        self,
        chip: Chip,
        computer: Computer,
        backend: ThermalBackend,
        plan: Sequence[Policy],
        observer: Observer,
        clock: Stopwatch,
        resume: Path | None,
        key: str,
    ) -> None:
        self.chip, self.computer, self.backend, self.plan = chip, computer, backend, plan
        self.observer, self.clock, self.resume, self.key = observer, clock, resume, key
        self.lifetime = chip.scenario.lifetime or Lifetime(epochs=1, until=TODAY)
        self.limits = limits_of(chip, plan)
        self.tiers = [layer.name for layer in chip.stack.with_role("rram")]
        self.tier_of_tile = np.array([self.tiers.index(layer) for layer, _ in computer.places])
        self.times: list[float] = []
        self.climates: list[Climate] = []
        self.rows: dict[str, list[Any]] = {}

    def run(self) -> tuple[dict[str, Any], dict[str, Any], ThermalSolution]:
        """Follow the chips through all epochs, then answer."""
        with self.clock("program"):
            start = fresh_life(self.chip, self.computer)
        cells = sum(int(np.prod(m.state_shape)) for m in self.computer.matrices.values())
        self.observer.stage("program", chips=start.samples, cells=cells)
        with self.clock("heat"):
            self.first = first_heat(self.chip, self.computer, self.backend, self.plan)
            repeats = power_schedule(self.chip, self.first)[1].period is not None
            self.periodic = PeriodicHeat(self.chip, self.backend, self.first) if repeats else None
            swing = self._held() if self.periodic else None
            values, coordinates = present(self.chip, self.computer, self.first, np.empty(0))
            if self.periodic is not None:
                coordinates["phase"], values["thermal/tile_temperature_history"] = self.periodic.history(self.first)
        life, ahead, field, swing = self._begin(start, swing)
        while ahead:
            after, row, state, swing = self._epoch(life, len(self.times), ahead[0], field, swing)
            if self._is_coarse(row, life.time, ahead):
                ahead.insert(0, float(np.sqrt(life.time * ahead[0])))
                continue
            life, field = after, state.field
            self.times.append(ahead.pop(0))
            self.climates.append(climate_of(field, swing))
            for name, value in row.items():
                self.rows.setdefault(name, []).append(value)
            self._tell(state, row, len(ahead))
            if self.resume is not None:
                with self.clock("checkpoint"):
                    checkpoint.save(
                        self.resume,
                        self.key,
                        checkpoint.Progress(self.times, ahead, life, self.rows, self.climates, field, swing),
                    )
        coordinates["time"] = np.array(self.times)
        values |= {name: np.array(row) for name, row in self.rows.items()}
        history = History(start, life, coordinates["time"], self.climates, self.plan, self.tier_of_tile, len(self.tiers))
        edges = histogram_edges(self.computer)
        coordinates["conductance"] = 0.5 * (edges[1:] + edges[:-1])
        answered(history, self.lifetime, values, coordinates, self.observer, self.clock)
        return values, coordinates, self.first.solution

    def _held(self) -> Swing:
        """Swing of the first heat, found together with its leakage and, where throttled, its rate."""
        assert self.periodic is not None
        swing = self.periodic.swing(self.first)
        for _ in range(MOST_PASSES):
            self.first = first_heat(self.chip, self.computer, self.backend, self.plan, swing, self._above(swing))
            before, swing = swing, self.periodic.swing(self.first, swing)
            if before is swing:
                break
        return swing

    def _begin(self, start: Life, swing: Swing | None) -> tuple[Life, list[float], NDArray[np.float64], Swing | None]:
        """The checkpoint, or freshly programmed chips; ends of epochs ahead, temperature, and its swings."""
        stored = checkpoint.load(self.resume, self.key, start) if self.resume is not None else None
        if stored is None:
            life = start
            for policy in self.plan:
                life = policy.programmed(life, climate_of(self.first.field, swing))
            return life, epoch_times(self.chip.scenario.lifetime).tolist(), self.first.field, swing
        self.times, self.climates = list(stored.times), list(stored.climates)
        self.rows = {name: list(row) for name, row in stored.rows.items()}
        self.observer.stage("resume", epochs=f"{len(stored.times)}/{len(stored.times) + len(stored.ahead)}")
        return stored.life, list(stored.ahead), stored.field, stored.swing

    def _epoch(
        self, life: Life, epoch: int, end: float, field: NDArray[np.float64], swing: Swing | None
    ) -> tuple[Life, dict[str, Any], Heat, Swing | None]:
        """Temperature of the epoch and the chips at its end, found together; one way, the first heat stays."""
        state = self.first
        if self.lifetime.coupling.enabled:
            for _ in range(MOST_PASSES):
                state = self._settled(life, epoch, end, field, swing)
                if self.periodic is None:
                    break
                with self.clock("heat"):
                    before, swing = swing, self.periodic.swing(state, swing)
                if before is swing:
                    break
                field = state.field
        climate = climate_of(state.field, swing)
        with self.clock("age"):
            after = elapse(life, end, climate, self.plan, epoch)
        with self.clock("read"):
            reading = read_out(after, climate, self.plan, epoch)
        if after.fresh_accuracy is None:
            after = replace(after, fresh_accuracy=float(reading.accuracy.mean()))
        return after, self._row(life, after, state, reading, swing), state, swing

    def _settled(self, life: Life, epoch: int, end: float, field: NDArray[np.float64], swing: Swing | None) -> Heat:
        """Fixed point of temperature, leakage and what the cells conduct on average over the epoch."""
        with self.clock("age"):
            guess = elapse(life, end, climate_of(field, swing), self.plan, epoch)

        def conductances(trial: NDArray[np.float64]) -> dict[str, Any]:
            climate = climate_of(trial, swing)
            with self.clock("age"):
                before = life.conductances(climate)
                later = guess if trial is field else elapse(life, end, climate, self.plan, epoch)
                after = later.conductances(climate)
                return {name: 0.5 * (before[name] + after[name]) for name in before}

        with self.clock("heat"):
            power = (guess.bill.tile_energy - life.bill.tile_energy) / (end - life.time)
            return settle(
                self.chip, self.backend, conductances, field, self.limits, power, self._above(swing), leaking_of(swing)
            )

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

    def _is_coarse(self, row: dict[str, Any], start: float, ahead: Sequence[float]) -> bool:
        """Whether more has changed in an epoch than the scenario allows, and the epoch can be divided."""
        refine = self.lifetime.refine
        if refine is None or not self.rows or ahead[0] / start < NARROWEST or len(self.times) + len(ahead) >= refine.most:
            return False
        lost = abs(float(np.mean(self.rows["mvm/accuracy"][-1]) - np.mean(row["mvm/accuracy"])))
        moved = float(np.abs(self.rows["thermal/tile_temperature"][-1] - row["thermal/tile_temperature"]).max())
        return lost > refine.accuracy or moved > refine.temperature

    def _tell(self, state: Heat, row: dict[str, Any], ahead: int) -> None:
        self.observer.step(
            "epoch",
            len(self.times),
            len(self.times) + ahead,
            accuracy=f"{row['mvm/accuracy'].mean():.4f}",
            peak=f"{state.field.max():.1f} K",
            iterations=state.iterations,
        )

    def _row(self, before: Life, after: Life, state: Heat, reading: Reading, swing: Swing | None) -> dict[str, Any]:
        """Output variables of one epoch."""
        climate = climate_of(state.field, swing)
        seen = after.conductances(climate)
        mean, spread = errors_by_tier(self.computer, after.population, seen, self.tier_of_tile, len(self.tiers))
        tiers = np.array([state.solution.field.layer_mean(name) for name in self.tiers])
        levels = tiers[None] if swing is None else tiers + swing.tiers
        ages = np.array([self._device_of_tier(i).acceleration(t, reference=ANCHOR) for i, t in enumerate(levels.T)])
        earlier = self.rows["reliability/equivalent_time"][-1] if self.rows else np.zeros(len(self.tiers))
        moving = sum(float(state.powers[name].sum()) for name in DYNAMIC)
        energy = moving / (state.rate or np.nan) + digital_energy(self.chip)
        calibration = calibration_energy(self.chip, state.powers, state.rate)
        spent = (
            self.rows["reliability/calibration_energy"][-1] if self.rows else calibration
        )  # that of the chip just programmed
        periodic = {}
        if swing is not None:
            periodic = {
                "thermal/tile_temperature_low": (state.field + swing.low).min(axis=(1, 2)),
                "thermal/tile_temperature_high": (state.field + swing.high).max(axis=(1, 2)),
                "thermal/tile_temperature_working": climate.working.mean(axis=(1, 2)),
                "reliability/temperature_levels": climate.shares.size,
            }
        peaks = [state.solution.field.layer_peak(layer.name)[0] for layer in self.chip.stack.layers]
        if self.periodic is not None and swing is not None:
            peaks = np.maximum(peaks, self.periodic.layer_peaks(state.solution, swing)).tolist()
        return {
            "thermal/layer_temperature_high": np.array(peaks),
            "mvm/accuracy": reading.accuracy,
            "mvm/logit_error": reading.logit_error,
            "mvm/signal_to_noise": reading.signal_to_noise,
            "mvm/confusion": reading.confusion,
            "mvm/wire_error": reading.wire_error,
            "thermal/tile_temperature": state.tile_temperature,
            "reliability/conductance_error_mean": mean,
            "reliability/conductance_error_std": spread,
            "reliability/equivalent_time": earlier + (after.time - before.time) * (ages @ climate.shares),
            "reliability/conductance_histogram": histogram(seen, histogram_edges(self.computer)),
            "reliability/stuck_fraction": after.population.stuck_fraction(),
            "reliability/writes": after.population.mean_of("writes"),
            "reliability/endurance_used": after.population.mean_of("damage"),
            "reliability/refreshes": after.bill.refreshes,
            "reliability/write_energy": after.bill.energy,
            "reliability/calibration_energy": spent + calibration,
            "reliability/coupling_iterations": state.iterations,
            "reliability/coupling_change": state.change,
            "power/total_power": state.solution.heat_in,
            "power/array_power": float(state.powers["array"].sum()),
            "power/inference_energy": energy,
            "power/relative_efficiency": self.rows["power/inference_energy"][0] / energy if self.rows else 1.0,
            "power/rate": state.rate,
            **periodic,
        }

    def _device_of_tier(self, tier: int) -> Any:
        """Device of the tiles on a tier; that of the first layer where it has none."""
        mine = np.flatnonzero(self.tier_of_tile == tier)
        layer = self.computer.tiles[mine[0] if mine.size else 0].layer
        return self.computer.devices[layer]
