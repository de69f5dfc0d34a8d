"""Quantised networks as onnxruntime's own tool writes them, and half precision, against onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import deck, save
from test_user_networks import through_crossbars
from test_user_networks_opsets import runtime

from stack3d.workload import network_file as networks


def small(path: Path, opset: int) -> tuple[Path, np.ndarray]:
    """Convolution, depthwise convolution, mean, two products."""
    rng = np.random.default_rng(3)
    weights = {
        "k": rng.normal(size=(8, 3, 3, 3)) / 5, "c": rng.normal(size=8), "d": rng.normal(size=(8, 1, 3, 3)) / 3,
        "w": rng.normal(size=(8, 16)) / 3, "v": rng.normal(size=(16, 5)) / 4, "b": rng.normal(size=5),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "k", "c"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["r", "d"], ["e"], name="depthwise", group=8, strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["e"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["g"], name="hidden"),
        helper.make_node("Relu", ["g"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["m"], name="last"),
        helper.make_node("Add", ["m", "b"], ["y"]),
    ]
    return save(path, nodes, weights, ("n", 3, 10, 10), opset=opset), rng.normal(size=(6, 3, 10, 10)).astype(np.float32)


def quantised(path: Path, x: np.ndarray, how: str, per_channel: bool) -> Path:
    from onnxruntime import quantization as q

    out = path.with_name(f"{how}.onnx")
    if how == "dynamic":
        q.quantize_dynamic(path, out, per_channel=per_channel)
        return out

    class Reader(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"x": one[None]} for one in x]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    form = {"qdq": q.QuantFormat.QDQ, "qoperator": q.QuantFormat.QOperator}[how]
    q.quantize_static(path, out, Reader(), quant_format=form, per_channel=per_channel)
    return out


CASES = [
    (how, opset, per_channel)
    for how in ("qdq", "qoperator", "dynamic")
    for opset in (10, 11, 13, 17, 18)
    for per_channel in (False, True)
    if how != "qdq" or not per_channel or opset >= 13  # scales of channels came with version 13
    if how == "qdq" or opset > 10
]
"""The tool of onnxruntime writes its other forms from version 11 on."""


@pytest.mark.parametrize(("how", "opset", "per_channel"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_quantised_files_give_what_onnxruntime_gives(how: str, opset: int, per_channel: bool, tmp_path: Path) -> None:
    """Within one step of the output's scale: onnxruntime fuses steps and rounds between others."""
    path, x = small(tmp_path / "n.onnx", opset)
    file = quantised(path, x, how, per_channel)
    assert {o.domain: o.version for o in onnx.load(file).opset_import}[""] == opset
    network = networks.load_network(deck(file))
    wanted = np.concatenate([runtime(file, one[None]) for one in x])
    found = np.concatenate([network.run(one[None]) for one in x])
    step = np.ptp(wanted) / 255 if how != "dynamic" else 1e-5 * np.abs(wanted).max()
    assert np.abs(found - wanted).max() <= 1.5 * step
    assert len(network.layers) == 4
    if how != "qdq":
        for layer in network.layers:
            np.testing.assert_array_equal(layer.blocks, np.rint(layer.blocks))
    one = network.run(x[:1])
    np.testing.assert_allclose(through_crossbars(network, x[:1])[1], one, rtol=0, atol=step + 1e-4 * np.abs(one).max())


def test_half_precision_is_right_to_its_rounding(tmp_path: Path) -> None:
    path, x = small(tmp_path / "n.onnx", 17)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, tmp_path / "half.onnx")
    exact = networks.load_network(deck(path)).run(x)
    found = networks.load_network(deck(tmp_path / "half.onnx")).run(x)
    np.testing.assert_allclose(found, exact, rtol=0, atol=5e-3 * np.abs(exact).max())
