"""Axes, ticks, fronts and answers against values known by hand."""

import numpy as np
import pytest
import xarray as xr

from stack3d import decks
from stack3d.constants import YEAR
from stack3d.report import chart, heat_charts, life_charts, pen, possible, svg
from stack3d.report.chart import DrawnBox, Line, categories, decades, ink_on, linear, times
from stack3d.report.facts import Facts
from stack3d.report.matter_charts import total_shares
from stack3d.report.study_answers import ANSWERS
from stack3d.report.study_charts import answer_map, front
from stack3d.report.study_table import shared, table
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


def test_what_is_counted_has_whole_ticks() -> None:
    assert [t for _, t in linear("tiers", 2.0, 4.0, margin=0.0, whole=True).ticks] == ["2", "3", "4"]
    assert [t for _, t in linear("tiers", 2.0, 4.0, margin=0.0).ticks] == ["2.0", "2.5", "3.0", "3.5", "4.0"]


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
        spans = sorted({(m.y0, m.y1) for m in panel.marks if isinstance(m, DrawnBox)})  # a block has the span of its layer
        assert spans[0][0] == pytest.approx(panel.y.low, abs=1e-9) and spans[-1][1] == pytest.approx(panel.y.high)
        assert all(upper[0] == pytest.approx(lower[1]) for lower, upper in zip(spans[:-1], spans[1:]))
        assert "<svg" in svg.draw(panel, "a", "b")


def study() -> xr.DataTree:
    """Two tiers by three cooling decks: peaks differ, energies and times to the loss do not."""
    dims = ("tiers", "cooling")
    one = {name: (dims, np.full((2, 3), value)) for name, value in {"answer_life": 1 / YEAR, "answer_energy": 8e-9}.items()}
    known = {**one, "answer_peak": (dims, np.arange(6.0).reshape(2, 3)), "status": (dims, np.full((2, 3), "done"))}
    return xr.DataTree(xr.Dataset(known, coords={"tiers": [2, 8], "cooling": ["air", "water", "plate"]}))


def test_maps_of_a_study_name_their_axes() -> None:
    (panel,) = answer_map(study(), "peak").panels
    assert {panel.x.label, panel.y.label} == {"tiers", "cooling"} and panel.x.named and panel.y.named
    drawn = svg.draw(panel, "a", "b")
    assert ">tiers</text>" in drawn and ">cooling</text>" in drawn


def test_what_is_the_same_in_every_case_has_no_column() -> None:
    head, rows = table(study())
    assert head == ("tiers", "cooling", "peak temperature [°C]", "status") and len(rows) == 6
    assert shared(study()) == [("median time to the stated loss below float", "1 s"), ("energy per inference", "8 nJ")]


def test_chips_below_the_loss_when_first_read_have_no_time_to_it() -> None:
    """Two chips of three lie below it at the first reading: no median time, whatever the instant; none is a full life."""
    accuracy = xr.DataArray(np.full((2, 3), 0.5), dims=("time", "sample"), coords={"time": [1.0, YEAR]})
    life = ANSWERS["life"]
    for loss, said in (([1.0, 1.0, YEAR / 2], "lost when first read"), ([1.0, np.nan, np.nan], "1 year")):
        value = float(life.reduce(xr.DataArray(loss, dims="sample"), accuracy))
        assert life.full(value) == said


def test_whiskers_do_not_cross_the_numbers_of_their_bars() -> None:
    """The text of a bar starts behind its whisker, in both pens, and the axis holds both."""
    mvm = xr.Dataset(
        {
            "accuracy": (("time", "sample"), [[0.9, 0.9]]), "accuracy_ideal": 0.95,
            "accuracy_without": ("mechanism", [0.93, 0.89, 0.9]), "accuracy_without_error": ("mechanism", [0.04, 0.03, 0.0]),
        },
        coords={"mechanism": ["retention", "read_noise", "drift"]},
    )  # fmt: skip
    figure = life_charts.attribution(Facts(xr.DataTree.from_dict({"mvm": mvm})))
    (panel,) = figure.panels
    bars, whiskers = ([m for m in panel.marks if isinstance(m, kind)] for kind in (DrawnBox, Line))
    assert [round(b.end, 9) for b in bars] == [7.0, 0.0, 2.0]
    assert all(panel.x.low <= w.x.min() and w.x.max() <= panel.x.high for w in whiskers)
    frame = svg.Frame(panel)
    assert f'x="{frame.x(7.0) + 4:.2f}"' in svg.draw(panel, "a", "b")
    texts = {t.get_text(): t.xy[0] for t in pen.draw(figure).axes[0].texts if hasattr(t, "xy")}
    assert texts["+3.00"] == pytest.approx(7.0) and texts["-1.00"] == pytest.approx(2.0)


