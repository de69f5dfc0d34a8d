"""A trained ONNX network whose weight-stationary products are handed to whoever computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.schema import workload as schema

Product = Callable[[str, Floats], Floats]
"""(layer, x) → x @ W: x has shape (vectors, inputs of the layer), the result (vectors, outputs)."""

ANALOG_OPERATORS = ("Gemm", "MatMul")
DIGITAL_OPERATORS = (
    "Add", "AveragePool", "BatchNormalization", "Clip", "Constant", "Div", "Flatten", "GlobalAveragePool", "Identity",
    "LeakyRelu", "LogSoftmax", "Mul", "Neg", "ReduceMean", "Relu", "Reshape", "Sigmoid", "Softmax", "Sub", "Tanh", "Transpose",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """Weights of one analog layer, inputs by outputs.

    Parameters
    ----------
    name : str
        Name of the node, or of the weight when the node has none.
    weights : ndarray, shape (n_inputs, n_outputs)
    """

    name: str
    weights: Floats


@dataclass(frozen=True, eq=False)
class Network:
    """A network as an ONNX graph plus the matrices that crossbars hold.

    Parameters
    ----------
    model : onnx.ModelProto
    layers : tuple of WeightMatrix
        In the order of the graph.
    """

    model: Any
    layers: tuple[WeightMatrix, ...]
    _by_weight: Mapping[str, str]

    @cached_property
    def input_name(self) -> str:
        """Name of the graph's input."""
        weights = {t.name for t in self.model.graph.initializer}
        return next(str(i.name) for i in self.model.graph.input if i.name not in weights)

    @cached_property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the input; None where the graph leaves it open."""
        value = next(i for i in self.model.graph.input if i.name == self.input_name)
        return tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference in fully connected layers."""
        return sum(layer.weights.size for layer in self.layers)

    def run(self, inputs: Floats, product: Product | None = None) -> Floats:
        """Logits of a batch.

        Parameters
        ----------
        inputs : ndarray, shape (batch, ...)
        product : callable, optional
            Computes every analog product; absent = exact float products.

        Returns
        -------
        ndarray, shape (batch, n_classes)
        """
        self._evaluator.product = product or self._exact
        feed = {self.input_name: np.asarray(inputs, dtype=np.float32)}
        return np.asarray(self._evaluator.run(None, feed)[0], dtype=np.float64)

    def _exact(self, name: str, x: Floats) -> Floats:
        return np.asarray(x @ next(layer.weights for layer in self.layers if layer.name == name))

    @cached_property
    def _evaluator(self) -> Any:
        """ONNX reference evaluator whose weight-stationary operators ask its ``product``; made once, it compiles."""
        from onnx.reference import ReferenceEvaluator
        from onnx.reference.op_run import OpRun

        by_weight = self._by_weight
        evaluator: Any

        class Gemm(OpRun):  # type: ignore[misc]
            op_domain = ""

            def _run(
                self, a: Any, b: Any, c: Any = None, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
            ) -> Any:
                name = by_weight.get(self.onnx_node.input[1])
                left = a.T if transA else a
                out = evaluator.product(name, left) if name else left @ (b.T if transB else b)
                out = out * alpha if alpha != 1.0 else out
                return (out if c is None else out + beta * c,)

        class MatMul(OpRun):  # type: ignore[misc]
            op_domain = ""

            def _run(self, a: Any, b: Any) -> Any:
                name = by_weight.get(self.onnx_node.input[1])
                if not name:
                    return (np.matmul(a, b),)
                out = evaluator.product(name, a.reshape(-1, a.shape[-1]))
                return (out.reshape(*a.shape[:-1], -1),)

        evaluator = ReferenceEvaluator(self.model, new_ops=[Gemm, MatMul])
        return evaluator


def load_network(deck: schema.Network) -> Network:
    """Read the ONNX file of a network deck.

    Raises
    ------
    DeckError
        When the file is no ONNX model, keeps data outside itself, or has operators that are not supported; all of
        these before anything expensive starts.
    """
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(deck.file, load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and checker raise unrelated types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DeckError(Problem("workload.network.file", f"{Path(deck.file).name} is no valid ONNX model: {reason}")) from None
    graph = model.graph
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in graph.initializer):
        raise DeckError(
            Problem(
                "workload.network.file", f"{Path(deck.file).name} keeps weights in other files; save it with its data inside"
            )
        )
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    layers, by_weight, problems = [], {}, []
    for node in graph.node:
        if node.op_type not in ANALOG_OPERATORS + DIGITAL_OPERATORS:
            supported = ", ".join(ANALOG_OPERATORS + DIGITAL_OPERATORS)
            message = (
                f"node {node.name or node.output[0]!r} is a {node.op_type}, which is not supported; supported: {supported}"
            )
            problems.append(Problem("workload.network.file", message))
        elif node.op_type in ANALOG_OPERATORS and node.input[1] in weights:
            matrix = weights[node.input[1]]
            if node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute):
                matrix = matrix.T
            if matrix.ndim == 2 and node.input[1] not in by_weight:
                name = node.name or node.input[1]
                by_weight[node.input[1]] = name
                layers.append(WeightMatrix(name, np.ascontiguousarray(matrix, dtype=np.float64)))
    if not layers and not problems:
        problems.append(
            Problem("workload.network.file", "the model has no Gemm or MatMul with constant weights to put on crossbars")
        )
    if problems:
        raise DeckError(problems)
    return Network(model, tuple(layers), by_weight)


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Inputs and labels, split into a part for profiling converters and a part for judging.

    Parameters
    ----------
    profile : ndarray, shape (n_profile, ...)
    profile_labels : ndarray of int, shape (n_profile,)
    inputs : ndarray, shape (n_test, ...)
    labels : ndarray of int, shape (n_test,)
    """

    profile: Floats
    profile_labels: NDArray[np.int64]
    inputs: Floats
    labels: NDArray[np.int64]


def load_data(deck: schema.Data, network: Network, most: int | None = None, profile: int = 256) -> LabelledData:
    """Read labelled inputs; `most` limits the test part, `profile` the part that calibrates converters.

    Raises
    ------
    DeckError
        When arrays are missing or do not fit each other or the network's input.
    """
    key = "workload.network.data.file"
    name = Path(deck.file).name
    try:
        with np.load(deck.file, allow_pickle=False) as archive:
            arrays = {k: archive[k] for k in archive.files}
    except (OSError, ValueError) as error:
        raise DeckError(Problem(key, f"{name} cannot be read as .npz: {error}")) from None
    for wanted in ("inputs", "labels"):
        if wanted not in arrays:
            raise DeckError(Problem(key, f"{name} has no array {wanted!r}; it has: {', '.join(arrays)}"))
    inputs = arrays["inputs"].astype(np.float64) * deck.scale
    labels = arrays["labels"].astype(np.int64)
    if len(inputs) != len(labels):
        raise DeckError(Problem(key, f"{name} has {len(inputs)} inputs but {len(labels)} labels"))
    if any(have != want for have, want in zip(inputs.shape[1:], network.input_shape[1:]) if want is not None):
        raise DeckError(
            Problem(key, f"{name} has inputs of shape {inputs.shape[1:]}, the network wants {network.input_shape[1:]}")
        )
    test = arrays.get("test", np.arange(len(inputs)))
    train = arrays.get("train", test)
    chosen = train[:profile]
    return LabelledData(inputs[chosen], labels[chosen], inputs[test][:most], labels[test][:most])
