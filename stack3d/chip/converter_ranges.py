"""Ranges of converters: on how many inputs they are calibrated, what that takes, and what it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from stack3d import memory, mvm
from stack3d.chip import reused
from stack3d.chip.computer import forward_of, run_memory
from stack3d.workload import Counted, LabelledData, Network

PROFILE_MEMORY = 100e6
"""Of the run that calibrates converters, between layers. [byte]"""
AT_ONCE = 64e6
"""Of a product of that run, beyond its result. [byte]"""
MOST_PROFILED = 32768
"""Products per layer that calibrate its converters, at most; more inputs are left out."""


PREPARED = 30.0
"""Of a cell while the chip of its layer is made. [byte]"""


def profiling(data: LabelledData, counted: Counted) -> LabelledData:
    """The data with as many calibration inputs as time and memory allow."""
    few = int(np.clip(MOST_PROFILED / max(counted.products.values()), 16, len(data.profile)))
    few = min(few, max(2, int(PROFILE_MEMORY // counted.memory)))
    return replace(data, profile=data.profile[:few], profile_labels=data.profile_labels[:few])


def profiled(
    network: Network, built: Mapping[str, mvm.AnalogMatrix], inputs: Any, percentile: float, per: str
) -> reused.Ranges:
    """Converter ranges from one run of ideal chips, and what a second one counts; raises ArrayError.

    Parameters
    ----------
    network : Network
    built : mapping of str to AnalogMatrix
        By matrix.
    inputs : ndarray, shape (inputs, ...), or Inputs
        That calibrate.
    percentile : float
        Share of the signals that must not clip. [%]
    per : str
        What shares a range.
    """
    statistics: dict[str, mvm.LayerStatistics] = {}
    ideal = {name: m.prepare(m.target_conductances()) for name, m in built.items()}
    forward = forward_of(network)
    network_of = partial(mvm.CrossbarNetwork, states=ideal, memory_limit=AT_ONCE)
    matrices = mvm.calibrated(network_of(built), forward, inputs, percentile, per=per)
    forward(network_of(matrices, statistics=statistics), inputs)
    voltages = {name: s.mean_square_voltages for name, s in statistics.items()}
    return reused.Ranges(matrices, voltages, {name: s.vectors / len(inputs) for name, s in statistics.items()})


def memory_of(network: Network, built: Mapping[str, mvm.AnalogMatrix], counted: Counted, n_inputs: int) -> float:
    """What `profiled` takes: the chips of all layers, and the worst moment of its runs. [byte]

    Parameters
    ----------
    network : Network
        With its copies and packing.
    built : mapping of str to AnalogMatrix
        By matrix.
    counted : Counted
    n_inputs : int
        That calibrate.
    """
    chips = sum(4.0 * m.readouts * m.n_inputs * m.n_columns for m in built.values())
    made = PREPARED * max(math.prod(m.state_shape) for m in built.values())
    run = run_memory(network, built, counted, n_inputs, lambda m, vectors: mvm.calibration_memory(m, vectors, AT_ONCE))
    return chips + max(made, run)


def checked_memory(network: Network, built: Mapping[str, mvm.AnalogMatrix], counted: Counted, n_inputs: int) -> float:
    """What `profiled` takes, or the trial before it; raises DeckError with the terms where that is more than there is. [byte]

    Parameters
    ----------
    network : Network
    built : mapping of str to AnalogMatrix
    counted : Counted
    n_inputs : int
    """
    wanted = max(memory_of(network, built, counted, n_inputs), network.memory_of_trial(counted))
    memory.check_terms({memory.ANY: memory.BESIDE, "workload.network": network.stored + wanted})
    return wanted
