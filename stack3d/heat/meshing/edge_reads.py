"""Probes on an edge where heat spreads over less than an element's width: what no mesh of such elements shows; SI units.

In a sheet of thickness t under a film h a step of power spreads over ℓ = √(k t / h). Straight elements of widths a and b beside
the step give its node S(a) / (S(a) + S(b)) of the rise on the side of a, with S(a) = √(k t h (1 + a² / 12 ℓ²)), where one half
is right. Where elements are much wider than ℓ that depends on a / b alone, so that meshes with the same shares have the same
error. Where k jumps too, the right share of a side goes as √k. So a probe on an edge is also read as the mean, with these
weights, of what both sides tend to. Where elements resolve the field, it and the node come together with the square of the
width. Of what is between them all counts that two meshes show to fall with the width itself or slower, and nothing of order 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.chip import Chip, ComputingChip
from stack3d.geometry.edges import ROUNDING
from stack3d.grids import Grid
from stack3d.layout import Floats, Stack
from stack3d.schema import EarlierDeck
from stack3d.schema.scenario import ProbeDeck
from stack3d.thermal.grid.cell_properties import CellProperties


@dataclass(frozen=True)
class EdgeRead:
    """A probe on an edge along one axis, and more probes at the nodes beside it.

    Parameters
    ----------
    probe : int
        Number of the probe.
    axis : int
        Along x (0) or y (1).
    width : float
        Of the two elements beside the edge together. [m]
    sides : sequence of sequence of (float, int)
        Of each side the distances [m] and numbers of one or two more probes, the nearest first.
    shares : (float, float)
        Weights of the sides.
    """

    probe: int
    axis: int
    width: float
    sides: Sequence[Sequence[tuple[float, int]]]
    shares: tuple[float, float]

    def mean(self, values: Floats) -> Floats:
        """What both sides tend to at the edge; `values` are those of all probes along the last axis. [K]"""
        limits = []
        for near, *far in self.sides:
            limit = values[..., near[1]]
            if far:
                limit = limit + (limit - values[..., far[0][1]]) * near[0] / (far[0][0] - near[0])
            limits.append(limit)
        return np.asarray(np.average(limits, axis=0, weights=self.shares))


def is_alike_across(chip: Chip, edges: tuple[Floats, Floats]) -> bool:
    """Whether heat flows through the height alone: no edge inside, no heat through sides or of tiles, no coolant.

    Parameters
    ----------
    chip : Chip
    edges : (ndarray, ndarray)
        Lines along x and y on edges of parts. [m]
    """
    transient = chip.scenario.transient
    is_left_alike = transient is None or not isinstance(transient.initial, EarlierDeck)
    table = None if transient is None else transient.surroundings
    has_sides = not chip.scenario.cooling.sides.is_adiabatic or (table is not None and "sides" in table.films)
    flows_aside = has_sides or any(layer.channels for layer in chip.stack.layers)
    return all(at.size == 2 for at in edges) and is_left_alike and not flows_aside and not isinstance(chip, ComputingChip)


def on_edge(grid: Grid, probe: ProbeDeck, edges: tuple[Floats, Floats]) -> bool:
    """Whether a probe lies on an edge of a part."""
    places = zip((grid.x, grid.y), edges, (probe.x, probe.y))
    return any(np.abs(on[1:-1] - at).min(initial=np.inf) <= ROUNDING * (lines[-1] - lines[0]) for lines, on, at in places)


def edge_reads(
    stack: Stack, grid: Grid, probes: Sequence[ProbeDeck], edges: tuple[Floats, Floats], firm: tuple[Floats, Floats]
) -> tuple[list[ProbeDeck], list[EdgeRead]]:
    """More probes beside those that lie on an edge, and what they are for.

    Parameters
    ----------
    stack : Stack
    grid : Grid
    probes : sequence of ProbeDeck
    edges, firm : (ndarray, ndarray)
        Lines along x and y on edges of parts, and those and the ones through points. [m]
    """
    more, found = list[ProbeDeck](), list[EdgeRead]()
    cells = None
    for number, probe in enumerate(probes):
        for axis, (lines, on, kept) in enumerate(zip((grid.x, grid.y), edges, firm)):
            at, box = (probe.x, probe.y)[axis], stack.layer(probe.layer).extent
            slack = ROUNDING * (lines[-1] - lines[0])
            low, high = ((box.x0, box.x1), (box.y0, box.y1))[axis]
            if not (np.abs(on - at).min() <= slack and low + slack < at < high - slack):
                continue
            cells = cells or CellProperties.of(stack, grid)
            k = np.broadcast_to(cells.conductivity[_layer_at(stack, probe)][axis], grid.shape[1:])
            node = int(np.abs(lines - at).argmin())
            other = int(np.clip(np.searchsorted((grid.y, grid.x)[axis], (probe.y, probe.x)[axis]) - 1, 0, k.shape[axis] - 1))
            own_k = k[other] if axis == 0 else k[:, other]
            bounds = kept[kept < at - slack].max(), kept[kept > at + slack].min()
            sides = []
            for step, bound in zip((-1, 1), bounds):
                nodes = [
                    n for n in (node + step, node + 2 * step) if 0 <= n < lines.size and (bound - lines[n]) * step > -slack
                ]
                side = []
                for n in nodes:
                    side.append((float(abs(lines[n] - lines[node])), len(probes) + len(more)))
                    more.append(probe.model_copy(update={"xy"[axis]: float(lines[n])}))
                sides.append(side)
            shares = float(np.sqrt(own_k[node - 1])), float(np.sqrt(own_k[node]))
            found.append(EdgeRead(number, axis, sides[0][0][0] + sides[1][0][0], sides, shares))
    return more, found


def unresolved(own: Floats, narrow: tuple[Sequence[EdgeRead], Floats], wide: tuple[Sequence[EdgeRead], Floats]) -> Floats:
    """Error of each probe that no mesh shows. [K]

    Parameters
    ----------
    own : ndarray
        Of the probes, along the last axis. [K]
    narrow, wide : (sequence of EdgeRead, ndarray)
        The same edges on a mesh of narrower and of wider elements, and the values there of all probes. [K]
    """
    out = np.zeros_like(own)
    for near, far in zip(narrow[0], wide[0], strict=True):
        means = near.mean(narrow[1]), far.mean(wide[1])
        gap, before = np.abs(narrow[1][..., near.probe] - means[0]), np.abs(wide[1][..., far.probe] - means[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            order = np.log(before / gap) / np.log(far.width / near.width)
        share = np.where(gap > 0, np.clip(2.0 - np.nan_to_num(order, nan=2.0), 0.0, 1.0), 0.0)
        out[..., near.probe] += share * np.abs(own[..., near.probe] - means[0])
    return out


def _layer_at(stack: Stack, probe: ProbeDeck) -> int:
    """Position of the layer that a probe lies in; of a part that lies in several, the one at its height."""
    own = stack.layer(probe.layer)
    z = 0.5 * (own.z0 + own.z1) if probe.z is None else probe.z
    return next((i for i in stack.slabs[probe.layer] if z < stack.layers[i].z1), stack.slabs[probe.layer][-1])
