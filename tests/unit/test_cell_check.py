"""Cells that a package or a file hands in are checked once: their order, their meeting, what they fill and which faces they mark."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks
from stack3d.case import run_case
from stack3d.errors import DeckError, PackageError
from stack3d.fe.elements import node_integrals
from stack3d.geometry.cell_check import cells_objection
from stack3d.geometry.grid import build_grid
from stack3d.geometry.hexahedra import layered_cells
from stack3d.heat.meshing import AnyCells, mesh_kinds
from stack3d.materials import Material
from stack3d.meshes import CUBE, EDGES, CellMesh
from stack3d.progress import Silent

MATTER = Material("m", (1.0, 1.0, 1.0), 1.0)
WALL = """
scenario: wall
geometry:
  footprint: ["2 mm", "1 mm"]
  layers:
    - {name: base, thickness: "0.3 mm", material: {conductivity: "20 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}
    - {name: die, thickness: "0.3 mm", material: {conductivity: "100 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}
power: {sources: [{name: all, layer: die, power: "2 W"}]}
cooling: {bottom: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
solver: {mesh: {cells: bent, lateral: 4, per_layer: 2}, error_promise: 0.2}
"""
Change = Callable[[CellMesh], Any]


@pytest.fixture
def solved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., float]]:
    """Mean of the die on bricks that a kind of another package has changed. [K]"""
    monkeypatch.setattr(mesh_kinds, "_entries", dict(mesh_kinds._entries))
    change: list[Change] = [lambda mesh: mesh]

    @mesh_kinds.register("bent")
    class Bent(AnyCells):
        @classmethod
        def of(cls, chip: Any) -> Any:
            bricks, _ = layered_cells(chip.stack, build_grid(chip.stack, [], chip.scenario.solver.mesh))
            found = change[0](bricks)
            return cls(found) if isinstance(found, CellMesh) else found

    (tmp_path / "wall.yaml").write_text(WALL)

    def run(how: Change, *more: tuple[str, Any]) -> float:
        change[0] = how
        outcome = run_case(decks.load(tmp_path / "wall.yaml", more).scenario, Silent(), until="thermal")
        return float(outcome.record["thermal/layer_temperature_mean"][1])

    yield run


def test_a_mirrored_cell_is_the_same_cell(solved: Callable[..., float]) -> None:
    plain = solved(lambda mesh: mesh)
    assert plain == pytest.approx(300 + 1e6 * (1 / 1e4 + 0.3e-3 / 20 + 0.3e-3 / 100 / 3), rel=2e-3)
    assert solved(lambda mesh: replace(mesh, cells=mesh.cells[:, [4, 5, 6, 7, 0, 1, 2, 3]])) == pytest.approx(plain, abs=1e-8)


def points(mesh: CellMesh, change: Callable[[np.ndarray], Any]) -> CellMesh:
    moved = mesh.points.copy()
    change(moved)
    return replace(mesh, points=moved)


def marked(mesh: CellMesh, keep: Callable[[CellMesh], Any], **more: Any) -> CellMesh:
    there = keep(mesh)
    return replace(mesh, facets=mesh.facets[there], face=mesh.face[there], **more)


def layers_apart(mesh: CellMesh) -> CellMesh:
    """The die on points of its own, but for one corner."""
    die = mesh.region == 1
    own = mesh.points[mesh.cells[die]].reshape(-1, 3)
    table, inverse = np.unique(own, axis=0, return_inverse=True)
    cells = mesh.cells.copy()
    cells[die] = len(mesh.points) + inverse.reshape(-1, 8)
    shared = int(mesh.cells[die][0, 0])
    cells[cells == len(mesh.points) + inverse.reshape(-1)[0]] = shared
    there = (mesh.facets[:, :, None] != -1).all(axis=(1, 2)) & (mesh.points[mesh.facets][:, :, 2] < 0.2e-3).all(axis=1)
    return marked(replace(mesh, points=np.concatenate([mesh.points, table]), cells=cells), lambda m: there)


FLAWS: dict[str, tuple[Change, str]] = {
    "another order": (lambda m: replace(m, cells=m.cells[:, [0, 1, 3, 2, 4, 5, 7, 6]]), "32 of 32 cells tangled, the first one cell 0 of region 'base'.*order of VTK"),
    "one cell in another order": (lambda m: replace(m, cells=np.concatenate([m.cells[:5], m.cells[5:6, [1, 0, 2, 3, 4, 5, 6, 7]], m.cells[6:]])), "1 of 32 cells tangled, the first one cell 5"),
    # the top turned by 90 degrees: the integral of (1 - z)² + z² is two thirds
    "a twist": (lambda m: replace(m, cells=m.cells[:, [0, 1, 2, 3, 5, 6, 7, 4]]), "fills 4e-10 m3 of layer 'base'; wanted 6e-10 m3, its box, by nodes in the order of VTK"),
    "no number": (lambda m: points(m, lambda p: p.__setitem__((3, 1), np.nan)), r"point 3 at \[.*nan.*\] m; wanted finite"),
    "an index too large": (lambda m: replace(m, cells=np.where(m.cells == 9, 10**6, m.cells)), "= 1000000; wanted 0 to"),
    "an index below zero": (lambda m: replace(m, cells=np.where(m.cells == 9, -1, m.cells)), "= -1; wanted 0 to"),
    "a list": (lambda m: replace(m, cells=m.cells.tolist()), "has cells as .*; wanted an array, of a CellMesh"),
    "short floats": (lambda m: replace(m, points=m.points.astype(np.float32)), "type float32; wanted .* of float64"),
    "numbers for indices": (lambda m: replace(m, cells=m.cells.astype(float)), "cells of type float64; wanted whole numbers"),
    "too few nodes": (lambda m: replace(m, cells=m.cells[:, :4]), r"cells of shape \(32, 4\); wanted \(cells, 8\)"),
    "another kind": (lambda m: replace(m, kind="wedge"), "cells of kind 'wedge'; wanted tetra, tetra10, hexahedron"),
    "a region too many": (lambda m: replace(m, region=m.region + 1), "= 2; wanted 0 to 1, an index into names"),
    "too few regions": (lambda m: replace(m, region=m.region[:5]), r"region of shape \(5,\); wanted one number for each cell"),
    "an unknown region": (lambda m: replace(m, names=("base", "dye")), "region 'dye'; wanted the layers of the stack: base, die"),
    "regions exchanged": (lambda m: replace(m, names=("die", "base")), "region 'base' of .*wanted the material of its layer|wanted the box"),
    "another material": (lambda m: replace(m, materials=(MATTER, MATTER)), "region 'base' of 'm'; wanted the material of its layer"),
    "a hole": (lambda m: replace(m, cells=m.cells[1:], region=m.region[1:]), "fills .* m3 of layer 'base'|no outer side"),
    "a part alone": (lambda m: points(m, lambda p: p.__imul__(0.5)), "fills .* m3 of layer 'base'; wanted 6e-10 m3"),
    "layers elsewhere": (lambda m: points(m, lambda p: p.__iadd__(1e-3)), r"region 'base' from \(1, 1, 1\) to"),
    "a cell twice": (lambda m: replace(m, cells=np.concatenate([m.cells, m.cells[:1]]), region=np.append(m.region, 0)), "fills 6.375e-10 m3 of layer 'base'"),
    "layers that touch": (layers_apart, "touch without sharing the nodes of a whole side"),
    "a facet inside": (lambda m: replace(m, facets=np.concatenate([m.facets, m.cells[:1, 4:]]), face=np.append(m.face, 0)), "no outer side of a cell"),
    "a facet twice": (lambda m: replace(m, facets=np.concatenate([m.facets, m.facets[:1]]), face=np.append(m.face, m.face[0])), "of face 'bottom' twice"),
    "no bottom": (lambda m: marked(m, lambda m: m.face != m.faces.index("bottom")), "marks 0 m2 as face 'bottom'; wanted 2e-06 m2"),
    "half a bottom": (lambda m: marked(m, lambda m: np.arange(len(m.face)) > 3), "marks 1e-06 m2 as face 'bottom'; wanted 2e-06"),
    "top for bottom": (lambda m: replace(m, faces=("top", "bottom", "sides")), "facet of face 'bottom' that does not lie there"),
    "no mesh": (lambda m: m.points, "array.*; wanted one of its own"),
}  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_refused_with_kind_cell_and_what_was_expected(solved: Callable[..., float], flaw: str) -> None:
    change, said = FLAWS[flaw]
    with pytest.raises(PackageError, match=rf"(?s)^mesh kind 'bent' \(.*Bent\): of gave .*({said})"):
        solved(change)


@pytest.mark.parametrize(("method", "answer", "said"), [
    ("unknowns", "many", "unknowns gave 'many'; wanted a number of zero or more"),
    ("memory", None, "memory gave None; wanted a number"),
    ("problem", None, "problem gave None; wanted a HeatProblem"),
    ("solver", 3, "solver gave 3; wanted a SolidBackend"),
    ("cells", (), r"cells gave \(\); wanted a CellMesh"),
    ("told", 5, "told gave 5; wanted words"),
])  # fmt: skip
def test_every_answer_of_a_kind_is_checked(method: str, answer: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_kinds, "_entries", dict(mesh_kinds._entries))
    content = {"__module__": __name__, "of": classmethod(lambda cls, chip: None), method: lambda self, *given: answer}
    kind: Any = mesh_kinds.register("odd")(type("Odd", (AnyCells,), content))
    with pytest.raises(PackageError, match=rf"mesh kind 'odd' \(test_cell_check.Odd\): {said}"):
        getattr(kind(None), method)(None, None, None)


def test_order_2_on_own_hexahedra_is_told_for_the_kind(solved: Callable[..., float]) -> None:
    with pytest.raises(DeckError, match=r"solver.order: 2 wants tetrahedra; the mesh kind 'bent' \(.*\) makes hexahedra"):
        solved(lambda mesh: mesh, ("solver.order", 2))


def single(kind: Any, at: np.ndarray, cells: np.ndarray) -> CellMesh:
    width = 4 if kind == "hexahedron" else 3
    none = np.empty((0, width), np.intp)
    return CellMesh(kind, at, cells, np.zeros(len(cells), np.intp), ("a",), (MATTER,), none, np.empty(0, np.intp), ())


def test_of_all_orders_of_a_brick_only_those_of_the_brick_are_good() -> None:
    """48 of 40,320: a brick turned and mirrored. Those whose Jacobians have one sign all the same fill less than the brick."""
    from stack3d.geometry.cell_check import _shapes_of

    at = CUBE * [1e-3, 2e-3, 1e-4]
    orders = np.array(list(itertools.permutations(range(8))))
    twisted, flat, volume = _shapes_of("hexahedron", at.T[:, orders.T])
    volume = volume[~twisted & ~flat]
    assert np.sum(np.abs(volume / 2e-10 - 1) < 1e-6) == 48 and np.all(volume < 2e-10 * (1 + 1e-9))


@pytest.mark.parametrize("kind", ["tetra", "tetra10", "hexahedron"])
def test_volumes_are_those_of_the_shape_functions(kind: Any) -> None:
    from stack3d.geometry.cell_check import _shapes_of

    tetra = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    at = {"tetra": tetra, "hexahedron": CUBE, "tetra10": np.concatenate([tetra, tetra[np.array(EDGES)].mean(axis=1)])}[kind]
    at = at * [2, 1, 0.5] + 0.01 * np.random.default_rng(3).normal(size=(20, *at.shape))
    mesh = single(kind, at.reshape(-1, 3), np.arange(at.shape[0] * at.shape[1]).reshape(20, -1))
    twisted, flat, volumes = _shapes_of(kind, np.moveaxis(at, 2, 0).swapaxes(1, 2))
    assert not twisted.any() and not flat.any()
    np.testing.assert_allclose(volumes, node_integrals(mesh, 1).sum(axis=1), rtol=1e-12)


def test_of_all_orders_of_middles_only_that_of_vtk_is_good() -> None:
    at = np.array([[0, 0, 0], [1, 0.1, 0], [0.2, 1.1, 0], [0.1, 0.3, 0.9]])
    at = np.concatenate([at, at[np.array(EDGES)].mean(axis=1)])
    found = [cells_objection(single("tetra10", at, np.array([[0, 1, 2, 3, *o]]))) for o in itertools.permutations(range(4, 10))]
    assert found[0] is None and all(text is not None and "tangled" in text for text in found[1:])


def test_other_diagonals_on_the_two_sides_of_a_plane_are_seen() -> None:
    """Two prisms of tetrahedra, one upon the other: their triangles share all corners and no side."""
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, -1], [0.5, 0.5, 1]])
    lower, upper = [[0, 1, 2, 4], [0, 2, 3, 4]], [[0, 1, 3, 5], [1, 2, 3, 5]]
    assert cells_objection(single("tetra", square, np.array([*lower, [0, 1, 2, 5], [0, 2, 3, 5]]))) is None
    found = cells_objection(single("tetra", square, np.array([*lower, *upper])))
    assert found is not None and "touch without sharing" in found
    third = cells_objection(single("tetra", square, np.array([*lower, [0, 1, 2, 5], [0, 2, 1, 5]])))
    assert third is not None and "(regions 'a' and 'a') that have one side with a third cell" in third
    flat = cells_objection(single("tetra", square, np.array([[0, 1, 2, 3], *lower])))
    assert flat is not None and flat.startswith("has 1 of 3 cells flat, the first one cell 0")


def test_every_kind_of_the_package_makes_sound_cells(tmp_path: Path) -> None:
    from stack3d.case import check
    from stack3d.heat.meshing import meshed

    path = tmp_path / "wall.yaml"
    path.write_text(WALL.replace("cells: bent", "cells: hex"))
    for name in ("hex", "tet"):
        chip = check(decks.load(path, [("solver.mesh.cells", name)]).scenario)
        assert meshed(chip).objection(chip) is None
