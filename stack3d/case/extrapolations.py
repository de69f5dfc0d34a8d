"""Warnings of laws that leave what was measured: one a fact, though every mechanism tells it."""

from __future__ import annotations

import re
from collections.abc import Iterable

RANGE = re.compile(
    r"(\w+) of device '(.*)': (temperature|time|conductance) leaves the fitted range (\[.*\] \S+); extrapolating"
)
EXPOSURES = re.compile(
    r"(\w+) of device '(.*)': leaves the (times and temperatures) of its measurements (\(.*\)); extrapolating", re.DOTALL
)


def told_once(texts: Iterable[str]) -> tuple[str, ...]:
    """Texts of warnings; of several mechanisms of one device that leave the same quantity one, where the first was."""
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for text in dict.fromkeys(texts):
        match = RANGE.fullmatch(text) or EXPOSURES.fullmatch(text)
        mechanism, device, quantity, measured = match.groups() if match else ("", "", text, "")
        found.setdefault((device, quantity), []).append((mechanism.replace("_", " "), measured, text))
    return tuple(same[0][2] if len(same) == 1 else _merged(*of, same) for of, same in found.items())


def _merged(device: str, quantity: str, same: Iterable[tuple[str, str, str]]) -> str:
    """A warning of several mechanisms, those that were measured alike together."""
    alike: dict[str, list[str]] = {}
    for mechanism, measured, _ in same:
        alike.setdefault(measured, []).append(mechanism)
    of = ", of ".join(f"{' and '.join(names)} {measured}" for measured, names in alike.items())
    left = f"cells leave the {quantity} of the measurements" if "and" in quantity else f"{quantity} leaves the fitted ranges"
    return f"device {device!r}: {left} of {of}; extrapolating"
