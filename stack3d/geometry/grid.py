"""Lines of the tensor grid: on every edge of a layer, block or source, finer towards sources, coarser beyond the footprint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.geometry.edges import ROUNDING, apart
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.schema.numerics import MeshDeck

MOST_ELEMENTS = 20_000
"""Along one interval; more come from a misplaced unit."""

MOST_THROUGH = 3_000
"""Through one layer; a stack so tall beside its footprint is one of another kind, and solvers lose its small temperatures."""
PER_LENGTH = 4
"""Elements of a source for one in the depth to which heat has come by the first output; two there at least."""
SAMPLES = 256
"""Places of an interval that sizes of elements are read at."""
CLOSEST = 2e-7
"""Share of the footprint that edges of layers and blocks are apart, 1.2 nm of 6 mm. Assumed: no process draws finer ones. Where
solvers fail it does not say, for that goes with what lies between: `docs/trust.md`."""
NARROW = 0.5
"""Gaps between blocks below this share of the height of their layer, or of one next to it, are narrow."""
BESIDE, AWAY = 0.5, 2.0
"""Elements beside a narrow gap are at most so many times as wide as it, and grow away from it by so many times the growth
towards sources: heat that goes round the gap turns within lengths between its width and the height of a layer."""
MERGE = 1e-3
"""Edges closer than this share of the target size become one line; sources stay exact all the same."""


@dataclass(frozen=True)
class _Spacing:
    """Element size wanted along one direction: `smallest` at each focus, growing away from it, `largest` inside `core`."""

    focus: Floats
    core: tuple[float, float]
    largest: float
    smallest: Floats
    growth: float
    beside: _Spacing | None = None
    """What else limits sizes."""

    @classmethod
    def towards(cls, wanted: Mapping[float, float], core: tuple[float, float], largest: float, growth: float) -> _Spacing:
        """Sizes `wanted` at each focus, made smaller where a neighbour's growth asks for less."""
        focus = np.array(sorted(wanted))
        smallest = np.array([wanted[f] for f in focus])
        for order in (range(1, focus.size), range(focus.size - 2, -1, -1)):
            for i in order:
                j = i - 1 if order.step > 0 else i + 1
                smallest[i] = min(smallest[i], smallest[j] + growth * abs(focus[i] - focus[j]))
        return cls(focus, core, largest, smallest, growth)

    def with_gaps(self, gaps: Mapping[float, float]) -> _Spacing:
        """Elements also closer towards places beside gaps, by the width of these."""
        wanted = {at: BESIDE * width for at, width in gaps.items() if BESIDE * width < self.largest}
        return replace(self, beside=_Spacing.towards(wanted, self.core, self.largest, AWAY * self.growth)) if wanted else self

    def at(self, position: Floats) -> Floats:
        """Size at each position; outside the core it goes on growing. [m]"""
        outside = np.maximum(0.0, np.maximum(self.core[0] - position, position - self.core[1]))
        size = self.largest + self.growth * outside
        if self.focus.size:
            after = np.searchsorted(self.focus, position)
            for at in (after, after - 1):
                i = np.clip(at, 0, self.focus.size - 1)
                size = np.minimum(size, self.smallest[i] + self.growth * np.abs(position - self.focus[i]))
        return np.asarray(size if self.beside is None else np.minimum(size, self.beside.at(position)))

    def _sampled(self, a: float, b: float) -> Floats:
        """Places from a to b that sizes are read between: closer towards an end where elements are small."""
        even = np.linspace(a, b, SAMPLES + 1)
        sizes = self.at(np.array([a, b]))
        if sizes.min() >= (b - a) / SAMPLES:
            return even
        away = [np.geomspace(size / SAMPLES, b - a, SAMPLES)[:-1] for size in sizes]
        return np.unique(np.concatenate([even, a + away[0], b - away[1]]).clip(a, b))

    def lines(self, a: float, b: float, fewest: int) -> Floats:
        """Lines from a to b, both included."""
        sample = self._sampled(a, b)
        density = 1.0 / self.at(0.5 * (sample[1:] + sample[:-1]))
        elements = np.concatenate([[0.0], np.cumsum(density * np.diff(sample))])
        n = max(fewest, int(np.ceil(elements[-1] - 1e-9)))
        if n > MOST_ELEMENTS:
            message = f"{n} elements from {a:.4g} to {b:.4g} m, at most {MOST_ELEMENTS}: is a size in the right unit?"
            raise DeckError(Problem("geometry", message))
        lines = np.interp(np.linspace(0.0, elements[-1], n + 1), elements, sample)
        lines[0], lines[-1] = a, b
        return lines


