"""Sections that make a study of a scenario other than a sweep: read with what was set of them, mistakes with their lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stack3d import decks, yamlfile
from stack3d.errors import DeckError, Problem
from stack3d.schema.sweep import SweepModel
from stack3d.study.plan import StudyDraft

STUDIES = ("optimise", "uncertain")
"""Of which a scenario has one at most, and no sweep beside it."""


def as_asked(draft: StudyDraft, word: str) -> Any:
    """The scenario as written, with what was set of the section."""
    return decks.overridden(draft.tree, draft.source, [o for o in draft.overrides if o[0].partition(".")[0] == word])


def section_of[T: SweepModel](draft: StudyDraft, word: str, model: type[T]) -> T | None:
    """The section of a scenario; raises DeckError where it makes no sense, or stands beside another study."""
    from pydantic import ValidationError

    tree = as_asked(draft, word)
    given = tree.get(word)
    if given is None:
        return None
    others = [w for w in STUDIES if w != word and as_asked(draft, w).get(w) is not None] + ["sweep"] * bool(draft.axes)
    if others:
        near = "; what is not known of designs stands under optimise.uncertain" if {word, others[0]} == set(STUDIES) else ""
        text = f"and {others[0]} do not go together: leave one of them away{near}"
        raise DeckError([placed(Problem(word, text), tree)])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise DeckError(decks.translate(error, tree, model, (word,))) from None


def parsed[T](parse: Callable[[str], T], texts: Sequence[str], tree: Any, key: str, problems: list[Problem]) -> list[T]:
    """What the texts under a key say.

    Parameters
    ----------
    parse : callable
        Reads a text; raises DeckError.
    texts : sequence of str
    tree : Mapping
        The scenario as asked for.
    key : str
        Of the texts, dotted.
    problems : list of Problem
        Which those that are wrong join, with their lines.
    """
    found = []
    for i, text in enumerate(texts):
        try:
            found.append(parse(text))
        except DeckError as error:
            problems += [placed(p, tree, (*key.split("."), i)) for p in error.problems]
    return found


def placed(problem: Problem, tree: Any, at: tuple[str | int, ...] = ()) -> Problem:
    """With file and line of the deck, under the key that the user wrote."""
    key = problem.key.replace("sweep.", "optimise.vary.", 1) if problem.key.startswith("sweep.") else problem.key
    word, _, rest = key.partition(".")
    inner, _, dotted = rest.partition(".")
    place = yamlfile.locate(tree, at or (word, *filter(None, (inner, dotted)))) if word in tree else None
    return replace(problem, key=key, file=place[0], line=place[1]) if place else replace(problem, key=key)


def of_screen(problem: Problem, tree: Any, name: str) -> Problem:
    """A mistake that a screen of a search makes, with the line of what it sets."""
    key = f"optimise.screens.{name}" + f".set.{problem.key}" * bool(problem.key)
    own = tree["optimise"]["screens"][name].get("set") or {}
    at = ("optimise", "screens", name, *(("set", problem.key) if problem.key in own else ()))
    place = yamlfile.locate(tree, at)
    return replace(problem, key=key, file=place[0], line=place[1]) if place else replace(problem, key=key)


def of_draws(problem: Problem, tree: Any) -> Problem:
    """A mistake that a draw beside a design makes, with the line of what it sets."""
    own = tree["optimise"]["uncertain"]
    word = next((w for w in ("set", "keys") if isinstance(own.get(w), Mapping) and problem.key in own[w]), None)
    place = yamlfile.locate(tree, ("optimise", "uncertain", *((word, problem.key) if word else ())))
    key = f"optimise.uncertain.{word or 'keys'}.{problem.key}"
    return replace(problem, key=key, file=place[0], line=place[1]) if place else replace(problem, key=key)
