"""Outcomes on disk: one dataset per case, one joined dataset per study, and the record of each run."""

from stack3d.results.case import (
    open_result,
    read_record,
    resolved_yaml,
    sources_of,
    to_tree,
    versions,
)
from stack3d.results.files import clear_scratch, write_record, write_text, write_tree
from stack3d.results.joined import MANIFEST, join, open_results, write_study

__all__ = [
    "MANIFEST",
    "clear_scratch",
    "join",
    "open_result",
    "open_results",
    "read_record",
    "resolved_yaml",
    "sources_of",
    "to_tree",
    "versions",
    "write_record",
    "write_study",
    "write_text",
    "write_tree",
]
