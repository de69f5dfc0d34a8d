"""Models of some hundred bytes that ask for gigabytes or minutes between operators are refused before either is spent."""

import tracemalloc
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import onnx
import pytest
from in_process import exit_code
from onnx import helper
from onnx_models import deck, save

from stack3d import decks, memory, signals, study
from stack3d.errors import DeckError, UntriedError
from stack3d.schema.workload import NetworkDeck
from stack3d.training import course
from stack3d.workload import Network, allowed, load_network

LARGE = 200e6
"""What reading a small model may take, beside what the process has. [byte]"""
FILES = 2e3
"""Of such a model and its data. [byte]"""
N = helper.make_node
AX = ("ax", [1])
WIDE = [N("Unsqueeze", ["h", "ax"], ["h1"]), N("Expand", ["h1", "sh"], ["e"])]
MEAN = [N("ReduceMean", ["z"], ["y"], axes=[1], keepdims=0)]
EACH = [N("ReduceMean", [f"e{i}"], [f"m{i}"], keepdims=0) for i in range(8)]
LSTM = [N("Transpose", ["e"], ["t"], perm=[1, 0, 2]), N("LSTM", ["t", "W", "R"], ["s", "l"], hidden_size=4)]
GRAPHS = {
    "one array": ([*WIDE, N("Exp", ["e"], ["z"]), *MEAN], {"sh": [1, 12_000_000, 4]}, "takes 3.84e"),
    "live at one time": (
        [*WIDE, *(N("Exp", ["e"], [f"a{i}"]) for i in range(40)), N("Sum", [f"a{i}" for i in range(40)], ["z"]), *MEAN],
        {"sh": [1, 600_000, 4]},
        "together",
    ),
    "one after the other": (
        [*WIDE, *(N("Erf", [f"a{i}" if i else "e"], [f"a{i + 1}"]) for i in range(300)), N("Exp", ["a300"], ["z"]), *MEAN],
        {"sh": [1, 600_000, 4]},
        "more work than its files",
    ),
    "constants": (
        [
            *(N("ConstantOfShape", ["sh"], [f"c{i}"]) for i in range(8)),
            *(N("Exp", [f"c{i}"], [f"e{i}"]) for i in range(8)),
            *EACH,
            N("Sum", ["h", *(f"m{i}" for i in range(8))], ["y"]),
        ],
        {"sh": [11_000_000]},
        "together",
    ),
    "one joined to itself": (
        [N("Concat", ["h"] * 1000, ["c"], axis=1), N("Concat", ["c"] * 9000, ["z1"], axis=1), N("Exp", ["z1"], ["y"])],
        {},
        r"Concat\): an array",
    ),
    "powers of all pairs": (
        [*WIDE, N("Transpose", ["e"], ["t"], perm=[0, 2, 1]), N("Unsqueeze", ["t", "ax"], ["p"]), N("Unsqueeze", ["e", "last"], ["q"]),
         N("Pow", ["p", "q"], ["z"]), *MEAN],
        {"sh": [1, 3000, 4], "last": [3]},
        r"Pow\): an array",
    ),
    "order of all": (
        [*WIDE, N("TopK", ["e", "k"], ["z", "i"], axis=1), *MEAN],
        {"sh": [1, 1_400_000, 4], "k": [1]},
        r"TopK\): .* together",
    ),
    "steps of a loop": ([*WIDE, *LSTM, N("Squeeze", ["l", "z0"], ["y"])], {"sh": [1, 100_000, 4], "z0": [0]}, r"LSTM\): the network takes"),
}  # fmt: skip
"""What is large → nodes from ``h`` to ``y``, whole constants, and what is said."""


def model(folder: Path, nodes: list[onnx.NodeProto], whole: dict[str, list[int]]) -> NetworkDeck:
    """A matrix of 32 weights, and what follows it."""
    weights = {"w": np.linspace(-1, 1, 32).reshape(8, 4), "W": np.full((1, 16, 4), 0.1), "R": np.full((1, 16, 4), 0.1)}
    weights |= {name: np.array(a, np.int64) for name, a in (AX, *whole.items())}
    return deck(save(folder / "m.onnx", [N("MatMul", ["x", "w"], ["h"]), *nodes], weights, ("n", 8), out=("n", "k")))


@pytest.mark.parametrize("name", GRAPHS)
def test_a_small_model_stays_small(tmp_path: Path, name: str) -> None:
    nodes, whole, said = GRAPHS[name]
    wanted = model(tmp_path, nodes, whole)
    tracemalloc.start()
    try:
        with memory.sparing(), allowed(FILES), pytest.raises(UntriedError, match=said) as refused:
            load_network(wanted)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "a run tries it, and --memory says how much this may take" in str(refused.value)
    assert most < LARGE, f"{most / 1e6:.0f} MB"


