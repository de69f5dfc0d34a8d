"""Sparse matrices from the weights of the products of corners."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats


def assembled(parts: Iterable[tuple[NDArray[np.intp], Floats]], size: int) -> Any:
    """Sparse matrix over numbered nodes.

    Parameters
    ----------
    parts : iterable of (ndarray, ndarray), each of shape (4 or 8, a, b)
        Numbers of the nodes at the corners of cells or of their faces, and as many weights.
    size : int
        Nodes in all.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (size, size)
        Entries that came out as zero are left out.
    """
    from scipy.sparse import coo_matrix

    signs = np.array([[1, 1, 1, 1], [-1, 1, -1, 1], [-1, -1, 1, 1], [1, -1, -1, 1]])
    rows, columns, entries = [], [], []
    for corners, weights in parts:
        b = signs if len(weights) == 4 else np.block([[signs, signs], [-signs, signs]])
        entries.append(np.einsum("pa,pb,pji->abji", b, b, weights).ravel())
        shape = (len(corners), *corners.shape)
        rows.append(np.broadcast_to(corners[:, None], shape).ravel())
        columns.append(np.broadcast_to(corners[None], shape).ravel())
    triplets = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
    found = coo_matrix(triplets, shape=(size, size)).tocsr()
    found.eliminate_zeros()
    return found
