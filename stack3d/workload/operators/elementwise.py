"""Operators of every element by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from stack3d.workload.operators.allowance import afford
from stack3d.workload.operators.table import Array, Operator, operators, together


def _erf(x: Array) -> Any:
    from scipy.special import erf

    return erf(x)


def _sigmoid(x: Array) -> Any:
    small = np.exp(-np.abs(x))
    y = np.where(x >= 0, np.ones((), small.dtype), small)
    small += 1
    y /= small
    return y


def _softplus(x: Array) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


UNARY: dict[str, Callable[[Array], Any]] = {
    "Abs": np.abs, "Acos": np.arccos, "Acosh": np.arccosh, "Asin": np.arcsin, "Asinh": np.arcsinh, "Atan": np.arctan,
    "Atanh": np.arctanh, "Ceil": np.ceil, "Cos": np.cos, "Cosh": np.cosh, "Erf": _erf, "Exp": np.exp, "Floor": np.floor,
    "Log": np.log, "Neg": np.negative, "Reciprocal": lambda x: 1 / x, "Relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "Round": np.rint, "Sigmoid": _sigmoid, "Sign": np.sign, "Sin": np.sin, "Sinh": np.sinh,
    "Softplus": _softplus, "Softsign": lambda x: x / (1 + np.abs(x)), "Sqrt": np.sqrt, "Tan": np.tan, "Tanh": np.tanh,
    "Mish": lambda x: x * np.tanh(_softplus(x)), "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
}  # fmt: skip
"""Functions of one array, its type kept."""

BINARY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
}  # fmt: skip
"""Functions of two arrays that broadcast, the type of the first kept."""

RELATIONS: dict[str, Callable[[Array, Array], Any]] = {
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Equal": np.equal, "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal, "Less": np.less, "LessOrEqual": np.less_equal,
}  # fmt: skip
"""Claims about two arrays that broadcast."""


class Unary(Operator):
    """A function of every element."""

    function: Callable[[Array], Any]

    def compute(self, x: Array) -> Array:
        """Return the function's values in the type of `x`."""
        with np.errstate(all="ignore"):
            return np.asarray(type(self).function(x)).astype(x.dtype, copy=False)


class Binary(Operator):
    """A function of every pair of elements."""

    function: Callable[[Array, Array], Any]
    keeps_type = True

    def compute(self, a: Array, b: Array) -> Array:
        """Return the function's values, in the type of `a` or as truth values."""
        if self.opset < 7 and self.get("broadcast") and b.ndim < a.ndim:  # the first axes of `b` had a place of their own
            b = b.reshape((*b.shape, *[1] * (a.ndim - self.get("axis", a.ndim - b.ndim) - b.ndim)))
        together(a, b)
        with np.errstate(all="ignore"):
            y = np.asarray(type(self).function(a, b))
        return y.astype(a.dtype, copy=False) if self.keeps_type else y


for _name, _unary in UNARY.items():
    operators.register(_name)(type(_name, (Unary,), {"function": staticmethod(_unary), "__doc__": f"{_name} of an array."}))
for _name, _binary in {**BINARY, **RELATIONS}.items():
    operators.register(_name)(
        type(
            _name,
            (Binary,),
            {
                "function": staticmethod(_binary),
                "keeps_type": _name in BINARY,
                "__doc__": f"{_name} of two arrays that broadcast.",
            },
        )
    )


@operators.register("Div")
class Div(Binary):
    """Quotient; of integers it is cut towards zero."""

    @staticmethod
    def function(a: Array, b: Array) -> Any:
        """Return a / b."""
        if a.dtype.kind not in "iu":
            return np.divide(a, b)
        whole = np.floor_divide(a, b)
        return whole + ((a % b != 0) & ((a < 0) != (b < 0)))


@operators.register("Mod")
class Mod(Operator):
    """Remainder: with the sign of the divisor, or with `fmod` that of the dividend."""

    def compute(self, a: Array, b: Array) -> Array:
        """Return the remainder of a / b."""
        together(a, b)
        with np.errstate(all="ignore"):
            return np.asarray((np.fmod if self.get("fmod") else np.mod)(a, b), a.dtype)


