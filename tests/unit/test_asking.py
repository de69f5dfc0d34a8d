"""What a search asks for: on tables of which every design is known, from several seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from stack3d.schema.optimise import VaryDeck
from stack3d.study.designing.asking import Asker
from stack3d.study.designing.designs import Choice, DesignSpace, Positions
from stack3d.study.designing.judged import JudgedDesign, front_of, knee
from stack3d.study.designing.leaning import GOAL, WIDEST, Leaning, Slopes

CHIP = (Choice("cooling", 4, False), Choice("tiers", 3, True), Choice("refresh", 5, True), Choice("bits", 7, True))
"""420 designs."""


def chip(design: Positions) -> JudgedDesign:
    """A made-up chip: energy against accuracy and temperature, its best design in the middle of every list but one."""
    cooling, tiers, refresh, bits = (int(at) for at in design)
    resistance, cost = (8.0, 4.0, 2.0, 1.0)[cooling], (0.0, 0.02, 0.1, 0.5)[cooling]
    n, often, levels = 2 << tiers, (0, 1, 2, 5, 10)[refresh], 2.0 ** (3 + bits)
    hot = 45 + resistance * (3 + 0.5 * n + 0.05 * often + 0.02 * levels / 8)
    accuracy = 0.98 - 0.25 * math.exp(-(1.0 + bits)) - 0.03 * math.exp((hot - 70) / 20) / (1 + often)
    accuracy -= 0.004 * (8 - n) / 2 + 0.002 * often
    energy = 10 * n**-0.4 + 0.3 * levels / 8 + 0.2 * often + 8 * cost
    return JudgedDesign(design, (energy,), ((0.95 - accuracy) / 0.95, (hot - 85) / 50))


def asked(
    choices: tuple[Choice, ...],
    judge: Callable[[Positions], JudgedDesign],
    budget: int,
    seed: int,
    is_allowed: Callable[[Positions], bool] = lambda _: True,
    slopes: Slopes | None = None,
) -> Iterator[JudgedDesign]:
    first = judge(tuple(1 for _ in choices))
    n_goals, n_limits = len(first.goals), len(first.missed)
    asker = Asker(choices, is_allowed, n_goals=n_goals, n_limits=n_limits, seed=seed, budget=float(budget), slopes=slopes)
    n = 0
    while n < budget and (designs := asker.ask(min(4, budget - n))):
        for found in map(judge, designs):
            asker.tell(found)
            yield found
        n += len(designs)


def test_the_best_of_420_is_found_in_56_cases_from_five_seeds() -> None:
    every = [chip(design) for design in itertools.product(*(range(c.count) for c in CHIP))]
    best = min(one.goals[0] for one in every if one.is_feasible)
    for seed in range(1, 6):
        found = list(asked(CHIP, chip, 56, seed))
        assert len({one.design for one in found}) == 56
        assert min(one.goals[0] for one in found if one.is_feasible) <= 1.01 * best


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    one, again, other = (list(asked(CHIP, chip, 40, seed)) for seed in (3, 3, 4))
    assert one == again and one != other
    assert len(list(asked(CHIP, chip, 4, 2**70))) == 4  # larger than the estimator takes


def test_no_design_is_asked_for_that_is_as_good_as_known() -> None:
    """Towards an end of an interval every step leads to the same place; so do guesses that are rounded otherwise."""
    line = (Choice("power", 0, False), Choice("ambient", 2, True))
    for seed in range(1, 6):
        found = [one.design for one in asked(line, lambda d: JudgedDesign(d, (d[0] + d[1],), (0.5 - d[0],)), 40, seed)]
        near = sorted((ambient, power) for power, ambient in found)
        assert all(b - a > 1e-6 for (here, a), (there, b) in itertools.pairwise(near) if here == there)


def test_all_designs_are_tried_once_and_then_it_ends() -> None:
    small = (Choice("a", 3, True), Choice("b", 4, False))
    found = [one.design for one in asked(small, lambda d: JudgedDesign(d, (float(sum(d)),), ()), 100, 1, lambda d: d != (1, 1))]
    assert sorted(found) == sorted(d for d in itertools.product(range(3), range(4)) if d != (1, 1))


def test_failed_cases_do_not_stop_it() -> None:
    """Designs without a value are left alone; the others are found all the same."""

    def judge(design: Positions) -> JudgedDesign:
        return JudgedDesign(design, (), ()) if int(design[0]) == 0 else chip(design)

    found = list(asked(CHIP, judge, 60, 2))
    assert len(found) == 60 and any(one.is_feasible for one in found) and any(not one.goals for one in found)


def test_entries_that_always_fail_are_left_alone() -> None:
    """Six of ten devices never make a case: after the first designs a third of those asked for fail, not half, and the best is found."""
    space = (Choice("device", 10, False), *CHIP[1:])

    def judge(design: Positions) -> JudgedDesign:
        device = int(design[0])
        return chip((device % 4, *design[1:])) if device % 5 < 2 else JudgedDesign(design, (), ())

    every = [judge(design) for design in itertools.product(*(range(c.count) for c in space))]
    best, failed = min(one.goals[0] for one in every if one.is_feasible), 0
    for seed in range(4):
        found = list(asked(space, judge, 60, seed))
        failed += sum(not one.goals for one in found[24:])
        assert min(one.goals[0] for one in found if one.is_feasible) == best
    assert failed / 4 < 18  # of 36


def test_intervals_and_lists_together_reach_a_known_front() -> None:
    """Two goals, (x - 0.3)^2 + list and (x - 0.7)^2 + list: the front is all x from 0.3 to 0.7 at the first of the list."""
    space = (Choice("x", 0, True), Choice("material", 3, False))

    def judge(design: Positions) -> JudgedDesign:
        x, cost = float(design[0]), (0.0, 0.05, 0.1)[int(design[1])]
        return JudgedDesign(design, ((x - 0.3) ** 2 + cost, (x - 0.7) ** 2 + cost), (x - 0.65,))

    found = list(asked(space, judge, 60, 1))
    best = [found[i] for i in front_of(found)]
    shares = np.sort([float(one.design[0]) for one in best])
    assert {one.design[1] for one in best} == {0} and len(best) >= 10
    assert shares[0] < 0.35 and 0.6 < shares[-1] <= 0.65 and np.diff(shares).max() < 0.12


POWERED = (Choice("cooling", 3, False), Choice("bond", 4, True), Choice("power", 0, True))


def heated(design: Positions) -> tuple[float, float]:
    """Peak [degC] of a made-up die, a little more than linear in its power, and what is to be small: cost less power."""
    cooling, bond, watts = int(design[0]), int(design[1]), 0.2 + 5 * float(design[2])
    peak = 25 + watts * (40.0, 22.0, 14.0)[cooling] * (1 - 0.1 * bond) * (1 + 0.02 * watts)
    return peak, (0.0, 0.4, 1.3)[cooling] + 0.15 * bond**2 - watts


@pytest.mark.slow
def test_with_and_without_gradients_the_best_is_found() -> None:
    """Largest power below 85 degC over twelve choices from lists, to a thousandth in 60 cases, from ten seeds."""

    def slopes(design: Positions) -> dict[int, np.ndarray]:
        ends = [heated((*design[:2], float(design[2]) + by))[0] for by in (-1e-6, 1e-6)]
        return {0: np.array([np.nan, np.nan, (ends[1] - ends[0]) / 2e-6 / 50]), GOAL: np.array([np.nan, np.nan, -5.0])}

    def judge(design: Positions) -> JudgedDesign:
        peak, cost = heated(design)
        return JudgedDesign(design, (cost,), ((peak - 85) / 50,))

    lists = itertools.product(range(3), range(4), np.linspace(0, 1, 20_001))
    best = min(cost for peak, cost in map(heated, lists) if peak <= 85)
    met = dict.fromkeys((True, False), 0)
    for has, seed in itertools.product(met, range(1, 11)):
        found = asked(POWERED, judge, 60, seed, slopes=slopes if has else None)
        met[has] += min(one.goals[0] for one in found if one.is_feasible) <= best * (1 - 1e-3)
    assert min(met.values()) >= 9, met


def sunk(design: Positions) -> tuple[float, float]:
    """Power [W] and peak [degC] of a made-up die under three films of two decades each."""
    watts, *films = 0.2 + 5 * float(design[0]), *(100.0 ** (1 + float(at)) for at in design[1:])
    out = sum(1 / (1e4 / film + path) for film, path in zip(films, (3.0, 6.0, 9.0)))
    return watts, 25 + 6 * watts / out * (1 + 0.02 * watts)


@pytest.mark.slow
def test_gradients_of_goal_and_condition_save_cases() -> None:
    """Largest power below 85 degC, four intervals, 20 cases, 24 seeds: the mean gain is above two standard errors."""
    space = tuple(Choice(name, 0, True) for name in ("power", "top", "bottom", "sides"))

    def judge(design: Positions) -> JudgedDesign:
        watts, peak = sunk(design)
        return JudgedDesign(design, (-watts,), ((peak - 85) / 50,))

    def slopes(design: Positions) -> dict[int, np.ndarray]:
        moved = [[sunk((*design[:i], float(design[i]) + by, *design[i + 1 :]))[1] for by in (-1e-6, 1e-6)] for i in range(4)]
        return {0: np.array([(high - low) / 2e-6 / 50 for low, high in moved]), GOAL: np.array([-5.0, 0.0, 0.0, 0.0])}

    gains = []
    for seed in range(1, 25):
        most = [
            max(-one.goals[0] for one in asked(space, judge, 20, seed, slopes=s) if one.is_feasible) for s in (slopes, None)
        ]
        gains.append(most[0] - most[1])
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / math.sqrt(len(gains)), gains


def walled(design: Positions) -> tuple[float, float]:
    """A goal that is no temperature and a peak [degC] over three intervals, curved; the best lies on the condition."""
    x, y, z = map(float, design)
    goal = 0.2 + (x - 0.9) ** 2 + 2 * (y - 0.8) ** 2 + 0.5 * (z - 0.8) ** 2 + 0.3 * x * y
    return goal, 40 + 40 * x**1.3 + 30 * y + 15 * z * x


def test_three_intervals_and_a_goal_that_is_no_temperature() -> None:
    """To a thousandth in 40 cases from each of six seeds; the best by SLSQP from many starts."""
    from scipy.optimize import minimize

    rule = {"type": "ineq", "fun": lambda x: 85 - walled(tuple(x))[1]}
    starts = np.random.default_rng(1).random((8, 3))
    ends = [
        minimize(lambda x: walled(tuple(x))[0], at, bounds=[(0, 1)] * 3, constraints=[rule], method="SLSQP") for at in starts
    ]
    best = min(end.fun for end in ends if end.success)

    def judge(design: Positions) -> JudgedDesign:
        goal, peak = walled(design)
        return JudgedDesign(design, (goal,), ((peak - 85) / 50,))

    space = tuple(Choice(name, 0, True) for name in "xyz")
    for seed in range(1, 7):
        found = list(asked(space, judge, 40, seed))
        assert best <= min(one.goals[0] for one in found if one.is_feasible) <= best * (1 + 1e-3)


def test_a_step_goes_to_where_models_of_near_designs_are_least() -> None:
    """Goal (x - 0.8)^2 + (y - 0.3)^2 and condition x + y <= 0.9, known around (0.6, 0.2): the best lies at (0.7, 0.2)."""
    space = (Choice("list", 2, False), Choice("x", 0, True), Choice("y", 0, True))

    def judge(x: float, y: float, listed: int = 0) -> JudgedDesign:
        return JudgedDesign((listed, x, y), ((x - 0.8) ** 2 + (y - 0.3) ** 2,), (x + y - 0.9,))

    known = [judge(0.6 + 0.05 * i, 0.2 + 0.05 * j) for i, j in itertools.product((-1, 0, 1), repeat=2)]
    known += [judge(0.8, 0.8, 1), JudgedDesign((1, 0.5, 0.5), (), ())]  # other lists: too few for a model
    leaning = Leaning(space, None, np.random.default_rng(1))
    (step,) = leaning.steps(known)
    assert step[0] == 0 and step[1:] == pytest.approx((0.7, 0.2), abs=2e-3) and sum(map(float, step[1:])) < 0.9


def test_steps_get_shorter_where_they_gain_nothing() -> None:
    """From a corner that a model wants to leave, again and again without a better design: by the factors of the file."""
    space = (Choice("x", 0, True), Choice("y", 0, True))
    known = [JudgedDesign((x, y), (-x - y,), ()) for x, y in ((0.2, 0.2), (0.1, 0.2), (0.2, 0.1), (0.1, 0.1))]
    lengths = []
    leaning = Leaning(space, None, np.random.default_rng(1))
    for _ in range(8):
        leaning.learn(known)
        (step,) = leaning.steps(known)
        lengths.append(max(float(step[0]), float(step[1])) - 0.2)
    assert lengths[-1] < 0.05 * WIDEST < lengths[0] <= WIDEST


def test_slopes_lead_onto_a_condition_and_are_asked_for_once() -> None:
    """One interval, two designs: the slope of the condition is that of the solver, and of a design with many near none is asked."""
    space, asked_of = (Choice("list", 2, False), Choice("a", 0, True)), list[Positions]()

    def slopes(design: Positions) -> dict[int, np.ndarray]:
        asked_of.append(design)
        return {0: np.array([np.nan, 2.0])}

    leaning = Leaning(space, slopes, np.random.default_rng(1))
    known = [JudgedDesign((0, 0.4), (-0.4,), (-0.1,)), JudgedDesign((0, 0.1), (-0.1,), (-0.7,))]
    for _ in range(3):
        leaning.learn(known)
    assert asked_of == [(0, 0.4)]
    (step,) = leaning.steps(known)
    assert step == (0, pytest.approx(0.45, abs=1e-4)) and -0.1 + 2 * (float(step[1]) - 0.4) < 0


def test_front_and_knee_by_hand() -> None:
    goals = [(1.0, 5.0), (2.0, 2.0), (5.0, 1.0), (3.0, 3.0), (2.0, 2.0)]
    judged = [JudgedDesign((i,), g, (-1.0,)) for i, g in enumerate(goals)]
    judged += [JudgedDesign((9,), (0.0, 0.0), (0.5,)), JudgedDesign((10,), (), ())]
    assert front_of(judged) == [0, 1, 2, 4]  # none betters the others in every goal; two are alike
    assert knee(np.array(goals[:3])) == 1 and judged[5].shortfall == 0.5 and judged[6].shortfall == math.inf


def test_what_a_design_sets() -> None:
    space = DesignSpace(
        VaryDeck.model_validate(
            {
                "cooling.top": ["forced_air", "cold_plate"],
                "cooling.ambient": ["25 degC", "45 degC", "85 degC"],
                "workload.rate": {"from": "1e3 1/s", "to": "1e5 1/s", "scale": "log"},
                "mvm.adc_bits": {"from": 4, "to": 8, "integer": True},
                "zip": {"geometry.tiers.repeat": [2, 4], "power.sources.host.power": ["1 W", "2 W"]},
                "where": "cooling == 'cold_plate' or ambient < '85 degC'",
            }
        )
    )
    names = [c.name for c in space.choices]
    by_name = dict(zip(names, space.choices))
    assert not by_name["cooling"].is_ordered and by_name["ambient"].is_ordered and by_name["tiers"].is_ordered
    assert by_name["adc_bits"].count == 5 and by_name["workload_rate"].count == 0 and math.isinf(space.size)
    design = tuple({"cooling": 0, "ambient": 2, "workload_rate": 0.5, "adc_bits": 4, "tiers": 1}[name] for name in names)
    assert dict(space.overrides(design)) == {
        "cooling.top": "forced_air",
        "cooling.ambient": "85 degC",
        "workload.rate": "10000.0 1/s",
        "mvm.adc_bits": 8,
        "geometry.tiers.repeat": 4,
        "power.sources.host.power": "2 W",
    }
    assert space.point(0, design).dropped is not None
    assert space.point(0, (1, *design[1:])).dropped is None
    with pytest.raises(ValueError, match="belong to a sweep"):
        VaryDeck.model_validate({"cases": [{"a": 1}]})
