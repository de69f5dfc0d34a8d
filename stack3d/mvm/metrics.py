"""How far the outputs of chips are from the wanted ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError


def accuracy(logits: Any, labels: Any) -> NDArray[np.float64]:
    """Return the share of inputs whose largest logit is that of their label.

    Parameters
    ----------
    logits : array
        Shape (..., batch, classes). [-]
    labels : array of int
        Shape (batch,). [-]

    Returns
    -------
    ndarray
        Shape (...). [-]
    """
    logits = np.asarray(logits)
    labels = _labels(logits, labels)
    result: NDArray[np.float64] = np.mean(np.argmax(logits, axis=-1) == labels, axis=-1)
    return result


def confusion_matrix(logits: Any, labels: Any) -> NDArray[np.int64]:
    """Return counts of (true class, predicted class) for logits (..., batch, classes), shape (..., classes, classes)."""
    logits = np.asarray(logits)
    labels = _labels(logits, labels)
    classes = logits.shape[-1]
    code = (labels * classes + np.argmax(logits, axis=-1)).reshape(-1, labels.size)
    chip = np.arange(len(code))[:, None] * classes**2
    counts = np.bincount((code + chip).ravel(), minlength=len(code) * classes**2)
    return counts.astype(np.int64).reshape(*logits.shape[:-2], classes, classes)


def logit_error(logits: Any, wanted: Any) -> NDArray[np.float64]:
    r"""Return the rms difference over the rms of the wanted logits.

    Parameters
    ----------
    logits : array
        Shape (..., batch, classes). [-]
    wanted : array
        Logits in floating point, shape (batch, classes). [-]

    Returns
    -------
    ndarray
        Shape (...). [-]
    """
    logits, wanted = np.asarray(logits, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    result: NDArray[np.float64] = np.sqrt(np.mean((logits - wanted) ** 2, axis=(-2, -1)) / np.mean(wanted**2))
    return result


def signal_to_noise(outputs: Any, wanted: Any) -> NDArray[np.float64]:
    """Return the power of the wanted outputs over that of their error, (..., batch, n) reduced to (...). [-]"""
    outputs, wanted = np.asarray(outputs, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    noise = np.sum((outputs - wanted) ** 2, axis=(-2, -1))
    signal = np.sum(np.broadcast_to(wanted, outputs.shape) ** 2, axis=(-2, -1))
    with np.errstate(divide="ignore"):
        result: NDArray[np.float64] = signal / noise
    return result


def _labels(logits: NDArray[Any], labels: Any) -> NDArray[np.int64]:
    labels = np.asarray(labels).astype(np.int64, casting="same_kind", copy=False)
    if logits.ndim < 2 or labels.shape != (logits.shape[-2],):
        raise ArrayError(f"labels has shape {labels.shape}; must be (batch,) for logits of shape {logits.shape}")
    classes = logits.shape[-1]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        index = int(np.argmax((labels < 0) | (labels >= classes)))
        raise ArrayError(f"labels[{index}] is {labels[index]}; must be 0 to {classes - 1}")
    result: NDArray[np.int64] = labels
    return result
