"""Energy of inferences, from counts, is the heat that enters conduction; the conventional machine by hand; idle chips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case.run import Outcome, run_case
from stack3d.errors import DeckError
from stack3d.heat.loads import digital_energies
from stack3d.heat.placing import placed_chip
from stack3d.progress import Silent
from stack3d.workload.power import COMPONENTS, DIGITAL, STANDING, converter_energy

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHIPPED = [p.stem for p in sorted(SCENARIOS.glob("*.yaml")) if "\nworkload:" in p.read_text(encoding="utf-8")]
SMALL: dict[str, Any] = {
    "monte_carlo.samples": 1, "lifetime.attribution": False, "lifetime.band": False,
    "workload.test_samples": 8, "sweep": {}, "expect": {}, "solver.backend": "tensor",
    "solver.mesh": {"lateral": 4, "per_layer": 1, "aspect": 4},
}  # fmt: skip
DAY = 86400.0


def outcome(name: str, **more: Any) -> Outcome:
    """A shipped scenario on few chips and cells of the mesh."""
    deck = decks.load(name).scenario.lifetime
    keys = {**SMALL, "lifetime.epochs": min(2, deck.epochs if deck else 2)}
    keys |= {key.replace("__", "."): value for key, value in more.items()}
    return run_case(decks.load(name, list(keys.items())).scenario, Silent())


def of(values: Any, name: str) -> Any:
    """A component of the energy of an inference. [J]"""
    return values["power/energy_per_inference"][:, COMPONENTS.index(name)]


def imbalance(values: Any) -> Any:
    """Energy of inferences times their rate over the heat put in beside explicit sources, less one."""
    heat = values["power/total_power"] - values["power/component_power"][:, COMPONENTS.index("explicit")]
    return values["power/energy_per_inference"].sum(axis=1) * values["power/rate"] / heat - 1.0


@pytest.mark.parametrize("name", SHIPPED)
def test_what_inferences_cost_is_the_heat_of_every_epoch(name: str) -> None:
    values = outcome(name).values
    assert len(values["power/rate"]) and np.isfinite(values["power/energy_per_inference"]).all()
    np.testing.assert_allclose(imbalance(values), 0.0, atol=1e-9)
    np.testing.assert_allclose(values["power/component_power"].sum(axis=1), values["power/total_power"], rtol=1e-9)
    np.testing.assert_allclose(values["thermal/heat_in"], values["power/total_power"][0], rtol=1e-9)
    np.testing.assert_allclose(values["power/tile_power"].sum(), tiles_of(values), rtol=1e-9)


def tiles_of(values: Any) -> float:
    """What the tiles draw in the first epoch: all but the logic and explicit sources. [W]"""
    return sum(
        float(values["power/component_power"][0, i]) for i, n in enumerate(COMPONENTS) if n not in (*DIGITAL, "explicit")
    )


def test_the_field_of_the_first_epoch_is_that_of_all_that_heats_it() -> None:
    """A refresh every 30 us makes most of the heat: field, heat in and components hold it, and leave the stack again."""
    keys: dict[str, Any] = {"lifetime__refresh": {"period": "30 us"}, "power__sources__host__power": "1 uW"}
    values = outcome("refresh_policy", **keys).values
    heat = values["power/total_power"][0]
    assert of(values, "write")[0] * values["power/rate"][0] > 0.3 * heat
    np.testing.assert_allclose([values["thermal/heat_in"], values["thermal/heat_out"]], heat, rtol=1e-8)
    only = outcome("refresh_policy", **keys, lifetime__coupling={"enabled": False}).values
    assert only["thermal/heat_in"] < 0.7 * only["power/total_power"][0]  # one way writes heat nothing


@pytest.mark.parametrize(
    "upkeep",
    [
        {"refresh": {"period": "7 day"}},
        {"refresh": {"accuracy_loss": "1 %"}},
        {"refresh": {"period": "30 day", "coarse": {"share": 0.5, "pulses": 1}}, "compensation": {"drift": "layer"}},
        {"fine_tuning": {"period": "200 day"}, "compensation": {"columns": True, "recalibrate": True}},
        {"spares": {"columns": 1}, "power_gating": {"residual": 0.1}},
    ],
)
def test_writes_and_calibrations_heat_as_much_as_they_are_billed(upkeep: dict[str, Any]) -> None:
    values = outcome("refresh_policy", **{f"lifetime__{key}": value for key, value in upkeep.items()}).values
    np.testing.assert_allclose(imbalance(values), 0.0, atol=1e-9)
    assert ("refresh" in upkeep or "fine_tuning" in upkeep) == bool(of(values, "write").any())
    assert ("compensation" in upkeep) == bool(of(values, "calibration").any())


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_the_balance_holds_at_every_epoch_as_shipped(name: str) -> None:
    """All epochs of the scenario's own life, and of its variants."""
    deck = decks.load(name).scenario
    variants = deck.sweep.variants if deck.sweep is not None else {}
    epochs = deck.lifetime.epochs if deck.lifetime is not None else 1
    for chosen in variants.values() or [{}]:
        values = outcome(name, **{"lifetime__epochs": epochs, **{k.replace(".", "__"): v for k, v in chosen.items()}}).values
        assert len(values["power/rate"]) >= epochs
        np.testing.assert_allclose(imbalance(values), 0.0, atol=1e-9)


