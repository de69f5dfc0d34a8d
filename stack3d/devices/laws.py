"""What a law of each mechanism must answer, and the registries in which laws are found by name."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from stack3d.constants import BOLTZMANN as BOLTZMANN
from stack3d.constants import ZERO_CELSIUS
from stack3d.devices.law_answers import POSITIVE, SHARE, UNBOUNDED, drawn, lasting, like_first, logarithms, of_cells
from stack3d.errors import DeckError, RangeError, ValidityWarning
from stack3d.registry import Registry
from stack3d.schema import celsius
from stack3d.schema.base import DeckModel, Fraction
from stack3d.schema.device import DeviceDeck, ValidityDeck

Reals = NDArray[np.floating]


class Law(DeckModel):
    """Parameters of one published law; subclasses answer the questions of their mechanism."""

    reference: ClassVar[str] = ""
    """Where its form comes from: a publication; ``definition``; or ours, and what it follows. Decks give that of numbers."""
    valid: ValidityDeck = Field(default_factory=ValidityDeck)
    """Fitted and allowed ranges; a range left out is not checked."""
    conventions: ClassVar[Mapping[str, Any]] = {}
    """Dotted parameters that a fit holds, as a deck writes them: choices of what the others mean."""
    assumptions: ClassVar[Mapping[str, Any]] = {}
    """The same of what is no choice but a property of the cell, which the usual measurements do not tell."""
    also_fitted: ClassVar[tuple[str, ...]] = ()
    """Dotted parameters with a default that a fit finds all the same."""
    spread_of_rates: ClassVar[tuple[str, str] | None] = None
    """Spread of a barrier over cells, and the inverse temperature at which it makes no spread of rates: a fit searches that."""
    usual: ClassVar[Mapping[str, float]] = {}
    """Dotted parameters → where they usually lie [SI], for a fit that begins there; others begin by their kind."""
    temperatures_needed: ClassVar[Mapping[str, int]] = {}
    """Dotted parameters of `also_fitted` → temperatures without which a fit cannot tell them: they keep their default."""

    def check(self, quantity: Literal["temperature", "time", "conductance"], value: ArrayLike, *, where: str) -> None:
        """Warn outside the fitted range of `quantity`, raise `RangeError` outside the allowed one.

        Parameters
        ----------
        quantity : {"temperature", "time", "conductance"}
        value : array_like
            [K], [s] or [S]
        where : str
            Device and mechanism, for the message.
        """
        check_range(self.valid, quantity, value, where=where)


def check_exposure(valid: ValidityDeck, temperature: ArrayLike, age: ArrayLike, *, where: str) -> None:
    """Warn where cells are as hot and as old as no measurement was, or colder or younger than all of them.

    Parameters
    ----------
    valid : ValidityDeck
        An age is covered by a measurement that was as hot and took as long.
    temperature : array_like
        [K]
    age : array_like
        Since the write. [s]
    where : str
        Device and mechanism, for the message.
    """
    if valid.exposures_fitted is None or not np.size(temperature):
        return
    temperatures, ages = np.asarray(temperature), np.asarray(age)
    hottest, oldest = float(temperatures.max()), float(ages.max())
    slack = 1 - 1e-6
    covered = any(oldest * slack <= time and hottest * slack <= kelvin for time, kelvin in valid.exposures_fitted)
    coldest, youngest = valid.coldest_fitted or 0.0, valid.youngest_fitted or 0.0
    # a cell of age zero has only been written
    young = youngest > 0 and bool(np.any((ages > 0) & (ages < youngest * slack)))
    if not covered or float(temperatures.min()) < coldest * slack or young:
        # all that was measured and no value of now: one warning per law, not one per temperature
        measured = ", ".join(f"{time:.4g} s at {celsius(kelvin)}" for time, kelvin in valid.exposures_fitted)
        bounds = [f"colder than {celsius(coldest)}"] if coldest else []
        bounds += [f"younger than {youngest:.4g} s"] if youngest else []
        measured += f"; none {' or '.join(bounds)}" if bounds else ""
        warnings.warn(
            f"{where}: leaves the times and temperatures of its measurements ({measured}); extrapolating",
            ValidityWarning,
            stacklevel=3,
        )


def check_range(
    valid: ValidityDeck, quantity: Literal["temperature", "time", "conductance"], value: ArrayLike, *, where: str
) -> None:
    """Warn outside the fitted range of `quantity`, raise `RangeError` outside the allowed one.

    Parameters
    ----------
    valid : ValidityDeck
    quantity : {"temperature", "time", "conductance"}
    value : array_like
        Any shape. [K], [s] or [S]
    where : str
        Whose range it is, for the message.
    """
    fitted = getattr(valid, f"{quantity}_fitted")
    allowed = getattr(valid, f"{quantity}_allowed")
    if fitted is None and allowed is None:
        return
    unit, per, off = {
        "temperature": ("degC", 1.0, ZERO_CELSIUS), "time": ("s", 1.0, 0.0), "conductance": ("uS", 1e6, 0.0),
    }[quantity]  # fmt: skip
    values = np.asarray(value)
    if not values.size:
        return
    # a float32 value that was meant to sit on the edge of a range must not fall out of it
    slack = 1e-6
    low, high = float(values.min()), float(values.max())
    if allowed is not None and (low < allowed[0] * (1 - slack) or high > allowed[1] * (1 + slack)):
        outside = (values < allowed[0] * (1 - slack)) | (values > allowed[1] * (1 + slack))
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        raise RangeError(
            f"{where}: {quantity}{list(first) if first else ''} = {per * float(values[first]) - off:.6g} {unit} "
            f"lies outside the allowed range [{per * allowed[0] - off:.6g}, {per * allowed[1] - off:.6g}] {unit}"
        )
    if fitted is not None and (low < fitted[0] * (1 - slack) or high > fitted[1] * (1 + slack)):
        # no value in the text: one warning per law and range, not one per temperature
        warnings.warn(
            f"{where}: {quantity} leaves the fitted range [{per * fitted[0] - off:.6g}, {per * fitted[1] - off:.6g}] {unit}; "
            "extrapolating",
            ValidityWarning,
            stacklevel=3,
        )


class ProgrammingLaw(Law):
    """Error left by write-verify."""

    @abstractmethod
    def error(self, target: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        """Mean offset from and standard deviation about `target`, both broadcast against it. [S]"""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Reals:
        """Standardised errors, zero mean and unit variance."""
        return rng.standard_normal(shape, dtype=dtype.type)

    def pulses(self, device: DeviceDeck) -> float:
        """Mean pulses of one write-verify."""
        return device.write.pulses if device.write else 0.0


class RelaxationLaw(Law):
    """Zero-bias loss in the first seconds to days: an offset and a spread that a frozen normal draw per cell scales."""

    random_barrier: ClassVar[bool] = False
    """Whether every cell has a barrier of its own, frozen at its write, and with it a clock of its own."""

    @property
    def barrier_correlation(self) -> float:
        """Correlation of the draws of `barrier` of the two cells of a differential pair. [-]"""
        return 0.0

    def barrier(self, draw: Reals, target: Reals, device: DeviceDeck) -> Reals:
        """Barrier over the nominal one, from a standard normal `draw` of each cell. [eV]"""
        return np.zeros_like(draw)

    def rate(self, temperature: Reals, barrier: Reals | float = 0.0) -> Reals:
        """Equivalent seconds per second [-], or reduced time per second [s⁻¹] of a cell with a `barrier` of its own [eV]."""
        return np.ones_like(temperature)

    @abstractmethod
    def shift(self, target: Reals, time: Reals, device: DeviceDeck) -> tuple[Reals | float, Reals | float]:
        """Mean shift and standard deviation of the shift after equivalent `time` [s]. [S]"""

    def move(
        self, target: Reals, time: Reals, age: Reals, draw: Reals, device: DeviceDeck
    ) -> tuple[Reals | float, Reals, Reals | float]:
        """Mean shift, offset of each cell about it by its `draw`, and what `TruncationLaw.bound` takes as its spread. [S]

        Parameters
        ----------
        target : ndarray
            Wanted conductance, any shape. [S]
        time : ndarray
            Reduced, as `rate` counts it, broadcast against `target`. [s]
        age : ndarray
            Since the write, broadcast against `target`. [s]
        draw : ndarray, shape of `target`
            Standard normal, one per cell. [-]
        device : DeviceDeck
        """
        shift, sd = self.shift(target, time, device)
        return shift, draw * sd, sd


class SpreadLaw(Law):
    """Thermally activated, zero-mean spread about the programmed state."""

    @abstractmethod
    def rate(self, temperature: Reals) -> Reals:
        """Reduced time per second. [s⁻¹]"""

    @abstractmethod
    def sd(self, target: Reals, reduced_time: Reals, device: DeviceDeck) -> Reals:
        """Standard deviation. [S]"""


class RetentionLaw(Law):
    """Lasting loss: a clock that runs at a rate set by temperature, and what a cell has become at a clock reading."""

    pair_correlation: Fraction = 0.0
    """Correlation of the frozen draws of the two cells of a differential pair."""

    random: ClassVar[bool] = True
    """Whether every cell carries a frozen draw."""
    last: ClassVar[bool] = False
    """Whether it acts on what relaxation has left, and not on the programmed state."""
    jumps: ClassVar[int] = 0
    """Draws of every cell that a fit looks at, where a small change of the draw may change the cell much; 0 = it does not."""

    def frozen(self, draw: Reals, target: Reals, device: DeviceDeck) -> Reals:
        """What a cell carries of its standard normal `draw` from this write on; the draw itself unless overridden."""
        return draw

    @abstractmethod
    def rate(self, temperature: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        """Reduced time per second, broadcast of `temperature` [K] and `draw` [-]. [s⁻¹]"""

    @abstractmethod
    def conductance(
        self, programmed: Reals, target: Reals, reduced_time: Reals, age: Reals, draw: Reals | float, device: DeviceDeck
    ) -> Reals:
        """Conductance after `reduced_time` [-] and `age` [s], of the shape of `programmed`. [S]

        Parameters
        ----------
        programmed : ndarray
            Conductance that the cell was left with, any shape. [S]
        target : ndarray, shape of `programmed`
            Conductance that was wanted. [S]
        reduced_time : ndarray
            Integral of `rate` over time, broadcast against `programmed`. [-]
        age : ndarray
            Since the write, broadcast against `programmed`. [s]
        draw : ndarray or float
            What `frozen` made of a cell's draw, broadcast against `programmed`. [-]
        device : DeviceDeck
        """


class CrystallisationLaw(Law):
    """Growth of the crystalline phase beside the drift of the amorphous one."""

    @abstractmethod
    def rate(self, temperature: Reals, device: DeviceDeck) -> Reals:
        """Reduced time per second at `temperature` [K]. [s⁻¹]"""

    @abstractmethod
    def conductance(self, conductance: Reals, reduced_time: Reals, device: DeviceDeck) -> Reals:
        """What `conductance` [S] has become after `reduced_time` [-]. [S]"""


class TemperatureDependence(Law):
    """Reversible G(T)."""

    random: ClassVar[bool] = True

    @abstractmethod
    def factor(self, level: Reals, temperature: Reals, reference: Reals, draw: Reals | float, device: DeviceDeck) -> Reals:
        """G(temperature)/G(reference) of a cell at `level` = G/g_max at the reference temperature [K]. [-]

        Parameters
        ----------
        level : ndarray
            G/g_max at the reference temperature, any shape. [-]
        temperature, reference : ndarray
            Broadcast against `level`. [K]
        draw : ndarray or float
            Standard normal, one per cell, broadcast against `level`. [-]
        device : DeviceDeck
        """


class ReadNoiseLaw(Law):
    """Noise of one read."""

    @abstractmethod
    def sd(self, conductance: Reals, programmed: Reals, age: Reals, device: DeviceDeck) -> Reals:
        """Standard deviation of a read. [S]

        Parameters
        ----------
        conductance, programmed : ndarray
            Now and after the write, any shape. [S]
        age : ndarray
            Since the write, broadcast against `conductance`. [s]
        device : DeviceDeck
        """


class ReadDisturbLaw(Law):
    """What reads leave behind."""

    @abstractmethod
    def remaining(self, reads: Reals, device: DeviceDeck) -> Reals:
        """Fraction of conductance left after `reads`. [-]"""


class EnduranceLaw(Law):
    """Cycles to failure."""

    @abstractmethod
    def cycles(self, temperature: Reals, device: DeviceDeck) -> Reals:
        """Scale of the life of a cell written at `temperature` [K]. [cycles]"""

    @abstractmethod
    def life(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Reals:
        """Damage at which each cell fails, in units of the scale. [-]"""

    def log_survival(self, damage: Reals) -> Reals:
        """Logarithm of the share of cells that live longer than `damage`, in units of the scale; raises DeckError. [-]"""
        raise DeckError(f"the law {type(self).__name__} states no distribution of lives (`log_survival`)")

    stuck_low_resistance: Fraction
    """Share of worn-out cells that stay conducting; the rest stay open."""


class WindowClosureLaw(Law):
    """Programmable range of a worn cell."""

    @abstractmethod
    def window(self, damage: Reals, device: DeviceDeck) -> tuple[Reals, Reals]:
        """Lowest and highest conductance that a write still reaches. [S]"""


class FaultLaw(Law):
    """Cells stuck from the start."""

    @abstractmethod
    def stuck(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
        """`stack3d.devices.state.HEALTHY`, `STUCK_LOW` or `STUCK_HIGH` per cell."""

    def shares(self) -> tuple[float, float]:
        """Shares of cells stuck low and high, for a fit; counted in a simulation unless overridden. [-]"""
        stuck = self._large()
        return float((stuck == 1).mean()), float((stuck == 2).mean())

    def alike(self, distance: int) -> tuple[float, float]:
        """Shares of pairs so many cells apart, along columns and along rows, that are stuck alike; as `shares`. [-]"""
        stuck = self._large()
        pairs = ((stuck[:-distance], stuck[distance:]), (stuck[:, :-distance], stuck[:, distance:]))
        down, across = (float(((near == far) & (near > 0)).mean()) for near, far in pairs)
        return down, across

    def _large(self) -> NDArray[np.int8]:
        return self.stuck(np.random.default_rng(0), (1024, 1024))


class SelfHeatingLaw(Law):
    """Temperature of a cell above its tier."""

    @abstractmethod
    def rise(self, power: Reals, device: DeviceDeck) -> Reals:
        """Rise over the tier [K] for cell `power` [W] of shape (…, layer, row, column), after a long pulse."""

    def reached(self, pulse: float) -> float:
        """Share of the rise that a pulse of this length [s] reaches. [-]"""
        return 1.0

    def beside(self) -> float:
        """Share of a cell's rise that its nearest neighbours see. [-]"""
        return 0.0


