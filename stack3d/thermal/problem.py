"""What is solved: div(K grad T) + q = rho c dT/dt on a stack with conditions on its outer faces; SI units."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError
from stack3d.layout import (
    Floats,
    Grid,
    HeatSource,
    LineRecovery,
    Plane,
    Rectangle,
    Stack,
    Surface,
    cell_integrals,
    hat_integrals,
    planes_of,
    solid_cells,
)
from stack3d.thermal.elements import hottest_node


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

    def area(self, face: str) -> float:
        """Area that the condition of a face holds on. [m²]"""

    def with_films(self, films: Mapping[str, float]) -> HeatProblem:
        """The same problem with other film coefficients by face. [W m⁻² K⁻¹]"""


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

    def with_films(self, films: Mapping[str, float]) -> ThermalProblem:
        """The same problem with other film coefficients by face. [W m⁻² K⁻¹]"""
        changed = {n: dataclasses.replace(f, film_coefficient=films.get(n, f.film_coefficient)) for n, f in self.faces.items()}
        patches = tuple((surface, changed[surface.name]) for surface, _ in self.patches)
        top, bottom, sides = (changed[name] for name in ("top", "bottom", "sides"))
        return dataclasses.replace(self, patches=patches, top=top, bottom=bottom, sides=sides)

    def covered(self, face: str) -> Floats:
        """Share of each cell of the ``top`` or ``bottom`` face that patches take, shape (ny, nx). [-]"""
        grid = self.grid
        at = grid.z.size - 1 if face == "top" else 0
        area = np.zeros(grid.shape[1:])
        for planes in self.surfaces.values():
            area += sum((p.area for p in planes if isinstance(p.where[0], int) and p.where[0] == at), np.zeros(grid.shape[1:]))
        return np.asarray(area / np.outer(np.diff(grid.y), np.diff(grid.x)))


class Field(Protocol):
    """Temperature everywhere, asked by layer (on a user's mesh by region)."""

    @property
    def values(self) -> Floats:
        """Nodal temperature, in a shape that only its solver knows. [K]"""

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y) and height `z`, by default the mid-plane of `layer`. [K]"""

    def map(self, layer: str, nx: int, ny: int, extent: Rectangle | None = None) -> Floats:
        """Volume means over ny by nx equal boxes of a layer, shape (ny, nx). [K]"""

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Volume means over boxes through the full thickness of a layer, shape (len(boxes),). [K]"""

    def layer_mean(self, layer: str) -> float:
        """Volume mean of a layer. [K]"""

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of a layer and its (x, y, z). [K], [m]"""

    def face_peak(self, face: str) -> float | None:
        """Largest nodal temperature of a face, None where the field does not know the face. [K]"""


@dataclass(frozen=True, eq=False)
class GridField:
    """Nodal temperature on a grid, its values and means.

    Through the height, where thin heated layers bend the profile inside one element, and at points the curvature is
    recovered (`LineRecovery`); lateral means are the elements' own integrals, which keep the heat balance, over what is solid.

    Parameters
    ----------
    stack, grid : Stack, Grid
    values : ndarray, shape (nz+1, ny+1, nx+1)
        Nodal temperature. [K]
    """

    stack: Stack
    grid: Grid
    values: Floats

    @cached_property
    def _lines(self) -> dict[str, tuple[NDArray[np.intp], LineRecovery, LineRecovery, LineRecovery]]:
        return {}

    def _recovery(self, layer: str) -> tuple[NDArray[np.intp], LineRecovery, LineRecovery, LineRecovery]:
        """Nodes along z of a layer, and recovery along z, y, x; gradients may jump at edges of the layer and its blocks."""
        if layer not in self._lines:
            slab = self.stack.layer(layer)
            cells = self.grid.cells_of(self.stack.index[layer])
            index = np.arange(cells[0], cells[-1] + 2)
            edges = [slab.extent, *(block.extent for block in slab.blocks)]
            self._lines[layer] = (
                index,
                LineRecovery(self.grid.z[index]),
                LineRecovery(self.grid.y, np.array([v for e in edges for v in (e.y0, e.y1)])),
                LineRecovery(self.grid.x, np.array([v for e in edges for v in (e.x0, e.x1)])),
            )
        return self._lines[layer]

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y) and height `z`, by default the mid-plane of `layer`. [K]"""
        slab = self.stack.layer(layer)
        height = 0.5 * (slab.z0 + slab.z1) if z is None else z
        index, along_z, along_y, along_x = self._recovery(layer)
        weights = along_z.value(height), along_y.value(y), along_x.value(x)
        k, j, i = (np.flatnonzero(w) for w in weights)
        part = self.values[np.ix_(index[k], j, i)]
        return float(np.einsum("kji,k,j,i", part, weights[0][k], weights[1][j], weights[2][i]))

    def plane_mean(self, layer: str) -> Floats:
        """Mean through the thickness of `layer` at each lateral node, shape (ny+1, nx+1). [K]"""
        slab = self.stack.layer(layer)
        index, along_z, _, _ = self._recovery(layer)
        return np.tensordot(along_z.integral(slab.z0, slab.z1) / slab.thickness, self.values[index], axes=1)

    def map(self, layer: str, nx: int, ny: int, extent: Rectangle | None = None) -> Floats:
        """Volume means over ny by nx equal boxes of a layer, NaN where it is void; shape (ny, nx). [K]"""
        box = extent or self.stack.layer(layer).extent
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        wx = np.array([cell_integrals(self.grid.x, a, b) for a, b in zip(xs[:-1], xs[1:], strict=True)])
        wy = np.array([cell_integrals(self.grid.y, a, b) for a, b in zip(ys[:-1], ys[1:], strict=True)])
        corners, area = self._corners(layer)
        with np.errstate(invalid="ignore"):
            heat = sum(wy[:, b] @ corners[b][a] @ wx[:, a].T for b in (0, 1) for a in (0, 1))
            return np.asarray(heat / (wy.sum(axis=1) @ area @ wx.sum(axis=1).T))

    def _corners(self, layer: str) -> tuple[list[list[Floats]], Floats]:
        """Mean through the thickness at the four corners of each cell (0 where void), and whether it is solid; (ny, nx)."""
        plane = self.plane_mean(layer)
        solid = solid_cells(self.stack, self.grid, [self.stack.layer(layer)])[0].astype(float)
        ny, nx = solid.shape
        return [[solid * plane[b : b + ny, a : a + nx] for a in (0, 1)] for b in (0, 1)], solid

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Volume means over boxes through the full thickness of a layer, where it is solid; shape (len(boxes),). [K]"""
        corners, area = self._corners(layer)
        out = np.empty(len(boxes))
        for i, box in enumerate(boxes):
            wy, wx = cell_integrals(self.grid.y, box.y0, box.y1), cell_integrals(self.grid.x, box.x0, box.x1)
            heat = sum(wy[b] @ corners[b][a] @ wx[a] for b in (0, 1) for a in (0, 1))
            with np.errstate(invalid="ignore"):
                out[i] = heat / (wy.sum(axis=0) @ area @ wx.sum(axis=0))
        return out

    def layer_mean(self, layer: str) -> float:
        """Volume mean over the solid part of a layer. [K]"""
        return float(self.box_means(layer, [self.stack.layer(layer).extent])[0])

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of a layer and its (x, y, z). [K], [m]"""
        slab = self.stack.layer(layer)
        index = self._recovery(layer)[0]
        j = np.flatnonzero((self.grid.y >= slab.extent.y0 - 1e-12) & (self.grid.y <= slab.extent.y1 + 1e-12))
        i = np.flatnonzero((self.grid.x >= slab.extent.x0 - 1e-12) & (self.grid.x <= slab.extent.x1 + 1e-12))
        part = self.values[np.ix_(index, j, i)]
        x, y = np.meshgrid(self.grid.x[i], self.grid.y[j])
        a, b, c = np.unravel_index(hottest_node(part, x, y), part.shape)
        place = (float(self.grid.x[i[c]]), float(self.grid.y[j[b]]), float(self.grid.z[index[a]]))
        return float(part.max()), place

    def face_peak(self, face: str) -> float | None:
        """Largest nodal temperature of ``top`` or ``bottom``. [K]"""
        level = {"top": -1, "bottom": 0}.get(face)
        return None if level is None else float(self.values[level].max())


