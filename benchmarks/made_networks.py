"""Networks of several kinds whose size is chosen, with inputs, weights drawn at random: what memory is measured on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Draft:
    """A graph that grows from its input ``x``, node by node."""

    def __init__(self) -> None:
        self.rng, self.nodes = np.random.default_rng(0), list[Any]()
        self.weights = dict[str, np.ndarray]()

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add one, and return the name of its output."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"{kind.lower()}{len(self.nodes)}", **attributes))
        return name

    def constant(self, values: Any) -> str:
        """Add one, and return its name."""
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(values)
        return name

    def drawn(self, *shape: int, fan: int) -> str:
        """Add normal weights of so many inputs."""
        return self.constant((self.rng.normal(size=shape) * np.sqrt(2 / fan)).astype("f4"))

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, group: int = 1) -> str:
        """Add a convolution and what follows it."""
        w = self.drawn(outputs, inputs // group, kernel, kernel, fan=inputs // group * kernel**2)
        return self.node("Relu", self.node("Conv", x, w, strides=[stride] * 2, pads=[kernel // 2] * 4, group=group))

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        """Add a product with a matrix."""
        return self.node("MatMul", x, self.drawn(inputs, outputs, fan=inputs))

    def classes(self, x: str, inputs: int) -> None:
        """End in ten outputs of means over planes."""
        self.dense(self.node("Flatten", self.node("GlobalAveragePool", x)), inputs, 10)

    def save(self, path: Path, shape: tuple[int, ...], out: tuple[int, ...], count: int) -> Path:
        """Write the model, and ``count`` inputs for calibration and test beside it, labelled by themselves where it gives such.

        Parameters
        ----------
        path : Path
        shape, out : tuple of int
            Of an input and an output.
        count : int
        """
        self.nodes[-1].output[0] = "y"
        ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", *s]) for n, s in (("x", shape), ("y", out))]
        held = [numpy_helper.from_array(w, name) for name, w in self.weights.items()]
        graph = helper.make_graph(self.nodes, path.stem, ends[:1], ends[1:], held)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        inputs = self.rng.random((count, *shape)).astype("f4")
        np.savez(path.with_suffix(".npz"), inputs=inputs, **({"labels": inputs} if out == shape else {}))
        return path


def deep(path: Path, side: int, width: int, depth: int) -> Path:
    """Convolutions in a row, halved in size twice."""
    d = Draft()
    x, inputs = "x", 3
    for i in range(depth):
        halved = i in (depth // 3, 2 * depth // 3)
        x, inputs = (
            d.conv(x, inputs, 2 * inputs if halved else inputs if i else width, stride=1 + halved),
            (2 * inputs if halved else inputs if i else width),
        )
    d.classes(x, inputs)
    return d.save(path, (3, side, side), (10,), 8)


def unet(path: Path, side: int, width: int, depth: int) -> Path:
    """Down and up again, with what is left aside joined."""
    d = Draft()
    x, inputs, aside = "x", 1, list[tuple[str, int]]()
    for i in range(depth):
        x = d.conv(x, inputs, width << i)
        inputs = width << i
        aside.append((x, inputs))
        x = d.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x, inputs = d.conv(x, inputs, 2 * inputs), 2 * inputs
    for left, channels in reversed(aside):
        w = d.drawn(inputs, channels, 2, 2, fan=inputs)
        x = d.node("Concat", d.node("ConvTranspose", x, w, strides=[2, 2]), left, axis=1)
        x, inputs = d.conv(x, 2 * channels, channels), channels
    d.node("Conv", x, d.drawn(1, inputs, 1, 1, fan=inputs))
    return d.save(path, (1, side, side), (1, side, side), 6)


def mobile(path: Path, side: int, width: int, depth: int) -> Path:
    """Convolutions of every channel by itself between those over channels."""
    d = Draft()
    x, inputs = d.conv("x", 3, width, stride=2), width
    for i in range(depth):
        outputs = 2 * inputs if i % 2 else inputs
        x = d.conv(d.conv(x, inputs, inputs, stride=1 + i % 2, group=inputs), inputs, outputs, kernel=1)
        inputs = outputs
    d.classes(x, inputs)
    return d.save(path, (3, side, side), (10,), 16)


def denoiser(path: Path, side: int, width: int, depth: int) -> Path:
    """Convolutions of full size, whose sum with the input is the output."""
    d = Draft()
    x = d.conv("x", 3, width)
    for _ in range(depth):
        x = d.conv(x, width, width)
    d.node("Add", "x", d.node("Conv", x, d.drawn(3, width, 3, 3, fan=9 * width), pads=[1] * 4))
    return d.save(path, (3, side, side), (3, side, side), 6)


def transformer(path: Path, length: int, width: int, depth: int) -> Path:
    """Attention and products of each place."""
    d = Draft()
    x = d.dense("x", 32, width)
    for _ in range(depth):
        q, k, v = (d.dense(x, width, width) for _ in range(3))
        seen = d.node("Softmax", d.node("MatMul", q, d.node("Transpose", k, perm=[0, 2, 1])), axis=-1)
        x = d.node("Add", x, d.dense(d.node("MatMul", seen, v), width, width))
        x = d.node("Add", x, d.dense(d.node("Relu", d.dense(x, width, 4 * width)), 4 * width, width))
    d.dense(d.node("ReduceMean", x, axes=[1], keepdims=0), width, 10)
    return d.save(path, (length, 32), (10,), 32)


def recurrent(path: Path, length: int, width: int, depth: int) -> Path:
    """Layers of long short-term memory."""
    d = Draft()
    x, inputs = d.node("Transpose", "x", perm=[1, 0, 2]), 32
    for _ in range(depth):
        w, r = d.drawn(1, 4 * width, inputs, fan=inputs), d.drawn(1, 4 * width, width, fan=4 * width)
        x, inputs = d.node("LSTM", x, w, r, hidden_size=width), width
        x = d.node("Squeeze", x, d.constant(np.array([1])))
    d.dense(d.node("ReduceMean", x, axes=[0], keepdims=0), width, 10)
    return d.save(path, (length, 32), (10,), 64)


def dense(path: Path, side: int, width: int, depth: int) -> Path:
    """Wide products in a row."""
    d = Draft()
    x, inputs = "x", side
    for _ in range(depth):
        x, inputs = d.node("Relu", d.dense(x, inputs, width)), width
    d.dense(x, width, 10)
    return d.save(path, (side,), (10,), 256)


DECK = """\
scenario: made
geometry:
  footprint: [20 mm, 20 mm]
  below: [{name: base, thickness: 0.1 mm, material: silicon}]
  tiers: {repeat: 4, layers: [{name: cells, thickness: 1 um, material: silicon, role: rram, tile_sites: [24, 24]}]}
  above: [{name: cap, thickness: 0.1 mm, material: silicon}]
