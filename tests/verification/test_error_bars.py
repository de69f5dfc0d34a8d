"""Stated errors are never below true ones: against exact series, or what three meshes tend to (`benchmarks/bars.py`)."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from error_decks import DECKS, OWN, TETRAHEDRA, film, layer, source
from error_decks import deck as tree_of

from stack3d.chip import Chip
from stack3d.heat.meshing import Bricks
from stack3d.heat.meshing.judging import Answers
from stack3d.heat.solvers import Backends

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import bars

QUICK = ("strip_0.4", "spot_1.5", "thin_film_2", "crack_10um", "bow")
TRIED = [(d, p) for d in (*DECKS, *TETRAHEDRA, *OWN) for p in bars.PROFILES if p != "standard" or d not in bars.HEAVY]


def held(deck: str, profile: str) -> None:
    """The largest stated error of every variable is not below its largest true one, as far as that is known."""
    found = list(bars.rows([deck], (profile,)))
    assert any(row["true"] > bars.COUNTS * row["rise"] for row in found)
    for row in found:
        if row["true"] > bars.COUNTS * row["rise"]:
            assert row["stated"] >= row["true"] - row["known"], (row["variable"], row["true"], row["stated"])


@pytest.mark.parametrize("deck", QUICK)
def test_errors_at_ci_are_not_too_small(deck: str) -> None:
    held(deck, "ci")


def test_a_switch_of_power_is_resolved_as_the_start_is() -> None:
    """Read 3 us after the switch, heat has come a seventh of the layer's height: two elements in all were 8 % of the rise off."""
    held("switched", "ci")
    means = next(row for row in bars.rows(["switched"], ("ci",)) if row["variable"] == "layer_temperature_mean")
    assert means["true"] < 0.02 * means["rise"]


ALIKE = tree_of((2, 1), [layer("die", 300, 120), layer("lid", 500, 390)], [source("s", "die", 2)], film(8e3))
FLOW = {"count": 8, "width": "125 um", "wall_width": "125 um", "coolant": "water", "flow_rate": "6 ml/min"}
CAVITY = layer("cavity", 100, 120, channels={**FLOW, "inlet_temperature": "300 K", "homogenised": True})

BY_TABLE = {
    "until": "2 ms",
    "outputs": ["0.2 ms", "2 ms"],
    "initial": "400 K",
    "surroundings": {"times": ["0 s"], "films": {"sides": ["1e5 W/m^2/K"]}},
}


@pytest.mark.parametrize(
    ("more", "meshes"),
    [
        ({}, 2),
        ({"cooling": {**ALIKE["cooling"], **film(8e3, "sides")}}, 3),
        ({"power": {"sources": [source("s", "die", 2, (0, 1), (0, 1))]}}, 3),
        ({"geometry": {"footprint": ["2 mm", "1 mm"], "layers": [layer("die", 300, 120), CAVITY, layer("lid", 500, 390)]}}, 3),
        ({"cooling": {"ambient": "300 K", **film(1)}, "transient": BY_TABLE}, 3),
    ],
    ids=["alike", "sides", "box", "coolant", "sides by a table"],
)
def test_narrower_elements_are_left_out_only_where_they_change_nothing(more: dict[str, Any], meshes: int) -> None:
    """Where heat flows through the height alone, every mesh has the temperatures of one as narrow as is wanted."""
    chip, solved = bars.chip_of({**ALIKE, **more}, "ci"), list[int]()
    own = bars.answers(chip, Bricks.of(chip).grid, Backends())

    def solve(other: Chip, body: Bricks, away: int) -> Answers:
        solved.append(body.grid.n_nodes)
        return bars.answers(other, body.grid, Backends())

    Bricks.judged(chip, own, solve)
    assert len(solved) == meshes
    narrow = bars.answers(chip, bars.finer(Bricks.of(chip).grid, 2, 1), Backends())
    moved = max(float(np.max(np.abs(narrow[name] - own[name]))) for name in own)
    assert (moved < 1e-9) == (meshes == 2)


@pytest.mark.slow
@pytest.mark.parametrize(("deck", "profile"), TRIED)
def test_errors_are_not_too_small(deck: str, profile: str) -> None:
    held(deck, profile)


@pytest.mark.slow
@pytest.mark.parametrize("deck", bars.REFINED)
def test_errors_are_not_too_small_after_an_accuracy_that_was_asked_for(deck: str) -> None:
    """Meshes that were refined where the estimate said so hide nothing from it."""
    held(deck, bars.ASKED)