@pytest.mark.parametrize(
    "upkeep", [{"refresh": {"period": "30 day"}}, {"fine_tuning": {"period": "200 day"}}, {"compensation": {"drift": "tile"}}]
)
def test_energies_balance_where_the_temperature_stays(upkeep: dict[str, Any]) -> None:
    """One way: what is written and calibrated is billed and counted as heat, and the temperature is that of the first epoch."""
    keys = {f"lifetime__{key}": value for key, value in upkeep.items()}
    values = outcome("refresh_policy", **keys, lifetime__coupling={"enabled": False}).values
    np.testing.assert_allclose(imbalance(values), 0.0, atol=1e-9)
    assert of(values, "write")[-1] + of(values, "calibration")[-1] > 0
    assert np.ptp(values["thermal/tile_temperature"], axis=0).max() == 0.0


def test_trainings_are_billed_by_hand() -> None:
    """A training reads the profile once; a step multiplies all weights of the last layer by it, forward and back."""
    keys = {"lifetime__fine_tuning": {"period": "200 day", "steps": 7}, "lifetime__epochs": 1, "lifetime__until": "300 day"}
    values = outcome("refresh_policy", **keys).values
    computer = placed_chip(decks.load("refresh_policy").scenario).computer
    assert computer is not None
    last, inputs = list(computer.matrices.values())[-1], len(computer.data.profile)
    price = decks.load("refresh_policy").scenario.workload.periphery.digital_mac  # type: ignore[union-attr]
    moving = sum(of(values, n)[-1] for n in COMPONENTS if n not in (*STANDING, "explicit"))
    spent = inputs * moving + 2 * 7 * inputs * last.n_inputs * last.n_outputs * price
    assert values["reliability/calibration_energy"][-1] == pytest.approx(spent, rel=1e-9)
    per_second = of(values, "calibration")[-1] * values["power/rate"][-1]
    assert per_second * (300 * DAY - 1.0) == pytest.approx(spent, rel=1e-9)


def test_every_pulse_is_followed_by_a_read_by_hand() -> None:
    """One refresh of every cell: pulses times the energy of a pulse, of a row driven, a column converted and a cell read."""
    keys = {"lifetime__refresh": {"period": "200 day"}, "lifetime__epochs": 1, "lifetime__until": "300 day"}
    values = outcome("refresh_policy", **keys, workload__tile=[128, 128]).values
    deck = decks.load("refresh_policy").scenario
    computer = placed_chip(deck).computer
    assert computer is not None and deck.workload is not None
    converters = deck.workload.periphery
    assert converters.driver is None and converters.integrator is None
    expected = 0.0
    for name, matrix in computer.matrices.items():
        device = computer.devices[name]
        assert device.device.write is not None
        cell = device.device.read.voltage**2 * matrix.target_conductances().mean() * device.device.read.pulse
        read = cell + converter_energy(converters.dac, 8) + converter_energy(converters.adc, 8)
        expected += matrix.target_conductances().size * device.write_pulses() * (device.device.write.energy + read)
    assert values["reliability/write_energy"][-1] == pytest.approx(expected, rel=0.02)  # stuck cells are not written


def test_products_of_two_activations_are_billed() -> None:
    """A thousand multiply-accumulates at the price of a digital one, apart from layers that stay digital."""
    chip = placed_chip(decks.load("quickstart").scenario)
    assert chip.computer is not None and chip.scenario.workload is not None
    few, many = (digital_energies(replace(chip, computer=replace(chip.computer, activation_macs=n))) for n in (0.0, 1000.0))
    assert few["activations"] == 0.0 and few["digital_layers"] == many["digital_layers"]
    assert many["activations"] == pytest.approx(1000 * chip.scenario.workload.periphery.digital_mac)


def test_a_throttled_chip_shares_its_leakage_among_fewer_inferences() -> None:
    values = outcome("quickstart", workload__rate="1e6 1/s", lifetime__throttling={"limit": "44.04 degC"}).values
    np.testing.assert_allclose(imbalance(values), 0.0, atol=1e-9)
    assert 0 < values["power/rate"].max() < 1e6


@pytest.mark.parametrize("limit", [None, "26 degC"])
def test_an_idle_chip_has_energies_that_are_numbers(limit: str | None) -> None:
    """What stands still costs infinitely much per inference, and the rest what one would cost."""
    keys = {"workload__rate": "0 1/s"} if limit is None else {"lifetime__throttling": {"limit": limit}}
    found = outcome("quickstart", **keys)
    values, busy = found.values, outcome("quickstart").values
    assert not values["power/rate"].any()
    assert not any(
        np.isnan(values[f"power/{n}"]).any() for n in ("energy_per_inference", "relative_efficiency", "break_even_rate")
    )
    assert np.isinf(of(values, "leakage")).all() and not of(values, "write").any()
    np.testing.assert_allclose(of(values, "adc"), of(busy, "adc"), rtol=1e-12)
    standing = values["power/component_power"][:, [COMPONENTS.index(n) for n in STANDING]].sum(axis=1)
    heat = values["power/total_power"] - values["power/component_power"][:, COMPONENTS.index("explicit")]
    np.testing.assert_allclose(standing, heat, rtol=1e-9)
    assert next(line for line in found.summary if line.startswith("energy")).startswith("energy             no inference")


