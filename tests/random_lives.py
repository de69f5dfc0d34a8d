"""Random lives of a small chip, and what holds of every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from random_stacks import peak_faults

from stack3d import decks
from stack3d.case import run_case
from stack3d.fields import is_temperature
from stack3d.progress import Silent

SMALL = {
    "monte_carlo.samples": 4, "lifetime.attribution": False, "solver.backend": "tensor", "workload.test_samples": 100,
    "solver.mesh": {"lateral": 6, "per_layer": 1, "aspect": 4}, "workload.tile": [64, 64], "geometry.tiers.repeat": 2,
}  # fmt: skip
DEVICES = ("bulk_rram_ucsd", "hfox_analog", "cmo_hfox", "taox", "pcm_gst", "sonos")
COUNTERS = ("writes", "endurance_used", "refreshes", "write_energy", "calibration_energy")
CHANCE = 4.0
"""Standard errors by which a mean over images and chips may fall by chance."""
Keys = dict[str, Any]


@st.composite
def lives(draw: st.DrawFn) -> Keys:
    """A device, its surroundings, what the periphery resolves, how long it lives, and at most one policy."""
    policy = draw(
        st.sampled_from(
            (
                {},
                {},
                {"lifetime.refresh": {"period": "100 day"}},
                {"lifetime.spares": {"columns": 2}},
                {"lifetime.power_gating": {"residual": 0.1}},
                {"lifetime.compensation": {"drift": "tile", "recalibrate": True}},
            )
        )
    )
    return {
        "device": draw(st.sampled_from(DEVICES)),
        "cooling.ambient": f"{draw(st.integers(0, 85))} degC",
        "mvm.adc_bits": draw(st.integers(5, 8)),
        "mvm.dac_bits": draw(st.integers(5, 8)),
        "lifetime.epochs": draw(st.sampled_from((2, 4))),
        "lifetime.until": draw(st.sampled_from(("1 day", "1 year", "10 year"))),
        "workload.rate": f"{draw(st.sampled_from((1e3, 2e5, 5e5)))} 1/s",
        "monte_carlo.seed": draw(st.integers(1, 1000)),
        **policy,
    }


def lived(keys: Keys, **more: Any) -> dict[str, Any]:
    """Output variables of such a life."""
    given = {**SMALL, **keys, **{key.replace("__", "."): value for key, value in more.items()}}
    return dict(run_case(decks.load("quickstart", [*given.items()]).scenario, Silent()).values)


def life_faults(keys: Keys) -> Iterator[str]:
    """What does not hold of a life."""
    base = lived(keys)
    for name in COUNTERS:
        if np.any(np.diff(base[f"reliability/{name}"]) < 0):
            yield f"{name} falls"
    yield from _heat_faults(base, 273.15 + float(keys["cooling.ambient"].split()[0]))
    yield from _component_faults(base)
    halved = lived(keys, lifetime__epochs=2 * keys["lifetime.epochs"])
    if _is_worse(base, halved) or _is_worse(halved, base):
        yield f"epochs halved: accuracy {_last(base)} against {_last(halved)}"
    if _is_worse(lived(keys, mvm__adc_bits=keys["mvm.adc_bits"] + 2, mvm__dac_bits=keys["mvm.dac_bits"] + 2), base):
        yield "more bits are worse"
    if _is_worse(lived(keys, mvm__read_noise=False), base):
        yield "less noise is worse"


def _heat_faults(values: dict[str, Any], ambient: float) -> Iterator[str]:
    """Balance, and nothing colder than the surroundings beyond its error."""
    if not abs(values["thermal/heat_out"] - values["thermal/heat_in"]) < 1e-7 * values["thermal/heat_in"]:
        yield "balance"
    for name, value in values.items():
        error = values.get(f"{name}_error")
        if is_temperature(name) and error is not None and np.any(value + error < ambient - 1e-6):
            yield f"{name} is colder than the surroundings"
    yield from peak_faults(values)


def _component_faults(values: dict[str, Any]) -> Iterator[str]:
    """All components take what is taken; the energy of an inference is what those of the computer take, over the rate."""
    power, energy = values["power/component_power"], values["power/energy_per_inference"]
    if not np.allclose(power.sum(axis=-1), values["power/total_power"], rtol=1e-9):
        yield f"components add up to {power.sum(axis=-1)}, all is {values['power/total_power']}"
    if not np.allclose(energy * values["power/rate"][:, None], np.where(energy > 0, power, 0.0), rtol=1e-9, atol=0):
        yield "energy of an inference"


def _last(values: dict[str, Any]) -> float:
    return float(values["mvm/accuracy"][-1].mean())


def _is_worse(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the first has less accuracy in the end, by more than chance of images and chips."""
    a, b = (values["mvm/accuracy"][-1] for values in (one, other))
    share = float(np.clip(0.5 * (a.mean() + b.mean()), 0.02, 0.98))
    chance = np.sqrt(share * (1 - share) / 100 + (a.var() + b.var()) / a.size)
    return bool(a.mean() < b.mean() - CHANCE * chance)
