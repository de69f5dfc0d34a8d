"""What training needs beside gradients: files, data, scales; refusals in one line."""

import json
import math
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import onnxruntime
import pytest
from onnx import helper

from stack3d import cli, decks, memory, storage, training, yamlfile
from stack3d.case import run_case
from stack3d.errors import DeckError, ResultsError
from stack3d.progress import Silent
from stack3d.schema import DataDeck
from stack3d.schema.workload import NetworkDeck
from stack3d.training import operators, training_memory
from stack3d.training.course import Course, Standing
from stack3d.training.drawn_chips import TrainingChips
from stack3d.training.graph import check_gradients, layouts
from stack3d.training.loss import are_probabilities, check_labels
from stack3d.training.mean_weights import MeanWeights
from stack3d.training.scales import _certain, _line
from stack3d.training.trainer import Learnt
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


@pytest.mark.parametrize(
    ("version", "requires", "build"),
    [
        ("2.13.0", ["sympy", "nvidia-nccl-cu13==2; platform_system == 'Linux'"], "cuda"),
        ("2.13.0+cpu", ["sympy"], "cpu"),
        ("2.13.0", ["sympy"], "cpu"),
        ("2.1.0+cu118", ["sympy"], "cuda"),
        (None, [], "cuda"),
    ],
)
def test_the_build_of_torch_is_read_from_its_metadata(
    version: str | None, requires: list[str], build: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stated(name: str) -> str:
        if version is None:
            raise PackageNotFoundError(name)
        return version

    monkeypatch.setattr(training_memory, "version", stated)
    monkeypatch.setattr(training_memory, "requires", lambda name: requires)
    assert training_memory.build_of_torch() == build


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
        ({"train": np.zeros(0, int), "test": [3]}, "d.npz has no indices in 'train'"),
        ({"train": [0, 1], "test": [3], "inputs": np.ones((10, 64), np.float32)}, "all inputs in 'train' of d.npz are, or"),
        ({"train": [0, 1], "test": [3], "people": np.arange(9)}, r"'people' of shape \(9,\); wanted \(10,\)"),
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


def share(path: Path, **arrays: Any) -> Any:
    read = load_network(decks.resolve(yamlfile.parse_text(json.dumps(TREE), "a.yaml")).scenario.workload.network)
    return training_share(data(path, **arrays), read, task_kind("classification")((10,)), labelled=True)


def test_inputs_of_the_test_are_not_trained_on_under_another_number(tmp_path: Path) -> None:
    """What is the same to the byte is left out, with its label."""
    inputs = np.random.default_rng(1).random((10, 64)).astype(np.float32)
    inputs[7] = inputs[2]
    found = share(tmp_path / "d.npz", inputs=inputs, train=[0, 1, 2, 3], test=[7, 8])
    assert np.array_equal(found.inputs, inputs[[0, 1, 3]]) and found.left_out == 1
    assert found.labels.tolist() == [0, 1, 1]


def test_people_are_on_one_side_of_the_split_only(tmp_path: Path) -> None:
    people = np.array([3, 3, 3, 5, 5, 5, 9, 9, 9, 0])
    found = share(tmp_path / "d.npz", train=np.arange(9), test=[9], people=people)
    for seed in range(20):
        judges = found.apart(0.3, seed)
        assert judges.sum() == 3 and len(set(people[:9][judges])) == 1
        assert found.told(judges) == "3 of 9 inputs, 1 of 3 people"
    alone = share(tmp_path / "e.npz", train=np.arange(9), test=[9])
    assert alone.apart(0.3, 0).sum() == 3 and alone.told(alone.apart(0.3, 0)) == "3 of 9 inputs"


def test_windows_that_overlap_are_on_one_side_of_the_split_only(tmp_path: Path) -> None:
    """Two pieces of a series; and a window that overlaps one of the test is not trained on."""
    starts = np.array([0, 5, 10, 40, 45, 50, 90, 52])
    series = np.random.default_rng(2).random((200, 64)).astype(np.float32)
    given = {"series": series, "starts": starts, "length": 8, "inputs": None, "labels": np.arange(8) % 2}
    path = tmp_path / "model.onnx"
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[2], keepdims=0), helper.make_node("MatMul", ["m", "w"], ["y"])]
    weights = {"w": np.ones((64, 10), np.float32)}
    read = load_network(onnx_models.deck(onnx_models.save(path, nodes, weights, ("n", 64, 8), out=("n", 10))))
    deck = data(tmp_path / "w.npz", **given, train=np.array([0, 1, 2, 3, 4, 5]), test=np.array([6, 7]))
    found = training_share(deck, read, task_kind("classification")((10,)), labelled=True)
    assert found.left_out == 2 and found.groups.tolist() == [0, 0, 0, 1]  # 45 and 50 overlap 52
    assert found.called == "pieces of the series"


