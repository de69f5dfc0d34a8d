"""Labelled inputs of a network, from NumPy files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

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


COUNTED = {"labels": 1, "starts": 1, "length": 0, "test": 1, "train": 1}
"""Arrays of whole numbers, and how many axes they have."""


def _arrays(deck: schema.Data, key: str) -> dict[str, NDArray[Any]]:
    """Arrays of the `.npz` or the `.npy` files; a series with window starts becomes windows, channels first."""
    arrays: dict[str, NDArray[Any]] = {}
    for part in ("file", "inputs", "labels"):
        name = getattr(deck, part)
        if name is None:
            continue
        kind = ".npz" if part == "file" else ".npy"
        try:
            loaded = np.load(name, allow_pickle=False)
            if isinstance(loaded, np.ndarray) == (kind == ".npz"):
                raise ValueError("it is one array" if kind == ".npz" else "it is an archive of several arrays")
            found = dict(loaded) if kind == ".npz" else {part: loaded}
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise DeckError(Problem(f"{key}.{part}", f"{Path(name).name} cannot be read as {kind}: {error}")) from None
        masks = {part: np.flatnonzero(found[part]) for part in ("test", "train") if part in found and found[part].dtype == bool}
        found |= masks
        for array in {*COUNTED, "inputs", "series"} & set(found):
            found[array] = _numbers(found[array], COUNTED.get(array), f"{key}.{part}", f"{Path(name).name} has {array!r} with")
        arrays |= found
    if {"series", "starts", "length"} <= set(arrays):
        index = arrays["starts"][:, None] + np.arange(int(arrays["length"]))
        if index.size and (index.min() < 0 or index.max() >= len(arrays["series"])):
            raise DeckError(
                Problem(
                    f"{key}.file",
                    f"{Path(deck.file or '').name} has windows that leave its series of {len(arrays['series'])} samples",
                )
            )
        arrays["inputs"] = np.swapaxes(arrays["series"][index], 1, 2)
    return arrays


def _numbers(array: NDArray[Any], axes: int | None, key: str, whose: str) -> NDArray[Any]:
    """The array, if it holds finite real numbers; as integers, if it counts something along so many axes. Raises DeckError."""
    kind = "real numbers" if axes is None else f"whole numbers along {axes} axes"
    if array.dtype.kind not in "biuf" or axes not in (None, array.ndim):
        raise DeckError(Problem(key, f"{whose} type {array.dtype} and shape {array.shape}; wanted {kind}"))
    bad = ~np.isfinite(array) if axes is None else ~np.isfinite(array) | (array != np.round(array))
    if bad.any():
        at = np.argwhere(bad)[0]
        raise DeckError(Problem(key, f"{whose} {array[tuple(at)]} at {at.tolist()}; wanted {kind}"))
    return array if axes is None else array.astype(np.int64)


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
    if len(inputs) != len(labels):
        raise DeckError(Problem(key, f"{name} has {len(inputs)} inputs but {len(labels)} labels"))
    want = network.input_shape
    if inputs.ndim != len(want) or any(h != w for h, w in zip(inputs.shape[1:], want[1:]) if w is not None):
        raise DeckError(Problem(key, f"{name} has inputs of shape {inputs.shape[1:]}, the network wants {want[1:]}"))
    test = arrays.get("test", np.arange(len(inputs)))[:most]
    train = arrays.get("train", test)[:profile]
    for part, index in (("test", test), ("train", train)):
        if not index.size or index.min() < 0 or index.max() >= len(inputs):
            raise DeckError(Problem(key, f"{name} has indices in {part!r} that are not among its {len(inputs)} inputs"))
    data = LabelledData(inputs[train] * deck.scale, labels[train], inputs[test] * deck.scale, labels[test])
    logits = network.run(data.inputs[:1])
    if not np.all(np.isfinite(logits)):
        raise DeckError(Problem("workload.network.file", f"the model gives {logits[0]} for the first test input of {name}"))
    classes = logits.shape[-1]
    if labels[test].min() < 0 or labels[test].max() >= classes:
        message = f"{name} has labels {data.labels.min()} to {data.labels.max()}, the network tells {classes} classes apart"
        raise DeckError(Problem(key, message))
    return data
