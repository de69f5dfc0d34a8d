"""Any two answers of a search: front, conditions, bands and the conventional machine stand where they must."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d.report import chart, possible, report_page
from stack3d.report.chart import GREY, Dot, Line, Rule

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
