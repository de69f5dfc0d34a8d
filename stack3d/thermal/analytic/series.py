"""Exact temperature of laterally uniform stacks by double cosine series: the oracle of the numerical backends; SI units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, HeatSource, Stack
from stack3d.thermal.analytic.laplace import contour, invert
from stack3d.thermal.places import Place, Probe, height_in_layer
from stack3d.thermal.problem import Face

CHUNK = 1 << 14
DECAY = 25.0
"""Modes whose transient has fallen below exp(-DECAY) are taken as steady: 1.4e-11."""


@dataclass(frozen=True, eq=False)
class SeriesValues:
    """Temperatures at the places asked, in their order.

    Parameters
    ----------
    temperature : ndarray, shape (n,) or (n_times, n)
        [K]
    truncation : float
        Largest change from half to all modes along each axis; what remains is below that. [K]
    """

    temperature: Floats
    truncation: float


@dataclass(frozen=True, eq=False)
class CosineSeries:
    r"""Layers of one footprint with adiabatic sides.

    Parameters
    ----------
    stack : Stack
    top, bottom, sides : Face
    sources : sequence of HeatSource
    modes : int
        Largest mode number along each axis. Off the axes modes (m, n) with (m+1) (n+1) max(m, n)² above
        modes³ are left out: the terms of a box source fall that fast.

    Raises
    ------
    DeckError
        With every reason why the stack has no such series.

    Notes
    -----
    With cos(mπx/Lx) cos(nπy/Ly), each layer obeys -kz T'' + (kx α² + ky β² + s c) T = q with constant q, solved by
    hyperbolic functions [1]_. Continuity of heat flow leaves one tridiagonal system in the interface temperatures per mode;
    only decaying exponentials occur, so that thick layers and high modes stay exact.

    References
    ----------
    .. [1] H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, 2nd ed., Oxford 1959, ch. V.
    """

    stack: Stack
    sources: Sequence[HeatSource]
    top: Face
    bottom: Face = field(default_factory=Face)
    sides: Face = field(default_factory=Face)
    modes: int = 4096

    def __post_init__(self) -> None:
        problems = refusals(self.stack, self.sources, self.sides)
        if not (self.top.film_coefficient > 0 or self.bottom.film_coefficient > 0):
            problems.append(Problem("cooling", "top and bottom are adiabatic"))
        if problems:
            raise DeckError([Problem(p.key, f"no cosine series: {p.message}") for p in problems])

    def steady(self, places: Sequence[Place]) -> SeriesValues:
        """Steady temperature of probes and means of boxes."""
        base = (self.top if self.top.film_coefficient > 0 else self.bottom).reference
        half, whole = self._sum(places, base, 0.0)
        return SeriesValues(base + whole, float(np.abs(whole - half).max(initial=0.0)))

    def step(self, places: Sequence[Place], times: Sequence[float], initial: float) -> SeriesValues:
        """Temperature after all power, references and fluxes are switched on at time 0, from `initial` everywhere.

        The steady series minus the transient of the modes that still move, by numerical inverse Laplace transform.

        Parameters
        ----------
        places : sequence of Place
        times : sequence of float
            Above 0. [s]
        initial : float
            [K]
        """
        half, whole = self._sum(places, initial, 0.0)
        truncation = float(np.abs(whole - half).max(initial=0.0))
        out = np.empty((len(times), len(places)))
        for row, t in zip(out, times, strict=True):
            slowest = DECAY / t
            still = self._sum(places, initial, 0.0, slowest)[1]
            moving = invert([self._sum(places, initial, s, slowest)[1] / s for s in contour(t)], t)
            row[:] = initial + whole - still + moving
        return SeriesValues(out, truncation)

    @cached_property
    def _nodes(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Interface below and above each layer; a contact has two."""
        contact = np.array([layer.contact_resistance > 0 for layer in self.stack.layers])
        below = np.arange(len(contact)) + np.cumsum(contact)
        return below, below + 1

    def _sum(
        self, places: Sequence[Place], base: float, rate: complex, slowest: float = np.inf
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rise over `base` at the places at Laplace variable `rate`, from half and from all modes.

        Modes that surely decay faster than `slowest` are left out. [s⁻¹]
        """
        groups = self._groups(places)
        out = np.zeros((2, len(places)), dtype=complex if isinstance(rate, complex) else float)
        for rows, columns, is_half in self._blocks(slowest):
            solution = _Modes(self, rows, columns, rate, base)
            for (layer, height), members in groups.items():
                plane = solution.amplitude(layer, height)
                wx = np.array([self._weights(0, places[i], columns) for i in members])
                wy = np.array([self._weights(1, places[i], rows) for i in members])
                values = np.einsum("fj,fj->f", wy, wx @ plane.T)
                out[1, members] += values
                if is_half:
                    out[0, members] += values
        return out[0], out[1]

    def _groups(self, places: Sequence[Place]) -> dict[tuple[int, float | None], list[int]]:
        """Places by layer and height over its bottom (None: mean through the thickness)."""
        out: dict[tuple[int, float | None], list[int]] = {}
        for i, place in enumerate(places):
            out.setdefault((self.stack.slabs[place.layer].start, height_in_layer(self.stack, place)), []).append(i)
        return out

    def _weights(self, axis: int, place: Place, modes: NDArray[np.intp]) -> Floats:
        if isinstance(place, Probe):
            at = (place.x, place.y)[axis]
            return self._means(axis, at, at, modes)
        box = place.extent
        return self._means(axis, *((box.x0, box.x1), (box.y0, box.y1))[axis], modes)

    def _means(self, axis: int, low: float, high: float, modes: NDArray[np.intp]) -> Floats:
        """Mean of each cosine over [low, high]."""
        f = self.stack.footprint
        start, length = ((f.x0, f.x1 - f.x0), (f.y0, f.y1 - f.y0))[axis]
        turn = modes / length
        return np.asarray(np.cos(np.pi * turn * (0.5 * (low + high) - start)) * np.sinc(0.5 * turn * (high - low)))

    def _blocks(self, slowest: float) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], bool]]:
        """Rows n and columns m of mode numbers, and whether half of the modes hold them."""
        f = self.stack.footprint
        diffusivity = [min(la.material.conductivity[a] / la.material.heat_capacity for la in self.stack.layers) for a in (0, 1)]
        edges = [0, *(2**k for k in range(int(np.ceil(np.log2(self.modes))))), self.modes]
        spans = list(zip(edges[:-1], edges[1:], strict=True))
        for n0, n1 in spans:
            for m0, m1 in spans:
                speed = np.pi**2 * (diffusivity[0] * (m0 / (f.x1 - f.x0)) ** 2 + diffusivity[1] * (n0 / (f.y1 - f.y0)) ** 2)
                size = (m0 + 1) * (n0 + 1) * max(m0, n0) ** 2
                if size > self.modes**3 or speed > slowest:
                    continue
                is_half = size <= (self.modes / 2) ** 3 and max(m0, n0) < self.modes / 2
                columns = np.arange(m0, m1)
                depth = max(1, CHUNK // columns.size)
                for start in range(n0, n1, depth):
                    yield np.arange(start, min(start + depth, n1)), columns, is_half


class _Modes:
    """Interface temperatures of a block of modes, rows n by columns m."""

    def __init__(
        self, series: CosineSeries, rows: NDArray[np.intp], columns: NDArray[np.intp], rate: complex, base: float
    ) -> None:
        layers, f = series.stack.layers, series.stack.footprint
        lx, ly = f.x1 - f.x0, f.y1 - f.y0
        x2, y2 = (np.pi * columns / lx) ** 2, (np.pi * rows[:, None] / ly) ** 2
        self.series = series
        self.source = _source_amplitudes(series, rows, columns)
        below, above = series._nodes
        n = int(above[-1]) + 1
        kind = complex if isinstance(rate, complex) else float
        shape = (rows.size, columns.size)
        diagonal = np.zeros((n, *shape), dtype=kind)
        off = np.zeros((n - 1, *shape), dtype=kind)
        right = np.zeros((n, *shape), dtype=kind)
        self.gamma: list[NDArray[Any]] = []
        for i, layer in enumerate(layers):
            kx, ky, kz = layer.material.conductivity
            # Floor: exact to rounding, and no division by zero for the constant mode.
            gamma = np.sqrt((kx * x2 + ky * y2 + rate * layer.material.heat_capacity) / kz + (1e-7 / layer.thickness) ** 2)
            self.gamma.append(gamma)
            fall = np.expm1(-gamma * layer.thickness)
            gap = -fall * (2 + fall)  # 1 - exp(-2γh)
            off[below[i]] = -2 * kz * gamma * (1 + fall) / gap
            own = kz * gamma * (2 - gap) / gap
            diagonal[below[i]] += own
            diagonal[above[i]] += own
            if i in self.source:
                push = self.source[i] * (-fall / (2 + fall) / gamma)
                right[below[i]] += push
                right[above[i]] += push
            if layer.contact_resistance > 0:
                off[below[i] - 1] = -1 / layer.contact_resistance
                diagonal[below[i] - 1] += 1 / layer.contact_resistance
                diagonal[below[i]] += 1 / layer.contact_resistance
        is_constant = (rows[:, None] == 0) & (columns == 0)
        for at, beside, face in ((0, 1, series.bottom), (n - 1, n - 2, series.top)):
            if face.is_fixed:
                fixed = (face.reference - base) * is_constant
                right[beside] -= off[min(at, beside)] * fixed
                off[min(at, beside)] = 0
                diagonal[at] = 1
                right[at] = fixed
            else:
                diagonal[at] += face.film_coefficient
                right[at] += (face.film_coefficient * (face.reference - base) + face.flux) * is_constant
        self.interface = _tridiagonal(diagonal, off, right)

    def amplitude(self, layer: int, height: float | None) -> NDArray[Any]:
        """Temperature of each mode at `height` over the bottom of a layer, or its mean through the thickness."""
        below, above = self.series._nodes
        slab = self.series.stack.layers[layer]
        gamma, thickness = self.gamma[layer], slab.thickness
        low, high = self.interface[below[layer]], self.interface[above[layer]]
        kz = slab.material.conductivity[2]
        if height is None:
            x = 0.5 * gamma * thickness
            fall = np.expm1(-2 * x)
            ratio = -fall / (2 + fall) / x  # tanh(x) / x
            out = 0.5 * (low + high) * ratio
            if layer in self.source:
                small = np.abs(x) < 0.05
                y = np.where(small, x, 0.0) ** 2
                series = 1 / 3 + y * (-2 / 15 + y * (17 / 315 - y * 62 / 2835))
                rest = np.where(small, series, (1 - ratio) / x**2)
                out += self.source[layer] * (thickness**2 / (4 * kz)) * rest
            return np.asarray(out)
        gap = np.expm1(-2 * gamma * thickness)
        to_top = thickness - height
        out = low * np.exp(-gamma * height) * np.expm1(-2 * gamma * to_top) / gap
        out += high * np.exp(-gamma * to_top) * np.expm1(-2 * gamma * height) / gap
        if layer in self.source:
            bump = np.expm1(-gamma * height) * np.expm1(-gamma * to_top) / (1 + np.exp(-gamma * thickness))
            out += self.source[layer] / (kz * gamma**2) * bump
        return np.asarray(out)


def _source_amplitudes(series: CosineSeries, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> dict[int, Floats]:
    """Volumetric heat of each mode, by layer. [W m⁻³]"""
    out: dict[int, Floats] = {}
    norm_y, norm_x = (np.where(k == 0, 1.0, 2.0) for k in (rows, columns))
    for name in {s.layer for s in series.sources}:
        mine = [s for s in series.sources if s.layer == name]
        wy = np.array([series._means(1, s.extent.y0, s.extent.y1, rows) for s in mine]) * norm_y
        wx = np.array([series._means(0, s.extent.x0, s.extent.x1, columns) for s in mine]) * norm_x
        density = np.array([s.power for s in mine]) / series.stack.layer(name).thickness / series.stack.footprint.area
        out[series.stack.slabs[name].start] = (wy * density[:, None]).T @ wx
    return out


def _tridiagonal(diagonal: NDArray[Any], off: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Solve symmetric tridiagonal systems along the first axis; the arguments are used up."""
    for k in range(off.shape[0]):
        lower = off[k] / diagonal[k]
        diagonal[k + 1] -= lower * off[k]
        right[k + 1] -= lower * right[k]
        off[k] = lower
    right /= diagonal
    for k in range(off.shape[0] - 1, -1, -1):
        right[k] -= off[k] * right[k + 1]
    return right


INSTEAD = "run it with solver.accuracy (say '0.05 K'), which solves on finer meshes until the error is reached"
"""What to do where there is no series."""


def refusals(stack: Stack, sources: Sequence[HeatSource], sides: Face) -> list[Problem]:
    """Every reason why a stack has no double cosine series."""
    out = []
    footprint = stack.footprint
    slack = 1e-9 * max(footprint.x1 - footprint.x0, footprint.y1 - footprint.y0)
    if sides.film_coefficient or sides.flux:
        out.append(Problem("cooling.sides", "the sides are not adiabatic"))
    for layer in stack.layers:
        key = f"geometry.layers.{layer.name}"
        if not (layer.extent.contains(footprint, slack=slack) and footprint.contains(layer.extent, slack=slack)):
            out.append(Problem(key, f"the layer has a size of its own; {INSTEAD}"))
        if layer.cylinders:
            out.append(Problem(key, "resolved cylinders make the layer laterally non-uniform"))
        if any(block.material != layer.material for block in layer.blocks):
            out.append(Problem(key, f"block {layer.blocks[0].name!r} makes the layer laterally non-uniform"))
        for what in layer.material.laws:
            out.append(Problem(key, f"the {what} of {layer.material.name!r} depends on temperature"))
    if stack.layers[0].contact_resistance > 0:
        key = f"geometry.layers.{stack.layers[0].name}"
        out.append(Problem(key, "the lowest layer has a contact_resistance and nothing below it; give the face a film"))
    for source in sources:
        if not footprint.contains(source.extent, slack=slack):
            out.append(Problem(f"power.sources.{source.name}", "the source reaches beyond the footprint"))
    return out
