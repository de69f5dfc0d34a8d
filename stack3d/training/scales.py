"""Scales and biases of a network's columns by what chips make of them: no gradient, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stack3d import mvm
from stack3d.chip import products_on
from stack3d.training.drawn_chips import TrainingChips
from stack3d.training.graph import layouts
from stack3d.workload import Array, Network, Program, Step, WeightMatrix, each

PASSES = 2
"""Scales move the conductances that they were found for, a little."""
CERTAIN = 3.0
"""Standard errors of the mean over chips within which a column is left as it is."""
Corrections = dict[str, tuple[Array, Array]]
"""Layer → gain and offset of each of its columns."""


def scaled(
    network: Network, chips: TrainingChips, ages: Sequence[float], samples: int, seed: int, inputs: Any, *, by_column: bool
) -> Network:
    """The network whose columns give, on the mean chip, what they give in float arithmetic.

    Parameters
    ----------
    network : Network
    chips : TrainingChips
    ages : sequence of float
        Times after programming that are averaged. [s]
    samples, seed : int
        Chips, and what they are drawn by.
    inputs : ndarray, shape (batch, ...), or Inputs
        They need no labels.
    by_column : bool
        Whether every output column has a conductance scale of its own.

    Notes
    -----
    Of every column the line through its products on chips over its exact products is found, layer after layer, each on what the
    corrected ones before it give. What differs from chip to chip stays: only the chips' own calibration
    (``lifetime.compensation``) can mend that.
    """
    for _ in range(PASSES):
        found = _corrections(network, chips.calibrated(network), ages, samples, seed, inputs)
        network = _folded(network, found, by_column)
    return network


class _Lines:
    """Takes the place of chips: holds their products against exact ones, and corrects each layer before the next sees it.

    Parameters
    ----------
    network : Network
    chips : CrossbarNetwork
    exact : mapping of str to list of ndarray
        Products of the layers in float arithmetic, in the order in which they are asked for.
    """

    def __init__(self, network: Network, chips: mvm.CrossbarNetwork, exact: dict[str, list[Array]]) -> None:
        self.exact = {name: list(found) for name, found in exact.items()}
        count = len(next(iter(chips.states.values())).mean)
        self._product, self._count, self._strides = products_on(network, chips, (count,)), count, network.strides
        self.corrections: Corrections = {}

    def __call__(self, layer: str, x: Array) -> Array:
        y = self._product(layer, x)
        if layer not in self.corrections:
            exact, first = self.exact[layer].pop(0), self._strides.get(layer, 1)
            by_chip = np.moveaxis(y.reshape(first, self._count, -1, y.shape[-1]), 1, 0)
            self.corrections[layer] = _line(by_chip.reshape(self._count, *exact.shape), exact)
        gain, offset = self.corrections[layer]
        return np.asarray(gain * y + offset, y.dtype)


def _line(found: Array, exact: Array) -> tuple[Array, Array]:
    """Gain and offset that undo the mean line of products (chips, vectors, outputs) over exact ones (vectors, outputs)."""
    about = exact - exact.mean(axis=0)
    power = np.mean(about**2, axis=0)
    slopes = np.mean(about * found, axis=1) / np.where(power > 0.0, power, 1.0)
    slope = _certain(slopes, 1.0)
    slope = np.where((power > 0.0) & (slope > 0.1), slope, 1.0)
    shifts = found.mean(axis=1) - slope * exact.mean(axis=0)
    return 1.0 / slope, -_certain(shifts, 0.0) / slope


def _certain(values: Array, nominal: float) -> Array:
    """Mean over chips of what is there (chips, outputs), nominal where that lies within chance."""
    mean, chance = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return np.where(np.abs(mean - nominal) > CERTAIN * chance, mean, nominal)


def _corrections(
    network: Network, chips: TrainingChips, ages: Sequence[float], samples: int, seed: int, inputs: Any
) -> Corrections:
    exact: dict[str, list[Array]] = {layer.name: [] for layer in network.layers}
    blocks = {layer.name: layer for layer in network.layers}

    def kept(layer: str, x: Array) -> Array:
        y = np.asarray(replace(blocks[layer], scale=1.0).times(x))
        exact[layer].append(y)
        return y

    network.run(inputs, kept)
    found = []
    for k, age in enumerate(ages):
        read = chips.read(chips.drawn(network, age, samples, seed + k))
        states = {name: m.prepare(read.seen[name], read.noise.get(name)) for name, m in read.matrices.items()}
        crossbars = mvm.CrossbarNetwork(read.matrices, states, np.random.default_rng(seed + k), read.corrections)
        lines = _Lines(network, crossbars, exact)
        network.run(each(lambda v: np.broadcast_to(v, (samples, *v.shape)).reshape(-1, *v.shape[1:]), inputs), lines)
        found.append(lines.corrections)
    return {
        name: (
            np.mean([one[name][0] for one in found], axis=0),
            np.mean([one[name][1] for one in found], axis=0) * blocks[name].scale,
        )
        for name in exact
    }


def _folded(network: Network, found: Corrections, by_column: bool) -> Network:
    """The network with gains in its weights and offsets in its biases, where nodes can have one."""
    constants, places = dict(network.program.constants), layouts(network)
    layers = []
    for layer in network.layers:
        weight, where = places[layer.name]
        blocks = layer.blocks * np.reshape(np.broadcast_to(layer.scale, layer.n_outputs), (len(layer.blocks), 1, -1))
        blocks = blocks * found[layer.name][0].reshape(len(blocks), 1, -1)
        value = constants[weight].astype(np.float64)
        value.flat[where.ravel() - 1] = blocks.ravel()
        constants[weight] = value.astype(constants[weight].dtype)
        layers.append(WeightMatrix(layer.name, blocks))
    steps = tuple(_biased(step, network, found, constants) for step in network.program.steps)
    program = replace(network.program, constants=_after(network.program, found, network, constants), steps=steps)
    made = tuple(layer.scaled_by_column() for layer in layers) if by_column else tuple(layers)
    return replace(network, program=program, layers=made)


def _layer_of(step: Step, network: Network) -> str | None:
    slots = ((step.node.key, slot) for slot in step.operator.slots)
    return next((network.uses[use] for use in slots if use in network.uses), None)


def _biased(step: Step, network: Network, found: Corrections, constants: dict[str, Array]) -> Step:
    """A convolution or Gemm with the offsets in its bias, which it gets where it has none."""
    layer, node = _layer_of(step, network), step.node
    if layer not in found or node.kind not in ("Conv", "Gemm"):
        return step
    offset = found[layer][1]
    if node.kind == "Gemm":
        offset = offset * node.attributes.get("alpha", 1.0) / (node.attributes.get("beta", 1.0) or 1.0)
    old = node.inputs[2] if len(node.inputs) > 2 and node.inputs[2] else ""
    name = f"{node.outputs[0]}.bias"
    if old and old not in constants:
        return step
    before = constants[old] if old else np.zeros(1, constants[node.inputs[1]].dtype)
    constants[name] = (before.reshape(before.shape[-1:] or (1,)) + offset).astype(before.dtype)
    proto = type(node.proto).FromString(node.proto.SerializeToString())
    inputs = (*node.inputs[:2], name)
    proto.input[:] = inputs
    node = replace(node, inputs=inputs, proto=proto)
    return replace(step, node=node, operator=type(step.operator)(node))


def _after(program: Program, found: Corrections, network: Network, constants: dict[str, Array]) -> dict[str, Array]:
    """The constants, those included that are added to a MatMul with its offsets in them."""
    made = {step.node.outputs[0]: step for step in program.steps if step.node.kind == "MatMul"}
    for step in (one for one in program.steps if one.node.kind == "Add"):
        product = next((made[name] for name in step.node.inputs if name in made), None)
        layer = _layer_of(product, network) if product is not None else None
        bias = next((name for name in step.node.inputs if name in constants), None)
        if layer in found and bias is not None and constants[bias].ndim == 1:
            constants[bias] = (constants[bias] + found[layer][1]).astype(constants[bias].dtype)
    return constants
