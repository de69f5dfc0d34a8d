"""All figures of a case or a study by name, and their pages; each figure is a plain function of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from stack3d.errors import ResultsError, unknown_name
from stack3d.report import (
    change_charts,
    heat_charts,
    impedance_charts,
    lever_charts,
    life_charts,
    matter_charts,
    page,
    search_charts,
    study_answers,
    study_charts,
    trade_axes,
    trade_charts,
    unknown_charts,
)
from stack3d.report.chart import Figure
from stack3d.report.facts import Facts

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Answered:
    """What a study that is no sweep has on its page.

    Parameters
    ----------
    figure : str
        Name of its figure.
    is_there : callable
        Whether the study has come to an answer.
    draw, section : callable
        The figure, and the HTML of the answer.
    anchor, heading : str
        Of the answer; empty for a figure that says it all.
    """

    figure: str
    is_there: Callable[[xr.DataTree], bool]
    draw: Callable[[xr.DataTree], Figure]
    section: Callable[[xr.DataTree], str] = lambda tree: ""
    anchor: str = ""
    heading: str = ""


ANSWERED = (
    Answered("front", search_charts.is_search, search_charts.front, search_charts.section, "designs", "What to build"),
    Answered(
        "changes", change_charts.has_changes, change_charts.changes, change_charts.section, "beside", "The next-best designs"
    ),
    Answered("matters", matter_charts.has_shares, matter_charts.matters),
    Answered("unknowns", unknown_charts.has_ranks, unknown_charts.unknowns, unknown_charts.section, "bands", "How sure it is"),
    Answered("levers", lever_charts.has_trials, lever_charts.levers, lever_charts.section, "ranks", "What would mend it"),
)
"""Searches, studies of unknowns, and studies of levers."""
NAMED_CASES = {"optimise": ("what it sets", search_charts.designs), "levers": ("lever", lever_charts.names)}
"""Group → what the cases of such a study are told apart by."""
FIGURES: dict[str, tuple[Callable[[Facts], Figure], tuple[str, ...]]] = {
    "accuracy": (life_charts.accuracy, ("mvm/accuracy",)),
    "attribution": (life_charts.attribution, ("mvm/accuracy_without",)),
    "conductance": (life_charts.conductance, ("reliability/conductance_histogram",)),
    "stack": (heat_charts.stack, ()),
    "history": (heat_charts.history, ("thermal/layer_temperature_max",)),
    "period": (heat_charts.period, ("thermal/tile_temperature_history",)),
    "mission": (heat_charts.mission, ("thermal/phase_layer_temperature_max",)),
    "profile": (heat_charts.profile, ("thermal/layer_temperature_mean",)),
    "impedance": (impedance_charts.impedance, ("impedance/impedance", "impedance/structure_resistance")),
    "maps": (heat_charts.maps, ()),
    "power": (heat_charts.power, ()),
    "power_density": (heat_charts.density, ("power/power_density",)),
    "efficiency": (life_charts.efficiency, ("power/relative_efficiency",)),
    "wear": (life_charts.wear, ("reliability/writes",)),
}
"""Figure → what declares it and the output variables it cannot do without; in the order of a page."""


def possible(tree: xr.DataTree) -> list[str]:
    """Names of the figures for which the dataset holds the variables."""
    if answered := _answered(tree):
        return [one.figure for one in answered] + ["trade_offs"] * trade_axes.has_axes(tree)
    if {"uncertain", "levers"} & set(tree.children):
        return ["trade_offs"] * trade_axes.has_axes(tree)
    if study_answers.swept(tree):
        maps = [f"map_{name}" for name in study_answers.ANSWERS if name != "tiers" and study_answers.varies(tree, name)]
        front = ["trade_offs"] * trade_axes.has_axes(tree)
        matters = ["matters"] * matter_charts.has_axes(tree)
        return maps + matters + ["pareto"] * bool(study_charts.pareto_pair(tree)) + front
    facts = Facts(tree)
    names = [name for name, (_, needed) in FIGURES.items() if facts.has(*needed)]
    if "history" in names and "time" not in facts.get("thermal/layer_temperature_max").dims:
        names.remove("history")
    if not facts.has("thermal/temperature") and not facts.has("thermal/map_temperature"):
        names.remove("maps")
    return names


def _answered(tree: xr.DataTree) -> list[Answered]:
    return [one for one in ANSWERED if one.is_there(tree)]


def chart(tree: xr.DataTree, name: str, *, threshold: float | None = None) -> Figure:
    """Declare one figure.

    Parameters
    ----------
    tree : xarray.DataTree
        Of a case or a study.
    name : str
        One of `possible`.
    threshold : float, optional
        Accuracy to keep, for the figure ``accuracy``; the scenario's loss below float when absent. [-]

    Raises
    ------
    UnknownNameError, ResultsError
    """
    is_study = bool(study_answers.swept(tree))
    answered = next((one for one in _answered(tree) if one.figure == name), None)
    if answered is not None:
        return answered.draw(tree)
    if is_study:
        return _of_study(tree, name)
    if name not in FIGURES:
        raise unknown_name("figure", name, FIGURES)
    if name == "accuracy":
        return life_charts.accuracy(Facts(tree), threshold=threshold)
    return FIGURES[name][0](Facts(tree))


def _of_study(tree: xr.DataTree, name: str) -> Figure:
    """A figure that any study may have; raises UnknownNameError, ResultsError."""
    if name == "pareto":
        pair = study_charts.pareto_pair(tree)
        if pair is None:
            raise ResultsError("the cases of the study do not differ in two answers, so there is no front to draw")
        return study_charts.pareto(tree, *pair)
    if name.startswith("map_"):
        return study_charts.answer_map(tree, name.removeprefix("map_"))
    drawn = {"trade_offs": trade_charts.trade_offs, "matters": matter_charts.axes_matter}
    if name not in drawn or name not in possible(tree):
        raise unknown_name("figure", name, possible(tree))
    return drawn[name](tree)


def case_page(tree: xr.DataTree, *, threshold: float | None = None) -> str:
    """HTML of the report of one case; parameters as in `chart`."""
    facts = Facts(tree)
    figures = [chart(tree, name, threshold=threshold) for name in possible(tree)]
    lines = [*facts.summary, *life_charts.answers(facts)]
    lead = f'<h1>{escape(facts.title)}</h1><p class="under">{escape(facts.name)}</p>{page.answer(lines)}'
    beside = page.machines(facts)
    links = [(f.name, f.title) for f in figures] + ([("conventional", "Beside a conventional machine")] if beside else [])
    links += [("numbers", "Numbers"), ("provenance", "Where this comes from")]
    body = "".join(page.section(figure, figure.name) for figure in figures) + beside + page.numbers(facts)
    return page.document(f"{facts.name}: stack3d report", lead, body, page.provenance(facts), links)


def study_page(tree: xr.DataTree) -> str:
    """HTML of the report of a study: answers over the swept axes, front, table of all cases."""
    facts = Facts(tree)
    figures = [chart(tree, name) for name in possible(tree)]
    head, rows = study_answers.table(tree)
    named = next((pair for group, pair in NAMED_CASES.items() if group in tree.children), None)
    if named is not None:
        head, rows = ("case", named[0], *head[1:]), [(r[0], n, *r[1:]) for r, n in zip(rows, named[1](tree))]
    done = sum(row[-1] == "done" for row in rows)
    lines = [*search_charts.headline(tree), ("cases", f"{done} of {len(rows)} done")]
    is_asked = {"optimise", "uncertain", "levers"} & set(tree.children)
    lines += [] if is_asked else [("swept", ", ".join(study_answers.swept(tree)))]
    lead = f'<h1>{escape(facts.title)}</h1><p class="under">study {escape(facts.name)}</p>'
    lead += page.answer(lines + study_answers.extremes(tree))
    sections = {one.figure: one for one in _answered(tree) if one.anchor}
    links, body = list[tuple[str, str]](), ""
    for figure in figures:
        if (one := sections.get(figure.name)) is not None:
            links.append((one.anchor, one.heading))
            body += one.section(tree)
        links.append((figure.name, figure.title))
        body += page.section(figure, figure.name)
    links += [("cases", "All cases"), ("provenance", "Where this comes from")]
    alike = study_answers.shared(tree)
    same = f"The same in every case: {'; '.join(f'{label} {text}' for label, text in alike)}." if alike else ""
    caption = f'<p class="caption">{escape(same)}</p>' if same else ""
    body += f'<section id="cases"><h2>All cases</h2>{caption}{page.table(rows, head)}</section>'
    return page.document(f"{facts.name}: stack3d study", lead, body, page.provenance(facts), links)


def report_page(trees: Sequence[xr.DataTree], *, threshold: float | None = None) -> str:
    """HTML of a case, of a study, or of several cases side by side; raises ResultsError."""
    if len(trees) > 1:
        return study_page(study_answers.beside(trees))
    return study_page(trees[0]) if study_answers.swept(trees[0]) else case_page(trees[0], threshold=threshold)
