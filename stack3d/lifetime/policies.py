"""Repair and mitigation, each policy with its cost: refresh, compensation, spares, fine-tuning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d import mvm
from stack3d.devices.state import HEALTHY
from stack3d.errors import Problem, ValidityWarning
from stack3d.layout import Floats
from stack3d.lifetime.ageing import Loose, Population
from stack3d.lifetime.climate import Climate
from stack3d.lifetime.computer import Computer, forward_of
from stack3d.lifetime.crossbars import error_powers
from stack3d.lifetime.heat import Limits
from stack3d.lifetime.life import Life, Passive, policies, read_out, reference_rng
from stack3d.schema import life as schema

MOST_EVENTS = 4
"""Periodic acts within one epoch that are followed one by one; of more, all but the last only wear the cells, for
programming again resets all else."""


def periodic(period: float, start: float, end: float, most: int = MOST_EVENTS) -> list[tuple[float, float]]:
    """Multiples of a period in (start, end], and how many acts before each only wear: none up to `most` acts."""
    first, last = int(np.floor(start / period)) + 1, int(np.floor(end / period))
    count = last - first + 1
    if count <= most:
        return [(k * period, 0.0) for k in range(first, last + 1)]
    return [(last * period, float(count - 1))]


@policies.register("refresh")
class Refresh(Passive):
    """Write cells again, periodically or when the accuracy has fallen; if asked the worst only, or those that matter little
    with less care.
    """

    renews = True

    def __init__(self, deck: schema.Refresh) -> None:
        self.deck = deck

    def check(self, computer: Computer) -> list[Problem]:
        """Refuse to write a cell again before it is written."""
        takes = max(d.write_pulses() * (d.device.write.pulse if d.device.write else 0.0) for d in computer.devices.values())
        if self.deck.period is None or self.deck.period > takes:
            return []
        text = f"is {self.deck.period:g} s; to write one cell takes {takes:g} s"
        return [Problem("lifetime.refresh.period", text)]

    def programmed(self, life: Life, climate: Climate) -> Life:
        """Leave the chips as they are; warn where less care saves nothing."""
        if (coarse := self.deck.coarse) is not None:
            most = max(device.write_pulses() for device in life.computer.devices.values())
            if coarse.pulses >= most:
                text = f"refresh.coarse.pulses: {coarse.pulses:g} pulses are no fewer than the {most:g} of a full write"
                warnings.warn(ValidityWarning(text), stacklevel=2)
        return life

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return multiples of the period."""
        return periodic(self.deck.period, start, end) if self.deck.period else ()

    def is_due(self, life: Life, climate: Climate) -> bool:
        """Whether the mean accuracy has fallen below that of fresh chips by the given loss."""
        if self.deck.accuracy_loss is None or life.fresh_accuracy is None:
            return False
        return bool(
            read_out(life, climate, (), 0, layers=False).accuracy.mean() < life.fresh_accuracy - self.deck.accuracy_loss
        )

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Write all cells, or the share of each chip that is farthest from its target."""
        if self.deck.worst >= 1:
            return life.rewritten(climate, event, loose=self._loose(life))
        masks = {}
        lasting = {n: life.computer.devices[n].conductance(s) for n, s in life.population.states.items()}
        errors = {
            n: np.abs(g - life.population.states[n].target) / life.computer.devices[n].device.g_max for n, g in lasting.items()
        }
        pooled = np.concatenate([e.reshape(life.samples, -1) for e in errors.values()], axis=1)
        limit = np.quantile(pooled, 1 - self.deck.worst, axis=1)
        for name, error in errors.items():
            masks[name] = error >= limit.reshape(-1, *[1] * (error.ndim - 1))
        return life.rewritten(climate, event, masks=masks)

    def _loose(self, life: Life) -> Loose | None:
        """Cells whose error costs least, over all layers."""
        coarse = self.deck.coarse
        if coarse is None or coarse.share == 0:
            return None
        powers = error_powers(life.computer)
        order = np.argsort(np.concatenate([p.ravel() for p in powers.values()]), kind="stable")
        chosen = np.zeros(order.size, dtype=bool)
        chosen[order[: round(coarse.share * order.size)]] = True
        ends = np.cumsum([p.size for p in powers.values()])[:-1]
        masks = {n: part.reshape(p.shape) for (n, p), part in zip(powers.items(), np.split(chosen, ends))}
        return Loose(masks, coarse.pulses)

    def _efforts(self, life: Life) -> dict[str, Floats | float]:
        """Mean pulses of a cell in one act over those of a full write."""
        loose, devices = self._loose(life), life.computer.devices
        if loose is None:
            return dict.fromkeys(devices, self.deck.worst)
        few = {n: min(1.0, loose.pulses / (d.write_pulses() or 1.0)) for n, d in devices.items()}
        return {n: np.where(mask, few[n], 1.0) for n, mask in loose.masks.items()}

    def wear(self, life: Life, climate: Climate, times: float) -> Life:
        """Count writes whose outcome later writes replace."""
        efforts = self._efforts(life)
        population = life.population.worn(life.computer, times, efforts, climate)
        pulses = energy = 0.0
        tile_energy = life.bill.tile_energy.copy()
        for name, state in life.population.states.items():
            device = life.computer.devices[name]
            alive = float(np.sum((state.stuck == HEALTHY) * efforts[name])) / life.samples * times
            spent = alive * device.write_pulses()
            joule = spent * (device.device.write.energy if device.device.write else 0.0)
            pulses, energy = pulses + spent, energy + joule
            tiles = life.computer.tiles_of(name)
            for i, tile in tiles:
                tile_energy[i] += joule * tile.weights / sum(t.weights for _, t in tiles)
        bill = replace(
            life.bill,
            refreshes=life.bill.refreshes + times,
            pulses=life.bill.pulses + pulses,
            energy=life.bill.energy + energy,
            tile_energy=tile_energy,
        )
        return replace(life, population=population, bill=bill)


@policies.register("compensation")
class Compensation(Passive):
    """Corrections at read-out, measured through the chip's own converters."""

    def __init__(self, deck: schema.Compensation) -> None:
        self.deck = deck

    def _reading(self, life: Life, seen: Mapping[str, Any], matrices: Mapping[str, mvm.AnalogMatrix]) -> dict[str, Floats]:
        read = mvm.read_magnitude if self.deck.drift == "layer" else mvm.read_references
        rng = reference_rng(life)
        return {name: np.asarray(read(m, m.prepare(seen[name]), rng)) for name, m in matrices.items()}

    def _network(
        self,
        life: Life,
        seen: Mapping[str, Any],
        matrices: Mapping[str, mvm.AnalogMatrix],
        corrections: Mapping[str, mvm.Compensation],
    ) -> mvm.CrossbarNetwork:
        states = {name: m.prepare(seen[name]) for name, m in matrices.items()}
        return mvm.CrossbarNetwork(matrices, states, reference_rng(life), corrections)

    def programmed(self, life: Life, climate: Climate) -> Life:
        """Remember what the fresh chips read."""
        computer, seen = life.computer, life.conductances(climate)
        known = dict(life.reference)
        if self.deck.drift != "none":
            known |= self._reading(life, seen, computer.matrices)
        if self.deck.columns:
            at_test = life.conductances(Climate.steady(np.full_like(climate.mean, life.programming_temperature)))
            network = self._network(life, at_test, computer.matrices, {})
            found = mvm.column_moments(
                network, forward_of(computer.network), computer.data.profile, input_sums=self.deck.input_sums
            )
            known |= {f"columns of {name}": moments for name, moments in found.items()}
        return replace(life, reference=known)

    def correct(
        self, life: Life, matrices: dict[str, mvm.AnalogMatrix], seen: Mapping[str, Any], climate: Climate
    ) -> tuple[dict[str, mvm.AnalogMatrix], dict[str, mvm.Compensation]]:
        """New converter ranges, gains from reference reads or from thermometers, then gain and offset of every output."""
        computer, inputs = life.computer, life.computer.data.profile
        forward = forward_of(computer.network)
        if self.deck.recalibrate:
            profiles = mvm.profile(self._network(life, seen, matrices, {}), forward, inputs)
            choice = life.chip.scenario.mvm
            matrices = {
                n: m.calibrated(profiles[n], choice.percentile, per=choice.converter_range) for n, m in matrices.items()
            }
        gains: dict[str, mvm.Compensation] = {}
        if self.deck.drift != "none" and life.reference:
            ratio = mvm.layer_scale if self.deck.drift == "layer" else mvm.tile_gain
            now = self._reading(life, seen, matrices)
            gains = {name: ratio(life.reference[name], now[name]) for name in matrices}
        elif self.deck.temperature_gain:
            gains = {n: mvm.Compensation(tile_gain=self._thermal_gain(life, n, climate)) for n in matrices}
        if self.deck.columns:
            fresh = {name: life.reference[f"columns of {name}"] for name in matrices}
            present = self._network(life, seen, matrices, gains)
            more = mvm.column_corrections(present, forward, inputs, fresh, input_sums=self.deck.input_sums)
            gains = {name: gains.get(name, mvm.Compensation()).then(fix) for name, fix in more.items()}
        return matrices, gains

    def _thermal_gain(self, life: Life, name: str, climate: Climate) -> Floats:
        """One over the nominal mean of G(T)/G of each array at its own mean temperature, (row blocks, column blocks)."""
        matrix, device = life.computer.matrices[name], life.computer.devices[name]
        gain = np.ones((len(matrix.row_blocks), len(matrix.column_blocks)))
        law = device.temperature_dependence
        if law is None:
            return gain
        targets = matrix.target_conductances()
        programmed = life.programming_temperature
        temperature = climate.working.mean(axis=(1, 2))
        rows = [start for start, _ in matrix.row_blocks]
        columns = [start for start, _ in matrix.column_blocks]
        for i, tile in life.computer.tiles_of(name):
            cells = targets[:, tile.row_start : tile.row_stop, tile.col_start : tile.col_stop]
            at = np.full(cells.shape, temperature[i])
            warm = cells * law.factor(cells / device.device.g_max, at, np.full(cells.shape, programmed), 0.0, device.device)
            signal = matrix.mapping.weights(cells, matrix.weight_max) if matrix.mapping.is_pair else cells.sum(axis=0)
            moved = matrix.mapping.weights(warm, matrix.weight_max) if matrix.mapping.is_pair else warm.sum(axis=0)
            if np.abs(moved).sum() > 0:
                gain[rows.index(tile.row_start), columns.index(tile.col_start)] = np.abs(signal).sum() / np.abs(moved).sum()
        return gain


