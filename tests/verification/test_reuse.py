"""What a change of power, cooling or geometry builds anew, by counts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stack3d
from stack3d import decks, yamlfile
from stack3d.case.run import run_case
from stack3d.heat.solvers import Backends
from stack3d.progress import Silent

SCENARIO: dict[str, Any] = {
    "scenario": "reuse",
    "geometry": {
        "footprint": ["4 mm", "4 mm"],
        "layers": [
            {
                "name": "active",
                "thickness": "10 um",
                "material": {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"},
            },
            {
                "name": "bulk",
                "thickness": "200 um",
                "material": {"conductivity": "148 W/m/K", "heat_capacity": "1.66e6 J/m^3/K"},
            },
        ],
    },
    "power": {"sources": [{"name": "hot", "layer": "active", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"], "power": "2 W"}]},
    "cooling": {
        "top": {"film_coefficient": "1e4 W/m^2/K"},
        "bottom": {"film_coefficient": "10 W/m^2/K"},
        "ambient": "300 K",
    },
    "solver": "ci",
}


def built(backends: Backends, backend: str, **overrides: Any) -> tuple[dict[str, int], Any]:
    changes = [("solver.backend", backend), *((key.replace("__", "."), value) for key, value in overrides.items())]
    case = decks.resolve(yamlfile.parse_text(json.dumps(SCENARIO), "reuse.yaml"), None, changes)
    outcome = run_case(case.scenario, Silent(), backends=backends)
    return outcome.statistics["built"], outcome.values["thermal/layer_temperature_max"]


NOTHING = {"solvers": 0, "recooled": 0, "meshes": 0, "assemblies": 0, "preconditioners": 0}
MORE = [{"name": "hot", "layer": "active", "x": ["1 mm", "2 mm"], "y": ["1 mm", "2 mm"], "power": "4 W"}]


@pytest.mark.parametrize("backend", ["fem", "tensor"])
def test_power_assembles_nothing_and_cooling_meshes_nothing(backend: str) -> None:
    """A linear stack: twice the power has twice the rise; other films are those of a fresh solver."""
    backends = Backends()
    matrices = 1 if backend == "fem" else 0
    first, cool = built(backends, backend)
    assert first == {**NOTHING, "solvers": 1, "meshes": matrices, "assemblies": matrices, "preconditioners": 1}
    again, hot = built(backends, backend, power__sources=MORE)
    assert again == NOTHING
    np.testing.assert_allclose(hot - 300, 2 * (cool - 300), rtol=1e-8)
    films = {"cooling__top": {"film_coefficient": "3e4 W/m^2/K"}, "cooling__ambient": "310 K"}
    other, cooled = built(backends, backend, **films)
    assert other == {**NOTHING, "recooled": 1, "preconditioners": 1}  # the films are added to the matrix that is there
    np.testing.assert_allclose(cooled, built(Backends(), backend, **films)[1], rtol=1e-9)
    thicker, _ = built(backends, backend, geometry__layers=[*SCENARIO["geometry"]["layers"], SCENARIO["geometry"]["layers"][1] | {"name": "more"}])  # fmt: skip
    assert thicker == first


def test_conductivity_laws_assemble_nothing_more() -> None:
    """With k(T) the residual is that of the law applied cell by cell; the matrix at 300 K goes on correcting."""
    backends = Backends()
    layers = [layer | {"material": "silicon"} for layer in SCENARIO["geometry"]["layers"]]
    first, _ = built(backends, "fem", geometry__layers=layers)
    assert first["meshes"] == 1 and first["assemblies"] == 1
    again, hot = built(backends, "fem", geometry__layers=layers, power__sources=MORE)
    assert again == NOTHING
    _, exact = built(Backends(), "tensor", geometry__layers=layers, power__sources=MORE)
    np.testing.assert_allclose(hot, exact, rtol=1e-9)


def test_the_record_of_each_case_tells(tmp_path: Path) -> None:
    path = tmp_path / "reuse.yaml"
    films = [{"film_coefficient": f"{h} W/m^2/K"} for h in ("1e4", "2e4")]
    sweep = {"power.sources": [SCENARIO["power"]["sources"], MORE], "cooling.top": films}
    path.write_text(json.dumps(SCENARIO | {"sweep": sweep}))
    stack3d.sweep(path, output=tmp_path, workers=1, overrides={"solver.backend": "fem"})
    records = [json.loads(p.read_text()) for p in (tmp_path / "reuse" / "cases").glob("*/run.json")]
    spent = [r["statistics"]["built"] for r in records]
    assert len(spent) == 4 and sum(b["meshes"] for b in spent) == 1 == sum(b["assemblies"] for b in spent)
