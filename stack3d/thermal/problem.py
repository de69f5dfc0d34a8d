"""What is solved: div(K grad T) + q = rho c dT/dt on a stack with conditions on its outer faces; SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError
from stack3d.layout import Floats, Grid, HeatSource, Rectangle, Stack, hat_integrals, hat_values


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
    """

    film_coefficient: float = 0.0
    reference: float = 300.0
    flux: float = 0.0

    @property
    def is_fixed(self) -> bool:
        """Whether the temperature is prescribed."""
        return bool(np.isinf(self.film_coefficient))


@dataclass(frozen=True, eq=False)
class ThermalProblem:
    """Stack, grid and outer faces; the power is given to the solver apart.

    Parameters
    ----------
    stack, grid : Stack, Grid
    top, bottom, sides : Face
        Conditions on z = max, z = min and the four lateral faces of the footprint.
    """

    stack: Stack
    grid: Grid
    top: Face
    bottom: Face = field(default_factory=Face)
    sides: Face = field(default_factory=Face)

    def __post_init__(self) -> None:
        if not any(f.film_coefficient > 0 for f in (self.top, self.bottom, self.sides)):
            raise DeckError("cooling: every face is adiabatic, so no steady temperature exists; cool at least one face")


@dataclass(frozen=True, eq=False)
class GridField:
    """A trilinear temperature on a grid, with exact integrals.

    Parameters
    ----------
    stack, grid : Stack, Grid
    values : ndarray, shape (nz+1, ny+1, nx+1)
        Nodal temperature. [K]
    """

    stack: Stack
    grid: Grid
    values: Floats

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y) and height `z`, by default the mid-plane of `layer`. [K]"""
        slab = self.stack.layer(layer)
        height = 0.5 * (slab.z0 + slab.z1) if z is None else z
        wz = hat_values(self.grid.z, height)
        wy, wx = hat_values(self.grid.y, y), hat_values(self.grid.x, x)
        k, j, i = (np.flatnonzero(w) for w in (wz, wy, wx))
        return float(np.einsum("kji,k,j,i", self.values[np.ix_(k, j, i)], wz[k], wy[j], wx[i]))

    def _z_weights(self, layer: str, lower: float | None = None, upper: float | None = None) -> tuple[NDArray[np.intp], Floats]:
        slab = self.stack.layer(layer)
        nodes = self.grid.cells_of(self.stack.index[layer])
        index = np.arange(nodes[0], nodes[-1] + 2)
        lower, upper = slab.z0 if lower is None else lower, slab.z1 if upper is None else upper
        return index, hat_integrals(self.grid.z[index], lower, upper) / (upper - lower)

    def plane_mean(self, layer: str) -> Floats:
        """Mean through the thickness of `layer` at each lateral node, shape (ny+1, nx+1). [K]"""
        index, weights = self._z_weights(layer)
        return np.tensordot(weights, self.values[index], axes=1)

    def map(self, layer: str, nx: int, ny: int, extent: Rectangle | None = None) -> Floats:
        """Volume means over ny by nx equal boxes of a layer, shape (ny, nx). [K]"""
        box = extent or self.stack.layer(layer).extent
        xs, ys = np.linspace(box.x0, box.x1, nx + 1), np.linspace(box.y0, box.y1, ny + 1)
        wx = np.array([hat_integrals(self.grid.x, a, b) / (b - a) for a, b in zip(xs[:-1], xs[1:], strict=True)])
        wy = np.array([hat_integrals(self.grid.y, a, b) / (b - a) for a, b in zip(ys[:-1], ys[1:], strict=True)])
        return np.asarray(wy @ self.plane_mean(layer) @ wx.T)

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Volume means over boxes through the full thickness of a layer, shape (len(boxes),). [K]"""
        plane = self.plane_mean(layer)
        return np.array(
            [hat_integrals(self.grid.y, b.y0, b.y1) @ plane @ hat_integrals(self.grid.x, b.x0, b.x1) / b.area for b in boxes]
        )

    def layer_mean(self, layer: str) -> float:
        """Volume mean over the extent of a layer. [K]"""
        return float(self.box_means(layer, [self.stack.layer(layer).extent])[0])

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of a layer and its (x, y, z). [K], [m]"""
        slab = self.stack.layer(layer)
        index, _ = self._z_weights(layer)
        j = np.flatnonzero((self.grid.y >= slab.extent.y0 - 1e-12) & (self.grid.y <= slab.extent.y1 + 1e-12))
        i = np.flatnonzero((self.grid.x >= slab.extent.x0 - 1e-12) & (self.grid.x <= slab.extent.x1 + 1e-12))
        part = self.values[np.ix_(index, j, i)]
        a, b, c = np.unravel_index(int(part.argmax()), part.shape)
        place = (float(self.grid.x[i[c]]), float(self.grid.y[j[b]]), float(self.grid.z[index[a]]))
        return float(part[a, b, c]), place


@dataclass(frozen=True, eq=False)
class ThermalSolution:
    """Field, heat balance and solver statistics of one steady solve.

    Parameters
    ----------
    field : GridField
    heat_in, heat_out : float
        Power of the sources, and net heat leaving through all faces. [W]
    face_heat : mapping
        Heat leaving through ``top``, ``bottom``, ``sides``. [W]
    statistics : mapping
        ``backend``, ``unknowns``, ``iterations``, ``residual`` (relative), ``seconds`` by stage, …
    """

    field: GridField
    heat_in: float
    heat_out: float
    face_heat: Mapping[str, float]
    statistics: Mapping[str, Any]

    @property
    def balance(self) -> float:
        """|in - out| / in; compared with the net input when there is one, else absolute. [-]"""
        scale = abs(self.heat_in) or 1.0
        return abs(self.heat_in - self.heat_out) / scale


class ThermalBackend(Protocol):
    """A solver made once per problem and used for many powers."""

    def solve(self, sources: Sequence[HeatSource]) -> ThermalSolution:
        """Steady temperature for these sources; raises SolverError when not converged."""


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
