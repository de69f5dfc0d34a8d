"""A trained ONNX network whose weight-stationary products are handed to whoever computes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.layout import Floats
from stack3d.schema import workload as schema
from stack3d.workload.operators import Product, convolution_matrix, evaluator

ANALOG_OPERATORS = ("Conv", "Gemm", "MatMul")
DIGITAL_OPERATORS = (
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "Concat",
    "Constant", "ConstantOfShape", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp",
    "Expand", "Flatten", "Floor", "Gather", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "Max", "MaxPool", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pad",
    "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round", "Selu", "Shape", "Sigmoid", "Sign", "Slice",
    "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "ThresholdedRelu",
    "Tile", "Transpose", "Unsqueeze", "Where",
)  # fmt: skip
KEY = "workload.network.file"


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """Weights of one analog layer, inputs by outputs.

    Parameters
    ----------
    name : str
        Name of the node, or of the weight when the node has none.
    weights : ndarray, shape (n_inputs, n_outputs)
        What the crossbars hold; a convolution's rows run over channels, then the kernel, groups on the diagonal.
    scale : ndarray, shape (n_outputs,), or float
        Digital factor of each output. [-]
    macs : int
        Multiply-accumulates of one product: the weights of the model, without the zeros between groups.
    """

    name: str
    weights: Floats
    scale: Floats | float = 1.0
    macs: int = 0

    def scaled_by_column(self) -> WeightMatrix:
        """Every column scaled to the full conductance window, and the factor that undoes it."""
        largest = np.abs(self.weights).max(axis=0)
        scale = np.where(largest > 0, largest, 1.0)
        return replace(self, weights=self.weights / scale, scale=self.scale * scale)


@dataclass(frozen=True, eq=False)
class Network:
    """A network as an ONNX graph plus the matrices that crossbars hold.

    Parameters
    ----------
    model : onnx.ModelProto
    layers : tuple of WeightMatrix
        In the order of the graph.
    digital : tuple of WeightMatrix
        Those that stay digital.
    copies : mapping of str to tuple of str
        Layer → names of the copies that share its products; absent = the layer itself.
    """

    model: Any
    layers: tuple[WeightMatrix, ...]
    digital: tuple[WeightMatrix, ...]
    _by_output: Mapping[str, str]
    _left: Collection[str]
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def input_name(self) -> str:
        """Name of the graph's input."""
        return next(_inputs(self.model))

    @cached_property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the input; None where the graph leaves it open."""
        value = next(i for i in self.model.graph.input if i.name == self.input_name)
        return tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim)

    def run(self, inputs: Floats, product: Product | None = None) -> Floats:
        """Logits of a batch.

        Parameters
        ----------
        inputs : ndarray, shape (batch, ...)
        product : callable, optional
            Computes every analog product with the layer's `weights`; absent = exact float products.

        Returns
        -------
        ndarray, shape (batch, n_classes)
        """
        self._state["product"] = self._exact if product is None else self._handed_out(product)
        return np.asarray(self._evaluator.run(None, self._feed(inputs))[0], dtype=np.float64)

    def products(self, inputs: Floats) -> dict[str, float]:
        """Products per inference of every layer, digital ones included, counted on a batch."""
        seen: dict[str, float] = {}

        def counting(name: str, x: Floats) -> Floats:
            seen[name] = seen.get(name, 0.0) + len(x) / len(inputs)
            return self._exact(name, x)

        self._state["product"] = counting
        self._evaluator.run(None, self._feed(inputs))
        return seen

    def _feed(self, inputs: Floats) -> dict[str, NDArray[Any]]:
        """Inputs in the type that the graph asks for."""
        from onnx.helper import tensor_dtype_to_np_dtype

        value = next(i for i in self.model.graph.input if i.name == self.input_name)
        return {self.input_name: np.asarray(inputs).astype(tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))}

    @cached_property
    def _by_name(self) -> dict[str, WeightMatrix]:
        return {layer.name: layer for layer in (*self.layers, *self.digital)}

    def _exact(self, name: str, x: Floats) -> Floats:
        layer = self._by_name[name]
        return np.asarray(x @ layer.weights * layer.scale)

    def _handed_out(self, product: Product) -> Product:
        analog = {layer.name: layer.scale for layer in self.layers}
        return lambda name, x: np.asarray(product(name, x) * analog[name]) if name in analog else self._exact(name, x)

    @cached_property
    def _state(self) -> dict[str, Product]:
        return {}

    @cached_property
    def _evaluator(self) -> Any:
        """Made once: it compiles the graph."""
        state = self._state
        return evaluator(self.model, self._by_output, self._left, lambda: state["product"])


def _inputs(model: Any) -> Iterator[str]:
    weights = {t.name for t in model.graph.initializer}
    return (str(i.name) for i in model.graph.input if i.name not in weights)


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _read(path: Path) -> Any:
    """The model with its external data, which must lie beside it."""
    import onnx
    from onnx.external_data_helper import load_external_data_for_tensor

    try:
        model = onnx.load(path, load_external_data=False)
        for tensor in _tensors(model):
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                continue
            location = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
            folder, target = path.parent.resolve(), (path.parent / location).resolve()
            if target.parent != folder or not target.is_file():
                where = "that is not beside the model" if target.parent != folder else "that does not exist"
                raise DeckError(Problem(KEY, f"{path.name} keeps weight {tensor.name!r} in a file {where}: {location!r}"))
            load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
        onnx.checker.check_model(model)
    except DeckError:
        raise
    except Exception as error:  # protobuf and checker raise unrelated types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DeckError(Problem(KEY, f"{path.name} is no valid ONNX model: {reason}")) from None
    return model


def _constants(model: Any) -> dict[str, NDArray[Any]]:
    """Initializers and everything that depends on nothing else (a transposed or dequantised weight, say)."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        used = [name for name in node.input if name]
        if all(name in known for name in used) and node.op_type not in ("Dropout", *ANALOG_OPERATORS):
            results = ReferenceEvaluator(node, opsets={o.domain: o.version for o in model.opset_import}).run(
                None, {name: known[name] for name in used}
            )
            known |= dict(zip(node.output, (np.asarray(r) for r in results)))
    return known


