"""Stacks that have no cosine series are refused with every reason."""

from __future__ import annotations

import pytest
from tensor_cases import stack

from stack3d.errors import DeckError
from stack3d.layout import Block, HeatSource, Material, Rectangle
from stack3d.thermal.analytic.series import CosineSeries
from stack3d.thermal.places import Probe
from stack3d.thermal.problem import Face


def test_every_reason_is_named():
    slabs = [
        {"k": 1.0, "thickness": 1.0, "name": "board", "exponent": -1.3, "contact_resistance": 1.0},
        {"k": 2.0, "thickness": 1.0, "name": "die", "extent": Rectangle(0.0, 1.0, 0.0, 2.0)},
        {
            "k": 2.0,
            "thickness": 1.0,
            "name": "lid",
            "blocks": (Block("tsv", Rectangle(0.0, 1.0, 0.0, 1.0), Material("cu", (4.0, 4.0, 4.0), 1.0)),),
        },
    ]
    beyond = HeatSource("wide", "lid", Rectangle(0.0, 3.0, 0.0, 1.0), 1.0)
    with pytest.raises(DeckError) as caught:
        CosineSeries(stack((2.0, 2.0), slabs), [beyond], Face(10.0), sides=Face(5.0))
    text = str(caught.value)
    for reason in (
        "the sides are not adiabatic",
        "conductivity of 'm0' depends on temperature",
        "geometry.layers.die: no cosine series: the layer has a size of its own; run it with solver.accuracy",
        "block 'tsv'",
        "power.sources.wide",
        "nothing below it",
    ):
        assert reason in text
    assert len(caught.value.problems) == 6


def test_adiabatic_top_and_bottom_are_refused():
    with pytest.raises(DeckError, match="top and bottom are adiabatic"):
        CosineSeries(stack((1.0, 1.0), [{"k": 1.0, "thickness": 1.0}]), [], Face())


def test_probe_outside_its_layer_is_refused():
    series = CosineSeries(stack((1.0, 1.0), [{"k": 1.0, "thickness": 1.0}]), [], Face(10.0), modes=4)
    with pytest.raises(DeckError, match=r"z = 1\.5 m is outside layer 'l0'"):
        series.steady([Probe("l0", 0.0, 0.0, 1.5)])
