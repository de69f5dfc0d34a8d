"""The command ``import``: files of other tools become a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import app, free, written_as


@app.command(name="import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="3D-ICE .stk; HotSpot .flp, .ptrace, .lcf, .config, .materials; 3Dblox .3dbx, powers .csv; .ecxml; "
            "layout .gds, .oas or .def and .lef, layers and powers .csv."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", callback=free, help="The scenario to write; a power trace is written beside it.")
    ],
    transient: Annotated[
        bool | None,
        typer.Option(
            "--transient/--steady",
            help="Keep the powers over time, or their mean; by default as 3D-ICE's file says, else steady.",
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option("--cell", help="Cell size for the metal density of a layout, as '20 um'; by default 32 cells across."),
    ] = None,
) -> None:
    """Turn files of other tools into a scenario.

    Reads HotSpot, 3D-ICE, 3Dblox, ECXML and layouts, and says what it could not carry over.
    """
    from stack3d import results, storage
    from stack3d.case import fitting
    from stack3d.geometry.importers import import_files
    from stack3d.progress import watched

    written_as(output, "a scenario is", ".yaml", ".yml")
    with watched():
        found = import_files(files, output.stem, transient, cell)
        with found.resolved() as case, case.located():
            found = found.with_profile(*fitting(case.scenario))
    for name, text in found.files(output.name).items():
        results.write_text(storage.inside(output.parent, name), text)
    typer.echo(f"{output}: {len(found.layers)} layers, {len(found.scenario['power']['sources'])} sources")
    for note in found.notes:
        typer.echo(f"  note: {note}")
