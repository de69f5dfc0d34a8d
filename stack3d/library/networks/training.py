"""A small seeded trainer in NumPy for the packaged convolutional networks, and their export to ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass
class Layer:
    """Base: parameters with their gradients, forward and backward."""

    weights: dict[str, Array] = field(default_factory=dict, init=False)
    gradients: dict[str, Array] = field(default_factory=dict, init=False)


@dataclass
class Conv(Layer):
    """Convolution over one or two trailing axes (kernel of as many entries), padded to keep the size at stride 1."""

    inputs: int
    outputs: int
    kernel: tuple[int, ...]
    stride: int = 1

    def initialise(self, rng: np.random.Generator) -> None:
        """He initialisation."""
        fan_in = self.inputs * int(np.prod(self.kernel))
        shape = (self.outputs, self.inputs, *self.kernel)
        self.weights["weight"] = (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        self.weights["bias"] = np.zeros(self.outputs, np.float32)

    def forward(self, x: Array) -> Array:
        """Shape (batch, channels, *space)."""
        pads = [(0, 0), (0, 0), *((k // 2, k // 2) for k in self.kernel)]
        padded = np.pad(x, pads)
        axes = tuple(range(2, 2 + len(self.kernel)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.kernel, axis=axes)
        windows = windows[(slice(None), slice(None), *(slice(None, None, self.stride) for _ in self.kernel))]
        n = len(self.kernel)
        order = (0, *range(2, 2 + n), 1, *range(2 + n, 2 + 2 * n))
        self.space = windows.shape[2 : 2 + n]
        self.padded = padded.shape
        self.patches = windows.transpose(order).reshape(-1, self.inputs * int(np.prod(self.kernel)))
        y = self.patches @ self.weights["weight"].reshape(self.outputs, -1).T + self.weights["bias"]
        return np.moveaxis(y.reshape(len(x), *self.space, self.outputs), -1, 1)

    def backward(self, dy: Array) -> Array:
        """Gradient of the input; stores those of the weights."""
        flat = np.moveaxis(dy, 1, -1).reshape(-1, self.outputs)
        self.gradients["weight"] = (flat.T @ self.patches).reshape(self.weights["weight"].shape)
        self.gradients["bias"] = flat.sum(axis=0)
        columns = flat @ self.weights["weight"].reshape(self.outputs, -1)
        columns = columns.reshape(len(dy), *self.space, self.inputs, *self.kernel)
        n = len(self.kernel)
        out = np.zeros(self.padded, np.float32)
        for offset in np.ndindex(*self.kernel):
            part = np.moveaxis(columns[(..., *offset)], 1 + n, 1)
            where = tuple(slice(o, o + self.stride * (s - 1) + 1, self.stride) for o, s in zip(offset, self.space))
            out[(slice(None), slice(None), *where)] += part
        inner = tuple(slice(k // 2, size - k // 2) for k, size in zip(self.kernel, self.padded[2:]))
        return out[(slice(None), slice(None), *inner)]


@dataclass
class Dense(Layer):
    """Fully connected."""

    inputs: int
    outputs: int

    def initialise(self, rng: np.random.Generator) -> None:
        """He initialisation."""
        self.weights["weight"] = (rng.standard_normal((self.outputs, self.inputs)) * np.sqrt(2 / self.inputs)).astype(
            np.float32
        )
        self.weights["bias"] = np.zeros(self.outputs, np.float32)

    def forward(self, x: Array) -> Array:
        """Shape (batch, inputs)."""
        self.x = x
        return x @ self.weights["weight"].T + self.weights["bias"]

    def backward(self, dy: Array) -> Array:
        """Gradient of the input; stores those of the weights."""
        self.gradients["weight"], self.gradients["bias"] = dy.T @ self.x, dy.sum(axis=0)
        return dy @ self.weights["weight"]


@dataclass
class Relu(Layer):
    """Rectifier."""

    def forward(self, x: Array) -> Array:
        """Any shape."""
        self.on = x > 0
        return x * self.on

    def backward(self, dy: Array) -> Array:
        """Gradient of the input."""
        return dy * self.on


@dataclass
class MaxPool(Layer):
    """Largest of each box of two by two."""

    def forward(self, x: Array) -> Array:
        """Shape (batch, channels, even, even)."""
        b, c, h, w = x.shape
        boxes = x.reshape(b, c, h // 2, 2, w // 2, 2)
        y = boxes.max(axis=(3, 5))
        self.on = boxes == y[:, :, :, None, :, None]
        return np.asarray(y)

    def backward(self, dy: Array) -> Array:
        """Gradient of the input."""
        b, c, h, w = dy.shape
        return np.asarray((self.on * dy[:, :, :, None, :, None]).reshape(b, c, 2 * h, 2 * w))


@dataclass
class Flatten(Layer):
    """All axes but the batch into one."""

    def forward(self, x: Array) -> Array:
        """Any shape."""
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        """Gradient of the input."""
        return dy.reshape(self.shape)


@dataclass
class Mean(Layer):
    """Mean over the last axis."""

    def forward(self, x: Array) -> Array:
        """Shape (batch, channels, time)."""
        self.size = x.shape[-1]
        return x.mean(axis=-1)

    def backward(self, dy: Array) -> Array:
        """Gradient of the input."""
        return np.repeat(dy[..., None] / self.size, self.size, axis=-1)


def cross_entropy(logits: Array, labels: NDArray[Any]) -> Array:
    """Gradient of the mean cross entropy of logits (batch, classes)."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return np.asarray(p / len(labels), np.float32)


