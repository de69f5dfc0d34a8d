"""Outcomes on disk: one dataset per case, one joined dataset per study, and the record of each run."""

from stack3d.results.case_file import write_case
from stack3d.results.case_tree import (
    CHECKPOINT,
    MANIFEST,
    RESOLVED,
    deck_is_damaged,
    is_damaged,
    is_vouched,
    mend_deck,
    open_result,
    prepare,
    read_record,
    resolved_yaml,
    sources_of,
    to_tree,
    versions,
)
from stack3d.results.ecxml import write_ecxml
from stack3d.results.joined import join, open_results, write_study
from stack3d.results.netcdf import write_json, write_record, write_text, write_tree
from stack3d.results.places_table import places_table
from stack3d.results.spice import netlist, renamed_pins
from stack3d.results.unknown_bands import bands

__all__ = [
    "CHECKPOINT",
    "MANIFEST",
    "RESOLVED",
    "bands",
    "deck_is_damaged",
    "is_damaged",
    "is_vouched",
    "join",
    "mend_deck",
    "netlist",
    "open_result",
    "open_results",
    "places_table",
    "prepare",
    "read_record",
    "renamed_pins",
    "resolved_yaml",
    "sources_of",
    "to_tree",
    "versions",
    "write_case",
    "write_ecxml",
    "write_json",
    "write_record",
    "write_study",
    "write_text",
    "write_tree",
]
