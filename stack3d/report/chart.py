"""A figure declared once: panels of marks on axes, drawn by two pens (`svg` for pages, `pen` for matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack3d.layout import Floats
from stack3d.unit_text import short

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
"""Okabe and Ito: apart from each other for every common kind of colour vision, and in print."""
GREY = "#6b7280"

Tick = tuple[float, str]

_TIMES: tuple[Tick, ...] = (
    (1.0, "1 s"),
    (60.0, "1 min"),
    (3600.0, "1 h"),
    (86400.0, "1 d"),
    (30 * 86400.0, "1 mo"),
    (365.25 * 86400.0, "1 y"),
    (10 * 365.25 * 86400.0, "10 y"),
    (100 * 365.25 * 86400.0, "100 y"),
)


@dataclass(frozen=True)
class Axis:
    """A direction of a panel.

    Parameters
    ----------
    label : str
        With its unit, as it is printed.
    low, high : float
        Ends; ``low > high`` never.
    log : bool
    ticks : tuple of (position, text)
    unit : str
        Printed behind values on hover.
    named : bool
        The ticks are names of rows or columns, not positions on a scale.
    """

    label: str
    low: float
    high: float
    ticks: tuple[Tick, ...]
    log: bool = False
    unit: str = ""
    named: bool = False

    def share(self, value: float) -> float:
        """Position between the ends, 0 to 1."""
        if self.log:
            return float(np.log(value / self.low) / np.log(self.high / self.low))
        return (value - self.low) / (self.high - self.low)


def linear(
    label: str, low: float, high: float, *, unit: str = "", margin: float = 0.05, most: int = 6, whole: bool = False
) -> Axis:
    """Axis with round ticks over [low, high] and a margin on both sides; `whole` ticks for what is counted.

    Parameters
    ----------
    label : str
    low, high : float
        Ends. [`unit`]
    unit : str
    margin : float
        On either side, over the range. [-]
    most : int
        Steps between ticks.
    whole : bool
        Ticks at whole numbers, for what is counted.
    """
    if not high > low:
        low, high = low - (abs(low) * 1e-3 or 0.5), high + (abs(high) * 1e-3 or 0.5)
    room = margin * (high - low)
    low, high = low - room, high + room
    step = 10.0 ** np.floor(np.log10((high - low) / most))
    step = next(step * m for m in (1, 2, 2.5, 5, 10) if (high - low) / (step * m) <= most)
    if whole:
        step = float(np.ceil(step))
    digits = max(
        0, -int(np.floor(np.log10(step) + 1e-9)) + (1 if round(step / 10 ** np.floor(np.log10(step)), 6) == 2.5 else 0)
    )
    positions = step * np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return Axis(label, low, high, tuple((float(p), f"{p + 0.0:.{digits}f}") for p in positions), unit=unit)


def si(value: float, unit: str) -> str:
    """Text of a value with an SI prefix."""
    return short(value, unit).replace(" u", " µ")


def decades(label: str, low: float, high: float, *, unit: str = "", prefixed: bool = False) -> Axis:
    """Logarithmic axis a little wider than [low, high], ticks at powers of ten; `prefixed` ticks carry the unit.

    Parameters
    ----------
    label : str
    low, high : float
        Ends, greater than zero. [`unit`]
    unit : str
    prefixed : bool
        Ticks carry the unit with its prefix.
    """
    low, high = low / 1.6, high * 1.6
    first, last = int(np.ceil(np.log10(low))), int(np.floor(np.log10(high)))
    if last <= first:
        first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
        low, high = 10.0**first, 10.0**last
    stride = -(-(last - first) // 6)
    powers = (10.0**p for p in range(first, last + 1, stride))
    ticks = tuple((p, si(p, unit) if prefixed else _power(p)) for p in powers)
    return Axis(label, low, high, ticks, log=True, unit=unit)


def _power(value: float) -> str:
    """Text of a power of ten."""
    n = round(float(np.log10(value)))
    return f"{value:g}" if -4 < n < 4 else f"10{str(n).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def times(label: str, low: float, high: float) -> Axis:
    """Logarithmic axis of time since programming, ticks at second, minute, hour, day, month, year. [s]"""
    return Axis(label, low, high, tuple(t for t in _TIMES if low * 0.999 <= t[0] <= high * 1.001), log=True, unit="s")


def categories(names: Sequence[str], label: str = "") -> Axis:
    """Axis of names, the first one on top; name i lies at ``len(names) - 1 - i``."""
    n = len(names)
    return Axis(label, -0.5, n - 0.5, tuple((float(n - 1 - i), name) for i, name in enumerate(names)), named=True)


def columns(names: Sequence[str], label: str = "") -> Axis:
    """Axis of names from left to right; name i lies at i."""
    return Axis(label, -0.5, len(names) - 0.5, tuple((float(i), name) for i, name in enumerate(names)), named=True)


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on a fill ``#rrggbb``."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "#111827" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"


@dataclass(frozen=True)
class ColourScale:
    """Colours of a map.

    Parameters
    ----------
    label : str
        With unit.
    low, high : float
    name : str
        A perceptually uniform colour map of matplotlib.
    ticks : tuple of (position, text)
    """

    label: str
    low: float
    high: float
    name: str = "inferno"
    ticks: tuple[Tick, ...] = ()


def colour_scale(label: str, values: Floats, name: str = "inferno", *, whole: bool = False) -> ColourScale:
    """One scale over all finite `values`; `whole` ticks for what is counted.

    Parameters
    ----------
    label : str
    values : ndarray
        Any shape; NaN is left out.
    name : str
        Of the colours.
    whole : bool
        Ticks at whole numbers, for what is counted.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    axis = linear(label, low, high, margin=0.0, whole=whole)
    return ColourScale(label, axis.low, axis.high, name, axis.ticks)


