"""Decks by task: what somebody wants, what the deck then says, and where it is explained. A test loads every example."""

from __future__ import annotations

from typing import Any, NamedTuple


class Task(NamedTuple):
    """One row of the page."""

    want: str
    on: str
    """Shipped scenario that the example changes."""
    say: dict[str, Any]
    """Dotted key → value."""
    page: str


PACKAGE, ARCHITECT, DEVICE = "../howto_package.md", "../howto_architect.md", "../howto_device.md"
TASKS: dict[str, list[Task]] = {
    "Stack and package": [
        Task("another number of tiers", "quickstart", {"geometry.tiers.repeat": 4}, ARCHITECT),
        Task("another thickness", "quickstart", {"geometry.above.tim.thickness": "50 um"}, PACKAGE),
        Task("another material", "quickstart", {"geometry.above.lid.material": "aluminium"}, PACKAGE),
        Task("a contact that resists", "quickstart", {"geometry.above.lid.contact_resistance": "5 mm^2*K/W"}, PACKAGE),
        Task("a larger floor", "quickstart", {"geometry.footprint": ["10 mm", "10 mm"]}, PACKAGE),
        Task("another stack", "quickstart", {"geometry": "tsv_stack_4tier"}, "decks.md#geometries"),
    ],
    "Power": [
        Task("more power of a source", "quickstart", {"power.sources.host.power": "1 W"}, PACKAGE),
        Task(
            "a hot spot",
            "duty_cycled_package",
            {"power.sources.die.x": ["9 mm", "11 mm"], "power.sources.die.y": ["9 mm", "11 mm"]},
            PACKAGE,
        ),
        Task("a network that works harder", "quickstart", {"workload.rate": "1e6 1/s"}, ARCHITECT),
        Task(
            "work in bursts",
            "quickstart",
            {"workload.trace": {"pattern": "bursts", "on": "2 s", "off": "8 s"}},
            "../theory_cells.md#power-that-comes-and-goes",
        ),
    ],
    "Cooling": [
        Task("a hotter room", "quickstart", {"cooling.ambient": "85 degC"}, "../first_run.md"),
        Task("a cooling deck", "quickstart", {"cooling.top": "cold_plate"}, "decks.md#cooling"),
        Task("a film of your own", "quickstart", {"cooling.top": {"film_coefficient": "5000 W/m^2/K"}}, "../tutorials/heat.md"),
        Task("a sink given in K/W", "quickstart", {"cooling.top": {"resistance": "0.5 K/W"}}, PACKAGE),
        Task("a face at a temperature", "quickstart", {"cooling.bottom": {"temperature": "40 degC"}}, PACKAGE),
        Task(
            "more coolant",
            "microchannels_2tier",
            {"geometry.layers.cavity.channels.flow_rate": "100 ml/min"},
            f"{PACKAGE}#let-coolant-through-the-stack",
        ),
        Task("a limit that warns", "quickstart", {"limits": {"logic": "105 degC"}}, PACKAGE),
    ],
    "Time": [
        Task(
            "the first seconds",
            "duty_cycled_package",
            {"transient.until": "5 s", "transient.outputs": ["1 s", "5 s"]},
            "../theory_heat.md#time",
        ),
        Task(
            "day and night",
            "quickstart",
            {
                "mission": [
                    {"name": "day", "share": 0.6, "ambient": "40 degC"},
                    {"name": "night", "share": 0.4, "ambient": "15 degC"},
                ]
            },
            f"{PACKAGE}#day-and-night-parked-and-driving",
        ),
        Task("a longer life", "quickstart", {"lifetime.until": "20 year"}, "../theory_cells.md"),
    ],
    "Network and arrays": [
        Task("another network", "quickstart", {"workload.network": "digits_cnn"}, "../tutorials/network.md"),
        Task("larger arrays", "quickstart", {"workload.tile": [64, 64]}, "../theory_crossbars.md"),
        Task("fewer bits out", "quickstart", {"mvm.adc_bits": 6}, "../theory_crossbars.md"),
        Task("lines that resist", "quickstart", {"mvm.wire_resistance": "2 ohm"}, "../theory_crossbars.md#wires"),
        Task(
            "other places for the tiles", "quickstart", {"workload.placement": "thermal_aware"}, f"{ARCHITECT}#where-tiles-go"
        ),
    ],
    "Cells": [
        Task("another device", "quickstart", {"device": "hfox_analog"}, DEVICE),
        Task("one number of a device", "quickstart", {"device.mechanisms.retention.barrier_sd": "0.1 eV"}, DEVICE),
        Task("one end of what is not known", "quickstart", {"device_band": "low"}, f"{DEVICE}#what-a-parameter-is-worth"),
        Task("both ends, beside the chips", "quickstart", {"lifetime.band": True}, DEVICE),
        Task("a refresh", "quickstart", {"lifetime.refresh": {"period": "90 day"}}, "../tutorials/limits.md"),
        Task(
            "corrections, once a day",
            "quickstart",
            {"lifetime.compensation": {"columns": True, "period": "1 day"}},
            "../tutorials/limits.md",
        ),
    ],
    "How exact": [
        Task(
            "an error of the temperature",
            "quickstart",
            {"solver": {"accuracy": "0.05 K"}},
            f"{PACKAGE}#how-fine-is-fine-enough",
        ),
        Task("quicker and coarser", "quickstart", {"solver": "study"}, "../error_bars.md"),
        Task("more chips", "quickstart", {"monte_carlo.samples": 64}, "../howto_optimise.md#few-chips-and-few-test-inputs"),
        Task("another draw", "quickstart", {"monte_carlo.seed": 2}, "../trust.md"),
    ],
    "Many cases": [
        Task(
            "every combination",
            "quickstart",
            {"sweep": {"geometry.tiers.repeat": [2, 8], "cooling.top": ["forced_air", "cold_plate"]}},
            "../tutorials/tiers_and_cooling.md",
        ),
        Task(
            "draws of what is not known",
            "quickstart",
            {"uncertain": {"keys": "all-assumed", "count": 32}},
            "../howto_uncertain.md",
        ),
        Task(
            "the best of many",
            "quickstart",
            {
                "optimise": {
                    "vary": {"geometry.tiers.repeat": [2, 4, 8]},
                    "minimise": "energy_per_inference@end",
                    "subject to": ["temperature_max <= 85 degC"],
                    "budget": 3,
                }
            },
            "../howto_optimise.md",
        ),
    ],
}
"""By subject."""
