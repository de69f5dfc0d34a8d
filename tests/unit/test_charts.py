"""Axes, ticks, fronts and answers against values known by hand."""

import numpy as np
import pytest
import xarray as xr

from stack3d import decks
from stack3d.report import heat_charts, svg
from stack3d.report.chart import Box, categories, decades, ink_on, linear, times
from stack3d.report.facts import Facts
from stack3d.report.study_charts import front
from stack3d.results import resolved_yaml


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (0.0, 1.25, ["0.00", "0.25", "0.50", "0.75", "1.00", "1.25"]),
        (-1.0, 6.0, ["0", "2", "4", "6"]),
        (44.0104, 44.0391, ["44.015", "44.020", "44.025", "44.030", "44.035"]),
    ],
)
def test_round_ticks(low: float, high: float, texts: list[str]) -> None:
    axis = linear("v", low, high, margin=0.0)
    assert [t for _, t in axis.ticks] == texts
    assert all(abs(float(t) - p) < 1e-9 for p, t in axis.ticks)


def test_an_axis_of_one_value_has_room() -> None:
    axis = linear("v", 3.0, 3.0)
    assert axis.low < 3.0 < axis.high and len(axis.ticks) >= 2


def test_logarithmic_axes() -> None:
    axis = decades("p", 2e-7, 0.15, unit="W", prefixed=True)
    assert axis.share(axis.low) == 0 and axis.share(axis.high) == pytest.approx(1)
    assert axis.share(np.sqrt(axis.low * axis.high)) == pytest.approx(0.5)
    assert [t for _, t in axis.ticks] == ["1 µW", "10 µW", "100 µW", "1 mW", "10 mW", "100 mW"]
    assert [t for _, t in times("t", 1.0, 3.1557600e8).ticks] == ["1 s", "1 min", "1 h", "1 d", "1 mo", "1 y", "10 y"]
    assert len(decades("p", 1.0, 1.0).ticks) >= 2


def test_names_run_from_the_top() -> None:
    assert categories(["a", "b", "c"]).ticks == ((2.0, "a"), (1.0, "b"), (0.0, "c"))


def test_text_stays_readable_on_fills() -> None:
    assert ink_on("#000000") == "#ffffff" and ink_on("#ffff00") == "#111827"


def test_pareto_front() -> None:
    x = np.array([1.0, 2.0, 2.0, 3.0, np.nan, 1.0])
    y = np.array([5.0, 4.0, 3.0, 4.0, 9.0, 5.0])
    np.testing.assert_array_equal(front(x, y, larger_x=True, larger_y=True), [1, 0, 0, 1, 0, 1])
    np.testing.assert_array_equal(front(x, y, larger_x=False, larger_y=True), [1, 0, 0, 0, 0, 1])


@pytest.mark.parametrize("name", decks.available("geometries"))
def test_every_shipped_stack_can_be_drawn(name: str) -> None:
    """Layers fill the panel from bottom to top without a gap, in the magnified part too."""
    case = decks.load("quickstart", [("geometry", name)])
    facts = Facts(xr.DataTree(xr.Dataset(attrs={"resolved_scenario": resolved_yaml(case)})))
    for panel in heat_charts.stack(facts).panels:
        spans = sorted({(m.y0, m.y1) for m in panel.marks if isinstance(m, Box)})  # a block has the span of its layer
        assert spans[0][0] == pytest.approx(panel.y.low, abs=1e-9) and spans[-1][1] == pytest.approx(panel.y.high)
        assert all(upper[0] == pytest.approx(lower[1]) for lower, upper in zip(spans[:-1], spans[1:]))
        assert "<svg" in svg.draw(panel, "a", "b")
