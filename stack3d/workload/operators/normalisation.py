"""Normalisation as it is in inference: statistics are those of the file, or of each input by itself; never of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stack3d.workload.operators.allowance import afford, charge
from stack3d.workload.operators.table import Array, Held, Operator, operators, together


def _along(values: Array, ndim: int) -> Array:
    """Numbers per channel against an array whose axis 1 holds the channels."""
    return values.reshape(-1, *[1] * (ndim - 2)) if ndim > 1 else values


@operators.register("BatchNormalization")
class BatchNormalization(Operator):
    """scale (x - mean) / sqrt(var + epsilon) + bias with the statistics of the file, whatever the version and the batch."""

    def compute(self, x: Array, scale: Array, bias: Array, mean: Array, var: Array) -> Array:
        """Return the normalised array.

        Parameters
        ----------
        x : ndarray, shape (batch, channels, *space)
        scale, bias, mean, var : ndarray, shape (channels,)
            Or that of an input, where the attribute `spatial` is 0.
        """
        if not self.get("spatial", 1):
            scale, bias, mean, var = (v.reshape(x.shape[1:]) for v in (scale, bias, mean, var))
        else:
            scale, bias, mean, var = (_along(v, x.ndim) for v in (scale, bias, mean, var))
        together(x, scale, bias, mean, var)
        y = scale * (x - mean) / np.sqrt(var + self.get("epsilon", 1e-5)) + bias
        return np.asarray(y).astype(x.dtype, copy=False)

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the normalised array; statistics that only training asks for are those of the file."""
        return (self.compute(*inputs[:5]), *inputs[3:5], *inputs[3:5])[: max(1, len(self.node.outputs))]


def _standard(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array, Array]:
    """The array less its mean over its deviation along some axes, both kept; in single precision at least."""
    wide = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
    mean = wide.mean(axis=axes, keepdims=True)
    inverse = 1.0 / np.sqrt(np.square(wide - mean).mean(axis=axes, keepdims=True) + wide.dtype.type(epsilon))
    return (wide - mean) * inverse, mean, inverse


@operators.register("InstanceNormalization")
class InstanceNormalization(Operator):
    """Every plane by its own mean and deviation."""

    def compute(self, x: Array, scale: Array, bias: Array) -> Array:
        """Return the normalised array."""
        y, _, _ = _standard(x, tuple(range(2, x.ndim)), self.get("epsilon", 1e-5))
        return (y * _along(scale, x.ndim) + _along(bias, x.ndim)).astype(x.dtype)


