"""The variance of long noisy products from bands of rows: a few thin products, their error watched vector by vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.mvm.array_library import Scratch

LEAST_ROWS = 256
"""Rows of an array from which bands are used: with fewer, what single inputs do to single outputs weighs too much."""
BANDS = 8
"""Bands of neighbouring rows."""
MOST_ERROR = 0.25
"""Root mean square error of a vector's variances, each beside its own, above which they are taken in full. [-]"""
MOST_EXPECTED = 0.15
"""That error as expected for independent normal inputs, at the median output, above which an array has no bands. [-]"""
WATCHED = 8
"""Outputs on which the error of every vector is measured, the worst one among them."""
TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class BandedVariance:
    r"""Variances of one array's cells, those of a band of rows in one shape; build it with `banded`.

    Parameters
    ----------
    means : ndarray
        Mean variance of every row in the column of its band, shape (..., rows, bands). [-]
    shapes : ndarray
        Variances of the columns in every band, each beside their mean, shape (..., bands, columns). [-]
    seen_shapes : ndarray
        Those of the outputs that are watched, shape (..., bands, watched). [-]
    faults : ndarray
        What means times shapes are above the variances of the cells there, shape (..., rows, watched). [-]

    Notes
    -----
    With :math:`a_i` the mean of the variances :math:`v_{ij}` of row :math:`i` over the columns, the variance of an output,
    :math:`\sum_i u_i^2 v_{ij}`, becomes :math:`\sum_b s_{bj} \sum_{i \in b} u_i^2 a_i` with the shape
    :math:`s_{bj} = \sum_{i \in b} v_{ij} / \sum_{i \in b} a_i` of a band. Two sums are exact whatever the cells are: the mean
    over the columns for every vector, and the variance of every output where all rows are driven alike, so that over many
    vectors whose inputs have one mean square every output has the noise of its cells. What is lost is how the noise of single
    outputs follows single inputs: for independent rows a share that falls as one over the root of the rows. Where many vectors
    are taken in full, the others are no fair sample: with rows of very unequal strength the worst output was off by 6 % over
    2000 vectors.
    """

    means: NDArray[Any]
    shapes: NDArray[Any]
    seen_shapes: NDArray[Any]
    faults: NDArray[Any]

    def of(self, drive: NDArray[Any], exact: NDArray[Any], out: NDArray[Any], scratch: Scratch) -> NDArray[Any]:
        """Return the variances of the outputs, in full where a vector's are off by more than `MOST_ERROR`.

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
        square = np.multiply(drive, drive, out=scratch.array("square", drive.shape, drive.dtype))
        sums, error = square @ self.means, square @ self.faults
        wanted = sums @ self.seen_shapes
        wanted -= error
        error /= np.maximum(wanted, TINY, out=wanted)
        is_fair = np.einsum("...j,...j->...", error, error) <= WATCHED * MOST_ERROR**2
        if is_fair.all():
            return np.matmul(sums, self.shapes[..., : out.shape[-1]], out=out)
        if not is_fair.any():
            return np.matmul(square, exact, out=out)
        np.matmul(sums, self.shapes[..., : out.shape[-1]], out=out)
        squares = np.broadcast_to(square, (*out.shape[:-1], square.shape[-1]))
        cells = np.broadcast_to(exact, (*out.shape[:-2], *exact.shape[-2:]))
        for chip in np.ndindex(out.shape[:-2]):
            others = np.flatnonzero(~is_fair[chip])
            out[chip][others] = squares[chip][others] @ cells[chip]
        return out


def bands_of(variance: Any, row_blocks: Sequence[tuple[int, int]], columns: int) -> dict[tuple[int, int], BandedVariance]:
    """Return by row block and readout what is added up over bands of variances (..., readouts, n_inputs, n_columns).

    Only arrays of NumPy in single precision are; `columns` see `banded`.
    """
    if not isinstance(variance, np.ndarray) or variance.dtype != np.float32:
        return {}
    found = {
        (block, readout): banded(variance[..., readout, start:stop, :], columns)
        for block, (start, stop) in enumerate(row_blocks)
        for readout in range(variance.shape[-3])
    }
    return {place: one for place, one in found.items() if one is not None}


def banded(variance: NDArray[Any], columns: int) -> BandedVariance | None:
    """Join the rows of variances (..., rows, n_columns) in bands; None where that is too coarse, or columns are too few.

    `columns` is how many of the columns a product reads: some of those are watched, of each chip its own. They stand evenly in
    the order of what independent inputs are expected to be off by, from the least to the worst.
    """
    rows = variance.shape[-2]
    if rows < LEAST_ROWS or columns < WATCHED:
        return None
    mean = variance[..., :columns].mean(axis=-1)
    edges = np.linspace(0, rows, BANDS + 1).round().astype(np.intp)
    means = np.zeros((*mean.shape, BANDS), variance.dtype)
    shapes = np.add.reduceat(variance, edges[:-1], axis=-2)
    for band, (start, stop) in enumerate(zip(edges, edges[1:])):
        means[..., start:stop, band] = mean[..., start:stop]
    shapes /= np.maximum(means.sum(axis=-2), TINY)[..., None]
    faults = means @ shapes[..., :columns]
    faults -= variance[..., :columns]
    total = np.maximum(variance[..., :columns].sum(axis=-2), TINY)
    expected = np.sqrt(2.0) * np.linalg.norm(faults, axis=-2) / total
    if np.median(expected, axis=-1).max() > MOST_EXPECTED:
        return None
    order = np.argsort(expected, axis=-1, kind="stable")
    seen = order[..., np.linspace(0, columns - 1, WATCHED).round().astype(np.intp)][..., None, :]
    seen_shapes = np.take_along_axis(shapes, seen, axis=-1)
    return BandedVariance(means, shapes, seen_shapes, np.ascontiguousarray(np.take_along_axis(faults, seen, axis=-1)))
