"""The resolved stack that every physics room speaks: layers, blocks, heat sources, tensor grid; SI units.

z points up, metres; x and y count from the lower left corner of the footprint. Everything here is plain
frozen data: no file, no mesh generator and no solver is needed to make or read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import unknown_name

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rectangle:
    """An axis-parallel rectangle. [m]"""

    x0: float
    x1: float
    y0: float
    y1: float

    @property
    def area(self) -> float:
        """Area. [m²]"""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y). [m]"""
        return 0.5 * (self.x0 + self.x1), 0.5 * (self.y0 + self.y1)

    def contains(self, other: Rectangle, *, slack: float = 1e-12) -> bool:
        """Whether `other` lies inside, up to `slack`. [m]"""
        return (
            other.x0 >= self.x0 - slack
            and other.x1 <= self.x1 + slack
            and other.y0 >= self.y0 - slack
            and other.y1 <= self.y1 + slack
        )

    def overlaps(self, other: Rectangle, *, slack: float = 1e-12) -> bool:
        """Whether the two share an area wider than `slack`. [m]"""
        return (
            min(self.x1, other.x1) - max(self.x0, other.x0) > slack and min(self.y1, other.y1) - max(self.y0, other.y0) > slack
        )


@dataclass(frozen=True)
class Material:
    """Thermal properties of a solid.

    Parameters
    ----------
    name : str
    conductivity : tuple of three floats
        Diagonal (kx, ky, kz) at 300 K. [W m⁻¹ K⁻¹]
    heat_capacity : float
        Volumetric, at constant pressure. [J m⁻³ K⁻¹]
    exponent : float
        n of k(T) = k(300 K) (T / 300 K)ⁿ; 0 means constant. [-]
    """

    name: str
    conductivity: tuple[float, float, float]
    heat_capacity: float
    exponent: float = 0.0

    def conductivity_factor(self, temperature: Floats) -> Floats:
        """k(T) / k(300 K), any shape; `temperature` in kelvin."""
        return np.asarray((np.asarray(temperature) / 300.0) ** self.exponent)


@dataclass(frozen=True)
class Block:
    """A rectangle of another material through the full thickness of its layer."""

    name: str
    extent: Rectangle
    material: Material


@dataclass(frozen=True)
class Cylinders:
    """Cylinders through the full thickness of a layer, resolved by the mesh, on a square lattice in the middle of an extent.

    Parameters
    ----------
    name : str
        Of the block that they stand in, or of the layer.
    extent : Rectangle
        As many whole cells of the lattice as fit carry a cylinder.
    diameter, pitch : float
        [m]
    material : Material
    """

    name: str
    extent: Rectangle
    diameter: float
    pitch: float
    material: Material

    @property
    def counts(self) -> tuple[int, int]:
        """How many along x and y."""
        e = self.extent
        return int((e.x1 - e.x0) / self.pitch + 1e-9), int((e.y1 - e.y0) / self.pitch + 1e-9)

    @property
    def centres(self) -> Floats:
        """Axes, shape (n, 2). [m]"""
        (nx, ny), (cx, cy) = self.counts, self.extent.centre
        x = cx + self.pitch * (np.arange(nx) - 0.5 * (nx - 1))
        y = cy + self.pitch * (np.arange(ny) - 0.5 * (ny - 1))
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class Channels:
    """Coolant channels through the full thickness of a layer, fed side by side.

    Parameters
    ----------
    outlines : tuple of Rectangle
    direction : {"x", "y"}
        The coolant flows towards larger x or y.
    width, height, length : float
        Of one channel. [m]
    flow_rate : float
        Of all channels together. [m³ s⁻¹]
    inlet_temperature : float
        [K]
    heat_capacity : float
        Of the coolant, volumetric. [J m⁻³ K⁻¹]
    conductivity, viscosity, density, boiling_point : float or None
        Of the coolant. [W m⁻¹ K⁻¹], [Pa s], [kg m⁻³], [K]
    film_coefficient : float or None
        On floors, ceilings and walls; None leaves it to a correlation. [W m⁻² K⁻¹]
    """

    outlines: tuple[Rectangle, ...]
    direction: Literal["x", "y"]
    width: float
    height: float
    length: float
    flow_rate: float
    inlet_temperature: float
    heat_capacity: float
    conductivity: float | None = None
    viscosity: float | None = None
    film_coefficient: float | None = None
    density: float | None = None
    boiling_point: float | None = None


