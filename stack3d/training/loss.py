"""What training makes small, by the task of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.training.operators import library
from stack3d.workload import Network, Task

Loss = Callable[[Any, Any, Any], Any]
"""(outputs, labels, float outputs before) → one number: tensors with the inputs first."""
CLASS_AXES = {"Classification": 1, "Agreement": 1, "Sequence": -1, "Segmentation": 1}
"""Class of a task that tells one of several classes → the axis of its outputs that they lie along."""


def _agreeing(outputs: Any, labels: Any, before: Any) -> Any:
    spread = before.var(0, unbiased=False).mean() + 1e-12
    return ((outputs - before) ** 2).mean() / spread


def _of_classes(axis: int, last: str) -> Loss:
    """Cross entropy; of outputs that are probabilities already, their logarithm."""
    f = library().nn.functional

    def loss(outputs: Any, labels: Any, before: Any) -> Any:
        if last == "Softmax":
            outputs = (outputs + 1e-12).log()
        return f.cross_entropy(outputs.movedim(axis, 1), labels.long().clamp(min=-1), ignore_index=-1)

    return loss


def _of_yes_or_no(last: str) -> Loss:
    f = library().nn.functional

    def loss(outputs: Any, labels: Any, before: Any) -> Any:
        if last == "Sigmoid":
            return f.binary_cross_entropy(outputs, labels.float())
        return f.binary_cross_entropy_with_logits(outputs, labels.float())

    return loss


def _of_numbers(outputs: Any, labels: Any, before: Any) -> Any:
    truth = labels.float().reshape(outputs.shape)
    return ((outputs - truth) ** 2).mean() / (truth.var(unbiased=False) + 1e-12)


def loss_of(network: Network, task: Task, wanted: str) -> Loss:
    """The loss of a task, or that of agreement with the network as it was.

    Parameters
    ----------
    network : Network
    task : Task
    wanted : {"task", "agreement"}

    Raises
    ------
    DeckError
        A task that no loss is known of.
    """
    name, last = type(task).__name__, network.program.steps[-1].node.kind
    if wanted == "agreement":
        return _agreeing
    if name in CLASS_AXES:
        return _of_classes(CLASS_AXES[name], last)
    if name == "MultiLabel":
        return _of_yes_or_no(last)
    if name == "Regression":
        return _of_numbers
    text = f"the task {name} has no loss of its own; agreement trains towards what the network said before"
    raise DeckError(Problem("train.loss", text))


def check_labels(labels: NDArray[Any] | None, task: Task) -> None:
    """Raise DeckError for labels that teach nothing: one class only."""
    if labels is None or type(task).__name__ not in CLASS_AXES:
        return
    classes = np.unique(labels[labels >= 0])
    if classes.size < 2:
        text = f"all {labels.size} labels to train on are class {', '.join(map(str, classes))}: nothing tells classes apart"
        raise DeckError(Problem("train.loss", f"{text}; agreement needs no labels"))
