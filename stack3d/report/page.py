"""One self-contained page: figures, answer and provenance in a file that opens from disk and asks nothing of a network."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from stack3d import fields
from stack3d.constants import ZERO_CELSIUS
from stack3d.report import svg
from stack3d.report.chart import Chooser, Figure, Map, Panel
from stack3d.report.facts import Facts
from stack3d.schema.workload import CONVENTIONAL_SOURCE, ConventionalDeck
from stack3d.unit_text import duration, short

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The page forbids itself every request."""
MANY = 8
"""Columns above which a table is printed in small letters."""


def _panels(figure: Figure, identity: str) -> str:
    drawn = (svg.draw(p, f"{identity}-{i}", f"{figure.title}: {p.title}") for i, p in enumerate(figure.panels))
    return "".join(f'<div class="panel">{one}</div>' for one in drawn)


def _thumb(panel: Panel) -> str:
    field = next(m for m in panel.marks if isinstance(m, Map))
    name = escape(panel.title.partition(", hottest box")[0].partition(" (")[0])
    picture = f'<img src="{svg.png(field.values, field.scale)}" alt="">'
    told = name.replace(".", ".<wbr>").replace("_", "_<wbr>")
    return f'<button type="button" data-name="{name}">{picture}{told}<br>{np.nanmax(field.values):.{field.digits}f}</button>'


def _deck(figure: Figure, identity: str) -> str:
    """Panels seen one at a time, with a slider and small pictures to choose by; the one with the largest value first."""
    peaks = [max(float(np.nanmax(m.values)) for m in panel.marks if isinstance(m, Map)) for panel in figure.panels]
    last = len(peaks) - 1
    slider = (
        f'<input id="{identity}-slider" type="range" min="0" max="{last}" value="{int(np.argmax(peaks))}"><output></output>'
    )
    label = f'<label class="slider"{"" if last else " hidden"}>choose {slider}</label>'
    thumbs = "".join(_thumb(panel) for panel in figure.panels)
    body = f'{_panels(figure, identity)}<div class="thumbs">{thumbs}</div>'
    return f'{label}<div class="panels deck" data-slider="{identity}-slider">{body}</div>'


def _chooser(figure: Figure, chooser: Chooser, identity: str) -> str:
    """Two lists of columns, whose chart the script of the page draws; without scripts the panels."""
    lists = []
    for word, at in (("up", 0), ("across", 1)):
        options = "".join(
            f'<optgroup label="{escape(kind)}">'
            + "".join(f'<option value="{i}"{" selected" * (i == at)}>{escape(name)}</option>' for i, name in group)
            + "</optgroup>"
            for kind, group in _by_kind(chooser)
        )
        lists.append(f'<label class="slider">{word} <select data-axis="{word}">{options}</select></label>')
    found = svg.chooser_data(chooser)
    found["names"] = [typeset(name) for name in found["names"]]
    data = json.dumps(found, separators=(",", ":")).replace("</", "<\\/")
    script = f'<script type="application/json">{data}</script>'
    static = f'<div class="panels">{_panels(figure, identity)}</div>'
    return f'<div class="chooser" id="{identity}-chooser">{"".join(lists)}<div class="chosen"></div>{script}{static}</div>'


def _by_kind(chooser: Chooser) -> list[tuple[str, list[tuple[int, str]]]]:
    """Columns with their numbers under their headings."""
    found: dict[str, list[tuple[int, str]]] = {}
    for i, column in enumerate(chooser.columns):
        found.setdefault(column.kind, []).append((i, column.name))
    return list(found.items())


def fold(identity: str, heading: str, body: str, *, half: bool = False, closed: bool = False) -> str:
    """A section that opens and closes at its heading.

    Parameters
    ----------
    identity : str
        Its anchor.
    heading : str
    body : str
        HTML.
    half : bool
        Whether two such stand side by side on a wide screen.
    closed : bool
        Whether it is shut at first.
    """
    kind = ' class="half"' if half else ""
    shown = "" if closed else " open"
    top = f"<summary><h2>{escape(heading)}</h2></summary>"
    return f'<section id="{identity}"{kind}><details class="fold"{shown}>{top}{body}</details></section>'


def section(figure: Figure, identity: str) -> str:
    """Heading, caption and panels of one figure."""
    alone = f'<div class="panels">{_panels(figure, identity)}</div>'
    body = _deck(figure, identity) if figure.deck else _chooser(figure, figure.chooser, identity) if figure.chooser else alone
    half = len(figure.panels) == 1 and not figure.deck
    return fold(identity, figure.title, f'<p class="caption">{escape(figure.caption)}</p>{body}', half=half)


