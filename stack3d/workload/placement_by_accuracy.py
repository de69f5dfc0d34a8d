"""Tiles that bear heat badly on cool sites: a placement by what a kelvin costs at the outputs of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.tiles import Tile
from stack3d.workload.placement import MOST_CHANGES, MOST_MOVED, HeatOf, Site, SiteHeat, placements, thermal_aware

BY_ACCURACY = "accuracy_aware"
"""Name of the placement that asks how accurate chips are."""
LEAST_WEIGHT = 1e-3
"""Of a tile that bears heat without loss, over that of the most sensitive: it takes the coolest of the sites that are left."""
SETTLED = 1e-9
"""Gain of a change, in the units of `_Losses.of`, below which it is none. [K]"""


@placements.register(BY_ACCURACY)
def accuracy_aware(tiles: Sequence[Tile], sites: Sequence[Site], heat: HeatOf | None = None) -> NDArray[np.intp]:
    """Least sum over tiles of sensitivity times temperature; as `thermal_aware` where no sensitivity is known.

    A linear assignment puts all tiles at once, each heating the others as they lie: at first as with `thermal_aware`, or not at
    all. It is repeated as long as that gains; then come moves and swaps, each by the exact sum.
    """
    if heat is None:
        raise DeckError(Problem("workload.placement", f"{BY_ACCURACY} needs the thermal response of the stack"))
    start = thermal_aware(tiles, sites, heat)
    known = heat(start)
    if known.sensitivity is None or not known.sensitivity.max(initial=0.0) > 0.0:
        return start
    losses = _Losses(known, np.maximum(known.sensitivity / known.sensitivity.max(), LEAST_WEIGHT))
    starts = (np.searchsorted(known.sites, start), losses.alone())
    return np.asarray(known.sites[min((losses.swapped(losses.assigned(one)) for one in starts), key=losses.of)])


class _Losses:
    """Weighted sum of the temperatures of tiles for any placement, by superposition.

    Parameters
    ----------
    heat : SiteHeat
    weights : ndarray, shape (tiles,)
        [-]
    """

    def __init__(self, heat: SiteHeat, weights: Floats) -> None:
        self.unpowered, self.powers, self.weights = heat.unpowered[0], heat.powers, weights
        self.rises = heat.responses[:, 0]
        self.own = heat.powers.T @ heat.own[:, 0]
        self.tiles = np.arange(len(weights))

    def of(self, chosen: NDArray[np.intp]) -> float:
        """The sum with the tiles on their chosen sites. [K]"""
        rises = np.einsum("gu,gtu->t", self.powers, self.rises[:, chosen[:, None], chosen])
        return float(self.weights @ (self.unpowered[chosen] + rises))

    def costs(self, chosen: NDArray[np.intp]) -> Floats:
        """What each tile adds to the sum on each site while the others stay, shape (tiles, sites). [K]"""
        by_each = np.einsum("gt,gst->ts", self.powers, self.rises[:, :, chosen])
        mine = self.unpowered + by_each.sum(axis=0) - by_each + self.own
        here = self.weights[:, None] * self.rises[:, chosen]  # (groups, tiles, sites)
        to_others = np.einsum("gt,gts->ts", self.powers, here.sum(axis=1, keepdims=True) - here)
        return np.asarray(self.weights[:, None] * mine + to_others)

    def alone(self) -> NDArray[np.intp]:
        """The assignment of tiles that heat themselves alone."""
        return _assignment(self.weights[:, None] * (self.unpowered + self.own))

    def assigned(self, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
        """The best of the assignments that follow one another."""
        for _ in range(MOST_CHANGES):
            trial = _assignment(self.costs(chosen))
            if not self.of(trial) < self.of(chosen) - SETTLED:
                break
            chosen = trial
        return chosen

    def swapped(self, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
        """After moves and swaps, as long as one of those that promise most gains."""
        for _ in range(MOST_CHANGES):
            now = self.of(chosen) - SETTLED
            better = next((trial for trial in self._trials(chosen) if self.of(trial) < now), None)
            if better is None:
                break
            chosen = better
        return chosen

    def _trials(self, chosen: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Moves and swaps, at most `MOST_MOVED`, the most promising first."""
        costs = self.costs(chosen)
        gains = costs - costs[self.tiles, chosen][:, None]
        pairs = gains[:, chosen] + gains[:, chosen].T
        pairs[np.tril_indices(len(chosen))] = np.inf
        free = np.setdiff1d(np.arange(costs.shape[1]), chosen)
        promised = np.concatenate([pairs, gains[:, free]], axis=1)
        trials = []
        for at in np.argsort(promised, axis=None, kind="stable")[:MOST_MOVED]:
            tile, other = divmod(int(at), promised.shape[1])
            if not np.isfinite(promised[tile, other]):
                break
            trial = chosen.copy()
            if other < len(chosen):
                trial[[tile, other]] = trial[[other, tile]]
            else:
                trial[tile] = free[other - len(chosen)]
            trials.append(trial)
        return trials


def _assignment(costs: Floats) -> NDArray[np.intp]:
    """The site of each tile that makes the sum of costs [K], shape (tiles, sites), least."""
    from scipy.optimize import linear_sum_assignment

    return np.asarray(linear_sum_assignment(costs.round(9))[1], dtype=np.intp)
