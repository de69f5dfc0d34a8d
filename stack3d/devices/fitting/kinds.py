"""Which kind of measurement tells of which mechanism, by the columns of a file."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from stack3d.devices.fitting.cell_series import Series
from stack3d.devices.fitting.likelihood import Likelihood, Spread
from stack3d.devices.fitting.measurements import Table
from stack3d.devices.fitting.neighbours import Rises, StuckMaps
from stack3d.devices.fitting.populations import Populations
from stack3d.devices.fitting.wear import Lives, Windows
from stack3d.devices.laws import MECHANISMS, Law, RelaxationLaw
from stack3d.errors import DeckError, Problem, ValidityWarning, unknown_name
from stack3d.schema.device import DeviceDeck

Needs = tuple[tuple[str, ...], ...]


def _levels(*columns: str) -> Needs:
    return (("level", *columns), ("target", *columns))


SINGLE = _levels("time", "conductance")
STATISTICS = _levels("time", "sd")
KINDS: dict[str, tuple[tuple[type[Any], Needs], ...]] = {
    "programming": ((Spread, (("target", "sd"), ("level", "sd"), ("target", "conductance"))),),
    "relaxation": ((Populations, STATISTICS), (Series, SINGLE)),
    "spread": ((Populations, STATISTICS + SINGLE),),
    "retention": ((Series, SINGLE),),
    "crystallisation": ((Series, SINGLE),),
    "temperature_dependence": ((Series, _levels("temperature", "conductance")),),
    "read_noise": ((Spread, (("target", "sd"), ("level", "sd"), ("conductance", "sd"))),),
    "read_disturb": ((Series, _levels("reads", "conductance")),),
    "endurance": ((Lives, (("cycles",),)),),
    "window_closure": ((Windows, (("damage", "high"), ("cycles", "high"), ("damage", "low"), ("cycles", "low"))),),
    "faults": ((StuckMaps, (("row", "column", "stuck"),)),),
    "self_heating": ((Rises, (("power", "rise"),)),),
    "truncation": ((Populations, (("target", "conductance"),)),),
}
"""Mechanism → kinds of measurement, each with the sets of columns of which one is needed."""
LONE = {"temperature_dependence", "programming", "truncation"}
"""Mechanisms whose measurements do not run over time."""
OF_HEAT = {"retention", "crystallisation"}
"""Mechanisms of which heat is half; a file without temperatures is asked about."""
LIVES = {"high", "low"}
"""Columns that make a file of cycles one of windows, not of lives."""


def listed_laws() -> list[tuple[str, str, dict[str, str]]]:
    """Mechanisms, the sets of columns that a fit of each takes, and what each of their laws says."""
    found = []
    for mechanism, registry in MECHANISMS.items():
        sets = dict.fromkeys(need for _, needs in KINDS[mechanism] for need in needs if need[0] != "target" or len(need) < 3)
        said = {name: " ".join((registry[name].__doc__ or "").split("\n\n")[0].split()) for name in registry}
        found.append((mechanism, " or ".join(", ".join(need) for need in sets), said))
    return found


def likelihood(mechanism: str, law: type[Law], tables: Sequence[Table], device: DeviceDeck) -> tuple[Likelihood, Table]:
    """Likelihood of the first table that has the columns a mechanism needs, and that table.

    Parameters
    ----------
    mechanism : str
    law : type of Law
    tables : sequence of Table
    device : DeviceDeck

    Raises
    ------
    DeckError
        Where no table has them.
    """
    several = issubclass(law, RelaxationLaw) and law.random_barrier
    for kind, needs in KINDS[mechanism]:
        for table in tables:
            columns = set(table.columns)
            if (mechanism in LONE and columns & {"time", "reads"}) or (mechanism == "endurance" and columns & LIVES):
                continue
            if any(set(need) <= columns for need in needs):
                _ask_of_heat(mechanism, table)
                chosen = Populations if several else kind
                return chosen(table, device, mechanism), table
    wanted = [need for _, needs in KINDS[mechanism] for need in needs]
    got = ", ".join(f"{t.path}{_lacking(t, wanted)}" for t in tables)
    raise DeckError(f"{mechanism} needs a file with the columns {' or '.join(', '.join(n) for n in wanted)}; got {got}")


def _ask_of_heat(mechanism: str, table: Table) -> None:
    """Warn of a file without temperatures, where heat is half of a mechanism."""
    if mechanism in OF_HEAT and "temperature" not in table.columns:
        said = Problem("", f"has no column temperature: {mechanism} is taken to be at 25 degC", str(table.path), 1)
        warnings.warn(ValidityWarning(str(said)), stacklevel=3)


def _lacking(table: Table, wanted: Sequence[tuple[str, ...]]) -> str:
    """What a table lacks of the set of columns that it is nearest to, in words."""
    lacks = min(([n for n in need if n not in table.columns] for need in wanted), key=len)
    return f", which lacks {', '.join(lacks)}" if lacks else ""


def mechanisms_with(law: str) -> list[str]:
    """Mechanisms that have a law of this name, or ``mechanism.law``; raises UnknownNameError with the nearest names."""
    mechanism, _, name = law.rpartition(".")
    found = [m for m, registry in MECHANISMS.items() if name in registry and mechanism in ("", m)]
    if not found:
        raise unknown_name("law", law, sorted({n for r in MECHANISMS.values() for n in r}))
    return found


def laws_for(tables: Sequence[Table]) -> dict[str, list[str]]:
    """Laws that can be fitted to the columns of tables, by mechanism."""
    found: dict[str, list[str]] = {}
    for mechanism, registry in MECHANISMS.items():
        for name in registry:
            if _suits(mechanism, name, tables):
                found.setdefault(mechanism, []).append(name)
    return found


def mechanism_of(law: str, tables: Sequence[Table]) -> str:
    """Mechanism of a law by its name, or ``mechanism.law`` where several have one of that name.

    Raises
    ------
    UnknownNameError
        With the nearest names.
    DeckError
        Where several mechanisms have a law of that name and are told by these columns.
    """
    found, suited = mechanisms_with(law), []
    for one in found:
        if _suits(one, law.rpartition(".")[2], tables):
            suited.append(one)
    if len(suited) > 1:
        asked = " or ".join(f"--law {one}.{law}" for one in suited)
        raise DeckError(f"{law} is a law of {' and of '.join(suited)}, and these columns tell of each: write {asked}")
    return (suited or found)[0]


def _suits(mechanism: str, name: str, tables: Sequence[Table]) -> bool:
    """Whether measurements tell of a law; what is odd in them is told when it is fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            likelihood(mechanism, MECHANISMS[mechanism][name], tables, _blank())
        except DeckError:
            return False
    return True


def _blank() -> DeviceDeck:
    return DeviceDeck.model_validate({"g_max": "1 uS", "g_min": "0 uS", "read": {"voltage": "0.2 V", "pulse": "1 us"}})
