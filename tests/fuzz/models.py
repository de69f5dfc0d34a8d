"""ONNX models with something wrong: nodes, attributes, weights, shapes and wires of sound ones changed, torn bytes, odd data."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

NETWORKS = Path(__file__).parents[1] / "networks"
SOUND = sorted(p for p in NETWORKS.glob("*.onnx") if p.stem.endswith(("_9", "_13", "_17", "_23", "pipeline")))
NUMBERS = [0, 1, -1, 2, 3, 7, 255, -(2**31), 2**31, 2**40, 2**62, -(2**63), 10**6]
REALS = [0.0, -0.0, 1.0, -1.0, 1e-38, 1e38, float("nan"), float("inf"), -float("inf")]
KINDS = ["Loop", "Scan", "If", "Nonsense", "", "Expand", "Tile", "Conv", "ConvTranspose", "Reshape", "LSTM", "GRU", "Gather", "Resize",
         "ConstantOfShape", "Range", "OneHot", "Pad", "Einsum", "Upsample", "TopK", "MatMul", "Gemm", "Split", "Slice", "CumSum",
         "NonZero", "RandomNormal", "QLinearMatMul", "Softmax", "AveragePool", "Where", "Concat", "Transpose", "Identity"]  # fmt: skip
TEXTS = ["", "x", "../../etc/passwd", "/etc/passwd", "a\nb", "\u202e", "x" * 5000, "ij,jk->ik", "...", "SAME_UPPER", "nearest"]


def _array(by: Random) -> Any:
    """A constant of an odd shape and type, small in itself."""
    shape = by.choice([(), (0,), (1,), (2,), (4,), (2, 2), (1, 1, 1), (0, 3), (3, 0, 2), (64,), (1, 2, 3, 4, 5)])
    kind = by.choice([np.float32, np.float64, np.float16, np.int64, np.int32, np.uint8, np.int8, np.bool_])
    values = REALS if np.dtype(kind).kind == "f" else NUMBERS
    with np.errstate(all="ignore"):
        return np.full(shape, by.choice(values)).astype(kind)


def _attribute(by: Random, model: Any, node: Any) -> None:
    if not node.attribute:
        node.attribute.append(
            helper.make_attribute(
                by.choice(["axis", "axes", "perm", "pads", "kernel_shape", "group", "to", "alpha"]),
                by.choice([-1, 0, 2**40, [0, 0], [2**40], 0.5, "x"]),
            )
        )
        return
    one = by.choice(list(node.attribute))
    how = by.randint(0, 4)
    if how == 0:
        node.attribute.remove(one)
    elif how == 1:
        one.type = by.choice([0, 1, 2, 3, 4, 6, 7, 8, 11]) if not one.HasField("g") else one.type
    elif how == 2:
        one.name = by.choice(["axis", "axes", "x", ""])
    else:
        one.i, one.f, one.s = by.choice(NUMBERS), by.choice(REALS), by.choice(TEXTS).encode()
        one.ints[:] = [by.choice(NUMBERS) for _ in (one.ints if how == 3 else [*one.ints, 0][:9])]


def _kind(by: Random, model: Any, node: Any) -> None:
    node.op_type = by.choice(KINDS)
    if by.random() < 0.5:
        node.domain = by.choice(["", "ai.onnx.ml", "com.microsoft", "x"])


def _wire(by: Random, model: Any, node: Any) -> None:
    side = node.input if (by.random() < 0.5) or not node.output else node.output
    names = ["", "nobody", *node.output, *(i.name for i in model.graph.input), *(t.name for t in model.graph.initializer)][:40]
    if len(side) and by.randint(0, 3):
        side[by.randint(0, len(side) - 1)] = by.choice(names)
    elif len(side) and (by.random() < 0.5):
        del side[by.randint(0, len(side) - 1) :]
    else:
        side.append(by.choice(names))


def _weight(by: Random, model: Any, node: Any) -> None:
    if not model.graph.initializer:
        return
    tensor = by.choice(list(model.graph.initializer))
    how = by.randint(0, 5)
    if how == 0:
        tensor.CopyFrom(numpy_helper.from_array(_array(by), tensor.name))
    elif how == 1:
        tensor.dims[:] = [by.choice(NUMBERS) for _ in [*tensor.dims, 1]]
    elif how == 2:
        tensor.data_type = by.randint(0, 30)
    elif how == 3:
        tensor.raw_data = tensor.raw_data[: len(tensor.raw_data) // 2]
    elif how == 4:
        tensor.name = by.choice(TEXTS)
    else:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", by.choice([*TEXTS, "m.onnx"])), ("offset", "-1"), ("length", str(2**62))):
            tensor.external_data.add(key=key, value=value)


def _constant(by: Random, model: Any, node: Any) -> None:
    """An input of a node becomes a constant of its own."""
    if len(node.input):
        name = f"odd{len(model.graph.initializer)}"
        model.graph.initializer.append(numpy_helper.from_array(_array(by), name))
        node.input[by.randint(0, len(node.input) - 1)] = name


def _shape(by: Random, model: Any, node: Any) -> None:
    value = by.choice([*model.graph.input, *model.graph.output])
    kind = value.type.tensor_type
    how = by.randint(0, 3)
    if how == 0:
        kind.elem_type = by.randint(0, 30)
    elif how == 1 or not kind.shape.dim:
        del kind.shape.dim[:]
        kind.shape.dim.extend([type(kind.shape).Dimension(dim_value=by.choice(NUMBERS)) for _ in range(3)])
    else:
        by.choice(list(kind.shape.dim)).dim_value = by.choice(NUMBERS)


def _graph(by: Random, model: Any, node: Any) -> None:
    graph = model.graph
    how = by.randint(0, 6)
    if how == 0:
        graph.node.remove(node)
    elif how == 1:
        graph.node.append(node)
    elif how == 2:
        nodes = list(graph.node)[::-1]
        del graph.node[:]
        graph.node.extend(nodes)
    elif how == 3:
        model.opset_import[0].version = by.choice([-1, 0, 1, 5, 7, 14, 30, 2**40])
    elif how == 4:
        model.ir_version = by.choice([0, 1, 3, 99])
    elif how == 5:
        graph.output.extend(list(graph.output))
    else:
        node.name = by.choice(TEXTS)


CHANGES: list[Callable[[Random, Any, Any], None]] = [
    _attribute,
    _attribute,
    _kind,
    _wire,
    _weight,
    _constant,
    _constant,
    _shape,
    _graph,
]


def _torn(by: Random, content: bytes) -> bytes:
    start, length = by.randint(0, len(content)), by.randint(0, 40)
    how = by.randint(0, 3)
    if how == 0:
        return content[:start]
    piece = by.choice([b"", b"\xff" * 9, b"\x00", b"\x80\x80\x80\x80\x01", content[start : start + length]])
    return content[:start] + piece + content[start + length :]


def _data(by: Random, file: Path) -> bytes:
    """The archive of a network's data with an array changed, left out or torn."""
    content = file.read_bytes()
    how = by.randint(0, 3)
    if how == 0:
        return _torn(by, content)
    with np.load(file) as found:
        arrays = dict(found)
    name = by.choice([*arrays, "labels", "train", "test", "series", "starts", "length"])
    if how == 1:
        arrays.pop(name, None)
    else:
        arrays[name] = _array(by)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def broken(number: int) -> tuple[bytes, bytes]:
    """The model and data of a number, one of them broken."""
    by = Random(number)
    file = by.choice(SOUND)
    data = NETWORKS / f"{file.stem.rpartition('_')[0] or file.stem}.npz"
    how = by.randint(0, 9)
    if how == 0:
        return _torn(by, file.read_bytes()), data.read_bytes()
    if how == 1:
        return file.read_bytes(), _data(by, data)
    model = onnx.load(file)
    for _ in range(by.randint(1, 3)):
        if model.graph.node:
            by.choice(CHANGES)(by, model, by.choice(model.graph.node))
    return model.SerializeToString(), data.read_bytes()


