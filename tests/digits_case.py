"""The digits network of the reference numbers, and the phase-change model that aged it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Digits:
    weights: dict[str, np.ndarray]
    biases: dict[str, np.ndarray]
    inputs: np.ndarray
    labels: np.ndarray
    float_logits: np.ndarray

    @classmethod
    def load(cls, reference: Path) -> Digits:
        from sklearn.datasets import load_digits

        net = np.load(reference / "cim" / "networks" / "digits_mlp_64_64_10.npz")
        inputs = (load_digits().data[net["test_idx"]] / 16.0).astype(np.float32)
        return cls(
            {"first": net["W1"].T, "second": net["W2"].T},
            {"first": net["b1"], "second": net["b2"]},
            inputs,
            net["labels_test"],
            net["float_logits_test"],
        )

    def forward(self, matmul: Callable[[str, Any], Any], x: Any) -> Any:
        hidden = np.maximum(matmul("first", x) + self.biases["first"], 0.0)
        return matmul("second", hidden) + self.biases["second"]


def phase_change_cells(
    targets: np.ndarray, times: list[float], chips: int, rng: np.random.Generator, *, noise: bool = True, drift: float = 1.0
) -> Iterator[np.ndarray]:
    """Conductances [S] of chips at times [s] counted from 20 s after programming: Nandakumar 2019, g_max 25 uS.

    Equations as listed in the reference folder (device_models/MODELS.md); `noise` covers programming and reading.
    """
    goal = targets * 1e6
    x = goal / 25.0
    shape = (chips, *goal.shape)
    programmed = np.broadcast_to(goal, shape)
    if noise:
        sd = 0.26348 + 1.9650 * x - 1.1731 * x**2
        programmed = np.maximum(goal + sd * rng.standard_normal(shape), 0.0)
    log = np.log(np.maximum(x, 1e-7))
    mean, sd = np.clip(-0.0155 * log + 0.0244, 0.049, 0.1), np.clip(-0.0125 * log - 0.0059, 0.008, 0.045)
    exponent = drift * np.abs(mean + sd * rng.standard_normal(shape))
    q = np.minimum(0.0088 / np.maximum((programmed / 25.0) ** 0.65, 1e-3), 0.2)
    for time in times:
        cells = programmed * ((time + 20.0) / 20.0) ** -exponent
        if noise:
            spread = q * np.sqrt(np.log((time + 20.0 + 250e-9) / 500e-9))
            cells = np.maximum(cells * (1.0 + spread * rng.standard_normal(shape)), 0.0)
        yield cells * 1e-6
