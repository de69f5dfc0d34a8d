"""The language of 3D-ICE's files: statements of words below headings; comments, commas and brackets are gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from stack3d.errors import DeckError, few
from stack3d.floorplans import number, read_text
from stack3d.geometry.importers.user_files import LEAST, mistake, place_of, within
from stack3d.yamlfile import FileLine

MICRO = 1e-6
"""3D-ICE counts in micrometres."""
COMMENTS = re.compile(r'("[^"\n]*")|/\*.*?\*/|//[^\n]*|#[^\n]*', re.DOTALL)
"""Those, or names of files in quotes, which may hold ``//`` and ``#``."""
TOKENS = re.compile(r'\n|"[^"\n]*"|[:;]|[^\s:;,()"]+|"')


@dataclass(frozen=True)
class Statement:
    """Words up to a semicolon, below the heading they stand under.

    Parameters
    ----------
    path : Path
        Of the file.
    heading, words : tuple of str
    line, head : int
        Where the words begin, and the heading.
    section : int
        Number of the heading in the file.
    file : str
        The path as a user would type it, which is looked up once a file.
    """

    path: Path
    heading: tuple[str, ...]
    words: tuple[str, ...]
    line: int
    head: int
    section: int
    file: str

    @property
    def title(self) -> str:
        """The heading in one piece."""
        return " ".join(self.heading)

    @property
    def place(self) -> FileLine:
        """File and line."""
        return self.file, self.line

    @property
    def heading_place(self) -> FileLine:
        """File and line of the heading."""
        return self.file, self.head

    def fail(self, message: str) -> DeckError:
        """Error at the statement."""
        return mistake(self.place, self.title, message)

    def fail_at_heading(self, message: str) -> DeckError:
        """Error at the heading that it stands under."""
        return mistake(self.heading_place, self.title, message)

    def ends_after(self, count: int) -> None:
        """Raises DeckError for more words than these, as where a semicolon is missing."""
        if len(self.words) > count:
            rest = few(" ".join(self.words[count:]))
            raise self.fail(f"wants a semicolon after {few(' '.join(self.words[:count]))}, got {rest}")

    def word(self, index: int) -> str:
        """Word `index`; raises DeckError when the statement is shorter."""
        if index >= len(self.words):
            raise self.fail(f"is incomplete: {few(' '.join(self.words))}")
        return self.words[index]

    def value(self, index: int) -> float:
        """Word `index` as a number; raises DeckError."""
        return number(self.word(index), self.path, self.line, self.title)

    def amount(self, index: int, dimension: str, scale: float, *, least: float | None = LEAST) -> float:
        """Word `index` in SI; raises DeckError.

        Parameters
        ----------
        index : int
        dimension : str
            As in `units.SI`.
        scale : float
            One of what the file counts in. [SI]
        least : float or None
            As in `within`. [SI]
        """
        before = list(takewhile(lambda word: not is_number(word), reversed(self.words[:index])))
        what = " ".join(before[::-1] or [word for word in self.words[:index] if not is_number(word)])
        value = scale * self.value(index)
        return within(value, dimension, self.place, (self.title, what, few(self.word(index))), least=least)

    def values(self, start: int, counts: tuple[int, ...] = ()) -> list[float]:
        """The words from `start` on as numbers, one of `counts` of them; raises DeckError."""
        found = [self.value(i) for i in range(start, len(self.words))]
        if not found or (counts and len(found) not in counts):
            wanted = "numbers" if not counts else "one number" if counts == (1,) else f"{' or '.join(map(str, counts))} numbers"
            raise self.fail(f"wants {wanted} after {few(' '.join(self.words[:start]))}, got {len(found)}")
        return found

    def named(self, key: str) -> str:
        """Name that heads a section, as ``die NAME:``; raises DeckError."""
        if len(self.heading) != 2:
            raise self.fail(f"wants '{key} NAME:'")
        return self.heading[1]


def is_number(word: str) -> bool:
    """Whether a word begins as a number does."""
    return word[0] in "+-.0123456789"


def statements(path: Path) -> Iterator[Statement]:
    """Statements of a file; raises DeckError for one that never ends."""
    text = COMMENTS.sub(lambda m: m[1] or re.sub(r"[^\n]", " ", m[0]), read_text(path))
    heading: tuple[str, ...] = ()
    words: list[str] = []
    file, start = place_of(path)[0], 1
    head = line = 1
    section = 0
    for token in TOKENS.finditer(text):
        word = token[0]
        if word == "\n":
            line += 1
        elif word == ":":
            heading, words, head, section = tuple(words), [], start, section + 1
        elif word == ";":
            if words:
                yield Statement(path, heading, tuple(words), start, head, section, file)
            words = []
        else:
            start = line if not words else start
            words.append(word)
    if words:
        raise mistake(place_of(path, start), " ".join(heading), f"{few(' '.join(words))} wants a semicolon")
