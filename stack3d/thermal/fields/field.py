"""What every temperature field can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from stack3d.grids import Grid
from stack3d.layout import Floats, Rectangle


class Field(Protocol):
    """Temperature everywhere, asked by layer (on a user's mesh by region)."""

    @property
    def values(self) -> Floats:
        """Nodal temperature, in a shape that only its solver knows. [K]"""

    def with_values(self, values: Floats) -> Self:
        """The same field with other nodal values of its shape. [K]"""

    def at(self, layer: str, x: float, y: float, z: float | None = None) -> float:
        """Temperature at (x, y) and height `z`, by default the mid-plane of `layer`. [K]

        Parameters
        ----------
        layer : str
        x, y : float
            [m]
        z : float, optional
            Height; absent = the mid-plane of `layer`. [m]
        """

    def map(self, layer: str, nx: int, ny: int, extent: Rectangle | None = None) -> Floats:
        """Volume means over ny by nx equal boxes of a layer, shape (ny, nx). [K]

        Parameters
        ----------
        layer : str
        nx, ny : int
            Boxes along x and y.
        extent : Rectangle, optional
            What they divide; absent = all of the layer. [m]
        """

    def box_means(self, layer: str, boxes: Sequence[Rectangle]) -> Floats:
        """Volume means over boxes through the full thickness of a layer, shape (len(boxes),). [K]"""

    def layer_mean(self, layer: str) -> float:
        """Volume mean of a layer. [K]"""

    def layer_peak(self, layer: str) -> tuple[float, tuple[float, float, float]]:
        """Largest nodal temperature of a layer and its (x, y, z). [K], [m]"""

    def layer_max(self, layer: str) -> float:
        """Largest nodal temperature of a layer. [K]"""

    def overshoot(self, layer: str) -> float:
        """What the hottest node of a layer has over its neighbours where the values zigzag, 0 where they do not. [K]"""

    def between_nodes(self, layer: str) -> float:
        """How far the peak of a layer stands over the hottest node across the plane, 0 where the field does not tell. [K]"""

    def between_levels(self, layer: str) -> float:
        """The same through the height of the layer. [K]"""

    def on_lines(self, grid: Grid) -> Floats | None:
        """Nodal temperature on another grid of the same stack, to begin a solve with; None where the field has no lines. [K]"""

    def face_peak(self, face: str) -> float | None:
        """Largest nodal temperature of a face, None where the field does not know the face. [K]"""
