"""What a computer is made to: the parts of a scenario with a workload, none of them absent."""

from __future__ import annotations

from dataclasses import dataclass

from stack3d.schema.device import Band, Device
from stack3d.schema.life import HybridTiers, Lifetime, MonteCarlo
from stack3d.schema.mvm import Mvm
from stack3d.schema.scenario import Scenario
from stack3d.schema.workload import Periphery, Workload

TODAY = 1.0
"""Time after programming of the first read-out. [s]"""
EXACT_PRICED_AS = 8
"""Bits whose energy exact converters (null) are charged: they exist in no hardware."""


@dataclass(frozen=True)
class Design:
    """What a computer is made to.

    Parameters
    ----------
    work : Workload
    device : Device
        Deck of the cells, but for those of `hybrid`.
    hybrid : tuple of HybridTiers
        Tiers of other devices.
    band : {"low", "default", "high"}
        End of the bands of uncertain device parameters.
    mvm : Mvm
    chips : MonteCarlo
    lifetime : Lifetime
        Of a scenario without one: a single look, today.
    """

    work: Workload
    device: Device
    hybrid: tuple[HybridTiers, ...]
    band: Band
    mvm: Mvm
    chips: MonteCarlo
    lifetime: Lifetime

    @classmethod
    def of(cls, scenario: Scenario) -> Design | None:
        """The design of a scenario; None where it has no workload."""
        work, device = scenario.workload, scenario.device
        if work is None or device is None:
            return None
        lifetime = scenario.lifetime or Lifetime(epochs=1, until=TODAY, attribution=False)
        return cls(work, device, scenario.hybrid, scenario.device_band, scenario.mvm, scenario.monte_carlo, lifetime)

    @property
    def periphery(self) -> Periphery:
        """What surrounds an array."""
        return self.work.periphery

    @property
    def priced_bits(self) -> dict[str, int]:
        """Bits that inputs and conversions are charged for."""
        return {"dac_bits": self.mvm.dac_bits or EXACT_PRICED_AS, "adc_bits": self.mvm.adc_bits or EXACT_PRICED_AS}
