"""The few operations in which array libraries differ, and normal deviates."""

from __future__ import annotations

import importlib
import math
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import MissingDependencyError, to_install

Normals = np.random.Generator | Callable[[tuple[int, ...]], Any]
LINE = 64  # bytes of a line of the cache: work arrays begin with one
MOST_SHAPES = 64  # views of work arrays that are kept
NORMALS_AT_ONCE = 65536  # pairs of float32 blocks of this length stay in the second-level cache


class Scratch(threading.local):
    """Work arrays by name, kept from call to call so that products touch no new memory; one set per thread."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[Any]] = {}
        self._arrays: dict[tuple[str, tuple[int, ...], Any], NDArray[Any]] = {}

    def take(self, xp: Any, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any] | None:
        """Return the uninitialised array of a name with this shape; None for libraries that cannot write in place.

        Parameters
        ----------
        xp : module
            Library of the array.
        name : str
        shape : tuple of int
        dtype : dtype
        """
        return self.array(name, shape, dtype) if xp is np else None

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return the uninitialised array of NumPy of a name with this shape."""
        known = self._arrays.get((name, shape, dtype))
        return self._made(name, shape, dtype) if known is None else known

    def _made(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self._buffers or self._buffers[name].size < size:
            whole = np.empty(size + LINE, dtype=np.uint8)
            self._buffers[name] = whole[-whole.ctypes.data % LINE :][:size]
            self._arrays.clear()
        elif len(self._arrays) == MOST_SHAPES:
            self._arrays.clear()
        array: NDArray[Any] = self._buffers[name][:size].view(dtype).reshape(shape)
        self._arrays[name, shape, dtype] = array
        return array


def namespace(array: Any) -> Any:
    """Return the library that an array belongs to: its array-API namespace, or the top module of its type."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    return sys.modules[type(array).__module__.split(".")[0]]


def library(name: str) -> Callable[[NDArray[Any]], Any]:
    """Return what makes arrays of a library, in single precision, from NumPy's: those of torch on its first GPU if it has one.

    Raises
    ------
    MissingDependencyError
        The library is not installed.
    """
    if name == "numpy":
        return np.asarray
    try:
        xp = importlib.import_module(name)
    except ImportError:
        how = to_install("torch") if name == "torch" else f"pip install {name.replace('_', '-')}"
        text = f"workload.array: {name} is not installed: {how}, or leave workload.array out"
        raise MissingDependencyError(text) from None
    place = {"device": "cuda"} if name == "torch" and xp.cuda.is_available() else {}
    return lambda values: xp.asarray(np.array(values, np.float32), **place)


def to_numpy(array: Any) -> NDArray[Any]:
    """Return an array of any library as NumPy's, from a GPU too."""
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)


def in_place(xp: Any, array: Any) -> dict[str, Any]:
    """Return the argument that makes a NumPy function work in place; other libraries have none."""
    return {"out": array} if xp is np else {}


def cast(xp: Any, array: Any, dtype: Any) -> Any:
    """Return `array` in `dtype`; without a copy where it has it already."""
    if xp is np:
        return np.asarray(array).astype(dtype, copy=False)
    return xp.astype(array, dtype, copy=False) if hasattr(xp, "astype") else array.to(dtype)


def like(xp: Any, values: Any, array: Any) -> Any:
    """Return NumPy `values` with the library, type and device of `array`."""
    if xp is np:
        return np.asarray(values, dtype=array.dtype)
    return xp.asarray(np.require(values, requirements="W"), dtype=array.dtype, device=array.device)


def largest_magnitude(xp: Any, array: Any, out: NDArray[Any] | None = None) -> Any:
    """Return the largest magnitude along the last axis, which is kept; `out` is a work array of the same shape.

    Magnitudes of IEEE numbers stand in the order of their bits, NaN above infinity; NumPy finds the largest integer faster.
    """
    if out is not None:
        bits = np.abs(array, out=out, casting="same_kind").view(f"i{out.itemsize}")
        return bits.max(axis=-1, keepdims=True).view(out.dtype)
    high, low = (xp.amax, xp.amin) if hasattr(xp, "amax") else (xp.max, xp.min)
    return xp.maximum(high(array, axis=-1, keepdims=True), -low(array, axis=-1, keepdims=True))


def rounded(xp: Any, array: Any) -> Any:
    """Return `array` rounded to whole numbers, halves to even ones; overwritten where the library allows it."""
    return np.rint(array, out=array) if xp is np else xp.round(array)


