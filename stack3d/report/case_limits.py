"""Which limits the cases of a study keep, and which they go beyond."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from stack3d.report.study_answers import labels_of, labels_with_name, swept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr


HEAD = "limits and warnings"
"""Heading of the column of `notes`."""
MOST_NAMED = 6
"""Cases beyond a limit that are named."""


def _summaries(tree: xr.DataTree) -> Iterator[list[str]]:
    """Lines of the summary of each case; none where a study of an earlier version does not hold them."""
    if "summary" in tree.dataset:
        for text in tree.dataset["summary"].transpose(*swept(tree)).values.ravel():
            yield str(text).splitlines()


def _exceeded(lines: list[str]) -> list[str]:
    """Roles and layers whose limit a case goes beyond, as the deck names them; each once."""
    found = (re.match(r"warning\s+limits\.([^:]+):", line) for line in lines)
    return list(dict.fromkeys(match[1] for match in found if match))


def notes(tree: xr.DataTree) -> list[str]:
    """Of each case whether its limits are kept, and how many other warnings it has; empty where there is nothing to say."""
    found = []
    for lines in _summaries(tree):
        passed = _exceeded(lines)
        kept = [match[1] for line in lines if (match := re.match(r"within limits\s+(\S+ K)", line))]
        others = sum(line.startswith("warning") and not re.match(r"warning\s+limits\.", line) for line in lines)
        parts = [f"exceeded: {', '.join(passed)}"] if passed else [f"kept, {kelvin} left" for kelvin in kept]
        parts += [f"{others} warning{'s' if others > 1 else ''}"] if others else []
        found.append("; ".join(parts))
    return found if any(found) else []


def with_notes(
    tree: xr.DataTree, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of a table of all cases with a column of `notes` before the last one, where there are any."""
    found = notes(tree)
    if not found:
        return head, list(rows)
    return (*head[:-1], HEAD, head[-1]), [(*row[:-1], note, row[-1]) for row, note in zip(rows, found)]


def told(tree: xr.DataTree) -> str:
    """How many cases go beyond a limit, and which; empty where no case has limits."""
    found = notes(tree)
    with_limits = [i for i, note in enumerate(found) if note.startswith(("exceeded", "kept"))]
    beyond = [i for i in with_limits if found[i].startswith("exceeded")]
    if not with_limits:
        return ""
    alone = len(swept(tree)) == 1 and swept(tree) != ["case"]
    labels = (labels_of(tree, d) if alone else labels_with_name(tree, d) for d in swept(tree))
    names = [", ".join(parts) for parts in itertools.product(*labels)]
    if not beyond:
        return _kept({i: found[i] for i in with_limits}, names)
    named = [f"{names[i]} ({found[i].partition(';')[0].removeprefix('exceeded: ')})" for i in beyond[:MOST_NAMED]]
    more = f" and {len(beyond) - MOST_NAMED} more" if len(beyond) > MOST_NAMED else ""
    return f"exceeded in {len(beyond)} of {len(with_limits)} cases: {', '.join(named)}{more}"


def _kept(found: Mapping[int, str], names: Sequence[str]) -> str:
    """By how much all limits are kept, and in which case that is least.

    Parameters
    ----------
    found : mapping of int to str
        `notes` of the cases that have limits, by place.
    names : sequence of str
        Of all cases.
    """
    left = {i: float(match[1]) for i, note in found.items() if (match := re.match(r"kept, (\S+) K left", note))}
    nearest = min(left, key=lambda i: left[i])
    if len(names) == 1:
        return f"kept, by {left[nearest]:g} K"
    every = "in every case" if len(found) == len(names) else "in every case that is done"
    return f"kept {every}, by {left[nearest]:g} K at least ({names[nearest]})"
