"""Decks from the files of other thermal tools: HotSpot and 3D-ICE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stack3d.errors import DeckError
from stack3d.geometry.importers.scenario_text import Imported

KINDS = (".stk", ".flp", ".ptrace", ".lcf", ".config", ".materials")


def import_files(paths: Sequence[Path], name: str | None = None, transient: bool | None = None) -> Imported:
    """Turn the files of one HotSpot or 3D-ICE run into a scenario.

    Parameters
    ----------
    paths : sequence of Path
        A 3D-ICE ``.stk`` alone (its floorplans are found from it), or HotSpot's ``.flp`` or ``.lcf``, ``.ptrace``,
        ``.config``, ``.materials`` in any order.
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
    from stack3d.geometry.importers import hotspot, ice

    for path in paths:
        if path.suffix not in KINDS:
            raise DeckError(f"{path}: no file of HotSpot or 3D-ICE that can be imported; known: {', '.join(KINDS)}")
    stacks = [p for p in paths if p.suffix == ".stk"]
    if len(stacks) > 1:
        raise DeckError(f"one .stk makes one scenario, got {', '.join(map(str, stacks))}")
    if stacks:
        return ice.read(stacks[0], name or stacks[0].stem, transient)
    return hotspot.read(paths, name or paths[0].stem, bool(transient))


__all__ = ["Imported", "import_files"]
