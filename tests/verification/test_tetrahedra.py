"""Tetrahedra of a stack against closed forms, conservation and the other backend."""

from pathlib import Path

import numpy as np
import pytest

from stack3d import decks, yamlfile
from stack3d.case import check, run_case
from stack3d.errors import DeckError
from stack3d.geometry.tetrahedra import build_columns
from stack3d.layout import HeatSource, Layer, Material, Rectangle, Stack, Surface
from stack3d.progress import Silent
from stack3d.schema.numerics import MeshDeck
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.column_problem import ColumnProblem
from stack3d.thermal.fem.solver_of_cells import solver_of_cells
from stack3d.thermal.fields.on_columns import ColumnField
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.problem import Face, ThermalProblem

BOX = Rectangle(0.0, 2e-3, 0.0, 1e-3)
WIDE = Rectangle(-1e-3, 3e-3, -1e-3, 2e-3)
MESH = MeshDeck(lateral=8, refinement=2, per_layer=2, aspect=2.0, cells="tet")
FINER = MeshDeck(lateral=16, refinement=4, per_layer=2, aspect=1.0, cells="tet")


def layer(name: str, z: float, thickness: float, k: tuple[float, float, float], contact: float = 0.0, extent=BOX) -> Layer:
    return Layer(name, z, z + thickness, extent, Material(name, k, 1.6e6), contact)


STACK = Stack(
    (
        layer("l0", 0.0, 1e-4, (100.0, 100.0, 50.0)),
        layer("l1", 1e-4, 2e-6, (1.0, 1.0, 0.5), 2e-6),
        layer("l2", 1.02e-4, 5e-4, (400.0,) * 3),
        layer("l3", 6.02e-4, 1e-5, (20.0, 30.0, 4.0), 1e-6),
    ),
    BOX,
)
SOURCES = [
    HeatSource("a", "l0", Rectangle(0.3e-3, 0.71e-3, 0.22e-3, 0.57e-3), 1.0),
    HeatSource("b", "l2", Rectangle(1.1e-3, 1.9e-3, 0.0, 1e-3), 0.5),
    HeatSource("c", "l1", BOX, 0.25),
]


def solve(stack: Stack, faces: dict[str, Face], sources: list[HeatSource], mesh: MeshDeck = MESH, **options) -> ThermalSolution:
    surfaces = [Surface(n, "l0", "top", (Rectangle(-1e-3, 0.0, -1e-3, 2e-3),)) for n in faces if n == "shelf"]
    return solver_of_cells(ColumnProblem(stack, build_columns(stack, sources, mesh, surfaces), faces), **options).solve(sources)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("method", "preconditioner"), [("direct", "auto"), ("cg", "icc"), ("cg", "gamg")])
def test_layered_conduction_in_one_dimension(order: int, method: str, preconditioner: str) -> None:
    """Heat into the top, bottom cooled: resistances in series, contacts included, to 1e-9 of the rise at every interface."""
    flux, film = 1.5e6, 2e4
    options = {"order": order, "method": method, "preconditioner": preconditioner, "tolerance": 1e-12}
    solution = solve(STACK, {"bottom": Face(film, 310.0), "top": Face(flux=flux)}, [], **options)
    field = solution.field
    rise = flux / film
    for part in STACK.layers:
        rise += flux * part.contact_resistance
        below, rise = rise, rise + flux * part.thickness / part.material.conductivity[2]
        np.testing.assert_allclose(field.at(part.name, 0.7e-3, 0.3e-3, part.z0) - 310.0, below, rtol=1e-9)
        np.testing.assert_allclose(field.at(part.name, 1.3e-3, 0.9e-3, part.z1) - 310.0, rise, rtol=1e-9)
        np.testing.assert_allclose(field.layer_mean(part.name) - 310.0, 0.5 * (below + rise), rtol=1e-9)
        np.testing.assert_allclose(field.map(part.name, 3, 2) - 310.0, 0.5 * (below + rise), rtol=1e-9)
    peak, place = field.layer_peak("l3")
    np.testing.assert_allclose(peak - 310.0, rise, rtol=1e-9)
    assert place[2] == pytest.approx(STACK.height, rel=1e-12)
    assert field.face_peak("top") == peak
    assert solution.balance < 1e-11


