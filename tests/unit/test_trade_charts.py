"""Any two outputs of a study: front, conditions, bands and the conventional machine stand where they must."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from stack3d.report import chart, possible, report_page
from stack3d.report.chart import COLOURS, GREY, Dot, Line, Rule
from stack3d.report.trade_axes import axes_of

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
    assert panel.title == "worst accuracy at the end over energy per inference" and figure.chooser
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


def chosen_data(page: str) -> dict:
    """What the script of a page draws from."""
    held = re.search(r'<div class="chooser".*?<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(held[1])


def test_the_page_holds_every_axis_once(tree: xr.DataTree) -> None:
    """Goals and answers, then every number of the cases: each a column, with its condition, machines and bands."""
    power = tree["power"].to_dataset().assign(leakage=("case", [1.0, 2.0, 3.0, 4.0]), fixed=("case", np.ones(4)))
    power["layers"] = ("case", "layer"), np.arange(8.0).reshape(4, 2)
    power["fine"] = ("case", "node"), np.arange(400.0).reshape(4, 100)
    power = power.assign_coords(layer=["die", "lid"])
    parts = {"/": tree.dataset.assign_coords(bits=("case", [4, 5, 6, 7])), "/power": power}
    full = xr.DataTree.from_dict({**{f"/{n}": tree[n].dataset for n in ("mvm", "optimise")}, **parts})
    page = report_page([full])
    data = chosen_data(page)
    names = [column["name"] for column in data["columns"]]
    assert names[:2] == ["worst accuracy at the end", "energy per inference"] and len(set(names)) == len(names)
    assert {"bits", "power/leakage", "power/layers[die]", "power/layers[lid]"} <= set(names)
    assert not [name for name in names if "fixed" in name or "fine" in name]  # the same in all, and a field
    assert page.count('<optgroup label="asked for">') == 2 and "bits 4" in data["names"]
    worst, energy = data["columns"][:2]
    assert worst["lines"] == [["accuracy_worst@end >= 93 %", pytest.approx(93)]] and (worst["better"], energy["better"]) == (
        1,
        -1,
    )
    assert energy["values"] == [1, 2, 3, 1.5] and energy["machines"] == [["SRAM machine", pytest.approx(4)]]
    np.testing.assert_allclose(worst["bands"], 100 * np.quantile(WORST, (0.05, 0.95), axis=1).T)
    assert data["kept"] == [1, 1, 1, 0] and data["chosen"] == [1, 0, 0, 0]


def test_the_logit_error_and_write_pulses_are_axes(tree: xr.DataTree) -> None:
    """However many others there are."""
    mvm = tree["mvm"].to_dataset().assign(logit_error=(("case", "time", "sample"), WORST[:, None]))
    writes = xr.Dataset({"writes": (("case", "time"), [[1.0], [2.0], [3.0], [4.0]])})
    parts = {"/": tree.dataset, "/mvm": mvm, "/reliability": writes}
    found = axes_of(xr.DataTree.from_dict({**{f"/{n}": tree[n].dataset for n in ("power", "optimise")}, **parts}))
    assert {"error", "writes", "worst", "energy"} <= set(found)


def test_draws_of_unknowns_are_points_without_a_front() -> None:
    """Outputs over what was drawn; independent draws are blue, and more of none is better."""
    case = np.arange(3)
    found = xr.Dataset(
        {"value": (("case", "output"), [[300.0, 0.9], [310.0, 0.8], [305.0, 0.7]]), "independent": ("case", [1, 0, 1])},
        {"output": ["peak_temperature", "accuracy@end"], "output_unit": ("output", ["K", ""])},
        {"verdict": ""},
    )
    root = xr.Dataset({"status": ("case", ["done"] * 3), "message": ("case", [""] * 3)}, {"case": case})
    root = root.assign_coords(film=("case", ["1 W", "2 W", "3 W"]), film_value=("case", [1.0, 2.0, 3.0]))
    tree = xr.DataTree.from_dict({"/": root, "/uncertain": found})
    assert possible(tree) == ["trade_offs"]
    data = chosen_data(report_page([tree]))
    assert [c["name"] for c in data["columns"]] == ["peak_temperature", "accuracy@end", "film"]
    assert [c["better"] for c in data["columns"]] == [0, 0, 0] and data["kept"] == [1, 0, 1]
    assert data["columns"][1]["unit"] == "%" and data["columns"][1]["values"] == [90, 80, 70]
    dots = [m for m in chart(tree, "trade_offs").panels[0].marks if isinstance(m, Dot)]
    assert [d.colour for d in dots] == [COLOURS[0], GREY, COLOURS[0]]


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
    assert text == "sum(area) <= 2.5 mm²" and at == pytest.approx(2.5)
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
