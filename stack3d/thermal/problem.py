"""What is solved: div(K grad T) + q = rho c dT/dt on a stack with conditions on its outer faces; SI units."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from stack3d.errors import DeckError
from stack3d.grids import Grid, Plane, planes_of
from stack3d.layout import Floats, HeatSource, Stack, Surface
from stack3d.thermal.fields.field import Field
from stack3d.thermal.fields.on_grid import GridField
from stack3d.thermal.grid.cell_properties import CellProperties

FilmLaw = Callable[[float], float]
"""Film coefficient [W m⁻² K⁻¹] for the temperature of its face [K]."""


@dataclass(frozen=True)
class Face:
    """Condition on an outer face: -n·K grad T = h (T - T_ref) - flux, or T = T_ref.

    Parameters
    ----------
    film_coefficient : float
        h; 0 is adiabatic (plus `flux`), infinity fixes the temperature. [W m⁻² K⁻¹]
    reference : float
        Ambient or fixed temperature. [K]
    flux : float
        Heat pushed into the face. [W m⁻²]
    capacity : float
        Heat stored at the temperature of the face, as in the fins of a heat sink: -n·K grad T = h (T - T_ref) + C dT/dt.
        [J m⁻² K⁻¹]
    """

    film_coefficient: float = 0.0
    reference: float = 300.0
    flux: float = 0.0
    capacity: float = 0.0

    @property
    def is_fixed(self) -> bool:
        """Whether the temperature is prescribed."""
        return bool(np.isinf(self.film_coefficient))


def changed_faces(faces: Mapping[str, Face], films: Mapping[str, float], references: Mapping[str, float]) -> dict[str, Face]:
    """Conditions with other film coefficients [W m⁻² K⁻¹] and references [K]."""
    return {
        n: dataclasses.replace(f, film_coefficient=films.get(n, f.film_coefficient), reference=references.get(n, f.reference))
        for n, f in faces.items()
    }


def reference_of(faces: Mapping[str, Face]) -> float:
    """Temperature that rises count from: that of the first fixed face, whose rise is then zero, else of the first film. [K]"""
    cooled = [f for f in faces.values() if f.film_coefficient > 0]
    return next((f.reference for f in cooled if f.is_fixed), cooled[0].reference)


class HeatProblem(Protocol):
    """What a solver wants to know beside its mesh: conditions by face, and what they hold on."""

    @property
    def stack(self) -> Stack:
        """Layers, or regions of a user's mesh."""

    @property
    def faces(self) -> Mapping[str, Face]:
        """Condition by name."""

    @property
    def reference(self) -> float:
        """Temperature that rises count from. [K]"""

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for problems that differ in films, fluxes and references alone."""

    @property
    def lines(self) -> Grid:
        """Lines that channels follow; raises DeckError where the mesh has none."""

    def area(self, face: str) -> float:
        """Area that the condition of a face holds on. [m²]"""

    def with_films(self, films: Mapping[str, float], references: Mapping[str, float] = MappingProxyType({})) -> HeatProblem:
        """The same problem with other film coefficients [W m⁻² K⁻¹] and references [K] by face."""

    def bent(self, field: Any, sources: Sequence[HeatSource], pushed: float, left: Mapping[str, float]) -> Field:
        """A field between steady states with what its elements cannot hold of sources [W], where that is known.

        Parameters
        ----------
        field : Field
        sources : sequence of HeatSource
            With their powers at that instant. [W]
        pushed : float
            Heat that fluxes bring. [W]
        left : mapping of str to float
            What leaves through each face. [W]
        """


@dataclass(frozen=True, eq=False)
class ThermalProblem:
    """Stack, grid and outer faces; the power is given to the solver apart.

    Parameters
    ----------
    stack, grid : Stack, Grid
    top, bottom, sides : Face
        Conditions on z = max, z = min and the four lateral faces of the grid.
    patches : tuple of (Surface, Face)
        Parts with a condition of their own, which takes the place of that of the outer face there.
    """

    stack: Stack
    grid: Grid
    top: Face
    bottom: Face = dataclasses.field(default_factory=Face)
    sides: Face = dataclasses.field(default_factory=Face)
    patches: tuple[tuple[Surface, Face], ...] = ()

    def __post_init__(self) -> None:
        if not any(f.film_coefficient > 0 for f in self.faces.values()):
            raise DeckError("cooling: every face is adiabatic, so no steady temperature exists; cool at least one face")
        for surface, face in self.patches:
            if face.is_fixed:
                raise DeckError(f"cooling: patch {surface.name!r} cannot have a fixed temperature; give it a film coefficient")

    @cached_property
    def faces(self) -> dict[str, Face]:
        """Condition by name, outer faces first."""
        return {"top": self.top, "bottom": self.bottom, "sides": self.sides, **{s.name: f for s, f in self.patches}}

    @property
    def lines(self) -> Grid:
        """Those of the grid."""
        return self.grid

    @cached_property
    def cells(self) -> CellProperties:
        """What the cells of the grid are made of."""
        return CellProperties.of(self.stack, self.grid)

    @property
    def reference(self) -> float:
        """Temperature that rises count from. [K]"""
        return reference_of(self.faces)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for problems that differ in films, fluxes and references alone."""
        grid = self.grid
        return self.stack, tuple(s for s, _ in self.patches), *(a.tobytes() for a in (grid.x, grid.y, grid.z, grid.layer))

    @cached_property
    def surfaces(self) -> dict[str, list[Plane]]:
        """Planes of each patch on the grid."""
        return {surface.name: planes_of(surface, self.stack, self.grid) for surface, _ in self.patches}

    def area(self, face: str) -> float:
        """Area of a face or patch that its condition holds on. [m²]"""
        if face in self.surfaces:
            return float(sum(plane.area.sum() for plane in self.surfaces[face]))
        extents = [layer.extent for layer in self.stack.layers]
        if face in ("top", "bottom"):
            cells = np.outer(np.diff(self.grid.y), np.diff(self.grid.x))
            return extents[-1 if face == "top" else 0].area - float((self.covered(face) * cells).sum())
        x, y = self.grid.x[[0, -1]], self.grid.y[[0, -1]]
        lengths = [
            (e.y1 - e.y0) * ((e.x0 <= x[0]) + (e.x1 >= x[1])) + (e.x1 - e.x0) * ((e.y0 <= y[0]) + (e.y1 >= y[1]))
            for e in extents
        ]
        return float(sum(layer.thickness * length for layer, length in zip(self.stack.layers, lengths)))

    def with_films(self, films: Mapping[str, float], references: Mapping[str, float] = MappingProxyType({})) -> ThermalProblem:
        """The same problem with other film coefficients [W m⁻² K⁻¹] and references [K] by face."""
        changed = changed_faces(self.faces, films, references)
        patches = tuple((surface, changed[surface.name]) for surface, _ in self.patches)
        top, bottom, sides = (changed[name] for name in ("top", "bottom", "sides"))
        return dataclasses.replace(self, patches=patches, top=top, bottom=bottom, sides=sides)

    def held_at(self, means: Mapping[str, float]) -> ThermalProblem:
        """The same problem with every conductivity held at the mean of its layer. [K]"""
        return dataclasses.replace(self, stack=self.stack.held_at(means))

    def bent(self, field: GridField, sources: Sequence[HeatSource], pushed: float, left: Mapping[str, float]) -> GridField:
        """The field with the bow of heated layers, by the share of the heat [W] that leaves."""
        from stack3d.thermal.grid.bends import bends, settled

        cells = self.cells
        share = settled(self, cells, field.values, sum(s.power for s in sources) + pushed, left)
        parts = bends(field.stack, field.grid, cells, sources, None if cells.is_linear else field.values)
        return dataclasses.replace(field, bend={name: share * part for name, part in parts.items()})

    def covered(self, face: str) -> Floats:
        """Share of each cell of the ``top`` or ``bottom`` face that patches take, shape (ny, nx). [-]"""
        grid = self.grid
        at = grid.z.size - 1 if face == "top" else 0
        area = np.zeros(grid.shape[1:])
        for planes in self.surfaces.values():
            area += sum((p.area for p in planes if isinstance(p.where[0], int) and p.where[0] == at), np.zeros(grid.shape[1:]))
        return np.asarray(area / np.outer(np.diff(grid.y), np.diff(grid.x)))
