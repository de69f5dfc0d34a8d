"""Cases of the neutral thermal benchmark, key by key in the vocabulary of a scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stack3d import decks, yamlfile
from stack3d.decks import Case

CASES = ("case1_uniform_die", "case2_hotspots", "case2b_hotspots_unaligned", "case3_die_tim_spreader", "case4_four_tiers")


def face(condition: dict[str, Any]) -> Any:
    return "adiabatic" if condition["type"] == "adiabatic" else {"film_coefficient": f"{condition['h']} W/m^2/K"}


def scenario_text(folder: Path, case: str, solver: str = "standard") -> str:
    """The case as a scenario file (JSON is YAML)."""
    given = YAML(typ="safe", pure=True).load((folder / f"{case}.yaml").read_text())
    boundary = given["boundary"]
    ambient = next(b["t_ambient"] for b in (boundary["top"], boundary["bottom"]) if "t_ambient" in b)

    def conductivity(k: Any) -> Any:
        return [f"{v} W/m/K" for v in k] if isinstance(k, list) else f"{k} W/m/K"

    return json.dumps(
        {
            "scenario": case,
            "geometry": {
                "footprint": [f"{given['domain'][axis]} m" for axis in ("lx", "ly")],
                "layers": [
                    {
                        "name": layer["name"],
                        "thickness": f"{layer['thickness']} m",
                        "material": {"conductivity": conductivity(layer["k"]), "heat_capacity": f"{layer['c_vol']} J/m^3/K"},
                    }
                    for layer in given["layers"]
                ],
            },
            "power": {
                "sources": [
                    {
                        "name": s["name"],
                        "layer": s["layer"],
                        "x": [f"{s['x0']} m", f"{s['x1']} m"],
                        "y": [f"{s['y0']} m", f"{s['y1']} m"],
                        "power": f"{s['power']} W",
                    }
                    for s in given["sources"]
                ]
            },
            "cooling": {
                "top": face(boundary["top"]),
                "bottom": face(boundary["bottom"]),
                "sides": "adiabatic",
                "ambient": f"{ambient} K",
            },
            "probes": [
                {"name": p["name"], "layer": p["layer"], "x": f"{p['x']} m", "y": f"{p['y']} m"} for p in given["probes"]
            ],
            "maps": {"layers": given["tiles"]["layers"], "grid": [given["tiles"]["nx"], given["tiles"]["ny"]]},
            "solver": solver,
        },
        indent=1,
    )


def load(folder: Path, case: str, solver: str = "standard", overrides: tuple[tuple[str, Any], ...] = ()) -> Case:
    tree = yamlfile.parse_text(scenario_text(folder, case, solver), f"{case}.yaml")
    return decks.resolve(tree, None, overrides)


def exact(folder: Path, case: str) -> dict[str, Any]:
    """Values of the reference file: probes, layer means, tile means, peak rise."""
    stored = json.loads((folder / f"{case}.reference.json").read_text())
    return {
        "probes": stored["probes"],
        "layers": {name: values["mean"] for name, values in stored["layers"].items()},
        "tiles": stored["tiles"],
        "rise": stored["max_temperature"]["value"] - 300.0,
    }
