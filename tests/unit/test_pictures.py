"""No text of a picture lies on another, leaves the drawing, or is crossed by a whisker, a line or a curve that it must be free of."""

import html
import itertools
import re
from functools import cache

import numpy as np
import pytest
import xarray as xr
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from stack3d.constants import YEAR
from stack3d.report import life_charts, pen, svg
from stack3d.report.chart import DrawnBox, Figure, Panel
from stack3d.report.facts import Facts
from stack3d.report.study_charts import answer_map

Box = tuple[float, float, float, float]
SIZES = {"title": 12.5, "axis": 11.5}
TEXT = re.compile(r'<text x="([-.\d]+)" y="([-.\d]+)" class="(\w+)" text-anchor="(\w+)"([^>]*)>([^<]*)</text>')
SEGMENT = re.compile(r'<line class="rule"[^>]* x1="([-.\d]+)" y1="([-.\d]+)" x2="([-.\d]+)" y2="([-.\d]+)"/>')
PATH = re.compile(r'<path class="line" d="M([^"]+)"')
SLACK = 1.0
"""Of a letter's edge. [px]"""


@cache
def _width(text: str, size: float, bold: bool) -> float:
    prop = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text or " ", size=size, prop=prop).get_extents().x1)


def texts_of(drawing: str) -> list[tuple[str, str, Box]]:
    """Class, text and box of every text that lies flat."""
    found = []
    for x, y, kind, anchor, more, raw in TEXT.findall(drawing):
        text, size = html.unescape(raw), SIZES.get(kind, 11.0)
        wide = _width(text, size, kind == "title")
        if text and "rotate" not in more:
            left = float(x) - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
            found.append((kind, text, (left, float(y) - 0.75 * size, left + wide, float(y) + 0.2 * size)))
    return found


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] - SLACK and b[0] < a[2] - SLACK and a[1] < b[3] - SLACK and b[1] < a[3] - SLACK


def faults(panel: Panel) -> list[str]:
    """What lies on what in the drawing of a panel."""
    drawing = svg.draw(panel, "a", "b")
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', drawing)[1])
    texts = texts_of(drawing)
    wrong = [f"{a[1]!r} lies on {b[1]!r}" for a, b in itertools.combinations(texts, 2) if _meet(a[2], b[2])]
    wrong += [
        f"{t!r} leaves the drawing"
        for _, t, b in texts
        if b[0] < -SLACK or b[2] > svg.WIDTH + SLACK or b[3] > height or b[1] < 0
    ]
    lines = [tuple(map(float, m)) for m in SEGMENT.findall(drawing)]
    for points in PATH.findall(drawing):
        xy = [tuple(map(float, p.split())) for p in points.rstrip("Z").split("L")]
        lines += [(*a, *b) for a, b in itertools.pairwise(xy)]
    for (kind, text, box), (x0, y0, x1, y1) in itertools.product(texts, lines):
        share = np.linspace(0, 1, 60)
        x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        if kind == "note" and np.any((x > box[0] + SLACK) & (x < box[2] - SLACK) & (y > box[1] + SLACK) & (y < box[3] - SLACK)):
            wrong.append(f"a line crosses {text!r}")
    return wrong


def attribution(seed: int) -> Figure:
    """Gains from far below to above the loss, with errors of all sizes; every third one ends just before the line of the loss."""
    rng = np.random.default_rng(seed)
    n, loss = int(rng.integers(2, 12)), float(10 ** rng.uniform(-3, -0.3))
    gains = loss * rng.uniform(-0.6, 1.3, n)
    gains[::3] = loss * rng.uniform(0.7, 1.0, len(gains[::3]))
    mvm = xr.Dataset(
        {
            "accuracy": (("time", "sample"), [[0.95 - loss] * 2]), "accuracy_ideal": 0.95,
            "accuracy_without": ("mechanism", 0.95 - loss + gains),
            "accuracy_without_error": ("mechanism", loss * rng.choice([0.0, 0.02, 0.1, 0.4], n)),
        },
        coords={"mechanism": [f"mechanism_{'x' * int(rng.integers(0, 16))}{i}" for i in range(n)]},
    )  # fmt: skip
    return life_charts.attribution(Facts(xr.DataTree.from_dict({"mvm": mvm})))


@pytest.mark.parametrize("seed", range(40))
def test_the_line_of_the_loss_and_whiskers_cross_no_number(seed: int) -> None:
    (panel,) = attribution(seed).panels
    assert faults(panel) == []


