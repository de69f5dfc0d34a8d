"""Commands that read results: ``report``, ``plot`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import (
    Films,
    Results,
    Threshold,
    among,
    app,
    drawn_from,
    films_of,
    free,
    opened,
    share_of,
    write_page,
    written_as,
)
from stack3d.errors import DeckError


@app.command()
def report(
    found: Results,
    output: Annotated[Path, typer.Option("-o", "--output", callback=free, help="The page to write.")] = Path("report.html"),
    threshold: Threshold = None,
) -> None:
    """Write a page with figures of a result.

    Takes a case, a study, one case at several device bands, or two results to compare. The page is one file that asks for
    nothing outside.
    """
    write_page(found, output, share_of(threshold))


@app.command()
def plot(
    result: Annotated[Path, typer.Argument(help="A result file, or its folder.", metavar="RESULT")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder to write to; with one --figure also a .png, .svg or .pdf file.")
    ],
    figures: Annotated[
        list[str], typer.Option("--figure", help="Figure to draw, all by default. Can be repeated.", metavar="NAME")
    ] = [],  # noqa: B006
    kind: Annotated[
        str,
        typer.Option(
            "--format", help="Format of the files of a folder: png, svg or pdf.", autocompletion=among("png", "svg", "pdf")
        ),
    ] = "png",
    threshold: Threshold = None,
) -> None:
    """Save the figures of a result as image files."""
    from stack3d import storage
    from stack3d.report import chart, pen, possible

    tree = opened(result)
    with drawn_from(result):
        names = figures or possible(tree)
    if output.suffix and len(names) > 1:
        raise DeckError(f"-o {output} is one file for {len(names)} figures; name one by --figure, or give a folder")
    limit = share_of(threshold)
    for name in names:
        path = output if output.suffix else storage.inside(output, f"{name}.{kind}")
        if path.suffix not in (".png", ".svg", ".pdf"):
            raise DeckError(f"figures are written as .png, .svg or .pdf, not {path.suffix or 'without a suffix'}")
        with drawn_from(result):
            figure = pen.draw(chart(tree, name, threshold=limit))
        with storage.beside(path, path.suffix) as scratch:
            figure.savefig(scratch, dpi=150)
        typer.echo(str(path))


@app.command()
def export(
    given: Annotated[
        Path,
        typer.Argument(
            help="A result file or its folder; for .fmu a file of `compact`, for .ecxml a scenario.", metavar="FILE"
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", callback=free, help="The .cir, .fmu, .csv or .ecxml file to write.")
    ],
    film: Films = [],  # noqa: B006
    places: Annotated[
        str | None,
        typer.Option(
            "--of",
            help="Rows of a .csv: blocks, cells, layers or probes; blocks by default.",
            metavar="KIND",
            autocompletion=among("blocks", "cells", "layers", "probes"),
        ),
    ] = None,
) -> None:
    """Write heat for other tools.

    The ending says what: SPICE (.cir), an FMU of a compact model (.fmu), a table of places (.csv), a scenario (.ecxml).
    """
    from stack3d import results

    written_as(output, "heat for other tools is", ".cir", ".fmu", ".csv", ".ecxml")
    notes: list[str] = []
    kind = output.suffix.lower()
    for option, value, of in (("--film", film, ".fmu"), ("--of", places, ".csv")):
        if value and kind != of:
            raise DeckError(f"{option} is for {of} alone, not {kind}")
    if kind == ".fmu":
        from stack3d.results.fmu import read_compact, write_fmu

        write_fmu(output, read_compact(given), given.stem, films_of(film))
    elif kind == ".ecxml":
        results.write_ecxml(output, given)
    else:
        with drawn_from(given):
            tree = opened(given)
            text = results.netlist(tree) if kind == ".cir" else results.places_table(tree, places or "blocks")
            notes = [
                f"  note: the pin of {name} is {pin}" for name, pin in (results.renamed_pins(tree) if kind == ".cir" else [])
            ]
        results.write_text(output, text)
    typer.echo("\n".join([str(output), *notes]))
