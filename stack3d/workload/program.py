"""A graph as steps that can be run by many at a time: constants folded, values let go after their last use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stack3d.errors import ArrayError, DeckError, Problem, Stack3dError, UntriedError
from stack3d.layout import Floats
from stack3d.registry import is_outside
from stack3d.workload.branches import branch_of
from stack3d.workload.onnx_file import KEY, inputs_of
from stack3d.workload.operators import Array, Held, Node, Operator, as_known_nodes, operators
from stack3d.workload.operators.allowance import BYTE, afford, apart, charge, keep, reserve
from stack3d.workload.remedies import remedy

Product = Callable[[str, Floats], Floats]
"""(layer, x) → x @ W: x has shape (vectors, inputs of the layer), the result (vectors, outputs)."""
Watcher = Callable[["Step", Sequence[Any], Sequence[Any], int], None]
"""Told after each step: the step, its inputs and outputs, and how many bytes all values then take."""
TRIED_BATCHES = (1, 2, 3)
"""Batches at which a condition on lengths must be the same."""
MOST_FOLDED = 2**28
"""Bytes of all constants that folding may make; others are made when they are needed."""


@dataclass(frozen=True, eq=False)
class Input:
    """An input of a graph.

    Parameters
    ----------
    name : str
    dtype : numpy.dtype
    shape : tuple of int or None
        None where the graph leaves a length open: a name, 0 or -1.
    """

    name: str
    dtype: Any
    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """A node, its operator, and the values that nobody needs after it."""

    node: Node
    operator: Operator
    dead: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Program:
    """Steps from inputs to one output; holds no state of a run.

    Parameters
    ----------
    inputs : tuple of Input
    output : str
    constants : mapping of str to ndarray
    steps : tuple of Step
        Those that depend on the inputs, in order.
    """

    inputs: tuple[Input, ...]
    output: str
    constants: Mapping[str, Array]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, model: Any) -> Program:
        """Make the steps of a checked model with one output; raises DeckError for every operator that is not supported."""
        from onnx import __version__, numpy_helper
        from onnx.defs import onnx_opset_version

        opsets = {o.domain if o.domain != "ai.onnx" else "": o.version for o in model.opset_import}
        if opsets.get("", 0) > (newest := onnx_opset_version()):
            text = f"the model has opset {opsets['']}, the newest that onnx {__version__} knows is {newest}"
            raise DeckError(Problem(KEY, f"{text}: export it with an older one"))
        known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        inputs, output = _inputs(model), model.graph.output[0].name
        steps, problems = _steps(model.graph.node, opsets, known, inputs)
        if problems:
            raise DeckError(problems)
        return cls(inputs, output, known, with_ends(steps, output, known))

    def run(
        self,
        feeds: Mapping[str, Array],
        product: Product,
        layers: Mapping[tuple[str, str], str],
        observe: Watcher | None = None,
    ) -> Array:
        """Return the output.

        Parameters
        ----------
        feeds : mapping of str to ndarray
            Inputs by name, the batch first.
        product : callable
            Computes the products of layers.
        layers : mapping of (output, slot) to str
            Layers of the matrices of nodes, by the node's key; other nodes compute by themselves.
        observe : callable, optional

        Raises
        ------
        ArrayError
            What a node cannot do with its inputs; names the node.
        """
        values: dict[str, Any] = {i.name: np.asarray(feeds[i.name]).astype(i.dtype, copy=False) for i in self.inputs}
        live = taken(values.values())
        for step in self.steps:
            node = step.node
            inputs = [values[n] if n in values else self.constants[n] if n else None for n in node.inputs]
            held = {slot: _asked(product, layers[node.key, slot]) for slot in step.operator.slots if (node.key, slot) in layers}
            try:
                outputs = perform(step, inputs, held, live, self.constants)
            except ArrayError as error:
                raise ArrayError(f"{error}{self._given_by_others(step, values)}") from error
            values.update((name, y) for name, y in zip(node.outputs, outputs) if name)
            live += taken(outputs)
            if observe is not None:
                observe(step, inputs, outputs, live)
            for name in step.dead:
                live -= taken([values.pop(name, None)])
        return np.asarray(values[self.output] if self.output in values else self.constants[self.output])

    @property
    def foreign(self) -> tuple[str, ...]:
        """Operators of other packages, in words."""
        kinds = dict.fromkeys(type(step.operator) for step in self.steps)
        return tuple(operators.told(kind) for kind in kinds if is_outside(kind))

    def _given_by_others(self, step: Step, values: Mapping[str, Any]) -> str:
        """Inputs of a step that operators of other packages made, in words."""
        makers = {name: s.operator for s in self.steps for name in s.node.outputs if is_outside(type(s.operator))}
        mine = [(name, makers[name]) for name in step.node.inputs if name in makers and name in values]
        texts = [f"; its input {n!r} of shape {np.shape(values[n])} is of the {operators.told(type(o))}" for n, o in mine]
        return "".join(texts)


def taken(values: Iterable[Any]) -> int:
    """Memory of arrays. [byte]"""
    return sum(getattr(v, "nbytes", 0) for v in values)


def perform(step: Step, inputs: Sequence[Any], held: Held, live: int = 0, constants: Container[str] = ()) -> tuple[Any, ...]:
    """Run one step; raises ArrayError that names the node for whatever its arrays raise.

    Parameters
    ----------
    step : Step
    inputs : sequence of ndarray or None
    held : mapping
        Products that are computed elsewhere, by slot.
    live : int
        Memory of the values that are there before. [byte]
    constants : container of str
        Names of what nothing is made of where the products with it are held.
    """
    try:
        with apart(live):
            named = [(n, x) for n, x in zip(step.node.inputs, inputs) if isinstance(x, np.ndarray)]
            given = {id(x): x for name, x in named if not (held and name in constants)}.values()
            reserve(step.operator.room * sum(max(1.0, x.itemsize / 4) * x.size for x in given))
            outputs = step.operator.run(inputs, held)
        made = taken(outputs)
        keep(live + made)
        charge(BYTE * made)
        return outputs
    except ArrayError as error:
        reason = str(error)
    except UntriedError as error:
        raise UntriedError(f"node {step.node.name!r} ({step.node.kind}): {error}") from None
    except Stack3dError:
        raise
    except Exception as error:  # arrays raise whatever they raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise ArrayError(f"node {step.node.name!r} ({step.node.kind}): {reason}")


def _asked(product: Product, layer: str) -> Callable[[Array], Array]:
    def times(x: Array) -> Array:
        y = np.asarray(product(layer, x.reshape(-1, x.shape[-1])))
        return y.reshape(*x.shape[:-1], -1).astype(x.dtype, copy=False)

    return times


def _inputs(model: Any) -> tuple[Input, ...]:
    from onnx.helper import tensor_dtype_to_np_dtype

    names = set(inputs_of(model))
    return tuple(
        Input(
            i.name,
            tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type),
            tuple(d.dim_value if d.dim_value > 0 else None for d in i.type.tensor_type.shape.dim),
        )
        for i in model.graph.input
        if i.name in names
    )


def _steps(
    protos: Sequence[Any], opsets: Mapping[str, int], known: dict[str, Array], graph_inputs: Sequence[Input]
) -> tuple[list[Step], list[Problem]]:
    """Steps of nodes; what constants alone decide is computed into `known`, branches that they or lengths decide are taken.

    Parameters
    ----------
    protos : sequence of onnx.NodeProto
    opsets : mapping of str to int
    known : dict
        Constants by name.
    graph_inputs : sequence of Input
    """
    steps: list[Step] = []
    problems: list[Problem] = []
    made = 0
    waiting = deque(protos)
    while waiting:
        proto = waiting.popleft()
        if proto.op_type == "If" and (holds := _holds(proto.input[0], steps, known, graph_inputs)) is not None:
            waiting.extendleft(reversed(branch_of(proto, holds, known)))
            continue
        if (plain := as_known_nodes(proto)) is not None:
            waiting.extendleft(reversed(plain))
            continue
        node = Node.of(proto, opsets)
        if node.kind not in operators:
            text = f"node {node.name!r} is a {node.kind}, which is not supported; {remedy(node.kind, operators)}"
            problems.append(Problem(KEY, text))
            continue
        kind = operators[node.kind]
        try:
            step = Step(node, kind(node))
        except Stack3dError:
            raise
        except Exception as error:  # attributes of the wrong kind
            who = operators.told(kind) if is_outside(kind) else node.kind
            said = str(error).splitlines()[0] if str(error) else repr(error)
            problems.append(Problem(KEY, f"node {node.name!r} ({who}): {said}"))
            continue
        if objection := step.operator.objection(known):
            problems.append(Problem(KEY, f"node {node.name!r} is {objection}"))
        elif (folded := _folded(step, known, made)) is None:
            steps.append(step)
        else:
            made += folded
    return steps, problems


def _holds(condition: str, steps: Sequence[Step], known: Mapping[str, Array], inputs: Sequence[Input]) -> bool | None:
    """What a condition is that constants decide, or lengths which the graph fixes; None for any other."""
    if condition in known:
        return bool(np.ravel(known[condition])[0])
    whole = with_ends(steps, condition, known)
    if not (whole and inputs) or _is_of_numbers(condition, steps, known, inputs) or any(None in i.shape[1:] for i in inputs):
        return None
    program, fixed = Program(tuple(inputs), condition, known, whole), inputs[0].shape[:1]
    try:
        found = {_ran_on_zeros(program, batch) for batch in (fixed if any(fixed) else TRIED_BATCHES)}
    except Stack3dError:
        return None
    return found.pop() if len(found) == 1 else None


def _is_of_numbers(name: str, steps: Sequence[Step], known: Mapping[str, Array], inputs: Sequence[Input]) -> bool:
    """Whether a value depends on the numbers of the inputs, and not on their shapes alone."""
    needed = with_ends([step for step in steps if step.node.kind not in ("Shape", "Size")], name, known)
    return not {i.name for i in inputs}.isdisjoint(n for step in needed for n in step.node.inputs)


def _ran_on_zeros(program: Program, batch: int | None) -> bool:
    """The output of a program for so many inputs of zeros."""
    feeds = {i.name: np.zeros(afford([batch or 1, *(n or 1 for n in i.shape[1:])], 8)) for i in program.inputs}
    return bool(np.ravel(program.run(feeds, lambda layer, x: x, {}))[0])


def _folded(step: Step, known: dict[str, Array], made: int) -> int | None:
    """Bytes of a node's outputs that could be computed now, from constants alone, beside those `made` before; else None."""
    used = [name for name in step.node.inputs if name]
    if not all(name in known for name in used):
        return None
    try:
        outputs = perform(step, [known[n] if n else None for n in step.node.inputs], {}, made)
    except Stack3dError:
        return None  # said when it is run
    found = [np.asarray(y) for y in outputs]
    more = taken(found)
    if made + more > MOST_FOLDED:
        return None
    known.update((name, y) for name, y in zip(step.node.outputs, found) if name)
    return more


def with_ends(steps: Sequence[Step], output: str, known: Mapping[str, Array]) -> tuple[Step, ...]:
    """Only the steps that the output needs, each with the values that end with it."""
    needed, kept = {output}, []
    for step in reversed(steps):
        if not needed & set(step.node.outputs):
            continue
        used = {n for n in step.node.inputs if n and n not in known}
        dead = (used | {o for o in step.node.outputs if o}) - needed
        kept.append(Step(step.node, step.operator, tuple(sorted(dead))))
        needed |= used
    return tuple(reversed(kept))
