"""Convolutions as products of patches with a matrix; each group is a block of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.layout import Floats
from stack3d.workload.operators.allowance import TURN, afford, charge, reserve
from stack3d.workload.operators.products import requantised
from stack3d.workload.operators.table import Array, Held, Operator, Stored, operators
from stack3d.workload.operators.windows import padding, windows


def convolution_blocks(weight: Array, group: int) -> Floats:
    """Matrix of a convolution on patches (channel slowest), group by group.

    Parameters
    ----------
    weight : ndarray, shape (outputs, inputs / group, *kernel)
    group : int

    Returns
    -------
    ndarray, shape (group, inputs / group * prod(kernel), outputs / group)
    """
    split = weight.reshape(group, weight.shape[0] // group, -1)
    return np.ascontiguousarray(np.swapaxes(split, 1, 2), np.float64)


class _Convolution(Operator):
    """What convolutions share: `x`, `w` and their patches."""

    slots = ("right",)
    room = 0.0
    weight = 1
    """Which input holds the weights."""

    @property
    def group(self) -> int:
        """Groups of channels that do not see each other."""
        return self.get("group") or 1

    def patches(self, x: Array, kernel: Sequence[int], fill: float = 0.0) -> tuple[Array, tuple[int, ...]]:
        """Return the patches (batch, positions, inputs * prod(kernel)) and the shape of the positions."""
        n = len(kernel)
        steps, spread = self.get("strides") or [1] * n, self.get("dilations") or [1] * n
        pad = padding(x.shape[2:], kernel, steps, spread, self.get("pads"), self.get("auto_pad") or "NOTSET")
        padded = [*x.shape[:2], *(size + low + high for size, (low, high) in zip(x.shape[2:], pad))]
        positions = windows(x[:0], kernel, steps, spread, pad, fill).shape[2 : 2 + n]
        afford([len(x), *positions, x.shape[1], *kernel], x.itemsize)
        reserve(2 * math.prod(padded) * x.itemsize, stays=False)
        charge(math.prod(kernel) * TURN)
        wide = np.pad(x, [(0, 0), (0, 0), *pad], constant_values=fill) if any(sum(p) for p in pad) else x
        channels_last = np.ascontiguousarray(np.moveaxis(wide, 1, -1))  # copies below then run along memory
        out = np.empty((len(x), *positions, x.shape[1], math.prod(kernel)), x.dtype)
        for i, place in enumerate(itertools.product(*(range(k) for k in kernel))):
            part = tuple(slice(p * d, p * d + s * (m - 1) + 1, s) for p, d, s, m in zip(place, spread, steps, positions))
            out[..., i] = channels_last[(slice(None), *part)]
        return out.reshape(len(x), -1, x.shape[1] * math.prod(kernel)), positions

    def exact(self, patches: Array, w: Array) -> Array:
        """Return the products of patches with weights of the node's own."""
        afford(patches.shape, patches.itemsize)  # once more, on the way
        afford([*patches.shape[:2], len(w)], 8)
        charge(patches.size * len(w) // self.group)
        split = patches.reshape(*patches.shape[:2], self.group, -1)
        kernels = w.reshape(self.group, w.shape[0] // self.group, -1)
        return np.asarray(np.einsum("npgk,gok->npgo", split, kernels, optimize=True).reshape(*patches.shape[:2], -1))

    def product(self, x: Array, w: Array, held: Held, fill: float = 0.0) -> Array:
        """Return the convolution (batch, outputs, *positions).

        Parameters
        ----------
        x : ndarray, shape (batch, channels, *space)
        w : ndarray, shape (outputs, channels per group, *kernel)
        held : mapping
            Products that are computed elsewhere, by slot.
        fill : float
            What pads.
        """
        if x.ndim != w.ndim or x.shape[1] != w.shape[1] * self.group or w.shape[0] % self.group:
            raise ArrayError(f"weights {w.shape} in {self.group} groups do not fit an input {x.shape}")
        patches, positions = self.patches(x, w.shape[2:], fill)
        y = held["right"](patches) if "right" in held else self.exact(patches, w)
        afford([len(x), *positions, w.shape[0]], x.itemsize)  # for its bias
        return np.moveaxis(y, -1, 1).reshape(len(x), w.shape[0], *positions)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the weights at every position."""
        return int(outputs[0].size * math.prod(inputs[self.weight].shape[1:]))


@operators.register("Conv")
class Conv(_Convolution):
    """Convolution with stride, padding, dilation and groups, in any number of dimensions."""

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the constant weights."""
        w = constants.get(self.node.inputs[1])
        if w is None or w.ndim < 3 or w.shape[0] % self.group or not w.size:
            return {}
        return {"right": Stored(self.node.inputs[1], convolution_blocks(w, self.group), self.node.kind)}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the convolution plus its bias."""
        x, w, *more = inputs
        y = self.product(x, w, held)
        return (y if not more or more[0] is None else y + more[0].reshape(-1, *[1] * (x.ndim - 2)),)


@operators.register("ConvInteger")
class ConvInteger(_Convolution):
    """Convolution of integers less their zero points; the weights' integers are held."""

    room = 12.0
    zero_points = (2, 3)

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the constant weights less their zero point."""
        name = self.node.inputs[self.weight]
        w, at = constants.get(name), self.zero_points[1]
        zero_name = self.node.inputs[at] if len(self.node.inputs) > at else ""
        zero = constants.get(zero_name) if zero_name else np.zeros(())
        if w is None or zero is None or w.ndim < 3 or w.shape[0] % self.group:
            return {}
        return {"right": Stored(name, convolution_blocks(_less(w, zero), self.group), "integer")}

    def sums(self, x: Array, w: Array, x_zero: Any, w_zero: Any, held: Held) -> Array:
        """Return the whole sums.

        Parameters
        ----------
        x : ndarray, shape (batch, channels, *space)
        w : ndarray, shape (outputs, channels per group, *kernel)
        x_zero, w_zero : ndarray or None
            Integers that stand for zero, broadcast against `x` and `w`.
        held : mapping
            Products that are computed elsewhere, by slot.
        """
        return np.rint(self.product(_less(x, x_zero), w if held else _less(w, w_zero), held))

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the convolution as 32-bit integers."""
        zeros = [inputs[i] if len(inputs) > i and inputs[i] is not None else np.zeros(()) for i in (2, 3)]
        return (self.sums(inputs[0], inputs[1], zeros[0], zeros[1], held).astype(np.int32),)


def _less(values: Array, zero: Array) -> Array:
    """Integers less a zero point of all, or of each entry of the first axis."""
    return values.astype(np.float64) - (zero.reshape(-1, *[1] * (values.ndim - 1)) if zero.size > 1 else zero.reshape(()))


@operators.register("QLinearConv")
class QLinearConv(ConvInteger):
    """Convolution of quantised arrays; the weights' integers are held."""

    weight = 3
    zero_points = (2, 5)

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the convolution, quantised."""
        x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *more = inputs
        sums = self.sums(x, w, x_zero, w_zero, held)
        by_channel = (-1, *[1] * (x.ndim - 2))
        if more and more[0] is not None:
            sums = sums + more[0].reshape(by_channel)
        scale = (x_scale.astype(np.float64) * w_scale / y_scale).reshape(by_channel)
        return (requantised(sums * scale, y_zero),)


@operators.register("ConvTranspose")
class ConvTranspose(_Convolution):
    """The transpose of a convolution: every input writes a patch of the output; patches add up."""

    room = 12.0

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the constant weights, inputs of a group by its outputs and kernel."""
        w = constants.get(self.node.inputs[1])
        if w is None or w.ndim < 3 or w.shape[0] % self.group or not w.size:
            return {}
        return {"right": Stored(self.node.inputs[1], self.blocks(w), self.node.kind)}

    def blocks(self, w: Array) -> Array:
        """Return weights (inputs, outputs / group, *kernel) group by group."""
        return w.reshape(self.group, w.shape[0] // self.group, -1).astype(np.float64)

    def cuts(self, space: Sequence[int], kernel: Sequence[int]) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the length of every axis before cutting, and where it is cut."""
        n = len(kernel)
        steps, spread = self.get("strides") or [1] * n, self.get("dilations") or [1] * n
        extra, pads = self.get("output_padding") or [0] * n, self.get("pads") or [0] * 2 * n
        full = [s * (size - 1) + (k - 1) * d + 1 + e for s, size, k, d, e in zip(steps, space, kernel, spread, extra)]
        wanted, auto = self.get("output_shape"), self.get("auto_pad") or "NOTSET"
        if wanted is None and auto in ("SAME_UPPER", "SAME_LOWER"):
            wanted = [size * s for size, s in zip(space, steps)]
        cut = []
        for i in range(n):
            low, high = (pads[i], pads[i + n]) if auto == "NOTSET" else (0, 0)
            if wanted is not None:
                total = full[i] - wanted[-n:][i]
                low = max(total, 0) // 2 if auto == "SAME_UPPER" else max(total, 0) - max(total, 0) // 2
                high = total - low  # below zero where more is wanted than there is: what follows is the bias alone
            cut.append((low, high))
        return full, cut

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the sum of patches plus the bias."""
        x, w, *more = inputs
        kernel, space, n = w.shape[2:], x.shape[2:], x.ndim - 2
        if x.ndim != w.ndim or x.shape[1] != w.shape[0]:
            raise ArrayError(f"weights {w.shape} do not fit an input {x.shape}")
        outputs = w.shape[1] * self.group
        steps, spread = self.get("strides") or [1] * n, self.get("dilations") or [1] * n
        full, cut = self.cuts(space, kernel)
        afford([len(x), outputs, *full], x.itemsize)
        afford([len(x), *space, outputs, *kernel], x.itemsize)
        charge(x.size * outputs * math.prod(kernel) / self.group + math.prod(kernel) * TURN)
        rows = np.moveaxis(x, 1, -1).reshape(len(x), -1, x.shape[1])
        if "right" in held:
            y = held["right"](rows)
        else:
            split = rows.reshape(*rows.shape[:2], self.group, -1)
            blocks = w.reshape(self.group, w.shape[0] // self.group, -1)
            y = np.einsum("npgi,gio->npgo", split, blocks, optimize=True)
        y = np.moveaxis(y.reshape(len(x), *space, outputs, *kernel), 1 + n, 1)
        out = np.zeros((len(x), outputs, *full), x.dtype)
        for place in itertools.product(*(range(k) for k in kernel)):
            target = tuple(slice(p * d, p * d + s * (m - 1) + 1, s) for p, d, s, m in zip(place, spread, steps, space))
            out[(slice(None), slice(None), *target)] += y[(slice(None),) * (2 + n) + place]
        out = out[(slice(None), slice(None), *(slice(max(a, 0), size - max(b, 0)) for (a, b), size in zip(cut, full)))]
        if any(min(c) < 0 for c in cut):
            out = np.pad(out, [(0, 0), (0, 0), *((max(-a, 0), max(-b, 0)) for a, b in cut)])
        return (out if not more or more[0] is None else out + more[0].reshape(-1, *[1] * n),)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the weights at every input position."""
        return int(inputs[0].size * math.prod(inputs[1].shape[1:]))
