"""Trilinear elements of the heat equation on a tensor grid, applied without a matrix; SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stack3d.errors import DeckError
from stack3d.layout import Floats, Grid, Layer, Rectangle, Stack
from stack3d.thermal.problem import Face, ThermalProblem

FACES = ("top", "bottom", "sides")


@dataclass(frozen=True, eq=False)
class CellProperties:
    """Conductivity and heat capacity of the cells of a grid, per layer; void cells hold zero.

    Parameters
    ----------
    conductivity : tuple of ndarray, shapes (3, ny, nx) or (3, 1, 1)
        kx, ky, kz of each layer at 300 K; one value where the layer is uniform. [W m⁻¹ K⁻¹]
    capacity : tuple of ndarray, shapes (ny, nx) or (1, 1)
        Volumetric heat capacity. [J m⁻³ K⁻¹]
    exponent : tuple of ndarray, shapes (ny, nx) or (1, 1)
        n of k(T) = k(300 K) (T / 300 K)ⁿ. [-]
    contact : tuple of ndarray, shapes (ny, nx) or (1, 1)
        Conductance of the contact under each layer, where both sides are solid; 0 if it has none. [W m⁻² K⁻¹]
    """

    conductivity: tuple[Floats, ...]
    capacity: tuple[Floats, ...]
    exponent: tuple[Floats, ...]
    contact: tuple[Floats, ...]

    @classmethod
    def of(cls, stack: Stack, grid: Grid) -> CellProperties:
        """Properties of every layer; raises DeckError where the grid does not carry the stack."""
        conductivity, capacity, exponent, contact = [], [], [], []
        for index, layer in enumerate(stack.layers):
            _check_z_cells(stack, grid, index)
            box = Rectangle(*grid.x[[0, -1]], *grid.y[[0, -1]])
            is_uniform = layer.extent.contains(box, slack=1e-9 * max(box.x1 - box.x0, box.y1 - box.y0)) and not layer.blocks
            shape = (1, 1) if is_uniform else grid.shape[1:]
            k, c, n = np.zeros((3, *shape)), np.zeros(shape), np.zeros(shape)
            parts = [(layer.extent, layer.material), *((block.extent, block.material) for block in layer.blocks)]
            for extent, material in parts:
                rows, columns = (slice(None), slice(None)) if is_uniform else _cells_inside(grid, extent, layer)
                k[:, rows, columns] = np.array(material.conductivity)[:, None, None]
                c[rows, columns], n[rows, columns] = material.heat_capacity, material.exponent
            conductivity.append(k)
            capacity.append(c)
            exponent.append(n)
            conductance = 1.0 / layer.contact_resistance if layer.contact_resistance > 0 else 0.0
            contact.append(conductance * ((k[2] > 0) & (conductivity[index - 1][2] > 0)))
        return cls(tuple(conductivity), tuple(capacity), tuple(exponent), tuple(contact))

    @property
    def is_uniform(self) -> bool:
        """Whether every layer is one material over the whole grid."""
        return all(k.shape[1:] == (1, 1) for k in self.conductivity)

    @property
    def is_linear(self) -> bool:
        """Whether no conductivity depends on temperature."""
        return not any(n.any() for n in self.exponent)


def _check_z_cells(stack: Stack, grid: Grid, index: int) -> None:
    layer = stack.layers[index]
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


class GridOperator:
    """Stiffness, face films and (scaled) heat capacity of trilinear elements; exact integrals of constant cells.

    Parameters
    ----------
    problem : ThermalProblem
    cells : CellProperties
    rate : float
        Factor of the heat capacity, as 1/Δt in an implicit step. [s⁻¹]
    factor : ndarray, shape (nz, ny, nx), optional
        k(T) / k(300 K) of every cell.

    Notes
    -----
    With sums s and differences d of neighbouring values, a 1-D mass matrix is h (sᵀs/4 + dᵀd/12) and a stiffness
    matrix dᵀd/h. The element matrix is therefore diagonal in the eight products of s and d along x, y and z, and one
    sweep over the planes of cells applies it.
    """

    def __init__(
        self, problem: ThermalProblem, cells: CellProperties, *, rate: float = 0.0, factor: Floats | None = None
    ) -> None:
        self.problem, self.cells, self.rate, self.factor = problem, cells, rate, factor
        grid = problem.grid
        self._thickness = np.diff(grid.z)
        hx, hy = np.diff(grid.x), np.diff(grid.y)
        area = np.outer(hy, hx)
        # Order of the four lateral products: (s, s), (d in x), (d in y), (d, d).
        self._vertical = np.multiply.outer(np.array([1 / 16, 1 / 48, 1 / 48, 1 / 144]), area)
        self._lateral_x = np.multiply.outer(np.array([0, 1 / 16, 0, 1 / 48]), np.outer(hy, 1 / hx))
        self._lateral_y = np.multiply.outer(np.array([0, 0, 1 / 16, 1 / 48]), np.outer(1 / hy, hx))
        self._faces = {name: _face_terms(problem, cells, name) for name in FACES}

    def apply(self, temperature: Floats) -> Floats:
        """Product with a nodal field, shape (nz+1, ny+1, nx+1). [W] for [K]"""
        out = self.conduction(temperature)
        for name in FACES:
            face = getattr(self.problem, name)
            if face.film_coefficient > 0 and not face.is_fixed:
                for where, terms in self._faces[name]:
                    out[where] += face.film_coefficient * _face_mass(terms, temperature[where])
        return out

    def conduction(self, temperature: Floats) -> Floats:
        """The part of `apply` without face films."""
        out = np.empty_like(temperature)
        below = _products(temperature[0])
        carried = np.zeros_like(below)
        layer = -1
        for c, height in enumerate(self._thickness):
            above = _products(temperature[c + 1])
            difference = above - below
            if height > 0:
                if self.factor is not None or self.problem.grid.layer[c] != layer:
                    layer = int(self.problem.grid.layer[c])
                    lateral, vertical = self._weights(layer, c)
                total = above + below
                total *= height * lateral
                difference *= (height / 3) * lateral + (1 / height) * vertical
                carried += total
                carried -= difference
                out[c] = _gather(carried)
                carried = total
                carried += difference
            else:
                difference *= self.cells.contact[self.problem.grid.layer[c]] * self._vertical
                carried -= difference
                out[c] = _gather(carried)
                carried = difference
            below = above
        out[-1] = _gather(carried)
        return out

    def _weights(self, layer: int, cell: int) -> tuple[Floats, Floats]:
        kx, ky, kz = self.cells.conductivity[layer]
        if self.factor is not None:
            kx, ky, kz = (k * self.factor[cell] for k in (kx, ky, kz))
        lateral = kx * self._lateral_x + ky * self._lateral_y
        if self.rate:
            lateral += (0.25 * self.rate) * self.cells.capacity[layer] * self._vertical
        return lateral, kz * self._vertical

    def face_integral(self, name: str, values: Floats | float = 1.0) -> Floats:
        """Integrals over a face of each hat function times a nodal field, shape (nz+1, ny+1, nx+1). [m²] for values of 1"""
        shape = tuple(lines.size for lines in (self.problem.grid.z, self.problem.grid.y, self.problem.grid.x))
        field = np.broadcast_to(values, shape)
        out = np.zeros(shape)
        for where, terms in self._faces[name]:
            out[where] += _face_mass(terms, field[where])
        return out

    def solid_nodes(self) -> np.ndarray:
        """Nodes that touch a solid cell, shape (nz+1, ny+1, nx+1)."""
        grid = self.problem.grid
        out = np.zeros((grid.z.size, grid.y.size, grid.x.size), dtype=bool)
        for c, height in enumerate(self._thickness):
            if height > 0:
                solid = np.broadcast_to(self.cells.conductivity[grid.layer[c]][2] > 0, grid.shape[1:])
                for j in (slice(0, -1), slice(1, None)):
                    for i in (slice(0, -1), slice(1, None)):
                        out[c : c + 2, j, i] |= solid
        return out


def _products(plane: Floats) -> Floats:
    """Sums and differences over the corners of each cell of a plane of nodes, shape (4, ny, nx)."""
    total, difference = plane[:, :-1] + plane[:, 1:], plane[:, 1:] - plane[:, :-1]
    out = np.empty((4, plane.shape[0] - 1, plane.shape[1] - 1), dtype=plane.dtype)
    np.add(total[1:], total[:-1], out=out[0])
    np.add(difference[1:], difference[:-1], out=out[1])
    np.subtract(total[1:], total[:-1], out=out[2])
    np.subtract(difference[1:], difference[:-1], out=out[3])
    return out


def _gather(products: Floats) -> Floats:
    """Transpose of `_products`."""
    ny, nx = products.shape[1:]
    lines = np.zeros((2, ny + 1, nx), dtype=products.dtype)
    lines[:, 1:] = products[:2]
    lines[:, 1:] += products[2:]
    lines[:, :-1] += products[:2]
    lines[:, :-1] -= products[2:]
    out = np.zeros((ny + 1, nx + 1), dtype=products.dtype)
    out[:, 1:] = lines[0]
    out[:, 1:] += lines[1]
    out[:, :-1] += lines[0]
    out[:, :-1] -= lines[1]
    return out


Where = tuple[slice | int, slice | int, slice | int]


def _face_terms(problem: ThermalProblem, cells: CellProperties, name: str) -> list[tuple[Where, Floats]]:
    """Node planes of a face and the weights of their four products, zero beside void cells."""
    grid = problem.grid
    every = slice(None)
    shares = np.array([1 / 16, 1 / 48, 1 / 48, 1 / 144])
    hx, hy, hz = np.diff(grid.x), np.diff(grid.y), np.diff(grid.z)
    if name in ("top", "bottom"):
        at = -1 if name == "top" else 0
        solid = cells.conductivity[grid.layer[at]][2] > 0
        return [((at, every, every), np.multiply.outer(shares, np.outer(hy, hx)) * solid)]
    out: list[tuple[Where, Floats]] = []
    solid_of = [np.broadcast_to(k[2] > 0, grid.shape[1:]) for k in cells.conductivity]
    for at in (0, -1):
        beside_y = np.array([solid_of[layer][at, :] for layer in grid.layer])
        beside_x = np.array([solid_of[layer][:, at] for layer in grid.layer])
        out.append(((every, at, every), np.multiply.outer(shares, np.outer(hz, hx)) * beside_y))
        out.append(((every, every, at), np.multiply.outer(shares, np.outer(hz, hy)) * beside_x))
    return out


def _face_mass(terms: Floats, plane: Floats) -> Floats:
    return _gather(terms * _products(plane))


def boundary_load(operator: GridOperator, base: float) -> Floats:
    """Load of film references and fluxes for the rise over `base`, shape (nz+1, ny+1, nx+1). [W]"""
    grid = operator.problem.grid
    out = np.zeros((grid.z.size, grid.y.size, grid.x.size))
    for name in FACES:
        face: Face = getattr(operator.problem, name)
        density = 0.0 if face.is_fixed else face.film_coefficient * (face.reference - base) + face.flux
        if density:
            out += density * operator.face_integral(name)
    return out


def fixed_nodes(problem: ThermalProblem) -> dict[str, np.ndarray]:
    """Nodes of each face of fixed temperature; where faces meet, top goes before bottom before sides."""
    grid = problem.grid
    taken = np.zeros((grid.z.size, grid.y.size, grid.x.size), dtype=bool)
    out = {}
    for name in FACES:
        if not getattr(problem, name).is_fixed:
            continue
        mine = np.zeros_like(taken)
        if name == "sides":
            mine[:, [0, -1]] = mine[:, :, [0, -1]] = True
        else:
            mine[-1 if name == "top" else 0] = True
        mine &= ~taken
        taken |= mine
        out[name] = mine
    return out
