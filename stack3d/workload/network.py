"""A trained ONNX network whose weight-stationary products are handed to whoever computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.layout import Floats
from stack3d.workload.lockstep import side_by_side
from stack3d.workload.onnx_file import KEY
from stack3d.workload.operators.allowance import afford, charge, reserve, tallied
from stack3d.workload.program import Product, Program, Step, Watcher

DIRECTIONS = 8
"""Along which vectors are compared."""
ROUNDING = 0.1
"""Of the largest output, what ranges over one input or two may change."""
STEP = 0.02
"""Of the largest output, what a sum in another order may change: a step of eight bits and more."""
AT_ONCE = 2**23
"""Of the vectors that are multiplied at once in double precision. [byte]"""


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """Weights of one analog layer, in equal blocks on the diagonal of an inputs-by-outputs matrix.

    Parameters
    ----------
    name : str
        Name of the node, or of the weight when the node has none; with its slot where a node has several.
    blocks : ndarray, shape (blocks, inputs of one, outputs of one)
        What the crossbars hold; a convolution's rows run over channels, then the kernel; its groups are the blocks.
    scale : ndarray, shape (n_outputs,), or float
        Digital factor of each output. [-]
    """

    name: str
    blocks: Floats
    scale: Floats | float = 1.0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one product: the weights of the model."""
        return self.blocks.size

    @property
    def n_inputs(self) -> int:
        """Rows of the whole matrix."""
        return int(self.blocks.shape[0] * self.blocks.shape[1])

    @property
    def n_outputs(self) -> int:
        """Columns of the whole matrix."""
        return int(self.blocks.shape[0] * self.blocks.shape[2])

    @property
    def weights(self) -> Floats:
        """The whole matrix, shape (n_inputs, n_outputs)."""
        return self.part(0, len(self.blocks))

    def part(self, start: int, stop: int) -> Floats:
        """The matrix of a range of blocks, zero between them."""
        if stop - start == 1:
            return np.asarray(self.blocks[start])
        count, (rows, columns) = stop - start, self.blocks.shape[1:]
        out = np.zeros((count, rows, count, columns))
        out[np.arange(count), :, np.arange(count)] = self.blocks[start:stop]
        return np.asarray(out.reshape(count * rows, count * columns))

    def times(self, x: Floats) -> Floats:
        """Products of vectors (vectors, n_inputs), exact."""
        if len(self.blocks) == 1:
            return np.asarray(x @ self.blocks[0] * self.scale)
        split = x.reshape(len(x), len(self.blocks), -1).transpose(1, 0, 2)
        return np.asarray(np.matmul(split, self.blocks).transpose(1, 0, 2).reshape(len(x), -1) * self.scale)

    def scaled_by_column(self) -> WeightMatrix:
        """Every column scaled to the full conductance window, and the factor that undoes it."""
        largest = np.abs(self.blocks).max(axis=1)
        scale = np.where(largest > 0, largest, 1.0)
        return replace(self, blocks=self.blocks / scale[:, None], scale=self.scale * scale.ravel())


@dataclass(frozen=True, eq=False)
class Inputs:
    """Several inputs of a network, the batch first in each; it can be cut as one array."""

    arrays: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, index: Any) -> Inputs:
        return Inputs({name: x[index] for name, x in self.arrays.items()})


def each(change: Callable[[Floats], Floats], inputs: Any) -> Any:
    """Change the array of every input."""
    return Inputs({n: change(x) for n, x in inputs.arrays.items()}) if isinstance(inputs, Inputs) else change(inputs)


def _changed(x: Floats) -> Floats:
    """Another input of the same kind."""
    turned = np.roll(x, 1, axis=-1)
    return np.asarray(turned * x.dtype.type(0.75)) if x.dtype.kind == "f" else turned


