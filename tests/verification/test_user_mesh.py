"""A mesh of the user's own: closed forms on every kind of cell it may have, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import MISSED, DeckError
from stack3d.geometry.gmsh_model import gmsh_model, named_model, write_mesh
from stack3d.heat.meshing import meshed
from stack3d.heat.meshing.judging import SAFE
from stack3d.meshes import CellMesh
from stack3d.progress import Silent
from stack3d.schema.scenario import Scenario

DECK = """
scenario: part
geometry:
  mesh: {file}
  mesh_unit: "1 mm"
  materials:
    base: {{conductivity: "20 W/m/K", heat_capacity: "1.6e6 J/m^3/K"}}
    die: {{conductivity: ["100 W/m/K", "100 W/m/K", "5 W/m/K"], heat_capacity: "1.6e6 J/m^3/K"}}
power: {{sources: [{{name: heat, layer: die, power: "2 W"}}]}}
cooling: {{faces: {{cold: {{film_coefficient: "1e4 W/m^2/K"}}}}, ambient: "300 K"}}
probes: [{{name: inside, layer: base, x: "1.3 mm", y: "0.4 mm", z: "0.7 mm"}}]
limits: {{die: "85 degC"}}
solver: {{mesh: {{lateral: 8}}, order: {order}, error_promise: 0.02}}
"""
WIDTH, DEPTH, BASE, DIE = 3.0, 2.0, 1.0, 0.5


def write_slab(path: Path, kind: str, *, fragment: bool = True, inner: bool = False, moved: float = 0.0) -> None:
    """Two slabs on top of each other, in millimetres, with the faces ``cold`` below and ``open`` on top.

    Inner nodes are `moved` at random by up to that share of the size of an element.
    """
    with gmsh_model("slab") as gmsh:
        occ, mesh = gmsh.model.occ, gmsh.model.mesh
        low, high = occ.addBox(0, 0, 0, WIDTH, DEPTH, BASE), occ.addBox(0, 0, BASE, WIDTH, DEPTH, DIE)
        if fragment:
            occ.fragment([(3, low)], [(3, high)])
        occ.synchronize()
        for name, tag in (("base", low), ("die", high)):
            gmsh.model.addPhysicalGroup(3, [tag], name=name)
        for name, z in (("cold", 0.0), ("open", BASE + DIE), *((("seam", BASE),) if inner else ())):
            at = [t for _, t in gmsh.model.getEntities(2) if abs(occ.getCenterOfMass(2, t)[2] - z) < 1e-9]
            gmsh.model.addPhysicalGroup(2, at, name=name)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.6)
        if kind == "hexahedron":
            for _, curve in gmsh.model.getEntities(1):
                mesh.setTransfiniteCurve(curve, 5)
            for _, surface in gmsh.model.getEntities(2):
                mesh.setTransfiniteSurface(surface)
                mesh.setRecombine(2, surface)
            for _, volume in gmsh.model.getEntities(3):
                mesh.setTransfiniteVolume(volume)
        mesh.generate(3)
        if kind == "tetra10":
            mesh.setOrder(2)
        random = np.random.default_rng(7)
        for volume in (low, high) if moved else ():
            for node in mesh.getNodes(3, volume)[0]:
                place = mesh.getNode(node)[0] + moved * random.uniform(-1, 1, 3) * (WIDTH / 4, DEPTH / 4, DIE / 4)
                mesh.setNode(node, place, [])
        gmsh.write(str(path))


def scenario_of(path: Path, order: int = 1, **changed: Any) -> Any:
    deck = path.parent / "part.yaml"
    case = decks.resolve(yamlfile.parse_text(DECK.format(file=path.name, order=order), str(deck)), deck, [*changed.items()])
    try:
        check(case.scenario)
    except DeckError as error:
        raise DeckError(case.locate(error.problems)) from None
    return case.scenario


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("meshes")
    for kind in ("tetra", "tetra10", "hexahedron"):
        write_slab(folder / f"{kind}.msh", kind)
    yield folder


@pytest.mark.parametrize(("kind", "order"), [("tetra", 2), ("tetra10", 2), ("tetra", 1), ("tetra10", 1), ("hexahedron", 1)])
def test_heated_slab(folder: Path, kind: str, order: int) -> None:
    """Die heated all over, base cooled from below: its mean and peak from the flux; order 2 holds the parabola exactly."""
    outcome = run_case(scenario_of(folder / f"{kind}.msh", order), Silent())
    values = outcome.values
    flux = 2.0 / (WIDTH * DEPTH * 1e-6)
    below = flux / 1e4
    interface = below + flux * BASE * 1e-3 / 20.0
    drop = flux * DIE * 1e-3 / 5.0  # q t² / k of a layer heated all over
    # linear elements follow a chord of the parabola, or less: q h² / 8 k
    slack = 1e-8 * drop if order == 2 else drop / 8
    names = list(outcome.coordinates["layer"])
    assert names == ["base", "die"]
    np.testing.assert_allclose(
        values["thermal/layer_temperature_mean"][0] - 300.0, 0.5 * (below + interface), rtol=0, atol=slack
    )
    np.testing.assert_allclose(values["thermal/layer_temperature_mean"][1] - 300.0, interface + drop / 3, rtol=0, atol=slack)
    np.testing.assert_allclose(values["thermal/layer_temperature_max"][1] - 300.0, interface + drop / 2, rtol=0, atol=slack)
    np.testing.assert_allclose(values["thermal/probe_temperature"][0] - 300.0, below + flux * 0.7e-3 / 20.0, rtol=0, atol=slack)
    assert values["thermal/heat_balance_error"] < 1e-10
    assert list(outcome.coordinates["face"])[-1] == "cold"
    np.testing.assert_allclose(values["thermal/face_heat"][-1], 2.0, rtol=1e-9)
    estimate = values["thermal/discretisation_error"]
    if kind == "hexahedron":  # four elements: the mean of the chords lies q h² / 12 k low; of order 2, where 1 is taken
        np.testing.assert_allclose(estimate, SAFE * 2 * 3 / 4 * drop / 16 / 12, rtol=1e-6)
    else:
        assert 0 < estimate < 2 * drop / 8


def test_estimate_follows_the_error_of_moved_hexahedra(folder: Path) -> None:
    """Means and probes of the heated slab against the closed form, on elements that are no bricks any more."""
    write_slab(folder / "moved.msh", "hexahedron", moved=0.3)
    places = [(0.4, 0.3, 1.1), (1.7, 1.2, 1.3), (2.6, 1.6, 1.45), (1.1, 0.9, 0.6)]
    probes = [
        {"name": f"p{i}", "layer": "die" if z > BASE else "base", "x": f"{x} mm", "y": f"{y} mm", "z": f"{z} mm"}
        for i, (x, y, z) in enumerate(places)
    ]
    values = run_case(scenario_of(folder / "moved.msh", probes=probes), Silent()).values
    flux = 2.0 / (WIDTH * DEPTH * 1e-6)
    drop, interface = flux * DIE * 1e-3 / 5.0, flux / 1e4 + flux * BASE * 1e-3 / 20.0
    above = (np.array([z for _, _, z in places]) - BASE) / DIE
    exact = interface + np.where(above > 0, drop * (above - above**2 / 2), flux * above * DIE * 1e-3 / 20.0)
    means = np.array([0.5 * (flux / 1e4 + interface), interface + drop / 3])
    errors = [values["thermal/probe_temperature"] - 300.0 - exact, values["thermal/layer_temperature_mean"] - 300.0 - means]
    error = max(float(np.abs(e).max()) for e in errors)
    assert 1e-3 * drop < error  # there is something to estimate
    assert 0.5 * error < values["thermal/discretisation_error"] < 3 * error


def test_a_mesh_too_large_to_refine_has_no_estimate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset says so, the report prints no number, and a strict run does not pass for one that keeps its promise."""
    from stack3d.heat.meshing import cell_kinds
    from stack3d.report import page
    from stack3d.report.facts import Facts
    from stack3d.results.case_tree import to_tree

    monkeypatch.setattr(cell_kinds, "MOST_UNKNOWNS", 100)
    deck = folder / "part.yaml"
    case = decks.resolve(yamlfile.parse_text(DECK.format(file="hexahedron.msh", order=1), str(deck)), deck)
    outcome = run_case(case.scenario, Silent())
    assert any(text.startswith(MISSED) and "not estimated" in text for text in outcome.warnings)
    tree = to_tree(case, outcome)
    found = tree["thermal/discretisation_error"]
    assert np.isnan(float(found)) and "not estimated" in found.attrs["comment"]
    assert "<td>none</td>" in page.numbers(Facts(tree)) and "nan" not in page.numbers(Facts(tree))


