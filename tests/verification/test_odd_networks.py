"""Networks of odd kinds give what onnxruntime gives, in float arithmetic and through ideal crossbars."""

from pathlib import Path

import numpy as np
import odd_models
import onnx
import onnx_models
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_user_networks import through_crossbars

from stack3d import mvm
from stack3d.chip import forward_of
from stack3d.errors import ArrayError, DeckError
from stack3d.workload import Network
from stack3d.workload import network_file as networks
from stack3d.workload.lockstep import side_by_side

CLOSE = 1e-5
"""Of the rms output: single precision between layers."""


def asked(path: Path, x: np.ndarray, output: str = "y", at_once: int | None = None) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(path, options)
    step = at_once or len(x)
    found = [session.run([output], {"x": x[i : i + step]})[0] for i in range(0, len(x), step)]
    return np.concatenate(found) if len(found) == 1 or len(found[0]) == 1 else np.stack(found)


def compare(network: Network, x: np.ndarray, wanted: np.ndarray) -> None:
    scale = np.sqrt(np.mean(wanted**2))
    np.testing.assert_allclose(network.run(x), wanted, rtol=0, atol=CLOSE * scale)
    for chip in through_crossbars(network, x, chips=3):
        np.testing.assert_allclose(chip.reshape(wanted.shape), wanted, rtol=0, atol=CLOSE * scale)


def saved(odd: odd_models.Odd, path: Path) -> tuple[Network, Path, np.ndarray]:
    """Network of a model that is written to `path`, and five inputs."""
    odd_models.save(path, odd)
    x = np.random.default_rng(1).normal(size=(5, *odd.shape[1:])).astype(np.float32)
    return networks.load_network(onnx_models.deck(path)), path, x


@pytest.mark.parametrize("kind", odd_models.FREE)
def test_odd_networks(kind: str, tmp_path: Path) -> None:
    network, path, x = saved(odd_models.FREE[kind], tmp_path / "net.onnx")
    assert not network.is_single
    compare(network, x, asked(path, x))
    assert not network.ordered(x).is_single


@pytest.mark.parametrize("kind", odd_models.SINGLE)
def test_networks_fixed_to_one_input(kind: str, tmp_path: Path) -> None:
    """Each chip and each input its own run, side by side; products are counted of one."""
    network, path, x = saved(odd_models.SINGLE[kind], tmp_path / "net.onnx")
    assert network.is_single == (kind != "a first state")  # a state of one input broadcasts
    compare(network, x, asked(path, x, at_once=1))
    assert network.ordered(x) is network or not network.is_single
    counted = network.counted(x[:2])
    assert all(products == int(products) for products in counted.products.values())
    assert counted == network.counted(x[:4]) or not network.is_single


def test_many_single_inputs_go_in_groups(tmp_path: Path) -> None:
    """More inputs than threads, each chip with its own cells: what every input gives by itself."""
    path = odd_models.save(tmp_path / "net.onnx", odd_models.SINGLE["a token put before"])
    network = networks.load_network(onnx_models.deck(path))
    (layer,) = network.layers
    matrix = mvm.AnalogMatrix.build(layer.name, layer.weights, mvm.WeightMapping(1e-6, 1e-4), adc=mvm.Converter(None))
    cells = matrix.target_conductances() * np.array([1.0, 0.9, 0.8])[:, None, None, None]
    crossbars = mvm.CrossbarNetwork({layer.name: matrix}, {layer.name: matrix.prepare(cells)})
    x = np.random.default_rng(2).normal(size=(50, 3, 6)).astype(np.float32)
    together = forward_of(network)(crossbars, x)
    alone = np.concatenate([forward_of(network)(crossbars, x[i : i + 1]) for i in range(50)], axis=1)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together[2], 0.8 * together[0], rtol=0, atol=0.02 * np.abs(together).max())  # 8-bit inputs


