"""Designs that a search chooses from: which to ask for next, what came of them, and what is said of the best."""

from stack3d.study.designing.asking import Asker
from stack3d.study.designing.changes import changes_told, ties_told
from stack3d.study.designing.designs import DesignSpace, Positions
from stack3d.study.designing.judged import JudgedDesign, front_of, knee
from stack3d.study.designing.outcomes import FAILS, DesignOutcome, Judge, Prices, ScreenOutcome, screens_told
from stack3d.study.designing.peak_slopes import PeakSlopes
from stack3d.study.designing.robust import DesignDraws, Robustness
from stack3d.study.designing.screening import DRAWS, FULL, rounds

__all__ = [
    "DRAWS",
    "FAILS",
    "FULL",
    "Asker",
    "DesignDraws",
    "DesignOutcome",
    "DesignSpace",
    "Judge",
    "JudgedDesign",
    "PeakSlopes",
    "Positions",
    "Prices",
    "Robustness",
    "ScreenOutcome",
    "changes_told",
    "front_of",
    "knee",
    "rounds",
    "screens_told",
    "ties_told",
]
