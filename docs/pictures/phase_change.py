"""Draw phase_change.svg: phase-change cells over ten years at five temperatures, and where crystallisation overtakes drift.

``python docs/pictures/phase_change.py`` renews the picture and prints the table of the manual.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.devices import DeviceModel, build_device, load_device
from stack3d.report import pen
from stack3d.report.chart import COLOURS, Figure, Line, Panel, Rule, linear, times

CELSIUS = (25, 85, 110, 125, 145)
YEAR = 365.25 * 86400
LEVEL = 0.1
"""Of g_max; written without error, so that nothing but time moves the cells."""
CELLS = 2000


def device(band: str = "default") -> DeviceModel:
    """Cells of the packaged deck, at one end of the band of the crystallisation's anchor."""
    bands: Any = {"crystallisation.anchor.temperature": band}
    return build_device(load_device("pcm_gst"), bands).without("programming", "faults")


def change(cells: DeviceModel, celsius: float, ages: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean change at `ages` [s], kept at `celsius`. [g_max]"""
    target = np.full(CELLS, LEVEL * cells.device.g_max)
    state, now, found = cells.program(target, np.random.default_rng(0)), 0.0, []
    for age in ages:
        state, now = cells.advance(state, float(age) - now, celsius + 273.15), float(age)
        found.append(float((cells.conductance(state) - target).mean()) / cells.device.g_max)
    return np.array(found)


def overtaking(cells: DeviceModel, low: float = 60.0, high: float = 140.0) -> float:
    """Temperature [degC] at which ten years of drift and of crystallisation take the mean back to where it began."""
    while high - low > 0.05:
        middle = 0.5 * (low + high)
        risen = change(cells, middle, np.array([10 * YEAR]))[0] > 0
        low, high = (low, middle) if risen else (middle, high)
    return 0.5 * (low + high)


def main(folder: Path) -> dict[str, float]:
    """Write the picture into `folder`, print the table, return the overtaking temperatures by band."""
    import matplotlib as mpl

    mpl.rcParams["svg.hashsalt"] = "phase_change"
    both = device()
    still, dry = both.without("retention"), both.without("crystallisation")
    ages = np.geomspace(60.0, 10 * YEAR, 60)
    marks = []
    print("| degC | both | drift alone | crystallisation alone |\n|---|---|---|---|")
    for celsius, colour in zip(CELSIUS, COLOURS):
        curves = [change(cells, celsius, ages) for cells in (both, still)]
        marks += [
            Line(f"{celsius} °C", ages, curves[0], colour),
            Line(f"{celsius} °C, no drift", ages, curves[1], colour, dashed=True),
        ]
        alone = change(dry, celsius, ages[-1:])[0]
        print(f"| {celsius} | {curves[0][-1]:+.3f} | {alone:+.3f} | {curves[1][-1]:+.3f} |")
    y = linear("mean change [g_max]", -0.08, 0.95)
    over_time = Panel("over time", times("age", ages[0], ages[-1]), y, tuple(marks))
    found = {band: overtaking(device(band)) for band in ("low", "default", "high")}
    celsius_axis = np.arange(25.0, 146.0, 5.0)
    ends = [np.array([change(cells, float(c), ages[-1:])[0] for c in celsius_axis]) for cells in (both, still, dry)]
    names = ("both", "no drift", "no crystallisation")
    lines = [Line(n, celsius_axis, e, c, dashed=n != "both") for n, e, c in zip(names, ends, COLOURS)]
    rule = Rule("x", found["default"], f"{found['default']:.0f} °C")
    after = Panel("after ten years", linear("temperature [°C]", 25.0, 145.0), y, (*lines, rule))
    drawn = pen.draw(Figure("phase_change", "Phase-change cells", "Ten years.", (over_time, after)))
    drawn.savefig(folder / "phase_change.svg", metadata={"Date": None})
    print("overtaken at " + ", ".join(f"{v:.1f} degC ({k})" for k, v in found.items()))
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # every hot year leaves what was measured, and says so
    main(Path(__file__).parent)