class Part(NamedTuple):
    """One matrix of a layer: a range of its blocks, each with so many inputs."""

    name: str
    start: int
    stop: int
    height: int

    @property
    def rows(self) -> slice:
        """Its inputs among those of the layer."""
        return slice(self.start * self.height, self.stop * self.height)


class Counted(NamedTuple):
    """What one inference takes.

    Parameters
    ----------
    products : dict of str to float
        Per layer.
    digital_macs : float
        Multiply-accumulates of products that have no layer: those of two activations.
    memory : float
        Working memory: what lives between operators, and the largest product. [byte]
    most : float
        What lives at one time at most, all that operators take by the way included, but for products of layers. [byte]
    beside : dict of str to (float, float)
        Per layer: what lives while a product of it is computed [byte], and the vectors of that product.
    """

    products: dict[str, float]
    digital_macs: float
    memory: float
    most: float
    beside: dict[str, tuple[float, float]]


def _before(alone: Floats, other: Floats, both: Floats) -> int | None:
    """How many vectors lie before the batch where `both` are the vectors of two inputs that were run alone; None: mixed."""
    rows, scale = len(alone), float(np.abs(alone).max(initial=0.0))
    for before in range(1, rows + 1):
        if rows % before == 0 and len(both) == 2 * rows:
            parts = both.reshape(before, 2, rows // before, -1)
            if all(
                np.allclose(parts[:, i].reshape(alone.shape), one, rtol=1e-3, atol=1e-4 * scale)
                for i, one in enumerate((alone, other))
            ):
                return before
    return None


def _check_apart(alone: Floats, together: Floats, rounding: float) -> None:
    """Raise DeckError where outputs of inputs together are, but for rounding, not those of each alone."""
    if alone.shape != together.shape or np.abs(alone - together).max(initial=0.0) > rounding * np.abs(alone).max(initial=0.0):
        raise DeckError(Problem(KEY, "the model mixes the inputs of a batch: export it with the batch as the first axis"))


@dataclass(frozen=True, eq=False)
class Network:
    """A network as steps plus the matrices that crossbars hold; runs share no state.

    Parameters
    ----------
    program : Program
    layers : tuple of WeightMatrix
        In the order of the graph.
    digital : tuple of WeightMatrix
        Those that stay digital.
    uses : mapping of (str, str) to str
        First output of a node and slot → the layer that holds its matrix.
    copies : mapping of str to tuple of str
        Layer → names of the copies that share its products; absent = the layer itself.
    packing : mapping of str to tuple of (int, int)
        Layer → ranges of its blocks that lie on arrays of their own; absent = one matrix.
    strides : mapping of str to int
        Layer → vectors that lie before the batch among those of one product, where any do (steps before batches, say).
    is_single : bool
        Whether the program takes one input at a time: a model that is fixed to a batch of one, or that rounds over a batch.
    """

    program: Program
    layers: tuple[WeightMatrix, ...]
    digital: tuple[WeightMatrix, ...]
    uses: Mapping[tuple[str, str], str]
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    packing: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    strides: Mapping[str, int] = field(default_factory=dict)
    is_single: bool = False

    @property
    def stored(self) -> float:
        """Memory of its weights and other constants. [byte]"""
        constants = (one.nbytes for one in self.program.constants.values())
        return float(sum(layer.blocks.nbytes for layer in (*self.layers, *self.digital)) + sum(constants))

    def parts(self, layer: str, copy: str) -> tuple[Part, ...]:
        """The matrices of one copy of a layer."""
        blocks = self._by_name[layer].blocks
        ranges = self.packing.get(layer, ((0, len(blocks)),))
        names = [copy] if len(ranges) == 1 else [f"{copy}[{i}]" for i in range(len(ranges))]
        return tuple(Part(name, start, stop, blocks.shape[1]) for name, (start, stop) in zip(names, ranges))

    def matrices(self, layer: str) -> tuple[Part, ...]:
        """The matrices of all copies of a layer."""
        return tuple(part for copy in self.copies.get(layer, (layer,)) for part in self.parts(layer, copy))

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the first input; None where the graph leaves it open."""
        return self.program.inputs[0].shape

    def run(self, inputs: Any, product: Product | None = None) -> Floats:
        """Outputs of a batch.

        Parameters
        ----------
        inputs : ndarray, shape (batch, ...), or Inputs
        product : callable, optional
            Computes every analog product with the layer's `weights`; absent = exact float products.

        Returns
        -------
        ndarray, shape (batch, ...)
            Logits (batch, n_classes) where the network tells classes apart.
        """
        times = self._exact if product is None else self._handed_out(product)
        found = np.asarray(self._run(inputs, times, is_together=product is not None), dtype=np.float64)
        return found[:, None] if found.ndim == 1 else found

    def _run(self, inputs: Any, times: Product, *, is_together: bool) -> Floats:
        """Outputs of the program; of one that takes single inputs, for each in turn, or `is_together` side by side."""
        if not self.is_single:
            return self.program.run(self._feed(inputs), times, self.uses)

        def one(number: int, times: Product) -> Floats:
            found = self.program.run(self._feed(inputs[number : number + 1]), times, self.uses)
            return found if found.ndim and len(found) == 1 else found[None]

        count = len(inputs)
        return np.concatenate(side_by_side(count, one, times) if is_together else [one(i, times) for i in range(count)])

    def watched(self, inputs: Any, observe: Watcher) -> None:
        """Run a batch in float arithmetic, and tell of every step.

        Parameters
        ----------
        inputs : ndarray, shape (batch, ...), or Inputs
        observe : callable
        """
        self.program.run(self._feed(inputs), self._exact, self.uses, observe)

    def counted(self, inputs: Any) -> Counted:
        """What an inference takes, counted on a batch of two or more."""
        inputs = inputs[:1] if self.is_single else inputs
        calls: dict[str, list[int]] = {}
        macs, most, n = 0, 0, len(inputs)
        beside: dict[str, tuple[float, float]] = {}

        def counting(name: str, x: Floats) -> Floats:
            calls.setdefault(name, []).append(len(x))
            live, vectors = beside.get(name, (0.0, 0.0))
            beside[name] = max(live, (tally.live + tally.made) / n), max(vectors, len(x) / n)
            before = tally.most
            found = self._exact(name, x)
            tally.most = max(before, tally.live + tally.made)
            return found

        def watch(step: Step, given: Sequence[Any], found: Sequence[Any], live: int) -> None:
            nonlocal macs, most
            most = max(most, live)
            if not any((step.node.key, slot) in self.uses for slot in step.operator.slots):
                macs += step.operator.macs(given, found)

        with tallied() as tally:
            self.program.run(self._feed(inputs), counting, self.uses, watch)
        vectors = [
            max(seen) * (4 * self._by_name[name].n_inputs + 4 * self._by_name[name].n_outputs) for name, seen in calls.items()
        ]
        products = {name: sum(rows / n for rows in seen) for name, seen in calls.items()}
        return Counted(products, macs / n, (most + 4 * max(vectors, default=0)) / n, tally.most / n, beside)

    def memory_in_float(self, found: Counted, n_inputs: int) -> float:
        """What a run of so many inputs in float arithmetic takes. [byte]"""
        layers = (*self.layers, *self.digital)
        products = (_exact_memory(one, n_inputs * found.beside.get(one.name, (0.0, 0.0))[1]) for one in layers)
        return n_inputs * found.most + max(products, default=0.0)

    def memory_of_trial(self, found: Counted) -> float:
        """What two inputs take that tell how the network counts and orders its products. [byte]"""
        return self.memory_in_float(found, 2) + 4.0 * 4.0 * DIRECTIONS * sum(found.products.values())

    def products(self, inputs: Any) -> dict[str, float]:
        """Products per inference of every layer, digital ones included, counted on a batch."""
        return self.counted(inputs).products

    def ordered(self, inputs: Any) -> Network:
        """The network with the place of the batch among the vectors of each product, found on an input and a changed one.

        A network that rounds over the range of a batch is made one for single inputs: a chip sees one at a time. Raises
        DeckError when the vectors of an input are not together in a fixed number of runs.
        """
        if self.is_single:
            return self
        if any(step.operator.is_ranged for step in self.program.steps):
            return self._single(inputs)
        changed = each(_changed, inputs[:1])
        (alone, first), (other, second) = self._vectors(inputs[:1]), self._vectors(changed)
        both, together = self._vectors(each(lambda x: np.concatenate([x[:1], _changed(x[:1])]), inputs))
        strides: dict[str, int] = {}
        for name, seen in alone.items():
            found = {_before(*vectors) for vectors in zip(seen, other[name], both[name])}
            if len(found) != 1 or None in found:
                text = f"layer {name!r} mixes the inputs of a batch: export the model with the batch as the first axis"
                raise DeckError(Problem(KEY, text))
            strides[name] = found.pop() or 1
        _check_apart(np.concatenate([first, second]), together, STEP)
        return replace(self, strides={name: n for name, n in strides.items() if n > 1})

    def _single(self, inputs: Any) -> Network:
        """The network for single inputs; raises DeckError where inputs together give more than rounding beside those alone."""
        single = replace(self, is_single=True)
        two = each(lambda x: np.concatenate([x[:1], _changed(x[:1])]), inputs)
        _check_apart(single.run(two), self.run(two), ROUNDING)
        return single

    def _vectors(self, inputs: Any) -> tuple[dict[str, list[Floats]], Floats]:
        """The output, after the vectors of every product on crossbars, along some directions: whole ones take much room."""
        rng = np.random.default_rng(0)
        seen: dict[str, list[Floats]] = {layer.name: [] for layer in self.layers}

        def keeping(name: str, x: Floats) -> Floats:
            if name in seen:
                along = rng.standard_normal((x.shape[-1], DIRECTIONS))
                seen[name].append(x @ along.astype(np.result_type(x.dtype, np.float32)))
            return self._exact(name, x)

        return seen, np.asarray(self.program.run(self._feed(inputs), keeping, self.uses), dtype=np.float64)

    def _feed(self, inputs: Any) -> dict[str, Any]:
        return dict(inputs.arrays) if isinstance(inputs, Inputs) else {self.program.inputs[0].name: inputs}

    @cached_property
    def _by_name(self) -> dict[str, WeightMatrix]:
        return {layer.name: layer for layer in (*self.layers, *self.digital)}

    def _exact(self, name: str, x: Floats) -> Floats:
        layer = self._by_name[name]
        charge(len(x) * layer.macs)
        at_once = _at_once(layer)
        reserve(_exact_memory(layer, len(x)), stays=False)
        shape = afford((len(x), layer.n_outputs), x.itemsize)
        if len(x) <= at_once:
            return layer.times(x)
        out = np.empty(shape, x.dtype)
        for start in range(0, len(x), at_once):
            out[start : start + at_once] = layer.times(x[start : start + at_once])
        return out

    def _handed_out(self, product: Product) -> Product:
        analog = {layer.name: layer.scale for layer in self.layers}
        return lambda name, x: np.asarray(product(name, x) * analog[name]) if name in analog else self._exact(name, x)


def _at_once(layer: WeightMatrix) -> int:
    """Vectors that are multiplied together in double precision."""
    return max(1, AT_ONCE // (8 * max(layer.n_inputs, layer.n_outputs)))


def _exact_memory(layer: WeightMatrix, vectors: float) -> float:
    """What a product in double precision takes beyond its result. [byte]"""
    outputs = layer.n_outputs * (1 + (np.ndim(layer.scale) > 0))
    return 8.0 * min(vectors, _at_once(layer)) * (layer.n_inputs + outputs)
