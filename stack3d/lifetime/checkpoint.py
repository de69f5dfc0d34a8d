"""A life written down after every epoch, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.devices.state import CellState
from stack3d.layout import Floats
from stack3d.lifetime.ageing import Population
from stack3d.lifetime.life import Bill


@dataclass(frozen=True, eq=False)
class Progress:
    """What the loop carries from one epoch to the next.

    Parameters
    ----------
    epochs : int
        Epochs that are finished.
    population : Population
    bill : Bill
    reference : mapping of str to ndarray
    fresh_accuracy : float or None
    rows : mapping of str to ndarray
        Output variables so far, time first.
    fields : ndarray, shape (epochs, tiles, ny, nx)
        Temperatures of the epochs. [K]
    """

    epochs: int
    population: Population
    bill: Bill
    reference: Mapping[str, Floats]
    fresh_accuracy: float | None
    rows: Mapping[str, Any]
    fields: Floats


def save(path: Path, key: str, progress: Progress) -> None:
    """Write beside and rename; `key` says what the checkpoint belongs to."""
    arrays: dict[str, Any] = {"fields": progress.fields, "tile_energy": progress.bill.tile_energy}
    for layer, state in progress.population.states.items():
        arrays |= {f"state/{layer}/{name}": value for name, value in state.arrays().items()}
    arrays |= {f"reference/{layer}": value for layer, value in progress.reference.items()}
    arrays |= {f"row/{name}": np.asarray(value) for name, value in progress.rows.items()}
    facts = {
        "key": key,
        "epochs": progress.epochs,
        "fresh_accuracy": progress.fresh_accuracy,
        "bill": [progress.bill.refreshes, progress.bill.pulses, progress.bill.energy],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez(scratch, facts=np.array(json.dumps(facts)), **arrays)
    scratch.replace(path)


def load(path: Path, key: str) -> Progress | None:
    """Read a checkpoint; None when there is none, it cannot be read, or it belongs to something else."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            if facts["key"] != key:
                return None
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError):
        return None
    states: dict[str, dict[str, Any]] = {}
    for name, value in arrays.items():
        if name.startswith("state/"):
            layer, _, part = name.removeprefix("state/").rpartition("/")
            states.setdefault(layer, {})[part] = value
    refreshes, pulses, energy = facts["bill"]
    return Progress(
        facts["epochs"],
        Population({layer: CellState.from_arrays(parts) for layer, parts in states.items()}),
        Bill(refreshes, pulses, energy, arrays["tile_energy"]),
        {n.removeprefix("reference/"): v for n, v in arrays.items() if n.startswith("reference/")},
        facts["fresh_accuracy"],
        {n.removeprefix("row/"): v for n, v in arrays.items() if n.startswith("row/")},
        arrays["fields"],
    )