cooling: {top: {film_coefficient: 1e4 W/m^2/K}, ambient: 25 degC}
workload:
  network: {file: NAME.onnx, data: {file: NAME.npz, assumed: drawn}, assumed: drawn}
  task: TASK
  rate: 1e-3 1/s
  tile: [256, 256]
  placement: spread
  periphery: cmos_adc_8bit
device: bulk_rram_ucsd
mvm: {dac_bits: 8, adc_bits: 8}
lifetime: {until: 10 year, epochs: 2, attribution: false}
monte_carlo: {samples: 1, seed: 1}
solver: {backend: tensor, mesh: {lateral: 4, per_layer: 1}, error_promise: 0.5}
"""


def write(folder: Path, name: str) -> str:
    """Write a network of `MADE` with its inputs, and return a scenario that computes it."""
    kind, *sizes = MADE[name]
    kind(folder / f"{name}.onnx", *sizes)
    return DECK.replace("NAME", name).replace("TASK", "regression" if kind in (unet, denoiser) else "agreement")


MADE: dict[str, tuple[Callable[[Path, int, int, int], Path], int, int, int]] = {
    "unet512": (unet, 512, 8, 4), "unet128": (unet, 128, 16, 4), "unet64": (unet, 64, 8, 3),
    "deep32": (deep, 32, 16, 9), "deep128": (deep, 128, 32, 6), "deep256": (deep, 256, 16, 6), "deep8": (deep, 8, 128, 4),
    "denoise224": (denoiser, 224, 16, 3), "denoise96": (denoiser, 96, 24, 5),
    "mobile224": (mobile, 224, 16, 6), "mobile96": (mobile, 96, 8, 6),
    "transformer64": (transformer, 64, 64, 3), "transformer512": (transformer, 512, 64, 2),
    "transformer16": (transformer, 16, 192, 3),
    "lstm32": (recurrent, 32, 64, 2), "lstm200": (recurrent, 200, 96, 1),
    "dense512": (dense, 512, 512, 2), "dense2048": (dense, 1024, 2048, 2), "dense64": (dense, 64, 64, 3),
}  # fmt: skip
"""Name → kind, side or length of an input, width, depth."""

if __name__ == "__main__":
    Path(sys.argv[1], "deck.yaml").write_text(write(Path(sys.argv[1]), sys.argv[2]))
