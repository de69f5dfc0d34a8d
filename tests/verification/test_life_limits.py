"""Limits that the lifetime loop must keep, each with an answer known beforehand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stack3d import decks, storage
from stack3d.case import run_case
from stack3d.constants import YEAR
from stack3d.devices.build import build_device
from stack3d.errors import ValidityWarning
from stack3d.heat.climate import Climate
from stack3d.heat.placing import placed_chip
from stack3d.heat.trust.error_bars import ENOUGH_OF_ALL
from stack3d.life.chips import Passive, Population, elapse, periodic
from stack3d.life.periods import time_to_loss
from stack3d.life.policies.in_hardware import Spares
from stack3d.life.start import epoch_times, fresh_life
from stack3d.progress import Silent
from stack3d.schema.life import LifetimeDeck, SparesDeck
from stack3d.thermal import ThermalSolution
from stack3d.thermal.cooling.coolant import CoolantBackend
from stack3d.workload.power import COMPONENTS, DYNAMIC

COARSE = {"lateral": 4, "per_layer": 1, "aspect": 8}
QUICK = {"monte_carlo.samples": 4, "lifetime.epochs": 4, "solver.backend": "tensor", "lifetime.attribution": False}


def case(**overrides: Any) -> decks.Case:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return decks.load("quickstart", [*QUICK.items(), *keys.items()])


def run(**overrides: Any) -> dict[str, Any]:
    return dict(run_case(case(**overrides).scenario, Silent()).values)


def test_epochs_end_when_they_should() -> None:
    times = epoch_times(LifetimeDeck(epochs=12))
    assert times[0] == 1.0 and times[-1] == 10 * YEAR and YEAR in times and np.all(np.diff(times) > 0)
    assert epoch_times(LifetimeDeck.model_validate({"epochs": 1, "until": "5 s"})).tolist() == [1.0, 5.0]


def test_time_to_loss_interpolates_in_the_logarithm() -> None:
    times = np.array([1.0, 10.0, 100.0])
    curves = np.array([[0.9, 0.9, 0.9], [0.8, 0.7, 0.5], [0.5, 0.5, 0.5]])
    np.testing.assert_allclose(time_to_loss(times, curves, 0.9, 0.1), [10.0, 10**0.5, 10**0.25])


@pytest.mark.parametrize(
    ("period", "start", "end", "expected"),
    [
        (10, 0, 9, []),
        (10, 5, 25, [(10, 0), (20, 0)]),
        (1, 0.5, 100.2, [(100, 99)]),
        (10, 0, 10, []),  # the act that falls on a read-out comes after it
        (10, 10, 30, [(10, 0), (20, 0)]),
    ],
)
def test_periodic_acts(period: float, start: float, end: float, expected: list[tuple[float, float]]) -> None:
    assert periodic(period, start, end) == expected


def test_without_coupling_the_temperature_is_that_of_the_first_epoch() -> None:
    """One way: constant temperatures; and where cells do not change, two ways give the same."""
    one = run(lifetime__coupling={"enabled": False})
    assert np.ptp(one["thermal/tile_temperature"], axis=0).max() == 0.0
    fixed = {"device": "ideal", "workload__periphery.leakage": "0 W"}
    np.testing.assert_allclose(
        run(**fixed)["thermal/tile_temperature"],
        run(**fixed, lifetime__coupling={"enabled": False})["thermal/tile_temperature"],
        rtol=0, atol=1e-6,
    )  # fmt: skip


def test_no_power_is_ageing_at_ambient() -> None:
    """Nothing heats: every tile is at ambient, and the cells are where one step of their law at ambient puts them."""
    ambient = 330.0
    chosen = {
        "workload.rate": "1e-9 1/s", "workload.periphery.leakage": "0 W", "power.sources.host.power": "0 W",
        "cooling.ambient": f"{ambient} K", "lifetime.programming_temperature": f"{ambient} K",
    }  # fmt: skip
    loaded = decks.load("quickstart", [*QUICK.items(), *chosen.items()])
    values = dict(run_case(loaded.scenario, Silent()).values)
    np.testing.assert_allclose(values["thermal/tile_temperature"], ambient, atol=1e-6)
    device = build_device(loaded.scenario.device).without(
        "programming", "relaxation", "faults", "read_noise", "temperature_dependence"
    )
    target = np.full((20000,), 0.6e-6)
    state = device.program(target, np.random.default_rng(0), temperature=ambient)
    end = device.conductance(device.advance(state, 10 * YEAR, np.asarray(ambient)), np.asarray(ambient))
    # the same law on the chip, away from its other mechanisms: the mean over many cells of one target
    computer = placed_chip(loaded.scenario).computer
    assert computer is not None
    quiet = {
        n: d.without("programming", "relaxation", "faults", "read_noise", "temperature_dependence")
        for n, d in computer.devices.items()
    }
    computer = replace(computer, devices=quiet)
    population = Population.programmed(computer, 40, 1, ambient)
    field = np.full((len(computer.tiles), 2, 2), ambient)
    for duration in np.diff(np.concatenate([[0.0], epoch_times(loaded.scenario.lifetime)])):
        population = population.aged(computer, float(duration), Climate.steady(field))
    g = np.concatenate([np.ravel(v) for v in population.conductances(computer, field).values()])
    goal = np.concatenate([np.ravel(s.target) for s in population.states.values()])
    near = np.abs(goal - 0.6e-6) < 0.01e-6
    loss, expected = 1 - g[near] / goal[near], 1 - end / target
    error = np.hypot(loss.std() / np.sqrt(near.sum()), expected.std() / np.sqrt(expected.size))
    assert near.sum() > 200
    assert abs(loss.mean() - expected.mean()) < 4 * error + 0.02 * expected.mean()  # targets differ by up to 2 %


def test_corrections_at_read_out_are_billed() -> None:
    """A multiply-add per output and, with sums of inputs, another per output and one per input."""

    def energy(**fix: Any) -> float:
        one = case(lifetime__compensation=fix, lifetime__epochs=2, monte_carlo__samples=2)
        parts = run_case(one.scenario, Silent()).values["power/energy_per_inference"][0]
        return float(parts[COMPONENTS.index("digital_layers")])

    loaded = case()
    computer = placed_chip(loaded.scenario).computer
    assert computer is not None and loaded.scenario.workload is not None
    shapes = [(m.n_inputs, m.n_outputs) for m in computer.matrices.values()]
    one = loaded.scenario.workload.periphery.digital_mac
    none, columns, sums = energy(), energy(columns=True), energy(columns=True, input_sums=True)
    assert one > 0
    np.testing.assert_allclose(columns - none, one * sum(b for _, b in shapes), rtol=1e-9)
    np.testing.assert_allclose(sums - columns, one * sum(a + b for a, b in shapes), rtol=1e-9)


@pytest.mark.parametrize(
    ("fix", "inferences"), [({"columns": True, "recalibrate": True}, 2.0), ({"columns": True}, 1.0), ({"drift": "layer"}, None)]
)
def test_calibration_is_billed_once_when_programmed_and_once_a_period(fix: dict[str, Any], inferences: float | None) -> None:
    """Calibration inputs through the whole network; or one-hot inputs, 64 products of every layer of the quickstart."""
    fix = fix | {"period": "365.25 day"}
    one = case(lifetime__compensation=fix, lifetime__epochs=3, monte_carlo__samples=2)
    computer = placed_chip(one.scenario).computer
    assert computer is not None
    assert {(m.n_inputs, computer.products[n]) for n, m in computer.matrices.items()} == {(64, 1.0)}
    values = run_case(one.scenario, Silent()).values
    spent = values["reliability/calibration_energy"]
    logic = () if inferences is None else ("digital_layers",)  # the calibration inputs go through the whole network
    dynamic = [COMPONENTS.index(name) for name in (*DYNAMIC, *logic)]
    each = values["power/energy_per_inference"][:, dynamic].sum(axis=1)
    vectors = 64 if inferences is None else inferences * len(computer.data.profile)
    np.testing.assert_allclose(spent[0], vectors * each[0], rtol=1e-6)
    acts = np.diff(np.ceil(epoch_times(one.scenario.lifetime) / YEAR))  # what falls on the end of an epoch comes after it
    np.testing.assert_allclose(np.diff(spent), vectors * each[1:] * acts, rtol=1e-6)


def test_halving_the_step_changes_less_than_chance() -> None:
    few, many = (run(lifetime__epochs=n, monte_carlo__samples=8)["mvm/accuracy"][-1] for n in (8, 16))
    assert abs(few.mean() - many.mean()) < many.std(ddof=1) / np.sqrt(8)


def test_the_damage_at_which_a_share_is_worn_is_that_of_the_lives() -> None:
    """Of 400,000 drawn lives as many end below it, by the law and by counting; Miner's sum of 1 comes when most are worn."""
    device = build_device(case().scenario.device)
    law = device.endurance
    assert law is not None
    lives = law.life(np.random.default_rng(1), (400_000,), np.dtype(np.float64))
    for share in (1e-3, 1e-2, 0.5):
        assert np.mean(lives < device.damage_at(share)) == pytest.approx(share, abs=4 * np.sqrt(share / 400_000))
    assert device.damage_at(1 - np.exp(-1)) == pytest.approx(1.0, rel=1e-9)


