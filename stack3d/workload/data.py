"""Labelled inputs of a network, from NumPy files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import AnswerError, DeckError, Problem
from stack3d.schema import workload as schema
from stack3d.workload.array_files import BLOCK, FileArray, InputRows, SeriesWindows, check_finite, opened
from stack3d.workload.network import Inputs, Network, each
from stack3d.workload.operators.allowance import tallied
from stack3d.workload.tasks import Classification, Task


@dataclass(frozen=True, eq=False)
class MadeLabels:
    """Labels that a task makes of the outputs of the float network, made at their first use: many inputs take their time.

    Parameters
    ----------
    network : Network
    inputs : ndarray, shape (chosen, ...), or Inputs
    task : Task
    """

    network: Network
    inputs: Any
    task: Task

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Any) -> MadeLabels:
        return replace(self, inputs=self.inputs[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.held.astype(dtype or self.held.dtype, copy=bool(copy))

    @property
    def nbytes(self) -> int:
        """Of one number an input. [byte]"""
        return 8 * len(self)

    @cached_property
    def held(self) -> NDArray[Any]:
        """The labels, shape (chosen, ...)."""
        return np.asarray(self.task.labels_of(_in_blocks(self.network, self.inputs)))


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Inputs and labels, split into a part for profiling converters and a part for judging.

    Parameters
    ----------
    profile : ndarray, shape (n_profile, ...), or Inputs
    profile_labels : ndarray, shape (n_profile, ...), or MadeLabels
    inputs : ndarray, shape (n_test, ...), or Inputs
    labels : ndarray, shape (n_test, ...), or MadeLabels
    task : Task
        What they are judged as.
    """

    profile: Any
    profile_labels: NDArray[Any] | MadeLabels
    inputs: Any
    labels: NDArray[Any] | MadeLabels
    task: Task


COUNTED = {"starts": 1, "length": 0, "test": 1, "train": 1}
"""Arrays of whole numbers, and how many axes they have."""
GROUPS = ("groups", "people")
"""Arrays that say which inputs belong together, one entry an input; the first that is there counts."""
KEPT = 32e6
"""Inputs that take no more are read at once; others are looked through, and read at their first use. [byte]"""


def arrays_of(deck: schema.DataDeck, key: str, names: Sequence[str]) -> dict[str, Any]:
    """Arrays of the `.npz` or the `.npy` files; a series with window starts becomes windows, channels first.

    Inputs are `FileArray` or `SeriesWindows`, which read rows when they are wanted; what says something of each input is read.
    """
    found: dict[str, Any] = {}
    for part in ("file", "inputs", "labels"):
        name = getattr(deck, part)
        if name is None:
            continue
        arrays: dict[str, Any] = opened(name, part, f"{key}.{part}")
        for array in {*COUNTED, "labels", *GROUPS} & set(arrays):
            arrays[array] = arrays[array].whole()
        masks = [mask for mask in ("test", "train") if mask in arrays and arrays[mask].dtype == bool]
        arrays.update((mask, np.flatnonzero(arrays[mask])) for mask in masks)
        for array in set(COUNTED) & set(arrays):
            whose = f"{Path(name).name} has {array!r} with"
            arrays[array] = _numbers(arrays[array], COUNTED[array], f"{key}.{part}", whose)
        for array in {"inputs", "series", *names} & set(arrays):
            _check_kind(arrays[array])
        found |= arrays
    if {"series", "starts", "length"} <= set(found):
        found["inputs"] = _windows(found["series"], found["starts"], int(found["length"]))
    return found


def _check_kind(array: FileArray) -> None:
    """Raise DeckError for what holds no real numbers."""
    if array.dtype.kind not in "biuf":
        text = f"{array.called} type {array.dtype} and shape {array.shape}; wanted real numbers"
        raise DeckError(Problem(array.key, text))


