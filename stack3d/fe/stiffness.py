"""The matrix of div(c grad u) on cells, as a sparse array; what a field needs that does without DOLFINx."""

from __future__ import annotations

import numpy as np
import scipy

from stack3d.errors import unknown_name
from stack3d.fe.elements import quadrature, shapes
from stack3d.layout import Floats
from stack3d.meshes import CellMesh, Ints


def stiffness(mesh: CellMesh, coefficient: Floats) -> scipy.sparse.csr_array:
    """Integrals of grad u · c grad v over all cells, for the shape functions of the cells themselves.

    Parameters
    ----------
    mesh : CellMesh
    coefficient : ndarray, shape (cells,) or (cells, 3)
        c of each cell, the same along x, y and z or one for each.

    Returns
    -------
    scipy.sparse.csr_array, shape (points, points)
        Of the unit of the coefficient times m. Rows of points that no cell has are empty.
    """
    c = np.broadcast_to(np.asarray(coefficient).reshape(len(mesh.cells), -1), (len(mesh.cells), 3))
    count = mesh.cells.shape[1]
    local = np.zeros((len(mesh.cells), count, count))
    at, weights = quadrature(mesh.kind)
    for weight, gradient in zip(weights, shapes(mesh.kind, at)[1]):
        jacobian = np.einsum("cna,nb->cab", mesh.points[mesh.cells], gradient)
        slope = np.einsum("nb,cba->cna", gradient, np.linalg.inv(jacobian))
        volume = weight * np.abs(np.linalg.det(jacobian))
        local += np.einsum("c,cna,ca,cma->cnm", volume, slope, c, slope)
    rows, columns = np.repeat(mesh.cells, count, axis=1), np.tile(mesh.cells, count)
    shape = (len(mesh.points), len(mesh.points))
    return scipy.sparse.csr_array(scipy.sparse.coo_array((local.ravel(), (rows.ravel(), columns.ravel())), shape=shape))


def points_on(mesh: CellMesh, face: str) -> Ints:
    """Corners on a named face of the mesh; raises UnknownNameError where it has no such face."""
    if face not in mesh.faces:
        raise unknown_name("face of the mesh", face, mesh.faces)
    return np.unique(mesh.facets[mesh.face == mesh.faces.index(face)])
