"""Attention, embeddings and products of few bits as onnxruntime's tools for transformers write them (domain com.microsoft)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.workload.operators.allowance import afford, charge
from stack3d.workload.operators.products import Attention, one_block
from stack3d.workload.operators.quantised import MS
from stack3d.workload.operators.table import Array, Held, Operator, Stored, operators


def as_known_nodes(proto: Any) -> list[Any] | None:
    """Return a fused attention as its product with the weights, a bias, and attention of what that gives; None for any other.

    So its weights go to crossbars like those of any product, and its products of two activations are counted by themselves.
    """
    from onnx import helper

    if proto.op_type != "Attention" or proto.domain != MS.rstrip("."):
        return None
    kept = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    x, w, bias, mask, past, shift = [*proto.input, *[""] * 6][:6]
    name = proto.name or proto.output[0]
    whole, parts = f"{name}_qkv", [f"{name}_{one}" for one in "qkv"]
    nodes = [helper.make_node("MatMul", [x, w], [whole], name=name)]
    if bias:
        nodes.append(helper.make_node("Add", [whole, bias], [f"{whole}_shifted"]))
    nodes.append(helper.make_node("Split", [nodes[-1].output[0]], parts, axis=-1, num_outputs=3))
    given = [*parts, "", mask, shift, *([past] if past else [])]
    nodes.append(helper.make_node("MultiHeadAttention", given, proto.output, name=f"{name}_heads", domain=proto.domain, **kept))
    return nodes


@operators.register(MS + "MultiHeadAttention")
class MultiHeadAttention(Operator):
    """Scaled products of queries, keys and values in heads: products of activations, digital."""

    KNOWN = frozenset({"num_heads", "mask_filter_value", "scale", "unidirectional"})
    room = 24.0

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        if any(self.node.inputs[6:]) or any(self.node.outputs[1:]):
            return f"a {self.node.kind} with keys and values of the past; only attention within its inputs is supported"
        if set(self.node.attributes) - self.KNOWN - {"do_rotary"} or self.get("do_rotary"):
            return f"a {self.node.kind} with other attributes than {', '.join(sorted(self.KNOWN))}"
        if not all(self.node.inputs[i : i + 1] and self.node.inputs[i] for i in range(3)):
            return f"a {self.node.kind} whose queries, keys and values are not three inputs"
        return None

    def compute(self, q: Array, k: Array, v: Array, bias: Any = None, mask: Any = None, shift: Any = None, *_: Any) -> Array:
        """Return the weighted values, shape (batch, steps, features).

        Parameters
        ----------
        q, k, v : ndarray, shape (batch, steps, heads x features)
            Queries, keys, values; the latter two also (batch, heads, steps, features).
        bias : ndarray, shape (features of all three,), optional
            Added to queries, keys and values.
        mask : ndarray of int, optional
            Keys that count, shape (batch, keys) or (batch, queries, keys), or how many from the first on, shape (batch,).
        shift : ndarray, optional
            Added to the scores (batch, heads, queries, keys), broadcast.
        """
        heads = int(self.get("num_heads"))
        if bias is not None:
            cuts = np.cumsum([q.shape[-1], q.shape[-1]])
            q, k, v = (x + part if x.ndim == 3 else x for x, part in zip((q, k, v), np.split(bias, cuts)))
        inner = Attention(self.node)
        q, k, v = (inner.split(x, heads) for x in (q, k, v))
        afford((*q.shape[:3], k.shape[2]), 4 * q.itemsize)
        added = np.zeros((1, 1, 1, k.shape[2]), q.dtype) if shift is None else shift
        if mask is not None:
            added = added + np.where(_seen(mask, k.shape[2]), 0, self.get("mask_filter_value", -10000.0)).astype(q.dtype)
        if self.get("unidirectional", 0):
            added = added + np.where(np.tri(q.shape[2], k.shape[2], dtype=bool), 0, -np.inf).astype(q.dtype)
        (y,) = inner.compute(q, k, v, added.astype(q.dtype, copy=False))[:1]
        return np.asarray(y.transpose(0, 2, 1, 3).reshape(len(y), y.shape[2], -1))

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of scores and of weighted values."""
        q, k = inputs[0], inputs[1]
        keys = k.shape[2] if k.ndim == 4 else k.shape[1]
        return int((q.size + outputs[0].size) * keys)


def _seen(mask: Array, keys: int) -> Array:
    """Whether each key counts, broadcast against (batch, heads, queries, keys)."""
    if mask.ndim == 1:
        return np.asarray(np.arange(keys) < mask[:, None])[:, None, None]
    if mask.ndim == 2:
        return np.asarray(mask[:, None, None] != 0)
    if mask.ndim == 3:
        return np.asarray(mask[:, None] != 0)
    raise ArrayError(f"a mask of shape {mask.shape}; wanted one to three axes")


