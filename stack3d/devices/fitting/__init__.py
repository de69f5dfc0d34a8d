"""Laws fitted to a user's own measurements: from CSV files to a deck with a posterior."""

from stack3d.devices.fitting.deck import deck_content, deck_text, fitted_device, parsed
from stack3d.devices.fitting.estimate import Fit, FitError, fit_law, laws_for, mechanisms_with
from stack3d.devices.fitting.likelihood import FittedSeries
from stack3d.devices.fitting.measurements import Table, read_table

__all__ = [
    "Fit",
    "FitError",
    "FittedSeries",
    "Table",
    "deck_content",
    "deck_text",
    "fit_law",
    "fitted_device",
    "laws_for",
    "mechanisms_with",
    "parsed",
    "read_table",
]
