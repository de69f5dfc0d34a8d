"""Stated errors are never below true ones: uniform decks against exact series; `benchmarks/bars.py` has the others."""

import sys
from pathlib import Path

import pytest
from error_decks import DECKS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import bars

QUICK = ("strip_0.4", "spot_1.5", "thin_film_2")
EXACT = [name for name in DECKS if name.startswith(("strip", "spot", "thin"))]


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


@pytest.mark.slow
@pytest.mark.parametrize("profile", bars.PROFILES)
@pytest.mark.parametrize("deck", EXACT)
def test_errors_are_not_too_small(deck: str, profile: str) -> None:
    held(deck, profile)
