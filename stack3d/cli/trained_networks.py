"""Command that makes a network fit for its chip: ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stack3d.cli.arguments import Memory, One, Overrides, ShownAs, app, free, limit_memory, observed, parsed


@app.command()
def train(
    scenario: One,
    output: Annotated[Path, typer.Option("-o", "--output", callback=free, help="The ONNX file to write.", metavar="FILE.onnx")],
    overrides: Overrides = [],  # noqa: B006
    calibrate_only: Annotated[
        bool, typer.Option("--calibrate-only", help="Change only scales and biases, from column statistics; needs no torch.")
    ] = False,
    progress: ShownAs = "auto",
    memory: Memory = None,
) -> None:
    """Train a network for the noise of its chip.

    Goes on where it was interrupted.
    """
    from stack3d import decks, training

    limit_memory(memory)
    case = decks.load(scenario, parsed(overrides))
    observer = observed(progress)
    with case.located():
        training.check_output(case, output)
        course = training.train(case, output, observer, calibrate_only=calibrate_only)
    observer.finish()
    for line in course.lines():
        typer.echo(line)
