"""From a scenario file to a validated, hashed case: find decks, fill in names, apply overrides, report mistakes."""

from stack3d.decks.case import Case, load, resolve
from stack3d.decks.finding import KINDS, available, find, is_scenario, scenario_path, unknown_deck
from stack3d.decks.mistakes import SET, dotted, placed, translate
from stack3d.decks.named_paths import portable, read_tables
from stack3d.decks.resolver import Known, Override, overridden, parse_override, value_at
from stack3d.decks.schemas import deck_schema

__all__ = [
    "KINDS", "SET", "Case", "Known", "Override", "available", "deck_schema", "dotted", "find", "is_scenario", "load",
    "overridden", "parse_override", "placed", "portable", "read_tables", "resolve", "scenario_path", "translate",
    "unknown_deck", "value_at",
]  # fmt: skip
