"""What scenarios, stacks and results show of themselves in a notebook."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from stack3d.decks import Case
from stack3d.report import heat_charts, page, pen
from stack3d.report.cases import chart, possible
from stack3d.report.chart import Figure
from stack3d.report.facts import Facts
from stack3d.results import resolved_yaml
from stack3d.schema import celsius

if TYPE_CHECKING:
    import xarray as xr


def picture(figure: Figure) -> str:
    """An HTML image of a figure."""
    buffer = BytesIO()
    pen.draw(figure).savefig(buffer, format="png", dpi=90)
    return f'<img alt="{escape(figure.title)}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def scenario_html(case: Case) -> str:
    """Title, the main facts, and the stack."""
    import xarray as xr

    given = case.scenario
    facts = Facts(xr.DataTree(xr.Dataset(attrs={"scenario": case.name, "resolved_scenario": resolved_yaml(case)})))
    rows = [
        ("geometry", f"{given.geometry.name}: {len(facts.stack.named)} layers, {facts.stack.n_tiers} tiers"),
        (
            "cooling",
            f"top {given.cooling.top.name}, bottom {given.cooling.bottom.name}, ambient {celsius(given.cooling.ambient)}",
        ),
    ]
    if given.workload is not None:
        rows.append(("workload", f"{given.workload.network.name} at {given.workload.rate:g} inferences per second"))
    if given.device is not None:
        rows.append(("device", given.device.title or given.device.name))
    rows += [("set", str(override)) for override in case.overrides]
    return f"<h4>{escape(given.title or case.name)}</h4>{page.table(rows, ('key', 'value'))}{picture(heat_charts.stack(facts))}"


def result_html(tree: xr.DataTree) -> str:
    """The lines that a person reads first, and the first figure."""
    facts = Facts(tree)
    first = picture(chart(tree, possible(tree)[0]))
    return f"<h4>{escape(facts.title)}</h4>{page.table(facts.summary, ('what', 'answer'))}{first}"
