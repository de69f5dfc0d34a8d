"""The output variables of a case as they are made, each checked against its entry in the catalogue at once."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import fields
from stack3d.errors import PackageError

INSTANT = "time"
"""The one dimension that a variable may lack: at a single instant."""


class Record(MutableMapping[str, Any]):
    """Output variables by ``group/name``, and the coordinates of their dimensions.

    A name that the catalogue does not have, a number of axes that its dimensions do not explain, and an axis as long as no
    other of its dimension, are refused where they are put.
    """

    def __init__(self) -> None:
        self._values: dict[str, NDArray[Any]] = {}
        self._sizes: dict[str, tuple[int, str]] = {}
        self.coordinates: dict[str, Any] = {}
        self.notes: dict[str, str] = {}

    def put(self, path: str, value: Any, note: str = "") -> None:
        """Keep a variable, and in `note` how it was found; raises UnknownNameError, PackageError."""
        array = np.asarray(value)
        dims = self._dims(path, array)
        for dim, size in zip(dims, array.shape):
            self._agree(dim, size, path)
        self._values[path] = array
        if note:
            self.notes[path] = note

    def along(self, dim: str, labels: Any) -> None:
        """Coordinate of a dimension; raises PackageError where variables have another length."""
        labels = np.asarray(labels)
        self._agree(dim, labels.size, f"the coordinate {dim}")
        self.coordinates[dim] = labels

    def beside(self, name: str, dim: str, labels: Any) -> None:
        """A further coordinate `name` of a dimension."""
        labels = np.asarray(labels)
        self._agree(dim, labels.size, f"the coordinate {name}")
        self.coordinates[name] = (dim, labels)

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
        out.coordinates, out.notes = self.coordinates, self.notes
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
        return self._values[path]

    def __setitem__(self, path: str, value: Any) -> None:
        self.put(path, value)

    def __delitem__(self, path: str) -> None:
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