@operators.register("Pow")
class Pow(Operator):
    """Power, in the type of the base."""

    def compute(self, a: Array, b: Array) -> Array:
        """Return a to the power of b."""
        together(a, b)
        with np.errstate(all="ignore"):
            return np.asarray(np.power(a, b)).astype(a.dtype, copy=False)


@operators.register("BitShift")
class BitShift(Operator):
    """Bits moved to the left or right."""

    def compute(self, a: Array, b: Array) -> Array:
        """Return `a` moved by `b`."""
        together(a, b)
        return np.asarray((np.left_shift if self.get("direction") == "LEFT" else np.right_shift)(a, b), a.dtype)


@operators.register("Not")
class Not(Operator):
    """The opposite."""

    def compute(self, x: Array) -> Array:
        """Return what `x` is not."""
        return np.logical_not(x)


@operators.register("BitwiseNot")
class BitwiseNot(Operator):
    """All bits turned."""

    def compute(self, x: Array) -> Array:
        """Return the complement."""
        return np.bitwise_not(x)


@operators.register("IsNaN")
class IsNaN(Operator):
    """Whether an element is no number."""

    def compute(self, x: Array) -> Array:
        """Return truth values."""
        return np.isnan(x)


@operators.register("IsInf")
class IsInf(Operator):
    """Whether an element is infinite, of the signs that are asked for."""

    def compute(self, x: Array) -> Array:
        """Return truth values."""
        high, low = bool(self.get("detect_positive", 1)), bool(self.get("detect_negative", 1))
        return np.isinf(x) & (((x > 0) & high) | ((x < 0) & low))


class _Many(Operator):
    """Any number of arrays that broadcast, taken together."""

    @staticmethod
    def pair(a: Array, b: Array) -> Any:
        """Return two of them in one."""
        return np.add(a, b)

    def compute(self, *inputs: Array) -> Array:
        """Return all of them in one."""
        together(*inputs)
        total = inputs[0]
        for one in inputs[1:]:
            total = np.asarray(type(self).pair(total, one))
        return total


@operators.register("Sum")
class Sum(_Many):
    """Sum of arrays."""


@operators.register("Max")
class Max(_Many):
    """Largest of arrays."""

    @staticmethod
    def pair(a: Array, b: Array) -> Any:
        """Return two of them in one."""
        return np.maximum(a, b)


@operators.register("Min")
class Min(_Many):
    """Smallest of arrays."""

    @staticmethod
    def pair(a: Array, b: Array) -> Any:
        """Return two of them in one."""
        return np.minimum(a, b)


@operators.register("Mean")
class Mean(_Many):
    """Mean of arrays."""

    def compute(self, *inputs: Array) -> Array:
        """Return their mean."""
        return np.asarray(super().compute(*inputs) / len(inputs), inputs[0].dtype)


class _Formed(Operator, ABC):
    """A function of every element with numbers of the node."""

    @abstractmethod
    def value(self, x: Array) -> Any:
        """Return the function's values."""

    def compute(self, x: Array) -> Array:
        """Return them in the type of `x`."""
        with np.errstate(all="ignore"):
            return np.asarray(self.value(x)).astype(x.dtype, copy=False)


@operators.register("Elu")
class Elu(_Formed):
    """x above zero, alpha (e^x - 1) below."""

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        return np.where(x > 0, x, self.get("alpha", 1.0) * np.expm1(np.minimum(x, 0)))


@operators.register("Celu")
class Celu(_Formed):
    """x above zero, alpha (e^(x / alpha) - 1) below."""

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        alpha = self.get("alpha", 1.0)
        return np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))


@operators.register("Selu")
class Selu(_Formed):
    """gamma x above zero, gamma alpha (e^x - 1) below."""

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        alpha, gamma = self.get("alpha", 1.67326319217681884765625), self.get("gamma", 1.05070102214813232421875)
        return gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@operators.register("LeakyRelu")
class LeakyRelu(_Formed):
    """x above zero, alpha x below."""

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        return np.where(x >= 0, x, np.asarray(self.get("alpha", 0.01), x.dtype) * x)


