"""Digital-to-analogue and analogue-to-digital converters with real ranges, steps and mismatch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, DeckError
from stack3d.mvm.array_library import in_place, rounded
from stack3d.mvm.shape_checks import check_finite


@dataclass(frozen=True)
class Converter:
    r"""Uniform converter: mismatch, clipping, rounding.

    Parameters
    ----------
    bits : int, optional
        Resolution; absent means ideal (neither rounding nor clipping).
    span : float or ndarray
        End of the range, one number or an array that broadcasts against the signal's axes that the
        converter's owner names. DAC: largest input. ADC: in full-scale cells, that is in units of the current
        of one cell across the whole conductance window at full input. [-]
    is_signed : bool
        Range [-span, span] with :math:`2^b - 2` steps, so that zero is a code; otherwise [0, span] with
        :math:`2^b - 1` steps.
    gain_error : float or ndarray
        Relative error of the gain before conversion, per converter. [-]
    offset : float or ndarray
        Offset before conversion as a part of `span`, per converter. [-]

    Raises
    ------
    DeckError
        Too few bits.
    ArrayError
        Range of zero width, or mismatch that is not finite.
    """

    bits: int | None = 8
    span: float | NDArray[Any] = 1.0
    is_signed: bool = True
    gain_error: float | NDArray[Any] = 0.0
    offset: float | NDArray[Any] = 0.0

    def __post_init__(self) -> None:
        if self.bits is not None and not 1 + self.is_signed <= self.bits <= 24:
            raise DeckError(f"converter bits is {self.bits}; must be {1 + self.is_signed} to 24, or absent for an ideal one")
        for name in ("span", "gain_error", "offset"):
            check_finite(f"converter {name}", np.asarray(getattr(self, name)))
        span = np.asarray(self.span)
        if not np.all(span > 0.0):
            index = np.unravel_index(int(np.argmax(~(span > 0.0))), span.shape)
            place = [int(i) for i in index] if index else ""
            raise ArrayError(f"converter span{place} is {float(span[index])!r}; a range needs a width above zero")

    @property
    def half_steps(self) -> float:
        """Steps from zero to the end of the range; infinite for an ideal converter."""
        if self.bits is None:
            return np.inf
        return 2.0 ** (self.bits - 1) - 1.0 if self.is_signed else 2.0**self.bits - 1.0

    @cached_property
    def has_mismatch(self) -> bool:
        """Whether any gain error or offset is set."""
        return bool(np.any(self.gain_error) or np.any(self.offset))

    def check_fits(self, name: str, shape: tuple[int, ...], meaning: str) -> None:
        """Raise ArrayError unless span and mismatch broadcast against the last axes `shape`, described by `meaning`."""
        for part in ("span", "gain_error", "offset"):
            tail = np.shape(getattr(self, part))[-len(shape) :]
            if any(n not in (1, wanted) for n, wanted in zip(tail[::-1], shape[::-1])):
                raise ArrayError(f"{part} of the {name} has last axes {tail}; must broadcast against {shape} = ({meaning})")

    def calibrated(self, magnitudes: NDArray[Any], percentile: float = 99.9, *, axis: Any = None) -> Converter:
        """Return a converter whose range ends at a percentile of profiled magnitudes.

        Parameters
        ----------
        magnitudes : ndarray
            Profiled signal, in the units of `span`; its absolute value counts.
        percentile : float
            Share of the profile that must not clip. [%]
        axis : int or tuple, optional
            Axes to reduce (kept with length one); all of them by default.

        Raises
        ------
        ArrayError
            A profile that is zero everywhere, empty or not finite.
        """
        span = range_of(magnitudes, percentile, axis=axis)
        return replace(self, span=float(span.item()) if axis is None else span)

    def with_mismatch(
        self, shape: tuple[int, ...], rng: np.random.Generator, *, gain_sd: float = 0.0, offset_sd: float = 0.0
    ) -> Converter:
        """Return a population of converters of `shape` with normal gain errors [-] and offsets [part of span].

        Parameters
        ----------
        shape : tuple of int
            Of the population.
        rng : numpy.random.Generator
        gain_sd : float
            [-]
        offset_sd : float
            Part of the span. [-]
        """
        return replace(self, gain_error=gain_sd * rng.standard_normal(shape), offset=offset_sd * rng.standard_normal(shape))

    def digitised(self, xp: Any, signal: Any, pick: Callable[[Any], Any]) -> Any:
        """Return `signal` after mismatch, rounding and clipping, in its own units; overwritten where possible.

        `pick` turns span, gain error or offset into a number or an array that broadcasts against `signal`.
        """
        if self.has_mismatch:
            signal = signal * (1.0 + pick(self.gain_error))
            signal = signal + pick(np.asarray(self.offset) * np.asarray(self.span))
        if self.bits is None:
            return signal
        half = self.half_steps
        step = pick(np.asarray(self.span) / half)
        if isinstance(step, float):
            signal *= 1.0 / step
        else:
            signal = signal / step
        signal = rounded(xp, signal)
        signal = xp.clip(signal, -half if self.is_signed else 0.0, half, **in_place(xp, signal))
        signal *= step
        return signal


def range_of(magnitudes: NDArray[Any], percentile: float, *, axis: Any = None) -> NDArray[Any]:
    """Return a percentile [%] of the magnitudes of a profile over some axes, which are kept with length one.

    Where a sparse signal has it at zero, the largest value counts. Raises ArrayError for an empty profile or a NaN.
    """
    magnitudes = np.abs(np.asarray(magnitudes))
    if not magnitudes.size:
        raise ArrayError("profile is empty; a range cannot be calibrated from it")
    check_finite("profile", magnitudes)
    span = np.asarray(np.percentile(magnitudes, percentile, axis=axis, keepdims=True, overwrite_input=True))
    return span if np.all(span > 0.0) else np.where(span > 0.0, span, magnitudes.max(axis=axis, keepdims=True))
