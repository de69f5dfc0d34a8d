"""Orders of errors through the height, by the corners that channels make."""

import math

import pytest

from stack3d.geometry.stack import build_stack
from stack3d.heat.meshing.corners import AT_SHARPEST, upright_order
from stack3d.heat.meshing.judging import UPRIGHT
from stack3d.schema.geometry import GeometryDeck

CHANNELS = {
    "count": 2, "width": "100 um", "wall_width": "100 um", "edge_wall_width": "60 um", "direction": "y", "coolant": {"heat_capacity": "4.17e6 J/m^3/K"}, "wall_film_coefficient": "3e4 W/m^2/K",
    "flow_rate": "2 ml/min", "inlet_temperature": "300 K",
}  # fmt: skip


def order(floor: float, ceiling: float = 100.0, **cavity: object) -> float:
    """That of a cavity with walls of 100 W/m/K between two layers."""

    def named(name: str, k: float, **more: object) -> dict[str, object]:
        return {
            "name": name,
            "thickness": "0.1 mm",
            "material": {"conductivity": f"{k} W/m/K", "heat_capacity": "1.6e6 J/m^3/K"},
            **more,
        }

    layers = [named("floor", floor), named("cavity", 100.0, **cavity), named("ceiling", ceiling)]
    return upright_order(build_stack(GeometryDeck.model_validate({"footprint": ["0.42 mm", "1 mm"], "layers": layers})))


def test_one_solid_has_the_order_of_its_corner() -> None:
    """λ of three quarters of a turn between insulated faces is 2/3."""
    assert order(100.0, channels=CHANNELS) == pytest.approx(UPRIGHT)
    assert order(1.0) == UPRIGHT  # no channels, no corner


@pytest.mark.parametrize("ratio", [1e-4, 0.0173, 0.3, 0.9])
def test_order_falls_with_the_conductivity_of_floor_or_ceiling(ratio: float) -> None:
    """λ solves k_wall tan(λ π/2) + k_floor tan(λ π) = 0, found here by halving an interval."""
    low, high = 0.5 + 1e-9, 2 / 3
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if math.tan(middle * math.pi / 2) + ratio * math.tan(middle * math.pi) < 0 else (low, middle)
    right = AT_SHARPEST + (UPRIGHT - AT_SHARPEST) * (low - 0.5) * 6
    assert order(100.0 * ratio, channels=CHANNELS) == pytest.approx(right, abs=1e-6)
    assert order(100.0, 100.0 * ratio, channels=CHANNELS) == pytest.approx(right, abs=1e-6)


def test_a_better_floor_keeps_the_order_of_one_solid() -> None:
    assert order(400.0, 400.0, channels=CHANNELS) == UPRIGHT
