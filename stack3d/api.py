"""The verbs of the command line for Python: load, override, run, sweep, open."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import decks, fields, results, study
from stack3d.case import compact_of, one_thread, run_case
from stack3d.decks import Case
from stack3d.errors import DeckError, Problem, ResultsError, ValidityWarning, brief, did_you_mean, told_of
from stack3d.geometry.stack import build_stack
from stack3d.layout import Floats, Stack
from stack3d.progress import Observer, Silent, StudyObserver
from stack3d.report import accessor as _accessor  # noqa: F401  (importing it gives every DataTree `.stack3d`)
from stack3d.results import bands as bands
from stack3d.results import open_result, open_results
from stack3d.results.compact_file import read_compact as open_compact
from stack3d.results.compact_file import write_compact
from stack3d.results.trace_file import to_trace_tree
from stack3d.thermal import CompactModel
from stack3d.thermal.compact.long_trace import KeptOfTrace, TraceAnswer, follow
from stack3d.units import quantity
from stack3d.workload.columns import AMBIENT, FILM, Driven, read_driven

CLOSE = 1e-4
"""Share by which a number is changed for a derivative; what is differenced is nearly straight in it."""
HEATING = ("geometry", "cooling", "power", "probes")
"""Blocks of a deck that temperatures follow while the power of cells is held."""

__all__ = ["LoadedScenario", "follow_table", "load", "open_compact", "open_result", "open_results", "search", "sweep"]

if TYPE_CHECKING:
    import xarray as xr

    from stack3d.case.gradients import Neighbours


@dataclass(frozen=True)
class LoadedScenario:
    """A resolved scenario, ready to run; shows itself in a notebook.

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
        with self.case.located():
            outcome = run_case(self.case.scenario, observer or Silent(), until=until)
        return results.to_tree(self.case, outcome)

    def gradients(self, keys: Sequence[str], of: str = "peak") -> dict[str, float]:
        """How fast a steady temperature changes with numbers of the deck, by one adjoint solve; the power of cells is held.

        Parameters
        ----------
        keys : sequence of str
            Dotted keys of quantities, as ``cooling.top.film_coefficient`` or ``power.sources.core.power``; an edge of a source
            as ``power.sources.core.x[0]``, the place of all of it as ``power.sources.core.x``.
        of : str
            ``peak`` (the hottest node), a probe, or a layer or a tile (``tile 0``), whose mean is taken.

        Returns
        -------
        dict of str to float
            [K per SI unit of the key]

        Raises
        ------
        DeckError
            For keys that are none, hold no quantity or zero, or act through the power of cells alone, films that follow their
            surface, coolant, a mesh of your own, and a place that does not exist.
        """
        from stack3d.case.gradients import gradients

        beside = {key: self._beside(key) for key in keys}
        with self.case.located():
            return gradients(self.case.scenario, beside, of)

    def _beside(self, key: str) -> Neighbours:
        """The scenario with a number a little smaller and a little larger."""
        from stack3d.case.gradients import Neighbours

        old = self._number_at(key)
        if key.partition(".")[0] not in HEATING:
            raise DeckError(
                Problem(key, f"moves no temperature while the power of cells is held; wants a key of {', '.join(HEATING)}")
            )
        if isinstance(old, Mapping) and "value" in old:
            key, old = f"{key}.value", old["value"]
        lower, upper, between = _moved(old) or _scaled(old, key)
        low, high = (self.with_overrides([(key, value)]).case.scenario for value in (lower, upper))
        return Neighbours(low, high, between)

    def _number_at(self, key: str) -> Any:
        """What stands at a dotted key; raises DeckError where nothing does."""
        try:
            found = decks.value_at(self.case.tree, key) if isinstance(key, str) else None
        except DeckError:  # below what has no keys
            found = None
        if found is None:
            near = did_you_mean(str(key), list(_keys_of(self.case.tree)))
            raise DeckError(Problem(str(key), f"is no key of the deck, of which a derivative could be taken{near}"))
        return found

    def compact(
        self, path: str | Path | None = None, watch: Callable[[int, float], None] = lambda solves, miss: None
    ) -> CompactModel:
        """Make the compact model that the scenario's ``compact`` asks for, and write it; raises DeckError, SolverError.

        Parameters
        ----------
        path : str or Path, optional
            The .nc file that `stack3d.open_compact` reads.
        watch : callable, optional
            Told of the solves so far, and of the largest bound or estimate.

        Examples
        --------
        >>> ranges = {"compact.films": {"top": ["100 W/m^2/K", "1e4 W/m^2/K"]}, "compact.conductivity": "held"}
        >>> model = load("duty_cycled_package", ranges).compact()
        >>> answer = model.solve({"die": 2.0}, films={"top": 500.0})
        >>> bool(answer.bound.max() < 0.01 * (answer.temperature.max() - 298.15))
        True
        """
        with self.case.located():
            model = compact_of(self.case.scenario, watch)
        if path is not None:
            write_compact(Path(path), model, self.case)
        return model

    @property
    def stack(self) -> Stack:
        """Layers of the stack."""
        return build_stack(self.case.scenario.geometry)

    def view(self, path: str | Path | None = None) -> None:
        """Solve the temperature and draw the stack cut open, on the screen or into a .png; see `stack3d.report.view`."""
        from stack3d.case.solved_field import solve_field
        from stack3d.report.view import show

        show(solve_field(self.case.scenario), None if path is None else Path(path), title=self.case.name)

    def _repr_html_(self) -> str:
        from stack3d.report.notebook import scenario_html

        return scenario_html(self.case)