@dataclass(frozen=True)
class Layer:
    """One slab of the stack.

    Parameters
    ----------
    name : str
    z0, z1 : float
        Bottom and top. [m]
    extent : Rectangle
        Lateral extent. [m]
    material : Material
        Fills the extent where no block does.
    contact_resistance : float
        Between this layer's bottom face and the layer below. [m² K W⁻¹]
    tier : int or None
        Index of the repeated tier it belongs to, from the bottom.
    role : str
        ``"rram"`` carries crossbar tiles, ``"periphery"`` their converters, ``"logic"`` the host; ``""`` nothing.
    blocks : tuple of Block
        Those of a material of no conductivity are void.
    channels : Channels or None
        Their outlines are void blocks.
    cylinders : tuple of Cylinders
        Resolved ones; only tetrahedra can have them.
    """

    name: str
    z0: float
    z1: float
    extent: Rectangle
    material: Material
    contact_resistance: float = 0.0
    tier: int | None = None
    role: str = ""
    blocks: tuple[Block, ...] = ()
    channels: Channels | None = None
    cylinders: tuple[Cylinders, ...] = ()

    @property
    def thickness(self) -> float:
        """Thickness. [m]"""
        return self.z1 - self.z0

    @property
    def volume(self) -> float:
        """Volume. [m³]"""
        return self.thickness * self.extent.area


@dataclass(frozen=True)
class Stack:
    """Layers from the bottom up, touching each other."""

    layers: tuple[Layer, ...]
    footprint: Rectangle

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each layer by name."""
        return {layer.name: i for i, layer in enumerate(self.layers)}

    def layer(self, name: str) -> Layer:
        """The layer called `name`; raises UnknownNameError."""
        if name not in self.index:
            raise unknown_name("layer", name, self.index)
        return self.layers[self.index[name]]

    @property
    def n_tiers(self) -> int:
        """Number of repeated tiers."""
        return len({layer.tier for layer in self.layers if layer.tier is not None})

    @property
    def height(self) -> float:
        """Total height. [m]"""
        return self.layers[-1].z1 - self.layers[0].z0

    def _repr_html_(self) -> str:
        """Layers as a table, top first."""
        from html import escape

        head = (
            "<tr><th>layer</th><th>bottom [µm]</th><th>thickness [µm]</th><th>material</th><th>k [W/m/K]</th><th>role</th></tr>"
        )
        rows = "".join(
            f"<tr><td>{escape(layer.name)}</td><td>{layer.z0 * 1e6:.2f}</td><td>{layer.thickness * 1e6:g}</td>"
            f"<td>{escape(layer.material.name)}</td><td>{', '.join(f'{k:g}' for k in layer.material.conductivity)}</td>"
            f"<td>{escape(layer.role)}</td></tr>"
            for layer in reversed(self.layers)
        )
        return f"<table>{head}{rows}</table>"

    def with_role(self, role: str) -> tuple[Layer, ...]:
        """Layers of one role, bottom first."""
        return tuple(layer for layer in self.layers if layer.role == role)


@dataclass(frozen=True)
class HeatSource:
    """Power spread uniformly over a rectangle times the full thickness of a layer."""

    name: str
    layer: str
    extent: Rectangle
    power: float
    """[W]"""


@dataclass(frozen=True, eq=False)
class Grid:
    """Lines of a graded tensor grid and the layer of each of its z cells.

    Parameters
    ----------
    x, y, z : ndarray, shapes (nx+1,), (ny+1,), (nz+1,)
        Node lines, ascending. A repeated z is a contact: a cell of no thickness that carries the
        `contact_resistance` of the layer above it. [m]
    layer : ndarray of int, shape (nz,)
        Index into ``Stack.layers``, per z cell.
    """

    x: Floats
    y: Floats
    z: Floats
    layer: NDArray[np.intp] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells (nz, ny, nx)."""
        return self.z.size - 1, self.y.size - 1, self.x.size - 1

    @property
    def n_nodes(self) -> int:
        """Number of nodes, which is the number of unknowns of trilinear elements."""
        return self.z.size * self.y.size * self.x.size

    def cells_of(self, layer: int) -> NDArray[np.intp]:
        """Z cells of one layer, without its contact cell."""
        return np.flatnonzero((self.layer == layer) & (np.diff(self.z) > 0))


