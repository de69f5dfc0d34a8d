"""What an expression names and no case of a scenario can have: told before the first one runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

from stack3d.case import check
from stack3d.case.floor import costs
from stack3d.errors import DeckError, Problem, Stack3dError, brief, did_you_mean
from stack3d.schema import Scenario
from stack3d.study.expressions import CHIPS, Expression, NamedOutput
from stack3d.variables import OWN, Variable

Named = Sequence[Expression]
"""Expressions that name outputs."""

WANTED = {"power": "workload", "mvm": "workload", "reliability": "workload", "impedance": "impedance"}
"""Group of variables → section of a scenario without which there are none."""
COST = "power/cost"
"""An output of any scenario whose decks state what parts cost."""
ALONG = {
    "probe": "probes",
    "map_layer": "maps",
    "block": "maps",
    "tile": "workload",
    "phase": "workload",
    "placement": "workload",
}
"""Dimension → section without which there is nothing along it."""


def missing_section(variable: Variable, scenario: Scenario) -> str | None:
    """The section that a scenario would have to have for an output variable; None where it may be there."""
    if variable.path not in OWN or variable.path == COST:
        return None
    sections = [WANTED.get(variable.group), *(ALONG.get(dim) for dim in variable.dims)]
    return next((section for section in sections if section and not getattr(scenario, section)), None)


def _labels(scenario: Scenario) -> Mapping[str, Sequence[str]]:
    """Names along dimensions that are known before a run; none of a scenario that makes no chip."""
    found = {"probe": [probe.name for probe in scenario.probes], "map_layer": scenario.maps.layers if scenario.maps else []}
    try:
        chip = check(scenario)
    except Stack3dError:
        return found
    return {
        **found,
        "layer": [layer.name for layer in chip.stack.named],
        **{key: [s.name for s in chip.sources] for key in ("source", "block")},
    }


def _why_absent(named: NamedOutput, scenario: Scenario, labels: Callable[[], Mapping[str, Sequence[str]]]) -> str | None:
    """Why no case of a scenario has what is named; None where it may have it."""
    variable = named.variable
    if variable.path == COST and not any(costs(scenario).values()):
        return "names cost, and no deck of the scenario states one"
    if (section := missing_section(variable, scenario)) is not None:
        return f"names {variable.name}, which comes of {section}: the scenario has none"
    dims = [dim for dim in variable.dims if dim not in ("time", CHIPS)]
    if named.label is None or not set(dims) <= {"layer", "probe", "map_layer", "source", "block"}:
        return None
    known = [name for dim in dims for name in labels().get(dim, ())]
    if not known or named.label in known:
        return None
    return (
        f"chooses {brief(named.label)} of {variable.name}{did_you_mean(str(named.label), known)}; there is: {', '.join(known)}"
    )


def absent(asked: Iterable[Expression], scenario: Scenario) -> Iterator[tuple[Expression, DeckError]]:
    """Expressions that name what no case of a scenario can have, and what is wrong with each."""
    labels = cache(lambda: _labels(scenario))
    for expression in asked:
        whys = (_why_absent(named, scenario, labels) for named in expression.references())
        if (why := next(filter(None, whys), None)) is not None:
            yield expression, expression.wrong(why)


def check_present(asked: Named, scenarios: Iterable[Scenario], place: Callable[[Problem], Problem]) -> None:
    """Refuse what none of some cases can have; raises DeckError.

    Parameters
    ----------
    asked : sequence of Expression
    scenarios : iterable of Scenario
        Cases that show what a study varies.
    place : callable
        Gives a problem its file and line.
    """
    left: dict[str, DeckError] | None = None
    for scenario in scenarios:
        found = {expression.text: error for expression, error in absent(asked, scenario)}
        left = found if left is None else {text: error for text, error in left.items() if text in found}
        if not left:
            return
    if left:
        raise DeckError([place(problem) for error in left.values() for problem in error.problems])
