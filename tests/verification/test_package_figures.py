"""Figures of a package against resistances in series, and what does not go with them."""

import json
from typing import Any

import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.progress import Silent

AREA = 25e-6
SLABS = {"board": (1e-3, 10.0), "die": (0.4e-3, 120.0), "cap": (0.5e-3, 1.0)}
"""Thickness [m] and conductivity [W/m/K] from the bottom up."""


def package(**more: Any) -> dict[str, Any]:
    material = {name: {"conductivity": f"{k} W/m/K", "heat_capacity": "1e6 J/m^3/K"} for name, (_, k) in SLABS.items()}
    layers = [{"name": n, "thickness": f"{t} m", "material": material[n]} for n, (t, _) in SLABS.items()]
    at = {"x": "2.5 mm", "y": "2.5 mm"}
    return {
        "scenario": "package",
        "geometry": {"footprint": ["5 mm", "5 mm"], "layers": layers},
        "power": {"sources": [{"name": "heat", "layer": "die", "power": "2 W"}]},
        "cooling": {"top": {"film_coefficient": "50 W/m^2/K"}, "bottom": {"resistance": "20 K/W"}, "ambient": "25 degC"},
        "probes": [
            {"name": "diode", "layer": "die", "z": "1.4 mm", **at},
            {"name": "case", "layer": "cap", "z": "1.9 mm", **at},
            {"name": "pcb", "layer": "board", "z": "0 mm", **at},
        ],
        "jedec": {"junction": "diode", "top": "case", "board": "pcb"},
        "solver": {"backend": "tensor", "mesh": {"lateral": 2, "per_layer": 4}, "error_promise": 0.01},
        **more,
    }


def case(given: dict[str, Any]) -> Any:
    return decks.resolve(yamlfile.parse_text(json.dumps(given), "package.yaml")).scenario


def test_figures_are_resistances_in_series() -> None:
    """From the top of a die heated all through: up R1 = cap (+ film), down R2 = board + 20 K/W, and half the die on the way."""
    found = run_case(case(package()), Silent()).values
    slab = {name: t / k / AREA for name, (t, k) in SLABS.items()}
    up, down = slab["cap"] + 1 / (50 * AREA), slab["board"] + 20.0
    # heat q goes up; on the top of the die T = up q, on its bottom T = down (2 - q), and between T_top + R (q - 1) = T_bottom
    q = (2 * down + slab["die"]) / (up + down + slab["die"])
    junction = up * q
    wanted = {
        "theta_ja": junction / 2,
        "psi_jt": slab["cap"] * q / 2,
        "psi_jb": (junction - 20.0 * (2 - q)) / 2,
        "theta_jc_top": slab["cap"],
    }
    for name, figure in wanted.items():
        assert found[f"thermal/{name}"] == pytest.approx(figure, rel=1e-3), name
        assert abs(found[f"thermal/{name}"] - figure) <= found[f"thermal/{name}_error"] + 1e-6


def hot_spot(**solver: Any) -> dict[str, Any]:
    """The package with an eighth of its width heated, so that its mesh counts."""
    at = {"x": ["2.2 mm", "2.8 mm"], "y": ["2.2 mm", "2.8 mm"]}
    profile = {"backend": "tensor", "mesh": {"lateral": 8, "per_layer": 2}, "error_promise": 0.5, **solver}
    return package(power={"sources": [{"name": "hot", "layer": "die", "power": "2 W", **at}]}, solver=profile)


def test_errors_hold_what_a_finer_mesh_finds() -> None:
    """Also those of the cold plate, which is solved apart, and to the accuracy that is asked for."""
    fine, *others = (
        run_case(case(hot_spot(**solver)), Silent()).values
        for solver in ({"mesh": {"lateral": 48, "per_layer": 6}}, {}, {"accuracy": "0.5 %"})
    )
    for name in ("theta_ja", "psi_jt", "psi_jb", "theta_jc_top"):
        path = f"thermal/{name}"
        for found in others:
            off = abs(found[path] - fine[path])
            assert off <= found[f"{path}_error"] + fine[f"{path}_error"], name
        rough, close = (found[f"{path}_error"] for found in others)
        assert close < 0.5 * rough, f"{name} is as rough with an accuracy as without"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"jedec": {"junction": "dioda"}}, "jedec.junction: no probe 'dioda' .did you mean 'diode'"),
        ({"transient": {"until": "1 s"}}, "jedec: is of the steady state; leave transient out"),
        ({"jedec": {"junction": "diode", "bord": "pcb"}}, "jedec.bord: unknown key 'bord' .did you mean 'board'"),
    ],
)
def test_mistakes_are_told(more: dict[str, Any], message: str) -> None:
    with pytest.raises(DeckError, match=message):
        check(case(package(**more)))
