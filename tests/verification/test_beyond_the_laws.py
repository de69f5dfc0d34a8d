"""What is said of a chip that is too hot for the laws of its cells, and of the size of what is solved."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.errors import RangeError, SolverError, Stack3dError, ThermalRunawayError
from stack3d.heat.meshing import describe
from stack3d.heat.placing import placed_chip
from stack3d.heat.too_hot import FIELD_IS_GIVEN, Runaway
from stack3d.progress import Silent

HOT = [
    ("power.sources.host.power", "3 W"), ("lifetime.epochs", 1), ("monte_carlo.samples", 1), ("solver.backend", "tensor"),
    ("workload.test_samples", 8),
]  # fmt: skip

SOLID = {"conductivity": "100 W/m/K", "heat_capacity": "1.6e6 J/m^3/K"}
CHIP = [
    ("geometry", {"footprint": ["4 mm", "4 mm"], "layers": [
        {"name": "base", "thickness": "0.2 mm", "material": SOLID},
        {"name": "rram", "role": "rram", "tile_sites": [5, 5], "thickness": "10 um", "material": SOLID},
    ]}),
    ("cooling", {"top": {"film_coefficient": "1e3 W/m^2/K"}, "ambient": "25 degC"}),
    ("power", {"sources": [{"name": "host", "layer": "base", "power": "1 W", "assumed": "a round number"}]}),
    ("monte_carlo.samples", 1), ("workload.test_samples", 8), ("workload.tile", [64, 64]), ("lifetime", {"epochs": 1, "attribution": False}),
    ("solver.backend", "tensor"),
]  # fmt: skip
"""A die with arrays on it under a film: 62.5 K a watt."""


def test_a_chip_beyond_its_laws_says_where_how_hot_and_what_to_do() -> None:
    """Three watts in forced air: 405 degC, where no device law holds."""
    with pytest.raises(RangeError) as error:
        run_case(decks.load("quickstart", HOT).scenario, Silent())
    said = str(error.value)
    assert len(said.splitlines()) == 1 and error.value.exit_code == 2
    assert re.search(r"tile fc\d\[\d\] in t0_rram reaches 405\.\d degC with 3 W in the chip; lower power.sources", said)
    assert "--until thermal" in said


def test_the_field_of_a_chip_beyond_its_laws_is_given() -> None:
    """Three times the rise that one watt gives without leakage; the reason is a warning."""
    one, three = (
        run_case(decks.load("quickstart", [*HOT, *more]).scenario, Silent(), until="thermal")
        for more in ([("power.sources.host.power", "1 W"), ("workload.periphery.leakage", "0 W")], [])
    )
    rises = [o.values["thermal/layer_temperature_max"].max() - 298.15 for o in (one, three)]
    assert rises[1] == pytest.approx(3 * rises[0], rel=1e-3)  # the arrays draw a thousandth of it
    assert not one.warnings
    assert any("405" in text and "before leakage and cells follow them" in text for text in three.warnings)


def test_the_field_of_surroundings_beyond_the_laws_is_given() -> None:
    """Air of 300 degC, where no cell law holds and leakage would be kilowatts: the rise is that of 3 W in air of 25 degC."""
    hot, cold = (
        run_case(decks.load("quickstart", [*HOT, ("cooling.ambient", ambient)]).scenario, Silent(), until="thermal")
        for ambient in ("300 degC", "25 degC")
    )
    rises = [o.values["thermal/layer_temperature_max"].max() - kelvin for o, kelvin in ((hot, 573.15), (cold, 298.15))]
    assert rises[0] == pytest.approx(rises[1], rel=1e-3)  # silicon conducts less when hot
    assert any("300 degC" in text and "of the power at 25 degC" in text for text in hot.warnings)


@pytest.mark.parametrize("power", [12.0, 30.0])
def test_the_field_of_a_chip_that_leaves_every_law_in_the_first_pass_is_given(power: float) -> None:
    """The run is refused in one line; with --until thermal the rise is above that of 1 W in proportion: hot silicon resists."""
    keys = [*HOT, ("power.sources.host.power", f"{power} W")]
    with pytest.raises(SolverError) as error:
        run_case(decks.load("quickstart", keys).scenario, Silent())
    told = str(error.value)
    assert re.search(rf"tile fc\d\[\d\] in t0_rram reaches \d+ degC with {power:g} W in the chip; lower power.sources", told)
    assert "--until thermal" in told and not BARE.search(told) and len(told.splitlines()) == 1
    found = run_case(decks.load("quickstart", keys).scenario, Silent(), until="thermal")
    rise = found.values["thermal/layer_temperature_max"].max() - 298.15
    assert 126.8 * power < rise < 130.0 * power
    assert any("before leakage and cells follow them" in text for text in found.warnings)
    assert not any(BARE.search(text) for text in found.warnings)


BARE = re.compile(r"\b\d{3,}(\.\d+)? K\b")
"""An absolute temperature in kelvin; differences of this page are below 100 K."""


def test_nothing_has_run_away_before_the_first_step() -> None:
    """Air of 900 degC: the laws refuse it at once, and the remedy is the air's."""
    Runaway().conclude(np.array([1200.0]))
    hot = [("cooling.ambient", "900 degC"), *HOT[1:]]
    with pytest.raises(RangeError, match="reaches 900 degC with 150 mW in the chip; lower cooling.ambient"):
        run_case(decks.load("quickstart", hot).scenario, Silent())


