"""Any two answers of a search: front, conditions, bands and the conventional machine stand where they must."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.report import chart, possible, report_page
from stack3d.report.chart import GREY, Dot, Line, Rule
from stack3d.report.trade_charts import axes_of

xr = pytest.importorskip("xarray")

ENERGY = np.array([1e-9, 2e-9, 3e-9, 1.5e-9])
WORST = np.array([[0.90, 0.92], [0.95, 0.97], [0.96, 0.98], [0.94, 0.96]])


@pytest.fixture
def tree() -> xr.DataTree:
    """Four cases of two chips; the last is bettered by the first in energy and the second in accuracy, and misses a condition."""
    case = np.arange(4)
    dims = ("case", "time", "sample")
    both = {"accuracy": (dims, np.full((4, 1, 2), 0.98)), "accuracy_worst": (dims, WORST[:, None])}
    mvm = xr.Dataset({**both, "accuracy_ideal": ("case", np.full(4, 0.99))})
    power = xr.Dataset(
        {
            "energy_per_inference": (("case", "time", "component"), ENERGY[:, None, None]),
            "conventional_energy": (("case", "machine"), np.tile([4e-9, 900e-9], (4, 1))),
        },
        {"machine": ["sram", "dram"]},
    )
    found = xr.Dataset(
        {
            "value": (("case", "goal"), ENERGY[:, None]),
            "missed": (("case", "condition"), np.array([[-0.01], [-0.01], [-0.01], [0.01]])),
            "feasible": ("case", [1, 1, 1, 0]),
            "front": ("case", [1, 0, 0, 0]),
            "chosen": ("case", [1, 0, 0, 0]),
        },
        {
            "design": ("case", [f"bits {b}" for b in (4, 5, 6, 7)]),
            "goal": ["energy_per_inference@end"],
            "goal_unit": ("goal", ["J"]),
            "goal_minimised": ("goal", [1]),
            "condition": ["accuracy_worst@end >= 93 %"],
            "condition_unit": ("condition", [""]),
            "condition_output": ("condition", ["accuracy_worst"]),
            "condition_bound": ("condition", [0.93]),
        },
        {"verdict": "best", "chosen_deck": "scenario: x"},
    )
    root = xr.Dataset({"status": ("case", ["done"] * 4), "message": ("case", [""] * 4)}, {"case": case})
    return xr.DataTree.from_dict({"/": root, "/mvm": mvm, "/power": power, "/optimise": found})


def test_two_answers_with_all_that_stands_beside(tree: xr.DataTree) -> None:
    assert possible(tree) == ["front", "trade_offs"]
    figure = chart(tree, "trade_offs")
    (panel,) = figure.panels
    assert panel.title == "worst accuracy at the end over energy per inference" and figure.choice
    (rule,) = (m for m in panel.marks if isinstance(m, Rule))
    assert (rule.axis, rule.label) == ("y", "accuracy_worst@end >= 93 %") and rule.value == pytest.approx(93.0)
    dots = [m for m in panel.marks if isinstance(m, Dot)]
    assert [(round(d.x, 6), round(d.y, 6)) for d in dots if d.label] == [(4.0, 99.0)]  # the machine with DRAM lies far away
    assert "DRAM 900 nJ" in figure.caption
    assert [round(d.x, 6) for d in dots if d.ring] == [1.0]
    assert sum(d.colour == GREY for d in dots) == 1
    front, *bands = (m for m in panel.marks if isinstance(m, Line))
    np.testing.assert_allclose(front.x, [1, 2, 3])
    np.testing.assert_allclose([band.y for band in bands], 100 * np.quantile(WORST[:3], (0.05, 0.95), axis=1).T)


def test_the_page_shows_one_pair_at_a_time(tree: xr.DataTree) -> None:
    page = report_page([tree])
    assert '<option value="0">worst accuracy at the end over energy per inference</option>' in page and "bits 4" in page


def asked_more(tree: xr.DataTree) -> xr.DataTree:
    """The same search with a goal and a condition that no answer tells, and one on the area, which an answer tells."""
    found = tree["optimise"].to_dataset()
    product, gap, area = np.array([4.0, 3.0, 2.0, 1.0]), np.array([10.0, 20.0, 30.0, 40.0]), np.array([1.0, 2.0, 3.0, 4.0])
    more = xr.Dataset(
        {
            "value": (("case", "goal"), product[:, None]),
            "missed": (("case", "condition"), np.column_stack((gap - 25.0, 1e-6 * (area - 2.5)))),
            **{name: found[name] for name in ("feasible", "front", "chosen")},
        },
        {
            "design": found["design"], "goal": ["energy_per_inference * latency"], "goal_unit": ("goal", ["J s"]),
            "goal_minimised": ("goal", [1]), "goal_output": ("goal", [""]),
            "condition": ["peak_temperature - ambient <= 25 K", "sum(area) <= 2.5 mm^2"],
            "condition_unit": ("condition", ["K", "m2"]), "condition_output": ("condition", ["", ""]),
            "condition_bound": ("condition", [25.0, 2.5e-6]), "condition_sign": ("condition", [1.0, 1.0]),
            "condition_side": ("condition", ["peak_temperature - ambient", "sum(area)"]),
        },
        found.attrs,
    )  # fmt: skip
    power = tree["power"].to_dataset().assign(area=(("case", "area_part"), 1e-6 * area[:, None]))
    return xr.DataTree.from_dict({"/": tree.dataset, "/mvm": tree["mvm"].dataset, "/power": power, "/optimise": more})


def test_goals_and_conditions_that_no_answer_tells_are_axes(tree: xr.DataTree) -> None:
    """What was asked for comes first, in the unit it was asked in; a condition on the area stands on the answer's axis."""
    axes = axes_of(asked_more(tree))
    assert list(axes)[:3] == ["area", "energy_per_inference * latency", "peak_temperature - ambient"]
    np.testing.assert_allclose(axes["peak_temperature - ambient"].values, [10, 20, 30, 40])
    assert axes["peak_temperature - ambient"].lines == (("peak_temperature - ambient <= 25 K", 25.0),)
    np.testing.assert_allclose(axes["area"].values, [1, 2, 3, 4])
    [(text, at)] = axes["area"].lines
    assert text == "sum(area) <= 2.5 mm^2" and at == pytest.approx(2.5)
    panel = next(p for p in chart(asked_more(tree), "trade_offs").panels if "over peak_temperature - ambient" in p.title)
    assert [m.label for m in panel.marks if isinstance(m, Rule) and m.axis == "x"] == ["peak_temperature - ambient <= 25 K"]


def test_a_sweep_has_any_two_answers_too() -> None:
    """Without conditions every case counts, and none is chosen."""
    dims = ("tiers", "bits")
    known = {"answer_peak": (dims, [[1.0, 2.0], [4.0, 3.0]]), "answer_energy": (dims, [[4e-9, 3e-9], [1e-9, 2e-9]])}
    root = xr.Dataset({**known, "status": (dims, np.full((2, 2), "done"))}, {"tiers": [2, 4], "bits": [4, 8]})
    sweep = xr.DataTree(root)
    assert possible(sweep)[-1] == "trade_offs"
    figure = chart(sweep, "trade_offs")
    dots = [m for m in figure.panels[0].marks if isinstance(m, Dot)]
    assert len(dots) == 4 and not any(d.ring for d in dots) and "condition" not in figure.caption
