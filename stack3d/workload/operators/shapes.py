"""Operators that move, cut, join, repeat and choose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.workload.operators.allowance import afford
from stack3d.workload.operators.table import Array, Operator, axes_of, operators


@operators.register("Constant")
class Constant(Operator):
    """A value of the node itself."""

    def compute(self) -> Array:
        """Return it."""
        for name, kind in (
            ("value", None), ("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
            ("value_ints", np.int64), ("value_string", object), ("value_strings", object),
        ):  # fmt: skip
            if name in self.node.attributes:
                return np.asarray(self.get(name), kind)
        raise ArrayError("a constant without a dense value is not supported")


@operators.register("ConstantOfShape")
class ConstantOfShape(Operator):
    """One value all over."""

    def compute(self, shape: Array) -> Array:
        """Return an array of the shape."""
        value = np.asarray(self.get("value", np.zeros(1, np.float32))).reshape(-1)
        return np.full(afford(shape.ravel().tolist(), value.itemsize), value[0], value.dtype)


@operators.register("EyeLike")
class EyeLike(Operator):
    """Ones on a diagonal."""

    def compute(self, x: Array) -> Array:
        """Return a matrix of the shape of `x`."""
        from onnx.helper import tensor_dtype_to_np_dtype

        kind = x.dtype if self.get("dtype") is None else tensor_dtype_to_np_dtype(self.get("dtype"))
        rows, columns = afford(x.shape, 8)
        return np.asarray(np.eye(rows, columns, k=self.get("k", 0), dtype=kind))


@operators.register("Range")
class Range(Operator):
    """Numbers in equal steps."""

    def compute(self, start: Array, limit: Array, step: Array) -> Array:
        """Return them."""
        count = max(math.ceil((limit.item() - start.item()) / step.item()), 0)
        return np.asarray(start.item() + np.arange(*afford((count,), 16)) * step.item()).astype(start.dtype)


@operators.register("Shape")
class Shape(Operator):
    """Lengths of the axes."""

    room = 0.0

    def compute(self, x: Array) -> Array:
        """Return them, or a range of them."""
        return np.array(x.shape[self.get("start", 0) : self.get("end")], np.int64)


@operators.register("Size")
class ElementCount(Operator):
    """Number of elements."""

    room = 0.0

    def compute(self, x: Array) -> Array:
        """Return it."""
        return np.array(x.size, np.int64)


@operators.register("Reshape")
class Reshape(Operator):
    """The same elements in another shape."""

    room = 4.0

    def compute(self, x: Array, shape: Array | None = None) -> Array:
        """Return them; 0 keeps an axis, -1 takes what is left."""
        wanted = [int(n) for n in np.ravel(self.setting("shape", shape, []))]
        if not self.get("allowzero"):
            wanted = [x.shape[i] if n == 0 and i < x.ndim else n for i, n in enumerate(wanted)]
        return x.reshape(wanted)


@operators.register("Flatten")
class Flatten(Operator):
    """Two axes."""

    room = 4.0

    def compute(self, x: Array) -> Array:
        """Return the elements with the axes before `axis` as rows."""
        axis = self.get("axis", 1)
        split = axis if axis >= 0 else axis + x.ndim
        return x.reshape(math.prod(x.shape[:split]), math.prod(x.shape[split:]))


@operators.register("Transpose")
class Transpose(Operator):
    """Axes in another order."""

    room = 0.0

    def compute(self, x: Array) -> Array:
        """Return the array with its axes as `perm` says, reversed by default."""
        return np.transpose(x, self.get("perm"))


@operators.register("Squeeze")
class Squeeze(Operator):
    """Axes of length one left out."""

    room = 0.0

    def compute(self, x: Array, axes: Array | None = None) -> Array:
        """Return the array without them."""
        which = self.setting("axes", axes)
        return np.squeeze(x, axis=None if which is None else axes_of(which, x.ndim))


@operators.register("Unsqueeze")
class Unsqueeze(Operator):
    """Axes of length one put in."""

    room = 0.0

    def compute(self, x: Array, axes: Array | None = None) -> Array:
        """Return the array with them."""
        which = self.setting("axes", axes)
        listed = [which] if isinstance(which, int) else list(which)
        return np.expand_dims(x, axes_of(listed, x.ndim + len(listed)))


@operators.register("Expand")
class Expand(Operator):
    """An array broadcast to a shape."""

    room = 0.0

    def compute(self, x: Array, shape: Array) -> Array:
        """Return it."""
        return np.broadcast_to(x, afford(np.broadcast_shapes(x.shape, tuple(shape.tolist())), x.itemsize))


@operators.register("Tile")
class Repeat(Operator):
    """An array repeated along its axes."""

    def compute(self, x: Array, repeats: Array) -> Array:
        """Return it."""
        afford([n * int(r) for n, r in zip(x.shape, repeats)], 2 * x.itemsize)
        return np.tile(x, repeats.tolist())


@operators.register("Concat")
class Concat(Operator):
    """Arrays one after the other along an axis."""

    def compute(self, *inputs: Array) -> Array:
        """Return them as one."""
        afford((sum(x.size for x in inputs),), max(x.itemsize for x in inputs))
        return np.concatenate(inputs, axis=self.get("axis", 1))


@operators.register("Split")
class Split(Operator):
    """Parts along an axis."""

    room = 0.0

    def compute(self, x: Array, split: Array | None = None) -> tuple[Array, ...]:
        """Return the parts; equal ones, a last shorter, unless lengths are given."""
        axis, lengths = self.get("axis", 0), self.setting("split", split)
        if lengths is None:
            parts = self.get("num_outputs") or len(self.node.outputs)
            step = -(-x.shape[axis] // parts)
            lengths = [min(step, x.shape[axis] - i * step) for i in range(parts)]
        if sum(lengths) != x.shape[axis]:
            raise ArrayError(f"parts of {lengths} do not make the {x.shape[axis]} elements of axis {axis}")
        return tuple(np.split(x, np.cumsum(lengths)[:-1].tolist(), axis=axis))


@operators.register("Slice")
class Slice(Operator):
    """A range of every axis."""

    room = 0.0

    def compute(self, x: Array, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Array:
        """Return the part.

        Parameters
        ----------
        x : ndarray
            Any shape.
        starts, ends, axes, steps : ndarray of int, shape (cuts,), optional
            One entry per axis that is cut.
        """
        first, last = self.setting("starts", starts), self.setting("ends", ends)
        which = self.setting("axes", axes, list(range(len(first))))
        stride = [1] * len(first) if steps is None else steps.tolist()
        index: list[Any] = [slice(None)] * x.ndim
        for axis, a, b, step in zip(axes_of(which, x.ndim), first, last, stride):
            n = x.shape[axis]
            low, high = (0, n) if step > 0 else (-1, n - 1)
            a, b = a + n if a < 0 else a, b + n if b < 0 else b
            a, b = min(max(a, 0), n if step > 0 else n - 1), min(max(b, low), high if step > 0 else n)
            index[axis] = slice(a, None if b < 0 else b, step)
        return np.asarray(x[tuple(index)])


@operators.register("Gather")
class Gather(Operator):
    """Chosen entries of an axis; a look-up of embeddings stays digital."""

    def compute(self, x: Array, indices: Array) -> Array:
        """Return them."""
        axis = self.get("axis", 0)
        afford([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]] if axis >= 0 else indices.shape, x.itemsize)
        return np.take(x, indices.astype(np.int64, copy=False), axis=axis)


@operators.register("GatherElements")
class GatherElements(Operator):
    """Chosen elements along an axis."""

    def compute(self, x: Array, indices: Array) -> Array:
        """Return them."""
        axis = self.get("axis", 0)
        index: list[Any] = list(np.indices(indices.shape, sparse=True))
        index[axis] = indices
        return np.asarray(x[tuple(index)])


@operators.register("GatherND")
class GatherND(Operator):
    """Parts at chosen places."""

    def compute(self, x: Array, indices: Array) -> Array:
        """Return them."""
        afford([*indices.shape[:-1], *x.shape[indices.shape[-1] + self.get("batch_dims", 0) :]], x.itemsize)
        batch = self.get("batch_dims", 0)
        lead = np.indices(indices.shape[:batch] + (1,) * (indices.ndim - 1 - batch), sparse=True)[:batch]
        return np.asarray(x[(*lead, *np.moveaxis(indices, -1, 0))])


class _Scatter(Operator):
    """Values put into places of an array."""

    def put(self, out: Array, index: Any, updates: Array) -> Array:
        """Return `out` with the updates, added up or compared as `reduction` says."""
        how = self.get("reduction", "none")
        if how == "none":
            out[index] = updates
        else:
            {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[how].at(out, index, updates)
        return out


@operators.register("Scatter")
@operators.register("ScatterElements")
class ScatterElements(_Scatter):
    """Elements put into places along an axis."""

    def compute(self, x: Array, indices: Array, updates: Array) -> Array:
        """Return the array with them."""
        axis = self.get("axis", 0)
        index: list[Any] = list(np.indices(indices.shape, sparse=True))
        index[axis] = indices
        return self.put(x.copy(), tuple(index), updates)


@operators.register("ScatterND")
class ScatterND(_Scatter):
    """Parts put into places."""

    def compute(self, x: Array, indices: Array, updates: Array) -> Array:
        """Return the array with them."""
        return self.put(x.copy(), tuple(np.moveaxis(indices, -1, 0)), updates)


@operators.register("Pad")
class Pad(Operator):
    """Elements added before and after each axis, or cut off where fewer than none are."""

    def compute(self, x: Array, pads: Any = None, value: Any = None, axes: Any = None) -> Array:
        """Return the padded array.

        Parameters
        ----------
        x : ndarray
            Any shape.
        pads : ndarray of int, shape (2 x axes,), optional
            Before each axis, then after each; negative ones cut.
        value : ndarray, shape () or (1,), optional
            What is put there; absent = 0.
        axes : ndarray of int, shape (axes,), optional
            Absent = all.
        """
        listed = self.setting("pads", pads, self.get("paddings"))
        which = axes_of(range(x.ndim) if axes is None else axes.tolist(), x.ndim)
        fill = self.setting("value", value, 0.0)
        wide, cut = [(0, 0)] * x.ndim, [slice(None)] * x.ndim
        for i, axis in enumerate(which):
            low, high = listed[i], listed[i + len(which)]
            wide[axis] = (max(low, 0), max(high, 0))
            cut[axis] = slice(-low if low < 0 else 0, high if high < 0 else None)
        afford([n + a + b for n, (a, b) in zip(x.shape, wide)], x.itemsize)
        mode, x = self.get("mode", "constant"), x[tuple(cut)]
        if mode == "constant":
            return np.pad(x, wide, constant_values=np.asarray(fill, x.dtype).reshape(()))
        if mode not in ("reflect", "edge", "wrap"):
            raise ArrayError(f"padding {mode!r} is not known")
        return np.pad(x, wide, mode=mode)


@operators.register("DepthToSpace")
class DepthToSpace(Operator):
    """Channels laid out as blocks of the plane."""

    def compute(self, x: Array) -> Array:
        """Return the wider plane."""
        n, c, h, w = x.shape
        b = self.get("blocksize")
        if self.get("mode", "DCR") == "DCR":
            y = x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)
        else:
            y = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
        return y.reshape(n, c // b**2, h * b, w * b)


@operators.register("SpaceToDepth")
class SpaceToDepth(Operator):
    """Blocks of the plane laid out as channels."""

    def compute(self, x: Array) -> Array:
        """Return the deeper array."""
        n, c, h, w = x.shape
        b = self.get("blocksize")
        order = (0, 3, 5, 1, 2, 4) if self.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
        y = x.reshape(n, c, h // b, b, w // b, b).transpose(order)
        return y.reshape(n, c * b * b, h // b, w // b)


@operators.register("OneHot")
class OneHot(Operator):
    """One value at an index, another elsewhere."""

    def compute(self, indices: Array, depth: Array, values: Array) -> Array:
        """Return the array with a new axis of `depth`."""
        count, axis = int(depth.ravel()[0]), self.get("axis", -1)
        at = np.expand_dims(indices.astype(np.int64) % count, axis)
        afford([*indices.shape, count], values.itemsize + 2)
        places = np.arange(count).reshape([-1 if i == axis % at.ndim else 1 for i in range(at.ndim)])
        inside = np.expand_dims((indices >= -count) & (indices < count), axis)
        return np.asarray(np.where((at == places) & inside, values[1], values[0]))


@operators.register("NonZero")
class NonZero(Operator):
    """Places of what is not zero."""

    def compute(self, x: Array) -> Array:
        """Return their indices, one row an axis."""
        afford((x.ndim, x.size), 16)
        return np.stack(np.nonzero(np.atleast_1d(x)))


@operators.register("Trilu")
class Trilu(Operator):
    """A triangle of every matrix."""

    def compute(self, x: Array, k: Array | None = None) -> Array:
        """Return the upper triangle, or the lower, the rest zero."""
        return (np.triu if self.get("upper", 1) else np.tril)(x, 0 if k is None else int(k))


@operators.register("TopK")
class TopK(Operator):
    """The largest or smallest elements along an axis."""

    def compute(self, x: Array, k: Array | None = None) -> tuple[Array, Array]:
        """Return values and indices, in order; of equal ones the first."""
        count, axis = int(np.ravel(self.setting("k", k))[0]), self.get("axis", -1)
        afford((4, *x.shape), 8)  # their places, in several orders
        if self.get("largest", 1):
            flipped = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
            order = np.flip(x.shape[axis] - 1 - flipped, axis)
        else:
            order = np.argsort(x, axis=axis, kind="stable")
        order = np.take(order, np.arange(min(count, x.shape[axis])), axis=axis)
        return np.take_along_axis(x, order, axis), order.astype(np.int64)


@operators.register("CumSum")
class CumSum(Operator):
    """Sums up to every element."""

    def compute(self, x: Array, axis: Array) -> Array:
        """Return them, the element itself left out with `exclusive`, from the end with `reverse`."""
        along = int(np.ravel(axis)[0])
        y = np.flip(x, along) if self.get("reverse") else x
        total = np.cumsum(y, axis=along, dtype=x.dtype)
        total = total - y if self.get("exclusive") else total
        return np.flip(total, along) if self.get("reverse") else total


@operators.register("ReverseSequence")
class ReverseSequence(Operator):
    """The first so many steps of every sequence turned round."""

    def compute(self, x: Array, lengths: Array) -> Array:
        """Return the array with each sequence's first `lengths` steps reversed."""
        batch, time = self.get("batch_axis", 1), self.get("time_axis", 0)
        y = np.moveaxis(x, (batch, time), (0, 1)).copy()
        for one, n in zip(y, lengths):
            one[:n] = one[:n][::-1].copy()
        return np.moveaxis(y, (0, 1), (batch, time))
