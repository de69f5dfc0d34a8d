"""The commands ``compact`` and ``trace``: a model of few unknowns in place of a mesh, and what it does over time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stack3d.cli.arguments import One, Overrides, app, parsed
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import DeckError
from stack3d.progress import time_left

if TYPE_CHECKING:
    from stack3d.thermal import CompactModel


@app.command()
def compact(
    scenario: One,
    output: Annotated[Path, typer.Option("-o", "--output", help="The .nc file to write.")],
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Make a compact model: temperatures of sources and probes for any powers, and films and ambient in the ranges given."""
    from stack3d import decks
    from stack3d.case import compact_of
    from stack3d.results.compact_file import write_compact

    if output.suffix != ".nc":
        raise DeckError(f"compact models are written as .nc, not {output.suffix or 'without a suffix'}")
    case = decks.load(scenario, parsed(overrides))
    with case.located():
        model = compact_of(case.scenario, lambda solves, miss: typer.echo(f"  {solves} solves, within {100 * miss:.2g} %"))
    write_compact(output, model, case)
    for line in _told(model):
        typer.echo(line)
    typer.echo(str(output))


def _told(model: CompactModel) -> list[str]:
    """Ranges and errors, a line each."""
    answer = model.solve()
    ranges = [f"{name} {a:g} to {b:g} W/m2/K" for name, a, b in zip(model.varied, model.steady.lowest, model.highest)]
    lines = [
        f"films              {', '.join(ranges) or 'as in the scenario'}",
        f"ambient            {model.ambient[1]:g} to {model.ambient[2]:g} K",
        f"unknowns           {len(model.steady.films[0]) if model.varied else model.steady.loads.shape[1]}",
        f"bound              {answer.bound.max():.2g} K at the scenario's powers and films, against the mesh",
        f"error of the mesh  {model.mesh_error.max():.2g} K (estimate)",
    ]
    if model.in_time is not None:
        share = f"{100 * model.in_time.estimate:.2g} %"
        lines.insert(4, f"over time          {share} of the largest response (estimate), from {model.shortest:g} s on")
    return lines


@app.command()
def trace(
    model: Annotated[Path, typer.Argument(help="A file of `stack3d compact`.", metavar="MODEL")],
    table: Annotated[
        Path, typer.Argument(help="Powers over time: .csv or .parquet with 'time [s]' and sources.", metavar="TABLE")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .nc file to write.")],
    until: Annotated[str | None, typer.Option("--until", help="Repeat the table up to '10 yr'; absent = once.")] = None,
    start: Annotated[str, typer.Option("--start", help="ambient, steady (of the mean powers), or a temperature.")] = "ambient",
    ambient: Annotated[str | None, typer.Option("--ambient", help="As '35 degC'; that of the scenario by default.")] = None,
    film: Annotated[list[str], typer.Option("--film", help="top='50 W/m^2/K', once a face.", metavar="FACE=FILM")] = [],  # noqa: B006
    above: Annotated[list[str], typer.Option("--above", help="Count the time above, as '85 degC'.", metavar="LIMIT")] = [],  # noqa: B006
    rainflow: Annotated[list[str], typer.Option("--rainflow", help="Count cycles of a place.", metavar="PLACE")] = [],  # noqa: B006
    width: Annotated[str, typer.Option("--width", help="Of the ranges of cycles.")] = "1 K",
    samples: Annotated[int, typer.Option("--samples", min=1, max=1_000_000, help="Instants to keep.")] = 1000,
) -> None:
    """Follow a trace of powers by a compact model: samples, extremes, time above limits, rainflow counts."""
    from stack3d import results
    from stack3d.results.compact_file import read_compact
    from stack3d.results.trace_file import to_trace_tree
    from stack3d.thermal.compact.trace import Asked, follow
    from stack3d.workload.trace import PowerTrace

    if output.suffix != ".nc":
        raise DeckError(f"the dataset of a trace is written as .nc, not {output.suffix or 'without a suffix'}")
    found = read_compact(model)
    powers = PowerTrace.from_table(table, "trace")
    limits = [_value(text, "temperature", "--above") for text in above]
    answer = follow(
        found,
        found.schedule(powers.times, powers.values, powers.blocks, powers.period),
        powers.period if until is None else _value(until, "time", "--until"),
        asked=Asked(samples, limits, rainflow, _value(width, "temperature_difference", "--width")),
        films={face: _value(text, "film_coefficient", "--film") for face, _, text in (one.partition("=") for one in film)},
        ambient=None if ambient is None else _value(ambient, "temperature", "--ambient"),
        start=start if start in ("ambient", "steady") else _value(start, "temperature", "--start"),
        watch=_Told(),
    )
    results.write_tree(output, to_trace_tree(answer, limits))
    for name, high, at, off in zip(answer.places, answer.highest, answer.highest_at, answer.estimate):
        typer.echo(f"{name:<18} {high - ZERO_CELSIUS:.3f} degC at {at:g} s, within {off:.2g} K of the mesh (estimate)")
    typer.echo(f"{output}: {answer.steps} steps, {answer.times.size} samples")


def _value(text: str, dimension: str, option: str) -> float:
    """SI value of an option; raises DeckError."""
    from stack3d import units

    try:
        value = units.parse(text, dimension)
    except ValueError as error:
        raise DeckError(f"{option}: {error}") from None
    if not value > 0:
        raise DeckError(f"{option}: {text} has to be above zero")
    return value


class _Told:
    """Says on the terminal how far a trace is and how long the rest will take, once a second."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def __call__(self, done: float, total: float) -> None:
        now = time.monotonic()
        if now - self._said >= 1.0:
            self._said = now
            left = time_left((now - self._began) * (total - done) / done)
            typer.echo(f"  {100 * done / total:.0f} %, {left}", err=True)
