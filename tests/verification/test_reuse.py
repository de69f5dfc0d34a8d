"""What a change of power, cooling or geometry builds anew, by counts."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stack3d
from stack3d import decks, mvm, yamlfile
from stack3d.case.run import run_case
from stack3d.chip import build_chip, loading
from stack3d.heat.solvers import Backends
from stack3d.progress import Silent
from stack3d.workload.program import Program

NETWORKS = Path(__file__).parents[1] / "networks"

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


def test_a_network_is_read_and_profiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other coolings and rates read, profile and run nothing in float; another tile profiles; another file does all again."""
    counts: Counter[str] = Counter()

    def counting(room: Any, name: str, what: str) -> None:
        act = getattr(room, name)

        def counted(*args: Any, **more: Any) -> Any:
            counts[what] += 1
            return act(*args, **more)

        monkeypatch.setattr(room, name, counted)

    counting(loading, "load_network", "read")
    counting(mvm, "calibrated", "profiled")
    counting(Program, "run", "runs")
    shutil.copy(NETWORKS / "residual_17.onnx", tmp_path / "n.onnx")
    rng = np.random.default_rng(0)

    def built(**overrides: Any) -> tuple[dict[str, int], Any]:
        counts.clear()
        settings = {
            "workload.network": str(tmp_path / "n.onnx"), "workload.data": str(tmp_path / "d.npz"), "workload.rate": "100 1/s",
            "workload.task": "agreement", "workload.tile": [64, 64], **{k.replace("__", "."): v for k, v in overrides.items()},
        }  # fmt: skip
        computer = build_chip(stack3d.load("quickstart", settings).case.scenario).computer
        assert computer is not None
        return dict(counts), computer.float_logits

    np.savez(tmp_path / "d.npz", inputs=rng.normal(size=(6, 3, 12, 12)))
    first, logits = built()
    assert first["read"] == first["profiled"] == 1
    again, same = built(cooling__ambient="60 degC", workload__rate="200 1/s")
    assert again == {} and same is logits
    tiled, same = built(workload__tile=[32, 32])
    assert (tiled["profiled"], tiled["runs"]) == (1, 2) and "read" not in tiled and same is logits
    np.savez(tmp_path / "d.npz", inputs=rng.normal(size=(6, 3, 12, 12)))
    other, moved = built()
    assert other == first and np.abs(moved - logits).max() > 0
