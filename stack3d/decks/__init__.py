"""From a scenario file to a validated, hashed case: find decks, fill in names, apply overrides, report mistakes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stack3d.decks.case import Case, load, resolve
    from stack3d.decks.finding import KINDS, available, find, folders, is_scenario, scenario_path, unknown_deck
    from stack3d.decks.mistakes import SET, dotted, placed, translate
    from stack3d.decks.named_paths import portable, read_tables
    from stack3d.decks.resolver import Known, Override, overridden, parse_override, value_at
    from stack3d.decks.schemas import deck_schema

__all__ = [
    "KINDS", "SET", "Case", "Known", "Override", "available", "deck_schema", "dotted", "find", "folders", "is_scenario", "load",
    "overridden", "parse_override", "placed", "portable", "read_tables", "resolve", "scenario_path", "translate",
    "unknown_deck", "value_at",
]  # fmt: skip

_FILES = {
    "case": ("Case", "load", "resolve"),
    "finding": ("KINDS", "available", "find", "folders", "is_scenario", "scenario_path", "unknown_deck"),
    "mistakes": ("SET", "dotted", "placed", "translate"),
    "named_paths": ("portable", "read_tables"),
    "resolver": ("Known", "Override", "overridden", "parse_override", "value_at"),
    "schemas": ("deck_schema",),
}
"""Names of this door by the file that holds them."""


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: a shell that asks for names of decks needs none of what checks them."""
    for file, names in _FILES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{file}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
