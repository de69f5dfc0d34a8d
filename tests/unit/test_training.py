"""What training needs beside gradients: files, data, scales; refusals in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import onnxruntime
import pytest
from onnx import helper

from stack3d import cli, decks, yamlfile
from stack3d.errors import DeckError
from stack3d.schema import DataDeck
from stack3d.schema.workload import NetworkDeck
from stack3d.training import operators
from stack3d.training.graph import layouts
from stack3d.training.loss import check_labels
from stack3d.training.scales import _certain, _line
from stack3d.training.written import model_of, write_model
from stack3d.workload import load_network, task_kind, training_share

NETWORKS = Path(__file__).parents[1] / "networks"
TREE: dict[str, Any] = {
    "scenario": "taught",
    "geometry": "bulk_rram_8tier",
    "cooling": {"top": "forced_air", "ambient": "25 degC"},
    "workload": {
        "network": "digits_mlp",
        "rate": "1e4 1/s",
        "tile": [64, 64],
        "test_samples": 50,
        "periphery": "cmos_adc_8bit",
    },
    "device": "hfox_analog",
    "monte_carlo": {"samples": 2},
    "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 0.5},
}


def network(name: str) -> Any:
    return load_network(NetworkDeck(file=str(NETWORKS / name)))


@pytest.mark.parametrize("name", ["residual_9.onnx", "mobile_23.onnx", "transformer_11.onnx", "recurrent_21.onnx"])
def test_a_network_is_written_as_it_is(name: str, tmp_path: Path) -> None:
    """onnxruntime says of the file what the network says; folded constants and all."""
    read = network(name)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, *(n or 6 for n in read.input_shape[1:]))).astype(np.float32)
    want = read.run(x)
    path = tmp_path / "again.onnx"
    write_model(model_of(read, NETWORKS / name, want.shape[1:], {"stack3d.case": "abc"}), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: x})[0]
    assert np.abs(found - want).max() < 1e-5 * np.abs(want).max()
    assert session.get_modelmeta().custom_metadata_map["stack3d.case"] == "abc"


@pytest.mark.parametrize(
    "name", ["residual_17.onnx", "mobile_17.onnx", "transformer_17.onnx", "recurrent_17.onnx", "segmenter_17.onnx"]
)
def test_elements_of_constants_are_found_in_the_blocks(name: str) -> None:
    read = network(name)
    for layer in read.layers:
        weight, where = layouts(read)[layer.name]
        flat = np.concatenate([[0.0], read.program.constants[weight].ravel()])
        assert np.array_equal(flat[where], layer.blocks)


def test_a_line_through_products_is_undone() -> None:
    """y = m x + b of every chip; columns whose slopes average to one within chance stay."""
    rng = np.random.default_rng(2)
    exact = rng.standard_normal((200, 3)) + 1.0
    slopes, shifts = np.array([[0.8, 1.0], [0.82, 0.9], [0.78, 1.1], [0.8, 1.0]]), np.array([0.3, 0.0])
    found = np.stack([np.stack([exact[:, 0] * a + shifts[0], exact[:, 1] * b, exact[:, 2]], axis=1) for a, b in slopes])
    gain, offset = _line(found, exact)
    assert gain == pytest.approx([1.25, 1.0, 1.0], rel=0.01)
    assert gain[0] * found[:, :, 0].mean() + offset[0] == pytest.approx(exact[:, 0].mean(), abs=0.02)
    assert offset[1:] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert _certain(np.array([[1.0], [3.0]]), 0.0) == pytest.approx([0.0])


def data(path: Path, **arrays: Any) -> DataDeck:
    rng = np.random.default_rng(3)
    given = {"inputs": rng.random((10, 64)).astype(np.float32), "labels": np.arange(10) % 2, **arrays}
    np.savez(path, **{name: value for name, value in given.items() if value is not None})
    return DataDeck(file=str(path))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"train": [0, 1, 2]}, "no arrays 'train' and 'test'"),
        ({"train": [0, 1, 2], "test": [2, 3]}, "1 inputs in 'train' that are in 'test' too"),
        ({"train": [0, 1], "test": [3], "labels": None}, "no array 'labels' to train on"),
        ({"train": [0, 12], "test": [3]}, "not among its 10 inputs"),
    ],
)
def test_data_that_do_not_say_what_to_train_on(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    read = load_network(decks.resolve(yamlfile.parse_text(json.dumps(TREE), "a.yaml")).scenario.workload.network)
    with pytest.raises(DeckError, match=said):
        training_share(data(tmp_path / "d.npz", **arrays), read, task_kind("classification")((10,)), labelled=True)


def test_labels_of_one_class_teach_nothing() -> None:
    task = task_kind("classification")((10,))
    with pytest.raises(DeckError, match="all 5 labels to train on are class 3"):
        check_labels(np.full(5, 3), task)
    check_labels(np.array([1, 2]), task)


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["stack3d", *words])
    with pytest.raises(SystemExit) as leave:
        cli.main()
    return int(leave.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"workload": None, "device": None, "power": {"sources": [{"name": "a", "layer": "logic", "power": "1 W"}]}},
            "no network",
        ),
        ({"train": {"epochs": 0}}, "train.epochs"),
        ({"train": {"ages": []}}, "train.ages"),
        ({"train": {"loss": "labels"}}, "train.loss"),
    ],
)
def test_decks_that_cannot_be_trained(
    change: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = {name: value for name, value in {**TREE, **change}.items() if value is not None}
    (tmp_path / "a.yaml").write_text(json.dumps(tree))
    code, words = told(
        monkeypatch, capsys, "train", str(tmp_path / "a.yaml"), "-o", str(tmp_path / "n.onnx"), "--progress", "none"
    )
    assert code == 2 and said in words and len(words.strip().splitlines()) == 1
    assert not (tmp_path / "n.onnx").exists()


def test_without_torch_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    operators.library.cache_clear()
    (tmp_path / "a.yaml").write_text(json.dumps(TREE))
    code, words = told(
        monkeypatch, capsys, "train", str(tmp_path / "a.yaml"), "-o", str(tmp_path / "n.onnx"), "--progress", "none"
    )
    operators.library.cache_clear()
    assert code == 2 and "install stack3d[torch], or ask for --calibrate-only" in words and words.count("\n") == 1


def test_operators_without_a_gradient_are_named(tmp_path: Path) -> None:
    """Integer products have none."""
    weights = {"w": np.ones((4, 3), np.int8)}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "w"], ["i"], name="whole"),
        helper.make_node("Cast", ["i"], ["y"], to=1),
    ]
    read = load_network(onnx_models.deck(onnx_models.save(tmp_path / "n.onnx", nodes, weights, out=("n", 3))))
    with pytest.raises(DeckError, match=r"cannot be trained: no gradient is known of 'whole' \(MatMulInteger\)"):
        layouts(read)
