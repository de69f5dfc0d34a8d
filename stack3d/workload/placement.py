"""Which site each tile takes; strategies are registered by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem, brief, did_you_mean
from stack3d.layout import Floats, Rectangle
from stack3d.registry import Registry
from stack3d.tiles import Tile

Site = tuple[str, Rectangle]
"""(layer, box)."""


@dataclass(frozen=True, eq=False)
class SiteHeat:
    """How hot sites get for any placement, by superposition.

    Parameters
    ----------
    powers : ndarray, shape (groups, tiles)
        Power of each tile by group of components that heat the same place. [W]
    responses : ndarray, shape (groups, spots, sites, sites)
        Rise at the spots of the first site per watt of the group on the tile at the second. The first spot is the mean of the
        site, the others are where the stack may be hottest while a tile is there. [K W⁻¹]
    unpowered : ndarray, shape (spots, sites)
        Temperature without tiles. [K]
    sites : ndarray of int
        The sites these are, among all.
    margin : float
        By how much every spot must be cooler than the hottest with `spread`. [K]
    sensitivity : ndarray, shape (tiles,), or None
        What a kelvin more on each tile costs at the outputs of the network, in any unit; None where it is not known.
    """

    powers: Floats
    responses: Floats
    unpowered: Floats
    sites: NDArray[np.intp]
    margin: float = 0.0
    sensitivity: Floats | None = None

    @cached_property
    def own(self) -> Floats:
        """Rise at the spots of each site per watt of each group there, shape (groups, spots, sites). [K W⁻¹]"""
        return np.array(np.diagonal(self.responses, axis1=2, axis2=3))

    def rise(self, tile: int, site: int) -> Floats:
        """Rise at the spots of all sites by one tile on one site, shape (spots, sites). [K]"""
        return np.asarray(np.tensordot(self.powers[:, tile], self.responses[..., site], axes=1))

    def field(self, chosen: NDArray[np.intp]) -> Floats:
        """Temperature at the spots of every site with the tiles on their chosen sites, shape (spots, sites). [K]"""
        return np.asarray(self.unpowered + np.einsum("gt,gkst->ks", self.powers, self.responses[..., chosen], optimize=True))

    def temperatures(self, chosen: NDArray[np.intp]) -> Floats:
        """Temperature at the spots of every tile on its chosen site, shape (spots, tiles). [K]"""
        return np.asarray(self.field(chosen)[:, chosen])


HeatOf = Callable[[NDArray[np.intp]], SiteHeat]
"""Sites that must be among those known → how hot they get."""


class Placement(Protocol):
    """Strategy: the site of each tile."""

    def __call__(self, tiles: Sequence[Tile], sites: Sequence[Site], heat: HeatOf | None = None) -> NDArray[np.intp]:
        """Distinct site indices, one per tile; there are never fewer sites than tiles. `heat` is computed when called."""


def _distinct(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps an answer from being a site of its own for each tile."""
    tiles, sites = len(given[0]), len(given[1])
    try:
        chosen = np.asarray(found)
    except ValueError:
        chosen = np.empty(0)
    if chosen.shape != (tiles,) or chosen.dtype.kind not in "iu":
        return f"{brief(found)}; wanted {tiles} whole numbers, the site of each tile"
    if chosen.min(initial=0) < 0 or chosen.max(initial=0) >= sites:
        bad = int(np.argmax((chosen < 0) | (chosen >= sites)))
        return f"site {chosen[bad]} to tile {bad}; wanted 0 to {sites - 1}"
    if len(np.unique(chosen)) < tiles:
        value, counts = np.unique(chosen, return_counts=True)
        return f"site {value[counts.argmax()]} to {counts.max()} tiles; wanted one of its own for each"
    return None


placements: Registry[Placement] = Registry("placement", answers={"__call__": _distinct})


