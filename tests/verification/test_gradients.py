"""Gradients by the adjoint against central differences of full solves, on grids that move with the parts."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stack3d
from stack3d import decks
from stack3d.api import LoadedScenario
from stack3d.case.gradients import _exact, _heat, _on_sites, _OnElements, _temperature, place_of
from stack3d.case.placing import placed
from stack3d.chip import ComputingChip
from stack3d.errors import DeckError, ValidityWarning
from stack3d.fe.linear_solver import LinearSolver
from stack3d.heat.placing import placed_chip
from stack3d.thermal import TensorSolver, thermal_response

ROUNDING = 2e-10
"""Of the difference of two temperatures solved to 1e-13 of their rise. [K]"""
HEAD = """
scenario: rates
geometry:
  footprint: ["2 mm", "2 mm"]
  layers:
"""
TAIL = """
power:
  sources:
    - {name: a, layer: die, x: ["0.5 mm", "1.1 mm"], y: ["0.4 mm", "0.9 mm"], power: "3 W"}
    - {name: b, layer: die, power: "0.5 W"}
probes: [{name: p, layer: lid, x: "0.7 mm", y: "0.7 mm"}]
solver: {backend: tensor, mesh: {lateral: 8, per_layer: 2}, error_promise: 0.5}
"""
PLAIN = "{conductivity: '120 W/m/K', heat_capacity: '2e6 J/m^3/K'}"
SILICON = "{conductivity: '120 W/m/K', heat_capacity: '2e6 J/m^3/K', conductivity_exponent: -1.3}"
GRAINED = "{conductivity: ['20 W/m/K', '40 W/m/K', '10 W/m/K'], heat_capacity: '2e6 J/m^3/K'}"


def layers(base: str, die: str, lid: str) -> str:
    return HEAD + f"    - {{name: base, {base}}}\n    - {{name: die, {die}}}\n    - {{name: lid, {lid}}}\n"


BASE, DIE, LID = (f"thickness: '{t}', material: {PLAIN}" for t in ("0.3 mm", "50 um", "0.2 mm"))
FILMS = "cooling: {top: {film_coefficient: '5e3 W/m^2/K'}, bottom: {film_coefficient: '1e3 W/m^2/K'}, ambient: '300 K'}\n"
ALWAYS = [
    "cooling.top.film_coefficient", "cooling.ambient", "geometry.layers.base.thickness", "geometry.layers.die.thickness",
    "power.sources.a.power", "power.sources.a.x[0]", "power.sources.a.y[1]", "geometry.layers.lid.material.conductivity",
]  # fmt: skip
DECKS: dict[str, tuple[str, list[str]]] = {
    "films": (layers(BASE, DIE, LID) + FILMS, ["cooling.bottom.film_coefficient"]),
    "anisotropy and contact": (
        layers(f"thickness: '0.3 mm', material: {GRAINED}", f"{DIE}, contact_resistance: '2 mm^2*K/W'", LID) + FILMS,
        ["geometry.layers.die.contact_resistance", *(f"geometry.layers.base.material.conductivity[{i}]" for i in range(3))],
    ),
    "footprints": (
        layers(f"{BASE}, size: ['3 mm', '3 mm']", DIE, f"{LID}, size: ['2.4 mm', '2.4 mm']") + FILMS,
        ["geometry.layers.base.size[0]"],
    ),
    "silicon": (
        layers(BASE, f"thickness: '50 um', material: {SILICON}", LID) + FILMS,
        ["geometry.layers.die.material.conductivity"],
    ),
    "fixed below, block": (
        layers(
            BASE, f"{DIE}, blocks: [{{name: plug, x: ['1.2 mm', '1.6 mm'], y: ['1.2 mm', '1.6 mm'], material: {GRAINED}}}]", LID
        )
        + "cooling: {top: {film_coefficient: '5e3 W/m^2/K'}, bottom: {temperature: '310 K'}, ambient: '300 K'}\n",
        ["cooling.bottom.temperature", "geometry.layers.die.blocks.plug.x[1]"],
    ),
}


def loaded(tmp_path: Path, text: str) -> LoadedScenario:
    path = tmp_path / "rates.yaml"
    path.write_text(text + TAIL)
    return stack3d.load(path)


def differenced(scenario: LoadedScenario, key: str, of: str) -> tuple[float, float]:
    """Central difference of two full solves, and how far rounding of two temperatures may move it."""
    case, pair = _OnElements.of(scenario.case.scenario, None), scenario._beside(key)
    node = int(np.argmax(case.rates.solid(case.rates.solved())))
    ends = []
    for one in (pair.lower, pair.upper):
        other = case.moved(one, None, key)
        other = replace(
            other, rates=other.body.rates(other.body.problem(other.chip.stack, one.cooling), _exact(one), other.chip.sources)
        )
        ends.append(_temperature(other, other.rates.solved(), of, node))
    return (ends[1] - ends[0]) / pair.between, ROUNDING / abs(pair.between)


@pytest.mark.parametrize("name", DECKS)
def test_against_central_differences(name: str, tmp_path: Path) -> None:
    text, more = DECKS[name]
    scenario = loaded(tmp_path, text)
    for of in ("peak", "p", "die"):
        found = scenario.gradients([*ALWAYS, *more], of)
        for key, rate in found.items():
            truth, rounding = differenced(scenario, key, of)
            assert rate == pytest.approx(truth, rel=1e-6, abs=rounding), (of, key)


def test_a_whole_source_moves(tmp_path: Path) -> None:
    """The slope by its place is that of both of its edges together."""
    scenario = loaded(tmp_path, DECKS["films"][0])
    for axis in "xy":
        keys = [f"power.sources.a.{axis}{edge}" for edge in ("", "[0]", "[1]")]
        whole, *edges = scenario.gradients(keys, "p").values()
        assert whole == pytest.approx(sum(edges), rel=1e-5)
        truth, rounding = differenced(scenario, keys[0], "p")
        assert whole == pytest.approx(truth, rel=1e-6, abs=rounding)


ON_FEM = {"bricks": {"solver.backend": "fem"}, "tetrahedra": {"solver.backend": "fem", "solver.mesh.cells": "tet"}}


@pytest.fixture
def solves(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Linear solves of DOLFINx and of the tensor solver."""
    counts: Counter[str] = Counter()
    for kind, name in ((LinearSolver, "solve"), (TensorSolver, "solve_loads"), (TensorSolver, "solve")):
        made = getattr(kind, name)

        def counted(*args: Any, _made: Any = made, _kind: str = kind.__name__, **more: Any) -> Any:
            counts[_kind] += 1
            return _made(*args, **more)

        monkeypatch.setattr(kind, name, counted)
    return counts


