import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import cnn_1d, deck, save

from stack3d import decks
from stack3d.case import check
from stack3d.errors import DeckError
from stack3d.schema.workload import ConverterDeck, DataDeck
from stack3d.tiles import split_matrix
from stack3d.workload import data as labelled
from stack3d.workload import network_file as networks
from stack3d.workload import power


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
        helper.make_node("NonMaxSuppression", ["h", "h"], ["y"], name="odd"),
    ]
    path = save(tmp_path / "n.onnx", nodes, {"w": np.ones((4, 4))})
    with pytest.raises(
        DeckError, match=r"node 'odd' is a NonMaxSuppression.*; choose the output before it with workload.output$"
    ):
        networks.load_network(deck(path))


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(DeckError, match="no valid ONNX model"):
        networks.load_network(deck(path))


def external(path: Path, location: str) -> None:
    """Give the weight of a one-layer model to another file."""
    save(path, [helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.eye(4) + 1})
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    raw = numpy_helper.to_array(tensor).tobytes()
    (path.parent / location).write_bytes(raw)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("location", ["n.weights", "parts/of/" + 150 * "n" + ".weights"])
def test_weights_below_the_model_are_read_and_belong_to_the_case(tmp_path: Path, location: str) -> None:
    path = tmp_path / "n.onnx"
    (tmp_path / location).parent.mkdir(parents=True, exist_ok=True)
    external(path, location)
    network = networks.load_network(deck(path))
    np.testing.assert_array_equal(network.layers[0].weights, np.eye(4) + 1)
    np.savez(tmp_path / "d.npz", inputs=np.ones((3, 4)), labels=np.arange(3))
    chosen = [("workload.network", str(path)), ("workload.data", str(tmp_path / "d.npz"))]
    before = decks.load("quickstart", chosen).digest()
    (tmp_path / location).write_bytes(np.eye(4, dtype=np.float32).tobytes())
    assert decks.load("quickstart", chosen).digest() != before


@pytest.mark.parametrize(
    "location", ["../secret.bin", "sub/../../secret.bin", "absolute", "link", "sub/link", "out/secret.bin"]
)
def test_weights_elsewhere_are_never_read(tmp_path: Path, location: str) -> None:
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.eye(4, dtype=np.float32).tobytes())
    external(home / "n.onnx", "n.weights")
    model = onnx.load(home / "n.onnx", load_external_data=False)
    entry = model.graph.initializer[0].external_data[0]
    entry.value = str(secret) if location == "absolute" else location
    if location.endswith("link"):
        (home / location).symlink_to(secret)
    (home / "out").symlink_to(tmp_path)
    (home / "n.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DeckError, match="in a file outside the model's folder"):
        networks.load_network(deck(home / "n.onnx"))
    entry.value = "sub/nothing.bin"
    (home / "n.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DeckError, match="keeps weight 'w' in a file that does not exist: 'sub/nothing.bin'"):
        networks.load_network(deck(home / "n.onnx"))


def test_data_must_fit_the_network(tmp_path: Path) -> None:
    path = save(tmp_path / "n.onnx", [helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.ones((4, 4))})
    network = networks.load_network(deck(path))
    for arrays, words in (
        ({"inputs": np.ones((3, 5)), "labels": np.ones(3)}, "inputs of shape"),
        ({"inputs": np.ones((3, 4)), "labels": np.ones(2)}, "3 inputs but 2 labels"),
        ({"inputs": np.ones((3, 4))}, "no array 'labels'"),
        ({"inputs": np.ones((3, 4)), "labels": np.array([0, 1, 4])}, "labels 0 to 4, the network tells 4 classes apart"),
        ({"inputs": np.ones((3, 4)), "labels": np.array([0.5, 1, 2])}, r"'labels' with 0.5 at \[0\]; wanted whole numbers"),
        ({"inputs": np.ones((3, 4)), "labels": np.array([0, np.nan, 2])}, r"'labels' with nan at \[1\]; wanted whole"),
        (
            {"inputs": np.ones((3, 4)), "labels": np.array(["a", "b", "c"])},
            "type <U1 and shape .3,.; wanted whole numbers along 1 axes",
        ),
        ({"inputs": np.ones((3, 4)), "labels": np.ones((3, 1))}, r"type float64 and shape \(3, 1\); wanted whole"),
        ({"inputs": np.ones((3, 4)) * 1j, "labels": np.ones(3)}, "'inputs' with type complex128 .*; wanted real numbers"),
        ({"inputs": np.array([[1, 2, 3, np.inf]]), "labels": np.ones(1)}, r"'inputs' with inf at \[0, 3\]; wanted real"),
        ({"inputs": np.ones((3, 4)), "labels": np.ones(3), "test": np.array([3])}, "indices in 'test'"),
        ({"inputs": np.ones((3, 4)), "labels": np.ones(3), "train": np.array(1)}, r"'train' with .* shape \(\); wanted whole"),
        (
            {"series": np.ones((9, 4)), "starts": np.array([0.5]), "length": np.array(2), "labels": np.ones(1)},
            "'starts' with 0.5",
        ),
        (
            {"series": np.ones((9, 4)), "starts": np.array([8]), "length": np.array(2), "labels": np.ones(1)},
            "windows that leave its series of 9",
        ),
    ):
        np.savez(tmp_path / "d.npz", **arrays)
        with warnings.catch_warnings(), pytest.raises(DeckError, match=f"^workload.network.data.file: d.npz.*{words}"):
            warnings.simplefilter("error")
            labelled.load_data(DataDeck(file=str(tmp_path / "d.npz")), network)


def test_files_that_hold_no_data_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "n.onnx", [helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.ones((4, 4))})
    network = networks.load_network(deck(path))
    np.save(tmp_path / "one.npy", np.ones((3, 4)))
    np.savez(tmp_path / "two.npz", inputs=np.ones((3, 4)))
    np.save(tmp_path / "pickled.npy", np.array([None]), allow_pickle=True)
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "torn.npz").write_bytes((tmp_path / "two.npz").read_bytes()[:200])
    (tmp_path / "text.npz").write_text("inputs")
    for given, words in (
        ({"file": "one.npy"}, "data.file: one.npy cannot be read as .npz: it is one array"),
        ({"inputs": "two.npz", "labels": "one.npy"}, "data.inputs: two.npz cannot be read as .npy: it is an archive"),
        ({"inputs": "one.npy", "labels": "pickled.npy"}, "data.labels: pickled.npy cannot be read as .npy"),
        *(({"file": f"{name}.npz"}, f"data.file: {name}.npz cannot be read as .npz") for name in ("empty", "torn", "text")),
    ):
        with pytest.raises(DeckError, match=words):
            labelled.load_data(DataDeck(**{key: str(tmp_path / name) for key, name in given.items()}), network)


