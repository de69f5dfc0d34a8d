"""Every registered kind of mesh answers all that is asked of a mesh; nobody asks a mesh, a problem or a solver what it is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from test_imports import FILES, ROOT

from stack3d import decks
from stack3d.case import check, run_case
from stack3d.chip import Chip
from stack3d.geometry.gmsh_model import named_model, write_mesh
from stack3d.heat.meshing import Bricks, MeshKind, kind_of, meshed
from stack3d.heat.solvers import Backends
from stack3d.progress import Silent
from stack3d.schema.numerics import CELLS, OF_A_FILE, mesh_kinds

WALL = """
scenario: wall
geometry:
  footprint: ["2 mm", "1 mm"]
  layers:
    - {name: base, thickness: "0.3 mm", material: {conductivity: "20 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}
    - {name: die, thickness: "0.1 mm", material: {conductivity: "100 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}
power: {sources: [{name: all, layer: die, power: "2 W"}]}
cooling: {bottom: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
solver: {mesh: {lateral: 6, per_layer: 2}, error_promise: 0.05}
"""
DIE = 300 + 1e6 * (1 / 1e4 + 0.3e-3 / 20 + 0.1e-3 / 100 / 3)
"""Mean of the die: film, base, and a third of its own resistance. [K]"""


@pytest.fixture(params=sorted(mesh_kinds))
def chip(request: pytest.FixtureRequest, tmp_path: Path) -> Chip:
    """The wall on a kind of mesh."""
    path = tmp_path / "wall.yaml"
    path.write_text(WALL)
    if request.param != OF_A_FILE:
        return check(decks.load(path, [("solver.mesh.cells", request.param)]).scenario)
    built = check(decks.load(path).scenario)
    with named_model(Bricks.of(built).cells(built.stack, built.scenario.cooling)) as named:
        write_mesh(named, tmp_path / "wall.msh")
    layers = decks.load(path).tree["geometry"]["layers"]
    own = {"mesh": str(tmp_path / "wall.msh"), "mesh_unit": "1 m", "materials": {la["name"]: la["material"] for la in layers}}
    cooling = {"faces": {"bottom": {"film_coefficient": "1e4 W/m^2/K"}}, "ambient": "300 K"}
    return check(decks.load(path, [("geometry", own), ("cooling", cooling)]).scenario)


def test_the_words_of_profiles_are_kinds() -> None:
    assert {*CELLS, OF_A_FILE} <= set(mesh_kinds)


def test_a_kind_answers(chip: Chip) -> None:
    scenario, kind = chip.scenario, kind_of(chip.scenario)
    body = meshed(chip)
    assert kind.__doc__ and issubclass(kind, MeshKind) and not kind.mistakes(scenario)
    assert body.unknowns(chip.stack, 1) > 12 and body.memory(scenario.solver) > 0 <= kind.least_memory(chip)
    assert str(len(body.cells(chip.stack, scenario.cooling).cells)) in body.told(1) or " x " in body.told(1)
    assert all(isinstance(fact, str) for fact in body.facts(scenario.solver).values())
    mesh = body.cells(chip.stack, scenario.cooling)
    assert mesh.names == ("base", "die") and mesh.face_areas["bottom"] == pytest.approx(2e-6)
    problem = body.problem(chip.stack, scenario.cooling)
    assert problem.area("bottom") == pytest.approx(2e-6) and problem.faces["bottom"].film_coefficient == pytest.approx(1e4)
    backends = Backends()
    solution = backends.solid(scenario, chip.stack, body).solve(chip.sources)
    assert solution.heat_out == pytest.approx(2.0, rel=1e-8)
    state = body.on_cells(problem, solution.field.values, scenario.solver.order, chip.sources)
    assert state.temperature.shape == (state.mesh.n_nodes,) and state.power_density.shape == (len(state.mesh.cells),)
    die = state.mesh.region == state.mesh.names.index("die")
    assert state.power_density[die] == pytest.approx(2 / 2e-10, rel=1e-6) and not state.power_density[~die].any()
    assert state.temperature.max() == pytest.approx(solution.field.layer_peak("die")[0], rel=1e-3)


def test_the_error_of_a_kind_holds(chip: Chip) -> None:
    found = run_case(chip.scenario, Silent()).record
    die = [layer.name for layer in chip.stack.layers].index("die")
    error = found["thermal/layer_temperature_mean_error"][die]  # of cut hexahedra twice the difference
    assert abs(found["thermal/layer_temperature_mean"][die] - DIE) <= error + 1e-9 < 0.05 * (DIE - 300)


ROOMS = ("meshes.py", "grids.py", "heat/meshing/", "thermal/problem.py", "thermal/mesh_problem.py", "thermal/column_problem.py",
         "thermal/backend.py", "thermal/fields/", "thermal/fem/", "thermal/grid/", "thermal/time/", "thermal/cooling/")  # fmt: skip
"""Where meshes, problems, fields, solvers and systems are."""


def _home(path: Path) -> str:
    """Folder or file of `ROOMS` that a file belongs to."""
    name = str(path.relative_to(ROOT))
    return next((room for room in ROOMS if name.startswith(room)), "")


def _classes() -> dict[str, str]:
    """Every class of these rooms, and its home."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES if _home(path)}
    return {n.name: _home(path) for path, tree in trees.items() for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}


def _asked(tree: ast.AST) -> set[str]:
    """Names of classes that a file tests for: in ``isinstance``, ``issubclass``, ``type(…) is``, or a pattern of ``match``."""
    found: set[str] = set()

    def names(node: ast.AST) -> set[str]:
        return {n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))}

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
            found |= names(node.args[1])
        elif isinstance(node, ast.Compare) and "type" in names(node.left):
            found |= set().union(*(names(n) for n in node.comparators))
        elif isinstance(node, ast.MatchClass):
            found |= names(node.cls)
    return found


def test_nobody_asks_a_mesh_or_a_solver_what_it_is() -> None:
    """Outside their own room meshes, problems, fields, solvers and systems are told what to do."""
    classes = _classes()
    assert {"Grid", "CellMesh", "Columns", "Bricks", "ThermalProblem", "MeshProblem", "TensorSolver", "NodalSystem"} <= set(
        classes
    )
    wrong: dict[str, Any] = {}
    for path in FILES:
        asked = _asked(ast.parse(path.read_text(encoding="utf-8")))
        if strange := sorted(name for name in asked if name in classes and classes[name] != _home(path)):
            wrong[str(path.relative_to(ROOT))] = strange
    assert not wrong


def test_the_walk_sees_a_question() -> None:
    asked = _asked(ast.parse("if isinstance(a, (Grid, thermal.Columns)) or type(b) is CellMesh: ..."))
    assert {"Grid", "Columns", "CellMesh"} <= asked
