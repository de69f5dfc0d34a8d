"""ONNX operators of our own: weight-stationary products that somebody else may compute, and pooling without Python loops."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats

Product = Callable[[str, Floats], Floats]
"""(layer, x) → x @ W: x has shape (vectors, inputs of the layer), the result (vectors, outputs)."""


def padding(
    space: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int] | None,
    auto_pad: str,
    ceil_mode: bool = False,
) -> list[tuple[int, int]]:
    """Cells added before and after each spatial axis, as ONNX defines them for Conv and pooling.

    With `ceil_mode` an axis is padded further until the last, partly outside, window fits; a window that would start
    beyond the input and its first padding does not count.
    """
    out = []
    for i, (size, k, s, d) in enumerate(zip(space, kernel, strides, dilations)):
        reach = d * (k - 1) + 1
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = max(0, (-(-size // s) - 1) * s + reach - size)
            small, large = total // 2, total - total // 2
            low, high = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
        elif auto_pad == "VALID" or not pads:
            low, high = 0, 0
        else:
            low, high = pads[i], pads[i + len(space)]
        if ceil_mode:
            windows = -(-(size + low + high - reach) // s) + 1
            if (windows - 1) * s >= size + low:
                windows -= 1
            high = max(high, (windows - 1) * s + reach - size - low)
        out.append((low, high))
    return out


def windows(
    x: NDArray[Any], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[Any], fill: float
) -> NDArray[Any]:
    """View of every window of `x` (batch, channels, *space), shape (batch, channels, *positions, *kernel)."""
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill) if any(sum(p) for p in pads) else x
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations))
    n = len(reach)
    view = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, 2 + n)))
    index = [slice(None)] * 2 + [slice(None, None, s) for s in strides] + [slice(None, None, d) for d in dilations]
    return np.asarray(view[tuple(index)])


def convolution_matrix(weight: NDArray[Any], group: int) -> Floats:
    """Matrix of a convolution on patches (channel slowest): groups lie on its diagonal, the rest is zero.

    Parameters
    ----------
    weight : ndarray, shape (outputs, inputs / group, *kernel)
    group : int

    Returns
    -------
    ndarray, shape (inputs * prod(kernel), outputs)
    """
    outputs = weight.shape[0] // group
    rows = int(np.prod(weight.shape[1:]))
    out = np.zeros((group * rows, group * outputs))
    for g in range(group):
        block = weight[g * outputs : (g + 1) * outputs].reshape(outputs, rows).T
        out[g * rows : (g + 1) * rows, g * outputs : (g + 1) * outputs] = block
    return out


def evaluator(model: Any, layers: Mapping[str, str], left: Collection[str], ask: Callable[[], Product]) -> Any:
    """ONNX reference evaluator whose weight-stationary nodes ask for their products.

    Parameters
    ----------
    model : onnx.ModelProto
    layers : mapping of str to str
        First output of a node → the layer that holds its weights; other nodes compute with their own weights.
    left : collection of str
        Those of them that have the weights as their left operand: their products are those of the columns of the right one.
    ask : callable
        Returns the product to use at that moment.
    """
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    def rows_times(op: Any, x: NDArray[Any], exact: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Product of the rows of `x` (..., inputs) with the node's layer, or the exact one where it has none."""
        name = layers.get(op.onnx_node.output[0])
        if name is None:
            return exact()
        y = np.asarray(ask()(name, x.reshape(-1, x.shape[-1])))
        return y.reshape(*x.shape[:-1], -1).astype(x.dtype, copy=False)

    class Gemm(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(
            self,
            a: Any,
            b: Any,
            c: Any = None,
            alpha: float = 1.0,
            beta: float = 1.0,
            transA: int = 0,
            transB: int = 0,
            broadcast: int = 0,
        ) -> Any:
            a, b = a.T if transA else a, b.T if transB else b
            is_left = self.onnx_node.output[0] in left
            out = rows_times(self, b.T, lambda: b).T if is_left else rows_times(self, a, lambda: a @ b)
            out = out * np.asarray(alpha, out.dtype) if alpha != 1.0 else out
            return (out if c is None else (out + np.asarray(beta, out.dtype) * c).astype(out.dtype, copy=False),)

    class MatMul(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, a: Any, b: Any) -> Any:
            if self.onnx_node.output[0] in left:
                return (np.swapaxes(rows_times(self, np.swapaxes(b, -1, -2), lambda: b), -1, -2),)
            return (rows_times(self, a, lambda: np.matmul(a, b)),)

    class Conv(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(
            self,
            x: Any,
            w: Any,
            b: Any = None,
            auto_pad: str | None = None,
            dilations: Any = None,
            group: int | None = None,
            kernel_shape: Any = None,
            pads: Any = None,
            strides: Any = None,
        ) -> Any:
            n, groups = w.ndim - 2, group or 1
            steps, spread = strides or [1] * n, dilations or [1] * n
            pad = padding(x.shape[2:], w.shape[2:], steps, spread, pads, auto_pad or "NOTSET")
            view = windows(x, w.shape[2:], steps, spread, pad, 0.0)
            positions = view.shape[2 : 2 + n]
            order = (0, *range(2, 2 + n), 1, *range(2 + n, 2 + 2 * n))
            patches = view.transpose(order).reshape(len(x), -1, int(np.prod(w.shape[1:])) * groups)

            def exact() -> NDArray[Any]:
                split = patches.reshape(*patches.shape[:2], groups, -1)
                kernels = w.reshape(groups, w.shape[0] // groups, -1)
                return np.asarray(np.einsum("npgk,gok->npgo", split, kernels, optimize=True).reshape(*patches.shape[:2], -1))

            y = rows_times(self, patches, exact)
            y = y if b is None else y + b
            return (np.moveaxis(y, -1, 1).reshape(len(x), w.shape[0], *positions),)

    class MaxPool(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(
            self,
            x: Any,
            auto_pad: str | None = None,
            ceil_mode: int | None = None,
            dilations: Any = None,
            kernel_shape: Any = None,
            pads: Any = None,
            storage_order: int | None = None,
            strides: Any = None,
        ) -> Any:
            n = len(kernel_shape)
            steps, spread = strides or [1] * n, dilations or [1] * n
            pad = padding(x.shape[2:], kernel_shape, steps, spread, pads, auto_pad or "NOTSET", bool(ceil_mode))
            low = -np.inf if np.issubdtype(x.dtype, np.floating) else np.iinfo(x.dtype).min
            view = windows(x, kernel_shape, steps, spread, pad, low)
            return (view.max(axis=tuple(range(2 + n, 2 + 2 * n))),)

    class AveragePool(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(
            self,
            x: Any,
            auto_pad: str | None = None,
            ceil_mode: int | None = None,
            count_include_pad: int | None = None,
            dilations: Any = None,
            kernel_shape: Any = None,
            pads: Any = None,
            strides: Any = None,
        ) -> Any:
            n = len(kernel_shape)
            steps, spread = strides or [1] * n, dilations or [1] * n
            given = padding(x.shape[2:], kernel_shape, steps, spread, pads, auto_pad or "NOTSET")
            pad = padding(x.shape[2:], kernel_shape, steps, spread, pads, auto_pad or "NOTSET", bool(ceil_mode))
            counted = np.ones((1, 1, *x.shape[2:]))
            if count_include_pad:  # cells that only ceil_mode adds never count
                counted = np.pad(counted, [(0, 0), (0, 0), *given], constant_values=1.0)
                beyond = [(0, p[1] - g[1]) for p, g in zip(pad, given)]
            else:
                beyond = pad
            axes = tuple(range(2 + n, 2 + 2 * n))
            total = windows(x, kernel_shape, steps, spread, pad, 0.0).sum(axis=axes)
            count = windows(counted, kernel_shape, steps, spread, beyond, 0.0).sum(axis=axes)
            return ((total / count).astype(x.dtype),)

    class GlobalMaxPool(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, x: Any) -> Any:
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    return ReferenceEvaluator(model, new_ops=[Gemm, MatMul, Conv, MaxPool, AveragePool, GlobalMaxPool])
