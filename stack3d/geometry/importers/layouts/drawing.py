"""What is drawn in a layout, by KLayout: its outline, the shares of cells that layers cover, and the places of blocks."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np

from stack3d.errors import DeckError, MissingDependencyError, Problem, few, to_install
from stack3d.geometry.importers.parts import Element
from stack3d.geometry.importers.user_files import ending, mistake, place_of
from stack3d.layout import Floats, Rectangle
from stack3d.yamlfile import FileLine

MOST_BYTES = 2_000_000_000
"""Of a layout."""
MOST_SHAPES = 30_000_000
"""Of all layers, cells counted as often as they are placed."""
OFTEN, MOST_OFTEN = 8, 300_000
"""How often shapes lie over each other, in the mean, where they are merged piece by piece, and how many at most."""
CHUNK, GROUP = 64, 16
"""Shapes, and then pieces, that are merged at once: merging a thousand that lie over each other takes a million crossings."""
MOST_UNITS = 1_000_000_000
"""Of a layout along x or y that KLayout counts without overflow."""
OUTLINE = "OUTLINE"
"""Layer that the outlines of the die and of macros of a DEF file are read onto."""


class DrawnLayout:
    """A layout that has been read.

    Parameters
    ----------
    path : Path
        GDS, OASIS or DEF.
    lef : sequence of Path
        Beside a DEF file.

    Raises
    ------
    DeckError
        When it cannot be read, with the line where the format has lines; for no or several top cells, and for too many shapes.
    """

    def __init__(self, path: Path, lef: Sequence[Path] = ()) -> None:
        self.path, self._db = path, load_klayout()
        _check_size(path)
        self._layout = self._db.Layout()
        self.notes = _read_into(self._layout, path, self._options(path, lef))
        tops = [cell.name for cell in self._layout.top_cells()]
        if len(tops) != 1:
            named = f", got {', '.join(map(few, tops[:6]))}" if tops else ""
            raise mistake(place_of(path), "", f"wants one top cell{named}")
        self._top = self._layout.top_cell()
        self._check_count()
        box = self._top.bbox() if ending(path) != ".def" else self._die_area()
        if box.width() <= 0 or box.height() <= 0:
            raise mistake(place_of(path), "", "draws nothing with an area")
        self._box = box

    def _options(self, path: Path, lef: Sequence[Path]) -> Any:
        """How KLayout reads it: without texts, of DEF all metal by the names of its layers, no blockages."""
        options = self._db.LoadLayoutOptions()
        options.text_enabled = False  # a label beside the die is no part of it
        if ending(path) != ".def":
            return options
        wanted = options.lefdef_config
        wanted.lef_files = [str(file.resolve()) for file in lef]
        wanted.read_lef_with_def = False
        for purpose in ("routing", "special_routing", "pins", "lef_pins", "fills", "via_geometry"):
            setattr(wanted, f"{purpose}_suffix_str", "")
        wanted.cell_outline_layer = OUTLINE
        wanted.instance_property_name = "name"
        for left_out in ("obstructions", "blockages", "placement_blockages", "regions", "labels", "lef_labels"):
            setattr(wanted, f"produce_{left_out}", False)
        options.lefdef_config = wanted
        return options

    def _die_area(self) -> Any:
        """Bounds of the die of a DEF file."""
        box = self._db.Box()
        for index in self._indices((OUTLINE,)):
            for shape in self._top.shapes(index).each():
                box += shape.bbox()
                if not shape.is_box() and not shape.polygon.is_box():
                    self.notes.append("DIEAREA is no rectangle: the die is its bounds.")
        if box.empty():
            raise mistake(place_of(self.path), "DIEAREA", "is missing")
        return box

    def _check_count(self) -> None:
        """Refuse what would take hours to merge; raises DeckError."""
        counts: dict[int, int] = {}
        indices = self._layout.layer_indexes()
        for number in self._layout.each_cell_bottom_up():
            cell = self._layout.cell(number)
            own = sum(cell.shapes(index).size() for index in indices)
            placed = ((i.cell_index, max(1, i.na) * max(1, i.nb)) for i in cell.each_inst())
            counts[number] = own + sum(counts[inner] * times for inner, times in placed)
        if (found := counts[self._top.cell_index()]) > MOST_SHAPES:
            raise mistake(place_of(self.path), "", f"draws {found} shapes, at most {MOST_SHAPES}")

    def _indices(self, names: Sequence[str]) -> list[int]:
        """Layers of the layout by ``68/20``, by ``68`` for ``68/0``, or by name."""
        out = []
        for index, info in zip(self._layout.layer_indexes(), self._layout.layer_infos()):
            called = {f"{info.layer}/{info.datatype}", *([str(info.layer)] if info.datatype == 0 else [])}
            if {info.name} & set(names) or (ending(self.path) != ".def" and called & set(names)):  # of DEF numbers are made up
                out.append(index)
        return out

    @property
    def extent(self) -> Rectangle:
        """Of the die, in the coordinates of the layout. [m]"""
        b, unit = self._box, 1e-6 * self._layout.dbu
        return Rectangle(b.left * unit, b.right * unit, b.bottom * unit, b.top * unit)

    @property
    def layers(self) -> list[str]:
        """What its layers are called in a table."""
        told = (info.name or f"{info.layer}/{info.datatype}" for info in self._layout.layer_infos())
        return sorted({name for name in told if name != OUTLINE})

    def left_out(self, names: Collection[str]) -> list[str]:
        """What is drawn on layers other than some, as a table would call these."""
        taken = set(self._indices(tuple(names)))
        there = zip(self._layout.layer_indexes(), self._layout.layer_infos())
        kept = {i.name or f"{i.layer}/{i.datatype}" for n, i in there if n not in taken and not self._top.bbox(n).empty()}
        return sorted(kept - {OUTLINE})

    def check(self, names: Sequence[str], known: Collection[str], place: FileLine) -> None:
        """Raise DeckError for layers, named at a place, that are neither drawn nor known otherwise."""
        for name in names:
            if not self._indices((name,)) and name not in known:
                there = ", ".join(map(few, self.layers[:40])) or "none"
                raise mistake(place, "layer", f"{self.path.name} draws no layer {few(name)}; there are {there}")

    def shares(self, names: Sequence[str], counts: tuple[int, int]) -> Floats:
        """Share of each of so many cells along x and y of the die that layers cover, shape (ny, nx); raises DeckError."""
        drawn = self._db.Region()
        for index in self._indices(names):
            drawn.insert(self._top.begin_shapes_rec(index))
        finer = self._finer(counts)
        (left, bottom), sides = (self._box.left * finer, self._box.bottom * finer), self._sides(finer)
        if finer > 1:
            drawn.transform(self._db.ICplxTrans(float(finer)))
        steps = [-(-side // n) for side, n in zip(sides, counts)]
        try:
            covered = self._merged(drawn).rasterize(self._db.Point(left, bottom), self._db.Vector(*steps), *counts)
        except RuntimeError:
            said = f"draws shapes that KLayout cannot merge on layer {', '.join(map(few, names))}"
            raise mistake(place_of(self.path), "", said) from None
        lengths = [np.clip(side - step * np.arange(n), 0, step) for side, step, n in zip(sides, steps, counts)]
        shares: Floats = np.array(covered, dtype=float) / np.maximum(np.multiply.outer(lengths[1], lengths[0]), 1.0)
        return np.clip(shares, 0.0, 1.0)

    def _merged(self, drawn: Any) -> Any:
        """Shapes as what they cover together; raises DeckError for many that lie over each other often."""
        drawn.remove_properties()  # shapes of two nets are kept apart otherwise, and count twice where they overlap
        drawn.merged_semantics = False
        often = drawn.area() / max(drawn.bbox().area(), 1)
        drawn.merged_semantics = True
        if often <= OFTEN:
            return drawn.merged()
        if (count := drawn.count()) > MOST_OFTEN:
            times = f"{float(f'{often:.3g}'):.0f}"
            said = f"draws {count} shapes that lie over each other {times} times, at most {MOST_OFTEN} of such"
            raise mistake(place_of(self.path), "", said)
        pieces = [self._db.Region(part).merged() for part in batched(drawn.each(), CHUNK)]
        while len(pieces) > 1:
            pieces = [sum(group, self._db.Region()).merged() for group in batched(pieces, GROUP)]
        return pieces[0]

    def _sides(self, finer: int) -> tuple[int, int]:
        """Width and height of the die in so much finer units of the layout."""
        return self._box.width() * finer, self._box.height() * finer

    def _finer(self, counts: tuple[int, int]) -> int:
        """How much finer units make cells of whole units; 1 where they would be too fine, and cells are rounded up."""
        finer = math.lcm(*(n // math.gcd(side, n) for side, n in zip(self._sides(1), counts)))
        far = max(map(abs, (self._box.left, self._box.right, self._box.bottom, self._box.top)))
        return finer if far * finer < MOST_UNITS else 1

    def blocks(self, macros: set[str]) -> list[Element]:
        """Places of macros of some names."""
        found, unit = [], 1e-6 * self._layout.dbu
        outlines = self._indices((OUTLINE,))
        for placed in self._top.each_inst():
            if placed.cell.name not in macros:
                continue
            for index in outlines:
                b = placed.bbox(index)
                if b.width() > 0 and b.height() > 0:
                    box = Rectangle(b.left * unit, b.right * unit, b.bottom * unit, b.top * unit)
                    found.append(Element(str(placed.property("name") or placed.cell.name), place_of(self.path), (box,)))
        return found


def load_klayout() -> Any:
    """KLayout's database; raises MissingDependencyError."""
    try:
        import klayout.db
    except ImportError:
        raise MissingDependencyError(f"a layout wants KLayout: {to_install('layout')}") from None
    return klayout.db