@pytest.mark.parametrize(
    ("said", "word", "are"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], "classification", True),
        ([[0.2, 0.7], [0.5, 0.5]], "classification", False),
        ([[2.0, -1.0], [0.5, 0.5]], "classification", False),
        ([[0.2, 0.7], [0.5, 0.5]], "multi_label", True),
        ([[0.2, 1.7], [0.5, 0.5]], "multi_label", False),
    ],
)
def test_probabilities_are_known_by_what_they_are(said: Any, word: str, are: bool) -> None:
    """Whatever nodes come after the Softmax."""
    assert are_probabilities(np.array(said), task_kind(word)((2,))) is are


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
        ({"train": {"rate": 1e300}}, "train.rate: wants a number greater than zero, at most"),
        ({"train": {"validation": 0}}, "validation: 0 leaves no inputs to choose the best epoch by; keep: mean needs none"),
        ({"train": {"keep": "mena"}}, "train.keep"),
        ({"train": {"ages": ["1 year"]}}, "train.ages: 1 year lies beyond lifetime.until, 1 s"),
        ({"train": {"temperature": "1e6 K"}}, "train.temperature: 1 s at "),
        ({"sweep": {"cooling.ambient": ["20 degC", "30 degC"]}}, "a.yaml:1: sweep: makes many cases of the scenario"),
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


def test_what_the_command_line_sets_is_not_laid_to_the_deck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that does not go with others of its block, and an option."""
    (tmp_path / "a.yaml").write_text(json.dumps({**TREE, "train": {"epochs": 2}}))
    base = ("train", str(tmp_path / "a.yaml"), "--progress", "none", "-o")
    for words, said in (
        ((str(tmp_path / "n.onnx"), "--set", "train.validation=0"), "error: --set: train: validation: 0 leaves no inputs"),
        ((str(tmp_path / "n.txt"),), "error: -o: the network is written as ONNX"),
    ):
        code, told_of = told(monkeypatch, capsys, *base, *words)
        assert code == 2 and told_of.startswith(said) and len(told_of.strip().splitlines()) == 1


def test_chips_are_reported_at_the_ages_asked_for(tmp_path: Path) -> None:
    """Between the ends of epochs too; what is asked for at the end of an epoch is there once."""
    life = {
        **TREE,
        "lifetime": {"until": "10 day", "epochs": 1, "attribution": False},
        "train": {"ages": ["1 s", "1 h", "3 day", "10 day"], "chips": 2},
    }
    case = decks.resolve(yamlfile.parse_text(json.dumps(life), "a.yaml"))
    course = training.train(case, tmp_path / "n.onnx", Silent(), calibrate_only=True)
    assert course.before.times.tolist() == course.after.times.tolist() == [1.0, 3600.0, 259200.0, 864000.0]
    rows = json.loads((tmp_path / "n.report.json").read_text())["after"]["on_chips"]
    assert [row["time"] for row in rows] == [1.0, 3600.0, 259200.0, 864000.0]
    assert any(line.startswith("chips, 3 days ") for line in course.lines())


def test_a_network_that_no_scale_makes_better_is_told_to_be_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, and in its provenance, which tells what was asked for either way."""
    case = decks.resolve(yamlfile.parse_text(json.dumps({**TREE, "train": {"seed": 5, "chips": 2}}), "a.yaml"))

    def facts(name: str) -> dict[str, str]:
        assert training.train(case, tmp_path / name, Silent(), calibrate_only=True)
        return {p.key: p.value for p in onnx.load(tmp_path / name).metadata_props}

    for better, made_by in ((0.1, "column statistics of chips"), (-0.1, "nothing: other scales make chips no better")):
        scores = iter((0.5, 0.5 + better))
        monkeypatch.setattr(TrainingChips, "accuracy", lambda *words, scores=scores: next(scores))
        found = facts("n.onnx")
        assert found["stack3d.made_by"] == made_by and json.loads(found["stack3d.train"])["seed"] == 5
        said = json.loads((tmp_path / "n.report.json").read_text())["told"]
        assert any("the network stays as it came" in line for line in said) is (better < 0)


