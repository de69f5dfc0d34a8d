"""Which drawn layers lie over each other, how thick they are and what they are of: a CSV file, or what LEF says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack3d import yamlfile
from stack3d.errors import few
from stack3d.floorplans import number, rows_of
from stack3d.geometry.importers.user_files import mistake, place_of, read_lines
from stack3d.yamlfile import FileLine

COLUMNS = ("name", "layer", "thickness [um]", "fill", "host", "sideways")
"""Of the table, from the bottom up; the first three must be there. A row without a layer is of its host alone."""
SIDEWAYS = ("islands", "mixed", "planes", "lines_x", "lines_y")
MOST_ROWS = 256
OPENS = ("LAYER", "MACRO", "NONDEFAULTRULE")
"""What begins a section of LEF that ends with its name; ``LAYER M1;`` within a via begins none."""
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


@dataclass
class LefTechnology:
    """What LEF files say of layers, from the bottom up, and of macros."""

    layers: list[LayoutLayer] = field(default_factory=list)
    blocks: set[str] = field(default_factory=set)
    """Macros of class BLOCK."""
    sections: set[tuple[str, str]] = field(default_factory=set)
    """What is opened, and its name."""

    @property
    def known(self) -> set[str]:
        """Layers of every type, those that are no metal too."""
        return {name for kind, name in self.sections if kind == "LAYER"}

    @property
    def names(self) -> list[str]:
        """Of the layers, each once: a second file may state them again."""
        return [layer.name for layer in self.layers]

    def thickness(self, names: Sequence[str]) -> float | None:
        """Of the first of some layers that has one. [m]"""
        return next((layer.thickness for layer in self.layers if layer.name in names and layer.thickness is not None), None)


def read_lef(paths: Sequence[Path]) -> LefTechnology:
    """Layers of metal and of vias, and macros that are blocks; raises DeckError with file and line."""
    found = LefTechnology()
    for path in paths:
        inner: str | None = None
        kind, thickness = "", None
        for line, text in read_lines(path):
            words = text.split()
            if inner is None and len(words) == 2 and words[0] in OPENS and not words[1].endswith(";"):
                inner, kind, thickness, opened = words[1], words[0], None, line
                found.sections.add((kind, inner))
            elif inner is not None and words[0] == "END" and words[1:] == [inner]:
                if kind in ("ROUTING", "CUT") and inner not in found.names:
                    found.layers.append(LayoutLayer(inner, (inner,), thickness, "", "", "", place_of(path, opened)))
                inner = None
            elif inner is not None:
                kind, thickness = _said(words, kind, thickness, (path, line))
                if kind == "MACRO" and words[:2] == ["CLASS", "BLOCK"]:
                    found.blocks.add(inner)
    return found


def _said(words: Sequence[str], kind: str, thickness: float | None, at: tuple[Path, int]) -> tuple[str, float | None]:
    """What a line within a layer adds: its kind, and its thickness [m]; raises DeckError.

    Parameters
    ----------
    words : sequence of str
    kind : str
        LAYER until its type is known.
    thickness : float or None
    at : (Path, int)
        File and line.
    """
    if kind == "LAYER" and words[0] == "TYPE" and len(words) > 1:
        return words[1].rstrip(";"), thickness
    if kind in ("ROUTING", "CUT") and words[0] == "THICKNESS" and len(words) > 1:
        path, line = at
        metres = 1e-6 * number(words[1].rstrip(";"), path, line, "THICKNESS")
        if not metres > 0:
            raise mistake(place_of(path, line), "THICKNESS", f"wants more than 0, got {few(words[1])}")
        return kind, metres
    return kind, thickness


def refuse_unknown(drawn: Sequence[str], known: Collection[str], files: Sequence[Path]) -> None:
    """Raise DeckError, where the first is drawn, for layers of a DEF file that no LEF file has: nothing says how wide they are.

    Parameters
    ----------
    drawn : sequence of str
    known : collection of str
        Layers of the LEF files.
    files : sequence of Path
        The DEF file, then the LEF files, whose macros draw too.
    """
    unknown = [name for name in drawn if name not in known]
    if not unknown:
        return
    word = rf"(?<!\S){re.escape(unknown[0])}(?![^\s;])"
    routed = rf"\b(ROUTED|NEW|FIXED|COVER|SHIELD|LAYERS?|RECT|POLYGON)\s.*?{word}"
    found = ((path, n) for how in (routed, word) for path in files for n, text in read_lines(path) if re.search(how, text))
    path, line = next(found, (files[0], 1))
    there = ", ".join(map(few, sorted(known)[:40])) or "none"
    raise mistake(
        place_of(path, line), "layer", f"no LEF file has the layer {few(unknown[0])} that is drawn; they have {there}"
    )


def missing_thickness(layers: Sequence[LayoutLayer]) -> Iterator[str]:
    """Names of layers whose thickness nothing says."""
    return (layer.name for layer in layers if layer.thickness is None)
