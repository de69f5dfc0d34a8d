"""Training in torch: the graph is the network's own, the network wins back what chips lose, it resumes to the bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from stack3d import decks, yamlfile
from stack3d.errors import DeckError, SolverError
from stack3d.progress import Silent
from stack3d.schema.workload import NetworkDeck
from stack3d.training import train, trainer
from stack3d.training.drawn_chips import OneChip, TrainingChips
from stack3d.training.graph import TorchGraph, exact
from stack3d.training.lesson import Lesson
from stack3d.training.matrices import HOLDERS
from stack3d.training.operators import taken
from stack3d.training.preparation import prepared
from stack3d.training.trainer import Trainer, product_of
from stack3d.workload import load_network
from stack3d.workload.operators.table import Node, operators

pytestmark = pytest.mark.torch
NETWORKS = sorted((Path(__file__).parents[1] / "networks").glob("*.onnx"))
TRAINABLE = [p for p in NETWORKS if not p.name.startswith("pipeline")]
TREE: dict[str, Any] = {
    "scenario": "taught",
    "geometry": "bulk_rram_8tier",
    "cooling": {"top": "forced_air", "ambient": "25 degC"},
    "workload": {"network": "digits_cnn", "rate": "1e4 1/s", "tile": [64, 64], "periphery": "cmos_adc_8bit"},
    "device": "hfox_analog",
    "lifetime": {"until": "1 day", "epochs": 1, "attribution": False},
    "monte_carlo": {"samples": 16, "seed": 3},
    "solver": {"backend": "tensor", "mesh": {"lateral": 4, "per_layer": 1}, "error_promise": 0.5},
    "train": {"epochs": 8, "chips": 8},
}


def case(**train: Any) -> decks.Case:
    tree = {**TREE, "train": {**TREE["train"], **train}}
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "a.yaml"))


def inputs_of(network: Any, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        i.name: rng.standard_normal((count, *(n or 6 for n in i.shape[1:]))).astype(np.float32) for i in network.program.inputs
    }


@pytest.mark.parametrize("path", TRAINABLE, ids=lambda p: p.stem)
def test_the_graph_in_torch_is_the_network(path: Path) -> None:
    network = load_network(NetworkDeck(file=str(path)))
    given = inputs_of(network, 3)
    found = TorchGraph(network).run(given, exact).detach().numpy()
    want = network.run(next(iter(given.values())))
    assert np.abs(found - want).max() < 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("name", ["residual_17", "mobile_17", "transformer_17", "recurrent_17", "segmenter_17"])
def test_gradients_are_those_of_differences(name: str) -> None:
    """Of a weighted sum of outputs, along a random direction of every parameter."""
    import torch

    network = load_network(NetworkDeck(file=str(NETWORKS[0].with_name(f"{name}.onnx"))))
    graph, given = TorchGraph(network), inputs_of(network, 2)
    rng = np.random.default_rng(2)

    def total() -> Any:
        outputs = graph.run(given, exact)
        weights = np.random.default_rng(5).standard_normal(tuple(outputs.shape)).astype(np.float32)
        return (outputs * torch.from_numpy(weights)).sum()

    total().backward()
    for p in graph.parameters.values():
        step = torch.from_numpy(rng.standard_normal(tuple(p.shape)).astype(np.float32))
        step *= 3e-3 * float(p.detach().abs().max()) / float(step.abs().max())
        along, ends = float((p.grad * step).sum()), []
        for sign in (1.0, -2.0):
            with torch.no_grad():
                p += sign * step
            ends.append(float(total().detach()))
        with torch.no_grad():
            p += step
        assert (ends[0] - ends[1]) / 2 == pytest.approx(along, rel=0.02, abs=2e-4)


LSTM, GRU = [(2, 12, 4), (2, 12, 3), (2, 24)], [(1, 9, 4), (1, 9, 3), (1, 18)]
ENDS = np.array([5, 3], np.int32)
HELD: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "lstm": ("LSTM", {"direction": "bidirectional"}, [(5, 2, 4), *LSTM, ENDS, (2, 2, 3), (2, 2, 3), (2, 9)]),
    "lstm that forgets": ("LSTM", {"input_forget": 1, "clip": 0.7, "direction": "bidirectional"}, [(5, 2, 4), *LSTM]),
    "lstm by batch": ("LSTM", {"layout": 1, "direction": "bidirectional"}, [(2, 5, 4), *LSTM, ENDS]),
    "gru": ("GRU", {"direction": "reverse"}, [(5, 2, 4), *GRU, ENDS]),
    "gru that resets late": ("GRU", {"linear_before_reset": 1}, [(5, 2, 4), *GRU, None, (1, 2, 3)]),
    "gru of others": ("GRU", {"activations": ["HardSigmoid", "ScaledTanh"], "activation_alpha": [0.3, 0.9],
                              "activation_beta": [0.4, 0.8]}, [(5, 2, 4), *GRU]),
    "rnn": ("RNN", {"activations": ["LeakyRelu"], "activation_alpha": [0.1]}, [(5, 2, 4), (1, 3, 4), (1, 3, 3), (1, 6)]),
    "transposed": ("ConvTranspose", {"group": 2, "strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2],
                                     "output_padding": [1, 0]}, [(2, 4, 3, 4), (4, 3, 3, 2), (6,)]),
    "transposed to a shape": ("ConvTranspose", {"strides": [2], "output_shape": [9]}, [(2, 3, 3), (3, 2, 2)]),
    "stack of matrices": ("MatMul", {}, [(2, 1, 5, 4), (3, 4, 2)]),
    "einsum": ("Einsum", {"equation": "bti,oi->bot"}, [(2, 3, 4), (5, 4)]),
    "einsum of blocks": ("Einsum", {"equation": "bhti,hoi->bhot"}, [(2, 3, 2, 4), (3, 5, 4)]),
    "einsum from the left": ("Einsum", {"equation": "hio,bi->bho"}, [(2, 4, 3), (2, 4)]),
}  # fmt: skip


@pytest.mark.parametrize("case", list(HELD))
def test_operators_with_matrices_are_those_of_the_engine(case: str) -> None:
    """Outputs in double precision, and gradients of all of them to all inputs by differences."""
    import torch

    kind, attributes, shapes = HELD[case]
    rng = np.random.default_rng(4)
    arrays = [0.7 * rng.standard_normal(s) if isinstance(s, tuple) else s for s in shapes]
    names = ["" if a is None else f"i{n}" for n, a in enumerate(arrays)]
    outputs = ["y", "h", "c"] if kind == "LSTM" else ["y", "h"] if kind in ("GRU", "RNN") else ["y"]
    operator = operators[kind](Node.of(helper.make_node(kind, names, outputs, **attributes), {"": 17}))
    first = case == "einsum from the left"
    constants = [0] if first else [1, 2] if kind in ("LSTM", "GRU", "RNN") else [1]
    numbers = {names[i]: np.arange(1.0, 1 + arrays[i].size).reshape(arrays[i].shape) for i in constants}
    real = [i for i, a in enumerate(arrays) if a is not None and a.dtype.kind == "f"]

    def found(*given: Any) -> Any:
        mine: list[Any] = list(arrays)
        for i, x in zip(real, given):
            mine[i] = x

        def times(stored: Any) -> Any:
            flat = mine[names.index(stored.weight)].reshape(-1)
            blocks = taken(torch.cat([flat.new_zeros(1), flat]), stored.blocks.astype(np.int64))
            return lambda x: exact("", x.reshape(-1, x.shape[-1]), blocks).reshape(*x.shape[:-1], -1)

        held = {slot: times(stored) for slot, stored in operator.matrices(numbers).items()}
        assert held
        return HOLDERS[kind](operator, mine, held)[: len(outputs)]

    given = [torch.from_numpy(arrays[i].copy()).requires_grad_() for i in real]
    for one, two in zip(found(*given), operator.run(arrays, {}), strict=True):
        assert np.allclose(one.detach().numpy(), two, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(found, given)


def test_a_network_wins_back_what_chips_lose_and_resumes_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = train(case(), tmp_path / "a.onnx", Silent())
    lost = course.before.exact - course.before.accuracy[0]
    assert lost > 0.05 and course.after.accuracy[0] - course.before.accuracy[0] > 2 / 3 * lost
    assert not list(tmp_path.glob(".*"))

    class Cut(Silent):
        def step(self, name: str, done: int, total: int, **facts: Any) -> None:
            if name == "train" and done == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(case(), tmp_path / "b.onnx", Cut())
    assert list(tmp_path.glob(".b.onnx.training.npz"))
    train(case(), tmp_path / "b.onnx", Silent())
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_mean_of_weights_needs_no_inputs_that_judge_and_resumes_to_the_bit(tmp_path: Path) -> None:
    """A cut in the second half, where the mean has begun; the report has no figure of inputs that judge."""
    wanted = {"epochs": 4, "keep": "mean", "validation": 0, "loss": "agreement"}
    course = train(case(**wanted), tmp_path / "a.onnx", Silent())
    lost = course.before.exact - course.before.accuracy[0]
    assert lost > 0.05 and course.after.accuracy[0] - course.before.accuracy[0] > 0.5 * lost
    report = json.loads((tmp_path / "a.report.json").read_text())
    assert "inputs_that_judge" not in report and [list(row) for row in report["epochs"]] == [["loss"]] * 4

    class Cut(Silent):
        def step(self, name: str, done: int, total: int, **facts: Any) -> None:
            if name == "train" and done == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(case(**wanted), tmp_path / "b.onnx", Cut())
    assert list(tmp_path.glob(".b.onnx.training.npz"))
    train(case(**wanted), tmp_path / "b.onnx", Silent())
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def packaged(network: str, **train: Any) -> decks.Case:
    """Chips of a packaged network in a life of ten years."""
    life = {"until": "10 year", "epochs": 1, "attribution": False}
    tree = {**TREE, "workload": {**TREE["workload"], "network": network}, "lifetime": life, "train": {**TREE["train"], **train}}
    return decks.resolve(yamlfile.parse_text(json.dumps(tree), "a.yaml"))


@pytest.mark.slow
def test_a_detector_of_one_class_wins_back_what_its_chips_lose(tmp_path: Path) -> None:
    """Nominal rows alone teach it, by what it said of them; anomalies are in the test only."""
    with pytest.raises(
        DeckError, match=r"all \d+ labels to train on are class 0: nothing tells classes apart; agreement needs"
    ):
        train(packaged("shuttle_float"), tmp_path / "a.onnx", Silent())
    course = train(
        packaged("shuttle_float", loss="agreement", epochs=8, ages=["1 s", "10 year"]), tmp_path / "a.onnx", Silent()
    )
    before, after = course.before, course.after
    assert course.progress is not None and course.progress.best > course.progress.came
    for i in range(2):  # fresh, and ten years old
        lost = before.exact - before.accuracy[i]
        assert lost > 0.05 and after.accuracy[i] - before.accuracy[i] > 0.5 * lost


@pytest.mark.slow
def test_a_network_of_few_people_wins_back_what_its_chips_lose_to_people_it_never_saw(tmp_path: Path) -> None:
    """The network as it came is the teacher; aged chips lose more, so chance tells less there."""
    wanted = {"loss": "agreement", "keep": "mean", "validation": 0, "epochs": 6}
    course = train(packaged("wearable_cnn", **wanted), tmp_path / "a.onnx", Silent())
    lost = course.before.exact - course.before.accuracy
    won = course.after.accuracy - course.before.accuracy
    assert lost[0] > 0.02 and won[0] > 0 and lost[1] > 0.06 and won[1] > 0.5 * lost[1]


def test_what_converters_are_off_by_has_the_gradient_of_their_range() -> None:
    """Cells that are exact, two bits: a matrix a share larger gives products larger by that share, rounding and all."""
    import torch

    tree = {**TREE, "device": "ideal", "mvm": {"dac_bits": None, "adc_bits": 2, "read_noise": False}}
    start = prepared(decks.resolve(yamlfile.parse_text(json.dumps(tree), "a.yaml")).scenario)
    network, (_, ny, nx) = start.chip.computer.network, (0, *start.chip.computer.design.lifetime.subgrid[::-1])
    chips = TrainingChips(start.chip, start.plan, np.full((len(start.chip.computer.tiles), ny, nx), 300.0), 0.0)
    graph, layer = TorchGraph(network), network.layers[0]
    product = product_of(graph, OneChip.of(chips, network, 1.0, 0))
    blocks = graph.blocks(layer.name).detach().requires_grad_()
    x = torch.from_numpy(np.random.default_rng(3).random((40, layer.n_inputs)).astype(np.float32))
    found = product(layer.name, x, blocks)
    away = torch.from_numpy(np.random.default_rng(4).standard_normal(tuple(found.shape)).astype(np.float32))
    (found * away).sum().backward()
    off = ((found - exact(layer.name, x, blocks)) * away).sum()
    assert abs(float(off.detach())) > 1.0
    want = float((found * away).sum().detach())
    assert blocks.grad is not None and float((blocks.grad * blocks.detach()).sum()) == pytest.approx(want, rel=1e-3, abs=1e-2)


def test_two_bits_of_converters_do_not_let_training_diverge(tmp_path: Path) -> None:
    """Most products of the detector round to zero: weights that grew for that would widen the range, and round to zero again."""
    tree = {
        **TREE,
        "workload": {**TREE["workload"], "network": "shuttle_autoencoder"},
        "mvm": {"dac_bits": 8, "adc_bits": 2},
        "train": {"epochs": 3, "chips": 4, "loss": "agreement"},
    }
    course = train(decks.resolve(yamlfile.parse_text(json.dumps(tree), "a.yaml")), tmp_path / "a.onnx", Silent())
    assert course.progress is not None
    losses = [loss for loss, _ in course.progress.history]
    assert course.progress.best > course.progress.came and max(losses[1:]) < losses[0]


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match=r"training stops: the loss of step \d+ is (nan|inf): a smaller train\.rate"):
        train(case(rate=1e30, clip=None), tmp_path / "a.onnx", Silent())


@pytest.mark.parametrize("gradient", ["that of the task", "nan"])
def test_weights_that_run_off_in_the_last_step_are_not_written(
    gradient: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No loss comes after that step: one pass is one step here. The rate is named, not the packaged network."""
    said = "the network that it ends with gives outputs that are no numbers"
    if gradient == "nan":
        said = "weights after step 1 are no numbers"
        monkeypatch.setattr(trainer, "loss_of", lambda *_: lambda outputs, *_: (outputs - outputs.detach()).abs().sum().sqrt())
    tree = {**TREE, "workload": {**TREE["workload"], "network": "digits_mlp", "test_samples": 50}}
    tree["train"] = {"rate": 1e30, "clip": None, "epochs": 1, "batch": 65536, "chips": 2}
    with pytest.raises(SolverError, match=rf"training stops: {said}: a smaller train\.rate \(now 1e\+30\) may help"):
        train(decks.resolve(yamlfile.parse_text(json.dumps(tree), "a.yaml")), tmp_path / "a.onnx", Silent())
    assert not (tmp_path / "a.onnx").exists()


