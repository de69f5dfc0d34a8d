"""The share of data that a network may be trained on: apart from what judges it, and in groups that belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.schema import workload as schema
from stack3d.workload.data import GROUPS, arrays_of, chosen_of, indices_of, labels_among, named
from stack3d.workload.network import Inputs, Network
from stack3d.workload.tasks import Task

APART = 1
"""Stream of random numbers that draws groups apart."""
STRETCHES = 10
"""Parts, one after the other, of windows that hang together from the first to the last."""


@dataclass(frozen=True, eq=False)
class TrainingShare:
    """Inputs that a network may be trained on.

    Parameters
    ----------
    inputs : ndarray, shape (inputs, ...), or Inputs
    labels : ndarray, shape (inputs, ...), or None
    groups : ndarray of int, shape (inputs,)
        Those of one number belong together: one person, windows that overlap, inputs that are alike.
    called : str
        What a group is, for messages.
    left_out : int
        Inputs named for training that are not here: one of the test is the same to the byte, or a window that overlaps.
    """

    inputs: Any
    labels: NDArray[Any] | None
    groups: NDArray[np.int64]
    called: str
    left_out: int = 0

    def apart(self, share: float, seed: int) -> NDArray[np.bool_]:
        """Which inputs are to judge: whole groups, drawn until they hold about the share; raises DeckError.

        Parameters
        ----------
        share : float
            Of all inputs. [-]
        seed : int
            Draws the groups.
        """
        count = int(self.groups.max(initial=-1)) + 1
        if count < 2 or len(self.groups) < 3:
            text = (
                f"{len(self.groups)} inputs in {count} {self.called}: give at least 3 in 2, some to train on and some to judge"
            )
            raise DeckError(Problem("train.validation", text))
        drawn = np.random.default_rng([seed, APART]).permutation(count)
        held = np.cumsum(np.bincount(self.groups, minlength=count)[drawn])
        nearest = int(np.argmin(np.abs(held[:-1] - max(1, round(share * len(self.groups))))))
        return np.isin(self.groups, drawn[: nearest + 1])

    def told(self, chosen: NDArray[np.bool_]) -> str:
        """Chosen inputs in words: so many of how many, and of what groups."""
        text = f"{int(chosen.sum())} of {len(chosen)} inputs"
        if len(chosen) == int(self.groups.max()) + 1:
            return text
        return f"{text}, {np.unique(self.groups[chosen]).size} of {int(self.groups.max()) + 1} {self.called}"


def training_share(
    deck: schema.DataDeck, network: Network, judge: Task, *, labelled: bool, key: str = "workload.data"
) -> TrainingShare:
    """Inputs that a network may be trained on, none of which judges it, and their labels.

    Parameters
    ----------
    deck : schema.Data
    network : Network
    judge : Task
    labelled : bool
        Whether labels are wanted; None is given otherwise.
    key : str
        Of the deck, for messages.

    Raises
    ------
    DeckError
        When the data name no such inputs, or some of them belong to the test, or labels are wanted and are not there.
    """
    arrays = arrays_of(deck, key, [i.name for i in network.program.inputs])
    inputs, name, key = named(arrays, deck, network, key)
    if "train" not in arrays or "test" not in arrays:
        text = f"{name} has no arrays 'train' and 'test' that say which inputs are trained on and which judge"
        raise DeckError(Problem(key, f"{text}; it has: {', '.join(arrays)}"))
    n = len(inputs)
    test, train = (indices_of(arrays[part], n, f"{name} has", part, key) for part in ("test", "train"))
    if both := np.intersect1d(test, train).size:
        raise DeckError(
            Problem(key, f"{name} has {both} inputs in 'train' that are in 'test' too: they would judge what they taught")
        )
    judged, own = set(_digests(inputs, test)), _digests(inputs, train)
    kept = np.array([one not in judged for one in own])
    if {"series", "starts", "length"} <= set(arrays):
        kept &= ~_overlapping(arrays["starts"][train], arrays["starts"][test], int(arrays["length"]))
    if not kept.any():
        text = f"all inputs in 'train' of {name} are, or overlap, inputs in 'test': they would judge what they taught"
        raise DeckError(Problem(key, text))
    labels = None
    if labelled:
        if "labels" not in arrays:
            raise DeckError(Problem(key, f"{name} has no array 'labels' to train on; train.loss: agreement needs none"))
        labels = labels_among(arrays["labels"], n, judge, name, key)[train[kept]]
    groups, called = _groups(arrays, n, train[kept], [one for one, k in zip(own, kept) if k], f"{name} has", key)
    return TrainingShare(chosen_of(inputs, train[kept], deck.scale), labels, groups, called, int((~kept).sum()))


def _digests(inputs: Any, index: NDArray[Any]) -> list[bytes]:
    """What tells inputs apart to the byte."""
    found = [b""] * len(index)

    def add(places: NDArray[Any], rows: NDArray[Any]) -> None:
        for place, row in zip(places, rows):
            found[place] += hashlib.blake2b(row.tobytes(), digest_size=16).digest()

    sources: list[Any] = list(inputs.arrays.values()) if isinstance(inputs, Inputs) else [inputs]
    for source in sources:
        source.rows(index, add)
    return found


def _overlapping(starts: NDArray[Any], others: NDArray[Any], length: int) -> NDArray[np.bool_]:
    """Which windows share a sample with one of the others."""
    ends = np.sort(others)
    return np.asarray(np.searchsorted(ends, starts + length, "left") > np.searchsorted(ends, starts - length, "right"))


def _groups(
    arrays: Mapping[str, NDArray[Any]], n: int, chosen: NDArray[Any], digests: list[bytes], whose: str, key: str
) -> tuple[NDArray[np.int64], str]:
    """A number for every chosen input that those of its group share, and what a group is."""
    for name in GROUPS:
        if name not in arrays:
            continue
        if arrays[name].shape != (n,):
            text = f"{whose} {name!r} of shape {arrays[name].shape}; wanted ({n},), an entry for every input"
            raise DeckError(Problem(key, text))
        if (found := _numbered(arrays[name][chosen])).max() > 0:
            return found, name
    if {"series", "starts", "length"} <= set(arrays):
        return _by_place(arrays["starts"][chosen], int(arrays["length"]))
    first: dict[bytes, int] = {}
    return _numbered(np.array([first.setdefault(one, i) for i, one in enumerate(digests)])), "different inputs"


def _by_place(starts: NDArray[Any], length: int) -> tuple[NDArray[np.int64], str]:
    """Windows that overlap are one group; where all hang together, a group is a stretch of the series."""
    order = np.argsort(starts, kind="stable")
    runs = np.empty(len(starts), np.int64)
    runs[order] = np.concatenate([[0], np.cumsum(np.diff(starts[order]) >= length)])
    if runs.max() > 0:
        return runs, "pieces of the series"
    span = max(1, int(np.ptp(starts)) + 1)
    return _numbered((starts - starts.min()) * STRETCHES // span), "stretches of the series"


def _numbered(values: NDArray[Any]) -> NDArray[np.int64]:
    """The place of every value among all different ones."""
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64).reshape(-1)
