"""All figures of a case or a study by name, and their pages; each figure is a plain function of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from stack3d.errors import ResultsError, unknown_name
from stack3d.report import (
    case_limits,
    change_charts,
    comparison,
    heat_charts,
    impedance_charts,
    lever_charts,
    life_charts,
    matter_charts,
    page,
    search_charts,
    stack_picture,
    study_answers,
    study_charts,
    study_table,
    told_first,
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


def case_page(tree: xr.DataTree, *, threshold: float | None = None, levers: xr.DataTree | None = None) -> str:
    """HTML of the report of one case.

    Parameters
    ----------
    tree : xarray.DataTree
    threshold : float, optional
        As in `chart`. [-]
    levers : xarray.DataTree, optional
        The study of its levers, to be told on its page.
    """
    facts = Facts(tree)
    figures = [chart(tree, name, threshold=threshold) for name in possible(tree)]
    lines = [*facts.summary, *life_charts.answers(facts)]
    drawn = stack_picture.picture(facts) if stack_picture.can_draw(facts) else ""
    told = told_first.html([*told_first.sentences(facts), *_mended(levers)])
    lead = f'<h1>{escape(facts.title)}</h1><p class="under">{escape(facts.name)}</p>{told}'
    lead += f'<div class="first">{page.answer(lines)}{drawn}</div>' if drawn else page.answer(lines)
    links, body = _case_sections(figures, levers)
    if beside := page.machines(facts):
        links, body = [*links, ("conventional", "Beside a conventional machine")], body + beside
    links += [("numbers", "Numbers"), ("provenance", "Where this comes from")]
    body += page.numbers(facts)
    return page.document(f"{facts.name}: stack3d report", lead, body, page.provenance(facts), links)


def _mended(levers: xr.DataTree | None) -> list[str]:
    """What the study of levers says first."""
    if levers is None or not lever_charts.has_trials(levers):
        return []
    best = next((line[3:] for line in str(levers["levers"].attrs["verdict"]).splitlines() if line.startswith("1. ")), "")
    return [f"What would mend it best: {best}."] if best else ["None of the levers tried gains more than chance."]


def _case_sections(figures: Sequence[Figure], levers: xr.DataTree | None) -> tuple[list[tuple[str, str]], str]:
    """Links to the sections of the figures of a case, and the sections; what would mend it follows what limits it."""
    links, body, mend = list[tuple[str, str]](), "", ""
    if levers is not None and lever_charts.has_trials(levers):
        mend = lever_charts.section(levers) + page.section(lever_charts.levers(levers), "levers")
    limiting = {"attribution", "accuracy"} & {figure.name for figure in figures}
    for figure in figures:
        links.append((figure.name, figure.title))
        body += page.section(figure, figure.name)
        if mend and figure.name == ("attribution" if "attribution" in limiting else "accuracy"):
            links, body, mend = [*links, ("ranks", "What would mend it")], body + mend, ""
    return ([*links, ("ranks", "What would mend it")], body + mend) if mend else (links, body)


def study_page(tree: xr.DataTree) -> str:
    """HTML of the report of a study: answers over the swept axes, front, table of all cases."""
    facts = Facts(tree)
    lines = [*search_charts.headline(tree), ("cases", told_first.counted(tree))]
    is_asked = {"optimise", "uncertain", "levers"} & set(tree.children)
    if not is_asked:
        lines.append(("swept", ", ".join(study_answers.swept(tree))))
        lines += [("limits", kept)] if (kept := case_limits.told(tree)) else []
    answers = study_answers.extremes(tree) + ([] if is_asked else study_answers.settled(tree))
    lead = f'<h1>{escape(facts.title)}</h1><p class="under">study {escape(facts.name)}</p>'
    lead += told_first.html(told_first.of_study(tree)) + page.answer(lines + answers)
    links, body = _study_sections(tree)
    return page.document(f"{facts.name}: stack3d study", lead, body, page.provenance(facts), links)


def _study_sections(tree: xr.DataTree) -> tuple[list[tuple[str, str]], str]:
    """Links to the figures of a study and to the table of its cases, and these."""
    sections = {one.figure: one for one in _answered(tree) if one.anchor}
    links, body = list[tuple[str, str]](), ""
    for figure in (chart(tree, name) for name in possible(tree)):
        if (one := sections.get(figure.name)) is not None:
            links.append((one.anchor, one.heading))
            body += one.section(tree)
        links.append((figure.name, figure.title))
        body += page.section(figure, figure.name)
    head, rows = study_table.table(tree)
    head, rows = case_limits.with_notes(tree, head, rows)
    named = next((pair for group, pair in NAMED_CASES.items() if group in tree.children), None)
    if named is not None:
        head, rows = ("case", named[0], *head[1:]), [(r[0], n, *r[1:]) for r, n in zip(rows, named[1](tree))]
    alike = study_table.shared(tree)
    notes = [f"The same in every case: {'; '.join(f'{label}: {text}' for label, text in alike)}."] if alike else []
    notes += [signs] if (signs := study_table.told_signs(tree)) else []
    caption = f'<p class="caption">{escape(page.typeset(" ".join(notes)))}</p>' if notes else ""
    body += page.fold("cases", "All cases", page.table(rows, head, words=None if named is None else 1) + caption)
    return [*links, ("cases", "All cases"), ("provenance", "Where this comes from")], body


def comparison_page(trees: Sequence[xr.DataTree]) -> str:
    """HTML of results beside each other; of more than two as a study of them too. Raises ResultsError when one is a study."""
    tree = comparison.beside(trees)
    facts, links, body = Facts(tree), list[tuple[str, str]](), ""
    for anchor, heading, html in comparison.sections(tree, trees):
        links.append((anchor, heading))
        body += html if html.startswith("<section") else page.fold(anchor, heading, html)
    lead = f'<h1>{escape(facts.title)}</h1><p class="under">{escape(facts.name)}</p>'
    if len(trees) == 2:
        lead, links = (
            lead + told_first.html(comparison.sentences(tree, trees)),
            [*links, ("provenance", "Where this comes from")],
        )
    else:
        more, figures = _study_sections(tree)
        lead, links, body = lead + page.answer(study_answers.extremes(tree)), links + more, body + figures
    return page.document(f"{facts.name}: stack3d comparison", lead, body, page.provenance(facts), links)


def report_page(trees: Sequence[xr.DataTree], *, threshold: float | None = None, levers: xr.DataTree | None = None) -> str:
    """HTML of a case, of a study, or of several cases beside each other; raises ResultsError.

    Parameters
    ----------
    trees : sequence of xarray.DataTree
    threshold : float, optional
        As in `chart`. [-]
    levers : xarray.DataTree, optional
        The study of the levers of the case.
    """
    if len(trees) > 1:
        return comparison_page(trees)
    return study_page(trees[0]) if study_answers.swept(trees[0]) else case_page(trees[0], threshold=threshold, levers=levers)
