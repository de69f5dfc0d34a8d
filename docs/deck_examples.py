"""An example of a key, taken from the shipped decks and those of the manual: the shortest value that one of them gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stack3d import decks, yamlfile

LONGEST = 60
"""Letters of an example."""


def examples() -> dict[tuple[str, str], str]:
    """(block, key) → value as it stands in a deck; the block of a scenario itself is named ``Scenario``."""
    found: dict[tuple[str, str], str] = {}
    for kind in decks.KINDS:
        schema = decks.deck_schema(kind)
        for path in sorted(decks.available(kind).values()):
            _visit(yamlfile.read(path), schema, schema.get("$defs", {}), found, "Scenario" if kind == "scenarios" else "")
    schema = decks.deck_schema()
    for deck in _decks_of_the_manual():
        _visit(deck, schema, schema["$defs"], found, "Scenario")
    return found


def _decks_of_the_manual() -> list[Any]:
    """What the code blocks of the pages say in YAML."""
    found = []
    for page in sorted(Path(__file__).parent.rglob("*.md")):
        for text in re.findall(
            r"^```(?:yaml|text|\{code-cell\} ipython3)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            try:
                deck = YAML(typ="safe", pure=True).load(re.sub(r"^%%writefile.*\n", "", text))
            except YAMLError:
                continue
            found += [deck] if isinstance(deck, dict) else []
    return found


def _visit(
    node: Any, schema: dict[str, Any], blocks: dict[str, Any], found: dict[tuple[str, str], str], name: str = ""
) -> None:
    for shape, known in _shapes(schema, blocks, name):
        if isinstance(node, list):
            for item in node:
                _visit(item, shape.get("items", {}) if isinstance(shape.get("items", {}), dict) else {}, blocks, found)
        elif isinstance(node, Mapping) and isinstance(shape.get("additionalProperties"), dict) and "properties" not in shape:
            for value in node.values():
                _visit(value, shape["additionalProperties"], blocks, found)
        elif isinstance(node, Mapping) and set(node) <= set(shape.get("properties", {})):
            for key, value in node.items():
                _keep(known or str(shape.get("title", "")), key, value, found)
                _visit(value, shape["properties"][key], blocks, found)


def _shapes(schema: dict[str, Any], blocks: dict[str, Any], name: str) -> list[tuple[dict[str, Any], str]]:
    """What a value may look like, each with the name of its block."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _shapes(blocks.get(name, {}), blocks, name)
    if "anyOf" in schema:
        return [shape for one in schema["anyOf"] for shape in _shapes(one, blocks, name)]
    return [(schema, name)]


def _keep(block: str, key: str, value: Any, found: dict[tuple[str, str], str]) -> None:
    """Keep the shortest value that says something."""
    if isinstance(value, Mapping) and "value" in value:
        value = value["value"]
    text = json.dumps(value, ensure_ascii=False, default=str)
    if 0 < len(text) <= LONGEST and value not in ({}, []) and len(text) < len(found.get((block, key), " " * (LONGEST + 1))):
        found[block, key] = text
