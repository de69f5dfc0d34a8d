"""Long lists of plain values in YAML text: taken out before it is parsed, so that a hundred thousand of them cost little."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONG_TEXT = 50_000
"""Characters from which a text is searched for such lists; a usual deck has a tenth."""
LONG_RUN = 500
"""Values that follow each other from which they are taken out."""

_WORD = r"[A-Za-z0-9.+\-/^*%_()]"
_VALUE = rf"(?:[A-Za-z0-9]|[.+-](?=\.?[A-Za-z0-9])){_WORD}*(?: {_WORD}+)*"
_LINE = re.compile(rf"( *)- ({_VALUE})")
_ITEM = re.compile(rf"({_VALUE})[ \n]*,[ \n]*")
MARK = re.compile("\ue000([0-9]+)\ue001")
"""What stands for a run: its number between two characters that no deck has a use for."""


@dataclass(frozen=True)
class Run:
    """Values that follow each other in a list.

    Parameters
    ----------
    texts : list of str
    lines : list of int
        Of each, from the first on.
    removed : int
        Ends of lines that went with them.
    """

    texts: list[str]
    lines: list[int]
    removed: int


@dataclass(frozen=True)
class Shortened:
    """A text with marks in place of long runs, and these in order."""

    text: str
    runs: list[Run]


def shortened(text: str) -> Shortened | None:
    """The text with its long runs taken out; None of one that has none, or holds a mark itself.

    What a run stands in is not looked at: it may be a quoted text, a comment or a key. Who parses the text has to meet every
    mark once, in order, as a whole plain item of a list; else the text as it was has to be parsed.
    """
    if len(text) < LONG_TEXT or "\ue000" in text or "\r" in text:
        return None
    runs: list[Run] = []
    found = "".join(_without_flow("".join(_without_block(text, runs)), runs))
    if not runs:
        return None
    order = [int(mark[1]) for mark in MARK.finditer(found)]
    numbers = iter(range(len(order)))
    found = MARK.sub(lambda _: f"\ue000{next(numbers)}\ue001", found)
    return Shortened(found, [runs[i] for i in order])


def _without_block(text: str, runs: list[Run]) -> Iterator[str]:
    """Parts of the text with one line for many that hold an item each at the same depth."""
    run: list[str] = []
    whole: list[str] = []
    depth = ""

    def ended() -> Iterator[str]:
        if len(run) < LONG_RUN:
            yield from whole
            return
        runs.append(Run(list(run), list(range(len(run))), len(run) - 1))
        yield f"{depth}- \ue000{len(runs) - 1}\ue001\n"

    for line in text.splitlines(keepends=True) if "\x85" not in text and "\u2028" not in text else [text]:
        match = _LINE.fullmatch(line, 0, len(line) - 1) if line.endswith("\n") else None
        if match is None or match[1] != depth:
            yield from ended()
            run.clear()
            whole.clear()
        if match is None:
            yield line
        else:
            depth = match[1]
            run.append(match[2])
            whole.append(line)
    yield from ended()


def _without_flow(text: str, runs: list[Run]) -> Iterator[str]:
    """Parts of the text with one item for many after the bracket that begins a list."""
    at = 0
    while (begins := text.find("[", at)) >= 0:
        begins += 1
        yield text[at:begins]
        texts, lines, line, at = [], [], 0, begins
        while (match := _ITEM.match(text, at)) is not None:
            texts.append(match[1])
            lines.append(line)
            line += text.count("\n", match.end(1), match.end())
            at = match.end()
        if len(texts) < LONG_RUN:
            yield text[begins:at]
        else:
            runs.append(Run(texts, lines, line))
            yield f"\ue000{len(runs) - 1}\ue001, "
    yield text[at:]
