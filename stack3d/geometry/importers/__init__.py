"""Decks from the files of other thermal tools: HotSpot, 3D-ICE, 3Dblox and ECXML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stack3d.errors import DeckError
from stack3d.geometry.importers.scenario_text import Imported

KINDS = (".stk", ".flp", ".ptrace", ".lcf", ".config", ".materials", ".3dbx", ".csv", ".ecxml")


def import_files(paths: Sequence[Path], name: str | None = None, transient: bool | None = None) -> Imported:
    """Turn the files of one HotSpot or 3D-ICE run, a 3Dblox stack or an ECXML file into a scenario.

    Parameters
    ----------
    paths : sequence of Path
        A 3D-ICE ``.stk`` alone (its floorplans are found from it), or HotSpot's ``.flp`` or ``.lcf``, ``.ptrace``,
        ``.config``, ``.materials`` in any order, or a 3Dblox ``.3dbx`` (its ``.3dbv`` are found from it) and perhaps a
        table of powers ``.csv``, or an ``.ecxml`` alone.
    name : str, optional
        Of the scenario; the stem of the first file when absent.
    transient : bool, optional
        Temperature over time for powers that have a course, or the steady state. Absent = as the other tool would by these
        files: 3D-ICE by its solver, HotSpot the steady state.

    Raises
    ------
    DeckError
        With file and line of what cannot be read, and for what would change the temperatures if it were left out.
    """
    from stack3d.geometry.importers import hotspot

    for path in paths:
        if path.suffix not in KINDS:
            raise DeckError(
                f"{path}: no file of HotSpot, 3D-ICE, 3Dblox or ECXML that can be imported; known: {', '.join(KINDS)}"
            )
    stacks = [p for p in paths if p.suffix in WHOLE]
    if len(stacks) > 1:
        raise DeckError(f"one {stacks[0].suffix} makes one scenario, got {', '.join(map(str, stacks))}")
    if stacks:
        others = [p for p in paths if p not in stacks]
        return WHOLE[stacks[0].suffix](stacks[0], others, name or stacks[0].stem, transient)
    if tables := [p for p in paths if p.suffix == ".csv"]:
        raise DeckError(f"{tables[0]}: a table of powers belongs to a .3dbx, and none is given")
    return hotspot.read(paths, name or paths[0].stem, bool(transient))


def _of_dies(stack: Path, others: Sequence[Path], name: str, transient: bool | None) -> Imported:
    """Scenario of a 3D-ICE stack; raises DeckError.

    Parameters
    ----------
    stack : Path
    others : sequence of Path
        Given with it; its floorplans are found from it.
    name : str
    transient : bool or None
    """
    from stack3d.geometry.importers import ice

    return ice.read(stack, name, transient)


def _of_chiplets(stack: Path, others: Sequence[Path], name: str, transient: bool | None) -> Imported:
    """Scenario of a 3Dblox stack; raises DeckError.

    Parameters
    ----------
    stack : Path
    others : sequence of Path
        A table of powers, or nothing.
    name : str
    transient : bool or None
        The format has no time.
    """
    from stack3d.geometry.importers import blox

    if transient:
        raise DeckError("3Dblox holds no course of powers; leave --transient out")
    if len(others) > 1 or any(p.suffix != ".csv" for p in others):
        raise DeckError(f"a .3dbx goes with one table of powers (.csv), got {', '.join(map(str, others))}")
    return blox.read(stack, others[0] if others else None, name)


def _of_objects(file: Path, others: Sequence[Path], name: str, transient: bool | None) -> Imported:
    """Scenario of an ECXML file; raises DeckError.

    Parameters
    ----------
    file : Path
    others : sequence of Path
        None, for it stands alone.
    name : str
    transient : bool or None
        The format has no time.
    """
    from stack3d.geometry.importers import ecxml

    if transient:
        raise DeckError("ECXML holds no course of powers; leave --transient out")
    if others:
        raise DeckError(f"an .ecxml is imported alone, got {', '.join(map(str, others))}")
    return ecxml.read(file, name)


WHOLE = {".stk": _of_dies, ".3dbx": _of_chiplets, ".ecxml": _of_objects}
"""What makes a scenario of files that name all others, by ending."""

__all__ = ["Imported", "import_files"]
