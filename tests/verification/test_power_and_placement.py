"""Power closes, leakage runs away where theory says, and thermal placement pays on the shipped stacks."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import stack3d
from stack3d import decks
from stack3d.case import check
from stack3d.errors import DeckError, ThermalRunawayError
from stack3d.heat.loads import (
    LEAKAGE_ITERATIONS,
    LEAKAGE_TOLERANCE,
    component_powers,
    dynamic_powers,
    heat_sources,
    power_schedule,
    tile_field,
)
from stack3d.heat.meshing import Bricks
from stack3d.heat.placing import compare_placements, placed_chip, site_heat
from stack3d.heat.settling import settle
from stack3d.heat.solvers import make_backend
from stack3d.heat.too_hot import Runaway
from stack3d.thermal.grid.exact_transient import ExactTransient
from stack3d.thermal.grid.modal_system import ModalSystem
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.places import Box
from stack3d.workload import power

BUSY = {
    "workload.network": "digits_cnn", "workload.rate": "1e5 1/s", "workload.replicate": "rate", "workload.digital": ["fc"],
    "workload.trace": {"pattern": "bursts", "on": "3 s", "off": "1 s"}, "solver.backend": "tensor",
    "workload.periphery.places": {"adc": "logic", "dac": "array"}, "mvm.slices": 2, "mvm.levels": 8, "mvm.input_slice_bits": 4,
    "monte_carlo.samples": 2, "lifetime.epochs": 1, "workload.test_samples": 40, "lifetime.attribution": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def busy() -> Any:
    return stack3d.load("quickstart", BUSY).run()


def test_power_closes_over_tiles_components_and_heat(busy: Any) -> None:
    """Sum of components = heat into the thermal solve; sum of tiles = that without the host and the digital layers.

    Tiles are told of the chip as programmed, components of the epoch, in which leakage moves a little.
    """
    parts = busy["power/component_power"].isel(time=0)
    total = float(parts.sum())
    assert set(parts["component"].values) == set(power.COMPONENTS)
    np.testing.assert_allclose(total, float(busy["power/total_power"][0]), rtol=1e-9)
    apart = float(parts.sel(component=["explicit", "digital_layers"]).sum())
    moved = float(busy["power/tile_power"].sum()) - (total - apart)
    assert abs(moved) < 1e-3 * float(parts.sel(component="leakage"))
    energy = busy["power/energy_per_inference"].isel(time=0)
    np.testing.assert_allclose(float(energy.sum()) * 0.75e5, float(parts.drop_sel(component=["explicit"]).sum()))
    assert float(parts.sel(component="digital_layers")) == pytest.approx(0.75e5 * 1280 * 0.23e-12)
    assert all(float(parts.sel(component=c)) > 0 for c in ("array", "dac", "adc", "digital", "link", "leakage"))


def test_tiles_and_components_of_one_state_close() -> None:
    chip = placed_chip(decks.load("quickstart", list(BUSY.items())).scenario)
    solver = TensorSolver(Bricks.of(chip).problem(chip.stack, chip.scenario.cooling))
    targets = {n: m.target_conductances()[None] for n, m in chip.computer.matrices.items()}
    state = settle(chip, solver, lambda _: targets, np.full((len(chip.computer.tiles), 1, 1), 300.0))
    parts = component_powers(chip, state)
    apart = parts["explicit"] + parts["digital_layers"] + parts["activations"]
    np.testing.assert_allclose(state.tile_power.sum(), sum(parts.values()) - apart, rtol=1e-9)


def test_the_mapping_table(busy: Any) -> None:
    table = busy["power"].to_dataset()
    assert list(table["matrix"].values) == ["conv1", "conv2"]
    np.testing.assert_array_equal(table["matrix_rows"], [9, 144])
    np.testing.assert_array_equal(table["matrix_products"], [64, 16])
    assert int(table["matrix_copies"][0]) > int(table["matrix_copies"][1]) >= 1
    assert float(table["matrix_latency"].max()) * 1e5 <= 1 + 1e-9
    assert int(table["matrix_tiles"].sum()) == table["tile"].size
    assert float(table["macs"]) == 64 * 144 + 16 * 4608 + 1280
    one = decks.load("quickstart").scenario.workload.conventional
    dram = 84224 * one.mac + (144 + 4608 + 1280) * 8 * one.dram_bit
    np.testing.assert_allclose(float(table["conventional_energy"].sel(machine="dram")), dram)


def test_components_heat_where_the_deck_says() -> None:
    """Array and input converters in the tile's box, ADCs on the logic die."""
    chip = placed_chip(decks.load("quickstart", list(BUSY.items())).scenario)
    tile = chip.computer.places[0]
    deck = chip.scenario.workload.periphery
    homes = {c: power.heated_place(chip.stack, tile, c, deck) for c in ("array", "dac", "adc", "digital")}
    assert homes["array"] == homes["dac"] == tile
    assert homes["adc"][0] == homes["digital"][0] == "logic"
    powers = {c: np.arange(1.0, len(chip.computer.tiles) + 1) for c in homes}
    sources = power.tile_sources(chip.stack, chip.computer.places, powers, deck)
    by_layer = {layer: sum(s.power for s in sources if s.layer == layer) for layer in {s.layer for s in sources}}
    np.testing.assert_allclose(by_layer["logic"], 2 * powers["adc"].sum())
    wrong = deck.model_copy(update={"places": {"adc": "periphery"}})
    with pytest.raises(DeckError, match="adc is to heat the periphery layer, and tier layer .* has none"):
        power.heated_place(chip.stack, tile, "adc", wrong)


