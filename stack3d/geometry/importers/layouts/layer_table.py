"""Which drawn layers lie over each other, how thick they are and what they are of: a CSV file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack3d import yamlfile
from stack3d.errors import few
from stack3d.floorplans import number, rows_of
from stack3d.geometry.importers.user_files import mistake
from stack3d.yamlfile import FileLine

COLUMNS = ("name", "layer", "thickness [um]", "fill", "host", "sideways")
"""Of the table, from the bottom up; the first three must be there. A row without a layer is of its host alone."""
SIDEWAYS = ("islands", "mixed", "planes", "lines_x", "lines_y")
MOST_ROWS = 256
FILL, HOST = "copper", "silicon_dioxide"
"""Of drawn layers, where the table names none."""


@dataclass(frozen=True)
class LayoutLayer:
    """A layer from the bottom up.

    Parameters
    ----------
    name : str
    drawn : tuple of str
        Layers of the layout, as ``68/20`` or by name, that together are the fill; none = all of it is the host.
    thickness : float or None
        None where LEF has to say it. [m]
    fill, host : str
        Names of materials, empty where the table names none.
    sideways : str
        Empty where nothing says it.
    place : FileLine
    """

    name: str
    drawn: tuple[str, ...]
    thickness: float | None
    fill: str
    host: str
    sideways: str
    place: FileLine


def read_table(path: Path) -> list[LayoutLayer]:
    """Layers of a table, from the bottom up; raises DeckError with file and line."""
    rows = rows_of(path)
    line, head = next(rows, (1, []))
    titles, place = [title.strip() for title in head], (yamlfile.shown(path), line)
    if said := yamlfile.other_separator(head):
        raise mistake(place, "", said)
    wrong = [t for t in titles if t not in COLUMNS or titles.count(t) > 1] + [t for t in COLUMNS[:3] if t not in titles]
    if wrong:
        told = f"columns are {', '.join(COLUMNS)}, each once; the last three may be missing"
        message = f"{told}; wrong or missing: {few(wrong[0])}"
        raise mistake(place, "", message)
    found: list[LayoutLayer] = []
    for at, row in rows:
        if len(found) >= MOST_ROWS:
            raise mistake((yamlfile.shown(path), at), "", f"has more than {MOST_ROWS} rows, the most that is read")
        if len(row) != len(titles):
            said = f"wants {len(titles)} values, got {len(row)}{yamlfile.decimal_comma(row, len(titles))}"
            raise mistake((yamlfile.shown(path), at), "", said)
        found.append(_layer(dict(zip(titles, (cell.strip() for cell in row))), path, at))
    if not found:
        raise mistake(place, "", "holds no layer")
    return found


def _layer(cells: dict[str, str], path: Path, line: int) -> LayoutLayer:
    """One row; raises DeckError."""
    place, thickness = (yamlfile.shown(path), line), None
    name, drawn = cells["name"], tuple(cells["layer"].split())
    if not name:
        raise mistake(place, "name", "is empty")
    if cells["thickness [um]"]:
        thickness = 1e-6 * number(cells["thickness [um]"], path, line, "thickness")
        if not thickness > 0:
            raise mistake(place, "thickness", f"wants more than 0, got {few(cells['thickness [um]'])}")
    elif not drawn:
        raise mistake(place, "thickness", "is empty, and no layer is named whose thickness LEF could say")
    sideways = cells.get("sideways", "")
    if sideways not in ("", *SIDEWAYS):
        raise mistake(place, "sideways", f"wants {', '.join(SIDEWAYS)}, got {few(sideways)}")
    return LayoutLayer(name, drawn, thickness, cells.get("fill", ""), cells.get("host", ""), sideways, place)


def missing_thickness(layers: Sequence[LayoutLayer]) -> Iterator[str]:
    """Names of layers whose thickness nothing says."""
    return (layer.name for layer in layers if layer.thickness is None)
