"""Every scalar of every shipped deck, changed by a fifth, changes some output, or stands in a list with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from settings import Override, Refusal, Setting, changed, differ, outputs, settings

from stack3d import decks, yamlfile

KINDS = ("scenarios", "geometries", "devices", "periphery", "cooling", "solvers")
COARSE = {"lateral": 2, "per_layer": 1, "aspect": 4}
TINY: dict[str, Any] = {
    "monte_carlo.samples": 1, "lifetime.epochs": 1, "lifetime.attribution": False, "solver.backend": "tensor",
    "solver.mesh": COARSE, "workload.test_samples": 8, "geometry.tiers.repeat": 1, "workload.tile": [128, 128],
    "cooling.ambient": "85 degC", "lifetime.refresh": {"period": "1 year"}, "lifetime.compensation": {"drift": "layer"},
}  # fmt: skip
"""The quickstart on one tier, hot, refreshed and corrected."""
REFUSED = "refused"
"""A trial that the decks as shipped fail, with a sentence."""
LISTED: dict[str, str] = {
    r"scenarios/.*:expect\..*": "what a result is held against, no part of it",
    r"scenarios/.*:sweep\..*": "values of other keys, which stand here under their own names",
    r"scenarios/.*:lifetime.refine.accuracy": "a threshold; of eight test images the accuracy moves in eighths, past both values",
    r"scenarios/(microchannels_2tier|silicon_heat_sink_1981):geometry.footprint": "channels and walls have to fill it: another one alone is refused",
    r"geometries/bulk_rram_channels:footprint": "channels and walls have to fill it: another one alone is refused",
    r"geometries/hbm_like_12high:tiers.layers.3.blocks.0.y": "the spine spans the chip: both ends moved, it leaves it either way",
    r"geometries/chiplets_on_interposer:parts.[123].at": "dies stand close: moved along both sides, each overlaps another",
    r"geometries/rram_beside_logic:parts.(0.at|0.deck.footprint|1.at)": "probes stand at the rim, dies close: a fifth is refused",
    r".*:.*channels.(count|width|wall_width|edge_wall_width)": "channels and walls have to fill the layer: one alone is refused",
    r"devices/.*:mechanisms.self_heating.next_layer.*": "of layers given together to `cell_temperature`; a life reads one at a time",
    r"devices/taox:cell_size": "laws over the area of a cell, and decks with a measured size, follow it; this one has neither",
    r"periphery/isaac:columns_per_adc.value": "as many as an array has columns; a pair shares one, so that it binds no array here",
}
"""What may change nothing (a pattern of kind/deck:key), and why."""
BINDING: dict[str, dict[str, Any]] = {
    r"scenarios/.*:lifetime.throttling.limit": {"lifetime.throttling.limit": "60 degC"},  # the tiles have 66
    r"scenarios/.*:solver.error_promise": {"solver.error_promise": 1e-5},
    r"scenarios/resolved_bumps:solver.mesh.aspect": {"solver.mesh.aspect": 0.2},
    r"scenarios/.*:solver.mesh.aspect": {"solver.mesh.aspect": 0.01},
    r"scenarios/(ir_drop_vs_temperature|reversible_gt_85c):lifetime.epochs": {
        "lifetime.until": "1 year"
    },  # of 1 s there is one
    r"devices/(bulk_rram_ucsd|taox):mechanisms.endurance.(shape|stuck_low_resistance).*": {
        "device.mechanisms.endurance.cycles_at_reference": 100.0  # ten years of refreshes wear them out
    },
    r"devices/(bulk_rram_ucsd|taox):mechanisms.endurance.voltage_per_decade.*": {
        "device.mechanisms.endurance.optimum_voltage": "1.95 V"  # they are written at their optimum
    },
    r"devices/taox:mechanisms.read_disturb.voltage_scale.*": {"device.read.voltage": "0.3 V"},  # its reference is 0.2 V
    r"devices/bulk_rram_ucsd:mechanisms.temperature_dependence.temperature_coefficient": {
        "device.mechanisms.temperature_dependence.temperature_coefficient": "1e-4 1/K",  # a fifth of 1/K is refused
        "device.mechanisms.temperature_dependence.crossover": 0.5,  # as shipped no level is metallic
    },
    r"periphery/neurram:columns_per_adc.*": {"workload.rate": "1e3 1/s"},  # two columns are too slow for the rate
    r"devices/sonos:valid.temperature_allowed": {"cooling.ambient": "120 degC"},
    r"devices/ideal:valid.temperature_allowed": {"device.valid.temperature_allowed": "[1, 350] K"},
}
"""Limits that a deck as shipped keeps (a pattern of kind/deck:key), moved to where they bind, and changed there by a fifth."""


@cache
def of_deck(name: str) -> dict[str, Any]:
    """A packaged geometry as written."""
    tree: dict[str, Any] = yamlfile.parse_text(decks.available("geometries")[name].read_text(encoding="utf-8"), name)
    return tree


def heated(name: str) -> str:
    """The first layer of logic of a geometry, as a stack names it."""
    tree = of_deck(name)
    for part, prefix in (("below", ""), ("layers", ""), ("tiers", "t0_"), ("above", "")):
        layers = tree.get(part) or []
        layers = layers["layers"] if part == "tiers" and layers else layers
        for layer in layers:
            if layer.get("role") == "logic":
                return prefix + str(layer["name"])
    raise AssertionError(f"{name} has no logic")


def bound(setting: Setting) -> dict[str, Any]:
    """What moves a limit to where it binds."""
    return next((values for pattern, values in BINDING.items() if re.fullmatch(pattern, str(setting))), {})


def trials(setting: Setting) -> Iterator[tuple[str, dict[str, Any], str, str | None]]:
    """Cases that may show the setting, the cheapest first: scenario, overrides, key in it, how far to run."""
    key = setting.key
    if setting.kind == "scenarios":
        tiny = {k: v for k, v in TINY.items() if k not in ("geometry.tiers.repeat", "workload.tile", "cooling.ambient")}
        scenario = decks.load(setting.deck).scenario
        own: dict[str, Any] = {"sweep": {}, "expect": {}}
        bricks = {"solver.backend": "tensor", "solver.mesh": COARSE}
        own |= bricks if scenario.solver.mesh.cells == "hex" else {"solver.mesh.lateral": 4, "solver.mesh.sides": 6}
        if scenario.workload is not None:
            life = {k: v for k, v in tiny.items() if k in ("monte_carlo.samples", "workload.test_samples")}
            life |= {"lifetime.epochs": min(2, scenario.lifetime.epochs)} if scenario.lifetime is not None else {}
            yield setting.deck, own | life, key, "thermal"
            yield setting.deck, own | life, key, None
        else:
            if scenario.transient is not None and len(scenario.transient.outputs) > 2:  # its first outputs tell most
                first = [f"{time} s" for time in scenario.transient.outputs[:2]]
                short = {"transient.until": first[-1], "transient.outputs": first}
                if not key.startswith("transient."):
                    yield setting.deck, own | short, key, None
            yield setting.deck, own, key, None
    elif setting.kind == "geometries":
        if setting.deck == "flip_chip_package":
            yield "duty_cycled_package", {"solver.mesh": COARSE, "solver.backend": "tensor"}, f"geometry.{key}", None
            return
        if setting.deck == "chiplets_on_interposer":
            yield setting.deck, {"solver.mesh": COARSE}, f"geometry.{key}", None
            return
        if setting.deck == "rram_beside_logic":
            few = {"solver.mesh": COARSE, "solver.backend": "tensor", "monte_carlo.samples": 1, "workload.test_samples": 8}
            yield setting.deck, few, f"geometry.{key}", "thermal"
            many = {"workload.network": "digits_cnn", "workload.rate": "1e4 1/s"}
            yield setting.deck, few | many, f"geometry.{key}", "thermal"
            return
        base = {"geometry": setting.deck, "power.sources.host.layer": heated(setting.deck), "solver.mesh": COARSE}
        base |= {k: v for k, v in TINY.items() if k not in ("geometry.tiers.repeat", "solver.mesh")}
        yield "quickstart", base, f"geometry.{key}", "thermal"
        many = {"workload.network": "digits_cnn", "workload.tile": [32, 32], "workload.rate": "1e4 1/s"}
        yield "quickstart", base | many, f"geometry.{key}", "thermal"
        early = {k: v for k, v in base.items() if not k.startswith("lifetime")}  # what stores heat
        early |= {"lifetime": None, "transient": {"until": "10 ms", "initial": "300 K", "outputs": ["10 ms"]}}
        yield "quickstart", early, f"geometry.{key}", None
    elif setting.kind == "devices":
        yield "quickstart", {"device": setting.deck, **TINY}, f"device.{key}", None
        more = {"lifetime.band": True, "mvm.wire_resistance": "1 ohm", "workload.rate": "1e6 1/s", "lifetime.epochs": 2}
        yield "quickstart", {"device": setting.deck, **TINY, **more}, f"device.{key}", None
        for refused in (
            {"cooling.ambient": "400 degC"},
            {"lifetime.until": "200 year"},
            {"lifetime.refresh": {"period": "1 ns"}},
        ):
            yield "quickstart", {"device": setting.deck, **TINY, **refused}, f"device.{key}", REFUSED
    elif setting.kind == "periphery":
        slices = {"mvm": {"dac_bits": 16, "input_slice_bits": 1, "adc_bits": 8}}
        bits: dict[str, Any] = {"isaac": slices, "neurram": {"mvm.dac_bits": 5}}.get(setting.deck, {})
        yield "quickstart", {"workload.periphery": setting.deck, **TINY, **bits}, f"workload.periphery.{key}", "thermal"
        yield "quickstart", {"workload.periphery": setting.deck, **TINY, **bits}, f"workload.periphery.{key}", None
    elif setting.kind == "cooling":
        yield "quickstart", {"cooling.top": setting.deck, **TINY}, f"cooling.top.{key}", "thermal"
        still = {"transient.until": "2 s", "transient.outputs": ["2 s"]}
        yield "duty_cycled_package", {"cooling.top": setting.deck, **still}, f"cooling.top.{key}", None
        passed = {"power.sources.0.power": "400 W", "transient": None, "probes": []}
        yield "duty_cycled_package", {"cooling.top": setting.deck, **passed}, f"cooling.top.{key}", None
    elif setting.kind == "solvers":
        small = {k: v for k, v in TINY.items() if not k.startswith("solver")}
        small |= {"solver.mesh.lateral": 12, "solver.mesh.per_source": 6}  # of the finest profiles, for the time it takes
        for end in ("0.3 mm", "1.5 mm"):  # a source that is refined by its size, and one by its edges
            corner = {"power.sources.host.x": ["0.1 mm", end], "power.sources.host.y": ["0.1 mm", end]}
            yield "quickstart", {"solver": setting.deck, **small, **corner}, f"solver.{key}", "thermal"
        broken = {"solver": setting.deck, "solver.mesh": COARSE, "solver.backend": "tensor"}  # breaks any promise, and says so
        yield "duty_cycled_package", broken, f"solver.{key}", None


@cache
def base(scenario: str, overrides: tuple[Override, ...], until: str | None) -> Any:
    """The outputs of a case as shipped, kept for all its settings."""
    return outputs(scenario, tuple((k, thawed(v)) for k, v in overrides), until)


def frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return ("map", *((k, frozen(v)) for k, v in value.items()))
    return ("list", *map(frozen, value)) if isinstance(value, list) else value


def thawed(value: Any) -> Any:
    if isinstance(value, tuple):
        return {k: thawed(v) for k, v in value[1:]} if value[0] == "map" else [thawed(v) for v in value[1:]]
    return value


def has_effect(setting: Setting) -> bool:
    """Whether a fifth more or less changes an output of one of its trials, or what its refusal says."""
    for scenario, chosen, key, until in trials(setting):
        overrides = chosen | bound(setting)
        before = base(scenario, tuple((k, frozen(v)) for k, v in overrides.items()), until)
        assert until == REFUSED or bound(setting) or not isinstance(before, str), f"{scenario} of {setting}: {before}"
        value = of_overrides(overrides, key, setting.value)
        for factor in (1.2, 0.8):
            after = outputs(scenario, (*overrides.items(), (key, changed(value, factor))), until)
            if (until == REFUSED or not isinstance(after, Refusal)) and differ(_unnamed(before), _unnamed(after)):
                return True
    return False


def _unnamed(found: Any) -> Any:
    """A sentence without the note that a deck was changed, which every change makes."""
    return str(found).replace(" (changed)", "") if isinstance(found, str) else found


def of_overrides(overrides: dict[str, Any], key: str, otherwise: Any) -> Any:
    """What overrides make of a key, as such or as a part of what they set."""
    parent, _, leaf = key.rpartition(".")
    whole = overrides.get(parent)
    return overrides.get(key, whole.get(leaf, otherwise) if isinstance(whole, dict) else otherwise)


def reason(setting: Setting) -> str | None:
    """Why a setting may change nothing."""
    return next((why for pattern, why in LISTED.items() if re.fullmatch(pattern, str(setting))), None)


ALL = [setting for kind in KINDS for setting in settings(kind)]
ASKED = [setting for setting in ALL if reason(setting) is None]


FIRST = ("scenarios/quickstart", "geometries/bulk_rram_8tier", "devices/hfox_analog", "periphery/cmos_adc_8bit")
"""Decks of which some settings are always tried."""
SAMPLE = [setting for setting in ASKED if str(setting).startswith(FIRST)][::9]


@pytest.mark.parametrize("setting", SAMPLE, ids=str)
def test_a_setting_changes_an_output(setting: Setting) -> None:
    assert has_effect(setting)


@pytest.mark.slow
@pytest.mark.parametrize("deck", list(dict.fromkeys(f"{setting.kind}/{setting.deck}" for setting in ASKED)))
def test_no_setting_of_a_deck_is_without_effect(deck: str) -> None:
    mine = [setting for setting in ASKED if f"{setting.kind}/{setting.deck}" == deck]
    dead = [str(setting) for setting in mine if not has_effect(setting)]
    assert not dead, dead


def test_every_reason_is_of_a_setting() -> None:
    """No pattern of the list outlives what it stands for."""
    patterns = [*LISTED, *BINDING]
    assert not [pattern for pattern in patterns if not any(re.fullmatch(pattern, str(setting)) for setting in ALL)]
