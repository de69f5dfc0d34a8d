"""From a scenario to its plan: one case, a sweep, a search for the best design, or a study of what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stack3d.schema.optimise import OptimiseDeck
from stack3d.schema.uncertain import UncertainDeck
from stack3d.study.optimising import Optimisation
from stack3d.study.plan import Plan, StudyDraft, spelled_out
from stack3d.study.points import KeyValue
from stack3d.study.sections import section_of
from stack3d.study.uncertainty import UncertaintyStudy


def plan(path: str | Path, overrides: Sequence[KeyValue] = ()) -> Plan:
    """The cases of a scenario: of its sweep all, of a search or a study of unknowns as they come up.

    Raises
    ------
    DeckError
        When the file cannot be read, or what it asks for makes no sense, or it is a single case and has mistakes.
    """
    draft = StudyDraft(path, overrides)
    found = adaptive(draft, path, overrides)
    if found is None:
        return spelled_out(draft)
    found.check_ends()
    return found


def adaptive(draft: StudyDraft, path: str | Path, overrides: Sequence[KeyValue] = ()) -> Optimisation | UncertaintyStudy | None:
    """The study that a scenario asks for beside sweeps; raises DeckError where it makes no sense."""
    deck = section_of(draft, "optimise", OptimiseDeck)
    if deck is not None:
        return Optimisation(path, deck, overrides, draft.tree)
    unknown = section_of(draft, "uncertain", UncertainDeck)
    return None if unknown is None else UncertaintyStudy(path, unknown, overrides, draft.tree)
