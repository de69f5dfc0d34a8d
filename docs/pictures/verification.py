"""Draw the figures of the theory pages: errors of heat over the size of elements, bakes of cells, currents of arrays with lines.

``python docs/pictures/verification.py`` renews convergence.svg, bakes.svg and crossbar_lines.svg and prints the tables of the manual; a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import stack3d
from stack3d.constants import BOLTZMANN, ZERO_CELSIUS
from stack3d.devices.fits import bake_residuals, bakes
from stack3d.devices.validation import HFALO, HFOX
from stack3d.layout import HeatSource, Rectangle
from stack3d.mvm import solve_crossbar
from stack3d.report import pen
from stack3d.report.chart import COLOURS, Dot, Figure, Line, Panel, decades, linear
from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.places import Probe
from stack3d.thermal.problem import Face

ARRAYS = Path(__file__).resolve().parents[2] / "tests" / "reference" / "cim" / "crossbar"
OTHER = {"heat_capacity": "2e6 J/m^3/K", "assumed": "an example"}
DECK = {
    "geometry": {
        "footprint": ["8 mm", "8 mm"],
        "layers": [
            {"name": "die", "thickness": "0.3 mm", "material": {"conductivity": "120 W/m/K", **OTHER}},
            {"name": "tim", "thickness": "50 um", "material": {"conductivity": "4 W/m/K", **OTHER}},
            {"name": "lid", "thickness": "1 mm", "material": {"conductivity": "398 W/m/K", **OTHER}},
        ],
    },
    "power": {"sources": [{"name": "core", "layer": "die", "x": ["2 mm", "4 mm"], "y": ["2 mm", "4 mm"], "power": "10 W"}]},
    "cooling": {"top": {"film_coefficient": "1e4 W/m^2/K", "assumed": "an example"}, "ambient": "25 degC"},
    "probes": [{"name": "core", "layer": "die", "x": "3 mm", "y": "3 mm"}],
}
KINDS = {
    "bricks": ("hex", 1, (8, 16, 32, 64)),
    "tetrahedra, order 1": ("tet", 1, (8, 16, 32)),
    "tetrahedra, order 2": ("tet", 2, (8, 16)),
}
"""Elements across the footprint; through each layer stand an eighth as many."""


def convergence(folder: Path) -> None:
    """Error of a probe over the size of elements, and what the program states of it."""
    from ruamel.yaml import YAML

    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "spot.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML().dump({"scenario": "spot", **DECK, "solver": "study"}, file)
        _save(folder / "convergence.svg", "Error over the size of elements", spot_panel(stack3d.load(path)))


def spot_panel(spot: stack3d.api.LoadedScenario) -> Panel:
    """Errors of the probe on meshes of several kinds, against the cosine series."""
    source = HeatSource("core", "die", Rectangle(2e-3, 4e-3, 2e-3, 4e-3), 10.0)
    series = CosineSeries(spot.stack, [source], Face(1e4, 25 + ZERO_CELSIUS), modes=2048)
    exact = float(series.steady([Probe("die", 3e-3, 3e-3)]).temperature[0])
    print(
        f"exact {exact - ZERO_CELSIUS:.5f} degC\n| elements | across | error of the probe [mK] | stated [mK] |\n|---|---|---|---|"
    )
    marks: list[Any] = []
    for (name, (cells, order, numbers)), colour in zip(KINDS.items(), COLOURS):
        found, told = [], []
        for n in numbers:
            mesh = {"cells": cells, "lateral": n, "per_layer": max(n // 8, 1), "aspect": 1000}
            solver = {
                "backend": "tensor" if cells == "hex" else "fem",
                "mesh": mesh,
                "order": order,
                "linear": {"tolerance": 1e-10},
                "error_promise": 0.5,
            }
            thermal = spot.with_overrides({"solver": solver}).run()["thermal"]
            found.append(abs(float(thermal["probe_temperature"].squeeze()) - exact))
            told.append(float(thermal["probe_temperature_error"].squeeze()))
            print(f"| {name} | {n} | {1e3 * found[-1]:.3g} | {1e3 * told[-1]:.3g} |")
        size = 8.0 / np.array(numbers)
        marks += [
            Line(name, size, np.array(found), colour, dots=True),
            Line(f"{name}, stated", size, np.array(told), colour, dashed=True),
        ]
    return Panel(
        "a core of 2 x 2 mm on a die",
        decades("element [mm]", 0.1, 1.0),
        decades("error of the probe [K]", 2e-2, 8.0),
        tuple(marks),
        height=0.8,
    )


def bake_plot(folder: Path) -> None:
    """Published bakes of two filamentary oxides beside the law with its published numbers."""
    panels = []
    print("| cells | bake | readings | rms of ln ln R/R_0 |\n|---|---|---|---|")
    for material, numbers in (("HfOx", HFOX), ("HfAlO", HFALO)):
        log_attempt, energy, shape = numbers
        marks: list[Any] = []
        for bake, colour in zip(bakes(material), COLOURS):
            celsius = bake.temperature - ZERO_CELSIUS
            tau = np.exp(log_attempt + energy / (BOLTZMANN * bake.temperature))
            times = np.geomspace(bake.time.min() / 2, bake.time.max() * 2, 60)
            marks.append(Line(f"{celsius:.0f} °C", times, np.exp((times / tau) ** shape), colour))
            marks += [Dot(float(t), float(r), "", f"{celsius:.0f} °C", colour) for t, r in zip(bake.time, bake.ratio)]
            miss = np.sqrt(np.mean(bake_residuals([bake], *numbers) ** 2))
            print(f"| {material} | {celsius:.0f} degC | {bake.time.size} | {miss:.2f} |")
        panels.append(
            Panel(
                material,
                decades("time [s]", 1e2, 2e6),
                decades("resistance over the first", 1.0, 1e4),
                tuple(marks),
                height=0.8,
            )
        )
    _save(folder / "bakes.svg", "Bakes of filamentary cells: readings and the law", *panels)


def lines_of_arrays(folder: Path) -> None:
    """Currents of arrays of 16 x 16 cells with lines, by another program and here."""
    marks: list[Any] = []
    print("| array | largest current kept | largest difference over the largest current |\n|---|---|---|")
    for (name, told), colour in zip(
        {"sq16_r1": "1 Ω a cell", "sq16_r5_lowR": "5 Ω, small cells", "sq16_r50_extreme": "50 Ω"}.items(), COLOURS
    ):
        data = np.load(ARRAYS / f"{name}.npz")
        ours = solve_crossbar(
            data["resistances"], data["applied_voltages"], float(data["r_word_line"]), float(data["r_bit_line"])
        ).output_currents
        theirs, ideal = data["output_currents"][0], data["ideal_currents"][0]
        column = np.arange(1, theirs.size + 1)
        marks.append(Line(told, column, ours[0] / ideal, colour))
        marks += [Dot(float(c), float(r), "", told, colour, ring=True) for c, r in zip(column, theirs / ideal)]
        print(f"| {told} | {(theirs / ideal).max():.3f} | {np.abs(ours[0] - theirs).max() / np.abs(theirs).max():.1e} |")
    panel = Panel(
        "lines: here; rings: badcrossbar 1.1",
        linear("column", 1, 16, whole=True),
        linear("current over that without lines", 0.0, 1.0),
        tuple(marks),
        height=0.8,
    )
    _save(folder / "crossbar_lines.svg", "What lines take from the currents of an array", panel)


def _save(path: Path, title: str, *panels: Panel) -> None:
    import matplotlib as mpl

    mpl.rcParams["svg.hashsalt"] = path.stem
    mpl.rcParams["svg.fonttype"] = "none"
    pen.draw(Figure(path.stem, title, title, panels)).savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    here = Path(__file__).parent
    for draw in (convergence, bake_plot, lines_of_arrays):
        if not sys.argv[1:] or draw.__name__ in sys.argv[1:]:
            draw(here)