def test_the_bill_of_calibrations_goes_with_their_period_and_not_with_epochs() -> None:
    """Ten years of 3653 days: once when programmed, then at the end of each day but the last, whose read-out comes first."""
    fix = {"drift": "layer"}
    few, many = (outcome("quickstart", lifetime__compensation=fix, lifetime__epochs=n).values for n in (2, 6))
    ends = [v["reliability/calibration_energy"][-1] for v in (few, many)]
    assert ends[1] == pytest.approx(ends[0], rel=0.02)  # arrays draw less as they age, and epochs share that otherwise
    each = few["reliability/calibration_energy"][0]
    assert ends[0] == pytest.approx(3653 * each, rel=0.2)
    yearly = outcome("quickstart", lifetime__compensation=fix | {"period": "365.25 day"}).values
    assert yearly["reliability/calibration_energy"][-1] == pytest.approx(10 * each, rel=0.2)
    half = of(outcome("quickstart", lifetime__compensation=fix | {"period": "12 hour"}).values, "calibration")
    assert half[-1] == pytest.approx(2 * of(few, "calibration")[-1], rel=1e-3)


@pytest.mark.parametrize(
    ("network", "macs", "weights", "sram"),
    [  # digits_mlp: 64 to 64 to 10; digits_cnn: 3x3x1x16 on 64 places, 3x3x16x32 on 16, 128 to 10
        ("digits_mlp", 64 * 64 + 64 * 10, 4736, 10e-12 * (4736 / 8192) ** 0.5),
        ("digits_cnn", 64 * 144 + 16 * 4608 + 128 * 10, 144 + 4608 + 1280, 10e-12 * (6032 / 8192) ** 0.5),
    ],
)
def test_conventional_machine_by_hand(network: str, macs: float, weights: int, sram: float) -> None:
    """0.23 pJ per multiply and add, 8 bit of every weight once: a cache that doubles its energy from 8 to 32 kB, and DRAM."""
    found = outcome("quickstart", workload__network=network, workload__rate="1e4 1/s")
    values = found.values
    assert values["power/macs"] == macs and values["power/conventional_memory"] == weights
    bits = 8 * weights
    np.testing.assert_allclose(
        values["power/conventional_energy"], [macs * 0.23e-12 + bits * 20.3e-12, macs * 0.23e-12 + bits * sram / 64], rtol=1e-9
    )
    np.testing.assert_allclose(
        values["power/conventional_latency"], [max(macs / 6.4e10, bits / 1.024e11), max(macs / 6.4e10, bits / 5.12e11)]
    )
    np.testing.assert_allclose(values["power/conventional_leakage"], [1e-3 + bits * 2e-13, 1e-3 + bits * 1e-11])
    resting = sum(values["power/component_power"][0, COMPONENTS.index(n)] for n in STANDING)
    moving = values["power/energy_per_inference"][0].sum() - resting / 1e4
    even = np.clip((resting - values["power/conventional_leakage"]) / (values["power/conventional_energy"] - moving), 0, None)
    np.testing.assert_allclose(values["power/break_even_rate"][0], even, rtol=1e-9, atol=1e-9)
    line = next(line for line in found.summary if line.startswith("conventional"))
    assert "45 nm" in line and "DRAM" in line and "SRAM" in line


def test_a_machine_that_is_cheap_to_run_and_dear_to_keep_is_beaten_below_a_rate() -> None:
    machine = {"dram_bit": "0.001 pJ", "mac": "0.01 pJ", "sram": [{"size": 8192, "bit": "0.001 pJ"}]}
    found = outcome("quickstart", workload__conventional=machine)
    values = found.values
    rate = values["power/break_even_rate"][0]
    resting = sum(values["power/component_power"][0, COMPONENTS.index(n)] for n in STANDING)
    moving = values["power/energy_per_inference"][0].sum() - resting / values["power/rate"][0]
    assert np.all(rate < 0)
    for share, less in ((0.99, True), (1.01, False)):
        chip = resting + share * -rate * moving
        assert np.all(
            (chip < values["power/conventional_leakage"] + share * -rate * values["power/conventional_energy"]) == less
        )
    assert "the chip draws less below" in next(line for line in found.summary if line.startswith("conventional"))


def test_a_machine_without_memory_figures_is_refused_in_one_line() -> None:
    with pytest.raises(DeckError) as error:
        decks.load("quickstart", [("workload.conventional.sram", [])])
    assert "workload.conventional.sram" in str(error.value) and len(str(error.value).splitlines()) == 1
