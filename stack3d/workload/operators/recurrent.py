"""Recurrent layers: both matrices may be held, state and gates are digital."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from stack3d.errors import ArrayError
from stack3d.workload.operators.allowance import STEP, afford, charge
from stack3d.workload.operators.elementwise import UNARY
from stack3d.workload.operators.products import one_block
from stack3d.workload.operators.table import Array, Held, Operator, Stored, operators

Function = Callable[[Array], Array]
FUNCTIONS: dict[str, Callable[[Array, float, float], Any]] = {
    "relu": lambda x, a, b: np.maximum(x, 0), "tanh": lambda x, a, b: np.tanh(x),
    "sigmoid": lambda x, a, b: UNARY["Sigmoid"](x),
    "affine": lambda x, a, b: a * x + b, "leakyrelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "thresholdedrelu": lambda x, a, b: np.where(x >= a, x, 0), "scaledtanh": lambda x, a, b: a * np.tanh(b * x),
    "hardsigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "elu": lambda x, a, b: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    "softsign": lambda x, a, b: x / (1 + np.abs(x)), "softplus": lambda x, a, b: UNARY["Softplus"](x),
}  # fmt: skip
"""Gate functions by name, of x and two numbers."""
NUMBERS = {"leakyrelu": (0.01, 0.0), "thresholdedrelu": (1.0, 0.0), "scaledtanh": (1.0, 1.0),
           "hardsigmoid": (0.2, 0.5), "elu": (1.0, 0.0),
           "affine": (1.0, 0.0)}  # fmt: skip
"""Their numbers where the node has none."""


def _by(matrix: Array) -> Function:
    return lambda x: np.asarray(x @ matrix)


@dataclass(frozen=True, eq=False)
class Way:
    """What one direction of a recurrent layer computes with."""

    recur: Function
    """State → its product with the recurrent weights, of the shape of the gates."""
    bias: Array
    """Of the inputs' products, then of the recurrent one, shape (2 x gates x hidden,)."""
    peepholes: Array | None
    """Weights from the memory to the gates, shape (3 x hidden,)."""
    functions: list[Function]
    """Activations."""