@operators.register("GroupNormalization")
class GroupNormalization(Operator):
    """Channels group by group; scale and bias belong to groups before version 21, to channels since."""

    def compute(self, x: Array, scale: Array, bias: Array) -> Array:
        """Return the normalised array."""
        groups = self.get("num_groups")
        y, _, _ = _standard(x.reshape(len(x), groups, -1), (2,), self.get("epsilon", 1e-5))
        if scale.size != x.shape[1]:
            afford((scale.size, x.shape[1] // groups), 8)
            scale, bias = (np.repeat(v, x.shape[1] // groups) for v in (scale, bias))
        return (y.reshape(x.shape) * _along(scale, x.ndim) + _along(bias, x.ndim)).astype(x.dtype)


@operators.register("LayerNormalization")
class LayerNormalization(Operator):
    """The last axes of every input by their own mean and deviation."""

    def compute(self, x: Array, scale: Array, bias: Array | None = None) -> Any:
        """Return the normalised array, and where they are asked for mean and inverse deviation."""
        axes = tuple(range(self.get("axis", -1) % x.ndim, x.ndim))
        y, mean, inverse = _standard(x, axes, self.get("epsilon", 1e-5))
        y = y.astype(x.dtype) * scale
        y = y if bias is None else y + bias
        return (y.astype(x.dtype, copy=False), mean, inverse)[: max(1, len(self.node.outputs))]


@operators.register("SimplifiedLayerNormalization")
@operators.register("RMSNormalization")
class RMSNormalization(Operator):
    """The last axes of every input by the root of their mean square; onnxruntime's own form gives its inverse too."""

    def compute(self, x: Array, scale: Array) -> Any:
        """Return the normalised array, and where it is asked for the inverse root."""
        axes = tuple(range(self.get("axis", -1) % x.ndim, x.ndim))
        wide = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
        root = np.sqrt(np.square(wide).mean(axis=axes, keepdims=True) + self.get("epsilon", 1e-5))
        y = np.asarray(((wide / root).astype(x.dtype) * scale).astype(x.dtype, copy=False))
        return (y, 1.0 / root)[: max(1, len(self.node.outputs))]


@operators.register("MeanVarianceNormalization")
class MeanVarianceNormalization(Operator):
    """Mean and deviation along given axes taken out."""

    def compute(self, x: Array) -> Array:
        """Return the normalised array."""
        axes = tuple(self.get("axes", [0, 2, 3]))
        about = x - x.mean(axis=axes, keepdims=True)
        return (about / (np.sqrt(np.square(about).mean(axis=axes, keepdims=True)) + 1e-9)).astype(x.dtype)


@operators.register("LpNormalization")
class LpNormalization(Operator):
    """An axis over its norm."""

    def compute(self, x: Array) -> Array:
        """Return the normalised array; zero stays."""
        norm = np.linalg.norm(x, ord=self.get("p", 2), axis=self.get("axis", -1), keepdims=True)
        return np.where(norm == 0, 0, x / np.where(norm == 0, 1, norm)).astype(x.dtype)


@operators.register("LRN")
class LRN(Operator):
    """Every element over a power of the squares of its neighbours among the channels."""

    room = 48.0

    def compute(self, x: Array) -> Array:
        """Return the normalised array."""
        size = self.get("size")
        low = (size - 1) // 2
        wide = [(0, 0), (low, size - 1 - low), *[(0, 0)] * (x.ndim - 2)]
        squares = np.cumsum(np.pad(np.square(x, dtype=np.float64), wide), axis=1)
        total = squares[:, size - 1 :].copy()
        total[:, 1:] -= squares[:, :-size]
        scale = self.get("bias", 1.0) + self.get("alpha", 1e-4) / size * total
        return np.asarray((x / scale ** self.get("beta", 0.75)).astype(x.dtype))


@operators.register("Det")
class Det(Operator):
    """Determinant of every matrix."""

    def compute(self, x: Array) -> Array:
        """Return them."""
        charge(x.size * x.shape[-1])
        return np.asarray(np.linalg.det(x), x.dtype)


@operators.register("RotaryEmbedding")
class RotaryEmbedding(Operator):
    """Pairs of features turned by the angle of their position."""

    def compute(self, x: Array, cos: Array, sin: Array, positions: Array | None = None) -> Array:
        """Return the turned array (batch, heads, steps, features), or (batch, steps, heads x features).

        Parameters
        ----------
        x : ndarray, shape (batch, heads, steps, features) or (batch, steps, heads x features)
        cos, sin : ndarray, shape (batch, steps, features / 2)
            Or (positions, features / 2), where there are `positions`.
        positions : ndarray of int, shape (batch, steps), optional
        """
        shape = x.shape
        if x.ndim == 3:
            heads = self.get("num_heads")
            x = x.reshape(*shape[:2], heads, -1).transpose(0, 2, 1, 3)
        part = self.get("rotary_embedding_dim", 0) or x.shape[-1]
        if positions is not None:
            afford((*positions.shape, cos.shape[-1]), cos.itemsize)
            cos, sin = cos[positions], sin[positions]
        cos, sin = cos[:, None, :, : part // 2], sin[:, None, :, : part // 2]
        turned, rest = x[..., :part], x[..., part:]
        if self.get("interleaved", 0):
            a, b = turned[..., 0::2], turned[..., 1::2]
            y = np.stack([a * cos - b * sin, a * sin + b * cos], axis=-1).reshape(turned.shape)
        else:
            a, b = np.split(turned, 2, axis=-1)
            y = np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
        y = np.concatenate([y, rest], axis=-1).astype(x.dtype)
        return y if len(shape) == 4 else y.transpose(0, 2, 1, 3).reshape(shape)
