"""Trilinear elements of the heat equation on a tensor grid, applied without a matrix; SI units."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.grids import Plane
from stack3d.layout import Floats
from stack3d.thermal.grid.assembled import assembled
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.grid.corner_sums import gather, padded, products
from stack3d.thermal.grid.faces import FACES, SHARES, add_to, face_mass, face_terms, on_cells, take
from stack3d.thermal.problem import ThermalProblem

CELLS_AT_ONCE = 8192
"""Cells of one step through the planes of a small grid: fewer cost time of Python, more that of memory outside the cache."""
FEW_PARTS = 16
"""Parts of faces that are taken one by one; of more the films are a matrix."""
CELLS_OF_ROWS = 16384
"""Cells of the rows of a large grid that go through all planes at a time, so that what is worked on stays in the cache."""
MOST_KEPT = 2_000_000
"""Weights of one sign (four per cell) up to which a small grid keeps them, 32 MB; larger grids make them anew."""
EVERY = slice(None)


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
    storage : ndarray, shape (nz, ny, nx), optional
        c(T) / c(300 K) of every cell.
    patches : mapping of str to sequence of Plane, optional
        Those of the problem by default.
    films : mapping of str to float, optional
        Films by face, in place of those of the problem with `rate` times their heat capacity. [W m⁻² K⁻¹]

    Notes
    -----
    With sums s and differences d of neighbouring values, a 1-D mass matrix is h (sᵀs/4 + dᵀd/12) and a stiffness
    matrix dᵀd/h. The element matrix is therefore diagonal in the eight products of s and d along x, y and z, and one
    sweep over the planes of cells applies it.
    """

    def __init__(
        self,
        problem: ThermalProblem,
        cells: CellProperties,
        *,
        rate: float = 0.0,
        factor: Floats | None = None,
        storage: Floats | None = None,
        patches: Mapping[str, Sequence[Plane]] | None = None,
        films: Mapping[str, float] | None = None,
    ) -> None:
        self.problem, self.cells, self.rate = problem, cells, rate
        self._follow(factor, storage)
        grid = problem.grid
        self._thickness = np.diff(grid.z)
        hx, hy = np.diff(grid.x), np.diff(grid.y)
        area = np.outer(hy, hx)
        # Order of the four lateral products: (s, s), (d in x), (d in y), (d, d).
        self._vertical = on_cells(np.array([1 / 16, 1 / 48, 1 / 48, 1 / 144]), area)
        self._lateral_x = on_cells(np.array([0, 1 / 16, 0, 1 / 48]), np.outer(hy, 1 / hx))
        self._lateral_y = on_cells(np.array([0, 0, 1 / 16, 1 / 48]), np.outer(1 / hy, hx))
        self._conductivity, self._capacity, self._contact = (
            tuple(map(padded, values)) for values in (cells.conductivity, cells.capacity, cells.contact)
        )
        self.patches = problem.surfaces if patches is None else patches
        self._last: tuple[tuple[int, slice], Floats, Floats] | None = None
        self._kept, self._is_used = list[Floats](), False
        self._made: dict[tuple[int, float, int], tuple[Floats, Floats]] | None = None
        """Weights of `_of_plane` that are kept; None where they are made for each product."""
        self._faces = {name: face_terms(problem, cells, name) for name in FACES}
        for name, planes in self.patches.items():
            self._faces[name] = [(plane.where, on_cells(SHARES, plane.area)) for plane in planes]
        faces = problem.faces.items()
        own = {n: f.film_coefficient + rate * f.capacity for n, f in faces if not f.is_fixed} if films is None else films
        self.films = {name: film for name, film in own.items() if film > 0}

    def changed(
        self,
        *,
        rate: float = 0.0,
        factor: Floats | None = None,
        storage: Floats | None = None,
        films: Mapping[str, float] | None = None,
    ) -> GridOperator:
        """The operator with another rate and properties that follow the temperature; all that stays is shared.

        Parameters
        ----------
        rate, factor, storage
            As the class has them.
        films : mapping of str to float, optional
            As the class has them; those of this operator by default. [W m⁻² K⁻¹]
        """
        other = copy.copy(self)
        other._kept, other._is_used, other._made = [], False, None
        if self._is_small:
            other._parts = self._parts
        other.rate = rate
        other._follow(factor, storage)
        if films is None:
            other._on_faces = self._on_faces
        else:
            other.__dict__.pop("_on_faces", None)
            other.films = {name: film for name, film in films.items() if film > 0}
        return other

    def _follow(self, factor: Floats | None, storage: Floats | None) -> None:
        self.factor, self.storage = factor, storage
        self._factor, self._storage = (None if values is None else padded(values) for values in (factor, storage))

    @property
    def _is_varied(self) -> bool:
        """Whether cells of one layer differ in temperature."""
        return self.factor is not None or self.storage is not None

    def apply(self, temperature: Floats, out: Floats | None = None) -> Floats:
        """Product with a nodal field, shape (nz+1, ny+1, nx+1), written to `out` where that is given. [W] for [K]"""
        out = self.conduction(temperature, out)
        if self._on_faces is not None:
            nodes, films = self._on_faces
            out.reshape(-1)[nodes] += films @ temperature.reshape(-1)[nodes]
            return out
        for name, film in self.films.items():
            for where, terms in self._faces[name]:
                add_to(out, where, film * face_mass(terms, take(temperature, where)))
        return out

    def conduction(self, temperature: Floats, out: Floats | None = None) -> Floats:
        """The part of `apply` without face films."""
        out = np.empty_like(temperature) if out is None else out
        if self._is_small:
            return self._block_by_block(temperature, out)
        planes, ny, nx = self.problem.grid.shape
        rows, row, kind = min(ny, max(1, CELLS_OF_ROWS * 8 // temperature.dtype.itemsize // nx)), nx + 1, temperature.dtype
        passed_on = np.zeros((planes + 1, 2, row), kind)  # what rows of cells give to the first row of nodes of the next rows
        work, buffers = np.empty((2, (rows + 1) * row), kind), np.empty((5, 4, rows * row), kind)
        given, found = (np.reshape(nodes, (planes + 1, -1)) for nodes in (temperature, out))
        for first in range(0, ny, rows):
            end = min(ny, first + rows)
            work, buffers = work[:, : (end - first + 1) * row], buffers[:, :, : (end - first) * row]
            nodes = slice(first * row, (end + 1) * row)
            self._through_planes(slice(first, end), given[:, nodes], found[:, nodes], passed_on, (work, buffers))
        return out

    def _through_planes(
        self, rows: slice, temperature: Floats, out: Floats, passed_on: Floats, room: tuple[Floats, Floats]
    ) -> None:
        """`conduction` of some rows of cells, one plane after the other; the last row of nodes lacks what the next rows give.

        Parameters
        ----------
        rows : slice
            Of cells along y.
        temperature : ndarray, shape (nz+1, (rows+1)(nx+1))
            Nodes of these cells.
        out : ndarray, same shape
            Written.
        passed_on : ndarray, shape (nz+1, 2, nx+1)
            What the rows before give to the first row of nodes; then what these give to the last.
        room : tuple of ndarray
            To work in.
        """
        work, (below, above, total, difference, carried) = room
        row, some = passed_on.shape[-1], self._in_total
        products(temperature[0], row, below, work)
        carried[...] = 0.0
        key: tuple[int, float] | None = None
        for c, height in enumerate(self._thickness):
            products(temperature[c + 1], row, above, work)
            np.subtract(above, below, out=difference)
            if self._is_varied or key != (self.problem.grid.layer[c], height):
                key = int(self.problem.grid.layer[c]), float(height)
                of_total, of_difference = self._of_plane(c, rows, key)
            difference *= of_difference
            carried -= difference
            if height > 0:
                np.add(above[some], below[some], out=total[some])
                total[some] *= of_total
                carried[some] += total[some]
                difference[some] += total[some]
            gather(carried, row, out[c], work, passed_on[c])
            carried, difference = difference, carried
            below, above = above, below
        gather(carried, row, out[-1], work, passed_on[-1])

    @property
    def _in_total(self) -> slice:
        """Which products have weights where they are summed along z: sums over all corners only with heat capacity."""
        return slice(0 if self.rate else 1, None)

    def _of_plane(self, cell: int, rows: slice, key: tuple[int, float]) -> tuple[Floats, Floats]:
        """`_weights` of rows of a plane of a layer and height, the first those of `_in_total`, shapes (…, rows(nx+1))."""
        at = *key, rows.start
        if self._made is not None and at in self._made:
            return self._made[at]
        of_total, of_difference = self._weights(cell, rows)
        found = of_total[self._in_total].reshape(-1, of_total[0].size), of_difference.reshape(4, -1)
        if self._made is not None:
            self._made[at] = found[0].copy(), found[1]
        return found

    def of_few_digits(self) -> GridOperator:
        """The same for fields of single precision, without its `cells`; weights are kept from product to product."""
        few: Any = np.float32
        other = self.changed(rate=self.rate, factor=self.factor, storage=self.storage)
        other.__dict__.pop("_parts", None)
        other._last, other._made = None, None if self._is_varied else {}
        other.cells = replace(self.cells, conductivity=(), capacity=(), contact=())
        for name in ("_conductivity", "_capacity", "_contact"):
            setattr(other, name, tuple(values.astype(few) for values in getattr(self, name)))
        for name in ("_thickness", "_vertical", "_lateral_x", "_lateral_y", "_factor", "_storage"):
            values = getattr(self, name)
            setattr(other, name, None if values is None else values.astype(few))
        other._faces = {n: [(where, terms.astype(few)) for where, terms in faces] for n, faces in self._faces.items()}
        other.films = {name: float(film) for name, film in self.films.items()}
        if other._on_faces is not None:
            nodes, films = other._on_faces
            other._on_faces = nodes, films.astype(few)
        return other

    @property
    def _is_small(self) -> bool:
        """Whether several planes are taken at once, with weights that are kept."""
        planes, ny, nx = self.problem.grid.shape
        return ny * nx <= CELLS_AT_ONCE // 2 and 4 * planes * ny * nx <= MOST_KEPT

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats]:
        """`_unscaled` of all planes, each of shape (4, nz, ny+1, nx+1)."""
        along, across, stored = zip(*map(self._unscaled, range(self._thickness.size)))
        return np.stack(along, axis=1), np.stack(across, axis=1), np.stack(stored, axis=1)

    def _blocks(self) -> Iterator[Floats]:
        """Weights of blocks of planes, each of shape (2, 4, planes, ny+1, nx+1); kept from the second product on.

        While k(T) is sought the first product is the only one.
        """
        if self._kept:
            yield from self._kept
            return
        made, planes = [], int(self._thickness.size)
        for first in range(0, planes, self._planes_at_once):
            some = slice(first, first + self._planes_at_once)
            weights = np.stack(self._scaled((some, EVERY), *(parts[:, some] for parts in self._parts)))
            if self._is_used:
                made.append(weights)
            yield weights
        self._is_used, self._kept = True, made

    @property
    def _planes_at_once(self) -> int:
        planes, ny, nx = self.problem.grid.shape
        return min(planes, CELLS_AT_ONCE // (ny * nx))

    def _block_by_block(self, temperature: Floats, out: Floats) -> Floats:
        """`conduction` of a small grid, many planes at once."""
        size, (planes, _, row), kind = self._planes_at_once, temperature.shape, temperature.dtype
        given, found = (np.reshape(nodes, (planes, -1)) for nodes in (temperature, out))
        plane = given.shape[1]
        work, parts = np.empty((2, (size + 1) * plane), kind), np.zeros((4, size + 1, plane), kind)
        both = np.empty((2, 4, size, plane), kind)
        carried, upward = np.zeros((2, 4, size, plane), kind)  # what cells give to the planes above them
        first, last = 0, 0

        def to_nodes(products: Floats, to: slice) -> None:
            out = found[to].reshape(-1)
            gather(products.reshape(4, -1)[:, :-row], row, out, work[:, : out.size])

        for weights in self._blocks():
            n = weights.shape[2]
            weights = weights.reshape(2, 4, n, plane)
            total, difference = pair = both[:, :, :n]
            p, nodes = parts[:, : n + 1], given[first : first + n + 1].reshape(-1)
            products(nodes, row, p.reshape(4, -1)[:, :-row], work[:, : nodes.size])
            np.add(p[:, 1:], p[:, :-1], out=total)
            np.subtract(p[:, 1:], p[:, :-1], out=difference)
            pair *= weights
            np.add(total, difference, out=upward[:, :n])
            total -= difference
            total[:, 0] += carried[:, last]
            total[:, 1:] += upward[:, : n - 1]
            to_nodes(total, slice(first, first + n))
            carried, upward, last = upward, carried, n - 1
            first += n
        to_nodes(carried[:, last], slice(planes - 1, planes))
        return out

    def _weights(self, cell: int, rows: slice = EVERY) -> tuple[Floats, Floats]:
        """Weights of the lateral products of rows of a plane of cells, summed and subtracted along z, shape (4, rows, nx+1)."""
        return self._scaled((cell, rows), *self._unscaled(cell, rows, stores=self.rate != 0))

    def _unscaled(self, cell: int, rows: slice = EVERY, *, stores: bool = True) -> tuple[Floats, Floats, Floats]:
        """Parts of `_weights` at 300 K: conduction in the plane and across it, and heat capacity where that is asked for."""
        layer, height = int(self.problem.grid.layer[cell]), self._thickness[cell]
        if height == 0:
            across = _of_rows(self._contact[layer], rows) * self._vertical[:, rows]
            return np.zeros_like(across), across, np.zeros_like(across)
        lateral, vertical = self._of_layer(layer, rows)
        stored = (0.25 * height) * _of_rows(self._capacity[layer], rows) * self._vertical[:, rows] if stores else lateral
        return height * lateral, vertical / height, stored

    def _of_layer(self, layer: int, rows: slice) -> tuple[Floats, Floats]:
        """Conduction along the planes of a layer over their height, and across them times it; the last one is kept."""
        if self._last is None or self._last[0] != (layer, rows):
            kx, ky, kz = _of_rows(self._conductivity[layer], rows)
            lateral = kx * self._lateral_x[:, rows]
            lateral += ky * self._lateral_y[:, rows]
            self._last = (layer, rows), lateral, kz * self._vertical[:, rows]
        return self._last[1:]

    def _scaled(self, cells: tuple[int | slice, slice], along: Floats, across: Floats, stored: Floats) -> tuple[Floats, Floats]:
        """`_weights` from their parts, with the factors of some planes and rows of cells; a contact has none."""
        total = along
        if self._factor is not None:
            factor = np.where((self._thickness[cells[0]] > 0)[..., None, None], self._factor[cells], 1.0)
            total, across = along * factor, across * factor
        if self.rate:
            total = total + self.rate * (stored if self._storage is None else stored * self._storage[cells])
        of_difference = total / 3
        of_difference += across
        return total, of_difference

    def face_integral(self, name: str, values: Floats | float = 1.0, out: Floats | None = None) -> Floats:
        """Integrals over a face of each hat function times a nodal field, shape (nz+1, ny+1, nx+1). [m²] for values of 1

        They are added to `out` where that is given.
        """
        shape = tuple(lines.size for lines in (self.problem.grid.z, self.problem.grid.y, self.problem.grid.x))
        field = np.broadcast_to(values, shape)
        out = np.zeros(shape) if out is None else out
        for where, terms in self._faces[name]:
            add_to(out, where, face_mass(terms, take(field, where)))
        return out

    def lines(self) -> tuple[Floats, Floats]:
        """Diagonal and z neighbour of every node, shapes (nz+1, ny+1, nx+1) and (nz, ny+1, nx+1). [W K⁻¹]

        The z neighbours of side films are left out.
        """
        grid = self.problem.grid
        diagonal = np.zeros((grid.z.size, grid.y.size, grid.x.size))
        off = np.zeros((grid.z.size - 1, *diagonal.shape[1:]))
        key: tuple[int, float] | None = None
        for c, height in enumerate(self._thickness):
            if self._is_varied or key != (grid.layer[c], height):
                key = int(grid.layer[c]), height
                total, difference = (_corner_sums(w) for w in self._weights(c))
            diagonal[c : c + 2] += total + difference
            off[c] = total - difference
        for name, film in self.films.items():
            for where, terms in self._faces[name]:
                add_to(diagonal, where, film * _corner_sums(terms))
        return diagonal, off

    @cached_property
    def _on_faces(self) -> tuple[NDArray[np.intp], Any] | None:
        """Nodes of faces that are in many parts, as walls of channels are, and the films on them as a sparse matrix."""
        if sum(len(self._faces[name]) for name in self.films) <= FEW_PARTS:
            return None
        every = assembled(self._film_parts(), self.problem.grid.n_nodes)
        nodes = np.flatnonzero(np.diff(every.indptr))
        return nodes, every[nodes][:, nodes]

    def matrix(self) -> Any:
        """The operator as a SciPy sparse matrix over flattened nodes; for small grids."""
        number, shape = self._numbers(), self.problem.grid.shape
        parts: list[tuple[NDArray[np.intp], Floats]] = []
        for c in range(shape[0]):
            corners = np.stack([number[c + k, j : j + shape[1], i : i + shape[2]] for k, j, i in np.ndindex(2, 2, 2)])
            parts.append((corners, np.concatenate(self._weights(c))[..., :-1, :-1]))
        return assembled([*parts, *self._film_parts()], self.problem.grid.n_nodes)

    def _numbers(self) -> NDArray[np.intp]:
        grid = self.problem.grid
        return np.arange(grid.n_nodes).reshape(grid.z.size, grid.y.size, grid.x.size)

    def _film_parts(self) -> Iterator[tuple[NDArray[np.intp], Floats]]:
        """Nodes at the four corners of the cells of faces, and the weights of their products, by part of a face."""
        number = self._numbers()
        for name, film in self.films.items():
            for where, terms in self._faces[name]:
                plane = take(number, where)
                a, b = (n - 1 for n in plane.shape[-2:])
                corners = np.stack([plane[..., j : j + a, i : i + b] for j, i in np.ndindex(2, 2)])
                yield corners.reshape(4, -1, b), film * terms[..., :-1, :-1].reshape(4, -1, b)

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


def _of_rows(values: Floats, rows: slice) -> Floats:
    """Rows of values of cells, last axes (ny+1, nx+1), or the one value of all of them."""
    return values if values.shape[-2] == 1 else values[..., rows, :]


def _corner_sums(products: Floats) -> Floats:
    """Own entry of every node of a plane: each product has coefficient ±1 at each corner."""
    every = products.sum(axis=0)
    out = np.array(every)
    out[..., 1:] += every[..., :-1]
    out[..., 1:, :] += every[..., :-1, :]
    out[..., 1:, 1:] += every[..., :-1, :-1]
    return out
