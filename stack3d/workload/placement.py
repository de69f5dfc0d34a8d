"""Which site each tile takes; strategies are registered by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats, Rectangle
from stack3d.registry import Registry
from stack3d.tiles import Tile

Site = tuple[str, Rectangle]
"""(layer, box)."""


class Placement(Protocol):
    """Strategy: the site of each tile."""

    def __call__(self, tiles: Sequence[Tile], sites: Sequence[Site]) -> NDArray[np.intp]:
        """Distinct site indices, one per tile; there are never fewer sites than tiles."""


placements: Registry[Placement] = Registry("placement")


def _tiers(sites: Sequence[Site]) -> list[list[int]]:
    """Site indices per layer, bottom layer first."""
    names = list(dict.fromkeys(layer for layer, _ in sites))
    return [[i for i, (layer, _) in enumerate(sites) if layer == name] for name in names]


def _farthest(free: Sequence[int], taken: Sequence[int], centres: Floats) -> int:
    """The free site whose lateral distance to every taken one is largest; the first of equals."""
    if not taken:
        middle = centres[list(free)].mean(axis=0)
        return free[int(np.argmin(np.hypot(*(centres[list(free)] - middle).T).round(12)))]
    away = np.hypot(*(centres[list(free)][:, None] - centres[list(taken)][None]).transpose(2, 0, 1)).min(axis=1)
    return free[int(np.argmax(away.round(12)))]


@placements.register("spread")
def spread(tiles: Sequence[Tile], sites: Sequence[Site]) -> NDArray[np.intp]:
    """Tier after tier in turn, each tile as far as can be from all tiles placed before, seen from above."""
    centres = np.array([box.centre for _, box in sites])
    free = _tiers(sites)
    taken: list[int] = []
    tier = 0
    for _ in tiles:
        while not free[tier % len(free)]:
            tier += 1
        group = free[tier % len(free)]
        chosen = _farthest(group, taken, centres)
        group.remove(chosen)
        taken.append(chosen)
        tier += 1
    return np.array(taken, dtype=np.intp)


@placements.register("round_robin")
def round_robin(tiles: Sequence[Tile], sites: Sequence[Site]) -> NDArray[np.intp]:
    """Tier after tier in turn, the first free site of each."""
    free = _tiers(sites)
    taken: list[int] = []
    tier = 0
    for _ in tiles:
        while not free[tier % len(free)]:
            tier += 1
        taken.append(free[tier % len(free)].pop(0))
        tier += 1
    return np.array(taken, dtype=np.intp)


@placements.register("bottom_up")
def bottom_up(tiles: Sequence[Tile], sites: Sequence[Site]) -> NDArray[np.intp]:
    """Fill the lowest tier first."""
    return np.arange(len(tiles), dtype=np.intp)


@placements.register("top_down")
def top_down(tiles: Sequence[Tile], sites: Sequence[Site]) -> NDArray[np.intp]:
    """Fill the highest tier first."""
    order = [i for tier in reversed(_tiers(sites)) for i in tier]
    return np.array(order[: len(tiles)], dtype=np.intp)


def place(strategy: str, tiles: Sequence[Tile], sites: Sequence[Site]) -> NDArray[np.intp]:
    """Site index of each tile.

    Raises
    ------
    DeckError
        For an unknown strategy, or when the stack has too few sites, saying what is missing.
    """
    if strategy not in placements:
        known = ", ".join(placements)
        raise DeckError(Problem("workload.placement", f"no placement {strategy!r}; known: {known}"))
    if len(tiles) > len(sites):
        tiers = max(1, len(_tiers(sites)))
        needed: dict[str, int] = {}
        for tile in tiles:
            needed[tile.layer] = needed.get(tile.layer, 0) + 1
        detail = ", ".join(f"{layer}: {count}" for layer, count in needed.items())
        raise DeckError(
            Problem(
                "workload.tile",
                f"the network takes {len(tiles)} tiles ({detail}) but the stack has {len(sites)} tile sites on {tiers} tiers;"
                " use larger tiles, more tiers or more tile_sites",
            )
        )
    return placements[strategy](tiles, sites)
