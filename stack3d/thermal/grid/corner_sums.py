"""Sums and differences over the corners of cells, and back to the nodes, on rows that are laid end to end.

Values of cells have the layout of the nodes: the last row and column are no cells, and hold zero. So one long row does for many
short ones, each of which costs numpy as much time as a hundred values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def with_room(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Zeros for cells, last axes (ny, nx), that lie in the layout of the nodes: `padded` finds it without a copy."""
    return np.zeros((*shape[:-2], shape[-2] + 1, shape[-1] + 1))[..., :-1, :-1]


def padded(cells: NDArray[Any]) -> NDArray[Any]:
    """Values of cells, last axes (ny, nx), in the layout of the nodes; one value for all cells stays so."""
    *lead, ny, nx = cells.shape
    if (ny, nx) == (1, 1):
        return cells
    whole, shape = cells.base, (*lead, ny + 1, nx + 1)
    if whole is not None and whole.shape == shape and whole.strides == cells.strides and whole.ctypes.data == cells.ctypes.data:
        return whole
    out = np.zeros(shape, cells.dtype)
    out[..., :-1, :-1] = cells
    return out


def products(nodes: NDArray[Any], row: int, out: NDArray[Any], work: NDArray[Any]) -> None:
    """Sums and differences over the corners of each cell: of both, of differences along x, along y, along both.

    Parameters
    ----------
    nodes : ndarray, shape (n,)
        Rows of nodes, end to end.
    row : int
        Nodes of a row.
    out : ndarray, shape (4, n - row)
        Written, in the layout of the nodes; what stands at no cell means nothing.
    work : ndarray, shape (2, n)
        To work in.
    """
    np.add(nodes[1:], nodes[:-1], out=work[0, :-1])
    np.subtract(nodes[1:], nodes[:-1], out=work[1, :-1])
    work[:, -1] = 0.0
    np.add(work[:, row:], work[:, :-row], out=out[:2])
    np.subtract(work[:, row:], work[:, :-row], out=out[2:])


def gather(
    products: NDArray[Any], row: int, out: NDArray[Any], work: NDArray[Any], passed_on: NDArray[Any] | None = None
) -> None:
    """Transpose of `products`.

    Parameters
    ----------
    products : ndarray, shape (4, n - row)
        Zero at what is no cell.
    row : int
        Nodes of a row.
    out : ndarray, shape (n,)
        Rows of nodes, end to end; written.
    work : ndarray, shape (2, n)
        To work in.
    passed_on : ndarray, shape (2, row), optional
        What rows before give to the first row of nodes; then what these give to the last.
    """
    np.add(products[:2], products[2:], out=work[:, row:])
    work[:, :row] = 0.0 if passed_on is None else passed_on
    work[:, :-row] += products[:2]
    work[:, :-row] -= products[2:]
    if passed_on is not None:
        passed_on[...] = work[:, -row:]
    out[0] = 0.0
    np.add(work[0, :-1], work[1, :-1], out=out[1:])
    out += work[0]
    out -= work[1]
