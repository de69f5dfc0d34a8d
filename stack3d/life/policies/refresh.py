"""Cells written again: periodically, when the accuracy has fallen, the worst only, or with less care."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stack3d.chip import Computer, error_powers
from stack3d.devices import HEALTHY
from stack3d.errors import Problem, ValidityWarning
from stack3d.heat import Climate
from stack3d.life.chips import Life, Loose, Passive, around, periodic, policies, read_out
from stack3d.schema import life as schema


@policies.register("refresh")
class Refresh(Passive):
    """Write cells again, periodically or when the accuracy has fallen; if asked the worst only, or those that matter little
    with less care.
    """

    renews = True

    def __init__(self, deck: schema.RefreshDeck) -> None:
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

    def around(self, time: float) -> tuple[float, float]:
        """Return the multiples of the period about a time."""
        return around(self.deck.period, time) if self.deck.period else super().around(time)

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

    def _efforts(self, life: Life) -> dict[str, NDArray[np.float64] | float]:
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
        pulses = {}
        for name, state in life.population.states.items():
            alive = float(np.sum((state.stuck == HEALTHY) * efforts[name])) / life.samples * times
            pulses[name] = alive * life.computer.devices[name].write_pulses()
        return replace(life, population=population).billed(times, pulses)
