"""The variance of long noisy products from pairs of rows: half a product, its error watched vector by vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.mvm.array_library import Scratch

LEAST_ROWS = 512
"""Rows of an array from which pairs pay: below, what watches them costs as much as they save."""
MOST_ERROR = 0.125
"""Root mean square error of a vector's variances, each beside its own, above which they are taken in full. [-]"""
WATCHED = 16
"""Outputs on which the error of every vector is measured."""
TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class PairedVariance:
    r"""Variances of one array's cells with rows joined in pairs; build it with `paired`.

    Parameters
    ----------
    roots : ndarray
        Square roots of the mean variance of every row, shape (..., 1, rows). [-]
    shapes : ndarray
        Of every pair of rows the mean of their variances, each beside its row's mean, shape (..., pairs, columns). [-]
    watched, joined : ndarray
        At some outputs those variances of every row, shape (..., rows, watched), and `shapes`, (..., pairs, watched). [-]

    Notes
    -----
    With :math:`t_i = u_i^2 a_i`, :math:`a_i` the mean of row :math:`i` and :math:`c_{ij} = v_{ij} / a_i`, the variance
    :math:`\sum_i t_i c_{ij}` becomes a sum over pairs :math:`(i, k)` of :math:`(t_i + t_k)(c_{ij} + c_{kj}) / 2`. Whatever
    the input, the mean over the columns of a product is exact, and no output gets less than half its variance. For independent
    rows the others are off by a share that falls as one over the root of the rows; where rows have one shape nothing is off.
    A row without noise leaves its pair to the other.
    """

    roots: NDArray[Any]
    shapes: NDArray[Any]
    watched: NDArray[Any]
    joined: NDArray[Any]

    def of(self, drive: NDArray[Any], exact: NDArray[Any], out: NDArray[Any], scratch: Scratch) -> NDArray[Any]:
        """Return the variances of the outputs, in full where a vector's pairs are off by more than `MOST_ERROR`.

        What is decided of a vector depends on it alone, not on those beside it.

        Parameters
        ----------
        drive : ndarray, shape (..., batch, rows)
            Of the word lines. [part of full drive]
        exact : ndarray, shape (..., rows, columns)
            Variances of the cells. [-]
        out : ndarray, shape (..., batch, columns)
            Written; the leading axes are those of `drive` and `exact` together.
        scratch : Scratch
        """
        columns, rows, pairs = out.shape[-1], drive.shape[-1], self.shapes.shape[-2]
        shape = (*out.shape[:-1], rows)
        square = np.multiply(drive, self.roots, out=scratch.array("square", shape, drive.dtype))
        square *= square
        wanted = square @ self.watched
        sums = scratch.array("sums", (*out.shape[:-1], pairs), drive.dtype)
        np.add(square[..., : rows - pairs], square[..., pairs:], out=sums[..., : rows - pairs])
        sums[..., rows - pairs :] = square[..., rows - pairs : pairs]
        error = sums @ self.joined
        error -= wanted
        error /= np.maximum(wanted, TINY, out=wanted)
        is_fair = np.einsum("...j,...j->...", error, error) <= WATCHED * MOST_ERROR**2
        if is_fair.all():
            return np.matmul(sums, self.shapes[..., :columns], out=out)
        drives = np.broadcast_to(drive, shape)
        cells, shapes = (np.broadcast_to(part, (*out.shape[:-2], *part.shape[-2:])) for part in (exact, self.shapes))
        for chip in np.ndindex(out.shape[:-2]):
            fair, others = np.flatnonzero(is_fair[chip]), np.flatnonzero(~is_fair[chip])
            out[chip][fair] = sums[chip][fair] @ shapes[chip][:, :columns]
            out[chip][others] = np.square(drives[chip][others]) @ cells[chip]
        return out


def pairs_of(variance: Any, row_blocks: Sequence[tuple[int, int]], columns: int) -> dict[tuple[int, int], PairedVariance]:
    """Return by row block and readout what is added up in pairs of variances (..., readouts, n_inputs, n_columns).

    Only arrays of NumPy in single precision are; `columns` see `paired`.
    """
    if not isinstance(variance, np.ndarray) or variance.dtype != np.float32:
        return {}
    pairs = {
        (block, readout): paired(variance[..., readout, start:stop, :], columns)
        for block, (start, stop) in enumerate(row_blocks)
        for readout in range(variance.shape[-3])
    }
    return {place: pair for place, pair in pairs.items() if pair is not None}


def paired(variance: NDArray[Any], columns: int) -> PairedVariance | None:
    """Join the rows of variances (..., rows, n_columns) in pairs; None where there are too few of them, or columns to watch.

    `columns` is how many of the columns a product reads: some of those are watched. Row i goes with row i + ceil(rows / 2),
    and the middle one of an odd number stays alone.
    """
    rows = variance.shape[-2]
    if rows < LEAST_ROWS or columns < WATCHED:
        return None
    pairs = (rows + 1) // 2
    mean = variance[..., :columns].mean(axis=-1, keepdims=True)
    alive = mean > 0.0
    scale = np.where(alive, 1.0 / np.maximum(mean, TINY), 0.0).astype(variance.dtype, copy=False)
    first, second = slice(0, rows - pairs), slice(pairs, rows)
    shapes = variance[..., :pairs, :] * scale[..., :pairs, :]
    shapes[..., first, :] += variance[..., second, :] * scale[..., second, :]
    shapes[..., first, :] *= np.where(alive[..., first, :] & alive[..., second, :], variance.dtype.type(0.5), 1)
    seen = np.linspace(0, columns - 1, WATCHED).round().astype(np.intp)
    watched = variance[..., seen] * scale
    return PairedVariance(np.sqrt(np.swapaxes(mean, -1, -2)), shapes, watched, np.ascontiguousarray(shapes[..., seen]))
