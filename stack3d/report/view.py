"""The temperature field in three dimensions: files for ParaView, and pictures of the stack cut open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stack3d import storage
from stack3d.case.solved_field import SolvedField
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import DeckError, MissingDependencyError, to_install
from stack3d.layout import FILL, Floats
from stack3d.report.annotated_view import PlacedName, write
from stack3d.report.chart import ColourScale, colour_scale

FLATTEN = 0.4
"""Layers are drawn as high as their thickness to this power, or thin ones could not be seen."""
MOST_TIERS = 12
"""Tiers that are named in a picture."""
SIZE = (1400, 1000)
"""Of a picture before it is trimmed. [px]"""
HIDDEN = 1.01
"""Distance of a point over that of what is seen there above which it is hidden. [-]"""
RIM, TIER_RIM = "#6b7280", "#9ca3af"
"""Lines around layers, and around tiers."""


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
        raise MissingDependencyError(f"pictures in three dimensions need PyVista: {to_install('view')} ({error})") from error
    return pyvista


def _labels(field: SolvedField, heights: Floats) -> Iterator[tuple[str, float, bool]]:
    """Names and drawn middles of layers outside the tiers, and of tiers, of which at most `MOST_TIERS` are named."""
    n, crossbars = field.stack.n_tiers, field.stack.with_role("rram")
    named = {round(float(k)) for k in np.linspace(0, n - 1, min(n, MOST_TIERS))}
    for index, layer in enumerate(field.stack.layers):
        middle = 0.5 * (layer.z0 + layer.z1)
        if field.levels is not None:
            slabs = np.flatnonzero((field.levels.layer == index) & (np.diff(field.levels.z) > 0))
            if not slabs.size:
                continue
            middle = 0.5 * float(heights[slabs[0]] + heights[slabs[-1] + 1])
        if layer.tier is None and layer.part != FILL:
            yield layer.name, middle, False
        elif layer.tier in named and layer in crossbars:
            yield f"tier {layer.tier}", middle, True


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


def _name_layers(plotter: Any, places: Sequence[tuple[str, float, bool]], corner: tuple[float, float], side: str) -> None:
    """Write the names of layers at their heights [m] on the rim over a corner (x, y) [m]."""
    plotter.add_point_labels(
        np.array([(*corner, z) for _, z, _ in places]),
        [f"  {name}  " for name, _, _ in places],
        font_size=14,
        text_color="black",
        shape=None,
        show_points=False,
        justification_horizontal=side,
    )


def _outlined(plotter: Any, grid: Any, kept: Any, field: SolvedField, names: Sequence[str], region: Any) -> None:
    """Draw the rims of regions, those of a tier as one and brighter.

    Parameters
    ----------
    plotter, grid
        Of PyVista.
    kept : ndarray of bool, shape (n_cells,)
        Cells outside the quarter that is cut out.
    field : SolvedField
    names : sequence of str
        Of the regions.
    region : ndarray, shape (n_cells,)
    """
    tiers = {layer.name: layer.tier for layer in field.stack.layers if layer.tier is not None}
    of_region = np.array([tiers.get(name.partition(".")[0], -1 - i) for i, name in enumerate(names)])
    of_cell = of_region[region]
    for number in np.unique(of_cell):
        edges = grid.extract_cells(np.flatnonzero(kept & (of_cell == number))).extract_feature_edges(30)
        if edges.n_points:  # none of what lies in the quarter that is cut out
            plotter.add_mesh(edges, color=TIER_RIM if number >= 0 else RIM, line_width=2.2 if number >= 0 else 1.0)


def _seen(plotter: Any, point: Sequence[float], height: int) -> tuple[float, float]:
    """Where a point lies on the picture, from the upper left. [px]"""
    renderer = plotter.renderer
    renderer.SetWorldPoint(*(float(v) for v in point), 1.0)
    renderer.WorldToDisplay()
    x, y, _ = renderer.GetDisplayPoint()
    return float(x), height - float(y)


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
    cut_at, side = _corner(points, field.temperature)
    kept = ~((side[0] * (centre[:, 0] - cut_at[0]) > 0) & (side[1] * (centre[:, 1] - cut_at[1]) > 0))
    cut = grid.extract_cells(np.flatnonzero(kept))
    plotter = pyvista.Plotter(off_screen=path is not None, window_size=SIZE)
    plotter.set_background("white")
    scale = colour_scale("temperature [°C]", field.temperature[np.unique(corners)] - ZERO_CELSIUS)
    names_right = side[0] == side[1]  # where the uncut rim is seen from the open side
    look = {"scalars": "temperature [°C]", "cmap": "inferno", "clim": (scale.low, scale.high), "lighting": False}
    bar = {"vertical": True, "position_x": 0.02 if names_right else 0.88, "position_y": 0.2, "height": 0.6, "fmt": "%.4g"}
    surface = plotter.add_mesh(cut, **look, show_scalar_bar=path is None, scalar_bar_args={**bar, "color": "black"})
    surface.mapper.SetResolveCoincidentTopologyToPolygonOffset()  # rims lie on it and are to be seen whole
    surface.mapper.SetRelativeCoincidentTopologyPolygonOffsetParameters(2.0, 2.0)
    _outlined(plotter, grid, kept, field, mesh.names, mesh.region)
    low, high = points.min(axis=0), points.max(axis=0)
    corner = float(low[0] if side[0] > 0 else high[0]), float(high[1] if side[1] > 0 else low[1])
    places = list(_labels(field, heights))
    text = title if field.levels is None else f"{title}\nlayers raised to be seen: heights are not to scale"
    middle, reach = 0.5 * (low + high), 0.5 * (high - low)
    eye = (middle[0] + 2.2 * side[0] * reach[0], middle[1] + 4.2 * side[1] * reach[1], middle[2] + 3.0 * reach[0])
    plotter.camera_position = [eye, tuple(middle), (0, 0, 1)]
    plotter.reset_camera()
    if path is None:
        _name_layers(plotter, places, corner, "left" if names_right else "right")
        plotter.add_text(text, font_size=11, color="black")
        plotter.show()
    else:
        plotter.enable_anti_aliasing("ssaa")
        picture = np.asarray(plotter.screenshot(return_img=True))[..., :3]
        hottest = int(np.argmax(np.where(np.isin(np.arange(len(points)), corners), field.temperature, -np.inf)))
        names = [PlacedName(name, *_seen(plotter, (*corner, z), SIZE[1]), is_tier) for name, z, is_tier in places]
        told = f"hottest {field.temperature[hottest] - ZERO_CELSIUS:.{_decimals(scale)}f} °C"
        told += "" if _is_in_front(plotter, points[hottest]) else " (behind)"
        ring = PlacedName(told, *_seen(plotter, points[hottest], SIZE[1]))
        with storage.beside(path, path.suffix) as scratch:
            write(picture, names, ring, scale, scratch, title=text, to_the_right=names_right)
    plotter.close()


def _is_in_front(plotter: Any, point: Sequence[float]) -> bool:
    """Whether nothing of the picture hides a point."""
    x, y = _seen(plotter, point, SIZE[1])
    depth = np.abs(plotter.get_image_depth(fill_value=None))
    around = depth[max(int(y) - 3, 0) : int(y) + 4, max(int(x) - 3, 0) : int(x) + 4]
    eye, towards = np.array(plotter.camera.position), np.array(plotter.camera.direction)
    return bool(around.size) and float((np.asarray(point) - eye) @ towards) < HIDDEN * float(around.max())


def _decimals(scale: ColourScale) -> int:
    """As many as tell a hundredth of a scale apart, one at least."""
    return int(np.clip(1 - np.floor(np.log10(max(scale.high - scale.low, 1e-9))), 1, 6))
