"""A network with other constants as an ONNX file that any runtime opens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stack3d import storage
from stack3d.workload import Network


def model_of(network: Network, source: Path, shape: Sequence[int], facts: Mapping[str, str]) -> Any:
    """The model of a network as it is now.

    What depends on constants alone is folded, branches on constants are taken, and inputs that the deck holds are constants.

    Parameters
    ----------
    network : Network
    source : Path
        File that the network was read from: its versions of operators are kept.
    shape : sequence of int
        Of the output for one input.
    facts : mapping of str to str
        Where it comes from, for the model's metadata.
    """
    import onnx
    from onnx import helper, numpy_helper

    program = network.program
    old = onnx.load(source, load_external_data=False)
    used = dict.fromkeys(n for step in program.steps for n in step.node.inputs if n in program.constants)
    inputs = [
        helper.make_tensor_value_info(
            one.name,
            helper.np_dtype_to_tensor_dtype(one.dtype),
            ["batch" if i == 0 and n is None else n or f"{one.name}_{i}" for i, n in enumerate(one.shape)],
        )
        for one in program.inputs
    ]
    output = helper.make_tensor_value_info(program.output, onnx.TensorProto.FLOAT, ["batch", *shape])
    graph = helper.make_graph(
        [step.node.proto for step in program.steps],
        old.graph.name or source.stem,
        inputs,
        [output],
        [numpy_helper.from_array(program.constants[name], name) for name in used],
    )
    model = helper.make_model(
        graph, opset_imports=old.opset_import, ir_version=old.ir_version, producer_name="stack3d", doc_string=old.doc_string
    )
    helper.set_model_props(model, {**{p.key: p.value for p in old.metadata_props}, **facts})
    onnx.checker.check_model(model)
    return model


def write_model(model: Any, path: Path) -> None:
    """Write a model in place of a file at once; raises ResultsError where that cannot be."""
    import onnx

    with storage.beside(path) as scratch:
        onnx.save(model, scratch)


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write a report of a training as JSON, in place of an older one at once; raises ResultsError where that cannot be."""
    with storage.beside(path) as scratch:
        scratch.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