def _weight(node: Any, constants: Mapping[str, NDArray[Any]]) -> tuple[str, Floats, bool] | None:
    """(name of the weight, its matrix, whether it stands on the left) of a weight-stationary node."""
    attributes = {a.name: a.i for a in node.attribute}
    right, left = constants.get(node.input[1]), constants.get(node.input[0])
    if right is not None and node.op_type == "Conv":
        return node.input[1], convolution_matrix(right, attributes.get("group") or 1), False
    if right is not None and right.ndim == 2:
        turned = node.op_type == "Gemm" and attributes.get("transB")
        return node.input[1], np.asarray(right.T if turned else right, dtype=np.float64), False
    if left is not None and left.ndim == 2 and node.op_type == "MatMul":
        return node.input[0], np.asarray(left.T, dtype=np.float64), True
    return None


def _unsupported(model: Any) -> list[Problem]:
    problems = []
    supported = ", ".join((*ANALOG_OPERATORS, *DIGITAL_OPERATORS))
    for node in model.graph.node:
        name = node.name or node.output[0]
        kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        if kind not in ANALOG_OPERATORS + DIGITAL_OPERATORS:
            problems.append(Problem(KEY, f"node {name!r} is a {kind}, which is not supported; supported: {supported}"))
        elif kind == "MaxPool" and len([o for o in node.output if o]) > 1:
            problems.append(Problem(KEY, f"node {name!r} is a MaxPool with indices; only the values are supported"))
    inputs = list(_inputs(model))
    if len(inputs) != 1:
        problems.append(Problem(KEY, f"the model has {len(inputs)} inputs ({', '.join(inputs)}); one is supported"))
    return problems


def _free_batch(model: Any) -> None:
    """Make a fixed batch axis free, in place: the input's first axis and the constants that reshape to it.

    Exporters write the batch of their example. The caller checks that the outcome is the same.
    """
    from onnx import numpy_helper

    value = next(i for i in model.graph.input if i.name == next(_inputs(model)))
    axis = value.type.tensor_type.shape.dim[0]
    fixed = axis.dim_value
    axis.dim_param = "batch"
    shapes = {n.input[1] for n in model.graph.node if n.op_type == "Reshape"}
    holders = [t for t in model.graph.initializer if t.name in shapes]
    holders += [a.t for n in model.graph.node if n.op_type == "Constant" and n.output[0] in shapes for a in n.attribute]
    for tensor in holders:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.size > 1 and shape[0] == fixed:
            shape[0] = 0
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    del model.graph.value_info[:]
    for output in model.graph.output:
        if output.type.tensor_type.shape.dim:
            output.type.tensor_type.shape.dim[0].dim_param = "batch"