@pytest.mark.parametrize("name", ["films", "footprints", "fixed below, block"])
@pytest.mark.parametrize("kind", ON_FEM)
def test_fem_solves_its_own_adjoint(kind: str, name: str, tmp_path: Path, solves: Counter[str]) -> None:
    """One more solve of DOLFINx for the place, however many numbers, and none of the tensor solver; on bricks both agree."""
    text, more = DECKS[name]
    scenario = loaded(tmp_path, text)
    found = scenario.with_overrides(ON_FEM[kind]).gradients([*ALWAYS, *more], "peak")
    assert solves == {"LinearSolver": 2}
    if kind == "bricks":
        for key, rate in scenario.gradients([*ALWAYS, *more], "peak").items():
            assert found[key] == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("films", "peak"),
        ("silicon", "die"),
        *(pytest.param(name, of, marks=pytest.mark.slow) for name in DECKS for of in ("peak", "p", "die")),
    ],
)
@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_tetrahedra_against_central_differences(name: str, of: str, order: int, tmp_path: Path) -> None:
    """Full solves on tetrahedra that move with the parts."""
    text, more = DECKS[name]
    scenario = loaded(tmp_path, text).with_overrides({**ON_FEM["tetrahedra"], "solver.order": order})
    scenario = scenario.with_overrides({"solver.linear.method": "direct", "solver.mesh.per_layer": order})
    found = scenario.gradients([*ALWAYS, *more], of)
    for key, rate in found.items():
        truth, rounding = differenced(scenario, key, of)
        assert rate == pytest.approx(truth, rel=1e-6, abs=10 * rounding), (of, key)


@pytest.mark.parametrize("name", ["films", "fixed below, block"])
def test_the_response_that_placements_rank_by_is_the_gradient(name: str, tmp_path: Path) -> None:
    """Superposition on layers that are uniform, and one adjoint solve of the place on others: both are the gradient by power."""
    scenario = loaded(tmp_path, DECKS[name][0])
    found = scenario.gradients(["power.sources.a.power", "power.sources.b.power"], of="p")
    case = _OnElements.of(scenario.case.scenario, None)
    place = place_of(case.chip, "p")
    assert place is not None
    response = thermal_response(case.rates.solver, case.rates.sources, [place])
    np.testing.assert_allclose(response.matrix[0], list(found.values()), rtol=1e-6)