@pytest.mark.parametrize(
    ("keys", "part", "remedy", "mended"),
    [
        ({"lifetime.refresh": {"period": "9.5 us"}, "device.write.energy": "4 nJ"},
         r"W of writes by lifetime.refresh every 9.5 us", "raise lifetime.refresh.period",
         ("lifetime.refresh.period", "95 us")),
        ({"lifetime.compensation": {"drift": "layer", "period": "7 us"}, "workload.periphery.adc.energy": "6 nJ",
          "workload.rate": "1 1/s"},
         r"W of calibrations by lifetime.compensation every 7 us", "raise lifetime.compensation.period",
         ("lifetime.compensation.period", "70 us")),
        ({"workload.periphery.leakage": "10 mW"}, "W of leakage", "lower workload.periphery.leakage",
         ("workload.periphery.leakage", "10 uW")),
    ],
)  # fmt: skip
def test_a_chip_that_its_upkeep_overheats_names_the_act_and_its_power(
    keys: dict[str, Any], part: str, remedy: str, mended: tuple[str, Any]
) -> None:
    """What it says to do helps; where it offers the field, that holds the writes and calibrations too; without one, none."""
    given = [*CHIP, *keys.items()]
    with pytest.raises(Stack3dError) as error:
        run_case(decks.load("quickstart", given).scenario, Silent())
    told = str(error.value)
    reached = re.search(rf"in rram reaches ([\d.]+) degC with [\d.]+ k?W in the chip \(.*{part}", told)
    assert reached is not None, told
    assert remedy in told and len(told.splitlines()) == 1
    assert run_case(decks.load("quickstart", [*given, mended]).scenario, Silent(), until="thermal").warnings == ()
    if isinstance(error.value, ThermalRunawayError):
        assert FIELD_IS_GIVEN not in told
        with pytest.raises(ThermalRunawayError, match="leakage runs away"):
            run_case(decks.load("quickstart", given).scenario, Silent(), until="thermal")
        return
    assert told.endswith(FIELD_IS_GIVEN)
    found = run_case(decks.load("quickstart", given).scenario, Silent(), until="thermal")
    mean, peak = (float(found.values[f"thermal/{name}"].max()) - 273.15 for name in ("tile_temperature", "temperature_max"))
    assert mean < float(reached.group(1)) < peak  # the line tells of a quarter of a tile
    assert FIELD_IS_GIVEN not in " ".join(found.warnings)


def test_the_temperatures_of_the_first_epoch_are_those_of_the_run() -> None:
    """Writes every 95 us make 1.2 W from the first second on, and 74 K."""
    keys = [*CHIP, ("lifetime.refresh", {"period": "95 us"}), ("device.write.energy", "4 nJ")]
    whole, field = (run_case(decks.load("quickstart", keys).scenario, Silent(), until=until) for until in (None, "thermal"))
    assert np.array_equal(whole.values["thermal/temperature"], field.values["thermal/temperature"])
    powers = dict(zip(field.coordinates["component"], field.values["power/component_power"].ravel()))
    assert powers["write"] == pytest.approx(1.19, rel=0.01)
    assert field.values["thermal/peak_temperature"] > 298.15 + 62.5 * sum(powers.values())


