"""The temperature field in three dimensions: files for ParaView, and pictures of the stack cut open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import storage
from stack3d.case.solved_field import SolvedField
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import DeckError, MissingDependencyError
from stack3d.layout import FILL, Floats

FLATTEN = 0.4
"""Layers are drawn as high as their thickness to this power, or thin ones could not be seen."""


def write_field(field: SolvedField, path: Path) -> None:
    """Write temperature [K], power density [W m⁻³] and the region of cells as ``.vtu`` or ``.xdmf``; raises DeckError.

    The number of each region stands under its name in the field data.
    """
    import meshio

    mesh = field.mesh.joined(field.stack.regions)
    used, cells = np.unique(mesh.cells, return_inverse=True)
    if path.suffix not in (".vtu", ".xdmf"):
        raise DeckError(f"a field is written as .vtu or .xdmf, not {path.suffix or 'without a suffix'}")
    out = meshio.Mesh(
        mesh.points[used],
        [(mesh.kind, cells.reshape(mesh.cells.shape))],
        point_data={"temperature": field.temperature[used]},
        cell_data={"power_density": [field.power_density], "region": [mesh.region.astype(np.int32)]},
    )
    with storage.together(path) as scratch:
        out.write(scratch)
        scratch.write_text(_named(scratch.read_text(encoding="utf-8"), path.suffix, mesh.names), encoding="utf-8")


def _named(text: str, suffix: str, names: Sequence[str]) -> str:
    """The text of a field with the names of its regions, which meshio reads in both formats and writes in neither."""
    if suffix == ".vtu":
        numbers = "".join(
            f'<DataArray type="Int32" Name="{name}" NumberOfTuples="1" format="ascii">{i}</DataArray>'
            for i, name in enumerate(names)
        )
        return text.replace("<UnstructuredGrid>", f"<UnstructuredGrid><FieldData>{numbers}</FieldData>", 1)
    numbers = "".join(f'<map key="{name}" dim="3">{i}</map>' for i, name in enumerate(names))
    information = f'<Information Name="regions"><![CDATA[<main>{numbers}</main>]]></Information>'
    return text.replace('<Grid Name="Grid">', f'<Grid Name="Grid">{information}', 1)


def _drawn_heights(field: SolvedField) -> Floats:
    """Heights of the levels with thin layers raised, six tenths of the width in all; of a user's own mesh, as they are."""
    points, levels = field.mesh.points, field.levels
    if levels is None:
        return np.array([points[:, 2].min(), points[:, 2].max()])
    raised = np.array([layer.thickness**FLATTEN for layer in field.stack.layers])
    share = np.array([layer.thickness for layer in field.stack.layers])
    steps = np.diff(levels.z) / share[levels.layer] * raised[levels.layer]
    heights = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(heights * 0.6 * np.ptp(points[:, 0]) / heights[-1])


def load_pyvista() -> Any:
    """Import PyVista; raises MissingDependencyError."""
    try:
        import pyvista
    except ImportError as error:
        raise MissingDependencyError(
            f"pictures in three dimensions need PyVista: pip install 'stack3d[view]' ({error})"
        ) from error
    return pyvista


def _labels(field: SolvedField, heights: Floats) -> Iterator[tuple[str, float]]:
    """Names and drawn middles of layers outside the tiers and of the first and last crossbar layer, where there is room."""
    room, last = 0.03 * heights[-1], -np.inf
    outer = (0, field.stack.n_tiers - 1)
    for index, layer in enumerate(field.stack.layers):
        middle = 0.5 * (layer.z0 + layer.z1)
        if field.levels is not None:
            slabs = np.flatnonzero((field.levels.layer == index) & (np.diff(field.levels.z) > 0))
            middle = 0.5 * float(heights[slabs[0]] + heights[slabs[-1] + 1])
        is_named = layer.part != FILL and (layer.tier is None or (layer.role == "rram" and layer.tier in outer))
        if is_named and middle - last > room:
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


def _name_layers(plotter: Any, places: list[tuple[str, float]], corner: tuple[float, float], side: str) -> None:
    """Write the names of layers at their heights [m] on the rim over a corner (x, y) [m]."""
    plotter.add_point_labels(
        np.array([(*corner, z) for _, z in places]),
        [f"  {name}  " for name, _ in places],
        font_size=14,
        text_color="black",
        shape=None,
        show_points=False,
        always_visible=True,
        justification_horizontal=side,
    )


def show(field: SolvedField, path: Path | None = None, *, title: str = "") -> None:
    """Draw the stack coloured by temperature with a quarter cut out, on the screen or into `path` (.png).

    Raises
    ------
    MissingDependencyError
        When PyVista is not installed.
    """
    pyvista = load_pyvista()
    pyvista.vtk_verbosity("off")  # it complains of a missing screen even when it needs none
    heights = _drawn_heights(field)
    mesh, points = field.mesh.joined(field.stack.regions), field.mesh.points.copy()
    if field.levels is not None:
        points[:, 2] = heights[field.levels.of_point]
    corners = mesh.corners
    kinds = np.full(len(corners), 12 if mesh.kind == "hexahedron" else 10, dtype=np.uint8)  # VTK_HEXAHEDRON, VTK_TETRA
    cells = np.column_stack([np.full(len(corners), corners.shape[1]), corners]).ravel()
    grid = pyvista.UnstructuredGrid(cells, kinds, points)
    grid.point_data["temperature [°C]"] = field.temperature - ZERO_CELSIUS
    centre = points[corners].mean(axis=1)
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    cut_at, side = _corner(points, field.temperature)
    kept = ~((side[0] * (centre[:, 0] - cut_at[0]) > 0) & (side[1] * (centre[:, 1] - cut_at[1]) > 0))
    cut = grid.extract_cells(np.flatnonzero(kept))
    plotter = pyvista.Plotter(off_screen=path is not None, window_size=(1400, 1000))
    plotter.set_background("white")
    names_right = side[0] == side[1]  # where the uncut rim is seen from the open side
    bar = {"vertical": True, "position_x": 0.02 if names_right else 0.88, "position_y": 0.2, "height": 0.6, "fmt": "%.2f"}
    plotter.add_mesh(cut, scalars="temperature [°C]", cmap="inferno", scalar_bar_args={**bar, "color": "black"}, lighting=False)
    for number in np.unique(mesh.region):
        part = grid.extract_cells(np.flatnonzero(kept & (mesh.region == number)))
        edges = part.extract_feature_edges(30)
        if edges.n_points:  # none of what lies in the quarter that is cut out
            plotter.add_mesh(edges, color="#6b7280", line_width=1)
    low, high = points.min(axis=0), points.max(axis=0)
    corner = low[0] if side[0] > 0 else high[0], high[1] if side[1] > 0 else low[1]
    _name_layers(plotter, list(_labels(field, heights)), corner, "left" if names_right else "right")
    plotter.add_text(
        title if field.levels is None else f"{title}\nlayers raised to be seen: heights are not to scale",
        font_size=11,
        color="black",
    )
    reach = 0.5 * (high - low)
    eye = (middle[0] + 2.2 * side[0] * reach[0], middle[1] + 4.2 * side[1] * reach[1], middle[2] + 3.0 * reach[0])
    plotter.camera_position = [eye, tuple(middle), (0, 0, 1)]
    plotter.reset_camera()
    plotter.camera.zoom(1.1)
    if path is None:
        plotter.show()
    else:
        with storage.beside(path, path.suffix) as scratch:
            plotter.screenshot(scratch)
    plotter.close()