def test_against_runs_on_meshes_of_their_own(tmp_path: Path) -> None:
    """Of numbers that leave the mesh as it is, through the whole program."""
    scenario = loaded(tmp_path, DECKS["silicon"][0])
    for key, low, high in (
        ("cooling.top.film_coefficient", 4990.0, 5010.0),
        ("power.sources.a.power", 2.99, 3.01),
    ):
        unit = {"cooling.top.film_coefficient": "W/m^2/K", "power.sources.a.power": "W"}[key]
        ends = [
            float(scenario.with_overrides({key: f"{v} {unit}"}).run(until="thermal")["thermal/probe_temperature"].item())
            for v in (low, high)
        ]
        assert scenario.gradients([key], "p")[key] == pytest.approx((ends[1] - ends[0]) / (high - low), rel=1e-4)


def test_a_workload_has_the_power_of_its_cells_held() -> None:
    scenario = stack3d.load("quickstart", {"monte_carlo.samples": 2, "cooling.top": {"film_coefficient": "50 W/m^2/K"}})
    scenario = scenario.with_overrides({"cooling.bottom": {"film_coefficient": "20 W/m^2/K"}, "solver": "draft"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        found = scenario.gradients(["power.sources.host.power", "cooling.ambient"])
        tile = scenario.gradients(["power.sources.host.power"], of="tile 3")
        with pytest.raises(DeckError, match="known: peak, .*, tile 0 to tile 9"):
            scenario.gradients(["power.sources.host.power"], of="tile 10")
    assert found["cooling.ambient"] == pytest.approx(1.0, rel=1e-3)
    assert 50 < found["power.sources.host.power"] < 500
    assert tile["power.sources.host.power"] == pytest.approx(found["power.sources.host.power"], rel=0.01)  # mK apart


@pytest.mark.slow
def test_tiles_heat_where_a_strategy_has_put_them() -> None:
    """The chips that a derivative is taken of have their tiles where the placement by heat puts them, which `spread` does not."""
    coarse = {"backend": "tensor", "mesh": {"lateral": 8, "per_layer": 1}, "error_promise": 0.5}
    settings = [("workload.placement", "thermal_aware"), ("monte_carlo.samples", 1), ("solver", coarse)]
    scenario = decks.load("quickstart", settings).scenario
    chip, _ = placed(scenario)
    found = _on_sites(scenario, _heat(scenario))
    assert isinstance(chip, ComputingChip) and isinstance(found, ComputingChip)
    assert found.computer.places == chip.computer.places and found.computer.hops == chip.computer.hops
    assert found.computer.places != placed_chip(scenario, solve=False).computer.places


@pytest.mark.parametrize(
    ("change", "key", "of", "words"),
    [
        ({}, "power.sources.a.power", "q", "no probe, layer or tile 'q'; known: peak, p, base"),
        ({}, "power.sources.a.power", "tile 0", "no probe, layer or tile 'tile 0'; known: peak, p, base"),
        (
            {"geometry.footprint": ["2 mm", "2 mm"]},
            "geometry.footprint",
            "p",
            r"wants one of its 2 numbers, as geometry.footprint\[0\]",
        ),
        (
            {},
            "power.sources.c.power",
            "peak",
            r"sources.c.power: is no key of the deck.*did you mean .*'power.sources.a.power'",
        ),
        ({}, "foo", "peak", "foo: is no key of the deck, of which a derivative could be taken$"),
        ({}, "cooling.topp.film_coefficient", "peak", "is no key of the deck.*'cooling.top.film_coefficient'"),
        ({}, "power.sources.a.x[7]", "peak", "is no key of the deck"),
        (
            {},
            "solver.error_promise",
            "peak",
            "moves no temperature while the power of cells is held; wants a key of geometry, coo",
        ),
        ({}, "geometry", "peak", "wants a quantity other than zero"),
        ({"power.sources.a.power": "0 W"}, "power.sources.a.power", "peak", "wants a quantity other than zero"),
        ({"cooling.top": {"natural": {"facing": "up", "length": "2 mm"}}}, "cooling.ambient", "p", "follows its surface"),
        ({"power.sources.b.x": ["0.5 mm", "2 mm"]}, "power.sources.a.x[0]", "p", "moves an edge away from another"),
    ],
)
def test_what_has_no_gradient(change: dict[str, object], key: str, of: str, words: str, tmp_path: Path) -> None:
    scenario = loaded(tmp_path, DECKS["films"][0]).with_overrides(change)
    with pytest.raises(DeckError, match=words):
        scenario.gradients([key], of)


def test_ties_are_told(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, DECKS["films"][0]).with_overrides({"power.sources.a.power": "0 W"})
    with pytest.warns(ValidityWarning, match="the peak is shared by"):
        scenario.gradients(["cooling.ambient"])