def test_hourly_refresh_holds_until_miner_ends_it() -> None:
    """Damage grows by one write's share per hour; the accuracy stays until the damage reaches lives of about one."""
    period = 3600.0
    base = {"lifetime__refresh": {"period": "1 hour"}, "monte_carlo__samples": 4, "lifetime__epochs": 10}
    loaded = case(**base)
    computer = placed_chip(loaded.scenario).computer
    assert computer is not None
    values = dict(run_case(loaded.scenario, Silent()).values)
    times = epoch_times(loaded.scenario.lifetime)
    hottest = values["thermal/tile_temperature"].mean()
    device = next(iter(computer.devices.values()))
    per_write = float(device.damage_rate(np.asarray(hottest)))
    writes = np.ceil(times / period) - 1  # the write that falls on a read-out comes after it
    first = float(device.damage_rate(np.asarray(298.15)))  # the programming itself, at 25 degC
    np.testing.assert_allclose(values["reliability/refreshes"], writes, rtol=0, atol=0)
    np.testing.assert_allclose(
        values["reliability/endurance_used"], first + writes * per_write, rtol=2e-2
    )  # tiles differ by < 0.1 K
    end = period / per_write
    accuracy = values["mvm/accuracy"].mean(axis=1)
    young, old = times < 0.05 * end, times > 2 * end
    assert young.sum() >= 3 and old.any(), "the deck's endurance left this test without an end"
    assert np.all(accuracy[young] > accuracy[0] - 0.01)
    assert np.all(accuracy[old] < accuracy[0] - 0.2)
    assert np.all(values["reliability/stuck_fraction"][old] > 0.5)


