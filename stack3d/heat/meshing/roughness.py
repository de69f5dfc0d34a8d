"""Where on a grid straight elements fit a temperature worst, and how many elements that asks for; SI units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stack3d.grids import Grid
from stack3d.layout import Floats, Stack
from stack3d.thermal.grid.cell_properties import CellProperties

LEAST, MOST = 0.5, 8.0
"""Elements for one, at least and at most, from one grid to the next."""
BESIDE = 8.0
"""Times the error of an interval that one beside it has, at most; it grades the lines."""


def roughness(stack: Stack, grid: Grid, density: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Energy of what straight elements miss, by interval along z, y and x; zero where a contact is. [W K]

    Along each axis the flux bends by what it jumps at the nodes, less what sources explain along z: at the nodes of a flat
    layer their heat makes no error. An element of size h whose flux jumps by J misses the energy h J² / 12 k per area.

    Parameters
    ----------
    stack : Stack
    grid : Grid
    density : ndarray, shape (nz, ny, nx)
        Heat of sources. [W m⁻³]
    values : ndarray, shape (nz+1, ny+1, nx+1)
        Nodal temperature. [K]
    """
    cells = CellProperties.of(stack, grid)
    sizes = [np.diff(lines) for lines in (grid.z, grid.y, grid.x)]
    found = []
    for axis in range(3):
        k = np.stack([np.broadcast_to(cells.conductivity[layer][2 - axis], grid.shape[1:]) for layer in grid.layer])
        size = _along(sizes[axis], axis)
        fall = np.diff(values, axis=axis)
        others = [other for other in range(3) if other != axis]
        for other in others:
            fall = _middles(fall, other)
        flux = k * np.divide(fall, size, out=np.zeros_like(fall), where=size > 0)
        if axis == 0:
            for flat in np.flatnonzero(sizes[0] == 0):  # through a contact goes what comes from below
                flux[flat] = flux[flat - 1]
        jump = np.diff(flux, axis=axis) + (2 * _middles(0.5 * density * size, axis) if axis == 0 else 0.0)
        jump *= _ahead(k > 0, axis) & _behind(k > 0, axis)
        ends = [(1, 1) if other == axis else (0, 0) for other in range(3)]
        missed = size * _middles(np.pad(np.abs(jump), ends, mode="edge"), axis) ** 2
        missed = np.divide(missed, 12.0 * k, out=np.zeros_like(missed), where=k > 0)
        for other in others:
            missed *= _along(sizes[other], other)
        found.append(_graded(missed.sum(axis=tuple(others))))
    return found[0], found[1], found[2]


def elements_for(rough: Sequence[Floats], errors: Sequence[float], allowed: float, most: float) -> list[Floats]:
    """Elements for one of each interval along z, y and x, so that errors add up to what is allowed with the fewest elements.

    An error falls with the square of the elements. Fewest nodes have the same share of it along each axis, and along one of
    them elements as the cube root of what they miss.

    Parameters
    ----------
    rough : sequence of ndarray, shapes (nz,), (ny,), (nx,)
        As `roughness` has it. [W K]
    errors : sequence of float
        Along each axis, as estimated; one that is zero leaves its lines as they are. [-]
    allowed : float
        In the unit of the errors. [-]
    most : float
        Times the nodes, at most. [-]
    """
    found = []
    for missed, error in zip(rough, errors, strict=True):
        root = np.cbrt(missed)
        if not (error > 0 and root.sum() > 0):
            found.append(np.ones_like(missed))
            continue
        count = np.sqrt(3 * error / allowed / missed.sum()) * root.sum() ** 1.5
        found.append(count * root / root.sum())
    times = np.prod([np.clip(each, LEAST, MOST).sum() / each.size for each in found])
    shrunk = min(1.0, float(most / times)) ** (1 / 3)
    return [np.clip(each * shrunk, LEAST, MOST) if np.any(each != 1.0) else each for each in found]


def _along(sizes: Floats, axis: int) -> Floats:
    """Sizes in the shape of cells."""
    return sizes.reshape([-1 if axis == n else 1 for n in range(3)])


def _ahead(values: Any, axis: int) -> Any:
    return np.take(values, range(1, values.shape[axis]), axis=axis)


def _behind(values: Any, axis: int) -> Any:
    return np.take(values, range(values.shape[axis] - 1), axis=axis)


def _middles(values: Floats, axis: int) -> Floats:
    return np.asarray(0.5 * (_ahead(values, axis) + _behind(values, axis)))


def _graded(missed: Floats) -> Floats:
    """No interval with less than a share of what those beside it miss."""
    for _ in range(3):
        wide = np.pad(missed, 1, mode="edge")
        missed = np.maximum(missed, np.maximum(wide[:-2], wide[2:]) / BESIDE)
    return missed
