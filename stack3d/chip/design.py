"""What a computer is made to: the parts of a scenario with a workload, none of them absent."""

from __future__ import annotations

from dataclasses import dataclass

from stack3d.schema import (
    Band,
    DeviceDeck,
    HybridTiersDeck,
    LifetimeDeck,
    MonteCarloDeck,
    MvmDeck,
    PeripheryDeck,
    Scenario,
    WorkloadDeck,
)

TODAY = 1.0
"""Time after programming of the first read-out. [s]"""
EXACT_PRICED_AS = 8
"""Bits whose energy exact converters (null) are charged: they exist in no hardware."""


@dataclass(frozen=True)
class Design:
    """What a computer is made to.

    Parameters
    ----------
    work : WorkloadDeck
    device : DeviceDeck
        Deck of the cells, but for those of `hybrid`.
    hybrid : tuple of HybridTiersDeck
        Tiers of other devices.
    band : {"low", "default", "high"}
        End of the bands of uncertain device parameters.
    mvm : MvmDeck
    chips : MonteCarloDeck
    lifetime : LifetimeDeck
        Of a scenario without one: a single look, today.
    """

    work: WorkloadDeck
    device: DeviceDeck
    hybrid: tuple[HybridTiersDeck, ...]
    band: Band
    mvm: MvmDeck
    chips: MonteCarloDeck
    lifetime: LifetimeDeck

    @classmethod
    def of(cls, scenario: Scenario) -> Design | None:
        """The design of a scenario; None where it has no workload."""
        work, device = scenario.workload, scenario.device
        if work is None or device is None:
            return None
        today = {"epochs": 1, "until": f"{TODAY} s", "attribution": False}
        lifetime = scenario.lifetime or LifetimeDeck.model_validate(today)
        return cls(work, device, scenario.hybrid, scenario.device_band, scenario.mvm, scenario.monte_carlo, lifetime)

    @property
    def periphery(self) -> PeripheryDeck:
        """What surrounds an array."""
        return self.work.periphery

    @property
    def priced_bits(self) -> dict[str, int]:
        """Bits that inputs and conversions are charged for."""
        return {"dac_bits": self.mvm.dac_bits or EXACT_PRICED_AS, "adc_bits": self.mvm.adc_bits or EXACT_PRICED_AS}
