"""The verbs of the command line for Python: load, override, run, open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack3d import decks, results
from stack3d.decks import Case
from stack3d.errors import DeckError
from stack3d.lifetime import run_case
from stack3d.progress import Observer, Silent

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class LoadedScenario:
    """A resolved scenario, ready to run.

    Parameters
    ----------
    source : str
        Path or name.
    case : Case
    chosen : tuple of (key, value)
        Overrides, in order.
    """

    source: str
    case: Case
    chosen: tuple[tuple[str, Any], ...] = ()

    def with_overrides(self, overrides: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> LoadedScenario:
        """The same scenario with dotted keys overridden after those already given; raises DeckError."""
        more = tuple(overrides.items() if isinstance(overrides, Mapping) else overrides)
        chosen = (*self.chosen, *more)
        return LoadedScenario(self.source, decks.load(self.source, chosen), chosen)

    def run(self, *, until: str | None = None, observer: Observer | None = None) -> xr.DataTree:
        """Run the case in memory and return its dataset; raises DeckError, SolverError."""
        try:
            outcome = run_case(self.case.scenario, observer or Silent(), until=until)
        except DeckError as error:
            raise DeckError(self.case.locate(error.problems)) from None
        return results.to_tree(self.case, outcome)


def load(source: str | Path, overrides: Mapping[str, Any] | None = None) -> LoadedScenario:
    """Load a scenario by path or by name.

    Examples
    --------
    >>> scenario = load("quickstart", {"cooling.ambient": "85 degC"})
    >>> round(scenario.case.scenario.cooling.ambient, 2)
    358.15
    """
    chosen = tuple((overrides or {}).items())
    return LoadedScenario(str(source), decks.load(source, chosen), chosen)
