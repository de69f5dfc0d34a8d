"""From a sweep to its points: every way to vary keys, names of dimensions, conditions."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from stack3d.errors import DeckError
from stack3d.schema.sweep import IntervalDeck, SweepDeck
from stack3d.study.conditions import Condition
from stack3d.study.points import axes_of, dimension_names, points_of, value_at


def points(**sweep: Any) -> tuple[Any, list[Any]]:
    given = SweepDeck.model_validate(sweep.pop("product", {}) | sweep)
    axes = axes_of(given)
    return axes, list(points_of(given, axes))


def test_product_is_every_combination_in_order() -> None:
    axes, made = points(product={"geometry.tiers.repeat": [2, 4], "cooling.top": ["forced_air", "cold_plate"]})
    assert [(a.name, a.labels) for a in axes] == [("tiers", (2, 4)), ("cooling", ("forced_air", "cold_plate"))]
    assert [p.index for p in made] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert made[1].overrides == (("geometry.tiers.repeat", 2), ("cooling.top", "cold_plate"))
    assert made[1].text == "geometry.tiers.repeat=2, cooling.top=cold_plate"


def test_zip_advances_together() -> None:
    axes, made = points(zip={"geometry.tiers.repeat": [2, 4], "mvm.adc_bits": [6, 8]})
    assert len(made) == 2 and axes[0].name == "tiers" and axes[0].beside == {"adc_bits": (6, 8)}
    assert made[1].overrides == (("geometry.tiers.repeat", 4), ("mvm.adc_bits", 8))


def test_variants_and_cases_leave_out_what_they_do_not_set() -> None:
    axes, made = points(
        variants={"plain": {}, "hot": {"cooling.ambient": "85 degC"}}, cases=[{"device": "taox"}, {"device_band": "low"}]
    )
    assert [a.name for a in axes] == ["variant", "case"]
    assert axes[0].labels == ("plain", "hot") and axes[0].beside == {"ambient": (None, "85 degC")}
    assert axes[1].beside == {"device": ("taox", None), "device_band": (None, "low")}
    assert [len(p.overrides) for p in made] == [1, 1, 2, 2]


@pytest.mark.parametrize("method", ["latin_hypercube", "sobol"])
def test_samples_fill_every_stratum(method: str) -> None:
    """Both designs put one point of n into each nth of every axis (Sobol: a (0, m, 1) net per axis)."""
    keys = {"a": {"from": "10 W", "to": "20 W"}, "b": {"from": 1.0, "to": 100.0, "scale": "log"}}
    axes, made = points(sample={"method": method, "count": 16, "seed": 3, "keys": keys})
    first = np.array([float(str(dict(p.overrides)["a"]).removesuffix(" W")) for p in made])
    second = np.array([dict(p.overrides)["b"] for p in made])
    assert axes[0].name == "draw" and axes[0].labels == tuple(range(16))
    assert sorted(np.floor((first - 10) / 10 * 16)) == list(range(16))
    assert sorted(np.floor(np.log(second) / np.log(100) * 16)) == list(range(16))


def test_samples_of_integers_and_lists_reach_every_value_equally() -> None:
    keys = {"n": {"from": 2, "to": 5, "integer": True}, "c": ["x", "y"]}
    _, made = points(sample={"count": 16, "keys": keys})
    chosen = [dict(p.overrides) for p in made]
    assert sorted(c["n"] for c in chosen) == sorted([2, 3, 4, 5] * 4)
    assert sorted(c["c"] for c in chosen) == ["x"] * 8 + ["y"] * 8
    assert all(isinstance(c["n"], int) for c in chosen)


def test_same_seed_same_points() -> None:
    made = [points(sample={"count": 8, "seed": s, "keys": {"a": {"from": 0, "to": 1}}})[1] for s in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["geometry.tiers.repeat", "cooling.top", "cooling.bottom"], ["tiers", "cooling", "bottom"]),
        (["geometry.layers.lid.material", "power.sources.host.power"], ["lid_material", "host_power"]),
        (["lifetime.until", "mvm.adc_bits"], ["until", "adc_bits"]),
        (["mvm.scheme.time"], ["scheme_time"]),  # `time` is a dimension of the results
        (["a.power", "b.power"], ["a_power", "b_power"]),
        (["power.sources.0.power"], ["sources_0_power"]),  # a place in a list says nothing alone
    ],
)
def test_names_of_dimensions(keys: list[str], names: list[str]) -> None:
    assert list(dimension_names(keys, {}).values()) == names


def test_variants_may_name_their_dimension_and_take_another_deck() -> None:
    """One dimension reads as its variants; a deck is named before values in it are set, wherever they stand in the sweep."""
    axes, made = points(
        zip={"geometry.tiers.repeat": [2, 8]},
        variants={"still": {"cooling.top": "natural"}, "wet": {"geometry": "channels", "cooling.top": "natural"}},
        names={"variant": "cooling"},
        where="cooling == 'wet' or tiers < 8",
    )
    assert [(a.name, a.labels) for a in axes] == [("tiers", (2, 8)), ("cooling", ("still", "wet"))]
    assert axes[1].beside == {"cooling_top": ("natural", "natural"), "geometry": (None, "channels")}
    assert [p.dropped is None for p in made] == [True, True, False, True]
    assert [key for key, _ in made[3].overrides] == ["geometry", "cooling.top", "geometry.tiers.repeat"]
    assert made[3].text == "geometry.tiers.repeat=8, cooling=wet"


def test_names_can_be_chosen_and_must_be_free() -> None:
    assert dimension_names(["cooling.top"], {"cooling.top": "lid"}) == {"cooling.top": "lid"}
    with pytest.raises(DeckError, match="'tier' cannot name"):
        dimension_names(["device"], {"device": "tier"})


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("tiers <= 4", {"geometry.tiers.repeat": 4}, True),
        ("geometry.tiers.repeat <= 4", {"geometry.tiers.repeat": 8}, False),
        ("ambient < '305 K'", {"cooling.ambient": "30 degC"}, True),  # 303.15 K
        ("'25 degC' <= ambient < '85 degC'", {"cooling.ambient": "85 degC"}, False),
        (
            "cooling in ['cold_plate', 'forced_air'] and not tiers > 2",
            {"cooling.top": "cold_plate", "geometry.tiers.repeat": 2},
            True,
        ),
        ("cooling != 'still' or tiers * 2 + 1 < 6", {"cooling.top": "still", "geometry.tiers.repeat": 3}, False),
        ("tiers <= 4", {}, True),  # a case that does not set a key
        ("cooling == 'mine'", {"cooling.top": {"name": "mine", "film_coefficient": "5 W/m^2/K"}}, True),
    ],
)
def test_conditions(condition: str, values: dict[str, Any], holds: bool) -> None:
    names = {"geometry.tiers.repeat": "tiers", "cooling.ambient": "ambient", "cooling.top": "cooling"}
    assert Condition.parse(condition, names).holds(values) is holds


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("teirs < 3", "names 'teirs', which is not swept .did you mean 'tiers'"),
        ("tiers <", "cannot be read"),
        ("open('x')", "something else"),
        ("tiers ** 9 < 3", "something else"),
        ("[t for t in [1]] == 1", "something else"),
    ],
)
def test_conditions_that_are_refused(condition: str, words: str) -> None:
    with pytest.raises(DeckError, match=words):
        Condition.parse(condition, {"geometry.tiers.repeat": "tiers"})


def test_a_comparison_of_text_and_number_says_so() -> None:
    with pytest.raises(DeckError, match="cannot be compared"):
        Condition.parse("tiers < 'many'", {"geometry.tiers.repeat": "tiers"}).holds({"geometry.tiers.repeat": 2})


def test_a_dropped_point_keeps_its_place() -> None:
    _, made = points(product={"geometry.tiers.repeat": [2, 8], "device": ["a", "b"]}, where="tiers < 8 or device == 'a'")
    assert [p.dropped is None for p in made] == [True, True, True, False]


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"device": []}, "at least 1 item"),
        ({"device": "taox"}, "valid list"),
        ({"zip": {"a": [1], "b": [1, 2]}}, "equal length .got a: 1, b: 2"),
        ({"a": [1], "variants": {"x": {"a": 2}}}, "'a' is swept twice"),
        ({"device": ["taox"], "names": {"devise": "cell"}}, "'devise', which is not swept .did you mean 'device'"),
        ({"device": ["taox"], "names": {"variant": "cell"}}, "'variant', which is not swept"),
        ({"sample": {"method": "sobol", "count": 6, "keys": {"a": [1]}}}, "power of two"),
        ({"sample": {"count": 6, "keys": {"a": {"from": "1 W", "to": "1 mW"}}}}, "the same unit"),
        ({"sample": {"count": 6, "keys": {"a": {"from": 2, "to": 1}}}}, "must lie below"),
        ({"sample": {"count": 6, "keys": {"a": {"from": 0, "to": 1, "scale": "log"}}}}, "above zero"),
    ],
)
def test_sweeps_that_make_no_sense(sweep: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SweepDeck.model_validate(sweep)


def test_a_value_listed_twice_is_refused() -> None:
    with pytest.raises(DeckError, match="sweep.device: 'taox' is listed twice"):
        points(product={"device": ["taox", "taox"]})


def test_several_numbers_move_together_along_an_interval() -> None:
    """Both edges of a source, each in equal shares; ends that do not fit are refused."""
    both = {"from": ["0.5 mm", "1 mm"], "to": ["1.5 mm", "2 mm"]}
    assert value_at(IntervalDeck.model_validate(both), 0.25) == ["0.75 mm", "1.25 mm"]
    for ends, said in (
        ({"to": ["1.5 mm"]}, "or a list of some"),
        ({"to": "2 mm"}, "equally many numbers"),
        ({"to": ["1.5 mm", "2 mm", "3 mm"]}, "equally many numbers"),
        ({"to": ["1.5 mm", "2 W"]}, "the same unit"),
        ({"to": ["1.5 mm", "1 mm"]}, "from must lie below to"),
        ({"integer": True}, "integer wants a single number"),
    ):
        with pytest.raises(ValueError, match=said):
            IntervalDeck.model_validate({**both, **ends})