def test_bits_cross_the_tiers_between_tile_and_logic() -> None:
    chip = placed_chip(decks.load("quickstart").scenario)
    assert [power.tier_boundaries(chip.stack, f"t{t}_rram", "logic") for t in (0, 3, 7)] == [1, 4, 8]
    assert power.tier_boundaries(chip.stack, "t2_rram", "t2_beol") == 0
    assert power.tier_boundaries(chip.stack, "t2_rram", "cap") == 6
    assert power.tier_boundaries(chip.stack, "t2_rram", "t6_beol") == 4
    tiers = [int(layer[1]) for layer, _ in chip.computer.places]
    assert list(chip.computer.hops) == [t + 1 for t in tiers]


def iterate(leak: float, resistance: float, ambient: float = 300.0, load: float = 1.0) -> float:
    """T = ambient + R (load + leak 2^((T - 300)/12)) by the iteration of the chip, one node. [K]"""
    deck: Any = SimpleNamespace(leakage=leak, leakage_doubling=12.0)
    watch, temperature = Runaway(), np.array([ambient])
    for _ in range(LEAKAGE_ITERATIONS):
        new = ambient + resistance * (load + power.leakage(deck, temperature))
        watch.check(temperature, new)
        if abs(new - temperature).max() < LEAKAGE_TOLERANCE:
            return float(new[0])
        temperature = new
    raise AssertionError("neither settled nor ran away")


def critical_leakage(resistance: float, load: float = 1.0) -> tuple[float, float]:
    """Leakage at 300 K above which no temperature is stable, and the temperature at which it is lost; closed form.

    T - 300 = R load + R P (P the leakage) and d/dT (R P) = 1 touch where R P = 12 K / ln 2.
    """
    rise = resistance * load + 12.0 / np.log(2)
    return 12.0 / np.log(2) / resistance * 2.0 ** (-rise / 12.0), 300.0 + rise


@pytest.mark.parametrize("resistance", [5.0, 20.0, 60.0])
def test_leakage_runs_away_where_theory_says(resistance: float) -> None:
    """Settles 3 % below the critical leakage, runs away 3 % above, and names the temperature where a watt makes a watt."""
    leak, where = critical_leakage(resistance)
    settled = iterate(0.97 * leak, resistance)
    assert settled < where
    residual = settled - 300 - resistance * (1 + 0.97 * leak * 2 ** ((settled - 300) / 12))
    assert abs(residual) < 2 * LEAKAGE_TOLERANCE
    with pytest.raises(ThermalRunawayError, match=r"from about [\d.]+ degC") as caught:
        iterate(1.03 * leak, resistance)
    named = float(str(caught.value).split("about ")[1].split(" degC")[0]) + 273.15
    assert abs(named - where) < 3.0  # one iteration further at most, steps there are about 1 K


@pytest.mark.parametrize("leakage", ["2.5 mW", "10 mW"])
def test_runaway_of_a_whole_chip_is_reported(leakage: str) -> None:
    case = stack3d.load("quickstart", {"workload.periphery.leakage": leakage, "solver.backend": "tensor"})
    for until in ("thermal", None):
        with pytest.raises(ThermalRunawayError, match="leakage runs away: from about"):
            case.run(until=until)


def test_response_of_the_sites_is_that_of_the_solver() -> None:
    """Superposed site temperatures against the full solve of the same placement; k(T) of silicon is all that differs."""
    chip = placed_chip(decks.load("quickstart", [("workload.network", "digits_cnn"), ("workload.rate", "1e4 1/s")]).scenario)
    targets = {n: m.target_conductances()[None] for n, m in chip.computer.matrices.items()}
    powers = {n: 1e4 * p for n, p in dynamic_powers(chip, targets, chip.mean_rate).items()}
    even = {n: 1e8 * p for n, p in chip.computer.energies(replace(chip.computer, hops=(1,) * 15).activities(targets)).items()}
    places = list(chip.computer.places)
    known = site_heat(chip, places, even, np.arange(15))
    solver = make_backend(
        chip.scenario.model_copy(update={"solver": chip.scenario.solver.model_copy(update={"backend": "tensor"})}),
        chip.stack,
        Bricks.of(chip),
    )
    full = tile_field(chip, solver.solve(heat_sources(chip, powers, 0.0)), (1, 1))[:, 0, 0]
    rise = full - chip.scenario.cooling.ambient
    np.testing.assert_allclose(known.temperatures(np.arange(len(places)))[0] - chip.scenario.cooling.ambient, rise, rtol=0.02)


