"""Ten million cells through one epoch: seconds on one core, and peak memory over the state.

Run with OMP_NUM_THREADS=1: ``python benchmarks/devices.py [deck …]``.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
import warnings

import numpy as np

from stack3d.devices import build_device, load_device
from stack3d.errors import ValidityWarning

CELLS = (10, 2, 500, 1000)


def measure(name: str) -> str:
    device = build_device(load_device(name))
    rng = np.random.default_rng(0)
    target = rng.uniform(device.device.g_min, device.device.g_max, CELLS).astype(np.float32)
    temperature = np.linspace(330.0, 350.0, CELLS[-1])  # a field over the tile, the same for all chips
    few = device.program(target[:1, :, :2], rng)
    device.read_noise(device.advance(few, 1.0, temperature), temperature)  # imports and tables are made once

    start = time.perf_counter()
    state = device.program(target, rng, pair_axis=1)
    programmed = time.perf_counter()
    state = device.advance(state, 1e6, temperature)
    conductance = device.conductance(state, temperature)
    device.read_noise(state, temperature, conductance=conductance)
    epoch = time.perf_counter()
    device.reprogram(state, None, target, rng, pair_axis=1)
    written = time.perf_counter()

    tracemalloc.start()
    state = device.advance(state, 1e6, temperature)
    conductance = device.conductance(state, temperature)
    device.read_noise(state, temperature, conductance=conductance)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (
        f"{name:16s} program {programmed - start:5.2f} s   epoch {epoch - programmed:5.2f} s   rewrite {written - epoch:5.2f} s   "
        f"state {state.nbytes / 1e6:5.0f} MB   epoch peak {peak / state.nbytes:4.1f} x state"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore", ValidityWarning)
    for deck in sys.argv[1:] or ("bulk_rram_ucsd", "hfox_analog", "cmo_hfox", "taox", "pcm_gst", "sonos", "ideal"):
        print(measure(deck))
