"""What a population of cells carries through its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.devices.laws import Reals

HEALTHY, STUCK_LOW, STUCK_HIGH = 0, 1, 2
"""Entries of `CellState.stuck`: alive, stuck at g_min, stuck at g_max."""


@dataclass(frozen=True)
class CellState:
    """Programmed values, frozen draws, clocks and wear of cells; every array broadcasts against `target`.

    Clocks that are the same for all cells stay small until cells are rewritten apart from each other.
    """

    target: Reals
    """What was asked for. [S]"""
    programmed: Reals
    """What the last write left, at `programming_temperature`. [S]"""
    programming_temperature: Reals
    """[K]"""
    writes: Reals
    """Mean write pulses so far. [-]"""
    damage: Reals
    """Miner's sum; a cell fails when it passes its own life. [-]"""
    stuck: NDArray[np.int8]
    """`HEALTHY`, `STUCK_LOW` or `STUCK_HIGH`."""
    clocks: Mapping[str, Reals] = field(default_factory=dict)
    """Time integrals since the last write, by mechanism; `age` is plain time. [s] or reduced [-]"""
    draws: Mapping[str, Reals] = field(default_factory=dict)
    """Frozen random numbers, by mechanism."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the population."""
        return self.target.shape

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(a.nbytes for a in self.arrays().values())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name (``clocks.age``, ``draws.life``), for a checkpoint."""
        flat: dict[str, NDArray[Any]] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Mapping):
                flat.update({f"{f.name}.{k}": v for k, v in value.items()})
            else:
                flat[f.name] = value
        return flat

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> CellState:
        """Rebuild what `arrays` wrote."""
        parts: dict[str, Any] = {"clocks": {}, "draws": {}}
        for name, value in arrays.items():
            head, _, key = name.partition(".")
            if key:
                parts[head][key] = np.asarray(value)
            else:
                parts[head] = np.asarray(value)
        return cls(**parts)
