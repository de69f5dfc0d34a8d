"""The command ``show``: deck, stack, mesh and mapping of a chip, before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stack3d.cli.arguments import One, Overrides, app, parsed

if TYPE_CHECKING:
    from stack3d.chip import Chip, Computer


@app.command()
def show(scenario: One, overrides: Overrides = []) -> None:  # noqa: B006
    """Show what a scenario would run.

    Prints the scenario with every deck filled in, the layers, the size of the mesh, memory and time.
    """
    from stack3d import decks, results
    from stack3d.case import check, size_told, time_told
    from stack3d.chip import ComputingChip
    from stack3d.heat.meshing import describe, meshed

    case = decks.load(scenario, parsed(overrides))
    with case.located():
        chip = check(case.scenario)
    typer.echo(results.resolved_yaml(case).rstrip())
    for override in case.overrides:
        typer.echo(f"# set {override}")
    typer.echo(f"\n# content hash {case.digest()[:12]}\n")
    _tell_layers(chip)
    _tell_sources(chip)
    body = meshed(chip)
    typer.echo(f"\nmesh: {describe(chip, body)}\ntakes: {size_told(chip)}\ntime: {time_told(chip, body)}")
    if isinstance(chip, ComputingChip):
        _tell_mapping(chip.computer)


def _tell_layers(chip: Chip) -> None:
    typer.echo(
        f"{'layer (top first)':<18}{'z [um]':>12}{'thickness':>12}  {'material':<20}{'k [W/m/K] x, y, z':<24}{'contact':>10}"
    )
    for layer in reversed(chip.stack.named):
        k = ", ".join(f"{v:g}" for v in layer.material.conductivity)
        contact = f"{layer.contact_resistance * 1e6:g} mm2K/W" if layer.contact_resistance else ""
        typer.echo(
            f"{layer.name:<18}{layer.z0 * 1e6:>12.2f}{layer.thickness * 1e6:>9.2f} um  {layer.material.name:<20}"
            f"{k:<24}{contact:>10}  {layer.role}".rstrip()
        )


MOST_SOURCES = 40
"""Sources that are listed."""


def _mm(length: float) -> str:
    """A length [m] in millimetres, without what rounding left of it: a nanometre is the last digit."""
    return f"{round(1e3 * length, 6):g}"


def _tell_sources(chip: Chip) -> None:
    """Where each source lies, counted as decks do, and within its layer where that is smaller than the footprint."""
    from stack3d.unit_text import short

    if not chip.sources:
        return
    whole = chip.stack.footprint
    smaller = any(chip.stack.layer(source.layer).extent != whole for source in chip.sources)
    more = "within its layer x, y [mm]" if smaller else ""
    typer.echo(f"\n{'source':<18}{'layer':<20}{'power':>10}  {'x [mm]':<18}{'y [mm]':<18}{more}".rstrip())
    for source in chip.sources[:MOST_SOURCES]:
        box, of = source.extent, chip.stack.layer(source.layer).extent
        spans = [f"{_mm(a)} to {_mm(b)}" for a, b in ((box.x0, box.x1), (box.y0, box.y1))]
        inside = [f"{_mm(a - o)} to {_mm(b - o)}" for a, b, o in ((box.x0, box.x1, of.x0), (box.y0, box.y1, of.y0))]
        within = "" if of == whole else ", ".join(inside)
        typer.echo(
            f"{source.name:<18}{source.layer:<20}{short(source.power, 'W'):>10}  {spans[0]:<18}{spans[1]:<18}{within}".rstrip()
        )
    if len(chip.sources) > MOST_SOURCES:
        typer.echo(f"… and {len(chip.sources) - MOST_SOURCES} sources more")


def _tell_mapping(computer: Computer) -> None:
    """Where the matrices of the network lie, and what stays digital."""
    from stack3d.unit_text import short

    table = computer.mapping_table()
    typer.echo(f"\n{'layer':<24}{'weights':>14}{'copies':>8}{'tiles':>7}{'used':>8}{'products':>10}{'busy':>11}")
    for i, matrix in enumerate(computer.network.layers):
        rows, columns, copies, tiles, products, used, busy = (table[key][i] for key in table)
        typer.echo(
            f"{matrix.name:<24}{f'{rows} x {columns}':>14}{copies:>8}{tiles:>7}{100 * used:>6.0f} %{products:>10.4g}"
            f"{short(float(busy), 's'):>11}"
        )
    for kept in computer.network.digital:
        typer.echo(f"{kept.name:<24}{f'{kept.macs} MAC':>14}  stays digital")
