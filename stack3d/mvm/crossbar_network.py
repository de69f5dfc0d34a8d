"""The analogue layers of a network on a population of chips."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, unknown_name
from stack3d.mvm.array_library import Normals, Scratch, like, namespace, to_numpy, vectors_at_once
from stack3d.mvm.array_state import ArrayState, Compensation
from stack3d.mvm.converters import Converter
from stack3d.mvm.engine import AnalogMatrix, ReadNoise
from stack3d.mvm.shape_checks import check_tail

Matmul = Callable[[str, Any], Any]
Forward = Callable[[Matmul, Any], Any]


@dataclass
class LayerStatistics:
    """Running sums of what a layer has seen.

    Parameters
    ----------
    vectors : int
        Input vectors counted, over all chips.
    square_voltages : ndarray
        Sum over them of `AnalogMatrix.mean_square_voltages`, per row. [V²]
    signal, noise : ndarray
        Sums of the squared wanted outputs and of their squared errors, shape of the chips. [output unit²]
    """

    vectors: int = 0
    square_voltages: NDArray[np.float64] | float = 0.0
    signal: NDArray[np.float64] | float = 0.0
    noise: NDArray[np.float64] | float = 0.0

    @classmethod
    def of_chips(cls, chips: tuple[int, ...]) -> LayerStatistics:
        """Return empty statistics for a population of the shape `chips`."""
        return cls(signal=np.zeros(chips), noise=np.zeros(chips))

    def merge(self, part: LayerStatistics, chips: slice) -> None:
        """Add the statistics of a range of the flattened chips."""
        self.vectors += part.vectors
        self.square_voltages = self.square_voltages + part.square_voltages
        np.asarray(self.signal).reshape(-1)[chips] += part.signal
        np.asarray(self.noise).reshape(-1)[chips] += part.noise

    def record(self, matrix: AnalogMatrix, x: NDArray[Any], y: NDArray[Any], *, voltages: bool = True) -> None:
        """Add inputs (..., batch, n_inputs) and outputs (..., batch, n_outputs) of a layer, `voltages` where wanted.

        Parameters
        ----------
        matrix : AnalogMatrix
        x : ndarray, shape (..., batch, n_inputs)
            [input unit]
        y : ndarray, shape (..., batch, n_outputs)
            [output unit]
        voltages : bool
            Whether they are counted.
        """
        vectors, weights = math.prod(x.shape[:-1]), matrix.weights.astype(x.dtype, copy=False)  # in the precision of the chips
        self.vectors += vectors
        if voltages:
            self.square_voltages = self.square_voltages + vectors * matrix.mean_square_voltages(x)
        for block in vectors_at_once(x, y):
            found = y[..., block, :]
            wanted = np.broadcast_to(x[..., block, :] @ weights, found.shape)
            self.signal = self.signal + np.sum(wanted**2, axis=(-2, -1), dtype=np.float64)
            self.noise = self.noise + np.sum((found - wanted) ** 2, axis=(-2, -1), dtype=np.float64)

    @property
    def mean_square_voltages(self) -> NDArray[np.float64]:
        """Mean per row, for `read_power`. [V²]"""
        return np.asarray(self.square_voltages) / max(self.vectors, 1)

    @property
    def signal_to_noise(self) -> NDArray[np.float64]:
        """Power of the wanted outputs for the inputs seen over that of their error, shape of the chips. [-]"""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: NDArray[np.float64] = np.asarray(self.signal) / np.asarray(self.noise)
        return ratio


@dataclass(frozen=True)
class CrossbarNetwork:
    """Analogue layers by name, each with the state of its chips: call it as ``matmul(layer_name, x)``.

    Parameters
    ----------
    matrices : mapping of str to AnalogMatrix
        The layers.
    states : mapping of str to ArrayState
        From `AnalogMatrix.prepare`; leading axes are the chips.
    rng : Generator or callable, optional
        Source of read noise.
    compensations : mapping of str to Compensation, optional
        Corrections of the layers that have any.
    statistics : dict, optional
        Filled with a `LayerStatistics` per layer when given: an empty dict to start with.
    voltages : bool
        Whether the statistics count voltages, which takes the inputs through the converters again.
    memory_limit : float
        Working memory of a product beyond its result; longer batches are cut. [byte]
    scratch : Scratch
        Work arrays that all products share.
    """

    matrices: Mapping[str, AnalogMatrix]
    states: Mapping[str, ArrayState]
    rng: Normals | None = None
    compensations: Mapping[str, Compensation] = field(default_factory=dict)
    statistics: dict[str, LayerStatistics] | None = None
    voltages: bool = True
    memory_limit: float = 256e6
    scratch: Scratch = field(default_factory=Scratch, repr=False, compare=False)

    def __call__(self, name: str, x: Any) -> Any:
        """Return the product of input `x` (..., batch, n_inputs) with a layer, (..., batch, n_outputs).

        Inputs of NumPy go to the library of the chips, and the product comes back.
        """
        if name not in self.matrices:
            raise unknown_name("analog layer", name, self.matrices)
        matrix, state = self.matrices[name], self.states[name]
        is_guest = isinstance(x, np.ndarray) and not isinstance(state.mean, np.ndarray)
        sent = like(namespace(state.mean), x, state.mean) if is_guest else x
        fix, limit = self.compensations.get(name), self.memory_limit
        y = matrix.matvec(sent, state, self.rng, compensation=fix, memory_limit=limit, scratch=self.scratch)
        y = to_numpy(y) if is_guest else y
        if self.statistics is not None:
            self.statistics.setdefault(name, LayerStatistics()).record(matrix, to_numpy(x), to_numpy(y), voltages=self.voltages)
        return y


def infer(
    matrices: Mapping[str, AnalogMatrix],
    conductances: Mapping[str, Any],
    forward: Forward,
    inputs: Any,
    rng: Normals | None = None,
    *,
    read_noise: ReadNoise | Mapping[str, ReadNoise] = None,
    compensations: Mapping[str, Compensation] | None = None,
    statistics: dict[str, LayerStatistics] | None = None,
    voltages: bool = True,
    memory_limit: float = 64e6,
    per_input: float = 0.0,
    dtype: Any = np.float32,
    array: Callable[[NDArray[Any]], Any] = np.asarray,
) -> Any:
    """Return the logits of a network on every chip.

    Parameters
    ----------
    matrices : mapping of str to AnalogMatrix
        The analogue layers.
    conductances : mapping of str to array
        Their cells, shape (*chips, devices, n_inputs, n_columns) with the same leading axes in every layer. [S]
    forward : callable
        The network: ``forward(matmul, inputs)`` returns logits (..., batch, classes), leading axes those of the chips,
        and calls ``matmul(layer_name, x)`` for each analogue layer.
    inputs : array
        First axis is the batch.
    rng : Generator or callable, optional
        Source of read noise.
    read_noise : float, array, callable, or mapping of these by layer, optional
        See `AnalogMatrix.prepare`; arrays have the full leading axes. [S]
    compensations : mapping of str to Compensation, optional
        Corrections; arrays have the full leading axes.
    statistics : dict, optional
        Filled with a `LayerStatistics` per layer when given.
    voltages : bool
        Whether the statistics count voltages.
    memory_limit : float
        Working memory beyond conductances and logits; chips and inputs are taken in groups that stay below it. [byte]
    per_input : float
        What one input takes on one chip between the layers, where that is known: blocks are made smaller until they fit
        `WORKING_MEMORY`. [byte]
    dtype : dtype
        Precision of the products.
    array : callable
        Where the products are computed: makes arrays of another `library` from the conductances and noise of NumPy.

    Returns
    -------
    array
        Shape (*chips, batch, classes), of the library that `forward` gives. [-]
    """
    leading = _chips_of(matrices, conductances)
    count = math.prod(leading)
    if 0 in (count, len(inputs)):
        raise ArrayError(f"no chips or no inputs: leading axes {leading}, {len(inputs)} inputs")
    group, batch = blocks_of(matrices, count, len(inputs), memory_limit, per_input)
    noises = read_noise if isinstance(read_noise, Mapping) else dict.fromkeys(matrices, read_noise)
    fixes, total = compensations or {}, statistics if statistics is not None else {}
    sent = (lambda values: values) if array is np.asarray else array  # other libraries' arrays stay what they are
    logits, scratch = [], Scratch()
    for first in range(0, count, group):
        chips = _Chips(leading, slice(first, min(first + group, count)))
        states = {
            name: matrix.prepare(
                sent(conductances[name].reshape(count, *matrix.state_shape)[chips.flat]),
                chips.noise(noises.get(name), sent),
                dtype=dtype,
            )
            for name, matrix in matrices.items()
        }
        local = {name: chips.converters(matrix) for name, matrix in matrices.items()}
        corrections = {name: chips.fix(fixes[name]) for name in matrices if name in fixes}
        seen: dict[str, LayerStatistics] = {}
        network = CrossbarNetwork(
            local, states, rng, corrections, None if statistics is None else seen, voltages, scratch=scratch
        )
        parts = [forward(network, inputs[start : start + batch]) for start in range(0, len(inputs), batch)]
        logits.append(_joined(parts, axis=-2))
        for name, layer in seen.items():
            total.setdefault(name, LayerStatistics.of_chips(leading)).merge(layer, chips.flat)
    whole = _joined(logits, axis=0)
    return whole.reshape(*leading, *whole.shape[1:])


def _joined(parts: list[Any], axis: int) -> Any:
    """Arrays behind each other."""
    return parts[0] if len(parts) == 1 else namespace(parts[0]).concat(parts, axis=axis)


def _chips_of(matrices: Mapping[str, AnalogMatrix], conductances: Mapping[str, Any]) -> tuple[int, ...]:
    """Leading axes that the cells of all layers share; raises ArrayError, UnknownNameError."""
    leading: tuple[int, ...] | None = None
    for name, matrix in matrices.items():
        if name not in conductances:
            raise unknown_name("analog layer of conductances", name, conductances)
        check_tail(f"conductances of layer {name!r}", conductances[name], matrix.state_shape, "devices, n_inputs, n_columns")
        chips = tuple(conductances[name].shape[:-3])
        if chips != (leading if leading is not None else chips):
            raise ArrayError(f"conductances of layer {name!r} have leading axes {chips}; those of the others are {leading}")
        leading = chips
    if leading is None:
        raise ArrayError("matrices is empty; a network needs an analog layer")
    return leading


@dataclass(frozen=True)
class _Chips:
    """Some chips of a population.

    Parameters
    ----------
    leading : tuple of int
        Shape of the population.
    flat : slice
        Of its chips, one after the other.
    """

    leading: tuple[int, ...]
    flat: slice

    def of(self, values: Any, tail: int) -> Any:
        """Theirs of values whose last `tail` axes belong to one chip; numbers and what has no chip axes stay."""
        if values is None or np.ndim(values) <= tail or not self.leading:
            return values
        shape = np.shape(values)
        chosen = np.unravel_index(np.arange(self.flat.start, self.flat.stop), self.leading)
        return namespace(values).broadcast_to(values, (*self.leading, *shape[len(shape) - tail :]))[chosen]

    def noise(self, noise: ReadNoise, sent: Callable[[Any], Any]) -> Any:
        """Their read noise, arrays of it in the library of their products."""
        if callable(noise):
            return noise
        some = self.of(noise, 3)
        return sent(some) if np.ndim(some) else some

    def fix(self, fix: Compensation) -> Compensation:
        """Their corrections."""
        return Compensation(
            self.of(fix.scale, 0),
            self.of(fix.tile_gain, 2),
            self.of(fix.column_gain, 1),
            self.of(fix.column_offset, 1),
            self.of(fix.column_slope, 1),
        )

    def converters(self, matrix: AnalogMatrix) -> AnalogMatrix:
        """A matrix with their converters."""
        return replace(matrix, adc=self._converter(matrix.adc, 3), dac=self._converter(matrix.dac, 1))

    def _converter(self, converter: Converter, tail: int) -> Converter:
        parts = {name: getattr(converter, name) for name in ("span", "gain_error", "offset")}
        if all(np.ndim(value) <= tail for value in parts.values()):
            return converter
        return replace(converter, **{name: self.of(value, tail) for name, value in parts.items()})


WORKING_MEMORY = 48e6
"""Of a block of chips and inputs between layers: arrays of larger ones are new memory at every step, which costs more than
what is done with them. [byte]"""


def blocks_of(
    matrices: Mapping[str, AnalogMatrix], chips: int, inputs: int, memory_limit: float, per_input: float = 0.0
) -> tuple[int, int]:
    """Return how many chips and how many inputs `infer` takes at a time.

    Parameters
    ----------
    matrices : mapping of str to AnalogMatrix
    chips, inputs : int
        All of them.
    memory_limit, per_input : float
        As for `infer`. [byte]
    """
    per_chip = 16.0 * sum(math.prod(m.state_shape) for m in matrices.values())
    per_vector = 4.0 * max(2 * m.n_inputs + 4 * m.n_columns for m in matrices.values())
    usual = min(inputs, 256)  # shorter batches waste the products: rather fewer chips at a time
    group = int(max(1, min(chips, memory_limit // (per_chip + per_vector * usual))))
    batch = int(max(1, min(inputs, (memory_limit - per_chip * group) // (per_vector * group))))
    if per_input * group * batch > WORKING_MEMORY:
        batch = int(max(1, min(batch, WORKING_MEMORY // (per_input * group))))
    return group, batch
