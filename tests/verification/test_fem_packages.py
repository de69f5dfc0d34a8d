"""DOLFINx on stacks of different footprints and with blocks: the tensor solve of the same elements, and conservation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pytest
from tensor_cases import flip_chip, power

from stack3d.geometry.gmsh_model import layered_hexahedra, write_mesh
from stack3d.geometry.hexahedra import CellRegions, layered_cells, n_nodes
from stack3d.layout import Layer, Material, Rectangle, Stack, Surface
from stack3d.thermal.backend import ThermalSolution
from stack3d.thermal.fem.solver_on_grid import solver_on_grid
from stack3d.thermal.grid.solver import TensorSolver
from stack3d.thermal.problem import Face, ThermalProblem


def with_contact_and_law(problem: ThermalProblem) -> ThermalProblem:
    """Contacts under the lid and under the wider sink, and k(T) in the die."""

    def changed(layer: Layer) -> Layer:
        blocks = tuple(
            replace(b, material=replace(b.material, conducts=power(-1.3))) for b in layer.blocks if layer.name == "bulk"
        )
        contact = 5e-6 if layer.name in ("lid", "sink") else 0.0
        return replace(layer, contact_resistance=contact, blocks=blocks or layer.blocks)

    stack = Stack(tuple(changed(layer) for layer in problem.stack.layers), problem.stack.footprint)
    grid = problem.grid
    at = [int(np.flatnonzero(grid.layer == stack.index[name])[0]) for name in ("lid", "sink")]
    z = np.insert(grid.z, at, grid.z[at])
    return replace(problem, stack=stack, grid=replace(grid, z=z, layer=np.insert(grid.layer, at, grid.layer[at])))


def solve(problem: ThermalProblem, sources: list, **options: object) -> ThermalSolution:
    arrays = layered_cells(problem.stack, problem.grid, [s for s, _ in problem.patches])
    return solver_on_grid(problem, *arrays, **options).solve(sources)


@pytest.mark.parametrize("sink", [20e-3, 40e-3])
@pytest.mark.parametrize("cooling", ["film", "fixed", "sides"])
def test_flip_chip_is_that_of_the_tensor_solve(sink: float, cooling: str) -> None:
    """Same elements, so same numbers to the tolerance of the linear solvers, 1e-10 of a rise of some 100 K."""
    problem, sources = flip_chip(20, 1, sink=sink)
    faces = {
        "film": {},
        "fixed": {"top": Face(np.inf, 310.0), "bottom": Face(20.0, 300.0, 1e3)},
        "sides": {"sides": Face(50.0, 305.0)},
    }
    problem = replace(problem, **faces[cooling])
    fem, tensor = solve(problem, sources), TensorSolver(problem).solve(sources)
    np.testing.assert_allclose(fem.field.values, tensor.field.values, rtol=0, atol=2e-6)
    for face, heat in tensor.face_heat.items():
        assert fem.face_heat.get(face, 0.0) == pytest.approx(heat, abs=1e-7)
    if cooling != "fixed":  # the tensor solve counts free nodes only
        assert fem.statistics["unknowns"] == tensor.statistics["unknowns"]
    assert fem.balance < 1e-8 and tensor.balance < 1e-8


def test_contacts_and_conductivity_laws_under_wider_layers() -> None:
    problem, sources = flip_chip(20, 1)
    problem = with_contact_and_law(problem)
    fem, tensor = solve(problem, sources), TensorSolver(problem).solve(sources)
    np.testing.assert_allclose(fem.field.values, tensor.field.values, rtol=0, atol=1e-5)  # k(T) updates end a little apart
    assert fem.balance < 1e-8
    jump = fem.field.layer_mean("bulk") - TensorSolver(flip_chip(20, 1)[0]).solve(sources).field.layer_mean("bulk")
    assert (
        jump > 30 * 5e-6 / (20e-3) ** 2 * 0.9
    )  # two contacts that all but the board's share of 30 W passes, and hotter silicon


def test_regions_are_named_and_have_their_volumes() -> None:
    """Volumes of the hexahedra of each region against those of the deck; void has no cell."""
    problem, _ = flip_chip(20, 1)
    regions = CellRegions.of(problem.stack, problem.grid)
    grid = problem.grid
    volume = np.multiply.outer(np.diff(grid.z), np.outer(np.diff(grid.y), np.diff(grid.x)))
    for layer in problem.stack.layers:
        blocks = {f"{layer.name}.{b.name}": b.extent.area * layer.thickness for b in layer.blocks}
        for name, expected in {**blocks, layer.name: layer.volume - sum(blocks.values())}.items():
            found = volume[regions.number == regions.names.index(name)].sum() if expected else 0.0
            assert found == pytest.approx(expected, rel=1e-9)
    assert volume[regions.number >= 0].sum() == pytest.approx(sum(a.volume for a in problem.stack.layers), rel=1e-9)


def test_nodes_are_counted_plane_by_plane() -> None:
    """As many as the cells of the mesh itself touch: under wider layers, beside void, at contacts."""
    for problem in (flip_chip(20, 1)[0], with_contact_and_law(flip_chip(20, 2)[0])):
        _, nodes = layered_cells(problem.stack, problem.grid)
        assert n_nodes(problem.stack, problem.grid) == len(nodes) < problem.grid.n_nodes


@pytest.mark.parametrize("suffix", [".msh", ".vtu", ".xdmf"])
def test_written_meshes_carry_their_region_names(tmp_path: Path, suffix: str) -> None:
    problem, _ = flip_chip(12, 1)
    path = tmp_path / f"stack{suffix}"
    with layered_hexahedra(problem.stack, problem.grid) as mesh:
        names = list(mesh.volumes)
        write_mesh(mesh, path)
    assert "bulk.core" in names
    back = meshio.read(path)
    numbers = {name: int(np.ravel(value)[0]) for name, value in back.field_data.items()}
    if suffix == ".msh":
        assert {*names, "top", "bottom", "sides"} == set(numbers)
        return
    assert numbers == {name: i for i, name in enumerate(names)}
    assert sorted(np.unique(np.concatenate(back.cell_data["region"]))) == list(range(len(names)))


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    from stack3d.errors import DeckError

    problem, _ = flip_chip(12, 1)
    with layered_hexahedra(problem.stack, problem.grid) as mesh, pytest.raises(DeckError, match=r"known: .*\.vtu"):
        write_mesh(mesh, tmp_path / "stack.xyzzy")


def test_material_of_a_block_replaces_that_of_its_layer() -> None:
    problem, _ = flip_chip(12, 1)
    regions = CellRegions.of(problem.stack, problem.grid)
    core = regions.materials[regions.names.index("active.core")]
    assert core == Material("m", (148.0, 148.0, 148.0), 2e6)


PATCHES = (
    (Surface("rim", "substrate", "bottom", (Rectangle(0.0, 20e-3, 0.0, 5e-3),)), Face(2e3, 310.0)),
    (Surface("under_sink", "sink", "bottom", (Rectangle(-10e-3, 30e-3, -10e-3, 30e-3),)), Face(30.0, 300.0, 50.0)),
    (Surface("half", "sink", "top", (Rectangle(-10e-3, 5e-3, -10e-3, 30e-3),)), Face(1e3, 300.0)),
)


def test_the_mesh_handed_over_is_that_of_gmsh() -> None:
    """Moments of every region and face on the arrays and through the Gmsh model, to rounding."""
    import ufl
    from dolfinx import fem
    from dolfinx.io.gmsh import model_to_mesh
    from mpi4py import MPI

    from stack3d.fe.hand_over import handed_over

    problem = with_contact_and_law(replace(flip_chip(6, 1)[0], patches=PATCHES))
    surfaces = [s for s, _ in PATCHES]
    with layered_hexahedra(problem.stack, problem.grid, surfaces) as model:
        other = model_to_mesh(model.gmsh.model, MPI.COMM_WORLD, 0)
    arrays, _ = layered_cells(problem.stack, problem.grid, surfaces)
    handed = handed_over(arrays)
    found = {arrays.names[i]: arrays.materials[i] for i in np.unique(arrays.region)}
    assert {name: region.material for name, region in model.volumes.items()} == found

    def moment(mesh: Any, measure: Any) -> float:
        x, y, z = ufl.SpatialCoordinate(mesh)
        return fem.assemble_scalar(fem.form((1 + (x + 2 * y - 3 * z) ** 2 / 1e-4) * measure))

    quadrature = {"quadrature_degree": 2}
    cells = [(i, np.flatnonzero(arrays.region[handed.cells] == i).astype(np.int32)) for i in range(len(arrays.names))]
    dx = ufl.Measure("dx", handed.mesh, subdomain_data=cells, metadata=quadrature)
    there = ufl.Measure("dx", other.mesh, subdomain_data=other.cell_tags, metadata=quadrature)
    for name, region in model.volumes.items():
        mine = moment(handed.mesh, dx(arrays.names.index(name)))
        assert mine == pytest.approx(moment(other.mesh, there(region.tag)), rel=1e-10)
    outer = ufl.Measure("ds", other.mesh, subdomain_data=other.facet_tags, metadata=quadrature)
    assert set(handed.facets) == {"top", "bottom", "sides", "rim", "under_sink", "half"} == set(model.faces)
    for name, tag in model.faces.items():
        assert moment(handed.mesh, handed.measure(name, quadrature)) == pytest.approx(moment(other.mesh, outer(tag)), rel=1e-10)


def test_patches_are_the_same_in_both_solvers() -> None:
    """Part of the bottom, the exposed underside of a wider layer, and part of the top in place of its film."""
    problem, sources = flip_chip(20, 1)
    problem = replace(problem, patches=PATCHES)
    fem, tensor = solve(problem, sources), TensorSolver(problem).solve(sources)
    np.testing.assert_allclose(fem.field.values, tensor.field.values, rtol=0, atol=2e-6)
    for face, heat in tensor.face_heat.items():
        assert fem.face_heat.get(face, 0.0) == pytest.approx(heat, abs=1e-7)
    assert tensor.heat_in == pytest.approx(30 + 50 * (40e-3**2 - 20e-3**2), rel=1e-12)  # only what is not covered
    assert fem.balance < 1e-8 and tensor.balance < 1e-8


def test_patches_over_a_whole_face_are_that_face() -> None:
    problem, sources = flip_chip(20, 1)
    face = problem.top
    whole = (Surface("all", "sink", "top", (Rectangle(-10e-3, 30e-3, -10e-3, 30e-3),)), face)
    other = TensorSolver(replace(problem, top=Face(), patches=(whole,))).solve(sources)
    plain = TensorSolver(problem).solve(sources)
    np.testing.assert_allclose(other.field.values, plain.field.values, rtol=0, atol=2e-6)
    assert other.face_heat["all"] == pytest.approx(plain.face_heat["top"], rel=1e-8)


def test_other_films_and_references_without_a_new_mesh() -> None:
    problem, sources = flip_chip(20, 1)
    warmer = replace(problem, top=Face(900.0, 320.0), bottom=Face(40.0, 290.0, 5.0))
    for flux in (0.0, 5.0):
        start = replace(problem, bottom=Face(10.0, 300.0, flux))
        fem = solver_on_grid(start, *layered_cells(problem.stack, problem.grid)).recooled(warmer).solve(sources)
        tensor = TensorSolver(start).recooled(warmer).solve(sources)
        np.testing.assert_allclose(fem.field.values, tensor.field.values, rtol=0, atol=2e-6)


@pytest.mark.parametrize("top", [Face(900.0, 320.0), Face(np.inf, 320.0)])
def test_films_of_before_leave_no_trace(top: Face) -> None:
    """Not a bit of the matrix: other coolings on the way change nothing."""
    problem, sources = flip_chip(20, 1)
    cells = layered_cells(problem.stack, problem.grid)
    wanted = replace(problem, top=top, bottom=Face(40.0, 290.0, 5.0))
    passed = [replace(problem, top=replace(top, reference=300.0), bottom=Face(h, 300.0)) for h in (1e5, 3.0, 777.7)]
    solver = solver_on_grid(passed[0], *cells)
    for other in (*passed[1:], wanted):
        solver = solver.recooled(other)
    fresh = solver_on_grid(wanted, *cells)
    np.testing.assert_array_equal(solver.solve(sources).field.values, fresh.solve(sources).field.values)


def test_a_reference_that_varies_over_a_face() -> None:
    problem, sources = flip_chip(20, 1)
    rising = (310.0 + 500.0 * problem.grid.x)[None, None, :]
    fem = solver_on_grid(problem, *layered_cells(problem.stack, problem.grid)).solve(sources, references={"top": rising})
    tensor = TensorSolver(problem).solve(sources, references={"top": rising})
    np.testing.assert_allclose(fem.field.values, tensor.field.values, rtol=0, atol=2e-6)
    assert fem.balance < 1e-8 and tensor.balance < 1e-8
    linear = TensorSolver(replace(problem, top=Face(500.0, 315.0))).solve(sources)  # the mean of the reference
    assert tensor.field.layer_mean("sink") == pytest.approx(linear.field.layer_mean("sink"), abs=0.2)
