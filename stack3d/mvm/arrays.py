"""A weight matrix laid out on crossbar arrays: which cell holds what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError
from stack3d.mvm.array_library import like, namespace, to_numpy
from stack3d.mvm.mapping import WeightMapping, full_scale
from stack3d.mvm.shape_checks import check_finite
from stack3d.mvm.wires import Wires
from stack3d.tiles import Tile

REFERENCE_WEIGHT = 0.5  # part of full scale held by reference columns: they age like the middle of the window


@dataclass(frozen=True, eq=False)
class MappedMatrix:
    """A weight matrix and the arrays that hold it.

    Parameters
    ----------
    name : str
        Name of the layer.
    weights : ndarray
        Wanted weights, shape (n_inputs, n_outputs). [weight unit]
    mapping : WeightMapping
        How weights become cells.
    tiles : tuple of Tile
        How the matrix is cut into arrays.
    largest : float, optional
        Weight at the end of the conductance window; absent = the largest of this matrix. [weight unit]

    Raises
    ------
    ArrayError
        Weights that are no finite matrix.
    """

    name: str
    weights: NDArray[Any]
    mapping: WeightMapping
    tiles: tuple[Tile, ...]
    largest: float | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.weights)
        if len(shape) != 2 or not np.size(self.weights):
            raise ArrayError(f"weights of layer {self.name!r} have shape {shape}; must be (n_inputs, n_outputs)")
        check_finite(f"weights of layer {self.name!r}", np.asarray(self.weights))

    @property
    def n_inputs(self) -> int:
        """Rows of the weight matrix."""
        return int(self.weights.shape[0])

    @property
    def n_outputs(self) -> int:
        """Columns of the weight matrix."""
        return int(self.weights.shape[1])

    @cached_property
    def weight_max(self) -> float:
        """Weight at the end of the conductance window. [weight unit]"""
        return full_scale(self.weights) if self.largest is None else self.largest

    @cached_property
    def row_blocks(self) -> tuple[tuple[int, int], ...]:
        """Ranges of inputs that share an array."""
        return tuple(sorted({(t.row_start, t.row_stop) for t in self.tiles}))

    @cached_property
    def column_blocks(self) -> tuple[tuple[int, int], ...]:
        """Ranges of outputs that share an array."""
        return tuple(sorted({(t.col_start, t.col_stop) for t in self.tiles}))

    @cached_property
    def n_product_columns(self) -> int:
        """Columns that a product reads: the outputs, then one offset column per column block."""
        return self.n_outputs + (0 if self.mapping.is_pair else len(self.column_blocks))

    @cached_property
    def n_columns(self) -> int:
        """Columns of the state: those of a product, then the reference columns of each column block."""
        return self.n_product_columns + len(self.column_blocks) * self.mapping.reference_columns

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """Trailing shape (devices, n_inputs, n_columns) of the conductances of one chip."""
        return self.mapping.devices, self.n_inputs, self.n_columns

    def block_columns(self, block: int) -> NDArray[np.intp]:
        """Return the state columns on the arrays of one column block: outputs, offset column, reference columns."""
        start, stop = self.column_blocks[block]
        offset = [] if self.mapping.is_pair else [self.n_outputs + block]
        first = self.n_product_columns + block * self.mapping.reference_columns
        return np.array([*range(start, stop), *offset, *range(first, first + self.mapping.reference_columns)], dtype=np.intp)

    def target_conductances(self) -> NDArray[np.float64]:
        """Return what programming aims at, shape `state_shape`. [S]"""
        extra = np.full(self.n_columns - self.n_outputs, REFERENCE_WEIGHT * self.weight_max)
        extra[: self.n_product_columns - self.n_outputs] = 0.0
        columns = np.broadcast_to(extra, (self.n_inputs, extra.size))
        return self.mapping.conductances(np.concatenate([self.weights, columns], axis=1), self.weight_max)

    def behind(self, wires: Wires | tuple[Wires, ...], conductances: Any, dtype: Any) -> Any:
        """Return the effective conductances (..., devices, n_inputs, n_columns) behind lines, one for all or one per tile. [S]

        Computed in NumPy; arrays of other libraries are taken there and back.
        """
        xp, cells = namespace(conductances), to_numpy(conductances)
        out = np.empty(cells.shape, dtype if xp is np else np.float64)
        for n, tile in enumerate(self.tiles):
            columns = self.block_columns(self.column_blocks.index((tile.col_start, tile.col_stop)))
            part = cells[..., tile.row_start : tile.row_stop, columns]
            lines = wires[n] if isinstance(wires, tuple) else wires
            effective = lines.effective(part, is_interleaved=self.mapping.is_interleaved)
            out[..., tile.row_start : tile.row_stop, columns] = effective
        return out if xp is np else like(xp, out, conductances)


def read_power(conductances: Any, mean_square_voltages: Any) -> Any:
    r"""Return the Joule heat of cells during a read, without wires.

    Parameters
    ----------
    conductances : array
        Shape (..., devices, n_inputs, n_columns). [S]
    mean_square_voltages : array
        Mean of the squared word-line voltage of every row, shape (..., n_inputs) with leading axes that broadcast;
        see `AnalogMatrix.mean_square_voltages`. [V²]

    Returns
    -------
    array
        Shape (...). [W]

    Notes
    -----
    Exact: every cell sees its row's voltage, :math:`P = \sum_i \overline{V_i^2} \sum_{d,j} G_{dij}`.
    """
    xp = namespace(conductances)
    rows = xp.sum(xp.sum(conductances, axis=-1), axis=-2)
    return xp.sum(rows * mean_square_voltages, axis=-1)
