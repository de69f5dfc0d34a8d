"""Panels as inline SVG that reads by itself and answers the pointer through the page's script."""

from __future__ import annotations

import base64
import json
from functools import cached_property
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from stack3d.fronts import ALIKE
from stack3d.layout import Floats
from stack3d.report.chart import (
    COLOURS,
    GREY,
    Axis,
    Chooser,
    ColourScale,
    Column,
    Dot,
    DrawnBox,
    Line,
    Map,
    Panel,
    Ribbon,
    Rule,
    ink_on,
)
from stack3d.report.labels import LabelPlace, in_two_rows, level_labels, lines_of
from stack3d.report.panel_rows import rows_of

WIDTH = 440.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 30.0, 44.0
BAR = 42.0
"""Room for a colour bar on the right, without its numbers."""
LETTER = 6.8
"""Mean width of a letter at the size of the tick labels."""
BOLD = 8.2
"""Of one of a title."""
BAR_ROW = 16.5
"""Height of a row of bars, at least: a bar has the place for its number then."""
LINE = 15.0
"""Height of a line of text."""


def _left(panel: Panel, most: float) -> float:
    """Where the frame begins: behind the label of its axis and the numbers or names beside it."""
    longest = max((len(text) for _, text in panel.y.ticks), default=0)
    label = bool(panel.y.label)
    return min(max(LEFT if label else 20.0, (longest + 1) * LETTER + (20 if label else 6)), most)


class Frame:
    """Where values lie on the drawing of one panel."""

    def __init__(self, panel: Panel) -> None:
        bars = any(isinstance(mark, DrawnBox) and mark.bar for mark in panel.marks)
        self.left = _left(panel, (0.54 if bars else 0.42) * WIDTH)
        right = RIGHT + (BAR + LETTER * max(len(t) for _, t in panel.scale.ticks) if panel.scale else 0.0)
        self.width = WIDTH - self.left - right
        self.height = max(self.width * panel.ratio, BAR_ROW * len(panel.y.ticks) if bars else 0.0)
        fits = len(panel.title) * BOLD < WIDTH - self.left
        self.titled = self.left if fits else 4.0
        self.title = lines_of(panel.title, int((WIDTH - self.titled) / BOLD)) if panel.title else []
        self.top = TOP + LINE * (len(self.title) - 1) if panel.title else 12.0
        self.panel = panel
        self.room = int(self.width / max(len(panel.x.ticks), 1) / LETTER) - 1 if panel.x.named else 99
        self.below = lines_of(panel.x.label, int(WIDTH / LETTER))
        self.two_rows = panel.x.named and in_two_rows([text for _, text in panel.x.ticks], self.room)

    @property
    def total(self) -> float:
        """Height of the drawing."""
        return self.top + self.height + BOTTOM + LINE * (self.two_rows + len(self.below) - 1)

    @cached_property
    def places(self) -> dict[Rule, LabelPlace]:
        """Places of the labels of horizontal lines."""
        return level_labels(self.panel, lambda text: len(text) * LETTER / self.width, 0.8 * LINE / self.height)

    def x(self, value: float) -> float:
        """Horizontal position."""
        return self.left + self.width * self.panel.x.share(value)

    def y(self, value: float) -> float:
        """Vertical position, downwards."""
        return self.top + self.height * (1.0 - self.panel.y.share(value))


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{kind}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _segment(x0: float, y0: float, x1: float, y1: float, look: str) -> str:
    return f'<line {look} x1="{_n(x0)}" y1="{_n(y0)}" x2="{_n(x1)}" y2="{_n(y1)}"/>'


def _at(frame: Frame) -> str:
    return f'x="{_n(frame.left)}" y="{_n(frame.top)}" width="{_n(frame.width)}" height="{_n(frame.height)}"'


def _path(points: list[tuple[float, float]], closed: bool = False) -> str:
    return "M" + "L".join(f"{_n(a)} {_n(b)}" for a, b in points) + ("Z" if closed else "")


def _points(frame: Frame, x: Floats, y: Floats) -> list[tuple[float, float]]:
    floor = frame.panel.y.low
    keep = np.isfinite(x) & np.isfinite(y)
    return [(frame.x(a), frame.y(max(b, floor) if frame.panel.y.log else b)) for a, b in zip(x[keep], y[keep])]


