"""Grids and reference stacks for the tests of the tensor backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from stack3d.grids import Grid
from stack3d.layout import Block, HeatSource, Layer, Material, Rectangle, Stack
from stack3d.schema.material_laws import PowerOfTemperature
from stack3d.thermal.grid.cell_properties import CellProperties
from stack3d.thermal.problem import Face, ThermalProblem


def lines(edges: list[float], cells: int, *, total: float | None = None) -> NDArray[np.float64]:
    """Lines through all edges, about `cells` equal cells over the whole length."""
    edges = sorted(set(edges))
    size = (total or edges[-1] - edges[0]) / cells
    parts = [np.linspace(a, b, max(1, round((b - a) / size)) + 1)[1:] for a, b in zip(edges[:-1], edges[1:])]
    return np.concatenate([[edges[0]], *parts])


def z_cells(stack: Stack, per_layer: list[int]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    z, layer = [stack.layers[0].z0], []
    for index, (slab, n) in enumerate(zip(stack.layers, per_layer)):
        if slab.contact_resistance > 0:
            z.append(z[-1])
            layer.append(index)
        z.extend(np.linspace(slab.z0, slab.z1, n + 1)[1:])
        layer.extend([index] * n)
    return np.array(z), np.array(layer)


def grid(stack: Stack, nx: int, ny: int, per_layer: list[int], *, x_edges: list[float] = (), y_edges: list[float] = ()) -> Grid:
    f = stack.footprint
    z, layer = z_cells(stack, per_layer)
    return Grid(lines([f.x0, f.x1, *x_edges], nx), lines([f.y0, f.y1, *y_edges], ny), z, layer)


def power(exponent: float) -> PowerOfTemperature | None:
    """The law (T / 300 K)^n."""
    return PowerOfTemperature(value=1.0, exponent=exponent) if exponent else None


def stack(size: tuple[float, float], slabs: list[dict[str, Any]]) -> Stack:
    """Slabs bottom first: thickness, k (number or three), and any other field of Layer."""
    footprint = Rectangle(0.0, size[0], 0.0, size[1])
    layers, z = [], 0.0
    for i, slab in enumerate(slabs):
        slab = dict(slab)
        k = slab.pop("k")
        diagonal = tuple(k) if isinstance(k, list | tuple) else (k, k, k)
        material = Material(
            f"m{i}",
            diagonal,
            slab.pop("c", 1.66e6),
            slab.pop("conducts", None) or power(slab.pop("exponent", 0.0)),
            slab.pop("stores", None),
        )
        thickness, extent = slab.pop("thickness"), slab.pop("extent", footprint)
        layers.append(Layer(slab.pop("name", f"l{i}"), z, z + thickness, extent, material, **slab))
        z += thickness
    return Stack(tuple(layers), footprint)


def reference_case(folder: Path, name: str) -> tuple[Stack, list[HeatSource], Face, dict[str, Any], dict[str, Any]]:
    """Stack, sources, top face, neutral input and exact values of a reference case."""
    data = YAML(typ="safe", pure=True).load(folder / "thermal" / f"{name}.yaml")
    exact = json.loads((folder / "thermal" / f"{name}.reference.json").read_text())
    slabs = [{"name": s["name"], "thickness": s["thickness"], "k": s["k"], "c": s["c_vol"]} for s in data["layers"]]
    built = stack((data["domain"]["lx"], data["domain"]["ly"]), slabs)
    sources = [
        HeatSource(s["name"], s["layer"], Rectangle(s["x0"], s["x1"], s["y0"], s["y1"]), s["power"]) for s in data["sources"]
    ]
    top = data["boundary"]["top"]
    return built, sources, Face(top["h"], top["t_ambient"]), data, exact


def flip_chip(cells: int, per_layer: int, *, sink: float = 40e-3) -> tuple[ThermalProblem, list[HeatSource]]:
    """Die in mold under a lid of the package's outline and a `sink` that may be wider; conductivities 0.4 to 400 W/m/K."""
    mm = 1e-3
    package, die = Rectangle(0.0, 20 * mm, 0.0, 20 * mm), Rectangle(5 * mm, 15 * mm, 5 * mm, 15 * mm)
    rim = (sink - 20 * mm) / 2
    wide = Rectangle(-rim, 20 * mm + rim, -rim, 20 * mm + rim)
    slabs = [  # name, thickness, conductivity, of a block on the die, z cells
        ("substrate", 1.0, (20.7, 20.7, 0.38), None, 3),
        ("bumps", 0.07, 0.4, (1.0, 1.0, 5.0), 2),
        ("active", 0.01, 0.9, 148.0, 1),
        ("bulk", 0.29, 0.9, 148.0, 3),
        ("tim1", 0.05, 0.9, 4.0, 2),
        ("lid", 1.0, 398.0, None, 4),
        ("tim2", 0.05, 3.0, None, 2),
        ("sink", 5.0, 237.0, None, 5),
    ]

    def material(k: Any) -> Material:
        return Material("m", tuple(k) if isinstance(k, tuple) else (k, k, k), 2e6)

    layers, z = [], 0.0
    for name, thickness, k, core, _ in slabs:
        blocks = () if core is None else (Block("core", die, material(core)),)
        extent = wide if name == "sink" else package
        layers.append(Layer(name, z, z + thickness * mm, extent, material(k), blocks=blocks))
        z += thickness * mm
    built = Stack(tuple(layers), package)
    x = lines([wide.x0, package.x0, die.x0, die.x1, package.x1, wide.x1], cells)
    heights, owner = z_cells(built, [per_layer * slab[-1] for slab in slabs])
    sources = [
        HeatSource("die", "active", die, 20.0),
        HeatSource("hot", "active", Rectangle(7 * mm, 8 * mm, 7 * mm, 8 * mm), 10.0),
    ]
    return ThermalProblem(built, Grid(x, x, heights, owner), Face(500.0, 300.0), Face(10.0, 300.0)), sources


