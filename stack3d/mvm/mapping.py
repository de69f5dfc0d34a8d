"""Weights to the conductances of physical cells, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, unknown_name
from stack3d.mvm.shape_checks import check_finite

SCHEMES = ("pair", "pair_two_sided", "offset")


@dataclass(frozen=True)
class WeightMapping:
    r"""How one weight becomes cells.

    Parameters
    ----------
    g_min, g_max : float
        Conductance window of a cell. [S]
    scheme : str
        ``pair``: :math:`w \sim G_+ - G_-`, the idle cell at `g_min`; ``pair_two_sided``: both cells move about
        the middle of the window; ``offset``: one cell per weight against a reference column at the middle.
    levels : int, optional
        Number of equidistant states of one cell; continuous when absent. [-]
    slices : int
        Cells that hold the digits (base `levels`) of one number, lowest digit first. [-]
    reference_columns : int
        Columns per array that hold a known weight (half of full scale) for gain tracking. [-]
    is_interleaved : bool
        Whether the cells of one weight lie on neighbouring columns of one array; otherwise each plane of cells
        has an array of its own.

    Notes
    -----
    The cells of one weight are the planes of an array (devices, n_inputs, n_columns): for pairs all positive
    slices come first, then all negative ones. The weight is linear in them,
    :math:`w = w_\mathrm{max} \sum_d c_d G_d` (for ``offset`` less the same sum over the reference column).

    Raises
    ------
    DeckError
        Window, levels or slices that cannot hold a weight.
    """

    g_min: float
    g_max: float
    scheme: str = "pair"
    levels: int | None = None
    slices: int = 1
    reference_columns: int = 0
    is_interleaved: bool = True

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise unknown_name("mapping scheme", self.scheme, SCHEMES)
        if not 0 <= self.g_min < self.g_max < np.inf:
            raise DeckError(f"conductance window is {self.g_min} to {self.g_max} S; must be 0 <= g_min < g_max")
        fewest = 3 if self.scheme == "offset" and self.slices == 1 else 2
        if self.levels is not None and self.levels < fewest:
            raise DeckError(f"mapping.levels is {self.levels}; {self.scheme} needs at least {fewest}")
        if self.slices < 1 or self.reference_columns < 0:
            raise DeckError(
                f"mapping.slices is {self.slices}, at least 1; reference_columns is {self.reference_columns}, at least 0"
            )
        if self.slices > 1 and self.levels is None:
            raise DeckError("mapping.slices > 1 needs mapping.levels, the number of states of one cell")

    @property
    def is_pair(self) -> bool:
        """Whether two sets of cells are subtracted."""
        return self.scheme != "offset"

    @property
    def devices(self) -> int:
        """Cells per weight."""
        return self.slices * (2 if self.is_pair else 1)

    @property
    def columns_per_weight(self) -> int:
        """Physical columns of an array that one weight takes."""
        return self.devices if self.is_interleaved else 1

    @property
    def reserved_columns(self) -> int:
        """Physical columns of an array that hold no weight: offset and reference columns."""
        return self.columns_per_weight * (self.reference_columns + (0 if self.is_pair else 1))

    @property
    def window(self) -> float:
        """Width of the conductance window. [S]"""
        return self.g_max - self.g_min

    @property
    def _full(self) -> float:
        """Largest number that the slices of one sign hold."""
        return 1.0 if self.levels is None else float(self.levels**self.slices - 1)

    @property
    def _zero(self) -> float:
        """Number that stands for weight zero in the offset scheme."""
        return 0.5 if self.levels is None else float((self.levels**self.slices) // 2)

    @property
    def _span(self) -> float:
        """Number that stands for the largest weight, counted from weight zero."""
        return self._full if self.is_pair else self._full - self._zero

    @cached_property
    def slice_weights(self) -> NDArray[np.float64]:
        """Part of a full-scale weight that a full-scale cell of each slice carries, shape (slices,). [-]"""
        if self.levels is None:
            return np.array([1.0 / self._span])
        base = float(self.levels)
        return np.array([base**s * (base - 1.0) / self._span for s in range(self.slices)])

    @cached_property
    def plane_weights(self) -> NDArray[np.float64]:
        """Signed `slice_weights` of every plane, shape (devices,). [-]"""
        one = self.slice_weights
        return np.concatenate([one, -one]) if self.is_pair else one

    def conductances(self, weights: NDArray[Any], weight_max: float | None = None) -> NDArray[np.float64]:
        """Return the target conductances of `weights`.

        Parameters
        ----------
        weights : array_like
            Any shape (..., n_inputs, n_outputs). [weight unit]
        weight_max : float, optional
            Magnitude that stands at the end of the window; by default the largest one present. Larger weights clip.

        Returns
        -------
        ndarray
            Shape (..., devices, n_inputs, n_outputs). [S]

        Raises
        ------
        ArrayError
            A weight that is not finite.
        """
        weights = np.asarray(weights, dtype=np.float64)
        check_finite("weights", weights)
        scale = full_scale(weights) if weight_max is None else float(weight_max)
        number = np.clip(weights / scale, -1.0, 1.0) * self._span
        if self.levels is not None:
            number = np.rint(number)
        if self.scheme == "pair":
            sides = [np.maximum(number, 0.0), np.maximum(-number, 0.0)]
        elif self.scheme == "pair_two_sided":
            upper = (self._full + number) / 2.0
            upper = upper if self.levels is None else np.ceil(upper)
            sides = [upper, upper - number]
        else:
            sides = [self._zero + number]
        return np.stack([self._cell(digit) for side in sides for digit in self._digits(side)], axis=-3)

    def weights(self, conductances: NDArray[Any], weight_max: float) -> NDArray[np.float64]:
        """Return the weights that ideal reading of `conductances` gives: the inverse of `conductances`.

        Parameters
        ----------
        conductances : ndarray
            Shape (..., devices, n_inputs, n_outputs). [S]
        weight_max : float
            Weight at the end of the window. [weight unit]
        """
        planes = np.moveaxis(np.asarray(conductances, dtype=np.float64), -3, 0) / self.window
        total: NDArray[np.float64] = np.tensordot(self.plane_weights, planes, axes=1)
        if not self.is_pair:
            zero = self.conductances(np.zeros((1, 1)), 1.0)[:, 0, 0] / self.window
            total = total - float(self.plane_weights @ zero)
        return total * weight_max

    def _digits(self, number: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        if self.levels is None:
            return [number]
        base = float(self.levels)
        return [np.floor(number / base**s) % base for s in range(self.slices)]

    def _cell(self, digit: NDArray[np.float64]) -> NDArray[np.float64]:
        top = 1.0 if self.levels is None else self.levels - 1.0
        return self.g_min + digit / top * self.window


def full_scale(weights: NDArray[Any]) -> float:
    """Return the largest magnitude of `weights`, or 1 for a matrix of zeros. [weight unit]"""
    return float(np.max(np.abs(weights), initial=0.0)) or 1.0
