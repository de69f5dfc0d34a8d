"""Commands that write a mesh or the field on it: ``mesh`` and ``view``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import One, Overrides, app, free, parsed
from stack3d.errors import DeckError


@app.command()
def mesh(
    scenario: One,
    output: Annotated[Path, typer.Option("-o", "--output", callback=free, help="Mesh file to write: .msh, .vtu, .xdmf, …")],
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Write the mesh with its named regions."""
    from stack3d import decks
    from stack3d.case import check
    from stack3d.geometry.gmsh_model import named_model, write_mesh
    from stack3d.heat.meshing import meshed

    case = decks.load(scenario, parsed(overrides))
    with case.located():
        chip = check(case.scenario, solve=True)
        cells = meshed(chip).cells(chip.stack, chip.scenario.cooling).joined(chip.stack.regions)
    with named_model(cells) as named:
        write_mesh(named, output)
    typer.echo(f"{output}: {cells.n_nodes} nodes, {len(cells.cells)} cells")


@app.command()
def view(
    scenario: One,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", callback=free, help="A .png picture, or a .vtu or .xdmf field; a window by default."),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Show temperatures in 3D.

    Solves a scenario and opens a window with the stack cut open, or writes a picture or a file for ParaView.
    """
    from stack3d import decks
    from stack3d.case import solve_field
    from stack3d.report.view import load_pyvista, show, write_field

    if output is None and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise DeckError("there is no screen to show it on; -o picture.png draws it into a file")
    case = decks.load(scenario, parsed(overrides))
    if output is None or output.suffix == ".png":
        load_pyvista()
        show(solve_field(case.scenario), output, title=case.name)
    else:
        write_field(solve_field(case.scenario), output)
    if output is not None:
        typer.echo(str(output))
