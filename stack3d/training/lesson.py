"""What a network is taught by: inputs, their labels, and what it said of them before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d.workload import Array, Inputs, Network


@dataclass(frozen=True, eq=False)
class Lesson:
    """Inputs, their labels, and what the network said of them in float arithmetic before."""

    inputs: Any
    labels: Array | None
    said: Array

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Any) -> Lesson:
        return Lesson(self.inputs[index], None if self.labels is None else self.labels[index], self.said[index])


def outputs_of(network: Network, inputs: Any, size: int = 64) -> Array:
    """Outputs in float arithmetic, (inputs, ...) flattened; so many inputs at a time."""
    parts = [network.run(inputs[i : i + size]) for i in range(0, len(inputs), size)]
    return np.concatenate([part.reshape(len(part), -1) for part in parts])


def fed(network: Network, inputs: Any) -> Mapping[str, Array]:
    """Inputs by the names that a network gives them."""
    return inputs.arrays if isinstance(inputs, Inputs) else {network.program.inputs[0].name: inputs}