def test_an_epoch_that_gets_too_hot_says_when_and_offers_no_field_of_another() -> None:
    """Writes every 10 s are no part of the first epoch, a second; rarer ones, which the message asks for, do."""
    keys = [*CHIP, ("lifetime.epochs", 2), ("lifetime.refresh", {"period": "10 s"}), ("device.write.energy", "10 mJ")]
    with pytest.raises(Stack3dError) as error:
        run_case(decks.load("quickstart", keys).scenario, Silent())
    told = str(error.value)
    assert re.match(
        r"between 1 s and 1 hour of its life: .* reaches \d+ degC with .* of writes by lifetime.refresh every 10 s", told
    )
    assert told.endswith("raise lifetime.refresh.period, or cool better")
    rarer = [*keys, ("lifetime.refresh.period", "1 day")]
    assert run_case(decks.load("quickstart", rarer).scenario, Silent()).values["thermal/peak_temperature"] < 373


def test_throttling_and_limits_say_where_how_hot_by_what_power_and_what_to_do() -> None:
    keys = [*HOT[1:], ("lifetime.throttling", {"limit": "26 degC"}), ("limits", {"t0_rram": "30 degC"})]
    found = run_case(decks.load("quickstart", keys).scenario, Silent(), until="thermal").warnings
    for begin, words in (
        ("lifetime.throttling", r"already, above the limit of 26 degC: tile \w+\[\d\] in t\d_rram reaches 44.\d+ degC with 150 mW in the chip; lower power"),
        ("limits.t0_rram", r"'t0_rram' reaches 44.\d+ degC at .* mm, 14.\d+ K above its limit of 30 degC with 150 mW .*; lower power"),
    ):  # fmt: skip
        (told,) = [text for text in found if text.startswith(begin)]
        assert re.search(words, told) and not BARE.search(told), told


def plain(path: Path, **more: Any) -> Path:
    """A die of silicon under a film, as a scenario file."""
    die = {"name": "die", "thickness": "0.1 mm", "material": "silicon"}
    path.write_text(
        json.dumps(
            {
                "scenario": "s",
                "geometry": {"footprint": ["4 mm", "4 mm"], "layers": [die, *more.pop("layers", [])]},
                "power": {"sources": [{"name": "a", "layer": "die", "power": "1 W", "assumed": "a round number"}]},
                "cooling": {"top": {"film_coefficient": "1e3 W/m^2/K"}, "ambient": "300 K", **more},
                "solver": "ci",
            }
        )
    )
    return path


@pytest.mark.parametrize(
    "transient",
    [{"until": "10 ms"}, {"until": "10 ms", "periodic": True, "duty": {"period": "10 ms", "on": "5 ms"}}],
)
def test_the_transient_of_a_chip_beyond_its_laws_is_given(transient: dict[str, Any]) -> None:
    """Its steady state is at 775 degC; without it the leakage is that of 25 degC, and 12 W make 12 times the rise of 1 W."""
    keys = [*CHIP, ("lifetime", None), ("transient", transient)]
    hot = [*keys, ("power.sources.host.power", "12 W")]
    with pytest.raises(SolverError) as error:
        run_case(decks.load("quickstart", hot).scenario, Silent())
    told = str(error.value)
    assert re.match(r"in the steady state that a transient takes leakage and cells from, .* reaches 775 degC with 12 W", told)
    assert told.endswith(FIELD_IS_GIVEN)
    found = run_case(decks.load("quickstart", hot).scenario, Silent(), until="thermal")
    cold = run_case(decks.load("quickstart", keys).scenario, Silent())
    rises = [o.values["thermal/peak_temperature"] - 298.15 for o in (found, cold)]
    assert rises[0] == pytest.approx(12 * rises[1], rel=2e-3)  # arrays and leakage draw a thousandth of 1 W
    assert any(text.startswith("in the steady state") and "power at 25 degC" in text for text in found.warnings)


