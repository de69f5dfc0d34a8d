"""A user's own network through ideal crossbars gives what the ONNX reference evaluator gives."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import pytest
from onnx import numpy_helper

from stack3d import mvm
from stack3d.chip import forward_of
from stack3d.workload import Network
from stack3d.workload import network_file as networks
from stack3d.workload.onnx_file import keep_output
from stack3d.workload.program import Program

MODELS = {"mlp": onnx_models.mlp, "cnn": onnx_models.cnn, "cnn_1d": onnx_models.cnn_1d}
LAYERS = {
    "mlp": ["fc1", "fc2", "fc3", "fc4", "fc5", "fc8", "fc67"],
    "cnn": ["conv1", "grouped", "depthwise", "pointwise", "head"],
    "cnn_1d": ["conv1", "conv2", "fc"],
}
CLOSE = 1e-5
"""Of the rms output: single precision between layers."""


def through_crossbars(network: Network, x: np.ndarray, chips: int = 2, **mapping: Any) -> np.ndarray:
    """Logits (chips, inputs, classes) of cells at their targets, converters exact, tiles of 24 x 16."""
    how = mvm.WeightMapping(1e-6, 1e-4, **mapping)
    matrices, states = {}, {}
    for layer in network.layers:
        for name in network.copies.get(layer.name, (layer.name,)):
            matrices[name] = mvm.AnalogMatrix.build(
                name, layer.weights, how, (24, 16), dac=mvm.Converter(None), adc=mvm.Converter(None)
            )
            target = matrices[name].target_conductances()
            states[name] = matrices[name].prepare(np.broadcast_to(target, (chips, *target.shape)), dtype=np.float64)
    return forward_of(network)(mvm.CrossbarNetwork(matrices, states), x)


@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize("by_column", [False, True])
def test_ideal_crossbars_give_the_oracle(kind: str, by_column: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path, shape = MODELS[kind](tmp_path / "net.onnx", rng)
    network = networks.load_network(onnx_models.deck(path), by_column=by_column)
    assert [layer.name for layer in network.layers] == LAYERS[kind]
    x = rng.normal(size=(5, *shape))
    expected = onnx_models.oracle(path, x)
    scale = np.sqrt(np.mean(expected**2))
    np.testing.assert_allclose(network.run(x), expected, rtol=0, atol=CLOSE * scale)
    for chip in through_crossbars(network, x):
        np.testing.assert_allclose(chip, expected, rtol=0, atol=CLOSE * scale)


def test_layers_that_give_their_last_state_alone_keep_their_own_matrices(tmp_path: Path) -> None:
    """Two recurrent layers, the first output of which has no name, are two."""
    rng = np.random.default_rng(5)
    weights = {f"{kind}{i}": rng.normal(size=(1, 9, n)) for i in (1, 2) for kind, n in (("w", 4), ("r", 3))}
    nodes = [onnx.helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2])]
    nodes += [onnx.helper.make_node("GRU", ["t", f"w{i}", f"r{i}"], ["", f"h{i}"], hidden_size=3) for i in (1, 2)]
    nodes += [onnx.helper.make_node("Sub", ["h1", "h2"], ["d"]), onnx.helper.make_node("Squeeze", ["d", "axes"], ["y"])]
    path = onnx_models.save(tmp_path / "n.onnx", nodes, {**weights, "axes": np.array([0])}, ("n", 5, 4), out=("n", 3))
    x = rng.normal(size=(3, 5, 4))
    expected = onnx_models.oracle(path, x)
    np.testing.assert_allclose(networks.load_network(onnx_models.deck(path)).run(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", list(MODELS))
def test_copies_share_the_products_and_change_nothing(kind: str, tmp_path: Path) -> None:
    from dataclasses import replace

    rng = np.random.default_rng(2)
    path, shape = MODELS[kind](tmp_path / "net.onnx", rng)
    network = networks.load_network(onnx_models.deck(path))
    first = network.layers[0].name
    copied = replace(network, copies={first: (first, f"{first}#2", f"{first}#3")})
    x = rng.normal(size=(4, *shape))
    expected = onnx_models.oracle(path, x)
    np.testing.assert_allclose(through_crossbars(copied, x)[1], expected, rtol=0, atol=CLOSE * np.sqrt(np.mean(expected**2)))


def test_products_and_multiplications_by_hand(tmp_path: Path) -> None:
    """Positions of each convolution, and weights without the zeros between groups."""
    path, shape = onnx_models.cnn(tmp_path / "net.onnx", np.random.default_rng(0))
    network = networks.load_network(onnx_models.deck(path), digital=["pointwise"])
    # 11 x 13 → 10 x 6 (pads 1 below, 1 right; stride 1, 2) → pool: ceil((10 + 2 - 3) / 2) + 1 = 6 by 3 → stride 2, 1: 3 by 3
    # → average 2 x 2 with one more row and column: 3 by 3
    wanted = {"conv1": 60, "grouped": 60, "depthwise": 9, "pointwise": 9, "head": 1}
    assert network.products(np.zeros((3, *shape))) == wanted
    assert {layer.name: layer.macs for layer in (*network.layers, *network.digital)} == {
        "conv1": 8 * 27, "grouped": 8 * 36, "depthwise": 8 * 15, "pointwise": 96, "head": 60,
    }  # fmt: skip
    assert next(m.weights.shape for m in network.layers if m.name == "depthwise") == (120, 8)


def test_digital_layers_are_exact_and_never_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    path, shape = onnx_models.cnn(tmp_path / "net.onnx", rng)
    network = networks.load_network(onnx_models.deck(path), digital=["grouped", "head"])
    asked = []

    def nothing(name: str, x: np.ndarray) -> np.ndarray:
        asked.append(name)
        return x @ next(layer.weights for layer in network.layers if layer.name == name)

    x = rng.normal(size=(2, *shape))
    np.testing.assert_allclose(network.run(x, nothing), onnx_models.oracle(path, x), rtol=1e-4, atol=1e-4)
    assert asked == ["conv1", "depthwise", "pointwise"]


CONFORMANCE = Path(onnx.__file__).parent / "backend" / "test" / "data"
CASES = [p for kind in ("pytorch-converted", "pytorch-operator") for p in sorted((CONFORMANCE / kind).glob("test_*"))]


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_conformance_cases_of_onnx(case: Path) -> None:
    """The cases that ship with onnx, all operators, with ours in place."""

    def tensors(kind: str) -> list[np.ndarray]:
        files = sorted((case / "test_data_set_0").glob(f"{kind}_*.pb"), key=lambda p: int(p.stem.split("_")[1]))
        return [numpy_helper.to_array(onnx.TensorProto.FromString(f.read_bytes())) for f in files]

    model = onnx.load(case / "model.onnx")
    weights = {t.name for t in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in weights]
    for output, wanted in zip(model.graph.output, tensors("output"), strict=True):
        one = onnx.ModelProto.FromString(model.SerializeToString())
        keep_output(one, output.name)
        found = Program.of(one).run(dict(zip(names, tensors("input"))), lambda name, x: x, {})
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)  # as onnx's own runner asks
