"""A network's own graph run in torch: its constants are what is trained, its matrices are products of somebody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stack3d.errors import DeckError, Problem
from stack3d.training.matrices import HOLDERS, convolved
from stack3d.training.operators import FUNCTIONS, MOVERS, library, moved, taken
from stack3d.workload import Array, Network, Step, perform

TorchProduct = Callable[[str, Any, Any], Any]
"""(layer, x, blocks) → x @ W: x has shape (vectors, inputs), the blocks (blocks, inputs of one, outputs of one)."""
BIASES = {
    "Conv": (2,), "ConvTranspose": (2,), "Gemm": (2,), "LSTM": (3, 7), "GRU": (3,), "RNN": (3,),
    "BatchNormalization": (1, 2), "LayerNormalization": (1, 2), "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2), "RMSNormalization": (1,),
}  # fmt: skip
"""Operator → those of its inputs that are trained beside the matrices, where they are constants."""


class TorchGraph:
    """The steps of a network on arrays of torch.

    Parameters
    ----------
    network : Network

    Attributes
    ----------
    parameters : dict of str to tensor
        Trained constants by name: matrices, biases, scales.

    Raises
    ------
    DeckError
        Names the operators that cannot be trained.
    """

    def __init__(self, network: Network) -> None:
        if network.is_single:
            text = "takes one input at a time: export it with a free batch axis to train it"
            raise DeckError(Problem("workload.network.file", text))
        torch = library()
        self.network = network
        program = network.program
        self._blocks = layouts(network)
        names = dict.fromkeys(name for name, _ in self._blocks.values())
        names |= dict.fromkeys(_beside(network))
        self.parameters = {
            name: torch.nn.Parameter(torch.from_numpy(np.array(program.constants[name], np.float32))) for name in names
        }
        self._fixed = {
            name: torch.from_numpy(np.array(value)) if value.dtype.kind == "f" else value
            for name, value in program.constants.items()
            if name not in names
        }
        self._maps: dict[Any, tuple[Array, Array]] = {}

    @property
    def matrices(self) -> list[str]:
        """Names of the parameters that are matrices."""
        return list(dict.fromkeys(name for name, _ in self._blocks.values()))

    def blocks(self, layer: str) -> Any:
        """The matrix of a layer in blocks, made of the parameters; shape (blocks, inputs, outputs)."""
        name, where = self._blocks[layer]
        flat = self.parameters[name].reshape(-1)
        return taken(library().cat([flat.new_zeros(1), flat]), where)

    def constants(self) -> dict[str, Array]:
        """All constants of the graph with the parameters as they are now."""
        now = {name: p.detach().numpy() for name, p in self.parameters.items()}
        given = self.network.program.constants
        return {name: now[name].astype(value.dtype) if name in now else value for name, value in given.items()}

    def run(self, inputs: Mapping[str, Array], product: TorchProduct) -> Any:
        """Output of a batch, a tensor of shape (batch, ...).

        Parameters
        ----------
        inputs : mapping of str to ndarray
            By name, the batch first.
        product : callable
            Computes the products of layers.
        """
        torch, program = library(), self.network.program
        values: dict[str, Any] = {}
        for one in program.inputs:
            x = np.ascontiguousarray(np.asarray(inputs[one.name]).astype(one.dtype, copy=False))
            values[one.name] = torch.from_numpy(x) if x.dtype.kind == "f" else x
        for step in program.steps:
            given = [self._value(name, values) if name else None for name in step.node.inputs]
            found = self._stepped(step, given, product)
            values.update((name, y) for name, y in zip(step.node.outputs, found) if name)
            for name in step.dead:
                values.pop(name, None)
        return self._value(program.output, values)

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        for known in (values, self.parameters, self._fixed):
            if name in known:
                return known[name]
        raise KeyError(name)

    def _stepped(self, step: Step, given: list[Any], product: TorchProduct) -> tuple[Any, ...]:
        kind, torch = step.node.kind, library()
        held = {
            slot: self._times(layer, product)
            for slot in step.operator.slots
            if (layer := self.network.uses.get((step.node.key, slot))) is not None
        }
        if held:
            given = [torch.from_numpy(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in given]
            if kind == "Conv":
                return (convolved(step.operator, given, held, self._maps),)
            return HOLDERS[kind](step.operator, given, held)
        if any(_is_real(x) for x in given):
            if kind in MOVERS:
                return moved(step.operator, given)
            if kind in FUNCTIONS:
                return (FUNCTIONS[kind](step.operator, *given),)
        return _as_it_is(step, given)

    def _times(self, layer: str, product: TorchProduct) -> Callable[[Any], Any]:
        """The product of vectors along the last axis with a layer."""
        blocks = self.blocks(layer)

        def times(x: Any) -> Any:
            y = product(layer, x.reshape(-1, x.shape[-1]), blocks)
            return y.reshape(*x.shape[:-1], -1)

        return times


def exact(layer: str, x: Any, blocks: Any) -> Any:
    """Products as they would be without a chip."""
    if len(blocks) == 1:
        return x @ blocks[0]
    split = x.reshape(len(x), len(blocks), -1).transpose(0, 1)
    return (split @ blocks).transpose(0, 1).reshape(len(x), -1)


def _is_real(x: Any) -> bool:
    return isinstance(x, library().Tensor)


def _as_it_is(step: Step, given: list[Any]) -> tuple[Any, ...]:
    """Outputs of the operator itself, which passes no gradient on; raises DeckError where one is wanted."""
    found = perform(step, [x.detach().numpy() if _is_real(x) else x for x in given], {})
    arrays = [np.asarray(y) for y in found]
    if any(_is_real(x) and x.requires_grad for x in given) and any(y.dtype.kind == "f" for y in arrays):
        raise _untrainable([step])
    return tuple(library().from_numpy(np.ascontiguousarray(y)) if y.dtype.kind == "f" else y for y in arrays)


def layouts(network: Network) -> dict[str, tuple[str, Array]]:
    """Constant of every layer, and the numbers of its elements in the blocks of the layer's matrix."""
    program, found, wrong = network.program, {}, []
    for step in program.steps:
        slots = [slot for slot in step.operator.slots if (step.node.key, slot) in network.uses]
        if not slots:
            continue
        if step.node.kind not in ("Conv", *HOLDERS):
            wrong.append(step)
            continue
        own = {n: program.constants[n] for n in step.node.inputs if n in program.constants}
        numbers = {n: np.arange(1, 1 + v.size, dtype=np.float64).reshape(v.shape) for n, v in own.items()}
        for slot, stored in step.operator.matrices(numbers).items():
            found[network.uses[step.node.key, slot]] = stored.weight, stored.blocks.astype(np.int64)
    if wrong:
        raise _untrainable(wrong)
    return found