def _scaled(old: Any, key: str) -> tuple[Any, Any, float]:
    """A quantity a little smaller and a little larger, and by how much apart [SI]; raises DeckError for others and zero."""
    if isinstance(old, list):
        raise DeckError(Problem(key, f"wants one of its {len(old)} numbers, as {key}[0]"))
    match = re.fullmatch(r"\s*([-+0-9.eE]+)\s*(\D.*)?", old) if isinstance(old, str) else None
    number = float(old) if isinstance(old, int | float) and not isinstance(old, bool) else float(match[1]) if match else 0.0
    if number == 0.0:
        raise DeckError(Problem(key, f"wants a quantity other than zero to take a derivative by, got {brief(old)}"))
    unit = (match[2] or "").strip() if match else ""
    texts = [f"{number * factor!r} {unit}".strip() if match else number * factor for factor in (1 - CLOSE, 1 + CLOSE)]
    ends = [found[0] if (found := quantity(text)) else float(text) for text in texts]
    return texts[0], texts[1], ends[1] - ends[0]


def _moved(numbers: Any) -> tuple[Any, Any, float] | None:
    """Two lengths that both lie a little lower, and higher, and by how much apart [m]; None for equal ones and other things."""
    found = [quantity(number) for number in numbers] if isinstance(numbers, list) else []
    if len(found) != 2 or any(f is None or f[1] != "m" for f in found):
        return None
    low, high = (f[0] for f in found if f)
    if (by := CLOSE * abs(high - low)) == 0.0:
        return None
    below, above = ([f"{value + shift!r} m" for value in (low, high)] for shift in (-by, by))
    return below, above, 2 * by


def _keys_of(node: Any, above: str = "") -> Iterator[str]:
    """Dotted keys of all that has no keys below it; items of lists by their name, else by number."""
    if isinstance(node, Mapping):
        below = [(f"{above}.{name}" if above else str(name), value) for name, value in node.items()]
    elif isinstance(node, list):
        names = [one.get("name") if isinstance(one, Mapping) else None for one in node]
        below = [(f"{above}.{n}" if n else f"{above}[{i}]", one) for i, (n, one) in enumerate(zip(names, node))]
    else:
        yield above
        return
    for key, value in below:
        yield from _keys_of(value, key)


def load(source: str | Path, overrides: Mapping[str, Any] | None = None) -> LoadedScenario:
    """Load a scenario by path or by name.

    Examples
    --------
    >>> import stack3d
    >>> scenario = stack3d.load("quickstart").with_overrides({"cooling.ambient": "85 degC"})
    >>> round(scenario.case.scenario.cooling.ambient, 2)
    358.15
    >>> scenario.stack.n_tiers
    8
    >>> tree = scenario.run(until="thermal")
    >>> float(tree["thermal/temperature_max"].max()) > 358.15
    True
    """
    chosen = tuple((overrides or {}).items())
    return LoadedScenario(str(source), decks.load(source, chosen), chosen)


