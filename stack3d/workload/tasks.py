"""What a network is asked, and how good its answers are: one number between 0 and 1 for every chip."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, DeckError, Problem, brief, did_you_mean
from stack3d.registry import Registry, numbers


@dataclass(frozen=True)
class Task(ABC):
    """Answers of a network and what is right.

    Parameters
    ----------
    shape : tuple of int
        Of the output for one input.
    threshold : float
        An output above it says yes, where a task asks that.
    """

    shape: tuple[int, ...]
    threshold: float = 0.0

    @abstractmethod
    def check(self, labels: NDArray[Any]) -> str | None:
        """Return what keeps labels (inputs, ...) from this output, or None."""

    def doubt(self, outputs: NDArray[Any], labels: NDArray[Any]) -> str | None:
        """Return what is wrong with a threshold for the float network's outputs (inputs, features), or None."""
        return None

    def accept(self, outputs: NDArray[Any], labels: NDArray[Any]) -> None:
        """Raise DeckError where there is a `doubt`."""
        if doubt := self.doubt(outputs, labels):
            raise DeckError(Problem("workload.threshold", doubt))

    @abstractmethod
    def score(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Return how good the outputs (..., inputs, features) of each chip are, shape (...). [-]"""

    @abstractmethod
    def confusion(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return counts of (true class, found class), shape (..., classes, classes)."""

    def classes(self) -> int:
        """Return how many classes `confusion` tells apart."""
        return 1

    def by_input(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return what each input adds to the score of each chip, shape (..., inputs), its mean the score; None = unknown."""
        return None

    def labels_of(self, outputs: NDArray[Any]) -> NDArray[Any] | None:
        """Return labels made from the float network's own outputs (inputs, features); None where data must bring them."""
        return None


def _scores(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps scores from being one number between 0 and 1 for each chip."""
    chips, wanted = np.shape(given[0])[:-2], "numbers from 0 to 1, one for each chip"
    if (wrong := numbers(found, wanted)) is not None:
        return wrong
    values = np.asarray(found)
    if values.shape != chips:
        return f"an array of shape {values.shape}; wanted {chips}, one number for each chip"
    return None if values.min() >= 0 and values.max() <= 1 else f"{values.min():g} to {values.max():g}; wanted {wanted}"


def _counts(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps counts from being those of classes for each chip."""
    chips, values = np.shape(given[0])[:-2], np.asarray(found)
    if (wrong := numbers(values, "whole numbers")) is not None:
        return wrong
    if values.ndim != len(chips) + 2 or values.shape[:-2] != chips or values.shape[-1] != values.shape[-2]:
        return f"an array of shape {values.shape}; wanted ({', '.join(map(str, chips))}, classes, classes)"
    return None if values.min(initial=0) >= 0 else f"{values.min()}; wanted counts"


def _shares(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps parts of a score from being one number for each chip and input."""
    if found is None:
        return None
    wanted = np.shape(given[0])[:-1]
    if (wrong := numbers(found, "numbers, one for each chip and input")) is not None:
        return wrong
    return None if np.shape(found) == wanted else f"an array of shape {np.shape(found)}; wanted {wanted}, or None"


def _objections(given: tuple[Any, ...], found: Any) -> str | None:
    return None if found is None or isinstance(found, str) else f"{brief(found)}; wanted a text, or None"


def _labels(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps labels from being one for each input."""
    if found is None or np.shape(found)[:1] == np.shape(given[0])[:1]:
        return None
    return f"an array of shape {np.shape(found)}; wanted one label for each of {len(given[0])} inputs, or None"


_ANSWERS = {
    "doubt": _objections,
    "score": _scores,
    "confusion": _counts,
    "check": _objections,
    "labels_of": _labels,
    "by_input": _shares,
}
tasks: Registry[type[Task]] = Registry("task", Task, _ANSWERS)
"""Word of ``workload.task`` → its class."""


def task_kind(word: str) -> type[Task]:
    """The class of a word of ``workload.task``; raises DeckError for one that is not known."""
    if word not in tasks:
        raise DeckError(Problem("workload.task", f"no task {word!r}{did_you_mean(word, tasks)}; tasks: {', '.join(tasks)}"))
    return tasks[word]


def _numbers(labels: NDArray[Any], axes: int | None, wanted: str, whole: bool = False) -> str | None:
    """What keeps labels from being finite numbers along so many axes, or None."""
    if labels.dtype.kind not in "biuf" or axes not in (None, labels.ndim):
        return f"'labels' with type {labels.dtype} and shape {labels.shape}; wanted {wanted}"
    bad = ~np.isfinite(labels) | (labels != np.round(labels)) if whole else ~np.isfinite(labels)
    if not bad.any():
        return None
    at = np.argwhere(bad)[0]
    return f"'labels' with {labels[tuple(at)]} at {at.tolist()}; wanted {wanted}"


class _OneOfClasses(Task):
    """One class for every place of the output; labels below zero do not count."""

    @abstractmethod
    def rows(self, outputs: Any) -> NDArray[Any]:
        """Return the outputs with classes last, shape (..., inputs, places, classes)."""

    @abstractmethod
    def places(self) -> tuple[int, ...]:
        """Return the shape of the labels of one input."""

    @abstractmethod
    def classes(self) -> int:
        """Return how many classes there are."""

    def check(self, labels: NDArray[Any]) -> str | None:
        """Return what is wrong with the labels."""
        axes = 1 + len(self.places())
        if wrong := _numbers(labels, axes, f"whole numbers along {axes} axes", whole=True):
            return wrong
        if labels.shape[1:] != self.places():
            return f"labels of shape {labels.shape[1:]} for one input; wanted {self.places()}"
        counted = labels[labels >= 0] if self.places() else labels
        if not counted.size or counted.min() < 0 or counted.max() >= self.classes():
            text = f"labels {counted.min()} to {counted.max()}" if counted.size else "no label above -1"
            return f"{text}, the network tells {self.classes()} classes apart"
        return None

    def _flat(self, outputs: Any, labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        rows, flat = self.rows(np.asarray(outputs)), np.asarray(labels).ravel().astype(np.int64)
        rows = rows.reshape(*rows.shape[:-3], -1, rows.shape[-1])
        return rows[..., flat >= 0, :], flat[flat >= 0]

    def score(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Return the share of places whose largest output is that of their label."""
        rows, right = self._flat(outputs, labels)
        return np.asarray(np.mean(np.argmax(rows, axis=-1) == right, axis=-1))

    def by_input(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the score, and how far the places of each input move it: the derivative by its weight."""
        rows, truth = self.rows(np.asarray(outputs)), np.asarray(labels).reshape(len(labels), -1)
        right, counted = (np.argmax(rows, axis=-1) == truth) & (truth >= 0), np.count_nonzero(truth >= 0, axis=-1)
        score = self.score(outputs, labels)[..., None]
        return np.asarray(score + (right.sum(axis=-1) - score * counted) * (len(labels) / counted.sum()))

    def confusion(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return counts of classes at all places."""
        rows, right = self._flat(outputs, labels)
        classes = rows.shape[-1]
        code = (right * classes + np.argmax(rows, axis=-1)).reshape(-1, right.size)
        chip = np.arange(len(code))[:, None] * classes**2
        counts = np.bincount((code + chip).ravel(), minlength=len(code) * classes**2)
        return counts.astype(np.int64, copy=False).reshape(*rows.shape[:-2], classes, classes)


@tasks.register("classification")
class Classification(_OneOfClasses):
    """One class for each input; the share that is right."""

    def rows(self, outputs: Any) -> NDArray[Any]:
        """Return one place an input."""
        return np.asarray(outputs)[..., None, :]

    def places(self) -> tuple[int, ...]:
        """Return no axes."""
        return ()

    def classes(self) -> int:
        """Return the length of the output."""
        return int(np.prod(self.shape))


@tasks.register("agreement")
class Agreement(Classification):
    """The class that the network finds in float arithmetic; data need no labels."""

    def labels_of(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the classes of the largest outputs."""
        return np.asarray(outputs.argmax(axis=-1), np.int64)


@tasks.register("sequence")
class Sequence(_OneOfClasses):
    """A class for each step, outputs (steps, classes); the share that is right."""

    def rows(self, outputs: Any) -> NDArray[Any]:
        """Return one place a step."""
        return np.asarray(outputs).reshape(*np.shape(outputs)[:-1], *self.shape)

    def places(self) -> tuple[int, ...]:
        """Return the steps."""
        return self.shape[:1]

    def classes(self) -> int:
        """Return the length of the last axis."""
        return self.shape[-1]


@tasks.register("segmentation")
class Segmentation(_OneOfClasses):
    """A class for each place of a plane, outputs (classes, ...); mean over the classes of intersection over union."""

    def rows(self, outputs: Any) -> NDArray[Any]:
        """Return one place a pixel."""
        y = np.asarray(outputs).reshape(*np.shape(outputs)[:-1], self.shape[0], -1)
        return np.swapaxes(y, -1, -2)

    def places(self) -> tuple[int, ...]:
        """Return the plane."""
        return self.shape[1:]

    def classes(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def score(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean over the classes that are there or were found."""
        counts = self.confusion(outputs, labels)
        both = np.diagonal(counts, axis1=-2, axis2=-1)
        union = counts.sum(axis=-1) + counts.sum(axis=-2) - both
        share = np.where(union > 0, both / np.where(union > 0, union, 1), 0.0)
        return np.asarray(share.sum(axis=-1) / (union > 0).sum(axis=-1))

    def by_input(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the score, and how far each input moves it: the derivative by its weight."""
        rows, truth = self.rows(np.asarray(outputs)), np.asarray(labels).reshape(len(labels), -1)
        found, counted, wanted = np.argmax(rows, axis=-1), truth >= 0, range(rows.shape[-1])
        both, union = (
            np.stack([(one(found == c, truth == c) & counted).sum(axis=-1) for c in wanted], axis=-1)
            for one in (np.logical_and, np.logical_or)
        )
        all_both, all_union = (a.sum(axis=-2, keepdims=True) for a in (both, union))
        safe = np.where(all_union > 0, all_union, 1)
        moved = len(labels) * (both - all_both / safe * union) / safe
        return np.asarray(self.score(outputs, labels)[..., None] + moved.sum(axis=-1) / (all_union > 0).sum(axis=-1))


@tasks.register("multi_label")
class MultiLabel(Task):
    """Yes or no for each output; the share that is right."""

    def check(self, labels: NDArray[Any]) -> str | None:
        """Return what is wrong with the labels."""
        if wrong := _numbers(labels, None, "0 and 1"):
            return wrong
        if labels.shape[1:] != self.shape:
            return f"labels of shape {labels.shape[1:]} for one input; wanted {self.shape}"
        return None if np.isin(labels, (0, 1)).all() else "labels other than 0 and 1"

    def doubt(self, outputs: NDArray[Any], labels: NDArray[Any]) -> str | None:
        """Return that probabilities lie on one side of the threshold, where labels are yes and no."""
        low, high = outputs.min(initial=np.inf), outputs.max(initial=-np.inf)
        if not (low >= 0 and high <= 1) or low <= self.threshold < high or np.all(labels == labels.flat[0]):
            return None
        where = "above" if low > self.threshold else "at or below"
        text = f"{self.threshold:g} has every output {where} it: the float network gives {low:.3g} to {high:.3g}"
        return f"{text}; probabilities want 0.5"

    def classes(self) -> int:
        """Return no and yes."""
        return 2

    def score(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Return the share of outputs on the right side of the threshold."""
        found = np.asarray(outputs) > self.threshold
        return np.asarray(np.mean(found == labels.reshape(len(labels), -1).astype(bool), axis=(-2, -1)))

    def by_input(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the share of the outputs of each input."""
        found = np.asarray(outputs) > self.threshold
        return np.asarray(np.mean(found == labels.reshape(len(labels), -1).astype(bool), axis=-1))

    def confusion(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return counts of no and yes."""
        found, truth = np.asarray(outputs) > self.threshold, labels.reshape(len(labels), -1).astype(bool)
        counts = [[np.sum((truth == t) & (found == f), axis=(-2, -1)) for f in (False, True)] for t in (False, True)]
        return np.moveaxis(np.asarray(counts, np.int64), (0, 1), (-2, -1))


@tasks.register("regression")
class Regression(Task):
    """Numbers; one less the rms error over the rms distance of the labels from their mean, zero at least."""

    def check(self, labels: NDArray[Any]) -> str | None:
        """Return what is wrong with the labels."""
        if wrong := _numbers(labels, None, "real numbers"):
            return wrong
        wanted = int(np.prod(self.shape))
        if int(np.prod(labels.shape[1:])) != wanted:
            return f"labels of shape {labels.shape[1:]} for one input; wanted {self.shape}"
        return None if np.ptp(labels) > 0 else "labels that are all the same: no error is relative to that"

    def score(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Return one less the relative error."""
        truth = labels.reshape(len(labels), -1).astype(np.float64)
        wrong = np.sqrt(np.mean((np.asarray(outputs, np.float64) - truth) ** 2, axis=(-2, -1)))
        spread = np.sqrt(np.mean((truth - truth.mean(axis=0)) ** 2))
        if not spread > 0:
            raise ArrayError("labels do not differ between inputs: no error is relative to that")
        return np.asarray(np.maximum(1.0 - wrong / spread, 0.0))

    def by_input(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the score, and how far each input moves it: the derivative by its weight."""
        truth, score = labels.reshape(len(labels), -1).astype(np.float64), self.score(outputs, labels)[..., None]
        squares = np.mean((np.asarray(outputs, np.float64) - truth) ** 2, axis=-1)
        mean, spread = squares.mean(axis=-1, keepdims=True), np.mean((truth - truth.mean(axis=0)) ** 2, axis=-1)
        moved = (squares / np.where(mean > 0, mean, 1.0) - spread / spread.mean()) * 0.5 * (1.0 - score)
        return np.asarray(score - np.where((mean > 0) & (score > 0), moved, 0.0))

    def confusion(self, outputs: Any, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return one class that holds all inputs."""
        return np.full((*np.shape(outputs)[:-2], 1, 1), len(labels), np.int64)