class TruncationLaw(Law):
    """What happens where a distribution meets a bound of conductance."""

    @abstractmethod
    def bound(self, mean: Reals, sd: Reals | float, offset: Reals, device: DeviceDeck) -> Reals:
        """Conductance of cells at `mean` + `offset`, where `offset` has zero mean and `sd`; a fresh array. [S]

        Parameters
        ----------
        mean, offset : ndarray
            Any shape. [S]
        sd : ndarray or float
            Of the offsets, broadcast against `mean`. [S]
        device : DeviceDeck
        """


PROGRAMMING: Registry[type[ProgrammingLaw]] = Registry(
    "programming", ProgrammingLaw, {"error": of_cells(UNBOUNDED, POSITIVE), "draw": drawn(), "pulses": of_cells(POSITIVE)}
)
RELAXATION: Registry[type[RelaxationLaw]] = Registry(
    "relaxation",
    RelaxationLaw,
    {
        "barrier": of_cells(UNBOUNDED),
        "rate": of_cells(POSITIVE),
        "shift": of_cells(UNBOUNDED, POSITIVE),
        "move": of_cells(UNBOUNDED, UNBOUNDED, POSITIVE),
    },
)
SPREAD: Registry[type[SpreadLaw]] = Registry("spread", SpreadLaw, {"rate": of_cells(POSITIVE), "sd": of_cells(POSITIVE)})
RETENTION: Registry[type[RetentionLaw]] = Registry(
    "retention",
    RetentionLaw,
    {"frozen": of_cells(UNBOUNDED), "rate": of_cells(POSITIVE), "conductance": like_first},
)
CRYSTALLISATION: Registry[type[CrystallisationLaw]] = Registry(
    "crystallisation", CrystallisationLaw, {"rate": of_cells(POSITIVE), "conductance": like_first}
)
TEMPERATURE_DEPENDENCE: Registry[type[TemperatureDependence]] = Registry(
    "temperature dependence", TemperatureDependence, {"factor": of_cells(POSITIVE)}
)
READ_NOISE: Registry[type[ReadNoiseLaw]] = Registry("read noise", ReadNoiseLaw, {"sd": of_cells(POSITIVE)})
READ_DISTURB: Registry[type[ReadDisturbLaw]] = Registry("read disturb", ReadDisturbLaw, {"remaining": of_cells(POSITIVE)})
ENDURANCE: Registry[type[EnduranceLaw]] = Registry(
    "endurance", EnduranceLaw, {"cycles": lasting, "life": drawn(0.0), "log_survival": logarithms}
)
WINDOW_CLOSURE: Registry[type[WindowClosureLaw]] = Registry(
    "window closure", WindowClosureLaw, {"window": of_cells(POSITIVE, POSITIVE)}
)
FAULTS: Registry[type[FaultLaw]] = Registry("faults", FaultLaw, {"stuck": drawn(0, 2)})
SELF_HEATING: Registry[type[SelfHeatingLaw]] = Registry(
    "self heating",
    SelfHeatingLaw,
    {"rise": like_first, "reached": of_cells(SHARE), "beside": of_cells(SHARE)},
)
TRUNCATION: Registry[type[TruncationLaw]] = Registry("truncation", TruncationLaw, {"bound": of_cells(POSITIVE)})

MECHANISMS: dict[str, Registry[Any]] = {
    r.kind.replace(" ", "_"): r
    for r in (
        PROGRAMMING,
        RELAXATION,
        SPREAD,
        RETENTION,
        CRYSTALLISATION,
        TEMPERATURE_DEPENDENCE,
        READ_NOISE,
        READ_DISTURB,
        ENDURANCE,
        WINDOW_CLOSURE,
        FAULTS,
        SELF_HEATING,
        TRUNCATION,
    )
}
"""Mechanism, as a deck writes it → its laws; entry-point groups are ``stack3d.<mechanism>``."""
