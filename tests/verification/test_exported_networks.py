"""Networks exported from torch and scikit-learn (`tests/networks/export.py`): float outputs, and crossbars end to end."""

from pathlib import Path

import numpy as np
import onnx_models
import pytest
from onnx import helper
from test_user_networks import through_crossbars
from test_user_networks_opsets import runtime

from stack3d.workload import network_file as networks
from stack3d.workload.network import Inputs

HERE = Path(__file__).parents[1] / "networks"
FILES = sorted(HERE.glob("*_*.onnx"))
CLOSE = 1e-5
"""Of the largest output: single precision between layers."""


def outputs_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(HERE / f"{path.stem.split('_')[0]}.npz") as data:
        return data["inputs"], data["outputs"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_version_gives_the_outputs_of_torch(path: Path) -> None:
    x, wanted = outputs_of(path)
    network = networks.load_network(onnx_models.deck(path))
    found = network.run(x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CLOSE * np.abs(wanted).max())
    np.testing.assert_allclose(found, runtime(path, x), rtol=0, atol=CLOSE * np.abs(wanted).max())


@pytest.mark.parametrize("kind", ["residual", "mobile", "recurrent", "transformer", "segmenter"])
def test_ideal_crossbars_give_the_outputs_of_torch(kind: str) -> None:
    """Every chip by itself, also where steps come before the batch (recurrent layers)."""
    path = HERE / f"{kind}_17.onnx"
    x, wanted = outputs_of(path)
    network = networks.load_network(onnx_models.deck(path)).ordered(x.astype(np.float32))
    for chip in through_crossbars(network, x, chips=2):
        np.testing.assert_allclose(chip, wanted.reshape(len(x), -1), rtol=0, atol=CLOSE * np.abs(wanted).max())


def test_a_pipeline_of_scikit_learn(tmp_path: Path) -> None:
    path = HERE / "pipeline.onnx"
    with np.load(HERE / "pipeline.npz") as data:
        x, wanted, labels = data["inputs"], data["outputs"], data["labels"]
    network = networks.load_network(onnx_models.deck(path), output="probabilities")
    found = network.run(x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    assert np.mean(found.argmax(1) == labels) == np.mean(wanted.argmax(1) == labels)


def test_chips_keep_their_own_vectors_where_steps_come_first() -> None:
    """Each chip computes with cells of its own; the mean of one chip's run alone is what it gives among others."""
    path = HERE / "recurrent_17.onnx"
    x, _ = outputs_of(path)
    network = networks.load_network(onnx_models.deck(path)).ordered(x.astype(np.float32))
    assert set(network.strides) == {layer.name for layer in network.layers if ".W" in layer.name}
    from stack3d.chip import forward_of

    factors = np.array([1.0, 0.5, 2.0])
    by_name = {layer.name: layer.weights for layer in network.layers}

    class Chips:
        def __init__(self, factors: np.ndarray) -> None:
            self.factors = factors
            mean = np.zeros((len(factors), 1, 1, 1))
            self.states = {name: type("State", (), {"mean": mean}) for name in by_name}

        def __call__(self, name: str, v: np.ndarray) -> np.ndarray:
            return v @ by_name[name] * self.factors[:, None, None]

    together = forward_of(network)(Chips(factors), x)
    for i, factor in enumerate(factors):
        np.testing.assert_allclose(together[i], forward_of(network)(Chips(np.array([factor])), x)[0], rtol=1e-5, atol=1e-6)


def test_products_of_two_activations_are_counted() -> None:
    """Attention by hand: scores and weighted values, two heads of 8 features over 9 steps, of each 9 x 9 x 8 products."""
    path = HERE / "transformer_17.onnx"
    x, _ = outputs_of(path)
    network = networks.load_network(onnx_models.deck(path))
    assert network.counted(x[:2]).digital_macs == 2 * 2 * 9 * 9 * 8


def test_several_inputs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 3)), "v": rng.normal(size=(2, 3))}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("MatMul", ["z", "v"], ["b"], name="second"),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    path = onnx_models.save(tmp_path / "n.onnx", nodes, weights, inputs={"z": ("n", 2)})
    network = networks.load_network(onnx_models.deck(path))
    both = Inputs({"x": rng.normal(size=(5, 4)), "z": rng.normal(size=(5, 2))})
    wanted = both.arrays["x"] @ weights["w"] + both.arrays["z"] @ weights["v"]
    np.testing.assert_allclose(network.run(both), wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(through_crossbars(network, both)[1], wanted, rtol=0, atol=1e-5)
    from stack3d.schema.workload import DataDeck
    from stack3d.workload import data as labelled

    np.savez(tmp_path / "d.npz", **both.arrays, labels=np.arange(5) % 3)
    data = labelled.load_data(DataDeck(file=str(tmp_path / "d.npz")), network)
    np.testing.assert_array_equal(data.inputs.arrays["z"], both.arrays["z"])
    np.savez(tmp_path / "d.npz", x=both.arrays["x"], labels=np.arange(5) % 3)
    with pytest.raises(Exception, match=r"d.npz has no array 'z'; it has: x, labels"):
        labelled.load_data(DataDeck(file=str(tmp_path / "d.npz")), network)


def test_models_that_mix_a_batch_are_refused(tmp_path: Path) -> None:
    """What one input gives must not hang on its neighbours: chips and inputs share a batch."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("CumSum", ["a", "zero"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["y"], name="second"),
    ]
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 3)), "v": rng.normal(size=(3, 3)), "zero": np.array(0)}
    network = networks.load_network(onnx_models.deck(onnx_models.save(tmp_path / "n.onnx", nodes, weights)))
    with pytest.raises(Exception, match="layer 'second' mixes the inputs of a batch"):
        network.ordered(rng.normal(size=(2, 4)))


def test_inputs_are_held_at_a_number(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Mul", ["a", "gain"], ["y"])]
    path = onnx_models.save(tmp_path / "n.onnx", nodes, {"w": np.eye(4)}, inputs={"gain": ()})
    held = onnx_models.deck(path).model_copy(update={"held": {"gain": 3.0}})
    np.testing.assert_array_equal(networks.load_network(held).run(np.ones((2, 4))), 3)
    wrong = onnx_models.deck(path).model_copy(update={"held": {"gian": 3.0}})
    with pytest.raises(Exception, match="workload.network.held.gian: the model has no input 'gian' .did you mean 'gain'"):
        networks.load_network(wrong)
