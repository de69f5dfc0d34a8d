"""Operators with matrices on arrays of torch: the products are asked of what holds the matrices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from stack3d.training.operators import library
from stack3d.workload.operators.recurrent import Way
from stack3d.workload.operators.table import Array

HeldProducts = Mapping[str, Callable[[Any], Any]]
"""Slot → x @ W of the node's matrix of that slot: x has shape (..., inputs), the result (..., outputs)."""


def convolved(operator: Any, given: Sequence[Any], held: HeldProducts, maps: dict[Any, tuple[Array, Array]]) -> Any:
    """A convolution of any number of axes: the operator itself says which elements make a patch, and where it goes.

    Parameters
    ----------
    operator : Operator
    given : sequence of tensor
        Inputs.
    held : mapping of str to callable
    maps : dict
        Patches and places found before, by node and shape of the input.
    """
    torch = library()
    x, w, *more = given
    key = (operator.node.key, tuple(x.shape[1:]))
    if key not in maps:
        seen: list[Array] = []

        def numbered(patches: Array) -> Array:
            seen.append(patches[0])
            outputs = int(w.shape[0])
            return np.arange(patches.shape[1] * outputs).reshape(1, -1, outputs)

        numbers = np.arange(1, 1 + math.prod(x.shape[1:])).reshape(1, *x.shape[1:])
        out = operator.run([numbers, np.empty(tuple(w.shape), np.float32)], {"right": numbered})[0]
        maps[key] = seen[0], out[0]
    patches, places = maps[key]
    columns = x.reshape(len(x), -1).T
    columns = torch.cat([columns.new_zeros(1, len(x)), columns])
    rows = columns.index_select(0, torch.from_numpy(patches.ravel().astype(np.int64)))
    rows = rows.reshape(*patches.shape, len(x)).permute(2, 0, 1).reshape(len(x), *patches.shape)
    y = held["right"](rows).reshape(len(x), -1)[:, torch.from_numpy(places.ravel().astype(np.int64))]
    return _biased(y.reshape(len(x), *places.shape), more)


def _biased(y: Any, more: Sequence[Any]) -> Any:
    """With a bias for every channel, where there is one."""
    return y if not more or more[0] is None else y + more[0].reshape(-1, *[1] * (y.ndim - 2))


def _convolved_back(operator: Any, given: Sequence[Any], held: HeldProducts) -> tuple[Any, ...]:
    """Every input writes a patch of the output; patches add up."""
    torch = library()
    x, w, *more = given
    kernel, space, n = tuple(w.shape[2:]), tuple(x.shape[2:]), x.ndim - 2
    outputs = w.shape[1] * operator.group
    steps, spread = operator.get("strides") or [1] * n, operator.get("dilations") or [1] * n
    full, cut = operator.cuts(space, kernel)
    y = held["right"](x.movedim(1, -1).reshape(len(x), -1, x.shape[1]))
    y = y.reshape(len(x), *space, outputs, *kernel).movedim(1 + n, 1)
    out = y.new_zeros(len(x), outputs, *full)
    for place in itertools.product(*(range(k) for k in kernel)):
        target = tuple(slice(p * d, p * d + s * (m - 1) + 1, s) for p, d, s, m in zip(place, spread, steps, space))
        out[(..., *target)] += y[(..., *place)]
    out = out[(..., *(slice(max(a, 0), size - max(b, 0)) for (a, b), size in zip(cut, full)))]
    wider = [max(-end, 0) for a, b in reversed(cut) for end in (a, b)]
    return (_biased(torch.nn.functional.pad(out, wider), more),)


def _affine(operator: Any, given: Sequence[Any], held: HeldProducts) -> tuple[Any, ...]:
    a, b, *more = given
    a, b = a.T if operator.get("transA") else a, b.T if operator.get("transB") else b
    y = held["right"](a) if "right" in held else held["left"](b.T).T
    y = y * operator.get("alpha", 1.0)
    return (y if not more or more[0] is None else y + operator.get("beta", 1.0) * more[0],)


def _multiplied(operator: Any, given: Sequence[Any], held: HeldProducts) -> tuple[Any, ...]:
    a, b = given
    if "right" in held and b.ndim > 2 and b.shape[-3] > 1:
        lead = np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
        beside = a.expand(*lead, *a.shape[-2:]).movedim(-3, -2)
        y = held["right"](beside.reshape(*beside.shape[:-2], -1))
        return (y.reshape(*beside.shape[:-1], b.shape[-1]).movedim(-2, -3),)
    return (held["right"](a) if "right" in held else held["left"](b.transpose(-1, -2)).transpose(-1, -2),)