def loaded(folder: Path) -> Network:
    return load_network(model(folder, [*WIDE, N("Exp", ["e"], ["z"]), *MEAN], {"sh": [1, 2_000_000, 4]}))


def test_larger_files_may_take_more(tmp_path: Path) -> None:
    """128 MB of values and steps between: too much for 2 kB of files, not for ten megabytes."""
    with memory.sparing(), allowed(FILES), pytest.raises(UntriedError):
        loaded(tmp_path)
    with memory.sparing(), allowed(1e7):
        assert [layer.name for layer in loaded(tmp_path).layers] == ["w"]


def test_a_run_may_take_what_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with allowed(FILES):
        assert [layer.name for layer in loaded(tmp_path).layers] == ["w"]
    monkeypatch.setattr(memory, "available", lambda: 1e8)
    with allowed(FILES), pytest.raises(DeckError, match="at most 1e"):
        loaded(tmp_path)


def test_the_user_says_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "1 GB")
    with memory.sparing(), allowed(FILES):
        assert [layer.name for layer in loaded(tmp_path).layers] == ["w"]
    monkeypatch.setenv(memory.VARIABLE, "100 MB")
    for looking in (memory.sparing(), nullcontext()):
        with looking, allowed(FILES), pytest.raises(DeckError, match="--memory says how much it may take"):
            loaded(tmp_path)


def test_what_no_machine_has_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at a deck tells it, too: a run could not take it."""
    monkeypatch.setattr(memory, "available", lambda: 1.2e8)
    with memory.sparing(), allowed(FILES), pytest.raises(DeckError, match="at most 1e"):
        loaded(tmp_path)


PLANES = """\
scenario: planes
geometry: bulk_rram_8tier
cooling: {{top: forced_air, bottom: board, ambient: "25 degC"}}
workload:
  network: {{file: m.onnx, data: {{file: m.npz, assumed: test}}, assumed: test}}
  task: agreement
  rate: "1 1/s"
  tile: [256, 32]
  placement: spread
  periphery: cmos_adc_8bit
device: {device}
mvm: {{dac_bits: 8, adc_bits: 8}}
lifetime: {{until: "10 year", epochs: 2}}
monte_carlo: {{samples: 1, seed: 1}}
solver: ci
"""


@pytest.mark.parametrize("said", ["", "120 MB"])
def test_an_honest_network_on_large_planes_is_looked_at_without_being_run(
    tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two planes of 512 x 512: some kilobytes of file, 300 MB of patches; what the user says is a bound all the same."""
    rng = np.random.default_rng(0)
    weights = {"w1": rng.normal(size=(16, 1, 3, 3)), "w2": rng.normal(size=(16, 16, 3, 3)), "v": rng.normal(size=(16, 10))}
    conv = {"pads": [1] * 4}
    nodes = [N("Conv", ["x", "w1"], ["a"], **conv), N("Relu", ["a"], ["b"]), N("Conv", ["b", "w2"], ["c"], **conv),
             N("GlobalAveragePool", ["c"], ["g"]), N("Flatten", ["g"], ["f"]), N("MatMul", ["f", "v"], ["y"])]  # fmt: skip
    save(tmp_path / "m.onnx", nodes, weights, ("n", 1, 512, 512), out=("n", 10))
    np.savez(tmp_path / "m.npz", inputs=rng.integers(0, 255, size=(2, 1, 512, 512)).astype("u1"))
    (tmp_path / "planes.yaml").write_text(PLANES.format(device="bulk_rram_ucsd"))
    if said:
        monkeypatch.setenv(memory.VARIABLE, said)
    (found,) = study.checked(tmp_path / "planes.yaml")
    if said:
        assert found.error is not None and "at most 1.2e+08 together; --memory says how much" in str(found.error)
    else:
        assert found.error is None and found.warning is not None
        assert found.warning.startswith("has a network that was not tried") and "a run tries it" in found.warning
        (tmp_path / "planes.yaml").write_text(PLANES.format(device="{kind: bulk_rram_ucsd}"))
        (wrong,) = study.checked(tmp_path / "planes.yaml")
        assert wrong.error is not None and "planes.yaml:11" in str(wrong.error)


def test_a_training_is_looked_at_as_sparingly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its network takes more than looking may was told with the deck; here nothing more is said."""
    seen = []

    def prepared(*given: object, **choice: object) -> None:
        seen.append(memory.is_sparing())
        raise UntriedError("more than looking may")

    monkeypatch.setattr(course, "prepared", prepared)
    shipped = Path(str(decks.load("quickstart").path)).read_text()
    (tmp_path / "deck.yaml").write_text(f"{shipped}train: {{}}\n")
    monkeypatch.setattr(signals, "listen", lambda: None)
    assert exit_code("validate", str(tmp_path / "deck.yaml")) == 0 and seen == [True]