@policies.register("throttling")
class Throttling(Passive):
    """Lower the inference rate until the hottest cell keeps below a limit; the cost is throughput."""

    def __init__(self, deck: schema.Throttling) -> None:
        self.deck = deck

    def limit(self, limits: Limits) -> Limits:
        """Set the hottest temperature."""
        return replace(limits, hottest=self.deck.limit)


@policies.register("power_gating")
class PowerGating(Passive):
    """Switch the periphery of idle tiles off, but for a residual leakage."""

    def __init__(self, deck: schema.PowerGating) -> None:
        self.deck = deck

    def limit(self, limits: Limits) -> Limits:
        """Set the leakage of idle tiles."""
        return replace(limits, idle_leakage=self.deck.residual)


@policies.register("spares")
class Spares(Passive):
    """At test, replace the columns of each array with most stuck cells by spare ones, whose own faults are drawn anew."""

    def __init__(self, deck: schema.Spares) -> None:
        self.deck = deck

    def programmed(self, life: Life, climate: Climate) -> Life:
        """Find the worst columns of every chip, put spare cells in their place and write them."""
        computer, states, masks = life.computer, dict(life.population.states), {}
        for index, (name, state) in enumerate(states.items()):
            law = computer.devices[name].faults
            if law is None:
                continue
            rng = np.random.default_rng([life.seed, 5, index])
            spare = law.stuck(rng, state.shape)
            replaced = np.zeros(state.shape, dtype=bool)
            for _, tile in computer.tiles_of(name):
                columns = computer.columns_of(tile)
                rows = slice(tile.row_start, tile.row_stop)
                bad = (state.stuck[..., rows, columns] != HEALTHY).sum(axis=-2)
                good = (spare[..., rows, columns] != HEALTHY).sum(axis=-2)
                order = np.argsort(good - bad, axis=-1, kind="stable")[..., : self.deck.columns]
                use = np.zeros(bad.shape, dtype=bool)
                np.put_along_axis(use, order, True, axis=-1)
                use &= bad > good
                replaced[..., rows, columns] = use[..., None, :]
            states[name] = replace(state, stuck=np.where(replaced, spare, state.stuck).astype(np.int8))
            if replaced.any():
                masks[name] = replaced
        if not masks:
            return life
        return replace(life, population=Population(states)).rewritten(climate, 999_999, masks=masks)


