"""The temperature field in three dimensions: files for ParaView, and pictures of the stack cut open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import DeckError, MissingDependencyError
from stack3d.layout import Floats
from stack3d.lifetime.field import Field
from stack3d.lifetime.summary import ZERO_CELSIUS

FLATTEN = 0.4
"""Layers are drawn as high as their thickness to this power, or thin ones could not be seen."""


@dataclass(frozen=True, eq=False)
class Hexahedra:
    """Solid cells of a field.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        [m]
    cells : ndarray of int, shape (m, 8)
        In the order of VTK.
    temperature : ndarray, shape (n,)
        [K]
    power_density : ndarray, shape (m,)
        [W m⁻³]
    region : ndarray of int, shape (m,)
        Index into `names`.
    names : tuple of str
    """

    points: Floats
    cells: NDArray[np.intp]
    temperature: Floats
    power_density: Floats
    region: NDArray[np.intp]
    names: tuple[str, ...]


def hexahedra(field: Field, heights: Floats | None = None) -> Hexahedra:
    """Solid cells and the nodes they use; `heights` in place of those of the grid, for drawing."""
    grid = field.grid
    z = grid.z if heights is None else heights
    index = np.arange(grid.n_nodes).reshape(z.size, grid.y.size, grid.x.size)
    steps = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0))
    nz, ny, nx = grid.shape
    solid = field.is_solid
    corners = [index[k : nz + k, j : ny + j, i : nx + i][solid] for k, j, i in steps]
    used, cells = np.unique(np.stack(corners, axis=1), return_inverse=True)
    k, j, i = np.unravel_index(used, index.shape)
    return Hexahedra(
        np.column_stack([grid.x[i], grid.y[j], z[k]]),
        cells.reshape(-1, 8),
        field.temperature.ravel()[used],
        field.power_density[solid],
        field.regions.number[solid],
        field.regions.names,
    )


def write_field(field: Field, path: Path) -> None:
    """Write temperature [K], power density [W m⁻³] and the region of cells as ``.vtu`` or ``.xdmf``; raises DeckError.

    The number of each region stands under its name in the field data.
    """
    import meshio

    mesh = hexahedra(field)
    if path.suffix not in (".vtu", ".xdmf"):
        raise DeckError(f"a field is written as .vtu or .xdmf, not {path.suffix or 'without a suffix'}")
    out = meshio.Mesh(
        mesh.points,
        [("hexahedron", mesh.cells)],
        point_data={"temperature": mesh.temperature},
        cell_data={"power_density": [mesh.power_density], "region": [mesh.region.astype(np.int32)]},
    )
    out.write(path)
    text = path.read_text(encoding="utf-8")
    # meshio reads names in both formats and writes them in neither
    if path.suffix == ".vtu":
        numbers = "".join(
            f'<DataArray type="Int32" Name="{name}" NumberOfTuples="1" format="ascii">{i}</DataArray>'
            for i, name in enumerate(mesh.names)
        )
        text = text.replace("<UnstructuredGrid>", f"<UnstructuredGrid><FieldData>{numbers}</FieldData>", 1)
    else:
        numbers = "".join(f'<map key="{name}" dim="3">{i}</map>' for i, name in enumerate(mesh.names))
        information = f'<Information Name="regions"><![CDATA[<main>{numbers}</main>]]></Information>'
        text = text.replace('<Grid Name="Grid">', f'<Grid Name="Grid">{information}', 1)
    path.write_text(text, encoding="utf-8")


def _drawn_heights(field: Field) -> Floats:
    """Heights with thin layers raised, six tenths of the width in all."""
    grid, stack = field.grid, field.stack
    raised = np.array([layer.thickness**FLATTEN for layer in stack.layers])
    share = np.array([layer.thickness for layer in stack.layers])
    steps = np.diff(grid.z) / share[grid.layer] * raised[grid.layer]
    heights = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(heights * 0.6 * (grid.x[-1] - grid.x[0]) / heights[-1])


def load_pyvista() -> Any:
    """Import PyVista; raises MissingDependencyError."""
    try:
        import pyvista
    except ImportError as error:
        raise MissingDependencyError(
            f"pictures in three dimensions need PyVista: pip install 'stack3d[view]' ({error})"
        ) from error
    return pyvista


def _labels(field: Field, heights: Floats) -> Iterator[tuple[str, float]]:
    """Names and drawn middles of layers outside the tiers and of the first and last crossbar layer, where there is room."""
    room, last = 0.03 * heights[-1], -np.inf
    outer = (0, field.stack.n_tiers - 1)
    for index, layer in enumerate(field.stack.layers):
        cells = field.grid.cells_of(index)
        middle = 0.5 * float(heights[cells[0]] + heights[cells[-1] + 1])
        if (layer.tier is None or (layer.role == "rram" and layer.tier in outer)) and middle - last > room:
            last = middle
            yield layer.name, middle


def _corner(points: Floats, temperature: Floats) -> tuple[tuple[float, float], tuple[int, int]]:
    """Where a quarter is cut out and towards which side: through the hottest point unless it lies near the rim.

    Returns
    -------
    corner : (x, y)
        [m]
    side : (x, y)
        Signs; of the larger part on either side of the corner.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    hottest, middle = points[temperature.argmax(), :2], 0.5 * (low + high)
    share = (hottest - low) / (high - low)
    x, y = np.where((share > 0.1) & (share < 0.9), hottest, middle)
    return (float(x), float(y)), (1 if x <= middle[0] else -1, -1 if y >= middle[1] else 1)


