"""What a law of another package may answer, method by method: numbers of the shape of its cells, within what can be."""

from __future__ import annotations

from typing import Any

import numpy as np

from stack3d.registry import Check, numbers

UNBOUNDED = -np.inf, np.inf
POSITIVE = 0.0, np.inf
SHARE = 0.0, 1.0


def of_cells(*ranges: tuple[float, float]) -> Check:
    """Finite numbers that broadcast to the arrays that were given: one array for each range, or as many in a tuple."""

    def check(given: tuple[Any, ...], found: Any) -> str | None:
        cells = np.broadcast_shapes(*(np.shape(one) for one in given if isinstance(one, np.ndarray | float | int)))
        if len(ranges) == 1:
            return _among(found, cells, ranges[0])
        if not isinstance(found, tuple) or len(found) != len(ranges):
            return f"{_kind(found)}; wanted a tuple of {len(ranges)} arrays"
        wrong = [_among(one, cells, limits) for one, limits in zip(found, ranges)]
        return next((f"{text} (part {i})" for i, text in enumerate(wrong) if text is not None), None)

    return check


def like_first(given: tuple[Any, ...], found: Any) -> str | None:
    """Conductances, or rises, of the shape of the first array that was given."""
    if np.shape(found) != np.shape(given[0]):
        return f"an array of shape {np.shape(found)}; wanted {np.shape(given[0])}, that of what it was given"
    return of_cells(POSITIVE)(given, found)


def drawn(low: float = -np.inf, high: float = np.inf) -> Check:
    """Random numbers of the shape that was asked for, after the generator."""

    def check(given: tuple[Any, ...], found: Any) -> str | None:
        shape = tuple(given[1])
        if np.shape(found) != shape:
            return f"an array of shape {np.shape(found)}; wanted {shape}"
        return _among(found, shape, (low, high))

    return check


def lasting(given: tuple[Any, ...], found: Any) -> str | None:
    """Cycles or damages above zero; infinite ones where nothing wears out."""
    return of_cells(POSITIVE)(given, np.where(np.isinf(found), np.sign(found), found))


def logarithms(given: tuple[Any, ...], found: Any) -> str | None:
    """Logarithms of shares: zero or less, minus infinity where the share is nothing."""
    return of_cells((-np.inf, 0.0))(given, np.where(np.isneginf(found), -1.0, found))


def _among(found: Any, cells: tuple[int, ...], limits: tuple[float, float]) -> str | None:
    low, high = limits
    words = {POSITIVE: ", zero or more", UNBOUNDED: ""}.get(limits, f", from {low:g} to {high:g}")
    wanted = f"finite numbers{words}"
    if (wrong := numbers(found, wanted)) is not None:
        return wrong
    values = np.asarray(found)
    try:
        fits = np.broadcast_shapes(values.shape, cells) == cells
    except ValueError:
        fits = False
    if not fits:
        return f"an array of shape {values.shape}; wanted {cells}, the shape of what it was given"
    slack = 1e-6 if np.isfinite(high) else 0.0
    if not values.size or (values.min() >= low - slack and values.max() <= high + slack):
        return None
    at = np.argwhere((values < low - slack) | (values > high + slack))[0].tolist()
    return f"{values[tuple(at)]}{f' at {at}' if at else ''}; wanted {wanted}"


def _kind(found: Any) -> str:
    return f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