def _tiers(sites: Sequence[Site]) -> list[list[int]]:
    """Site indices per layer, bottom layer first."""
    found: dict[str, list[int]] = {}
    for i, (layer, _) in enumerate(sites):
        found.setdefault(layer, []).append(i)
    return list(found.values())


def _farthest(free: Sequence[int], taken: Sequence[int], centres: Floats) -> int:
    """The free site whose lateral distance to every taken one is largest; the first of equals."""
    if not taken:
        middle = centres[list(free)].mean(axis=0)
        return free[int(np.argmin(np.hypot(*(centres[list(free)] - middle).T).round(12)))]
    away = np.hypot(*(centres[list(free)][:, None] - centres[list(taken)][None]).transpose(2, 0, 1)).min(axis=1)
    return free[int(np.argmax(away.round(12)))]


@placements.register("spread")
def spread(tiles: Sequence[Tile], sites: Sequence[Site], heat: HeatOf | None = None) -> NDArray[np.intp]:
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
def round_robin(tiles: Sequence[Tile], sites: Sequence[Site], heat: HeatOf | None = None) -> NDArray[np.intp]:
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
def bottom_up(tiles: Sequence[Tile], sites: Sequence[Site], heat: HeatOf | None = None) -> NDArray[np.intp]:
    """Fill the lowest tier first."""
    return np.arange(len(tiles), dtype=np.intp)


@placements.register("top_down")
def top_down(tiles: Sequence[Tile], sites: Sequence[Site], heat: HeatOf | None = None) -> NDArray[np.intp]:
    """Fill the highest tier first."""
    order = [i for tier in reversed(_tiers(sites)) for i in tier]
    return np.array(order[: len(tiles)], dtype=np.intp)


MOST_CHANGES = 200
"""Changes of site that the thermal placement makes; each gains or the search ends."""
MOST_MOVED = 32
"""Tiles that it tries to move before it gives up: the hottest, then those that heat it most."""


@placements.register("thermal_aware")
def thermal_aware(tiles: Sequence[Tile], sites: Sequence[Site], heat: HeatOf | None = None) -> NDArray[np.intp]:
    """Lowest temperature of the hottest tile with no spot of the stack hotter than with `spread`.

    Hot tiles go first to where they heat least, then come moves and swaps. The best of the other strategies is a second start,
    so that no tile is hotter than with any of them that keeps the stack as cool.
    """
    if heat is None:
        raise DeckError(Problem("workload.placement", "thermal_aware needs the thermal response of the stack"))
    others = {name: placements[name](tiles, sites) for name in ("bottom_up", "round_robin", "spread", "top_down")}
    known = heat(np.unique(np.concatenate(list(others.values()))))
    there = {name: np.searchsorted(known.sites, other) for name, other in others.items()}
    limit = float(known.temperatures(there["spread"]).max()) - known.margin
    starts = [_greedy(known), *there.values()]
    first = min(starts, key=lambda chosen: _score(known.temperatures(chosen), limit))
    found = [_improved(known, start, limit) for start in {id(one): one for one in (first, starts[0])}.values()]
    return np.asarray(known.sites[min(found, key=lambda chosen: _score(known.temperatures(chosen), limit))])


def _scores(temperatures: Floats, limit: float) -> Floats:
    """What to minimise, in this order: excess of any spot over the limit, hottest tile, hottest spot, mean of the tiles.

    Parameters
    ----------
    temperatures : ndarray, shape (spots, tiles, …)
        [K]
    limit : float
        [K]

    Returns
    -------
    ndarray, shape (4, …)
        Rounded, so that equal placements stay equal. [K]
    """
    tiles, hottest = temperatures[0], temperatures.max(axis=(0, 1))
    return np.array([np.maximum(hottest - limit, 0.0), tiles.max(axis=0), hottest, tiles.mean(axis=0)]).round(9)


def _score(temperatures: Floats, limit: float) -> tuple[float, ...]:
    return tuple(_scores(temperatures, limit).tolist())


