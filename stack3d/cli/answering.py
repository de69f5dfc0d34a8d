"""Commands that answer on the terminal: ``run``, ``validate``, ``show``, ``verify``, ``list``, …"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stack3d.cli.arguments import SOME, Memory, One, Overrides, Scenarios, app, fail, limit_memory, parsed
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import (
    EXIT_BAD_INPUT,
    EXIT_OTHER,
    EXIT_SOLVER,
    EXIT_SOME_FAILED,
    MISSED,
    DeckError,
    unknown_name,
)

if TYPE_CHECKING:
    from stack3d.chip import Chip, Computer
    from stack3d.study import Report


@app.command()
def run(
    scenarios: Annotated[list[str] | None, typer.Argument(**SOME)] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Root of the results.")] = Path("results"),
    overrides: Overrides = [],  # noqa: B006  (typer reads it, nobody changes it)
    force: Annotated[bool, typer.Option("--force", help="Run cases again that are done and unchanged.")] = False,
    until: Annotated[str | None, typer.Option("--until", help="Stop early: 'thermal'.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Local processes; as many as cores and memory allow by default.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a running Dask scheduler.", metavar="ADDRESS")
    ] = None,
    progress: Annotated[str, typer.Option("--progress", help="auto, bar, plain, json (lines on stderr) or none.")] = "auto",
    memory: Memory = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 when an estimated error exceeds what the solver promises.")
    ] = False,
) -> None:
    """Run cases and their sweeps; what is done and unchanged is skipped, and one bad case stops nothing."""
    if not scenarios:
        _offer()
        return
    from stack3d import study
    from stack3d.progress import observer_for, study_observer

    if not study.Ranks.here().is_first:  # with MPI the first process speaks for all
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    limit_memory(memory)
    if until not in (None, "thermal"):
        raise DeckError(f"--until knows 'thermal', got {until!r}")
    ended = _Ended(strict)
    for report in study.run(
        scenarios,
        output,
        study_observer(progress),
        overrides=parsed(overrides),
        force=force,
        until=until,
        workers=workers,
        scheduler=scheduler,
        observer=observer_for(progress),
    ):
        ended.tell(report)
    ended.leave()


@dataclass
class _Ended:
    """How the cases of a run ended: told one by one, and together as an exit code."""

    is_strict: bool
    total: int = 0
    failed: int = 0
    missed: int = 0
    code: int = 0
    verdict: int = 0

    def tell(self, report: Report) -> None:
        from stack3d.study import FAILED

        if report.is_verdict:
            self._tell_verdict(report)
            return
        self.total += 1
        if report.status == FAILED:
            self._tell_failed(report)
        else:
            self._tell_done(report)

    def _tell_verdict(self, report: Report) -> None:
        self.verdict = self.verdict or report.exit_code
        for line in report.lines:
            if report.exit_code:
                fail(f"{report.name}: {line}")
            else:
                typer.echo(f"{report.name}: {line}")

    def _tell_failed(self, report: Report) -> None:
        self.failed, self.code = self.failed + 1, report.exit_code
        [first, *more] = report.lines
        if more:
            fail("\n".join([f"{report.name}:", first, *more]))
        else:
            fail(first if first.startswith(f"{report.name}:") else f"{report.name}: {first}")
        if report.traceback and "--debug" in sys.argv:
            typer.echo(report.traceback, err=True)

    def _tell_done(self, report: Report) -> None:
        from stack3d.study import SKIPPED

        if self.is_strict and (missing := [line for line in report.lines if MISSED in line]):
            self.missed += 1
            fail(f"{report.name}: {missing[0].removeprefix('warning').strip()}")
        note = " (done before, unchanged)" if report.status == SKIPPED else f" ({report.reason})" if report.reason else ""
        typer.echo(f"{report.name}{note}: {report.folder}")
        for line in report.lines if not report.is_swept else ():
            typer.echo(f"  {line}")

    def leave(self) -> None:
        """Exit with a code of its own unless all is well."""
        if self.failed and self.total > 1:
            typer.echo(f"{self.total - self.failed} of {self.total} cases done, {self.failed} failed", err=True)
            raise typer.Exit(self.verdict or EXIT_SOME_FAILED)
        if self.verdict:
            raise typer.Exit(self.verdict)
        if self.failed or self.missed:
            raise typer.Exit(self.code or EXIT_SOLVER)


def _offer() -> None:
    """Say which scenarios there are, and how to make one."""
    typer.echo("Scenarios that can be run by name:")
    list_("scenarios")
    typer.echo("stack3d run NAME runs one; stack3d new NAME writes one of your own, with comments.")


@app.command()
def validate(
    scenarios: Scenarios,
    overrides: Overrides = [],  # noqa: B006
    memory: Memory = None,
    every: Annotated[bool, typer.Option("--all", help="Check every case of a large study, however long it takes.")] = False,
) -> None:
    """Report every mistake of every scenario, one line each; of a large study of a part of its cases."""
    from stack3d import study
    from stack3d.progress import Waiting
    from stack3d.yamltree import WATCHED

    limit_memory(memory)
    before, bad = WATCHED.set(Waiting()), False
    try:
        for found in (one for path in scenarios for one in study.checked(path, parsed(overrides), every=every)):
            if found.error is None:
                typer.echo(f"ok: {found.label}")
                if found.warning is not None:
                    typer.echo(f"warning: {found.label} {found.warning}", err=True)
            else:
                fail(str(found.error))
                bad = True
    finally:
        WATCHED.reset(before)
    if bad:
        raise typer.Exit(EXIT_BAD_INPUT)


@app.command()
def show(scenario: One, overrides: Overrides = []) -> None:  # noqa: B006
    """Print the resolved deck, the stack and the size of the mesh."""
    from stack3d import decks, results
    from stack3d.case import check
    from stack3d.case.duration import time_told
    from stack3d.case.size import told
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
    body = meshed(chip)
    typer.echo(f"\nmesh: {describe(chip, body)}\ntakes: {told(chip)}\ntime: {time_told(chip, body)}")
    if isinstance(chip, ComputingChip):
        _tell_mapping(chip.computer)


def _tell_layers(chip: Chip) -> None:
    typer.echo(
        f"{'layer (top first)':<18}{'z [um]':>12}{'thickness':>12}  {'material':<20}{'k [W/m/K] x, y, z':<24}{'contact':>10}"
    )
    for layer in reversed(chip.stack.layers):
        k = ", ".join(f"{v:g}" for v in layer.material.conductivity)
        contact = f"{layer.contact_resistance * 1e6:g} mm2K/W" if layer.contact_resistance else ""
        typer.echo(
            f"{layer.name:<18}{layer.z0 * 1e6:>12.2f}{layer.thickness * 1e6:>9.2f} um  {layer.material.name:<20}"
            f"{k:<24}{contact:>10}  {layer.role}".rstrip()
        )


def _tell_mapping(computer: Computer) -> None:
    """Where the matrices of the network lie, and what stays digital."""
    from stack3d.units import short

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


@app.command("compare-placements")
def compare_placements(
    scenario: One,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write a netCDF file.")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Solve every placement of a workload on its stack; print how hot each gets and the kelvin gained over `spread`."""
    from stack3d.api import compare_placements as compared

    found = compared(scenario, dict(parsed(overrides)))
    gained = "under spread"
    typer.echo(f"{'placement':<16}{'hottest tile':>14}{gained:>16}{'stack peak':>14}{gained:>16}{'mean of tiles':>16}")
    for name in found["placement"].values:
        row = f"{name:<16}"
        for key in ("tile_peak", "stack_peak"):
            peaks = found[f"placement_{key}"]
            peak = float(peaks.sel(placement=name))
            less = float(peaks.sel(placement="spread")) - peak
            row += f"{peak - ZERO_CELSIUS:>9.4f} degC" + (f"{1e3 * less:>13.3f} mK" if abs(less) < 1 else f"{less:>14.3f} K")
        typer.echo(f"{row}{float(found['placement_tile_mean'].sel(placement=name)) - ZERO_CELSIUS:>11.4f} degC")
    if output is not None:
        found.to_netcdf(output)


