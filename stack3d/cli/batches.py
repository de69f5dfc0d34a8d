"""Commands that take cases: ``run`` and ``validate``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stack3d.cli.arguments import (
    SOME,
    Memory,
    Overrides,
    Scenarios,
    among,
    app,
    aside,
    fail,
    free,
    limit_memory,
    parsed,
    table_of,
    write_page,
    written_as,
)
from stack3d.errors import EXIT_BAD_INPUT, EXIT_MACHINE, EXIT_SOLVER, EXIT_SOME_FAILED, MISSED, DeckError
from stack3d.memory import loading, sparing

if TYPE_CHECKING:
    from stack3d.study import Report


@app.command()
def run(
    scenarios: Annotated[list[str] | None, typer.Argument(**SOME)] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")] = Path("results"),
    overrides: Overrides = [],  # noqa: B006  (typer reads it, nobody changes it)
    force: Annotated[bool, typer.Option("--force", help="Run cases again although they are done and unchanged.")] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", help="'thermal': stop after the temperatures of the first epoch.", autocompletion=among("thermal")
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes on this machine; by default as many as cores and memory allow."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a running Dask scheduler.", metavar="ADDRESS")
    ] = None,
    progress: Annotated[
        str,
        typer.Option(
            "--progress",
            help="How to show progress: auto, bar, plain, json (lines on stderr) or none.",
            autocompletion=among("auto", "bar", "plain", "json", "none"),
        ),
    ] = "auto",
    memory: Memory = None,
    levers: Annotated[
        bool,
        typer.Option("--levers", help="Afterwards try what would raise the accuracy: every remedy that applies, on few chips."),
    ] = False,
    lever_list: Annotated[
        Path | None, typer.Option("--lever-list", help="Your own list of further remedies for --levers.", metavar="FILE")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 3 when an estimated error of a layer's or tile's mean is above the promise of the solver.",
        ),
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--report", help="Afterwards write a page with figures, as `report` does.", metavar="PAGE")
    ] = None,
) -> None:
    """Run scenarios and their sweeps.

    Cases that are done and unchanged are skipped. A case that fails does not stop the others.
    """
    if not scenarios:
        _offer()
        return
    with loading():
        from stack3d import study
        from stack3d.progress import observer_for, study_observer

    if not study.Ranks.here().is_first:  # with MPI the first process speaks for all
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    limit_memory(memory)
    if until not in (None, "thermal"):
        raise DeckError(f"--until knows 'thermal', got {until!r}")
    if levers and until:
        raise DeckError("--levers weighs accuracy: leave --until away")
    if lever_list and not levers:
        raise DeckError("--lever-list goes with --levers")
    trials = [study.LeverStudy(name, parsed(overrides), lever_list) for name in scenarios] if levers else []
    ended = _Ended(strict, page, frozenset(trial.name for trial in trials))
    for report in study.run(
        [*scenarios, *trials],
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
    page: Path | None = None
    apart: frozenset[str] = frozenset()
    """Names of studies of levers, which the page of their case goes without: `report` draws their own."""
    folders: dict[Path, None] = field(default_factory=dict)
    """Of the studies that a page is drawn of, in their order."""
    swept: dict[Path, set[str]] = field(default_factory=dict)
    """Folder of a study → names of the folders of its cases."""
    total: int = 0
    failed: int = 0
    missed: int = 0
    code: int = 0
    verdict: int = 0
    others: int = 0

    def __post_init__(self) -> None:
        if self.page is not None:
            written_as(free(self.page), "a page is", ".html", ".htm")

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
        is_shown = report.is_swept or report.status != FAILED  # the page of a study says why its cases failed
        if is_shown and report.folder and (folder := report.folder.parents[1]).name not in self.apart:
            self.folders[folder] = None

    def _tell_verdict(self, report: Report) -> None:
        self.swept = {folder: cases for folder, cases in self.swept.items() if folder.name != report.name}
        self.verdict = self.verdict or report.exit_code
        for line in report.lines:
            if report.exit_code:
                fail(f"{report.name}: {line}")
            else:
                typer.echo(f"{report.name}: {line}")

    def _tell_failed(self, report: Report) -> None:
        self.failed, self.code = self.failed + 1, report.exit_code
        self.others += report.exit_code != EXIT_MACHINE
        [first, *more] = report.lines
        if more:
            fail("\n".join([f"{report.name}:", first, *more]))
        else:
            fail(first if first.startswith(f"{report.name}:") else f"{report.name}: {first}")
        if report.traceback and "--debug" in sys.argv:
            aside(report.traceback)

    def _tell_done(self, report: Report) -> None:
        from stack3d.study import SKIPPED

        if self.is_strict and (missing := [line for line in report.lines if MISSED in line]):
            self.missed += 1
            fail(f"{report.name}: {missing[0].removeprefix('warning').strip()}")
        note = " (done before, unchanged)" if report.status == SKIPPED else f" ({report.reason})" if report.reason else ""
        typer.echo(f"{report.name}{note}: {report.folder}")
        for line in report.lines if not report.is_swept else ():
            typer.echo(f"  {line}")
        if report.is_swept and report.folder is not None:
            self.swept.setdefault(report.folder.parents[1], set()).add(report.folder.name)

    def _tell_tables(self) -> None:
        """Print what the cases of each sweep came to, side by side; a search says more in its verdict."""
        for folder, cases in self.swept.items():
            if cases and (folder / "study.nc").is_file():
                typer.echo(f"{folder.name}: {folder}")
                for line in table_of(folder):
                    typer.echo(f"  {line}")

    def leave(self) -> None:
        """Tell sweeps as tables and draw the page; exit with a code of its own unless all is well."""
        self._tell_tables()
        if self.page is not None and self.folders:
            write_page(list(self.folders), self.page)
        elif self.page is not None:
            aside(f"{self.page} is not written: no case is done")
        if self.failed and self.total > 1:
            aside(f"{self.total - self.failed} of {self.total} cases done, {self.failed} failed")
            is_of_machine = self.failed == self.total and not self.others
            raise typer.Exit(EXIT_MACHINE if is_of_machine else self.verdict or EXIT_SOME_FAILED)
        if self.verdict:
            raise typer.Exit(self.verdict)
        if self.failed or self.missed:
            raise typer.Exit(self.code or EXIT_SOLVER)


def _offer() -> None:
    """Say which scenarios there are, and how to make one."""
    from stack3d.cli.deck_files import list_

    typer.echo("Scenarios that can be run by name:")
    list_("scenarios")
    typer.echo("stack3d run NAME runs one; stack3d new NAME writes one of your own, with comments.")


@app.command()
def validate(
    scenarios: Scenarios,
    overrides: Overrides = [],  # noqa: B006
    memory: Memory = None,
    every: Annotated[bool, typer.Option("--all", help="Check every case of a large study, however long that takes.")] = False,
) -> None:
    """Check scenarios without running them.

    Every mistake is one line with file, line and key. Of a large study a part of the cases is checked.
    """
    with loading():
        from stack3d import study, training
        from stack3d.progress import watched

    limit_memory(memory)
    bad, odd = False, set[str]()
    with watched(), sparing():
        for found in (one for path in scenarios for one in study.checked(path, parsed(overrides), every=every)):
            if found.error is None:
                typer.echo(f"ok: {found.label}")
                if found.warning is not None:
                    aside(f"warning: {found.label} {found.warning}")
                for text in found.odd:
                    if text not in odd:
                        aside(f"warning: {text}")
                    odd.add(text)
            else:
                fail(str(found.error))
                bad = True
        if not bad:
            for text in training.objections(scenarios, parsed(overrides)):
                fail(text)
                bad = True
    if bad:
        raise typer.Exit(EXIT_BAD_INPUT)
