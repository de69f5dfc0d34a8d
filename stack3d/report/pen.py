"""Figures drawn by matplotlib, for papers and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stack3d.report.chart import Axis, Dot, DrawnBox, Figure, Line, Map, Mark, Panel, Ribbon, Rule, ink_on
from stack3d.report.labels import in_two_rows, level_labels, lines_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

WIDTH = 4.6
"""Of one panel. [inch]"""
FRAME = 0.75 * WIDTH
"""Of what the axes of one panel enclose, about. [inch]"""
MOST_COLUMNS = 4


def draw(figure: Figure) -> MplFigure:
    """Draw all panels of a figure side by side; a figure by tier becomes small multiples with one colour bar."""
    from matplotlib.figure import Figure as MplFigure

    n = len(figure.panels)
    columns = min(n, MOST_COLUMNS if figure.deck else 3)
    rows = -(-n // columns)
    width = WIDTH * (0.62 if figure.deck else 1.0)
    tallest = max(min(p.ratio, 1.6) for p in figure.panels)
    drawn = MplFigure(
        figsize=(columns * width + (0.8 if figure.deck else 0), rows * (width * tallest * 0.85 + 0.9)), layout="constrained"
    )
    axes = drawn.subplots(rows, columns, squeeze=False)
    for index, area in enumerate(axes.ravel()):
        if index >= n:
            area.set_axis_off()
            continue
        _panel(area, figure.panels[index], small=figure.deck)
    scale = next((p.scale for p in figure.panels if p.scale), None)
    if scale is not None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        colours = ScalarMappable(Normalize(scale.low, scale.high), scale.name)
        is_told = all(p.title.startswith(scale.label) for p in figure.panels)
        bar = drawn.colorbar(colours, ax=axes, label="" if is_told else scale.label, shrink=0.8)
        bar.set_ticks([p for p, _ in scale.ticks], labels=[t for _, t in scale.ticks])
    drawn.suptitle("\n".join(lines_of(figure.title, 40 * columns)))
    return drawn


def _axis(area: Any, which: str, axis: Axis) -> None:
    getattr(area, f"set_{which}scale")("log" if axis.log else "linear")
    getattr(area, f"set_{which}lim")(axis.low, axis.high)
    texts = [t for _, t in axis.ticks]
    if which == "x" and axis.named and in_two_rows(texts, 46 / len(texts)):
        texts = [f"\n{t}" if i % 2 else t for i, t in enumerate(texts)]
    getattr(area, f"set_{which}ticks")([p for p, _ in axis.ticks], texts)
    getattr(area, f"set_{which}ticks")([], minor=True)
    getattr(area, f"set_{which}label")("\n".join(lines_of(axis.label, 56)))


def _mark(area: Any, mark: Mark, panel: Panel, size: int) -> None:
    """Draw one mark of a panel, texts in a size [pt]."""
    if isinstance(mark, Map):
        ends = {"extent": (*mark.x, *mark.y), "vmin": mark.scale.low, "vmax": mark.scale.high}
        area.imshow(mark.values, origin="lower", cmap=mark.scale.name, **ends)
    elif isinstance(mark, Ribbon):
        area.fill_between(mark.x, mark.low, mark.high, color=mark.colour, alpha=0.35, lw=0, label=mark.label)
    elif isinstance(mark, Line):
        style = {"color": mark.colour, "ls": "--" if mark.dashed else "-", "label": mark.label}
        if mark.steps:
            area.step(mark.x, mark.y, where="mid", **style)
        else:
            area.plot(mark.x, mark.y, marker="o" if mark.dots or len(mark.x) == 1 else None, ms=3, **style)
    elif isinstance(mark, DrawnBox):
        _box(area, mark, panel, size)
    elif isinstance(mark, Rule):
        _rule(area, mark, panel, size)
    elif isinstance(mark, Dot):
        fill = "none" if mark.ring else mark.colour
        area.plot(mark.x, mark.y, "o", ms=8 if mark.ring else 4, mfc=fill, mec=mark.colour, clip_on=False)


def _panel(area: Any, panel: Panel, *, small: bool) -> None:
    size = 7 if small else 8
    for mark in panel.marks:
        _mark(area, mark, panel, size)
    _axis(area, "x", panel.x)
    _axis(area, "y", panel.y)
    area.tick_params(labelsize=size)
    if panel.equal:
        area.set_aspect("equal")
    if panel.title:
        area.set_title("\n".join(lines_of(panel.title, 40 if small else 46)), fontsize=size + 1)
    if not any(isinstance(m, (DrawnBox, Map)) for m in panel.marks):
        area.grid(alpha=0.3)
    if panel.legend:
        from matplotlib.patches import Patch

        patches = [Patch(color=c, label=t) for t, c in panel.legend]
        area.legend(handles=patches, fontsize=6, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    elif sum(bool(mark.label) for mark in panel.marks if isinstance(mark, (Line, Ribbon))) > 1:
        area.legend(fontsize=7)


def _box(area: Any, mark: DrawnBox, panel: Panel, size: int) -> None:
    area.fill_between([mark.x0, mark.x1], mark.y0, mark.y1, color=mark.colour, lw=0)
    middle = 0.5 * (mark.y0 + mark.y1)
    if mark.bar:
        area.annotate(
            mark.text,
            (mark.end, middle),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=size,
            va="center",
            annotation_clip=False,
        )
    elif mark.text and panel.y.share(mark.y1) - panel.y.share(mark.y0) > 0.035:
        ink = ink_on(mark.colour)
        area.text(0.5 * (mark.x0 + mark.x1), middle, mark.text, ha="center", va="center", fontsize=size, color=ink)


def _rule(area: Any, mark: Rule, panel: Panel, size: int) -> None:
    common = {"textcoords": "offset points", "fontsize": size, "color": mark.colour}
    if mark.axis == "y":
        area.axhline(mark.value, color=mark.colour, ls=":")
        letter, line = 0.6 * size / 72, 1.1 * size / 72  # [inch]
        place = level_labels(panel, lambda text: len(text) * letter / FRAME, line / (FRAME * min(panel.ratio, 1.6)))[mark]
        area.annotate(mark.label, (place.x, place.y), xycoords="axes fraction", xytext=(0, 0), va="bottom", **common)
    else:
        area.axvline(mark.value, color=mark.colour, ls=":")
        where = {
            "xycoords": ("data", "axes fraction"),
            "xytext": (2 if mark.behind else -2, -2),
            "ha": "left" if mark.behind else "right",
            "va": "top",
        }
        area.annotate(mark.label, (mark.value, 1.0), **where, **common)
