"""ONNX operators: a table of small classes, each made from one node, testable and addable alone.

Importing the room fills the table. Other packages announce theirs under the entry point ``stack3d.operator``.
"""

from stack3d.workload.operators import (  # noqa: F401
    classical,
    convolution,
    elementwise,
    fused,
    normalisation,
    products,
    quantisation,
    quantised,
    recurrent,
    reductions,
    reference,
    resampling,
    shapes,
    support_vectors,
    transformers,
    windows,
)
from stack3d.workload.operators.allowance import LARGEST
from stack3d.workload.operators.table import Array, Held, Node, Operator, Stored, operators
from stack3d.workload.operators.transformers import as_known_nodes

__all__ = ["LARGEST", "Array", "Held", "Node", "Operator", "Stored", "as_known_nodes", "operators"]
