"""Laws fitted to a user's own measurements: from CSV files to a deck with a posterior."""

from stack3d.devices.fitting.deck import checked, deck_content, deck_text, not_fitted, parsed
from stack3d.devices.fitting.estimate import Fit, apart, chosen, fit_law, one_by_one, ranked
from stack3d.devices.fitting.guessed import fitted_device
from stack3d.devices.fitting.kinds import laws_for, listed_laws, mechanisms_with
from stack3d.devices.fitting.likelihood import FittedSeries
from stack3d.devices.fitting.measurements import Table, read_table
from stack3d.devices.fitting.optima import FitError

__all__ = [
    "Fit",
    "FitError",
    "FittedSeries",
    "Table",
    "apart",
    "checked",
    "chosen",
    "deck_content",
    "deck_text",
    "fit_law",
    "fitted_device",
    "laws_for",
    "listed_laws",
    "mechanisms_with",
    "not_fitted",
    "one_by_one",
    "parsed",
    "ranked",
    "read_table",
]