def answer(lines: Sequence[tuple[str, str]]) -> str:
    """The lines that a person reads first."""
    rows = "".join(f"<dt>{escape(label)}</dt><dd>{escape(typeset(text))}</dd>" for label, text in lines)
    return f'<dl class="answer">{rows}</dl>'


TYPESET = (
    (re.compile(r"\bdegC\b"), "°C"),
    (re.compile(r"(?<=\d )u(?=(?:K|s|S|W|J|A|V|F|m|m2|m\^2|mol|ohm)\b)"), "µ"),
    (re.compile(r"(?<=\d )([mkMG]?)ohm\b"), r"\1Ω"),
    (re.compile(r"(?<![A-Za-z_])([kcmuµn]?m)\^?2\b"), r"\1²"),
    (re.compile(r"(?<![A-Za-z_])([kcmuµn]?m)\^?3\b"), r"\1³"),
)
"""Units as decks and terminals write them, and as a page does."""


def typeset(text: str) -> str:
    """A text with its units as they are printed: ``"2 uW/cm^2 at 85 degC"`` is ``"2 µW/cm² at 85 °C"``."""
    for written, printed in TYPESET:
        text = written.sub(printed, text)
    return text


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...], *, words: int | None = None, stacked: bool = False) -> str:
    """Rows under a head, as HTML.

    Parameters
    ----------
    rows : sequence of tuple of str
    head : tuple of str
    words : int, optional
        Column that holds whole phrases and is wide enough for them.
    stacked : bool
        On a phone each row becomes a small list, its first cell on top, the others behind the heads of their columns.
    """
    names = (escape(typeset(h)).replace("_", "_<wbr>") for h in head)  # a long name may go on in the next line
    top = "".join(f'<th scope="col">{name}</th>' for name in names)

    def cell(column: int, text: str) -> str:
        told = escape(typeset(text))
        if " " not in text:  # a long key may go on in the next line
            told = re.sub(r"(?<=\w)([._/])(?=[^\W\d])", r"\1<wbr>", told)
        under = f' data-head="{escape(typeset(head[column]))}"' if stacked and column and text else ""
        return f"<td{' class="words"' * (column == words)}{under}>{told}</td>"

    body = "".join("<tr>" + "".join(cell(i, text) for i, text in enumerate(row)) + "</tr>" for row in rows)
    kind = "wide many" if len(head) > MANY else "wide stacked" if stacked else "wide"
    return f'<div class="{kind}"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def told(value: float, unit: str) -> str:
    """A number with its unit, in one that fits where prefixes are usual."""
    if np.isnan(value):
        return "none"
    if unit == "s" and value >= 60.0:
        return duration(value)
    if unit in ("W", "J", "s", "m", "m2", "byte"):
        return short(value, unit.replace("byte", "B"))
    number = f"{value:.6g}" if abs(value) < 1e6 else f"{value:.4g}".replace("e+0", "e").replace("e+", "e")
    return f"{number} {over(unit)}".strip()


def over(unit: str) -> str:
    """A unit of the dataset with a stroke for what it is divided by: ``K W-1`` is ``K/W``."""
    above = [part for part in unit.split() if "-" not in part]
    below = [part.replace("-1", "").replace("-", "") for part in unit.split() if "-" in part]
    return "/".join([" ".join(above) or "1" * bool(below), *below])


def numbers(facts: Facts) -> str:
    """Every scalar of the dataset with its unit and meaning."""
    rows = []
    for path, entry in fields.FIELDS.items():
        if entry.dims in ((), ("time",)) and facts.has(path) and np.ndim(facts.get(path)) == 0:
            value = facts.get(path)
            text = told(float(value), entry.units if entry.units != "1" else "")
            if entry.units == "K" and path.endswith("temperature"):
                text += f" ({float(value) - ZERO_CELSIUS:.2f} °C)"
            rows.append((path, text, ": ".join(filter(None, (entry.long_name, value.attrs.get("comment"))))))
    return fold("numbers", "Numbers", table(rows, ("variable", "value", "meaning"))) if rows else ""


