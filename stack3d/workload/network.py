"""A trained ONNX network whose weight-stationary products are handed to whoever computes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem, did_you_mean
from stack3d.layout import Floats
from stack3d.schema import workload as schema
from stack3d.workload.onnx_file import (
    ANALOG_OPERATORS,
    KEY,
    constants_of,
    free_batch,
    inputs_of,
    keep_output,
    read_model,
    unsupported,
)
from stack3d.workload.operators import Product, convolution_matrix, evaluator


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
        return next(inputs_of(self.model))

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


class _Stationary(NamedTuple):
    """Weights of a node, inputs by outputs, and how they stand in it."""

    weight: str
    matrix: Floats
    macs: int
    is_left: bool
    is_turned: bool


def _stationary(node: Any, constants: Mapping[str, NDArray[Any]]) -> _Stationary | None:
    """Weights of a node that is weight-stationary; None when both operands are activations, or the constant is no matrix."""
    attributes = {a.name: a.i for a in node.attribute}
    left, right = (constants.get(name) for name in node.input[:2])
    if node.op_type == "Conv":
        group = attributes.get("group") or 1
        return None if right is None else _Stationary(node.input[1], convolution_matrix(right, group), right.size, False, False)
    if right is not None and right.ndim == 2:
        turned = bool(attributes.get("transB"))
        return _Stationary(node.input[1], np.asarray(right.T if turned else right, np.float64), right.size, False, turned)
    if left is not None and left.ndim == 2:
        turned = not attributes.get("transA")
        return _Stationary(node.input[0], np.asarray(left.T if turned else left, np.float64), left.size, True, turned)
    return None


def load_network(
    deck: schema.Network, *, output: str | None = None, digital: Collection[str] = (), by_column: bool = False
) -> Network:
    """Read the ONNX file of a network deck.

    Parameters
    ----------
    deck : schema.Network
    output : str, optional
        The output to read the classes from; only a model with one needs none.
    digital : collection of str
        Layers that stay digital.
    by_column : bool
        Scale every output column to the full conductance window instead of the whole layer.

    Raises
    ------
    DeckError
        When the file is no ONNX model, keeps data outside its folder, has operators or weights that are not supported, does
        not run, or gives no logits; all of these before anything expensive starts.
    """
    path = Path(deck.file)
    model = read_model(path)
    keep_output(model, output)
    problems = unsupported(model)
    if problems:
        raise DeckError(problems)
    constants = constants_of(model)
    layers: dict[str, WeightMatrix] = {}
    by_output: dict[str, str] = {}
    by_use: dict[tuple[str, tuple[int, ...], bool], str] = {}
    left, no_matrix = set(), set()
    for node in model.graph.node:
        if node.op_type not in ANALOG_OPERATORS or node.output[0] in constants:
            continue
        found = _stationary(node, constants)
        if found is None:
            for weight in [name for name in node.input[:2] if name in constants and node.op_type != "Conv"]:
                name = node.name or weight
                no_matrix.add(name)
                if name not in digital:
                    message = f"{path.name}: {node.op_type} {name!r} has a constant of shape {constants[weight].shape};"
                    advice = f"crossbars hold matrices: give it two axes, or list {name!r} under workload.digital"
                    problems.append(Problem(KEY, f"{message} {advice}"))
            continue
        use = (found.weight, found.matrix.shape, found.is_turned)
        name = by_use.get(use, node.name or found.weight)
        if use not in by_use:
            while name in layers:
                name += "_"
            layers[name] = WeightMatrix(name, np.ascontiguousarray(found.matrix), macs=found.macs)
            by_use[use] = name
            if name not in digital:
                problems += _unfit(layers[name], found.weight, path)
        by_output[node.output[0]] = name
        if found.is_left:
            left.add(node.output[0])
    for name in digital:
        if name not in layers and name not in no_matrix:
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


def _unfit(layer: WeightMatrix, weight: str, path: Path) -> list[Problem]:
    """What keeps a layer's weights from conductances."""
    bad = np.argwhere(~np.isfinite(layer.weights))
    if bad.size:
        value, at = layer.weights[tuple(bad[0])], ", ".join(str(i) for i in bad[0])
        what = f"{len(bad)} of {layer.weights.size} weights that are not finite, the first {value} at (input, output) ({at})"
    elif not layer.weights.any():
        what = f"nothing but zeros: no weight sets the scale of its conductances; list {layer.name!r} under workload.digital"
    else:
        return []
    return [Problem(KEY, f"{path.name}: layer {layer.name!r} (weight {weight!r}) has {what}")]


def _try(network: Network) -> None:
    """Run two inputs, with a batch axis freed if it was fixed; raises DeckError when that does not give two rows of logits."""
    shape = network.input_shape
    rng = np.random.default_rng(0)
    fixed = shape[0] if shape else None
    x = rng.random((max(2, 2 * (fixed or 1)), *(d or 8 for d in shape[1:])))
    try:
        if fixed:
            parts = [network.run(x[i : i + fixed]) for i in range(0, len(x), fixed)]
            free_batch(network.model)
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
