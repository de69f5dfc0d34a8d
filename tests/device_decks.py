"""Packaged device decks with single keys changed, for tests."""

from __future__ import annotations

import copy
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

from stack3d.devices import DeviceModel, build_device
from stack3d.schema.device import Device

NAMES = sorted(
    p.name.removesuffix(".yaml") for p in files("stack3d").joinpath("library/devices").iterdir() if p.name.endswith(".yaml")
)


def content(name: str) -> dict[str, Any]:
    """Plain mapping of a packaged deck."""
    text = files("stack3d").joinpath(f"library/devices/{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return loaded


def deck(name: str, **changes: Any) -> Device:
    """Packaged deck after ``mechanisms__retention__shape=0.4`` and the like; a value of None removes the key."""
    mapping = copy.deepcopy(content(name))
    for key, value in changes.items():
        *path, last = key.split("__")
        place = mapping
        for part in path:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return Device.model_validate(mapping)


def model(name: str, band: Any = "default", **changes: Any) -> DeviceModel:
    """Model of `deck`."""
    return build_device(deck(name, **changes), band)
