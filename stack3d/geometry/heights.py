"""Elements through the height of a stack: thin where heat turns, where it comes first, and beside levels that are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.geometry.edges import ROUNDING, apart
from stack3d.geometry.spacing import Spacing, least, under_gaps
from stack3d.layout import Floats, HeatSource, Rectangle, Stack
from stack3d.schema.numerics import MeshDeck

MOST_THROUGH = 3_000
"""Through one layer; a stack so tall beside its footprint is one of another kind, and solvers lose its small temperatures."""
PER_LENGTH = 4
"""Elements of a source for one in the depth to which heat has come by the first output; two there at least."""
LEAST_OF_MOVED = 0.5
"""Share that an element keeps whose line moves towards a jump; to a smaller one a line is added."""
CLEAR = 1e-3
"""Levels closer to a face than this share of their layer's thickness get no line of their own."""


@dataclass(frozen=True)
class Heeded:
    """What elements heed through the height, beside layers and their sources.

    Parameters
    ----------
    soonest : float, optional
        Time of the first output of a transient: elements at the faces of heated layers resolve how far heat has come up and
        down by then. [s]
    fronts : tuple of int
        Positions of layers that begin warmer or colder than what is around them, whose faces are resolved as well.
    levels : tuple of float
        Heights that lines go through: a temperature at a node is more accurate than one between nodes. [m]
    """

    soonest: float | None = None
    fronts: tuple[int, ...] = ()
    levels: tuple[float, ...] = ()

    def ends(self, z0: float, z1: float) -> list[float]:
        """Bottom and top of a layer, and what lies clearly between them. [m]"""
        clear = CLEAR * (z1 - z0)
        inside = [v for v in sorted(set(self.levels)) if z0 + clear < v < z1 - clear]
        return [z0, *apart(inside, clear), z1]


NOTHING = Heeded()


@dataclass(frozen=True)
class _Early:
    """What heat has come to by the first output, as heights of elements.

    Parameters
    ----------
    stack : Stack
    soonest : float
        Time of the first output. [s]
    parts : int
        Elements in the depth to which heat has come.
    """

    stack: Stack
    soonest: float
    parts: int

    def depth(self, layer: int) -> float:
        """√(α t) in a layer. [m]"""
        return float(np.sqrt(self.soonest * _diffusivity(self.stack, layer)))

    def sizes(self, heated: Iterable[range], fronts: Iterable[int]) -> dict[int, dict[float, float]]:
        """By position of layers the heights of elements at their faces: by height of the face. [m]

        Both sides of a face go with the root of their own diffusivity. On a jump of temperature the node is then at the mean by
        effusivities from the start, where it stays until heat comes from elsewhere.
        """
        out: dict[int, dict[float, float]] = {}
        count = len(self.stack.layers)

        def put(face: int) -> None:
            """Sizes on both sides of the face below a layer."""
            for layer in (face - 1, face):
                if 0 <= layer < count:
                    z = self.stack.layers[layer].z0 if layer == face else self.stack.layers[layer].z1
                    mine = out.setdefault(layer, {})
                    mine[z] = self.depth(layer) / self.parts

        starts = [*heated, *(range(i, i + 1) for i in fronts)]
        for face in {face for layers in starts for face in (layers.start, layers.stop, *self._passed(layers))}:
            put(face)
        return out

    def _passed(self, layers: range) -> Iterable[int]:
        """Faces beyond some layers that heat from these comes through by then, each by the layer above it."""
        for step, layer in ((-1, layers.start - 1), (1, layers.stop)):
            left = self.soonest
            while 0 <= layer < len(self.stack.layers):
                left -= self.stack.layers[layer].thickness ** 2 / _diffusivity(self.stack, layer)
                if left <= 0:
                    break
                yield layer if step < 0 else layer + 1
                layer += step