def _fit(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _inside(middle: float, letters: int) -> float:
    """Middle of a text, moved so that none of it leaves the drawing."""
    return min(max(middle, 0.5 * (letters + 1) * LETTER), WIDTH - 0.5 * (letters + 1) * LETTER)


def _axes(frame: Frame) -> list[str]:
    panel, out = frame.panel, []
    bottom = frame.top + frame.height
    most = frame.room * 2 + 1 if frame.two_rows else frame.room
    for row, (position, text) in enumerate(panel.x.ticks):
        below = bottom + 15 + (LINE if frame.two_rows and row % 2 else 0.0)
        out.append(_segment(frame.x(position), frame.top, frame.x(position), bottom, 'class="grid"'))
        out.append(_text(_inside(frame.x(position), len(text)), below, _fit(text, most), "tick", "middle"))
    for position, text in panel.y.ticks:
        if not panel.y.named:
            y = frame.y(position)
            out.append(_segment(frame.left, y, frame.left + frame.width, y, 'class="grid"'))
        most = int((frame.left - 8) / LETTER)
        out.append(_text(frame.left - 6, frame.y(position) + 4, _fit(text, most), "tick", "end"))
    for i, line in enumerate(frame.below):
        middle = _inside(frame.left + frame.width / 2, len(line))
        out.append(_text(middle, frame.total - 10 - LINE * (len(frame.below) - 1 - i), line, "axis", "middle"))
    if panel.y.label:
        middle = frame.top + frame.height / 2
        out.append(_text(13, middle, panel.y.label, "axis", "middle", f' transform="rotate(-90 13 {_n(middle)})"'))
    return out


def png(values: Floats, scale: ColourScale, *, enlarge: int = 1) -> str:
    """Values in the colours of a scale as a data address, one pixel a box, top row first."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    share = np.clip((values - scale.low) / (scale.high - scale.low), 0, 1)
    pixels = colormaps[scale.name](np.where(np.isfinite(share), share, np.nan))[::-1]
    buffer = BytesIO()
    imsave(buffer, np.kron(pixels, np.ones((enlarge, enlarge, 1))), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _map(frame: Frame, mark: Map) -> str:
    x, y = frame.x(mark.x[0]), frame.y(mark.y[1])
    width, height = frame.x(mark.x[1]) - x, frame.y(mark.y[0]) - y
    return (
        f'<image class="map" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" preserveAspectRatio="none"'
        f' href="{png(mark.values, mark.scale)}"/>'
    )


def _bar(frame: Frame, scale: ColourScale) -> list[str]:
    x, bottom = frame.left + frame.width + 10, frame.top + frame.height
    ramp = np.linspace(scale.low, scale.high, 128)[:, None]
    place = f'x="{_n(x)}" y="{_n(frame.top)}" width="12" height="{_n(frame.height)}"'
    out = [f'<image {place} preserveAspectRatio="none" href="{png(ramp, scale)}"/>']
    for position, text in scale.ticks:
        y = bottom - frame.height * (position - scale.low) / (scale.high - scale.low)
        out.append(_text(x + 15, y + 4, text, "tick"))
    middle, right = frame.top + frame.height / 2, WIDTH - 4
    if len(scale.label) * LETTER < frame.height:  # a longer one is the heading of the figure too
        out.append(_text(right, middle, scale.label, "axis", "middle", f' transform="rotate(-90 {_n(right)} {_n(middle)})"'))
    return out


def _box(frame: Frame, mark: DrawnBox) -> tuple[str, str]:
    x0, x1 = sorted((frame.x(mark.x0), frame.x(mark.x1)))
    y0, y1 = sorted((frame.y(mark.y0), frame.y(mark.y1)))
    place = f'x="{_n(x0)}" y="{_n(y0)}" width="{_n(x1 - x0)}" height="{_n(max(y1 - y0, 0.4))}"'
    rectangle = f'<rect class="box" {place} fill="{mark.colour}" data-tip="{escape(mark.tip)}"/>'
    middle, length = 0.5 * (y0 + y1) + 4, len(mark.text) * LETTER
    if not mark.text or y1 - y0 < 9:
        return rectangle, ""
    if mark.bar:
        return rectangle, _text(frame.x(mark.end) + 4, middle, mark.text, "note")
    ink = f' style="fill:{ink_on(mark.colour)}"'
    return rectangle, _text(0.5 * (x0 + x1), middle, mark.text, "inside", "middle", ink) if length < x1 - x0 - 4 else ""


def _line(frame: Frame, mark: Line) -> tuple[str, str]:
    """The curve, and its points, which may lie on the frame."""
    points = _points(frame, mark.x, mark.y)
    if mark.steps and len(points) > 1:
        half = (points[1][0] - points[0][0]) / 2
        points = [p for x, y in points for p in ((x - half, y), (x + half, y))]
    dash = ' stroke-dasharray="6 4"' if mark.dashed else ""
    curve = f'<path class="line" d="{_path(points)}" stroke="{mark.colour}"{dash}/>' if len(points) > 1 else ""
    shown = points if mark.dots or len(points) == 1 else []
    return curve, "".join(f'<circle cx="{_n(a)}" cy="{_n(b)}" r="2.6" fill="{mark.colour}"/>' for a, b in shown)


def _marks(frame: Frame) -> tuple[list[str], list[str]]:
    """Drawings, which end at the frame, and texts, which may leave it."""
    out: list[str] = []
    texts: list[str] = []
    for mark in frame.panel.marks:
        if isinstance(mark, Map):
            out.append(_map(frame, mark))
        elif isinstance(mark, Ribbon):
            upper, lower = _points(frame, mark.x, mark.high), _points(frame, mark.x, mark.low)
            out.append(f'<path d="{_path(upper + lower[::-1], True)}" fill="{mark.colour}" fill-opacity="0.35"/>')
        elif isinstance(mark, Dot):
            x, y = frame.x(mark.x), frame.y(mark.y)
            look = f'class="ring" r="6" stroke="{mark.colour}"' if mark.ring else f'r="3.5" fill="{mark.colour}"'
            texts.append(f'<circle {look} cx="{_n(x)}" cy="{_n(y)}" data-tip="{escape(mark.tip)}"/>')
        else:
            drawing, text = _simple(frame, mark)
            out.append(drawing)
            texts.append(text)
    return out, texts


def _simple(frame: Frame, mark: Line | DrawnBox | Rule) -> tuple[str, str]:
    if isinstance(mark, Line):
        return _line(frame, mark)
    return _box(frame, mark) if isinstance(mark, DrawnBox) else _rule(frame, mark)


def _rule(frame: Frame, mark: Rule) -> tuple[str, str]:
    look, colour = f'class="rule" stroke="{mark.colour}"', f' style="fill:{mark.colour}"'
    right, bottom = frame.left + frame.width, frame.top + frame.height
    if mark.axis == "y":
        y, place = frame.y(mark.value), frame.places[mark]
        left, base = frame.left + frame.width * place.x, frame.top + frame.height * (1 - place.y) - 2
        return _segment(frame.left, y, right, y, look), _text(left, base, mark.label, "note", "start", colour)
    x = frame.x(mark.value)
    label = _text(x + (5 if mark.behind else -5), frame.top + 13, mark.label, "note", "start" if mark.behind else "end", colour)
    return _segment(x, frame.top, x, bottom, look), label


def _axis_data(axis: Axis) -> dict[str, Any]:
    return {"low": axis.low, "high": axis.high, "log": axis.log, "unit": axis.unit, "label": axis.label}


def _plain(values: Floats) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.ravel()]


def pointer_data(panel: Panel, frame: Frame) -> dict[str, Any]:
    """What the page's script needs to answer the pointer on a panel: its frame, its curves, its map."""
    data: dict[str, Any] = {
        "frame": [frame.left, frame.top, frame.width, frame.height],
        "title": panel.title,
        "x": _axis_data(panel.x),
        "y": _axis_data(panel.y),
    }
    lines = [m for m in panel.marks if isinstance(m, Line)]
    shared = bool(lines) and all(np.array_equal(m.x, lines[0].x) for m in lines)
    if shared:
        curves = [{"label": m.label, "colour": m.colour, "y": _plain(m.y)} for m in lines]
        for band in (m for m in panel.marks if isinstance(m, Ribbon)):
            curves.append({"label": band.label, "colour": band.colour, "y": _plain(band.low), "high": _plain(band.high)})
        data |= {"at": _plain(lines[0].x), "curves": curves}
    if rows := rows_of(panel, lines_too=not shared):
        data["rows"] = rows
    for mark in panel.marks:
        if isinstance(mark, Map):
            ny, nx = mark.values.shape
            data["map"] = {
                "shape": [ny, nx],
                "x": list(mark.x),
                "y": list(mark.y),
                "digits": mark.digits,
                "label": mark.scale.label,
                "values": [round(float(v), mark.digits + 1) if np.isfinite(v) else None for v in mark.values.ravel()],
            }
    return data


def chooser_data(chooser: Chooser) -> dict[str, Any]:
    """What the page's script draws any two columns of."""
    return {
        "colours": [COLOURS[1], COLOURS[0], GREY],
        "alike": ALIKE,
        "names": list(chooser.names),
        "kept": chooser.kept.astype(int).tolist(),
        "chosen": chooser.chosen.astype(int).tolist(),
        "columns": [_column_data(column) for column in chooser.columns],
    }


def _column_data(column: Column) -> dict[str, Any]:
    axis, digits = column.axis, ".9g" if column.better else ".5g"  # what a front is made of is told apart by a millionth
    data: dict[str, Any] = {
        "name": column.name,
        "label": axis.label,
        "unit": axis.unit,
        "ends": [axis.low, axis.high],
        "ticks": [[at, text] for at, text in axis.ticks],
        "values": [float(f"{v:{digits}}") if np.isfinite(v) else None for v in column.values],
        "better": column.better,
    }
    for word in ("lines", "machines"):
        if pairs := getattr(column, word):
            data[word] = [list(pair) for pair in pairs]
    if column.bands is not None:
        data["bands"] = [_plain(band) if np.isfinite(band).all() else None for band in column.bands]
    if column.cut is not None and column.cut.any():
        data["cut"] = column.cut.astype(int).tolist()
    return data


def _legend(panel: Panel) -> str:
    curves = [m for m in panel.marks if isinstance(m, (Line, Ribbon)) and m.label]
    entries = [(m.label, m.colour, isinstance(m, Line) and m.dashed) for m in curves]
    entries += [(text, colour, False) for text, colour in panel.legend]
    if len(entries) < 2:
        return ""
    items = "".join(
        f'<li><span class="key{" dashed" if dashed else ""}" style="--c:{colour}"></span>{escape(label)}</li>'
        for label, colour, dashed in entries
    )
    return f'<ul class="legend">{items}</ul>'


def draw(panel: Panel, identity: str, description: str) -> str:
    """One panel as an SVG with its legend and the data for the pointer."""
    frame = Frame(panel)
    clip = f"clip-{identity}"
    drawings, texts = _marks(frame)
    parts = [
        f'<svg id="{identity}" viewBox="0 0 {_n(WIDTH)} {_n(frame.total)}" role="img" tabindex="0"'
        f' aria-label="{escape(description)}">',
        f'<defs><clipPath id="{clip}"><rect {_at(frame)}/></clipPath></defs>',
        *(_text(frame.titled, 16 + LINE * i, line, "title") for i, line in enumerate(frame.title)),
        *_axes(frame),
        f'<g clip-path="url(#{clip})">',
        *drawings,
        "</g>",
        f'<rect class="frame" {_at(frame)} stroke="{GREY}"/>',
        *texts,
        *(_bar(frame, panel.scale) if panel.scale else []),
        '<line class="cross" y1="0" y2="0" x1="0" x2="0"/>',
        "</svg>",
    ]
    data = json.dumps(pointer_data(panel, frame), separators=(",", ":")).replace("</", "<\\/")
    return "".join(parts) + _legend(panel) + f'<script type="application/json" data-for="{identity}">{data}</script>'