@policies.register("fine_tuning")
class FineTuning(Passive):
    """Train the last layer of each chip by softmax regression on its own features, then write the cells that moved."""

    def __init__(self, deck: schema.FineTuning) -> None:
        self.deck = deck

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return every multiple of the period: training starts from what the one before left."""
        return periodic(self.deck.period, start, end, most=schema.MOST_TRAININGS)

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Gradient steps with the analog forward pass of each chip; digital shadow weights start at the present targets."""
        computer = life.computer
        name = list(computer.matrices)[-1]
        matrix, device = computer.matrices[name], computer.devices[name]
        features, logits = self._features(life, climate, name)
        labels = np.eye(matrix.n_outputs)[:, computer.data.profile_labels]
        start, across = np.swapaxes(logits, -1, -2).copy(), np.swapaxes(features, -1, -2).copy()  # classes first: short sums
        state = life.population.states[name]
        before = matrix.mapping.weights(np.asarray(state.target[..., : matrix.n_outputs], dtype=np.float64), matrix.weight_max)
        change = np.zeros_like(np.swapaxes(before, -1, -2))
        n = features.shape[-2]
        for _ in range(self.deck.steps):
            p = start + change @ across
            p -= p.max(axis=-2, keepdims=True)
            np.exp(p, out=p)
            p /= p.sum(axis=-2, keepdims=True)
            p -= labels
            change -= self.deck.learning_rate / n * (p @ features)
        wanted = np.clip(before + np.swapaxes(change, -1, -2), -matrix.weight_max, matrix.weight_max)
        targets = np.array(state.target, dtype=np.float64)
        targets[..., : matrix.n_outputs] = np.stack([matrix.mapping.conductances(w, matrix.weight_max) for w in wanted])
        window = device.device.g_max - device.device.g_min
        mask = np.abs(targets - state.target) > self.deck.threshold * window
        if not mask.any():
            return life
        return life.rewritten(climate, event, masks={name: mask}, targets={name: targets})

    def _features(self, life: Life, climate: Climate, last: str) -> tuple[Floats, Floats]:
        """Inputs of the last layer (chips, profile, n_inputs) and logits, as each chip computes them."""
        seen = life.conductances(climate)
        matrices = life.computer.matrices
        network = mvm.CrossbarNetwork(matrices, {n: m.prepare(seen[n]) for n, m in matrices.items()}, reference_rng(life))
        kept: dict[str, Floats] = {}

        class Recorder:
            states = network.states

            def __call__(self, name: str, x: Any) -> Any:
                if name == last:
                    kept["features"] = np.asarray(x, dtype=np.float64)
                return network(name, x)

        logits = forward_of(life.computer.network)(Recorder(), life.computer.data.profile)
        return kept["features"], np.asarray(logits, dtype=np.float64)