def check_gradients(network: Network, inputs: Any) -> None:
    """Refuse a network with operators between its matrices and its output that pass no gradient on; needs no torch.

    Parameters
    ----------
    network : Network
    inputs : ndarray, shape (batch, ...), or Inputs
        One or more, that say what is computed on the way.

    Raises
    ------
    DeckError
        Names all of them.
    """
    moving, wrong = {name for name, _ in layouts(network).values()} | set(_beside(network)), []

    def watch(step: Step, given: Sequence[Any], found: Sequence[Any], live: int) -> None:
        outputs = [(name, np.asarray(y)) for name, y in zip(step.node.outputs, found) if name]
        if not moving & set(step.node.inputs):
            return
        if step.node.kind in MOVERS or step.node.kind in FUNCTIONS or _holds(network, step):
            whole = step.node.kind == "QuantizeLinear"  # its integers are real numbers in torch
            moving.update(name for name, y in outputs if y.dtype.kind == "f" or whole)
        elif any(y.dtype.kind == "f" for _, y in outputs):
            wrong.append(step)

    network.watched(inputs, watch)
    if wrong:
        raise _untrainable(wrong)


def _untrainable(steps: list[Step]) -> DeckError:
    told = ", ".join(f"{s.node.name!r} ({s.node.kind})" for s in steps)
    return DeckError(Problem("workload.network.file", f"cannot be trained: no gradient is known of {told}"))


def _beside(network: Network) -> list[str]:
    """Constants that are trained beside the matrices: biases, also those added after a product, and scales of norms."""
    program, names = network.program, []
    made = {step.node.outputs[0]: step for step in program.steps}
    for step in program.steps:
        inputs = step.node.inputs
        places = BIASES.get(step.node.kind, ())
        if step.node.kind == "Add":
            before = [made.get(name) for name in inputs]
            is_bias = any(s is not None and s.node.kind == "MatMul" and _holds(network, s) for s in before)
            places = (0, 1) if is_bias else ()
        names += [inputs[i] for i in places if i < len(inputs) and inputs[i] in program.constants]
    return [name for name in names if program.constants[name].dtype.kind == "f"]


def _holds(network: Network, step: Step) -> bool:
    return any((step.node.key, slot) in network.uses for slot in step.operator.slots)