def test_masks_choose_and_truth_values_are_labels(tmp_path: Path) -> None:
    path = save(tmp_path / "n.onnx", [helper.make_node("Gemm", ["x", "w"], ["y"])], {"w": np.ones((4, 4))})
    truth = np.array([True, False, True])
    np.savez(tmp_path / "d.npz", inputs=np.arange(12).reshape(3, 4), labels=truth, test=truth, train=~truth)
    data = labelled.load_data(DataDeck(file=str(tmp_path / "d.npz")), networks.load_network(deck(path)))
    assert data.labels.tolist() == [1, 1] and data.profile_labels.tolist() == [0] and data.inputs[1].tolist() == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.zeros((4, 4)), r"n.onnx: layer 'first' \(weight 'w'\) has nothing but zeros.*list 'first' under workload.digital"),
        (
            np.where(np.eye(4), np.nan, 1),
            r"layer 'first' .* has 4 of 16 weights that are not finite, the first nan at .* \(0, 0\)",
        ),
        (np.where(np.eye(4), 1, -np.inf), r"has 12 of 16 weights that are not finite, the first -inf at .* \(0, 1\)"),
    ],
)
def test_weights_that_make_no_conductances_are_told(tmp_path: Path, weight: np.ndarray, words: str) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"], name="first"), helper.make_node("MatMul", ["h", "v"], ["y"])]
    path = save(tmp_path / "n.onnx", nodes, {"w": weight, "v": np.eye(4)})
    with pytest.raises(DeckError, match=f"^workload.network.file: .*{words}"):
        networks.load_network(deck(path))
    if not weight.any():
        kept = networks.load_network(deck(path), digital=["first"])
        np.testing.assert_array_equal(kept.run(np.ones((2, 4))), 0)


