"""Names, colours and the hottest place written around a picture in three dimensions, none on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d.report.chart import ColourScale, ink_on

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stack3d.layout import Floats

DPI = 100
SIZE = 10.0
"""Of the letters of names. [point]"""
ROW = 19.0
"""Least distance between two names. [px]"""
GAP = 46.0
"""Between the picture and the names, for the lines that lead to them. [px]"""
TITLE = 62.0
"""Room above the picture. [px]"""
BAR = 128.0
"""Room of the colours and their numbers. [px]"""
RIM = 14


@dataclass(frozen=True)
class PlacedName:
    """What is written beside the picture.

    Parameters
    ----------
    text : str
    x, y : float
        What it belongs to, from the upper left. [px]
    is_tier : bool
    """

    text: str
    x: float
    y: float
    is_tier: bool = False


def spread(wanted: Sequence[float], least: float) -> Floats:
    """Heights nearest to those wanted, which rise, with at least so much between two of them."""
    places = np.array(wanted, dtype=float)
    groups = [[i] for i in range(len(places))]
    middle = [float(v) for v in places]
    k = 0
    while k < len(groups) - 1:
        reach = 0.5 * least * (len(groups[k]) + len(groups[k + 1]))
        if middle[k + 1] - middle[k] >= reach:
            k += 1
            continue
        joined = groups[k] + groups[k + 1]  # those that are too near stand together around the mean of their wishes
        groups[k : k + 2] = [joined]
        middle[k : k + 2] = [float(np.mean(np.asarray(wanted)[joined]))]
        k = max(k - 1, 0)
    for group, centre in zip(groups, middle):
        places[group] = centre + least * (np.arange(len(group)) - 0.5 * (len(group) - 1))
    return places


def trimmed(picture: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, upper, right and lower end of what is not white, with a rim."""
    inked = (picture < 250).any(axis=2)
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    height, width = inked.shape
    if not rows.size:
        return 0, 0, width, height
    left, right = max(int(columns[0]) - RIM, 0), min(int(columns[-1]) + RIM, width)
    return left, max(int(rows[0]) - RIM, 0), right, min(int(rows[-1]) + RIM, height)


def write(
    picture: NDArray[np.uint8],
    names: Sequence[PlacedName],
    hottest: PlacedName,
    scale: ColourScale,
    path: Path,
    *,
    title: str,
    to_the_right: bool,
) -> None:
    """Write the picture as PNG, trimmed, with names on one side and the colours on the other.

    Parameters
    ----------
    picture : ndarray, shape (height, width, 3)
    names : sequence of PlacedName
    hottest : PlacedName
        The hottest place; empty text where it cannot be seen.
    scale : ColourScale
    path : Path
    title : str
        Above, in one line or two.
    to_the_right : bool
        Side of the names.
    """
    from matplotlib.figure import Figure

    left, upper, right, lower = trimmed(picture)
    width, height = right - left, lower - upper
    ordered = sorted(names, key=lambda name: name.y)
    places = spread([name.y - upper for name in ordered], ROW)
    over, under = max(0.0, ROW - float(places.min(initial=ROW))), max(0.0, float(places.max(initial=0.0)) + ROW - height)
    room = GAP + RIM + max((_width(name) for name in ordered), default=0.0)
    whole = (width + room + BAR, height + TITLE + over + under)
    drawn = Figure(figsize=(whole[0] / DPI, whole[1] / DPI), dpi=DPI)
    start = BAR if to_the_right else room
    area = drawn.add_axes((0.0, 0.0, 1.0, 1.0))
    area.set_axis_off()
    area.set_xlim(0, whole[0])
    area.set_ylim(whole[1], 0)
    top = TITLE + over
    cut = picture[upper:lower, left:right]
    area.imshow(cut, extent=(start, start + width, top + height, top), interpolation="nearest", zorder=0)
    area.set_xlim(0, whole[0])
    area.set_ylim(whole[1], 0)
    area.set_aspect("auto")
    for row, line in enumerate(title.splitlines()):
        area.text(RIM, 16 + 20 * row, line, size=11 if row else 13, color="#4b5563" if row else "black", va="center")
    edge = start + width + GAP - 8 if to_the_right else room - GAP + 8
    for name, place in zip(ordered, places):
        x, y = start + name.x - left, top + name.y - upper
        elbow = edge - 16 if to_the_right else edge + 16
        area.plot([x, elbow, edge], [y, top + place, top + place], color="#6b7280", lw=0.8, zorder=2)
        side, away = ("left", 4) if to_the_right else ("right", -4)
        weight = "bold" if name.is_tier else "normal"
        area.text(edge + away, top + place, name.text, size=SIZE, ha=side, va="center", weight=weight)
    _ring(area, hottest, (start - left, top - upper), picture)
    at = (RIM + 8) / whole[0] if to_the_right else (whole[0] - BAR + 24) / whole[0]
    _colours(drawn, scale, (at, 1 - (top + 0.85 * height) / whole[1], 22 / whole[0], 0.66 * height / whole[1]))
    drawn.savefig(path, dpi=DPI, format="png")


def _width(name: PlacedName) -> float:
    """Width of a name as it will be written. [px]"""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    letters = FontProperties(size=SIZE * DPI / 72, weight="bold" if name.is_tier else "normal")
    return float(TextPath((0, 0), name.text, prop=letters).get_extents().width) if name.text.strip() else 0.0


def _ring(area: Any, hottest: PlacedName, moved: tuple[float, float], picture: NDArray[np.uint8]) -> None:
    """A ring around the hottest place and its temperature beside it, on white: it is read on any ground."""
    if not hottest.text:
        return
    height, width = picture.shape[:2]
    row, column = int(np.clip(hottest.y, 0, height - 1)), int(np.clip(hottest.x, 0, width - 1))
    behind = "#{:02x}{:02x}{:02x}".format(*(int(v) for v in picture[row, column]))
    x, y = hottest.x + moved[0], hottest.y + moved[1]
    area.plot([x], [y], "o", ms=11, mfc="none", mec=ink_on(behind), mew=1.8, zorder=4)
    is_right = hottest.x > 0.7 * width  # there the colours may stand beside it
    frame = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "#6b7280", "linewidth": 0.8}
    area.text(
        x - 14 if is_right else x + 14,
        y - 16,
        hottest.text,
        size=11,
        weight="bold",
        color="#111827",
        ha="right" if is_right else "left",
        va="bottom",
        bbox=frame,
        zorder=5,
    )


def _colours(drawn: Any, scale: ColourScale, place: tuple[float, float, float, float]) -> None:
    """The bar of colours with round numbers."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = drawn.colorbar(ScalarMappable(Normalize(scale.low, scale.high), scale.name), cax=drawn.add_axes(place))
    bar.set_ticks([at for at, _ in scale.ticks], labels=[text for _, text in scale.ticks])
    bar.ax.set_title("°C", size=11, pad=8)
    bar.ax.tick_params(labelsize=10)