def _greedy(heat: SiteHeat) -> NDArray[np.intp]:
    """Strongest tile first, each to the free site that leaves the lowest peak of the tiles placed so far."""
    n_tiles, n_sites = heat.powers.shape[1], heat.unpowered.shape[1]
    chosen = np.full(n_tiles, -1, dtype=np.intp)
    field, free = heat.unpowered[0].copy(), np.ones(n_sites, dtype=bool)
    taken: list[int] = []
    for tile in np.argsort(-heat.powers.sum(axis=0), kind="stable"):
        candidates = np.flatnonzero(free)
        mine = field[candidates] + heat.powers[:, tile] @ heat.own[:, 0, candidates]
        peak = mine.copy()
        if taken:
            added = np.tensordot(heat.powers[:, tile], heat.responses[:, 0, taken][:, :, candidates], axes=1)
            peak = np.maximum(peak, (field[taken][:, None] + added).max(axis=0))
        order = np.lexsort((mine.round(9), peak.round(9)))
        site = int(candidates[order[0]])
        chosen[tile], free[site] = site, False
        field += heat.rise(int(tile), site)[0]
        taken.append(site)
    return chosen


def _improved(heat: SiteHeat, chosen: NDArray[np.intp], limit: float) -> NDArray[np.intp]:
    """Change the site of the tile at the hottest spot, or of one that heats it most, as long as that lowers the score."""
    for _ in range(MOST_CHANGES):
        field = heat.field(chosen)
        score = _score(field[:, chosen], limit)
        spot = 0 if score[0] == 0 else int(np.argmax(field[:, chosen].max(axis=1)))
        hot = int(np.argmax(field[spot, chosen]))
        shares = np.einsum("gt,gt->t", heat.powers, heat.responses[:, spot, chosen[hot], chosen])
        order = [hot, *(int(t) for t in np.argsort(-shares, kind="stable") if t != hot)][:MOST_MOVED]
        for tile in order:
            trial = _best_change(heat, chosen, field, tile, limit)
            if _score(heat.temperatures(trial), limit) < score:
                chosen = trial
                break
        else:
            break
    return chosen


def _best_change(heat: SiteHeat, chosen: NDArray[np.intp], field: Floats, tile: int, limit: float) -> NDArray[np.intp]:
    """The best of moving a tile to any free site and swapping it with any other tile."""
    present, old, power = field[:, chosen], int(chosen[tile]), heat.powers[:, tile]
    free = np.setdiff1d(np.arange(field.shape[1]), chosen)
    keep = np.delete(np.arange(chosen.size), tile)
    # occupied sites stay the same in a swap; the differences of power trade places
    traded = power[:, None] - heat.powers[:, keep]
    response = heat.responses[:, :, chosen]
    swapped = present[..., None] + np.einsum("gt,gkpt->kpt", traded, response[..., chosen[keep]] - response[..., [old]])
    # a move takes the tile's heat along
    away = np.tensordot(power, response[:, :, keep][..., free] - response[:, :, keep][..., [old]], axes=1)
    own = np.einsum("g,gks->ks", power, heat.own[..., free] - heat.responses[:, :, free, old])
    moved = np.concatenate([present[:, keep, None] + away, (field[:, free] + own)[:, None]], axis=1)
    scores = np.concatenate([_scores(swapped, limit), _scores(moved, limit)], axis=1)
    trial = chosen.copy()
    if scores.size == 0:
        return trial
    best = int(np.lexsort(scores[::-1])[0])
    if best < keep.size:
        trial[[tile, keep[best]]] = trial[[keep[best], tile]]
    else:
        trial[tile] = free[best - keep.size]
    return trial