def test_a_network_that_knows_the_inputs_that_judge_is_trained_all_the_same(tmp_path: Path) -> None:
    """No epoch reaches the network as it came, for what is trained on says otherwise: the best epoch is kept, cut off or not."""
    start = prepared(case(epochs=3, patience=1, chips=2, rate=0.01).scenario)
    computer, deck, share = start.chip.computer, start.chip.scenario.train, start.share
    assert share.labels is not None and start.judges is not None
    whole = Lesson(share.inputs, share.labels, np.zeros((len(share.inputs), 10)))
    apart, other = whole[np.flatnonzero(start.judges)], whole[np.flatnonzero(~start.judges)]
    lesson = Lesson(other.inputs, (other.labels + 1) % 10, other.said)
    nx, ny = computer.design.lifetime.subgrid
    chips = TrainingChips(start.chip, start.plan, np.full((len(computer.tiles), ny, nx), 300.0))

    def trainer(observer: Silent) -> Trainer:
        return Trainer(computer.network, chips, deck, lesson, apart, by_column=start.by_column, observer=observer)

    network, learnt = trainer(Silent()).trained()
    scores = [accuracy for _, accuracy in learnt.history]
    assert learnt.came > 0.7 and learnt.came > max(scores) + 0.3
    assert learnt.best == max(scores) and learnt.epoch - learnt.since == 1 + int(np.argmax(scores))
    assert learnt.epoch == deck.epochs or learnt.since == deck.patience
    pairs = zip(network.layers, computer.network.layers)
    assert all(np.abs(a.blocks - b.blocks).max() > 0 for a, b in pairs)

    class Cut(Silent):
        def step(self, name: str, done: int, total: int, **facts: Any) -> None:
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(Cut()).trained(tmp_path / "c.npz", "a")
    later = trainer(Silent()).trained(tmp_path / "c.npz", "a")[1]
    assert (later.came, later.best, later.since, later.history) == (learnt.came, learnt.best, learnt.since, learnt.history)
