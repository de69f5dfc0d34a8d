"""Every registered policy: it has a key of its own in a scenario, says what it does, runs, and counts what it costs."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.life.chips import Passive, policies
from stack3d.progress import Silent
from stack3d.schema.life import LifetimeDeck

SMALL = [
    ("monte_carlo.samples", 2), ("lifetime.epochs", 2), ("lifetime.until", "1 year"), ("lifetime.attribution", False),
    ("solver.backend", "tensor"), ("solver.mesh", {"lateral": 6, "per_layer": 1, "aspect": 4}), ("geometry.tiers.repeat", 2),
    ("workload.test_samples", 50), ("workload.tile", [64, 64]),
]  # fmt: skip
CHOSEN = {
    "refresh": [
        {"period": "100 day", "coarse": {"share": 0.5, "pulses": 1}},
        {"period": "100 day", "worst": 0.5},
        {"accuracy_loss": 0.01, "coarse": {"share": 0.5, "pulses": 0}},
    ],
    "compensation": [
        {"drift": "tile", "recalibrate": True},
        {"drift": "layer", "columns": True, "input_sums": True},
        {"temperature_gain": True},
    ],
    "throttling": [{"limit": "40 degC"}],
    "power_gating": [{"residual": 0.1}],
    "spares": [{"columns": 2}],
    "fine_tuning": [{"period": "100 day"}],
}
"""Values of every policy's key that try all it can do."""
WRITERS = ("refresh", "spares", "fine_tuning")


def test_every_policy_is_tried_here() -> None:
    packaged = {n for n in policies if policies[n].__module__.startswith("stack3d.")}
    assert packaged == set(CHOSEN)
    for name in packaged:
        assert issubclass(policies[name], Passive) and policies[name].__doc__
        assert LifetimeDeck.model_fields[name].default is None, f"{name} is at work without being asked for"


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in CHOSEN.items() for v in values])
def test_a_policy_runs_and_is_billed(name: str, value: dict[str, object]) -> None:
    values = run_case(decks.load("quickstart", [*SMALL, (f"lifetime.{name}", value)]).scenario, Silent()).values
    assert np.isfinite(values["mvm/accuracy"]).all() and np.isfinite(values["thermal/tile_temperature"]).all()
    for bill in ("writes", "endurance_used", "write_energy", "refreshes"):
        assert np.all(np.diff(values[f"reliability/{bill}"]) >= 0), bill
    wrote = values["reliability/write_energy"][-1] > 0
    assert wrote == (values["reliability/refreshes"][-1] > 0)
    assert wrote if name in WRITERS else not wrote
