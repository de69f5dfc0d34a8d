"""Operators of a graph on arrays of torch, with their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from types import ModuleType
from typing import Any

import numpy as np

from stack3d.errors import DeckError
from stack3d.workload.operators.table import Array, Operator, axes_of

TorchFunction = Callable[..., Any]
"""(operator, inputs) → output: arrays of torch, where they are real numbers, else of NumPy."""

MOVERS = frozenset(
    {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Split", "Slice", "Gather", "GatherElements",
     "GatherND", "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "Identity", "Dropout", "ReverseSequence", "Trilu"}
)  # fmt: skip
"""Operators whose outputs are elements of their inputs, or zero: they are run on the numbers of the elements."""


@cache
def library() -> ModuleType:
    """Torch, where it is installed; raises DeckError."""
    try:
        import torch
    except ImportError:
        raise DeckError("stack3d train needs torch: install stack3d[torch], or ask for --calibrate-only") from None
    found: ModuleType = torch
    return found


def moved(operator: Operator, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Outputs of an operator that only moves elements.

    Parameters
    ----------
    operator : Operator
    inputs : sequence
        Arrays of torch are numbered through; arrays of NumPy say where they go.
    """
    torch = library()
    parts, numbered, first = [], [], 1
    for x in inputs:
        if isinstance(x, torch.Tensor):
            numbered.append(np.arange(first, first + x.numel()).reshape(tuple(x.shape)))
            parts.append(x.reshape(-1))
            first += x.numel()
        else:
            numbered.append(x)
    flat = torch.cat([parts[0].new_zeros(1), *parts])
    return tuple(taken(flat, np.asarray(where)) for where in operator.run(numbered, {}))


def taken(flat: Any, where: Array) -> Any:
    """Elements by their numbers, from 1; 0 stands for zero.

    Parameters
    ----------
    flat : tensor, shape (1 + elements,)
        Zero, then all elements.
    where : ndarray of int
        Any shape.
    """
    first = int(where.flat[0]) if where.size else 0
    if first and where.size and np.array_equal(where.ravel(), np.arange(first, first + where.size)):
        return flat[first : first + where.size].reshape(where.shape)
    return flat[library().from_numpy(np.ascontiguousarray(where).astype(np.int64))]


def passed_through(x: Any, value: Any) -> Any:
    """A value of `x` whose gradient is that of `x` itself."""
    return x + (value - x).detach()


def _stepped(operator: Operator, x: Any) -> Any:
    """A function that is flat between steps, with the gradient of `x`."""
    return passed_through(x, library().from_numpy(operator.run([x.detach().numpy()], {})[0]))


def _reduced(name: str) -> TorchFunction:
    def reduce(operator: Any, x: Any, axes: Any = None) -> Any:
        which = operator.setting("axes", axes)
        if which is None or (not isinstance(which, int) and not len(which)):
            if operator.get("noop_with_empty_axes"):
                return x
            which = range(x.ndim)
        how = {"dim": axes_of(which, x.ndim), "keepdim": bool(operator.get("keepdims", 1))}
        if name == "ReduceMax":
            return x.amax(**how)
        if name == "ReduceMin":
            return x.amin(**how)
        if name == "ReduceMean":
            return x.mean(**how)
        if name == "ReduceL2":
            return (x * x).sum(**how).sqrt()
        return (x * x if name == "ReduceSumSquare" else x.abs() if name == "ReduceL1" else x).sum(**how)

    return reduce


def _softened(logarithm: bool) -> TorchFunction:
    def soften(operator: Any, x: Any) -> Any:
        torch = library()
        function = torch.log_softmax if logarithm else torch.softmax
        if operator.opset >= 13:
            return function(x, operator.get("axis", -1))
        axis = operator.get("axis", 1) % max(x.ndim, 1)
        return function(x.reshape(math.prod(x.shape[:axis]), -1), 1).reshape(x.shape)

    return soften


def _pooled(largest: bool) -> TorchFunction:
    """Largest or mean element of every window, the windows being those of the operator."""

    def pool(operator: Any, x: Any) -> Any:
        from stack3d.workload.operators.windows import windows

        torch = library()
        numbers = np.arange(1, 1 + math.prod(x.shape[2:])).reshape(1, 1, *x.shape[2:])
        kernel, steps, spread, pad = operator.geometry(numbers, ceil=bool(operator.get("ceil_mode")))
        n = x.ndim - 2
        where = windows(numbers, kernel, steps, spread, pad, 0)[0, 0]
        places, flat = where.shape[:n], where.reshape(math.prod(where.shape[:n]), -1)
        rows = x.reshape(*x.shape[:2], -1)
        edge = rows.new_full((*x.shape[:2], 1), -math.inf if largest else 0.0)
        inside = torch.cat([edge, rows], -1).index_select(-1, torch.from_numpy(flat.ravel().astype(np.int64)))
        inside = inside.reshape(*x.shape[:2], *flat.shape)
        if largest:
            return inside.amax(-1).reshape(*x.shape[:2], *places)
        counted = torch.from_numpy(operator.count(numbers)[0, 0].ravel()).to(x.dtype)
        return (inside.sum(-1) / counted).reshape(*x.shape[:2], *places)

    return pool


