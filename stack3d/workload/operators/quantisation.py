"""Between real numbers and integers of few bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from stack3d.workload.operators.allowance import afford
from stack3d.workload.operators.products import requantised
from stack3d.workload.operators.table import Array, Operator, operators


class _Scaled(Operator):
    """What both directions share: a scale and a zero point of all, of each entry of an axis, or of each block of it."""

    def spread(self, values: Array, x: Array) -> Array:
        """Return scales or zero points against the array they belong to."""
        axis, block = self.get("axis", 1), self.get("block_size", 0)
        if values.size == 1:
            return values.reshape(())
        axis %= x.ndim
        if block:
            afford((values.size, block), values.itemsize)
            return np.repeat(values, block, axis=axis)[tuple(slice(n) for n in x.shape)]
        return values.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


@operators.register("QuantizeLinear")
class QuantizeLinear(_Scaled):
    """Nearest integer of x / scale about a zero point, cut to its type."""

    def compute(self, x: Array, scale: Array, zero: Array | None = None) -> Array:
        """Return the integers."""
        from onnx.helper import tensor_dtype_to_np_dtype

        if zero is None:
            zero = np.zeros((), tensor_dtype_to_np_dtype(self.get("output_dtype") or 2))
        wide = x.astype(np.float32) / self.spread(scale.astype(np.float32), x)
        if zero.dtype.kind not in "iu" or np.dtype(zero.dtype).name in ("int4", "uint4", "int2", "uint2"):
            return self._small(wide, self.spread(zero, x))
        return requantised(wide, self.spread(zero, x))

    def _small(self, values: Array, zero: Array) -> Array:
        """Types that NumPy does not know itself."""
        import ml_dtypes

        name = np.dtype(zero.dtype).name
        if name.endswith(("int4", "int2")):
            limits: Any = ml_dtypes.iinfo(zero.dtype)  # type: ignore[no-untyped-call]
            whole = np.rint(values) + zero.astype(np.float32)
            return np.asarray(np.clip(whole, float(limits.min), float(limits.max)).astype(np.int8).astype(zero.dtype))
        most = float(ml_dtypes.finfo(zero.dtype).max)  # type: ignore[no-untyped-call]
        return np.clip(values, -most, most).astype(zero.dtype)


@operators.register("DequantizeLinear")
class DequantizeLinear(_Scaled):
    """(x - zero point) times the scale."""

    def compute(self, x: Array, scale: Array, zero: Array | None = None) -> Array:
        """Return real numbers in the type of the scale."""
        whole = x.astype(np.float32 if x.dtype.itemsize < 4 else np.float64)
        if zero is not None:
            whole = whole - self.spread(zero.astype(whole.dtype), x)
        return np.asarray(whole * self.spread(scale, x)).astype(scale.dtype)


@operators.register("DynamicQuantizeLinear")
class DynamicQuantizeLinear(Operator):
    """Eight bits over the range of the array."""

    is_ranged = True

    def compute(self, x: Array) -> tuple[Array, Array, Array]:
        """Return integers, scale and zero point."""
        low, high = min(float(x.min(initial=0)), 0.0), max(float(x.max(initial=0)), 0.0)
        scale = np.float32((np.float32(high) - np.float32(low)) / np.float32(255)) or np.float32(1)
        zero = np.asarray(np.clip(np.rint(-np.float32(low) / scale), 0, 255), np.uint8)
        return requantised(x / scale, zero), np.asarray(scale, np.float32), zero
