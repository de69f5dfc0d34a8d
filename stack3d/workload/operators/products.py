"""Products with matrices: of activations with weights that crossbars may hold, and of two activations."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.workload.operators.allowance import afford, charge
from stack3d.workload.operators.table import Array, Held, Operator, Stored, operators


def one_block(matrix: Array) -> Array:
    """A whole matrix as the one block of a `Stored`."""
    return np.asarray(matrix, np.float64)[None]


class _OfTwo(Operator):
    """A product of two operands, one of them perhaps constant: slot ``right`` or ``left``."""

    slots = ("right", "left")

    def held_as(self, slot: str, constant: Array) -> tuple[Array, Any] | None:
        """Return a constant operand as a matrix, inputs by outputs, and how it stands; None when it is none."""
        if constant.ndim != 2:
            return None
        return (constant, False) if slot == "right" else (constant.T, True)

    def operands(self) -> tuple[str, str]:
        """Names of the operands."""
        return self.node.inputs[0], self.node.inputs[1]

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the constant operand."""
        left, right = self.operands()
        for slot, name in (("right", right), ("left", left)):
            found = self.held_as(slot, constants[name]) if name in constants else None
            if found is not None:
                return {slot: Stored(name, one_block(found[0]), found[1])}
        return {}


class Turned(_OfTwo):
    """A product whose node turns either operand."""

    def held_as(self, slot: str, constant: Array) -> tuple[Array, Any] | None:
        """Return a constant operand as a matrix, inputs by outputs."""
        if constant.ndim != 2:
            return None
        turned = bool(self.get("transB")) if slot == "right" else not self.get("transA")
        return (constant.T if turned else constant), turned


@operators.register("Gemm")
class Gemm(Turned):
    """alpha A B + beta C, either operand turned."""

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product."""
        a, b, *more = inputs
        a, b = a.T if self.get("transA") else a, b.T if self.get("transB") else b
        if "right" in held:
            out = held["right"](a)
        elif "left" in held:
            out = held["left"](b.T).T
        else:
            afford((len(a), b.shape[-1]))
            charge(a.size * b.shape[-1])
            out = a @ b
        alpha, beta = self.get("alpha", 1.0), self.get("beta", 1.0)
        out = out * np.asarray(alpha, out.dtype) if alpha != 1.0 else out
        if not more or more[0] is None:
            return (out,)
        return ((out + np.asarray(beta, out.dtype) * more[0]).astype(out.dtype, copy=False),)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the product."""
        return int(outputs[0].size * inputs[0].shape[0 if self.get("transA") else 1])


