"""How likely lives of cells, and windows of worn ones, are under a law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, override

import numpy as np

from stack3d.devices.fitting.data_sizes import ROOM
from stack3d.devices.fitting.likelihood import Likelihood
from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.quality import Quality, beside_known
from stack3d.devices.laws import ENDURANCE, EnduranceLaw, WindowClosureLaw
from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

FEWEST_FAILURES, MOST_AGES = 5, 6
"""Failures of an age, and ages of a condition, that are compared with those expected."""


class Lives(Likelihood):
    """Cycles at which cells failed, or were still alive (`censored` = 1)."""

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        c, self.device, self.nuisance = table.columns, device, {}
        self.cycles = c["cycles"]
        self.temperature = c.get("temperature", np.full(table.rows, ROOM))
        self.voltage = c.get("voltage")
        self.alive = c.get("censored", np.zeros(table.rows)) > 0
        if self.alive.all():
            raise DeckError(Problem("", "no cell failed: a life needs failures", str(table.path)))
        self._ask_of_spread(str(table.path))
        self.observations = table.rows

    def _ask_of_spread(self, path: str) -> None:
        """Raise DeckError where all that failed under the same conditions did so at the same cycles."""
        voltage = self.voltage if self.voltage is not None else np.zeros(self.cycles.size)
        failed = np.stack([self.temperature, voltage, self.cycles])[:, ~self.alive]
        conditions, lives = (np.unique(part, axis=1).shape[1] for part in (failed[:2], failed))
        if failed.shape[1] > lives == conditions:
            text = "all cells of a temperature failed at the same cycles: lives without a spread fix no law"
            raise DeckError(Problem("", text, path))

    def _damage(self, law: EnduranceLaw) -> Floats:
        if self.voltage is None or self.device.write is None:
            return np.asarray(self.cycles / law.cycles(self.temperature, self.device))
        found = np.empty(self.cycles.size)
        for v in np.unique(self.voltage):
            here = self.voltage == v
            write = self.device.write.model_copy(update={"voltage": float(v)})
            found[here] = self.cycles[here] / law.cycles(
                self.temperature[here], self.device.model_copy(update={"write": write})
            )
        return found

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        damage = self._damage(law)
        survival = law.log_survival(damage)
        h = 1e-5
        hazard = -(law.log_survival(damage * (1 + h)) - law.log_survival(damage * (1 - h))) / (2 * h)  # per ln cycles
        total = float(np.sum(survival)) + float(np.sum(np.log(np.maximum(hazard[~self.alive], 1e-300))))
        return total if math.isfinite(total) else -math.inf

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        damage = self._damage(law)
        order = np.argsort(damage)
        share = (np.arange(1, damage.size + 1) - 0.5) / damage.size
        return damage[order], share + np.expm1(law.log_survival(damage[order])), "cycles / scale", "failed share less law"

    @override
    def judged(self, law: Any, noise: Sequence[float], values: float) -> Quality | None:
        """Failures by age at each temperature and voltage, beside those that the law expects of the cells then alive."""
        damage = self._damage(law)
        voltage = self.voltage if self.voltage is not None else np.zeros(damage.size)
        residual: list[float] = []
        for conditions in np.unique(np.stack([self.temperature, voltage]), axis=1).T:
            here = (self.temperature == conditions[0]) & (voltage == conditions[1])
            failed = np.sort(damage[here & ~self.alive])
            parts = min(failed.size // FEWEST_FAILURES, MOST_AGES)
            if not parts:
                continue
            cuts = [k * failed.size // parts for k in range(1, parts)]
            ends = [0.0, *(0.5 * (failed[cut - 1] + failed[cut]) for cut in cuts)]
            for begin, end in zip(ends, [*ends[1:], math.inf]):
                seen = np.sum((failed > begin) & (failed <= end))
                most = np.clip(damage[here], max(begin, 1e-300), end)
                left = law.log_survival(np.full(most.size, max(begin, 1e-300))) - law.log_survival(most)
                expected = float(np.sum(left))
                residual.append((float(seen) - expected) / math.sqrt(max(expected, 1e-9)))
        return beside_known(np.array(residual), min(values, len(residual) - 1), "failures by age and temperature")


class Windows(Likelihood):
    """Highest and lowest conductance that worn cells still reach; scatter in their logarithm is a parameter.

    Damage is a column, or cycles over the life that the device's endurance law states.
    """

    def __init__(self, table: Table, device: DeviceDeck, mechanism: str) -> None:
        c, self.device = table.columns, device
        self.seen = {k: c[k] for k in ("high", "low") if k in c}
        self.observations = sum(v.size for v in self.seen.values())
        self.damage = c["damage"] if "damage" in c else self._worn(table, device)
        self.nuisance = {"scatter": 0.05}

    @staticmethod
    def _worn(table: Table, device: DeviceDeck) -> Floats:
        given = device.mechanisms.get("endurance")
        if given is None:
            text = "cycles alone tell no damage: name a deck with an endurance law by --start, or give a column damage"
            raise DeckError(Problem("", text, str(table.path)))
        law = ENDURANCE[given.law].model_validate(given.parameters)
        temperature = table.columns.get("temperature", np.full(table.rows, ROOM))
        return np.asarray(table.columns["cycles"] / law.cycles(temperature, device))

    def _residuals(self, law: WindowClosureLaw) -> Floats:
        """Logarithm of the seen ends over those of the law."""
        low, high = law.window(self.damage, self.device)
        ends = {"low": np.maximum(low, 1e-300), "high": high}
        return np.concatenate([np.log(seen / ends[k]) for k, seen in self.seen.items()])

    @override
    def log(self, law: Any, noise: Sequence[float]) -> float:
        e = self._residuals(law) / noise[0]
        total = -0.5 * float(e @ e) - e.size * math.log(noise[0])
        return total if math.isfinite(total) else -math.inf

    @override
    def points(self, law: Any, noise: Sequence[float]) -> tuple[Floats, Floats, str, str]:
        at = np.tile(self.damage, len(self.seen))
        return at, self._residuals(law) / noise[0], "damage", "residual / scatter"
