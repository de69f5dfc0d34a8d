"""Train the packaged digits CNN: two 3x3 convolutions of 16 and 32 channels, pooled, and a classifier; writes digits_cnn.onnx.

Run with ``python -m stack3d.library.networks.train_digits_cnn``. Data and split are those of `train_digits_mlp`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stack3d.library.networks.training import (
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Relu,
    convolution_node,
    cross_entropy,
    forward,
    save,
    train,
)

SEED = 0
EPOCHS = 40


def main(folder: Path) -> float:
    """Train, write the network into `folder`, return the float accuracy on the test part."""
    from onnx import helper

    with np.load(folder.parent / "data" / "digits.npz") as archive:
        inputs, labels, first, second = (archive[k] for k in ("inputs", "labels", "train", "test"))
    images = (inputs.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    conv1, conv2, fc = Conv(1, 16, (3, 3)), Conv(16, 32, (3, 3)), Dense(128, 10)
    layers = [conv1, Relu(), MaxPool(), conv2, Relu(), MaxPool(), Flatten(), fc]
    train(layers, images[first], labels[first].astype(int), cross_entropy, seed=SEED, epochs=EPOCHS)
    named = {"conv1": conv1, "conv2": conv2, "fc": fc}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Reshape", ["input", "image.shape"], ["image"], name="image"),
        convolution_node("conv1", "image", "c1", conv1),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], name="pool1", **pool),
        convolution_node("conv2", "p1", "c2", conv2),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("MaxPool", ["r2"], ["p2"], name="pool2", **pool),
        helper.make_node("Flatten", ["p2"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1),
    ]
    tensors = {f"{n}.{k}": w for n, layer in named.items() for k, w in layer.weights.items()}
    save(folder / "digits_cnn.onnx", nodes, {**tensors, "image.shape": np.array([-1, 1, 8, 8])}, [64], 10)
    return float((forward(layers, images[second]).argmax(axis=1) == labels[second]).mean())


if __name__ == "__main__":
    print(f"float accuracy on the test part: {main(Path(__file__).parent):.5f}")
