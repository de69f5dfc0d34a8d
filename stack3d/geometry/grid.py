"""Lines of the tensor grid: on every edge of a layer, block or source, finer towards sources, coarser beyond the footprint."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.geometry.edges import ROUNDING, apart
from stack3d.geometry.heights import NOTHING, Heeded, element_heights
from stack3d.geometry.spacing import Spacing, ends_of, few_enough, gaps_of, least, span_of
from stack3d.grids import Grid
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.schema.numerics import MeshDeck

CLOSEST = 2e-7
"""Share of the footprint that edges of layers and blocks are apart, 1.2 nm of 6 mm. Assumed: no process draws finer ones. Where
solvers fail it does not say, for that goes with what lies between: `docs/trust.md`."""
SHARED = 64
"""Places between two walls that closeness is read at where more than one channel or wall asks for elements."""
THIN = 8.0
"""A channel or wall so many times as wide as the floor is thick has half as many elements as a source; a wider one too."""
FEWEST = 4
"""Elements across a channel or wall that a thick floor leaves, where a profile has as many."""
MERGE = 1e-3
"""Edges closer than this share of the target size become one line; sources stay exact all the same."""


class _Cavity(NamedTuple):
    """Walls of the channels of a layer along an axis, from the first to the last, and the thinnest floor or ceiling. [m]

    Before the first wall and behind the last lies half of a wall whose other half is its mirror image: heat turns there
    as between two channels. It is no wider than the widest of those within.
    """

    walls: tuple[float, ...]
    floor: float
    outside: tuple[float, float]
    """Where these halves end. [m]"""

    @classmethod
    def of(cls, axis: int, stack: Stack, layer: int) -> _Cavity | None:
        """That of a layer; None where it has no walls across an axis."""
        channels = stack.layers[layer].channels
        if channels is None or channels.direction != "yx"[axis]:
            return None
        beside = [near.thickness for near in (*stack.layers[layer - 1 : layer], *stack.layers[layer + 1 : layer + 2])]
        walls, (low, high) = sorted(set(ends_of(channels.outlines, axis))), span_of(stack.layers[layer].extent, axis)
        half = 0.5 * max(np.diff(walls))
        return cls(tuple(walls), min(beside), (max(low, walls[0] - half), min(high, walls[-1] + half)))

    def around(self, a: float, b: float) -> tuple[float, float, float] | None:
        """Ends of the channel or wall that a to b lies in, and its floor; None where it lies in several."""
        first, last = self.walls[0], self.walls[-1]
        if b <= first:
            return 2 * self.outside[0] - first, first, self.floor
        if a >= last:
            return last, 2 * self.outside[1] - last, self.floor
        after = bisect_left(self.walls, b)
        if after in (0, len(self.walls)) or a < self.walls[after - 1]:
            return None
        return self.walls[after - 1], self.walls[after], self.floor


def _elements(width: float, floor: float, most: int) -> int:
    """Elements across a channel or wall: heat turns beside it within half its width, or the thickness of the floor if less.

    Sizes towards a wall fall with the square of their number, hence the root.
    """
    share = float(np.sqrt(min(1.0, max(2.0, width / floor) / THIN)))
    asked = int(np.ceil(share * most - 1e-9))
    return max(asked + asked % 2, min(FEWEST, most)) if asked < most else most


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
    cavities: frozenset[_Cavity]
    """Layers with the same ones count once."""
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
        cavities = (_Cavity.of(axis, stack, layer) for layer in range(len(stack.layers)))
        return cls(
            span_of(stack.footprint, axis),
            frozenset(ends_of(solid, axis)),
            frozenset(ends_of(patches, axis)),
            tuple(span_of(s.extent, axis) for s in sources),
            tuple(p[axis] for p in points),
            frozenset(cavity for cavity in cavities if cavity is not None),
            frozenset(least(gap for i in range(len(stack.layers)) for gap in gaps_of(stack, i, axis).items()).items()),
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
        spacing = Spacing.towards(wanted, self.core, target, mesh.growth).with_gaps(dict(self.gaps))
        most = max(2, mesh.per_source // 2)
        return np.concatenate([*(self._between(a, b, spacing, most)[:-1] for a, b in zip(kept[:-1], kept[1:])), [high]])

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

    def _between(self, a: float, b: float, spacing: Spacing, most: int) -> Floats:
        """Lines from a to b.

        From wall to wall of a channel, or between two, lie at most half as many elements as in a source, two at least, closer
        to the walls: heat turns a corner there within the thickness of the floor. Sources ask for more where they end.
        """
        around = {found for cavity in self.cavities if (found := cavity.around(a, b)) is not None}
        if not around:
            return spacing.lines(a, b, 1)
        sample = np.asarray(a + (b - a) * 0.5 * (1.0 - np.cos(np.linspace(0.0, np.pi, SHARED * most + 1))))
        return self._shared(sample, around, spacing, most, is_whole=(a, b) in {ends[:2] for ends in around})

    def _shared(
        self, sample: Floats, around: Iterable[tuple[float, float, float]], spacing: Spacing, most: int, *, is_whole: bool
    ) -> Floats:
        """Lines between two walls: as close as any layer with channels, or the sources, have them there.

        Where cavities of other pitches cut a channel or wall, its elements are shared out over the pieces.

        Parameters
        ----------
        sample : ndarray
            Places from wall to wall that closeness is read between. [m]
        around : iterable of (float, float, float)
            Ends of the channels and walls that lie there, and their floors. [m]
        spacing : Spacing
            That of the sources.
        most : int
            Elements across a channel or wall.
        is_whole : bool
            Whether it is one, whose middle stays a node then.
        """
        asked = [np.diff(sample) / spacing.at(0.5 * (sample[1:] + sample[:-1]))]
        for low, high, floor in around:
            angle = np.arccos(np.clip(1.0 - 2.0 * (sample - low) / (high - low), -1.0, 1.0))
            asked.append(np.diff(angle) * _elements(high - low, floor, most) / np.pi)
        upto = np.concatenate([[0.0], np.cumsum(np.max(asked, axis=0))])
        n = few_enough(max(1, int(np.ceil(upto[-1] - 1e-6))), float(sample[0]), float(sample[-1]))
        n += n % 2 if is_whole and n > 2 else 0
        lines = np.interp(np.linspace(0.0, upto[-1], n + 1), upto, sample)
        lines[0], lines[-1] = sample[0], sample[-1]
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
    heeded: Heeded = NOTHING,
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
    heeded : Heeded

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
    z, layer = element_heights(stack, sources, mesh, heeded)
    return Grid(x, y, z, layer)