def sweep(
    source: str | Path,
    over: Mapping[str, Any] | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    output: str | Path = "results",
    workers: int | None = None,
    scheduler: str | None = None,
    until: str | None = None,
    force: bool = False,
    watch: StudyObserver | None = None,
) -> xr.DataTree:
    """Run a study as ``stack3d run`` does, and return its joined dataset; cases that failed are NaN, see ``status``.

    Parameters
    ----------
    source : str or Path
        Scenario, by path or by name.
    over : mapping, optional
        In place of the scenario's ``sweep``, in the same vocabulary.
    overrides : mapping, optional
        Dotted keys of every case.
    output : str or Path
        Root of the results; what is done there and unchanged is not run again.
    workers : int, optional
        Local processes; by default as many as cores and memory allow. A script that lets several work keeps its calls
        below ``if __name__ == "__main__":``.
    scheduler : str, optional
        Address of a running Dask scheduler.
    until : {"thermal"}, optional
    force : bool
    watch : StudyObserver, optional

    Raises
    ------
    DeckError
        When the scenario or its sweep is wrong as a whole.
    ResultsError
        When the folder is in use.

    Examples
    --------
    >>> over = {"cooling.top": ["forced_air", "cold_plate"]}
    >>> tree = sweep("quickstart", over, overrides={"solver": "ci"}, until="thermal", workers=1)
    >>> hottest = tree["thermal/temperature_max"].max("tier")
    >>> bool(hottest.sel(cooling="cold_plate") < hottest.sel(cooling="forced_air"))
    True
    """
    chosen = [*(overrides or {}).items(), *([("sweep", over)] if over is not None else [])]
    plan = study.plan(source, chosen)
    options: dict[str, Any] = {"until": until, "workers": workers, "scheduler": scheduler, "force": force}
    for report in study.run([str(source)], Path(output), watch or Silent(), overrides=chosen, **options):
        if report.status == study.FAILED and report.folder is None and not report.is_swept:
            raise ResultsError("\n".join(report.lines))
    return results.open_results(Path(output) / plan.name)


def search(
    source: str | Path,
    steps: Callable[[], study.Steps],
    *,
    overrides: Mapping[str, Any] | None = None,
    output: str | Path = "results",
    workers: int | None = None,
    scheduler: str | None = None,
    until: str | None = None,
    force: bool = False,
    watch: StudyObserver | None = None,
) -> xr.DataTree:
    """Run cases that depend on the results of earlier ones, and return them joined along ``case``.

    Parameters
    ----------
    source : str or Path
        Scenario, by path or by name; its own sweep is left aside.
    steps : callable
        A generator function. It yields what the next cases set: one mapping of dotted keys, or a list of mappings, whose cases
        run side by side. It is sent a list of how they ended (`stack3d.study.Found`: ``status``, ``tree``, ``error``). A case
        that fails stops nothing. Run again, a search takes what is done from its files and goes on where it was cut off; so
        the steps have to ask the same for the same results, and seed their random numbers.
    overrides : mapping, optional
        Dotted keys of every case.
    output, workers, scheduler, until, force, watch
        As in `sweep`.

    Raises
    ------
    DeckError
        When the scenario cannot be read.
    ResultsError
        When the folder is in use, or a step asks for nothing.

    Examples
    --------
    The film at which the hottest place has 60 degC, by bisection:

    >>> def bisection():
    ...     low, high = 50.0, 5000.0
    ...     for _ in range(4):
    ...         middle = (low * high) ** 0.5
    ...         found, = yield {"cooling.top": {"film_coefficient": f"{middle} W/m^2/K"}}
    ...         peak = float(found.tree["thermal/layer_temperature_max"].max())
    ...         low, high = (middle, high) if peak > 333.15 else (low, middle)
    >>> tree = search("quickstart", bisection, overrides={"solver": "ci"}, until="thermal", workers=1)
    >>> tree.sizes["case"], str(tree["status"].values[-1])
    (4, 'done')
    """
    plan = study.Search(source, steps, tuple((overrides or {}).items()))
    options: dict[str, Any] = {"until": until, "workers": workers, "scheduler": scheduler, "force": force}
    for report in study.run([plan], Path(output), watch or Silent(), **options):
        if report.status == study.FAILED and report.folder is None and not report.is_swept:
            raise ResultsError("\n".join(report.lines))
    return results.open_results(Path(output) / plan.name)