def test_a_model_without_finite_outputs_is_told(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"])]
    path = save(tmp_path / "n.onnx", nodes, {"w": np.eye(4), "b": np.array([0, np.nan, 0, 0])})
    np.savez(tmp_path / "d.npz", inputs=np.ones((3, 4)), labels=np.ones(3))
    network = networks.load_network(deck(path))
    with pytest.raises(DeckError, match=r"network.file: the model gives nan at \[1\] for the first test input of d.npz"):
        labelled.load_data(DataDeck(file=str(tmp_path / "d.npz")), network)


def test_stacks_of_matrices_are_blocks_stay_digital_or_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(1, 4, 6)), "v": rng.normal(size=(6, 3)), "shape": np.array([-1, 6])}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="stack"),
        helper.make_node("Reshape", ["h", "shape"], ["g"]),
        helper.make_node("Gemm", ["g", "v"], ["y"], name="last"),
    ]
    path, x = save(tmp_path / "n.onnx", nodes, weights), rng.normal(size=(5, 4))
    for digital, layers in (((), ["stack", "last"]), (["stack"], ["last"])):
        network = networks.load_network(deck(path), digital=digital)
        assert [layer.name for layer in network.layers] == layers
        np.testing.assert_allclose(network.run(x), x @ weights["w"][0] @ weights["v"], rtol=1e-5, atol=1e-5)
    path = save(tmp_path / "n.onnx", nodes, weights | {"w": rng.normal(size=(2, 3, 4, 6))})
    with pytest.raises(
        DeckError, match=r"MatMul 'stack' has a constant of shape \(2, 3, 4, 6\); crossbars hold matrices: give it two"
    ):
        networks.load_network(deck(path))


