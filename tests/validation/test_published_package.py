"""Junction to ambient of flip-chip packages with a lid against a maker's table, unfitted."""

import json
from typing import Any

import pytest

from stack3d import decks, yamlfile
from stack3d.case import check
from stack3d.heat import Backends, meshed

PUBLISHED = {
    (21, 3.03): 22, (21, 4.95): 18, (21, 6.87): 16, (21, 8.15): 15,
    (23, 3.99): 19, (23, 5.91): 16, (23, 8.15): 15, (23, 9.11): 14,
    (25, 4.95): 16, (25, 6.87): 14, (25, 9.11): 13, (25, 11.03): 13,
    (27, 5.91): 15, (27, 8.15): 13, (27, 10.07): 13, (27, 12.95): 12,
    (29, 6.87): 14, (29, 9.11): 13, (29, 11.03): 12,
}  # fmt: skip
"""Sides of package and die [mm] → junction to ambient in still air [K/W], in whole kelvin per watt.

NEC Electronics, FCBGA, thermal characteristics (necel.com/pkg/en/characteristic/h_fcbga.html): one-piece lids, test board of four
layers, simulated as JEDEC measures. Balls fill an array of 1 mm pitch (361 on 21 mm to 784 on 29 mm).
"""
ALLOWED = 0.2
"""Share of the figure: it is rounded to as much as 4 %, and substrate, lid and what lies between die and lid are not published."""
BOARD = ["101.5 mm", "114.5 mm"]
AIR = {"conductivity": "0.026 W/m/K", "heat_capacity": "1.2e3 J/m^3/K"}
FOOT = 3.0
"""Width of the rim that a lid stands on; assumed. [mm]"""


def package(side: float, die: float) -> dict[str, Any]:
    """Board of JESD51-9 as `jedec_still_air` has it; assumed: stand-off 0.5 mm, substrate 1.2 mm, die 0.7 mm, lid 1 mm."""

    def block(name: str, x: tuple[float, float], y: tuple[float, float], material: str) -> dict[str, Any]:
        spans = {axis: [f"{end} mm" for end in ends] for axis, ends in (("x", x), ("y", y))}
        return {"name": name, "material": material, **spans}

    def below_the_lid(name: str, thickness: str, material: str) -> dict[str, Any]:
        far, whole, inner = (side - FOOT, side), (0.0, side), (FOOT, side - FOOT)
        rim = [block("west", (0.0, FOOT), whole, "copper"), block("east", far, whole, "copper")]
        rim += [block("south", inner, (0.0, FOOT), "copper"), block("north", inner, far, "copper")]
        return {"name": name, "thickness": thickness, "material": AIR, "blocks": [*rim, block("die", box, box, material)]}

    box = (0.5 * (side - die), 0.5 * (side + die))
    spread = (-25.0, side + 25.0)
    slabs = {"back": ("0.45 mm", "fr4"), "plane2": ("35 um", "copper"), "core": ("0.63 mm", "fr4")}
    slabs |= {"plane1": ("35 um", "copper"), "front": ("0.38 mm", "fr4"), "traces": ("70 um", "fr4")}
    layers: list[dict[str, Any]] = [{"name": n, "thickness": t, "material": m, "size": BOARD} for n, (t, m) in slabs.items()]
    layers[-1]["blocks"] = [block("fan_out", spread, spread, "fan_out_traces")]
    layers += [
        {"name": "balls", "thickness": "0.5 mm", "material": "solder_balls"},
        {"name": "substrate", "thickness": "1.2 mm", "material": "organic_substrate"},
        below_the_lid("bumps", "75 um", "c4_layer"),
        below_the_lid("chip", "0.7 mm", "silicon"),
        below_the_lid("interface", "50 um", "tim1"),
        {"name": "lid", "thickness": "1 mm", "material": "copper"},
    ]
    heated = {key: value for key, value in block("die", box, box, "").items() if key != "material"}
    return {
        "scenario": "package",
        "geometry": {"footprint": [f"{side} mm", f"{side} mm"], "layers": layers},
        "cooling": {
            "top": {"natural": {"facing": "up", "length": f"{side / 4} mm"}, "emissivity": 0.2},
            "bottom": "still_air_board_down",
            "patches": [{"name": "board_top", "layer": "traces", "condition": "still_air_board_up"}],
            "ambient": "25 degC",
        },
        "power": {"sources": [{**heated, "layer": "chip", "power": "1 W"}]},
        "solver": {
            "backend": "tensor",
            "mesh": {"lateral": 24, "per_layer": 1},
            "linear": {"tolerance": 1e-8},
            "error_promise": 0.05,
        },
    }


def theta_ja(side: float, die: float) -> float:
    """Rise of the middle of the die at 1 W. [K/W]"""
    scenario = decks.resolve(yamlfile.parse_text(json.dumps(package(side, die)), "package.yaml")).scenario
    chip = check(scenario)
    field = Backends().of(scenario, chip.stack, meshed(chip)).solve(chip.sources).field
    return field.at("chip", 0.5e-3 * side, 0.5e-3 * side) - scenario.cooling.ambient


@pytest.mark.parametrize(("side", "die"), [(21, 3.03), (21, 8.15), (27, 8.15)])
def test_packages_are_as_warm_as_their_maker_says(side: float, die: float) -> None:
    assert theta_ja(side, die) == pytest.approx(PUBLISHED[side, die], rel=ALLOWED)


@pytest.mark.slow
def test_all_packages_are_as_warm_as_their_maker_says() -> None:
    """Nineteen, between them without a bias that the other figures would show."""
    ratios = {which: theta_ja(*which) / published for which, published in PUBLISHED.items()}
    assert max(ratios.values()) <= 1 + ALLOWED and min(ratios.values()) >= 1 - ALLOWED, ratios
    assert 0.9 <= sum(ratios.values()) / len(ratios) <= 1.1
