"""Mistakes of a table: the first of each kind with its place, the others of that kind counted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stack3d.errors import Problem

MOST_KINDS = 20
"""Kinds of mistake that are told; a table is read no further then."""
MOST_COUNTED = 100_000
"""Mistakes of all kinds; a table is read no further then."""
NAMED = 4
"""Lines that are named beside the first."""
VALUE = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|[-+]?\d[\d.]*(?:[eE][-+]?\d+)?")
"""What differs between two mistakes of one kind: what came."""


@dataclass
class _Kind:
    """A kind of mistake."""

    first: Problem
    lines: list[int] = field(default_factory=list)
    """Of the next few."""
    more: int = 0

    def told(self, *, whole: bool) -> Problem:
        """The first, and how many are like it: at least so many where the table was not read to its end."""
        if not self.more:
            return self.first
        count = f"{'' if whole else 'at least '}{self.more} more row{'s have' if self.more > 1 else ' has'} it"
        lines = ", ".join(map(str, self.lines)) + (" …" if self.more > len(self.lines) else "")
        said = f"{self.first.message}; {count} (line{'s' if self.more > 1 else ''} {lines})"
        return Problem(self.first.key, said, self.first.file, self.first.line)


class Mistakes:
    """What is wrong in the rows of a file, by column and kind."""

    def __init__(self, file: str) -> None:
        self.file, self.kinds, self.counted = file, dict[tuple[str, str], _Kind](), 0

    def add(self, line: int, column: str, said: str) -> None:
        """Note a mistake of a line; `column` is empty where it is of the row."""
        self.counted += 1
        kind = self.kinds.get(at := (column, VALUE.sub("", said)))
        if kind is None:
            self.kinds[at] = _Kind(Problem(column, said, self.file, line))
            return
        kind.more += 1
        if len(kind.lines) < NAMED:
            kind.lines.append(line)

    @property
    def enough(self) -> bool:
        """Whether the table is read no further."""
        return len(self.kinds) >= MOST_KINDS or self.counted >= MOST_COUNTED

    @property
    def problems(self) -> list[Problem]:
        """One of each kind, in the order in which they were met."""
        return [kind.told(whole=not self.enough) for kind in self.kinds.values()]
