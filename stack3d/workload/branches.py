"""Branches of a graph that a constant decides, put in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stack3d.workload.operators import Array


def branch_of(proto: Any, holds: bool, known: dict[str, Array]) -> list[Any]:
    """Return the nodes of the branch that a condition takes, its values renamed after the node, its constants into `known`."""
    from onnx import helper, numpy_helper

    wanted = "then_branch" if holds else "else_branch"
    graph = next(a.g for a in proto.attribute if a.name == wanted)
    own = {t.name for t in graph.initializer} | {o for n in graph.node for o in n.output if o}
    prefix = f"{proto.name or proto.output[0]}/"
    renamed = {name: prefix + name for name in own}
    known.update((renamed[t.name], numpy_helper.to_array(t)) for t in graph.initializer)
    nodes = [_renamed(node, renamed, prefix) for node in graph.node]
    ends = [helper.make_node("Identity", [renamed.get(o.name, o.name)], [t]) for o, t in zip(graph.output, proto.output) if t]
    return nodes + ends


def _renamed(node: Any, names: Mapping[str, str], prefix: str) -> Any:
    """A copy of a node with other names of its values, and a prefix to its own."""
    copy = type(node).FromString(node.SerializeToString())
    for side in (copy.input, copy.output):
        side[:] = [names.get(n, n) for n in side]
    copy.name = prefix + node.name if node.name else ""
    return copy