def test_matplotlib_keeps_the_numbers_clear_too() -> None:
    """The retention of the quickstart: 4.97 of 5.75 points, its whisker just before the line of the loss."""
    mvm = xr.Dataset(
        {
            "accuracy": (("time", "sample"), [[0.9184, 0.9184]]), "accuracy_ideal": 0.9759,
            "accuracy_without": ("mechanism", [0.9681, 0.9347]), "accuracy_without_error": ("mechanism", [0.006, 0.004]),
        },
        coords={"mechanism": ["retention", "faults"]},
    )  # fmt: skip
    drawn = pen.draw(life_charts.attribution(Facts(xr.DataTree.from_dict({"mvm": mvm}))))
    area = drawn.axes[0]
    drawn.draw_without_rendering()
    line = next(mark for mark in area.lines if mark.get_linestyle() == ":").get_window_extent()
    boxes = {text.get_text(): text.get_window_extent() for text in area.texts}
    assert set(boxes) == {"+4.97", "+1.63", "lost: 5.75"}
    assert all(not box.x0 < line.x0 < box.x1 for box in boxes.values())
    assert all(not a.overlaps(b) for a, b in itertools.combinations(boxes.values(), 2))


@pytest.mark.parametrize("seed", range(12))
def test_labels_of_levels_stand_clear_of_the_curves(seed: int) -> None:
    """Accuracies that start between float and threshold, flat or falling, as they come."""
    rng = np.random.default_rng(seed)
    time = np.geomspace(1.0, 10 * YEAR, 12)
    fall = rng.uniform(0, 0.2) * np.linspace(0, 1, 12) ** rng.uniform(1, 8)
    chips = 0.97 - rng.uniform(0, 0.02) - fall[:, None] - rng.uniform(0, 0.02, 8)
    mvm = xr.Dataset({"accuracy": (("time", "sample"), chips), "accuracy_ideal": 0.975}, coords={"time": time})
    attributes = {"resolved_scenario": "geometry: {}\nlifetime: {accuracy_loss: 0.01}\n"}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), "mvm": mvm})
    for panel in life_charts.accuracy(Facts(tree)).panels:
        assert faults(panel) == []


def _study(dims: dict[str, list[str]], **answers: np.ndarray) -> xr.DataTree:
    shape = tuple(len(v) for v in dims.values())
    known = {f"answer_{k}": (tuple(dims), v.reshape(shape)) for k, v in answers.items()}
    return xr.DataTree(xr.Dataset({**known, "status": (tuple(dims), np.full(shape, "done"))}, coords=dims))


LONG = {
    "variant": ["heat_sink_with_a_vapour_chamber", "natural_convection", "cold"],
    "device": [f"bulk_rram_number_{i}" for i in range(6)],
}
HOT = {"ambient": [f"{t} degC" for t in range(25, 106, 16)], "tiers": ["2", "4", "8", "12"]}


@pytest.mark.parametrize("dims", [LONG, HOT, {"ambient": HOT["ambient"]}, {"variant": LONG["variant"]}])
@pytest.mark.parametrize("name", ["even", "power", "hold", "peak", "tiers", "accuracy", "writes"])
def test_maps_of_a_study_are_legible_and_name_their_axes(dims: dict[str, list[str]], name: str) -> None:
    size = int(np.prod([len(v) for v in dims.values()]))
    rng = np.random.default_rng(size)
    values = rng.integers(2, 9, size).astype(float) if name == "tiers" else 10 ** rng.uniform(-5, 1, size)
    for panel in answer_map(_study(dims, **{name: values}), name).panels:
        assert faults(panel) == []
        told = {panel.x.label.partition(" [")[0], panel.y.label.partition(" [")[0]}
        assert set(dims) <= told
        if name == "tiers":
            scale = panel.scale.ticks if panel.scale else panel.x.ticks
            assert all(text == str(int(at)) == f"{at:g}" for at, text in scale)
        for at, text in (*panel.x.ticks, *panel.y.ticks):
            assert panel.x.named or panel.y.named or float(text) == pytest.approx(at)


def test_a_unit_of_all_values_is_told_once() -> None:
    (panel,) = answer_map(_study(HOT, peak=np.arange(24.0)), "peak").panels
    assert {panel.x.label, panel.y.label} == {"tiers", "ambient [°C]"}
    assert not any("C" in text for _, text in (*panel.x.ticks, *panel.y.ticks))


def test_titles_of_matplotlib_stay_on_the_figure() -> None:
    drawn = pen.draw(answer_map(_study(LONG, even=10 ** np.linspace(2, 6, 18)), "even"))
    drawn.draw_without_rendering()
    whole = drawn.bbox
    for text in (drawn._suptitle, drawn.axes[0].title):
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, text.get_text()


def test_a_map_of_lives_says_what_is_lost_and_what_may_be_more() -> None:
    study = _study(HOT, life=np.r_[np.zeros(20), np.full(4, 10.0)])
    study.dataset = study.to_dataset().assign(cut_life=(tuple(HOT), np.r_[np.zeros(20), np.ones(4)].reshape(6, 4).astype(int)))
    (panel,) = answer_map(study, "life").panels
    boxes = [mark for mark in panel.marks if isinstance(mark, DrawnBox)]
    assert sorted({box.text for box in boxes}) == ["lost", "≥ 10 y"]
    assert sum("at least 10 years" in box.tip for box in boxes) == 4
    assert not any("degC" in box.tip for box in boxes) and any("105 °C" in box.tip for box in boxes)
