"""Operators that run as the reference evaluator of ONNX has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stack3d.workload.operators.table import Held, Node, Operator, operators

AS_IN_ONNX = (
    "AffineGrid", "BlackmanWindow", "CenterCropPad", "Col2Im", "Compress", "DFT", "GridSample", "HammingWindow", "HannWindow",
    "MelWeightMatrix", "RoiAlign", "STFT", "Unique",
)  # fmt: skip


class Reference(Operator):
    """One node in the reference evaluator."""

    def __init__(self, node: Node) -> None:
        from onnx.reference import ReferenceEvaluator

        super().__init__(node)
        self.evaluator = ReferenceEvaluator(node.proto, opsets={node.proto.domain: node.opset})

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return what the evaluator gives."""
        feeds = {name: x for name, x in zip(self.node.inputs, inputs) if name}
        return tuple(self.evaluator.run(None, feeds))


for _name in AS_IN_ONNX:
    operators.register(_name)(type(_name, (Reference,), {"__doc__": f"{_name} of the reference evaluator."}))