def test_a_network_is_never_written_over_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The deck, another kind of file, the user's own network: each is refused in a line, and stays."""
    own = tmp_path / "own.onnx"
    own.write_bytes((Path(decks.__file__).parents[1] / "library" / "networks" / "digits_mlp.onnx").read_bytes())
    network = {"file": str(own), "data": "digits"}
    path = tmp_path / "a.yaml"
    path.write_text(json.dumps({**TREE, "workload": {**TREE["workload"], "network": network}}))
    before = own.read_bytes(), path.read_bytes()
    for target, said in (
        (path, "-o: the network is written as ONNX"),
        (tmp_path / "net.txt", "wants FILE.onnx"),
        (own, "own.onnx is what is trained"),
    ):
        code, words = told(monkeypatch, capsys, "train", str(path), "-o", str(target), "--calibrate-only", "--progress", "none")
        assert code == 2 and said in words and len(words.strip().splitlines()) == 1
    assert (own.read_bytes(), path.read_bytes()) == before and len(list(tmp_path.iterdir())) == 2


def test_what_is_scaled_is_told_kept_and_trained_further_on_the_device(tmp_path: Path) -> None:
    """Without torch: figures before and after in the report, provenance in the file; the life's own training runs on it."""
    case = decks.resolve(yamlfile.parse_text(json.dumps(TREE), "a.yaml"))
    course = training.train(case, tmp_path / "n.onnx", Silent(), calibrate_only=True)
    report = json.loads((tmp_path / "n.report.json").read_text())
    assert report["before"]["float_accuracy"] == course.before.exact and report["chips"] == 2
    assert [row["accuracy"] for row in report["after"]["on_chips"]] == course.after.accuracy.tolist()
    facts = {p.key: p.value for p in onnx.load(tmp_path / "n.onnx").metadata_props}
    assert facts["stack3d.case"] == report["stack3d.case"] == case.digest() and "digits_mlp.onnx" in facts["stack3d.made_from"]
    life = {"until": "20 day", "first": "10 day", "epochs": 2, "attribution": False, "fine_tuning": {"period": "5 day"}}
    network = {"file": str(tmp_path / "n.onnx"), "data": "digits"}
    tree = {**TREE, "lifetime": life, "workload": {**TREE["workload"], "network": network}}
    values = run_case(decks.resolve(yamlfile.parse_text(json.dumps(tree), "b.yaml")).scenario, Silent()).values
    assert values["reliability/writes"][-1] > values["reliability/writes"][0]
    assert 0.5 < values["mvm/accuracy"][-1].mean() <= 1.0


def test_words_of_a_training() -> None:
    """One epoch, one year; a loss within chance is not said to be won back; what got worse is told."""

    def standing(*accuracy: float, n_inputs: int = 1000) -> Standing:
        times = np.array([1.0, 3.15576e7])
        unknown = np.full(n_inputs, np.nan)  # which test inputs are right
        return Standing(0.98, times, np.array(accuracy), np.array([0.02, 0.02]), 16, unknown, unknown)

    def lines(before: Standing, after: Standing, came: float = 0.8) -> str:
        return "\n".join(Course(before, after, Learnt(1, 0.9, came=came), Path("n.onnx")).lines())

    text = lines(standing(0.88, 0.8), standing(0.97, 0.9))
    assert "chips, 1 year " in text and "90.0 % are won back" in text and "it may know" not in text
    assert "1 epoch, the best of them 1: 90.0 % on the inputs that judge epochs, 80.0 % as it came" in text
    assert "won back" not in lines(standing(0.975, 0.9), standing(0.98, 0.9))
    few = (standing(*accuracy, n_inputs=40) for accuracy in ((0.9, 0.8), (0.85, 0.8)))
    assert "fresh chips lose another" not in lines(*few)  # two answers of forty
    text = lines(standing(0.9, 0.8), standing(0.85, 0.8), came=0.95)
    assert "fresh chips lose another 5.0 points" in text and "95.0 % as it came\nit was better there as it came" in text
    assert "error 5 on the inputs that judge epochs, error 4 as it came" in "\n".join(Learnt(2, -5.0, came=-4.0).sentences())


