"""What an operator is counted to take bounds what it takes: measured for every kind."""

import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from onnx import helper

from stack3d.registry import is_outside
from stack3d.workload.operators import Node, operators
from stack3d.workload.operators import allowance as allowances
from stack3d.workload.program import Step, perform

RNG = np.random.default_rng(0)
X = (RNG.random((2, 8, 64, 64)) * 0.8 + 0.1).astype("f4")
U = (X * 200).astype("u1")
ROWS = X.reshape(-1, 64)
STEPS = RNG.random((32, 16, 64)).astype("f4")
KERNEL, B = RNG.normal(size=(8, 8, 3, 3)).astype("f4"), np.ones(8, "f4")
QUANTISED = [np.float32(0.1), np.uint8(3)]
SPARED = 64e3
"""Objects of Python, and what is small whatever the arrays. [byte]"""
MS, ML = "com.microsoft.", "ai.onnx.ml."
SAME = [[X], [X, X], [X > 0.5], [X > 0.5, X > 0.5], [(X * 100).astype("i4")] * 2, [(X * 100).astype("i4")]]
"""What kinds are tried with that stand under none below."""


def gates(n: int) -> list[Any]:
    return [STEPS, RNG.normal(size=(1, n * 16, 64)).astype("f4"), RNG.normal(size=(1, n * 16, 16)).astype("f4")]


def whole_gates() -> list[Any]:
    """Those of an LSTM as bytes, turned, with a scale and a zero point each."""
    step, middle = np.full(1, 0.01, "f4"), np.full(1, 128, "u1")
    w, r = ((RNG.random((1, n, 64)) * 255).astype("u1") for n in (64, 16))
    return [STEPS, w, r, None, None, None, None, None, step, middle, step, middle]


def ints(*values: int) -> Any:
    return np.array(values, "i8")


