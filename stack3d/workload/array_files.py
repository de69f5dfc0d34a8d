"""Arrays of `.npy` and `.npz` files: known by their headers, read in blocks of rows when they are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from stack3d import memory
from stack3d.errors import DeckError, Problem
from stack3d.storage import MOST_UNPACKED, SPARED

BLOCK = 8e6
"""Of rows that are read at a time. [byte]"""
MOST_ARRAYS = 1000
"""Of an archive."""


@dataclass(frozen=True, eq=False)
class FileArray:
    """An array of a file; its header is read, nothing else.

    Parameters
    ----------
    path : Path
    member : str
        Of the archive; empty for a `.npy` file.
    key : str
        Of the deck, for messages.
    shape : tuple of int
    dtype : dtype
    by_column : bool
        Whether the first axis varies fastest: such an array is read as a whole.
    start : int
        Of its numbers in the file or member. [byte]
    """

    path: Path
    member: str
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_column: bool
    start: int

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def called(self) -> str:
        """File and name, for messages."""
        return f"{self.path.name} has {self.member.removesuffix('.npy')!r} with" if self.member else f"{self.path.name} has"

    def whole(self) -> NDArray[Any]:
        """All numbers; raises DeckError."""
        self._afford(math.prod(self.shape) * self.dtype.itemsize)
        found = np.empty(self.shape, self.dtype, "F" if self.by_column else "C")
        with self._numbers() as file:
            view = memoryview(found.reshape(-1, order="A").view(np.uint8)) if found.size else memoryview(b"")
            if (came := _filled(file, view)) < len(view):
                raise DeckError(Problem(self.key, f"{self.path.name} ends after {came} of {len(view)} bytes"))
        return found

    def rows(self, wanted: NDArray[Any], take: Callable[[NDArray[Any], NDArray[Any]], None]) -> None:
        """Read some rows, a block at a time in the order of the file; raises DeckError.

        Parameters
        ----------
        wanted : ndarray of int, shape (chosen,)
        take : callable
            Gets the places in `wanted`, and the rows for them.
        """
        order = np.argsort(wanted, kind="stable")
        rising = wanted[order]
        for start, block in self._blocks(rising):
            first, last = np.searchsorted(rising, [start, start + len(block)])
            places = order[first:last]
            take(places, block[wanted[places] - start])

    def _blocks(self, rising: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
        """First row and rows of the blocks in which there are wanted ones."""
        if self.by_column:
            yield 0, self.whole()
            return
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        self._afford(row)
        many = max(1, int(BLOCK // max(row, 1)))
        with self._numbers() as file:
            at = 0
            for number in np.unique(rising // many):
                start = int(number) * many
                block = np.empty((min(many, len(self) - start), *self.shape[1:]), self.dtype)
                file.seek((start - at) * row, 1)
                if _filled(file, memoryview(block.reshape(-1).view(np.uint8))) < block.nbytes:
                    raise DeckError(Problem(self.key, f"{self.path.name} ends before row {start + len(block)} of {len(self)}"))
                at = start + len(block)
                yield start, block

    def _afford(self, wanted: float) -> None:
        if wanted > (there := memory.available()):
            text = f"{self.path.name}: its arrays take {memory.size(wanted)}, and {memory.size(there)} are there"
            raise DeckError(Problem(self.key, text))

    @contextmanager
    def _numbers(self) -> Iterator[IO[bytes]]:
        """The file where its numbers begin."""
        kind = ".npz" if self.member else ".npy"
        with _told(self.path, self.key, kind):
            if not self.member:
                with self.path.open("rb") as file:
                    file.seek(self.start)
                    yield file
            else:
                with ZipFile(self.path) as archive, archive.open(self.member) as file:
                    file.read(self.start)
                    yield file


@dataclass(frozen=True, eq=False)
class SeriesWindows:
    """Windows of a series as inputs, channels first.

    Parameters
    ----------
    key : str
        Of the deck, for messages.
    series : ndarray, shape (samples, channels)
    starts : ndarray of int, shape (windows,)
    length : int
        Samples of one.
    """

    key: str
    series: NDArray[Any]
    starts: NDArray[Any]
    length: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def shape(self) -> tuple[int, ...]:
        """(windows, channels, samples)."""
        return (len(self.starts), *self.series.shape[1:2], self.length, *self.series.shape[2:])

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the series."""
        return self.series.dtype

    def rows(self, wanted: NDArray[Any], take: Callable[[NDArray[Any], NDArray[Any]], None]) -> None:
        """Cut some windows, a few at a time."""
        many = max(1, int(BLOCK // max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)))
        for places in (np.arange(i, min(i + many, len(wanted))) for i in range(0, len(wanted), many)):
            index = self.starts[wanted[places]][:, None] + np.arange(self.length)
            take(places, np.swapaxes(self.series[index], 1, 2))


@dataclass(frozen=True, eq=False)
class InputRows:
    """Rows of an array, times a factor: read at the first use, and kept from then on.

    Parameters
    ----------
    source : FileArray or SeriesWindows
    index : ndarray of int, shape (chosen,)
    scale : float
    """

    source: FileArray | SeriesWindows
    index: NDArray[Any]
    scale: float

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self.held[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.held.astype(dtype or self.dtype, copy=bool(copy))

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the rows."""
        return (len(self.index), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows times the factor."""
        return np.result_type(np.empty(0, self.source.dtype), self.scale)

    @property
    def nbytes(self) -> int:
        """Of the rows. [byte]"""
        return math.prod(self.shape) * self.dtype.itemsize

    @cached_property
    def held(self) -> NDArray[Any]:
        """The rows; raises DeckError where they take more memory than there is, and where one is not finite."""
        if self.nbytes > (there := memory.available()):
            text = f"{len(self)} inputs take {memory.size(self.nbytes)}, and {memory.size(there)} are there"
            raise DeckError(Problem(self.source.key, text))
        found = np.empty(self.shape, self.dtype)

        def take(places: NDArray[Any], rows: NDArray[Any]) -> None:
            self._look(places, rows)
            found[places] = rows * self.scale

        self.source.rows(self.index, take)
        return found

    def look_through(self) -> None:
        """Refuse numbers that are not finite, without keeping any; raises DeckError."""
        self.source.rows(self.index, self._look)

    def _look(self, places: NDArray[Any], rows: NDArray[Any]) -> None:
        if isinstance(self.source, FileArray):
            check_finite(rows, self.source, self.index[places])


def check_finite(rows: NDArray[Any], source: FileArray, numbers: NDArray[Any]) -> None:
    """Refuse numbers that are not finite; raises DeckError.

    Parameters
    ----------
    rows : ndarray, shape (chosen, ...)
    source : FileArray
        Where they come from.
    numbers : ndarray of int, shape (chosen,)
        Of the rows.
    """
    if rows.dtype.kind != "f" or np.isfinite(rows).all():
        return
    at = np.argwhere(~np.isfinite(rows))[0]
    place = [int(numbers[at[0]]), *map(int, at[1:])]
    raise DeckError(Problem(source.key, f"{source.called} {rows[tuple(at)]} at {place}; wanted real numbers"))


def opened(name: str, part: str, key: str) -> dict[str, FileArray]:
    """Arrays of a file by name, known by their headers; raises DeckError.

    Parameters
    ----------
    name : str
        Path of the file.
    part : str
        Key of the data deck: ``file`` names an `.npz`, others a `.npy`.
    key : str
        Of that file in the scenario.
    """
    path, kind = Path(name), ".npz" if part == "file" else ".npy"
    with _told(path, key, kind):
        with path.open("rb") as file:
            is_archive = file.read(2) == b"PK"
        if is_archive != (kind == ".npz"):
            if not is_archive:
                _plain(path, "", key)  # a file that is neither says so
            raise ValueError("it is an archive of several arrays" if is_archive else "it is one array")
        if not is_archive:
            return {part: _plain(path, "", key)}
        with ZipFile(path) as archive:
            entries = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        if len(entries) > MOST_ARRAYS:
            raise ValueError(f"it has {len(entries)} arrays; at most {MOST_ARRAYS}")
        size, unpacked = path.stat().st_size, sum(one.file_size for one in entries)
        if unpacked > max(SPARED, MOST_UNPACKED * size):
            text = f"it unpacks to {memory.size(unpacked)}, {unpacked / size:.0f} times its size"
            raise ValueError(f"{text}; above {memory.size(SPARED)} at most {MOST_UNPACKED} times: write it with np.savez")
        return {one.filename.removesuffix(".npy"): _plain(path, one.filename, key) for one in entries}


def _plain(path: Path, member: str, key: str) -> FileArray:
    """An array by its header; raises ValueError for one that cannot be, or says another size than it has."""
    if member:
        with ZipFile(path) as archive, archive.open(member) as packed:
            return _from_header(packed, archive.getinfo(member).file_size, path, member, key)
    with path.open("rb") as file:
        return _from_header(file, path.stat().st_size, path, member, key)


def _from_header(file: IO[bytes], size: int, path: Path, member: str, key: str) -> FileArray:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_column, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"{member or 'the array'} holds objects of Python, not numbers")
    if any(n < 0 for n in shape):
        raise ValueError(f"{member or 'the array'} says that it has the shape {shape}")
    said, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if said > there:
        raise ValueError(f"{member or 'the array'} says that it has {said:.3g} bytes, and has {there:.3g}")
    return FileArray(path, member, key, shape, dtype, by_column and len(shape) > 1, file.tell())


@contextmanager
def _told(path: Path, key: str, kind: str) -> Iterator[None]:
    """Tell of a file that cannot be read."""
    try:
        yield
    except (OSError, ValueError, TypeError, EOFError, BadZipFile, ZlibError, NotImplementedError, RuntimeError) as error:
        raise DeckError(Problem(key, f"{path.name} cannot be read as {kind}: {error}")) from None


def _filled(file: IO[bytes], view: memoryview) -> int:
    """Fill a view from a file; how many bytes came."""
    came = 0
    while came < len(view) and (part := file.read(min(len(view) - came, 1 << 20))):
        view[came : came + len(part)] = part
        came += len(part)
    return came
