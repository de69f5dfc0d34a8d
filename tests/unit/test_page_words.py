"""What a page says of times, units and settings, and that nothing of its picture of a stack crosses a label."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from stack3d import decks
from stack3d.case.lasting import lasts, median_span, span
from stack3d.constants import DAY, YEAR
from stack3d.decks import Override
from stack3d.heat import HOW
from stack3d.layout import Rectangle
from stack3d.report import comparison, differences, heat_charts, life_charts, page, stack_picture, study_charts, told_first
from stack3d.report.chart import Dot
from stack3d.report.comparison import beside
from stack3d.report.facts import Facts
from stack3d.report.study_answers import ANSWERS
from stack3d.results import resolved_yaml
from stack3d.unit_text import duration


def facts_of(name: str, hottest: str, **overrides: str) -> Facts:
    """A result of a shipped scenario: 50 °C, but for one layer of 60 °C at its middle."""
    case = decks.load(name, list(overrides.items()))
    facts = Facts(xr.DataTree(xr.Dataset(attrs={"resolved_scenario": resolved_yaml(case), "scenario": name})))
    layers = facts.stack.named
    mean = np.array([333.15 if layer.name == hottest else 323.15 for layer in layers])
    place = facts.stack.layer(hottest)
    middle = [0.5 * (place.extent.x0 + place.extent.x1), 0.5 * (place.extent.y0 + place.extent.y1), place.z0]
    thermal = {
        "layer_temperature_mean": ("layer", mean),
        "layer_temperature_max": ("layer", mean + np.where(mean > 330, 5.0, 0.0)),
        "layer_hot_spot": (("layer", "axis"), np.array([[0.0, 0.0, layer.z0] for layer in layers])),
        "hot_spot": ("axis", np.array(middle)),
    }
    return Facts(xr.DataTree.from_dict({"/": facts.tree.dataset, "thermal": xr.Dataset(thermal)}))


def lived(*losses: float, end: float = 10 * YEAR, start: float = 1.0) -> Facts:
    """Chips that first lie a point below float at these times, read at the start and at the end. [s]"""
    loss = np.array(losses)
    read = np.stack([np.where(loss <= start, 0.90, 0.96), np.where(np.isnan(loss), 0.96, 0.90)])
    mvm = xr.Dataset(
        {
            "accuracy": (("time", "sample"), read), "accuracy_ideal": 0.965,
            "time_to_accuracy_loss": ("sample", loss),
        },
        coords={"time": [start, end]},
    )  # fmt: skip
    scenario = "geometry: {}\nlifetime: {accuracy_loss: 1 %}\n"
    root = xr.Dataset(attrs={"resolved_scenario": scenario, "scenario": "lived"})
    return Facts(xr.DataTree.from_dict({"/": root, "mvm": mvm}))


def told_life(facts: Facts) -> str:
    """The median life as the table of a study and a comparison say it."""
    life = ANSWERS["life"]
    return life.full(float(life.reduce(facts.get("mvm/time_to_accuracy_loss"), facts.get("mvm/accuracy"))))


@pytest.mark.parametrize("losses", [(DAY, 3 * DAY, 5 * DAY, np.nan), (DAY, 3 * DAY, 5 * DAY), (2 * YEAR, 4 * YEAR)])
def test_every_page_says_the_same_median_life(losses: tuple[float, ...]) -> None:
    """Summary, sentence, caption and table: the time that half of the chips or more reach, with the unit that fits it."""
    facts = lived(*losses)
    half = duration(sorted(losses, key=lambda t: np.nan_to_num(t, nan=np.inf))[(len(losses) - 1) // 2])
    assert span(np.array(losses), 10 * YEAR, 0.5) == half == told_life(facts)
    told = f"Half of the chips stay within 1 point of that for {half} (of so few chips nobody can say how sure)."
    assert told in told_first.sentences(facts)
    assert life_charts.accuracy(facts).caption.endswith(f"at some time within 10 years, half of all chips within {half}.")


def test_a_summary_says_when_nothing_lasts() -> None:
    chip = SimpleNamespace(scenario=SimpleNamespace(lifetime=SimpleNamespace(accuracy_loss=0.01)))
    times = {"time": np.array([1.0, 10 * YEAR])}

    def said(*losses: float) -> str:
        return lasts(chip, {"mvm/time_to_accuracy_loss": np.array(losses)}, times)[0].split(None, 1)[1]  # type: ignore[arg-type]

    assert said(1.0, 1.0, DAY, np.nan) == (
        "not at all: more than 1 point below float when first read, after 1 s (median of 4 chips, too few to say how sure; 5 to 95 % of the chips: when first read to beyond 10 years)"
    )
    assert said(1.0, DAY, 2 * DAY, 3 * DAY).startswith(
        "1 day to 1 point below float (median of 4 chips, too few to say how sure; 5 to 95 % of the chips: when first read to 3 days)"
    )


def test_a_median_life_says_between_what_it_lies() -> None:
    losses = [k * DAY for k in range(1, 17)]
    assert " for 8 days (95 % sure: 4 days to 13 days)." in " ".join(told_first.sentences(lived(*losses)))
    assert median_span(np.array(losses), 10 * YEAR) == "median of 16 chips, 95 % sure: 4 days to 13 days"
    assert median_span(np.full(16, 1.0), YEAR, first=1.0).endswith("95 % sure: when first read")


def test_chips_lost_at_once_and_never_are_told_so() -> None:
    now = lived(1.0, 1.0, 3 * DAY)
    assert "Half of the chips or more are not within 1 point of that when they are first read." in told_first.sentences(now)
    assert life_charts.accuracy(now).caption.endswith("half of all chips when first read.")
    assert told_life(now) == "lost when first read"
    never = lived(np.nan, np.nan, DAY)
    assert life_charts.accuracy(never).caption == "3 chips. 1 of them falls below 95.50 % at some time within 10 years."
    assert "At least half of the chips stay within 1 point of that to the end." in told_first.sentences(never)


def test_a_threshold_of_ones_own_counts_by_the_instants() -> None:
    caption = life_charts.accuracy(lived(DAY, DAY, np.nan), threshold=0.92).caption
    assert caption == "3 chips. 2 of them fall below 92.00 % at some time within 10 years, half of all chips within 10 years."


def test_chips_that_another_case_has_more_of_do_not_count() -> None:
    """Cases of two and of four chips in one study: the two that the first does not have are no chips that last."""
    loss = xr.DataArray([[DAY, 3 * DAY, np.nan, np.nan], [DAY, 3 * DAY, np.nan, np.nan]], dims=("case", "sample"))
    read = xr.DataArray(np.full((2, 2, 4), 0.9), dims=("case", "time", "sample"), coords={"time": [1.0, YEAR]})
    read[0, :, 2:] = np.nan
    life = ANSWERS["life"]
    np.testing.assert_allclose(life.reduce(loss, read) * YEAR, [DAY, 3 * DAY])
    assert life.cut is not None and not life.cut(loss, read).any()
    assert bool(life.cut(loss.where(loss < 2 * DAY), read)[1])


def test_a_life_that_outlasts_the_run_is_at_least_as_long() -> None:
    long, short = lived(np.nan, np.nan, np.nan), lived(3 * YEAR, 3 * YEAR, 3 * YEAR)
    trees = [long.tree, short.tree]
    html = comparison.sections(beside(trees), trees)[0][2]
    row = r"<td>median time[^<]*</td><td[^>]*>at least 10 years</td><td[^>]*>3 years</td><td[^>]*>−7 years or more</td>"
    assert re.search(row, html)


def test_units_are_printed() -> None:
    told = {
        "44.04 ± 0.1 degC, 414 uK": "44.04 ± 0.1 °C, 414 µK",
        "25 W/cm^2 over 3 mm^2 and 2 um, 8.5 mm2": "25 W/cm² over 3 mm² and 2 µm, 8.5 mm²",
        "3 Mohm and 5 uW/m^2/K": "3 MΩ and 5 µW/m²/K",
        "t_m2 in item2 of 5 units, form3": "t_m2 in item2 of 5 units, form3",
    }
    assert {text: page.typeset(text) for text in told} == told
    units = (
        (2.5, "K W-1"),
        (2.0, "s-1"),
        (9.41176e6, "s-1"),
        (5.76e-4, "m2"),
        (2.66e4 * YEAR, "s"),
        (0.5, ""),
        (1.0, "W m-2 K-1"),
    )
    assert [page.told(*one) for one in units] == [
        "2.5 K/W", "2 1/s", "9.412e6 1/s", "576 mm2", "26600 years", "0.5", "1 W/m2/K"
    ]  # fmt: skip


def test_how_an_error_was_found_is_said_without_words_of_the_trade() -> None:
    for text in HOW.values():
        assert len(text) < 110 and not re.search(r"order [\d.]|probes times|stand for", text)


def test_dots_of_a_magnified_profile_stay_within_it() -> None:
    facts = facts_of("chiplets_on_interposer", "compute.active")
    for panel in heat_charts.profile(facts).panels:
        dots = [mark for mark in panel.marks if isinstance(mark, Dot)]
        assert dots and all(panel.y.low <= dot.y <= panel.y.high for dot in dots)


@pytest.mark.parametrize(
    ("name", "hottest"),
    [
        ("chiplets_on_interposer", "compute.active"), ("quickstart", "logic"), ("server_isaac_like", "logic"),
        ("rram_beside_logic", "logic.active"), ("microchannels_2tier", "lower"),
    ],
)  # fmt: skip
def test_labels_of_a_stack_are_whole_and_crossed_by_no_line(name: str, hottest: str) -> None:
    drawing = stack_picture.picture(facts_of(name, hottest))
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', drawing)[1])  # type: ignore[index]
    labels = re.findall(r'class="tick" x="([\d.]+)" y="([\d.]+)"><tspan class="bold">([^<]*)</tspan> ([\d.]+)', drawing)
    assert labels and not any("…" in text for *_, text, _ in labels)
    assert all(float(x) + 6.5 * len(f"{text} {told}") < width for x, _, text, told in labels)
    rows = sorted(float(y) for _, y, *_ in labels)
    assert min(np.diff(rows)) > 11.0
    spot = re.search(r'class="spot" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)"[^>]*>([^<]*)', drawing)
    assert spot is not None
    wide = 6.4 * len(spot[4])
    left = float(spot[1]) - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[spot[3]]
    for x0, y, x1 in re.findall(r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="\2"', drawing):
        meets = float(x0) < left + wide and float(x1) > left and abs(float(spot[2]) - 4 - float(y)) < 6
        assert not meets, f"a line crosses {spot[4]!r}"


def test_settings_of_other_decks_are_folded() -> None:
    """Of another device the page says which, and folds what its deck says otherwise."""
    one, other = (facts_of("quickstart", "logic", device=deck) for deck in ("bulk_rram_ucsd", "cmo_hfox"))
    trees = [one.tree, other.tree]
    html = {anchor: text for anchor, _, text in comparison.sections(beside(trees), trees)}["settings"]
    seen, _, folded = html.partition("<details>")
    assert re.findall(r"<tr><td>(.*?)</td><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>", re.sub("<wbr>", "", seen)) == [
        ("device", "bulk_rram_ucsd", "cmo_hfox")
    ]
    assert "keys that differ with the deck of device</summary>" in folded
    assert re.search("<td>device.<wbr>g_<wbr>max</td><td[^>]*>1 µS</td><td[^>]*>90 µS</td>", folded)


@pytest.mark.parametrize("thicknesses", [(5e-4, 5e-5, 2e-3), (2e-3, 5e-5, 5e-4), (1e-3,)])
def test_slabs_leave_the_bar_of_colours_free(thicknesses):
    """A lid that is thicker than the lowest layer lay over the bar and its numbers."""
    box = Rectangle(x0=0.0, x1=1e-2, y0=0.0, y1=1e-2)
    layers = [SimpleNamespace(extent=box, thickness=one) for one in thicknesses]
    place = stack_picture._Drawing([SimpleNamespace(layer=layer) for layer in layers])  # type: ignore[misc]
    tops = [place.at(row, 0.0, box.y1)[1] for row in range(len(layers))]
    assert min(tops) >= stack_picture.TOP - 1e-9 and place.base(0) < place.height


@pytest.mark.parametrize(("watts", "log"), [((17.0, 8.0), False), ((17.0, 0.1), True)])
def test_powers_of_one_size_stand_on_a_linear_axis(watts, log):
    """17 W beside 8 W looked like three to one."""
    assert heat_charts._bars("by place", ["a", "b"], np.array(watts)).x.log is log


def test_curves_over_time_that_lie_on_each_other_are_drawn_once():
    time, hot = [1e-3, 1e-2, 0.1], np.array([310.0, 330.0, 340.0])
    layers = np.stack([hot - 0.01, hot, hot - 25.0], axis=1)
    thermal = xr.Dataset(
        {
            "layer_temperature_max": (("time", "layer"), layers),
            "probe_temperature": (("time", "probe"), hot[:, None]),
        },
        coords={"time": time, "layer": ["die", "active", "board"], "probe": ["junction"]},
    )
    figure = heat_charts.history(Facts(xr.DataTree.from_dict({"/": xr.Dataset(), "/thermal": thermal})))
    assert [mark.label for mark in figure.panels[0].marks] == ["junction", "largest in board"]
    assert "Dots are the instants" in figure.caption


def test_results_of_one_name_are_called_by_what_was_set():
    assert comparison._labels(["a", "b"], [[], []]) == ["a", "b"]
    set_of = [["cooling.top: air_heat_sink -> cold_plate"], ["cooling.top: air_heat_sink -> forced_air"], []]
    assert comparison._labels(["s"] * 3, set_of) == ["s: cold_plate", "s: forced_air", "s (3)"]
    assert comparison._labels(["s"] * 2, [set_of[0]] * 2) == ["s (1)", "s (2)"]


def test_what_all_were_set_to_names_none_of_them() -> None:
    sweep = "sweep: (absent) -> cooling.top [forced_air, cold_plate], and more that is longer than a name may be"
    labels = comparison._labels(["s", "s"], [[sweep, "cooling.top: a -> forced_air"], [sweep, "cooling.top: a -> cold_plate"]])
    assert labels == ["s: forced_air", "s: cold_plate"]


def test_lives_whose_medians_may_be_alike_are_told_apart_by_chance() -> None:
    short, long = lived(*[k * DAY for k in range(1, 17)]), lived(*[k * DAY for k in range(5, 21)])
    far = lived(*[k * DAY for k in range(100, 116)])
    assert differences.is_within_errors("life", np.array([8.0, 12.0]), [short, long])
    assert not differences.is_within_errors("life", np.array([8.0, 107.0]), [short, far])
    assert differences.is_within_errors("life", np.array([1.0, 1.0]), [lived(DAY), far]), "of one chip nobody can say"


def test_a_mapping_that_was_set_is_told_by_its_keys() -> None:
    film = Override(
        "cooling.top", {"name": "air_heat_sink"}, {"film_coefficient": "500 W/m^2/K", "wall": {"thickness": "3 um"}}
    )
    assert str(film) == "cooling.top: air_heat_sink -> film_coefficient 500 W/m^2/K, wall.thickness 3 um"
    labels = comparison._labels(["s", "s"], [[str(film)], ["cooling.top: a -> b"]])
    assert labels[0].startswith("s: film_coefficient 500 W/m²/K, wall") and "{" not in labels[0]


def test_a_difference_carries_both_stated_errors() -> None:
    peak, theta = (ANSWERS[name] for name in ("peak", "theta_ja"))
    assert differences.told_difference(peak, 85.0, 80.0, 0.3 + 0.2) == "+5.00 ± 0.5 K"
    assert differences.told_difference(theta, 1.5, 2.0, 0.02).endswith("± 0.02 K/W")
    assert differences.told_difference(peak, 85.0, 80.0) == "+5.00 K"


def test_the_difference_of_two_accuracies_has_the_error_of_their_means() -> None:
    facts = [lived(*[DAY] * 16), lived(*[DAY] * 4)]
    np.testing.assert_allclose(differences._of_differences("accuracy", np.array([1.2, 0.8]), facts), [np.hypot(0.6, 0.8)])
    np.testing.assert_allclose(differences._of_differences("peak", np.array([0.3, 0.2]), facts), [0.5])


def test_units_of_an_axis_are_printed_as_on_the_page() -> None:
    assert study_charts.named(["3 um", "5 um"], "layer.thickness")[1] == "layer.thickness [µm]"
    assert study_charts.named(["film_coefficient 500 W/m^2/K", "cold_plate"], "top")[0][0].endswith("W/m²/K")
