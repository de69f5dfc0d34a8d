from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stack3d import decks
from stack3d.errors import DeckError
from stack3d.layout import Rectangle
from stack3d.lifetime.chip import build_chip
from stack3d.schema.workload import Network as NetworkDeck
from stack3d.tiles import split_matrix
from stack3d.workload import network as networks
from stack3d.workload import power


def deck(file: Path, data: Path | None = None) -> NetworkDeck:
    return NetworkDeck.model_validate({"file": str(file), "data": {"file": str(data or file)}})


def save(path: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], width: int = 4) -> Path:
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", None])],
        [numpy_helper.from_array(w.astype(np.float32), n) for n, w in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_products_are_handed_out_and_the_rest_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w1, b1, w2 = rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=(6, 3))
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="first", alpha=0.5),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("MatMul", ["t", "w2"], ["y"], name="second"),
    ]
    network = networks.load_network(deck(save(tmp_path / "n.onnx", nodes, {"w1": w1, "b1": b1, "w2": w2})))
    x = rng.normal(size=(5, 4))
    expected = np.tanh(0.5 * x @ w1 + b1) @ w2
    np.testing.assert_allclose(network.run(x), expected, rtol=2e-5, atol=1e-6)
    seen = []

    def doubled(name: str, x: np.ndarray) -> np.ndarray:
        seen.append((name, x.shape))
        return 2 * (x @ {"first": w1, "second": w2}[name])

    np.testing.assert_allclose(network.run(x, doubled), 2 * np.tanh(x @ w1 + b1) @ w2, rtol=2e-5, atol=1e-6)
    assert seen == [("first", (5, 4)), ("second", (5, 6))]


def test_unsupported_operator_is_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"]),
        helper.make_node("Einsum", ["h"], ["y"], name="odd", equation="ij->ji"),
    ]
    path = save(tmp_path / "n.onnx", nodes, {"w": np.ones((4, 4))})
    with pytest.raises(DeckError, match="node 'odd' is a Einsum, which is not supported; supported: .*Gemm"):
        networks.load_network(deck(path))


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(DeckError, match="no valid ONNX model"):
        networks.load_network(deck(path))


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "n.onnx", [helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.ones((4, 4))})
    model = onnx.load(path)
    onnx.save_model(model, path, save_as_external_data=True, location="elsewhere.bin", size_threshold=0)
    with pytest.raises(DeckError, match=r"other files|no valid ONNX"):
        networks.load_network(deck(path))


def test_data_must_fit_the_network(tmp_path: Path) -> None:
    path = save(tmp_path / "n.onnx", [helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.ones((4, 4))})
    network = networks.load_network(deck(path))
    for arrays, words in (
        ({"inputs": np.ones((3, 5)), "labels": np.ones(3)}, "inputs of shape"),
        ({"inputs": np.ones((3, 4)), "labels": np.ones(2)}, "3 inputs but 2 labels"),
        ({"inputs": np.ones((3, 4))}, "no array 'labels'"),
    ):
        np.savez(tmp_path / "d.npz", **arrays)
        with pytest.raises(DeckError, match=words):
            networks.load_data(deck(path, tmp_path / "d.npz").data, network)


def test_packaged_digits_reach_the_accuracy_their_deck_states() -> None:
    case = decks.load("quickstart")
    network = networks.load_network(case.scenario.workload.network)
    data = networks.load_data(case.scenario.workload.network.data, network)
    assert data.labels.size == 540
    accuracy = float((network.run(data.inputs).argmax(axis=1) == data.labels).mean())
    assert abs(accuracy - case.scenario.workload.network.float_accuracy) < 5e-6


def test_packaged_digits_keep_the_reference_split(reference: Path) -> None:
    with np.load(reference / "cim" / "networks" / "digits_mlp_64_64_10.npz") as theirs:
        data = decks.load("quickstart").scenario.workload.network.data
        with np.load(data.file) as ours:
            np.testing.assert_array_equal(ours["test"], theirs["test_idx"])
            np.testing.assert_array_equal(ours["labels"][ours["test"]], theirs["labels_test"])


def activity(voltage: float = 0.2, conductance: float = 1e-6) -> power.TileActivity:
    [tile] = split_matrix("fc", 4, 3, (4, 6))
    return power.TileActivity(tile, 2.0, np.full(4, voltage**2), np.full(4, 6 * conductance), 1e-7, 3)


def test_energies_by_hand() -> None:
    """2 products: array V² ΣG t, DAC one per row, ADC and digital one per converted column."""
    periphery = decks.load("quickstart").scenario.workload.periphery
    energies = power.tile_energies([activity()], periphery, dac_bits=3, adc_bits=6)
    np.testing.assert_allclose(energies["array"], 2 * 1e-7 * 0.04 * 24e-6, rtol=1e-12)
    np.testing.assert_allclose(energies["dac"], 2 * 4 * 3.9e-15 * 4, rtol=1e-12)
    np.testing.assert_allclose(energies["adc"], 2 * 3 * 1.5625e-12 / 4, rtol=1e-12)
    np.testing.assert_allclose(energies["digital"], 2 * 3 * 0.2e-12, rtol=1e-12)


def test_pipeline_refuses_more_than_it_can_do() -> None:
    periphery = decks.load("quickstart").scenario.workload.periphery
    one = 2 * (1e-7 + 3 / 1.28e9)
    timing = power.pipeline([activity()], periphery, 1.0 / one)
    np.testing.assert_allclose([timing.latency, timing.highest_rate], [one, 1 / one], rtol=1e-12)
    with pytest.raises(DeckError, match="layer 'fc' allows at most"):
        power.pipeline([activity()], periphery, 1.01 / one)


def test_power_closes_over_components_and_sources() -> None:
    chip = build_chip(decks.load("quickstart").scenario)
    computer = chip.computer
    targets = {n: m.target_conductances() for n, m in computer.matrices.items()}
    energies = power.tile_energies(computer.activities(targets), chip.scenario.workload.periphery, dac_bits=8, adc_bits=8)
    static = np.linspace(1e-6, 2e-6, len(computer.tiles))
    sources = power.tile_sources(chip.stack, computer.places, energies, 2e5, static)
    total = 2e5 * sum(e.sum() for e in energies.values()) + static.sum()
    np.testing.assert_allclose(sum(s.power for s in sources), total, rtol=1e-12)
    assert {chip.stack.layer(s.layer).role for s in sources} == {"rram", "logic"}
    assert all(s.extent.area > 0 and isinstance(s.extent, Rectangle) for s in sources)


def test_leakage_doubles_every_twelve_kelvin() -> None:
    np.testing.assert_allclose(power.leakage(1.0, np.array([300.0, 312.0, 288.0])), [1.0, 2.0, 0.5], rtol=1e-12)
