"""Which of several things nothing betters, where values that differ by rounding alone count as the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALIKE = 1e-6
"""Share of its size by which a value differs at most from the next that counts as the same. [-]"""


def ranked_alike(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ranks along the first axis, from 0 for the least; values that follow each other within `ALIKE` share one."""
    order = values.argsort(axis=0, kind="stable")
    rising = np.take_along_axis(values, order, axis=0)
    with np.errstate(invalid="ignore"):
        is_new = np.diff(rising, axis=0) > ALIKE * np.maximum(np.abs(rising[1:]), np.abs(rising[:-1]))
    ranks = np.vstack([np.zeros((1, *values.shape[1:]), dtype=np.int64), is_new.cumsum(axis=0)])[: len(values)]
    found = np.empty_like(ranks)
    np.put_along_axis(found, order, ranks, axis=0)
    return found


def unbettered(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows, shape (thing, goal), of which no other is as good in every goal and better in one; less is better."""
    ranks = ranked_alike(values)
    one, other = ranks[:, None], ranks[None]
    betters = (other <= one).all(axis=-1) & (other < one).any(axis=-1)
    return np.asarray(~betters.any(axis=1))
