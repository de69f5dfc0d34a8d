"""Layers of two solids whose share differs from cell to cell, as that of copper does: the map becomes blocks of equal share."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from stack3d import yamlfile
from stack3d.decks import map_files
from stack3d.errors import DeckError
from stack3d.geometry.mixing import material_of
from stack3d.layout import Block, Floats, Material, Rectangle
from stack3d.schema.solids import MaterialDeck

MOST_BLOCKS = 20_000
"""Of a map."""


def by_share(deck: MaterialDeck, extent: Rectangle, thickness: float) -> tuple[Material, tuple[Block, ...]]:
    """What a layer is made of: where the map has its most common share, and blocks of every other share.

    Parameters
    ----------
    deck : MaterialDeck
        Its pattern may have a map; of any other material there are no blocks.
    extent : Rectangle
        Of the layer, which the cells of the map divide evenly. [m]
    thickness : float
        [m]

    Raises
    ------
    DeckError
        When the map cannot be read, has shares above 1, or more than `MOST_BLOCKS` rectangles of equal shares.
    """
    if deck.pattern is None or deck.pattern.map is None:
        return material_of(deck, thickness), ()
    path = Path(deck.pattern.map)
    values, usual, runs = _read(path, path.stat().st_mtime_ns if path.is_file() else 0)
    of_share = {share: material_of(deck, thickness, share) for share in np.unique(values).tolist()}
    ny, nx = values.shape
    x, y = np.linspace(extent.x0, extent.x1, nx + 1), np.linspace(extent.y0, extent.y1, ny + 1)
    blocks = (
        Block(
            f"share_{j0}_{i0}",
            Rectangle(float(x[i0]), float(x[i1]), float(y[j0]), float(y[j1])),
            of_share[float(values[j0, i0])],
        )
        for j0, j1, i0, i1 in runs
    )
    return of_share[usual], tuple(blocks)


@lru_cache(maxsize=16)
def _read(path: Path, modified: int) -> tuple[Floats, float, tuple[map_files.EqualCells, ...]]:
    """Shares of a file, the most common one, and rectangles of all others; raises DeckError.

    Parameters
    ----------
    path : Path
    modified : int
        When the file was; one that changes is read again.
    """
    values = map_files.read(path, "shares")
    if values.max() > 1:
        raise DeckError(f"{yamlfile.shown(path)}: a map of shares has values from 0 to 1; got {values.max():g}")
    found, counts = np.unique(values, return_counts=True)
    usual = float(found[np.argmax(counts)])
    runs = tuple(map_files.rectangles(values, without=usual))
    if len(runs) > MOST_BLOCKS:
        wanted = f"{MOST_BLOCKS} are the most that is read; give it fewer cells or round its values"
        raise DeckError(f"{yamlfile.shown(path)}: has {len(runs)} rectangles of equal shares; {wanted}")
    return values, usual, runs
