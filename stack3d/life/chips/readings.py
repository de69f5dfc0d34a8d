"""The read-out of all chips: accuracy, errors and noise through the crossbar engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d import mvm
from stack3d.chip import Computer, forward_of, with_warm_wires
from stack3d.heat import Climate
from stack3d.life.chips.policy import Policy
from stack3d.life.chips.population import Life
from stack3d.streams import READ, REFERENCE


@dataclass(frozen=True, eq=False)
class Reading:
    """A read-out of all chips.

    Parameters
    ----------
    accuracy, logit_error : ndarray, shape (chips,)
    signal_to_noise : ndarray, shape (layers,)
        Power of each layer's wanted outputs over that of their errors, mean over chips; empty when not asked for. [-]
    confusion : ndarray of int, shape (classes, classes)
        True class by found class, summed over chips.
    wire_error : float
        Of shared line losses; 0 where lines are exact. [-]
    by_input : ndarray, shape (inputs,)
        What each test input adds to the accuracy, mean over chips; NaN where the task does not tell. [-]
    """

    accuracy: NDArray[np.float64]
    logit_error: NDArray[np.float64]
    signal_to_noise: NDArray[np.float64]
    confusion: NDArray[np.int64]
    wire_error: float
    by_input: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AsRead:
    """All that a read-out of chips takes, by matrix.

    Parameters
    ----------
    matrices : mapping of str to AnalogMatrix
        With the converter ranges and line losses of now.
    seen : mapping of str to ndarray
        What a noiseless read sees, shape (chips, devices, n_inputs, n_columns). [S]
    noise : mapping of str to ndarray
        Standard deviation of a read; of matrices that have any. [S]
    corrections : mapping of str to Compensation
        Digital ones, after all policies.
    wire_error : float
        Of shared line losses; 0 where lines are exact. [-]
    """

    matrices: Mapping[str, mvm.AnalogMatrix]
    seen: Mapping[str, Any]
    noise: Mapping[str, Any]
    corrections: Mapping[str, mvm.Compensation]
    wire_error: float


def as_read(
    life: Life,
    climate: Climate,
    plan: Sequence[Policy],
    *,
    ideal: Mapping[str, NDArray[np.float64]] | None = None,
    exact_converters: bool = False,
) -> AsRead:
    """What a read-out of all chips now sees.

    Parameters
    ----------
    life : Life
    climate : Climate
        The cells are read at its mean temperature while the chip computes.
    plan : sequence of Policy
        That correct.
    ideal : mapping of str to ndarray of bool, optional
        Cells, shape (n_inputs, n_columns) by layer, that are taken as fresh and free of noise.
    exact_converters : bool
        Leave out DAC and ADC.
    """
    computer = life.computer
    seen, noise = _seen(life, climate, ideal or {})
    warm = {n: float(np.mean([climate.working[i].mean() for i, _ in computer.tiles_of(n)])) for n in computer.matrices}
    matrices, wire_error = with_warm_wires(computer, warm, seen)
    matrices, corrections = _corrected(_with_ideal(life, ideal or {}), climate, plan, matrices, seen)
    if exact_converters:
        exact = mvm.Converter(None)
        matrices = {name: replace(m, dac=exact, adc=exact, input_slice_bits=None) for name, m in matrices.items()}
    return AsRead(matrices, seen, noise, corrections, wire_error)


def read_out(
    life: Life,
    climate: Climate,
    plan: Sequence[Policy],
    epoch: int,
    *,
    ideal: Mapping[str, NDArray[np.float64]] | None = None,
    exact_converters: bool = False,
    layers: bool = True,
) -> Reading:
    """Accuracy and logit error of every chip now.

    Parameters
    ----------
    life : Life
    climate : Climate
        The cells are read at its mean temperature while the chip computes.
    plan : sequence of Policy
    epoch : int
        Seeds the read noise.
    ideal : mapping of str to ndarray of bool, optional
        Cells, shape (n_inputs, n_columns) by layer, that are taken as fresh and free of noise.
    exact_converters : bool
        Leave out DAC and ADC.
    layers : bool
        Whether the signal-to-noise ratio of the layers is wanted, which costs as much as the rest.
    """
    computer, design = life.computer, life.computer.design
    read = as_read(life, climate, plan, ideal=ideal, exact_converters=exact_converters)
    rng = np.random.default_rng([life.seed, READ, epoch])
    statistics: dict[str, mvm.LayerStatistics] = {}
    logits = mvm.infer(
        read.matrices,
        read.seen,
        forward_of(computer.network),
        computer.data.inputs,
        rng,
        read_noise=read.noise,
        compensations=read.corrections,
        statistics=statistics if layers else None,
        voltages=False,
        memory_limit=computer.read_memory,
        per_input=computer.memory,
        array=mvm.library(design.work.array),
    )
    labels = np.asarray(computer.data.labels)
    confusion = computer.task.confusion(logits, labels)
    return Reading(
        np.asarray(computer.task.score(logits, labels), dtype=np.float64),
        np.asarray(mvm.logit_error(logits, computer.float_logits), dtype=np.float64),
        np.array([float(np.mean(statistics[name].signal_to_noise)) for name in read.matrices if name in statistics]),
        np.asarray(confusion).reshape(-1, *np.shape(confusion)[-2:]).sum(axis=0),
        read.wire_error,
        by_input(computer, logits),
    )


def by_input(computer: Computer, logits: Any) -> NDArray[np.float64]:
    """What each test input adds to the accuracy, mean over chips, of outputs (chips, inputs, features); shape (inputs,). [-]"""
    labels = np.asarray(computer.data.labels)
    found = computer.task.by_input(logits, labels)
    if found is None:
        return np.full(len(labels), np.nan)
    parts = np.asarray(found, np.float64).reshape(-1, len(labels)).mean(axis=0)
    is_whole = np.isclose(parts.mean(), np.mean(computer.task.score(logits, labels)), rtol=0.0, atol=1e-9)
    return parts if is_whole else np.full(len(labels), np.nan)


def _seen(life: Life, climate: Climate, ideal: Mapping[str, NDArray[np.float64]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a read sees of the cells, and its noise, by layer; `ideal` cells are at their targets, without noise. [S]"""
    seen = life.conductances(climate)
    noise = life.population.read_noise(life.computer, climate.working, seen) if life.computer.design.mvm.read_noise else {}
    for name, cells in ideal.items():
        seen[name] = np.where(cells, life.population.states[name].target, seen[name])
        if name in noise:
            noise[name] = np.where(cells, 0.0, noise[name]).astype(noise[name].dtype)
    return seen, noise


def _with_ideal(life: Life, ideal: Mapping[str, NDArray[np.float64]]) -> Life:
    """The life whose last calibration, if it had one, saw `ideal` cells at their targets."""
    if not (ideal and life.calibrated):
        return life
    asked = {n: np.where(cells, life.population.states[n].target, life.calibrated[n]) for n, cells in ideal.items()}
    return replace(life, calibrated={**life.calibrated, **asked})


def _corrected(
    life: Life, climate: Climate, plan: Sequence[Policy], matrices: dict[str, mvm.AnalogMatrix], seen: Mapping[str, Any]
) -> tuple[dict[str, mvm.AnalogMatrix], dict[str, mvm.Compensation]]:
    """Matrices and digital corrections after all policies, by layer."""
    corrections: dict[str, mvm.Compensation] = {}
    for policy in plan:
        matrices, more = policy.correct(life, matrices, seen, climate)
        for name, one in more.items():
            corrections[name] = corrections.get(name, mvm.Compensation()).then(one)
    return matrices, corrections


def reference_rng(life: Life) -> np.random.Generator:
    """Random numbers of reference reads at this time."""
    return np.random.default_rng([life.seed, REFERENCE, int(life.time) % 2**31])
