"""YAML 1.2 text as mappings that remember the file and line of each key; limits hold before anything is expanded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from stack3d.errors import DeckError, Problem, brief
from stack3d.yamlruns import MARK, Run, shortened

MOST_BYTES = 4_000_000
"""Of one deck."""
MOST_DEPTH = 40
"""Mappings and lists inside each other."""
MOST_NODES = 200_000
"""Values of one deck, those of aliases counted wherever they stand."""
MOST_DIGITS = 40
"""Of a whole number."""

EVENTS_TOLD = 20_000
"""Events of the parser from one call of `WATCHED` to the next; no usual deck has as many."""


class GrammarError(DeckError):
    """A text that is no YAML."""


FileLine = tuple[str, int | None]
Watch = Callable[[str, int, int], None]
"""Told what is read, how many characters of it are done, and of how many."""
WATCHED: ContextVar[Watch | None] = ContextVar("WATCHED", default=None)
"""Who is told how far a long text is read; nobody unless a command sets it."""


class Mapping(dict[str, Any]):
    """A YAML mapping; `places` holds (file, line) per key, `here` its own."""

    def __init__(self, here: FileLine) -> None:
        super().__init__()
        self.here = here
        self.places: dict[str, FileLine] = {}

    def put(self, key: str, value: Any, place: FileLine) -> None:
        """Set a key and where it comes from."""
        self[key] = value
        self.places[key] = place


class Items(list[Any]):
    """A YAML sequence; `places` holds (file, line) per item."""

    def __init__(self, here: FileLine) -> None:
        super().__init__()
        self.here = here
        self.places: list[FileLine] = []


_FLOAT = re.compile(
    r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_INT = re.compile(r"[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9][0-9_]*|[-+]?0x[0-9a-fA-F_]+")
_FIXED = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_PLAIN = "tag:yaml.org,2002:"
_MERGE = object()
"""The key ``<<``."""
_UNPRINTABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _whole(text: str) -> int:
    digits = text.replace("_", "").lstrip("+-").lower()
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits, at most {MOST_DIGITS}")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    return (-1 if text[0] == "-" else 1) * int(digits if base == 10 else digits[2:], base)


def _real(text: str) -> float:
    plain = text.replace("_", "").lower()
    return float(plain.replace(".inf", "inf").replace(".nan", "nan"))


def _plain(text: str) -> Any:
    """Value of a scalar without quotes and tag; raises ValueError."""
    if text in _FIXED:
        return _FIXED[text]
    if _FLOAT.fullmatch(text):
        return _real(text)
    if _INT.fullmatch(text):
        return _whole(text)
    return _MERGE if text == "<<" else text


_SURROGATE = re.compile("[\ud800-\udfff]")


def _scalar(event: Any) -> Any:
    """Value of a scalar by the core schema; raises ValueError."""
    text: str = event.value
    if not text.isascii() and (half := _SURROGATE.search(text)):
        raise ValueError(f"the character U+{ord(half[0]):04X} is no part of a text")
    tag = None if event.tag in (None, "!") else str(event.tag)
    if tag is None:
        return _plain(text) if event.implicit[0] else text
    kinds: dict[str, Callable[[str], Any]] = {
        "str": str,
        "int": _whole,
        "float": _real,
        "bool": _FIXED.__getitem__,
        "null": _FIXED.__getitem__,
    }
    kind = tag.removeprefix(_PLAIN)
    if kind not in kinds:
        raise ValueError(f"the tag {tag!r} has no meaning in a deck")
    try:
        return kinds[kind](text)
    except (KeyError, IndexError):
        raise ValueError(f"{brief(text)} is no {kind}") from None


@dataclass
class _Open:
    """A mapping or list that is being read, and how many values it holds."""

    node: Mapping | Items
    anchor: str | None
    nodes: int = 1
    key: Any = None
    key_line: int | None = None
    merged: list[Mapping] = field(default_factory=list)


class _MarkElsewhere(Exception):
    """A long run of values stood in no list."""


class _Builder:
    """Puts parser events together; aliases share what they stand for.

    Parameters
    ----------
    file : str
    runs : list of Run
        Taken out of the text, in order.
    """

    def __init__(self, file: str, runs: list[Run]) -> None:
        self.file, self.runs = file, runs[::-1]
        self.removed = self.met = 0
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open: list[_Open] = []
        self.opened: set[str] = set()
        self.total = 0
        self.root: Any = None

    def wrong(self, message: str, line: int) -> DeckError:
        """Error at a line, with the key that is being read."""
        path = ""
        for part in self.open:
            is_list = isinstance(part.node, Items)
            path += f"[{len(part.node)}]" if is_list else f".{part.key}" if isinstance(part.key, str) else ""
        return DeckError(Problem(path.lstrip(".")[:200], message, self.file, line))

    def build(self, events: Iterator[Any]) -> Any:
        """Tree of the only document."""
        documents = 0
        for event in events:
            kind, line = type(event).__name__, event.start_mark.line + 1 + self.removed
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise self.wrong("not valid YAML: one document a file, a second one begins here", line)
                if event.version not in (None, (1, 2)):
                    raise self.wrong("decks are YAML 1.2", line)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self.begin(event, line)
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self.end(line)
            elif kind == "ScalarEvent":
                if self.runs and "\ue000" in event.value:
                    self.spread(event, line)
                    continue
                try:
                    value = _scalar(event)
                except ValueError as error:
                    raise self.wrong(str(error), line) from None
                self.place(value, 1, line, event.anchor)
            elif kind == "AliasEvent":
                if event.anchor in self.opened:
                    raise self.wrong(f"alias *{event.anchor} stands inside what it stands for", line)
                if event.anchor not in self.anchors:
                    raise self.wrong(f"alias *{event.anchor} has no anchor before it", line)
                self.place(*self.anchors[event.anchor], line, None)
        if self.runs:
            raise _MarkElsewhere
        return self.root

    def spread(self, event: Any, line: int) -> None:
        """Put the values of a run into the list that its mark stands in; raises _MarkElsewhere."""
        top, run = self.open[-1].node if self.open else None, self.runs.pop()
        mark = MARK.fullmatch(event.value)
        if (
            mark is None
            or int(mark[1]) != self.met
            or not isinstance(top, Items)
            or event.anchor
            or event.tag
            or not event.implicit[0]
        ):
            raise _MarkElsewhere
        for text, after in zip(run.texts, run.lines):
            self.place(_plain(text), 1, line + after, None)
        self.removed += run.removed
        self.met += 1

    def begin(self, event: Any, line: int) -> None:
        """Open a mapping or list."""
        if event.tag not in (None, "!", f"{_PLAIN}map", f"{_PLAIN}seq"):
            raise self.wrong(f"the tag {str(event.tag)!r} has no meaning in a deck", line)
        if len(self.open) >= MOST_DEPTH:
            raise self.wrong(f"more than {MOST_DEPTH} mappings and lists inside each other", line)
        is_mapping = type(event).__name__ == "MappingStartEvent"
        here = self.here(line) if self.open else (self.file, 1)
        self.open.append(_Open(Mapping(here) if is_mapping else Items(here), event.anchor))
        if event.anchor:
            self.opened.add(event.anchor)

    def here(self, line: int) -> FileLine:
        """Where the value that comes next belongs: at its key, or at its own line in a list."""
        top = self.open[-1]
        return (self.file, top.key_line if isinstance(top.node, Mapping) and top.key_line is not None else line)

    def end(self, line: int) -> None:
        """Close the innermost mapping or list."""
        done = self.open.pop()
        if isinstance(done.node, Mapping):
            for other in done.merged:
                for key, value in other.items():
                    if key not in done.node:
                        done.node.put(key, value, other.places[key])
        if done.anchor:
            self.opened.discard(done.anchor)
        self.total -= done.nodes  # counted once more as a whole where it is placed
        self.place(done.node, done.nodes, line, done.anchor)

    def place(self, value: Any, nodes: int, line: int, anchor: str | None) -> None:
        """Put a finished value where it belongs.

        Parameters
        ----------
        value : object
            A scalar, a mapping or a list.
        nodes : int
            Values in it, itself included.
        line : int
        anchor : str or None
            Name that aliases know it by.
        """
        self.total += nodes
        if self.total > MOST_NODES:
            raise self.wrong(f"more than {MOST_NODES} values, those of aliases counted", line)
        if anchor:
            self.anchors[anchor] = (value, nodes)
        if not self.open:
            self.root = value
            return
        top = self.open[-1]
        top.nodes += nodes
        if value is _MERGE and (isinstance(top.node, Items) or top.key_line is not None):
            value = "<<"
        if isinstance(top.node, Items):
            top.node.append(value)
            top.node.places.append((self.file, line) if not isinstance(value, (Mapping, Items)) else value.here)
        elif top.key_line is None:
            if value is not _MERGE and not isinstance(value, str):
                raise self.wrong(f"keys are text, got {brief(value)}", line)
            if value in top.node:
                raise self.wrong(f"not valid YAML: duplicate key {brief(value)}", line)
            top.key, top.key_line = value, line
        else:
            key, place = top.key, (self.file, top.key_line)
            top.key = top.key_line = None
            if key is _MERGE:
                self.merge(top, value, place[1])
            else:
                top.node.put(key, value, place)

    def merge(self, top: _Open, value: Any, line: int | None) -> None:
        """Remember mappings that ``<<`` names."""
        listed = value if isinstance(value, Items) else [value]
        if not all(isinstance(one, Mapping) for one in listed):
            raise self.wrong("<< wants a mapping, or a list of mappings", line or 1)
        top.merged += listed


def _told(events: Iterator[Any], file: str, length: int) -> Iterator[Any]:
    """The events, and now and then a word to who watches; raises GrammarError for whatever the parser raises without a line."""
    from ruamel.yaml.error import MarkedYAMLError

    line = 1
    try:
        for event in _watched(events, file, length):
            line = event.end_mark.line + 1
            yield event
    except (MarkedYAMLError, RecursionError, GeneratorExit, DeckError):
        raise
    except Exception as error:
        raise GrammarError(Problem("", f"not valid YAML: {(str(error) or repr(error)).splitlines()[0]}", file, line)) from None


def _watched(events: Iterator[Any], file: str, length: int) -> Iterator[Any]:
    watch = WATCHED.get()
    for n, event in enumerate(events):
        if watch is not None and n % EVENTS_TOLD == EVENTS_TOLD - 1:
            watch(f"reading {file}", event.end_mark.index, length)
        yield event


def parsed(text: str, file: str) -> Any:
    """Parse YAML 1.2 text within the limits above; aliases share their values.

    Raises
    ------
    DeckError
        With the line of a syntax error, a repeated key, a character that no text has, or of what goes beyond a limit.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > MOST_BYTES:
        raise DeckError(Problem("", f"is larger than {MOST_BYTES / 1e6:g} MB, the most that is read", file))
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise DeckError(Problem("", f"the character U+{ord(bad[0]):04X} is no part of a text", file, line))
    if (short := shortened(text)) is not None:
        try:
            events = YAML(typ="safe", pure=True).parse(StringIO(short.text))
            return _Builder(file, short.runs).build(_told(events, file, len(short.text)))
        except (YAMLError, ValueError, RecursionError, DeckError, _MarkElsewhere):
            pass  # lines are told of the text as it is
    try:
        events = YAML(typ="safe", pure=True).parse(StringIO(text))
        return _Builder(file, []).build(_told(events, file, len(text)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = mark.line + 1 if mark is not None else None
        problem = str(error.problem or error).splitlines()[0]
        raise GrammarError(Problem("", f"not valid YAML: {problem}", file, at)) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise GrammarError(Problem("", f"not valid YAML: {str(error).splitlines()[0]}", file)) from None
