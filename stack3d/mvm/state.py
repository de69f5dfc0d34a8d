"""What one matrix is on a population of chips, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class ArrayState:
    """The conductances of one matrix made ready for products; build it with `AnalogMatrix.prepare`.

    Parameters
    ----------
    mean : array
        Signal per unit input in full-scale cells, shape (..., readouts, n_inputs, n_columns). [-]
    variance : array, optional
        Its variance by read noise, same shape. [-]
    """

    mean: Any
    variance: Any = None


@dataclass(frozen=True)
class Compensation:
    """Digital corrections of one matrix, applied after its converters.

    Parameters
    ----------
    scale : float or array
        Factor of the whole layer, shape (...). [-]
    tile_gain : ndarray, optional
        Factor per array, shape (..., row_blocks, column_blocks). [-]
    """

    scale: Any = 1.0
    tile_gain: Any = None


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
