"""Policies that the hardware carries out: throttling, power gating, spare columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stack3d.devices import HEALTHY
from stack3d.heat import Climate, Limits
from stack3d.life.chips import Life, Passive, Population, policies
from stack3d.schema import life as schema
from stack3d.streams import SPARES, SPARES_WRITTEN


@policies.register("throttling")
class Throttling(Passive):
    """Lower the inference rate until the hottest cell keeps below a limit; the cost is throughput."""

    def __init__(self, deck: schema.ThrottlingDeck) -> None:
        self.deck = deck

    def limit(self, limits: Limits) -> Limits:
        """Set the hottest temperature."""
        return replace(limits, hottest=self.deck.limit)


@policies.register("power_gating")
class PowerGating(Passive):
    """Switch the periphery of idle tiles off, but for a residual leakage."""

    def __init__(self, deck: schema.PowerGatingDeck) -> None:
        self.deck = deck

    def limit(self, limits: Limits) -> Limits:
        """Set the leakage of idle tiles."""
        return replace(limits, idle_leakage=self.deck.residual)


@policies.register("spares")
class Spares(Passive):
    """At test, replace the columns of each array with most stuck cells by spare ones, whose own faults are drawn anew.

    They are written at the temperature of programming: a column written warmer than its pair would read less than it.
    """

    def __init__(self, deck: schema.SparesDeck) -> None:
        self.deck = deck

    def programmed(self, life: Life, climate: Climate) -> Life:
        """Find the worst columns of every chip, put spare cells in their place and write them."""
        computer, states, masks = life.computer, dict(life.population.states), {}
        for index, (name, state) in enumerate(states.items()):
            law = computer.devices[name].faults
            if law is None:
                continue
            rng = np.random.default_rng([life.seed, SPARES, index])
            spare = law.stuck(rng, state.shape)
            replaced = np.zeros(state.shape, dtype=bool)
            for _, tile in computer.tiles_of(name):
                columns = computer.columns_of(tile)
                rows = slice(tile.row_start, tile.row_stop)
                bad = (state.stuck[..., rows, columns] != HEALTHY).sum(axis=-2)
                good = (spare[..., rows, columns] != HEALTHY).sum(axis=-2)
                order = np.argsort(good - bad, axis=-1, kind="stable")[..., : self.deck.columns]
                use = np.zeros(bad.shape, dtype=bool)
                np.put_along_axis(use, order, True, axis=-1)
                use &= bad > good
                replaced[..., rows, columns] = use[..., None, :]
            states[name] = replace(state, stuck=np.where(replaced, spare, state.stuck).astype(np.int8))
            if replaced.any():
                masks[name] = replaced
        if not masks:
            return life
        at_test = Climate.steady(np.full_like(climate.mean, life.programming_temperature))  # as all other cells
        return replace(life, population=Population(states)).rewritten(at_test, SPARES_WRITTEN, masks=masks)