def test_a_triggered_refresh_keeps_the_accuracy() -> None:
    values = run(lifetime__refresh={"accuracy_loss": 0.02}, monte_carlo__samples=4, workload__test_samples=200)
    accuracy = values["mvm/accuracy"].mean(axis=1)
    assert values["reliability/refreshes"][-1] >= 1
    assert np.all(accuracy > accuracy[0] - 0.03)  # 0.02, and what one read-out differs from the next
    assert values["reliability/write_energy"][-1] > 0


class Killed(Exception):
    """Stands for the end of a process."""


class Killer(Silent):
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def step(self, name: str, done: int, total: int, **facts: Any) -> None:
        if name == "epoch" and done == self.epoch:
            raise Killed


@pytest.mark.parametrize("epochs", [(2,), (1, 3)])
def test_killed_and_resumed_is_undisturbed(tmp_path: Path, epochs: tuple[int, ...]) -> None:
    """Continue, and continue of continue: the same numbers to the last bit."""
    scenario = case(lifetime__refresh={"period": "300 day"}, lifetime__compensation={"drift": "layer"}).scenario
    whole = run_case(scenario, Silent()).values
    path = tmp_path / "checkpoint.npz"
    for epoch in epochs:
        with pytest.raises(Killed):
            run_case(scenario, Killer(epoch + 1), resume=path, key="k")
        assert path.exists()
    resumed = run_case(scenario, Silent(), resume=path, key="k").values
    for name, value in whole.items():
        np.testing.assert_array_equal(value, resumed[name], err_msg=name)


