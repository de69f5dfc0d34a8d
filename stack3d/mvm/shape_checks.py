"""Checks of array arguments: an error that names the array and the first bad index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError


def check_finite(name: str, values: NDArray[Any], *, low: float | None = None, infinite: bool = False) -> None:
    """Raise ArrayError unless all `values` are finite (or, with `infinite`, not NaN) and at least `low`.

    Two reductions decide; the index is looked for only when they fail, so that a good array costs no copy.
    Arrays that are not NumPy's are left to their own library.

    Parameters
    ----------
    name : str
        For the message.
    values : ndarray
        Any shape.
    low : float, optional
        Least that passes. [unit of the values]
    infinite : bool
        Whether infinity passes.
    """
    if not isinstance(values, np.ndarray) or not values.size:
        return
    smallest, largest = values.min(), values.max()  # NaN in, NaN out
    if low is not None and smallest < low:
        bad, wanted = values < low, f"at least {low:g}"
    elif np.isnan(smallest) or (not infinite and not (np.isfinite(smallest) and np.isfinite(largest))):
        bad, wanted = ~np.isfinite(values) if not infinite else np.isnan(values), "a finite number"
    else:
        return
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), values.shape))
    raise ArrayError(f"{name}{list(index) if index else ''} is {float(values[index])!r}; must be {wanted}")


def check_tail(name: str, values: NDArray[Any], tail: Sequence[int], meaning: str) -> None:
    """Raise ArrayError unless the last axes of `values` have the lengths of `tail`, described by `meaning`.

    Parameters
    ----------
    name : str
        For the message.
    values : array
    tail : sequence of int
    meaning : str
        Names of the last axes.
    """
    tail = tuple(int(n) for n in tail)
    shape = tuple(int(n) for n in values.shape)
    if len(shape) < len(tail) or shape[len(shape) - len(tail) :] != tail:
        raise ArrayError(f"{name} has shape {shape}; its last axes must be {tail} = ({meaning})")
