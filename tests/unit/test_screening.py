"""Cheap cases before full ones: on a table of which every design is known, from several seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

from test_asking import CHIP, chip

from stack3d.schema.optimise import ScreenDeck
from stack3d.study.designing.asking import Asker
from stack3d.study.designing.designs import Choice, Positions
from stack3d.study.designing.judged import JudgedDesign, in_layers
from stack3d.study.designing.screening import FULL, rounds

HEAT = ScreenDeck.model_validate({"until": "thermal", "margin": "0 %"})
CHEAP = ScreenDeck.model_validate({"set": {"monte_carlo.samples": 1}, "keep": "30 %", "margin": "2 %"})
SCREENS = [HEAT, CHEAP]
Judge = Callable[[Positions], JudgedDesign]


def heat(design: Positions) -> JudgedDesign:
    """The temperature alone, as in the case in full; no goal."""
    return JudgedDesign(design, (), (0.0, chip(design).missed[1]))


def cheap(design: Positions) -> JudgedDesign:
    """The accuracy is off by up to a per cent, another one for each design; the energy by a constant factor."""
    full = chip(design)
    off = 0.01 * math.sin(7.0 * sum((i + 1) * float(at) for i, at in enumerate(design)))
    return JudgedDesign(design, (1.2 * full.goals[0],), (full.missed[0] + off, full.missed[1]))


def searched(
    budget: int, seed: int, screens: list[ScreenDeck], judge: Mapping[int, Judge], choices: tuple[Choice, ...] = CHIP
) -> list[tuple[int, list[JudgedDesign]]]:
    """Every batch with its level, in order."""
    ran, told = [0], list[tuple[int, list[JudgedDesign]]]()
    kept = math.prod(screen.keep for screen in screens)
    asker = Asker(choices, lambda _: True, n_goals=1, n_limits=2, seed=seed, budget=budget / kept)
    steps = rounds(asker, screens, batch=4, budget=budget, room=lambda: min(4, budget - ran[0]))
    level, designs = next(steps)
    while True:
        told.append((level, list(map(judge[level], designs))))
        ran[0] += len(designs) if level == FULL else 0
        try:
            level, designs = steps.send(told[-1][1])
        except StopIteration:
            return told


def at(told: list[tuple[int, list[JudgedDesign]]], level: int) -> list[JudgedDesign]:
    return [one for where, batch in told if where == level for one in batch]


def test_fewer_than_half_of_the_cases_do_with_screens() -> None:
    """The best of 420 with 32 cases in full, where 84 are wanted without; what a screen rules out never runs further."""
    judge = {0: heat, 1: cheap, FULL: chip}
    every = [chip(design) for design in itertools.product(*(range(c.count) for c in CHIP))]
    best = min(one.goals[0] for one in every if one.is_feasible)
    for seed in range(1, 4):
        told = searched(32, seed, SCREENS, judge)
        full, warm, few = at(told, FULL), at(told, 0), at(told, 1)
        assert min(one.goals[0] for one in full if one.is_feasible) <= 1.01 * best
        assert len(full) == 32 == len({one.design for one in full})
        too_hot = {one.design for one in warm if one.missed[1] > 0}
        assert too_hot and not too_hot & {one.design for one in (*few, *full)}
        poor = {one.design for one in few if one.missed[0] > 0.02}
        assert poor and not poor & {one.design for one in full}
        assert {one.design for one in full} <= {one.design for one in few} <= {one.design for one in warm}


def test_the_best_go_on_and_the_rest_waits_until_all_are_screened() -> None:
    """Of 12 designs 6 pass, of which 30 % go on at once; what is left of the budget goes to the others, the best first."""
    small = (Choice("a", 3, True), Choice("b", 4, False))

    def judge(design: Positions) -> JudgedDesign:
        number = 4.0 * design[0] + design[1]
        return JudgedDesign(design, (number,), (5.5 - number, -1.0))

    told = searched(100, 1, [CHEAP], {0: judge, FULL: judge}, small)
    assert told == searched(100, 1, [CHEAP], {0: judge, FULL: judge}, small)
    screened, full = at(told, 0), at(told, FULL)
    assert len({one.design for one in screened}) == 12 == len(screened)
    assert sorted(one.goals[0] for one in full) == [6, 7, 8, 9, 10, 11]
    for i, (level, batch) in enumerate(told):
        if level == FULL:  # none that waits is better than one that goes on
            gone = {one.design for where, other in told[: i + 1] if where == FULL for one in other}
            known = [one for where, other in told[:i] if where == 0 for one in other if one.missed[0] <= 0]
            waits = [one.goals[0] for one in known if one.design not in gone]
            assert max(one.goals[0] for one in batch) < min(waits, default=math.inf)


def test_a_case_that_fails_in_a_screen_goes_no_further() -> None:
    small = (Choice("a", 4, True), Choice("b", 3, False))
    failing = {0: lambda d: JudgedDesign(d, (), (math.inf,)) if d[0] == 0 else JudgedDesign(d, (float(sum(d)),), (-1.0, -1.0))}
    told = searched(100, 1, [CHEAP], {**failing, FULL: lambda d: JudgedDesign(d, (float(sum(d)),), (-1.0, -1.0))}, small)
    assert len(at(told, 0)) == 12 and sorted({one.design[0] for one in at(told, FULL)}) == [1, 2, 3]


def test_designs_stand_in_layers() -> None:
    goals = [(3.0, 3.0), (1.0, 5.0), (2.0, 2.0), (5.0, 1.0), (6.0, 6.0)]
    assert in_layers([JudgedDesign((i,), g, ()) for i, g in enumerate(goals)]) == [1, 2, 3, 0, 4]
    assert in_layers([JudgedDesign((i,), (g,), ()) for i, g in enumerate([2.0, 1.0, 2.0])]) == [1, 0, 2]
