"""CPU seconds and memory of a network of real size through crossbars: ResNet-20, 200 images, 8 chips.

Run ``python benchmarks/networks.py``; one thread. ``--command`` runs ``stack3d run`` on the same network beside it, ``--peer PYTHON``
aihwkit's torch tile. What is timed and what it is compared with: README.md.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stack3d import mvm
from stack3d.chip import forward_of
from stack3d.schema.workload import NetworkDeck
from stack3d.workload import Network
from stack3d.workload.network_file import load_network


def resnet(path: Path, widths: tuple[int, ...] = (16, 32, 64), blocks: int = 3) -> Path:
    """The residual network of CIFAR-10 with `blocks` blocks a stage, weights drawn at random; 0.27 M of them."""
    rng, nodes, weights = np.random.default_rng(0), [], {}

    def conv(x: str, inputs: int, outputs: int, stride: int, kernel: int, relu: bool) -> str:
        n = len(weights)
        weights[f"w{n}"] = rng.normal(size=(outputs, inputs, kernel, kernel)) * np.sqrt(2 / (inputs * kernel**2))
        pads = [kernel // 2] * 4
        nodes.append(helper.make_node("Conv", [x, f"w{n}"], [f"c{n}"], name=f"conv{n}", strides=[stride] * 2, pads=pads))
        if not relu:
            return f"c{n}"
        nodes.append(helper.make_node("Relu", [f"c{n}"], [f"r{n}"]))
        return f"r{n}"

    x, inputs = conv("x", 3, widths[0], 1, 3, True), widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = conv(conv(x, inputs, width, stride, 3, True), width, width, 1, 3, False)
            short = x if inputs == width else conv(x, inputs, width, stride, 1, False)
            n = len(nodes)
            nodes += [helper.make_node("Add", [y, short], [f"a{n}"]), helper.make_node("Relu", [f"a{n}"], [f"b{n}"])]
            x, inputs = f"b{n}", width
    weights["fc"] = rng.normal(size=(inputs, 10)) / np.sqrt(inputs)
    nodes += [helper.make_node("GlobalAveragePool", [x], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
              helper.make_node("MatMul", ["f", "fc"], ["y"], name="fc")]  # fmt: skip
    graph = helper.make_graph(
        nodes, "resnet", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def command(path: Path, x: np.ndarray, chips: int, times: int) -> None:
    """The whole of ``stack3d run``: start, float pass, ranges, heat, programming, ageing, read-outs, files."""
    np.savez(path.with_name("data.npz"), inputs=x)
    settings = {
        "workload.network": path, "workload.data": path.with_name("data.npz"), "workload.task": "agreement",
        "workload.tile": "[128, 128]", "workload.rate": "1 1/s", "monte_carlo.samples": chips, "lifetime.epochs": times,
        "lifetime.attribution": "false", "solver.backend": "tensor",
    }  # fmt: skip
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "stack3d", "run", "quickstart", *sets, "-o", str(path.with_name("out"))],
        capture_output=True, text=True,
    )  # fmt: skip
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        print(done.stderr)
    print(f"whole command, {times} times: {used.ru_utime + used.ru_stime:.1f} s CPU, peak memory {used.ru_maxrss / 1e6:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("images", 200), ("chips", 8), ("times", 1), ("blocks", 3), ("profile", 32)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--command", action="store_true")
    parser.add_argument("--peer", help="interpreter that has torch and aihwkit")
    given = parser.parse_args()
    sizes = [f"--{name}={getattr(given, name)}" for name in ("images", "chips", "times", "blocks")]
    x = np.random.default_rng(1).normal(size=(given.images, 3, 32, 32)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = resnet(Path(folder) / "net.onnx", tuple(given.widths), given.blocks)
        if given.command:
            command(path, x, given.chips, given.times)
        network = load_network(NetworkDeck(file=str(path)))
    engine(network, x, given.chips, given.times, given.profile)
    if given.peer:
        tile = Path(__file__).with_name("peer_tile.py")
        subprocess.run([given.peer, tile, *sizes, "--widths", *map(str, given.widths)], check=True)


def engine(network: Network, x: np.ndarray, chips: int, times: int, profiled: int) -> None:
    """The steps of a case that the network sets the cost of, one by one."""
    rng = np.random.default_rng(1)
    mapping = mvm.WeightMapping(1e-6, 25e-6)
    marks = [("start", time.process_time())]
    counted = network.counted(x[:2])
    network = network.ordered(x[:2])
    marks.append(("counting", time.process_time()))
    for i in range(0, len(x), 25):
        network.run(x[i : i + 25])
    marks.append(("float pass", time.process_time()))
    raw = {
        one.name: mvm.AnalogMatrix.build(one.name, one.weights, mapping, (128, 128), adc=mvm.Converter(8))
        for one in network.layers
    }
    ideal = {name: m.prepare(m.target_conductances()) for name, m in raw.items()}
    matrices = mvm.calibrated(mvm.CrossbarNetwork(raw, ideal), forward_of(network), x[:profiled])
    marks.append(("converter ranges", time.process_time()))
    cells = {
        name: (m.target_conductances() * rng.normal(1, 0.02, (chips, *m.state_shape))).clip(0) for name, m in matrices.items()
    }
    marks.append(("cells", time.process_time()))
    for _ in range(times):
        mvm.infer(matrices, cells, forward_of(network), x, rng, read_noise=0.02, memory_limit=256e6, per_input=counted.memory)
    marks.append(("inference", time.process_time()))
    weights = sum(one.macs for one in network.layers)
    macs = sum(one.macs * counted.products[one.name] for one in network.layers)
    print(f"{weights / 1e6:.2f} M weights, {macs / 1e6:.1f} M MAC, {len(x)} images x {chips} chips x {times} times, CPU s:")
    for (_, before), (name, after) in zip(marks, marks[1:]):
        print(f"  {name:18} {after - before:8.2f}")
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
