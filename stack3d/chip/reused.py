"""What depends on a network and its data alone, kept from case to case: float outputs, converter ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from os.path import isfile
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import mvm
from stack3d.layout import Floats
from stack3d.workload import Counted, LabelledData, Network, files_of

FLOAT_MEMORY = 256e6
"""Working memory of the float pass. [byte]"""


class Kept[T]:
    """The value made last; one at a time, so that memory stays flat."""

    def __init__(self) -> None:
        self._held: tuple[Any, T] | None = None

    def find(self, key: Any) -> T | None:
        """Return the value if it has this key; otherwise let go of it, before a new one takes its memory."""
        held = self._held
        if held is not None and held[0] == key:
            return held[1]
        self._held = None
        return None

    def keep(self, key: Any, value: T) -> T:
        """Return the value, which is now the one that is kept."""
        self._held = (key, value)
        return value


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network whose batch is found, its data, and what an inference takes; `contents` is all that decides them."""

    contents: tuple[Any, ...]
    network: Network
    data: LabelledData
    counted: Counted

    @property
    def at_once(self) -> int:
        """Inputs that are run together in float arithmetic."""
        return max(1, int(FLOAT_MEMORY // (self.counted.memory or 1.0)))

    @cached_property
    def float_logits(self) -> Floats:
        """Outputs in float arithmetic, shape (n_test, outputs); raises DeckError where they cannot be judged."""
        step, n = self.at_once, len(self.data.inputs)
        parts = [self.network.run(self.data.inputs[i : i + step]) for i in range(0, n, step)]
        found = np.concatenate([part.reshape(len(part), -1) for part in parts])
        self.data.task.accept(found, np.asarray(self.data.labels))
        return found


@dataclass(frozen=True, eq=False)
class Ranges:
    """Matrices with calibrated converters, and what each saw per inference: squared voltages [V²] and products."""

    matrices: Mapping[str, mvm.AnalogMatrix]
    mean_square_voltages: Mapping[str, Floats]
    products: Mapping[str, float]


loaded: Kept[Loaded] = Kept()
ranges: Kept[Ranges] = Kept()


def contents(*paths: str | None) -> tuple[str, ...]:
    """What is in files that are there, as digests; a model counts with the files of its weights."""
    files = [Path(path) for path in paths if path and isfile(path)]
    found = []
    for one in (one for path in files for one in (files_of(path) if path.suffix == ".onnx" else [path])):
        with one.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return tuple(found)


def settings_of(matrices: Mapping[str, mvm.AnalogMatrix]) -> tuple[Any, ...]:
    """All that matrices are made of but the weights of their network."""
    names = [f.name for f in fields(mvm.AnalogMatrix) if f.name != "weights"]
    return tuple((name, *(getattr(m, part) for part in names)) for name, m in matrices.items())