def compare_placements(source: str | Path, overrides: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Peak temperatures of every placement of a workload on its stack, coolest tiles first; raises DeckError, SolverError.

    Examples
    --------
    >>> peaks = compare_placements("quickstart", {"solver": "ci"})["placement_tile_peak"]
    >>> bool(peaks.sel(placement="thermal_aware") <= peaks.sel(placement="spread"))
    True
    """
    import xarray as xr

    from stack3d.case.judged_placings import left_out
    from stack3d.heat.placing import compare_placements as compared

    case = decks.load(source, tuple((overrides or {}).items()))
    with case.located():
        found = compared(case.scenario)
    variables = {}
    for key in ("tile_peak", "tile_mean", "stack_peak"):
        entry = fields.field(f"thermal/placement_{key}")
        values = [getattr(outcome, key) for outcome in found]
        variables[entry.name] = ("placement", values, {"units": entry.units, "long_name": entry.long_name})
    attrs = {"scenario": case.name, "content_hash": case.digest(), "left_out": left_out(case.scenario)}
    return xr.Dataset(variables, {"placement": [outcome.name for outcome in found]}, attrs)


def _check_rows(model: CompactModel, driven: Driven) -> None:
    """Raise DeckError with file, line and column for the value of a table that lies farthest outside a compact model."""
    checks: list[tuple[str, Floats, Callable[[float], object]]] = [
        ("time", np.diff([*driven.times, driven.period]), model.check_step),
        *((f"{FILM}{face}", films, lambda film, face=face: model.films({face: film})) for face, films in driven.films.items()),
    ]
    if driven.ambient is not None:
        checks.append((AMBIENT, driven.ambient, model.base))
    for name, column, check in checks:
        for row in (int(column.argmin()), int(column.argmax())):
            try:
                check(float(column[row]))
            except DeckError as error:
                raise DeckError(Problem("trace", f"{driven.place(row, name)}: {error}")) from None


def _tell_steady(model: CompactModel, driven: Driven, name: str) -> None:
    """Warn of sources that a table has no column of and that heat all the same."""
    if steady := [f"{n} {watts:g} W" for n, watts in zip(model.sources, model.powers) if watts and n not in driven.sources]:
        message = f"{name} has no column of every source; as in the scenario stay: {', '.join(steady)}"
        warnings.warn(message, ValidityWarning, stacklevel=3)


def follow_table(
    model: str | Path, table: str | Path, output: str | Path | None = None, *, until: float | None = None, **asked: Any
) -> TraceAnswer:
    """Follow a table of powers by a compact model, and write what comes of it; raises DeckError, ResultsError.

    Parameters
    ----------
    model : str or Path
        A file of `LoadedScenario.compact`.
    table : str or Path
        ``.csv`` or ``.parquet`` with ``time [s]``, sources as ``core [W]``, and perhaps ``ambient [degC]`` and films as
        ``films.top [W/m^2/K]``; the last row closes the period.
    output : str or Path, optional
        The .nc file to write.
    until : float, optional
        Repeat the table up to here; absent = once. [s]
    **asked
        ``samples``, ``limits``, ``counted``, ``width`` as `stack3d.thermal.compact.long_trace.KeptOfTrace` has them, and
        ``start``, ``films``, ``ambient``, ``watch`` as `follow` there.
    """
    found = open_compact(model)
    driven = read_driven(Path(table), "trace", found.sources)
    given = dict(asked.pop("films", None) or {})
    both = [f"film of {face}" for face in given if face in driven.films]
    if driven.ambient is not None and asked.get("ambient") is not None:
        both.append("ambient")
    if both:
        raise DeckError(Problem("trace", f"{both[0]} is a column of {Path(table).name} already; give it once"))
    asked |= {"films": {**given, **driven.films}} | ({} if driven.ambient is None else {"ambient": driven.ambient})
    kept = KeptOfTrace(**{key: asked.pop(key) for key in KeptOfTrace._fields if key in asked})
    with told_of(table):
        schedule = found.schedule(driven.times, driven.powers, driven.sources, driven.period)
    with told_of(model):
        found.over_time()
    _check_rows(found, driven)
    _tell_steady(found, driven, Path(table).name)
    with told_of(model), one_thread():
        answer = follow(found, schedule, driven.period if until is None else until, asked=kept, **asked)
    if output is not None:
        results.write_tree(Path(output), to_trace_tree(answer, list(kept.limits)))
    return answer