def _windows(series: FileArray, starts: NDArray[Any], length: int) -> SeriesWindows:
    """The windows of a series; raises DeckError for those that leave it."""
    if series.ndim < 2:
        raise DeckError(Problem(series.key, f"{series.called} shape {series.shape}; wanted samples by channels"))
    if starts.size and (length < 0 or starts.min() < 0 or starts.max() + length > len(series)):
        text = f"{series.path.name} has windows that leave its series of {len(series)} samples"
        raise DeckError(Problem(series.key, text))
    numbers = series.whole()
    if numbers.dtype.kind == "f":
        for start in range(0, len(numbers), many := max(1, int(BLOCK // max(1, numbers[:1].nbytes)))):
            block = numbers[start : start + many]
            check_finite(block, series, np.arange(start, start + len(block)))
    return SeriesWindows(series.key, numbers, starts, length)


def _numbers(array: NDArray[Any], axes: int, key: str, whose: str) -> NDArray[Any]:
    """The array as integers, if it counts something along so many axes. Raises DeckError."""
    kind = f"whole numbers along {axes} axes"
    if array.dtype.kind not in "biuf" or axes != array.ndim:
        raise DeckError(Problem(key, f"{whose} type {array.dtype} and shape {array.shape}; wanted {kind}"))
    bad = ~np.isfinite(array) | (array != np.round(array))
    if bad.any():
        at = np.argwhere(bad)[0]
        raise DeckError(Problem(key, f"{whose} {array[tuple(at)]} at {at.tolist()}; wanted {kind}"))
    return array.astype(np.int64)


def load_data(
    deck: schema.DataDeck,
    network: Network,
    most: int | None = None,
    profile: int = 256,
    *,
    key: str = "workload.network.data",
    task: Callable[[tuple[int, ...]], Task] = Classification,
) -> LabelledData:
    """Read labelled inputs.

    Parameters
    ----------
    deck : schema.Data
    network : Network
    most, profile : int
        Inputs of the test part, and of the part that calibrates converters, at most.
    key : str
        Of the deck, for messages.
    task : callable
        What the outputs are judged as, made from the shape of one.

    Raises
    ------
    DeckError
        When arrays are missing or do not fit each other or the network's inputs and output.
    """
    arrays = arrays_of(deck, key, [i.name for i in network.program.inputs])
    inputs, name, key = named(arrays, deck, network, key)
    n = len(inputs)
    test = indices_of(arrays.get("test", np.arange(n))[:most], n, f"{name} has", "test", key)
    train = indices_of(arrays.get("train", test)[:profile], n, f"{name} has", "train", key)
    two = chosen_of(inputs, test[:2], deck.scale)
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        first = network.run(two[:1])
    _check_alone(network, two, first)
    judge = task(first.shape[1:])
    if (wrong := np.argwhere(~np.isfinite(first[0]))).size:
        at = wrong[0].tolist()
        message = f"the model gives {first[0][tuple(at)]} at {at} for the first test input of {name}"
        raise DeckError(Problem("workload.network.file", message))
    chosen = [chosen_of(inputs, index, deck.scale) for index in (train, test)]
    if "labels" in arrays:
        labels = labels_among(arrays["labels"], n, judge, name, key)
        return LabelledData(chosen[0], labels[train], chosen[1], labels[test], judge)
    if judge.labels_of(first.reshape(1, -1)) is None:
        raise DeckError(
            Problem(key, f"{name} has no array 'labels'; it has: {', '.join(arrays)}; the task agreement needs none")
        )
    made = [MadeLabels(network, part, judge) for part in chosen]
    return LabelledData(chosen[0], made[0], chosen[1], made[1], judge)


def chosen_of(inputs: Any, index: NDArray[Any], scale: float) -> Any:
    """Inputs of some numbers, finite, times a factor; many of them are looked through and read at their first use.

    Parameters
    ----------
    inputs : FileArray, SeriesWindows, or Inputs of such
    index : ndarray of int, shape (chosen,)
    scale : float

    Raises
    ------
    DeckError
        For numbers that are not finite, and files that end early.
    """
    return each(partial(_chosen, index=index, scale=scale), inputs)


def _chosen(source: Any, index: NDArray[Any], scale: float) -> Any:
    rows = InputRows(source, index, scale)
    if rows.nbytes <= KEPT:
        return rows.held
    rows.look_through()
    return rows


def _check_alone(network: Network, two: Any, first: NDArray[Any]) -> None:
    """Raise AnswerError where operators of other packages lose the axis of the inputs, or mix them."""
    if not (who := ", ".join(network.program.foreign)):
        return
    both = network.run(two)
    if len(first.shape) < 1 or len(first) != 1 or both.shape != (len(two), *first.shape[1:]):
        shapes = f"{first.shape} for one input and {both.shape} for {len(two)}"
        raise AnswerError(f"a network with the {who} gives outputs of shape {shapes}; wanted the inputs first")
    if not np.allclose(both[:1], first, rtol=1e-3, atol=1e-3 * float(np.abs(first).max(initial=0.0)), equal_nan=True):
        raise AnswerError(f"a network with the {who} gives another output for an input alone than beside another one")


def indices_of(index: NDArray[Any], n: int, whose: str, part: str, key: str) -> NDArray[Any]:
    """Numbers of inputs, if they are such; raises DeckError.

    Parameters
    ----------
    index : ndarray of int, shape (chosen,)
    n : int
        Inputs there are.
    whose, part, key : str
        Of the message: what has them, and the array.
    """
    if not n:
        raise DeckError(Problem(key, f"{whose} no inputs"))
    if not index.size:
        raise DeckError(Problem(key, f"{whose} no indices in {part!r}"))
    if index.min() < 0 or index.max() >= n:
        raise DeckError(Problem(key, f"{whose} indices in {part!r} that are not among its {n} inputs"))
    return index


def labels_among(labels: NDArray[Any], n: int, judge: Task, name: str, key: str) -> NDArray[Any]:
    """The labels of `n` inputs, if they are such; raises DeckError.

    Parameters
    ----------
    labels : ndarray, shape (n, ...)
    n : int
    judge : Task
    name, key : str
        Of the message.
    """
    if not labels.ndim:
        raise DeckError(Problem(key, f"{name} has 'labels' without an axis: one number for {n} inputs"))
    if len(labels) != n:
        raise DeckError(Problem(key, f"{name} has {n} inputs but {len(labels)} labels"))
    if wrong := judge.check(labels):
        raise DeckError(Problem(key, f"{name} has {wrong}"))
    return labels


LABELLED = 100e6
"""Working memory of the float network while it labels inputs. [byte]"""
MOST_LABELLED = 16
"""Inputs that it labels together, at most."""


def _in_blocks(network: Network, inputs: Any) -> NDArray[Any]:
    """Outputs (inputs, ...) flattened, a few inputs at a time: as many as the first one shows that memory allows."""
    with tallied() as tally:
        parts = [network.run(inputs[:1])]
    size = int(np.clip(LABELLED // max(tally.most, 1.0), 1, MOST_LABELLED))
    parts += [network.run(inputs[i : i + size]) for i in range(1, len(inputs), size)]
    return np.concatenate([part.reshape(len(part), -1) for part in parts])


def named(arrays: Mapping[str, NDArray[Any]], deck: schema.DataDeck, network: Network, key: str) -> tuple[Any, str, str]:
    """Inputs that fit the network, the name of their file, and its key; raises DeckError.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of the deck.
    deck : schema.Data
    network : Network
    key : str
        Of the deck.
    """
    key = f"{key}.file" if deck.file else f"{key}.inputs"
    name = Path(deck.file or deck.inputs or "").name
    return _fitting(arrays, network, name, key), name, key


def _fitting(arrays: Mapping[str, NDArray[Any]], network: Network, name: str, key: str) -> Any:
    """The network's inputs, all of one length; raises DeckError."""
    wanted = network.program.inputs
    names = ["inputs"] if len(wanted) == 1 and "inputs" in arrays else [i.name for i in wanted]
    found = {}
    for array, one in zip(names, wanted):
        if array not in arrays:
            missing = "inputs" if len(wanted) == 1 else array
            raise DeckError(Problem(key, f"{name} has no array {missing!r}; it has: {', '.join(arrays)}"))
        x, want = arrays[array], one.shape
        if x.ndim != len(want) or any(h != w for h, w in zip(x.shape[1:], want[1:]) if w is not None):
            raise DeckError(Problem(key, f"{name} has {array} of shape {x.shape[1:]}, the network wants {want[1:]}"))
        found[one.name] = x
    if len({len(x) for x in found.values()}) > 1:
        lengths = ", ".join(f"{n}: {len(x)}" for n, x in found.items())
        raise DeckError(Problem(key, f"{name} has inputs of different numbers ({lengths})"))
    return Inputs(found) if len(found) > 1 else next(iter(found.values()))
