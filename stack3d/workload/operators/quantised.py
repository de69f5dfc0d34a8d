"""Steps on quantised arrays that onnxruntime's tool writes beside ONNX's own (domain com.microsoft)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.workload.operators.elementwise import UNARY
from stack3d.workload.operators.products import Gemm, one_block, requantised
from stack3d.workload.operators.table import Array, Held, Operator, Stored, operators
from stack3d.workload.operators.windows import AveragePool

MS = "com.microsoft."


def real(x: Array, scale: Array, zero: Array | None) -> Array:
    """The numbers that integers stand for."""
    return np.asarray((x.astype(np.float64) - (0 if zero is None else zero)) * scale)


def whole(y: Array, scale: Array, zero: Array | None, like: Array) -> Array:
    """The integers nearest to numbers.

    Parameters
    ----------
    y : ndarray
        Any shape.
    scale : ndarray
        Number that one step stands for, broadcast against `y`.
    zero : ndarray or None
        Integer that stands for zero, broadcast against `y`.
    like : ndarray
        Of the type of integers that is wanted, any shape.
    """
    return requantised(y / scale, np.zeros((), like.dtype) if zero is None else zero)


class _OfPair(Operator, ABC):
    """A function of two quantised arrays."""

    room = 20.0

    @abstractmethod
    def of(self, a: Array, b: Array) -> Array:
        """Return the function's values."""

    def compute(self, *inputs: Any) -> Array:
        """Return them, quantised."""
        a, a_scale, a_zero, b, b_scale, b_zero, scale, *zero = inputs
        y = self.of(real(a, a_scale, a_zero), real(b, b_scale, b_zero))
        return whole(y, scale, zero[0] if zero else None, a)


@operators.register(MS + "QLinearAdd")
class QLinearAdd(_OfPair):
    """Sum of two quantised arrays."""

    def of(self, a: Array, b: Array) -> Array:
        """Return the sum."""
        return np.asarray(a + b)


@operators.register(MS + "QLinearMul")
class QLinearMul(_OfPair):
    """Product of two quantised arrays, element by element."""

    def of(self, a: Array, b: Array) -> Array:
        """Return the product."""
        return np.asarray(a * b)


class _OfOne(Operator, ABC):
    """A function of one quantised array."""

    room = 44.0

    @abstractmethod
    def of(self, x: Array) -> Array:
        """Return the function's values."""

    def compute(self, *inputs: Any) -> Array:
        """Return them, quantised."""
        x, x_scale, x_zero, scale, *zero = inputs
        return whole(self.of(real(x, x_scale, x_zero)), scale, zero[0] if zero else None, x)


@operators.register(MS + "QLinearSigmoid")
class QLinearSigmoid(_OfOne):
    """Sigmoid of a quantised array."""

    def of(self, x: Array) -> Array:
        """Return the sigmoid."""
        return np.asarray(UNARY["Sigmoid"](x))


@operators.register(MS + "QLinearLeakyRelu")
class QLinearLeakyRelu(_OfOne):
    """Leaky rectifier of a quantised array."""

    def of(self, x: Array) -> Array:
        """Return the rectified array."""
        return np.where(x >= 0, x, self.get("alpha", 0.01) * x)


@operators.register(MS + "QLinearGlobalAveragePool")
class QLinearGlobalAveragePool(_OfOne):
    """Mean of every plane of a quantised array."""

    def of(self, x: Array) -> Array:
        """Return the means."""
        axes = range(1, x.ndim - 1) if self.get("channels_last", 0) else range(2, x.ndim)
        return np.asarray(x.mean(axis=tuple(axes), keepdims=True))


@operators.register(MS + "QLinearAveragePool")
class QLinearAveragePool(_OfOne):
    """Mean of every window of a quantised array."""

    def of(self, x: Array) -> Array:
        """Return the means."""
        return AveragePool(self.node).compute(x)


@operators.register(MS + "QLinearConcat")
class QLinearConcat(Operator):
    """Quantised arrays one after the other, in one scale."""

    room = 40.0

    def compute(self, scale: Array, zero: Array, *inputs: Array) -> Array:
        """Return them as one."""
        parts = [real(*inputs[i : i + 3]) for i in range(0, len(inputs), 3)]
        return whole(np.concatenate(parts, axis=self.get("axis")), scale, zero, zero)


@operators.register(MS + "QGemm")
class QGemm(Gemm):
    """Product of quantised matrices plus a bias; the right operand's integers are held."""

    room = 40.0

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the right operand less its zero point."""
        b, zero = constants.get(self.node.inputs[3]), constants.get(self.node.inputs[5])
        if b is None or zero is None or b.ndim != 2:
            return {}
        turned = bool(self.get("transB"))
        held = (b.T if turned else b).astype(np.float64) - zero
        return {"right": Stored(self.node.inputs[3], one_block(held), ("integer", turned))}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product, quantised where a scale is given."""
        given: list[Any] = [*inputs, *[None] * (9 - len(inputs))]
        a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero = given
        x = (a.T if self.get("transA") else a).astype(np.float64) - a_zero
        y = held["right"](x) if "right" in held else x @ ((b.T if self.get("transB") else b).astype(np.float64) - b_zero)
        y = np.rint(y) + (0 if c is None else c)
        y = y * (self.get("alpha", 1.0) * a_scale.astype(np.float64) * b_scale)
        return (y.astype(np.float32) if y_scale is None else whole(y, y_scale, y_zero, a),)
