"""Steps that onnxruntime makes of several when it saves an optimised model (domain com.microsoft)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.workload.operators.allowance import afford
from stack3d.workload.operators.convolution import Conv
from stack3d.workload.operators.elementwise import UNARY, Gelu
from stack3d.workload.operators.products import Gemm, MatMul, MatMulInteger, Turned
from stack3d.workload.operators.quantisation import DynamicQuantizeLinear
from stack3d.workload.operators.quantised import MS
from stack3d.workload.operators.recurrent import LSTM
from stack3d.workload.operators.table import Array, Held, Operator, Stored, operators

ACTIVATIONS: dict[str, Callable[[Array, list[float]], Any]] = {
    "": lambda y, p: y,
    "Relu": lambda y, p: np.maximum(y, 0),
    "Tanh": lambda y, p: np.tanh(y),
    "Sigmoid": lambda y, p: UNARY["Sigmoid"](y),
    "LeakyRelu": lambda y, p: np.where(y < 0, p[0] * y, y),
    "Clip": lambda y, p: np.clip(y, p[0], p[1]),
    "HardSigmoid": lambda y, p: np.clip(p[0] * y + p[1], 0, 1),
}
"""What may follow a product, and its numbers."""


class _Activated(Operator):
    """A product and the function after it."""

    def activated(self, y: Array) -> Array:
        """Return the function of the product."""
        afford(y.shape, 12)
        numbers = self.get("activation_params") or [self.get("activation_alpha", 0.01)]
        return np.asarray(ACTIVATIONS[self.get("activation", "")](y, numbers)).astype(y.dtype, copy=False)

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        name = self.get("activation", "")
        return None if name in ACTIVATIONS else f"a {self.node.kind} with the activation {name}"


@operators.register(MS + "FusedConv")
class FusedConv(_Activated, Conv):
    """A convolution, what is added to it, and the function of the sum."""

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the function's values."""
        (y,) = Conv.run(self, inputs[:3], held)
        return (self.activated(y if len(inputs) < 4 or inputs[3] is None else y + inputs[3]),)


@operators.register(MS + "FusedGemm")
class FusedGemm(_Activated, Gemm):
    """A product of two matrices and the function after it."""

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the function's values."""
        return (self.activated(Gemm.run(self, inputs, held)[0]),)


@operators.register(MS + "FusedMatMul")
class FusedMatMul(Turned, MatMul):
    """alpha A B, the last two axes of either turned."""

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the constant operand where it is a matrix."""
        return Turned.matrices(self, {name: one for name, one in constants.items() if one.ndim == 2})

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product."""
        a, b = (np.swapaxes(x, -1, -2) if self.get(f"trans{side}") and x.ndim > 1 else x for side, x in zip("AB", inputs[:2]))
        (y,) = MatMul.run(self, (a, b), held)
        afford(y.shape, y.itemsize)
        return (y * np.asarray(self.get("alpha", 1.0), y.dtype),)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the product."""
        return int(outputs[0].size * inputs[0].shape[-2 if self.get("transA") else -1])

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        turned = self.get("transBatchA") or self.get("transBatchB")
        return "a FusedMatMul that turns batches; only the last two axes are" if turned else None


@operators.register(MS + "Gelu")
class MsGelu(Gelu):
    """x times the normal distribution's share below x."""


@operators.register(MS + "BiasGelu")
class BiasGelu(Operator):
    """The same of a sum."""

    room = 24.0

    def compute(self, x: Array, bias: Array) -> Array:
        """Return the function's values."""
        return np.asarray(Gelu(self.node).value(x + bias)).astype(x.dtype, copy=False)


@operators.register(MS + "FastGelu")
class FastGelu(Operator):
    """The tanh approximation of the same, of a sum where there is a bias."""

    room = 24.0

    def compute(self, x: Array, bias: Array | None = None) -> Array:
        """Return the function's values."""
        x = x if bias is None else x + bias
        y = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        return np.asarray(y).astype(x.dtype, copy=False)


@operators.register(MS + "QuickGelu")
class QuickGelu(Operator):
    """x times the sigmoid of alpha x."""

    def compute(self, x: Array) -> Array:
        """Return the function's values."""
        return np.asarray(x * UNARY["Sigmoid"](self.get("alpha", 1.702) * x)).astype(x.dtype, copy=False)


@operators.register(MS + "SkipLayerNormalization")
class SkipLayerNormalization(Operator):
    """The last axis of a sum by its own mean and deviation."""

    room = 24.0

    def compute(self, x: Array, skip: Array, scale: Array, shift: Array | None = None, bias: Array | None = None) -> Any:
        """Return the normalised sum; mean, inverse deviation and the sum itself where they are asked for.

        Parameters
        ----------
        x, skip : ndarray
            What is added, of one shape.
        scale, shift : ndarray, shape (features,)
            Of the normalised sum.
        bias : ndarray, shape (features,), optional
            Added to the sum.
        """
        whole = x + skip if bias is None else x + skip + bias
        mean = whole.mean(axis=-1, keepdims=True)
        inverse = 1.0 / np.sqrt(np.square(whole - mean).mean(axis=-1, keepdims=True) + self.get("epsilon", 1e-12))
        y = (whole - mean) * inverse * scale
        y = y if shift is None else y + shift
        return (y.astype(x.dtype, copy=False), mean, inverse, whole)[: max(1, len(self.node.outputs))]


