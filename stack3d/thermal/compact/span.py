"""Vectors that are orthonormal in a product of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stack3d.layout import Floats

REPEATED = 1e-8
"""What is left of a vector that the span holds already, over its own length."""


class Span:
    """Vectors orthonormal in vᵀ G v, and G times each.

    Parameters
    ----------
    product : callable
        G times a nodal field, symmetric and positive.
    size : int
        Of a vector.
    """

    def __init__(self, product: Callable[[Floats], Floats], size: int) -> None:
        self._product = product
        self._rows, self._images = np.empty((8, size)), np.empty((8, size))
        self.count = 0

    @property
    def rows(self) -> Floats:
        """The vectors, shape (count, size)."""
        return self._rows[: self.count]

    @property
    def images(self) -> Floats:
        """G times the vectors, shape (count, size)."""
        return self._images[: self.count]

    def keep(self, count: int) -> None:
        """Forget the vectors that joined after so many."""
        self.count = min(self.count, count)

    def join(self, vector: Floats) -> bool:
        """Take in what of a vector is new; returns whether anything is."""
        image = self._product(vector)
        first = float(np.sqrt(max(0.0, float(vector @ image))))
        if first == 0.0:
            return False
        vector = vector / first
        for _ in range(2):  # once more against rounding
            vector = vector - (self.images @ vector) @ self.rows
        image = self._product(vector)
        length = float(np.sqrt(max(0.0, float(vector @ image))))
        if length < REPEATED:
            return False
        if self.count == len(self._rows):
            self._rows, self._images = (np.concatenate([a, np.empty_like(a)]) for a in (self._rows, self._images))
        self._rows[self.count], self._images[self.count] = vector / length, image / length
        self.count += 1
        return True
