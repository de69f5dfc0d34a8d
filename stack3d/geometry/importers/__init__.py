"""Decks from the files of other tools: HotSpot, 3D-ICE, 3Dblox, ECXML, and layouts of chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stack3d import units
from stack3d.errors import DeckError, few
from stack3d.geometry.importers.scenario_text import Imported
from stack3d.geometry.importers.user_files import ending

OF_HOTSPOT = (".flp", ".ptrace", ".lcf", ".config", ".materials")


@dataclass(frozen=True)
class _Wish:
    """How a scenario is called, whether powers keep their course, and the size of the cells of a layout. [m]"""

    name: str
    transient: bool | None
    cell: float | None

    def without_time(self, what: str) -> None:
        """Raise DeckError when a course is asked for that a format does not hold."""
        if self.transient:
            raise DeckError(f"{what} no course of powers; leave --transient out")


def import_files(
    paths: Sequence[Path], name: str | None = None, transient: bool | None = None, cell: str | None = None
) -> Imported:
    """Turn the files of one HotSpot or 3D-ICE run, a 3Dblox stack, an ECXML file or a layout into a scenario.

    Parameters
    ----------
    paths : sequence of Path
        A 3D-ICE ``.stk`` alone (its floorplans are found from it), or HotSpot's ``.flp`` or ``.lcf``, ``.ptrace``,
        ``.config``, ``.materials`` in any order, or a 3Dblox ``.3dbx`` (its ``.3dbv`` are found from it) and perhaps a
        table of powers ``.csv``, or an ``.ecxml`` alone, or a layout ``.gds``, ``.oas`` or ``.def`` with its ``.lef`` and
        tables of layers and powers.
    name : str, optional
        Of the scenario; the stem of the first file when absent.
    transient : bool, optional
        Temperature over time for powers that have a course, or the steady state. Absent = as the other tool would by these
        files: 3D-ICE by its solver, HotSpot the steady state.
    cell : str, optional
        Size of the cells in which the densities of a layout count, as ``20 um``.

    Raises
    ------
    DeckError
        With file and line of what cannot be read, and for what would change the temperatures if it were left out.
    """
    for path in paths:
        _check_kind(path)
    stacks = [p for p in paths if ending(p) in WHOLE]
    if len(stacks) > 1:
        raise DeckError(f"one {ending(stacks[0])} makes one scenario, got {', '.join(map(str, stacks))}")
    wish = _Wish(name or (stacks or paths)[0].stem, transient, None if cell is None else _size(cell))
    if cell is not None and not (stacks and ending(stacks[0]) in OF_LAYOUT):
        raise DeckError(f"--cell belongs to a layout ({', '.join(OF_LAYOUT)}), and none is given")
    if stacks:
        return WHOLE[ending(stacks[0])](stacks[0], [p for p in paths if p not in stacks], wish)
    return _of_chip(paths, wish)


def _check_kind(path: Path) -> None:
    """Refuse a file of an ending that is not known."""
    if ending(path) not in KINDS:
        said = "no file that can be imported" if path.exists() else "there is no such file"
        raise DeckError(f"{path}: {said}; known: {', '.join(KINDS)}")
    if path.suffix not in KINDS and ending(path) in OF_HOTSPOT:
        raise DeckError(f"{path}: HotSpot's files end in small letters, {ending(path)}; rename it")


def _size(text: str) -> float:
    """A length above zero; raises DeckError. [m]"""
    try:
        size = units.parse(text, "length")
    except ValueError as error:
        raise DeckError(f"--cell: {error}") from None
    if not size > 0:
        raise DeckError(f"--cell: wants more than 0, got {few(text)}")
    return size


def _of_chip(paths: Sequence[Path], wish: _Wish) -> Imported:
    """Scenario of the files of HotSpot; raises DeckError, also for files that belong to another."""
    from stack3d.geometry.importers import hotspot

    for kind, owner in ((".csv", "a table belongs to a .3dbx or a layout"), (".lef", "LEF belongs to a .def")):
        if alone := [p for p in paths if ending(p) == kind]:
            raise DeckError(f"{alone[0]}: {owner}, and none is given")
    return hotspot.read(paths, wish.name, bool(wish.transient))


def _of_dies(stack: Path, others: Sequence[Path], wish: _Wish) -> Imported:
    """Scenario of a 3D-ICE stack, whose floorplans are found from it; raises DeckError."""
    from stack3d.geometry.importers import ice

    if others:
        raise DeckError(f"a .stk is imported alone, its floorplans are found from it; got {', '.join(map(str, others))}")
    return ice.read(stack, wish.name, wish.transient)


def _of_chiplets(stack: Path, others: Sequence[Path], wish: _Wish) -> Imported:
    """Scenario of a 3Dblox stack, with a table of powers or without; raises DeckError."""
    from stack3d.geometry.importers import blox

    wish.without_time("3Dblox holds")
    if len(others) > 1 or any(ending(p) != ".csv" for p in others):
        raise DeckError(f"a .3dbx goes with one table of powers (.csv), got {', '.join(map(str, others))}")
    return blox.read(stack, others[0] if others else None, wish.name)


def _of_objects(file: Path, others: Sequence[Path], wish: _Wish) -> Imported:
    """Scenario of an ECXML file, which stands alone; raises DeckError."""
    from stack3d.geometry.importers import ecxml

    wish.without_time("ECXML holds")
    if others:
        raise DeckError(f"an .ecxml is imported alone, got {', '.join(map(str, others))}")
    return ecxml.read(file, wish.name)


def _of_layout(file: Path, others: Sequence[Path], wish: _Wish) -> Imported:
    """Scenario of a layout with its tables, and LEF beside DEF; raises DeckError."""
    from stack3d.geometry.importers import layouts

    wish.without_time("a layout holds")
    if wrong := [p for p in others if ending(p) not in (".lef", ".csv")]:
        raise DeckError(f"a layout goes with .lef and .csv, got {', '.join(map(str, wrong))}")
    return layouts.read(file, others, wish.name, wish.cell)


OF_LAYOUT = (".gds", ".oas", ".def")
WHOLE = {".stk": _of_dies, ".3dbx": _of_chiplets, ".ecxml": _of_objects, **dict.fromkeys(OF_LAYOUT, _of_layout)}
"""What makes a scenario of files of which one is the whole, by its ending."""
KINDS = (*WHOLE, *OF_HOTSPOT, ".csv", ".lef")

__all__ = ["Imported", "import_files"]
