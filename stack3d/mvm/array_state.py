"""What one matrix is on a population of chips, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.mvm.banded_variance import BandedVariance


@dataclass(frozen=True)
class ArrayState:
    """The conductances of one matrix made ready for products; build it with `AnalogMatrix.prepare`.

    Parameters
    ----------
    mean : array
        Signal per unit input in full-scale cells, shape (..., readouts, n_inputs, n_columns). [-]
    variance : array, optional
        Its variance by read noise, same shape. [-]
    bands : mapping of (row block, readout) to BandedVariance
        Of the arrays whose variances are added up over bands of rows.
    """

    mean: Any
    variance: Any = None
    bands: Mapping[tuple[int, int], BandedVariance] = field(default_factory=dict)


@dataclass(frozen=True)
class Compensation:
    """Digital corrections of one matrix, applied after its converters.

    Parameters
    ----------
    scale : float or array
        Factor of the whole layer, shape (...). [-]
    tile_gain : ndarray, optional
        Factor per array, shape (..., row_blocks, column_blocks). [-]
    column_gain, column_offset : ndarray, optional
        Factor of every output and what is then added to it, shapes (..., n_outputs). [-], [weight unit × input unit]
    column_slope : ndarray, optional
        What is added to every output per sum of its inputs, shape (..., n_outputs); comes with the two above. [weight unit]
    """

    scale: Any = 1.0
    tile_gain: Any = None
    column_gain: Any = None
    column_offset: Any = None
    column_slope: Any = None

    def then(self, other: Compensation) -> Compensation:
        """Both, one after the other; `other` has no gains of tiles where this one has columns."""
        gains = [g for g in (self.tile_gain, other.tile_gain) if g is not None]
        tile_gain = np.prod(np.broadcast_arrays(*gains), axis=0) if gains else None
        scale = np.asarray(self.scale) * other.scale
        if self.column_gain is None:
            return Compensation(scale, tile_gain, other.column_gain, other.column_offset, other.column_slope)
        gain, offset = (1.0, 0.0) if other.column_gain is None else (other.column_gain, other.column_offset)
        factor, slope = np.asarray(other.scale)[..., None] * gain, other.column_slope
        if self.column_slope is not None:
            slope = self.column_slope * factor + (0.0 if slope is None else slope)
        return Compensation(scale, tile_gain, self.column_gain * gain, self.column_offset * factor + offset, slope)


@dataclass(frozen=True)
class Profile:
    """Signals of a profiling run, from which converter ranges are set.

    Parameters
    ----------
    inputs : ndarray
        Magnitudes of the inputs, flat. [input unit]
    partial_sums : ndarray
        Before the ADC, shape (..., row_blocks, readouts, vectors, n_columns). [full-scale cells]
    input_span : float
        Input at full drive during profiling, where it was the same for all vectors. [input unit]
    """

    inputs: NDArray[Any]
    partial_sums: NDArray[Any]
    input_span: float = 1.0