def test_epochs_beside_coolant_begin_at_the_first_heat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the steps of the first heat at most, and a life that was killed goes on to the same bits."""
    steps: list[tuple[CoolantBackend, int]] = []
    solve = CoolantBackend.solve

    def counted(self: CoolantBackend, *args: Any, **more: Any) -> ThermalSolution:
        solution = solve(self, *args, **more)
        steps.append((self, solution.statistics["iterations"]))
        return solution

    monkeypatch.setattr(CoolantBackend, "solve", counted)
    monkeypatch.setattr(CoolantBackend, "roughly", lambda self: self)  # whose first pass has few steps
    wet = {"geometry": "bulk_rram_channels", "geometry.tiers.repeat": 1, "cooling": {"ambient": "25 degC"}}
    few = {"solver.mesh": COARSE, "workload.test_samples": 50, "lifetime.epochs": 2}
    loaded = decks.load("quickstart", [*wet.items(), *QUICK.items(), *few.items()])
    whole = run_case(loaded.scenario, Silent())
    of_life = [count for solver, count in steps if solver is steps[0][0]]  # the others judge its meshes
    assert 0 < 2 * max(of_life[-len(whole.coordinates["time"]) :]) <= of_life[0]
    with pytest.raises(Killed):
        run_case(loaded.scenario, Killer(2), resume=tmp_path / "c.npz", key="k")
    again = run_case(loaded.scenario, Silent(), resume=tmp_path / "c.npz", key="k")
    for name, value in whole.values.items():
        np.testing.assert_array_equal(value, again.values[name], err_msg=name)


def test_a_pass_that_is_thrown_away_is_rough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pass of heat and leakage takes fewer steps; what is kept is as exact as asked, and the same.

    Solutions that errors are taken from follow it; they end where the promised error needs no more.
    """
    found: list[tuple[int, float]] = []
    solve = CoolantBackend.solve

    def seen(self: CoolantBackend, *args: Any, **more: Any) -> ThermalSolution:
        solution = solve(self, *args, **more)
        found.append((solution.statistics["iterations"], solution.statistics["residual"]))
        return solution

    monkeypatch.setattr(CoolantBackend, "solve", seen)
    wet = {"geometry": "bulk_rram_channels", "geometry.tiers.repeat": 1, "cooling": {"ambient": "25 degC"}}
    few = {"solver.mesh": COARSE, "workload.test_samples": 50, "lifetime.epochs": 1}
    scenario = decks.load("quickstart", [*wet.items(), *QUICK.items(), *few.items()]).scenario
    rough = run_case(scenario, Silent(), until="thermal").values
    assert found[0][1] > 1e-8 and found[1][1] < 2e-9 and all(residual < ENOUGH_OF_ALL for _, residual in found[2:]), found
    first = found[0][0]
    found.clear()
    monkeypatch.setattr(CoolantBackend, "roughly", lambda self: self)
    whole = run_case(scenario, Silent(), until="thermal").values
    assert first < 0.8 * found[0][0]
    np.testing.assert_allclose(
        rough["thermal/layer_temperature_max"], whole["thermal/layer_temperature_max"], rtol=0, atol=1e-6
    )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A checkpoint of two epochs, and the accuracies of the undisturbed life."""
    scenario, path = case().scenario, tmp_path_factory.mktemp("stopped") / "checkpoint.npz"
    with pytest.raises(Killed):
        run_case(scenario, Killer(3), resume=path, key="one")
    return path, run_case(scenario, Silent()).values["mvm/accuracy"]


def _without_a_part(path: Path) -> None:
    """As another version may have written it: whole by its digest, with other names in it."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files if not name.startswith("totals/")}
    with path.open("wb") as file:
        np.savez(file, **arrays)
    storage.seal(path)


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def _in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-2000]),
    "without its seal": lambda path: path.write_bytes(path.read_bytes()[:-46] + b"x"),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"half a file"),
    "flipped": _flipped,
    "another version": _without_a_part,
    "a folder": _in_its_place,
    "a link to itself": _to_itself,
}


CHEAP = ("another case", "flipped", "another version")
"""One of each kind: of something else, not as it was written, and as it was written with other parts."""


