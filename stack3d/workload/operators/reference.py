"""Operators that run as the reference evaluator of ONNX has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stack3d.workload.operators.allowance import afford
from stack3d.workload.operators.table import Held, Node, Operator, operators

AS_IN_ONNX = (
    "AffineGrid", "BlackmanWindow", "CenterCropPad", "Col2Im", "Compress", "DFT", "GridSample", "HammingWindow", "HannWindow",
    "MelWeightMatrix", "RoiAlign", "STFT", "Unique",
)  # fmt: skip


def _windowed(node: Operator, given: Sequence[Any]) -> Wanted:
    return (int(given[0]),), 32


def _cut(node: Operator, given: Sequence[Any]) -> Wanted:
    shape = list(given[0].shape)
    for axis, n in zip(node.get("axes") or range(len(shape)), given[1].tolist()):
        shape[axis] = n
    return shape, 2 * given[0].itemsize


def _transformed(node: Operator, given: Sequence[Any]) -> Wanted:
    shape = list(given[0].shape)
    axis = node.get("axis", 1) if given[2] is None else int(given[2])
    if given[1] is not None:
        shape[axis] = int(given[1])
    return shape, 48


def _framed(node: Operator, given: Sequence[Any]) -> Wanted:
    x, step, window, length = given[:4]
    wide = int(length) if length is not None else len(window)
    return (len(x), max(0, (x.shape[1] - wide) // int(step) + 1), wide), 56


Wanted = tuple[Sequence[int], int]
ASKED: dict[str, Callable[[Operator, Sequence[Any]], Wanted]] = {
    "AffineGrid": lambda node, x: ((x[1][0], *x[1][2:], len(x[1]) - 2), 24),
    "BlackmanWindow": _windowed,
    "CenterCropPad": _cut,
    "Col2Im": lambda node, x: ((x[0].shape[0], x[0].shape[1] // max(1, int(np.prod(x[2]))), *x[1]), 3 * x[0].itemsize),
    "DFT": _transformed,
    "GridSample": lambda node, x: ((*x[0].shape[:2], *x[1].shape[1:-1]), 24),
    "HammingWindow": _windowed,
    "HannWindow": _windowed,
    "MelWeightMatrix": lambda node, x: ((int(x[1]) // 2 + 1, int(x[0])), 24),
    "RoiAlign": lambda node, x: ((len(x[1]), x[0].shape[1], node.get("output_height", 1), node.get("output_width", 1)), 6000),
    "STFT": _framed,
}
"""Kinds whose outputs may be larger than what they are given → shape, and bytes of a number with what comes between."""


class Reference(Operator):
    """One node in the reference evaluator."""

    room = 64.0

    def __init__(self, node: Node) -> None:
        from onnx.reference import ReferenceEvaluator

        super().__init__(node)
        self.evaluator = ReferenceEvaluator(node.proto, opsets={node.proto.domain: node.opset})

    def run(self, inputs: Sequence[Any], held: Held) -> tuple[Any, ...]:
        """Return what the evaluator gives."""
        if (asked := ASKED.get(self.node.kind)) is not None:
            shape, a_number = asked(self, [*inputs, *[None] * 5])
            afford(shape, a_number)
        feeds = {name: x for name, x in zip(self.node.inputs, inputs) if name}
        return tuple(self.evaluator.run(None, feeds))


for _name in AS_IN_ONNX:
    operators.register(_name)(type(_name, (Reference,), {"__doc__": f"{_name} of the reference evaluator."}))