def load_network(deck: schema.Network, *, digital: Collection[str] = (), by_column: bool = False) -> Network:
    """Read the ONNX file of a network deck.

    Parameters
    ----------
    deck : schema.Network
    digital : collection of str
        Layers that stay digital.
    by_column : bool
        Scale every output column to the full conductance window instead of the whole layer.

    Raises
    ------
    DeckError
        When the file is no ONNX model, keeps data elsewhere than beside it, has operators that are not supported, does not run,
        or gives no logits; all of these before anything expensive starts.
    """
    path = Path(deck.file)
    model = _read(path)
    problems = _unsupported(model)
    if problems:
        raise DeckError(problems)
    constants = _constants(model)
    layers: dict[str, WeightMatrix] = {}
    by_output: dict[str, str] = {}
    by_weight: dict[tuple[str, str, bool], str] = {}
    left = set()
    for node in model.graph.node:
        found = _weight(node, constants) if node.op_type in ANALOG_OPERATORS else None
        if found is None:
            continue
        weight, matrix, stands_left = found
        turned = node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute)
        name = by_weight.get((weight, node.op_type, turned or stands_left), node.name or weight)
        if (weight, node.op_type, turned or stands_left) not in by_weight:
            while name in layers:
                name += "_"
            group = next((a.i for a in node.attribute if node.op_type == "Conv" and a.name == "group"), 1)
            layers[name] = WeightMatrix(name, np.ascontiguousarray(matrix), macs=matrix.size // group)
            by_weight[weight, node.op_type, turned or stands_left] = name
        by_output[node.output[0]] = name
        if stands_left:
            left.add(node.output[0])
    for name in digital:
        if name not in layers:
            message = f"no layer {name!r}{did_you_mean(name, layers)}; layers: {', '.join(layers)}"
            problems.append(Problem("workload.digital", message))
    analog = [layer for name, layer in layers.items() if name not in digital]
    if not analog and not problems:
        message = f"the model has no {', '.join(ANALOG_OPERATORS)} with constant weights left to put on crossbars"
        problems.append(Problem(KEY, message))
    if problems:
        raise DeckError(problems)
    chosen = tuple(layer.scaled_by_column() if by_column else layer for layer in analog)
    kept = tuple(layer for name, layer in layers.items() if name in digital)
    network = Network(model, chosen, kept, by_output, left)
    _try(network)
    return network


def _try(network: Network) -> None:
    """Run two inputs, with a batch axis freed if it was fixed; raises DeckError when that does not give two rows of logits."""
    shape = network.input_shape
    rng = np.random.default_rng(0)
    fixed = shape[0] if shape else None
    x = rng.random((max(2, 2 * (fixed or 1)), *(d or 8 for d in shape[1:])))
    try:
        if fixed:
            parts = [network.run(x[i : i + fixed]) for i in range(0, len(x), fixed)]
            _free_batch(network.model)
            network.__dict__.pop("_evaluator"), network.__dict__.pop("input_shape")
        logits = network.run(x)
    except Exception as error:  # operators raise whatever their arrays raise
        if not fixed and None in shape[1:]:
            return  # sizes that only the data know
        raise DeckError(Problem(KEY, f"the model does not run on inputs of shape {x.shape}: {error}")) from None
    if logits.ndim != 2 or len(logits) != len(x):
        raise DeckError(
            Problem(KEY, f"the model's output has shape {logits.shape} for {len(x)} inputs; wanted (inputs, classes)")
        )
    if fixed and not np.allclose(logits, np.concatenate(parts), rtol=1e-4, atol=1e-5):
        raise DeckError(Problem(KEY, f"the model is fixed to batches of {fixed}; export it with a dynamic batch axis"))
