"""Train the packaged activity recogniser: three 1-D convolutions, mean over time, classifier; writes wearable_cnn.onnx.

Run with ``python -m stack3d.library.networks.train_wearable_cnn``; with ``folds`` it also trains on five splits by person,
which is the accuracy to quote: windows overlap and people differ, so windows are not independent trials.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.library.networks.training import (
    Array,
    Conv,
    Dense,
    Mean,
    Relu,
    convolution_node,
    cross_entropy,
    forward,
    save,
    train,
)

SEED = 0
EPOCHS = 12
FOLDS = 5


def augment(x: Array, rng: np.random.Generator) -> Array:
    """Vary the size of every signal by a tenth and add a little noise."""
    size = 1 + 0.1 * rng.standard_normal((len(x), x.shape[1], 1))
    return (x * size + 0.1 * rng.standard_normal(x.shape)).astype(np.float32)


def fitted(x: Array, labels: Any, chosen: Any) -> list[Any]:
    """Layers trained on the chosen windows."""
    layers = [Conv(6, 32, (5,)), Relu(), Conv(32, 64, (5,), 2), Relu(), Conv(64, 64, (5,), 2), Relu(), Mean(), Dense(64, 7)]
    train(layers, x[chosen], labels[chosen], cross_entropy, seed=SEED, epochs=EPOCHS, augment=augment, decay=1e-3)
    return layers


def main(folder: Path, folds: bool = False) -> float:
    """Train, write the network into `folder`, return the float accuracy on the test part."""
    from onnx import helper

    with np.load(folder.parent / "data" / "wearable.npz") as archive:
        series, starts, length, labels, people = (archive[k] for k in ("series", "starts", "length", "labels", "people"))
        first, second = archive["train"], archive["test"]
    windows = np.swapaxes(series[starts[:, None] + np.arange(int(length))], 1, 2).astype(np.float32)
    labels = labels.astype(int)
    mean = windows[first].mean(axis=(0, 2))[:, None]
    scale = 1 / windows[first].std(axis=(0, 2))[:, None]
    x = (windows - mean) * scale

    def accuracy(layers: list[Any], chosen: Any) -> float:
        return float((forward(layers, x[chosen]).argmax(axis=1) == labels[chosen]).mean())

    if folds:
        scores = []
        for part in np.array_split(np.unique(people), FOLDS):
            inside = np.isin(people, part)
            scores.append(accuracy(fitted(x, labels, np.flatnonzero(~inside)), np.flatnonzero(inside)))
        print(f"{FOLDS} folds by person: {np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f} ({np.round(scores, 3)})")
    layers = fitted(x, labels, first)
    named = {"conv1": layers[0], "conv2": layers[2], "conv3": layers[4], "fc": layers[7]}
    nodes = [
        helper.make_node("Sub", ["input", "mean"], ["centred"], name="centre"),
        helper.make_node("Mul", ["centred", "scale"], ["x0"], name="scale"),
    ]
    for i, name in enumerate(("conv1", "conv2", "conv3")):
        nodes.append(convolution_node(name, f"x{i}", f"c{i}", named[name]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"x{i + 1}"], name=f"relu{i + 1}"))
    nodes.append(helper.make_node("ReduceMean", ["x3"], ["pooled"], name="mean", axes=[2], keepdims=0))
    nodes.append(helper.make_node("Gemm", ["pooled", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1))
    tensors = {f"{n}.{k}": w for n, layer in named.items() for k, w in layer.weights.items()}
    save(folder / "wearable_cnn.onnx", nodes, {**tensors, "mean": mean, "scale": scale}, [6, int(length)], 7)
    return accuracy(layers, second)


if __name__ == "__main__":
    print(f"float accuracy on the test part: {main(Path(__file__).parent, 'folds' in sys.argv):.5f}")
