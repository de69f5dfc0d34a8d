"""The deck of a die from its layout: layers of metal by the share that they cover in each cell, powers by region."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from stack3d import yamlfile
from stack3d.decks import region_tables
from stack3d.errors import few
from stack3d.floorplans import MOST_UNITS
from stack3d.geometry.importers.layouts.drawing import DrawnLayout
from stack3d.geometry.importers.layouts.layer_table import (
    COLUMNS,
    FILL,
    HOST,
    LayoutLayer,
    missing_thickness,
    read_table,
)
from stack3d.geometry.importers.layouts.lef import read_lef, refuse_unknown
from stack3d.geometry.importers.parts import Element, box, deck_name, length, new_name, size
from stack3d.geometry.importers.scenario_text import MOST_PROBES, Imported, check_material
from stack3d.geometry.importers.user_files import ending, mistake, place_of
from stack3d.layout import Floats, Rectangle

CELLS = 32
"""Across the longer side, where no size is asked for."""
BULK, ACTIVE = 90e-6, 10e-6
"""Thickness of the silicon under the lowest drawn layer, where the table has none, and of the part of it that heats. [m]"""
ROUNDED = 5e-4
"""Share of a length that the four digits of a table of regions leave unknown."""


def read(path: Path, others: Sequence[Path], name: str, cell: float | None = None) -> Imported:
    """Scenario of one layout.

    Parameters
    ----------
    path : Path
        GDS, OASIS or DEF.
    others : sequence of Path
        LEF beside a DEF file; tables (``.csv``) of layers and of powers by region.
    name : str
    cell : float, optional
        Size of the cells of the densities; absent = `CELLS` across the longer side. [m]

    Raises
    ------
    DeckError
        With file and line.
    """
    lef = [file for file in others if ending(file) == ".lef"]
    tables = [file for file in others if ending(file) == ".csv"]
    powers = [file for file in tables if region_tables.is_region_table(file)]
    layers = [file for file in tables if file not in powers]
    for what, of in (("layers", layers), ("powers", powers)):
        if len(of) > 1:
            raise mistake(place_of(of[1]), "", f"is a second table of {what}; one is enough")
    if bool(lef) != (ending(path) == ".def"):
        raise mistake(place_of(path), "", "wants its .lef files" if not lef else "goes without .lef")
    return _MetalStack(path, lef, layers, cell).finished(name, powers[0] if powers else None)


class _MetalStack:
    """The deck as it is filled, from the lowest layer up."""

    def __init__(self, path: Path, lef: Sequence[Path], tables: Sequence[Path], cell: float | None) -> None:
        technology = read_lef(lef)
        self.drawing = DrawnLayout(path, lef)
        if lef:
            refuse_unknown(self.drawing.layers, technology.known, [path, *lef])
        self.path, self.notes = path, list(self.drawing.notes)
        self.whole = self.drawing.extent
        self.blocks = self.drawing.blocks(technology.blocks)
        self.tables: dict[str, str] = {}
        self.counts = self._counts(cell)
        if not tables and not technology.layers:
            there = ", ".join(map(few, self.drawing.layers[:20])) or "none"
            message = f"says no thicknesses; give a table (.csv) with the columns {', '.join(COLUMNS)}; it draws {there}"
            raise mistake(place_of(path), "layers", message)
        listed = read_table(tables[0]) if tables else technology.layers
        told = technology
        self.layers = [self._with_thickness(layer, told.thickness(layer.drawn), told.names) for layer in listed]
        self.untold: list[str] = []
        """Layers with fill and host side by side of which nothing says how they conduct sideways."""

    def _counts(self, cell: float | None) -> tuple[int, int]:
        """Cells along x and y; raises DeckError for too many."""
        sides = self.whole.x1 - self.whole.x0, self.whole.y1 - self.whole.y0
        step = max(sides) / CELLS if cell is None else cell
        nx, ny = (max(1, math.ceil(min(side / step, 1e9) - 1e-6)) for side in sides)
        if nx * ny > MOST_UNITS:
            message = f"{step * 1e6:g} um makes {nx} x {ny} cells a layer, at most {MOST_UNITS}"
            raise mistake(place_of(self.path), "cell", message)
        return nx, ny

    def _with_thickness(self, layer: LayoutLayer, of_lef: float | None, known: Collection[str]) -> LayoutLayer:
        """A layer with a thickness; raises DeckError where nothing says it, and for layers neither drawn nor known to LEF."""
        self.drawing.check(layer.drawn, known, layer.place)
        found = LayoutLayer(**{**vars(layer), "thickness": of_lef if layer.thickness is None else layer.thickness})
        if list(missing_thickness([found])):
            wanted = f"give it in a table (.csv) with the columns {', '.join(COLUMNS)}"
            raise mistake(layer.place, few(layer.name), f"nothing says its thickness; {wanted}")
        return found

    def finished(self, name: str, powers: Path | None) -> Imported:
        """The scenario, and what was assumed."""
        stem, taken = deck_name(name), set[str]()
        layers, heated = self._under(taken)
        lowest = next((n for n, layer in enumerate(self.layers) if layer.drawn), len(self.layers))
        for n, layer in enumerate(self.layers):
            called = new_name(layer.name, taken)
            layers.append(yamlfile.wrapped(self._entry(layer, called, stem), layer.place))
            heated = called if n < lowest else heated
        sources = self._sources(heated, powers)
        geometry = {"footprint": size(self.whole), "layers": layers, "source": f"layout, {self.path.name}"}
        tree = {
            "scenario": stem,
            "title": f"{self.path.name}, imported from a layout",
            "geometry": geometry,
            "power": {"sources": sources},
            "cooling": {"top": "cold_plate", "ambient": "300 K", "assumed": "a layout holds no cooling"},
            "probes": self._probes(heated),
            "solver": "standard",
        }
        self._tell(heated)
        return Imported(yamlfile.wrapped(tree, place_of(self.path)), tuple(dict.fromkeys(self.notes)), self.tables)

    def _under(self, taken: set[str]) -> tuple[list[Any], str]:
        """Silicon under the lowest drawn layer, where the table begins with that, and the layer that heats."""
        if not self.layers[0].drawn:
            return [], ""
        said = "a layout says nothing of the silicon under its metal"
        out = []
        for name, thickness in (("bulk", BULK), ("active", ACTIVE)):
            entry = {"name": new_name(name, taken), "thickness": length(thickness), "material": "silicon", "assumed": said}
            out.append(yamlfile.wrapped(entry, place_of(self.path)))
        self.notes.append("Under the lowest drawn layer lie 100 um of silicon, the upper 10 um of which heat (assumed).")
        return out, "active"

    def _entry(self, layer: LayoutLayer, name: str, stem: str) -> dict[str, Any]:
        """Keys of a layer: one material, or a pattern with the shares of its cells."""
        for key, material in (("fill", layer.fill), ("host", layer.host)):
            if material:
                check_material(material, layer.place, key)
        thickness, host = layer.thickness or 0.0, layer.host or (HOST if layer.drawn else "silicon")
        said = {} if layer.host else {"assumed": f"{host}, for the table of layers names no host"}
        entry: dict[str, Any] = {"name": name, "thickness": length(thickness)}
        if not layer.drawn:
            return entry | {"material": host, **said}
        return entry | {"material": {"pattern": self._pattern(layer, name, stem)}, **said}

    def _pattern(self, layer: LayoutLayer, name: str, stem: str) -> dict[str, Any]:
        """Host and fill of a drawn layer, with the share of each cell."""
        shares = self.drawing.shares(layer.drawn, self.counts)
        pattern: dict[str, Any] = {"host": layer.host or HOST, "fill": layer.fill or FILL}
        rows = _rows(shares)
        if len({value for row in rows for value in row}) == 1:
            pattern["share"] = float(rows[0][0])
        else:
            file = f"{stem}_{name}.csv"
            self.tables[file] = "".join(f"{','.join(row)}\n" for row in rows)
            pattern["map"] = file
        if layer.sideways not in ("", "mixed"):
            pattern["sideways"] = layer.sideways
        if not layer.sideways and ((shares > 0) & (shares < 1)).any():
            self.untold.append(name)
        self.notes.append(f"{name}: {' and '.join(layer.drawn)} cover {100 * shares.mean():.3g} % of the die, "
                          f"{100 * shares.min():.3g} to {100 * shares.max():.3g} % of a cell.")  # fmt: skip
        return pattern

    def _sources(self, layer: str, powers: Path | None) -> list[Any]:
        """Regions with their power; without a table blocks, or the die, with none; raises DeckError."""
        taken, out = set[str](), []
        if powers is not None:
            return self._regions(layer, powers)
        for element in self.blocks or [Element("die", place_of(self.path), (self.whole,))]:
            entry = {"name": new_name(element.name, taken), "layer": layer, **box(self._inside(element.largest), self.whole)}
            out.append(yamlfile.wrapped({**entry, "power": "0 W"}, element.place))
        self.notes.append("A layout holds no powers: 0 W; give a table of regions (.csv), or set power.sources.")
        return out

    def _regions(self, layer: str, powers: Path) -> list[Any]:
        """Sources of a table; raises DeckError for regions outside the die."""
        out = []
        slack = ROUNDED * max(map(abs, vars(self.whole).values()))
        for n, (extent, watts, place) in enumerate(region_tables.read(powers)):
            inside = self._inside(extent)
            if not self.whole.contains(extent, slack=slack) or inside.x1 <= inside.x0 or inside.y1 <= inside.y0:
                message = f"reaches outside the die, {_told(self.whole)} of {self.path.name}"
                raise mistake(place, f"region {n + 1}", message)
            entry = {"name": f"region_{n + 1}", "layer": layer, **box(inside, self.whole), "power": f"{watts:.12g} W"}
            out.append(yamlfile.wrapped(entry, place))
        return out

    def _inside(self, extent: Rectangle) -> Rectangle:
        """What of a rectangle lies in the die. [m]"""
        die = self.whole
        return Rectangle(max(extent.x0, die.x0), min(extent.x1, die.x1), max(extent.y0, die.y0), min(extent.y1, die.y1))

    def _probes(self, layer: str) -> list[Any]:
        """One in the middle of each block, or of the die."""
        if len(self.blocks) > MOST_PROBES:
            self.notes.append(f"{len(self.blocks)} blocks are too many for a probe in each.")
        placed = self.blocks if 0 < len(self.blocks) <= MOST_PROBES else [Element("die", place_of(self.path), (self.whole,))]
        taken, out = set[str](), []
        for element in placed:
            x, y = self._inside(element.largest).centre
            at = {"x": length(x - self.whole.x0), "y": length(y - self.whole.y0)}
            out.append(yamlfile.wrapped({"name": new_name(element.name, taken), "layer": layer, **at}, element.place))
        return out

    def _tell(self, heated: str) -> None:
        nx, ny = self.counts
        sides = (self.whole.x1 - self.whole.x0) / nx, (self.whole.y1 - self.whole.y0) / ny
        self.notes.append(f"Densities count in {nx} x {ny} cells of {sides[0] * 1e6:.4g} x {sides[1] * 1e6:.4g} um (--cell).")
        if left := self.drawing.left_out({name for layer in self.layers for name in layer.drawn}):
            named = ", ".join(map(few, left[:20])) + (f" and {len(left) - 20} more" if len(left) > 20 else "")
            self.notes.append(f"Drawn, but not taken, for no layer of the table names it: {named}.")
        self.notes.append(f"Heat arises in {heated}, the layer under the lowest drawn one.")
        if any(layer.drawn and not layer.fill for layer in self.layers):
            self.notes.append(f"What is drawn is {FILL} where the table names no fill (assumed).")
        if self.untold:
            named = ", ".join(self.untold)
            self.notes.append(f"Sideways {named}: as without a direction (mixed, assumed); see sideways of the table.")
        self.notes.append("A layout holds no cooling: cold_plate on the top face, 300 K around (assumed); set cooling.")


def _rows(shares: Floats) -> list[list[str]]:
    """Shares to a millionth, as a map has them."""
    return [[f"{round(value, 6):g}" for value in row] for row in shares.tolist()]


def _told(extent: Rectangle) -> str:
    """A rectangle of a layout in words."""
    return f"x {extent.x0 * 1e6:g} to {extent.x1 * 1e6:g}, y {extent.y0 * 1e6:g} to {extent.y1 * 1e6:g} um"