def _planes(largest: bool) -> TorchFunction:
    def plane(operator: Any, x: Any) -> Any:
        axes = tuple(range(2, x.ndim))
        return x.amax(axes, keepdim=True) if largest else x.mean(axes, keepdim=True)

    return plane


def _by_channel(values: Any, ndim: int) -> Any:
    return values.reshape(-1, *[1] * (ndim - 2)) if ndim > 1 else values


def _standard(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    about = x - x.mean(axes, keepdim=True)
    return about / ((about * about).mean(axes, keepdim=True) + epsilon).sqrt()


def _batch_normalised(operator: Any, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
    """With the statistics of the file, which stay."""
    parts = [_by_channel(v, x.ndim) for v in (scale, bias, mean, var)]
    return parts[0] * (x - parts[2]) / (parts[3] + operator.get("epsilon", 1e-5)).sqrt() + parts[1]


def _group_normalised(operator: Any, x: Any, scale: Any, bias: Any) -> Any:
    groups = operator.get("num_groups")
    y = _standard(x.reshape(len(x), groups, -1), (2,), operator.get("epsilon", 1e-5)).reshape(x.shape)
    if scale.numel() != x.shape[1]:
        scale, bias = (v.repeat_interleave(x.shape[1] // groups) for v in (scale, bias))
    return y * _by_channel(scale, x.ndim) + _by_channel(bias, x.ndim)


def _instance_normalised(operator: Any, x: Any, scale: Any, bias: Any) -> Any:
    y = _standard(x, tuple(range(2, x.ndim)), operator.get("epsilon", 1e-5))
    return y * _by_channel(scale, x.ndim) + _by_channel(bias, x.ndim)


def _layer_normalised(operator: Any, x: Any, scale: Any, bias: Any = None) -> Any:
    y = _standard(x, tuple(range(operator.get("axis", -1) % x.ndim, x.ndim)), operator.get("epsilon", 1e-5)) * scale
    return y if bias is None else y + bias


def _root_normalised(operator: Any, x: Any, scale: Any) -> Any:
    axes = tuple(range(operator.get("axis", -1) % x.ndim, x.ndim))
    return x / ((x * x).mean(axes, keepdim=True) + operator.get("epsilon", 1e-5)).sqrt() * scale


def _leaking(operator: Any, x: Any, slope: Any) -> Any:
    by_channel = slope.ndim == 1 and slope.numel() > 1
    return library().where(x >= 0, x, x * (_by_channel(slope, x.ndim) if by_channel else slope))


def _clipped(operator: Any, x: Any, low: Any = None, high: Any = None) -> Any:
    ends = [None if v is None else float(v) for v in (operator.setting("min", low), operator.setting("max", high))]
    return x if ends == [None, None] else x.clamp(*ends)


def _chosen(operator: Any, claim: Any, a: Any, b: Any) -> Any:
    torch = library()
    return torch.where(torch.from_numpy(np.asarray(claim)), a, b)


def _cast(operator: Operator, x: Any) -> Any:
    found = operator.run([x.detach().numpy()], {})[0]
    return x if found.dtype.kind == "f" else found


def _quantised(operator: Any, x: Any, scale: Any, zero: Any = None) -> Any:
    """The integers as real numbers, with the gradient of x / scale inside their range."""
    given = [np.asarray(v.detach()) if hasattr(v, "detach") else v for v in (scale, zero)]
    whole = operator.run([x.detach().numpy(), *given], {})[0]
    limits, at = np.iinfo(whole.dtype), 0.0 if zero is None else operator.spread(given[1].astype(np.float32), x)
    wide = x / library().as_tensor(operator.spread(given[0], x)) + library().as_tensor(at)
    return passed_through(wide.clamp(limits.min, limits.max), library().from_numpy(whole.astype(np.float32)))


def _dequantised(operator: Any, x: Any, scale: Any, zero: Any = None) -> Any:
    given = [np.asarray(v.detach()) if hasattr(v, "detach") else v for v in (scale, zero)]
    off = 0.0 if zero is None else operator.spread(given[1].astype(np.float32), x)
    return (x - library().as_tensor(off)) * library().as_tensor(operator.spread(given[0], x))


def _attended(operator: Any, q: Any, k: Any, v: Any, mask: Any = None, *past: Any) -> Any:
    torch = library()
    flat = q.ndim == 3
    if flat:
        heads = (operator.get("q_num_heads"), operator.get("kv_num_heads"), operator.get("kv_num_heads"))
        q, k, v = (x.reshape(*x.shape[:2], n, -1).transpose(1, 2) for x, n in zip((q, k, v), heads))
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = q @ k.transpose(-1, -2) * (operator.get("scale") or 1.0 / math.sqrt(q.shape[-1]))
    if operator.get("is_causal"):
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -math.inf)
    if mask is not None:
        is_claim = isinstance(mask, np.ndarray)
        scores = scores.masked_fill(~torch.from_numpy(mask), -math.inf) if is_claim else scores + mask
    y = torch.softmax(scores, -1) @ v
    return y.transpose(1, 2).reshape(len(y), y.shape[2], -1) if flat else y


def _resized(operator: Any, x: Any, *more: Any) -> Any:
    """One matrix an axis, that of the operator."""
    torch = library()
    given = [m.detach().numpy() if isinstance(m, torch.Tensor) else m for m in more]
    for axis, n, scale, region in operator.changes(tuple(x.shape), given):
        size = x.shape[axis]
        of_zero = operator.along(np.zeros((size, 1)), 0, n, scale, region)
        matrix = operator.along(np.eye(size), 0, n, scale, region) - of_zero
        y = x.movedim(axis, -1) @ torch.from_numpy(matrix.T).to(x.dtype) + torch.from_numpy(of_zero[:, 0]).to(x.dtype)
        x = y.movedim(-1, axis)
    return x


def _f() -> Any:
    return library().nn.functional


def _normal(name: str) -> TorchFunction:
    """A function of torch by its path."""
    return lambda operator, *x: attrgetter(name)(library())(*x)


_ALIKE = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh",
    "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp": "exp", "Log": "log", "Neg": "neg", "Reciprocal": "reciprocal",
    "Relu": "relu", "Sigmoid": "sigmoid", "Sin": "sin", "Sinh": "sinh", "Sqrt": "sqrt", "Tan": "tan", "Tanh": "tanh",
    "Softplus": "nn.functional.softplus", "Softsign": "nn.functional.softsign", "Mish": "nn.functional.mish",
    "HardSwish": "nn.functional.hardswish", "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow",
    "MatMul": "matmul",
}  # fmt: skip
FUNCTIONS: dict[str, TorchFunction] = {
    **{name: _normal(path) for name, path in _ALIKE.items()},
    **dict.fromkeys(("Round", "Floor", "Ceil", "Sign"), _stepped),
    **{name: _reduced(name) for name in ("ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum", "ReduceSumSquare")},
    **{name: _reduced(name) for name in ("ReduceL1", "ReduceL2")},
    "Sum": lambda o, *x: sum(x[1:], x[0]),
    "Mean": lambda o, *x: sum(x[1:], x[0]) / len(x),
    "Max": lambda o, *x: x[0] if len(x) == 1 else library().stack(library().broadcast_tensors(*x)).amax(0),
    "Min": lambda o, *x: x[0] if len(x) == 1 else library().stack(library().broadcast_tensors(*x)).amin(0),
    "Elu": lambda o, x: _f().elu(x, o.get("alpha", 1.0)),
    "Celu": lambda o, x: _f().celu(x, o.get("alpha", 1.0)),
    "Selu": lambda o, x: _f().selu(x),
    "LeakyRelu": lambda o, x: _f().leaky_relu(x, o.get("alpha", 0.01)),
    "HardSigmoid": lambda o, x: (x * o.get("alpha", 0.2) + o.get("beta", 0.5)).clamp(0, 1),
    "Swish": lambda o, x: x * library().sigmoid(o.get("alpha", 1.0) * x),
    "Gelu": lambda o, x: _f().gelu(x, approximate=o.get("approximate", "none")),
    "PRelu": _leaking,
    "Clip": _clipped,
    "Where": _chosen,
    "Cast": _cast,
    "Softmax": _softened(False),
    "LogSoftmax": _softened(True),
    "MaxPool": _pooled(True),
    "AveragePool": _pooled(False),
    "GlobalAveragePool": _planes(False),
    "GlobalMaxPool": _planes(True),
    "BatchNormalization": _batch_normalised,
    "GroupNormalization": _group_normalised,
    "InstanceNormalization": _instance_normalised,
    "LayerNormalization": _layer_normalised,
    "RMSNormalization": _root_normalised,
    "QuantizeLinear": _quantised,
    "DequantizeLinear": _dequantised,
    "Attention": _attended,
    "Resize": _resized,
    "Upsample": _resized,
    "Einsum": lambda o, *x: library().einsum(o.get("equation"), *x),
}
"""Name of an operator → what it does to arrays of torch; the names are known without torch."""
