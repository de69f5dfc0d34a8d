"""What decks say that parts cost: their sum is an output, a goal of a search and an axis of its page."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_study

import stack3d
from stack3d import study
from stack3d.errors import DeckError
from stack3d.progress import Silent
from stack3d.report import report_page

PRICED = small_study.STUDY.replace(
    'cooling: {top: {film_coefficient: "1e4 W/m^2/K"}',
    'cooling: {top: {film_coefficient: "1e4 W/m^2/K", cost: {value: 2.5, assumed: "an offer"}}',
).replace("geometry:\n", 'geometry:\n  cost: {value: 10, source: "the invoice"}\n')
CHEAPEST = """\
optimise:
  vary:
    zip:
      cooling.top.film_coefficient: ["2e3 W/m^2/K", "1e4 W/m^2/K", "5e4 W/m^2/K"]
      cooling.top.cost.value: [1, 4, 20]
  minimise: cost
  subject to: ["layer_temperature_max <= 450 K"]
  budget: 3
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def test_costs_add_up_where_decks_state_them(tmp_path: Path) -> None:
    tree = stack3d.load(written(tmp_path, PRICED)).run(until="thermal")
    assert float(tree["power/cost"]) == 12.5
    assert "power" not in stack3d.load(written(tmp_path, small_study.STUDY)).run(until="thermal").children


def test_the_cheapest_cooling_that_does(tmp_path: Path) -> None:
    """The weakest film is too hot, the strongest too dear; the page has the cost over the peak."""
    *_, verdict = study.run([str(written(tmp_path, PRICED + CHEAPEST))], tmp_path / "out", Silent(), workers=1)
    assert "film_coefficient 1e4 W/m^2/K: cost = 14" in verdict.lines[0]
    tree = stack3d.open_results(tmp_path / "out" / "small")
    assert "peak temperature over cost of the parts that state one" in report_page([tree])


def test_a_search_for_a_cost_that_no_deck_states(tmp_path: Path) -> None:
    goal = "optimise: {vary: {cooling.ambient: [290 K, 300 K]}, minimise: cost, budget: 2}\n"
    with pytest.raises(DeckError, match=r"small.yaml:\d+: optimise.minimise: 'cost' names cost, and no deck of the scenario"):
        study.plan(written(tmp_path, small_study.STUDY + goal))


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ("{value: 2.5}", "wants a source, or assumed with the reason"),
        ('{value: -1, source: "x"}', "cooling.top.cost.value"),
        ('{value: .inf, source: "x"}', "cooling.top.cost.value"),
        ('{value: "3 EUR", source: "x"}', "cooling.top.cost.value"),
        ("2.5", "cooling.top.cost"),
    ],
)
def test_costs_without_sense_are_refused(tmp_path: Path, cost: str, said: str) -> None:
    with pytest.raises(DeckError) as caught:
        stack3d.load(written(tmp_path, PRICED.replace('{value: 2.5, assumed: "an offer"}', cost)))
    assert said in str(caught.value) and "small.yaml:" in str(caught.value)
