"""Operators that sum up axes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from stack3d.workload.operators.table import Array, Operator, axes_of, operators


def _log_sum_exp(x: Array, axis: Any, keepdims: bool) -> Any:
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceL1": lambda x, **how: np.sum(np.abs(x), **how),
    "ReduceL2": lambda x, **how: np.sqrt(np.sum(np.square(x), **how)),
    "ReduceLogSum": lambda x, **how: np.log(np.sum(x, **how)),
    "ReduceLogSumExp": lambda x, **how: _log_sum_exp(x, **how),
    "ReduceMax": lambda x, **how: np.max(x, **how) if x.size else np.max(x, initial=_least(x), **how),
    "ReduceMean": lambda x, **how: np.mean(x, **how),
    "ReduceMin": lambda x, **how: np.min(x, **how) if x.size else np.min(x, initial=_most(x), **how),
    "ReduceProd": lambda x, **how: np.prod(x, **how),
    "ReduceSum": lambda x, **how: np.sum(x, **how),
    "ReduceSumSquare": lambda x, **how: np.sum(np.square(x), **how),
}


def _least(x: Array) -> Any:
    return -np.inf if x.dtype.kind == "f" else False if x.dtype.kind == "b" else np.iinfo(x.dtype).min


def _most(x: Array) -> Any:
    return np.inf if x.dtype.kind == "f" else True if x.dtype.kind == "b" else np.iinfo(x.dtype).max


class Reduction(Operator):
    """One number of all elements along some axes, all of them by default."""

    function: Callable[..., Any]

    def compute(self, x: Array, axes: Array | None = None) -> Array:
        """Return it, in the type of `x`."""
        which = self.setting("axes", axes)
        if which is None or (not isinstance(which, int) and not len(which)):
            if self.get("noop_with_empty_axes"):
                return x
            which = range(x.ndim)
        with np.errstate(all="ignore"):
            y = type(self).function(x, axis=axes_of(which, x.ndim), keepdims=bool(self.get("keepdims", 1)))
        return np.asarray(y).astype(x.dtype, copy=False)


for _name, _function in REDUCTIONS.items():
    operators.register(_name)(
        type(_name, (Reduction,), {"function": staticmethod(_function), "__doc__": f"{_name} over axes."})
    )


class _Place(Operator):
    """Index of an extreme element along an axis."""

    largest = True

    def compute(self, x: Array) -> Array:
        """Return it; of equal ones the first, or the last if asked."""
        axis = self.get("axis", 0)
        y = np.flip(x, axis) if self.get("select_last_index") else x
        found = (np.argmax if self.largest else np.argmin)(y, axis=axis)
        found = x.shape[axis] - 1 - found if self.get("select_last_index") else found
        return np.expand_dims(found, axis) if self.get("keepdims", 1) else np.asarray(found)


@operators.register("ArgMax")
class ArgMax(_Place):
    """Index of the largest element."""


@operators.register("ArgMin")
class ArgMin(_Place):
    """Index of the smallest element."""

    largest = False


class _Softened(Operator, ABC):
    """Functions over an axis; before version 13 over all axes from the one named on."""

    @abstractmethod
    def over(self, x: Array, axis: int) -> Array:
        """Return the function's values over one axis."""

    def compute(self, x: Array) -> Array:
        """Return the function's values in the type of `x`."""
        with np.errstate(all="ignore"):
            return self._over(x)

    def _over(self, x: Array) -> Array:
        if self.opset >= 13:
            return self.over(x, self.get("axis", -1)).astype(x.dtype, copy=False)
        axis = self.get("axis", 1) % max(x.ndim, 1)
        rows = x.reshape(int(np.prod(x.shape[:axis])), -1)
        return self.over(rows, 1).reshape(x.shape).astype(x.dtype, copy=False)


@operators.register("Softmax")
class Softmax(_Softened):
    """Exponentials over their sum."""

    def over(self, x: Array, axis: int) -> Array:
        """Return the function's values over one axis."""
        y = np.exp(x - x.max(axis=axis, keepdims=True))
        return np.asarray(y / y.sum(axis=axis, keepdims=True))


@operators.register("LogSoftmax")
class LogSoftmax(_Softened):
    """Logarithm of exponentials over their sum."""

    def over(self, x: Array, axis: int) -> Array:
        """Return the function's values over one axis."""
        y = x - x.max(axis=axis, keepdims=True)
        return np.asarray(y - np.log(np.exp(y).sum(axis=axis, keepdims=True)))


@operators.register("Hardmax")
class Hardmax(_Softened):
    """One at the largest element."""

    def over(self, x: Array, axis: int) -> Array:
        """Return the function's values over one axis."""
        y = np.zeros_like(x)
        np.put_along_axis(y, x.argmax(axis=axis, keepdims=True), 1, axis)
        return y
