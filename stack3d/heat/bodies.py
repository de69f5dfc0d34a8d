"""What a chip is meshed as: bricks on a grid, columns of tetrahedra, or a mesh of the user's own."""

from __future__ import annotations

import warnings

import numpy as np

from stack3d.chip.chip import Chip
from stack3d.errors import DeckError, Problem, ValidityWarning, did_you_mean
from stack3d.geometry.grid import build_grid
from stack3d.geometry.hexahedra import CellRegions, layered_cells
from stack3d.geometry.tetrahedra import build_columns
from stack3d.geometry.user_mesh import read_mesh
from stack3d.grids import Grid
from stack3d.heat.faces import surfaces_of, thermal_problem
from stack3d.heat.sources import sources_as_programmed
from stack3d.layout import HeatSource
from stack3d.meshes import CellMesh, Columns
from stack3d.schema.scenario import Scenario

Body = Grid | Columns | CellMesh
TENSOR_MEMORY = 62.0
"""Per unknown of the tensor solver, and (below) per entry of a matrix with its solver; `benchmarks/thermal.py`. [byte]"""
MATRIX_MEMORY = 48.0
LARGEST, SMALLEST = 1.0, 1e-6
"""A part larger or smaller than this has the wrong unit, most likely. [m]"""


def make_body(chip: Chip) -> Body:
    """Mesh of a chip as its geometry and its profile ask for; raises DeckError, MissingDependencyError."""
    scenario = chip.scenario
    if scenario.geometry.mesh is not None:
        return read_mesh(scenario.geometry)
    if scenario.solver.mesh.cells == "tet":
        mesh = scenario.solver.mesh if scenario.solver.order == 1 else scenario.solver.mesh.coarser()
        return build_columns(chip.stack, standing_out(chip), mesh, surfaces_of(scenario.cooling, chip.stack))
    return make_grid(chip)


def cells_of(chip: Chip) -> CellMesh:
    """The cells that `fem` solves on, with named regions and faces; raises DeckError, MissingDependencyError."""
    body = make_body(chip)
    if isinstance(body, Grid):
        patches = [surface for surface, _ in thermal_problem(chip.stack, body, chip.scenario.cooling).patches]
        return layered_cells(chip.stack, body, patches)[0]
    return body.cells if isinstance(body, Columns) else body


def describe(chip: Chip) -> str:
    """Size and cost of the mesh in a line; raises DeckError, MissingDependencyError."""
    body, order = make_body(chip), chip.scenario.solver.order
    if isinstance(body, Grid):
        nz, ny, nx = body.shape
        what = f"{nx} x {ny} x {nz} hexahedra"
    else:
        mesh = body.cells if isinstance(body, Columns) else body
        what = f"{len(mesh.cells)} {'hexahedra' if mesh.kind == 'hexahedron' else 'tetrahedra'} of order {order}"
    unknowns, memory = size_of_body(chip, body)
    return f"{what}, {unknowns} unknowns, about {memory / 1e6:.0f} MB of matrix and solver"


def size_of_body(chip: Chip, body: Grid | Columns | CellMesh) -> tuple[int, float]:
    """Unknowns, those that faces hold included, and memory of matrix and solver. [-], [byte]"""
    if isinstance(body, Grid):
        each = TENSOR_MEMORY if chip.scenario.solver.backend != "fem" else 27 * MATRIX_MEMORY
        return int(np.count_nonzero(CellRegions.of(chip.stack, body).nodes())), each * body.n_nodes
    order = chip.scenario.solver.order
    unknowns = (body.cells if isinstance(body, Columns) else body).node_count(order)
    return unknowns, unknowns * (27 if order == 1 else 65) * MATRIX_MEMORY


def check_body(chip: Chip) -> None:
    """What can be said about the mesh before it is made; raises DeckError with all of it."""
    scenario = chip.scenario
    problems = _of_user_mesh(scenario) if scenario.geometry.mesh is not None else _of_stack(scenario)
    if problems:
        raise DeckError(problems)


