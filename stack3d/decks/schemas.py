"""JSON Schemas of decks as users write them, for editors."""

from __future__ import annotations

from functools import cache
from typing import Any

from stack3d.errors import unknown_name


def _models() -> dict[str, Any]:
    """Kind of deck → its model."""
    from stack3d.schema import cooling, device, geometry, numerics, scenario, solids, workload

    return {
        "scenarios": scenario.Scenario,
        "geometries": geometry.GeometryDeck,
        "solvers": numerics.SolverDeck,
        "materials": solids.MaterialDeck,
        "devices": device.DeviceDeck,
        "cooling": cooling.FaceDeck,
        "networks": workload.NetworkDeck,
        "data": workload.DataDeck,
        "periphery": workload.PeripheryDeck,
        "coolants": geometry.CoolantDeck,
    }


@cache
def keys_of(kind: str) -> frozenset[str]:
    """Names of the keys that a deck of a kind may have, whatever else it says."""
    whole = deck_schema(kind)
    found: set[str] = set()
    waiting = [whole]
    while waiting:
        node = waiting.pop()
        found |= set(node.get("properties", ()))
        waiting += [part for word in ("anyOf", "oneOf", "allOf") for part in node.get(word, ())]
        if "$ref" in node:
            waiting.append(whole["$defs"][node["$ref"].rpartition("/")[2]])
    return frozenset(found)


def _begun_at_a_profile() -> dict[str, Any]:
    """Schema of a solver that begins at a named profile, or at the coarsest that an accuracy needs."""
    own: dict[str, Any] = {name: {} for name in _models()["solvers"].model_fields}
    return {
        "type": "object",
        "description": "a profile, with keys that replace those of its deck",
        "properties": {"profile": {"type": "string", "description": "name or path of a deck"}, **own},
        "additionalProperties": False,
        "anyOf": [{"required": ["profile"]}, {"required": ["accuracy"]}],
    }


def deck_schema(kind: str = "scenarios") -> dict[str, Any]:
    """JSON Schema of a kind of deck as users write it: a deck's name is allowed wherever a deck is."""
    models = _models()
    if kind not in models:
        raise unknown_name("kind of deck", kind, models)
    named = {f"#/$defs/{model.__name__}" for name, model in models.items() if name != "scenarios"}

    def widen(node: Any) -> Any:
        if isinstance(node, list):
            return [widen(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.get("$ref") in named:
            rest = {k: v for k, v in node.items() if k != "$ref"}
            choices = [{"$ref": node["$ref"]}, {"type": "string", "description": "name or path of a deck"}]
            return {**rest, "anyOf": choices + [_begun_at_a_profile()] * node["$ref"].endswith("/SolverDeck")}
        return {key: widen(value) for key, value in node.items()}

    whole = models[kind].model_json_schema()
    if (source := whole.get("$defs", {}).get("SourceDeck")) is not None:
        source["required"].remove("power")
        source["anyOf"] = [{"required": ["power"]}, {"required": ["map"]}]  # a map may say it
    itself = {"$ref": whole.pop("$ref")} if "$ref" in whole else {}  # of a deck that may hold decks of its own kind
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **widen(whole), **itself}
