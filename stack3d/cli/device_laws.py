"""Commands of device laws: ``fit`` and ``validate-models``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from stack3d.cli.arguments import ShownAs, among, app, decks_of, free, observed, parsed
from stack3d.errors import EXIT_OTHER, DeckError

if TYPE_CHECKING:
    from stack3d.devices.fitting import Fit


def _laws(incomplete: str) -> list[str]:
    """Names of device laws that begin so: what a shell offers."""
    from stack3d.devices.fitting import listed_laws

    return among(*dict.fromkeys(name for _, _, laws in listed_laws() for name in laws))(incomplete)


@app.command()
def fit(
    data: Annotated[list[Path], typer.Argument(help="CSV files of measurements, units in the header.", metavar="DATA.csv...")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", callback=free, help="Device deck to write; without it the fit is only told."),
    ] = None,
    laws: Annotated[
        list[str],
        typer.Option(
            "--law",
            help="Law to fit (`stack3d list laws`); without it those that suit the columns are listed. "
            "Repeat it to compare two laws of a mechanism, or to fit several mechanisms.",
            metavar="NAME",
            autocompletion=_laws,
        ),
    ] = [],  # noqa: B006
    start: Annotated[
        str | None,
        typer.Option(
            "--start", help="Device deck to begin with; its other mechanisms are kept.", autocompletion=decks_of("devices")
        ),
    ] = None,
    held: Annotated[
        list[str], typer.Option("--hold", help="Parameter to hold at a value. Can be repeated.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006
    page: Annotated[Path | None, typer.Option("--report", help="Page with the fit; beside the deck by default.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random draws.")] = 1,
    progress: ShownAs = "auto",
) -> None:
    """Fit device laws to measurements.

    Writes a device deck with its uncertainty, and a page with the residuals.
    """
    from stack3d.devices import fitting, load_device

    for law in laws:
        fitting.mechanisms_with(law)  # said before a long table is read
    hold = dict(parsed(held))
    tables = [fitting.read_table(path) for path in data]
    if not laws:
        _offer(fitting.laws_for(tables))
    device = load_device(start) if start else fitting.fitted_device(tables)
    found = []
    for one in fitting.one_by_one(laws, tables, device, hold=hold, seed=seed, observers=lambda: observed(progress)):
        _tell(one)
        found.append(one)
    found = fitting.ranked(found)
    text = fitting.deck_text(fitting.chosen(found), device, fitting.deck_content(start) if start else None)
    _end(found, text, start, output, page)


def _end(found: Sequence[Fit], text: str, start: str | None, output: Path | None, page: Path | None) -> None:
    """Compare laws, say what else the deck has, and write it with its page.

    Parameters
    ----------
    found : sequence of Fit
        By mechanism, the best first.
    text : str
        The deck.
    start : str, optional
        Deck that the fits began with.
    output, page : Path, optional
        Files to write.
    """
    from stack3d.devices import fitting
    from stack3d.report.fit_page import fit_page

    others = fitting.not_fitted(fitting.checked(text, str(output or "fitted.yaml")))
    _compare(found, fitting.chosen(found))
    if start is None:
        _tell_alone(one.mechanism for one in found)
    elif others:
        typer.echo(f"In the deck {others}")
    _write(output, page or (output.with_suffix(".html") if output else None), text, fit_page(found, others))


def _write(output: Path | None, page: Path | None, text: str, html: str) -> None:
    """Write the files that were asked for, and name them."""
    from stack3d import results

    if output is None:
        typer.echo(f"No deck is written: -o DECK.yaml writes one of {len(text) / 1000:.0f} kB, and a page beside it.")
    else:
        results.write_text(output, text)
    if page is not None:
        results.write_text(page, html)
        typer.echo(", ".join(str(path) for path in (output, page) if path is not None))


def _tell(one: Fit) -> None:
    """Say what was found of a law."""
    typer.echo(f"{one.mechanism}: {one.law}, {one.observations} rows, information criterion (AIC) {one.criterion:.1f}")
    for f, value in zip((*one.parameters.free, *one.noise), one.best):
        low, high = one.interval(f.key)
        typer.echo(f"  {f.key:<32}{value:>12.5g} {f.unit:<6} 95 %: {low:.5g} … {high:.5g}")
    for remark in one.remarks:
        typer.echo(f"  {remark}")


def _compare(found: Sequence[Fit], best: Sequence[Fit]) -> None:
    """Say which of several laws of a mechanism the deck has."""
    from stack3d.devices.fitting import apart

    for one in best:
        others = [f for f in found if f.mechanism == one.mechanism and f is not one]
        for other in others:
            more = other.criterion - one.criterion
            less = f"is {more:.1f} less than that of" if more >= 0.05 else "is as large as that of"
            typer.echo(
                f"For {one.mechanism} the deck has {one.law}: its information criterion {less} {other.law}{apart(more)}."
            )


def _tell_alone(mechanisms: Iterable[str]) -> None:
    """Say what a deck that was begun from nothing lacks."""
    fitted = ", ".join(dict.fromkeys(mechanisms))
    typer.echo(f"The deck knows {fitted} alone: cells are written and read without error but for that.")
    typer.echo("--start DECK (`stack3d list devices`) keeps all other mechanisms of a deck.")


def _offer(suited: Mapping[str, Sequence[str]]) -> NoReturn:
    """Say which laws there are for the columns of the data."""
    listed = "; ".join(f"{mechanism}: {', '.join(names)}" for mechanism, names in suited.items())
    raise DeckError(
        f"--law NAME says what to fit; laws that suit these columns are, by mechanism: {listed or 'none'} "
        "(`stack3d list laws` tells what each takes)"
    )


@app.command(name="validate-models")
def validate_models() -> None:
    """Check device laws against published ones.

    Predictions that are known to miss published numbers are told, and count as found.
    """
    from stack3d.devices import validation

    rows = validation.table()
    typer.echo(f"{'id':<5}{'number':<76}{'published':>12}{'computed':>12}{'tolerance':>11}  {'fitted?':<10} holds")
    for r in rows:
        typer.echo(
            f"{r.id:<5}{r.what:<76}{r.published:>12.5g}{r.computed:>12.5g}{r.tolerance:>11.2g}  {r.kind:<10} "
            + ("yes" if r.holds else "no, known" if r.missed else "NO")
        )
    if not all(r.holds or r.missed for r in rows):
        raise typer.Exit(EXIT_OTHER)
