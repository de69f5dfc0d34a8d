"""A life written down after every epoch, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import storage
from stack3d.devices import CellState
from stack3d.heat import Climate, Upkeep
from stack3d.heat.time import Swing
from stack3d.life.chips import Bill, Life, Population, Totals
from stack3d.record import Record, over_time


@dataclass(frozen=True, eq=False)
class Progress:
    """What the loop carries from one epoch to the next.

    Parameters
    ----------
    times, ahead : sequence of float
        Ends of the epochs that are finished, and of those to come. [s]
    life : Life
    rows : sequence of Record
        Output variables of the epochs.
    between : mapping of float to ndarray, shape (chips,)
        Accuracy at further instants [s].
    by_input : mapping of float to ndarray, shape (inputs,)
        What each test input adds to it then.
    climates : sequence of Climate
        Temperatures of the epochs.
    field : ndarray, shape (tiles, ny, nx)
        Mean of the last one. [K]
    swing : Swing or None
        Within a period of it.
    """

    times: Sequence[float]
    ahead: Sequence[float]
    life: Life
    rows: Sequence[Record]
    between: Mapping[float, NDArray[np.float64]]
    by_input: Mapping[float, NDArray[np.float64]]
    climates: Sequence[Climate]
    field: NDArray[np.float64]
    swing: Swing | None


def _stored(climate: Climate) -> dict[str, NDArray[np.float64]]:
    return {f.name: getattr(climate, f.name) for f in fields(climate)}


def save(path: Path, key: str, progress: Progress) -> None:
    """Write beside and rename; `key` says what the checkpoint belongs to."""
    bill = progress.life.bill
    facts = {
        "key": key,
        "fresh_accuracy": progress.life.fresh_accuracy,
        "bill": [bill.refreshes, bill.pulses, bill.energy],
        "upkeep": [bill.upkeep.passes, bill.upkeep.macs],
    }
    with storage.beside(path) as scratch:
        with scratch.open("wb") as file:
            np.savez(file, facts=np.array(json.dumps(facts)), **_of_life(progress.life), **_of_epochs(progress))
        storage.seal(scratch)


def _of_life(life: Life) -> dict[str, Any]:
    """Arrays of the chips as they are now, their bill and what they have added up."""
    arrays: dict[str, Any] = {"tile_energy": life.bill.tile_energy, "upkeep/reads": life.bill.upkeep.reads}
    for layer, state in life.population.states.items():
        arrays |= {f"state/{layer}/{name}": value for name, value in state.arrays().items()}
    arrays |= {f"reference/{layer}": value for layer, value in life.reference.items()}
    arrays |= {f"calibrated/{layer}": value for layer, value in life.calibrated.items()}
    arrays |= {f"totals/{f.name}": getattr(life.totals, f.name) for f in fields(Totals) if f.name != "others"}
    arrays |= {f"other/{name}": value for name, value in life.totals.others.items()}
    return arrays


def _of_epochs(progress: Progress) -> dict[str, Any]:
    """Arrays of the epochs: what was read in them, and their temperatures."""
    arrays: dict[str, Any] = {
        "times": np.array(progress.times),
        "ahead": np.array(progress.ahead),
        "field": progress.field,
    }
    for word in ("between", "by_input"):
        arrays |= {f"{word}/{i}": np.append(t, value) for i, (t, value) in enumerate(getattr(progress, word).items())}
    arrays |= {f"row/{name}": value for name, value in over_time(progress.rows, progress.times).items()}
    for i, climate in enumerate(progress.climates):
        arrays |= {f"climate/{i}/{name}": value for name, value in _stored(climate).items()}
    if (swing := progress.swing) is not None:
        arrays |= {f"swing/{name}": value for name, value in _stored(swing.climate).items()}
        arrays |= {f"swing/{f.name}": getattr(swing, f.name) for f in fields(swing) if f.name != "climate"}
    return arrays


def load(path: Path, key: str, start: Life) -> Progress | None:
    """Read a checkpoint of the life that began as `start`; None when there is none, or it is of something else.

    One that is not as it was written is put aside and counts as none.
    """
    if not os.path.lexists(path):
        return None
    try:
        arrays = storage.arrays_of(path)
        facts = json.loads(str(arrays["facts"]))
        return _restored(facts, arrays, start) if facts["key"] == key else None
    except Exception:  # a broken archive raises what it likes
        storage.put_aside(path)
        return None


def _restored(facts: Mapping[str, Any], arrays: Mapping[str, Any], start: Life) -> Progress:
    """Progress from what `save` wrote."""

    def below(prefix: str) -> dict[str, Any]:
        return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}

    states: dict[str, dict[str, Any]] = {}
    for name, value in below("state/").items():
        layer, _, part = name.rpartition("/")
        states.setdefault(layer, {})[part] = value
    times = arrays["times"].tolist()
    swing = below("swing/")
    if swing:
        swing["climate"] = Climate(**{f.name: swing.pop(f.name) for f in fields(Climate)})
    refreshes, pulses, energy = facts["bill"]
    life = replace(
        start,
        population=Population({layer: CellState.from_arrays(parts) for layer, parts in states.items()}),
        bill=Bill(refreshes, pulses, energy, arrays["tile_energy"], Upkeep(arrays["upkeep/reads"], *facts["upkeep"])),
        totals=Totals(**{n: v if v.ndim else v.item() for n, v in below("totals/").items()}, others=below("other/")),
        reference=below("reference/"),
        fresh_accuracy=facts["fresh_accuracy"],
        calibrated=below("calibrated/"),
        time=times[-1],
    )
    climates = [Climate(**below(f"climate/{i}/")) for i in range(len(times))]
    rows = [Record() for _ in times]
    for name, values in below("row/").items():
        for row, value in zip(rows, values):
            row.put(name, value)
    between, by_input = ({float(v[0]): v[1:] for v in below(f"{word}/").values()} for word in ("between", "by_input"))
    found = Swing(**swing) if swing else None
    return Progress(times, arrays["ahead"].tolist(), life, rows, between, by_input, climates, arrays["field"], found)