def show(field: Field, path: Path | None = None, *, title: str = "") -> None:
    """Draw the stack coloured by temperature with a quarter cut out, on the screen or into `path` (.png).

    Raises
    ------
    MissingDependencyError
        When PyVista is not installed.
    """
    pyvista = load_pyvista()
    pyvista.vtk_verbosity("off")  # it complains of a missing screen even when it needs none
    heights = _drawn_heights(field)
    mesh = hexahedra(field, heights)
    kinds = np.full(len(mesh.cells), 12, dtype=np.uint8)  # VTK_HEXAHEDRON
    cells = np.column_stack([np.full(len(mesh.cells), 8), mesh.cells]).ravel()
    grid = pyvista.UnstructuredGrid(cells, kinds, mesh.points)
    grid.point_data["temperature [°C]"] = mesh.temperature - ZERO_CELSIUS
    centre = mesh.points[mesh.cells].mean(axis=1)
    middle = 0.5 * (mesh.points.min(axis=0) + mesh.points.max(axis=0))
    cut_at, side = _corner(mesh.points, mesh.temperature)
    kept = ~((side[0] * (centre[:, 0] - cut_at[0]) > 0) & (side[1] * (centre[:, 1] - cut_at[1]) > 0))
    cut = grid.extract_cells(np.flatnonzero(kept))
    plotter = pyvista.Plotter(off_screen=path is not None, window_size=(1400, 1000))
    plotter.set_background("white")
    names_right = side[0] == side[1]  # where the uncut rim is seen from the open side
    bar = {"vertical": True, "position_x": 0.02 if names_right else 0.88, "position_y": 0.2, "height": 0.6, "fmt": "%.2f"}
    plotter.add_mesh(cut, scalars="temperature [°C]", cmap="inferno", scalar_bar_args={**bar, "color": "black"}, lighting=False)
    for number in np.unique(mesh.region):
        part = grid.extract_cells(np.flatnonzero(kept & (mesh.region == number)))
        plotter.add_mesh(part.extract_feature_edges(30), color="#6b7280", line_width=1)
    places = list(_labels(field, heights))
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    corner = low[0] if side[0] > 0 else high[0], high[1] if side[1] > 0 else low[1]
    points = np.array([(*corner, z) for _, z in places])
    plotter.add_point_labels(
        points,
        [f"  {name}  " for name, _ in places],
        font_size=14,
        text_color="black",
        shape=None,
        show_points=False,
        always_visible=True,
        justification_horizontal="left" if names_right else "right",
    )
    plotter.add_text(f"{title}\nlayers raised to be seen: heights are not to scale", font_size=11, color="black")
    reach = 0.5 * (high - low)
    eye = (middle[0] + 2.2 * side[0] * reach[0], middle[1] + 4.2 * side[1] * reach[1], middle[2] + 3.0 * reach[0])
    plotter.camera_position = [eye, tuple(middle), (0, 0, 1)]
    plotter.reset_camera()
    plotter.camera.zoom(1.1)
    if path is None:
        plotter.show()
    else:
        plotter.screenshot(path)
    plotter.close()
