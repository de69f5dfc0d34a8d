"""Named, extensible collections: a decorator inside the package, entry points outside it, whose answers are checked."""

from __future__ import annotations

import functools
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from stack3d.errors import (
    EXIT_INSTALLED,
    EXIT_MACHINE,
    EXIT_OTHER,
    AnswerError,
    DeckError,
    PackageError,
    Stack3dError,
    brief,
    did_you_mean,
    is_of_machine,
    printable,
    unexpected,
    unknown_name,
)

if TYPE_CHECKING:
    import numpy as np

Objection = str | None
"""What is wrong with an answer and what was wanted; None for a good one."""
Check = Callable[[tuple[Any, ...], Any], Objection]
"""What a method was given, without `self`, and what it answered → what is wrong with that."""
_REGISTRIES: WeakSet[Registry[Any]] = WeakSet()
"""All of them, to find whose code an error comes from."""


@lru_cache(maxsize=1)
def announced(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points of this program's groups, looked for once for all registries on a search path."""
    return tuple(point for point in entry_points() if point.group.startswith("stack3d."))


DEEPEST = 5
"""Attributes of attributes among which arrays are looked for that another package may look at, and not write to."""
MOST_HELD = 1000
"""Longest list whose entries are looked at for that."""


def is_outside(entry: Any) -> bool:
    """Whether a class or function is of another package."""
    return (getattr(entry, "__module__", None) or "stack3d").partition(".")[0] != "stack3d"


class Registry[T]:
    """Objects of one kind by name.

    Parameters
    ----------
    kind : str
        What the entries are, used in messages and as the entry-point group
        ``stack3d.<kind with underscores>`` in which other packages announce theirs.
    base : type, optional
        Class that every entry derives from.
    answers : mapping of str to Check, optional
        Methods of an entry, ``__call__`` of a function; without a base an entry has them all. What those of other packages
        answer is checked, arrays come to them read-only, and their errors name them.
    reserved : iterable of str
        Names that mean something else where the entries are named.
    """

    def __init__(
        self, kind: str, base: type | None = None, answers: Mapping[str, Check] | None = None, reserved: Iterable[str] = ()
    ) -> None:
        self.kind, self.base = kind, base
        self.answers: dict[str, Check] = dict(answers or {})
        self.reserved = set(reserved)
        self._entries: dict[str, T] = {}
        self._authors: dict[str, str] = {}
        self._outside_loaded = False
        _REGISTRIES.add(self)

    def hold(self, base: type | None, answers: Mapping[str, Check], reserved: Iterable[str] = ()) -> None:
        """Say what entries are and answer, where that is known in a room below alone; see the class."""
        self.base, self.answers = base, {**self.answers, **answers}
        self.reserved |= set(reserved)

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that stores its argument under `name`."""

        def store(entry: T) -> T:
            if name in self._entries:
                raise PackageError(f"{self.kind} {name!r} is registered twice; a name is registered once")
            self._entries[name] = self._whole(name, entry)
            return entry

        return store

    def told(self, entry: Any) -> str:
        """An entry, or its name, in words: its kind, its name, and its package where that is another one."""
        name = entry if isinstance(entry, str) else next((n for n, e in self._entries.items() if _same(e, entry)), None)
        if name is None:
            return f"{self.kind} {_place(entry)}"
        if name in self._authors:
            return f"{self.kind} {name!r} of {self._authors[name]}"
        found = self._entries.get(name)
        return f"{self.kind} {name!r} ({_place(found)})" if is_outside(found) else f"{self.kind} {name!r}"

    def _whole(self, name: str, entry: T, who: str = "") -> T:
        """The entry, its answers checked from now on; raises PackageError for what is not of the kind."""
        who = who or f"{self.kind} {name!r} ({_place(entry)})"
        if self.reserved and is_outside(entry):
            self._check_key(name, who)
        if self.base is not None and not (isinstance(entry, type) and issubclass(entry, self.base)):
            raise PackageError(f"{who} is no class derived from {_place(self.base)}")
        if isinstance(entry, type) and inspect.isabstract(entry):
            lacking = ", ".join(sorted(getattr(entry, "__abstractmethods__", ())))
            raise PackageError(f"{who} lacks {lacking}")
        self._check_methods(entry, who)
        return self._all_watched(entry) if is_outside(entry) else entry

    def _check_methods(self, entry: T, who: str) -> None:
        """Raise PackageError for an entry without the methods that are asked of it, or with a field in the place of one."""
        lacking = ", ".join(m for m in self.answers if not callable(getattr(entry, m, None)))
        if lacking and self.base is None:
            raise PackageError(f"{who} lacks {lacking}")
        if fields := [m for m in self.answers if m in getattr(entry, "model_fields", ())]:
            raise PackageError(f"{who} has {fields[0]} as a field; wanted a method")

    def _check_key(self, name: str, who: str) -> None:
        """Raise PackageError for a name that cannot be a key of a deck."""
        if name in self.reserved:
            raise PackageError(f"{who}: the name {name!r} is taken where the {self.kind} would be named; choose another")
        if not name.isidentifier():
            raise PackageError(f"{who}: a key of a deck is one word of letters, digits and _")

    def _all_watched(self, entry: Any) -> Any:
        """An entry of another package whose answers are checked: a function anew, a class with other methods."""
        if "__call__" in self.answers and isinstance(entry, type):
            raise PackageError(f"{self.kind} {_place(entry)} is a class; wanted a function")
        if not isinstance(entry, type):
            check = self.answers.get("__call__")
            return entry if check is None else self._watched("__call__", entry, check)
        for method, check in self.answers.items():
            found = inspect.getattr_static(entry, method, None)
            bare = getattr(found, "__func__", found)
            if bare is not None and is_outside(bare) and not getattr(bare, "is_watched", False):
                watched = self._watched(method, bare, check)
                setattr(entry, method, type(found)(watched) if isinstance(found, classmethod | staticmethod) else watched)
        return entry

    def _watched(self, method: str, bare: Any, check: Check) -> Any:
        """A function of another package whose errors name it and whose answers are checked."""
        own = 0 if method == "__call__" else 1

        @functools.wraps(bare)
        def watched(*given: Any, **named: Any) -> Any:
            first = given[0] if own else bare
            given = tuple(still(value) for value in given)
            named = {key: still(value) for key, value in named.items()}
            who = functools.partial(self.told, first if isinstance(first, type) or first is bare else type(first))
            try:
                found = bare(*given, **named)
                wrong = check((*given[own:], *named.values()), found)
            except MemoryError:
                raise
            except Stack3dError as error:
                if isinstance(error, DeckError | PackageError) or not _is_its_own(error):
                    raise
                raise PackageError(_failed(who(), bare.__module__, error)) from error
            except (Exception, SystemExit) as error:
                raise PackageError(_failed(who(), bare.__module__, error)) from error
            if wrong is not None:
                raise AnswerError(f"{who()}: {'' if method == '__call__' else f'{method} '}gave {wrong}")
            return tuple(_own(one) for one in found) if type(found) is tuple else _own(found)

        watched.is_watched = True  # type: ignore[attr-defined]
        return watched

    @property
    def group(self) -> str:
        """Of entry points in which other packages announce theirs."""
        return f"stack3d.{self.kind.replace(' ', '_')}"

    def _load_outside(self) -> None:
        if self._outside_loaded:
            return
        self._outside_loaded = True  # what is loaded may ask for what is here
        try:
            for point in announced(tuple(sys.path)):
                if point.group == self.group:
                    self._load(point)
        except PackageError:
            self._outside_loaded = False  # the next one is told the same
            raise

    def _load(self, point: EntryPoint) -> None:
        """Take what an entry point announces; raises PackageError."""
        name, package = point.name, _package(point)
        before = self._entries.get(name)
        who = f"{self.kind} {name!r} of {package} ({point.value})"
        try:
            entry = point.load()
        except (Exception, SystemExit) as error:
            said = printable(" ".join(str(error).split()))[:300]
            raise PackageError(f"{who} cannot be loaded: {type(error).__name__}: {said}") from error
        if before is not None and not _same(before, entry):
            other = self._authors.get(name) or (_place(before) if is_outside(before) else "stack3d")
            raise PackageError(f"{who}: {other} has a {self.kind} {name!r} already; a name is registered once")
        if name not in self._entries:  # a decorator may have put it there while it was loaded
            self._entries[name] = self._whole(name, entry, who)
        self._authors[name] = package

    def __getitem__(self, name: str) -> T:
        self._load_outside()
        try:
            return self._entries[name]
        except KeyError:
            raise unknown_name(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        self._load_outside()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load_outside()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._load_outside()
        return len(self._entries)


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name!r}" if point.dist is not None else "a package"


def lost(name: str | None = None) -> list[str]:
    """What packages announce in groups that no registry has, under any name or one, in sentences."""
    groups = {registry.group for registry in list(_REGISTRIES)}
    others = [p for p in announced(tuple(sys.path)) if p.group not in groups and name in (None, p.name)]
    return [
        f"{_package(p)} announces {p.name!r} for {p.group!r}, which is no group{did_you_mean(p.group, groups)}" for p in others
    ]


class Told(NamedTuple):
    """An error as a user is told of it: a line or several, and the exit code."""

    text: str
    code: int


def told_failure(error: BaseException, trace: Callable[[], str]) -> Told:
    """An error as it is told: whose code failed, where that is known.

    Parameters
    ----------
    error : BaseException
    trace : callable
        Keeps the trace, and says where; called for what is not a mistake of the user.
    """
    if isinstance(error, Stack3dError):
        is_inside = isinstance(error, PackageError) and error.__cause__ is not None
        return Told(f"{error}; {trace()}" if is_inside else str(error), error.exit_code)
    if is_of_machine(error):
        return Told(unexpected(error, ""), EXIT_MACHINE)
    author = _author(error)
    if author is not None:
        return Told(f"{_failed(*author, error)}; {trace()}", EXIT_INSTALLED)
    return Told(unexpected(error, trace()), EXIT_OTHER)


def kept_trace(error: BaseException) -> str:
    """Write the trace of an error to a file of its own and say where."""
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile("w", prefix="stack3d-", suffix=".txt", delete=False, encoding="utf-8") as file:
            file.write(f"stack3d: {printable(' '.join(sys.argv))}\n{text}")
        return f"its trace is in {file.name}"
    except OSError:
        return "run again with --debug before the command for its trace"


def _author(error: BaseException) -> tuple[str, str] | None:
    """Entry of another package in whose code an error arose, in words, and its module."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    entries = [(r, e) for r in list(_REGISTRIES) for e in r._entries.values() if is_outside(e)]
    for frame in reversed(frames):
        mine = [(r, e) for r, e in entries if frame.f_globals.get("__name__") == getattr(e, "__module__", None)]
        exact = [(r, e) for r, e in mine if _is_of(frame, e)]
        if mine:
            registry, entry = (exact or mine)[0]
            return registry.told(entry), entry.__module__
    return None


def _is_of(frame: FrameType, entry: Any) -> bool:
    name = getattr(entry, "__qualname__", "")
    return frame.f_code.co_qualname == name or frame.f_code.co_qualname.startswith(f"{name}.")


def _failed(who: str, module: str, error: BaseException) -> str:
    """Line for an error in the code of another package: what it says, and its innermost place there."""
    package = module.partition(".")[0]
    steps = list(traceback.walk_tb(error.__traceback__))
    mine = [(f, line) for f, line in steps if str(f.f_globals.get("__name__")).partition(".")[0] == package]
    said = printable(" ".join(str(error).split()))[:200]
    place = f" ({mine[-1][0].f_code.co_filename}:{mine[-1][1]})" if mine else ""
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"{who} failed: {what}{place}; the fault is in that code, not in stack3d"


def _is_its_own(error: BaseException) -> bool:
    """Whether the code of another package raised an error itself, and did not hand on what this one said."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__")).partition(".")[0] != "stack3d"


def _place(entry: Any) -> str:
    named = entry if hasattr(entry, "__qualname__") else type(entry)
    return f"{named.__module__}.{named.__qualname__}"


def _same(one: Any, other: Any) -> bool:
    return inspect.unwrap(one) is inspect.unwrap(other) if callable(one) and callable(other) else one is other


def still(value: Any) -> Any:
    """An array that cannot be written to, and a mapping of such; anything else as it is."""
    import numpy as np

    if type(value) in (dict, MappingProxyType) and any(isinstance(one, np.ndarray) for one in value.values()):
        return {key: still(one) for key, one in value.items()}
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


@contextmanager
def held_still(*objects: Any) -> Iterator[None]:
    """While another package looks at objects, no array that they hold can be written to."""
    found = [array for value in objects for array in _arrays_of(value, DEEPEST) if array.flags.writeable]
    for array in found:
        array.flags.writeable = False
    try:
        yield
    finally:
        for array in sorted(found, key=lambda array: array.base is not None):  # what owns the numbers first
            array.flags.writeable = True


def _arrays_of(value: Any, depth: int) -> Iterator[np.ndarray[Any, Any]]:
    """Arrays that an object of this package holds, through its attributes, mappings and sequences."""
    import numpy as np

    if isinstance(value, np.ndarray):
        yield value
    if depth == 0 or isinstance(value, str | bytes | np.ndarray | type):
        return
    if isinstance(value, Mapping):
        inner: Iterable[Any] = value.values()
    elif isinstance(value, tuple | list):
        inner = value if len(value) <= MOST_HELD else ()
    else:
        inner = getattr(value, "__dict__", {}).values() if type(value).__module__.startswith("stack3d.") else ()
    for one in inner:
        yield from _arrays_of(one, depth - 1)


def _own(value: Any) -> Any:
    """An array that may be written to; anything else as it is."""
    import numpy as np

    return value.copy() if isinstance(value, np.ndarray) and not value.flags.writeable else value


def numbers(value: Any, wanted: str = "finite numbers") -> Objection:
    """What keeps a value from being finite real numbers, of any shape."""
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        return f"lists of different lengths; wanted {wanted}"
    if array.dtype.kind not in "biuf":
        return f"{brief(value)}; wanted {wanted}"
    if not array.size or (np.isfinite(array.min()) and np.isfinite(array.max())):  # quicker than to look at each
        return None
    at = np.argwhere(~np.isfinite(array))[0].tolist()
    return f"{array[tuple(at)]}{f' at {at}' if at else ''}; wanted {wanted}"
