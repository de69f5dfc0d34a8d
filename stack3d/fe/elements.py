"""Lagrange shape functions of the cells of a `CellMesh`, their integrals, where in a cell a point lies, the hottest node."""

from __future__ import annotations

import numpy as np

from stack3d.layout import Floats
from stack3d.meshes import CUBE, EDGES, CellMesh, Ints

_GRADIENTS = np.array([[-1.0, -1.0, -1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
NEWTON_STEPS = 20
INSIDE = 1e-6
"""How far outside its reference cell a point may lie to count as inside."""


def shapes(kind: str, at: Floats) -> tuple[Floats, Floats]:
    """Shape functions of a kind of cell at reference points, and their gradients.

    Parameters
    ----------
    kind : {"tetra", "tetra10", "hexahedron"}
        Nodes in the order of VTK.
    at : ndarray, shape (q, 3)
        In the unit tetrahedron or the unit cube.

    Returns
    -------
    values : ndarray, shape (q, nodes)
    gradients : ndarray, shape (q, nodes, 3)
    """
    if kind == "hexahedron":
        factor = np.where(CUBE, at[:, None, :], 1.0 - at[:, None, :])
        slope = np.where(CUBE, 1.0, -1.0)
        others = [factor[..., 1] * factor[..., 2], factor[..., 0] * factor[..., 2], factor[..., 0] * factor[..., 1]]
        return factor.prod(axis=2), np.stack([slope[:, a] * others[a] for a in range(3)], axis=2)
    simplex = np.column_stack([1.0 - at.sum(axis=1), at])
    if kind == "tetra":
        return simplex, np.broadcast_to(_GRADIENTS, (len(at), 4, 3))
    i, j = np.array(EDGES).T
    values = np.concatenate([simplex * (2 * simplex - 1), 4 * simplex[:, i] * simplex[:, j]], axis=1)
    corners = (4 * simplex - 1)[:, :, None] * _GRADIENTS
    middles = 4 * (simplex[:, i, None] * _GRADIENTS[j] + simplex[:, j, None] * _GRADIENTS[i])
    return values, np.concatenate([corners, middles], axis=1)


def quadrature(kind: str) -> tuple[Floats, Floats]:
    """Points (q, 3) and weights (q,) that integrate polynomials of degree 5 over the unit tetrahedron or cube.

    Conical products of Gauss-Jacobi rules (Stroud 1971) and products of Gauss-Legendre rules.
    """
    from scipy.special import roots_jacobi

    rules = [roots_jacobi(3, power, 0) for power in ((0, 0, 0) if kind == "hexahedron" else (2, 1, 0))]
    (a, wa), (b, wb), (c, wc) = [(0.5 * (x + 1), w / w.sum()) for x, w in rules]
    u, v, w = (g.ravel() for g in np.meshgrid(a, b, c, indexing="ij"))
    weights = np.einsum("i,j,k->ijk", wa, wb, wc).ravel()
    if kind == "hexahedron":
        return np.column_stack([u, v, w]), weights
    return np.column_stack([u, v * (1 - u), w * (1 - u) * (1 - v)]), weights / 6.0


def field_kind(kind: str, order: int) -> str:
    """Kind of cell whose shape functions a field of an order has."""
    return kind if kind == "hexahedron" else "tetra10" if order == 2 else "tetra"


def node_integrals(mesh: CellMesh, order: int) -> Floats:
    """Integral of each shape function of a field over each cell, shape (cells, nodes); rows sum to volumes. [m³]"""
    at, weights = quadrature(mesh.kind)
    values, _ = shapes(field_kind(mesh.kind, order), at)
    _, gradients = shapes(mesh.kind, at)
    out = np.zeros((len(mesh.cells), values.shape[1]))
    for weight, value, gradient in zip(weights, values, gradients):
        jacobian = np.einsum("cna,nb->cab", mesh.points[mesh.cells], gradient)
        out += weight * np.abs(np.linalg.det(jacobian))[:, None] * value
    return out


def cell_at(mesh: CellMesh, cells: Ints, point: Floats) -> tuple[int, Floats] | None:
    """The one of some cells that holds a point [m], and the point in its reference cell; None outside all of them."""
    nodes = mesh.points[mesh.cells[cells]]
    low, high = nodes.min(axis=1), nodes.max(axis=1)
    slack = 0.1 * (high - low).max(axis=1, keepdims=True)
    centre = np.full((1, 3), 0.5 if mesh.kind == "hexahedron" else 0.25)
    best: tuple[float, int, Floats] | None = None
    for i in np.flatnonzero(np.all((point >= low - slack) & (point <= high + slack), axis=1)):
        at = centre.copy()
        for _ in range(NEWTON_STEPS):
            value, gradient = shapes(mesh.kind, at)
            step = np.linalg.solve(nodes[i].T @ gradient[0], point - value[0] @ nodes[i])
            at = at + step
            if np.abs(step).max() < 1e-13:
                break
        beyond = [-at.min(), at.max() - 1.0] if mesh.kind == "hexahedron" else [-at.min(), at.sum() - 1.0]
        if best is None or max(beyond) < best[0]:
            best = max(beyond), int(cells[i]), at[0]
    return None if best is None or best[0] > INSIDE else (best[1], best[2])


AS_HOT = 1e-4
"""Share of the range of a layer within which nodes are as hot as its hottest."""


def hottest_node(values: Floats, x: Floats, y: Floats) -> int:
    """Flat index of the largest value; among those that are as large, of the one nearest to the middle.

    Parameters
    ----------
    values : ndarray
        [K]
    x, y : ndarray, of shapes that broadcast to that of `values`
        Places of the nodes. [m]
    """
    highest = values.max()
    equal = np.flatnonzero(values >= highest - AS_HOT * (highest - values.min()))
    if equal.size == 1:
        return int(equal[0])
    x, y = (np.broadcast_to(at - 0.5 * (at.min() + at.max()), values.shape).flat[equal] for at in (x, y))
    return int(equal[np.hypot(x, y).argmin()])
