"""Commands of what a deck can name and hold: ``list``, ``schema`` and ``new``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import among, app
from stack3d.errors import DeckError, unknown_name

LAWS = "laws"
"""What `list` names beside kinds of decks."""


def _kinds(incomplete: str) -> list[str]:
    """Kinds of decks that begin so: what a shell offers."""
    from stack3d.decks import KINDS

    return among(*KINDS)(incomplete)


def _starters(incomplete: str) -> list[str]:
    """What a scenario may start from."""
    from stack3d.decks.starting import starters

    return among(*starters())(incomplete)


@app.command(name="list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="One kind: materials, geometries, cooling, devices, laws, …; all by default.",
            autocompletion=lambda incomplete: [*_kinds(incomplete), *among(LAWS)(incomplete)],
        ),
    ] = None,
) -> None:
    """List materials, devices, scenarios and so on.

    Laws of devices come with the columns of data that they are fitted to.
    """
    from stack3d import decks, yamlfile

    if kind is not None and kind not in (*decks.KINDS, LAWS):
        raise unknown_name("kind of deck", kind, (*decks.KINDS, LAWS))
    if kind == LAWS:
        _list_laws()
        return
    for one in decks.KINDS if kind is None else (kind,):
        if kind is None:
            typer.echo(f"{one}:")
        for name, path in sorted(decks.available(one).items()):
            try:
                title = yamlfile.title(path)
            except DeckError as error:
                title = f"(cannot be read: {error})"
            typer.echo(f"  {name:<28} {title}".rstrip())
    if kind is None:
        typer.echo("laws of devices: see `stack3d list laws`")


def _list_laws() -> None:
    """Laws by mechanism, with what each says and which columns a fit of it takes."""
    from stack3d.devices.fitting import listed_laws

    for mechanism, columns, laws in listed_laws():
        typer.echo(f"{mechanism}: from a CSV with {columns}")
        for name, said in laws.items():
            typer.echo(f"  {name:<28} {said}".rstrip())


@app.command()
def schema(
    kind: Annotated[
        str, typer.Argument(help="Kind of deck: scenarios, geometries, materials, devices, …", autocompletion=_kinds)
    ] = "scenarios",
) -> None:
    """Print the JSON Schema of decks, for editors."""
    from stack3d.decks import deck_schema

    typer.echo(json.dumps(deck_schema(kind), indent=1))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the scenario; the file is NAME.yaml.", metavar="NAME")],
    kind: Annotated[
        str, typer.Option("--kind", help="What to start from: chip, package or device.", autocompletion=_starters)
    ] = "chip",
) -> None:
    """Write a commented scenario to start from."""
    from stack3d.decks.starting import start

    path = start(name, kind, Path())
    typer.echo(f"{path}: a {kind} to change; stack3d validate {path}, then stack3d run {path}")
