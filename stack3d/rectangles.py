"""Axis-parallel rectangles, and which of many overlap; SI units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rectangle:
    """An axis-parallel rectangle. [m]"""

    x0: float
    x1: float
    y0: float
    y1: float

    @property
    def area(self) -> float:
        """Area. [m²]"""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y). [m]"""
        return 0.5 * (self.x0 + self.x1), 0.5 * (self.y0 + self.y1)

    def contains(self, other: Rectangle, *, slack: float = 1e-12) -> bool:
        """Whether `other` lies inside, up to `slack`. [m]"""
        return (
            other.x0 >= self.x0 - slack
            and other.x1 <= self.x1 + slack
            and other.y0 >= self.y0 - slack
            and other.y1 <= self.y1 + slack
        )

    def overlaps(self, other: Rectangle, *, slack: float = 1e-12) -> bool:
        """Whether the two share an area wider than `slack`. [m]"""
        return (
            min(self.x1, other.x1) - max(self.x0, other.x0) > slack and min(self.y1, other.y1) - max(self.y0, other.y0) > slack
        )


def overlapping(boxes: NDArray[np.float64], *, slack: float = 1e-12, share: float = 0.0) -> Iterator[tuple[int, int]]:
    """Pairs (later, earlier) of rectangles that share an area wider than a slack.

    Parameters
    ----------
    boxes : ndarray, shape (n, 4)
        x0, y0, x1, y1 of each. [m]
    slack : float
        [m]
    share : float
        Of the smallest side of both that is granted as well. [-]
    """
    order = np.argsort(boxes[:, 0], kind="stable")
    start, end = boxes[order, :2], boxes[order, 2:]
    size = end - start
    until = np.searchsorted(start[:, 0], end[:, 0])
    for i in range(order.size):  # only those that begin before this one ends
        near = slice(i + 1, until[i])
        shared = np.minimum(end[near], end[i]) - np.maximum(start[near], start[i])
        granted = np.maximum(share * np.minimum(size[near], size[i]).min(axis=1), slack)
        for j in order[near][(shared > granted[:, None]).all(axis=1)].tolist():
            yield max(j, int(order[i])), min(j, int(order[i]))