@pytest.mark.parametrize(
    "damage", [d if d in CHEAP else pytest.param(d, marks=pytest.mark.slow) for d in ("another case", *DAMAGES)]
)
def test_a_checkpoint_that_is_damaged_or_of_something_else_is_left_alone(
    tmp_path: Path, stopped: tuple[Path, Any], damage: str
) -> None:
    path = Path(shutil.copy(stopped[0], tmp_path))
    DAMAGES.get(damage, lambda path: None)(path)
    key = "another" if damage == "another case" else "one"
    np.testing.assert_array_equal(run_case(case().scenario, Silent(), resume=path, key=key).values["mvm/accuracy"], stopped[1])
    names = {p.name for p in tmp_path.iterdir()} - {"checkpoint.npz"}
    assert names <= {"damaged-checkpoint.npz"}, names
    with pytest.raises(Killed):  # what is written now is whole again
        run_case(case().scenario, Killer(2), resume=path, key="more")
    assert storage.is_whole(path)


def test_cells_see_their_own_tile_and_place() -> None:
    """A field that differs between tiles and within them reaches the right cells."""
    computer = placed_chip(case().scenario).computer
    assert computer is not None
    field = 300.0 + np.arange(len(computer.tiles) * 4, dtype=float).reshape(-1, 2, 2)
    for name in computer.matrices:
        cells = computer.per_cell(name, field)
        for i, tile in computer.tiles_of(name):
            part = cells[tile.row_start : tile.row_stop, tile.col_start : tile.col_stop]
            assert part[0, 0] == field[i, 0, 0] and set(np.unique(part)) <= set(field[i].ravel())
            if tile.rows_used == tile.n_rows:
                assert part[-1, 0] == field[i, 1, 0]  # rows along y
            if tile.columns_used == tile.n_cols:
                assert part[0, -1] == field[i, 0, 1]  # columns along x


@pytest.mark.slow
def test_throttling_keeps_the_limit_and_tells_the_throughput() -> None:
    hot = {"workload__rate": "2e6 1/s", "power__sources.host.power": "1 mW", "workload__periphery.adc.energy": "300 pJ"}
    free = run(**hot)
    limit = 0.5 * (298.15 + free["thermal/tile_temperature"].max())
    held = run(**hot, lifetime__throttling={"limit": f"{limit} K"})
    assert held["thermal/tile_temperature"].max() <= limit + 1e-6
    assert held["thermal/tile_temperature"].max() > limit - 1.0
    assert np.all(held["power/rate"] < free["power/rate"]) and np.all(held["power/rate"] > 0.3 * free["power/rate"])


def test_spares_and_fine_tuning_never_cost_accuracy_and_are_billed() -> None:
    plain = run(monte_carlo__samples=8)
    spared = run(monte_carlo__samples=8, lifetime__spares={"columns": 2})
    tuned = run(monte_carlo__samples=8, lifetime__fine_tuning={"period": "1 year"})
    assert spared["mvm/accuracy"][0].mean() > plain["mvm/accuracy"][0].mean() - 0.002
    assert spared["reliability/stuck_fraction"][0] < plain["reliability/stuck_fraction"][0]
    assert tuned["mvm/accuracy"][-1].mean() > plain["mvm/accuracy"][-1].mean()
    for values in (spared, tuned):
        assert values["reliability/write_energy"][-1] > 0


def test_spares_are_written_as_cold_as_all_other_cells() -> None:
    """At test, whatever the chip works at: a column that was written warmer than the other of its pair reads less."""
    life = fresh_life(placed_chip(case().scenario))
    hot = np.full((len(life.computer.tiles), *life.chip.computer.design.lifetime.subgrid[::-1]), 380.0)
    spared = Spares(SparesDeck(columns=2)).programmed(life, Climate.steady(hot)).population.states
    assert sum(np.sum(s.stuck != 0) for s in spared.values()) < sum(
        np.sum(s.stuck != 0) for s in life.population.states.values()
    )
    for name, state in spared.items():
        before = life.population.states[name].programmed
        assert np.any(state.programmed != before) and np.unique(state.programming_temperature).tolist() == pytest.approx(
            [298.15]
        )


