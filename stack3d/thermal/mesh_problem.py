"""Heat on unstructured meshes: extruded stacks and a user's own mesh, conditions on their faces; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stack3d.errors import DeckError
from stack3d.fe.elements import node_integrals
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.meshes import CellMesh, Columns, Ints
from stack3d.thermal.fields.on_cells import MeshField
from stack3d.thermal.fields.on_columns import ColumnField
from stack3d.thermal.places import Place
from stack3d.thermal.problem import Face, reference_of


@dataclass(frozen=True, eq=False)
class MeshProblem:
    """Stack, mesh and the conditions on named faces of the mesh; the power is given to the solver apart.

    Parameters
    ----------
    stack : Stack
        Of a user's mesh, a layer per region.
    body : Columns or CellMesh
    faces : mapping of str to Face
        Faces of the mesh that are not named are adiabatic.
    """

    stack: Stack
    body: Columns | CellMesh
    faces: Mapping[str, Face]

    def __post_init__(self) -> None:
        if not any(f.film_coefficient > 0 for f in self.faces.values()):
            raise DeckError("cooling: every face is adiabatic, so no steady temperature exists; cool at least one face")

    @cached_property
    def mesh(self) -> CellMesh:
        """The cells."""
        return self.body.cells if isinstance(self.body, Columns) else self.body

    @property
    def reference(self) -> float:
        """Temperature that rises count from. [K]"""
        return reference_of(self.faces)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for problems that differ in films, fluxes and references alone."""
        return self.stack, *self.body.fingerprint

    def area(self, face: str) -> float:
        """Area that the condition of a face holds on. [m²]"""
        return self.mesh.face_areas.get(face, 0.0)

    def with_films(self, films: Mapping[str, float]) -> MeshProblem:
        """The same problem with other film coefficients by face. [W m⁻² K⁻¹]"""
        faces = {n: replace(f, film_coefficient=films.get(n, f.film_coefficient)) for n, f in self.faces.items()}
        return replace(self, faces=faces)

    def held_at(self, means: Mapping[str, float]) -> MeshProblem:
        """The same problem with every conductivity held at the mean of its layer. [K]"""
        layers = [layer.name for layer in self.stack.layers]
        owner = {region: layers[i] for region, i in self.body.layer_of_region.items()}
        materials = tuple(m.held_at(means[owner[r]]) if r in owner else m for r, m in enumerate(self.body.materials))
        return replace(self, body=replace(self.body, materials=materials))

    def bent[F](self, field: F, sources: Sequence[HeatSource], pushed: float, left: Mapping[str, float]) -> F:
        """The field as it is."""
        return field

    def cell_powers(self, sources: Sequence[HeatSource]) -> Floats:
        """Power in each cell, shape (cells,); the sum is that of the sources. [W]

        Inside a cell that the edge of a source cuts, its share is spread over the whole cell. Raises DeckError for a source
        where nothing solid is.
        """
        out = np.zeros(len(self.mesh.cells))
        for source in sources:
            cells, share = self._share(source.layer, source.extent)
            if not cells.size:
                raise DeckError(f"power: source {source.name!r} lies where layer {source.layer!r} is not solid")
            out[cells] += source.power * share
        return out

    @cached_property
    def _shares(self) -> dict[tuple[str, Rectangle], tuple[Ints, Floats]]:
        return {}

    def _share(self, layer: str, box: Rectangle) -> tuple[Ints, Floats]:
        """Cells of a layer within a box, and the share of the volume in each."""
        key = (layer, box)
        if key not in self._shares:
            if isinstance(self.body, Columns):
                self._shares[key] = _share_of_columns(self.body, self.stack.index[layer], box)
            else:
                cells = np.flatnonzero(self.body.region == self.body.names.index(layer))
                volume = self.volumes[cells]
                self._shares[key] = cells, volume / volume.sum()
        return self._shares[key]

    @cached_property
    def volumes(self) -> Floats:
        """Of the cells, shape (cells,). [m³]"""
        return np.asarray(node_integrals(self.mesh, 1).sum(axis=1))

    def field(self, values: Floats, order: int) -> ColumnField | MeshField:
        """Field of the temperatures at the nodes of the mesh, shape (nodes,). [K]"""
        if isinstance(self.body, Columns):
            nodes = self._nodes(order)
            return ColumnField(self.stack, self.body, np.where(nodes < 0, self.reference, values[nodes]), order)
        return MeshField(self.stack, self.body, values, order)

    def at_nodes(self, values: Floats, order: int) -> Floats:
        """Values at the nodes of the mesh of what a field holds, or of one number; shape (nodes,)."""
        if np.ndim(values) == 0 or not isinstance(self.body, Columns):
            return np.broadcast_to(values, (self.mesh.node_count(order),))
        nodes = self._nodes(order)
        out = np.empty(self.mesh.node_count(order))
        out[nodes[nodes >= 0]] = values[nodes >= 0]
        return out

    def place_weights(self, places: Sequence[Place], order: int) -> csr_array:
        """Weights of the nodes in the temperature of each place; none where it is not solid; shape (places, nodes)."""
        count = self.mesh.node_count(order)
        field = self.field(np.zeros(count), order)
        weights = field.weights(places)
        if not isinstance(self.body, Columns):
            return weights
        nodes = self._nodes(order).ravel()[weights.indices]
        data = np.where(nodes < 0, 0.0, weights.data)
        return csr_array((data, np.maximum(nodes, 0), weights.indptr), shape=(len(places), count))

    @cached_property
    def _column_nodes(self) -> dict[int, Ints]:
        return {}

    def _nodes(self, order: int) -> Ints:
        """Node of the mesh at each place in the values of a field of columns."""
        assert isinstance(self.body, Columns)
        if order not in self._column_nodes:
            self._column_nodes[order] = ColumnField.nodes(self.body, order)
        return self._column_nodes[order]


def _share_of_columns(body: Columns, layer: int, box: Rectangle) -> tuple[Ints, Floats]:
    """Tetrahedra of a layer within a box through its whole height, and the share of the volume in each."""
    pieces = body.pieces([box])
    area = np.bincount(pieces.triangle, pieces.area, len(body.triangles)) * body.solid(layer)
    slabs, triangles = body.slabs_of(layer), np.flatnonzero(area)
    if not triangles.size:
        return triangles, area[triangles]
    heights = np.diff(body.z)[slabs]
    share = np.outer(heights / heights.sum(), area[triangles] / area.sum())
    prism = np.full(body.region.shape, -1, dtype=np.intp)
    prism[body.prisms] = np.arange(body.prisms[0].size)
    cells = 3 * prism[np.ix_(slabs, triangles)][..., None] + np.arange(3)
    return cells.ravel(), np.repeat(share.ravel() / 3, 3)