def cells_of(scenario: Scenario) -> CellMesh:
    chip = check(scenario)
    return meshed(chip).cells(chip.stack, scenario.cooling)


def test_round_trip_of_names(folder: Path) -> None:
    """Regions and faces that `stack3d mesh` writes into a msh file come back from it, curved cells included."""
    for kind in ("tetra", "tetra10", "hexahedron"):
        one = cells_of(scenario_of(folder / f"{kind}.msh"))
        with named_model(one) as named:
            write_mesh(named, folder / f"again_{kind}.msh")
        two = cells_of(scenario_of(folder / f"again_{kind}.msh", **{"geometry.mesh_unit": "1 m"}))
        assert (one.names, one.faces, one.kind) == (two.names, two.faces, two.kind)
        np.testing.assert_allclose(np.sort(one.points, axis=0), np.sort(two.points, axis=0), rtol=0, atol=1e-15)
        assert one.face_areas == pytest.approx(two.face_areas, rel=1e-12)
        assert np.bincount(one.region).tolist() == np.bincount(two.region).tolist()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"cooling.faces": {"colt": "cold_plate"}},
            r"cooling.faces.colt: the mesh has no face 'colt' \(did you mean 'cold'\?\)",
        ),
        ({"cooling.top": "cold_plate"}, "cooling.top: is a face of a stack"),
        ({"geometry.materials": {"base": "copper"}}, "region 'die' of tetra.msh has no material"),
        ({"geometry.materials.dye": "copper"}, "tetra.msh has no region 'dye'.*did you mean 'die'"),
        ({"geometry.mesh": "nowhere.msh"}, "nowhere.msh cannot be read"),
        ({"geometry.footprint": ["1 mm", "1 mm"]}, "leave out footprint"),
        ({"power.sources.heat.x": ["0 mm", "1 mm"]}, "heats a whole region"),
        ({"power.sources.heat.layer": "dice"}, "no layer 'dice'"),
        ({"probes": [{"name": "p", "layer": "die", "x": "1 mm", "y": "1 mm"}]}, r"probes\[0\].z: is missing"),
        ({"maps": {"layers": ["die"], "grid": [2, 2]}}, "maps: does not go with a mesh of your own"),
        ({"solver.backend": "tensor"}, "tensor wants the lines of a stack"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DeckError, match=message):
        scenario_of(folder / "tetra.msh", **changed)


