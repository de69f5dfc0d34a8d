"""From a device deck to its model, with every mistake of the deck reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from stack3d.devices.laws import MECHANISMS, Law
from stack3d.devices.model import ATTRIBUTES, DeviceModel
from stack3d.errors import DeckError, Problem, UnknownNameError, did_you_mean
from stack3d.schema.device import BANDS, Band, Device, banded_keys, choose_band


def bands(device: Device) -> list[str]:
    """Dotted keys (``retention.activation_energy``) of the quantities that the deck gives as a band."""
    return [key for name, mechanism in device.mechanisms.items() for key in banded_keys(mechanism.parameters, name)]


def check_device(device: Device) -> list[Problem]:
    """Find every mistake in the mechanisms of a deck.

    Parameters
    ----------
    device : stack3d.schema.device.Device

    Returns
    -------
    list of Problem
        With dotted keys below the device, ``mechanisms.retention.shape``; empty for a good deck.
    """
    found: dict[tuple[str, str], Problem] = {}
    for band in BANDS:  # an end of a band may be what is wrong
        for problem in _laws(device, band)[1]:
            found.setdefault((problem.key, problem.message), problem)
    if device.g_min >= device.g_max:
        found["g_min", ""] = Problem("g_min", f"{device.g_min:g} S is not below g_max = {device.g_max:g} S")
    if device.levels is not None and device.levels < 2:
        found["levels", ""] = Problem("levels", f"got {device.levels}; allowed: 2 or more")
    return list(found.values())


def build_device(device: Device, band: Band | Mapping[str, Band] = "default") -> DeviceModel:
    """Bind the laws of a deck.

    Parameters
    ----------
    device : stack3d.schema.device.Device
    band : {"low", "default", "high"} or mapping
        End of every band, or a choice by key (see `bands`): ``{"retention.activation_energy": "low"}``.

    Returns
    -------
    DeviceModel

    Raises
    ------
    DeckError
        With every mistake of `check_device`, or a band that the deck does not have.
    """
    problems = check_device(device)
    if problems:
        raise DeckError(problems)
    known = bands(device)
    for key, choice in band.items() if isinstance(band, Mapping) else (("", band),):
        if key and key not in known:
            raise DeckError(Problem(key, f"no banded quantity{did_you_mean(key, known)}; known: {', '.join(known) or 'none'}"))
        if choice not in BANDS:
            raise DeckError(Problem(key, f"unknown band {choice!r}; allowed: {', '.join(BANDS)}"))
    return DeviceModel(device, **{ATTRIBUTES[name]: law for name, law in _laws(device, band)[0].items()})


def _laws(device: Device, band: Band | Mapping[str, Band]) -> tuple[dict[str, Any], list[Problem]]:
    """Validated laws by mechanism, and the mistakes met on the way."""
    laws: dict[str, Law] = {}
    problems = []
    for name, mechanism in device.mechanisms.items():
        key = f"mechanisms.{name}"
        if name not in MECHANISMS:
            message = f"unknown mechanism{did_you_mean(name, MECHANISMS)}; known: {', '.join(sorted(MECHANISMS))}"
            problems.append(Problem(key, message))
            continue
        try:
            law: type[Law] = MECHANISMS[name][mechanism.law]
        except UnknownNameError as error:
            problems.append(Problem(f"{key}.law", error.problems[0].message))
            continue
        try:
            laws[name] = law.model_validate(choose_band(mechanism.parameters, band, name))
        except ValidationError as error:
            problems.extend(_problem(key, law, entry) for entry in error.errors())
    return laws, problems


def _problem(key: str, law: type[BaseModel], entry: Any) -> Problem:
    """One mistake of a law's parameters in the words of a deck."""
    place = ".".join([key, *(str(part) for part in entry["loc"])])
    if entry["type"] == "extra_forbidden":
        model = _model_at(law, entry["loc"][:-1])
        allowed = [n for n in model.model_fields if n not in ("source", "assumed")] if model else []
        return Problem(place, f"unknown key{did_you_mean(str(entry['loc'][-1]), allowed)}; allowed: {', '.join(allowed)}")
    if entry["type"] == "missing":
        return Problem(place, "is missing")
    return Problem(place, entry["msg"].removeprefix("Value error, "))


def _model_at(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel] | None:
    """Model of the mapping at `path` below `model`."""
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [a for a in _leaves(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not inner:
            return None
        model = inner[0]
    return model


def _leaves(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [leaf for a in arguments for leaf in _leaves(a)] if arguments else [annotation]
