"""Speed and memory of the crossbar engine, each number beside the ceiling of a plain product in the same run.

Run ``python benchmarks/mvm.py``; one thread, CPU seconds. What is timed and what it is compared with: README.md.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stack3d.mvm import AnalogMatrix, Converter, WeightMapping, Wires, accuracy, effective_conductance, infer, solve_crossbar
from stack3d.mvm.array_library import Scratch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from digits_case import phase_change_cells

BATCH = 256
MAPPING = WeightMapping(0.1e-6, 25e-6)


def best(action: Callable[[], object], repeats: int = 7, least: float = 0.15) -> float:
    """Least CPU time of one call over `repeats` rounds of at least `least` seconds. [s]"""
    action()
    rounds = []
    for _ in range(repeats):
        calls, start = 0, time.process_time()
        while time.process_time() - start < least:
            action()
            calls += 1
        rounds.append((time.process_time() - start) / calls)
    return min(rounds)


def products(rng: np.random.Generator) -> None:
    print(f"products, float32, batch {BATCH}, 8-bit DAC and ADC     plain ms   quiet ratio  noisy ms  noisy ratio   vectors/s")
    for n, tile, wires, note in (
        (256, None, None, "one array"),
        (256, None, Wires(1.0, 1.0), "one array behind 1 ohm segments"),
        (256, (128, 256), None, "2 x 2 arrays of 128 x 256 cells"),
        (1024, None, None, "one array"),
        (1024, (256, 512), None, "4 x 4 arrays of 256 x 512 cells"),
    ):
        weights = rng.standard_normal((n, n)).astype(np.float32)
        x = rng.standard_normal((BATCH, n)).astype(np.float32)
        matrix = AnalogMatrix.build("m", weights, MAPPING, tile, adc=Converter(8, 12.0), wires=wires)
        cells = matrix.target_conductances()
        quiet, noisy, scratch = matrix.prepare(cells), matrix.prepare(cells, 0.02), Scratch()
        plain = best(lambda: x @ weights)  # noqa: B023
        slow = best(lambda: matrix.matvec(x, noisy, rng, scratch=scratch))  # noqa: B023
        calm = best(lambda: matrix.matvec(x, quiet, scratch=scratch))  # noqa: B023
        plain = min(plain, best(lambda: x @ weights))  # noqa: B023
        label = f"{n} x {n}, {note}"
        print(
            f"  {label:52} {plain * 1e3:8.3f} {plain / calm:13.2f} {slow * 1e3:9.3f} {plain / slow:12.2f} {BATCH / slow:11.0f}"
        )


def wires(rng: np.random.Generator) -> None:
    print("wires, 1 ohm segments                 effective matrix s   circuit of 3 inputs s   difference")
    for n in (64, 128, 256):
        g = rng.uniform(1e-6, 1e-4, (n, n))
        v = rng.uniform(0.0, 0.2, (n, 3))
        repeats = 3 if n == 256 else 7
        fast = best(lambda: effective_conductance(g, 1.0, 1.0), repeats)  # noqa: B023
        full = best(lambda: solve_crossbar(1.0 / g, v, 1.0, 1.0), repeats)  # noqa: B023
        exact = solve_crossbar(1.0 / g, v, 1.0, 1.0).output_currents
        error = np.abs(v.T @ effective_conductance(g, 1.0, 1.0) - exact).max() / exact.max()
        print(f"  {n:4} x {n:<4} {fast:35.4f} {full:23.4f} {error:13.1e}")


def digits(rng: np.random.Generator) -> None:
    """Age, read with noise and judge a 64-64-10 network on 540 inputs: cost does not depend on its weights."""
    times = [1.0, 60.0, 3600.0, 86400.0, 2.592e6, 3.1536e7, 3.1536e8]
    shapes = {"first": (64, 64), "second": (64, 10)}
    matrices = {n: AnalogMatrix.build(n, rng.standard_normal(s), MAPPING, adc=Converter(8, 12.0)) for n, s in shapes.items()}
    x = rng.uniform(0.0, 1.0, (540, 64)).astype(np.float32)
    labels = rng.integers(0, 10, 540)

    def forward(matmul, x):
        return matmul("second", np.maximum(matmul("first", x), 0.0))

    start = time.process_time()
    cells = {
        name: np.stack(list(phase_change_cells(m.target_conductances(), times, 25, rng)), axis=0)
        for name, m in matrices.items()
    }
    aged = time.process_time() - start
    start = time.process_time()
    found = accuracy(infer(matrices, cells, forward, x, rng, read_noise=0.02), labels)
    spent = time.process_time() - start
    chips = " times x ".join(str(n) for n in found.shape)
    print(f"digits 64-64-10, {chips} chips x 540 inputs: ageing {aged:.2f} s, inference {spent:.2f} s")


def memory(rng: np.random.Generator) -> None:
    matrices = {n: AnalogMatrix.build(n, rng.standard_normal((512, 512)), MAPPING, adc=Converter(8, 12.0)) for n in "ab"}
    cells = {n: np.broadcast_to(m.target_conductances(), (8, *m.state_shape)).copy() for n, m in matrices.items()}
    x = rng.standard_normal((BATCH, 512)).astype(np.float32)
    state = sum(c.nbytes for c in cells.values())
    tracemalloc.start()
    logits = infer(matrices, cells, lambda matmul, x: matmul("b", matmul("a", x)), x, rng, read_noise=0.02)
    peak = tracemalloc.get_traced_memory()[1] - logits.nbytes
    tracemalloc.stop()
    print(
        f"memory: conductances {state / 1e6:.1f} MB, beside them at most {peak / 1e6:.1f} MB: {1 + peak / state:.2f} times in all"
    )


def peer(interpreter: str) -> None:
    script = Path(__file__).with_name("peer_tile.py")
    subprocess.run([interpreter, script, "--products", "256", "1024"], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="interpreter that has torch and aihwkit: its products after ours")
    parser.add_argument("--only", choices=["products", "wires", "digits", "memory"])
    given = parser.parse_args()
    for part in (products, wires, digits, memory):
        if given.only in (None, part.__name__):
            part(np.random.default_rng(0))
        if part is products and given.peer:
            peer(given.peer)
