"""Properties of the cells of a tensor grid; SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stack3d.errors import DeckError
from stack3d.grids import Grid
from stack3d.layout import Floats, Layer, Rectangle, Stack
from stack3d.materials import LawMap
from stack3d.thermal.grid.corner_sums import with_room

STEP = 0.01
"""Of the temperature in the slope of k(T). [K]"""
CELLS_AT_ONCE = 1 << 15
"""Cells of a layer whose means are taken in one step, so that they stay in the cache."""


@dataclass(frozen=True, eq=False)
class CellProperties:
    """Conductivity and heat capacity of the cells of a grid, per layer; void cells hold zero.

    Parameters
    ----------
    conductivity : tuple of ndarray, shapes (3, ny, nx) or (3, 1, 1)
        kx, ky, kz of each layer at 300 K; one value where the layer is uniform. [W m⁻¹ K⁻¹]
    capacity : tuple of ndarray, shapes (ny, nx) or (1, 1)
        Volumetric heat capacity at 300 K. [J m⁻³ K⁻¹]
    conducts, stores : tuple of LawMap, over (ny, nx) or (1, 1) cells
        How conductivity and heat capacity follow the temperature.
    contact : tuple of ndarray, shapes (ny, nx) or (1, 1)
        Conductance of the contact under each layer, where both sides are solid; 0 if it has none. [W m⁻² K⁻¹]
    """

    conductivity: tuple[Floats, ...]
    capacity: tuple[Floats, ...]
    conducts: tuple[LawMap, ...]
    stores: tuple[LawMap, ...]
    contact: tuple[Floats, ...]

    @classmethod
    def of(cls, stack: Stack, grid: Grid) -> CellProperties:
        """Properties of every layer; raises DeckError where the grid does not carry the stack."""
        conductivity, capacity, conducts, stores, contact = [], [], [], [], []
        for index, layer in enumerate(stack.layers):
            _check_z_cells(stack, grid, index)
            box = Rectangle(*grid.x[[0, -1]], *grid.y[[0, -1]])
            is_uniform = layer.extent.contains(box, slack=1e-9 * max(box.x1 - box.x0, box.y1 - box.y0)) and not layer.blocks
            shape = (1, 1) if is_uniform else grid.shape[1:]
            k, c, owner = with_room((3, *shape)), with_room(shape), np.full(shape, -1, dtype=np.intp)
            parts = [(layer.extent, layer.material), *((block.extent, block.material) for block in layer.blocks)]
            for part, (extent, material) in enumerate(parts):
                rows, columns = (slice(None), slice(None)) if is_uniform else _cells_inside(grid, extent, layer)
                k[:, rows, columns] = np.array(material.conductivity)[:, None, None]
                c[rows, columns], owner[rows, columns] = material.heat_capacity, part
            conductivity.append(k)
            capacity.append(c)
            conducts.append(LawMap.of([material.conducts for _, material in parts], owner))
            stores.append(LawMap.of([material.stores for _, material in parts], owner))
            conductance = 1.0 / layer.contact_resistance if layer.contact_resistance > 0 else 0.0
            touches = (k[2] > 0) & (conductivity[index - 1][2] > 0) if conductance else np.zeros((1, 1), dtype=bool)
            contact.append(conductance * touches)
        return cls(tuple(conductivity), tuple(capacity), tuple(conducts), tuple(stores), tuple(contact))

    def conductivity_factor(self, grid: Grid, rise: Floats, base: float = 0.0, out: Floats | None = None) -> Floats:
        """k(T) / k(300 K) of every cell at the mean of its corners, shape (nz, ny, nx).

        Parameters
        ----------
        grid : Grid
        rise : ndarray, shape (nz+1, ny+1, nx+1)
            Temperature over the base. [K]
        base : float
            [K]
        out : ndarray, shape (nz, ny, nx), optional
            Written.
        """
        out = np.empty(grid.shape) if out is None else out
        ends = np.append(np.flatnonzero(np.diff(grid.layer)) + 1, grid.layer.size)
        most = max(1, CELLS_AT_ONCE // out[0].size)
        for first, end in zip([0, *ends[:-1]], ends, strict=True):
            laws = self.conducts[grid.layer[first]]
            for low in range(first, end, most):
                some = slice(low, min(end, low + most))
                out[some] = laws.factor(cell_means(rise[low : some.stop + 1]) + base) if laws else 1.0
        return out

    def conductivity_slope(self, grid: Grid, temperature: Floats) -> tuple[Floats, Floats]:
        """Factor of `conductivity_factor`, and its slope over the temperature, shapes (nz, ny, nx). [-], [K⁻¹]

        Parameters
        ----------
        grid : Grid
        temperature : ndarray, shape (nz+1, ny+1, nx+1)
            [K]
        """
        low, here, high = (self.conductivity_factor(grid, temperature + step) for step in (-STEP, 0.0, STEP))
        return here, (high - low) / (2 * STEP)

    def storage(self, grid: Grid, temperature: Floats, base: float) -> tuple[Floats, Floats]:
        """Heat capacity at the mean of the corners, and stored heat that it alone would not give.

        Parameters
        ----------
        grid : Grid
        temperature : ndarray, shape (nz+1, ny+1, nx+1)
            [K]
        base : float
            That heat counts from. [K]

        Returns
        -------
        factor : ndarray, shape (nz, ny, nx)
            c(T) / c(300 K). [-]
        rest : ndarray, shape (nz+1, ny+1, nx+1)
            At the nodes: volume times integral of c from the base, less c at the mean times its rise. [J]

        Notes
        -----
        Within a cell heat is taken as linear about the mean temperature, so that the whole of a cell is its volume times
        the integral of c up to its mean: no heat is lost or made, whatever the steps.
        """
        means = cell_means(temperature)
        area = np.outer(np.diff(grid.y), np.diff(grid.x))
        factor, rest = np.empty_like(means), np.empty_like(means)
        for cell, (layer, height) in enumerate(zip(grid.layer, np.diff(grid.z), strict=True)):
            laws, mean = self.stores[layer], means[cell]
            factor[cell] = laws.factor(mean)
            over = laws.integral(mean) - laws.integral(np.full_like(mean, base)) - factor[cell] * (mean - base)
            rest[cell] = self.capacity[layer] * over * area * height
        return factor, to_corners(rest)

    @property
    def is_uniform(self) -> bool:
        """Whether every layer is one material over the whole grid."""
        return all(k.shape[1:] == (1, 1) for k in self.conductivity)

    @property
    def is_linear(self) -> bool:
        """Whether no conductivity depends on temperature."""
        return not any(self.conducts)

    @property
    def stores_linearly(self) -> bool:
        """Whether no heat capacity depends on temperature."""
        return not any(self.stores)


def cell_means(values: Floats) -> Floats:
    """Means over cells of a nodal field, shape (nz+1, ny+1, nx+1) → (nz, ny, nx)."""
    planes = _plane_means(values)
    return np.asarray(0.5 * (planes[1:] + planes[:-1]))


def _plane_means(values: Floats) -> Floats:
    """Means over the cells of planes of nodes, last axes (ny+1, nx+1) → (ny, nx)."""
    return np.asarray(0.25 * (values[..., 1:, 1:] + values[..., 1:, :-1] + values[..., :-1, 1:] + values[..., :-1, :-1]))


def to_corners(cells: Floats) -> Floats:
    """Amounts of cells given to their corners in equal parts, shape (nz, ny, nx) → (nz+1, ny+1, nx+1)."""
    out = np.zeros(tuple(n + 1 for n in cells.shape))
    for k, j, i in np.ndindex(2, 2, 2):
        out[k : k + cells.shape[0], j : j + cells.shape[1], i : i + cells.shape[2]] += 0.125 * cells
    return out


def _check_z_cells(stack: Stack, grid: Grid, index: int) -> None:
    layer = stack.layers[index]
    if index == 0 and layer.contact_resistance > 0:
        raise DeckError(f"layer {layer.name!r} is the lowest: nothing lies below its contact_resistance; give the face a film")
    cells = np.flatnonzero(grid.layer == index)
    flat = cells[np.diff(grid.z)[cells] <= 0]
    if cells.size == flat.size:
        raise DeckError(f"grid: layer {layer.name!r} has no z cell")
    if flat.size != (layer.contact_resistance > 0) or (flat.size and flat[0] != cells[0]):
        raise DeckError(
            f"grid: layer {layer.name!r} has contact_resistance {layer.contact_resistance:g} m²K/W and {flat.size} cells of no"
            " thickness; a contact takes exactly one, at the bottom of its layer"
        )


def _cells_inside(grid: Grid, extent: Rectangle, layer: Layer) -> tuple[slice, slice]:
    """Rows and columns of cells inside `extent`, whose edges must be grid lines (or lie outside the grid)."""
    out = []
    for lines, axis, low, high in ((grid.y, "y", extent.y0, extent.y1), (grid.x, "x", extent.x0, extent.x1)):
        slack = 1e-6 * float(np.diff(lines).min())
        start, stop = int(np.searchsorted(lines, low - slack)), int(np.searchsorted(lines, high + slack)) - 1
        for edge, at in ((low, start), (high, stop)):
            if lines[0] < edge - slack and edge + slack < lines[-1] and abs(lines[at] - edge) > slack:
                raise DeckError(f"grid: no {axis} line at {edge:g} m, where layer {layer.name!r} or a block of it has an edge")
        out.append(slice(start, stop))
    return out[0], out[1]