def test_hybrid_tiers_take_their_layers() -> None:
    """The sensitive last layer on cells that do not age: nothing of it is lost, and it sits where it was told to."""
    chosen = case(hybrid=[{"tiers": [7], "device": "ideal", "layers": ["fc2"]}])
    computer = placed_chip(chosen.scenario).computer
    assert computer is not None
    layers = [layer for (layer, _), tile in zip(computer.places, computer.tiles) if tile.layer == "fc2"]
    assert layers and set(layers) == {"t7_rram"}
    assert "t7_rram" not in {layer for (layer, _), tile in zip(computer.places, computer.tiles) if tile.layer == "fc1"}
    both = run(monte_carlo__samples=8)["mvm/accuracy"][-1].mean()
    assert (
        run(monte_carlo__samples=8, hybrid=[{"tiers": [7], "device": "ideal", "layers": ["fc2"]}])["mvm/accuracy"][-1].mean()
        > both
    )


def test_the_band_brackets_the_default() -> None:
    values = run(lifetime__band=True)
    end = values["mvm/accuracy_band"][:, -1].mean(axis=-1)
    np.testing.assert_allclose(values["mvm/accuracy_band"][1], values["mvm/accuracy"], atol=1e-12)
    assert end[0] > end[1] > end[2]  # anchored at 25 degC and used warmer: a larger activation energy shortens life


def test_leakage_that_runs_away_is_found() -> None:
    from stack3d.errors import ThermalRunawayError

    with pytest.raises(ThermalRunawayError, match="runs away: from about"):
        run(workload__periphery={**decks.load("quickstart").tree["workload"]["periphery"], "leakage": "15 mW"})


DYING = {
    "device": "hfox_analog", "cooling__ambient": "130 degC", "lifetime__until": "1 year",
    "geometry__tiers.repeat": 2, "solver__mesh": {"lateral": 6, "per_layer": 1, "aspect": 4},
}  # fmt: skip


@pytest.mark.slow
def test_epochs_are_divided_where_the_accuracy_falls() -> None:
    """Few epochs, divided: no step above the limit, and the time to a loss of a run with four times as many epochs."""
    dying = {
        "device": "hfox_analog",
        "cooling__ambient": "130 degC",
        "lifetime__until": "1 year",
        "lifetime__accuracy_loss": 0.3,
    }
    limit = 0.08
    coarse, fine = (run(**dying, lifetime__epochs=n) for n in (4, 24))
    refine = {"accuracy": limit, "temperature": "2 K", "most": 24}
    loaded = case(**dying, lifetime__epochs=4, lifetime__refine=refine)
    outcome = run_case(loaded.scenario, Silent())
    times, divided = outcome.coordinates["time"], dict(outcome.values)
    planned = epoch_times(loaded.scenario.lifetime)
    assert set(planned) < set(times) and len(times) <= 24 and np.all(np.diff(times) > 0)
    steps = np.abs(np.diff(divided["mvm/accuracy"].mean(axis=1)))
    narrow = times[1:] / times[:-1] < 1.1
    assert np.all((steps <= limit) | narrow)
    assert np.abs(np.diff(coarse["mvm/accuracy"].mean(axis=1))).max() > 3 * limit  # there was something to divide
    added = np.array(sorted(set(times) - set(planned)))
    falling = divided["mvm/accuracy"].mean(axis=1) < divided["mvm/accuracy"][0].mean() - 0.02
    assert added.min() >= times[int(np.argmax(falling)) - 1] / 100  # none where nothing happens
    log = {n: np.log(v["mvm/time_to_accuracy_loss"].mean()) for n, v in (("coarse", coarse), ("fine", fine), ("new", divided))}
    assert abs(log["new"] - log["fine"]) < 0.1
    assert abs(log["new"] - log["fine"]) < 0.3 * abs(log["coarse"] - log["fine"])


def test_divided_epochs_survive_a_kill(tmp_path: Path) -> None:
    scenario = case(**DYING, lifetime__refine={"accuracy": 0.2, "temperature": "9 K", "most": 7}).scenario
    whole = run_case(scenario, Silent())
    assert len(whole.coordinates["time"]) == 7
    with pytest.raises(Killed):
        run_case(scenario, Killer(5), resume=tmp_path / "c.npz", key="k")
    again = run_case(scenario, Silent(), resume=tmp_path / "c.npz", key="k")
    np.testing.assert_array_equal(whole.coordinates["time"], again.coordinates["time"])
    for name, value in whole.values.items():
        np.testing.assert_array_equal(value, again.values[name], err_msg=name)