@operators.register("ThresholdedRelu")
class ThresholdedRelu(_Formed):
    """x above alpha, else zero."""

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        return np.where(x > self.get("alpha", 1.0), x, 0)


@operators.register("HardSigmoid")
class HardSigmoid(_Formed):
    """alpha x + beta between 0 and 1."""

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        return np.clip(x * self.get("alpha", 0.2) + self.get("beta", 0.5), 0, 1)


@operators.register("Shrink")
class Shrink(_Formed):
    """Zero within lambd, else moved towards zero by the bias."""

    room = 16.0

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        limit, bias = self.get("lambd", 0.5), self.get("bias", 0.0)
        return np.where(x < -limit, x + bias, np.where(x > limit, x - bias, 0))


@operators.register("Swish")
class Swish(_Formed):
    """x times the sigmoid of alpha x."""

    room = 24.0

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        return x * _sigmoid(self.get("alpha", 1.0) * x)


@operators.register("Gelu")
class Gelu(_Formed):
    """x times the normal distribution's share below x, or its tanh approximation."""

    room = 24.0

    def value(self, x: Array) -> Any:
        """Return the function's values."""
        if self.get("approximate", "none") == "tanh":
            return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        return 0.5 * x * (1 + _erf(x / np.sqrt(2)))


@operators.register("PRelu")
class PRelu(Operator):
    """x above zero, slope x below; the slope broadcasts."""

    def compute(self, x: Array, slope: Array) -> Array:
        """Return the function's values."""
        if slope.ndim == 1 and x.ndim > 2 and slope.size not in (1, x.shape[-1]):
            slope = slope.reshape(-1, *[1] * (x.ndim - 2))
        together(x, slope)
        return np.where(x >= 0, x, x * slope).astype(x.dtype, copy=False)


@operators.register("Clip")
class Clip(Operator):
    """x between two numbers, inputs or attributes."""

    def compute(self, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
        """Return the clipped array."""
        lowest, highest = self.setting("min", low), self.setting("max", high)
        if lowest is not None:
            x = np.maximum(x, np.asarray(lowest, x.dtype).reshape(()))
        return x if highest is None else np.minimum(x, np.asarray(highest, x.dtype).reshape(()))


@operators.register("Where")
class Choose(Operator):
    """One array where a claim holds, else another."""

    def compute(self, claim: Array, a: Array, b: Array) -> Array:
        """Return the choice."""
        together(claim, a, b)
        return np.where(claim, a, b).astype(a.dtype, copy=False)


@operators.register("Cast")
class Cast(Operator):
    """Another type."""

    def compute(self, x: Array) -> Array:
        """Return the array in the type of attribute `to`."""
        from onnx.helper import tensor_dtype_to_np_dtype

        wanted = tensor_dtype_to_np_dtype(int(self.get("to")))
        afford(x.shape, np.dtype(wanted).itemsize)
        if np.dtype(wanted).name.startswith("float8"):  # they saturate
            from onnx.reference import ReferenceEvaluator

            alone = ReferenceEvaluator(self.node.proto, opsets={"": self.opset})
            return np.asarray(alone.run(None, {self.node.inputs[0]: x})[0])
        with np.errstate(all="ignore"):
            return x.astype(wanted)


@operators.register("CastLike")
class CastLike(Operator):
    """The type of another array."""

    def compute(self, x: Array, other: Array) -> Array:
        """Return `x` in the type of `other`."""
        with np.errstate(all="ignore"):
            return x.astype(other.dtype)

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        other = constants.get(self.node.inputs[1]) if hasattr(constants, "get") else None
        return "a CastLike to eight bits of floating point" if other is not None and "float8" in other.dtype.name else None


@operators.register("Identity")
class Identity(Operator):
    """The array itself."""

    def compute(self, x: Any) -> Any:
        """Return it."""
        return x


@operators.register("Dropout")
class Dropout(Operator):
    """Nothing is dropped in inference."""

    def compute(self, x: Array, ratio: Any = None, training: Any = None) -> Any:
        """Return the array, and where it is asked for the mask of what stays."""
        return (x, np.ones(x.shape, bool))[: max(1, len(self.node.outputs))]