class _ToFloat(MatMulInteger):
    """A product of integers, scaled to real numbers; the constant operand's integers are held."""

    weight, weight_zero = 1, 5
    """Which inputs are that operand and its zero point."""

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the right operand where it and its zero point are constant."""
        right, zero = constants.get(self.node.inputs[self.weight]), self.zero(self.weight_zero, constants)
        if right is None or right.ndim != 2 or zero is None:
            return {}
        return {"right": Stored(self.node.inputs[self.weight], one_integer_block(right, zero), "integer")}

    def scaled(self, integers: Sequence[Any], scale: Array, bias: Array | None, held: Held) -> tuple[Any, ...]:
        """Return the product of integers (a, b, zero of a, zero of b) times a scale, plus a bias."""
        (y,) = MatMulInteger.run(self, integers, held)
        y = y.astype(np.float32) * np.asarray(scale, np.float32)
        return (y if bias is None else y + bias,)


@operators.register(MS + "MatMulIntegerToFloat")
class MatMulIntegerToFloat(_ToFloat):
    """A product of integers times the scales of both operands."""

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product in real numbers."""
        a, b, a_scale, b_scale, a_zero, b_zero, bias = [*inputs, *[None] * 7][:7]
        return self.scaled((a, b, a_zero, b_zero), a_scale * b_scale, bias, held)


@operators.register(MS + "DynamicQuantizeMatMul")
class DynamicQuantizeMatMul(_ToFloat):
    """A product of an array, quantised over its range, with integers."""

    is_ranged = True
    weight_zero = 3

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product in real numbers."""
        a, b, b_scale, b_zero, bias = [*inputs, *[None] * 5][:5]
        whole, scale, zero = DynamicQuantizeLinear.compute(self, a)  # type: ignore[arg-type]
        return self.scaled((whole, b, zero, b_zero), scale * b_scale, bias, held)


@operators.register(MS + "DynamicQuantizeLSTM")
class DynamicQuantizeLSTM(LSTM):
    """An LSTM whose products are of integers: inputs and states quantised over their range, one product at a time."""

    is_ranged = True
    room = 40.0
    weight_zeros = {"W": 9, "R": 11}
    """Slots of a direction and the inputs that are their zero points."""

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the integers of both matrices of every direction where they and their zero points are constant."""
        out = {}
        for (slot, at_zero), at in zip(self.weight_zeros.items(), (1, 2)):
            held, zero = constants.get(self.node.inputs[at]), constants.get(self.node.inputs[at_zero])
            if held is None or zero is None or held.ndim != 3:
                return {}
            for i, matrix in enumerate(held):
                name = slot if i == 0 else f"{slot}{i + 1}"
                out[name] = Stored(self.node.inputs[at], one_integer_block(matrix, zero[i]), (slot, i))
        return out

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return all outputs, the last state and the last memory."""
        x, w, r, *rest = inputs[:8]
        if len(inputs) != 12 or w.ndim != 3 or r.ndim != 3:
            raise ArrayError("wanted matrices of three axes, and their scales and zero points as inputs 8 to 11")
        products: dict[str, Callable[[Array], Array]] = {}
        for slot, matrix, scale, zero in (("W", w, *inputs[8:10]), ("R", r, *inputs[10:12])):
            for d in range(len(self.directions)):
                name = slot if d == 0 else f"{slot}{d + 1}"
                times = held.get(name) or one_integer_block(matrix[d], zero[d])[0].__rmatmul__
                products[name] = partial(self.quantised, times, np.asarray(scale[d], np.float32))
        return super().run([x, np.swapaxes(w, 1, 2), np.swapaxes(r, 1, 2), *rest], products)

    def quantised(self, times: Callable[[Array], Array], scale: Array, x: Array) -> Array:
        """Return a product of quantised vectors with integers, in real numbers.

        Parameters
        ----------
        times : callable
            Integers → their product with the matrix.
        scale : ndarray
            Of the matrix, one or one a column.
        x : ndarray, shape (vectors, inputs)
        """
        integers, step, zero = DynamicQuantizeLinear.compute(self, x)  # type: ignore[arg-type]
        return np.asarray(np.rint(times(integers.astype(np.float64) - zero)).astype(np.float32) * (step * scale))


def one_integer_block(matrix: Array, zero: Array) -> Array:
    """Return integers less their zero point as the one block of a `Stored`."""
    return np.asarray(matrix.astype(np.float64) - zero)[None]