FACES = {
    "top": {"top": Face(1e4, 300.0)},
    "top_and_bottom": {"top": Face(1e4, 300.0), "bottom": Face(50.0, 320.0)},
    "fixed_bottom": {"top": Face(1e3, 300.0), "bottom": Face(np.inf, 330.0)},
    "two_fixed": {"top": Face(np.inf, 300.0), "bottom": Face(np.inf, 330.0)},
    "sides": {"top": Face(1e3, 300.0), "sides": Face(200.0, 310.0)},
    "fixed_corner": {"top": Face(np.inf, 300.0), "sides": Face(np.inf, 300.0)},
    "flux": {"top": Face(1e4, 300.0), "bottom": Face(0.0, 300.0, 2e4)},
    "shelf": {"top": Face(1e4, 300.0), "shelf": Face(2e3, 305.0)},
}
PACKAGE = Stack(
    (
        layer("l0", 0.0, 2e-4, (10.0, 10.0, 5.0), extent=WIDE),
        layer("l1", 2e-4, 2e-5, (1.0, 1.0, 0.5), 2e-6),
        layer("l2", 2.2e-4, 3e-4, (120.0,) * 3),
    ),
    BOX,
)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("faces", FACES)
def test_heat_balance(faces: str, order: int) -> None:
    """In = out to 1e-8 whatever the faces; layers of different size, sources on and off the edges of elements."""
    solution = solve(PACKAGE, FACES[faces], SOURCES, order=order, preconditioner="icc")
    assert solution.balance < 1e-8
    assert solution.statistics["residual"] <= 1e-10 + solution.statistics["rounding"]
    if "flux" in faces:
        np.testing.assert_allclose(solution.heat_in, 1.75 + 2e4 * WIDE.area, rtol=1e-12)


@pytest.mark.parametrize(("order", "bound"), [(1, 4e-3), pytest.param(2, 4e-4, marks=pytest.mark.slow)])
def test_layer_means_of_a_package(order: int, bound: float) -> None:
    """Against bricks so fine that halving them moves means by 1e-4 of the rise; boxes that cut elements, and a probe."""
    from stack3d.geometry.grid import build_grid

    fine = MeshDeck(lateral=96, refinement=4, per_layer=8, aspect=1.0)
    problem = ThermalProblem(PACKAGE, build_grid(PACKAGE, SOURCES, fine), Face(1e4, 300.0))
    exact, found = TensorSolver(problem).solve(SOURCES).field, solve(PACKAGE, FACES["top"], SOURCES, FINER, order=order).field
    rise = exact.layer_peak("l0")[0] - 300.0
    for part in PACKAGE.layers:
        assert abs(found.layer_mean(part.name) - exact.layer_mean(part.name)) < bound * rise
        np.testing.assert_allclose(found.map(part.name, 3, 5), exact.map(part.name, 3, 5), rtol=0, atol=bound * rise)
    place = ("l0", 0.5e-3, 0.4e-3)
    assert abs(found.at(*place) - exact.at(*place)) < 4 * bound * rise


def test_regions_have_the_volumes_of_the_deck() -> None:
    """Layers, blocks, contacts and polygons of the area of a circle: the mesh follows every outline."""
    scenario = decks.resolve(yamlfile.parse_text(VIAS, "vias.yaml")).scenario
    from stack3d.geometry.stack import build_stack

    stack = build_stack(scenario.geometry)
    body = build_columns(stack, [], scenario.solver.mesh)
    volume = np.bincount(body.cells.region, ColumnProblem(stack, body, {"top": Face(1.0)}).volumes, len(body.names))
    found = dict(zip(body.names, volume))
    circles = 9 * np.pi / 4 * 40e-6**2 * 50e-6
    np.testing.assert_allclose(found["silicon.field.cylinders"], circles, rtol=1e-12)
    np.testing.assert_allclose(found["silicon.field"] + circles, 320e-6**2 * 50e-6, rtol=1e-12)
    np.testing.assert_allclose(found["silicon"], (500e-6**2 - 320e-6**2) * 50e-6, rtol=1e-12)
    np.testing.assert_allclose(found["lid"], 700e-6**2 * 100e-6, rtol=1e-12)
    areas = body.cells.face_areas
    np.testing.assert_allclose(areas["top"], 700e-6**2, rtol=1e-12)
    np.testing.assert_allclose(areas["bottom"], 500e-6**2, rtol=1e-12)
    np.testing.assert_allclose(areas["sides"], 4 * 700e-6 * 100e-6, rtol=1e-12)


VIAS = """
scenario: vias
geometry:
  footprint: ["500 um", "500 um"]
  layers:
    - name: silicon
      thickness: "50 um"
      material: silicon_thinned
      blocks:
        - name: field
          x: ["90 um", "410 um"]
          y: ["90 um", "410 um"]
          material: {cylinders: {host: silicon_thinned, fill: copper, diameter: "40 um", pitch: "100 um", resolved: true}}
    - {name: lid, thickness: "100 um", material: copper, size: ["700 um", "700 um"], contact_resistance: "1 mm^2*K/W"}
power: {sources: [{name: heat, layer: silicon, x: ["100 um", "200 um"], y: ["100 um", "250 um"], power: "1 W"}]}
cooling: {top: cold_plate, ambient: "300 K"}
maps: {layers: [silicon, lid], grid: [5, 5]}
probes: [{name: middle, layer: silicon, x: "150 um", y: "150 um"}]
solver: {mesh: {cells: tet, lateral: 8}, error_promise: 0.02}
"""


