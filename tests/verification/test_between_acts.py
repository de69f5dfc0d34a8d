"""Accuracy is read before what acts on an instant, and over the period that holds it; each answer is known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.case.summary import _limits, limit
from stack3d.constants import YEAR
from stack3d.heat.placing import placed_chip
from stack3d.heat.time import climate_of
from stack3d.life import loop, periods
from stack3d.life.chips import Passive, elapse
from stack3d.life.periods import Curve, instants, period_of, time_to_loss
from stack3d.life.policies.compensation import CompensationPolicy
from stack3d.life.policies.refresh import Refresh
from stack3d.life.start import fresh_life
from stack3d.progress import Silent
from stack3d.schema import life as schema
from stack3d.schema.device import DeviceDeck

TINY = {
    "monte_carlo.samples": 2, "lifetime.attribution": False, "solver.backend": "tensor", "workload.test_samples": 40,
    "solver.mesh": {"lateral": 4, "per_layer": 1, "aspect": 4},
}  # fmt: skip


def refreshed(period: float) -> Refresh:
    return Refresh(schema.RefreshDeck.model_validate({"period": f"{period} s"}))


def calibrated(period: float) -> CompensationPolicy:
    return CompensationPolicy(schema.CompensationDeck.model_validate({"drift": "layer", "period": f"{period} s"}))


def run(name: str = "quickstart", **keys: Any) -> Any:
    chosen = TINY | {key.replace("__", "."): value for key, value in keys.items()}
    return run_case(decks.load(name, list(chosen.items())).scenario, Silent())


@pytest.mark.parametrize(
    ("before", "now", "following", "expected"),
    [
        (0.0, 1.0, 50.0, []),  # the first read-out is the one just after programming, the next stands for the middle
        (1.0, 50.0, 350.0, [100.0]),  # the last of the first period reads its end
        (50.0, 350.0, 1000.0, [400.0, 301.0]),
        (350.0, 1000.0, np.inf, [901.0, 950.0]),  # the end of a period: the act on it comes after
        (350.0, 999.0, np.inf, [1000.0, 901.0, 950.0]),
        (350.0, 910.0, 930.0, [901.0]),
        (910.0, 930.0, np.inf, [1000.0, 950.0]),
    ],
)
def test_a_period_is_read_after_its_act_in_the_middle_and_before_the_next(
    before: float, now: float, following: float, expected: list[float]
) -> None:
    assert instants([refreshed(100.0)], before, now, following, 1000.0) == expected


@pytest.mark.parametrize("now", [107.0, 150.0, 201.0])
def test_what_is_done_just_before_the_end_of_a_period_does_not_hide_its_worst(now: float) -> None:
    """A training every 101 s, a refresh every 100 s: at the end of (101, 202) a refresh is 2 s old, before it one 99 s."""
    plan = [refreshed(100.0), refreshed(101.0)]
    assert period_of(plan, now, 1000.0) == (101.0, 202.0)
    assert sorted(instants(plan, 50.0, now, 500.0, 1000.0)) == [102.0, 151.5, 200.0]
    assert instants([refreshed(10.0), refreshed(100.0)], 50.0, 107.0, 500.0, 1000.0)[0] == 200.0


def test_a_period_has_one_mean_whichever_read_out_it_holds() -> None:
    """However the accuracy falls: here to a half at a tenth of the period, which no read-out may see more of than another."""
    plan, period = [refreshed(1e6)], 1e6

    def value(age: float) -> Any:
        return np.array([0.5 if age > 1e5 else 1.0])

    means = []
    for now in (1e6 + 2.0, 1.05e6, 1.3e6, 1.5e6, 1.99e6):
        between = {t: value(t - period) for t in instants(plan, 1.0, now, np.inf, 5e6)}
        curve = Curve(np.array([1.0, now]), np.array([value(1.0), value(now - period)]), between, plan)
        means.append(curve.over_periods()[0][-1, 0])
    np.testing.assert_array_equal(means, means[0])


def test_a_period_as_long_as_the_life_is_none() -> None:
    """No write falls within it; of two policies the period of the rarer writes counts."""
    assert period_of([refreshed(1000.0)], 500.0, 1000.0) is None and period_of([Passive()], 500.0, 1000.0) is None
    assert period_of([refreshed(30.0), refreshed(100.0)], 500.0, 1000.0) == (400.0, 500.0)


@pytest.mark.parametrize("act", [refreshed, calibrated])
def test_mean_and_worst_of_a_loss_in_the_logarithm_of_the_time_since_the_act(act: Callable[[float], Any]) -> None:
    """1 - 0.01 ln t after every act: the mean over a period P from 1 s is 1 - 0.01 (ln P - 1 + 1/P), to the bit of ln."""
    period = 1e6

    def value(age: float) -> Any:
        return np.array([1 - 0.01 * np.log(age), 0.9])

    times = np.array([1.0, 3e5, 5e6])
    between = {p + age: value(age) for p, age in ((0.0, 1e6), (4e6, 1.0), (4e6, 5e5))}
    accuracy = np.array([value(1.0), value(3e5), value(1e6)])
    mean, worst, when = Curve(times, accuracy, between, [act(period)]).over_periods()
    np.testing.assert_allclose(mean[:, 0], 1 - 0.01 * (np.log(period) - 1 + 1 / period), rtol=1e-9)
    np.testing.assert_allclose(mean[:, 1], 0.9)
    np.testing.assert_allclose(worst[:, 0], value(1e6)[0])
    np.testing.assert_array_equal(when, [1e6, 1e6, 5e6])


def test_a_chip_is_lost_when_it_is_lost_between_two_writes() -> None:
    """1 - 0.01 ln t after every write passes 0.88 at e^12 s = 163 ks of the first period, whatever refreshes follow."""
    period, ages = 1e6, (1.0, 5e5, 1e6)
    found = {k * period + age: np.array([1 - 0.01 * np.log(age)]) for k in (0, 9) for age in ages}
    times = np.array([1.0, 9.5e6])
    curve = Curve(times, np.array([found.pop(1.0), found.pop(9.5e6)]), found, [refreshed(period)])
    assert curve.time_to_loss(1.0, 0.12) == pytest.approx(np.exp(12))
    assert np.isnan(curve.time_to_loss(1.0, 0.2)).all()


def test_a_loss_in_periods_that_nobody_read_is_found_at_their_ends() -> None:
    """Ends of periods fall from 0.95 at 1e6 s to 0.85 at 1e7 s: 0.9 is passed half way in ln t, not in the last period."""
    curve = Curve(
        np.array([1.0, 1e6, 9.1e6]), np.array([[1.0], [0.95], [0.99]]), {9e6 + 1: np.array([0.99]), 1e7: np.array([0.85])},
        [refreshed(1e6)],
    )  # fmt: skip
    assert curve.time_to_loss(1.0, 0.1) == pytest.approx(10**6.5)
    assert time_to_loss(np.array([1.0, 10.0]), np.array([[1.0], [0.8]]), 1.0, 0.1) == pytest.approx(10**0.5)


ALIAS: dict[str, Any] = {
    "device": "hfox_analog", "cooling__ambient": "85 degC", "workload__tile": [34, 34], "workload__test_samples": 300,
    "lifetime__compensation": {"drift": "tile", "recalibrate": True}, "lifetime__refresh": {"period": "1 year"},
    "monte_carlo__samples": 4, "lifetime__epochs": 5,
}  # fmt: skip


def test_ten_years_do_not_hang_on_the_refresh_of_that_day() -> None:
    """Hot filaments, a yearly refresh: until 10 and until 9.99 years agree within the spread of the chips, whatever is asked.

    Read just after the refresh of that day, they were four points apart. The worst is the reading before the refresh.
    """
    ten, less = (run(**ALIAS, lifetime__until=until).values for until in ("10 year", "9.99 year"))
    assert ten["reliability/refreshes"][-1] == less["reliability/refreshes"][-1] == 9
    for name in ("accuracy", "accuracy_mean", "accuracy_worst"):
        last, other = ten[f"mvm/{name}"][-1], less[f"mvm/{name}"][-1]
        assert abs(last.mean() - other.mean()) <= last.std(ddof=1), name
    np.testing.assert_array_equal(ten["mvm/accuracy_worst"][-1], ten["mvm/accuracy"][-1])
    assert np.all(ten["mvm/accuracy_mean"].mean(axis=1) > ten["mvm/accuracy_worst"].mean(axis=1))


def test_ten_years_do_not_hang_on_the_calibration_of_that_day() -> None:
    """Corrections twice a year alone: until 10 and until 9.99 years agree; the summary says what it reads between."""
    keys = {key: value for key, value in ALIAS.items() if key not in ("lifetime__refresh", "lifetime__compensation")}
    fix = {"drift": "layer", "period": "0.5 year"}
    ten, less = (run(**keys, lifetime__compensation=fix, lifetime__until=until) for until in ("10 year", "9.99 year"))
    for name in ("accuracy", "accuracy_mean", "accuracy_worst"):
        last, other = (found.values[f"mvm/{name}"][-1] for found in (ten, less))
        assert abs(last.mean() - other.mean()) <= last.std(ddof=1), name
    mean, worst = (ten.values[f"mvm/accuracy_{name}"] for name in ("mean", "worst"))
    assert np.any(mean != ten.values["mvm/accuracy"]) and np.all(worst.mean(axis=1) <= mean.mean(axis=1) + 1e-12)
    said = " ".join(ten.summary)
    assert "means from a calibration to the next" in said and "before the next calibration" in said


@pytest.mark.parametrize(
    ("period", "act"),
    [
        *((p, "refresh") for p in ("10 min", "59 min", "1 day", "30 day", "1 year")),
        ("1 day", "compensation"),
        ("1 year", "compensation"),
    ],
)
def test_periods_cost_at_most_two_and_a_half_times_the_read_outs(
    period: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every read-out is counted; those between skip the layers' noise, which costs as much as the rest."""
    cost = []

    def counted(*args: Any, layers: bool = True, **more: Any) -> Any:
        cost.append(1.0 if layers else 0.5)
        return read_out(*args, layers=layers, **more)

    read_out = loop.read_out
    monkeypatch.setattr(loop, "read_out", counted)
    monkeypatch.setattr(periods, "read_out", counted)
    keys: dict[str, Any] = {"lifetime__epochs": 8, "workload__test_samples": 8, "monte_carlo__samples": 1}
    keys[f"lifetime__{act}"] = {"period": period} | ({"drift": "tile"} if act == "compensation" else {})
    values = run("refresh_policy", **keys, sweep={}).values
    times = len(values["mvm/accuracy"])
    assert cost.count(1.0) == times and times < len(cost) <= 2.5 * times and sum(cost) <= 2 * times


