"""Every registered law of flow answers for itself: source, range, films and a pressure that never fall as the flow grows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stack3d.layout import CHANNEL_PARTS, Channels, Pins, Rectangle
from stack3d.thermal import flow_laws

WATER: dict[str, Any] = {"heat_capacity": 4.17e6, "conductivity": 0.607, "viscosity": 8.9e-4, "density": 997.0}
FLOWS = np.geomspace(1e-8, 1e-5, 60)
"""[m3/s]"""


def example(name: str) -> Channels:
    """Ten channels, or a cavity with pins, 10 mm long."""
    boxes = [Rectangle(i * 2e-4, i * 2e-4 + 1e-4, 0.0, 0.01) for i in range(10)]
    if not flow_laws[name].of_pins:
        return Channels(tuple(boxes), "y", 1e-4, 1e-4, 0.01, FLOWS[0], 300.0, **WATER, law=name)
    pins = Pins(5e-5, 1e-4, 1e-4, staggered="staggered" in name)
    return Channels((Rectangle(0.0, 2e-3, 0.0, 0.01),), "y", 2e-3, 1e-4, 0.01, FLOWS[0], 300.0, **WATER, law=name, pins=pins)


@pytest.mark.parametrize("name", flow_laws)
def test_a_law_says_where_it_comes_from_and_where_it_holds(name: str) -> None:
    law = flow_laws[name]
    assert law.__doc__ and law.reference and law.valid


@pytest.mark.parametrize("name", flow_laws)
def test_more_flow_takes_no_less_heat_and_wants_more_pressure(name: str) -> None:
    law, first = flow_laws[name](), example(name)
    films, drops = [], []
    for flow in FLOWS:
        channels = replace(first, flow_rate=float(flow))
        if not law.reynolds(channels) < 2e4:
            break
        if law.reynolds(channels) >= 1.0:
            found = law.films(channels)
            assert set(found) == set(CHANNEL_PARTS)
            films.append(list(found.values()))
        drops.append(law.pressure_drop(channels))
    assert len(films) > 20
    assert np.all(np.diff(films, axis=0) >= 0) and np.min(films) >= 0 and np.max(films[0]) > 1e3
    assert np.all(np.diff(drops) > 0) and drops[0] > 0


@pytest.mark.parametrize("name", flow_laws)
def test_a_coolant_that_is_not_known_has_no_film(name: str) -> None:
    """But where the film comes from the flow alone."""
    bare = replace(example(name), conductivity=None, viscosity=None, density=None)
    law = flow_laws[name]()
    assert np.isnan(law.pressure_drop(bare)) and np.isnan(law.reynolds(bare))
    assert np.isnan(list(law.films(bare).values())).all() != name.startswith("measured")


def test_published_values() -> None:
    """By hand from the published formulas: 3D-ICE's film at 1.1066 m/s, rows of tubes of 1.5 by 1.5 diameters at Re = 50."""
    from stack3d.thermal.cooling import pin_banks

    assert pin_banks.measured_film(1.1066, staggered=False) == pytest.approx(63.494e3, rel=1e-4)
    assert pin_banks.measured_film(1.1066, staggered=True) == pytest.approx(125.327e3, rel=1e-4)
    pitches = {"across": 1.5, "along": 1.5}
    assert pin_banks.nusselt_number(50.0, 6.0, **pitches, staggered=False) == pytest.approx(0.9 * 50**0.4 * 6**0.36)
    assert pin_banks.nusselt_number(2000.0, 6.0, **pitches, staggered=True) == pytest.approx(0.35 * 2000**0.6 * 6**0.36)
    in_line, staggered = (pin_banks.resistance(50.0, **pitches, staggered=s) for s in (False, True))
    assert in_line == pytest.approx(1.7899 + 0.2245, rel=1e-4)
    assert staggered == pytest.approx(1.7899 + 0.3669, rel=1e-4)
