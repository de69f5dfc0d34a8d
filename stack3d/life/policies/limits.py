"""Policies that limit heat: throttling and power gating."""

from __future__ import annotations

from dataclasses import replace

from stack3d.heat.state import Limits
from stack3d.life.policy import Passive, policies
from stack3d.schema import life as schema


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
