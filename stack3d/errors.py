"""Exception tree of stack3d, with exit codes, nearest-name suggestions, and how values are told in messages and labels."""

from __future__ import annotations

import difflib
import itertools
import json
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

Label = str | int | float | bool
"""How a value that is set reads."""

EXIT_OK = 0
EXIT_OTHER = 1
EXIT_BAD_INPUT = 2
EXIT_SOLVER = 3
EXIT_SOME_FAILED = 4
EXIT_MACHINE = 5
"""A file or folder that cannot be read or written, results that are missing, locked or damaged, memory that ran out."""
EXIT_INSTALLED = 6
"""A package or system library that is missing, fails, or gives what cannot be."""
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Stack3dError(Exception):
    """Base of every error that stack3d raises on purpose."""

    exit_code = EXIT_OTHER


class MissingDependencyError(Stack3dError):
    """A system library or compiler that stack3d needs is not installed."""

    exit_code = EXIT_INSTALLED


CHECKOUT = Path(__file__).resolve().parents[1] / "pyproject.toml"
"""There where the program runs from its repository."""


def to_install(extra: str) -> str:
    """Command that brings what an extra of the package wants, into an installed package or a checkout."""
    return f"uv sync --inexact --extra {extra}" if CHECKOUT.is_file() else f"pip install 'stack3d[{extra}]'"


def printable(text: str) -> str:
    """Text whose characters that steer a terminal, or are half of one, are written as codes; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


MOST_TEXT = 1500
"""Characters of the message of one mistake."""
MOST_KEY = 120
"""Letters of a key that are told."""
MOST_MISTAKES = 200
"""Told at once; of the others how many there are."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a deck: where it is, what came, what is allowed."""

    key: str
    message: str
    file: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        if len(self.message) > MOST_TEXT:  # lists of a thousand names
            object.__setattr__(self, "message", f"{self.message[:MOST_TEXT]} …")

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        key = "" if not self.key else f"{self.key if len(self.key) <= MOST_KEY else f'{self.key[:MOST_KEY]}…'}: "
        text = f"{place}{key}{self.message}"
        return text if text.isprintable() else printable(text)


