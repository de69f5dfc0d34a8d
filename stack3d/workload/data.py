"""Labelled inputs of a network, from NumPy files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema import workload as schema
from stack3d.workload.network import Network


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Inputs and labels, split into a part for profiling converters and a part for judging.

    Parameters
    ----------
    profile : ndarray, shape (n_profile, ...)
    profile_labels : ndarray of int, shape (n_profile,)
    inputs : ndarray, shape (n_test, ...)
    labels : ndarray of int, shape (n_test,)
    """

    profile: Floats
    profile_labels: NDArray[np.int64]
    inputs: Floats
    labels: NDArray[np.int64]


def _arrays(deck: schema.Data, key: str) -> dict[str, NDArray[Any]]:
    """Arrays of the `.npz` or the `.npy` files; a series with window starts becomes windows, channels first."""
    arrays: dict[str, NDArray[Any]] = {}
    for part in ("file", "inputs", "labels"):
        name = getattr(deck, part)
        if name is None:
            continue
        try:
            loaded = np.load(name, allow_pickle=False)
            arrays |= dict(loaded) if part == "file" else {part: loaded}
        except (OSError, ValueError, TypeError) as error:
            wanted = ".npz" if part == "file" else ".npy"
            raise DeckError(Problem(f"{key}.{part}", f"{Path(name).name} cannot be read as {wanted}: {error}")) from None
    if {"series", "starts", "length"} <= set(arrays):
        index = arrays["starts"][:, None].astype(np.int64) + np.arange(int(arrays["length"]))
        if index.size and (index.min() < 0 or index.max() >= len(arrays["series"])):
            raise DeckError(Problem(f"{key}.file", f"starts leaves the series of {len(arrays['series'])} samples"))
        arrays["inputs"] = np.swapaxes(arrays["series"][index], 1, 2)
    return arrays


def _indices(chosen: NDArray[Any]) -> NDArray[Any]:
    """Indices, of a mask too."""
    return np.flatnonzero(chosen) if chosen.dtype == bool else chosen


def load_data(
    deck: schema.Data, network: Network, most: int | None = None, profile: int = 256, *, key: str = "workload.network.data"
) -> LabelledData:
    """Read labelled inputs; `most` limits the test part, `profile` the part that calibrates converters.

    Raises
    ------
    DeckError
        When arrays are missing or do not fit each other or the network's input and output.
    """
    arrays = _arrays(deck, key)
    key = f"{key}.file" if deck.file else f"{key}.inputs"
    name = Path(deck.file or deck.inputs or "").name
    for wanted in ("inputs", "labels"):
        if wanted not in arrays:
            raise DeckError(Problem(key, f"{name} has no array {wanted!r}; it has: {', '.join(arrays)}"))
    inputs, labels = arrays["inputs"], arrays["labels"]
    if labels.ndim != 1 or not np.array_equal(labels, labels.astype(np.int64)):
        raise DeckError(
            Problem(key, f"{name} has labels of shape {labels.shape} and type {labels.dtype}; wanted whole numbers")
        )
    labels = labels.astype(np.int64)
    if len(inputs) != len(labels):
        raise DeckError(Problem(key, f"{name} has {len(inputs)} inputs but {len(labels)} labels"))
    want = network.input_shape
    if inputs.ndim != len(want) or any(h != w for h, w in zip(inputs.shape[1:], want[1:]) if w is not None):
        raise DeckError(Problem(key, f"{name} has inputs of shape {inputs.shape[1:]}, the network wants {want[1:]}"))
    test = _indices(arrays.get("test", np.arange(len(inputs))))[:most]
    train = _indices(arrays.get("train", test))[:profile]
    for part, index in (("test", test), ("train", train)):
        if index.ndim != 1 or index.dtype.kind not in "iu" or not index.size or index.min() < 0 or index.max() >= len(inputs):
            raise DeckError(Problem(key, f"{name} has indices in {part!r} that are not among its {len(inputs)} inputs"))
    data = LabelledData(inputs[train] * deck.scale, labels[train], inputs[test] * deck.scale, labels[test])
    classes = network.run(data.inputs[:1]).shape[-1]
    if data.labels.min() < 0 or data.labels.max() >= classes:
        message = f"{name} has labels {data.labels.min()} to {data.labels.max()}, the network tells {classes} classes apart"
        raise DeckError(Problem(key, message))
    return data
