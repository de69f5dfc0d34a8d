"""Prepare wearable.npz once from the file `watch_dataset.npy` of the package seglearn 1.2.5 (BSD, D. M. Burns).

``python -m stack3d.library.data.prepare_wearable watch_dataset.npy``: take the file out of the wheel without installing it.
The file is a pickle; it is read by an unpickler that knows arrays and nothing else. 50 Hz becomes 12.5 Hz by means of four
samples.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
ALLOWED = {
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"),
}  # fmt: skip
TEST_SUBJECTS = 2
"""The last people by number are the test part; nobody is in both parts."""
WINDOW, HOP = 50, 12
"""Four seconds, started about every second. [samples at 12.5 Hz]"""
RESOLUTION = 1e-3
"""Of the stored integers, in the file's units (g and rad/s)."""


class ArraysOnly(pickle.Unpickler):
    """Refuses every name that is not needed for arrays."""

    def find_class(self, module: str, name: str) -> Any:
        """Only what an array is made of."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in this file")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read(path: Path) -> dict[str, Any]:
    """The recordings: X, y, subject, …"""
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{path} is not the file of seglearn 1.2.5")
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        found: dict[str, Any] = ArraysOnly(file, encoding="latin1").load().item()
    return found


def main(source: Path, folder: Path) -> None:
    """Write wearable.npz into `folder`."""
    data = read(source)
    series, starts, labels, people = [], [], [], []
    offset = 0
    for recording, label, person in zip(data["X"], data["y"], data["subject"]):
        count = len(recording) // 4
        slow = np.asarray(recording[: 4 * count], dtype=float).reshape(count, 4, 6).mean(axis=1)
        mine = np.arange(0, count - WINDOW + 1, HOP)
        series.append(slow)
        starts.append(offset + mine)
        labels.append(np.full(mine.size, label))
        people.append(np.full(mine.size, person))
        offset += count
    whole = np.rint(np.concatenate(series) / RESOLUTION)
    if np.abs(whole).max() >= 2**15:
        raise OverflowError(f"a value does not fit into 16 bits at a resolution of {RESOLUTION}")
    person = np.concatenate(people)
    judged = np.isin(person, np.unique(person)[-TEST_SUBJECTS:])
    rng = np.random.default_rng(0)
    np.savez_compressed(
        folder / "wearable.npz",
        series=whole.astype(np.int16),
        starts=np.concatenate(starts).astype(np.uint32),
        length=np.array(WINDOW, dtype=np.uint16),
        labels=np.concatenate(labels).astype(np.uint8),
        people=person.astype(np.uint8),
        train=rng.permutation(np.flatnonzero(~judged)).astype(np.uint16),
        test=rng.permutation(np.flatnonzero(judged)).astype(np.uint16),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