@operators.register(MS + "EmbedLayerNormalization")
class EmbedLayerNormalization(Operator):
    """Rows of the tables of words, places and segments, added up and normalised."""

    room = 64.0

    def compute(self, words: Array, segments: Any, word: Array, place: Array, segment: Any, *others: Any) -> Any:
        """Return the normalised sum, how many words of each text count, and the sum itself, as many as are asked for.

        The others are scale and shift, then mask and places, both optional.

        Parameters
        ----------
        words, segments : ndarray of int, shape (batch, steps)
            The second may be absent.
        word, place, segment : ndarray, shape (rows, features)
            Tables.
        """
        scale, shift, mask, places = [*others, None, None][:4]
        afford((*words.shape, word.shape[-1]), 4 * word.itemsize)
        whole = word[words] + place[np.arange(words.shape[1])[None] if places is None else places]
        whole = whole if segment is None or segments is None else whole + segment[segments]
        about = whole - whole.mean(axis=-1, keepdims=True)
        y = about / np.sqrt(np.square(about).mean(axis=-1, keepdims=True) + self.get("epsilon", 1e-12)) * scale + shift
        counts = np.zeros(len(words), np.int32) if mask is None else (mask != 0).sum(axis=1, dtype=np.int32)
        return (y.astype(word.dtype, copy=False), counts, whole)[: max(1, len(self.node.outputs))]


@operators.register(MS + "SkipSimplifiedLayerNormalization")
class SkipSimplifiedLayerNormalization(Operator):
    """The last axis of a sum by the root of its mean square."""

    room = 24.0

    def compute(self, x: Array, skip: Array, scale: Array, bias: Array | None = None) -> Any:
        """Return the normalised sum; no mean, inverse root and the sum itself where they are asked for.

        Parameters
        ----------
        x, skip : ndarray
            What is added, of one shape.
        scale : ndarray, shape (features,)
            Of the normalised sum.
        bias : ndarray, shape (features,), optional
            Added to the sum.
        """
        whole = x + skip if bias is None else x + skip + bias
        inverse = 1.0 / np.sqrt(np.square(whole).mean(axis=-1, keepdims=True) + self.get("epsilon", 1e-12))
        y = (whole * inverse * scale).astype(x.dtype, copy=False)
        return (y, np.zeros_like(inverse), inverse, whole)[: max(1, len(self.node.outputs))]


@operators.register(MS + "MatMulNBits")
class MatMulNBits(Operator):
    """A product with whole numbers of a few bits in blocks, each with its scale; what they stand for is held."""

    slots = ("right",)
    room = 8.0

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        if self.get("bits", 4) not in (2, 4, 8):
            return f"a MatMulNBits of {self.get('bits')} bits; only 2, 4 and 8 are supported"
        return "a MatMulNBits with an order of its rows" if self.node.inputs[4:5] and self.node.inputs[4] else None

    def matrix(self, packed: Array, scales: Array, zeros: Array | None) -> Array:
        """Return the weights, inputs by outputs.

        Parameters
        ----------
        packed : ndarray of bytes, shape (outputs, blocks, bytes)
            The first number in the lowest bits.
        scales : ndarray
            One a block.
        zeros : ndarray, optional
            What stands for zero in each block: bytes packed alike, or numbers.
        """
        bits, rows, columns = int(self.get("bits", 4)), int(self.get("K")), int(self.get("N"))
        blocks = -(-rows // int(self.get("block_size")))
        afford((columns, blocks, int(self.get("block_size"))), 16)
        whole = _unpacked(packed.reshape(columns, blocks, -1), bits).astype(np.float64)
        middle: Any = float(2 ** (bits - 1))
        if zeros is not None and zeros.dtype == np.uint8:
            middle = _unpacked(zeros.reshape(columns, -1), bits)[:, :blocks, None]
        elif zeros is not None:
            middle = zeros.reshape(columns, blocks, 1)
        found = (whole - middle) * scales.reshape(columns, blocks, 1)
        return np.asarray(found.reshape(columns, -1)[:, :rows].T)

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the weights where all that makes them is constant."""
        names = [name for name in self.node.inputs[1:4] if name]
        if not all(name in constants for name in names):
            return {}
        packed, scales, *zeros = (constants[name] for name in names)
        return {"right": Stored(names[0], one_block(self.matrix(packed, scales, zeros[0] if zeros else None)), "bits")}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the product plus a bias."""
        a, packed, scales, zeros, _, bias = [*inputs, *[None] * 6][:6]
        if "right" in held:
            y = held["right"](a)
        else:
            charge(a.size * int(self.get("N")))
            y = a @ self.matrix(packed, scales, zeros).astype(a.dtype)
        return (y if bias is None else y + bias,)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of the product."""
        return int(inputs[0].size * int(self.get("N")))


def _unpacked(packed: Array, bits: int) -> Array:
    """Whole numbers of a few bits out of bytes, the lowest bits first, along the last axis."""
    parts = [(packed >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    return np.stack(parts, axis=-1).reshape(*packed.shape[:-1], math.prod((packed.shape[-1], 8 // bits)))
