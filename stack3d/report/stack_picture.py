"""The stack drawn apart and coloured by temperature, for pages: layers as slabs, tiers with maps, the hottest place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np

from stack3d.layout import FILL, Floats, Layer, Rectangle, hottest_layer
from stack3d.report import svg
from stack3d.report.chart import ColourScale, colour_scale, ink_on
from stack3d.report.facts import Facts

WIDTH = 440.0
WIDE = 232.0
"""Of the widest layer, along x."""
LEAN = 52.0
"""How far the far edge of the widest layer is moved to the right."""
LEFT, TOP = 8.0, 30.0
HEIGHT = 330.0
"""Of all slabs, about."""
MOST = 14
"""Slabs that are drawn; of more the thickest and the hottest, and tiers from bottom to top."""
LETTERS = 20
"""Of a name beside a slab."""
LETTER = 6.9
"""Mean width of one, and of one of the temperature behind it."""
ASIDE = LEFT + WIDE + LEAN + 8.0
"""Where names begin."""
ROW = 17.0
"""Height of a line of text, which each slab has."""
FLAT = 0.4
"""Fronts are as high as thicknesses to this power, or thin layers could not be seen."""
SAME = 1e-2
"""Of the range of a picture, within which the hottest layer is as hot all over."""
PAPER = "#ffffff"
NEEDED = ("thermal/layer_temperature_mean", "thermal/layer_temperature_max")


@dataclass(frozen=True, eq=False)
class DrawnSlab:
    """A layer as it is drawn.

    Parameters
    ----------
    layer : Layer
    mean, peak : float
        [degC]
    field : ndarray, shape (ny, nx), optional
        Its map. [degC]
    is_hottest : bool
    """

    layer: Layer
    mean: float
    peak: float
    field: Floats | None
    is_hottest: bool = False


def can_draw(facts: Facts) -> bool:
    """Whether a result has the temperatures of the layers that its scenario names."""
    if not facts.has(*NEEDED):
        return False
    return bool(facts.stack.layers) and len(facts.last(NEEDED[0])) == len(facts.stack.named)


def temperatures(facts: Facts) -> Floats:
    """Every temperature that a picture shows. [degC]"""
    slabs, _ = _slabs(facts)
    shown = [np.array([s.mean for s in slabs]), np.array([s.peak for s in slabs])]
    return np.concatenate([*shown, *(s.field.ravel() for s in slabs if s.field is not None)])


def _fields(facts: Facts) -> dict[str, Floats]:
    """Map of each layer that has one. [degC]"""
    found: dict[str, Floats] = {}
    if facts.has("thermal/map_temperature"):
        names = [str(name) for name in facts.get("thermal/map_temperature")["map_layer"].values]
        found = dict(zip(names, facts.celsius("thermal/map_temperature")))
    if facts.has("thermal/temperature"):
        found |= {layer.name: field for layer, field in zip(facts.tiers, facts.celsius("thermal/temperature"))}
    return found


def _slabs(facts: Facts) -> tuple[list[DrawnSlab], int]:
    """Layers to draw, bottom first, and how many are left out."""
    fields = _fields(facts)
    mean, peak = facts.celsius(NEEDED[0]), facts.celsius(NEEDED[1])
    named = facts.stack.named
    apart = [i for i, layer in enumerate(named) if layer.part != FILL and (layer.tier is None or layer.role == "rram")]
    hottest = hottest_layer(peak, facts.heated)
    kept = sorted({*apart, hottest})
    if len(kept) > MOST:
        kept = sorted(_chosen(kept, [named[i] for i in kept], hottest))
    slabs = [DrawnSlab(named[i], float(mean[i]), float(peak[i]), fields.get(named[i].name), i == hottest) for i in kept]
    return slabs, len(named) - len(kept)


def _chosen(indices: Sequence[int], layers: Sequence[Layer], hottest: int) -> set[int]:
    """As many as are drawn: the hottest, tiers at equal steps, the thickest of the rest."""
    tiers = [i for i, layer in zip(indices, layers) if layer.tier is not None]
    others = sorted((i for i, layer in zip(indices, layers) if layer.tier is None and i != hottest),
                    key=lambda i: -layers[indices.index(i)].thickness)  # fmt: skip
    room = MOST - 1
    of_tiers = min(len(tiers), max(room - len(others), room // 2))
    steps = {round(float(k)) for k in np.linspace(0, len(tiers) - 1, of_tiers)}
    return {hottest, *(tiers[k] for k in steps), *others[: room - of_tiers]}


class _Drawing:
    """Where things lie: x to the right, y into the page, height upwards."""

    def __init__(self, slabs: Sequence[DrawnSlab]) -> None:
        boxes = [slab.layer.extent for slab in slabs]
        self.x0, self.y0 = min(b.x0 for b in boxes), min(b.y0 for b in boxes)
        self.size = max(max(b.x1 for b in boxes) - self.x0, max(b.y1 for b in boxes) - self.y0)
        self.step = float(np.clip(HEIGHT / len(slabs), 2 * ROW, 92.0))
        self.deep = 0.74 * self.step
        """How far the far edge of the widest layer is moved upwards."""
        raised = np.array([slab.layer.thickness for slab in slabs]) ** FLAT
        self.fronts = np.clip(0.34 * self.step * raised / raised.max(), 2.5, None)
        above = [self.step * row + 6.0 * (row > 0) + float(front) for row, front in enumerate(self.fronts)]
        self.bottom = TOP + self.deep + max(above)

    @property
    def height(self) -> float:
        """Of the whole drawing."""
        return self.bottom + 10.0

    def base(self, row: int) -> float:
        """Lower edge of the front of a slab, bottom first."""
        return self.bottom - self.step * row - 6.0 * (row > 0)

    def at(self, row: int, x: float, y: float) -> tuple[float, float]:
        """Place on the top of a slab of a point (x, y). [m]"""
        u, v = (x - self.x0) / self.size, (y - self.y0) / self.size
        return LEFT + WIDE * u + LEAN * v, self.base(row) - float(self.fronts[row]) - self.deep * v


def _fill(value: float, scale: ColourScale) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return str(to_hex(colormaps[scale.name](np.clip((value - scale.low) / (scale.high - scale.low), 0.0, 1.0))))


def _polygon(points: Sequence[tuple[float, float]], more: str) -> str:
    return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" {more}/>'


def _slab(place: _Drawing, row: int, slab: DrawnSlab, scale: ColourScale, digits: int) -> str:
    """Front, side and top of a slab."""
    box, front = slab.layer.extent, float(place.fronts[row])
    corners = [place.at(row, x, y) for x, y in ((box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1))]
    colour = _fill(slab.mean, scale)
    edge = 'stroke="#374151" stroke-width="0.7" stroke-linejoin="round"'
    lowered = [(x, y + front) for x, y in corners]
    tip = f"{slab.layer.name}: mean {slab.mean:.{digits}f} °C, hottest {slab.peak:.{digits}f} °C"
    parts = [
        _polygon((corners[0], corners[1], lowered[1], lowered[0]), f'fill="{colour}" {edge}'),
        _polygon((corners[1], corners[2], lowered[2], lowered[1]), f'fill="{colour}" {edge}'),
    ]
    if slab.field is None:
        parts.append(_polygon(corners, f'fill="{colour}" {edge}'))
    else:
        (ax, ay), (bx, by), _, (dx, dy) = corners  # the picture's rows run from far to near
        matrix = " ".join(f"{v:.3f}" for v in (bx - ax, by - ay, ax - dx, ay - dy, dx, dy))
        image = f'<image width="1" height="1" preserveAspectRatio="none" transform="matrix({matrix})"'
        parts.append(f'{image} href="{svg.png(slab.field, scale, enlarge=1)}"/>')
        parts.append(_polygon(corners, f'fill="none" {edge}'))
    blocks = slab.layer.blocks[:40]
    parts += [_outline(place, row, block.extent) for block in blocks]
    return f'<g data-tip="{escape(tip)}">{"".join(parts)}</g>'


def _outline(place: _Drawing, row: int, box: Rectangle) -> str:
    around = ((box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1))
    return _polygon([place.at(row, x, y) for x, y in around], 'fill="none" stroke="#9ca3af" stroke-width="0.5"')


def _label(place: _Drawing, row: int, slab: DrawnSlab, digits: int, spot: Spot | None) -> str:
    """Name and temperature of a slab, right of it, with a line that begins where the slab, or what is written on it, ends.

    Parameters
    ----------
    place : _Drawing
    row : int
    slab : DrawnSlab
    digits : int
        Of its temperature.
    spot : Spot or None
        What is written on it.
    """
    box = slab.layer.extent
    (x, top), (back, behind) = place.at(row, box.x1, box.y0), place.at(row, box.x1, box.y1)
    y = top + 0.5 * float(place.fronts[row])
    side = min(0.5 * float(place.fronts[row]) / max(top - behind, 1e-9), 1.0)  # at this height the side of the slab ends there
    begin = x + side * (back - x) + 2.0
    if spot is not None and abs(spot.y - y) < 0.5 * ROW:
        begin = max(begin, spot.end + 4.0)
    line = ""
    if begin < ASIDE - 8.0:
        line = f'<line x1="{begin:.1f}" y1="{y:.1f}" x2="{ASIDE - 4:.1f}" y2="{y:.1f}" stroke="#9ca3af" stroke-width="0.8"/>'
    told = f'<tspan class="bold">{escape(_called(slab))}</tspan> {slab.mean:.{digits}f}'
    return f'{line}<text class="tick" x="{ASIDE:.1f}" y="{y + 4:.1f}">{told}</text>'


def _called(slab: DrawnSlab) -> str:
    """Name of a slab, cut where it is long."""
    return slab.layer.name if len(slab.layer.name) <= LETTERS else f"{slab.layer.name[: LETTERS - 1]}…"


def _bar(scale: ColourScale) -> str:
    """Colours and their temperatures, along the top."""
    ramp = np.linspace(scale.low, scale.high, 128)[None, :]
    left, length = LEFT, WIDE
    parts = [
        f'<image x="{left}" y="2" width="{length}" height="9" preserveAspectRatio="none" href="{svg.png(ramp, scale)}"/>',
        f'<text class="axis" x="{left + length + 14:.0f}" y="11">{escape(scale.label)}</text>',
    ]
    for position, text in scale.ticks:
        x = left + length * (position - scale.low) / (scale.high - scale.low)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="11" y2="14" stroke="#6b7280"/>')
        parts.append(f'<text class="tick" x="{max(x, 12.0):.1f}" y="25" text-anchor="middle">{text}</text>')
    return "".join(parts)


class Spot(NamedTuple):
    """What is drawn and written at the hottest place, where its text ends, and at what height it stands."""

    drawing: str
    end: float
    y: float


def _spot(facts: Facts, slabs: Sequence[DrawnSlab], place: _Drawing, scale: ColourScale, digits: int) -> Spot:
    """A ring at the hottest place, with its temperature.

    Parameters
    ----------
    facts : Facts
    slabs : sequence of DrawnSlab
    place : _Drawing
    scale : ColourScale
    digits : int
        Of temperatures.
    """
    at = next(i for i, slab in enumerate(slabs) if slab.is_hottest)
    slab, text = slabs[at], f"hottest {slabs[at].peak:.{digits}f} °C"
    if not facts.has("thermal/hot_spot") or slab.peak - slab.mean < SAME * np.ptp(temperatures(facts)):
        x, y = LEFT + 0.5 * WIDE, place.at(at, place.x0, 0.5 * (slab.layer.extent.y0 + slab.layer.extent.y1))[1]
        text = f"{text}, all over the layer"
        return Spot(_written(x, y, text, "middle", _fill(slab.mean, scale)), x + 0.5 * LETTER * len(text), y)
    across, up = place.at(at, *(float(v) for v in facts.last("thermal/hot_spot")[:2]))
    colour = _fill(slab.mean if slab.field is None else slab.peak, scale)
    box, words = slab.layer.extent, text.split(" ", 1)
    begins, ends = (place.at(at, x, y)[0] for x, y in ((box.x0, box.y0), (box.x1, box.y1)))
    if ends - begins < 2 * LETTER * len(text) and begins > 12.0 + LETTER * max(map(len, words)):
        ring = f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="none" stroke="{ink_on(colour)}" stroke-width="1.8"/>'
        line = f'<line x1="{begins - 4:.1f}" x2="{across - 5:.1f}" y1="{up:.1f}" y2="{up:.1f}" stroke="#9ca3af"/>'
        beside = "".join(_written(begins - 8, up + 14 * row - 7, word, "end", PAPER) for row, word in enumerate(words))
        return Spot(line + ring + beside, across + 5, up)
    anchor, away = ("end", -9) if across > LEFT + 0.6 * WIDE else ("start", 9)
    ring = f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="none" stroke="{ink_on(colour)}" stroke-width="1.8"/>'
    end = across + away + (LETTER * len(text) if away > 0 else 0.0)
    return Spot(ring + _written(across + away, up, text, anchor, colour), end, up)


def _written(x: float, y: float, text: str, anchor: str, behind: str) -> str:
    """Words about the hottest place.

    Parameters
    ----------
    x, y : float
    text, anchor : str
    behind : str
        Colour that they stand on, of which they have a rim.
    """
    look = f'text-anchor="{anchor}" style="fill:{ink_on(behind)};stroke:{behind}"'
    return f'<text class="spot" x="{x:.1f}" y="{y + 4:.1f}" {look}>{text}</text>'


def picture(facts: Facts, identity: str = "picture", scale: ColourScale | None = None) -> str:
    """A figure element with the stack; of a run over time as it ended.

    Parameters
    ----------
    facts : Facts
        Of which `can_draw` holds.
    identity : str
        Of the drawing on the page.
    scale : ColourScale, optional
        To share between pictures; its own by default.
    """
    slabs, left_out = _slabs(facts)
    place = _Drawing(slabs)
    scale = scale or colour_scale("temperature [°C]", temperatures(facts))
    digits = int(np.clip(1 - np.floor(np.log10(max(scale.high - scale.low, 1e-6))), 1, 4))
    body = "".join(_slab(place, row, slab, scale, digits) for row, slab in enumerate(slabs))
    spot = _spot(facts, slabs, place, scale, digits)
    body += "".join(_label(place, row, slab, digits, spot if slab.is_hottest else None) for row, slab in enumerate(slabs))
    body += spot.drawing + _bar(scale)
    width = max(WIDTH, ASIDE + LETTER * max(len(f"{_called(slab)} {slab.mean:.{digits}f}") for slab in slabs))
    hottest = next(slab for slab in slabs if slab.is_hottest)
    said = f"The stack coloured by temperature; hottest {hottest.peak:.{digits}f} °C in {hottest.layer.name}"
    drawing = (
        f'<svg id="{identity}" class="stack" viewBox="0 0 {width:.0f} {place.height:.0f}" role="img" tabindex="0"'
        f' aria-label="{escape(said)}">{body}<line class="cross" y1="0" y2="0" x1="0" x2="0"/></svg>'
    )
    axis = {"low": 0, "high": 1, "log": False, "unit": ""}
    rows = [(s.layer.name, None, None, round(s.mean, 6), f"hottest {s.peak:.6g} °C") for s in slabs]
    frame = [0, 0, round(width), round(place.height)]
    told = {"frame": frame, "title": "the stack", "x": axis, "y": axis | {"label": scale.label}, "rows": rows}
    data = json.dumps(told, separators=(",", ":")).replace("</", "<\\/")
    drawing += f'<script type="application/json" data-for="{identity}">{data}</script>'
    maps = " Maps where the result has them, else the mean of the layer." if any(s.field is not None for s in slabs) else ""
    rest = f" {left_out} layers are not drawn." if left_out else ""
    caption = f"Layers drawn apart, heights not to scale; numbers are means.{maps}{rest}"
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"
