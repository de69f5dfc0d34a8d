"""How long the chips of each case of a study last: one by one, their median, and whether that is only a lower end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stack3d.chances import median_held
from stack3d.constants import YEAR
from stack3d.layout import Floats

if TYPE_CHECKING:
    import xarray as xr


def ordered_lives(loss: xr.DataArray, accuracy: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Lives of the chips of each case from the shortest on, NaN behind the last, and how many there are; [years], [-].

    Chips that last longer count as the end of the run, those that are below already when they are first read as nothing.
    """
    import xarray as xr

    known, chips = accuracy.notnull().any("sample"), accuracy.notnull().any("time")
    first, end = (getattr(accuracy["time"].where(known), ends)("time") for ends in ("min", "max"))
    lives = loss.where(~(loss <= first), 0.0).fillna(end).where(chips)
    ordered = xr.apply_ufunc(np.sort, lives, input_core_dims=[["sample"]], output_core_dims=[["sample"]])  # NaN come last
    return ordered / YEAR, chips.sum("sample")


def median_ends(lives: Floats, n: int) -> tuple[float, float] | None:
    """Between what the median of all chips lies with a confidence of 95 %; None of so few that nobody can say.

    Parameters
    ----------
    lives : ndarray, shape (chips,)
        From the shortest on. [years]
    n : int
        How many there are.
    """
    places = median_held(n)
    return None if places is None else (float(lives[places[0]]), float(lives[places[1]]))


def median_life(loss: xr.DataArray, accuracy: xr.DataArray) -> xr.DataArray:
    """Median over the chips, which half of them or more reach, as in a summary; NaN where a case has no accuracy."""
    lives, count = ordered_lives(loss, accuracy)
    median: xr.DataArray = lives.isel(sample=((count + 1) // 2 - 1).clip(min=0))
    return median


def outlives(loss: xr.DataArray, accuracy: xr.DataArray) -> xr.DataArray:
    """Whether the median chip is as good as that until the end of the run."""
    chips = accuracy.notnull().any("time")
    return (chips & loss.isnull()).sum("sample") > 0.5 * chips.sum("sample")
