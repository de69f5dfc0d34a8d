"""Resize as one matrix an axis: which inputs each output is made of, and in what parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.layout import Floats
from stack3d.workload.operators.allowance import afford, charge
from stack3d.workload.operators.table import Array, Operator, operators

AxisChange = tuple[int, int, float, tuple[float, float]]
"""An axis, its new length, outputs per input, start and end of what is taken."""


def places(how: str, outputs: int, inputs: int, scale: float, roi: tuple[float, float]) -> Array:
    """Where each output lies on the axis of the inputs, shape (outputs,); `how` as ONNX names it.

    In single precision, as runtimes compute it: which input is the nearest one, half-way between two, is a matter of rounding.

    Parameters
    ----------
    how : str
        As ONNX names it.
    outputs, inputs : int
        Lengths of the axis.
    scale : float
        Outputs per input. [-]
    roi : (start, end)
        Part of the axis that is taken. [-]
    """
    x, factor = np.arange(outputs, dtype=np.float32), np.float32(scale)
    if how == "asymmetric":
        return x / factor
    if how == "align_corners":
        return x * (inputs - 1) / (outputs - 1) if outputs > 1 else x * 0
    if how == "pytorch_half_pixel":
        return (x + 0.5) / factor - 0.5 if outputs > 1 else x * 0
    if how == "tf_half_pixel_for_nn":
        return (x + 0.5) / factor
    if how == "tf_crop_and_resize":
        start, end = np.float32(roi[0]), np.float32(roi[1])
        if outputs > 1:
            return start * (inputs - 1) + x * (end - start) * (inputs - 1) / (outputs - 1)
        return x + np.float32(0.5) * (start + end) * (inputs - 1)
    if how == "half_pixel_symmetric":
        middle = np.float32(inputs / 2)
        return middle * (1 - outputs / (factor * inputs)) + ((x + 0.5) / factor - 0.5)
    if how == "half_pixel":
        return (x + 0.5) / factor - 0.5
    raise ArrayError(f"coordinates {how!r} are not known")


def nearest(x: Array, how: str) -> Floats:
    """The whole number each place stands for."""
    x = x.astype(np.float64)  # half more is exact
    if how == "floor":
        return np.floor(x)
    if how == "ceil":
        return np.ceil(x)
    return np.floor(x + 0.5) if how == "round_prefer_ceil" else np.ceil(x - 0.5)


def kernel(mode: str, distance: Array, cubic: float) -> Floats:
    """Weight of an input at a distance of so many inputs."""
    d = np.abs(distance)
    if mode == "linear":
        return np.asarray(np.maximum(1 - d, 0))
    inner = ((cubic + 2) * d - (cubic + 3)) * d**2 + 1
    outer = ((cubic * d - 5 * cubic) * d + 8 * cubic) * d - 4 * cubic
    return np.where(d <= 1, inner, np.where(d < 2, outer, 0))


def axis_matrix(x: Array, inputs: int, scale: float, mode: str, cubic: float, antialias: bool, inside: bool) -> Floats:
    """Parts of each input in each output, shape (outputs, inputs).

    Parameters
    ----------
    x : ndarray, shape (outputs,)
        Places of the outputs on the axis of the inputs.
    inputs : int
    scale : float
        Outputs per input. [-]
    mode : {"linear", "cubic"}
    cubic : float
        Coefficient a of the cubic kernel. [-]
    antialias : bool
        Widen the kernel where the axis gets shorter.
    inside : bool
        Leave out what lies beyond the ends.
    """
    wide = min(scale, 1.0) if antialias else 1.0
    reach = {"linear": 1, "cubic": 2}[mode] / wide
    afford((len(x), max(inputs, int(6 * reach))), 8)
    steps = np.arange(-int(np.ceil(reach)), int(np.ceil(reach)) + 1)
    index = np.floor(x).astype(int)[:, None] + steps
    weight = kernel(mode, (x[:, None] - index) * wide, cubic)
    if inside:
        weight = np.where((index >= 0) & (index < inputs), weight, 0)
    if inside or antialias:
        weight /= weight.sum(axis=1, keepdims=True)
    out = np.zeros((len(x), inputs))
    np.add.at(out, (np.arange(len(x))[:, None], np.clip(index, 0, inputs - 1)), weight)
    return out


def _regions(roi: Any, axes: int) -> Floats:
    """Start and end of what is taken of every axis, shape (2, axes); all of it where nothing is said."""
    whole = np.array([0.0] * axes + [1.0] * axes)
    return (np.ravel(roi) if roi is not None and np.size(roi) else whole).reshape(2, -1).astype(float)


@operators.register("Upsample")
@operators.register("Resize")
class Resize(Operator):
    """Other lengths of axes by nearest, linear or cubic interpolation."""

    def run(self, inputs: Any, held: Any) -> tuple[Any, ...]:
        """Return the resized array."""
        x, *more = inputs
        y = x
        for axis, n, scale, region in self.changes(x.shape, more, x.itemsize):
            y = self.along(y, axis, n, scale, region)
        return (np.asarray(y).astype(x.dtype, copy=False),)

    @property
    def coordinates(self) -> str:
        """Where outputs lie, as ONNX names it."""
        early = self.node.kind == "Upsample" or self.opset < 11
        return "asymmetric" if early else str(self.get("coordinate_transformation_mode", "half_pixel"))

    def changes(self, shape: Sequence[int], more: Sequence[Any], itemsize: int = 4) -> list[AxisChange]:
        """Return every axis that changes, its new length, outputs per input, and the part of it that is taken.

        Parameters
        ----------
        shape : sequence of int
            Of the input.
        more : sequence of ndarray or None
            The other inputs of the node.
        itemsize : int
            Bytes of a number.
        """
        roi, scales, sizes = self._asked(more)
        axes = [a % len(shape) for a in self.get("axes") or range(len(shape))]
        regions, is_cut = _regions(roi, len(axes)), self.coordinates == "tf_crop_and_resize"
        lengths = [shape[a] for a in axes]
        if sizes is not None and np.size(sizes):
            wanted, factors = self._of_sizes([int(n) for n in sizes], lengths)
        else:
            single = np.ravel(scales).astype(np.float32)  # as runtimes multiply: ten times 1.8 is eighteen
            crop = (regions[1] - regions[0]).astype(np.float32) if is_cut else np.ones(len(axes), np.float32)
            factors = single.astype(float).tolist()
            wanted = list(map(int, np.floor(np.array(lengths, np.float32) * single * crop)))
        new = dict(zip(axes, wanted))
        afford([new.get(a, n) for a, n in enumerate(shape)], itemsize)
        return [
            (a, n, scale, (region[0], region[1]))
            for a, n, scale, region in zip(axes, wanted, factors, regions.T.tolist())
            if n != shape[a] or scale != 1.0 or is_cut
        ]

    def _asked(self, more: Sequence[Any]) -> list[Any]:
        """Region, scales and sizes, those that the version does not know as None."""
        if self.node.kind == "Upsample" or self.opset < 11:
            return [None, np.asarray(more[0] if more else self.get("scales")), None]
        return [*more, None, None, None][:3]

    def _of_sizes(self, wanted: list[int], lengths: list[int]) -> tuple[list[int], list[float]]:
        """New lengths and their shares of the old ones, all of one share where the aspect is kept."""
        factors = [n / length for n, length in zip(wanted, lengths)]
        policy = self.get("keep_aspect_ratio_policy", "stretch")
        if policy == "stretch":
            return wanted, factors
        factor = (min if policy == "not_larger" else max)(factors)
        return [int(np.floor(factor * length + 0.5)) for length in lengths], [factor] * len(lengths)

    def along(self, x: Array, axis: int, n: int, scale: float, roi: tuple[float, float]) -> Array:
        """Return the array with one axis in its new length.

        Parameters
        ----------
        x : ndarray
            Any shape.
        axis : int
        n : int
            New length.
        scale : float
            Outputs per input. [-]
        roi : (start, end)
            Part of the axis that is taken. [-]
        """
        how, rounding = self.coordinates, self.get("nearest_mode", "round_prefer_floor")
        if self.node.kind == "Upsample" or self.opset < 11:
            rounding = "floor"
        size, mode = x.shape[axis], {"bilinear": "linear"}.get(self.get("mode", "nearest"), self.get("mode", "nearest"))
        whole = math.prod(afford([n if a == axis % x.ndim else m for a, m in enumerate(x.shape)], x.itemsize))
        at = places(how, n, size, scale, roi)
        outside = (at < 0) | (at > size - 1) if how == "tf_crop_and_resize" else np.zeros(n, bool)
        if mode == "nearest":
            y = np.take(x, np.clip(nearest(at, rounding), 0, size - 1).astype(int), axis=axis)
        else:
            cubic, inside = self.get("cubic_coeff_a", -0.75), bool(self.get("exclude_outside", 0))
            charge(whole * size)
            at = at if mode == "cubic" or self.get("antialias", 0) else np.clip(at, 0, size - 1)
            matrix = axis_matrix(at, size, scale, mode, cubic, bool(self.get("antialias", 0)), inside)
            y = np.moveaxis(np.tensordot(np.moveaxis(x, axis, -1), matrix.T, axes=1), -1, axis)
        if outside.any():
            y = np.array(y)
            np.moveaxis(y, axis, 0)[outside] = self.get("extrapolation_value", 0.0)
        return y
