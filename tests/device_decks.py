"""Packaged device decks with single keys changed, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import stack3d
from stack3d import decks, yamlfile
from stack3d.devices import DeviceModel, build_device
from stack3d.schema.device import DeviceDeck

LIBRARY = Path(stack3d.__file__).parent / "library" / "devices"
NAMES = sorted(p.stem for p in LIBRARY.glob("*.yaml"))


def content(name: str) -> dict[str, Any]:
    """Plain mapping of a packaged deck."""
    tree = yamlfile.read(LIBRARY / f"{name}.yaml")
    problems = decks.read_tables(tree)
    assert not problems, problems
    tree["name"] = name
    return tree


def deck(name: str, **changes: Any) -> DeviceDeck:
    """Packaged deck after ``mechanisms__retention__shape=0.4`` and the like; a value of None removes the key."""
    mapping = content(name)
    for key, value in changes.items():
        *path, last = key.split("__")
        place = mapping
        for part in path:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return DeviceDeck.model_validate(mapping)


def model(name: str, band: Any = "default", **changes: Any) -> DeviceModel:
    """Model of `deck`."""
    return build_device(deck(name, **changes), band)