def _check_size(path: Path) -> None:
    """Raise DeckError for what is no ordinary file, or too large."""
    try:
        if not path.is_file():
            raise DeckError(f"{path}: there is no such file")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise DeckError(f"{path}: is larger than {MOST_BYTES / 1e9:g} GB, the most that is read ({size / 1e9:.1f} GB)")
    except (OSError, ValueError) as error:
        raise DeckError(f"{few(str(path))}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _read_into(layout: Any, path: Path, options: Any) -> list[str]:
    """Read a layout; returns what KLayout warned of. Raises DeckError with the line where the format has lines."""
    try:
        with _warnings_kept() as warned:
            layout.read(str(path), options)
        for cell in layout.each_cell():
            _ = cell.name, [placed.property("name") for placed in cell.each_inst()]
        _ = [info.name for info in layout.layer_infos()]
    except RuntimeError as error:
        raise _unreadable(path, str(error)) from None
    except UnicodeDecodeError:  # of a name, or of what KLayout says
        raise mistake(place_of(path), "", "cannot be read: holds text that is not UTF-8") from None
    texts = [re.sub(r" *\(line=.*", "", line.partition("Warning: ")[2]) for line in warned if line.startswith("Warning: ")]
    told = dict.fromkeys(text for text in texts if text.startswith("Macro not found"))
    return [f"{text.partition(' - ')[0]}: nothing of it is drawn." for text in list(told)[:20]]


def _unreadable(path: Path, said: str) -> DeckError:
    """What KLayout could not read, at the file and line that it names."""
    reason = re.sub(r"\s+", " ", re.sub(r"\(.*|, in file:.*|: \S+ in Layout\.read.*| in Layout\.read.*", "", said)).strip()
    line, file = re.search(r"line=(\d+)", said), re.search(r"file=([^,)]+)", said)
    where = path if file is None else path.parent / Path(file[1]).name
    return DeckError(Problem("", f"cannot be read: {reason}", str(where), int(line[1]) if line else 1))


@contextmanager
def _warnings_kept() -> Iterator[list[str]]:
    """Keep what a library writes past Python to standard output."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as kept:
        before = os.dup(1)
        try:
            os.dup2(kept.fileno(), 1)
            yield lines
        finally:
            os.dup2(before, 1)
            os.close(before)
            kept.seek(0)
            lines += kept.read(1_000_000).decode(errors="replace").splitlines()