def built(recipe: dict[str, Any]) -> tuple[bytes, bytes]:
    """A model and data by recipe: a sound ``file``, the index of a ``node``, and what it becomes.

    Keys: ``kind`` (of the node), ``input`` (its first one), ``attributes`` (all of them), ``constant`` (its last input: shape and
    value), ``weight`` (dims of the first one), ``dims`` (of the input), ``opset``, ``cut`` (share of the file that is there).
    """
    file = NETWORKS / recipe["file"]
    data = (NETWORKS / f"{file.stem.rpartition('_')[0] or file.stem}.npz").read_bytes()
    model = onnx.load(file)
    node = model.graph.node[recipe.get("node", 0)]
    node.op_type = recipe.get("kind", node.op_type)
    if "input" in recipe:
        node.input[0] = recipe["input"]
    if "attributes" in recipe:
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(name, value) for name, value in recipe["attributes"].items())
    if "constant" in recipe:
        shape, value = recipe["constant"]
        model.graph.initializer.append(numpy_helper.from_array(np.full(shape, value), "odd"))
        node.input[-1] = "odd"
    if "weight" in recipe:
        model.graph.initializer[0].dims[:] = recipe["weight"]
    if "dims" in recipe:
        for dim, value in zip(model.graph.input[0].type.tensor_type.shape.dim, recipe["dims"]):
            dim.dim_value = value
    model.opset_import[0].version = recipe.get("opset", model.opset_import[0].version)
    content = model.SerializeToString()
    return content[: int(recipe.get("cut", 1.0) * len(content))], data