def dolfinx_matrix(problem: ThermalProblem) -> tuple[Any, np.ndarray, Any]:
    """Matrix with films on top and bottom over a box of hexahedra stretched onto the grid; node of each unknown; mesh."""
    import dolfinx
    import dolfinx.fem.petsc
    import dolfinx_solver  # noqa: F401  (sets up the libraries of the wheel)
    import ufl
    from mpi4py import MPI

    g = problem.grid
    nz, ny, nx = g.shape
    mesh = dolfinx.mesh.create_box(MPI.COMM_SELF, [[0, 0, 0], [nx, ny, nz]], [nx, ny, nz], dolfinx.mesh.CellType.hexahedron)
    number = np.rint(mesh.geometry.x).astype(int)
    middles = np.rint(2 * dolfinx.mesh.compute_midpoints(mesh, 3, np.arange(nz * ny * nx, dtype=np.int32))).astype(int) // 2
    for axis, lines in enumerate((g.x, g.y, g.z)):
        mesh.geometry.x[:, axis] = lines[number[:, axis]]
    cells = CellProperties.of(problem.stack, g)
    full = np.array([np.broadcast_to(k, (3, ny, nx)) for k in cells.conductivity])
    k_of = dolfinx.fem.Function(dolfinx.fem.functionspace(mesh, ("DG", 0, (3,))))
    k_of.x.array.reshape(-1, 3)[:] = full[g.layer[middles[:, 2]], :, middles[:, 1], middles[:, 0]]
    space = dolfinx.fem.functionspace(mesh, ("Lagrange", 1))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    flux = ufl.as_vector([k_of[i] * ufl.grad(u)[i] for i in range(3)])
    form = ufl.inner(flux, ufl.grad(v)) * ufl.dx(metadata={"quadrature_degree": 2})
    facets, tags = [], []
    for tag, at in ((1, g.z[-1]), (2, g.z[0])):
        found = dolfinx.mesh.locate_entities_boundary(mesh, 2, lambda p, at=at: np.isclose(p[2], at, atol=1e-9))
        facets.append(found)
        tags.append(np.full(found.size, tag, dtype=np.int32))
    index, value = np.concatenate(facets), np.concatenate(tags)
    order = np.argsort(index)
    mesh.topology.create_connectivity(2, 3)
    marks = dolfinx.mesh.meshtags(mesh, 2, index[order], value[order])
    ds = ufl.Measure("ds", domain=mesh, subdomain_data=marks, metadata={"quadrature_degree": 2})
    for tag, face in ((1, problem.top), (2, problem.bottom)):
        form += dolfinx.fem.Constant(mesh, face.film_coefficient) * u * v * ds(tag)
    matrix = dolfinx.fem.petsc.assemble_matrix(dolfinx.fem.form(form))
    matrix.assemble()
    points = space.tabulate_dof_coordinates()
    where = tuple(np.searchsorted(0.5 * (v[1:] + v[:-1]), points[:, a]) for a, v in ((2, g.z), (1, g.y), (0, g.x)))
    return matrix, np.ravel_multi_index(where, (g.z.size, g.y.size, g.x.size)), mesh  # the mesh keeps the communicator