@dataclass(frozen=True, eq=False)
class Line:
    """A curve; `dashed` for references, `dots` to mark the points."""

    label: str
    x: Floats
    y: Floats
    colour: str
    dashed: bool = False
    dots: bool = False
    steps: bool = False


@dataclass(frozen=True, eq=False)
class Ribbon:
    """Area between two curves."""

    label: str
    x: Floats
    low: Floats
    high: Floats
    colour: str


@dataclass(frozen=True)
class DrawnBox:
    """A rectangle with a text on hover; `text` is printed inside when there is room, or behind it when it is a `bar`.

    A bar with a whisker says in `reach` how far that goes to the right, so that the text stands behind both.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    colour: str
    tip: str
    text: str = ""
    bar: bool = False
    reach: float | None = None

    @property
    def end(self) -> float:
        """Where the text of a bar begins."""
        return self.x1 if self.reach is None else max(self.x1, self.reach)


@dataclass(frozen=True)
class Rule:
    """A line across the panel at a value of one axis.

    The label of a level stands above it or, by preference, `below`, where `labels` finds it free; that of a value of x at the
    top, left of it or `behind`.
    """

    axis: str
    """``"x"`` or ``"y"``."""
    value: float
    label: str
    colour: str = GREY
    below: bool = False
    behind: bool = False


@dataclass(frozen=True)
class Dot:
    """A marked point; a ring when `ring`."""

    x: float
    y: float
    label: str
    tip: str
    colour: str = "#000000"
    ring: bool = False


@dataclass(frozen=True, eq=False)
class Map:
    """Values on equal boxes, shape (ny, nx), lower left box first."""

    values: Floats
    x: tuple[float, float]
    y: tuple[float, float]
    scale: ColourScale
    digits: int = 2


Mark = Line | Ribbon | DrawnBox | Rule | Dot | Map


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Parameters
    ----------
    title : str
    x, y : Axis
    marks : tuple of Mark
        Drawn in this order.
    equal : bool
        Same length per unit on both axes.
    legend : tuple of (text, colour)
        Beside what lines and bands say themselves.
    height : float
        Of the frame over its width, unless `equal`.
    colours : ColourScale, optional
        Of its boxes.
    """

    title: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    equal: bool = False
    legend: tuple[tuple[str, str], ...] = ()
    height: float = 0.62
    colours: ColourScale | None = None

    @property
    def scale(self) -> ColourScale | None:
        """Colour scale of its map, or of its boxes."""
        return next((m.scale for m in self.marks if isinstance(m, Map)), self.colours)

    @property
    def ratio(self) -> float:
        """Height of the frame over its width."""
        return (self.y.high - self.y.low) / (self.x.high - self.x.low) if self.equal else self.height


@dataclass(frozen=True, eq=False)
class Column:
    """A number of every case that may stand on either axis, with all that stands on it.

    Parameters
    ----------
    name, kind : str
        As it is chosen, and under which heading.
    axis : Axis
    values : ndarray, shape (case,)
        In the unit of the axis, NaN for none.
    better : int
        1 where more is better, -1 where less is, 0 where neither is known.
    lines : tuple of (text, position)
        Conditions.
    machines : tuple of (name, position)
        Conventional machines.
    bands : ndarray, shape (case, 2), optional
    cut : ndarray of bool, shape (case,), optional
        Values that are at least that.
    """

    name: str
    kind: str
    axis: Axis
    values: Floats
    better: int
    lines: tuple[tuple[str, float], ...] = ()
    machines: tuple[tuple[str, float], ...] = ()
    bands: Floats | None = None
    cut: NDArray[np.bool_] | None = None

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        """Values that lie on the axis."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self.values >= self.axis.low) & (self.values <= self.axis.high))

    def told(self, case: int) -> str:
        """The value of a case in words."""
        at_least = "at least " if self.cut is not None and self.cut[case] else ""
        return f"{self.name} {at_least}{self.values[case]:.4g} {self.axis.unit}".rstrip()


@dataclass(frozen=True, eq=False)
class Chooser:
    """Cases over any two of several columns, which a reader chooses on a page.

    Parameters
    ----------
    columns : tuple of Column
    names : tuple of str
        Of the cases.
    kept, chosen : ndarray of bool, shape (case,)
        Cases that may lie on a front, and those with a ring.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    kept: NDArray[np.bool_]
    chosen: NDArray[np.bool_]


@dataclass(frozen=True)
class Figure:
    """Panels under one heading.

    Parameters
    ----------
    name : str
        What ``stack3d plot --figure`` calls it.
    title, caption : str
    panels : tuple of Panel
    deck : bool
        The panels are one thing seen at several tiers: a page shows one at a time, chosen by a slider.
    chooser : Chooser, optional
        What a page draws any two columns of, in place of the panels.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    deck: bool = False
    chooser: Chooser | None = None
