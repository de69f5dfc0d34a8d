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
from stack3d.errors import RangeError, SolverError, Stack3dError
from stack3d.heat.meshing import describe
from stack3d.heat.placing import placed_chip
from stack3d.heat.too_hot import Runaway
from stack3d.progress import Silent

HOT = [
    ("power.sources.host.power", "3 W"), ("lifetime.epochs", 1), ("monte_carlo.samples", 1), ("solver.backend", "tensor"),
    ("workload.test_samples", 8),
]  # fmt: skip


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
    ("keys", "part", "remedy"),
    [
        ({"lifetime.refresh": {"period": "9.5 us"}, "device.write.energy": "1 nJ"},
         r"W of writes by lifetime.refresh every 9.5 us", "raise lifetime.refresh.period"),
        ({"lifetime.compensation": {"drift": "layer", "period": "7 us"}, "workload.periphery.adc.energy": "2 nJ",
          "workload.rate": "1 1/s"},
         r"W of calibrations by lifetime.compensation every 7 us", "raise lifetime.compensation.period"),
        ({"workload.periphery.leakage": "10 mW"}, "W of leakage", "lower workload.periphery.leakage"),
    ],
)  # fmt: skip
def test_a_chip_that_its_upkeep_overheats_names_the_act_and_its_power(keys: dict[str, Any], part: str, remedy: str) -> None:
    with pytest.raises(Stack3dError) as error:
        run_case(decks.load("quickstart", [*HOT[1:], *keys.items()]).scenario, Silent())
    told = str(error.value)
    assert re.search(rf"in t\d_rram reaches [\d.]+ degC with [\d.]+ k?W in the chip \(.*{part}", told), told
    assert remedy in told and len(told.splitlines()) == 1


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
