"""Measured on chips: converter ranges, corrections through the same converters as hardware would, mean line losses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, DeckError
from stack3d.mvm.array_library import AT_ONCE, Normals, Scratch, namespace
from stack3d.mvm.array_state import ArrayState, Compensation, Profile
from stack3d.mvm.arrays import REFERENCE_WEIGHT
from stack3d.mvm.crossbar_network import CrossbarNetwork
from stack3d.mvm.engine import AnalogMatrix
from stack3d.mvm.shape_checks import check_tail

PROFILED = 32e6
"""Of the signals that set the converter ranges of a layer: of wide layers fewer vectors are taken. [byte]"""
FEWEST, MOST = 512, 4096
"""Vectors that are taken where there are so many, at least and at most."""


def profile_matrix(matrix: AnalogMatrix, x: Any, state: ArrayState | Any, *, most: int | None = None) -> Profile:
    """Return the signals before the ADCs for inputs `x` (..., batch, n_inputs), without noise.

    Parameters
    ----------
    matrix : AnalogMatrix
    x : array, shape (..., batch, n_inputs)
        [input unit]
    state : ArrayState or array
        Prepared, or conductances, shape (..., devices, n_inputs, n_columns). [S]
    most : int, optional
        Inputs that are taken, evenly spaced in the batch; absent = as `most_profiled` says.
    """
    state = ArrayState(matrix.ready(state).mean)
    check_tail(f"input of layer {matrix.name!r}", x, (matrix.n_inputs,), "n_inputs")
    x = x[..., :: -(-x.shape[-2] // (most or most_profiled(matrix))), :]
    inputs = np.abs(np.asarray(x)).ravel()
    if not matrix.per_vector_input:
        matrix = replace(matrix, dac=replace(matrix.dac, span=float(inputs.max()) or 1.0))
    xp, scratch = namespace(state.mean), Scratch()
    drives = [matrix.current(xp, u) for u, _ in matrix.drives(xp, x, state.mean.dtype, scratch)[0]]
    leading, count = np.broadcast_shapes(tuple(x.shape[:-2]), tuple(state.mean.shape[:-3])), x.shape[-2]
    shape = (*leading, len(matrix.row_blocks), matrix.readouts, len(drives) * count, matrix.n_columns)
    sums = np.empty(shape, np.asarray(state.mean[..., :0]).dtype)
    for b, r, (i, u) in itertools.product(range(shape[-4]), range(shape[-3]), enumerate(drives)):
        part = matrix.signal(u, state, b, r, None, matrix.n_columns, scratch)
        sums[..., b, r, i * count : (i + 1) * count, :] = np.asarray(part)
    return Profile(inputs, sums, float(matrix.dac.span))


def most_profiled(matrix: AnalogMatrix) -> int:
    """Return how many vectors of a layer set its converter ranges, at most."""
    signals = 4.0 * len(matrix.row_blocks) * matrix.readouts * matrix.reads * matrix.n_columns
    return int(np.clip(PROFILED // signals, FEWEST, MOST))


def calibration_memory(matrix: AnalogMatrix, vectors: float, at_once: float) -> float:
    """Return what calibrating a layer takes, and counting its voltages, beyond the inputs and outputs of a product. [byte]

    Parameters
    ----------
    matrix : AnalogMatrix
    vectors : float
        Of one product. [-]
    at_once : float
        Working memory of the product. [byte]
    """
    taken, rows, columns = min(vectors, most_profiled(matrix)), matrix.n_inputs, matrix.n_columns
    signals = 4.0 * taken * matrix.reads * len(matrix.row_blocks) * matrix.readouts * columns
    a_block = signals / (len(matrix.row_blocks) * matrix.readouts)
    profiled = 4.0 * taken * rows + signals + max(4.0 * taken * rows * (1 + matrix.reads) + a_block, signals)
    product = product_memory(matrix, vectors, at_once)
    seen = min(vectors, AT_ONCE / rows) * 8.0 * rows * (2 + matrix.reads)
    told = min(vectors, AT_ONCE / max(rows, columns)) * 8.0 * columns + 4.0 * rows * columns
    return max(profiled, product, seen, told)


def product_memory(matrix: AnalogMatrix, vectors: float, at_once: float, *, noisy: bool = False) -> float:
    """Return what a product takes beyond inputs and outputs. [byte]

    Parameters
    ----------
    matrix : AnalogMatrix
    vectors : float
        Of the product. [-]
    at_once : float
        Working memory that it is given. [byte]
    noisy : bool
        Whether cells are read with noise.
    """
    rows, columns = 4.0 * matrix.n_inputs, 4.0 * matrix.n_columns
    together = min(vectors, at_once / (4.0 * rows + 8.0 * columns))
    return together * (rows * (1 + matrix.reads + noisy) + columns * ((2 if matrix.mapping.is_pair else 4) + 2 * noisy))


def calibrated(
    network: CrossbarNetwork, forward: Callable[..., Any], inputs: Any, percentile: float = 99.9, *, per: str = "layer"
) -> dict[str, AnalogMatrix]:
    """Run a network once without noise and with ideal converters, and return its layers with converter ranges.

    Each layer gets its ranges as it is met, of its last call where it has several: no profile outlives its layer.

    Parameters
    ----------
    network : CrossbarNetwork
    forward : callable
        ``forward(matmul, inputs)`` is the network as for `infer`.
    inputs : array
        First axis is the batch.
    percentile : float
        Share of the signals that must not clip. [%]
    per : str
        What shares a range, see `AnalogMatrix.calibrated`.

    Raises
    ------
    ArrayError
        For the first layer whose signals give no range.
    """
    ranges = _Ranges(network, percentile, per)
    forward(ranges, inputs)
    for name, error in ranges.failed.items():
        raise ArrayError(f"the {len(inputs)} inputs that calibrate converters give layer {name!r} no range: {error}")
    return {name: ranges.matrices.get(name, matrix) for name, matrix in network.matrices.items()}


class _Ranges:
    """Takes the place of a network, chips and all, and calibrates every layer."""

    def __init__(self, network: CrossbarNetwork, percentile: float, per: str) -> None:
        self.network, self.percentile, self.per = network, percentile, per
        self.states = network.states  # by which `forward` knows of chips
        self.matrices: dict[str, AnalogMatrix] = {}
        self.failed: dict[str, ArrayError] = {}

    def __call__(self, name: str, x: Any) -> Any:
        matrix, state = self.network.matrices[name], ArrayState(self.network.states[name].mean)
        self.failed.pop(name, None)
        try:
            self.matrices[name] = matrix.calibrated(profile_matrix(matrix, x, state), self.percentile, per=self.per)
        except ArrayError as error:
            self.failed[name] = error
        fix = self.network.compensations.get(name)
        return matrix.without_converters().matvec(x, state, compensation=fix, memory_limit=self.network.memory_limit)


def column_moments(
    network: CrossbarNetwork, forward: Callable[..., Any], inputs: Any, *, input_sums: bool = False
) -> dict[str, NDArray[Any]]:
    """Mean, deviation and slope of every output of every layer over inputs, (3, ..., n_outputs) each. [output unit].

    Parameters
    ----------
    network : CrossbarNetwork
    forward : callable
        The network, as `infer` takes it.
    inputs : array
        First axis is the batch.
    input_sums : bool
        Whether the slope over the sum of a layer's inputs is wanted [weight unit], and the deviation from that line; else the
        slope is zero.
    """
    columns = _Columns(network, None, input_sums)
    forward(columns, inputs)
    return columns.moments


def column_corrections(
    network: CrossbarNetwork,
    forward: Callable[..., Any],
    inputs: Any,
    fresh: Mapping[str, NDArray[Any]],
    *,
    input_sums: bool = False,
) -> dict[str, Compensation]:
    """Return the corrections of every output that give it back the moments it had, layer after layer.

    Parameters
    ----------
    network : CrossbarNetwork
        As it is now, with the corrections it has already.
    forward : callable
        As for `infer`.
    inputs : array
        The same ones that gave `fresh`; they need no labels.
    fresh : mapping of str to ndarray
        From `column_moments`.
    input_sums : bool
        Correct the slope over the sum of the inputs too, as `fresh` was taken.

    Notes
    -----
    Cells of different states that change by different factors leave an error that a gain cannot mend. To second order in the
    distance of a cell from the offset column it is an own multiple of the sum of the inputs for every output; the digital sum
    or the column of unit cells of [2]_ gives that sum.

    References
    ----------
    .. [1] V. Joshi et al., "Accurate deep neural network inference using computational phase-change memory",
       Nat. Commun. 11 (2020) 2473. doi:10.1038/s41467-020-16108-9 (there for the statistics of batch normalisation)
    .. [2] A. Shafiee et al., "ISAAC", ISCA 2016. doi:10.1109/ISCA.2016.12 (there for the bias of its weights)
    """
    columns = _Columns(network, fresh, input_sums)
    forward(columns, inputs)
    return columns.corrections


class _Columns:
    """Takes the place of a network; corrects every layer before the next one sees it where it is told what was fresh."""

    def __init__(self, network: CrossbarNetwork, fresh: Mapping[str, NDArray[Any]] | None, input_sums: bool) -> None:
        self.network, self.states, self.fresh, self.input_sums = network, network.states, fresh, input_sums
        self.moments: dict[str, NDArray[Any]] = {}
        self.corrections: dict[str, Compensation] = {}

    def __call__(self, name: str, x: Any) -> Any:
        y = np.asarray(self.network(name, x))
        mean = y.mean(axis=-2, dtype=np.float64)
        if not self.input_sums:
            return self._without_sums(name, y, mean)
        sums = np.sum(np.asarray(x), axis=-1, dtype=np.float64)[..., None]
        level = sums.mean(axis=-2)
        about = sums - level[..., None, :]
        power = np.mean(about**2, axis=-2)
        slope = np.mean(about * y, axis=-2, dtype=np.float64) / np.where(power > 0.0, power, 1.0)
        spread = (y - about * slope[..., None, :]).std(axis=-2)
        self.moments[name] = np.stack([mean, spread, slope])
        if self.fresh is None:
            return y
        gain = _ratio(self.fresh[name][1], spread)
        tilt = self.fresh[name][2] - gain * slope
        offset = self.fresh[name][0] - gain * mean - tilt * level
        self.corrections[name] = Compensation(column_gain=gain, column_offset=offset, column_slope=tilt)
        return (gain[..., None, :] * y + offset[..., None, :] + sums * tilt[..., None, :]).astype(y.dtype)

    def _without_sums(self, name: str, y: NDArray[Any], mean: NDArray[np.float64]) -> NDArray[Any]:
        """Gain and offset alone: the sums of the inputs, large as the outputs, are left out."""
        spread = y.std(axis=-2, dtype=np.float64)
        self.moments[name] = np.stack([mean, spread, np.zeros_like(mean)])
        if self.fresh is None:
            return y
        gain = _ratio(self.fresh[name][1], spread)
        offset = self.fresh[name][0] - gain * mean
        self.corrections[name] = Compensation(column_gain=gain, column_offset=offset)
        return np.asarray(gain[..., None, :] * y + offset[..., None, :], y.dtype)


def read_weights(matrix: AnalogMatrix, state: ArrayState | Any, rng: Normals | None = None) -> Any:
    """Return the weights as one-hot inputs read them through the converters, (..., n_inputs, n_outputs). [weight unit]"""
    state = matrix.ready(state)
    one_hot = namespace(state.mean).eye(matrix.n_inputs, dtype=state.mean.dtype)
    return matrix.matvec(one_hot, state, rng)


def read_references(matrix: AnalogMatrix, state: ArrayState | Any, rng: Normals | None = None) -> Any:
    """Return the mean of each array's reference columns with all rows at one level, (..., row_blocks, column_blocks).

    The level is the largest at which a fresh column stays in the middle of the ADC range. [full-scale weights]
    Raises DeckError when the mapping has no reference columns.
    """
    references = matrix.mapping.reference_columns
    if not references:
        raise DeckError(f"layer {matrix.name!r} has no reference columns; set mapping.reference_columns")
    state = matrix.ready(state)
    xp = namespace(state.mean)
    rows = max(stop - start for start, stop in matrix.row_blocks)
    room = np.inf if matrix.adc.bits is None else float(np.min(matrix.adc.span))
    level = min(1.0, 0.5 * room / (REFERENCE_WEIGHT * rows))
    single = replace(matrix, per_vector_input=False, dac=replace(matrix.dac, span=1.0))
    scratch = Scratch()
    drives, _ = single.drives(xp, xp.full((1, matrix.n_inputs), level, dtype=state.mean.dtype), state.mean.dtype, scratch)
    readings = []
    for b in range(len(matrix.row_blocks)):
        codes = sum(
            weight * single.codes(single.current(xp, u), state, b, rng, matrix.n_columns, scratch) for u, weight in drives
        )
        columns = codes[..., 0, matrix.n_product_columns :]
        readings.append(xp.mean(xp.reshape(columns, (*columns.shape[:-1], len(matrix.column_blocks), references)), axis=-1))
    return xp.stack(readings, axis=-2)


def read_magnitude(matrix: AnalogMatrix, state: ArrayState | Any, rng: Normals | None = None) -> NDArray[Any]:
    """Return the mean magnitude of the weights that one-hot inputs read, per chip. [weight unit]"""
    return np.asarray(np.mean(np.abs(np.asarray(read_weights(matrix, state, rng))), axis=(-2, -1)))


def layer_scale(fresh: NDArray[Any], aged: NDArray[Any]) -> Compensation:
    """Return the factor of the layer that restores `read_magnitude` from `aged` to `fresh`; 1 where nothing is read."""
    return Compensation(scale=_ratio(np.asarray(fresh), np.asarray(aged)))


def tile_gain(fresh: NDArray[Any], aged: NDArray[Any]) -> Compensation:
    """Return the factor per array that restores `read_references` from `aged` to `fresh`; 1 where nothing is read."""
    return Compensation(tile_gain=_ratio(np.asarray(fresh), np.asarray(aged)))


def share_wires(matrix: AnalogMatrix, cells: NDArray[Any], *, check: int = 1) -> tuple[AnalogMatrix, float]:
    """Return a matrix that gives all chips the line losses of their mean, and the error of that.

    Much cheaper than exact lines for every chip: lines average over their cells, so that losses hardly differ
    from chip to chip. Take the mean again when the cells have moved.

    Parameters
    ----------
    matrix : AnalogMatrix
        With wires.
    cells : ndarray
        Conductances of the chips now, shape (..., devices, n_inputs, n_columns). [S]
    check : int
        Chips, the first ones, whose effective conductances are also solved exactly.

    Returns
    -------
    AnalogMatrix
        Without wires, with `attenuation`.
    float
        Rms error of the effective conductances over their rms, on the chips checked. [-]

    Raises
    ------
    DeckError
        The matrix has no wires.
    """
    wires = matrix.wires
    if wires is None:
        raise DeckError(f"layer {matrix.name!r} has no wires to share")
    chips = cells.reshape(-1, *matrix.state_shape)
    mean = chips.mean(axis=0, dtype=np.float64)
    mean = np.maximum(mean, 1e-6 * mean.max())  # an open cell still shows what its lines would leave it
    attenuation = matrix.behind(wires, mean, np.float64) / mean
    exact = matrix.behind(wires, chips[:check], np.float64)
    error = np.sqrt(np.mean((chips[:check] * attenuation - exact) ** 2) / np.mean(exact**2))
    return replace(matrix, wires=None, attenuation=attenuation), float(error)


def _ratio(before: NDArray[Any], now: NDArray[Any]) -> NDArray[Any]:
    readable = (now > 0.0) & (before > 0.0)
    return np.where(readable, before / np.where(readable, now, 1.0), 1.0)
