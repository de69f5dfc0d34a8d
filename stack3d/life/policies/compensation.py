"""Corrections at read-out: drift, temperature, columns, converter ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import mvm
from stack3d.chip import TODAY, Computer, forward_of
from stack3d.errors import Problem
from stack3d.heat import Climate, calibration
from stack3d.life.chips import Life, Passive, around, periodic, policies, reference_rng, too_often
from stack3d.schema import life as schema

SETTLED = 0.5 * TODAY
"""Time after a write at which corrections are measured; cells relax most at once, and to write a chip takes as long. [s]"""


@policies.register("compensation")
class CompensationPolicy(Passive):
    """Corrections at read-out, measured through the chip's own converters once a period and after every write."""

    measures = True

    def __init__(self, deck: schema.CompensationDeck) -> None:
        self.deck = deck
        self.reads = deck.drift != "none" or deck.columns or deck.recalibrate

    def check(self, computer: Computer) -> list[Problem]:
        """Refuse to calibrate again before that is done."""
        return too_often("lifetime.compensation.period", self.deck.period, calibration(computer), computer)

    def events(self, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return the last multiple of the period; those before it only read."""
        return periodic(self.deck.period, start, end, most=1) if self.reads else ()

    def around(self, time: float) -> tuple[float, float]:
        """Return the multiples of the period about a time, where anything is measured."""
        return around(self.deck.period, time) if self.reads else super().around(time)

    def act(self, life: Life, climate: Climate, event: int) -> Life:
        """Measure the cells as they are now."""
        return replace(life.kept_up(calibration(life.chip.computer)), calibrated=life.conductances(climate))

    def wear(self, life: Life, climate: Climate, times: float) -> Life:
        """Bill calibrations whose outcome later ones replace."""
        return life.kept_up(calibration(life.chip.computer), times)

    def written(self, life: Life, climate: Climate, times: float) -> Life:
        """Measure the cells anew, once they have settled."""
        if not self.reads:
            return life
        settled = life.aged(life.time + SETTLED, climate)
        return replace(life.kept_up(calibration(life.chip.computer), times), calibrated=settled.conductances(climate))

    def _reading(
        self, life: Life, seen: Mapping[str, Any], matrices: Mapping[str, mvm.AnalogMatrix]
    ) -> dict[str, NDArray[np.float64]]:
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
        return self.written(replace(life, reference=known), climate, 1.0)

    def correct(
        self, life: Life, matrices: dict[str, mvm.AnalogMatrix], seen: Mapping[str, Any], climate: Climate
    ) -> tuple[dict[str, mvm.AnalogMatrix], dict[str, mvm.Compensation]]:
        """New converter ranges, gains from reference reads or from thermometers, then gain and offset of every output.

        All but what thermometers tell is of the last calibration.
        """
        computer, inputs, seen = life.computer, life.computer.data.profile, life.calibrated or seen
        forward = forward_of(computer.network)
        if self.deck.recalibrate:
            network, choice = self._network(life, seen, matrices, {}), life.chip.scenario.mvm
            matrices = mvm.calibrated(network, forward, inputs, choice.percentile, per=choice.converter_range)
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

    def _thermal_gain(self, life: Life, name: str, climate: Climate) -> NDArray[np.float64]:
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
