"""Refresh that takes less care of cells that matter little: its cost, its error and its order of cells are known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.chip import error_powers
from stack3d.devices.build import build_device
from stack3d.devices.programming import WriteVerify, loosened, loosening, write_verify
from stack3d.heat.placing import placed_chip
from stack3d.progress import Silent

SMALL = {
    "solver.backend": "tensor", "solver.mesh": {"lateral": 6, "per_layer": 1, "aspect": 4}, "geometry.tiers.repeat": 2,
    "workload.tile": [64, 64], "lifetime.attribution": False, "lifetime.epochs": 3, "monte_carlo.samples": 8,
}  # fmt: skip


def case(**overrides: Any) -> decks.Case:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return decks.load("quickstart", [*SMALL.items(), *keys.items()])


def run(**overrides: Any) -> dict[str, Any]:
    return dict(run_case(case(**overrides).scenario, Silent()).values)


def written(window: float, n: int, most: int = 10_000) -> tuple[float, float]:
    """Deviation left and mean pulses of `n` cells that are pulsed until they lie inside a window."""
    rng = np.random.default_rng(3)
    value, pulses = rng.standard_normal(n), np.ones(n)
    for _ in range(most - 1):
        outside = np.abs(value) > window
        if not outside.any():
            break
        value[outside] = rng.standard_normal(int(outside.sum()))
        pulses[outside] += 1
    return float(value.std()), float(pulses.mean())


def test_a_wider_window_costs_fewer_pulses_and_leaves_more() -> None:
    """Against loops played pulse by pulse: the window that takes 3 pulses, and the one that takes 1.5."""
    n = 200_000
    tight, wide = 0.430727, 0.967422  # erf(a/√2) = 1/3 and 2/3
    (before, three), (after, some) = written(tight, n), written(wide, n)
    assert three == pytest.approx(3, rel=0.01) and some == pytest.approx(1.5, rel=0.01)
    assert loosening(3, 1.5) == pytest.approx(after / before, rel=0.01)
    assert loosening(3, 1) == pytest.approx(1 / before, rel=0.01)
    assert loosening(1e4, 1e3) == pytest.approx(10, rel=0.01)  # error and window in proportion, pulses inversely
    assert loosening(3, 3) == 1.0


@pytest.mark.parametrize("pulses", [1.0, 1.2, 2.0])
def test_a_write_verify_law_uses_its_own_loop(pulses: float) -> None:
    deck = case().scenario.device
    assert deck is not None
    law = WriteVerify(window=0.02, pulse_sd=0.04, max_pulses=20)
    loose = loosened(law, pulses, deck)
    assert loose.pulses(deck) == pytest.approx(pulses, rel=1e-6)
    sd, played = written(loose.window / 0.04, 200_000, 20)
    assert played == pytest.approx(pulses, rel=0.01)
    assert loose.error(np.ones(1), deck)[1] == pytest.approx(0.04 * sd * deck.g_max, rel=0.01)
    assert write_verify(0.04, loose.window, 20)[0] > write_verify(0.04, 0.02, 20)[0]


def test_a_loose_model_writes_as_it_says() -> None:
    deck = case().scenario.device
    assert deck is not None
    model = build_device(deck).without("relaxation", "faults", "temperature_dependence")
    target = np.full(100_000, 0.5e-6)
    full = model.program(target, np.random.default_rng(0))
    assert model.loosened(model.write_pulses()) is model and model.loosened(0.0) is model
    loose, bill = model.loosened(1.0).reprogram(full, None, target, np.random.default_rng(1))
    assert bill.pulses == target.size and bill.energy == pytest.approx(target.size * deck.write.energy)  # type: ignore[union-attr]
    spread = (np.asarray(loose.programmed) - target).std(dtype=np.float64)
    first = (np.asarray(full.programmed) - target).std(dtype=np.float64)
    assert spread / first == pytest.approx(loosening(3, 1), rel=4 / np.sqrt(2 * target.size) * 1.5)


def test_cells_that_matter_little_are_dark_rows_and_low_slices() -> None:
    computer = placed_chip(case(mvm__levels=4, mvm__slices=2).scenario).computer
    assert computer is not None
    for name, powers in error_powers(computer).items():
        matrix, drive = computer.matrices[name], computer.mean_square_voltages[name]
        assert powers.shape == matrix.state_shape and np.all(powers[..., matrix.n_outputs :] == np.inf)
        cells = powers[..., : matrix.n_outputs]
        np.testing.assert_allclose(cells[1], 16.0 * cells[0])  # slices of four levels, constant programming error
        lit = drive > 0
        np.testing.assert_allclose(
            cells[0][lit] / cells[0][lit][:1], (drive / drive[lit][0])[lit, None] * np.ones(cells.shape[2])
        )
        assert np.all(cells[:, ~lit] == 0)


def test_the_error_power_is_what_an_error_makes() -> None:
    """One layer alone: random errors of all its cells give outputs off by the sum of the cells' powers."""
    computer = placed_chip(case().scenario).computer
    assert computer is not None
    name = "fc1"
    matrix, device = computer.matrices[name].without_converters(), computer.devices[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, matrix.n_inputs)) * np.sqrt(computer.mean_square_voltages[name])
    targets = matrix.target_conductances()
    assert device.programming is not None
    sd = device.programming.error(targets, device.device)[1]
    cells = targets + 0.3 * sd * rng.standard_normal((64, *targets.shape))
    off = matrix.matvec(x, cells) - matrix.matvec(x, targets)
    power = np.mean(off**2) / np.mean((x @ matrix.weights) ** 2)
    assert power == pytest.approx(0.09 * error_powers(computer)[name].sum(), rel=0.1)


