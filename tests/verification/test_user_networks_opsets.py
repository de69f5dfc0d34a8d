"""Networks at every version of the operators, against onnxruntime; the conformance cases of onnx."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx_models
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from stack3d.errors import Stack3dError
from stack3d.workload import network_file as networks
from stack3d.workload.operators import Node, operators
from stack3d.workload.program import Program

OPSETS = [7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 20, 21, 23]
CLOSE = 1e-5
"""Of the largest output: single precision between layers."""


def runtime(path: Path, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})[0])


def normalised(path: Path, opset: int, rng: np.random.Generator) -> np.ndarray:
    """Convolution, batch normalisation, mean over the plane, product; outputs by the definition of each."""
    w, scale, bias, mean, var, fc = (rng.normal(size=s) for s in ((6, 2, 3, 3), 6, 6, 6, 6, (6, 4)))
    var = np.abs(var) + 0.5
    attributes = {"epsilon": 1e-5, "momentum": 0.9} | ({"spatial": 1} if opset < 9 else {})
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "bias", "mean", "var"], ["n"], **attributes),
        helper.make_node("GlobalAveragePool", ["n"], ["p"]),
        helper.make_node("Flatten", ["p"], ["r"], axis=1),
        helper.make_node("MatMul", ["r", "fc"], ["y"]),
    ]
    weights = {"w": w, "scale": scale, "bias": bias, "mean": mean, "var": var, "fc": fc}
    onnx_models.save(path, nodes, weights, ("n", 2, 8, 8), opset=opset)
    x = rng.normal(size=(5, 2, 8, 8))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    c = sum(np.einsum("oi,nihw->nohw", w[:, :, a, b], padded[:, :, a : a + 8, b : b + 8]) for a in range(3) for b in range(3))
    n = scale[:, None, None] * (c - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5) + bias[:, None, None]
    np.savez(path.with_suffix(".npz"), inputs=x, outputs=n.mean((2, 3)) @ fc)
    return x


@pytest.mark.parametrize("opset", OPSETS)
def test_statistics_of_the_batch_never_enter(opset: int, tmp_path: Path) -> None:
    """Batch normalisation is that of inference at every version, one input at a time or many."""
    path = tmp_path / "n.onnx"
    x = normalised(path, opset, np.random.default_rng(7))
    network = networks.load_network(onnx_models.deck(path))
    with np.load(path.with_suffix(".npz")) as right:
        np.testing.assert_allclose(network.run(x), right["outputs"], rtol=0, atol=1e-6 * np.abs(right["outputs"]).max() + 1e-6)
    np.testing.assert_allclose(network.run(x[:1]), network.run(x)[:1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("kind", ["mlp", "cnn", "cnn_1d"])
def test_networks_at_every_version(kind: str, opset: int, tmp_path: Path) -> None:
    """The same graph under every version whose operators mean the same; what onnxruntime gives is right."""
    rng = np.random.default_rng(opset)
    path, shape = getattr(onnx_models, kind)(tmp_path / "n.onnx", rng)
    model = onnx.load(path)
    model.opset_import[0].version = opset
    for node in model.graph.node:
        if node.op_type == "Gemm" and len(node.input) == 2 and opset < 11:  # the third operand was not yet optional
            node.input.append("nothing")
        if node.op_type == "MaxPool" and opset < 10:
            kept = [a for a in node.attribute if a.name != "ceil_mode"]
            del node.attribute[:]
            node.attribute.extend(kept)
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "nothing"))
    onnx.save(model, path)
    x = rng.normal(size=(3, *shape))
    expected = np.concatenate([runtime(path, one[None]) for one in x])
    found = networks.load_network(onnx_models.deck(path)).run(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * np.abs(expected).max())


def one_node(kind: str, opset: int, **attributes: object) -> object:
    proto = helper.make_node(kind, ["x"], ["y"], **attributes)
    return operators[kind](Node.of(proto, {"": opset}))


def test_an_operator_is_tested_alone() -> None:
    """A class, a node, arrays: no network, no state."""
    x = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    rows = x.reshape(2, 12)
    wanted = np.exp(rows - rows.max(1, keepdims=True))
    wanted /= wanted.sum(1, keepdims=True)
    np.testing.assert_allclose(one_node("Softmax", 12).compute(x), wanted.reshape(x.shape), rtol=1e-6)
    last = np.exp(x - x.max(-1, keepdims=True))
    np.testing.assert_allclose(one_node("Softmax", 13).compute(x), last / last.sum(-1, keepdims=True), rtol=1e-6)


def held_back(name: str) -> bool:
    """Cases of training, of types that no network here computes in, and where onnxruntime and the cases differ."""
    return any(word in name for word in NOT_COMPARED)


NOT_COMPARED = (
    "training_", "_training_mode",  # only inference
    "bf16", "bfloat16", "FLOAT8E", "FLOAT4E", "_FLOAT8", "identity_sequence", "identity_opt",  # types
    "align_corners",  # of a downsampled plane: the cases take a fractional length, onnxruntime and exporters a whole one
    "maxunpool_export_with_output_shape",  # the case counts places in the shape of the windows, onnxruntime in the given one
)  # fmt: skip


def conformance() -> list:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def as_array(value: object) -> object:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def test_conformance_cases_of_single_operators() -> None:
    """All cases of onnx for the operators of the table, in one test: most take less than a millisecond."""
    wrong, ran = [], 0
    for case in conformance():
        kinds = {(f"{n.domain}." if n.domain not in ("", "ai.onnx") else "") + n.op_type for n in case.model.graph.node}
        if held_back(case.name) or not all(kind in operators for kind in kinds):
            continue
        for inputs, outputs in case.data_sets:
            try:
                found = alone(case.model, [as_array(x) for x in inputs])
            except NotImplementedError:
                continue
            except Stack3dError as error:
                wrong.append(f"{case.name}: {error}")
                continue
            ran += 1
            for got, want in zip(found, outputs):
                want = np.asarray(as_array(want))
                close = 1e-3 if want.dtype in (np.float16, np.float32) else 1e-5
                if want.dtype.kind in "OUS":
                    same = bool((got == want).all())
                else:
                    wide = np.result_type(want.dtype, np.float64) if want.dtype.kind == "c" else np.float64
                    least = 1e-3 if want.dtype == np.float16 else 1e-5
                    same = np.allclose(got.astype(wide), want.astype(wide), rtol=close, atol=least, equal_nan=True)
                if got.shape != want.shape or got.dtype != want.dtype or not same:
                    wrong.append(case.name)
    assert wrong == []
    assert ran > 1350


def alone(model: onnx.ModelProto, inputs: list) -> list[np.ndarray]:
    """Outputs of a model, each by a program of its own; NotImplementedError for forms that the table says it does not know."""
    feeds = dict(zip([i.name for i in model.graph.input], inputs))
    out = []
    for value in model.graph.output:
        one = onnx.ModelProto.FromString(model.SerializeToString())
        del one.graph.output[:]
        one.graph.output.append(value)
        try:
            program = Program.of(one)
        except Stack3dError as error:
            raise NotImplementedError(str(error)) from None
        out.append(program.run(feeds, lambda name, x: x, {}))
    return out