def test_one_of_several_outputs_is_chosen(tmp_path: Path) -> None:
    """Only what the chosen output needs is put on crossbars, run and checked."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 6)), "v": rng.normal(size=(6, 3)), "u": rng.normal(size=(6, 2))}
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"], name="body"),
        helper.make_node("Gemm", ["h", "v"], ["classes"], name="head"),
        helper.make_node("Gemm", ["h", "u"], ["g"], name="other"),
        helper.make_node("NonMaxSuppression", ["g", "g"], ["boxes"], name="odd"),
    ]
    path = save(tmp_path / "n.onnx", nodes, weights, outputs=("classes", "boxes"))
    with pytest.raises(DeckError, match="^workload.output: is missing: the model has 2 outputs: classes, boxes"):
        networks.load_network(deck(path))
    with pytest.raises(
        DeckError, match="^workload.output: the model has no output 'clases' .did you mean 'classes'.*outputs: classes, boxes"
    ):
        networks.load_network(deck(path), output="clases")
    with pytest.raises(DeckError, match="node 'odd' is a NonMaxSuppression"):
        networks.load_network(deck(path), output="boxes")
    network = networks.load_network(deck(path), output="classes")
    assert [layer.name for layer in network.layers] == ["body", "head"]
    x = rng.normal(size=(5, 4))
    np.testing.assert_allclose(network.run(x), x @ weights["w"] @ weights["v"], rtol=1e-5, atol=1e-5)


def test_data_as_two_arrays_and_as_windows(tmp_path: Path) -> None:
    path, _ = cnn_1d(tmp_path / "n.onnx", np.random.default_rng(0))
    network = networks.load_network(deck(path))
    series = np.arange(60 * 6).reshape(60, 6)
    starts = np.array([0, 13])
    np.savez(tmp_path / "d.npz", series=series, starts=starts, length=np.array(47), labels=np.array([1, 3]))
    windows = labelled.load_data(DataDeck(file=str(tmp_path / "d.npz"), scale=0.5), network)
    np.testing.assert_array_equal(windows.inputs, 0.5 * np.stack([series[:47].T, series[13:].T]))
    np.save(tmp_path / "x.npy", windows.inputs)
    np.save(tmp_path / "t.npy", windows.labels)
    pair = labelled.load_data(DataDeck(inputs=str(tmp_path / "x.npy"), labels=str(tmp_path / "t.npy")), network)
    np.testing.assert_array_equal(pair.inputs, windows.inputs)
    with pytest.raises(ValueError, match="wants file"):
        DataDeck(inputs="x.npy")


def test_a_batch_that_cannot_be_freed_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "b"], ["y"])]
    path = save(tmp_path / "n.onnx", nodes, {"w": np.eye(4), "b": np.arange(12).reshape(3, 4)}, (3, 4), out=(3, 4))
    with pytest.raises(DeckError, match=r"fixed to batches of 3|does not run"):
        networks.load_network(deck(path))


def test_layers_that_stay_digital_must_exist(tmp_path: Path) -> None:
    path = save(tmp_path / "n.onnx", [helper.make_node("Gemm", ["x", "w"], ["y"], name="first")], {"w": np.ones((4, 4))})
    with pytest.raises(DeckError, match="no layer 'frist' .did you mean 'first'"):
        networks.load_network(deck(path), digital=["frist"])
    with pytest.raises(DeckError, match="no Conv, Gemm, MatMul or other product with constant weights left"):
        networks.load_network(deck(path), digital=["first"])


@pytest.mark.parametrize("name", list(decks.available("networks")))
def test_packaged_networks_reach_the_accuracy_their_deck_states(name: str) -> None:
    stated = decks.load("quickstart", [("workload.network", name)]).scenario.workload.network
    network = networks.load_network(stated)
    data = labelled.load_data(stated.data, network)
    accuracy = float((network.run(data.inputs).argmax(axis=1) == data.labels).mean())
    assert abs(accuracy - stated.float_accuracy) < 5e-6
    assert stated.licence and stated.data.licence


def test_nobody_is_in_both_parts_of_the_wearable_data() -> None:
    with np.load(decks.load("quickstart", [("workload.network", "wearable_cnn")]).scenario.workload.network.data.file) as data:
        assert not set(data["people"][data["train"]]) & set(data["people"][data["test"]])


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
    """2 products: array V² ΣG t, DAC one per row, ADC and digital one per converted column, 10 fJ per bit moved."""
    periphery = decks.load("quickstart").scenario.workload.periphery
    energies = power.tile_energies([activity()], periphery, dac_bits=3, adc_bits=6)
    np.testing.assert_allclose(energies["array"], 2 * 1e-7 * 0.04 * 24e-6, rtol=1e-12)
    np.testing.assert_allclose(energies["dac"], 2 * 4 * 3.9e-15 * 4, rtol=1e-12)
    np.testing.assert_allclose(energies["adc"], 2 * 3 * 1.5625e-12 / 4, rtol=1e-12)
    np.testing.assert_allclose(energies["digital"], 2 * 3 * 0.2e-12, rtol=1e-12)
    np.testing.assert_allclose(energies["link"], 2 * (4 * 3 + 3 * 6) * 10e-15, rtol=1e-12)
    apart = replace(activity(), reads=3, hops=2)
    energies = power.tile_energies([apart], periphery, dac_bits=3, adc_bits=6)
    np.testing.assert_allclose(energies["dac"], 2 * 3 * 4 * 3.9e-15, rtol=1e-12)  # three reads of one bit
    np.testing.assert_allclose(energies["link"], 2 * (4 * 3 + 3 * 3 * 6) * 30e-15, rtol=1e-12)


def test_sliced_inputs_are_pulsed_once_per_magnitude_bit() -> None:
    """8 bits in two digits: four pulses each, 1 + 2 + 4 + 8 cycles each, where the whole takes 7 and 127."""
    serial = {"bits": 2, "energy": "1 pJ", "scaling": "serial"}
    deck = decks.load("quickstart").scenario.workload.periphery
    pulsed = ConverterDeck.model_validate(serial)
    cycles = ConverterDeck.model_validate(serial | {"scaling": "cycles"})
    periphery = deck.model_copy(update={"dac": pulsed, "driver": pulsed, "integrator": cycles})
    without = deck.model_copy(update={"dac": pulsed, "driver": pulsed, "integrator": None})
    for reads, pulses, steps in ((1, 7, 127), (2, 4, 15)):
        read = replace(activity(), reads=reads)
        energies = power.tile_energies([read], periphery, dac_bits=8, adc_bits=6)
        np.testing.assert_allclose([energies["dac"], energies["driver"]], 2 * reads * 4 * pulses * 1e-12, rtol=1e-12)
        added = energies["adc"] - power.tile_energies([read], without, dac_bits=8, adc_bits=6)["adc"]
        np.testing.assert_allclose(added, 2 * reads * 3 * steps * 1e-12, rtol=1e-12)


def test_pipeline_refuses_more_than_it_can_do() -> None:
    periphery = decks.load("quickstart").scenario.workload.periphery
    one = 2 * (1e-7 + 3 / 1.28e9)
    timing = power.pipeline([activity()], periphery, 1.0 / one)
    np.testing.assert_allclose([timing.latency, timing.highest_rate], [one, 1 / one], rtol=1e-12)
    with pytest.raises(DeckError, match="layer 'fc' allows at most"):
        power.pipeline([activity()], periphery, 1.01 / one)


def test_leakage_doubles_every_twelve_kelvin() -> None:
    periphery = decks.load("quickstart").scenario.workload.periphery.model_copy(update={"leakage": 1.0})
    np.testing.assert_allclose(power.leakage(periphery, np.array([300.0, 312.0, 288.0])), [1.0, 2.0, 0.5], rtol=1e-12)


def test_a_network_without_a_lifetime_is_asked_today() -> None:
    case = decks.load("quickstart", [("lifetime", None)])
    chip = check(case.scenario)
    assert chip.computer.design.lifetime.epochs == 1 and chip.computer.design.lifetime.until == 1.0
