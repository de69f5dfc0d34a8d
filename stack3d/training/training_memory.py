"""Memory that a training takes, estimated before anything of that size is made."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import numpy as np

from stack3d.case.size import instants_of, memory_of_a_chip, terms_of
from stack3d.chip import ComputingChip
from stack3d.workload import Inputs, Network, Step

TORCH = {"cuda": 920e6, "cpu": 530e6}
"""Of torch itself, by its build, with what AdamW loads, and of the program that it comes into. Measured: with CUDA 782 MB
resident (torch 2.15; 667 MB in 2.13) and 130 MB of the program; the build for CPUs alone 290 MB (torch 2.13). [byte]"""
KEPT = 2.0
"""Memory of a step over that of all values between operators: their gradients too."""
COPIES = 7.0
"""Of what is trained: weights, gradients, two moments of AdamW, the best so far, blocks as asked for and said. A mean counts
double."""
NUMBER = 4.0
"""Of a real number. [byte]"""


def terms_of_training(chip: ComputingChip, inputs: Any, *, gradients: bool) -> dict[str, float]:
    """Memory by what asks for it, that of the runs before and after included. [byte]

    Parameters
    ----------
    chip : ComputingChip
    inputs : ndarray, shape (inputs, ...), or Inputs
        To train on.
    gradients : bool
        Whether torch takes part.
    """
    found, deck, computer = terms_of(chip), chip.scenario.train, chip.computer
    more = max(0, max(2, deck.chips) - computer.design.chips.samples)  # others than those of the run, which have gone
    found["lifetime.epochs"] = found.get("lifetime.epochs", 0.0) * (1.0 + len(deck.ages) / instants_of(chip))
    found["train.chips"] = memory_of_a_chip(chip) * more
    arrays = inputs.arrays.values() if isinstance(inputs, Inputs) else (inputs,)
    found["workload.data"] = found.get("workload.data", 0.0) + 2.0 * sum(x.nbytes for x in arrays)
    if gradients:
        found["any case"] += TORCH[build_of_torch()]
        found["train.batch"] = KEPT * min(deck.batch, len(inputs)) * _between(computer.network, inputs[:1])
        trained = sum(layer.blocks.size for layer in (*computer.network.layers, *computer.network.digital))
        copies = COPIES + (2.0 if deck.keep == "mean" else 0.0)
        found["workload.network"] = found.get("workload.network", 0.0) + copies * NUMBER * trained
    return found


def build_of_torch() -> str:
    """``cpu`` where torch is built for CPUs alone, else ``cuda``; read from its metadata, without loading it."""
    try:
        label, needs = version("torch").partition("+")[2], requires("torch") or []
    except PackageNotFoundError:
        return "cuda"
    alone = label == "cpu" or not (label or any(need.startswith(("nvidia", "cuda")) for need in needs))
    return "cpu" if alone else "cuda"


def _between(network: Network, one: Any) -> float:
    """Of all values of an input that a gradient needs: those between operators, and the vectors of products. [byte]"""
    total = 0.0
    sizes = {layer.name: layer.n_inputs + 2 * layer.n_outputs for layer in (*network.layers, *network.digital)}

    def watch(step: Step, given: Sequence[Any], found: Sequence[Any], live: int) -> None:
        nonlocal total
        total += NUMBER * sum(np.size(y) for y in found)

    network.watched(one, watch)
    return total + NUMBER * sum(count * sizes[name] for name, count in network.products(one).items())
