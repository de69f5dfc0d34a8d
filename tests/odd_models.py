"""Networks of kinds that exporters write and few tests have: made from a seed, small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(3)
n = helper.make_node


def f(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


class Odd(NamedTuple):
    """Nodes from ``x`` to ``y``, weights, shape of an input, opset, and other domains."""

    nodes: list[Any]
    weights: dict[str, np.ndarray]
    shape: tuple[Any, ...]
    opset: int = 17
    domains: tuple[str, ...] = ()


def save(path: Path, odd: Odd) -> Path:
    """The output has a type and no shape, as some exporters leave it."""
    graph = helper.make_graph(
        odd.nodes, "odd", [helper.make_tensor_value_info("x", TensorProto.FLOAT, odd.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(w, k) for k, w in odd.weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", odd.opset), *(helper.make_opsetid(d, 1) for d in odd.domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8 if odd.opset < 21 else 10), path)
    return path


def branch(name: str, kind: str, inputs: Sequence[str], **attributes: Any) -> Any:
    node, end = n(kind, inputs, [name], **attributes), helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph([node], name, [], [end])


MS = "com.microsoft"
FREE = {
    "squeeze and excite": Odd(
        [n("Conv", ["x", "w"], ["c"], pads=[1] * 4), n("HardSwish", ["c"], ["a"]), n("ReduceMean", ["a"], ["m"], axes=[2, 3]),
         n("Conv", ["m", "w1", "b1"], ["s"]), n("Relu", ["s"], ["t"]), n("Conv", ["t", "w2"], ["e"]),
         n("HardSigmoid", ["e"], ["g"], alpha=1 / 6, beta=0.5), n("Mul", ["a", "g"], ["k"]), n("GlobalAveragePool", ["k"], ["p"]),
         n("Flatten", ["p"], ["r"]), n("Gemm", ["r", "fc", "fb"], ["y"], transB=1)],
        {"w": f(8, 3, 3, 3), "w1": f(4, 8, 1, 1), "b1": f(4), "w2": f(8, 4, 1, 1), "fc": f(5, 8), "fb": f(5)}, ("n", 3, 8, 8)),
    "shuffled channels": Odd(
        [n("Conv", ["x", "w"], ["c"], group=2), n("Reshape", ["c", "s1"], ["r"]), n("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]),
         n("Reshape", ["t", "s2"], ["u"]), n("Split", ["u"], ["a", "b"], axis=1), n("Conv", ["a", "w2"], ["d"], pads=[1] * 4, group=4),
         n("Concat", ["d", "b"], ["e"], axis=1), n("GlobalMaxPool", ["e"], ["p"]), n("Squeeze", ["p"], ["q"], axes=[2, 3]),
         n("MatMul", ["q", "fc"], ["y"])],
        {"w": f(8, 2, 1, 1), "s1": whole(0, 2, 4, 6, 6), "s2": whole(0, 8, 6, 6), "w2": f(4, 1, 3, 3), "fc": f(8, 3)},
        ("n", 4, 6, 6), 11),
    "U with a skip": Odd(
        [n("Conv", ["x", "w"], ["a"], pads=[1] * 4), n("Relu", ["a"], ["s"]), n("MaxPool", ["s"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
         n("Conv", ["p", "w2"], ["b"], pads=[1] * 4), n("LeakyRelu", ["b"], ["t"], alpha=0.2),
         n("ConvTranspose", ["t", "wt", "bt"], ["u"], strides=[2, 2], kernel_shape=[3, 3], pads=[1] * 4, output_padding=[1, 1]),
         n("Concat", ["u", "s"], ["k"], axis=1), n("Conv", ["k", "w3"], ["y"])],
        {"w": f(6, 2, 3, 3), "w2": f(8, 6, 3, 3), "wt": f(8, 6, 3, 3), "bt": f(6), "w3": f(3, 12, 1, 1)}, ("n", 2, 8, 8)),
    "a stack of matrices": Odd(
        [n("Unsqueeze", ["x", "one"], ["u"]), n("MatMul", ["u", "w"], ["a"]), n("MatMul", ["a", "w2"], ["b"]),
         n("MatMul", ["b", "w3"], ["c"]), n("Flatten", ["c"], ["r"]), n("MatMul", ["r", "fc"], ["y"])],
        {"one": whole(1), "w": f(3, 4, 5), "w2": f(1, 3, 5, 2), "w3": f(1, 2, 3), "fc": f(18, 3)}, ("n", 2, 4)),
    "places of the largest": Odd(
        [n("Conv", ["x", "w"], ["a"], pads=[1] * 4), n("MaxPool", ["a"], ["m", "i"], kernel_shape=[2, 2], strides=[2, 2]),
         n("Conv", ["m", "v"], ["b"], pads=[1] * 4), n("MaxUnpool", ["b", "i"], ["u"], kernel_shape=[2, 2], strides=[2, 2]),
         n("MaxPool", ["u"], ["q", "unused"], kernel_shape=[3, 3]), n("Conv", ["q", "z"], ["y"])],
        {"w": f(4, 2, 3, 3), "v": f(4, 4, 3, 3), "z": f(3, 4, 1, 1)}, ("n", 2, 6, 6)),
    "peepholes": Odd(
        [n("Transpose", ["x"], ["t"], perm=[1, 0, 2]), n("LSTM", ["t", "W", "R", "B", "", "", "", "P"], ["", "h", ""], hidden_size=5),
         n("Squeeze", ["h", "ax"], ["z"]), n("MatMul", ["z", "fc"], ["y"])],
        {"W": f(1, 20, 4), "R": f(1, 20, 5), "B": f(1, 40), "P": f(1, 15), "ax": whole(0), "fc": f(5, 3)}, ("n", 7, 4)),
    "gated waves": Odd(
        [n("Pad", ["x", "pd"], ["o"]), n("Conv", ["o", "wf"], ["a"], dilations=[2]), n("Conv", ["o", "wg"], ["b"], dilations=[2]),
         n("Tanh", ["a"], ["c"]), n("Sigmoid", ["b"], ["d"]), n("Mul", ["c", "d"], ["g"]), n("Conv", ["g", "w1"], ["r"]),
         n("Add", ["r", "x"], ["s"]), n("ReduceMax", ["s"], ["m"], axes=[2], keepdims=0), n("MatMul", ["m", "fc"], ["y"])],
        {"pd": whole(0, 0, 2, 0, 0, 0), "wf": f(4, 4, 2), "wg": f(4, 4, 2), "w1": f(4, 4, 1), "fc": f(4, 3)}, ("n", 4, 12)),
    "volumes": Odd(
        [n("Conv", ["x", "w", "b"], ["c"], strides=[2, 1, 1], pads=[1, 0, 1, 1, 0, 1]), n("PRelu", ["c", "sl"], ["p"]),
         n("AveragePool", ["p"], ["q"], kernel_shape=[2, 2, 2], strides=[2, 2, 2], ceil_mode=1), n("Flatten", ["q"], ["r"]),
         n("Gemm", ["r", "fc"], ["y"])],
        {"w": f(4, 2, 3, 3, 3), "b": f(4), "sl": f(4, 1, 1, 1), "fc": f(32, 3)}, ("n", 2, 6, 6, 4)),
    "local responses": Odd(
        [n("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3]), n("Relu", ["c"], ["r"]), n("LRN", ["r"], ["l"], size=3, alpha=0.01),
         n("MaxPool", ["l"], ["p"], kernel_shape=[2, 2], strides=[2, 2]), n("Flatten", ["p"], ["q"]), n("Dropout", ["q"], ["d", "mask"], ratio=0.5),
         n("Gemm", ["d", "fc", "fb"], ["g"], transB=1), n("Softmax", ["g"], ["y"], axis=1)],
        {"w": f(4, 2, 3, 3), "b": f(4), "fc": f(3, 36), "fb": f(3)}, ("n", 2, 8, 8), 7),
    "groups, scaled by group": Odd(
        [n("Conv", ["x", "w"], ["c"], pads=[1] * 4), n("GroupNormalization", ["c", "s", "b"], ["g"], num_groups=2),
         n("ReduceMax", ["g", "ax"], ["m"], keepdims=0), n("MatMul", ["m", "fc"], ["y"])],
        {"w": f(4, 2, 3, 3), "s": f(2), "b": f(2), "ax": whole(2, 3), "fc": f(4, 3)}, ("n", 2, 5, 5), 18),
    "a branch on a length": Odd(
        [n("Conv", ["x", "w"], ["c"]), n("Shape", ["c"], ["h"]), n("Gather", ["h", "three"], ["d"]), n("Equal", ["d", "one"], ["e"]),
         n("If", ["e"], ["i"], then_branch=branch("s", "Squeeze", ["c", "ax"]), else_branch=branch("t", "Identity", ["c"])),
         n("Flatten", ["i"], ["l"]), n("MatMul", ["l", "fc"], ["y"])],
        {"w": f(4, 2, 3, 5), "three": np.array(3, np.int64), "one": np.array(1, np.int64), "ax": whole(3), "fc": f(12, 2)}, ("n", 2, 5, 5)),
    "an ellipsis": Odd(
        [n("Einsum", ["x", "w"], ["e"], equation="...ij,jk->...ik"), n("Einsum", ["v", "e"], ["g"], equation="kl,b...k->...bl"),
         n("ReduceMean", ["g"], ["m"], axes=[0], keepdims=0), n("Flatten", ["m"], ["y"])],
        {"w": f(6, 3), "v": f(3, 2)}, ("n", 4, 6)),
    "a sum in heads": Odd(
        [n("Einsum", ["x", "w"], ["e"], equation="bhti,hio->btho"), n("Einsum", ["v", "e"], ["g"], equation="hok,btho->bthk"),
         n("Einsum", ["g", "one"], ["k"], equation="bthk,ahk->bthk"), n("ReduceMean", ["k"], ["m"], axes=[1, 2], keepdims=0),
         n("Flatten", ["m"], ["y"])],
        {"w": f(2, 6, 3), "v": f(2, 3, 4), "one": f(1, 2, 4)}, ("n", 2, 5, 6)),
    "convolution fused": Odd(
        [n("FusedConv", ["x", "w", "b", "x"], ["c"], domain=MS, activation="Relu", pads=[1] * 4), n("GlobalAveragePool", ["c"], ["p"]),
         n("Flatten", ["p"], ["r"]), n("FusedGemm", ["r", "fc", "fb"], ["y"], domain=MS, activation="LeakyRelu", activation_alpha=0.2)],
        {"w": f(2, 2, 3, 3), "b": f(2), "fc": f(2, 3), "fb": f(3)}, ("n", 2, 6, 6), 17, (MS,)),
    "attention fused": Odd(
        [n("LayerNormalization", ["x", "ga", "be"], ["l"]), n("Attention", ["l", "w", "b"], ["a"], domain=MS, num_heads=2),
         n("SkipSimplifiedLayerNormalization", ["a", "x", "ga"], ["s"], domain=MS),
         n("MatMul", ["s", "wq"], ["q"]), n("MultiHeadAttention", ["q", "s", "a", "b"], ["h"], domain=MS, num_heads=4, unidirectional=1),
         n("SimplifiedLayerNormalization", ["h", "ga"], ["k"]), n("Flatten", ["k"], ["y"])],
        {"w": f(8, 24), "b": f(24), "ga": f(8), "be": f(8), "wq": f(8, 8)}, ("n", 3, 8), 13, (MS,)),
    "four bits": Odd(
        [n("MatMulNBits", ["x", "q", "s", "z"], ["h"], domain=MS, K=40, N=6, bits=4, block_size=16),
         n("MatMulNBits", ["h", "q2", "s2"], ["y"], domain=MS, K=6, N=4, bits=8, block_size=16)],
        {"q": RNG.integers(0, 256, (6, 3, 8)).astype(np.uint8), "s": np.abs(f(18)), "z": RNG.integers(0, 256, 12).astype(np.uint8),
         "q2": RNG.integers(0, 256, (4, 1, 16)).astype(np.uint8), "s2": np.abs(f(4))}, ("n", 40), 17, (MS,)),
    "transformer fused": Odd(
        [n("FusedMatMul", ["x", "w"], ["a"], domain=MS, alpha=0.5, transB=1), n("BiasGelu", ["a", "b"], ["g"], domain=MS),
         n("FastGelu", ["g"], ["h"], domain=MS), n("SkipLayerNormalization", ["h", "a", "ga", "be"], ["s"], domain=MS),
         n("Gelu", ["s"], ["t"], domain=MS), n("QuickGelu", ["t"], ["q"], domain=MS), n("FusedMatMul", ["q", "a"], ["k"], domain=MS, transA=1),
         n("Flatten", ["k"], ["y"])],
        {"w": f(4, 6), "b": f(4), "ga": f(4), "be": f(4)}, ("n", 3, 6), 17, (MS,)),
}  # fmt: skip
"""With a free batch."""

SINGLE = {
    "lengths of a resize": Odd(
        [n("Resize", ["x", "", "", "sz"], ["r"], mode="linear"), n("Conv", ["r", "w"], ["c"]), n("GlobalAveragePool", ["c"], ["g"]),
         n("Flatten", ["g"], ["y"])],
        {"sz": whole(1, 2, 8, 8), "w": f(4, 2, 3, 3)}, (1, 2, 4, 4)),
    "a first state": Odd(
        [n("Transpose", ["x"], ["t"], perm=[1, 0, 2]), n("LSTM", ["t", "W", "R", "B", "", "h0", "c0"], ["", "h", ""], hidden_size=5),
         n("Squeeze", ["h", "ax"], ["z"]), n("MatMul", ["z", "fc"], ["y"])],
        {"W": f(1, 20, 4), "R": f(1, 20, 5), "B": f(1, 40), "h0": f(1, 1, 5), "c0": f(1, 1, 5), "ax": whole(0), "fc": f(5, 3)}, (1, 7, 4)),
    "a token put before": Odd(
        [n("Concat", ["cls", "x"], ["k"], axis=1), n("MatMul", ["k", "w"], ["a"]), n("Gather", ["a", "first"], ["y"], axis=1)],
        {"cls": f(1, 1, 6), "w": f(6, 4), "first": np.array(0, np.int64)}, (1, 3, 6)),
    "heads beside the batch": Odd(
        [n("MatMul", ["x", "w"], ["a"]), n("Reshape", ["a", "s"], ["b"]), n("Transpose", ["b"], ["t"], perm=[0, 2, 1, 3]),
         n("Reshape", ["t", "s2"], ["c"]), n("Transpose", ["c"], ["ct"], perm=[0, 2, 1]), n("MatMul", ["c", "ct"], ["sc"]),
         n("Softmax", ["sc"], ["sm"], axis=-1), n("MatMul", ["sm", "c"], ["o"]), n("Reshape", ["o", "s3"], ["oo"]),
         n("Transpose", ["oo"], ["ot"], perm=[0, 2, 1, 3]), n("Reshape", ["ot", "s4"], ["of"]), n("MatMul", ["of", "fc"], ["y"])],
        {"w": f(6, 8), "s": whole(1, 5, 2, 4), "s2": whole(2, 5, 4), "s3": whole(1, 2, 5, 4), "s4": whole(1, 40), "fc": f(40, 3)}, (1, 5, 6)),
    "a batch that is dropped": Odd(
        [n("Squeeze", ["x", "ax"], ["q"]), n("MatMul", ["q", "w"], ["a"]), n("ReduceMean", ["a"], ["m"], axes=[0], keepdims=0),
         n("MatMul", ["m", "fc"], ["y"])],
        {"ax": whole(0), "w": f(6, 4), "fc": f(4, 3)}, (1, 5, 6)),
    "a branch on the batch": Odd(
        [n("Shape", ["x"], ["h"]), n("Gather", ["h", "zero"], ["d"]), n("Equal", ["d", "one"], ["e"]),
         n("If", ["e"], ["i"], then_branch=branch("s", "Squeeze", ["x", "ax"]), else_branch=branch("t", "Identity", ["x"])),
         n("MatMul", ["i", "w"], ["m"]), n("ReduceMax", ["m"], ["y"], axes=[0], keepdims=1)],
        {"zero": np.array(0, np.int64), "one": np.array(1, np.int64), "ax": whole(0), "w": f(6, 4)}, (1, 5, 6)),
}  # fmt: skip
"""Fixed to one input, in ways that no change of a constant frees."""
