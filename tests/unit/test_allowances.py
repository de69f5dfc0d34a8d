"""Models of some hundred bytes that ask for gigabytes or minutes between operators are refused before either is spent."""

import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import deck, save

from stack3d.errors import DeckError
from stack3d.schema.workload import NetworkDeck
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
        "values between operators take",
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
        "values between operators take",
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
        r"TopK\): an array",
    ),
    "steps of a loop": ([*WIDE, *LSTM, N("Squeeze", ["l", "z0"], ["y"])], {"sh": [1, 300_000, 4], "z0": [0]}, r"LSTM\): the network takes"),
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
        with allowed(FILES, None), pytest.raises(DeckError, match=said) as refused:
            load_network(wanted)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "--memory says how much it may take" in str(refused.value)
    assert most < LARGE, f"{most / 1e6:.0f} MB"


def loaded(folder: Path) -> Network:
    return load_network(model(folder, [*WIDE, N("Exp", ["e"], ["z"]), *MEAN], {"sh": [1, 2_000_000, 4]}))


def test_larger_files_may_take_more(tmp_path: Path) -> None:
    """64 MB of values: too much for 2 kB of files, not for a megabyte."""
    with allowed(FILES, None), pytest.raises(DeckError):
        loaded(tmp_path)
    with allowed(1e6, None):
        assert [layer.name for layer in loaded(tmp_path).layers] == ["w"]


def test_the_user_says_how_much(tmp_path: Path) -> None:
    with allowed(FILES, 1e9):
        assert [layer.name for layer in loaded(tmp_path).layers] == ["w"]