def machines(facts: Facts) -> str:
    """The chip beside the conventional machine with its weights in either memory, and where that machine's figures are from."""
    names = [f"power/conventional_{n}" for n in ("energy", "latency", "leakage", "memory")]
    if not facts.has(*names, "power/break_even_rate", "power/latency"):
        return ""
    energy, latency, leakage, memory = (facts.values(name) for name in names)
    rates = np.atleast_2d(facts.values("power/break_even_rate"))
    drawn = np.atleast_2d(facts.values("power/component_power"))[-1]
    highest = float(facts.values("power/highest_rate")) if facts.has("power/highest_rate") else np.inf
    watts = dict(zip(facts.get("power/component_power")["component"].values, drawn))
    chip = float(np.atleast_2d(facts.values("power/energy_per_inference"))[-1].sum())
    rows = [
        (
            "this chip at the end",
            short(chip, "J"),
            short(float(facts.values("power/latency")), "s"),
            short(float(watts["leakage"]), "W"),
            "",
        )
    ]
    for i, name in enumerate(facts.get("power/conventional_energy")["machine"].values):
        even = fields.told_rate(float(rates[-1, i]), "per second", highest)
        numbers_ = (short(float(energy[i]), "J"), short(float(latency[i]), "s"), short(float(leakage[i]), "W"))
        rows.append((f"weights in {str(name).upper()}", *numbers_, even))
    deck = ConventionalDeck.model_validate((facts.scenario.get("workload") or {}).get("conventional") or {})
    sources = {v for k, v in (facts.json("references") or {}).items() if k.startswith("workload.conventional")}
    if deck.kept:
        whose = "Sources" if len(deck.kept) == len(ConventionalDeck().kept) else f"Of {', '.join(deck.kept).replace('_', ' ')}"
        sources.add(f"{whose}: {CONVENTIONAL_SOURCE}.")
    what = f"A machine of {deck.node} that fetches {short(float(memory), 'B')} of weights for every inference."
    own = "The chip's energy holds its share of leakage and upkeep; the machine's leakage stands apart."
    caption = f'<p class="caption">{escape(" ".join((what, own, *sorted(sources))))}</p>'
    head = ("machine", "energy per inference", "latency", "leakage", "the chip draws less")
    return fold("conventional", "Beside a conventional machine", caption + table(rows, head))


def time_spent(facts: Facts) -> str:
    """Wall time of the run and where it went, the largest part first; empty when the dataset does not say."""
    seconds = (facts.json("statistics") or {}).get("seconds", {})
    total = sum(seconds.values())
    parts = sorted(seconds.items(), key=lambda part: -part[1])
    shares = ", ".join(f"{name} {100 * spent / total:.0f} %" for name, spent in parts if spent > 0.005 * total)
    return f"{total:.3g} s: {shares}" if total > 0 else ""


def provenance(facts: Facts) -> str:
    """Versions, seed, history, sources of the numbers, and the scenario itself."""
    attrs = facts.tree.attrs
    facts_of_run = [
        ("scenario", facts.name),
        ("content hash", str(attrs.get("content_hash", ""))),
        ("history", str(attrs.get("history", ""))),
        ("overrides", ", ".join(facts.json("overrides") or []) or "none"),
        ("seed", str(attrs.get("seed", ""))),
        ("versions", ", ".join(f"{k} {v}" for k, v in (facts.json("versions") or {}).items())),
        ("time", time_spent(facts)),
    ]
    parts = [f"<h2>Where this comes from</h2>{table([row for row in facts_of_run if row[1]], ('what', 'value'))}"]
    references = (facts.json("references") or {}).items()
    for kind, said, why in (("assumed: ", "assumed number{}", "why"), ("source: ", "number{} with a source", "source")):
        rows = [(key, text.removeprefix(kind)) for key, text in references if text.startswith(kind)]
        if rows:
            heading = f"{len(rows)} {said.format('s' * (len(rows) > 1))}"
            parts.append(f"<details><summary>{heading}</summary>{table(rows, ('key', why))}</details>")
    if "resolved_scenario" in attrs:
        scenario = escape(str(attrs["resolved_scenario"]))
        parts.append(f"<details><summary>the scenario with every deck spelled out</summary><pre>{scenario}</pre></details>")
    return "".join(parts)


def document(title: str, lead: str, body: str, foot: str, links: Sequence[tuple[str, str]]) -> str:
    """The whole page.

    Parameters
    ----------
    title : str
    lead, body, foot : str
        HTML.
    links : sequence of (anchor, text)
        Of the contents.
    """
    here = Path(__file__).parent
    names = ("chart.css", "page.css", "page.js", "page_tools.js")
    drawn, style, *scripts = ((here / name).read_text(encoding="utf-8") for name in names)
    contents = "".join(f'<a href="#{anchor}">{escape(text)}</a>' for anchor, text in links)
    code = "".join(f"<script>{script}</script>" for script in scripts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style id="chart-style">{drawn}</style>'
        f'<style>{style}</style></head>\n<body><a class="skip" href="#body">to the figures</a>'
        f'<header>{lead}<nav aria-label="contents">{contents}</nav></header>\n<main id="body" tabindex="-1">{body}</main>\n'
        f'<footer id="provenance">{foot}</footer><div id="tip" role="status"></div>\n{code}</body></html>\n'
    )
