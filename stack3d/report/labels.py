"""Where the labels of a panel stand free of its curves, its lines and each other; both pens ask here."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stack3d.layout import Floats
from stack3d.report.chart import Dot, Line, Panel, Rule

ANCHORS = (0.02, 0.98, 0.25, 0.5, 0.75, 0.12, 0.38, 0.62, 0.88)
"""Where a label of a level may begin or end, as a share of the width, the usual place first."""
SAMPLES = 40
"""Points of each piece of a curve that are kept clear."""
GAP = 0.01
"""Between a level and its label, as a share of the height."""


@dataclass(frozen=True)
class LabelPlace:
    """Lower left corner of a label, over width and height of the frame."""

    x: float
    y: float


def level_labels(panel: Panel, width: Callable[[str], float], height: float) -> dict[Rule, LabelPlace]:
    """Places of the labels of horizontal lines.

    Parameters
    ----------
    panel : Panel
    width : callable
        Text → its width over that of the frame.
    height : float
        Of a line of text, over that of the frame.
    """
    levels = [m for m in panel.marks if isinstance(m, Rule) and m.axis == "y"]
    x, y = _drawn(panel)
    places: dict[Rule, LabelPlace] = {}
    for level in levels:
        wide, at = width(level.label), panel.y.share(level.value)
        above, below = at + GAP, at - GAP - height
        near = [below, above] if level.below else [above, below]
        far = [above + height, below - height]  # two lines of text away, where a curve runs along the level
        lefts = [min(max(anchor - (wide if anchor > 0.5 else 0.0), 0.01), 0.99 - wide) for anchor in ANCHORS]
        options = [LabelPlace(left, bottom) for bottom in near + far for left in lefts]
        taken = list(places.items())

        def cost(
            place: LabelPlace, wide: float = wide, level: Rule = level, taken: Sequence[tuple[Rule, LabelPlace]] = taken
        ) -> float:
            right, top = place.x + wide, place.y + height
            crossed = np.count_nonzero((x > place.x) & (x < right) & (y > place.y) & (y < top))
            lines = sum(place.y < panel.y.share(other.value) < top for other in levels if other is not level)
            texts = sum(
                p.x < right and place.x < p.x + width(r.label) and p.y < top and place.y < p.y + height for r, p in taken
            )
            outside = place.y < 0 or top > 1
            return float(crossed + 1000 * (lines + texts + outside))

        places[level] = min(options, key=cost)
    return places


def _drawn(panel: Panel) -> tuple[Floats, Floats]:
    """Points of all curves and dots of a panel, over width and height of the frame."""
    x, y = [np.zeros(0)], [np.zeros(0)]
    for mark in panel.marks:
        if isinstance(mark, Line) and len(mark.x) > 1:
            share = [
                np.array([axis.share(float(v)) if np.isfinite(v) and (v > 0 or not axis.log) else np.nan for v in values])
                for axis, values in ((panel.x, mark.x), (panel.y, mark.y))
            ]
            at = np.linspace(0, len(mark.x) - 1, SAMPLES * (len(mark.x) - 1) + 1)
            for out, values in zip((x, y), share):
                out.append(np.interp(at, np.arange(len(values)), values))
        elif isinstance(mark, Dot):
            x.append(np.array([panel.x.share(mark.x)]))
            y.append(np.array([panel.y.share(mark.y)]))
    return np.concatenate(x), np.concatenate(y)


def lines_of(title: str, most: int) -> list[str]:
    """A title in lines of at most so many letters."""
    return textwrap.wrap(title, max(most, 12)) or [""]


def in_two_rows(texts: Sequence[str], room: float) -> bool:
    """Whether names side by side need two rows: one of them is wider than `room` letters."""
    return max((len(text) for text in texts), default=0) > room
