"""From a device deck to its model, with every mistake of the deck reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from stack3d import decks, yamlfile
from stack3d.devices.laws import MECHANISMS, Law
from stack3d.devices.model import ATTRIBUTES, DeviceModel
from stack3d.errors import DeckError, Problem, UnknownNameError, did_you_mean
from stack3d.schema.device import BANDS, Band, DeviceDeck, MechanismDeck, banded_keys, choose_band


def load_device(name: str) -> DeviceDeck:
    """Read a device deck by name or path.

    Parameters
    ----------
    name : str
        Name of a packaged deck or of one in the project, or a path.

    Returns
    -------
    stack3d.schema.device.DeviceDeck

    Raises
    ------
    UnknownNameError
        With the nearest names.
    DeckError
        With every mistake, file and line.
    """
    path = decks.find("devices", name)
    if path is None:
        raise decks.unknown_deck("devices", name, "device")
    tree = yamlfile.read(path)
    tree.put("name", path.stem, (yamlfile.shown(path), 1))
    problems = decks.read_tables(tree)
    try:
        device = DeviceDeck.model_validate(tree)
    except ValidationError as error:
        raise DeckError(problems + decks.translate(error, tree, DeviceDeck)) from None
    problems = problems or check_device(device)
    if problems:
        raise DeckError([decks.placed(p, tree) for p in problems])
    return device


def bands(device: DeviceDeck) -> list[str]:
    """Dotted keys (``retention.activation_energy``) of the quantities that the deck gives as a band."""
    return [key for name, mechanism in device.mechanisms.items() for key in banded_keys(mechanism.parameters, name)]


def posterior_draws(device: DeviceDeck) -> int:
    """Draws of the posterior that every fitted mechanism of a deck has; 0 without a posterior."""
    found = [len(m.posterior.draws) for m in device.mechanisms.values() if m.posterior is not None]
    return min(found, default=0)


def drawn(device: DeviceDeck, index: int) -> DeviceDeck:
    """Deck with the fitted numbers of one draw of each posterior.

    Parameters
    ----------
    device : stack3d.schema.device.DeviceDeck
    index : int
        Below `posterior_draws`.

    Returns
    -------
    stack3d.schema.device.DeviceDeck
        Without posteriors.
    """
    mechanisms = {}
    for name, mechanism in device.mechanisms.items():
        if mechanism.posterior is not None:
            content = mechanism.model_dump(exclude={"posterior"})
            for title, value in zip(mechanism.posterior.parameters, mechanism.posterior.draws[index]):
                key, _, unit = (
                    title.removesuffix("]").rpartition(" [") if title.endswith("]") and " [" in title else (title, "", "")
                )
                _put(content, key, f"{value!r} {unit}" if unit else value)
            mechanism = MechanismDeck.model_validate(content)
        mechanisms[name] = mechanism
    return device.model_copy(update={"mechanisms": mechanisms})


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, as a fit writes it: ``anchor.time``, ``coefficients[1]``."""
    *parents, last = key.split(".")
    for parent in parents:
        name, _, index = parent.removesuffix("]").partition("[")
        if index:
            content[name] = list(content[name])
            content[name][int(index)] = dict(content[name][int(index)])
            content = content[name][int(index)]
        else:
            content[name] = dict(content[name])
            content = content[name]
    name, _, index = last.removesuffix("]").partition("[")
    if index:
        content[name] = [value if i == int(index) else v for i, v in enumerate(content[name])]
    else:
        content[name] = value


def check_device(device: DeviceDeck) -> list[Problem]:
    """Find every mistake in the mechanisms of a deck.

    Parameters
    ----------
    device : stack3d.schema.device.DeviceDeck

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


def build_device(device: DeviceDeck, band: Band | Mapping[str, Band] = "default") -> DeviceModel:
    """Bind the laws of a deck.

    Parameters
    ----------
    device : stack3d.schema.device.DeviceDeck
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


def _laws(device: DeviceDeck, band: Band | Mapping[str, Band]) -> tuple[dict[str, Any], list[Problem]]:
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
            problems += decks.translate(error, {}, law, ("mechanisms", name))
    return laws, problems
