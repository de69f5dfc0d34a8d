"""A mesh as plain arrays with names: what mesh generators give and mesh solvers take; SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NamedArrays:
    """Cells of one shape, the region that each belongs to, and named parts of the surface.

    Parameters
    ----------
    points : ndarray, shape (n_points, 3)
        Each belongs to a cell. [m]
    cells : ndarray of int, shape (n_cells, 8 or 4)
        Points of hexahedra or tetrahedra in Gmsh's order.
    region : ndarray of int, shape (n_cells,)
        Index into `regions`.
    regions : tuple of str
    faces : mapping of str to ndarray of int, shape (n_facets, 4 or 3)
        Points of outer facets.
    nodes : ndarray of int, shape (n_points,), optional
        Flat index of each point in the (z, y, x) nodes of the grid that the mesh stands on.
    """

    points: NDArray[np.float64]
    cells: Integers
    region: Integers
    regions: tuple[str, ...]
    faces: Mapping[str, Integers] = field(default_factory=dict)
    nodes: Integers | None = None