@dataclass(frozen=True)
class Surface:
    """A named part of the surface through which heat may leave.

    Parameters
    ----------
    name : str
    layer : str
    side : {"top", "bottom", "channels"}
        Exposed part of a face of the layer; or floors, ceilings and walls of channels through the whole layer.
    extents : tuple of Rectangle
        On the face, or outlines of the channels.
    direction : {"x", "y"}
        Along which channels run.
    """

    name: str
    layer: str
    side: Literal["top", "bottom", "channels"]
    extents: tuple[Rectangle, ...]
    direction: Literal["x", "y"] = "y"


Where = tuple[slice | int | NDArray[np.intp], ...]
"""Index (z, y, x) of a plane of grid nodes, or of several parallel ones where one of the three is an array."""


class Plane(NamedTuple):
    """Part of a plane of grid nodes, or of several parallel ones, and the area inside of each of its cells.

    The area has shape (a, b), or (planes, a, b). [m²]
    """

    where: Where
    area: Floats


def solid_cells(stack: Stack, grid: Grid, layers: Sequence[Layer] | None = None) -> list[NDArray[np.bool_]]:
    """Which cells of each layer, or of some, conduct, shape (ny, nx); edges of layers and blocks are lines of the grid."""
    x, y = 0.5 * (grid.x[1:] + grid.x[:-1]), 0.5 * (grid.y[1:] + grid.y[:-1])
    out = []
    for layer in stack.layers if layers is None else layers:
        solid = np.zeros(grid.shape[1:], dtype=bool)
        for extent, material in ((layer.extent, layer.material), *((b.extent, b.material) for b in layer.blocks)):
            inside = np.ix_((extent.y0 < y) & (y < extent.y1), (extent.x0 < x) & (x < extent.x1))
            solid[inside] = material.conductivity[2] > 0
        out.append(solid)
    return out


def planes_of(surface: Surface, stack: Stack, grid: Grid) -> list[Plane]:
    """The exposed planes of a surface on a grid."""
    index, every = stack.index[surface.layer], slice(None)
    solid = [*solid_cells(stack, grid), np.zeros(grid.shape[1:], dtype=bool)]  # the last one also stands below the first
    cells = grid.cells_of(index)
    low, high = int(cells[0]), int(cells[-1]) + 1
    overlaps = [
        tuple(
            np.clip(np.minimum(lines[1:], b) - np.maximum(lines[:-1], a), 0.0, None)
            for lines, a, b in ((grid.y, e.y0, e.y1), (grid.x, e.x0, e.x1))
        )
        for e in surface.extents
    ]
    area = np.sum([np.outer(wy, wx) for wy, wx in overlaps], axis=0)
    if surface.side == "channels":
        out = [Plane((low, every, every), area * solid[index - 1]), Plane((high, every, every), area * solid[index + 1])]
        along_y = surface.direction == "y"
        lines = grid.x if along_y else grid.y
        edges = [v for e in surface.extents for v in ((e.x0, e.x1) if along_y else (e.y0, e.y1))]
        at = np.abs(lines[:, None] - edges).argmin(axis=0)
        lengths = [overlap[0 if along_y else 1] for overlap in overlaps for _ in (0, 1)]
        walls = np.array([np.outer(np.diff(grid.z)[low:high], length) for length in lengths])
        upward = slice(low, high + 1)
        out.append(Plane((upward, every, at) if along_y else (upward, at, every), walls))
        return out
    level, other = (high, index + 1) if surface.side == "top" else (low, index - 1)
    return [Plane((level, every, every), area * (solid[index] & ~solid[other]))]