class Recurrent(Operator, ABC):
    """Steps of a sequence, one direction after the other.

    Slots are ``W`` (inputs to gates) and ``R`` (state to gates), of a second direction ``W2`` and ``R2``.
    """

    slots = ("W", "R", "W2", "R2")
    gates = 1
    defaults: tuple[str, ...] = ("Tanh",)

    @property
    def directions(self) -> tuple[bool, ...]:
        """Whether each direction runs backwards."""
        return {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[self.get("direction", "forward")]

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        names = [str(f).lower() for f in self.get("activations") or []]
        unknown = [n for n in names if n not in FUNCTIONS]
        return f"a {self.node.kind} with the gate function {unknown[0]}" if unknown else None

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return both matrices of every direction, inputs by gates."""
        out = {}
        for slot, at in (("W", 1), ("R", 2)):
            held = constants.get(self.node.inputs[at])
            if held is None or held.ndim != 3:
                return {}
            for i, matrix in enumerate(held):
                name = slot if i == 0 else f"{slot}{i + 1}"
                out[name] = Stored(self.node.inputs[at], one_block(matrix.T), (slot, i))
        return out

    def functions(self, direction: int, table: Mapping[str, Callable[..., Any]] = FUNCTIONS) -> list[Function]:
        """Return the gate functions of a direction, those of a table."""
        names = [str(f).lower() for f in self.get("activations") or list(self.defaults * 2)]
        alphas, betas = list(self.get("activation_alpha") or []), list(self.get("activation_beta") or [])
        made: list[Function] = []
        for name in names:
            a, b = NUMBERS.get(name, (0.0, 0.0))
            if name in NUMBERS:
                a = alphas.pop(0) if alphas else a
            if name in ("affine", "scaledtanh", "hardsigmoid"):
                b = betas.pop(0) if betas else b
            made.append(lambda x, f=table[name], a=a, b=b: f(x, a, b))  # type: ignore[misc]
        return made[direction * len(self.defaults) :][: len(self.defaults)]

    @abstractmethod
    def step(self, way: Way, gates: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """Return the next state and memory from the inputs' gates and the recurrent product.

        Training calls it with arrays of torch: it computes with operators, slices and methods that both libraries have.

        Parameters
        ----------
        way : Way
            What the direction computes with.
        gates : ndarray, shape (batch, gates x hidden)
            From the inputs.
        h, c : ndarray, shape (batch, hidden)
            State and memory.
        """

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return all outputs, the last state and, where there is one, the last memory."""
        x, w, r, b, lengths, h0, c0, peepholes = self.steps_first([*inputs, *[None] * (8 - len(inputs))])
        steps, batch, _ = x.shape
        size, kind = r.shape[-1], x.dtype
        if w.shape[1] != self.gates * size or r.shape[1] != self.gates * size:
            raise ArrayError(f"matrices {w.shape} and {r.shape} do not fit {self.gates} gates")
        count = len(self.directions)
        if not held:
            afford((steps, batch, self.gates * size), 2 * kind.itemsize)
        charge(count * (steps * STEP + steps * batch * self.gates * size * size))
        ends = _or(lengths, np.full(batch, steps))
        bias = _or(b, np.zeros((count, 2 * self.gates * size), kind))
        h0, c0 = (np.broadcast_to(_or(s, np.zeros(1, kind)), (count, batch, size)) for s in (h0, c0))
        peeps = [None] * count if peepholes is None else peepholes
        ways = []
        for d, backwards in enumerate(self.directions):
            suffix = "" if d == 0 else str(d + 1)
            into, recur = held.get(f"W{suffix}") or _by(w[d].T), held.get(f"R{suffix}") or _by(r[d].T)
            gates = into(x.reshape(-1, x.shape[-1])).reshape(steps, batch, -1)
            afford((steps, batch, size), 2 * kind.itemsize)
            step = partial(self.step, Way(recur, bias[d], peeps[d], self.functions(d)))
            ways.append(_through(gates, h0[d], c0[d], ends, step, backwards=backwards))
        found = [np.stack(way, axis=axis) for way, axis in zip(zip(*ways), (1, 0, 0))]
        if self.get("layout", 0):
            found = [found[0].transpose(2, 0, 1, 3), np.swapaxes(found[1], 0, 1), np.swapaxes(found[2], 0, 1)]
        return tuple(found[: max(1, len(self.node.outputs))])

    def steps_first(self, given: list[Any]) -> list[Any]:
        """Inputs with the axis of the batch, where it comes first, behind that of steps or directions."""
        if not self.get("layout", 0):
            return given
        return [s if i not in (0, 5, 6) or s is None else np.swapaxes(s, 0, 1) for i, s in enumerate(given)]

    def clipped(self, x: Array) -> Array:
        """Return gate inputs within the node's limit."""
        limit = self.get("clip")
        return x if limit is None else x.clip(-limit, limit)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return those of both matrices at every step."""
        vectors = inputs[0].shape[0] * inputs[0].shape[1]
        return int(vectors * (inputs[1].size + inputs[2].size))


def _or(given: Array | None, usual: Array) -> Array:
    """An input of the node, or what stands for it where it has none."""
    return usual if given is None else np.asarray(given)


def _as_state(x: Any, state: Any) -> Any:
    """An array with the type of the state; one of another library is of it already."""
    return x.astype(state.dtype, copy=False) if isinstance(x, np.ndarray) else x


def _through(
    gates: Array, h: Array, c: Array, ends: Array, once: Callable[..., Any], *, backwards: bool
) -> tuple[Array, Array, Array]:
    """States at every step of sequences that end after `ends` steps, the last state and the last memory.

    Parameters
    ----------
    gates : ndarray, shape (steps, batch, gates x hidden)
        From the inputs.
    h, c : ndarray, shape (batch, hidden)
        State and memory to begin with.
    ends : ndarray, shape (batch,)
        Steps of each sequence.
    once : callable
        Gates of a step, state, memory → the next state and memory.
    backwards : bool
        Whether each sequence is read from its end.
    """
    steps, one, kind = len(gates), np.arange(len(h)), h.dtype
    y = np.zeros((steps, *h.shape), kind)
    for t in range(steps):
        live = t < ends
        at = np.where(live, ends - 1 - t, 0) if backwards else np.full(len(h), t)
        new = once(gates[at, one], h=h, c=c)
        h, c = (np.where(live[:, None], n, o).astype(kind, copy=False) for n, o in zip(new, (h, c)))
        y[at[live], one[live]] = h[live]
    return y, h, c


@operators.register("RNN")
class RNN(Recurrent):
    """One gate: the next state is a function of input and state."""

    def step(self, way: Way, gates: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """Return the next state; there is no memory."""
        size, bias = h.shape[-1], way.bias
        return way.functions[0](self.clipped(gates + way.recur(h) + bias[:size] + bias[size:])), c


@operators.register("GRU")
class GRU(Recurrent):
    """Update, reset and hidden gates."""

    gates = 3
    defaults = ("Sigmoid", "Tanh")

    def step(self, way: Way, gates: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """Return the next state; there is no memory.

        Where the reset acts before the product, the state goes through the cells twice, once with it and once without.
        """
        n, bias, f = h.shape[-1], way.bias, way.functions
        once = way.recur(h)
        z, r = (f[0](self.clipped(gates[:, k] + once[:, k] + bias[k] + bias[3 * n :][k])) for k in (slice(n), slice(n, 2 * n)))
        last = slice(2 * n, 3 * n)
        if self.get("linear_before_reset", 0):
            hidden = gates[:, last] + bias[last] + r * (once[:, last] + bias[3 * n :][last])
        else:
            hidden = gates[:, last] + bias[last] + way.recur(_as_state(r * h, h))[:, last] + bias[3 * n :][last]
        return (1 - z) * f[1](self.clipped(hidden)) + z * h, c


@operators.register("LSTM")
class LSTM(Recurrent):
    """Input, output, forget and cell gates."""

    gates = 4
    defaults = ("Sigmoid", "Tanh", "Tanh")

    def step(self, way: Way, gates: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """Return the next state and memory."""
        n, bias, f = h.shape[-1], way.bias, way.functions
        summed, peep = gates + way.recur(h) + bias[: 4 * n] + bias[4 * n :], way.peepholes
        i, o, g, m = (summed[:, k * n : (k + 1) * n] for k in range(4))
        p_i, p_o, p_f = (0, 0, 0) if peep is None else (peep[k * n : (k + 1) * n] for k in range(3))
        i = f[0](self.clipped(i + p_i * c))
        forget = 1 - i if self.get("input_forget", 0) else f[0](self.clipped(g + p_f * c))
        memory = forget * c + i * f[1](self.clipped(m))
        return f[0](self.clipped(o + p_o * memory)) * f[2](memory), memory