REFRESH = {"period": "1 year"}
HOT = {"cooling__ambient": "55 degC", "lifetime__until": "4.001 year"}  # nine hours after the fourth refresh


def test_without_a_share_it_is_a_full_refresh() -> None:
    full, none = (run(**HOT, lifetime__refresh={**REFRESH, **more}) for more in ({}, {"coarse": {"share": 0}}))
    for name, value in full.items():
        np.testing.assert_array_equal(value, none[name], err_msg=name)


@pytest.mark.parametrize("pulses", [0.0, 1.0])
def test_cost_falls_by_the_share_and_accuracy_lies_between(pulses: float) -> None:
    """Half of the cells at one pulse of three, or at none: two thirds of the writes, or half."""
    bare, full = run(**HOT), run(**HOT, lifetime__refresh=REFRESH)
    part = run(**HOT, lifetime__refresh={**REFRESH, "coarse": {"share": 0.5, "pulses": pulses}})
    all_part = run(**HOT, lifetime__refresh={**REFRESH, "coarse": {"share": 1, "pulses": 1}})
    expected = 0.5 + 0.5 * pulses / 3
    assert part["reliability/refreshes"][-1] == full["reliability/refreshes"][-1] == 4
    for name in ("write_energy", "writes", "endurance_used"):
        first = 0.0 if name == "write_energy" else full[f"reliability/{name}"][0]  # programming is not refreshed
        cost, whole = (v[f"reliability/{name}"][-1] - first for v in (part, full))
        assert cost == pytest.approx(expected * whole, rel=5e-3), name  # 0.2 % of the cells are stuck
    errors = [float(v["mvm/logit_error"][-1].mean()) for v in (full, part, bare)]
    assert errors[0] < errors[1] < errors[2]
    accuracies = [float(v["mvm/accuracy"][-1].mean()) for v in (full, part, bare)]
    assert accuracies[0] > accuracies[1] - 0.002 > accuracies[2]
    assert errors[1] < float(all_part["mvm/logit_error"][-1].mean()) or pulses == 0


def test_acts_that_only_wear_are_billed_alike() -> None:
    """Daily for a year in one epoch, of which all but the last only wear: the same writes as their number says."""
    chosen = {**REFRESH, "period": "1 day", "coarse": {"share": 0.5, "pulses": 1}}
    values = run(lifetime__until="1 year", lifetime__epochs=1, lifetime__refresh=chosen)
    assert values["reliability/refreshes"][-1] == 365
    np.testing.assert_allclose(values["reliability/writes"][-1] - values["reliability/writes"][0], 365 * 3 * (2 / 3), rtol=5e-3)


def test_the_important_half_is_worth_more() -> None:
    """The least important half skipped costs less than the other half skipped: the order is the right way round."""
    from stack3d.chip import error_powers as right
    from stack3d.life.policies import refresh

    skipped = {**REFRESH, "coarse": {"share": 0.5, "pulses": 0}}
    wise = run(**HOT, lifetime__refresh=skipped)["mvm/logit_error"][-1].mean()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refresh, "error_powers", lambda computer: {n: -p for n, p in right(computer).items()})
        foolish = run(**HOT, lifetime__refresh=skipped)["mvm/logit_error"][-1].mean()
    assert wise < 0.8 * foolish


def test_less_care_that_saves_nothing_is_told() -> None:
    chosen = {**REFRESH, "coarse": {"share": 0.5, "pulses": 5}}
    outcome = run_case(case(lifetime__refresh=chosen, monte_carlo__samples=1, lifetime__epochs=1).scenario, Silent())
    assert any("no fewer than the 3 of a full write" in text for text in outcome.warnings)