@app.command()
def verify(scenario: One, overrides: Overrides = []) -> None:  # noqa: B006
    """Print the error of the chosen solver against an exact series; refuse with a reason where there is none."""
    from stack3d import decks
    from stack3d.heat.placing import placed_chip
    from stack3d.heat.trust import verify as compare

    case = decks.load(scenario, parsed(overrides))
    with case.located():
        result = compare(placed_chip(case.scenario))
    note = "; k(T) frozen at 26.85 degC" if result.is_frozen else ""
    typer.echo(f"{result.solver}; series truncated to {result.truncation:.1e} K{note}")
    typer.echo(f"{'place':<28}{'computed [degC]':>16}{'exact [degC]':>16}{'error [K]':>14}{'of rise':>12}")
    for row in result.rows:
        off, (computed, exact) = row.computed - row.exact, (t - ZERO_CELSIUS for t in (row.computed, row.exact))
        typer.echo(f"{row.name:<28}{computed:>16.6f}{exact:>16.6f}{off:>14.2e}{off / result.rise:>12.1e}")
    typer.echo(f"largest error {100 * result.worst:.4f} % of the rise of {result.rise:.4g} K")


@app.command(name="validate-models")
def validate_models() -> None:
    """Compare every device law with the published numbers it claims to reproduce."""
    from stack3d.devices import validation

    rows = validation.table()
    typer.echo(f"{'id':<5}{'number':<76}{'published':>12}{'computed':>12}{'tolerance':>11}  {'':<10} holds")
    for r in rows:
        typer.echo(
            f"{r.id:<5}{r.what:<76}{r.published:>12.5g}{r.computed:>12.5g}{r.tolerance:>11.2g}  {r.kind:<10} "
            + ("yes" if r.holds else "NO")
        )
    if not all(r.holds for r in rows):
        raise typer.Exit(EXIT_OTHER)


@app.command(name="list")
def list_(kind: Annotated[str | None, typer.Argument(help="materials, geometries, cooling, devices, …")] = None) -> None:
    """List what a deck can name."""
    from stack3d import decks, yamlfile

    if kind is not None and kind not in decks.KINDS:
        raise unknown_name("kind of deck", kind, decks.KINDS)
    for one in decks.KINDS if kind is None else (kind,):
        if kind is None:
            typer.echo(f"{one}:")
        for name, path in sorted(decks.available(one).items()):
            try:
                title = yamlfile.title(path)
            except DeckError as error:
                title = f"(cannot be read: {error})"
            typer.echo(f"  {name:<28} {title}".rstrip())


@app.command()
def schema(kind: Annotated[str, typer.Argument(help="scenarios, geometries, materials, devices, …")] = "scenarios") -> None:
    """Print the JSON Schema of a kind of deck, for editors."""
    from stack3d.decks import deck_schema

    typer.echo(json.dumps(deck_schema(kind), indent=1))
