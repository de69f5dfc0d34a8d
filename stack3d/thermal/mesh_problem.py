"""Heat on unstructured meshes: cells of any kind, conditions on their named faces; SI units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy

from stack3d.errors import DeckError, unknown_name
from stack3d.fe.elements import node_integrals
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.meshes import CellMesh, Columns, Ints
from stack3d.thermal.fields.field import Field
from stack3d.thermal.fields.on_cells import MeshField
from stack3d.thermal.places import Place
from stack3d.thermal.problem import Face, changed_faces, reference_of


@dataclass(frozen=True, eq=False)
class MeshProblem(ABC):
    """Stack, mesh and the conditions on named faces of the mesh; the power is given to the solver apart.

    Parameters
    ----------
    stack : Stack
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

    @property
    @abstractmethod
    def mesh(self) -> CellMesh:
        """The cells that are solved on."""

    @abstractmethod
    def field(self, values: Floats, order: int) -> Field:
        """Field of the temperatures at the nodes of the mesh, shape (nodes,). [K]"""

    @abstractmethod
    def at_nodes(self, values: Floats, order: int) -> Floats:
        """Values at the nodes of the mesh of what a field holds, or of one number; shape (nodes,)."""

    @abstractmethod
    def place_weights(self, places: Sequence[Place], order: int) -> scipy.sparse.csr_array:
        """Weights of the nodes in the temperature of each place; none where it is not solid; shape (places, nodes)."""

    @property
    @abstractmethod
    def layer_of_region(self) -> Mapping[int, str]:
        """Name of the layer that each region belongs to."""

    @abstractmethod
    def share(self, layer: str, box: Rectangle) -> tuple[Ints, Floats]:
        """Cells of a layer within a box, and the share of the box's volume in each."""

    @property
    def lines(self) -> Grid:
        """Refused: channels lie on the lines of bricks."""
        raise DeckError("channels want the lines of hexahedra: solver.mesh.cells: hex")

    @property
    def reference(self) -> float:
        """Temperature that rises count from. [K]"""
        return reference_of(self.faces)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for problems that differ in films, fluxes and references alone."""
        return self.stack, *self.body.fingerprint

    def area(self, face: str) -> float:
        """Area that the condition of a face holds on; raises UnknownNameError. [m²]"""
        if face not in self.faces:
            raise unknown_name("face of the mesh", face, self.faces)
        return self.mesh.face_areas.get(face, 0.0)

    def with_films(self, films: Mapping[str, float], references: Mapping[str, float] = MappingProxyType({})) -> MeshProblem:
        """The same problem with other film coefficients [W m⁻² K⁻¹] and references [K] by face."""
        return replace(self, faces=changed_faces(self.faces, films, references))

    def held_at(self, means: Mapping[str, float]) -> MeshProblem:
        """The same problem with every conductivity held at the mean of its layer. [K]"""
        owner = self.layer_of_region
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
            cells, share = self._shared(source.layer, source.extent)
            if not cells.size:
                raise DeckError(f"power: source {source.name!r} lies where layer {source.layer!r} is not solid")
            out[cells] += source.power * share
        return out

    @cached_property
    def _shares(self) -> dict[tuple[str, Rectangle], tuple[Ints, Floats]]:
        return {}

    def _shared(self, layer: str, box: Rectangle) -> tuple[Ints, Floats]:
        """`share`, kept."""
        key = (layer, box)
        if key not in self._shares:
            self._shares[key] = self.share(layer, box)
        return self._shares[key]

    @cached_property
    def volumes(self) -> Floats:
        """Of the cells, shape (cells,). [m³]"""
        return np.asarray(node_integrals(self.mesh, 1).sum(axis=1))


@dataclass(frozen=True, eq=False)
class CellProblem(MeshProblem):
    """Heat on cells of which nothing is known but their regions, one for each layer; sources heat whole regions."""

    body: CellMesh

    @property
    def mesh(self) -> CellMesh:
        """The cells."""
        return self.body

    def field(self, values: Floats, order: int) -> MeshField:
        """Field of the temperatures at the nodes of the mesh, shape (nodes,). [K]"""
        return MeshField(self.stack, self.body, values, order)

    def at_nodes(self, values: Floats, order: int) -> Floats:
        """What a field holds, or one number at every node; shape (nodes,)."""
        return np.broadcast_to(values, (self.mesh.node_count(order),))

    def place_weights(self, places: Sequence[Place], order: int) -> scipy.sparse.csr_array:
        """Weights of the nodes in the temperature of each place, a box standing for its region; shape (places, nodes)."""
        return self.field(np.zeros(self.mesh.node_count(order)), order).weights(places)

    @property
    def layer_of_region(self) -> Mapping[int, str]:
        """Each region is the layer of its name."""
        return dict(enumerate(self.body.names))

    def share(self, layer: str, box: Rectangle) -> tuple[Ints, Floats]:
        """Cells of a region, and the share of its volume in each."""
        cells = np.flatnonzero(self.body.region == self.body.names.index(layer))
        volume = self.volumes[cells]
        return cells, volume / volume.sum()