def _of_stack(scenario: Scenario) -> list[Problem]:
    solver = scenario.solver
    problems = []
    if scenario.cooling.faces:
        problems.append(Problem("cooling.faces", "are those of a mesh of your own; a stack has top, bottom, sides and patches"))
    if solver.order == 2 and solver.mesh.cells == "hex":
        problems.append(Problem("solver.order", "2 wants tetrahedra: solver.mesh.cells: tet"))
    return problems


def _of_user_mesh(scenario: Scenario) -> list[Problem]:
    """What does not go with a mesh of the user's own, and faces that it does not have."""
    mesh, cooling = read_mesh(scenario.geometry), scenario.cooling
    problems = []
    if not SMALLEST <= (size := float(np.ptp(mesh.points, axis=0).max())) <= LARGEST:
        text = f"geometry.mesh: the part is {size:.3g} m long; is geometry.mesh_unit the unit of the file?"
        warnings.warn(ValidityWarning(text), stacklevel=2)
    for key in ("workload", "maps"):
        if getattr(scenario, key) is not None:
            problems.append(Problem(key, "does not go with a mesh of your own, which has neither tiers nor a grid"))
    for key in ("top", "bottom", "sides", "patches"):
        if key in cooling.model_fields_set:
            problems.append(Problem(f"cooling.{key}", "is a face of a stack; a mesh of your own has cooling.faces by name"))
    outside = {mesh.faces[i] for i in set(mesh.face.tolist())}
    for name in cooling.faces:
        if name not in mesh.faces:
            known = ", ".join(mesh.faces) or "none; in Gmsh, make a physical surface of each"
            message = f"the mesh has no face {name!r}{did_you_mean(name, mesh.faces)}; faces: {known}"
            problems.append(Problem(f"cooling.faces.{name}", message))
        elif name not in outside:
            problems.append(
                Problem(f"cooling.faces.{name}", f"face {name!r} lies inside the mesh; only outer faces are cooled")
            )
    if scenario.solver.backend == "tensor":
        problems.append(Problem("solver.backend", "tensor wants the lines of a stack; a mesh of your own wants fem or auto"))
    if scenario.solver.linear.preconditioner == "grid":
        problems.append(
            Problem("solver.linear.preconditioner", "grid wants the lines of a stack; take auto, gamg, icc or jacobi")
        )
    if scenario.solver.order == 2 and mesh.kind == "hexahedron":
        problems.append(Problem("solver.order", "2 wants tetrahedra; the mesh has hexahedra"))
    for i, probe in enumerate(scenario.probes):
        if probe.z is None:
            problems.append(Problem(f"probes[{i}].z", "is missing: a region has no mid-plane"))
    for i, source in enumerate(scenario.power.sources if scenario.power else ()):
        if source.x is not None or source.y is not None:
            problems.append(Problem(f"power.sources[{i}]", "heats a whole region of a mesh of your own; leave out x and y"))
    return problems


TILE_CONTRAST = 0.01
"""Tiles whose power over the root of their area is below this share of the strongest source get no lines of their own."""


def standing_out(chip: Chip) -> list[HeatSource]:
    """Sources that a mesh has to follow: explicit ones, and tiles whose heat stands out beside them."""
    everything = sources_as_programmed(chip)
    strongest = max((_contrast(s) for s in everything), default=0.0)
    return [s for i, s in enumerate(everything) if i < len(chip.sources) or _contrast(s) > TILE_CONTRAST * strongest]


def make_grid(chip: Chip) -> Grid:
    """Grid of a chip, with lines on sources that stand out."""
    points = [(p.x, p.y) for p in chip.scenario.probes]
    patches = [box for surface in surfaces_of(chip.scenario.cooling, chip.stack) for box in surface.extents]
    return build_grid(chip.stack, standing_out(chip), chip.scenario.solver.mesh, points, patches, first_output(chip))


def first_output(chip: Chip) -> float | None:
    """First time after the start at which a transient is read; None where that says nothing of elements. [s]"""
    transient = chip.scenario.transient
    if transient is None or transient.periodic:
        return None
    return next((time for time in transient.times if time > 0), transient.until)


def _contrast(source: HeatSource) -> float:
    """Power over the square root of the area, which the local rise of a small source follows. [W/m]"""
    return abs(source.power) / float(np.sqrt(source.extent.area))