def test_runs_side_by_side_fail_together() -> None:
    def run(number: int, product: object) -> float:
        if number == 2:
            raise ArrayError("the third cannot")
        return float(product("layer", np.ones((1, 2)))[0, 0])  # type: ignore[operator]

    with pytest.raises(ArrayError, match="the third cannot"):
        side_by_side(4, run, lambda name, x: x)

    def other(number: int, product: object) -> float:
        return 1.0 if number == 2 else float(product("layer", np.ones((1, 2)))[0, 0])  # type: ignore[operator]

    with pytest.raises(ArrayError, match="take different ways"):
        side_by_side(4, other, lambda name, x: x)

    def refused(name: str, x: np.ndarray) -> np.ndarray:
        raise ArrayError(f"{name} of {len(x)} vectors")

    with pytest.raises(ArrayError, match="layer of 4 vectors"):
        side_by_side(4, lambda i, product: product("layer", np.ones((1, 2))), refused)


def test_branches_on_data_are_refused_still(tmp_path: Path) -> None:
    """A condition on the numbers of an input, or on a length that the graph leaves open."""
    odd = odd_models.FREE["a branch on a length"]
    nodes = [*odd.nodes]
    nodes[1:4] = [helper.make_node("ReduceMax", ["c"], ["d"], keepdims=0), helper.make_node("Greater", ["d", "none"], ["e"])]
    on_numbers = odd._replace(nodes=nodes, weights={**odd.weights, "none": np.float32(0) * np.ones((), np.float32)})
    for one in (on_numbers, odd._replace(shape=("n", 2, 5, "wide"))):
        path = odd_models.save(tmp_path / "net.onnx", one)
        with pytest.raises(DeckError, match="node 'i' is a If, which is not supported; its condition is not constant"):
            networks.load_network(onnx_models.deck(path))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("kernel", "probability"), [("linear", False), ("rbf", True), ("poly", False), ("sigmoid", True)])
def test_support_vector_machines(classes: int, kernel: str, probability: bool, tmp_path: Path) -> None:
    """A projection on crossbars and a machine after it, of numbers drawn at random."""
    rng = np.random.default_rng(classes)
    x, w = rng.normal(size=(80, 6)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
    pairs, vectors = classes * (classes - 1) // 2, 3 * classes
    told = {
        "coefficients": rng.normal(size=(classes - 1) * vectors), "rho": rng.normal(size=pairs),
        "support_vectors": rng.normal(size=4 * vectors), "kernel_params": [0.1, 0.2, 3.0],
        **({"prob_a": -rng.uniform(0.5, 2.0, pairs), "prob_b": rng.normal(size=pairs)} if probability else {}),
    }  # fmt: skip
    machine = helper.make_node(
        "SVMClassifier", ["a"], ["label", "y"], domain="ai.onnx.ml", kernel_type=kernel.upper(),
        classlabels_ints=list(range(classes)), vectors_per_class=[3] * classes, **{k: list(v) for k, v in told.items()},
    )  # fmt: skip
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), machine]
    path = odd_models.save(tmp_path / "net.onnx", odd_models.Odd(nodes, {"w": w}, ("n", 6), 17, ("ai.onnx.ml",)))
    network = networks.load_network(onnx_models.deck(path))
    wanted = asked(path, x)
    np.testing.assert_allclose(network.run(x), wanted, rtol=0, atol=CLOSE * np.abs(wanted).max())