@operators.register("MatMul")
class MatMul(_OfTwo):
    """Product of matrices, or of stacks of them; a constant stack on the right is held as one block a matrix."""

    room = 4.0

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the constant operand, a matrix or on the right a stack of them along one axis."""
        found, name = super().matrices(constants), self.operands()[1]
        right = constants.get(name)
        if found or right is None or right.ndim < 3 or math.prod(right.shape[:-3]) != 1:
            return found
        return {"right": Stored(name, np.asarray(right, np.float64).reshape(right.shape[-3:]), "stack")}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product."""
        a, b = inputs
        if "right" in held and b.ndim > 2 and b.shape[-3] > 1:
            lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            afford((*lead, *a.shape[-2:]), a.itemsize)
            beside = np.moveaxis(np.broadcast_to(a, (*lead, *a.shape[-2:])), -3, -2)  # vectors of all matrices in one
            y = held["right"](beside.reshape(*beside.shape[:-2], -1))
            return (np.moveaxis(y.reshape(*beside.shape[:-1], b.shape[-1]), -2, -3),)
        if "right" in held:
            y = held["right"](a)
            return (y.reshape(*[1] * (b.ndim - max(a.ndim, 2)), *y.shape),)
        if "left" in held:
            return (np.swapaxes(held["left"](np.swapaxes(b, -1, -2)), -1, -2),)
        if a.ndim > 1 and b.ndim > 1:
            out = afford([*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]])
            charge(math.prod(out) * a.shape[-1])
        return (np.asarray(np.matmul(a, b)),)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the product."""
        return int(outputs[0].size * inputs[0].shape[-1])


@operators.register("MatMulInteger")
class MatMulInteger(_OfTwo):
    """Product of integers less their zero points; the constant operand's integers are held."""

    room = 32.0

    def zero(self, index: int, constants: Mapping[str, Array]) -> Array | None:
        """Return a zero point of the node; None where it is not constant."""
        name = self.node.inputs[index] if len(self.node.inputs) > index else ""
        return constants.get(name) if name else np.zeros(())

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the right operand where it and its zero point are constant."""
        right, zero = constants.get(self.node.inputs[1]), self.zero(3, constants)
        if right is None or right.ndim != 2 or zero is None:
            return {}
        return {"right": Stored(self.node.inputs[1], one_block(right.astype(np.float64) - zero), "integer")}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product as 32-bit integers."""
        a, b = inputs[0].astype(np.float64), inputs[1]
        a0, b0 = (inputs[i] if len(inputs) > i and inputs[i] is not None else np.zeros(()) for i in (2, 3))
        a = a - (a0[..., None] if a0.ndim and a0.size == a.shape[-2] and a0.ndim < a.ndim else a0)
        if "right" not in held:
            charge(math.prod(afford([*a.shape[:-1], b.shape[-1]], 20)) * a.shape[-1])
        y = held["right"](a) if "right" in held else np.matmul(a, b.astype(np.float64) - b0)
        return (np.rint(y).astype(np.int32),)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the product."""
        return int(outputs[0].size * inputs[0].shape[-1])


def requantised(values: Array, zero: Array) -> Array:
    """Values as integers about a zero point, cut to its type."""
    limits = np.iinfo(zero.dtype)
    return np.asarray(np.clip(np.rint(values) + zero, limits.min, limits.max).astype(zero.dtype))


@operators.register("QLinearMatMul")
class QLinearMatMul(_OfTwo):
    """Product of quantised arrays; the constant operand's integers are held."""

    room = 40.0

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the right operand less its zero point."""
        right, zero = constants.get(self.node.inputs[3]), constants.get(self.node.inputs[5])
        if right is None or right.ndim != 2 or zero is None:
            return {}
        return {"right": Stored(self.node.inputs[3], one_block(right.astype(np.float64) - zero), "integer")}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product, quantised."""
        a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = inputs
        x = a.astype(np.float64) - _by_row(a_zero, a)
        afford([*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *a.shape[-2:-1], b.shape[-1]], 32)
        y = held["right"](x) if "right" in held else np.matmul(x, b.astype(np.float64) - b_zero)
        scale = _by_row(a_scale, a).astype(np.float64) * b_scale / y_scale
        return (requantised(np.rint(y) * scale, y_zero),)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the product."""
        return int(outputs[0].size * inputs[0].shape[-1])


def _by_row(values: Array, of: Array) -> Array:
    """A number, or one of each row of a matrix, against that matrix."""
    return values[..., None] if values.ndim == 1 and values.size > 1 and values.size == of.shape[-2] else values


def _among(letters: str, wanted: set[str]) -> str:
    """Those letters that are wanted, in their order."""
    return "".join(c for c in letters if c in wanted)


@operators.register("Einsum")
class Einsum(Operator):
    """Sum over products of elements; with two operands, one of them constant, a product with a matrix where it is one."""

    slots = ("right", "left")

    def letters(self) -> tuple[list[str], str]:
        """Return the letters of the operands and of the output."""
        text = str(self.get("equation")).replace(" ", "")
        inputs, arrow, output = text.partition("->")
        parts = inputs.split(",")
        if not arrow:
            joined = "".join(parts).replace("...", "")
            output = ("..." if "..." in inputs else "") + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
        return parts, output

    def plan(self, slot: int, dots: str = "") -> tuple[str, str, str, str] | None:
        """Return the letters of blocks, those that the held operand sums over and gives, what the other keeps; None: no matrix.

        `dots` are letters for the axes that an ellipsis of the other stands for.
        """
        parts, output = self.letters()
        if len(parts) != 2 or "." in parts[slot]:
            return None
        parts, output = [p.replace("...", dots) for p in parts], output.replace("...", dots)
        if any(len(set(p)) != len(p) for p in parts):
            return None
        held, other = parts[slot], parts[1 - slot]
        summed, given = _among(held, set(other) - set(output)), _among(held, set(output) - set(other))
        kept = _among(other, set(output) - set(held))
        shared = _among(held, set(other) & set(output))
        is_matrix = len(shared + summed + given) == len(held) and len(shared + summed + kept) == len(other)
        return (shared, summed, given, kept) if is_matrix and summed and given else None

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return a constant operand of which every letter is summed over with the other or appears in the output.

        One that all three have, a head say, makes blocks; an axis of one that stands for many stays digital.
        """
        for slot in (1, 0):
            name = self.node.inputs[slot] if slot < len(self.node.inputs) else ""
            found = self.plan(slot) if name in constants and len(self.node.inputs) == 2 else None
            if found is None:
                continue
            shared, summed, given, _ = found
            letters = self.letters()[0][slot]
            held = constants[name].transpose([letters.index(c) for c in shared + summed + given])
            blocks, rows = (math.prod(part) for part in (held.shape[: len(shared)], held.shape[len(shared) :][: len(summed)]))
            if 1 in held.shape[: len(shared)]:
                continue
            stored = np.asarray(held, np.float64).reshape(blocks, rows, -1)
            return {("left", "right")[slot]: Stored(name, stored, (shared, summed, given, letters))}
        return {}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the sum."""
        parts, output = self.letters()
        for slot, name in ((1, "right"), (0, "left")):
            if name not in held:
                continue
            x, letters = inputs[1 - slot], parts[1 - slot]
            free = [c for c in string.ascii_letters if c not in "".join(parts)]
            dots = "".join(free[: x.ndim - len(letters.replace("...", ""))])
            found = self.plan(slot, dots)
            if found is None:
                continue
            shared, summed, given, kept = found
            letters, output = (text.replace("...", dots) for text in (letters, output))
            size = {**dict(zip(letters, x.shape)), **dict(zip(parts[slot], inputs[slot].shape))}
            x = x.transpose([letters.index(c) for c in kept + shared + summed])
            y = held[name](x.reshape(*x.shape[: len(kept)], -1)).reshape([size[c] for c in kept + shared + given])
            return (y.transpose([(kept + shared + given).index(c) for c in output]),)
        space = self.space(inputs)
        charge(space)
        size, before = self.sizes(inputs)
        afford([before, *(size[c] for c in set(output) - {"."})], 2 * inputs[0].itemsize)
        if len(inputs) > 2:  # what comes between may be as large
            afford((space,))
        equation = ",".join(parts) + "->" + output
        return (np.asarray(np.einsum(equation, *inputs, optimize=len(inputs) > 1), inputs[0].dtype),)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return one per element of the space of all letters; none for a single operand."""
        return 0 if len(inputs) < 2 else self.space(inputs)

    def space(self, inputs: Sequence[Any]) -> int:
        """Return the elements of the space of all letters."""
        size, dots = self.sizes(inputs)
        return math.prod(size.values()) * dots

    def sizes(self, inputs: Sequence[Any]) -> tuple[dict[str, int], int]:
        """Return the length of the axis of every letter, and the elements of the axes behind dots."""
        parts, _ = self.letters()
        size: dict[str, int] = {}
        dots = 1
        for part, x in zip(parts, inputs):
            before, found, after = part.partition("...")
            named = [*x.shape[: len(before)], *x.shape[x.ndim - len(after) :]]
            size |= {c: max(n, size.get(c, 1)) for c, n in zip(before + after, named)}
            dots = max(dots, math.prod(x.shape[len(before) : x.ndim - len(after)]) if found else 1)
        return size, dots


