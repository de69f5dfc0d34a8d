"""From an ONNX file to a network: its matrices are found, and it is tried on two inputs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.errors import ArrayError, DeckError, Problem, did_you_mean
from stack3d.schema import workload as schema
from stack3d.workload.network import Inputs, Network, WeightMatrix
from stack3d.workload.onnx_file import KEY, hold_inputs, keep_output, read_model, valid, with_free_batch
from stack3d.workload.operators import Stored
from stack3d.workload.operators.allowance import afford
from stack3d.workload.program import Program, Step

MOST_BATCH = 1024
"""Of a model whose batch is fixed; two are run to see that it can be freed."""


def _named(step: Step, slot: str, stored: Stored, several: bool) -> str:
    name = step.node.proto.name or stored.weight
    return f"{name}.{slot}" if several else name


def _collected(
    program: Program, digital: Collection[str], path: Path
) -> tuple[dict[str, WeightMatrix], dict[tuple[str, str], str], set[str], list[Problem]]:
    """Layers by name, the layers of each node's matrices, products that have no matrix, and what is wrong."""
    layers: dict[str, WeightMatrix] = {}
    uses: dict[tuple[str, str], str] = {}
    by_use: dict[Any, str] = {}
    no_matrix: set[str] = set()
    problems: list[Problem] = []
    for step in program.steps:
        matrices = step.operator.matrices(program.constants)
        for slot, stored in matrices.items():
            use = (stored.weight, stored.blocks.shape, stored.form)
            name = by_use.get(use) or _named(step, slot, stored, len(matrices) > 1)
            if use not in by_use:
                while name in layers:
                    name += "_"
                layers[name] = WeightMatrix(name, np.ascontiguousarray(stored.blocks))
                by_use[use] = name
                if name not in digital:
                    problems += _unfit(layers[name], stored.weight, path)
            uses[step.node.key, slot] = name
        if not matrices:
            name, found = _without_matrix(step, program, digital, path)
            no_matrix |= {name} if name else set()
            problems += found
    return layers, uses, no_matrix, problems


def _without_matrix(step: Step, program: Program, digital: Collection[str], path: Path) -> tuple[str, list[Problem]]:
    """Name of a product with a constant that is no matrix, and the problem that it is not listed as digital."""
    if step.node.kind not in ("Gemm", "MatMul"):
        return "", []
    for weight in [name for name in step.node.inputs[:2] if name in program.constants]:
        name = step.node.proto.name or weight
        if name in digital:
            return name, []
        message = f"{path.name}: {step.node.kind} {name!r} has a constant of shape {program.constants[weight].shape};"
        advice = f"crossbars hold matrices: give it two axes, or list {name!r} under workload.digital"
        return name, [Problem(KEY, f"{message} {advice}")]
    return "", []


def load_network(
    deck: schema.NetworkDeck, *, output: str | None = None, digital: Collection[str] = (), by_column: bool = False
) -> Network:
    """Read the ONNX file of a network deck.

    Parameters
    ----------
    deck : schema.Network
    output : str, optional
        The output to read the classes from; only a model with one needs none.
    digital : collection of str
        Layers that stay digital.
    by_column : bool
        Scale every output column to the full conductance window instead of the whole layer.

    Raises
    ------
    DeckError
        When the file is no ONNX model, keeps data outside its folder, has operators or weights that are not supported, does
        not run, or gives no logits; all of these before anything expensive starts.
    """
    path = Path(deck.file)
    model = read_model(path)
    with valid(path):
        hold_inputs(model, deck.held)
        keep_output(model, output)
        program = Program.of(model)
        layers, uses, no_matrix, problems = _collected(program, digital, path)
    if not program.inputs:
        problems.append(Problem(KEY, f"{path.name}: the output {program.output!r} depends on no input"))
    for name in (one for one in digital if not {one} & {*layers, *no_matrix}):
        message = f"no layer {name!r}{did_you_mean(name, layers)}; layers: {', '.join(layers)}"
        problems.append(Problem("workload.digital", message))
    analog, kept = (tuple(layers[name] for name in layers if (name in digital) == stays) for stays in (False, True))
    if not analog and not problems:
        message = "the model has no Conv, Gemm, MatMul or other product with constant weights left to put on crossbars"
        problems.append(Problem(KEY, message))
    if problems:
        raise DeckError(problems)
    network = Network(program, tuple(layer.scaled_by_column() for layer in analog) if by_column else analog, kept, uses)
    return _freed(network, model, path)


