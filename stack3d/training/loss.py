"""What training makes small, by the task of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.training.operators import library
from stack3d.workload import Task

Loss = Callable[[Any, Any, Any], Any]
"""(outputs, labels, float outputs before) → one number: tensors with the inputs first."""
CLASS_AXES = {"Classification": None, "Agreement": None, "Sequence": -1, "Segmentation": 1}
"""Class of a task that tells one of several classes → the axis of its outputs that they lie along, None for all of them."""
KNOWN = (*CLASS_AXES, "MultiLabel", "Regression")
"""Classes of tasks that have a loss."""
CERTAIN = 1e-6
"""Probabilities are cut so far from 0 and 1."""


def _agreeing(outputs: Any, labels: Any, before: Any) -> Any:
    spread = before.var(0, unbiased=False).mean() + 1e-12
    return ((outputs - before) ** 2).mean() / spread


def _of_classes(axis: int | None, are_probabilities: bool) -> Loss:
    """Cross entropy; of outputs that are probabilities already, their logarithm."""
    f = library().nn.functional

    def loss(outputs: Any, labels: Any, before: Any) -> Any:
        outputs = outputs.flatten(1) if axis is None else outputs.movedim(axis, 1)
        if are_probabilities:
            outputs = outputs.clamp(min=CERTAIN).log()
        return f.cross_entropy(outputs, labels.long().clamp(min=-1), ignore_index=-1)

    return loss


def _of_yes_or_no(threshold: float, are_probabilities: bool) -> Loss:
    f = library().nn.functional

    def loss(outputs: Any, labels: Any, before: Any) -> Any:
        truth = labels.float().reshape(outputs.shape)
        if are_probabilities:
            return f.binary_cross_entropy(outputs.clamp(CERTAIN, 1 - CERTAIN), truth)
        return f.binary_cross_entropy_with_logits(outputs - threshold, truth)

    return loss


def _of_numbers(outputs: Any, labels: Any, before: Any) -> Any:
    truth = labels.float().reshape(outputs.shape)
    return ((outputs - truth) ** 2).mean() / (truth.var(unbiased=False) + 1e-12)


def are_probabilities(said: NDArray[Any], task: Task) -> bool:
    """Whether outputs are probabilities, whatever makes them so: those of classes add up to one.

    Parameters
    ----------
    said : ndarray, shape (inputs, outputs)
        Outputs in float arithmetic.
    task : Task
    """
    name = type(task).__name__
    if said.min(initial=0.0) < 0 or said.max(initial=0.0) > 1 + CERTAIN:
        return False
    if name not in CLASS_AXES:
        return True
    axis = CLASS_AXES[name]
    shaped = said if axis is None else said.reshape(len(said), *task.shape)
    return bool(np.all(np.abs(shaped.sum(axis=-1 if axis is None else axis) - 1) < 1e-3))


def loss_of(task: Task, wanted: str, said: NDArray[Any]) -> Loss:
    """The loss of a task, or that of agreement with the network as it was.

    Parameters
    ----------
    task : Task
        One that `check_loss` lets pass.
    wanted : {"task", "agreement"}
    said : ndarray, shape (inputs, outputs)
        Outputs of the network as it was, in float arithmetic.
    """
    name = type(task).__name__
    if wanted == "agreement":
        return _agreeing
    if name in CLASS_AXES:
        return _of_classes(CLASS_AXES[name], are_probabilities(said, task))
    return _of_numbers if name == "Regression" else _of_yes_or_no(task.threshold, are_probabilities(said, task))


def check_loss(task: Task, wanted: str) -> None:
    """Raise DeckError for a task that no loss is known of."""
    if wanted == "task" and type(task).__name__ not in KNOWN:
        text = f"the task {type(task).__name__} has no loss of its own; agreement trains towards what the network said before"
        raise DeckError(Problem("train.loss", text))


def check_labels(labels: NDArray[Any] | None, task: Task) -> None:
    """Raise DeckError for labels that teach nothing: one class only."""
    if labels is None or type(task).__name__ not in CLASS_AXES:
        return
    classes = np.unique(labels[labels >= 0])
    if classes.size < 2:
        text = f"all {labels.size} labels to train on are class {', '.join(map(str, classes))}: nothing tells classes apart"
        raise DeckError(Problem("train.loss", f"{text}; agreement needs no labels"))
