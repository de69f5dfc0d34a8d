"""Networks as users bring them, and the outputs of the ONNX reference evaluator for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stack3d.schema.workload import NetworkDeck

Weights = dict[str, np.ndarray]


def deck(file: Path, data: dict[str, Any] | None = None) -> NetworkDeck:
    return NetworkDeck.model_validate({"file": str(file), "data": data or {"file": str(file)}})


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: Weights,
    shape: tuple[Any, ...] = ("n", 4),
    *,
    out: tuple[Any, ...] = ("n", None),
    outputs: tuple[str, ...] = ("y",),
    opset: int = 17,
    domains: tuple[str, ...] = (),
    inputs: dict[str, tuple[Any, ...]] | None = None,
) -> Path:
    typed = {n: w if w.dtype.kind == "i" else w.astype(np.float32) for n, w in weights.items()}
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in {"x": shape, **(inputs or {})}.items()],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, out) for o in outputs], [numpy_helper.from_array(w, n) for n, w in typed.items()],
    )  # fmt: skip
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), path)
    return path


def mlp(path: Path, rng: np.random.Generator) -> tuple[Path, tuple[int, ...]]:
    """Odd sizes; Gemm with alpha and beta, a transposed weight, one used twice, weights on the left of MatMul and Gemm, a product
    of constants."""
    weights = {
        "w1": rng.normal(size=(37, 13)), "b1": rng.normal(size=37), "w2": rng.normal(size=(37, 37)) / 6,
        "w3": rng.normal(size=(11, 37)), "w4": rng.normal(size=(9, 11)), "w5": rng.normal(size=(9, 8)) / 3,
        "c5": rng.normal(size=(8, 1)), "w6": rng.normal(size=(8, 5)), "w7": rng.normal(size=(5, 7)), "w8": rng.normal(size=(7, 8)),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["a"], name="fc1", transB=1, alpha=0.7, beta=1.3),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["c"], name="fc2"),
        helper.make_node("Tanh", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "w2"], ["e"], name="fc2_again"),
        helper.make_node("LeakyRelu", ["e"], ["f"], alpha=0.1),
        helper.make_node("Transpose", ["w3"], ["w3t"], perm=[1, 0]),
        helper.make_node("MatMul", ["f", "w3t"], ["g"], name="fc3"),
        helper.make_node("Sigmoid", ["g"], ["h"]),
        helper.make_node("Transpose", ["h"], ["i"], perm=[1, 0]),
        helper.make_node("MatMul", ["w4", "i"], ["j"], name="fc4"),
        helper.make_node("Tanh", ["j"], ["k"]),
        helper.make_node("Gemm", ["w5", "k", "c5"], ["l"], name="fc5", transA=1, alpha=0.8),
        helper.make_node("Transpose", ["l"], ["m"], perm=[1, 0]),
        helper.make_node("Tanh", ["m"], ["o"]),
        helper.make_node("Gemm", ["w8", "o"], ["p"], name="fc8", transB=1),
        helper.make_node("MatMul", ["w6", "w7"], ["w67"], name="folded"),
        helper.make_node("Transpose", ["p"], ["q"], perm=[1, 0]),
        helper.make_node("Gemm", ["q", "w67"], ["y"], name="fc67", transB=1),
    ]
    return save(path, nodes, weights, ("n", 13)), (13,)


def cnn(path: Path, rng: np.random.Generator) -> tuple[Path, tuple[int, ...]]:
    """Pooling of both kinds, batch normalisation, a residual add, groups, stride, uneven padding, ceil mode."""
    weights = {
        "k1": rng.normal(size=(8, 3, 3, 3)) / 5, "c1": rng.normal(size=8), "k2": rng.normal(size=(8, 4, 3, 3)) / 5,
        "k3": rng.normal(size=(8, 1, 3, 5)) / 4, "k4": rng.normal(size=(12, 8, 1, 1)) / 3, "w": rng.normal(size=(12, 5)),
        "gain": rng.uniform(0.5, 2, 8), "shift": rng.normal(size=8), "mean": rng.normal(size=8), "var": rng.uniform(0.5, 2, 8),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "k1", "c1"], ["a"], name="conv1", pads=[1, 0, 0, 1], strides=[1, 2]),
        helper.make_node("BatchNormalization", ["a", "gain", "shift", "mean", "var"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "k2"], ["d"], name="grouped", group=2, pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["d", "c"], ["e"]),
        helper.make_node("MaxPool", ["e"], ["f"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0], ceil_mode=1),
        helper.make_node("Conv", ["f", "k3"], ["g"], name="depthwise", group=8, auto_pad="SAME_LOWER", strides=[2, 1]),
        helper.make_node("AveragePool", ["g"], ["h"], kernel_shape=[2, 2], pads=[0, 1, 1, 0], count_include_pad=1),
        helper.make_node("Conv", ["h", "k4"], ["i"], name="pointwise"),
        helper.make_node("GlobalAveragePool", ["i"], ["j"]),
        helper.make_node("Flatten", ["j"], ["k"]),
        helper.make_node("MatMul", ["k", "w"], ["y"], name="head"),
    ]
    return save(path, nodes, weights, ("n", 3, 11, 13)), (3, 11, 13)


def cnn_1d(path: Path, rng: np.random.Generator) -> tuple[Path, tuple[int, ...]]:
    """Dilation, SAME padding, pooling over time, a batch that the exporter has fixed to one."""
    weights = {
        "k1": rng.normal(size=(10, 6, 5)) / 5, "c1": rng.normal(size=10), "k2": rng.normal(size=(9, 10, 3)) / 5,
        "w": rng.normal(size=(4, 72)) / 8, "b": rng.normal(size=4), "shape": np.array([1, 72]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "k1", "c1"], ["a"], name="conv1", auto_pad="SAME_UPPER", strides=[2]),
        helper.make_node("Relu", ["a"], ["b1"]),
        helper.make_node("MaxPool", ["b1"], ["c"], kernel_shape=[2], strides=[2]),
        helper.make_node("Conv", ["c", "k2"], ["d"], name="conv2", dilations=[2]),
        helper.make_node("Tanh", ["d"], ["e"]),
        helper.make_node("Reshape", ["e", "shape"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], name="fc", transB=1),
    ]
    return save(path, nodes, weights, (1, 6, 47), out=(1, 4)), (6, 47)


def oracle(path: Path, x: np.ndarray) -> np.ndarray:
    """Outputs of the stock reference evaluator, one input at a time: it knows nothing of ours."""
    from onnx.reference import ReferenceEvaluator

    stock = ReferenceEvaluator(onnx.load(path))
    return np.concatenate([stock.run(None, {"x": one[None].astype(np.float32)})[0] for one in x])