def test_meshes_that_cannot_be_used(folder: Path) -> None:
    """Loose parts, several kinds of cells, an inner face, no names, another order."""
    write_slab(folder / "loose.msh", "tetra", fragment=False)
    with pytest.raises(DeckError, match="falls into 2 parts that share no node"):
        scenario_of(folder / "loose.msh")
    write_slab(folder / "inner.msh", "tetra", inner=True)
    with pytest.raises(DeckError, match="'seam' lies inside the mesh"):
        scenario_of(folder / "inner.msh", **{"cooling.faces": {"seam": "cold_plate"}})
    with pytest.raises(DeckError, match="2 wants tetrahedra"):
        scenario_of(folder / "hexahedron.msh", order=2)
    import meshio

    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1], [0, 0, 2.0]])
    cells = [("wedge", [[0, 1, 2, 3, 4, 5]]), ("tetra", [[3, 4, 5, 6]])]
    meshio.Mesh(points, cells).write(folder / "mixed.vtu")
    with pytest.raises(DeckError, match="mixed.vtu has tetra and wedge; wants one kind of tetra, tetra10, hexahedron"):
        scenario_of(folder / "mixed.vtu")
    meshio.Mesh(points, cells[1:]).write(folder / "nameless.vtu")
    with pytest.raises(DeckError, match="names no region"):
        scenario_of(folder / "nameless.vtu")