def element_heights(
    stack: Stack,
    sources: Sequence[HeatSource],
    mesh: MeshDeck,
    heeded: Heeded = NOTHING,
) -> tuple[Floats, NDArray[np.intp]]:
    """Heights of the elements of a stack, a repeated one where a contact lies, and the layer between each two of them. [m]

    Parameters
    ----------
    stack : Stack
    sources : sequence of HeatSource
    mesh : MeshDeck
    heeded : Heeded
    """
    core = stack.footprint
    target = max(core.x1 - core.x0, core.y1 - core.y0) / mesh.lateral
    thickness = mesh.aspect * target
    wanted = _of_sources(stack, sources, mesh, thickness)
    early: dict[int, dict[float, float]] = {}
    if heeded.soonest is not None:
        slabs = list(dict.fromkeys(stack.slabs[s.layer] for s in sources))
        early = _Early(stack, heeded.soonest, max(2, mesh.per_source // PER_LENGTH)).sizes(slabs, heeded.fronts)
    everywhere = least(pair for found in (wanted, *early.values()) for pair in found.items())
    span, gaps = (stack.layers[0].z0, stack.layers[-1].z1), under_gaps(stack)

    def spaced(sizes: Mapping[float, float]) -> Spacing:
        small = {at: size for at, size in sizes.items() if size < thickness}
        return Spacing.towards(small, span, thickness, mesh.aspect * mesh.growth).with_gaps(gaps)

    of_all = spaced(everywhere)
    z, owner = [np.array([stack.layers[0].z0])], []
    for i, layer in enumerate(stack.layers):
        if layer.contact_resistance > 0 and i > 0:
            z.append(np.array([layer.z0]))
            owner.append(i)
        here = {at: min(size, wanted.get(at, np.inf)) for at, size in early.get(i, {}).items()}
        spacing = spaced(everywhere | here) if here else of_all
        levels = heeded.ends(layer.z0, layer.z1)
        each = mesh.per_layer / layer.thickness
        parts = [spacing.lines(a, b, int(np.ceil(each * (b - a) - 1e-9))) for a, b in zip(levels[:-1], levels[1:])]
        lines = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
        if lines.size > MOST_THROUGH + 1:
            sizes = f"{layer.thickness:.3g} m thick over a footprint {target * mesh.lateral:.3g} m wide"
            most = f"{lines.size - 1} elements through it, at most {MOST_THROUGH}"
            raise DeckError(Problem("geometry", f"layer {layer.name!r} is {sizes}: {most}; is a size in the right unit?"))
        z.append(lines[1:])
        owner += [i] * (lines.size - 1)
    return _matched(np.concatenate(z), np.array(owner, dtype=np.intp), stack, heeded)


def _of_sources(stack: Stack, sources: Sequence[HeatSource], mesh: MeshDeck, thickness: float) -> dict[float, float]:
    """Heights of elements at the faces of layers that sources fill in part, by height of the face. [m]"""
    wanted: dict[float, float] = {}
    for source in sources:
        layer = stack.layer(source.layer)
        if not all(_covers(source.extent, stack.layers[i].extent) for i in stack.slabs[source.layer]):
            narrow = min(source.extent.x1 - source.extent.x0, source.extent.y1 - source.extent.y0)
            size = min(thickness / mesh.refinement, mesh.aspect * narrow / mesh.per_source)
            wanted |= {v: min(size, wanted.get(v, np.inf)) for v in (layer.z0, layer.z1)}
    return wanted


def _matched(z: Floats, owner: NDArray[np.intp], stack: Stack, heeded: Heeded) -> tuple[Floats, NDArray[np.intp]]:
    """Heights with the two elements at every jump of temperature between layers at the ratio of the roots of diffusivities."""
    for below in sorted({i for front in heeded.fronts for i in (front - 1, front)} & set(range(len(stack.layers) - 1))):
        if stack.layers[below + 1].contact_resistance:
            continue
        ratio = np.sqrt(_diffusivity(stack, below + 1) / _diffusivity(stack, below))
        face = int(np.flatnonzero(owner == below)[-1]) + 1
        lower, upper = z[face] - z[face - 1], z[face + 1] - z[face]
        step, wanted = (1, ratio * lower) if upper > ratio * lower else (-1, upper / ratio)
        line, layer = face + step, below + (step > 0)
        is_inner = stack.layers[layer].z0 < z[line] < stack.layers[layer].z1 and z[line] not in heeded.levels
        if is_inner and wanted >= LEAST_OF_MOVED * abs(z[line] - z[face]):
            z[line] = z[face] + step * wanted
        elif wanted < (1.0 - ROUNDING) * abs(z[line] - z[face]):
            at = max(line, face)
            z, owner = np.insert(z, at, z[face] + step * wanted), np.insert(owner, at, layer)
    return z, owner


def _diffusivity(stack: Stack, layer: int) -> float:
    material = stack.layers[layer].material
    return float(material.conductivity[2] / material.heat_capacity)


def _covers(source: Rectangle, extent: Rectangle) -> bool:
    """Whether a source fills its layer, so that it calls for no refinement."""
    return source.contains(extent)