LARGE = ("bulk_rram_channels", "monolithic_3d_rram", "tsv_stack_4tier")


def stacks_with_tiles() -> list[str]:
    """Every shipped stack that has a place for tiles."""
    return [name for name, path in decks.available("geometries").items() if "role: rram" in path.read_text()]


def test_every_stack_with_tiles_is_compared() -> None:
    assert len(stacks_with_tiles()) >= 6 and "flip_chip_package" not in stacks_with_tiles()


@pytest.mark.parametrize(
    "stack", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in stacks_with_tiles()]
)
def test_thermal_placement_is_never_hotter_than_spread(stack: str) -> None:
    """Neither its hottest tile nor the stack anywhere: uniform layers, blocks, and coolant that warms."""
    fewer = [("geometry.tiers.repeat", 2)] if stack == "bulk_rram_channels" else []  # for the time it takes
    lateral = {"bulk_rram_8tier": 24, "monolithic_3d_rram": 12, "rram_beside_logic": 16}.get(stack, 6)
    chosen = [("geometry", stack), ("power", {"sources": []}), ("workload.network", "digits_cnn"), ("workload.rate", "5e4 1/s"),
              ("workload.tile", [64, 64]), ("workload.periphery.adc.energy", "150 pJ"),
              ("solver.mesh", {"lateral": lateral, "refinement": 1}), *fewer]  # fmt: skip
    found = {o.name: o for o in compare_placements(decks.load("quickstart", chosen).scenario)}
    aware, spread = found["thermal_aware"], found["spread"]
    assert aware.tile_peak <= spread.tile_peak and aware.stack_peak <= spread.stack_peak  # one grid, one solver: no tolerance
    if stack != "hbm_like_12high":  # there `spread` puts the strongest tile where its converters heat the logic die least
        assert aware.tile_peak < spread.tile_peak - 5e-4
    rivals = [o.tile_peak for o in found.values() if o.stack_peak <= spread.stack_peak]
    assert aware.tile_peak <= min(rivals) + 1e-3
    assert all(o.stack_peak >= o.tile_peak >= o.tile_mean for o in found.values())


def test_the_transient_consumes_the_schedule(tmp_path: Any) -> None:
    """Over one period of the periodic state the mean temperature is that of the steady solve at mean power."""
    (tmp_path / "host.csv").write_text("time, host\n0, 0.5\n1, 0.05\n4, 0\n")
    chosen = [
        ("workload.trace", {"pattern": "bursts", "on": "2 s", "off": "2 s"}),
        ("power.trace", {"pattern": "table", "file": str(tmp_path / "host.csv")}),
    ]
    chip = placed_chip(decks.load("quickstart", chosen).scenario)
    chip = replace(chip, stack=chip.stack.held_at())
    solver = TensorSolver(Bricks.of(chip).problem(chip.stack, chip.scenario.cooling))
    targets = {n: m.target_conductances()[None] for n, m in chip.computer.matrices.items()}
    state = settle(chip, solver, lambda _: targets, np.full((len(chip.computer.tiles), 1, 1), 300.0))
    sources, schedule = power_schedule(chip, state)
    places = [Box(layer, box) for layer, box in chip.computer.places[:2]]
    within = np.concatenate([np.linspace(0, 1, 81), np.linspace(1, 4, 81)[1:]])
    found = ExactTransient(ModalSystem(solver, sources, places)).periodic(schedule, within).temperature
    mean = np.trapezoid(found, within, axis=0) / 4.0
    rise = state.tile_temperature[:2] - chip.scenario.cooling.ambient
    np.testing.assert_allclose(mean - chip.scenario.cooling.ambient, rise, rtol=1e-4)  # of the trapezoidal rule
    assert np.ptp(found, axis=0).min() > 0.01 * rise.min()


def test_describing_a_chip_solves_no_temperature(monkeypatch: Any) -> None:
    """`validate` and `show` check a thermal placement without a solver; a run then asks for one."""
    scenario = decks.load("quickstart", [("workload.placement", "thermal_aware")]).scenario

    def solved(self: TensorSolver, *_: Any, **__: Any) -> None:
        raise AssertionError("a temperature was solved")

    monkeypatch.setattr(TensorSolver, "solve", solved)
    monkeypatch.setattr(TensorSolver, "__init__", solved)
    chip = check(scenario)
    spread = check(scenario.model_copy(update={"workload": scenario.workload.model_copy(update={"placement": "spread"})}))
    assert chip.computer.places == spread.computer.places
    with pytest.raises(AssertionError, match="solved"):
        placed_chip(scenario)
