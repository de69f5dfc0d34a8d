"""A search whose conditions hold for a share of the draws of what is not known: the known answer, its price, killed and resumed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_study
from scipy.special import ndtr
from small_study import assert_same

import stack3d
from stack3d import study
from stack3d.errors import DeckError
from stack3d.progress import Silent, Tally
from stack3d.report import report_page
from stack3d.study.designing.robust import needed
from stack3d.study.goals import Limit
from stack3d.study.optimising import Optimisation
from stack3d.study.points import Point

ROBUST = """\
optimise:
  vary:
    power.sources.spot.power: ["0.2 W", "0.4 W", "0.6 W", "0.8 W"]
  maximise: heat_in
  subject to: ["layer_temperature_max <= 85 degC for 80 % of the draws"]
  uncertain:
    keys:
      cooling.top.film_coefficient: {lognormal: ["1e4 W/m^2/K", 1.3]}
      cooling.ambient: {normal: ["300 K", "10 K"]}
    count: 5
    until: thermal
  budget: 4
"""
POWERS = np.array([0.2, 0.4, 0.6, 0.8])


def written(folder: Path, text: str = ROBUST) -> Path:
    path = folder / "small.yaml"
    path.write_text(small_study.STUDY + text)
    return path


def run(path: Path, output: Path, observer: Any = None) -> study.Report:
    *_, verdict = study.run([str(path)], output, observer or Silent(), workers=1)
    return verdict


def test_the_largest_power_that_four_of_five_draws_bear(tmp_path: Path) -> None:
    """Heat is linear: one run of each draw gives its peak at every power. Cut off and resumed, all is the same to the bit."""
    deck, tally = written(tmp_path), Tally()
    verdict = run(deck, tmp_path / "out", tally)
    tree = stack3d.open_results(tmp_path / "out" / "small")
    found = tree["optimise"].to_dataset()
    plan = study.plan(deck)
    assert isinstance(plan, Optimisation) and plan.robustness is not None
    draws = plan.robustness.draws.sets(Point((0,), (), ""))
    runs = [stack3d.load(deck, {"optimise": None, **sets}).run(until="thermal") for sets in draws]
    ambient = np.array([float(sets["cooling.ambient"].split()[0]) for sets in draws])
    rise = np.array([float(one["thermal/layer_temperature_max"].max()) for one in runs]) - ambient
    missed = ambient + POWERS[:, None] * rise - (273.15 + 85.0)  # of each design and draw
    order = [int(np.argmin(np.abs(POWERS - float(text.split()[0])))) for text in tree["spot_power"].values]
    for i, row in enumerate(missed[order]):
        if not np.isnan(found["held"].values[i, 0]):  # a lost design is drawn until that is sure
            assert found["feasible"].values[i] == (np.sort(row)[3] <= 0)
        if found["held"].values[i, 0] >= 0.8:
            assert found["missed"].values[i, 0] == pytest.approx(np.sort(row)[3], abs=1e-6)
    bears = np.sort(missed, axis=1)[:, 3] <= 0
    assert 0 < bears.sum() < 4 and np.sort(missed, axis=1)[:, 4][bears].max() > 0  # not all draws bear it
    best = int(found["chosen"].values.argmax())
    assert found["feasible"].values[best] and float(found["value"].values[best, 0]) == POWERS[bears].max()
    assert re.search(r"holds in 4 of 5 draws of the chosen design, at least 34 % of all with", "\n".join(verdict.lines))
    n_drawn = next(int(line.split()[1]) for line in verdict.lines if line.startswith("draws: "))
    assert tally.counts == {"done": 4 + n_drawn} and n_drawn < 20  # what is lost, or no better, is not drawn in full
    assert "What to build" in report_page([tree])
    for lost in sorted((tmp_path / "out/small/cases").iterdir())[::3]:
        (lost / "run.json").unlink()
    assert run(deck, tmp_path / "out").lines[:-2] == verdict.lines[:-2]  # but for the times
    assert_same(stack3d.open_results(tmp_path / "out" / "small"), tree)


def test_draws_are_the_same_for_every_design(tmp_path: Path) -> None:
    """A key has its shares whatever else is drawn, in every stratum once; keys that go together do; what is chosen is not drawn."""
    both = ROBUST.replace("count: 5", "count: 64").replace(
        "until: thermal",
        "correlated: [{keys: [cooling.top.film_coefficient, cooling.ambient], coefficient: 0.9}]",
    )
    plan = study.plan(written(tmp_path, both))
    assert isinstance(plan, Optimisation) and plan.robustness is not None
    sets = plan.robustness.draws.sets(Point((0,), (("power.sources.spot.power", "1 W"),), ""))
    film, ambient = (np.array([float(one[key].split()[0]) for one in sets]) for key in list(sets[0])[1:])
    assert {one["power.sources.spot.power"] for one in sets} == {"1 W"}
    assert np.corrcoef(np.log(film), ambient)[0, 1] > 0.8
    assert np.sort(np.floor(64 * ndtr(np.log(film / 1e4) / np.log(1.3)))).tolist() == list(range(64))
    chosen = ROBUST.replace("    keys:\n", "    keys:\n      power.sources.spot.power: {uniform: [1 W, 2 W]}\n")
    with pytest.raises(DeckError, match=r"small.yaml:\d+: optimise.uncertain.keys: power.sources.spot.power is chosen by the"):
        study.plan(written(tmp_path, chosen))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" for 80 % of the draws", "", "draws for nothing: no condition under 'subject to' ends with"),
        (" for 80 % of the draws", " for 0 % of the draws", "wants a share of the draws above 0 and up to 100 %"),
        (" for 80 % of the draws", " for all draws for all draws", "speaks of draws twice"),
        ("count: 5", "count: 1", "optimise.uncertain.count"),
        ("cooling.ambient: {", "cooling.ambeint: {", "ambeint"),
        ('["300 K", "10 K"]', '["300 K", "0 K"]', "a standard deviation above zero"),
        ("until: thermal", "set: {solver.nonsense: 1}", "optimise.uncertain.set.solver.nonsense"),
        ("maximise: heat_in", "maximise: heat_in for all draws", "wants a number"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(DeckError) as caught:
        study.plan(written(tmp_path, ROBUST.replace(old, new)))
    assert said in str(caught.value) and str(caught.value).count("\n") == 0 and "small.yaml:" in str(caught.value)


def test_draws_want_something_to_draw(tmp_path: Path) -> None:
    start = ROBUST.index("  uncertain:")
    text = ROBUST[:start] + ROBUST[ROBUST.index("  budget") :]
    with pytest.raises(DeckError, match=r"speaks of draws, and optimise.uncertain says nothing to draw"):
        study.plan(written(tmp_path, text))


def test_chips_and_draws_together() -> None:
    """For 90 % of the chips in 80 % of the draws, in either order; both shares count when conditions are compared."""
    limit = Limit.parse("accuracy@end >= 95 % for 90 % of the chips for 80 % of draws")
    assert (limit.expression.chips, limit.draws) == (0.9, 0.8)
    other = Limit.parse("accuracy@end >= 95 % for 80 % of the draws for 90 % of the chips")
    assert (other.expression.chips, other.draws) == (0.9, 0.8)
    assert needed(limit, 10) == 8 and needed(limit, 7) == 6 and needed(Limit.parse("latency <= 1 s for all draws"), 7) == 7
