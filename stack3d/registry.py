"""Named, extensible collections: a decorator inside the package, entry points outside it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from stack3d.errors import PackageError, unknown_name


@lru_cache(maxsize=1)
def announced(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points of this program's groups, looked for once for all registries on a search path."""
    return tuple(point for point in entry_points() if point.group.startswith("stack3d."))


class Registry[T]:
    """Objects of one kind by name.

    Parameters
    ----------
    kind : str
        What the entries are, used in messages and as the entry-point group
        ``stack3d.<kind with underscores>`` in which other packages announce theirs.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._outside_loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that stores its argument under `name`."""

        def store(entry: T) -> T:
            if name in self._entries:
                raise PackageError(f"{self.kind} {name!r} is registered twice; a name is registered once")
            self._entries[name] = self._whole(name, entry)
            return entry

        return store

    def _whole(self, name: str, entry: T) -> T:
        """The entry; raises PackageError for a class without a method that its kind asks for."""
        if isinstance(entry, type) and inspect.isabstract(entry):
            lacking = ", ".join(sorted(getattr(entry, "__abstractmethods__", ())))
            raise PackageError(f"{self.kind} {name!r} ({entry.__module__}.{entry.__qualname__}) lacks {lacking}")
        return entry

    def _load_outside(self) -> None:
        if not self._outside_loaded:
            self._outside_loaded = True
            group = f"stack3d.{self.kind.replace(' ', '_')}"
            for point in announced(tuple(sys.path)):
                if point.group != group or point.name in self._entries:
                    continue
                try:
                    entry = point.load()
                except Exception as error:
                    package = point.dist.name if point.dist is not None else "a package"
                    text = (
                        f"{package} announces the {self.kind} {point.name!r} ({point.value}), which cannot be loaded: {error}"
                    )
                    raise PackageError(text) from error
                self._entries.setdefault(point.name, self._whole(point.name, entry))

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
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