@dataclass(frozen=True, eq=False)
class ThermalSolution:
    """Field, heat balance and solver statistics of one steady solve.

    Parameters
    ----------
    field : Field
    heat_in, heat_out : float
        Power of the sources, and net heat leaving through all faces. [W]
    face_heat : mapping
        Heat leaving through ``top``, ``bottom``, ``sides`` and each patch. [W]
    statistics : mapping
        ``backend``, ``unknowns``, ``iterations``, ``residual`` (relative), ``seconds`` by stage, …
    outlets : mapping
        Coolant temperature at the end of each channel, by patch, shape (channels,). [K]
    """

    field: Field
    heat_in: float
    heat_out: float
    face_heat: Mapping[str, float]
    statistics: Mapping[str, Any]
    outlets: Mapping[str, Floats] = dataclasses.field(default_factory=dict)

    @property
    def balance(self) -> float:
        """|in - out| / in; compared with the net input when there is one, else absolute. [-]"""
        scale = abs(self.heat_in) or 1.0
        return abs(self.heat_in - self.heat_out) / scale


class ThermalBackend(Protocol):
    """A solver made once per problem and used for many powers."""

    @property
    def problem(self) -> HeatProblem:
        """What it solves."""

    def solve(self, sources: Sequence[HeatSource], *, guess: Floats | None = None) -> ThermalSolution:
        """Steady temperature for these sources, begun at a `guess` [K]; raises SolverError when not converged."""


