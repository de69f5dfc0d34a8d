"""Windows of arrays: padding as ONNX defines it, pooling without Python loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.workload.operators.allowance import afford, charge
from stack3d.workload.operators.table import Array, Operator, operators


def padding(
    space: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int] | None,
    auto_pad: str,
    ceil_mode: bool = False,
) -> list[tuple[int, int]]:
    """Cells added before and after each spatial axis, as ONNX defines them for Conv and pooling.

    Parameters
    ----------
    space, kernel, strides, dilations : sequence of int
        One entry per spatial axis.
    pads : sequence of int or None
        Before each axis, then after each.
    auto_pad : str
        As ONNX names it.
    ceil_mode : bool
        Pad an axis further until the last, partly outside, window fits; a window that would start beyond the input and its
        first padding does not count.
    """
    out = []
    for i, (size, k, s, d) in enumerate(zip(space, kernel, strides, dilations)):
        reach = d * (k - 1) + 1
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = max(0, (-(-size // s) - 1) * s + reach - size)
            small, large = total // 2, total - total // 2
            low, high = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
        elif auto_pad == "VALID" or not pads:
            low, high = 0, 0
        else:
            low, high = pads[i], pads[i + len(space)]
        if ceil_mode:
            windows = -(-(size + low + high - reach) // s) + 1
            if (windows - 1) * s >= size + low:
                windows -= 1
            high = max(high, (windows - 1) * s + reach - size - low)
        out.append((low, high))
    return out


def windows(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[Any], fill: float
) -> Array:
    """View of every window of `x` (batch, channels, *space), shape (batch, channels, *positions, *kernel).

    Parameters
    ----------
    x : ndarray, shape (batch, channels, *space)
    kernel, strides, dilations : sequence of int
        One entry per spatial axis.
    pads : sequence of (before, after)
    fill : float
        What pads. [unit of `x`]
    """
    if min([*kernel, *strides, *dilations]) < 1 or min((min(p) for p in pads), default=0) < 0:
        raise ArrayError(f"kernel {list(kernel)}, strides {list(strides)}, dilations {list(dilations)}, pads {list(pads)}")
    afford([*x.shape[:2], *(n + low + high for n, (low, high) in zip(x.shape[2:], pads))], x.itemsize)
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill) if any(sum(p) for p in pads) else x
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations))
    n = len(reach)
    view = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, 2 + n)))
    index = [slice(None)] * 2 + [slice(None, None, s) for s in strides] + [slice(None, None, d) for d in dilations]
    found = np.asarray(view[tuple(index)])
    charge(found.size)
    return found


class _Pool(Operator):
    """One number of every window."""

    def geometry(self, x: Array, *, ceil: bool) -> tuple[list[int], list[int], list[int], list[tuple[int, int]]]:
        """Return kernel, strides, dilations and padding for an input."""
        kernel = self.get("kernel_shape")
        steps, spread = self.get("strides") or [1] * len(kernel), self.get("dilations") or [1] * len(kernel)
        auto = self.get("auto_pad") or "NOTSET"
        return kernel, steps, spread, padding(x.shape[2:], kernel, steps, spread, self.get("pads"), auto, ceil)


@operators.register("MaxPool")
class MaxPool(_Pool):
    """Largest element of every window, and where it stood among all where that is asked for."""

    def compute(self, x: Array) -> Any:
        """Return the elements, or these and their places in the flat array, the first of equal ones."""
        n = x.ndim - 2
        low = -np.inf if np.issubdtype(x.dtype, np.floating) else np.iinfo(x.dtype).min
        kernel, steps, spread, pad = self.geometry(x, ceil=bool(self.get("ceil_mode")))
        seen = windows(x, kernel, steps, spread, pad, low)
        found = np.asarray(seen.max(axis=tuple(range(2 + n, 2 + 2 * n))))
        if len(self.node.outputs) < 2 or not self.node.outputs[1]:
            return found
        afford(seen.shape, 2 * x.itemsize)
        afford((n + 2, *found.shape), 24)
        within = np.unravel_index(seen.reshape(*found.shape, -1).argmax(axis=-1), kernel)
        starts = np.indices(found.shape)
        places = [starts[2 + i] * steps[i] + within[i] * spread[i] - pad[i][0] for i in range(n)]
        if self.get("storage_order", 0):  # of every plane, the first axis fastest
            plane = starts[0] * x.shape[1] + starts[1]
            return found, plane * math.prod(x.shape[2:]) + np.ravel_multi_index(places, x.shape[2:], order="F")
        return found, np.ravel_multi_index((starts[0], starts[1], *places), x.shape)


@operators.register("MaxUnpool")
class MaxUnpool(_Pool):
    """Elements back to the places they were pooled from, zero elsewhere."""

    room = 16.0

    def compute(self, x: Array, places: Array, shape: Array | None = None) -> Array:
        """Return the larger array; places count in the shape that is given, as runtimes take them.

        Parameters
        ----------
        x : ndarray, shape (batch, channels, *space)
        places : ndarray of int, of that shape
            In the flat array that was pooled.
        shape : ndarray of int, optional
            Wanted.
        """
        kernel, n = self.get("kernel_shape"), x.ndim - 2
        steps, pads = self.get("strides") or [1] * n, self.get("pads") or [0] * 2 * n
        space = [s * (m - 1) + k - a - b for s, m, k, a, b in zip(steps, x.shape[2:], kernel, pads, pads[n:])]
        out = np.zeros(afford([*x.shape[:2], *space] if shape is None else [int(m) for m in shape], x.itemsize), x.dtype)
        if places.size and not (places.min() >= 0 and places.max() < out.size):
            raise ArrayError(f"places {places.min()} to {places.max()} of an array of {out.size} elements")
        out.reshape(-1)[places.reshape(-1)] = x.reshape(-1)
        return out


class _Averaged(_Pool):
    """Sums over windows, and how many cells count in each."""

    def count(self, x: Array) -> Array:
        """Return the cells of every window that count."""
        kernel, steps, spread, given = self.geometry(x, ceil=False)
        pad = self.geometry(x, ceil=bool(self.get("ceil_mode")))[3]
        counted, beyond = np.ones((1, 1, *x.shape[2:])), pad
        if self.get("count_include_pad"):  # cells that only ceil_mode adds never count
            counted = np.pad(counted, [(0, 0), (0, 0), *given], constant_values=1.0)
            beyond = [(0, p[1] - g[1]) for p, g in zip(pad, given)]
        n = x.ndim - 2
        return np.asarray(windows(counted, kernel, steps, spread, beyond, 0.0).sum(axis=tuple(range(2 + n, 2 + 2 * n))))

    def total(self, x: Array) -> Array:
        """Return the sum of every window."""
        n = x.ndim - 2
        kernel, steps, spread, pad = self.geometry(x, ceil=bool(self.get("ceil_mode")))
        return np.asarray(windows(x, kernel, steps, spread, pad, 0.0).sum(axis=tuple(range(2 + n, 2 + 2 * n))))


@operators.register("AveragePool")
class AveragePool(_Averaged):
    """Mean of every window."""

    def compute(self, x: Array) -> Array:
        """Return it."""
        return (self.total(x) / self.count(x)).astype(x.dtype)


@operators.register("LpPool")
class LpPool(_Averaged):
    """Norm of every window."""

    def compute(self, x: Array) -> Array:
        """Return it."""
        p = self.get("p", 2)
        return np.asarray((self.total(np.abs(x) ** p) ** (1.0 / p)).astype(x.dtype))


class _Plane(Operator):
    """One number of every plane."""

    def compute(self, x: Array) -> Array:
        """Return the mean."""
        return np.asarray(x.mean(axis=tuple(range(2, x.ndim)), keepdims=True), x.dtype)


@operators.register("GlobalAveragePool")
class GlobalAveragePool(_Plane):
    """Mean of every plane."""


@operators.register("GlobalMaxPool")
class GlobalMaxPool(_Plane):
    """Largest element of every plane."""

    def compute(self, x: Array) -> Array:
        """Return it."""
        return np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


@operators.register("GlobalLpPool")
class GlobalLpPool(_Plane):
    """Norm of every plane."""

    def compute(self, x: Array) -> Array:
        """Return it."""
        p = self.get("p", 2)
        return np.asarray((np.abs(x) ** p).sum(axis=tuple(range(2, x.ndim)), keepdims=True) ** (1.0 / p), x.dtype)
