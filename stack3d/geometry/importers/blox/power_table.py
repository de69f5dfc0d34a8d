"""Powers and materials of chiplets from a CSV file, which 3Dblox itself does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack3d import yamlfile
from stack3d.errors import did_you_mean, few
from stack3d.floorplans import number, rows_of
from stack3d.geometry.importers.blox.chiplets import PlacedChiplet
from stack3d.geometry.importers.scenario_text import check_material
from stack3d.geometry.importers.user_files import mistake
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine

COLUMNS = ("chiplet", "name", "x [um]", "y [um]", "width [um]", "height [um]", "power [W]", "material")
"""All but the first may be missing, or empty in a row."""
PLACE = COLUMNS[2:6]
MOST_ROWS = 20_000
ROUNDING = 1e-9
"""By which a region may reach over its chiplet. [m]"""


@dataclass(frozen=True)
class ChipletHeat:
    """Power of a chiplet, or of a region of its design area. [W], [m]"""

    name: str
    power: float
    box: Rectangle | None
    place: FileLine


@dataclass(frozen=True)
class ToldOfChiplet:
    """What the table says of one chiplet: where it heats, and the name of its material, empty where none is given."""

    heats: tuple[ChipletHeat, ...]
    material: str = ""


def read_powers(path: Path, placed: Sequence[PlacedChiplet]) -> dict[str, ToldOfChiplet]:
    """Powers and materials by chiplet; raises DeckError with file and line."""
    chips = {chip.name: chip for chip in placed}
    rows = rows_of(path)
    line, head = next(rows, (1, []))
    titles = _titles(head, (yamlfile.shown(path), line))
    heats: dict[str, list[ChipletHeat]] = {}
    materials: dict[str, str] = {}
    for count, (at, row) in enumerate(rows):
        if count >= MOST_ROWS:
            raise mistake((yamlfile.shown(path), at), "", f"has more than {MOST_ROWS} rows, the most that is read")
        cells = _cells(titles, row, (yamlfile.shown(path), at))
        chip = _named(cells["chiplet"], chips, (yamlfile.shown(path), at))
        if cells.get("material"):
            if cells["material"] not in materials.values():
                check_material(cells["material"], (yamlfile.shown(path), at), "material")
            materials[chip.name] = cells["material"]
        if cells.get("power [W]"):
            heats.setdefault(chip.name, []).append(_heat(chip, cells, path, at))
    return {name: ToldOfChiplet(tuple(heats.get(name, ())), materials.get(name, "")) for name in chips}


def _titles(head: Sequence[str], place: FileLine) -> list[str]:
    """Titles of the columns; raises DeckError for unknown and repeated ones, and where chiplet is missing."""
    titles = [title.strip() for title in head]
    if said := yamlfile.other_separator(head):
        raise mistake(place, "", said)
    wrong = [t for t in titles if t not in COLUMNS] or [t for t in titles if titles.count(t) > 1]
    if wrong or "chiplet" not in titles:
        what = few(wrong[0]) if wrong else "no chiplet"
        raise mistake(
            place, "", f"columns are {', '.join(COLUMNS)}, each at most once; all but chiplet may be missing; got {what}"
        )
    return titles


def _cells(titles: Sequence[str], row: Sequence[str], place: FileLine) -> dict[str, str]:
    """Values of a row by title; raises DeckError."""
    if len(row) != len(titles):
        raise mistake(place, "", f"wants {len(titles)} values, got {len(row)}{yamlfile.decimal_comma(row, len(titles))}")
    return dict(zip(titles, (cell.strip() for cell in row)))


def _named(name: str, chips: Mapping[str, PlacedChiplet], place: FileLine) -> PlacedChiplet:
    """The chiplet of a name; raises DeckError."""
    if name not in chips:
        there = ", ".join(map(few, chips))
        raise mistake(place, "chiplet", f"no such ChipletInst {few(name)}{did_you_mean(name, chips)}; there are {there}")
    return chips[name]


def _heat(chip: PlacedChiplet, cells: Mapping[str, str], path: Path, line: int) -> ChipletHeat:
    """One row with a power; raises DeckError.

    Parameters
    ----------
    chip : PlacedChiplet
    cells : mapping
        By title.
    path : Path
    line : int
    """
    place = (yamlfile.shown(path), line)
    power = number(cells["power [W]"], path, line, "power")
    if power < 0:
        raise mistake(place, "power", f"wants 0 or more, got {power:g}")
    name, given = cells.get("name") or chip.name, [key for key in PLACE if cells.get(key)]
    if not given:
        return ChipletHeat(name, power, None, place)
    if len(given) < len(PLACE):
        raise mistake(place, name, f"wants {', '.join(PLACE)}, or none of them; got only {', '.join(given)}")
    x, y, width, height = (1e-6 * number(cells[key], path, line, key) for key in PLACE)
    core = chip.chiplet.core
    room = Rectangle(0.0, core.x1 - core.x0, 0.0, core.y1 - core.y0)
    box = Rectangle(x, x + width, y, y + height)
    if not (width > 0 and height > 0):
        raise mistake(place, name, f"wants a positive width and height, got {width * 1e6:g} and {height * 1e6:g} um")
    if min(x, y) < -ROUNDING or box.x1 > room.x1 + ROUNDING or box.y1 > room.y1 + ROUNDING:
        text = f"reaches outside the design area of {few(chip.name)}, {room.x1 * 1e6:g} x {room.y1 * 1e6:g} um"
        raise mistake(place, name, text)
    return ChipletHeat(name, power, box, place)
