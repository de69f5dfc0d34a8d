"""Fields that are not heat, assembled and solved with `stack3d.fe` alone on meshes of stacks, against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from tensor_cases import grid, stack
from tetrahedra import structured

from stack3d.fe.assembly import Assembly, diffusion
from stack3d.fe.linear_solver import LinearMethod, LinearSolver, solved
from stack3d.fe.space import Space
from stack3d.fe.stiffness import stiffness
from stack3d.geometry.hexahedra import layered_cells
from stack3d.meshes import CellMesh

WIDTH, DEPTH = 2e-3, 1e-3
THICKNESS = np.array([0.3e-3, 0.1e-3, 0.4e-3])
SIGMA = np.array([[5e4, 2e4, 1e3], [2e3, 4e3, 50.0], [6e7, 5e7, 4e7]])
"""Of each layer by axis. [S/m]"""
KINDS = [("hexahedron", 1), ("tetra", 1), ("tetra", 2)]


def mesh(kind: str) -> CellMesh:
    """Three layers; bricks have faces ``left`` and ``right`` in place of ``sides``."""
    built = stack((WIDTH, DEPTH), [{"k": 1.0, "thickness": t} for t in THICKNESS])
    if kind == "tetra":
        return structured(built, 3, 2, 2).cells
    cells, _ = layered_cells(built, grid(built, 4, 3, [3, 1, 2]))
    x = cells.points[cells.facets].mean(axis=1)[:, 0]
    left, right = (np.isclose(x, end, rtol=0, atol=1e-9) for end in (x.min(), x.max()))
    face = np.where(left, len(cells.faces), np.where(right, len(cells.faces) + 1, cells.face))
    return replace(cells, face=face, faces=(*cells.faces, "left", "right"))


def current_form(space: Space) -> object:
    """Of div(sigma grad V) = 0."""
    return diffusion(space, [space.by_region(SIGMA[:, axis]) for axis in range(3)])


@pytest.mark.parametrize(("kind", "order"), KINDS)
def test_layers_on_top_of_each_other_are_resistors_in_series(kind: str, order: int) -> None:
    """Steady electrostatics: R = sum of t / (sigma_z A), and what goes in at the top comes out at the bottom."""
    space = Space(mesh(kind), order, faces=("top", "bottom"))
    assembly = Assembly(space, current_form(space), fixed={"bottom": 0.0, "top": 2.0})
    found = solved(assembly)
    taken = assembly.reactions(found.residual)
    resistance = float((THICKNESS / SIGMA[:, 2]).sum()) / (WIDTH * DEPTH)
    assert taken["bottom"] == pytest.approx(2.0 / resistance, rel=1e-9)
    assert taken["top"] == pytest.approx(-2.0 / resistance, rel=1e-9)
    z = space.mesh.node_points(order)[:, 2]
    heights = np.concatenate([[0.0], np.cumsum(THICKNESS)])
    drops = np.concatenate([[0.0], np.cumsum(THICKNESS / SIGMA[:, 2])])
    np.testing.assert_allclose(space.gathered(found.values), np.interp(z, heights, drops) * 2.0 / drops[-1], rtol=0, atol=1e-9)


def test_layers_beside_the_current_are_conductors_in_parallel() -> None:
    """From left to right the conductance is the sum of sigma_x t times depth over width: K is not that of z."""
    space = Space(mesh("hexahedron"), faces=("left", "right"))
    assembly = Assembly(space, current_form(space), fixed={"left": 1.0, "right": 0.0})
    taken = assembly.reactions(solved(assembly).residual)
    assert taken["right"] == pytest.approx(float((SIGMA[:, 0] * THICKNESS).sum()) * DEPTH / WIDTH, rel=1e-9)


def test_a_contact_is_a_term_of_its_face_and_can_change() -> None:
    """An electrode behind a contact of conductance g adds 1 / (g A); refilling the face gives the bits of refilling all."""
    space = Space(mesh("hexahedron"), faces=("top", "bottom"))
    contact = space.constant(1e6)
    assembly = Assembly(
        space, current_form(space), {"top": contact * space.u * space.v * space.ds("top")}, fixed={"bottom": 0.0}
    )
    layers, area = float((THICKNESS / SIGMA[:, 2]).sum()), WIDTH * DEPTH
    solver = LinearSolver(assembly.matrix, LinearMethod("cg", "icc", tolerance=1e-12))
    for value in (1e6, 3e7):
        contact.value = value
        assembly.refill_surface()
        found = solved(assembly, space.vector(contact * 0.5 * space.v * space.ds("top")), solver)
        assert assembly.reactions(found.residual)["bottom"] == pytest.approx(0.5 * area / (layers + 1 / value), rel=1e-9)
    by_face = assembly.matrix.getValuesCSR()[2]
    assembly.refill()
    assert np.array_equal(by_face, assembly.matrix.getValuesCSR()[2])
    assert assembly.counts["assemblies"] == 2


@pytest.mark.parametrize("kind", ["hexahedron", "tetra"])
def test_the_matrix_without_dolfinx_is_the_same(kind: str) -> None:
    """Of one field, A u assembled by DOLFINx and by `stiffness` agree to rounding."""
    space = Space(mesh(kind))
    field = np.cos(3e3 * space.mesh.points @ [1.0, 2.0, 3.0])
    mine = stiffness(space.mesh, SIGMA[space.mesh.region]) @ field
    theirs = space.gathered(Assembly(space, current_form(space)).applied(field[space.nodes[: space.own]]))
    np.testing.assert_allclose(theirs, mine, rtol=0, atol=1e-12 * np.abs(mine).max())


@pytest.mark.parametrize(("kind", "order"), [("hexahedron", 1), ("tetra", 2)])
def test_matter_that_is_made_everywhere_diffuses_out_of_both_ends(kind: str, order: int) -> None:
    """Of -div(D grad c) = s between two faces at c = 1: c = 1 + s z (L - z) / 2 D, which both meet at their nodes."""
    space = Space(mesh(kind), order, faces=("top", "bottom"))
    d, s, length = 2e-9, 3.0, float(THICKNESS.sum())
    assembly = Assembly(space, diffusion(space, [space.constant(d)] * 3), fixed={"bottom": 1.0, "top": 1.0})
    cell_volumes = np.empty(len(space.mesh.cells))
    cell_volumes[space.cells] = space.volumes
    found = solved(assembly, space.load_of_cells(s * cell_volumes))
    z = space.mesh.node_points(order)[:, 2]
    np.testing.assert_allclose(space.gathered(found.values), 1.0 + s * z * (length - z) / (2 * d), rtol=1e-9)
    assert assembly.reactions(found.residual)["top"] == pytest.approx(0.5 * s * WIDTH * DEPTH * length, rel=1e-9)
