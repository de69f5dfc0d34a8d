"""A fitted device as a deck: its numbers, where they come from, and draws of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
from pydantic import ValidationError
from ruamel.yaml import YAML

from stack3d import decks, yamlfile
from stack3d.constants import ZERO_CELSIUS
from stack3d.devices.bound import CLOCKS
from stack3d.devices.build import build_device
from stack3d.devices.fitting.estimate import Fit
from stack3d.devices.fitting.guessed import GuessedDevice
from stack3d.devices.fitting.parameters import FROM_START
from stack3d.errors import DeckError
from stack3d.layout import Floats
from stack3d.schema.device import DeviceDeck

UNTOLD = {"assumed": "as given to the fit"}
MOST_TEMPERATURES = 20
"""Of the data that are told one by one, in whole kelvin where there are more."""


def deck_content(name: str) -> Any:
    """Plain content of a deck by name or path, its tables read."""
    path = decks.find("devices", name)
    if path is None:
        raise decks.unknown_deck("devices", name, "device")
    tree = yamlfile.read(path)
    decks.read_tables(tree)
    return tree


def parsed(content: Any) -> DeviceDeck:
    """Device of a deck's plain content.

    Raises
    ------
    DeckError
        With every mistake.
    """
    try:
        return DeviceDeck.model_validate(content)
    except ValidationError as error:
        raise DeckError(decks.translate(error, content, DeviceDeck)) from None


def checked(text: str, name: str) -> DeviceDeck:
    """The deck of a text whose file has this name, once its device was built; raises DeckError."""
    deck = parsed(yamlfile.parse_text(text, name))
    build_device(deck)
    return deck


def not_fitted(deck: DeviceDeck) -> str:
    """Which mechanisms of a deck are not those of the measurements, in a sentence; empty where all are."""
    names = [name.replace("_", " ") for name in deck.not_fitted]
    if not names:
        return ""
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"{listed}: of {deck.begun_from}, not fitted to these measurements."


def source_of(fit: Fit) -> str:
    """Where the numbers of a fit come from, and what the data tell of them, in a sentence."""
    return f"fitted to {fit.observations} rows of {fit.source.path.name} (SHA-256 {fit.source.digest}…); " + "; ".join(
        remark for remark in fit.remarks if not any(remark.startswith(f"{key} is held") for key in fit.parameters.reasons)
    )


def measured_range(fit: Fit) -> dict[str, Any]:
    """Conductances, times and temperatures of the data of a fit, both ends, as `valid` of a mechanism holds them."""
    columns, found = fit.source.columns, dict[str, Any]()
    levels = next((columns[n] for n in ("level", "target", "conductance") if n in columns), None)
    if levels is not None and levels.size:
        found["conductance_fitted"] = f"[{levels.min():.6g}, {levels.max():.6g}] S"
    temperatures, times = columns.get("temperature"), columns.get("time")
    if fit.mechanism in CLOCKS and times is not None:
        at = np.full(fit.source.rows, fit.temperatures[0]) if temperatures is None else temperatures
        found |= _exposures(times, at)
    else:
        if times is not None:
            found["time_fitted"] = f"[{times.min():.6g}, {times.max():.6g}] s"
        if temperatures is not None:
            found["temperature_fitted"] = f"[{temperatures.min():.6g}, {temperatures.max():.6g}] K"
    return found | {"source": "range of what was measured"} if found else {}


def _exposures(times: Floats, temperatures: Floats) -> dict[str, Any]:
    """Longest times at temperatures, and the lowest temperature and the shortest time of all."""
    found: dict[str, Any] = {
        "exposures_fitted": [f"{t:.6g} s at {k - ZERO_CELSIUS:.6g} degC" for t, k in _longest(times, temperatures)],
        "coldest_fitted": f"{temperatures.min() - ZERO_CELSIUS:.6g} degC",
    }
    later = times[times > 0]
    return found | ({"youngest_fitted": f"{later.min():.6g} s"} if later.size else {})


def _longest(times: Floats, temperatures: Floats) -> list[tuple[float, float]]:
    """Longest time at each temperature, but for those that a longer one at a higher temperature covers."""
    found: list[tuple[float, float]] = []
    if np.unique(temperatures).size > MOST_TEMPERATURES:  # as read from a sensor
        temperatures = np.floor(temperatures)
    for kelvin in np.unique(temperatures)[::-1].tolist():
        longest = float(times[temperatures == kelvin].max())
        if all(longest > time for time, _ in found):
            found.append((longest, kelvin))
    return found[::-1]


def mechanism_content(fit: Fit) -> dict[str, Any]:
    """Mechanism of a deck: law, most likely values, source, range of what was measured, and posterior."""
    count = len(fit.parameters.free)
    posterior = {
        "parameters": [f"{f.key} [{f.unit}]" if f.unit else f.key for f in fit.parameters.free],
        "covariance": [[float(f"{v:.4g}") for v in row[:count]] for row in fit.covariance[:count]],
        "draws": [[float(f"{v:.6g}") for v in row[:count]] for row in fit.draws],
        "noise": {f.key: float(f"{v:.4g}") for f, v in zip(fit.noise, fit.best[count:])},
    }
    content = _told(fit, fit.best[:count].tolist())
    measured = measured_range(fit)
    valid = {"valid": measured} if measured else {}
    return {"law": fit.law, **content, "source": source_of(fit), **valid, "posterior": posterior}


def _told(fit: Fit, values: Sequence[float]) -> dict[str, Any]:
    """Parameters at `values` [SI], each held one with why it is held, where the law lets a number say so."""
    found = fit.parameters
    for key, (value, why) in found.reasons.items():
        if key not in found.held or why == FROM_START:
            continue
        marked = replace(found, held=dict(found.held) | {key: {"value": value, "assumed": why}})
        with suppress(ValidationError):
            found.law.model_validate(marked.content(values))
            found = marked
    return found.content(values)


def deck_text(fits: Sequence[Fit], device: DeviceDeck, start: Any = None) -> str:
    """YAML of a deck with the fitted mechanisms; everything else as in `start`, the plain content of a deck."""
    device = next((fit.device for fit in fits if fit.device.g_max != device.g_max), device)
    if start is None:
        content: dict[str, Any] = {
            "title": "Fitted cells",
            "g_max": {"value": f"{device.g_max:.6g} S", **getattr(device, "g_max_told", UNTOLD)},
            "g_min": {"value": f"{device.g_min:.6g} S", **getattr(device, "g_min_told", UNTOLD)},
            **GuessedDevice.told,
            "mechanisms": {},
        }
    else:
        content = {k: v for k, v in start.items() if k != "name"}
        names = ", ".join(fit.mechanism for fit in fits)
        content["title"] = f"{content.get('title', 'Cells')}; {names} fitted to {fits[0].source.path.name}"
        content.setdefault("begun_from", device.name)
    mechanisms = dict(content.get("mechanisms", {}))
    for fit in fits:
        mechanisms[fit.mechanism] = _with_allowed(mechanism_content(fit), mechanisms.get(fit.mechanism))
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style, writer.width, writer.sort_base_mapping_type_on_output = None, 128, False
    out = StringIO()
    writer.dump(_plain(content | {"mechanisms": mechanisms}), out)
    return out.getvalue()


def _with_allowed(made: dict[str, Any], before: Any) -> dict[str, Any]:
    """A mechanism with the allowed ranges of the one in whose place it comes."""
    given = before.get("valid", {}) if isinstance(before, Mapping) else {}
    allowed = {key: value for key, value in given.items() if key.endswith("_allowed")}
    return made | {"valid": made.get("valid", {}) | allowed} if allowed else made


def _plain(node: Any) -> Any:
    """Plain mappings and lists of what a reader gave."""
    if isinstance(node, Mapping):
        return {str(k): _plain(v) for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(v) for v in node]
    return node