def test_without_periodic_acts_mean_and_worst_are_the_accuracy() -> None:
    values = run(lifetime__epochs=3, lifetime__compensation={"temperature_gain": True}).values
    for name in ("accuracy_mean", "accuracy_worst"):
        np.testing.assert_array_equal(values[f"mvm/{name}"], values["mvm/accuracy"])


class DueFrom(Passive):
    """Wants to act once the chips are so old."""

    renews = True

    def __init__(self, age: float) -> None:
        self.age, self.acts = age, list[float]()

    def is_due(self, life: Any, climate: Any) -> bool:
        return life.time >= self.age and not self.acts

    def act(self, life: Any, climate: Any, event: int) -> Any:
        self.acts.append(life.time)
        return life.rewritten(climate, event)


def fresh(**keys: Any) -> tuple[Any, Any]:
    """Chips just programmed, and the climate of their ambient."""
    chosen = TINY | {key.replace("__", "."): value for key, value in keys.items()}
    chip = placed_chip(decks.load("quickstart", list(chosen.items())).scenario)
    assert chip.computer is not None
    return fresh_life(chip), climate_of(np.full((len(chip.computer.tiles), 2, 2), 330.0), None)


def test_what_is_due_at_a_read_out_acts_after_it() -> None:
    """A trigger that comes true on the last instant of an epoch: the chips end it unwritten, and the next begins with the act."""
    life, climate = fresh()
    policy = DueFrom(1e6)
    before = elapse(life, 1e6, climate, [policy], 1)
    assert not policy.acts and before.bill.refreshes == 0
    after = elapse(before, 2e6, climate, [policy], 2)
    assert policy.acts == [1e6] and after.bill.refreshes == 1