def test_resolved_vias_run_as_a_scenario() -> None:
    """Balance, maps, probe, error estimate and regions of a scenario on tetrahedra; the lid is void nowhere."""
    outcome = run_case(decks.resolve(yamlfile.parse_text(VIAS, "vias.yaml")).scenario, Silent())
    assert outcome.values["thermal/heat_balance_error"] < 1e-8
    assert np.isfinite(outcome.values["thermal/map_temperature"]).all()
    rise = outcome.values["thermal/layer_temperature_max"].max() - 300.0
    assert 0 < outcome.values["thermal/discretisation_error"] < 0.05 * rise
    assert outcome.statistics["thermal"]["backend"] == "fem"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cells: tet", "cells: hex", r"vias.yaml:\d+: solver.mesh.cells: cylinders of silicon.field are resolved"),
        (
            'pitch: "100 um"',
            'pitch: "400 um"',
            r"vias.yaml:\d+: .*blocks\[0\].material.cylinders: no cell of pitch 400 um fits",
        ),
        ('"40 um", pitch: "100 um"', '"2 um", pitch: "4 um"', "80 x 80 cylinders are too many"),
        ('x: ["90 um", "410 um"]', 'x: ["90 um", "510 um"]', "reaches outside layer 'silicon'"),
        ("{mesh:", "{backend: tensor, mesh:", "backend tensor has no tetrahedra"),
    ],
)
def test_mistakes_come_before_meshing(old: str, new: str, message: str) -> None:
    with pytest.raises(DeckError, match=message):
        case = decks.resolve(yamlfile.parse_text(VIAS.replace(old, new), "vias.yaml"))
        try:
            check(case.scenario)
        except DeckError as error:
            raise DeckError(case.locate(error.problems)) from None


def test_quadratic_field_between_its_nodes() -> None:
    """A quadratic field comes back exactly at points between the nodes, and so does its mean over a box that cuts elements."""
    from tetrahedra import structured

    body = structured(STACK, 3, 2, 2)
    mesh = body.cells

    def exact(p: np.ndarray) -> np.ndarray:
        x, y, z = p.T * 1e3
        return 300.0 + x * x - 2 * x * y + 0.5 * y + 3 * z * z - z

    values = exact(mesh.node_points(2))
    field = ColumnProblem(STACK, body, {"top": Face(1.0)}).field(values, 2)
    assert isinstance(field, ColumnField)
    for x, y, z in ((0.31e-3, 0.77e-3, 3e-4), (1.9e-3, 0.1e-3, 5.5e-4)):
        np.testing.assert_allclose(field.at("l2", x, y, z), exact(np.array([[x, y, z]]))[0], rtol=1e-12)
    box = Rectangle(0.2e-3, 1.1e-3, 0.3e-3, 0.9e-3)
    x, y, z = (np.linspace(a, b, 401)[:-1] + 0.5 * (b - a) / 400 for a, b in ((0.2, 1.1), (0.3, 0.9), (0.102, 0.602)))
    mean = 300 + (x * x).mean() - 2 * x.mean() * y.mean() + 0.5 * y.mean() + 3 * (z * z).mean() - z.mean()
    np.testing.assert_allclose(field.box_means("l2", [box])[0], mean, rtol=1e-8)


@pytest.mark.parametrize("suffix", ["msh", "vtu", "xdmf"])
def test_written_meshes_carry_their_names(suffix: str, tmp_path: Path) -> None:
    """As `stack3d mesh` writes them: tetrahedra by region, with the names that other programs read."""
    import meshio

    from stack3d.geometry.gmsh_model import named_model, write_mesh
    from stack3d.heat.meshing import meshed

    chip = check(decks.resolve(yamlfile.parse_text(VIAS, "vias.yaml")).scenario)
    cells = meshed(chip).cells(chip.stack, chip.scenario.cooling)
    path = tmp_path / f"vias.{suffix}"
    with named_model(cells) as named:
        write_mesh(named, path)
    mesh = meshio.read(path)
    tags = mesh.cell_data["gmsh:physical" if suffix == "msh" else "region"]
    region = np.concatenate([tag for tag, part in zip(tags, mesh.cells) if part.type == "tetra"])
    names = {name: int(np.ravel(value)[0]) for name, value in mesh.field_data.items()}
    assert set(cells.names) <= set(names)
    for index, name in enumerate(cells.names):
        assert (region == names[name]).sum() == (cells.region == index).sum() > 0
    if suffix == "msh":
        assert {"top", "bottom", "sides"} <= set(names)


@pytest.mark.parametrize("order", [1, 2])
def test_field_for_viewing(order: int) -> None:
    """Contacts are closed and left out: volumes by region are those of the deck, power and peak those of the solution."""
    from stack3d.case.solved_field import solve_field

    case = decks.resolve(yamlfile.parse_text(VIAS, "vias.yaml"), None, [("solver.order", order)])
    field = solve_field(case.scenario)
    corner = field.mesh.points[field.mesh.corners]
    volume = np.abs(np.linalg.det(corner[:, 1:] - corner[:, :1])) / 6
    assert volume.sum() == pytest.approx(500e-6**2 * 50e-6 + 700e-6**2 * 100e-6, rel=1e-9)
    assert (field.power_density * volume).sum() == pytest.approx(1.0, rel=1e-9)
    peak = run_case(case.scenario, Silent()).values["thermal/layer_temperature_max"].max()
    assert field.temperature.max() == pytest.approx(peak, rel=1e-9 if order == 1 else 1e-3)