def _freed(network: Network, model: Any, path: Path) -> Network:
    """The network for batches of any size, after a trial; raises DeckError."""
    shape = network.program.inputs[0].shape
    if not shape or shape[0] is None:
        return _tried(network, None)
    if shape[0] > MOST_BATCH:
        raise DeckError(Problem(KEY, f"the model is fixed to batches of {shape[0]}; export it with a dynamic batch axis"))
    try:
        with valid(path):
            freed = replace(network, program=Program.of(with_free_batch(model)))
    except DeckError:  # a branch on the number of inputs
        if shape[0] > 1:
            raise
        freed = replace(network, is_single=True)
    return _tried(freed, network)


def _unfit(layer: WeightMatrix, weight: str, path: Path) -> list[Problem]:
    """What keeps a layer's weights from conductances."""
    bad = ~np.isfinite(layer.blocks)
    if bad.any():
        weights = layer.weights
        where = np.argwhere(~np.isfinite(weights))
        value, at = weights[tuple(where[0])], ", ".join(str(i) for i in where[0])
        what = f"{len(where)} of {weights.size} weights that are not finite, the first {value} at (input, output) ({at})"
    elif not layer.blocks.any():
        what = f"nothing but zeros: no weight sets the scale of its conductances; list {layer.name!r} under workload.digital"
    else:
        return []
    return [Problem(KEY, f"{path.name}: layer {layer.name!r} (weight {weight!r}) has {what}")]


def _shapes(network: Network, batch: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs, lengths that are open taken as 8."""
    return {i.name: (batch, *(d or 8 for d in i.shape[1:])) for i in network.program.inputs}


def _example(network: Network, batch: int) -> Any:
    """Numbers between 0 and 1 in the shapes of the inputs; whole ones are 0."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.random(afford(shape, 8)) for name, shape in _shapes(network, batch).items()}
    return Inputs(arrays) if len(arrays) > 1 else next(iter(arrays.values()))


def _tried(network: Network, fixed: Network | None) -> Network:
    """The network after it ran on two inputs, as the one of a fixed batch does; that itself where it takes single inputs alone.

    Raises DeckError when it does not run or its output has no row for each input.
    """
    batch = 1 if fixed is None else fixed.input_shape[0] or 1
    single = replace(fixed, is_single=True) if fixed is not None and batch == 1 else None
    try:
        x = _example(network, max(2, 2 * batch))
        same = _in_batches(single or fixed, x, batch)
        found = _freely(network, x, same)
    except (ArrayError, MemoryError, ValueError) as error:
        if fixed is None and any(None in i.shape[1:] for i in network.program.inputs):
            return network  # sizes that only the data know
        tried = ", ".join(map(str, _shapes(network, 2 * batch).values()))
        raise DeckError(Problem(KEY, f"the model does not run on inputs of shape {tried}: {error}")) from None
    if found is None:
        if single is None:
            raise DeckError(Problem(KEY, f"the model is fixed to batches of {batch}; export it with a dynamic batch axis"))
        network, found = single, same
    if found.ndim < 2 or len(found) != len(x):
        text = f"the model's output has shape {found.shape} for {len(x)} inputs; wanted the inputs as the first of its axes"
        raise DeckError(Problem(KEY, text))
    return network


def _in_batches(network: Network | None, x: Any, batch: int) -> Any:
    """What a network of a fixed batch gives for several; None where there is none."""
    return None if network is None else np.concatenate([network.run(x[i : i + batch]) for i in range(0, len(x), batch)])


def _freely(network: Network, x: Any, same: Any) -> Any:
    """What the network gives for several inputs; None where that is not the `same` that it gives for each."""
    try:
        found = network.run(x)
    except (ArrayError, ValueError):
        if same is None:
            raise
        return None
    agree = same is None or (found.shape == same.shape and np.allclose(found, same, rtol=1e-4, atol=1e-5))
    return found if agree else None