def squared_error(outputs: Array, wanted: Array) -> Array:
    """Gradient of half the mean squared error per sample."""
    return np.asarray((outputs - wanted) / len(wanted), np.float32)


def forward(layers: Sequence[Any], x: Array) -> Array:
    """Outputs of a batch."""
    for layer in layers:
        x = layer.forward(x)
    return x


def perturb(trained: Sequence[Any], noise: float, rng: np.random.Generator) -> list[Array]:
    """Put normal noise of so many of each layer's largest weight on its weights, in place; returns those that were there."""
    exact = [layer.weights["weight"] for layer in trained]
    for layer, weight in zip(trained, exact):
        off = rng.standard_normal(weight.shape, dtype=np.float32) * np.float32(noise * np.abs(weight).max())
        layer.weights["weight"] = weight + off
    return exact


def train(
    layers: Sequence[Any],
    inputs: Array,
    targets: NDArray[Any],
    loss_gradient: Callable[[Array, Any], Array],
    *,
    seed: int,
    epochs: int,
    rate: float = 2e-3,
    decay: float = 1e-4,
    batch: int = 64,
    augment: Callable[[Array, np.random.Generator], Array] | None = None,
    noise: float = 0.0,
) -> None:
    """Adam with decoupled weight decay and a cosine schedule, in place.

    With `noise`, every step sees weights off by so many of their layer's largest one, as cells will have them, and changes the
    exact ones by what it learns.
    """
    rng = np.random.default_rng(seed)
    trained = [layer for layer in layers if hasattr(layer, "initialise")]
    for layer in trained:
        layer.initialise(rng)
    moments = {(i, k): [np.zeros_like(w), np.zeros_like(w)] for i, la in enumerate(trained) for k, w in la.weights.items()}
    steps, step = epochs * (len(inputs) // batch), 0
    for _ in range(epochs):
        order = rng.permutation(len(inputs))
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            x = inputs[chosen] if augment is None else augment(inputs[chosen], rng)
            exact = perturb(trained, noise, rng) if noise else []
            gradient = loss_gradient(forward(layers, x), targets[chosen])
            for layer in reversed(layers):
                gradient = layer.backward(gradient)
            for layer, weight in zip(trained, exact):
                layer.weights["weight"] = weight
            step += 1
            speed = 0.5 * rate * (1 + np.cos(np.pi * step / steps))
            for (i, k), (first, second) in moments.items():
                g, w = trained[i].gradients[k], trained[i].weights[k]
                first += 0.1 * (g - first)
                second += 0.001 * (g * g - second)
                if k == "weight":
                    w *= 1 - speed * decay / rate
                w -= speed * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)


def save(path: Path, nodes: Sequence[Any], tensors: dict[str, Any], inputs: Sequence[int], outputs: int) -> None:
    """Write an ONNX model from `input` (batch, *inputs) to `logits` (batch, outputs)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        list(nodes),
        path.stem,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *inputs])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="stack3d")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def convolution_node(name: str, x: str, y: str, layer: Conv) -> Any:
    """ONNX node of a trained convolution; its weights are `name`.weight and `name`.bias."""
    from onnx import helper

    pads = [k // 2 for k in layer.kernel] * 2
    strides = [layer.stride] * len(layer.kernel)
    inputs = [x, f"{name}.weight", f"{name}.bias"]
    return helper.make_node("Conv", inputs, [y], name=name, kernel_shape=list(layer.kernel), pads=pads, strides=strides)
