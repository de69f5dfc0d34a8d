"""Every law in a registry says where its form comes from; every policy and operator says what it does."""

from __future__ import annotations

import re
from typing import Any

import pytest

import stack3d.life.policies  # noqa: F401  (fills the registry)
from stack3d.devices import MECHANISMS
from stack3d.life.chips import policies
from stack3d.schema.cooling import cooling_laws
from stack3d.schema.material_laws import material_laws
from stack3d.thermal import flow_laws
from stack3d.workload.operators import operators

LAWS: list[tuple[str, Any]] = [
    *((f"{kind} {name}", registry[name]) for kind, registry in MECHANISMS.items() for name in registry),
    *((f"cooling {name}", cooling_laws[name]) for name in cooling_laws),
    *((f"flow {name}", flow_laws[name]) for name in flow_laws),
    *((f"material {name}", material_laws[name]) for name in material_laws),
]
DOI = re.compile(r"doi:10\.\d{4,9}/\S+")
YEAR = re.compile(r"\b(1[89]|20)\d\d\b")


@pytest.mark.parametrize(("name", "law"), [entry for entry in LAWS if entry[1].__module__.startswith("stack3d.")])
def test_a_law_states_its_source(name: str, law: Any) -> None:
    """A publication has a year or a DOI; what is neither says that it is a definition, or ours and after what."""
    text = law.reference
    assert text, f"{name} states no source"
    assert DOI.search(text) or YEAR.search(text) or re.match(r"(definition|ours,|ours:)", text), text


@pytest.mark.parametrize("registry", [policies, operators], ids=["policies", "operators"])
def test_what_is_registered_says_what_it_does(registry: Any) -> None:
    assert [name for name in registry if not (registry[name].__doc__ or "").strip()] == []