def test_maxima_of_layers_stand_where_they_are() -> None:
    case = decks.load("quickstart")
    facts = Facts(xr.DataTree(xr.Dataset(attrs={"resolved_scenario": resolved_yaml(case)})))
    layers = facts.stack.layers
    spots = np.array([[0.0, 0.0, layer.z1 if i % 2 else layer.z0] for i, layer in enumerate(layers)])
    thermal = {
        "layer_temperature_mean": ("layer", np.full(len(layers), 300.0)),
        "layer_temperature_max": ("layer", np.full(len(layers), 301.0)),
        "layer_hot_spot": (("layer", "axis"), spots),
    }
    tree = xr.DataTree.from_dict({"/": facts.tree.dataset, "thermal": xr.Dataset(thermal)})
    whole = heat_charts.profile(Facts(tree)).panels[0]
    (line,) = [m for m in whole.marks if isinstance(m, Line) and m.label == "layer maximum"]
    np.testing.assert_allclose(line.y, spots[:, 2] * (1e6 if whole.y.unit == "µm" else 1e3))


def test_what_only_some_cases_have_is_not_the_same_in_all() -> None:
    """One case needs no refresh: the interval of the others decides; a failed case has no say."""
    status = np.array(["done", "done", "failed"])
    some = {"answer_hold": ("case", np.array([0.1, np.nan, np.nan])), "answer_power": ("case", np.array([3e-5, 3e-5, np.nan]))}
    tree = xr.DataTree(xr.Dataset({**some, "status": ("case", status)}, coords={"case": ["a", "b", "c"]}))
    assert shared(tree) == [("total power", "30 uW")]
    head, rows = table(tree)
    assert head == ("case", "refresh interval that holds the accuracy", "status")
    assert [row[1] for row in rows] == ["37 d", "", ""]


def test_powers_of_a_study_are_never_rounded_to_nothing() -> None:
    watts = np.array([2.74e-7, 3.1e-5, 4.128e-5, 0.0])
    tree = xr.DataTree(
        xr.Dataset({"answer_power": ("case", watts), "status": ("case", ["done"] * 4)}, coords={"case": list("abcd")})
    )
    head, rows = table(tree)
    assert head[1] == "total power [µW]" and [row[1] for row in rows] == ["0.274", "31.0", "41.3", "0"]


def test_both_memories_of_the_conventional_machine_have_a_column() -> None:
    power = xr.Dataset(
        {"conventional_energy": (("case", "machine"), [[7e-7, 5e-9], [3e-7, 2e-9]]), "break_even_rate": (("case", "machine"), [[0.0, -4e3], [np.inf, 2e3]])},
        coords={"machine": ["dram", "sram"], "case": ["a", "b"]},
    )  # fmt: skip
    root = xr.Dataset({"status": ("case", ["done", "done"])}, coords={"case": ["a", "b"]})
    head, rows = table(xr.DataTree.from_dict({"/": root, "power": power}))
    found = {name: [row[i] for row in rows] for i, name in enumerate(head)}
    assert found["energy per inference of a machine with SRAM, its leakage apart [nJ]"] == ["5.00", "2.00"]
    assert found["energy per inference of a machine with DRAM, its leakage apart [nJ]"] == ["700", "300"]
    assert found["rate above which a machine with DRAM draws more (negative: below it) [1/s]"] == ["any", "none"]
    assert found["rate above which a machine with SRAM draws more (negative: below it) [10³/s]"] == ["-4.00", "2.00"]


def test_axes_of_a_sweep_by_the_variance_they_take_part_in() -> None:
    """y = x + 3 z on a grid: variances of the parts by hand; a product of centred parts takes both; gaps leave an answer out."""
    x, z = np.meshgrid([0.0, 1.0], [0.0, 1.0, 2.0], indexing="ij")
    np.testing.assert_allclose(total_shares(x + 3 * z), np.array([0.25, 6.0]) / 6.25)
    np.testing.assert_allclose(total_shares((x - 0.5) * (z - 1.0)), [1.0, 1.0])
    tree = study()
    assert "matters" in possible(tree)
    figure = chart(tree, "matters")
    (panel,) = figure.panels
    assert panel.title == "Peak temperature" and [text for _, text in panel.y.ticks] == ["tiers", "cooling"]
    tree["answer_peak"][0, 0] = np.nan
    assert "matters" not in possible(tree)
