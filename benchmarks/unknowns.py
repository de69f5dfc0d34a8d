"""CPU time of screening 50 unknowns of a stack of ten layers with 26 sources, about 50,000 unknowns a case."""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from pathlib import Path
from typing import Any

from stack3d import study
from stack3d.progress import Silent

CONDUCTIVITY = (120, 2, 390, 1, 140, 3, 120, 5, 80, 1)  # of the layers, from below [W/m/K]
SOURCES = 26
STORED = {"heat_capacity": "1.6e6 J/m^3/K"}


def scenario(trajectories: int) -> dict[str, Any]:
    """Thickness and conductivity of every layer, every power, both films and the ambient are not known."""
    layers, sources = [], []
    keys: dict[str, Any] = {
        "cooling.top.film_coefficient": around(1e4, "W/m^2/K", 0.2),
        "cooling.bottom.film_coefficient": around(10, "W/m^2/K", 0.2),
        "cooling.sides.film_coefficient": around(10, "W/m^2/K", 0.2),
        "cooling.ambient": around(300, "K", 0.01),
    }
    for i, k in enumerate(CONDUCTIVITY):
        thickness = 0.05 + 0.01 * i
        layers.append({"name": f"l{i}", "thickness": f"{thickness:g} mm", "material": {"conductivity": f"{k} W/m/K"} | STORED})
        keys[f"geometry.layers.l{i}.thickness"] = around(thickness, "mm", 0.1)
        keys[f"geometry.layers.l{i}.material.conductivity"] = around(k, "W/m/K", 0.2)
    for i in range(SOURCES):
        column, row, power = 0.1 + 0.25 * (i % 4), 0.1 + 0.15 * (i // 4), 0.05 + 0.01 * i
        spans = {"x": [f"{column:g} mm", f"{column + 0.2:g} mm"], "y": [f"{row:g} mm", f"{row + 0.12:g} mm"]}
        sources.append({"name": f"s{i}", "layer": f"l{2 * (i % 5)}", **spans, "power": f"{power:g} W"})
        keys[f"power.sources.s{i}.power"] = around(power, "W", 0.1)
    films = {"top": "1e4 W/m^2/K", "bottom": "10 W/m^2/K", "sides": "10 W/m^2/K"}
    return {
        "scenario": "screened",
        "geometry": {"footprint": ["1.2 mm", "1.2 mm"], "layers": layers},
        "power": {"sources": sources},
        "cooling": {"ambient": "300 K"} | {face: {"film_coefficient": film} for face, film in films.items()},
        "solver": {"backend": "tensor", "mesh": {"lateral": 48, "per_layer": 2}, "error_promise": 0.1},
        "uncertain": {"keys": keys, "outputs": "peak_temperature", "count": 4, "most": 2, "trajectories": trajectories},
    }


def around(value: float, unit: str, share: float) -> dict[str, list[str]]:
    """As likely anywhere within a share of it."""
    return {"uniform": [f"{value * (1 - share):.6g} {unit}", f"{value * (1 + share):.6g} {unit}"]}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=4, help="of the screening; each costs 51 cases")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "screened.yaml"
        path.write_text(json.dumps(scenario(chosen.trajectories)))
        *cases, verdict = study.run([str(path)], Path(folder) / "out", Silent(), workers=1)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(f"{len(cases)} cases, {51 * chosen.trajectories} of them the screening: {cpu:.1f} CPU s, start and files included")
    print("\n".join(verdict.lines))


if __name__ == "__main__":
    main()