class SolidBackend(ThermalBackend, Protocol):
    """A solver whose films can be given another temperature, node by node, and other coefficients."""

    @property
    def counts(self) -> Counter[str]:
        """How often what was built: ``meshes`` handed over, ``assemblies`` of matrices, ``preconditioners`` set up.

        Shared by the solvers that follow from it.
        """

    def solve(
        self,
        sources: Sequence[HeatSource],
        *,
        guess: Floats | None = None,
        references: Mapping[str, Floats] | None = None,
    ) -> ThermalSolution:
        """Steady temperature for these sources.

        `guess` is a temperature near the solution, shape (nz+1, ny+1, nx+1); `references` give faces by name a reference
        temperature per node instead of one value, in a shape that broadcasts to that. [K]
        """

    def recooled(self, problem: Any) -> SolidBackend:
        """A solver for the same stack, grid and patches with other films and references."""


def source_loads(grid: Grid, stack: Stack, sources: Sequence[HeatSource]) -> Floats:
    """Exact load vector of box sources for trilinear elements, shape (nz+1, ny+1, nx+1). [W]

    The entries of one source sum to its power: hat functions are a partition of unity.
    """
    load = np.zeros((grid.z.size, grid.y.size, grid.x.size))
    by_layer: dict[str, Floats] = {}
    for source in sources:
        plane = by_layer.setdefault(source.layer, np.zeros(load.shape[1:]))
        wy = hat_integrals(grid.y, source.extent.y0, source.extent.y1)
        wx = hat_integrals(grid.x, source.extent.x0, source.extent.x1)
        j, i = np.flatnonzero(wy), np.flatnonzero(wx)
        plane[np.ix_(j, i)] += source.power * np.outer(wy[j] / wy.sum(), wx[i] / wx.sum())
    for name, plane in by_layer.items():
        cells = grid.cells_of(stack.index[name])
        index = np.arange(cells[0], cells[-1] + 2)
        slab = stack.layer(name)
        wz = hat_integrals(grid.z[index], slab.z0, slab.z1)
        load[index] += (wz / wz.sum())[:, None, None] * plane
    return load
