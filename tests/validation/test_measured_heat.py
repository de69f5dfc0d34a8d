"""A measured silicon chip cooled by water in channels of its own, predicted unfitted; what is not known bounds the prediction."""

from typing import Any

import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.progress import Silent

MEASURED = 71.0
"""Largest rise over the water that enters at 790 W/cm2: D. B. Tuckerman, R. F. W. Pease, IEEE EDL 2 (1981) 126. [K]"""
FLOW, BASE = "geometry.layers.2.channels.flow_rate", "geometry.layers.1.thickness"


def rise(*overrides: tuple[str, Any]) -> tuple[float, float]:
    """Of the hottest point over the water that enters, and its stated error. [K]"""
    values = run_case(decks.load("silicon_heat_sink_1981", [("solver", "study"), *overrides]).scenario, Silent()).values
    return float(values["thermal/peak_temperature"]) - 296.15, float(values["thermal/peak_temperature_error"])


def test_the_rise_at_the_quoted_flow() -> None:
    """Within a tenth of the measurement, the error of the mesh far below that."""
    found, error = rise()
    assert found == pytest.approx(MEASURED, rel=0.1)
    assert error < 0.02 * MEASURED


@pytest.mark.slow
def test_the_rise_lies_between_what_flow_and_thickness_allow() -> None:
    """Much water over thin silicon, and little over thick."""
    low, below = rise((FLOW, "60 ml/min"), (BASE, "99 um"))
    high, above = rise((FLOW, "39 ml/min"), (BASE, "199 um"))
    assert low - below < MEASURED < high + above
    assert 60.0 < low < high < 80.0
