"""What a march keeps is bounded by its memory, not by its number."""

from __future__ import annotations

from stack3d.thermal.kept import FEWEST, MOST, KeptByRate


def test_the_least_used_goes_first_beyond_what_memory_allows() -> None:
    kept: KeptByRate[float] = KeptByRate(lambda made: MOST / 6)
    for rate in range(8):
        kept.at(float(rate), lambda rate=rate: float(rate))
        kept.at(0.0, lambda: -1.0)
    assert kept.made == 8
    assert kept.at(0.0, lambda: -1.0) == 0.0, "used all the time"
    assert kept.at(7.0, lambda: -1.0) == 7.0
    assert kept.at(1.0, lambda: -1.0) == -1.0, "let go"


def test_however_large_some_stay() -> None:
    kept: KeptByRate[float] = KeptByRate(lambda made: 2 * MOST)
    for rate in range(FEWEST):
        kept.at(float(rate), lambda rate=rate: float(rate))
    assert kept.at(0.0, lambda: -1.0) == 0.0