def listed_sites(
    given: Sequence[tuple[int, int, int]] | Mapping[str, tuple[int, int, int]], tiles: Sequence[Tile], sites: Sequence[Site]
) -> NDArray[np.intp]:
    """Site index of each tile of an explicit placement by [tier, column, row].

    Raises
    ------
    DeckError
        For tiles left out or unknown, sites that do not exist, and sites given twice; all at once.
    """
    names = [f"{t.layer}[{t.index}]" for t in tiles]
    known = set(names)
    wrong: list[str] = []
    if isinstance(given, Mapping):
        wrong += [f"no tile {n!r}{did_you_mean(n, names)}; tiles: {', '.join(names)}" for n in given if n not in known]
        missing = [name for name in names if name not in given]
        pairs = [(name, given[name]) for name in names if name in given]
    else:
        missing = names[len(given) :]
        pairs = list(zip(names, given))
        if len(given) > len(names):
            wrong.append(f"lists {len(given)} sites for {len(names)} tiles")
    if missing:
        wrong.append(f"has no site for {', '.join(missing)}")
    index = _numbered(sites)
    wrong += _clashes(pairs, index)
    if wrong:
        raise DeckError([Problem("workload.placement", text) for text in wrong])
    return np.array([index[site] for _, site in pairs], dtype=np.intp)


def _clashes(pairs: Sequence[tuple[str, tuple[int, int, int]]], index: Mapping[tuple[int, int, int], int]) -> list[str]:
    """Sites that do not exist, and sites given twice."""
    wrong: list[str] = []
    holder: dict[tuple[int, int, int], str] = {}
    for name, site in pairs:
        if site not in index:
            wrong.append(f"tile {name}: no site {list(site)}; sites [tier, column, row] run to {list(max(index))}")
        elif site in holder:
            wrong.append(f"tile {name}: site {list(site)} holds tile {holder[site]} already")
        holder.setdefault(site, name)
    return wrong


def _numbered(sites: Sequence[Site]) -> dict[tuple[int, int, int], int]:
    """Sites by [tier, column, row]."""
    index: dict[tuple[int, int, int], int] = {}
    for tier, group in enumerate(_tiers(sites)):
        columns = sorted({round(sites[i][1].centre[0], 12) for i in group})
        rows = sorted({round(sites[i][1].centre[1], 12) for i in group})
        for i in group:
            x, y = sites[i][1].centre
            index[tier, columns.index(round(x, 12)), rows.index(round(y, 12))] = i
    return index


def place(
    wanted: str | Sequence[tuple[int, int, int]] | Mapping[str, tuple[int, int, int]],
    tiles: Sequence[Tile],
    sites: Sequence[Site],
    heat: HeatOf | None = None,
) -> NDArray[np.intp]:
    """Site index of each tile.

    Parameters
    ----------
    wanted : str, sequence or mapping
        A strategy, or [tier, column, row] for each tile.
    tiles, sites
    heat : callable, optional
        Gives the thermal response to strategies that ask for it; see `HeatOf`.

    Raises
    ------
    DeckError
        For an unknown strategy or site, or when the stack has too few sites, saying what is missing.
    """
    if isinstance(wanted, str) and wanted not in placements:
        known = ", ".join(placements)
        raise DeckError(
            Problem("workload.placement", f"no placement {wanted!r}{did_you_mean(wanted, placements)}; known: {known}")
        )
    if len(tiles) > len(sites):
        tiers = max(1, len(_tiers(sites)))
        needed: dict[str, int] = {}
        for tile in tiles:
            needed[tile.layer] = needed.get(tile.layer, 0) + 1
        missing = len(tiles) - len(sites)
        cells = missing * tiles[0].n_rows * tiles[0].n_cols
        detail = ", ".join(f"{layer}: {count}" for layer, count in needed.items())
        raise DeckError(
            Problem(
                "workload.tile",
                f"the network takes {len(tiles)} tiles ({detail}) but the stack has {len(sites)} tile sites on {tiers} tiers:"
                f" {missing} are missing, {cells} cells; use larger tiles, more tiers or more tile_sites",
            )
        )
    if isinstance(wanted, str):
        return np.asarray(placements[wanted](tiles, sites, heat), dtype=np.intp)
    return listed_sites(wanted, tiles, sites)