@pytest.mark.parametrize(
    "more", [{"n_supports": 3, "kernel_type": "RBF", "kernel_params": [0.3, 0.0, 3.0]}, {"one_class": 0}, {"one_class": 1}]
)
def test_support_vector_regression(more: dict, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    vectors = {"support_vectors": rng.normal(size=12).tolist()} if "n_supports" in more else {}
    weights = rng.normal(size=3 if "n_supports" in more else 4).tolist()
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("SVMRegressor", ["a"], ["y"], domain="ai.onnx.ml", coefficients=weights, rho=[0.1], **{"kernel_type": "LINEAR", "kernel_params": [0.0] * 3, **vectors, **more}),
    ]  # fmt: skip
    path = odd_models.save(
        tmp_path / "net.onnx", odd_models.Odd(nodes, {"w": odd_models.f(6, 4)}, ("n", 6), 17, ("ai.onnx.ml",))
    )
    x = rng.normal(size=(9, 6)).astype(np.float32)
    network = networks.load_network(onnx_models.deck(path))
    np.testing.assert_allclose(network.run(x), asked(path, x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["transformer", "residual"])
def test_models_that_onnxruntime_optimised(kind: str, tmp_path: Path) -> None:
    """Quantised and then saved by onnxruntime: integer products with their scales in one node."""
    import onnxruntime
    from onnxruntime.quantization import quantize_dynamic

    file = Path(__file__).parents[1] / "networks" / f"{kind}_17.onnx"
    quantize_dynamic(file, tmp_path / "whole.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "whole.onnx", options)
    model = onnx.load(tmp_path / "fused.onnx")
    assert {node.op_type for node in model.graph.node} & {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
    with np.load(file.with_name(f"{kind}.npz")) as data:
        x = data["inputs"][:4].astype(np.float32)
    wanted = session.run(None, {session.get_inputs()[0].name: x})[0]
    network = networks.load_network(onnx_models.deck(tmp_path / "fused.onnx"))
    assert len(network.layers) >= 5
    np.testing.assert_allclose(network.run(x), wanted, rtol=0, atol=1e-2 * np.abs(wanted).max())  # one step of the integers
    np.testing.assert_allclose(through_crossbars(network, x[:1])[0], network.run(x[:1]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("per_channel", [False, True])
def test_recurrent_layers_quantised_dynamically(per_channel: bool, tmp_path: Path) -> None:
    """Both directions: integers of both matrices on crossbars, states quantised step by step, one input at a time."""
    from onnxruntime.quantization import quantize_dynamic

    n, f = helper.make_node, odd_models.f
    nodes = [
        n("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        n("LSTM", ["t", "W", "R", "B"], ["", "h"], hidden_size=5, direction="bidirectional"),
        n("Transpose", ["h"], ["u"], perm=[1, 0, 2]), n("Flatten", ["u"], ["v"]), n("MatMul", ["v", "fc"], ["y"]),
    ]  # fmt: skip
    weights = {"W": f(2, 20, 4), "R": f(2, 20, 5), "B": f(2, 40), "fc": f(10, 3)}
    path = odd_models.save(tmp_path / "net.onnx", odd_models.Odd(nodes, weights, ("n", 6, 4)))
    quantize_dynamic(path, tmp_path / "whole.onnx", per_channel=per_channel)
    x = np.random.default_rng(5).normal(size=(4, 6, 4)).astype(np.float32)
    wanted = asked(tmp_path / "whole.onnx", x, at_once=1)
    network = networks.load_network(onnx_models.deck(tmp_path / "whole.onnx"))
    ordered = network.ordered(x)
    assert ordered.is_single and len(ordered.layers) == 5
    compare(ordered, x, wanted)
    digital = networks.load_network(onnx_models.deck(tmp_path / "whole.onnx"), digital=[one.name for one in network.layers[:4]])
    compare(digital.ordered(x), x, wanted)


def resized(path: Path, lengths: tuple[int, int], scales: tuple[float, float], opset: int = 19, **how: object) -> np.ndarray:
    """Difference from onnxruntime of a resize after a product with one."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Resize", ["c", "", "s"], ["y"], **how)]
    weights = {"w": np.ones((1, 1, 1, 1), np.float32), "s": np.array([1, 1, *scales], np.float32)}
    odd_models.save(path, odd_models.Odd(nodes, weights, ("n", 1, *lengths), opset))
    x = np.random.default_rng(4).normal(size=(2, 1, *lengths)).astype(np.float32)
    wanted = asked(path, x)
    found = networks.load_network(onnx_models.deck(path)).run(x)
    assert found.shape == wanted.shape
    return np.abs(found - wanted)


@pytest.mark.parametrize("how", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_nearest_inputs_half_way_between_two(how: str, rounding: str, tmp_path: Path) -> None:
    """Places and lengths are those of single precision: 10 times 1.8 is 18, and output 8 of 6 times 1.7 lies at 4.5."""
    for lengths, scales in (((6, 10), (1.7, 1.8)), ((19, 13), (0.7, 0.6)), ((8, 15), (2.6, 2.7)), ((18, 17), (1.5, 1.0))):
        off = resized(
            tmp_path / "net.onnx", lengths, scales, mode="nearest", coordinate_transformation_mode=how, nearest_mode=rounding
        )
        assert off.max() < 1e-6


def test_outputs_that_depend_on_a_place_in_the_batch_are_refused(tmp_path: Path) -> None:
    """Behind the last layer too: a triangle cut out of inputs by outputs, the largest of a batch."""
    for kind, more in (("Trilu", {}), ("Softmax", {"axis": 0}), ("CumSum", {})):
        given = ["h", "zero"] if kind == "CumSum" else ["h"]
        nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node(kind, given, ["y"], **more)]
        weights = {"w": odd_models.f(6, 5), "zero": np.array(0, np.int64)}
        path = odd_models.save(tmp_path / "net.onnx", odd_models.Odd(nodes, weights, ("n", 6)))
        network = networks.load_network(onnx_models.deck(path))
        with pytest.raises(DeckError, match="the model mixes the inputs of a batch"):
            network.ordered(np.random.default_rng(0).normal(size=(2, 6)))


def test_a_transposed_convolution_longer_than_its_patches(tmp_path: Path) -> None:
    """What is asked for beyond the patches is the bias alone, behind them."""
    for way in ("SAME_UPPER", "SAME_LOWER", "NOTSET"):
        node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], strides=[2, 2], output_shape=[9, 10], auto_pad=way)
        weights = {"w": odd_models.f(2, 3, 3, 3), "b": odd_models.f(3)}
        path = odd_models.save(tmp_path / "net.onnx", odd_models.Odd([node], weights, ("n", 2, 5, 4)))
        x = np.random.default_rng(4).normal(size=(3, 2, 5, 4)).astype(np.float32)
        compare(networks.load_network(onnx_models.deck(path)), x, asked(path, x))


def test_a_range_is_that_of_one_input(tmp_path: Path) -> None:
    """A chip sees one input at a time: what quantises over its range does not see others, nor other chips."""
    from onnxruntime.quantization import quantize_dynamic

    file = Path(__file__).parents[1] / "networks" / "residual_17.onnx"
    quantize_dynamic(file, tmp_path / "whole.onnx")
    with np.load(file.with_name("residual.npz")) as data:
        x = data["inputs"][:4].astype(np.float32) * np.array([1.0, 0.2, 5.0, 1.0], np.float32)[:, None, None, None]
    network = networks.load_network(onnx_models.deck(tmp_path / "whole.onnx"))
    ordered = network.ordered(x)
    assert ordered.is_single and not network.is_single
    alone = np.concatenate([network.run(x[i : i + 1]) for i in range(4)])
    np.testing.assert_array_equal(ordered.run(x), alone)
    assert np.abs(network.run(x) - alone).max() > 1e-3 * np.abs(alone).max()  # a batch has one range
    for chip in through_crossbars(ordered, x, chips=2):
        np.testing.assert_allclose(chip, alone, rtol=0, atol=1e-2 * np.abs(alone).max())  # a step of the integers
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("CumSum", ["a", "zero"], ["b"]),
        helper.make_node("DynamicQuantizeLinear", ["b"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    mixed = odd_models.Odd(nodes, {"w": odd_models.f(4, 3), "zero": np.array(0, np.int64)}, ("n", 4))
    network = networks.load_network(onnx_models.deck(odd_models.save(tmp_path / "mixed.onnx", mixed)))
    with pytest.raises(DeckError, match="the model mixes the inputs of a batch"):
        network.ordered(np.random.default_rng(0).normal(size=(2, 4)))


def test_an_output_without_a_type_is_read(tmp_path: Path) -> None:
    w = numpy_helper.from_array(odd_models.f(4, 3), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [onnx.ValueInfoProto(name="y")], [w],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    network = networks.load_network(onnx_models.deck(tmp_path / "n.onnx"))
    x = odd_models.f(3, 4)
    np.testing.assert_allclose(network.run(x), x @ numpy_helper.to_array(w), rtol=0, atol=1e-5)
