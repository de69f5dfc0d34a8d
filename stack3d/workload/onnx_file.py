"""ONNX files: read with their weights, checked against what is supported, cut to one output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os.path import isfile
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.errors import DeckError, Problem, Stack3dError, did_you_mean
from stack3d.workload.operators.allowance import afford

KEY, OUTPUT_KEY = "workload.network.file", "workload.output"


def inputs_of(model: Any) -> Iterator[str]:
    """Names of the inputs that are no weights."""
    weights = {t.name for t in model.graph.initializer}
    return (str(i.name) for i in model.graph.input if i.name not in weights)


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def files_of(path: Path) -> list[Path]:
    """The file of a model and those below its folder that it names for weights; the file alone where it is no model."""
    import onnx

    try:
        named = [
            e.value for t in _tensors(onnx.load(path, load_external_data=False)) for e in t.external_data if e.key == "location"
        ]
    except Exception:  # said when the model is read
        named = []
    folder = path.parent.resolve()
    found = [(folder / name).resolve() for name in dict.fromkeys(named) if isfile(folder / name)]
    return [path, *(one for one in found if one.is_relative_to(folder))]


def read_model(path: Path) -> Any:
    """The model with its external data, which must lie in its folder or below."""
    import onnx
    import onnx.inliner
    from onnx.external_data_helper import load_external_data_for_tensor

    with valid(path):
        model = onnx.load(path, load_external_data=False)
        for tensor in _tensors(model):
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                continue
            location = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
            folder, target = path.parent.resolve(), (path.parent / location).resolve()
            is_below = target.is_relative_to(folder) and not Path(location).is_absolute()
            if not is_below or not isfile(target):
                where = "that does not exist" if is_below else "outside the model's folder"
                raise DeckError(Problem(KEY, f"{path.name} keeps weight {tensor.name!r} in a file {where}: {location!r}"))
            load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
        _check(model)
        if not model.graph.output:
            raise DeckError(Problem(KEY, f"{path.name} has no output: nothing of it is computed"))
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    return model


UNCHECKED = "unchecked"
"""Domain in which nodes stand while the checker looks: it lets pass what it does not know there."""


def _is_of_runtimes(node: Any, version: int) -> bool:
    """Whether runtimes take an operator of ONNX's own domain in a form, or a version, that the checker does not know.

    GroupNormalization is known from version 18 on, with a scale for each group; the checker lets it pass in its form of version
    21 alone. onnxruntime fuses layer normalisations in files of any version.
    """
    if node.domain not in ("", "ai.onnx"):
        return False
    early: dict[str, bool] = {"GroupNormalization": 18 <= version < 21, "LayerNormalization": version < 17}
    return early.get(str(node.op_type), bool(node.op_type == "SimplifiedLayerNormalization"))


def _check(model: Any) -> None:
    """Raise what is wrong with a model, but for what runtimes take and the checker does not.

    Outputs may leave out their type or shape, as some exporters do.
    """
    import onnx

    told = [type(o).FromString(o.SerializeToString()) for o in model.graph.output]
    for output in model.graph.output:
        if output.type.WhichOneof("value") is None:
            output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        if output.type.WhichOneof("value") == "tensor_type":
            output.type.tensor_type.shape.SetInParent()
    version = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    hidden = [(node, node.domain) for node in model.graph.node if _is_of_runtimes(node, version)]
    for node, _ in hidden:
        node.domain = UNCHECKED
    if hidden:
        model.opset_import.append(onnx.helper.make_opsetid(UNCHECKED, 1))
    try:
        onnx.checker.check_model(model)
    finally:
        for node, domain in hidden:
            node.domain = domain
        if hidden:
            del model.opset_import[-1]
    for output, as_told in zip(model.graph.output, told):
        output.CopyFrom(as_told)


@contextmanager
def valid(path: Path) -> Iterator[None]:
    """Tell whatever is raised while a model is read or taken apart as one DeckError."""
    try:
        yield
    except Stack3dError:
        raise
    except Exception as error:  # protobuf, checker and arrays raise unrelated types
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise DeckError(Problem(KEY, f"{path.name} is no valid ONNX model: {reason}")) from None


def hold_inputs(model: Any, numbers: Mapping[str, float]) -> None:
    """Make inputs constant, in place; raises DeckError for one that is not there."""
    from onnx import numpy_helper
    from onnx.helper import tensor_dtype_to_np_dtype

    names = list(inputs_of(model))
    for name, number in numbers.items():
        if name not in names:
            message = f"the model has no input {name!r}{did_you_mean(name, names)}; inputs: {', '.join(names)}"
            raise DeckError(Problem(f"workload.network.held.{name}", message))
        value = next(i for i in model.graph.input if i.name == name).type.tensor_type
        shape = [d.dim_value if d.dim_value > 0 else 1 for d in value.shape.dim]
        array = np.full(afford(shape, 8), number).astype(tensor_dtype_to_np_dtype(value.elem_type))
        model.graph.initializer.append(numpy_helper.from_array(array, name))


def _used(node: Any) -> set[str]:
    """Values that a node takes, also inside its branches."""
    inside = [one for a in node.attribute if a.HasField("g") for one in a.g.node]
    ends = [o.name for a in node.attribute if a.HasField("g") for o in a.g.output]
    return set(node.input).union(ends, *(_used(one) for one in inside))


def _chosen_output(names: list[str], wanted: str | None) -> str:
    """The output that is wanted, or the one that there is; raises DeckError."""
    if wanted is None and len(names) > 1:
        raise DeckError(Problem(OUTPUT_KEY, f"is missing: the model has {len(names)} outputs: {', '.join(names)}"))
    if wanted is not None and wanted not in names:
        message = f"the model has no output {wanted!r}{did_you_mean(wanted, names)}; outputs: {', '.join(names)}"
        raise DeckError(Problem(OUTPUT_KEY, message))
    return wanted or names[0]


def keep_output(model: Any, wanted: str | None) -> None:
    """Leave only the output that is wanted, and the nodes and inputs that it needs, in place; raises DeckError."""
    graph = model.graph
    output = _chosen_output([o.name for o in graph.output], wanted)
    needed = {output}
    nodes: list[Any] = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            nodes.insert(0, node)
            needed |= _used(node)
    for kept, chosen in (
        (graph.node, nodes),
        (graph.output, [o for o in graph.output if o.name == output]),
        (graph.input, [i for i in graph.input if i.name in needed]),
    ):
        copies = [type(one).FromString(one.SerializeToString()) for one in chosen]
        del kept[:]
        kept.extend(copies)


def _shapes_of_activations(graph: Any) -> list[Any]:
    """Constants that say what activations are reshaped to."""
    weights = {t.name for t in graph.initializer}
    shapes = {n.input[1] for n in graph.node if n.op_type == "Reshape" and n.input[0] not in weights}
    inline = [a.t for n in graph.node if n.op_type == "Constant" and n.output[0] in shapes for a in n.attribute]
    return [t for t in graph.initializer if t.name in shapes] + inline


def with_free_batch(model: Any) -> Any:
    """The model with fixed batch axes made free: those of the inputs and of the constants that reshape activations to them.

    Exporters write the batch of their example. The caller checks that the outcome is the same.
    """
    from onnx import numpy_helper

    freed = type(model).FromString(model.SerializeToString())
    names, fixed = set(inputs_of(freed)), 0
    for value in freed.graph.input:
        if value.name in names and value.type.tensor_type.shape.dim:
            axis = value.type.tensor_type.shape.dim[0]
            fixed = fixed or axis.dim_value
            axis.dim_param = "batch"
    for tensor in _shapes_of_activations(freed.graph):
        shape = numpy_helper.to_array(tensor).copy()
        if shape.size > 1 and shape[0] == fixed:
            shape[0] = 0 if -1 in shape[1:] else -1
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    return freed
