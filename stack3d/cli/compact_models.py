"""The commands ``compact`` and ``trace``: a model of few unknowns in place of a mesh, and what it does over time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import Films, One, Overrides, app, aside, films_of, free, parsed, value_of, written_as
from stack3d.progress import time_left


@app.command()
def compact(
    scenario: One,
    output: Annotated[Path, typer.Option("-o", "--output", callback=free, help="The .nc file to write.")],
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Make a compact thermal model.

    It gives the temperatures of sources and probes for any powers, and for films and ambient in the ranges of the scenario.
    """
    from stack3d import api

    written_as(output, "compact models are", ".nc")
    said = api.load(scenario).with_overrides(parsed(overrides))
    model = said.compact(output, lambda solves, miss: typer.echo(f"  {solves} solves, within {100 * miss:.2g} %"))
    for line in [*model.told(), str(output)]:
        typer.echo(line)


@app.command()
def trace(
    model: Annotated[Path, typer.Argument(help="A file that `stack3d compact` wrote.", metavar="MODEL")],
    table: Annotated[
        Path,
        typer.Argument(
            help="Powers over time: .csv or .parquet with 'time [s]', sources as 'core [W]', and perhaps ambient and films.",
            metavar="TABLE",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", callback=free, help="The .nc file to write.")],
    until: Annotated[
        str | None, typer.Option("--until", help="Repeat the table until then, as '10 yr'; once by default.")
    ] = None,
    start: Annotated[
        str, typer.Option("--start", help="Temperatures at the start: ambient, steady (of the mean powers), or a temperature.")
    ] = "ambient",
    ambient: Annotated[
        str | None, typer.Option("--ambient", help="Ambient, as '35 degC'; that of the scenario by default.")
    ] = None,
    film: Films = [],  # noqa: B006
    above: Annotated[
        list[str],
        typer.Option("--above", help="Add up the time above a limit, as '85 degC'. Can be repeated.", metavar="LIMIT"),
    ] = [],  # noqa: B006
    rainflow: Annotated[
        list[str],
        typer.Option("--rainflow", help="Count the temperature cycles of a source or probe. Can be repeated.", metavar="PLACE"),
    ] = [],  # noqa: B006
    width: Annotated[str, typer.Option("--width", help="Width of a bin of those cycles.")] = "1 K",
    samples: Annotated[int, typer.Option("--samples", min=1, max=1_000_000, help="Number of instants to keep.")] = 1000,
) -> None:
    """Follow a power trace with a compact model.

    Writes samples, extremes, time above limits and rainflow counts.
    """
    from stack3d import api

    written_as(output, "the dataset of a trace is", ".nc")
    answer = api.follow_table(
        model,
        table,
        output,
        until=None if until is None else value_of(until, "time", "--until"),
        start=start if start in ("ambient", "steady") else value_of(start, "temperature", "--start"),
        ambient=None if ambient is None else value_of(ambient, "temperature", "--ambient"),
        films=films_of(film),
        limits=[value_of(text, "temperature", "--above") for text in above],
        counted=rainflow,
        width=value_of(width, "temperature_difference", "--width"),
        samples=samples,
        watch=_Told(),
        ahead=_tell_ahead,
    )
    for line in [*answer.told(), f"{output}: {answer.steps} steps, {answer.times.size} samples"]:
        typer.echo(line)


TOLD_FROM = 10.0
"""Time of a trace that is told before it is followed. [s]"""


def _tell_ahead(steps: int, seconds: float) -> None:
    """Says how long a trace will take, before the work."""
    if seconds > TOLD_FROM:
        aside(f"  {steps:.3g} steps, roughly {time_left(seconds)} of one core")


class _Told:
    """Says on the terminal how far a trace is and how long the rest will take, once a second."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def __call__(self, done: float, total: float) -> None:
        now = time.monotonic()
        if now - self._said >= 1.0:
            self._said = now
            left = time_left((now - self._began) * (total - done) / done)
            aside(f"  {100 * done / total:.0f} %, {left}")
