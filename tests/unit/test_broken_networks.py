"""Broken, cyclic, huge and lying models: one line of a DeckError, within a stated memory."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import cnn, deck, mlp, save

from stack3d import cli
from stack3d.errors import DeckError
from stack3d.workload import network_file as networks

HERE = Path(__file__).parents[1] / "networks"
MOST = 1.5e9
"""What reading a hundred broken models may add to the memory of the process. [byte]"""


def mutated(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """A node, an attribute, a weight or a wire changed at random."""
    node = model.graph.node[rng.integers(len(model.graph.node))]
    tensor = model.graph.initializer[rng.integers(len(model.graph.initializer))]
    kind = rng.integers(8)
    if kind == 0 and node.attribute:
        attribute = node.attribute[rng.integers(len(node.attribute))]
        attribute.i, attribute.ints[:] = int(rng.integers(-5, 2**40)), [int(rng.integers(-3, 2**31)) for _ in attribute.ints]
    elif kind == 1:
        node.op_type = ("Loop", "Nonsense", "Expand", "Conv", "Reshape", "LSTM", "Gather", "Resize")[rng.integers(8)]
    elif kind == 2 and len(node.input):
        node.input[rng.integers(len(node.input))] = ("", "nobody", node.output[0])[rng.integers(3)]
    elif kind == 3:
        tensor.dims[:] = [int(rng.integers(0, 2**40)) for _ in tensor.dims]
    elif kind == 4:
        tensor.data_type = int(rng.integers(0, 30))
    elif kind == 5:
        tensor.CopyFrom(numpy_helper.from_array(np.full((2, 2), np.nan, np.float32), tensor.name))
    elif kind == 6:
        model.opset_import[0].version = int(rng.integers(-1, 99))
    else:
        for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]:
            dim.dim_value = int(rng.integers(0, 2**40))
    return model


def models(folder: Path, rng: np.random.Generator, n: int) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """Mutations of a small network, a convolutional one and of what torch exported, every tenth cut in half; and input shapes."""
    sources = [mlp(folder / "a.onnx", rng)[0], cnn(folder / "b.onnx", rng)[0], *sorted(HERE.glob("*_17.onnx"))]
    for i in range(n):
        model = onnx.load(sources[i % len(sources)])
        shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:])
        data = mutated(model, rng).SerializeToString()
        yield data if i % 10 else data[: len(data) // 2], shape


def resident() -> int:
    """Most memory that the process ever held. [byte]"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_hundred_mutations_are_told_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`stack3d validate` on each: a mistake is a line that names the key, and exit code 2; what still runs passes."""
    monkeypatch.chdir(tmp_path)
    deck = ("network=m.onnx", "data=d.npz", "task=agreement", "rate=10 1/s")
    settings = [part for setting in deck for part in ("--set", f"workload.{setting}")]
    monkeypatch.setattr(sys, "argv", ["stack3d", "validate", "quickstart", *settings])
    before, refused = resident(), 0
    for data, shape in models(tmp_path, np.random.default_rng(0), 100):
        (tmp_path / "m.onnx").write_bytes(data)
        np.savez(tmp_path / "d.npz", inputs=np.random.default_rng(1).normal(size=(4, *shape)))
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr().err
        lines = said.splitlines()
        assert left.value.code in (0, 2), said
        if left.value.code:
            refused += 1
            assert lines and all(line.startswith("error: --set: workload.") and len(line) < 700 for line in lines), said
    assert refused > 60
    assert resident() - before < MOST


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Gemm", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "z"], ["z2"]), helper.make_node("Relu", ["z2"], ["z"]),
         helper.make_node("Identity", ["z"], ["y"])],
        [helper.make_node("Gemm", ["x", "w"], ["a"]), helper.make_node("Expand", ["a", "huge"], ["y"])],
        [helper.make_node("Gemm", ["x", "w"], ["a"]), helper.make_node("ConstantOfShape", ["huge"], ["c"]),
         helper.make_node("Add", ["a", "c"], ["y"])],
        [helper.make_node("Gemm", ["x", "w"], ["a"]), helper.make_node("Tile", ["a", "huge"], ["y"])],
        [helper.make_node("Gemm", ["x", "w"], ["a"]), helper.make_node("Pad", ["a", "pads"], ["y"])],
    ],
    ids=["cycle", "expand", "constant", "tile", "pad"],
)  # fmt: skip
def test_cycles_and_terabytes_are_refused(nodes: list, tmp_path: Path) -> None:
    weights = {"w": np.eye(4), "huge": np.array([10**6, 10**6]), "pads": np.array([0, 0, 0, 10**12])}
    with pytest.raises(DeckError) as told:
        networks.load_network(deck(save(tmp_path / "n.onnx", nodes, weights)))
    assert "\n" not in str(told.value)


def test_a_branch_on_a_constant_is_taken(tmp_path: Path) -> None:
    def branch(name: str, factor: float) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        scale = numpy_helper.from_array(np.array(factor, np.float32), "s")
        return helper.make_graph([helper.make_node("Mul", ["h", "s"], [name])], name, [], [value], [scale])

    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"]),
        helper.make_node("Equal", ["one", "two"], ["same"]),
        helper.make_node("If", ["same"], ["y"], then_branch=branch("p", 5.0), else_branch=branch("q", 3.0)),
    ]
    path = save(tmp_path / "n.onnx", nodes, {"w": np.eye(4), "one": np.array(1), "two": np.array(2)})
    np.testing.assert_array_equal(networks.load_network(deck(path)).run(np.ones((2, 4))), 3)


def test_an_opset_that_onnx_does_not_know_is_refused(tmp_path: Path) -> None:
    path = mlp(tmp_path / "new.onnx", np.random.default_rng(0))[0]
    model = onnx.load(path)
    newest = onnx.defs.onnx_opset_version()
    for version in (newest, newest + 1):
        model.opset_import[0].version = version
        onnx.save(model, path)
        if version == newest:
            networks.load_network(deck(path))
            continue
        with pytest.raises(
            DeckError, match=rf"has opset {version}, the newest that onnx .* knows is {newest}: export it with an"
        ):
            networks.load_network(deck(path))
