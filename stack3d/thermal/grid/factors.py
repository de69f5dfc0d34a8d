"""Factors of a small operator on a grid, assembled from products with it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import scipy

from stack3d.grids import Grid
from stack3d.layout import Floats
from stack3d.thermal.kept import PER_ENTRY, PER_UNKNOWN, memory_in_time

MOST_ENTRIES = 2_500_000
"""Of LU factors, up to which they take less time than multigrid does; measured on `flip_chip_package`. 40 MB."""


def assembled(apply: Callable[[Floats], Floats], free: Floats) -> Any:
    """Matrix of an operator that couples a node to its 26 neighbours, from 27 products with every third node each way.

    Parameters
    ----------
    apply : callable
        Product with a nodal field.
    free : ndarray, shape (nz+1, ny+1, nx+1)
        Zero at nodes whose rows and columns are those of the identity.

    Returns
    -------
    scipy.sparse.csc_array, shape (nodes, nodes)
    """
    index, solid = np.arange(free.size).reshape(free.shape), free != 0
    rows, columns, entries = [], [], []
    for colour in product(range(3), repeat=3):
        probe = np.zeros(free.shape)
        probe[tuple(slice(c, None, 3) for c in colour)] = 1.0
        column = [q + (c - q + 1) % 3 - 1 for c, q in zip(colour, map(np.arange, free.shape))]  # of that colour, next to each
        z, y, x = ((q >= 0) & (q < n) for q, n in zip(column, free.shape))
        inside = z[:, None, None] & y[:, None] & x
        near = index[np.ix_(*(np.clip(q, 0, n - 1) for q, n in zip(column, free.shape)))]
        coupled = inside & solid & solid.ravel()[near]
        rows.append(index[coupled])
        columns.append(near[coupled])
        entries.append(apply(probe * solid)[coupled])
    still = index[~solid]
    rows, columns = [*rows, still], [*columns, still]
    values = np.concatenate([*entries, np.ones(still.size)])
    return scipy.sparse.csc_array((values, (np.concatenate(rows), np.concatenate(columns))), shape=(free.size, free.size))


def expected_entries(grid: Grid) -> float:
    """About how many entries each of the LU factors of an operator on a grid has, as measured on flat ones."""
    columns = grid.x.size * grid.y.size
    return float(0.4 * columns * np.log2(columns) * grid.z.size**2)


def kept_in_time(grid: Grid, finer: float) -> float:
    """Of what a march keeps for each length of its steps, on a grid of `finer` times the nodes. [byte]"""
    entries = min(finer**1.5 * expected_entries(grid), MOST_ENTRIES)
    return memory_in_time(finer * PER_UNKNOWN * grid.n_nodes + 2 * PER_ENTRY * entries)


class SmallFactors:
    """LU factors of `assembled`, as a preconditioner.

    Parameters
    ----------
    apply, free
        As `assembled` has them.
    """

    def __init__(self, apply: Callable[[Floats], Floats], free: Floats) -> None:
        matrix = assembled(apply, free)
        self._factors = scipy.sparse.linalg.splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )

    @property
    def entries(self) -> int:
        """Of both factors."""
        return int(self._factors.nnz)

    def solve(self, load: Floats) -> Floats:
        """Solution for a nodal load."""
        return np.asarray(self._factors.solve(load.ravel()).reshape(load.shape))