def _summed(operator: Any, given: Sequence[Any], held: HeldProducts) -> tuple[Any, ...]:
    """An Einsum one operand of which is a matrix."""
    parts, output = operator.letters()
    slot = 1 if "right" in held else 0
    shared, summed, kept_out, kept = operator.plan(slot)
    x, letters = given[1 - slot], parts[1 - slot]
    size = {**dict(zip(letters, x.shape)), **dict(zip(parts[slot], given[slot].shape))}
    x = x.permute([letters.index(c) for c in kept + shared + summed])
    y = held["right" if slot else "left"](x.reshape(*x.shape[: len(kept)], -1))
    made = kept + shared + kept_out
    return (y.reshape([size[c] for c in made]).permute([made.index(c) for c in output]),)


@cache
def gate_functions() -> dict[str, Callable[..., Any]]:
    """Gate functions by name, of an array of torch and two numbers."""
    torch = library()
    f = torch.nn.functional
    return {
        "relu": lambda x, a, b: torch.relu(x), "tanh": lambda x, a, b: torch.tanh(x),
        "sigmoid": lambda x, a, b: torch.sigmoid(x), "affine": lambda x, a, b: a * x + b,
        "leakyrelu": lambda x, a, b: f.leaky_relu(x, a), "thresholdedrelu": lambda x, a, b: torch.where(x >= a, x, 0.0),
        "scaledtanh": lambda x, a, b: a * torch.tanh(b * x), "hardsigmoid": lambda x, a, b: (a * x + b).clamp(0, 1),
        "elu": lambda x, a, b: f.elu(x, a), "softsign": lambda x, a, b: f.softsign(x),
        "softplus": lambda x, a, b: f.softplus(x),
    }  # fmt: skip


def _stepped(operator: Any, given: Sequence[Any], held: HeldProducts) -> tuple[Any, ...]:
    """A recurrent layer, one direction after the other; its steps are those of the operator."""
    torch = library()
    x, _, r, b, lengths, h0, c0, peepholes = operator.steps_first([*given, *[None] * (8 - len(given))])
    steps, batch, _ = x.shape
    size, count = r.shape[-1], len(operator.directions)
    ends = np.full(batch, steps) if lengths is None else np.asarray(lengths)
    bias = x.new_zeros(count, 2 * operator.gates * size) if b is None else b
    h0, c0 = ((x.new_zeros(1) if s is None else s).expand(count, batch, size) for s in (h0, c0))
    ways = []
    for d, backwards in enumerate(operator.directions):
        suffix = "" if d == 0 else str(d + 1)
        peep = None if peepholes is None else peepholes[d]
        way = Way(held[f"R{suffix}"], bias[d], peep, operator.functions(d, gate_functions()))
        gates = held[f"W{suffix}"](x)
        ways.append(_through(gates, h0[d], c0[d], ends, partial(operator.step, way), backwards))
    y, h, c = (torch.stack(way, axis) for way, axis in zip(zip(*ways), (1, 0, 0)))
    if operator.get("layout", 0):
        y, h, c = y.permute(2, 0, 1, 3), h.transpose(0, 1), c.transpose(0, 1)
    return y, h, c


def _through(gates: Any, h: Any, c: Any, ends: Array, once: Callable[..., Any], backwards: bool) -> tuple[Any, Any, Any]:
    """States at every step of sequences that end after `ends` steps, the last state and the last memory."""
    torch = library()
    number = np.arange(len(gates))[:, None]
    live = number < ends
    at = np.where(live, ends - 1 - number, 0) if backwards else np.broadcast_to(number, live.shape)
    one, found = torch.arange(len(h)), []
    for places, goes_on in zip(torch.from_numpy(np.ascontiguousarray(at)), torch.from_numpy(live)):
        new = once(gates[places, one], h=h, c=c)
        h, c = (torch.where(goes_on[:, None], n, o) for n, o in zip(new, (h, c)))
        found.append(h)
    step, which = np.nonzero(live)
    states = torch.stack(found)
    where = torch.from_numpy(at[step, which]), torch.from_numpy(which)
    return torch.zeros_like(states).index_put(where, states[torch.from_numpy(step), where[1]]), h, c


HOLDERS: dict[str, Callable[[Any, Sequence[Any], HeldProducts], tuple[Any, ...]]] = {
    "Gemm": _affine, "MatMul": _multiplied, "Einsum": _summed, "ConvTranspose": _convolved_back,
    "LSTM": _stepped, "GRU": _stepped, "RNN": _stepped,
}  # fmt: skip
"""Operators beside convolutions whose matrices can be trained → what they do."""