def test_a_calibration_on_an_instant_comes_after_its_read_out() -> None:
    """Corrections at 3 days are those of 2 days; those of a chip that was written are measured on it at once."""
    day = 86400.0
    life, climate = fresh(lifetime__compensation={"drift": "layer"})
    deck = life.chip.scenario.lifetime.compensation
    plan = [CompensationPolicy(deck), refreshed(2.5 * day)]
    two = elapse(life, 2 * day, climate, [], 1).conductances(climate)
    later = elapse(life, 3 * day, climate, plan[:1], 1)
    for name, known in later.calibrated.items():
        np.testing.assert_array_equal(known, two[name])
    assert later.bill.upkeep.reads.max() == pytest.approx(2 * 64)  # at one and two days, 64 one-hot inputs each
    written = elapse(later, 2.6 * day + day, climate, plan, 2)
    assert written.bill.refreshes == 0 and written.bill.upkeep.reads.max() == pytest.approx(3 * 64)
    both = elapse(life, 2.6 * day, climate, plan, 1)
    assert both.bill.refreshes == 1 and both.bill.upkeep.reads.max() == pytest.approx(3 * 64)  # days 1 and 2, and the write
    at_write = elapse(life, 2.5 * day, climate, plan, 1)
    assert all(np.any(known != at_write.calibrated[name]) for name, known in both.calibrated.items())