GIVEN: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "AffineGrid": ([RNG.random((2, 2, 3)).astype("f4"), ints(2, 3, 128, 128)], {}),
    "Attention": ([X, X, X], {}),
    "AveragePool": ([X], {"kernel_shape": [3, 3], "pads": [1] * 4}),
    "BatchNormalization": ([X, B, B, B, B], {}),
    "BlackmanWindow": ([np.array(50_000)], {}),
    "Cast": ([X], {"to": 11}),
    "CenterCropPad": ([X, ints(90, 90)], {"axes": [2, 3]}),
    "Clip": ([X, np.float32(0.2), np.float32(0.7)], {}),
    "Col2Im": ([RNG.random((1, 9, 1024)).astype("f4"), ints(34, 34), ints(3, 3)], {}),
    "Compress": ([X, np.ones(64, bool)], {"axis": 3}),
    "Concat": ([X, X + 1], {"axis": 1}),
    "Constant": ([], {"value_float": 1.0}),
    "ConstantOfShape": ([ints(4, 256, 256)], {}),
    "Conv": ([X, KERNEL], {"pads": [1] * 4}),
    "ConvInteger": ([U, (KERNEL * 10).astype("i1")], {}),
    "ConvTranspose": ([X, KERNEL], {"strides": [2, 2]}),
    "CumSum": ([X, ints(3)], {}),
    "DFT": ([X[..., None], np.int64(128)], {}),
    "DepthToSpace": ([X], {"blocksize": 2}),
    "DequantizeLinear": ([U, *QUANTISED], {}),
    "Einsum": ([X, X[:, :, :, :8]], {"equation": "abcd,abce->abcde"}),
    "EyeLike": ([ROWS], {}),
    "Expand": ([X[:1], ints(4, 8, 64, 64)], {}),
    "Gather": ([X, np.arange(256) % 64], {"axis": 3}),
    "GatherElements": ([X, np.zeros(X.shape, "i8")], {}),
    "GatherND": ([X, np.zeros((128, 128, 4), "i8")], {}),
    "Gemm": ([ROWS, RNG.normal(size=(64, 256)).astype("f4")], {}),
    "GridSample": ([X[:1, :1, :16, :16], RNG.random((1, 16, 16, 2)).astype("f4")], {}),
    "GroupNormalization": ([X, B, B], {"num_groups": 4}),
    "GRU": (gates(3), {"hidden_size": 16}),
    "HammingWindow": ([np.array(50_000)], {}),
    "HannWindow": ([np.array(50_000)], {}),
    "InstanceNormalization": ([X, B, B], {}),
    "LayerNormalization": ([X, np.ones(64, "f4"), np.ones(64, "f4")], {}),
    "LpPool": ([X], {"kernel_shape": [3, 3]}),
    "LRN": ([X], {"size": 5}),
    "LSTM": (gates(4), {"hidden_size": 16}),
    "MatMul": ([X, RNG.normal(size=(64, 256)).astype("f4")], {}),
    "MatMulInteger": ([U, (RNG.random((64, 256)) * 200).astype("u1")], {}),
    "MaxPool": ([X], {"kernel_shape": [3, 3], "pads": [1] * 4}),
    "MaxUnpool": ([X, 4 * np.arange(X.size).reshape(X.shape)], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "MelWeightMatrix": ([np.array(128), np.array(2048), np.array(16000), np.float32(0), np.float32(8000)], {}),
    "Mod": ([X, X], {"fmod": 1}),
    "OneHot": ([(ROWS * 9).astype("i8"), ints(16), np.array([0, 1], "f4")], {}),
    "PRelu": ([X, X[:1]], {}),
    "Pad": ([X, ints(0, 0, 9, 9, 0, 0, 9, 9)], {}),
    "QLinearConv": ([U, *QUANTISED, (KERNEL * 10).astype("i1"), np.float32(0.1), np.int8(0), *QUANTISED], {}),
    "QLinearMatMul": ([U, *QUANTISED, (RNG.random((64, 256)) * 200).astype("u1"), *QUANTISED, *QUANTISED], {}),
    "QuantizeLinear": ([X, *QUANTISED], {}),
    "RMSNormalization": ([X, np.ones(64, "f4")], {}),
    "RNN": (gates(1), {"hidden_size": 16}),
    "Range": ([np.int64(0), np.int64(100_000), np.int64(1)], {}),
    "Reshape": ([X, ints(-1, 64)], {}),
    "Resize": ([X, None, np.array([1, 1, 2, 2], "f4")], {"mode": "cubic"}),
    "ReverseSequence": ([X[0], np.full(64, 3, "i8")], {}),
    "RoiAlign": ([X[:1, :2], np.array([[0, 0, 63, 63]] * 3, "f4"), np.zeros(3, "i8")], {"output_height": 8, "output_width": 8}),
    "RotaryEmbedding": ([X, *[RNG.random((64, 32)).astype("f4")] * 2, np.tile(np.arange(64), (2, 1))], {}),
    "STFT": ([RNG.random((2, 16384, 1)).astype("f4"), np.int64(64), np.ones(256, "f4")], {}),
    "Scatter": ([X, np.zeros(X.shape, "i8"), X], {}),
    "ScatterElements": ([X, np.zeros(X.shape, "i8"), X], {}),
    "ScatterND": ([X, np.zeros((10, 1), "i8"), np.repeat(X[:1], 10, 0)], {}),
    "SimplifiedLayerNormalization": ([X, np.ones(64, "f4")], {}),
    "Slice": ([X, ints(0), ints(50), ints(3)], {}),
    "SpaceToDepth": ([X], {"blocksize": 2}),
    "Split": ([X], {"axis": 1, "num_outputs": 2}),
    "Tile": ([X, ints(1, 1, 2, 2)], {}),
    "TopK": ([X, ints(64)], {}),
    "Transpose": ([X], {"perm": [0, 2, 3, 1]}),
    "Unsqueeze": ([X, ints(1)], {}),
    "Upsample": ([X, np.array([1, 1, 2, 2], "f4")], {}),
    "Where": ([X > 0.5, X, X], {}),
    MS + "BiasGelu": ([X, np.ones(64, "f4")], {}),
    MS + "DynamicQuantizeLSTM": (whole_gates(), {"hidden_size": 16}),
    MS + "DynamicQuantizeMatMul": ([X, (RNG.random((64, 256)) * 200).astype("u1"), np.float32(0.1), np.uint8(3)], {}),
    MS + "FusedConv": ([X, KERNEL], {"pads": [1] * 4, "activation": "Relu"}),
    MS + "FusedGemm": ([ROWS, RNG.normal(size=(64, 256)).astype("f4")], {"activation": "LeakyRelu"}),
    MS + "FusedMatMul": ([X, RNG.normal(size=(64, 256)).astype("f4")], {"alpha": 0.5}),
    MS + "MatMulIntegerToFloat": (
        [U, (RNG.random((64, 256)) * 200).astype("u1"), np.float32(0.1), np.float32(0.1), np.uint8(3), np.uint8(3)], {}
    ),
    MS + "EmbedLayerNormalization": (
        [np.zeros((4, 256), "i8"), None, *[RNG.random((256, 64)).astype("f4")] * 2, None, *[np.ones(64, "f4")] * 2], {}
    ),
    MS + "MatMulNBits": (
        [ROWS, (RNG.random((64, 2, 16)) * 255).astype("u1"), np.ones(128, "f4")], {"K": 64, "N": 64, "block_size": 32, "bits": 4}
    ),
    MS + "MultiHeadAttention": ([X[0], X[0], X[0]], {"num_heads": 4}),
    MS + "SkipSimplifiedLayerNormalization": ([X, X + 1, np.ones(64, "f4")], {}),
    MS + "SkipLayerNormalization": ([X, X + 1, *[np.ones(64, "f4")] * 2], {}),
    MS + "QGemm": ([U.reshape(-1, 64), *QUANTISED, U.reshape(-1, 64)[:64], *QUANTISED, None, *QUANTISED], {}),
    MS + "QLinearAdd": ([U, *QUANTISED, U + 1, *QUANTISED, *QUANTISED], {}),
    MS + "QLinearAveragePool": ([U, *QUANTISED, *QUANTISED], {"kernel_shape": [3, 3]}),
    MS + "QLinearConcat": ([*QUANTISED, U, *QUANTISED, U + 1, *QUANTISED], {"axis": 1}),
    MS + "QLinearGlobalAveragePool": ([U, *QUANTISED, *QUANTISED], {}),
    MS + "QLinearLeakyRelu": ([U, *QUANTISED, *QUANTISED], {}),
    MS + "QLinearMul": ([U, *QUANTISED, U + 1, *QUANTISED, *QUANTISED], {}),
    MS + "QLinearSigmoid": ([U, *QUANTISED, *QUANTISED], {}),
    ML + "ArrayFeatureExtractor": ([ROWS, ints(3, 4)], {}),
    ML + "Binarizer": ([ROWS], {"threshold": 0.5}),
    ML + "Imputer": ([ROWS], {"imputed_value_floats": [0.0], "replaced_value_float": 1.0}),
    ML + "LabelEncoder": ([(ROWS * 9).astype("i8")], {"keys_int64s": [1, 2], "values_floats": [1.0, 2.0]}),
    ML + "LinearClassifier": ([ROWS], {"coefficients": [1.0] * 640, "intercepts": [0.0] * 10, "classlabels_ints": [*range(10)]}),
    ML + "LinearRegressor": ([ROWS], {"coefficients": [1.0] * 640, "targets": 10}),
    ML + "OneHotEncoder": ([(ROWS * 9).astype("i8")], {"cats_int64s": [1, 2, 3, 4, 5]}),
    ML + "Scaler": ([ROWS], {"offset": [0.0] * 64, "scale": [1.0] * 64}),
    ML + "SVMClassifier": (
        [ROWS],
        {
            "classlabels_ints": [0, 1, 2], "vectors_per_class": [20, 20, 20], "support_vectors": [0.5] * 60 * 64, "kernel_type": "RBF",
            "kernel_params": [0.1, 0.0, 3.0], "coefficients": [0.1] * 120, "rho": [0.1] * 3, "prob_a": [-1.0] * 3, "prob_b": [0.0] * 3,
        },
    ),
    ML + "SVMRegressor": (
        [ROWS],
        {
            "n_supports": 60, "support_vectors": [0.5] * 60 * 64, "coefficients": [0.1] * 60, "rho": [0.1], "kernel_type": "RBF",
            "kernel_params": [0.1, 0.0, 3.0],
        },
    ),
    ML + "TreeEnsembleClassifier": (
        [ROWS],
        {
            **{f"nodes_{name}": [0] for name in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")},
            **{f"class_{name}": [0, 0] for name in ("treeids", "nodeids")},
            "nodes_values": [0.0], "nodes_modes": ["LEAF"], "class_ids": [0, 1], "class_weights": [1.0, 2.0],
            "classlabels_int64s": [0, 1],
        },
    ),
}  # fmt: skip
"""Kind → what it is given, and its attributes."""


def measured(kind: str, given: list[Any], attributes: dict[str, Any]) -> tuple[float, float]:
    """Memory at the peak of a run, and what was counted. [byte]"""
    domain, _, name = kind.rpartition(".")
    outputs = ["y"] + ["z"] * (kind in ("TopK", "Split", "DynamicQuantizeLinear")) + ["q"] * (kind == "DynamicQuantizeLinear")
    names = [f"i{i}" if x is not None else "" for i, x in enumerate(given)]
    node = helper.make_node(name, names, outputs, domain=domain.rstrip("."), **attributes)
    opsets = {"": 9 if kind == "Upsample" else 23, "ai.onnx.ml": 3, "com.microsoft": 1}
    made = Node.of(node, opsets)
    step = Step(made, operators[kind](made))
    allowance = allowances.Allowance(1e12, 1e18)
    kept = []

    @contextmanager
    def apart(live: float) -> Iterator[None]:  # what is counted is forgotten behind it
        yield
        kept.append(allowance.most)

    token = allowances._ALLOWED.set(allowance)
    try:
        perform(step, given, {})  # what is loaded at the first use
        allowance.live = allowance.made = allowance.most = 0.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stack3d.workload.program.apart", apart)
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            perform(step, given, {})
            return tracemalloc.get_traced_memory()[1] - before, kept[0]
    finally:
        tracemalloc.stop()
        allowances._ALLOWED.reset(token)


def trials(kind: str) -> tuple[float, float]:
    if kind in GIVEN:
        return measured(kind, *GIVEN[kind])
    reasons = []
    for given in SAME:
        try:
            return measured(kind, given, {})
        except Exception as error:
            reasons.append(error)
    raise AssertionError(f"{kind} ran with nothing: {reasons}")


def test_an_operator_takes_no_more_than_it_is_counted_to_take() -> None:
    known = sorted(kind for kind in operators if not is_outside(operators[kind]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {kind: trials(kind) for kind in known}
    wrong = {kind: f"{peak:.3g} of {counted:.3g}" for kind, (peak, counted) in found.items() if peak > 1.03 * counted + SPARED}
    assert not wrong and len(found) > 180
