"""Classifiers and regressors of scikit-learn pipelines behind a product on crossbars, against onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from stack3d.workload import Inputs
from stack3d.workload import network_file as networks

ML = "ai.onnx.ml"
RNG = np.random.default_rng(8)
X = RNG.normal(size=(40, 4)).astype(np.float32)
WEIGHTS = RNG.normal(size=(4, 4)).astype(np.float32)
TREES: dict[str, Any] = {
    "nodes_treeids": [0] * 5 + [1] * 3,
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 1, 0, 0, 0, 2, 0, 0],
    "nodes_values": [0.1, 0.2, 0.0, 0.0, 0.0, -0.1, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "BRANCH_LT", "LEAF", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 2, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [4, 3, 0, 0, 0, 2, 0, 0],
    "nodes_missing_value_tracks_true": [0] * 8,
}
"""Two trees with five leaves."""
LEAVES = {"treeids": [0, 0, 0, 1, 1], "nodeids": [2, 3, 4, 1, 2]}
POSITIVE, MIXED = [0.5, 1.0, 0.25, 0.75, 0.3], [0.5, -1.0, 0.25, 0.75, -0.3]


def leaves(kind: str, ids: list[int], weights: list[float]) -> dict[str, Any]:
    return TREES | {f"{kind}_{name}": values for name, values in (LEAVES | {"ids": ids, "weights": weights}).items()}


def compare(path: Path, node: Any, output: str = "y", kind: int = TensorProto.FLOAT) -> None:
    """A product, then the node: what onnxruntime gives."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), node], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(output, kind, None)], [numpy_helper.from_array(WEIGHTS, "w")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    wanted = onnxruntime.InferenceSession(path).run([output], {"x": X})[0]
    found = networks.load_network(onnx_models.deck(path)).run(X)
    np.testing.assert_allclose(found, np.reshape(wanted, found.shape), rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
def test_one_score_tells_two_classes_apart(transform: str, tmp_path: Path) -> None:
    """Logistic regression, gradient boosting and forests of two classes: both scores, and the class."""
    linear = {"coefficients": RNG.normal(size=4).tolist(), "intercepts": [0.2], "classlabels_ints": [3, 7]}
    for output, kind in (("y", TensorProto.FLOAT), ("label", TensorProto.INT64)):
        node = helper.make_node("LinearClassifier", ["h"], ["label", "y"], domain=ML, post_transform=transform, **linear)
        compare(tmp_path / "net.onnx", node, output, kind)
        for weights in (POSITIVE, MIXED):
            for more in ({}, {"base_values": [0.1]}):
                trees = leaves("class", [0] * 5, weights) | more
                node = helper.make_node(
                    "TreeEnsembleClassifier", ["h"], ["label", "y"], domain=ML, post_transform=transform,
                    classlabels_int64s=[4, 9], **trees,
                )  # fmt: skip
                compare(tmp_path / "net.onnx", node, output, kind)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_votes_of_trees_for_two_classes_and_three(transform: str, tmp_path: Path) -> None:
    for ids, classes in (([1] * 5, [4, 9]), ([0, 1, 0, 1, 1], [4, 9]), ([0, 1, 2, 1, 0], [4, 9, 11])):
        node = helper.make_node(
            "TreeEnsembleClassifier", ["h"], ["label", "y"], domain=ML, post_transform=transform, classlabels_int64s=classes,
            **leaves("class", ids, POSITIVE),
        )  # fmt: skip
        compare(tmp_path / "net.onnx", node)


@pytest.mark.parametrize("together", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_trees_are_added_averaged_or_the_least_or_largest_counts(together: str, tmp_path: Path) -> None:
    """What is added to all is added once, after that; nothing is made of a single target."""
    for transform in ("NONE", "LOGISTIC"):
        node = helper.make_node(
            "TreeEnsembleRegressor", ["h"], ["y"], domain=ML, aggregate_function=together, n_targets=1, base_values=[0.2],
            post_transform=transform, **leaves("target", [0] * 5, MIXED),
        )  # fmt: skip
        compare(tmp_path / "net.onnx", node)


def test_words_beside_numbers(tmp_path: Path) -> None:
    """An input of words, made numbers by an encoder; a changed input has other words."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["c"],
            ["e"],
            domain=ML,
            keys_strings=["a", "b", "c"],
            values_floats=[1.0, 2.0, 3.0],
            default_float=-1.0,
        ),
        helper.make_node("Concat", ["e", "x"], ["k"], axis=1),
        helper.make_node("MatMul", ["k", "w"], ["y"]),
    ]
    given = [
        helper.make_tensor_value_info(*i) for i in (("c", TensorProto.STRING, ["n", 2]), ("x", TensorProto.FLOAT, ["n", 4]))
    ]
    weights = [numpy_helper.from_array(RNG.normal(size=(6, 3)).astype(np.float32), "w")]
    graph = helper.make_graph(nodes, "g", given, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights)
    path, opsets = tmp_path / "net.onnx", [helper.make_opsetid("", 17), helper.make_opsetid(ML, 2)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    words = RNG.choice(list("abcd"), (40, 2)).astype(object)
    wanted = onnxruntime.InferenceSession(path).run(None, {"c": words, "x": X})[0]
    inputs = Inputs({"c": words.astype(str), "x": X})
    network = networks.load_network(onnx_models.deck(path)).ordered(inputs)
    np.testing.assert_allclose(network.run(inputs), wanted, rtol=0, atol=1e-5)
