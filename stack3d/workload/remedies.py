"""What to do about an operator that is not supported."""

from __future__ import annotations

from collections.abc import Iterable

from stack3d.errors import nearest_names

REMEDIES = {
    "Bernoulli": "it draws numbers: export the model for inference",
    "If": "its condition is not constant: export the model with the sizes that you use, or simplify it",
    "Loop": "unroll it: export the model for a fixed number of steps",
    "Multinomial": "it draws numbers: choose the output before it with workload.output",
    "NonMaxSuppression": "choose the output before it with workload.output",
    "RandomNormal": "it draws numbers: export the model for inference",
    "RandomNormalLike": "it draws numbers: export the model for inference",
    "RandomUniform": "it draws numbers: export the model for inference",
    "RandomUniformLike": "it draws numbers: export the model for inference",
    "Scan": "unroll it: export the model for a fixed number of steps, or its cells as LSTM, GRU or RNN",
}
"""By operator, what a user can do."""


def remedy(kind: str, known: Iterable[str]) -> str:
    """Return the nearest remedy for an operator: its own, a supported one of a like name, or a class of one's own."""
    if kind in REMEDIES:
        return REMEDIES[kind]
    near = nearest_names(kind, known, most=1)
    own = "register a class for it (manual: An ONNX operator of your own), or choose an output before it with workload.output"
    return f"did you mean {near[0]!r}? Else {own}" if near else own
