"""ONNX files: read with their weights, checked against what is supported, cut to one output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, Problem, did_you_mean

ANALOG_OPERATORS = ("Conv", "Gemm", "MatMul")
DIGITAL_OPERATORS = (
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "Concat",
    "Constant", "ConstantOfShape", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp",
    "Expand", "Flatten", "Floor", "Gather", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "Max", "MaxPool", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pad",
    "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round", "Selu", "Shape", "Sigmoid", "Sign", "Slice",
    "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "ThresholdedRelu",
    "Tile", "Transpose", "Unsqueeze", "Where",
)  # fmt: skip
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


def read_model(path: Path) -> Any:
    """The model with its external data, which must lie in its folder or below."""
    import onnx
    from onnx.external_data_helper import load_external_data_for_tensor

    try:
        model = onnx.load(path, load_external_data=False)
        for tensor in _tensors(model):
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                continue
            location = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
            folder, target = path.parent.resolve(), (path.parent / location).resolve()
            is_below = target.is_relative_to(folder) and not Path(location).is_absolute()
            if not is_below or not target.is_file():
                where = "that does not exist" if is_below else "outside the model's folder"
                raise DeckError(Problem(KEY, f"{path.name} keeps weight {tensor.name!r} in a file {where}: {location!r}"))
            load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
        onnx.checker.check_model(model)
    except DeckError:
        raise
    except Exception as error:  # protobuf and checker raise unrelated types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DeckError(Problem(KEY, f"{path.name} is no valid ONNX model: {reason}")) from None
    return model


def constants_of(model: Any) -> dict[str, NDArray[Any]]:
    """Initializers and everything that depends on nothing else (a transposed or dequantised weight, say)."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        used = [name for name in node.input if name]
        if all(name in known for name in used) and node.op_type != "Dropout":
            results = ReferenceEvaluator(node, opsets={o.domain: o.version for o in model.opset_import}).run(
                None, {name: known[name] for name in used}
            )
            known |= dict(zip(node.output, (np.asarray(r) for r in results)))
    return known


def unsupported(model: Any) -> list[Problem]:
    """Operators and inputs that are not supported, with those that are."""
    problems = []
    supported = ", ".join((*ANALOG_OPERATORS, *DIGITAL_OPERATORS))
    for node in model.graph.node:
        name = node.name or node.output[0]
        kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        if kind not in ANALOG_OPERATORS + DIGITAL_OPERATORS:
            problems.append(Problem(KEY, f"node {name!r} is a {kind}, which is not supported; supported: {supported}"))
        elif kind == "MaxPool" and len([o for o in node.output if o]) > 1:
            problems.append(Problem(KEY, f"node {name!r} is a MaxPool with indices; only the values are supported"))
    inputs = list(inputs_of(model))
    if len(inputs) != 1 and not problems:
        problems.append(Problem(KEY, f"the model has {len(inputs)} inputs ({', '.join(inputs)}); one is supported"))
    return problems


def keep_output(model: Any, wanted: str | None) -> None:
    """Leave only the output that is wanted, and the nodes and inputs that it needs, in place; raises DeckError."""
    graph = model.graph
    names = [o.name for o in graph.output]
    if wanted is None and len(names) > 1:
        raise DeckError(Problem(OUTPUT_KEY, f"is missing: the model has {len(names)} outputs: {', '.join(names)}"))
    if wanted is not None and wanted not in names:
        message = f"the model has no output {wanted!r}{did_you_mean(wanted, names)}; outputs: {', '.join(names)}"
        raise DeckError(Problem(OUTPUT_KEY, message))
    needed = {wanted or names[0]}
    nodes: list[Any] = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            nodes.insert(0, node)
            needed |= set(node.input)
    for kept, chosen in (
        (graph.node, nodes),
        (graph.output, [o for o in graph.output if o.name == (wanted or names[0])]),
        (graph.input, [i for i in graph.input if i.name in needed]),
    ):
        copies = [type(one).FromString(one.SerializeToString()) for one in chosen]
        del kept[:]
        kept.extend(copies)


def free_batch(model: Any) -> None:
    """Make a fixed batch axis free, in place: the input's first axis and the constants that reshape to it.

    Exporters write the batch of their example. The caller checks that the outcome is the same.
    """
    from onnx import numpy_helper

    value = next(i for i in model.graph.input if i.name == next(inputs_of(model)))
    axis = value.type.tensor_type.shape.dim[0]
    fixed = axis.dim_value
    axis.dim_param = "batch"
    shapes = {n.input[1] for n in model.graph.node if n.op_type == "Reshape"}
    holders = [t for t in model.graph.initializer if t.name in shapes]
    holders += [a.t for n in model.graph.node if n.op_type == "Constant" and n.output[0] in shapes for a in n.attribute]
    for tensor in holders:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.size > 1 and shape[0] == fixed:
            shape[0] = 0
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    del model.graph.value_info[:]
    for output in model.graph.output:
        if output.type.tensor_type.shape.dim:
            output.type.tensor_type.shape.dim[0].dim_param = "batch"
