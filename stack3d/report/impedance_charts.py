"""Figure of thermal impedance: heating curves, and what the heat meets on its way (structure function)."""

from __future__ import annotations

import numpy as np

from stack3d.report.chart import COLOURS, Figure, Line, Panel, decades, linear
from stack3d.report.facts import Facts

MOST_CURVES = 8
"""Sources with a curve of their own, those with the largest resistance first."""


def impedance(facts: Facts) -> Figure:
    """Heating curve of each source, and its structure function."""
    step, names = facts.get("impedance/impedance"), [str(name) for name in facts.get("impedance/resistance")["source"].values]
    times = np.asarray(step["heating_time"].values)
    own = np.array([step.values[i, i] for i in range(len(names))])
    chosen = np.argsort(-own[:, -1], kind="stable")[:MOST_CURVES]
    curves, structures = [], []
    for rank, i in enumerate(chosen):
        colour = COLOURS[rank % len(COLOURS)]
        curves.append(Line(names[i], times, own[i], colour))
        parts = (np.asarray(facts.get(f"impedance/structure_{part}").values[i]) for part in ("resistance", "capacitance"))
        resistance, capacitance = (part[np.isfinite(part)] for part in parts)
        structures.append(Line(names[i], resistance, capacitance, colour))
    x = decades("time after 1 W was switched on", float(times[0]), float(times[-1]), unit="s", prefixed=True)
    y = decades("rise of the source's own mean [K/W]", float(own[chosen].min()), float(own[chosen].max()), unit="K/W")
    along = linear("resistance from the source [K/W]", 0.0, max(float(line.x[-1]) for line in structures), unit="K/W")
    stored = np.concatenate([line.y for line in structures])
    behind = decades("heat capacity on the way [J/K]", float(stored.min()), float(stored.max()), unit="J/K")
    more = f" The {MOST_CURVES} of {len(names)} with the largest resistance." if len(names) > MOST_CURVES else ""
    return Figure(
        "impedance",
        "Heating curves",
        "Left: each source switched on alone, at the films and conductivities of the steady state. Right: its structure"
        " function, the heat capacity met along the resistance to ambient, from the ladder of all modes of the source;"
        f" steep parts are bodies of metal and silicon, flat ones interfaces and films.{more}",
        (Panel("heating", x, y, tuple(curves)), Panel("structure function", along, behind, tuple(structures))),
    )
