"""From a geometry deck to layers (`stack`), lines (`grid`) and a named Gmsh mesh (`gmsh_model`)."""

from stack3d.geometry.cell_check import cells_objection
from stack3d.geometry.coarsening import are_divided, firm_lines, flatter, narrower, redrawn, wider
from stack3d.geometry.expected import expected_points
from stack3d.geometry.gmsh_model import through_gmsh
from stack3d.geometry.grid import build_grid
from stack3d.geometry.heights import Heeded
from stack3d.geometry.hexahedra import CellRegions, layered_cells, n_nodes
from stack3d.geometry.homogenised import is_homogenised, resolved
from stack3d.geometry.spacing import has_gaps
from stack3d.geometry.stack import build_stack, channel_keys, check_places, explicit_sources, tile_sites
from stack3d.geometry.tetrahedra import build_columns, moved_columns
from stack3d.geometry.user_mesh import read_mesh

__all__ = [
    "Heeded",
    "CellRegions",
    "are_divided",
    "build_columns",
    "expected_points",
    "build_grid",
    "build_stack",
    "channel_keys",
    "cells_objection",
    "check_places",
    "explicit_sources",
    "firm_lines",
    "flatter",
    "has_gaps",
    "is_homogenised",
    "layered_cells",
    "moved_columns",
    "n_nodes",
    "narrower",
    "read_mesh",
    "redrawn",
    "resolved",
    "through_gmsh",
    "tile_sites",
    "wider",
]