def hat_integrals(lines: Floats, lower: float, upper: float) -> Floats:
    """Integrals of the 1-D linear hat functions of `lines` over [lower, upper]; exact.

    Parameters
    ----------
    lines : ndarray, shape (n,)
        Ascending nodes; equal neighbours allowed. [m]
    lower, upper : float
        Bounds inside the lines. [m]

    Returns
    -------
    ndarray, shape (n,)
        They sum to ``upper - lower``. [m]
    """
    left, right = cell_integrals(lines, lower, upper)
    out = np.zeros(lines.size)
    out[1:] += right
    out[:-1] += left
    return out


def cell_integrals(lines: Floats, lower: float, upper: float) -> Floats:
    """Integrals of the hat functions of both ends of each interval over what of it lies in [lower, upper], shape (2, n - 1)."""
    left, right = lines[:-1], lines[1:]
    width = right - left
    low, high = np.clip(lower, left, right), np.clip(upper, left, right)
    length = high - low
    safe = np.where(width > 0, width, 1.0)
    share = np.where(width > 0, (0.5 * (low + high) - left) / safe, 0.0)
    return np.array([length * (1.0 - share), length * share])


def hat_values(lines: Floats, position: float) -> Floats:
    """Values of the 1-D linear hat functions of `lines` at `position`, shape (n,); they sum to 1."""
    out = np.zeros(lines.size)
    j = int(np.clip(np.searchsorted(lines, position, side="right") - 1, 0, lines.size - 2))
    while lines[j + 1] == lines[j]:
        j -= 1
    share = (position - lines[j]) / (lines[j + 1] - lines[j])
    out[j], out[j + 1] = 1.0 - share, share
    return out


def _curvature_rows(lines: Floats, breaks: Floats) -> Floats:
    """Second derivative per element as weights on the nodes, shape (elements, nodes). [m⁻²]

    The mean of the second differences at an element's two ends, of those that lie inside a smooth segment; a segment of
    one element has none.
    """
    n = lines.size
    step = np.diff(lines)
    nodal = np.zeros((n, n))
    for i in range(1, n - 1):
        if np.abs(breaks - lines[i]).min(initial=np.inf) > 1e-9 * (lines[-1] - lines[0]):
            scale = 2.0 / (step[i - 1] + step[i])
            nodal[i, i - 1], nodal[i, i + 1] = scale / step[i - 1], scale / step[i]
            nodal[i, i] = -nodal[i, i - 1] - nodal[i, i + 1]
    known = nodal.any(axis=1).astype(float)
    count = known[:-1] + known[1:]
    return (nodal[:-1] + nodal[1:]) / np.where(count > 0, count, 1.0)[:, None]


@dataclass(frozen=True, eq=False)
class LineRecovery:
    """Integrals and values along one direction of a grid function, with the curvature inside elements recovered.

    Linear elements are exact at nodes of one-dimensional problems but follow a chord in between, which alone makes means
    wrong by h² T''/12. Second differences give that curvature back, inside segments where the gradient is continuous.

    Parameters
    ----------
    lines : ndarray, shape (n,)
        Strictly ascending nodes. [m]
    breaks : ndarray
        Positions where the gradient jumps. [m]
    """

    lines: Floats
    breaks: Floats = field(default_factory=lambda: np.empty(0))

    @cached_property
    def _curvature(self) -> Floats:
        return _curvature_rows(self.lines, np.asarray(self.breaks))

    def integral(self, lower: float, upper: float) -> Floats:
        """Weights of the nodes in the integral over [lower, upper], shape (n,); they sum to ``upper - lower``. [m]"""
        left, right = self.lines[:-1], self.lines[1:]
        width = right - left
        a, b = ((np.clip(v, left, right) - left) / width for v in (lower, upper))
        chord = width * ((b**2 / 2 - b**3 / 3) - (a**2 / 2 - a**3 / 3))
        return np.asarray(hat_integrals(self.lines, lower, upper) - (0.5 * width**2 * chord) @ self._curvature)

    def value(self, position: float) -> Floats:
        """Weights of the nodes in the value at `position`, shape (n,); they sum to 1."""
        j = int(np.clip(np.searchsorted(self.lines, position, side="right") - 1, 0, self.lines.size - 2))
        width = self.lines[j + 1] - self.lines[j]
        share = (position - self.lines[j]) / width
        return np.asarray(hat_values(self.lines, position) - 0.5 * width**2 * share * (1 - share) * self._curvature[j])
