"""The residual network of `networks.py`, and the products of `mvm.py`, on aihwkit's torch tile: same arrays and converters.

Run by ``networks.py --peer PYTHON`` and ``mvm.py --peer PYTHON``, PYTHON an interpreter with torch and aihwkit; imports nothing
of stack3d.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings

import torch
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.short = nn.Conv2d(inputs, width, 1, stride, bias=False) if inputs != width else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.b(torch.relu(self.a(x))) + self.short(x))


def network(widths: tuple[int, ...], blocks: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.ReLU()]
    inputs = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(Block(inputs, width, 2 if stage and not block else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10, bias=False))


def tile(rows: int, columns: int) -> TorchInferenceRPUConfig:
    config = TorchInferenceRPUConfig()
    config.mapping.max_input_size, config.mapping.max_output_size = rows, columns
    config.mapping.weight_scaling_omega = 1.0
    forward = config.forward
    forward.inp_res = forward.out_res = 1 / (2**8 - 2)
    forward.inp_noise, forward.out_noise = 0.0, 0.02  # the one noise of a read that this tile knows: equal for all outputs
    forward.noise_management, forward.bound_management = NoiseManagementType.ABS_MAX, BoundManagementType.NONE
    return config


def product(n: int, batch: int = 256) -> None:
    """A noisy product of n x n beside a plain one of torch and of NumPy, least CPU time of many."""
    analog = convert_to_analog(nn.Sequential(nn.Linear(n, n, bias=False)), tile(n, n)).eval()
    x, weights = torch.randn(batch, n), torch.randn(n, n)
    least = {}
    with torch.no_grad():
        for name, action in {"plain": lambda: x @ weights, "noisy": lambda: analog(x)}.items():
            rounds = []
            for _ in range(60):
                start = time.process_time()
                for _ in range(3):
                    action()
                rounds.append((time.process_time() - start) / 3)
            least[name] = min(rounds)
    ratio, rate = least["plain"] / least["noisy"], batch / least["noisy"]
    print(
        f"  aihwkit's torch tile, {n} x {n}: noisy ratio {ratio:.2f}, {rate:.0f} vectors/s, plain {least['plain'] * 1e3:.3f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("images", 200), ("chips", 8), ("times", 1), ("blocks", 3), ("batch", 25)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--products", type=int, nargs="+", default=[])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for n in given.products:
        product(n)
    if given.products:
        return
    config = tile(128, 64)  # 128 x 128 cells, two a weight
    x = torch.randn(given.images, 3, 32, 32)
    start = time.process_time()
    chips = convert_to_analog(network(tuple(given.widths), given.blocks), config).eval()
    made = time.process_time()
    with torch.no_grad():
        for _ in range(given.chips * given.times):
            for first in range(0, given.images, given.batch):
                chips(x[first : first + given.batch])
    print(f"aihwkit's torch tile: making {made - start:.2f} s, inference {time.process_time() - made:.2f} s CPU,", end=" ")
    print(
        f"whole process {time.process_time():.2f} s, peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    )


if __name__ == "__main__":
    main()