@operators.register("Attention")
class Attention(Operator):
    """Scaled products of queries, keys and values: products of activations, digital."""

    KNOWN = frozenset(
        {"is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale", "softcap", "softmax_precision"}
    )

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        if len([o for o in self.node.outputs[3:] if o]):
            return "an Attention that gives its scores; only values, keys and values with those before are supported"
        if len(self.node.inputs) > 6 or set(self.node.attributes) - self.KNOWN:
            return "an Attention with a window or padded keys; only the form of version 23 is supported"
        return None

    def split(self, x: Array, heads: int | None) -> Array:
        """Return (batch, heads, steps, features)."""
        if x.ndim == 4:
            return x
        if not heads:
            raise ArrayError("attention on three axes needs its numbers of heads")
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    def compute(self, q: Array, k: Array, v: Array, mask: Any = None, past_k: Any = None, past_v: Any = None, *_: Any) -> Any:
        """Return the weighted values, as many axes as the queries have; keys and values with the past where asked for.

        Parameters
        ----------
        q, k, v : ndarray, shape (batch, heads, steps, features) or (batch, steps, heads x features)
            Queries, keys, values.
        mask : ndarray, optional
            Broadcast against (batch, heads, queries, keys): added to scores, or of bool.
        past_k, past_v : ndarray, shape (batch, heads, steps, features), optional
            Put before keys and values.
        """
        flat, kind = q.ndim == 3, q.dtype
        q, k, v = (self.split(x, self.get(name)) for x, name in ((q, "q_num_heads"), (k, "kv_num_heads"), (v, "kv_num_heads")))
        if past_k is not None:
            k, v = np.concatenate([past_k, k], axis=2), np.concatenate([past_v, v], axis=2)
        present, groups = (k, v), q.shape[1] // k.shape[1]
        k, v = np.repeat(k, groups, axis=1), np.repeat(v, groups, axis=1)
        scale = self.get("scale") or 1.0 / math.sqrt(q.shape[-1])
        charge(math.prod(afford([*q.shape[:-1], k.shape[-2]], 3 * kind.itemsize)) * (q.shape[-1] + v.shape[-1]))
        scores = np.matmul(q, np.swapaxes(k, -1, -2)) * kind.type(scale)
        if cap := self.get("softcap", 0.0):
            scores = cap * np.tanh(scores / cap)
        if self.get("is_causal"):
            before = 0 if past_k is None else past_k.shape[2]
            allowed = np.tri(scores.shape[-2], scores.shape[-1], before, dtype=bool)
            scores = np.where(allowed, scores, -np.inf)
        if mask is not None:
            if mask.shape[-1] < scores.shape[-1]:  # keys beyond the mask are not seen
                rest = [(0, 0)] * (mask.ndim - 1) + [(0, scores.shape[-1] - mask.shape[-1])]
                mask = np.pad(mask, rest, constant_values=False if mask.dtype == bool else -np.inf)
            scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
        top = scores.max(axis=-1, keepdims=True)
        weights = np.exp(scores - np.where(np.isfinite(top), top, 0))
        total = weights.sum(axis=-1, keepdims=True)
        y = np.matmul(weights / np.where(total > 0, total, 1), v).astype(kind, copy=False)
        y = np.asarray(y.transpose(0, 2, 1, 3).reshape(len(y), y.shape[2], -1) if flat else y)
        return (y, *present)[: max(1, len(self.node.outputs))]

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of scores and of weighted values."""
        q, k, v = (self.split(x, self.get(n)) for x, n in zip(inputs, ("q_num_heads", "kv_num_heads", "kv_num_heads")))
        steps = k.shape[2] + (inputs[4].shape[2] if len(inputs) > 4 and inputs[4] is not None else 0)
        return int(math.prod(q.shape[:3]) * steps * (q.shape[-1] + v.shape[-1]))
