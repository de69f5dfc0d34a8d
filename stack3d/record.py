"""The output variables of a case as they are made, each checked against its entry in the catalogue at once."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import fields
from stack3d.errors import DeckError, PackageError, brief, did_you_mean
from stack3d.fields import Output
from stack3d.registry import held_still, numbers, still

INSTANT = "time"
"""The one dimension that a variable may lack: at a single instant."""


class Record(MutableMapping[str, Any]):
    """Output variables by ``group/name``, and the coordinates of their dimensions.

    A name that the catalogue does not have, a number of axes that its dimensions do not explain, and an axis as long as no
    other of its dimension, are refused where they are put. What another package puts is checked further, see `made_by`.
    """

    def __init__(self) -> None:
        self._values: dict[str, NDArray[Any]] = {}
        self._sizes: dict[str, tuple[int, str]] = {}
        self._coordinates: dict[str, Any] = {}
        self._notes: dict[str, str] = {}
        self._author: tuple[str, type[Output]] | None = None

    @contextmanager
    def made_by(self, who: str, kind: type[Output], *shown: Any, has_deck: bool = False) -> Iterator[None]:
        """While an output of another package puts its variables: those that it declares, as numbers that are finite.

        Parameters
        ----------
        who : str
            The output and its package, for messages.
        kind : type of Output
        *shown : object
            What it looks at, whose arrays it cannot write to.
        has_deck : bool
            Whether its mistakes may be those of a deck; of others a DeckError is an error of their own.

        Raises
        ------
        PackageError
            For another variable, for one that cannot be stored, and for labels of a dimension that is not its own.
        """
        self._author = who, kind
        try:
            with held_still(*shown):
                yield
        except DeckError as error:
            if has_deck:
                raise
            raise PackageError(f"{who} failed: {error}") from error
        finally:
            self._author = None

    @property
    def coordinates(self) -> dict[str, Any]:
        """Labels by dimension, and beside them by name; a copy for an output of another package."""
        return self._coordinates if self._author is None else dict(self._coordinates)

    @property
    def notes(self) -> dict[str, str]:
        """How variables were found; a copy for an output of another package."""
        return self._notes if self._author is None else dict(self._notes)

    def put(self, path: str, value: Any, note: str = "") -> None:
        """Keep a variable, and in `note` how it was found; raises UnknownNameError, PackageError."""
        if self._author is None:
            self._put(path, np.asarray(value), note)
            return
        who, kind = self._author
        declared = [entry.path for entry in kind.fields]
        if path not in declared:
            near = did_you_mean(str(path), declared)
            text = f"puts {brief(path)}, which it does not declare{near}; declared: {', '.join(declared) or 'nothing'}"
            raise PackageError(f"{who} {text}")
        try:
            self._put(path, _storable(path, value), note)
        except PackageError as error:
            raise PackageError(f"{who}: {error}") from error

    def _put(self, path: str, array: NDArray[Any], note: str) -> None:
        dims = self._dims(path, array)
        for dim, size in zip(dims, array.shape):
            self._agree(dim, size, path)
        self._values[path] = array
        if note:
            self._notes[path] = note

    def along(self, dim: str, labels: Any) -> None:
        """Coordinate of a dimension; raises PackageError where variables have another length."""
        labels = np.asarray(labels)
        if self._author is not None:
            self._check_labels(dim, labels)
        self._agree(dim, labels.size, f"the coordinate {dim}")
        self._coordinates[dim] = labels

    def beside(self, name: str, dim: str, labels: Any) -> None:
        """A further coordinate `name` of a dimension; raises PackageError for those of others."""
        labels = np.asarray(labels)
        if self._author is not None:
            self._check_labels(dim, labels, dim in self._author[1].own and name not in self.coordinates)
        self._agree(dim, labels.size, f"the coordinate {name}")
        self._coordinates[name] = (dim, labels)

    def _check_labels(self, dim: str, labels: NDArray[Any], is_own: bool | None = None) -> None:
        """Refuse labels of another package for a dimension that is not its own."""
        who, kind = self._author or ("", Output)
        known = self.coordinates.get(dim)
        if is_own is None:
            is_own = dim in kind.own
        if not is_own and (known is None or not np.array_equal(known, labels)):
            own = ", ".join(kind.own) or "none"
            raise PackageError(f"{who} labels the dimension {brief(dim)}, which is not its own; of its own: {own}")
        if labels.ndim != 1 or labels.dtype.kind not in "biufU":
            raise PackageError(f"{who} labels {dim!r} by {brief(labels)}; wanted a list of numbers or words")

    def check_labels(self) -> None:
        """Raise PackageError for a variable of another package along a dimension that nobody has labelled."""
        for path in filter(fields.is_outside, self):
            bare = [dim for dim in self.dims(path) if dim not in self.coordinates]
            if bare:
                text = f"{bare[0]!r} has no labels here; a dimension of its own gets them by record.along({bare[0]!r}, labels)"
                raise PackageError(f"{fields.told(path)}: output {path!r} has the dimension {text}")

    def dims(self, path: str) -> tuple[str, ...]:
        """Dimensions of a variable that is here."""
        return self._dims(path, self._values[path])

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups that have a variable, as the catalogue orders them."""
        mine = {path.partition("/")[0] for path in self._values}
        return tuple(group for group in dict.fromkeys(f.group for f in fields.FIELDS.values()) if group in mine)

    def at(self, instant: int) -> Record:
        """One instant of every variable over time, the last for -1."""
        out = Record()
        out._coordinates, out._notes = self._coordinates, self._notes
        out._values = {n: v[instant] if INSTANT in self.dims(n) else v for n, v in self._values.items()}
        return out

    def add(self, other: Record) -> None:
        """All that another record has."""
        for path, value in other.items():
            self.put(path, value, other.notes.get(path, ""))
        for name, labels in other.coordinates.items():
            if isinstance(labels, tuple):
                self.beside(name, *labels)
            else:
                self.along(name, labels)

    def __getitem__(self, path: str) -> NDArray[Any]:
        return still(self._values[path]) if self._author is not None else self._values[path]

    def __setitem__(self, path: str, value: Any) -> None:
        self.put(path, value)

    def __delitem__(self, path: str) -> None:
        if self._author is not None:
            raise PackageError(f"{self._author[0]} takes {path!r} out of the record")
        del self._values[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @staticmethod
    def _dims(path: str, array: NDArray[Any]) -> tuple[str, ...]:
        dims = fields.field(path).dims
        if array.ndim == len(dims) - 1 and dims[0] == INSTANT:
            return dims[1:]
        if array.ndim != len(dims):
            raise PackageError(f"output {path!r} has dimensions ({', '.join(dims)}), got an array of shape {array.shape}")
        return dims

    def _agree(self, dim: str, size: int, what: str) -> None:
        known, whose = self._sizes.setdefault(dim, (size, what))
        if known != size:
            raise PackageError(f"{what} has {size} along {dim!r}, {whose} has {known}")


def _storable(path: str, value: Any) -> NDArray[Any]:
    """A value of another package as an array of numbers; raises PackageError."""
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    try:
        array = np.asarray(value)
    except ValueError:
        raise PackageError(f"output {path!r} is a list of parts of different lengths; wanted an array of numbers") from None
    if array.dtype.kind not in "biuf":
        raise PackageError(f"output {path!r} is {brief(value)} of type {array.dtype}; wanted real numbers")
    array = array.astype(np.float64) if array.dtype.kind == "f" else array
    meaning = "finite numbers, or a Variable whose `undefined` says what others mean"
    if not fields.field(path).undefined and (wrong := numbers(array, meaning)) is not None:
        raise PackageError(f"output {path!r} is {wrong}")
    return array


def over_time(rows: Sequence[Record], times: Sequence[float] | NDArray[np.float64]) -> Record:
    """Records of single instants as one, time first; what has no time in the catalogue is that of the first row.

    Parameters
    ----------
    rows : sequence of Record
        One for each instant, with the same variables.
    times : sequence of float, shape (times,)
        [s]

    Raises
    ------
    PackageError
        Where instants differ in variables or lengths.
    """
    out = Record()
    out.along(INSTANT, times)
    for path in rows[0]:
        if INSTANT not in fields.field(path).dims:
            out.put(path, rows[0][path])
            continue
        found = [row[path] for row in rows if path in row]
        if len({value.shape for value in found}) > 1 or len(found) != len(rows):
            raise PackageError(f"output {path!r} differs in shape from instant to instant, or is missing at some")
        out.put(path, np.array(found))
    for name, labels in rows[0].coordinates.items():
        out.coordinates.setdefault(name, labels)
    return out
