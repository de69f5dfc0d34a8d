"""Meshes as plain arrays: cells with named regions and faces; geometry makes them, solvers read them; SI units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats, Material

Ints = NDArray[np.intp]
Kind = Literal["tetra", "tetra10", "hexahedron"]

VOID = -1
CORNERS: dict[str, int] = {"tetra": 4, "tetra10": 4, "hexahedron": 8}
"""Corners of a cell by its kind; they come first in its nodes."""


@dataclass(frozen=True, eq=False)
class CellMesh:
    """Cells of one kind, each in a named region, and named faces of the outside.

    Parameters
    ----------
    kind : {"tetra", "tetra10", "hexahedron"}
    points : ndarray, shape (n, 3)
        [m]
    cells : ndarray of int, shape (m, nodes)
        In the order of VTK.
    region : ndarray of int, shape (m,)
        Index into `names`.
    names : tuple of str
    materials : tuple of Material
        Of the regions.
    facets : ndarray of int, shape (f, 3) or (f, 4)
        Corners of the facets that have a name.
    face : ndarray of int, shape (f,)
        Index into `faces`.
    faces : tuple of str
    """

    kind: Kind
    points: Floats
    cells: Ints
    region: Ints
    names: tuple[str, ...]
    materials: tuple[Material, ...]
    facets: Ints
    face: Ints
    faces: tuple[str, ...]
