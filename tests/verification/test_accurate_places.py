"""A placement by accuracy: the layer that heat harms lies where it is cool, and no prediction is below that of `thermal_aware`."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import stack3d
from stack3d import decks
from stack3d.case import check
from stack3d.case.duration import seconds_of
from stack3d.case.judged_placings import CHIPS
from stack3d.case.placing import ChosenPlacement, _Judge
from stack3d.case.size import terms_of
from stack3d.chip import ComputingChip
from stack3d.errors import DeckError
from stack3d.heat.placing import placed_chip
from stack3d.life.start import fresh_life
from stack3d.progress import Silent
from stack3d.workload import BY_ACCURACY

SOLID = {"conductivity": "100 W/m/K", "heat_capacity": "1.6e6 J/m^3/K"}
FOAM = {"conductivity": "0.3 W/m/K", "heat_capacity": "1.6e6 J/m^3/K"}
TWO_TIERS = [
    ("geometry", {"footprint": ["2 mm", "2 mm"], "layers": [
        {"name": "base", "thickness": "0.2 mm", "material": SOLID},
        {"name": "cool", "role": "rram", "tile_sites": [1, 1], "thickness": "1 um", "material": SOLID},
        {"name": "between", "thickness": "0.1 mm", "material": FOAM},
        {"name": "hot", "role": "rram", "tile_sites": [1, 1], "thickness": "1 um", "material": SOLID},
        {"name": "host", "thickness": "0.2 mm", "material": SOLID},
    ]}),
    ("cooling", {"bottom": {"film_coefficient": "1e4 W/m^2/K"}, "ambient": "25 degC"}),
    ("power", {"sources": [{"name": "host", "layer": "host", "power": "0.6 W", "assumed": "a round number"}]}),
    ("workload.tile", [64, 128]), ("workload.placement", BY_ACCURACY), ("lifetime.epochs", 2), ("lifetime.attribution", False),
    ("solver.mesh", {"lateral": 4, "refinement": 1}),
]  # fmt: skip
"""One tile for each of the two layers of the network, one site at about 40 degC, one at about 90 degC."""


def chip_of(*more: tuple[str, Any]) -> ComputingChip:
    chip = placed_chip(decks.load("quickstart", [*TWO_TIERS, *more]).scenario, solve=False)
    assert isinstance(chip, ComputingChip)
    return chip


def chosen(chip: ComputingChip) -> ChosenPlacement:
    return _Judge(chip, Silent()).choice()


@pytest.mark.parametrize("minds", ["fc1", "fc2"])
def test_the_layer_that_ages_lies_on_the_cool_tier(minds: str) -> None:
    """The cells of one layer never change, those of the other do: which tier is whose is known."""
    chip = chip_of()
    computer = chip.computer
    other = next(name for name in computer.matrices if name != minds)
    devices = {**computer.devices, other: computer.devices[other].without(*computer.mechanisms)}
    choice = chosen(replace(chip, computer=replace(computer, devices=devices)))
    places = {tile.layer: place[0] for tile, place in zip(computer.tiles, choice.chip.computer.places)}
    assert places == {minds: "cool", other: "hot"}
    costs = dict(zip([tile.layer for tile in computer.tiles], choice.sensitivity))
    assert costs[other] == 0.0 and costs[minds] > 1e-4


def test_a_run_tells_what_was_compared_and_chooses_the_same_again() -> None:
    """Dataset and summary are those of a second choice, to the last bit."""
    chips = {"monte_carlo.samples": 2, "workload.test_samples": 20}
    tree = stack3d.load("quickstart", {**dict(TWO_TIERS), **chips}).run()
    chip = chip_of(*chips.items())
    choice = chosen(chip)
    assert tree["mvm/placement"].values.tolist() == list(choice.names)
    np.testing.assert_array_equal(tree["mvm/placement_accuracy"], choice.accuracy.mean(axis=1))
    np.testing.assert_array_equal(tree["mvm/placement_sensitivity"], choice.sensitivity)
    assert tree["mvm/placement_taken"].values.tolist() == [int(i == choice.taken) for i in range(len(choice.names))]
    assert tree["power/tile_power"]["tile_site"].values.tolist() == [layer for layer, _ in choice.chip.computer.places]
    hot, cool = tree["thermal/tile_temperature"].max(), tree["thermal/tile_temperature"].min()
    assert float(hot - cool) > 30.0
    for name in ("tile_peak", "tile_mean", "stack_peak"):
        errors = tree[f"thermal/placement_{name}_error"].values
        assert ((errors > 0) & (errors < 1e-3)).all()  # heat flows straight down: straight elements are nearly exact
    assert f"placement          as {choice.names[choice.taken]}" in choice.told


def test_judges_are_other_chips_that_read_other_inputs() -> None:
    """Eight, programmed from random numbers that no chip of the case has, on inputs that do not test it."""
    chip = chip_of(("monte_carlo.samples", CHIPS))
    judge = _Judge(chip, Silent())
    for name, state in fresh_life(judge.rivals[0]).population.states.items():
        mine = judge.few.population.states[name]
        assert mine.target.shape[0] == CHIPS
        np.testing.assert_array_equal(mine.target[0], state.target[0])
        assert not any(np.array_equal(a, b) for a in mine.programmed for b in state.programmed)
    assert judge.few.computer.data.inputs is chip.computer.origin.data.profile


def test_a_life_is_wanted() -> None:
    """Refused before any work, in one sentence, for a chip that is only looked at today."""
    no_life = [("lifetime", None), *((key, value) for key, value in TWO_TIERS if not key.startswith("lifetime."))]
    case = decks.load("quickstart", no_life)
    for solve in (False, True):
        with pytest.raises(DeckError, match="accuracy_aware asks how tiles age, and the scenario has no lifetime") as error:
            check(case.scenario, solve=solve)
        assert error.value.exit_code == 2 and [p.key for p in error.value.problems] == ["workload.placement"]


def test_what_it_costs_is_told() -> None:
    """Time by its own key; memory only where the chips it takes are more than those of the case."""
    few, many = (chip_of(("monte_carlo.samples", n)) for n in (2, 32))
    assert seconds_of(few)["workload.placement"] == seconds_of(many)["workload.placement"] > 0.0
    assert terms_of(few)["workload.placement"] == 3 * terms_of(few)["monte_carlo.samples"]
    assert terms_of(many)["workload.placement"] == 0.0
    other = chip_of(("workload.placement", "thermal_aware"))
    assert "workload.placement" not in {**seconds_of(other), **terms_of(other)}


SCARCE = {
    **dict(TWO_TIERS), "workload.tile": [32, 32], "monte_carlo.samples": 32,
    "geometry.layers.1.tile_sites": [2, 3], "geometry.layers.3.tile_sites": [2, 3],
}  # fmt: skip
"""Ten tiles on twelve sites."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", ["quickstart", "server_isaac_like", "scarce"])
def test_no_prediction_is_below_that_of_thermal_aware(name: str, seed: int) -> None:
    """Nor below it by more than chance on the chips of the case, which had no say."""
    more = SCARCE if name == "scarce" else {"lifetime.epochs": 2, "lifetime.attribution": False}
    trees = [
        stack3d.load(
            "quickstart" if name == "scarce" else name, {**more, "monte_carlo.seed": seed, "workload.placement": one}
        ).run()
        for one in (BY_ACCURACY, "thermal_aware")
    ]
    predicted = trees[0]["mvm/placement_accuracy"].values
    taken = int(trees[0]["mvm/placement_taken"].values.argmax())
    assert predicted[taken] >= predicted[0]
    mine, theirs = (tree["mvm/accuracy"].values[-1] for tree in trees)
    gain = mine - theirs
    assert gain.mean() >= -2 * gain.std(ddof=1) / np.sqrt(gain.size)
    if name == "scarce":
        assert taken >= 2 and gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(gain.size)
