"""Which unknowns go together: what a deck says, and what fits know."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema.uncertain import CorrelationDeck
from stack3d.study.plan import Tree
from stack3d.study.sections import placed
from stack3d.study.shapley import correlation_of


def correlation_among(
    keys: Sequence[str],
    groups: Sequence[CorrelationDeck],
    tree: Tree,
    fitted: Sequence[tuple[str, str, float]],
    *,
    section: str,
) -> Floats | None:
    """Of the normal scores of unknowns, shape (unknown, unknown); None where none go together.

    Parameters
    ----------
    keys : sequence of str
        Of the unknowns.
    groups : sequence of CorrelationDeck
    tree : Mapping
        The scenario as asked for.
    fitted : sequence of (key, key, coefficient)
        Of posteriors.
    section : str
        Key of the deck that the groups stand under, dotted.

    Raises
    ------
    DeckError
        For keys that are none, and correlations that cannot be.
    """
    problems, pairs, word = list[Problem](), dict[frozenset[str], float](), f"{section}.correlated"
    for i, group in enumerate(groups):
        at: tuple[str | int, ...] = (*word.split("."), i)
        lost = [key for key in group.keys if key not in keys]
        if lost:
            near = f"wanted one of {', '.join(keys)}" if len(keys) <= 12 else f"{len(keys)} numbers are drawn"
            problems.append(placed(Problem(word, f"{lost[0]} is not among the unknowns; {near}"), tree, at))
            continue
        for pair in map(frozenset, combinations(group.keys, 2)):
            if pairs.setdefault(pair, group.coefficient) != group.coefficient:
                both = " and ".join(sorted(pair))
                problems.append(placed(Problem(word, f"{both} have two coefficients"), tree, at))
    if problems:
        raise DeckError(problems)
    pairs = {frozenset(pair): value for *pair, value in fitted if set(pair) <= set(keys)} | pairs
    if not pairs:
        return None
    try:
        return correlation_of(keys, [(*sorted(pair), value) for pair, value in pairs.items()])  # type: ignore[misc]
    except ValueError as error:
        raise DeckError(placed(Problem(word, str(error)), tree)) from None