def product(xp: Any, first: Any, second: Any, out: NDArray[Any] | None) -> Any:
    """Return ``first @ second``, in `out` where there is one.

    Parameters
    ----------
    xp : module
        Library of the arrays.
    first, second : array
    out : ndarray or None
        Shape of the product.
    """
    return first @ second if out is None else xp.matmul(first, second, out=out)


def scaled(xp: Any, array: Any, factor: Any, dtype: Any, out: NDArray[Any] | None = None) -> Any:
    """Return ``array * factor`` in `dtype`, in `out` where there is one; NumPy makes no array of another type on the way.

    Parameters
    ----------
    xp : module
        Library of the array.
    array : array
    factor : float or array
        Broadcast against `array`. [-]
    dtype : dtype
    out : ndarray, optional
        Shape of `array`.
    """
    if xp is not np:
        return cast(xp, array, dtype) * factor
    return np.multiply(array, factor, out=np.empty(np.shape(array), dtype) if out is None else out, casting="same_kind")


AT_ONCE = 2**21
"""Numbers of the vectors that are looked at together where all that is wanted of them is a sum."""


def vectors_at_once(x: NDArray[Any], y: NDArray[Any]) -> list[slice]:
    """Return ranges of the vectors of inputs (..., batch, n_inputs) and outputs (..., batch, n_outputs) to look at together."""
    step = max(1, AT_ONCE * x.shape[-2] // max(x.size, y.size, 1))
    return [slice(i, i + step) for i in range(0, x.shape[-2], step)]


def add_noise(xp: Any, signal: Any, variance: Any, source: Normals, scratch: Scratch) -> Any:
    """Return `signal` plus normal noise of a `variance`; both are overwritten where the library allows it.

    Parameters
    ----------
    xp : module
        Library of the arrays.
    signal, variance : array
        Of one shape.
    source : Generator or callable
        Of standard normal deviates.
    scratch : Scratch
    """
    is_whole = xp is np and signal.dtype == np.float32 and signal.flags.c_contiguous and variance.flags.c_contiguous
    if isinstance(source, np.random.Generator) and is_whole:
        flat = variance.reshape(-1)
        for here, square, cosine, sine in _polar(source, flat.size, scratch):
            block = flat[here]
            first, second = block[: square.size], block[square.size :]
            first *= square
            second *= square[: second.size]
            np.sqrt(block, out=block)
            first *= cosine
            second *= sine[: second.size]
        signal += variance
        return signal
    deviation = xp.sqrt(variance, **in_place(xp, variance))
    if not isinstance(source, np.random.Generator):
        deviation *= source(tuple(signal.shape))
    elif xp is np and signal.dtype == np.float64:
        deviation *= source.standard_normal(signal.shape)
    else:
        deviation *= like(xp, standard_normals(source, tuple(signal.shape), scratch), signal)
    signal += deviation
    return signal


def standard_normals(rng: np.random.Generator, shape: tuple[int, ...], scratch: Scratch) -> NDArray[np.float32]:
    r"""Return standard normal deviates in single precision.

    Box and Muller's transform of 32-bit integers: vectorised, about half the time of `Generator.standard_normal`.
    Magnitudes reach 6.6.

    References
    ----------
    .. [1] G. E. P. Box, M. E. Muller, Ann. Math. Statist. 29 (1958) 610. doi:10.1214/aoms/1177706645
    """
    out = np.empty(math.prod(shape), np.float32)
    for here, square, cosine, sine in _polar(rng, out.size, scratch):
        block = out[here]
        np.sqrt(square, out=square)
        np.multiply(square, cosine, out=block[: square.size])
        np.multiply(square[: block.size - square.size], sine[: block.size - square.size], out=block[square.size :])
    return out.reshape(shape)


def _polar(
    rng: np.random.Generator, size: int, scratch: Scratch
) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    """Yield block by block where `size` deviates lie, and of their halves the squared radius, the cosine and the sine."""
    normals = scratch.array("square", (min(NORMALS_AT_ONCE, size + size % 2),), np.float32)  # no square is wanted any more
    spare = scratch.array("cosine", (normals.size // 2,), np.float32)
    for start in range(0, size, NORMALS_AT_ONCE):
        stop = min(start + NORMALS_AT_ONCE, size)
        half = (stop - start + 1) // 2
        radius, angle = normals[:half], normals[half : 2 * half]
        normals[: 2 * half] = rng.integers(0, 2**64, half, dtype=np.uint64).view(np.int32)
        np.abs(radius, out=radius)
        radius += 0.5
        radius *= 2.0**-31
        np.log(radius, out=radius)
        radius *= -2.0
        angle *= math.pi * 2.0**-31
        cosine = np.cos(angle, out=spare[:half])
        yield slice(start, stop), radius, cosine, np.sin(angle, out=angle)
