"""Designs that a search chooses from: which to ask for next, what came of them, and what is said of the best."""

from stack3d.study.designing.asking import Asker
from stack3d.study.designing.changes import Change, changes, changes_told, ties_told
from stack3d.study.designing.designs import DesignSpace, Positions
from stack3d.study.designing.judged import JudgedDesign, front_of, knee
from stack3d.study.designing.mattering import Mattering, mattering, mattering_told
from stack3d.study.designing.outcomes import FAILS, DesignOutcome, Judge, Prices, ScreenOutcome, reasons_told, screens_told
from stack3d.study.designing.peak_slopes import PeakSlopes
from stack3d.study.designing.robust import DesignDraws, Robustness
from stack3d.study.designing.screening import DRAWS, FULL, rounds

__all__ = [
    "DRAWS",
    "FAILS",
    "FULL",
    "Asker",
    "Change",
    "DesignDraws",
    "DesignOutcome",
    "DesignSpace",
    "Judge",
    "JudgedDesign",
    "Mattering",
    "PeakSlopes",
    "Positions",
    "Prices",
    "Robustness",
    "ScreenOutcome",
    "changes",
    "changes_told",
    "front_of",
    "knee",
    "mattering",
    "mattering_told",
    "reasons_told",
    "rounds",
    "screens_told",
    "ties_told",
]