def test_names_from_cell_sets(folder: Path) -> None:
    """A format without Gmsh's physical groups: regions and faces are its element sets."""
    import meshio

    whole = meshio.read(folder / "tetra.msh")
    solid = next(i for i, block in enumerate(whole.cells) if block.type == "tetra")
    sets: dict[str, list[Any]] = {}
    for name, (tag, _) in whole.field_data.items():
        sets[name] = [np.flatnonzero(tags == tag) for tags in whole.cell_data["gmsh:physical"]]
    assert whole.cells[solid].type == "tetra"
    kept = [i for i, block in enumerate(whole.cells) if block.type in ("tetra", "triangle")]
    cells = [whole.cells[i] for i in kept]
    named = {name: [parts[i] for i in kept] for name, parts in sets.items()}
    meshio.Mesh(whole.points, cells, cell_sets=named).write(folder / "sets.inp")
    one, two = (run_case(scenario_of(folder / f), Silent()).values for f in ("tetra.msh", "sets.inp"))
    key = "thermal/layer_temperature_mean"
    np.testing.assert_allclose(one[key], two[key], rtol=1e-12)
    del named["die"]
    meshio.Mesh(whole.points, cells, cell_sets=named).write(folder / "half.inp")
    with pytest.raises(DeckError, match=r"half.inp has \d+ of \d+ cells in no named region \(base\)"):
        scenario_of(folder / "half.inp", **{"geometry.materials": {"base": "copper"}})


ROD = """
scenario: rod
geometry: {{mesh: {file}, mesh_unit: "1 mm", materials: {{rod: {{conductivity: "2 W/m/K", heat_capacity: "1e6 J/m^3/K"}}}}}}
power: {{sources: [{{name: heat, layer: rod, power: "1 W"}}]}}
cooling: {{faces: {{mantle: {{film_coefficient: "500 W/m^2/K"}}}}, ambient: "300 K"}}
probes: [{{name: axis, layer: rod, x: "0 mm", y: "0 mm", z: "0.5 mm"}}]
solver: {{mesh: {{lateral: 8}}, order: {order}, error_promise: 0.02}}
"""


@pytest.mark.parametrize(("curved", "order", "bound"), [(False, 1, 2e-2), (False, 2, 2e-2), (True, 2, 2e-4)])
def test_round_rod(tmp_path: Path, curved: bool, order: int, bound: float) -> None:
    """Heated all over, cooled around: the axis lies q R / 2 h + q R² / 4 k over ambient; curved cells hold the circle."""
    radius, height = 1.0, 1.0
    with gmsh_model("rod") as gmsh:
        rod = gmsh.model.occ.addCylinder(0, 0, 0, 0, 0, height, radius)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(3, [rod], name="rod")
        round_ = [t for _, t in gmsh.model.getEntities(2) if gmsh.model.getType(2, t) == "Cylinder"]
        gmsh.model.addPhysicalGroup(2, round_, name="mantle")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.35)
        gmsh.model.mesh.generate(3)
        if curved:
            gmsh.model.mesh.setOrder(2)
        gmsh.write(str(tmp_path / "rod.msh"))
    deck = tmp_path / "rod.yaml"
    values = run_case(
        decks.resolve(yamlfile.parse_text(ROD.format(file="rod.msh", order=order), str(deck)), deck).scenario, Silent()
    ).values
    source = 1.0 / (np.pi * 1e-6 * 1e-3)
    inside = source * 1e-6 / (4 * 2.0)
    mantle = source * 1e-3 / (2 * 500.0)
    np.testing.assert_allclose(values["thermal/probe_temperature"][0] - 300.0, mantle + inside, rtol=bound)
    np.testing.assert_allclose(values["thermal/layer_temperature_mean"][0] - 300.0, mantle + inside / 2, rtol=bound)
    assert values["thermal/heat_balance_error"] < 1e-10
