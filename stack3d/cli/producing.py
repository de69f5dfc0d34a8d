"""Commands that write a file: ``mesh``, ``view``, ``report``, ``plot``, ``export``, ``new``, ``import``, ``fit``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import One, Overrides, Results, Threshold, app, opened, parsed, share_of
from stack3d.errors import DeckError


@app.command()
def mesh(
    scenario: One,
    output: Annotated[Path, typer.Option("-o", "--output", help="msh, vtu, xdmf, …")],
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Write the Gmsh mesh with its named regions."""
    from stack3d import decks
    from stack3d.case import check
    from stack3d.geometry.gmsh_model import named_model, write_mesh
    from stack3d.heat.meshing import meshed

    case = decks.load(scenario, parsed(overrides))
    with case.located():
        chip = check(case.scenario, solve=True)
        cells = meshed(chip).cells(chip.stack, chip.scenario.cooling)
    with named_model(cells) as named:
        write_mesh(named, output)
    typer.echo(f"{output}: {cells.n_nodes} nodes, {len(cells.cells)} cells")


@app.command()
def view(
    scenario: One,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A .png picture, or a .vtu or .xdmf field.")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Solve the temperature of a scenario and show it in three dimensions, cut open; or write it for ParaView."""
    from stack3d import decks
    from stack3d.case.solved_field import solve_field
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


@app.command()
def report(
    found: Results,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path("report.html"),
    threshold: Threshold = None,
) -> None:
    """Write one self-contained page with figures: of a case, of a study, or of a case at several device bands."""
    from stack3d import results
    from stack3d.report import report_page

    limit = share_of(threshold)
    page = report_page([opened(path) for path in found], threshold=limit)
    results.write_text(output, page)
    typer.echo(f"{output}: {len(page) / 1e3:.0f} kB")


@app.command()
def plot(
    result: Annotated[Path, typer.Argument(help="A result file, or its folder.", metavar="RESULT")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder, or with one figure a .png, .svg or .pdf file.")],
    figures: Annotated[list[str], typer.Option("--figure", help="Figure to draw; all by default.", metavar="NAME")] = [],  # noqa: B006
    kind: Annotated[str, typer.Option("--format", help="png, svg or pdf, for a folder.")] = "png",
    threshold: Threshold = None,
) -> None:
    """Draw the figures of a report by matplotlib."""
    from stack3d import storage
    from stack3d.report import chart, pen, possible

    tree = opened(result)
    names = figures or possible(tree)
    if output.suffix and len(names) > 1:
        raise DeckError(f"-o {output} is one file for {len(names)} figures; name one by --figure, or give a folder")
    limit = share_of(threshold)
    for name in names:
        path = output if output.suffix else storage.inside(output, f"{name}.{kind}")
        if path.suffix not in (".png", ".svg", ".pdf"):
            raise DeckError(f"figures are written as .png, .svg or .pdf, not {path.suffix or 'without a suffix'}")
        figure = pen.draw(chart(tree, name, threshold=limit))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
        typer.echo(str(path))


@app.command()
def export(
    result: Annotated[Path, typer.Argument(help="A result file, or its folder.", metavar="RESULT")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .cir file to write.")],
) -> None:
    """Write the thermal networks of a result as SPICE subcircuits: 1 A is 1 W, 1 V is 1 K over ambient."""
    from stack3d import results
    from stack3d.results.spice import netlist

    if output.suffix != ".cir":
        raise DeckError(f"networks are written as .cir, not {output.suffix or 'without a suffix'}")
    results.write_text(output, netlist(opened(result)))
    typer.echo(str(output))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the scenario; the file is NAME.yaml.", metavar="NAME")],
    kind: Annotated[str, typer.Option("--kind", help="What to start from: chip, package or device.")] = "chip",
) -> None:
    """Write a commented scenario to start from."""
    from stack3d.decks.starting import start

    path = start(name, kind, Path())
    typer.echo(f"{path}: a {kind} to change; stack3d validate {path}, then stack3d run {path}")


@app.command(name="import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="3D-ICE .stk; or HotSpot .flp, .ptrace, .lcf, .config, .materials.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The scenario to write; a power trace is written beside it.")],
    transient: Annotated[
        bool | None,
        typer.Option("--transient/--steady", help="Keep the course of the powers; absent = by 3D-ICE's solver, else steady."),
    ] = None,
) -> None:
    """Turn the files of a HotSpot or 3D-ICE run into a scenario, and say what had no equivalent."""
    from stack3d import results, storage
    from stack3d.case import check
    from stack3d.geometry.importers import import_files

    found = import_files(files, output.stem, transient)
    with found.resolved() as case, case.located():
        check(case.scenario)
    for name, text in found.files(output.name).items():
        results.write_text(storage.inside(output.parent, name), text)
    typer.echo(
        f"{output}: {len(found.scenario['geometry']['layers'])} layers, {len(found.scenario['power']['sources'])} sources"
    )
    for note in found.notes:
        typer.echo(f"  note: {note}")


@app.command()
def fit(
    data: Annotated[list[Path], typer.Argument(help="CSV files of measurements, units in the header.", metavar="DATA.csv...")],
    laws: Annotated[list[str], typer.Option("--law", help="Law to fit; two of one mechanism are compared.", metavar="NAME")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The deck to write.")],
    start: Annotated[str | None, typer.Option("--start", help="Deck to begin with; its other mechanisms are kept.")] = None,
    held: Annotated[list[str], typer.Option("--hold", help="Parameter that is not fitted.", metavar="KEY=VALUE")] = [],  # noqa: B006
    page: Annotated[Path | None, typer.Option("--report", help="Page to write; beside the deck by default.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the posterior draws.")] = 1,
) -> None:
    """Fit laws to measurements: a device deck with a posterior, and a page with residuals."""
    from stack3d import results, yamlfile
    from stack3d.devices import build_device, fitting, load_device
    from stack3d.report.fit_page import fit_page

    tables = [fitting.read_table(path) for path in data]
    device = load_device(start) if start else fitting.fitted_device(tables)
    found = [fitting.fit_law(law, tables, device, hold=dict(parsed(held)), seed=seed) for law in laws]
    found.sort(key=lambda f: (f.mechanism, f.criterion))
    best = [f for i, f in enumerate(found) if i == 0 or f.mechanism != found[i - 1].mechanism]
    text = fitting.deck_text(best, device, fitting.deck_content(start) if start else None)
    build_device(fitting.parsed(yamlfile.parse_text(text, str(output))))
    results.write_text(output, text)
    results.write_text(page or output.with_suffix(".html"), fit_page(found))
    for one in found:
        typer.echo(f"{one.mechanism}: {one.law}, {one.observations} rows, information criterion {one.criterion:.1f}")
        for f, value in zip((*one.parameters.free, *one.noise), one.best):
            low, high = one.interval(f.key)
            typer.echo(f"  {f.key:<32}{value:>12.5g} {f.unit:<6} 95 %: {low:.5g} … {high:.5g}")
        for remark in one.remarks:
            typer.echo(f"  {remark}")
    typer.echo(f"{output}, {page or output.with_suffix('.html')}")