def depth_of_heat(stack: Stack, layers: range, time: float) -> float:
    """Depth to which heat of layers has come into themselves and their neighbours, the least of them: √(α t). [m]"""
    near = stack.layers[max(0, layers.start - 1) : layers.stop + 1]
    return float(np.sqrt(time * min(la.material.conductivity[2] / la.material.heat_capacity for la in near)))


def _span(extent: Rectangle, axis: int) -> tuple[float, float]:
    return (extent.x0, extent.x1) if axis == 0 else (extent.y0, extent.y1)


def _ends(extents: Iterable[Rectangle], axis: int) -> Iterator[float]:
    return (value for extent in extents for value in _span(extent, axis))


def _gaps(stack: Stack, index: int, axis: int) -> dict[float, float]:
    """Edges of the blocks of a layer beside what is narrow, and how wide it is. [m]"""
    layer, heights = stack.layers[index], [near.thickness for near in stack.layers[max(0, index - 1) : index + 2]]
    edges = sorted(set(_ends((layer.extent, *(block.extent for block in layer.blocks)), axis)))
    found = ((a, b) for a, b in zip(edges[:-1], edges[1:]) if layer.blocks and b - a < NARROW * max(heights))
    return _least((end, b - a) for a, b in found for end in (a, b))


def _under_gaps(stack: Stack) -> dict[float, float]:
    """Heights at which layers with narrow gaps begin and end, and how wide these are. [m]"""
    widths = ((la, w) for i, la in enumerate(stack.layers) for axis in (0, 1) for w in _gaps(stack, i, axis).values())
    return _least((face, width) for layer, width in widths for face in (layer.z0, layer.z1))


def has_gaps(stack: Stack) -> bool:
    """Whether blocks leave, or are, narrow gaps: heat that goes round one turns in a corner where three materials meet."""
    return bool(_under_gaps(stack))


def _least(found: Iterable[tuple[float, float]]) -> dict[float, float]:
    """The smallest value of each key."""
    out: dict[float, float] = {}
    for key, value in found:
        out[key] = min(value, out.get(key, np.inf))
    return out