def test_every_chip_may_set_its_ranges_anew() -> None:
    """Recalibration profiles a population of chips, not one."""
    small = {
        "geometry__tiers.repeat": 2,
        "solver__mesh": {"lateral": 6, "per_layer": 1, "aspect": 4},
        "monte_carlo__samples": 3,
    }
    hot = {"device": "pcm_gst", "workload__network": "digits_cnn", "cooling__ambient": "85 degC", "lifetime__epochs": 1}
    once = {**small, **hot, "lifetime__until": "1 s", "workload__rate": "1e4 1/s", "workload__tile": [128, 128]}
    plain = run(**once)
    mended = run(**once, lifetime__compensation={"recalibrate": True, "columns": True})
    assert mended["mvm/accuracy"].shape == (1, 3)
    assert mended["mvm/accuracy"].mean() > plain["mvm/accuracy"].mean() + 0.03  # currents of warm cells pass the old ranges


def test_the_interval_that_holds_is_that_of_chips_left_alone() -> None:
    """A refreshed life asks for the same interval as one without, and its accuracy does hold at half of it."""
    common = {
        "cooling__ambient": "65 degC",
        "lifetime__epochs": 8,
        "lifetime__accuracy_loss": 0.05,
        "lifetime__until": "2 year",
    }
    bare = run(**common)
    interval = float(bare["reliability/hold_interval"])
    assert 86400 < interval < YEAR
    held = run(**common, lifetime__refresh={"period": f"{interval / 2} s"})
    assert np.all(held["mvm/accuracy"].mean(axis=1) > held["mvm/accuracy"][0].mean() - 0.05)
    assert float(held["reliability/hold_interval"]) == pytest.approx(
        interval, rel=0.1
    )  # temperatures differ by the writes' heat
    assert held["reliability/endurance_left"] < bare["reliability/endurance_left"]


@dataclass(frozen=True)
class Acted:
    """Chips of which only the age and the times of acts are known."""

    time: float
    acts: tuple[float, ...] = ()

    @property
    def bill(self) -> Any:
        return SimpleNamespace(refreshes=len(self.acts))

    def aged(self, until: float, climate: Any) -> Acted:
        return replace(self, time=until)


class DueAtOnce(Passive):
    """A trigger that no write satisfies."""

    def is_due(self, life: Any, climate: Any) -> bool:
        return True

    def act(self, life: Any, climate: Any, event: int) -> Any:
        return replace(life, acts=(*life.acts, life.time))


def test_a_trigger_that_writing_cannot_satisfy_is_told_and_goes_on() -> None:
    """It writes at once, then a few times evenly, and the epoch ends."""
    with pytest.warns(ValidityWarning, match="does not bring the accuracy back within what triggers it: 4 writes"):
        life: Any = elapse(Acted(100.0), 900.0, None, [DueAtOnce()], 0)  # type: ignore[arg-type]
    assert life.time == 900.0
    np.testing.assert_allclose(life.acts, [100.0, 200.0, 400.0, 600.0, 800.0])


def test_chips_written_whenever_they_lose_anything_do_not_fall() -> None:
    """A loss within the chance of a read-out: chips are written in the last epochs, and the accuracy does not fall."""
    chosen = {"lifetime__refresh": {"accuracy_loss": 1e-6}, "cooling__ambient": "65 degC", "workload__test_samples": 200}
    outcome = run_case(case(**chosen, lifetime__epochs=6).scenario, Silent())
    refreshes = outcome.values["reliability/refreshes"]
    assert refreshes[-1] > refreshes[-2]
    bare = run(**{**chosen, "lifetime__refresh": None}, lifetime__epochs=6)["mvm/accuracy"].mean(axis=1)
    accuracy = outcome.values["mvm/accuracy"].mean(axis=1)
    assert accuracy[-1] > bare[-1] + 0.05


@pytest.mark.parametrize("parts", [3, 7, 11, 13, 49])
def test_an_act_at_the_end_is_not_made_whatever_rounding_does(parts: int) -> None:
    """Periods that divide the life: the act on the last instant comes after its read-out, and none is lost or made twice."""
    end = 10 * YEAR
    period = end / parts
    assert [round(when / period) for when, _ in periodic(period, 0.0, end, most=parts)] == list(range(1, parts))
    halves = [*periodic(period, 0.0, 2 * period, most=parts), *periodic(period, 2 * period, end, most=parts)]
    assert len(halves) == parts - 1
