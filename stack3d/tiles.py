"""How a weight matrix is cut into crossbar tiles: shared by placement, power and the crossbar engine."""

from __future__ import annotations

from dataclasses import dataclass

from stack3d.errors import DeckError, Problem


@dataclass(frozen=True)
class Tile:
    """One crossbar array and the part of one weight matrix that it holds.

    Parameters
    ----------
    layer : str
        Name of the weight matrix.
    index : int
        Position among the tiles of its layer; row blocks run slowest.
    row_start, row_stop, col_start, col_stop : int
        Half-open ranges of the weight matrix (inputs by outputs).
    n_rows, n_cols : int
        Physical size of the array.
    columns_per_weight : int
        Physical columns that one weight takes (pair and bit slices).
    reserved_columns : int
        Physical columns that hold no weight (an offset or reference column).
    """

    layer: str
    index: int
    row_start: int
    row_stop: int
    col_start: int
    col_stop: int
    n_rows: int
    n_cols: int
    columns_per_weight: int = 2
    reserved_columns: int = 0

    @property
    def rows_used(self) -> int:
        """Driven rows."""
        return self.row_stop - self.row_start

    @property
    def weights(self) -> int:
        """Weights held."""
        return self.rows_used * (self.col_stop - self.col_start)

    @property
    def columns_used(self) -> int:
        """Physical columns in use, reserved ones included."""
        return (self.col_stop - self.col_start) * self.columns_per_weight + self.reserved_columns

    @property
    def utilisation(self) -> float:
        """Used cells over all cells. [-]"""
        return self.rows_used * self.columns_used / (self.n_rows * self.n_cols)


def split_matrix(
    layer: str,
    n_inputs: int,
    n_outputs: int,
    tile: tuple[int, int],
    *,
    columns_per_weight: int = 2,
    reserved_columns: int = 0,
) -> tuple[Tile, ...]:
    """Cut an inputs-by-outputs matrix into tiles of `tile` = (rows, columns) cells.

    Row blocks are as even as possible, and so are column blocks, so that no tile is left with a sliver.
    Raises DeckError when not even one weight fits into a tile row.

    Parameters
    ----------
    layer : str
    n_inputs, n_outputs : int
    tile : (rows, columns)
        Cells of an array.
    columns_per_weight : int
    reserved_columns : int
        Of every array, that hold no weights.
    """
    rows, cols = tile
    room = (cols - reserved_columns) // columns_per_weight
    if rows < 1 or room < 1:
        message = (
            f"{rows}x{cols} holds no weight of layer {layer!r}: one weight takes {columns_per_weight} columns"
            f" and {reserved_columns} are reserved"
        )
        raise DeckError(Problem("workload.tile", message))
    row_blocks, col_blocks = -(-n_inputs // rows), -(-n_outputs // room)
    row_edges = [n_inputs * i // row_blocks for i in range(row_blocks + 1)]
    col_edges = [n_outputs * i // col_blocks for i in range(col_blocks + 1)]
    return tuple(
        Tile(
            layer,
            i * col_blocks + j,
            row_edges[i],
            row_edges[i + 1],
            col_edges[j],
            col_edges[j + 1],
            rows,
            cols,
            columns_per_weight,
            reserved_columns,
        )
        for i in range(row_blocks)
        for j in range(col_blocks)
    )