@dataclass(frozen=True)
class _Axis:
    """What the lines along x or y have to heed. [m]"""

    core: tuple[float, float]
    hard: frozenset[float]
    """Edges of layers and blocks: all are lines."""
    loose: frozenset[float]
    """Edges of cooled patches: lines, but for rounding."""
    spans: tuple[tuple[float, float], ...]
    """Of sources: their ends are lines where they do not crowd another, and elements are finer towards them."""
    points: tuple[float, ...]
    """Lines where they do not crowd another."""
    walls: frozenset[float]
    """Of channels."""
    gaps: frozenset[tuple[float, float]]
    """Edges of neighbouring blocks of one layer, each with the width of what lies between."""

    @classmethod
    def of(
        cls,
        axis: int,
        stack: Stack,
        sources: Sequence[HeatSource],
        points: Sequence[tuple[float, float]],
        patches: Sequence[Rectangle],
    ) -> _Axis:
        """What counts along x (0) or y (1)."""
        solid = [e for layer in stack.layers for e in (layer.extent, *(b.extent for b in layer.blocks))]
        flows = [layer.channels for layer in stack.layers if layer.channels and layer.channels.direction == "yx"[axis]]
        return cls(
            _span(stack.footprint, axis),
            frozenset(_ends(solid, axis)),
            frozenset(_ends(patches, axis)),
            tuple(_span(s.extent, axis) for s in sources),
            tuple(p[axis] for p in points),
            frozenset(_ends((outline for channels in flows for outline in channels.outlines), axis)),
            frozenset(_least(gap for i in range(len(stack.layers)) for gap in _gaps(stack, i, axis).items()).items()),
        )

    def lines(self, mesh: MeshDeck, target: float) -> Floats:
        """Lines of a profile; of ends that crowd each other the middle stays, whatever the direction."""
        kept = sorted(self.hard)
        self._check_apart(kept)
        kept += [e for e in sorted(self.loose) if _is_clear(e, kept, ROUNDING * (self.core[1] - self.core[0]))]
        low, high = min(kept), max(kept)
        wanted = {e: size for e, size in self._wanted(mesh, target).items() if low < e < high}
        for soft in (sorted(wanted), [p for p in self.points if low < p < high]):
            kept += [e for e in apart(soft, MERGE * target) if _is_clear(e, kept, MERGE * target)]
        kept.sort()
        spacing = _Spacing.towards(wanted, self.core, target, mesh.growth).with_gaps(dict(self.gaps))
        fewest = max(2, mesh.per_source // 2)
        return np.concatenate([*(self._between(a, b, spacing, fewest)[:-1] for a, b in zip(kept[:-1], kept[1:])), [high]])

    def _check_apart(self, edges: Sequence[float]) -> None:
        """Refuse edges closer than any process draws them; raises DeckError."""
        least = CLOSEST * (self.core[1] - self.core[0])
        for a, b in zip(edges[:-1], edges[1:]):
            if b - a < least:
                said = f"edges of layers or blocks at {1e3 * a:.9g} mm and {1e3 * b:.9g} mm are {1e9 * (b - a):.3g} nm apart"
                raise DeckError(
                    Problem("geometry", f"{said}, at least {1e9 * least:.3g} nm over this footprint; make them one")
                )

    def _wanted(self, mesh: MeshDeck, target: float) -> dict[float, float]:
        """Size at the ends of spans."""
        wanted: dict[float, float] = {}
        for span in self.spans:
            size = min(target / mesh.refinement, (span[1] - span[0]) / mesh.per_source)
            wanted |= {end: min(size, wanted.get(end, np.inf)) for end in span}
        return wanted

    def _between(self, a: float, b: float, spacing: _Spacing, fewest: int) -> Floats:
        """Lines from a to b.

        Between two walls of channels lie half as many elements as in a source, two at least, closer to the walls: heat turns
        a corner there within the thickness of the floor.
        """
        lines = spacing.lines(a, b, 1)
        if a in self.walls and b in self.walls and lines.size <= fewest + 1:
            lines = a + 0.5 * (b - a) * (1.0 - np.cos(np.pi * np.arange(fewest + 1) / fewest))
        return lines


def _is_clear(edge: float, others: Iterable[float], distance: float) -> bool:
    return min(abs(edge - other) for other in others) > distance


@lru_cache(maxsize=32)
def _lines(axis: _Axis, mesh: MeshDeck, target: float) -> Floats:
    """Lines along an axis; most cases of a study share theirs."""
    lines = axis.lines(mesh, target)
    lines.flags.writeable = False
    return lines


def build_grid(
    stack: Stack,
    sources: Sequence[HeatSource],
    mesh: MeshDeck,
    points: Sequence[tuple[float, float]] = (),
    patches: Sequence[Rectangle] = (),
    soonest: float | None = None,
    fronts: Sequence[int] = (),
) -> Grid:
    """Make the grid of a stack for a mesh profile.

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource
        Their edges become lines where they do not crowd each other, and elements are smaller towards them, in the
        plane and through the height.
    mesh : MeshDeck
    points : sequence of (x, y)
        Lines go through them too: a temperature at a node is more accurate than one between nodes.
    patches : sequence of Rectangle
        Cooled parts of faces; lines lie on their edges.
    soonest : float, optional
        Time of the first output of a transient: elements at the faces of heated layers resolve how far heat has come up and
        down by then. [s]
    fronts : sequence of int
        Positions of layers that begin warmer or colder than what is around them, whose faces are resolved as well.

    Returns
    -------
    Grid
        A line on every face of a layer or block; a repeated z where a contact resistance lies.

    Raises
    ------
    DeckError
        For resolved cylinders, and for more lines than any use needs.
    """
    if resolved := [field.name for layer in stack.layers for field in layer.cylinders]:
        message = f"cylinders of {', '.join(resolved)} are resolved, which wants tetrahedra; the profile has cells: hex"
        raise DeckError(Problem("solver.mesh.cells", message))
    core = stack.footprint
    target = max(core.x1 - core.x0, core.y1 - core.y0) / mesh.lateral
    x, y = (_lines(_Axis.of(axis, stack, sources, points, patches), mesh, target) for axis in (0, 1))
    z, layer = element_heights(stack, sources, mesh, soonest, fronts)
    return Grid(x, y, z, layer)


def _finest(stack: Stack, layers: range, mesh: MeshDeck, soonest: float | None) -> float:
    """Tallest element at the faces of layers that heat leaves by the first output, infinite without one. [m]"""
    if soonest is None:
        return float("inf")
    return depth_of_heat(stack, layers, soonest) / max(2, mesh.per_source // PER_LENGTH)


def element_heights(
    stack: Stack,
    sources: Sequence[HeatSource],
    mesh: MeshDeck,
    soonest: float | None = None,
    fronts: Sequence[int] = (),
) -> tuple[Floats, NDArray[np.intp]]:
    """Heights of the elements of a stack, a repeated one where a contact lies, and the layer between each two of them. [m]

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource
    mesh : MeshDeck
    soonest : float, optional
        Time of the first output of a transient: elements at the faces of heated layers resolve how far heat has come up and
        down by then. [s]
    fronts : sequence of int
        Positions of layers that begin warmer or colder than what is around them, whose faces are resolved as well.
    """
    core = stack.footprint
    target = max(core.x1 - core.x0, core.y1 - core.y0) / mesh.lateral
    thickness = mesh.aspect * target
    wanted: dict[float, float] = {}
    for source in sources:
        layer = stack.layer(source.layer)
        if not all(_covers(source.extent, stack.layers[i].extent) for i in stack.slabs[source.layer]):
            narrow = min(source.extent.x1 - source.extent.x0, source.extent.y1 - source.extent.y0)
            size = min(thickness / mesh.refinement, mesh.aspect * narrow / mesh.per_source)
            wanted |= {v: min(size, wanted.get(v, np.inf)) for v in (layer.z0, layer.z1)}
    for layers in dict.fromkeys([*(stack.slabs[s.layer] for s in sources), *(range(i, i + 1) for i in fronts)]):
        early = _finest(stack, layers, mesh, soonest)
        if early < thickness:
            ends = stack.layers[layers.start].z0, stack.layers[layers.stop - 1].z1
            wanted |= {v: min(early, wanted.get(v, np.inf)) for v in ends}
    spacing = _Spacing.towards(wanted, (stack.layers[0].z0, stack.layers[-1].z1), thickness, mesh.aspect * mesh.growth)
    spacing = spacing.with_gaps(_under_gaps(stack))
    z, owner = [np.array([stack.layers[0].z0])], []
    for i, layer in enumerate(stack.layers):
        if layer.contact_resistance > 0 and i > 0:
            z.append(np.array([layer.z0]))
            owner.append(i)
        lines = spacing.lines(layer.z0, layer.z1, mesh.per_layer)
        if lines.size > MOST_THROUGH + 1:
            sizes = f"{layer.thickness:.3g} m thick over a footprint {target * mesh.lateral:.3g} m wide"
            most = f"{lines.size - 1} elements through it, at most {MOST_THROUGH}"
            raise DeckError(Problem("geometry", f"layer {layer.name!r} is {sizes}: {most}; is a size in the right unit?"))
        z.append(lines[1:])
        owner += [i] * (lines.size - 1)
    return np.concatenate(z), np.array(owner, dtype=np.intp)


def _covers(source: Rectangle, extent: Rectangle) -> bool:
    """Whether a source fills its layer, so that it calls for no refinement."""
    return source.contains(extent)
