"""Every registry that other packages add to says what its entries answer; the program's own entries pass the same checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stack3d.case.second_fields
from stack3d import decks
from stack3d.devices import build_device, load_device
from stack3d.devices.bound import ATTRIBUTES
from stack3d.devices.laws import MECHANISMS
from stack3d.fields import outputs, physics
from stack3d.heat.meshing import mesh_kinds
from stack3d.life.chips import Passive, policies
from stack3d.registry import Registry
from stack3d.schema.cooling import cooling_laws
from stack3d.schema.material_laws import material_laws
from stack3d.thermal import flow_laws
from stack3d.workload.operators import operators
from stack3d.workload.placement import placements
from stack3d.workload.tasks import tasks

REGISTRIES: tuple[Registry[Any], ...] = (
    outputs, physics, cooling_laws, flow_laws, material_laws, mesh_kinds, operators, tasks, placements, policies, *MECHANISMS.values(),
)  # fmt: skip
ROOT = Path(stack3d.case.second_fields.__file__).parents[1]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.kind)
def test_what_an_entry_answers_is_checked(registry: Registry[Any]) -> None:
    """All that a class of another package has to have, and all that a policy may have."""
    asked = set(getattr(registry.base, "__abstractmethods__", ()))
    if registry is policies:
        asked = {name for name, method in vars(Passive).items() if callable(method)}
    lacking = asked - set(registry.answers)
    assert registry.answers and not lacking
    assert all(hasattr(registry.base, method) for method in registry.answers if registry.base and registry is not outputs)


def test_a_registry_is_a_group_of_its_own() -> None:
    kinds = [registry.kind for registry in REGISTRIES]
    assert len(set(kinds)) == len(kinds)
    texts = [path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")]
    assert sum(text.count(" = Registry(") for text in texts) == len(REGISTRIES)


@pytest.mark.filterwarnings("ignore::stack3d.errors.ValidityWarning")
@pytest.mark.parametrize("name", decks.available("devices"))
def test_own_laws_of_cells_pass_the_checks_of_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programmed, aged for ten years, read, heated and worn, with every answer looked at."""
    model = build_device(load_device(name))
    monkeypatch.setattr("stack3d.registry.is_outside", lambda entry: True)
    for mechanism, law in model.mechanisms.items():
        watched = type(law).__class__("Watched", (type(law),), {"__module__": __name__})
        MECHANISMS[mechanism]._all_watched(watched)
        assert any(getattr(getattr(watched, method), "is_watched", False) for method in MECHANISMS[mechanism].answers)
        object.__setattr__(model, ATTRIBUTES[mechanism], watched.model_construct(**dict(law)))
    rng, device = np.random.default_rng(0), model.device
    low, high = (device.valid and device.valid.temperature_allowed) or (300.0, 350.0)
    warm = min(max(330.0, low), high)
    target = np.linspace(max(device.g_min, 0.0), device.g_max, 16).reshape(4, 4)
    state = model.program(target, rng, temperature=warm)
    for duration in (1.0, 1e5):
        state = model.advance(state, duration, warm, reads=10.0)
    now = model.conductance(state, warm)
    model.read_noise(state, warm, conductance=now)
    assert np.isfinite(now).all()
