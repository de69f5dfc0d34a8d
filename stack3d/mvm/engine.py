"""One weight matrix on crossbar arrays: products through converters, cells and read noise, for many chips at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, DeckError, unknown_name
from stack3d.mvm.array_library import (
    Normals,
    Scratch,
    add_noise,
    cast,
    in_place,
    largest_magnitude,
    like,
    namespace,
    product,
    rounded,
    scaled,
    vectors_at_once,
)
from stack3d.mvm.array_state import ArrayState, Compensation, Profile
from stack3d.mvm.arrays import MappedMatrix
from stack3d.mvm.banded_variance import bands_of
from stack3d.mvm.cells import SinhCell
from stack3d.mvm.converters import Converter, range_of
from stack3d.mvm.mapping import WeightMapping
from stack3d.mvm.shape_checks import check_finite, check_tail
from stack3d.mvm.wires import Wires
from stack3d.tiles import split_matrix

ReadNoise = float | NDArray[Any] | Callable[[Any], Any] | None


@dataclass(frozen=True, eq=False)
class AnalogMatrix(MappedMatrix):
    """A weight matrix on its arrays, and the periphery that reads it; ADCs convert every row block's partial sum.

    Parameters
    ----------
    name, weights, mapping, tiles
        See `MappedMatrix`.
    dac, adc : Converter
        Periphery. With `per_vector_input` the DAC range follows the largest magnitude of each vector, otherwise
        it ends at `dac.span`. `adc.span` broadcasts against (..., row_blocks, readouts, n_columns), mismatch of the
        ADC likewise, mismatch of the DAC against (..., n_inputs).
    per_vector_input : bool
        Digital scaling of every input vector to the full DAC range.
    input_slice_bits : int, optional
        Feed the input as digits of so many bits, one read per digit, lowest first.
    is_subtracted_analog : bool
        Whether the current of the negative (or offset) column is subtracted before the ADC, rather than its code after.
    read_voltage : float
        Word-line voltage at full input. [V]
    cell : SinhCell, optional
        Current-voltage law; ohmic when absent. Not together with wires: those need `solve_crossbar`.
    wires : Wires or tuple of Wires, optional
        Line resistance, one for all arrays or one per tile; none when absent.
    attenuation : ndarray, optional
        What lines leave of every cell's conductance, shape `state_shape`, see `share_wires`. [-]

    Raises
    ------
    ArrayError, DeckError
        Weights that are no finite matrix, or settings that exclude each other.
    """

    dac: Converter = field(default_factory=Converter)
    adc: Converter = field(default_factory=Converter)
    per_vector_input: bool = True
    input_slice_bits: int | None = None
    is_subtracted_analog: bool = True
    read_voltage: float = 0.2
    cell: SinhCell | None = None
    wires: Wires | tuple[Wires, ...] | None = None
    attenuation: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_slice_bits is not None and (self.dac.bits is None or self.input_slice_bits < 1):
            raise DeckError("mvm.input_slice_bits needs dac_bits and must be at least 1")
        if not self.read_voltage > 0.0:
            raise DeckError(f"mvm.read_voltage is {self.read_voltage} V; must be above zero")
        if self.wires is not None and self.cell is not None:
            raise DeckError("mvm: wires and a cell law together have no effective matrix; solve_crossbar gives exact currents")
        per_adc = (len(self.row_blocks), self.readouts, self.n_columns)
        self.adc.check_fits(f"ADC of layer {self.name!r}", per_adc, "row_blocks, readouts, n_columns")
        self.dac.check_fits(f"DAC of layer {self.name!r}", (self.n_inputs,), "n_inputs")
        if np.ndim(self.dac.span):
            raise ArrayError(f"DAC span of layer {self.name!r} has shape {np.shape(self.dac.span)}; must be one number")
        if isinstance(self.wires, tuple) and len(self.wires) != len(self.tiles):
            raise ArrayError(
                f"wires of layer {self.name!r} has {len(self.wires)} entries; must be {len(self.tiles)}, one a tile"
            )

    @classmethod
    def build(
        cls, name: str, weights: NDArray[Any], mapping: WeightMapping, tile: tuple[int, int] | None = None, **periphery: Any
    ) -> AnalogMatrix:
        """Cut `weights` into arrays of `tile` = (rows, columns) cells (one fitting array by default).

        Parameters
        ----------
        name : str
        weights : ndarray, shape (n_inputs, n_outputs)
            [weight unit]
        mapping : WeightMapping
        tile : (rows, columns), optional
            Cells of an array; absent = one that fits.
        **periphery
            Further fields of the class: converters, wires, cell, …
        """
        n_inputs, n_outputs = np.shape(weights)
        per_weight, reserved = mapping.columns_per_weight, mapping.reserved_columns
        tile = tile or (n_inputs, n_outputs * per_weight + reserved)
        tiles = split_matrix(name, n_inputs, n_outputs, tile, columns_per_weight=per_weight, reserved_columns=reserved)
        return cls(name, np.asarray(weights), mapping, tiles, **periphery)

    @property
    def readouts(self) -> int:
        """Conversions per weight column and row block."""
        return self.mapping.slices if self.mapping.is_pair and self.is_subtracted_analog else self.mapping.devices

    def prepare(self, conductances: Any, read_noise: ReadNoise = None, *, dtype: Any = np.float32) -> ArrayState:
        """Make the conductances of any number of chips ready for products.

        Parameters
        ----------
        conductances : array
            Shape (..., devices, n_inputs, n_columns), see `state_shape`; leading axes are times and samples. [S]
        read_noise : float, array or callable, optional
            Relative standard deviation of a read as one number [-], or standard deviations in an array that
            broadcasts against `conductances` [S], or a function that returns such an array from conductances.
        dtype : dtype
            Precision of the products of NumPy arrays; arrays of other libraries keep theirs.

        Raises
        ------
        ArrayError
            Wrong shape, NaN or negative conductance or noise; names the array and the first bad index.

        Notes
        -----
        With wires the effective conductances take the place of the cells' own, and noise keeps its relative size: in a
        64 x 64 array its deviation is within 3 % of the exact sensitivities where lines cost 5 % of the current, 14 % at 22 %.
        Arrays of 256 rows and more add up variances over bands of rows in single precision, see `BandedVariance`.
        """
        check_tail(f"conductances of layer {self.name!r}", conductances, self.state_shape, "devices, n_inputs, n_columns")
        check_finite(f"conductances of layer {self.name!r}", conductances, low=0.0)
        own, xp = conductances, namespace(conductances)
        dtype = dtype if xp is np else conductances.dtype
        left: Any = None if self.attenuation is None else like(xp, self.attenuation, own)
        if self.wires is not None:
            conductances = self.behind(self.wires, own, dtype)
            left = conductances / xp.where(own > 0.0, own, xp.ones_like(own))
        elif left is not None:
            conductances = scaled(xp, own, left, dtype)
        mean = self._readout_sums(xp, conductances, 1.0, dtype, power=1)
        if read_noise is None:
            return ArrayState(mean)
        if not callable(read_noise) and np.ndim(read_noise) == 0:
            check_finite(f"read_noise of layer {self.name!r}", np.asarray(read_noise), low=0.0)
            return self._noisy(mean, self._readout_sums(xp, conductances, float(read_noise), dtype, power=2))
        deviation: Any = read_noise(own) if callable(read_noise) else read_noise
        check_finite(f"read_noise of layer {self.name!r}", deviation, low=0.0)
        if any(n not in (1, wanted) for n, wanted in zip(deviation.shape[::-1], own.shape[::-1])) or deviation.ndim > own.ndim:
            shapes = f"{tuple(deviation.shape)}; must broadcast against the conductances, {tuple(own.shape)}"
            raise ArrayError(f"read_noise of layer {self.name!r} has shape {shapes}")
        deviation = xp.broadcast_to(deviation if left is None else deviation * left, own.shape)
        return self._noisy(mean, self._readout_sums(xp, deviation, 1.0, dtype, power=2))

    def _noisy(self, mean: Any, variance: Any) -> ArrayState:
        return ArrayState(mean, variance, bands_of(variance, self.row_blocks, self.n_product_columns))

    def matvec(
        self,
        x: Any,
        state: ArrayState | Any,
        rng: Normals | None = None,
        *,
        compensation: Compensation | None = None,
        memory_limit: float = 256e6,
        scratch: Scratch | None = None,
    ) -> Any:
        """Return what the chips compute for ``x @ weights``.

        Parameters
        ----------
        x : array
            Shape (..., batch, n_inputs), leading axes broadcast against those of the chips. [input unit]
        state : ArrayState or array
            From `prepare`, or conductances of shape (..., devices, n_inputs, n_columns) [S] to be read without noise.
        rng : Generator or callable, optional
            Source of read noise, or a function from a shape to standard normals. Required when `state` has noise.
        compensation : Compensation, optional
            Corrections after the converters.
        memory_limit : float
            Working memory beyond the result; batches are cut to stay below it. [byte]
        scratch : Scratch, optional
            Work arrays to be used again by the next call; many short products are faster with one.

        Returns
        -------
        array
            Shape (..., batch, n_outputs). [weight unit × input unit]

        Raises
        ------
        ArrayError
            `x` does not fit, has NaN, or noise comes without `rng`.
        """
        state = self.ready(state)
        check_tail(f"input of layer {self.name!r}", x, (self.n_inputs,), "n_inputs")
        if not (self.per_vector_input and isinstance(x, np.ndarray)):  # `drives` sees what is not finite in its ranges
            check_finite(f"input of layer {self.name!r}", x)
        if x.ndim < 2:
            return self.matvec(x[None, :], state, rng, compensation=compensation, scratch=scratch)[..., 0, :]
        if state.variance is not None and rng is None:
            raise ArrayError(f"state of layer {self.name!r} has read noise; pass rng")
        leading = np.broadcast_shapes(tuple(x.shape[:-2]), tuple(state.mean.shape[:-3]))
        per_vector = math.prod(leading) * (2 * self.n_inputs + 4 * self.n_columns) * 8
        step = max(1, int(memory_limit // per_vector))
        scratch = scratch or Scratch()
        if step >= x.shape[-2]:
            return self._product(x, state, rng, compensation, scratch)
        parts = [self._product(x[..., i : i + step, :], state, rng, compensation, scratch) for i in range(0, x.shape[-2], step)]
        return namespace(state.mean).concat(parts, axis=-2)

    def calibrated(
        self, profile: Profile, percentile: float = 99.9, *, per: str = "layer", per_chip: bool = False
    ) -> AnalogMatrix:
        """Return the same matrix with converter ranges at a percentile of a profile.

        Parameters
        ----------
        profile : Profile
            Taken once; calibrate from it as often as wanted, or take a new one at another time or temperature.
        percentile : float
            Share of the profile that must not clip. [%]
        per : str
            One ADC range for the whole ``layer``, one per array (``tile``) or one per ADC (``column``).
        per_chip : bool
            Keep the leading axes of the profile: every chip gets its own ranges.

        Raises
        ------
        ArrayError
            A profile that is empty, not finite, or zero where a range is wanted.
        UnknownNameError
            A granularity that does not exist.
        """
        blocks = [np.arange(start, stop) for start, stop in self.column_blocks]
        if not (self.mapping.is_pair or self.is_subtracted_analog):  # offset columns have converters of their own
            blocks = [np.append(outputs, self.n_outputs + b) for b, outputs in enumerate(blocks)]
        everything = np.concatenate(blocks)
        groups = {"layer": [everything], "tile": blocks, "column": list(everything[:, None])}
        if per not in groups:
            raise unknown_name("calibration granularity", per, groups)
        sums = profile.partial_sums  # chips, row block, readout, vector, column
        if not per_chip:
            sums = sums.reshape(-1, *sums.shape[-4:])
            sums = np.moveaxis(sums, 0, 2).reshape(*sums.shape[1:3], -1, sums.shape[-1])
        axis = (-4, -3, -2, -1) if per == "layer" else (-2, -1)
        span = np.zeros((*sums.shape[:-2], self.n_columns))
        for columns in groups[per]:
            first, last = columns[0], columns[-1] + 1  # a slice copies nothing
            among = slice(first, last) if last - first == len(columns) else columns
            span[..., columns] = range_of(sums[..., among], percentile, axis=axis)[..., 0]
        # reference columns are read at a level that fits the range of the others; dead outputs need none
        span = np.where(span > 0.0, span, span.max(axis=-1, keepdims=True))
        dac = self.dac
        if not self.per_vector_input:
            dac = dac.calibrated(profile.inputs, percentile)
            if self.input_slice_bits is None:  # digits fill the range whatever it is
                span *= profile.input_span / float(dac.span)
        adc = replace(self.adc, span=float(span.max()) if per == "layer" and not per_chip else span)
        return replace(self, dac=dac, adc=adc)

    def without_converters(self) -> AnalogMatrix:
        """Return the matrix with ideal converters."""
        return replace(self, dac=Converter(None), adc=Converter(None), input_slice_bits=None)

    def mean_square_voltages(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return per row what `read_power` needs, from inputs (..., batch, n_inputs).

        The product of a row's voltage and the ohmic voltage of equal cell current (for ohmic cells the squared voltage),
        summed over the reads of an input's slices and averaged over all vectors, shape (n_inputs,). [V²]
        """
        total, scratch = np.zeros(self.n_inputs), Scratch()
        for block in vectors_at_once(x, x):
            part = x[..., block, :]
            for u, _ in self.drives(np, part, np.float64, scratch)[0]:
                mean = (self._voltage(np, u) * self.current(np, u)).reshape(-1, self.n_inputs).mean(axis=0)
                total += mean * (part.shape[-2] / x.shape[-2])
        return total * self.read_voltage**2

    @property
    def reads(self) -> int:
        """Reads per product: one per digit of the inputs' magnitude."""
        if self.input_slice_bits is None or self.dac.bits is None:
            return 1
        return -(-int(self.dac.half_steps).bit_length() // self.input_slice_bits)

    def ready(self, state: ArrayState | Any) -> ArrayState:
        """Return `state`, prepared if it is conductances."""
        return state if isinstance(state, ArrayState) else self.prepare(state)

    def drives(self, xp: Any, x: Any, dtype: Any, scratch: Scratch) -> tuple[list[tuple[Any, float]], Any]:
        """Return the word-line codes in parts of full drive with their digital weights, and the digital scale of `x`.

        Parameters
        ----------
        xp : module
            Library of the arrays.
        x : array, shape (..., batch, n_inputs)
            [input unit]
        dtype : dtype
        scratch : Scratch
        """
        half = 1.0 if self.dac.bits is None else self.dac.half_steps
        scale: Any = float(self.dac.span)
        drive = scratch.take(xp, "drive", tuple(x.shape), dtype)
        if self.per_vector_input:
            largest = cast(xp, largest_magnitude(xp, x, drive), dtype)
            if xp is np and not np.isfinite(largest).all():
                check_finite(f"input of layer {self.name!r}", x)
            scale = xp.where(largest > 0, largest, xp.ones_like(largest))
        u = scaled(xp, x, half / scale, dtype, drive)
        if self.dac.bits is None:
            return [(u, 1.0)], scale
        u = rounded(xp, u)
        if not (self.per_vector_input and self.dac.is_signed):
            u = xp.clip(u, -half if self.dac.is_signed else 0.0, half, **in_place(xp, u))
        if self.input_slice_bits is None:
            u *= 1.0 / half
            return [(u, 1.0)], scale
        base = 2**self.input_slice_bits
        size, unit = abs(u), xp.sign(u) * (1.0 / (base - 1))
        places = [float(base**s) for s in range(self.reads)]
        return [(xp.floor(size / place) % float(base) * unit, place * (base - 1) / half) for place in places], scale

    def current(self, xp: Any, u: Any) -> Any:
        """Return the drive of ohmic cells that gives the cells' current at codes `u`, DAC mismatch included."""
        u = self._voltage(xp, u)
        return u if self.cell is None else self.cell.drive(xp, u, self.read_voltage)

    def signal(
        self, u: Any, state: ArrayState, block: int, readout: int, rng: Normals | None, columns: int, scratch: Scratch
    ) -> Any:
        """Return the signal before the ADC of one row block and readout in its first `columns`, in full-scale cells.

        Parameters
        ----------
        u : array, shape (..., batch, n_inputs)
            Drive of the word lines. [part of full drive]
        state : ArrayState
        block, readout : int
        rng : Generator or callable, optional
            Source of read noise; None = none.
        columns : int
        scratch : Scratch
        """
        xp, dtype = namespace(state.mean), state.mean.dtype
        start, stop = self.row_blocks[block]
        part = u[..., start:stop]
        mean = state.mean[..., readout, start:stop, :columns]
        y = part @ mean
        if state.variance is not None and rng is not None:
            variance = state.variance[..., readout, start:stop, :columns]
            room = scratch.take(xp, "variance", tuple(y.shape), dtype)
            if room is not None and (block, readout) in state.bands:
                variance = state.bands[block, readout].of(part, variance, room, scratch)
            else:
                square = scaled(xp, part, part, dtype, scratch.take(xp, "square", tuple(part.shape), dtype))
                variance = product(xp, square, variance, room)
            y = add_noise(xp, y, variance, rng, scratch)
        return y if self.mapping.is_pair or not self.is_subtracted_analog else self._less_offset(xp, y)

    def codes(self, u: Any, state: ArrayState, block: int, rng: Normals | None, columns: int, scratch: Scratch) -> Any:
        """Return what one row block reads in its first `columns` after its ADCs, slices combined, in full-scale weights.

        Parameters
        ----------
        u : array, shape (..., batch, n_inputs)
            Drive of the word lines. [part of full drive]
        state : ArrayState
        block : int
        rng : Generator or callable, optional
            Source of read noise; None = none.
        columns : int
        scratch : Scratch
        """
        xp = namespace(state.mean)
        weights = self.mapping.plane_weights[: self.readouts]
        total: Any = None
        for r in range(self.readouts):
            codes = self._converted(xp, block, r, self.signal(u, state, block, r, rng, columns, scratch))
            if weights[r] != 1.0:
                codes *= float(weights[r])
            total = codes if total is None else _added(total, codes)
        return total if self.mapping.is_pair or self.is_subtracted_analog else self._less_offset(xp, total)

    def _product(
        self, x: Any, state: ArrayState, rng: Normals | None, compensation: Compensation | None, scratch: Scratch
    ) -> Any:
        xp = namespace(state.mean)
        drives, scale = self.drives(xp, x, state.mean.dtype, scratch)
        driven = [(self.current(xp, u), weight) for u, weight in drives]
        fix = compensation or Compensation()
        widths = [stop - start for start, stop in self.column_blocks]
        total: Any = None
        for b in range(len(self.row_blocks)):
            for u, weight in driven:
                codes = self.codes(u, state, b, rng, self.n_product_columns, scratch)[..., : self.n_outputs]
                if fix.tile_gain is not None:
                    codes = codes * like(xp, np.repeat(fix.tile_gain[..., b, :], widths, axis=-1)[..., None, :], codes)
                if weight != 1.0:
                    codes *= weight
                total = codes if total is None else _added(total, codes)
        if np.ndim(fix.scale):
            scale = scale * like(xp, fix.scale, total)[..., None, None]
        elif fix.scale != 1.0:
            scale = scale * float(fix.scale)
        scale = scale * self.weight_max
        if isinstance(scale, float) or np.broadcast_shapes(tuple(scale.shape), tuple(total.shape)) == tuple(total.shape):
            total *= scale
        else:
            total = total * scale
        if fix.column_gain is not None:
            total = total * like(xp, fix.column_gain, total)[..., None, :] + like(xp, fix.column_offset, total)[..., None, :]
        if fix.column_slope is not None:
            sums = xp.sum(cast(xp, x, total.dtype), axis=-1)[..., None]
            total = total + sums * like(xp, fix.column_slope, total)[..., None, :]
        return total

    def _voltage(self, xp: Any, u: Any) -> Any:
        """Return codes with the DAC's mismatch, in parts of the read voltage."""
        if self.dac.has_mismatch:
            u = u * like(xp, 1.0 + np.atleast_1d(self.dac.gain_error)[..., None, :], u)
            u = u + like(xp, np.atleast_1d(self.dac.offset)[..., None, :], u)
        return u

    def _less_offset(self, xp: Any, y: Any) -> Any:
        """Subtract every column block's offset column from its outputs and reference columns."""
        product, references = self.n_product_columns, self.mapping.reference_columns
        offsets = [y[..., self.n_outputs + b : self.n_outputs + b + 1] for b in range(len(self.column_blocks))]
        parts = [y[..., start:stop] - offsets[b] for b, (start, stop) in enumerate(self.column_blocks)]
        parts.extend(offsets)
        if y.shape[-1] > product:
            parts.extend(
                y[..., product + b * references : product + (b + 1) * references] - offset for b, offset in enumerate(offsets)
            )
        return xp.concat(parts, axis=-1)

    def _converted(self, xp: Any, block: int, readout: int, y: Any) -> Any:
        """Pass a signal (..., batch, columns) through the ADCs of its row block and readout."""

        def pick(values: Any) -> Any:
            array = np.asarray(values)
            if not array.ndim:
                return float(array)
            full = np.broadcast_shapes(array.shape, (len(self.row_blocks), self.readouts, self.n_columns))
            return like(xp, np.broadcast_to(array, full)[..., block, readout, None, : y.shape[-1]], y)

        return self.adc.digitised(xp, y, pick)

    def _readout_sums(self, xp: Any, planes: Any, factor: float, dtype: Any, *, power: int) -> Any:
        """Sum the planes that share a conversion, in full-scale cells times `factor`: signed values, or squares."""
        pair = self.mapping.is_pair and self.is_subtracted_analog
        sums = []
        for r in range(self.readouts):
            total = scaled(xp, planes[..., r, :, :], factor / self.mapping.window, dtype)
            if power == 2:
                total *= total
            if pair:
                other = scaled(xp, planes[..., r + self.readouts, :, :], factor / self.mapping.window, dtype)
                if power == 2:
                    other *= other
                    total += other
                else:
                    total -= other
            sums.append(total)
        return sums[0][..., None, :, :] if len(sums) == 1 else xp.stack(sums, axis=-3)


def _added(total: Any, term: Any) -> Any:
    total += term
    return total
