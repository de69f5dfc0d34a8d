"""The table of ONNX operators: one small class each, found by its name, made from a node, without state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, PackageError, brief
from stack3d.layout import Floats
from stack3d.registry import Registry, numbers
from stack3d.workload.operators.allowance import afford

Array = NDArray[Any]
Held = Mapping[str, Callable[[Array], Array]]
"""Slot → x @ W of the node's matrix of that slot: x has shape (..., inputs), the result (..., outputs) and the type of x."""


@dataclass(frozen=True, eq=False)
class Node:
    """One node of a graph.

    Parameters
    ----------
    name : str
        Its name, or that of its first output.
    kind : str
        Name of its operator in the table.
    inputs, outputs : tuple of str
        Names of values; empty where an optional one is left out.
    attributes : mapping of str to object
        As Python values and arrays.
    opset : int
        Version of its domain.
    proto : onnx.NodeProto
        The node as the file has it.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    proto: Any

    @property
    def key(self) -> str:
        """What it is known by in its graph: its first output that has a name."""
        return next((name for name in self.outputs if name), self.name)

    @classmethod
    def of(cls, proto: Any, opsets: Mapping[str, int]) -> Node:
        """The node of a file whose domains have the versions `opsets`."""
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        kind = f"{domain}.{proto.op_type}" if domain else proto.op_type
        attributes = {a.name: _plain(a) for a in proto.attribute}
        name = proto.name or next((o for o in proto.output if o), kind)
        return cls(name, kind, tuple(proto.input), tuple(proto.output), attributes, opsets.get(domain, 1), proto)


def _plain(attribute: Any) -> Any:
    from onnx import AttributeProto, helper, numpy_helper

    value = helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    if attribute.type == AttributeProto.STRING:
        return value.decode(errors="replace")
    if attribute.type == AttributeProto.STRINGS:
        return [one.decode(errors="replace") for one in value]
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value


class Stored(NamedTuple):
    """A matrix that stays where it is, in equal blocks on its diagonal.

    Parameters
    ----------
    weight : str
        Name of the constant.
    blocks : ndarray, shape (blocks, inputs of one, outputs of one)
        One block unless the operator has groups.
    form : hashable
        How it stands in the node: nodes that use one weight in one form share its cells.
    """

    weight: str
    blocks: Floats
    form: Any = None


class Operator:
    """An operator of one node. A class overrides `compute`, or `matrices` and `run` where crossbars may hold its weights.

    Parameters
    ----------
    node : Node
    """

    slots: tuple[str, ...] = ()
    """Slots that its matrices may have."""
    room = 12.0
    """Memory of its steps for each number that it is given, beside what it affords by itself; in proportion more for numbers of
    more than four bytes. Holds its output where that is no larger. [byte]"""

    is_ranged = False
    """Whether it rounds over the range of all inputs of a batch: such a network runs one input at a time."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def compute(self, *inputs: Any) -> Any:
        """Return the output, or a tuple of them; inputs that are left out are None."""
        raise PackageError(f"{operators.told(type(self))} lacks compute")

    def matrices(self, constants: Mapping[str, Array]) -> dict[str, Stored]:
        """Return the matrices by slot that activations are multiplied with; digital operators have none."""
        return {}

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return the outputs; products with the `matrices` of the slots in `held` are asked of it."""
        found = self.compute(*inputs)
        return found if isinstance(found, tuple) else (found,)

    def macs(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Return the multiply-accumulates of a run in which no crossbar had a part."""
        return 0

    def objection(self, constants: Collection[str]) -> str | None:
        """Return what is not supported of this node, or None."""
        return None

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.node.attributes.get(name, default)

    def setting(self, name: str, given: Any, default: Any = None) -> Any:
        """Return what later versions take as an input and earlier ones as an attribute, as a list or number."""
        value = self.get(name, default) if given is None else given
        return value.tolist() if isinstance(value, np.ndarray) else value

    @property
    def opset(self) -> int:
        """Version of the operator's domain."""
        return self.node.opset


def _arrays(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps outputs from being arrays of numbers or texts."""
    outputs = found if isinstance(found, tuple) else (found,)
    for i, y in enumerate(outputs):
        try:
            kind = np.asarray(y).dtype.kind
        except ValueError:
            kind = "O"
        if kind not in "biufSU":
            return f"{brief(y)} as output {i}; wanted an array of numbers"
        if kind == "f" and np.isnan(y).any() and not any(_has_nan(x) for x in given):
            return f"nan as output {i} for inputs without one; wanted an array of numbers"
    return None


def _has_nan(value: Any) -> bool:
    """Whether an input, or a list of inputs, holds a NaN."""
    if isinstance(value, list | tuple):
        return any(_has_nan(one) for one in value)
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool(np.isnan(value).any())


def _matrices(given: tuple[Any, ...], found: Any) -> str | None:
    """What keeps matrices from being blocks of numbers, (blocks, inputs, outputs), that a constant holds."""
    if not isinstance(found, Mapping) or not all(isinstance(one, Stored) for one in found.values()):
        return f"{brief(found)}; wanted a mapping of slots to Stored"
    for slot, one in found.items():
        if one.weight not in given[0]:
            return f"{slot} = the constant {one.weight!r}; wanted the name of one: {', '.join(given[0])}"
        if np.ndim(one.blocks) != 3 or (wrong := numbers(one.blocks)) is not None:
            text = wrong if np.ndim(one.blocks) == 3 else f"an array of shape {np.shape(one.blocks)}"
            return f"{slot} = {text}; wanted finite numbers of shape (blocks, inputs, outputs)"
    return None


def _text(given: tuple[Any, ...], found: Any) -> str | None:
    return None if found is None or isinstance(found, str) else f"{brief(found)}; wanted a text, or None"


def _count(given: tuple[Any, ...], found: Any) -> str | None:
    good = isinstance(found, int | np.integer) and found >= 0
    return None if good else f"{brief(found)}; wanted a whole number"


_ANSWERS = {"compute": _arrays, "run": _arrays, "matrices": _matrices, "objection": _text, "macs": _count}
operators: Registry[type[Operator]] = Registry("operator", Operator, _ANSWERS)
"""Name of an operator (``Conv``; with its domain where that is not ONNX's own, ``ai.onnx.ml.Scaler``) → its class."""


def together(*arrays: Any) -> tuple[int, ...]:
    """Return the shape that arrays broadcast to, if an array of it may be made; raises ArrayError."""
    return afford(np.broadcast_shapes(*(np.shape(x) for x in arrays)), max(np.asarray(x).itemsize for x in arrays))


def axes_of(axes: Any, ndim: int) -> tuple[int, ...]:
    """Return axes from zero; raises ArrayError for one that is not there."""
    listed = [axes] if isinstance(axes, int) else list(axes)
    wrong = [a for a in listed if not -ndim <= a < ndim]
    if wrong:
        raise ArrayError(f"axis {wrong[0]} is not one of {ndim}")
    return tuple(int(a) % ndim for a in listed)
