"""Train the digits network of the NeuRRAM chip: six 3x3 convolutions and a classifier, 23,170 weights; writes mnist_cnn.onnx.

Run with ``python -m stack3d.library.networks.train_mnist_cnn mnist_5k.csv.gz`` (see `stack3d.library.data.prepare_mnist`).
Layers, three-bit inputs and activations, noise on the weights in training and the clipping of weights at their 95th percentile
are those published with the chip (W. Wan et al., Nature 608 (2022) 504; github.com/weierwan/Neurram_48core, mnist_cnn). It was
trained on 60,000 images there, on 4,000 shifted ones here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.library.data.prepare_mnist import read
from stack3d.library.networks.training import (
    Array,
    Conv,
    Dense,
    Flatten,
    Layer,
    MaxPool,
    convolution_node,
    cross_entropy,
    forward,
    save,
    train,
)

SEED = 0
EPOCHS = 60
NOISE = 0.10
"""Of the largest weight of a layer; the chip's networks were trained with 0.10 to 0.15."""
PERCENTILE = 95
LEVELS = 7
"""Steps of three bits without sign."""
LIMIT = 3.0
"""Activations end here."""
SHIFT = 2
"""[pixels] Largest shift of an image in training."""


@dataclass
class Quantised(Layer):
    """Rectifier that ends at `LIMIT`, in steps; gradients pass straight through."""

    def forward(self, x: Array) -> Array:
        """Any shape."""
        self.on = (x > 0) & (x < LIMIT)
        return np.rint(np.clip(x, 0, LIMIT) * np.float32(LEVELS / LIMIT)) * np.float32(LIMIT / LEVELS)

    def backward(self, dy: Array) -> Array:
        """Gradient of the input."""
        return dy * self.on


@dataclass
class EvenPool(MaxPool):
    """Largest of each box of two by two; an odd last row or column has a box of its own."""

    def forward(self, x: Array) -> Array:
        """Shape (batch, channels, height, width)."""
        self.size = x.shape[2:]
        return super().forward(np.pad(x, ((0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2))))

    def backward(self, dy: Array) -> Array:
        """Gradient of the input."""
        return np.asarray(super().backward(dy)[:, :, : self.size[0], : self.size[1]])


def shifted(x: Array, rng: np.random.Generator) -> Array:
    """Every image moved by up to `SHIFT` pixels."""
    padded = np.pad(x, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    rows, columns = rng.integers(0, 2 * SHIFT + 1, (2, len(x)))
    height, width = x.shape[2:]
    return np.stack([p[:, r : r + height, c : c + width] for p, r, c in zip(padded, rows, columns)])


def inputs_of(images: Any) -> Array:
    """Pixels of 0 to 255 in three bits."""
    counted: Array = np.rint(images.reshape(-1, 1, 28, 28).astype(np.float32) * np.float32(LEVELS / 255))
    return counted / np.float32(LEVELS)


def main(source: Path, folder: Path) -> float:
    """Train, write the network into `folder`, return the float accuracy on the images that judge."""
    from onnx import helper

    images, labels, judged = read(source)
    x = inputs_of(images)
    widths = (1, 8, 8, 16, 16, 32, 32)
    convolutions = [Conv(a, b, (3, 3)) for a, b in zip(widths, widths[1:])]
    classifier = Dense(512, 10)
    layers: list[Any] = []
    for i, convolution in enumerate(convolutions):
        layers += [convolution, Quantised()] + ([EvenPool()] if i % 2 else [])
    layers += [Flatten(), classifier]
    train(
        layers, x[~judged], labels[~judged].astype(int), cross_entropy, seed=SEED, epochs=EPOCHS, augment=shifted, noise=NOISE
    )
    for layer in (*convolutions, classifier):
        end = np.percentile(np.abs(layer.weights["weight"]), PERCENTILE)
        layer.weights["weight"] = np.clip(layer.weights["weight"], -end, end)
    scalars = {"low": 0.0, "high": LIMIT, "up": LEVELS / LIMIT, "down": LIMIT / LEVELS, "steps": LEVELS, "step": 1 / LEVELS}
    tensors: dict[str, Any] = {k: np.float32(v) for k, v in scalars.items()}
    nodes = [
        helper.make_node("Reshape", ["input", "image.shape"], ["image"], name="image"),
        helper.make_node("Mul", ["image", "steps"], ["counted"], name="count"),
        helper.make_node("Round", ["counted"], ["whole"], name="three_bits"),
        helper.make_node("Mul", ["whole", "step"], ["x0"], name="rescale"),
    ]
    for i, convolution in enumerate(convolutions, 1):
        name, last = f"conv{i}", f"a{i}"
        nodes.append(convolution_node(name, f"x{i - 1}", f"c{i}", convolution))
        chain = [
            ("Clip", [f"c{i}", "low", "high"]),
            ("Mul", [f"t{i}0", "up"]),
            ("Round", [f"t{i}1"]),
            ("Mul", [f"t{i}2", "down"]),
        ]
        ends = [f"t{i}0", f"t{i}1", f"t{i}2", last if i % 2 == 0 else f"x{i}"]
        nodes += [
            helper.make_node(op, list(into), [end], name=f"{name}.{k}") for k, ((op, into), end) in enumerate(zip(chain, ends))
        ]
        if i % 2 == 0:
            pool = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
            nodes.append(helper.make_node("MaxPool", [last], [f"x{i}"], name=f"pool{i // 2}", **pool))
        tensors |= {f"{name}.{k}": w for k, w in convolution.weights.items()}
    nodes += [
        helper.make_node("Flatten", ["x6"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1),
    ]
    tensors |= {f"fc.{k}": w for k, w in classifier.weights.items()}
    save(folder / "mnist_cnn.onnx", nodes, {**tensors, "image.shape": np.array([-1, 1, 28, 28])}, [784], 10)
    return float((forward(layers, x[judged]).argmax(axis=1) == labels[judged]).mean())


if __name__ == "__main__":
    print(f"float accuracy on the images that judge: {main(Path(sys.argv[1]), Path(__file__).parent):.5f}")
