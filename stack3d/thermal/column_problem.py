"""Heat on columns of tetrahedra, conditions on their named faces; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from stack3d.layout import Floats, Rectangle
from stack3d.meshes import VOID, CellMesh, Columns, Ints
from stack3d.thermal.fields.on_columns import ColumnField
from stack3d.thermal.mesh_problem import MeshProblem
from stack3d.thermal.places import Place


@dataclass(frozen=True, eq=False)
class ColumnProblem(MeshProblem):
    """Heat on triangles of the plane carried through the heights of a stack."""

    body: Columns

    @property
    def mesh(self) -> CellMesh:
        """The tetrahedra."""
        return self.body.cells

    def field(self, values: Floats, order: int) -> ColumnField:
        """Field of the temperatures at the nodes of the mesh, shape (nodes,). [K]"""
        nodes = self._nodes(order)
        return ColumnField(self.stack, self.body, np.where(nodes < 0, self.reference, values[nodes]), order)

    def at_nodes(self, values: Floats, order: int) -> Floats:
        """Values at the nodes of the mesh of what a field holds, or of one number; shape (nodes,)."""
        if np.ndim(values) == 0:
            return np.broadcast_to(values, (self.mesh.node_count(order),))
        nodes = self._nodes(order)
        out = np.empty(self.mesh.node_count(order))
        out[nodes[nodes >= 0]] = values[nodes >= 0]
        return out

    def place_weights(self, places: Sequence[Place], order: int) -> scipy.sparse.csr_array:
        """Weights of the nodes in the temperature of each place; none where it is not solid; shape (places, nodes)."""
        count = self.mesh.node_count(order)
        weights = self.field(np.zeros(count), order).weights(places)
        nodes = self._nodes(order).ravel()[weights.indices]
        data = np.where(nodes < 0, 0.0, weights.data)
        return scipy.sparse.csr_array((data, np.maximum(nodes, 0), weights.indptr), shape=(len(places), count))

    @cached_property
    def _column_nodes(self) -> dict[int, Ints]:
        return {}

    def _nodes(self, order: int) -> Ints:
        """Node of the mesh at each place in the values of a field."""
        if order not in self._column_nodes:
            self._column_nodes[order] = ColumnField.nodes(self.body, order)
        return self._column_nodes[order]

    @property
    def layer_of_region(self) -> Mapping[int, str]:
        """A layer, its blocks and its cylinders belong to it."""
        body, layers = self.body, self.stack.layers
        pairs = ((layers[i], r) for i, row in zip(body.layer, body.region) for r in np.unique(row).tolist() if r != VOID)
        return {r: layer.owner(body.names[r]) for layer, r in pairs}

    def share(self, layer: str, box: Rectangle) -> tuple[Ints, Floats]:
        """Tetrahedra of a layer within a box through its whole height, and the share of the volume in each."""
        body, layers = self.body, self.stack.slabs[layer]
        pieces = body.pieces([box])
        area = np.bincount(pieces.triangle, pieces.area, len(body.triangles)) * body.solid(layers)
        slabs, triangles = body.slabs_of(layers), np.flatnonzero(area)
        if not triangles.size:
            return triangles, area[triangles]
        heights = np.diff(body.z)[slabs]
        share = np.outer(heights / heights.sum(), area[triangles] / area.sum())
        prism = np.full(body.region.shape, -1, dtype=np.intp)
        prism[body.prisms] = np.arange(body.prisms[0].size)
        cells = 3 * prism[np.ix_(slabs, triangles)][..., None] + np.arange(3)
        return cells.ravel(), np.repeat(share.ravel() / 3, 3)