def test_the_summary_tells_mean_and_worst_of_the_last_period() -> None:
    found = run(
        lifetime__refresh={"period": "1 year"}, lifetime__epochs=3, lifetime__attribution=True, cooling__ambient="65 degC"
    )
    values = found.values
    line = next(line for line in found.summary if line.startswith("accuracy"))
    mean, worst = (100 * values[f"mvm/accuracy_{name}"][-1].mean() for name in ("mean", "worst"))
    assert f"{mean:.2f} ± " in line and f"(worst {worst:.2f} %)" in line
    assert worst <= mean < 100 * values["mvm/accuracy"][0].mean()
    limited = next(line for line in found.summary if line.startswith("limited by"))
    lost = 100 * (float(values["mvm/accuracy_ideal"]) - values["mvm/accuracy_worst"][-1].mean())
    assert f"{lost:.2f} points" in limited and "before the next write" in limited
    assert YEAR in found.coordinates["time"]


def limited(accuracy: list[float], without: float | None = None, error: float = 0.0, n_inputs: int = 10**6) -> str:
    """What the summary says of chips 6 points below a float accuracy of 0.90, whose accuracy is this without a mechanism."""
    unknown = np.full(n_inputs, np.nan)  # which test inputs are right
    values: dict[str, Any] = {"mvm/input_accuracy_worst": unknown, "mvm/input_accuracy_ideal": unknown}
    values |= {f"mvm/{name}": np.array([accuracy]) for name in ("accuracy", "accuracy_mean", "accuracy_worst")}
    values["mvm/accuracy_ideal"] = 0.9
    if without is not None:
        values |= {"mvm/accuracy_without": np.array([without]), "mvm/accuracy_without_error": np.array([error])}
    return limit(values, {"mechanism": ["retention"]}, before="act")


def test_a_mechanism_that_a_fit_has_from_another_deck_is_told_as_that() -> None:
    """A page said "limited by relaxation" to somebody who had measured retention, and whose deck had that of another cell."""
    found = {"law": "linear", "posterior": {"parameters": [], "covariance": [], "draws": []}}
    kept = {"read_noise": {"law": "proportional"}, "retention": found}
    plain = {"g_max": "1 uS", "g_min": "0 uS", "read": {"voltage": "0.2 V", "pulse": "1 us"}, "mechanisms": kept}
    device = DeviceDeck.model_validate(plain | {"begun_from": "bulk_rram_ucsd"})
    assert device.not_fitted == {"read_noise": "bulk_rram_ucsd"}
    assert not DeviceDeck.model_validate(plain).not_fitted, "no deck of a fit"
    values = {f"mvm/{name}": np.array([[0.83, 0.85]]) for name in ("accuracy", "accuracy_mean", "accuracy_worst")}
    values |= {f"mvm/input_accuracy_{name}": np.full(10**6, np.nan) for name in ("worst", "ideal")}
    values |= {
        "mvm/accuracy_ideal": 0.9,
        "mvm/accuracy_without": np.array([0.89, 0.87]),
        "mvm/accuracy_without_error": np.zeros(2),
    }
    coordinates = {"mechanism": ["read_noise", "retention"], "time": [0.0]}
    chip: Any = SimpleNamespace(scenario=SimpleNamespace(device=device, hybrid=(), lifetime=None))
    [told] = _limits(chip, values, coordinates)
    said = "read noise (of bulk_rram_ucsd, not fitted): without it 5.00 of the 6.00 points lost would come back"
    assert told.endswith(f"{said}, without retention 3.00; gains overlap")


def test_a_loss_is_beyond_chance_or_told_with_it() -> None:
    """Six points lost by chips that differ by little, by eight each way, and half a point."""
    assert limited([0.83, 0.85]) == "6.00 points lost at the end; attribution was switched off"
    assert limited([0.83, 0.85], 0.89) == "retention: without it 5.00 of the 6.00 points lost would come back"
    wide = limited([0.76, 0.92])
    assert wide == "6.00 points (± 16.00) lost at the end; attribution was switched off" and "nothing" not in wide
    told = limited([0.76, 0.92], 0.85, 0.02)
    assert told.startswith(
        "no single mechanism: 6.00 points (± 16.00) are lost, and no one of them alone gives any back beyond chance"
    )
    assert told.endswith(
        "over 2 chips and 1000000 test inputs the loss may be chance: raise monte_carlo.samples or workload.test_samples"
    )
    few = limited([0.84, 0.84], 0.86, 0.03, n_inputs=40)
    assert (
        few.startswith("no single mechanism: 6.00 points (± 7.51) are lost") and "40 test inputs the loss may be chance" in few
    )
    assert limited([0.89, 0.9]) == "nothing: at the end accuracy is 0.50 points below float, within one point"
    assert limited([0.9, 0.9]) == "nothing: at the end accuracy is that of float"
    assert limited([0.93, 0.95]) == "nothing: at the end accuracy is 4.00 points above float"