class DeckError(Stack3dError):
    """One or more mistakes in user input, all reported together."""

    exit_code = EXIT_BAD_INPUT

    def __init__(self, problems: Sequence[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        listed = [problems] if isinstance(problems, Problem) else list(problems)
        if len(listed) > MOST_MISTAKES + 1:
            more = replace(listed[MOST_MISTAKES], message=f"and {len(listed) - MOST_MISTAKES} more mistakes")
            listed[MOST_MISTAKES:] = [more]
        self.problems: tuple[Problem, ...] = tuple(listed)
        super().__init__("\n".join(str(p) for p in self.problems))

    def __reduce__(self) -> tuple[type[DeckError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


def collected[T](step: Callable[[], T], problems: list[Problem], key: str = "") -> T | None:
    """Outcome of a step; None where it raises DeckError, whose mistakes join `problems`, under `key` where they name none."""
    try:
        return step()
    except DeckError as error:
        problems += [p if p.key or not key else replace(p, key=key) for p in error.problems]
        return None


@contextmanager
def told_of(file: str | PathLike[str]) -> Iterator[None]:
    """Name a file in mistakes that name none."""
    try:
        yield
    except DeckError as error:
        raise type(error)([p if p.key or p.file else replace(p, file=str(file)) for p in error.problems]) from None


class UnknownNameError(DeckError):
    """A name that no deck, registry or field answers to."""


class ArrayError(DeckError, ValueError):
    """An array argument with a bad shape or value; names the array and the first bad index."""


class UntriedError(Stack3dError):
    """A network that takes more than looking at a deck may, and less than the machine has."""

    exit_code = EXIT_MACHINE


class RangeError(DeckError, ValueError):
    """An argument outside the stated validity range of a published law."""


class OutOfRange(ValueError):
    """A value of a deck beyond what its key allows; the deck's own words for it stand in `decks.wording`."""


MISSED = "error promise"
"""Begins a warning of an estimated error above what the profile promises, or above the accuracy asked for."""


class ValidityWarning(UserWarning):
    """An argument outside the fitted range of a law whose deck allows extrapolation."""


class SolverError(Stack3dError):
    """A solver that did not converge, with its reason, iterations, residual and what to try."""

    exit_code = EXIT_SOLVER


class ThermalRunawayError(SolverError):
    """Temperature and temperature-dependent power drive each other without limit."""


class PackageError(Stack3dError):
    """Something that another package adds cannot be taken."""

    exit_code = EXIT_INSTALLED


class AnswerError(PackageError):
    """Code of another package gives what cannot be: no number, another shape, another type."""


class ResultsError(Stack3dError):
    """A result folder or file that is missing, locked or does not match."""

    exit_code = EXIT_MACHINE


class DiskFullError(ResultsError):
    """A file for which a disk, or a user's share of it, has no room."""


def unexpected(error: BaseException, trace: str) -> str:
    """Line for an error that nobody foresaw; `trace` says where the whole of it is kept."""
    if isinstance(error, MemoryError):
        return "there is not enough memory: take a coarser mesh, fewer chips or fewer workers"
    if is_of_machine(error) and isinstance(error, OSError):
        return f"{error.filename or 'the working folder'}: {error.strerror}; see that it is there and may be used"
    said = printable(" ".join(str(error).split()))[:200]
    return f"internal failure ({type(error).__name__}: {said}); {trace}: please report it together with the deck"


def is_of_machine(error: BaseException) -> bool:
    """Whether a file, a disk or memory is what an error that nobody foresaw is about."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and bool(error.strerror))


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


class _Brief(reprlib.Repr):
    """Texts, numbers and containers cut short before they are written out, not after."""

    def __init__(self) -> None:
        super().__init__(maxlevel=3, maxdict=6, maxlist=6, maxtuple=6, maxstring=80, maxlong=40, maxother=80)

    def repr_int(self, value: int, level: int) -> str:
        """A number of thousands of digits, which Python refuses to write, by its size."""
        digits = int(value.bit_length() * 0.30103) + 1
        return super().repr_int(value, level) if digits < 1000 else f"a whole number of about {digits} digits"

    def repr1(self, value: Any, level: int) -> str:
        """Dictionaries and lists of decks as Python's own."""
        for kind in (dict, list, str):
            if isinstance(value, kind):
                written: str = getattr(self, f"repr_{kind.__name__}")(value, level)
                return written
        return super().repr1(value, level)


_BRIEF = _Brief()


def brief(value: object) -> str:
    """A value as Python writes it, cut short where it is long."""
    return _BRIEF.repr(value)


def reason_of(error: BaseException) -> str:
    """What a library says of a failure, in its words alone, one line, cut short where it is long."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{'no ' if isinstance(error, KeyError) else ''}{lines[0][:LONGEST]}"


LONGEST = 200
"""Letters of what a library says that are told."""
FEW = 24
"""Letters that are told of a text of another file: enough to find it there, and no secret where the file is another one."""


def few(text: str) -> str:
    """The first letters of what stands in a file, as Python writes them."""
    return repr(text) if len(text) <= FEW else f"{text[:FEW]!r}…"


def told(value: object) -> str:
    """A value as it is told to who wrote it: `brief`, or ``nothing`` for a key without one."""
    return "nothing" if value is None else brief(value)


MOST_NAMES, MOST_LETTERS = 300, 100
"""Names, and letters of each, that are compared with a wrong one."""


def label_of(value: Any) -> Label:
    """How a swept value reads: itself, the name of a mapping or its keys with their values, or its JSON."""
    if isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return str(value["name"])
    if isinstance(value, Mapping) and value:
        return ", ".join(f"{key} {said}" for key, said in _said_keys(value))
    return json.dumps(value, default=str)


def text_of(value: Any) -> str:
    """`label_of` as a text."""
    said = label_of(value)
    return said if isinstance(said, str) else json.dumps(said)


def _said_keys(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys of a mapping, with the text of what each has."""
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner and "name" not in inner:
            yield from _said_keys(inner, f"{above}{key}.")
        else:
            yield f"{above}{key}", text_of(inner)


def nearest_names(name: str, allowed: Iterable[str], *, most: int = 3) -> list[str]:
    """Return up to `most` allowed names: first those that begin with `name`, the shortest first, then what resembles it."""
    names = {str(a)[:MOST_LETTERS].lower(): str(a) for a in itertools.islice(allowed, MOST_NAMES)}
    wrong = str(name)[:MOST_LETTERS].lower()
    begun = sorted((n for n in names if len(wrong) > 1 and n.startswith(wrong)), key=lambda n: (len(n), n))
    near = difflib.get_close_matches(wrong, list(names), n=most, cutoff=0.5)
    return [names[n] for n in dict.fromkeys([*begun, *near])][:most]


def repeated[T: (str, int, float)](items: Iterable[T]) -> list[T]:
    """What stands more than once among items, in order."""
    return sorted(item for item, n in Counter(items).items() if n > 1)


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return `` (did you mean 'a', 'b'?)`` or an empty string."""
    near = nearest_names(name, allowed)
    return f" (did you mean {', '.join(repr(n) for n in near)}?)" if near else ""


def unknown_name(kind: str, name: str, allowed: Iterable[str]) -> UnknownNameError:
    """Build the error for a `name` that is not among the `allowed` names of its `kind`."""
    allowed = sorted(str(a) for a in allowed)
    return UnknownNameError(f"unknown {kind} {brief(name)}{did_you_mean(name, allowed)}; known: {', '.join(allowed) or 'none'}")
