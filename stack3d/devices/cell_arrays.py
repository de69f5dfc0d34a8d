"""Checks, clocks and draws of arrays of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.devices.laws import Reals
from stack3d.errors import ArrayError


def fits(name: str, shape: tuple[int, ...], cells: tuple[int, ...]) -> None:
    """Raise `ArrayError` unless an array of `shape` broadcasts to the shape of the `cells`."""
    try:
        same = np.broadcast_shapes(shape, cells) == cells
    except ValueError:
        same = False
    if not same:
        raise ArrayError(f"{name} of shape {shape} does not broadcast to the cells' shape {cells}")


def finite(name: str, values: NDArray[Any]) -> None:
    """Raise `ArrayError` with the place of the first NaN or infinity."""
    if not np.isfinite(values).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ArrayError(f"{name}{list(first)} is {values[first]}; allowed: finite numbers")


def tick(clock: Reals, rate: Reals, duration: float) -> Reals:
    """Sum of a clock and rate · duration, in float64."""
    step = np.asarray(np.multiply(rate, duration, dtype=np.float64))
    whole = step.shape == np.broadcast_shapes(step.shape, clock.shape)
    return np.add(clock, step, out=step if whole else None)  # large clocks without a second temporary


def streams(rng: np.random.Generator, names: tuple[str, ...]) -> dict[str, np.random.Generator]:
    """One generator per name, seeded from `rng` whether it will be used or not.

    A mechanism that is switched off then leaves the draws of all others as they are, so that two models of one device
    can be compared cell by cell.
    """
    seeds = rng.integers(0, 2**63, len(names))
    return {name: np.random.default_rng(int(seed)) for name, seed in zip(names, seeds)}


def paired_normal(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: np.dtype[np.floating],
    pair_axis: int | None = None,
    correlation: float = 0.0,
) -> Reals:
    """Standard normal draws, correlated between the two entries of `pair_axis`.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    dtype : dtype
    pair_axis : int, optional
        Axis of length 2 that holds the two cells of a pair; absent = nothing is correlated.
    correlation : float
        Of the two. [-]
    """
    draws: Reals = rng.standard_normal(shape, dtype=dtype.type)
    if pair_axis is None or correlation == 0:
        return draws
    if not -len(shape) <= pair_axis < len(shape) or shape[pair_axis] != 2:
        raise ArrayError(f"pair_axis = {pair_axis}: cells of shape {shape} have no pairs along it")
    first, second = np.moveaxis(draws, pair_axis, 0)
    second *= (1 - correlation**2) ** 0.5
    second += correlation * first
    return draws