def test_the_mean_of_weights_is_that_of_the_steps_that_count_cut_off_or_not() -> None:
    rng = np.random.default_rng(6)
    steps = [{"w": rng.standard_normal((2, 3)).astype(np.float32)} for _ in range(8)]
    whole, first = MeanWeights(3), MeanWeights(3)
    for i, now in enumerate(steps):
        whole.add(i, now)
    for i in (0, 1, 2, 3, 4):
        first.add(i, steps[i])
    second = MeanWeights(3)
    second.resume(first.values, 5)
    for i in (5, 6, 7):
        second.add(i, steps[i])
    assert whole.values["w"] == pytest.approx(np.mean([now["w"] for now in steps[3:]], axis=0, dtype=np.float64), rel=1e-12)
    assert np.array_equal(whole.values["w"], second.values["w"])
    early = MeanWeights(3)
    early.resume({}, 2)
    assert early.count == 0 and not early.values


def test_where_the_mean_is_kept_all_inputs_may_be_trained_on() -> None:
    tree = {**TREE, "train": {"keep": "mean", "validation": 0}}
    start = training.prepared(decks.resolve(yamlfile.parse_text(json.dumps(tree), "a.yaml")).scenario, solve=False)
    assert start.judges is not None and not start.judges.any() and list(start.sentences()) == []
    told = list(Learnt(8, math.nan, came=math.nan, mean=True).sentences())
    assert told == ["8 epochs, the mean of weights over the second half"]
    (judged,) = Learnt(8, 0.9, came=0.8, mean=True).sentences()
    assert judged.startswith("8 epochs, the mean of weights over the second half: 90.0 % on the inputs that judge epochs")


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


@pytest.mark.parametrize(("kind", "refused"), [("Hardmax", True), ("Tanh", False), ("ArgMax", False)])
def test_operators_that_pass_no_gradient_are_named_before_any_work(kind: str, refused: bool, tmp_path: Path) -> None:
    """Without torch; what makes whole numbers needs none."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node(kind, ["h"], ["k"], name="bend"),
        *([helper.make_node("Cast", ["k"], ["c"], to=1)] if kind == "ArgMax" else []),
        helper.make_node("Add", ["h", "c" if kind == "ArgMax" else "k"], ["y"]),
    ]
    read = load_network(
        onnx_models.deck(onnx_models.save(tmp_path / "n.onnx", nodes, {"w": np.eye(4, dtype=np.float32)}, out=("n", 4)))
    )
    x = np.ones((2, 4), np.float32)
    if refused:
        with pytest.raises(DeckError, match=rf"no gradient is known of 'bend' \({kind}\)"):
            check_gradients(read, x)
    else:
        check_gradients(read, x)


def test_two_trainings_to_one_file_do_not_run_at_once(tmp_path: Path) -> None:
    case = decks.resolve(yamlfile.parse_text(json.dumps(TREE), "a.yaml"))
    with (
        storage.locked(tmp_path, file="n.onnx", work="training to the same file"),
        pytest.raises(ResultsError, match=r"n.onnx is in use: process \d+ on .* has been training to the same file since"),
    ):
        training.train(case, tmp_path / "n.onnx", Silent(), calibrate_only=True)
    assert not list(tmp_path.iterdir())


def test_memory_of_a_training_is_refused_with_its_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    case = decks.resolve(yamlfile.parse_text(json.dumps({**TREE, "train": {"chips": 4096}}), "a.yaml"))
    monkeypatch.setenv(memory.VARIABLE, "1 GB")
    with pytest.raises(DeckError, match=r"train.chips: wants more memory than there is: train.chips .* GB, any case 955 MB"):
        training.prepared(case.scenario)


def test_validate_tells_what_stands_against_a_training(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Operators without a gradient, in a scenario that would run: only where it is to be trained."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Hardmax", ["h"], ["y"], name="bend")]
    onnx_models.save(tmp_path / "n.onnx", nodes, {"w": np.eye(4, 3)}, out=("n", 3))
    data(tmp_path / "d.npz", inputs=np.ones((10, 4), np.float32) * np.arange(10)[:, None], train=np.arange(6), test=[7, 8])
    tree = {**TREE, "workload": {**TREE["workload"], "network": {"file": "n.onnx", "data": {"file": "d.npz"}}}}
    for block, code in (({}, 0), ({"train": {"epochs": 2}}, 2)):
        (tmp_path / "a.yaml").write_text(json.dumps({**tree, **block}))
        found, words = told(monkeypatch, capsys, "validate", str(tmp_path / "a.yaml"))
        assert found == code and ("no gradient is known of 'bend' (Hardmax)" in words) is bool(code)
