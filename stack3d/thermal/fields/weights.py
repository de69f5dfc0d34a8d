"""Weights of nodes that make the value at a point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from stack3d.layout import Floats
from stack3d.meshes import Ints

SIDES_OF_TRIANGLE = np.array([[0, 1], [1, 2], [0, 2]])
"""Edges of a triangle."""


def ordered(parts: list[tuple[list[int], scipy.sparse.csr_array]], size: int) -> scipy.sparse.csr_array:
    """Rows of groups of places in the order of all places; shape (places, size)."""
    if not parts:
        return scipy.sparse.csr_array((0, size))
    order = np.concatenate([members for members, _ in parts])
    return scipy.sparse.csr_array(scipy.sparse.csr_array(scipy.sparse.vstack([rows for _, rows in parts]))[np.argsort(order)])


class AtPoint(NamedTuple):
    """Weights of a point: its value is ``levels @ values[rows][:, nodes] @ plane``."""

    rows: Ints
    levels: Floats
    nodes: Ints
    plane: Floats