@pytest.mark.parametrize("backend", ["tensor", "fem"])
def test_a_field_that_melts_everything_is_given_where_it_alone_is_asked_for(backend: str, tmp_path: Path) -> None:
    """200 W in a die of 16 mm² under 1000 W/m²/K: 12,500 K above the air at the film, and half of q d / k = 12.5 K more below."""
    keys = [("geometry.layers.die.material", SOLID), ("solver.backend", backend), ("power.sources.a.power", "200 W")]
    scenario = decks.load(plain(tmp_path / "s.yaml"), keys).scenario
    with pytest.raises(SolverError) as error:
        run_case(scenario, Silent())
    told = str(error.value)
    assert "'die' with 200 W in the stack" in told and told.endswith(FIELD_IS_GIVEN)
    found = run_case(scenario, Silent(), until="thermal")
    assert found.values["thermal/peak_temperature"] == pytest.approx(300 + 12_500 + 6.25, abs=0.01)
    assert any("no material is solid there" in text for text in found.warnings)
    cooled = decks.load(plain(tmp_path / "s.yaml"), [*keys, ("power.sources.a.power", "2 W")]).scenario
    assert run_case(cooled, Silent()).warnings == ()


@pytest.mark.parametrize("backend", ["tensor", "fem"])
def test_conductivity_that_falls_too_fast_says_where_it_ran_away(backend: str, tmp_path: Path) -> None:
    """k = k0 (T / 300 K)^-2.5 carries no more than k0 300 K / 1.5 per metre (its integral to infinity), here 4.4 W; 50 W are
    asked of a spot, 0.1 W of a spot that stays cool.
    """
    spot = {"x": ["1 mm", "1.2 mm"], "y": ["1 mm", "1.2 mm"]}
    law = {"law": "power", "value": "100 W/m/K", "exponent": -2.5, "assumed": "falls fast"}
    keys = [(f"power.sources.a.{axis}", ends) for axis, ends in spot.items()]
    keys += [
        ("geometry.layers.die.material", {"conductivity": law, "heat_capacity": "1e6 J/m^3/K"}),
        ("solver.backend", backend),
    ]
    keys += [("cooling.top.film_coefficient", "1e5 W/m^2/K")]
    for until in (None, "thermal"):
        with pytest.raises(ThermalRunawayError) as error:
            hot = decks.load(plain(tmp_path / "s.yaml"), [*keys, ("power.sources.a.power", "50 W")]).scenario
            run_case(hot, Silent(), until=until)
        told = str(error.value)
        assert re.search(
            r"'die' has come to [\d.e+]+ degC at \(1.\d*, 1.\d*, \S+\) mm with 50 W in the stack; lower the power", told
        )
        assert len(told.splitlines()) == 1 and FIELD_IS_GIVEN not in told
    cool = decks.load(plain(tmp_path / "s.yaml"), [*keys, ("power.sources.a.power", "0.1 W")]).scenario
    assert run_case(cool, Silent()).values["thermal/peak_temperature"] < 400


LID = {"name": "lid", "thickness": "0.2 mm", "material": "copper", "size": ["2 mm", "2 mm"]}


@pytest.mark.parametrize("backend", ["tensor", "fem"])
@pytest.mark.parametrize("more", [{}, {"bottom": {"temperature": "300 K"}}, {"layers": [LID]}])
def test_unknowns_are_one_number_in_log_show_and_run(more: dict[str, Any], backend: str, tmp_path: Path) -> None:
    """With faces that hold nodes, and with corners of the grid that nothing fills."""
    said: dict[str, int] = {}

    class Log(Silent):
        def stage(self, name: str, **facts: Any) -> None:
            said.update({"log": facts["unknowns"]} if name == "mesh" else {})

    scenario = decks.load(plain(tmp_path / "s.yaml", **more), [("solver.backend", backend)]).scenario
    outcome = run_case(scenario, Log())
    found = re.search(r"(\d+) unknowns", describe(placed_chip(scenario)))
    assert found is not None
    said |= {"show": int(found.group(1)), "run": outcome.statistics["thermal"]["unknowns"]}
    assert len(said) == 3 and len(set(said.values())) == 1, said
