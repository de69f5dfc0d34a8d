"""The door: ``stack3d run | validate | show | mesh | view | import | fit | report | plot | list | schema``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from stack3d import __version__, signals
from stack3d.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OTHER,
    EXIT_SOLVER,
    EXIT_SOME_FAILED,
    EXIT_TERMINATED,
    MISSED,
    DeckError,
    Stack3dError,
    Terminated,
    ValidityWarning,
    unexpected,
    unknown_name,
)

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _known(incomplete: str) -> list[str]:
    """Names of scenarios, and files here, that begin so: what a shell offers."""
    from stack3d.decks.finding import available

    names = [*available("scenarios"), *(path.name for path in sorted(Path().glob("*.yaml")))]
    return [name for name in names if name.startswith(incomplete)]


SOME: dict[str, Any] = {
    "help": "Scenario files, or names of shipped scenarios.",
    "metavar": "SCENARIO...",
    "autocompletion": _known,
}
Scenarios = Annotated[list[str], typer.Argument(**SOME)]
One = Annotated[
    str, typer.Argument(help="A scenario file, or the name of a shipped one.", metavar="SCENARIO", autocompletion=_known)
]
Overrides = Annotated[
    list[str],
    typer.Option("--set", help="Override a dotted key, in order: --set cooling.ambient='85 degC'.", metavar="KEY=VALUE"),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", help="Memory that a case may take, as '8 GB'; that of the machine by default.", metavar="SIZE"),
]


def _limit_memory(size: str | None) -> None:
    """Refuse cases that want more; workers see it too."""
    from stack3d import memory

    if size is not None:
        memory.parse(size)
        os.environ[memory.VARIABLE] = size


def _version(value: bool) -> None:
    if value:
        typer.echo(f"stack3d {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Heat, ageing and accuracy of 3D resistive-memory stacks.

    Exit codes: 0 ok, 2 bad input, 3 solver failure (with `run --strict` also an error above the promise), 4 some cases of a
    batch failed, 130 interrupted, 143 asked to end, 1 anything else.
    """


def _fail(lines: str) -> None:
    for line in lines.splitlines():
        typer.echo(f"error: {line}", err=True)


def _parsed(texts: list[str]) -> list[tuple[str, Any]]:
    from stack3d.decks import parse_override

    return [parse_override(text) for text in texts]


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
    _limit_memory(memory)
    if until not in (None, "thermal"):
        raise DeckError(f"--until knows 'thermal', got {until!r}")
    total = failed = code = missed = 0
    for report in study.run(
        scenarios,
        output,
        study_observer(progress),
        overrides=_parsed(overrides),
        force=force,
        until=until,
        workers=workers,
        scheduler=scheduler,
        observer=observer_for(progress),
    ):
        total += 1
        if report.status == study.FAILED:
            failed, code = failed + 1, report.exit_code
            [first, *more] = report.lines
            if more:
                _fail("\n".join([f"{report.name}:", first, *more]))
            else:
                _fail(first if first.startswith(f"{report.name}:") else f"{report.name}: {first}")
            if report.traceback and "--debug" in sys.argv:
                typer.echo(report.traceback, err=True)
            continue
        if strict and (missing := [line for line in report.lines if MISSED in line]):
            missed += 1
            _fail(f"{report.name}: {missing[0].removeprefix('warning').strip()}")
        note = " (done before, unchanged)" if report.status == study.SKIPPED else f" ({report.reason})" if report.reason else ""
        typer.echo(f"{report.name}{note}: {report.folder}")
        for line in report.lines if not report.is_swept else ():
            typer.echo(f"  {line}")
    if failed and total > 1:
        typer.echo(f"{total - failed} of {total} cases done, {failed} failed", err=True)
        raise typer.Exit(EXIT_SOME_FAILED)
    if failed or missed:
        raise typer.Exit(code or EXIT_SOLVER)


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

    _limit_memory(memory)
    bad = False
    for path in scenarios:
        for found in study.checked(path, _parsed(overrides), every=every):
            if found.error is None:
                typer.echo(f"ok: {found.label}")
            else:
                _fail(str(found.error))
                bad = True
    if bad:
        raise typer.Exit(EXIT_BAD_INPUT)


@app.command()
def show(scenario: One, overrides: Overrides = []) -> None:  # noqa: B006
    """Print the resolved deck, the stack and the size of the mesh."""
    from stack3d import decks, results
    from stack3d.case import check
    from stack3d.case.size import told
    from stack3d.chip import ComputingChip
    from stack3d.heat.meshing import describe
    from stack3d.units import short

    case = decks.load(scenario, _parsed(overrides))
    try:
        chip = check(case.scenario)
    except DeckError as error:
        raise DeckError(case.locate(error.problems)) from None
    typer.echo(results.resolved_yaml(case).rstrip())
    for override in case.overrides:
        typer.echo(f"# set {override}")
    typer.echo(f"\n# content hash {case.digest()[:12]}\n")
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
    typer.echo(f"\nmesh: {describe(chip)}\ntakes: {told(chip)}")
    if isinstance(chip, ComputingChip):
        table = chip.computer.mapping_table()
        typer.echo(f"\n{'layer':<24}{'weights':>14}{'copies':>8}{'tiles':>7}{'used':>8}{'products':>10}{'busy':>11}")
        for i, matrix in enumerate(chip.computer.network.layers):
            rows, columns, copies, tiles, products, used, busy = (table[key][i] for key in table)
            typer.echo(
                f"{matrix.name:<24}{f'{rows} x {columns}':>14}{copies:>8}{tiles:>7}{100 * used:>6.0f} %{products:>10.4g}"
                f"{short(float(busy), 's'):>11}"
            )
        for kept in chip.computer.network.digital:
            typer.echo(f"{kept.name:<24}{f'{kept.macs} MAC':>14}  stays digital")


@app.command("compare-placements")
def compare_placements(
    scenario: One,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write a netCDF file.")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Solve every placement of a workload on its stack; print how hot each gets and the kelvin gained over `spread`."""
    from stack3d.api import compare_placements as compared

    found = compared(scenario, dict(_parsed(overrides)))
    gained = "under spread"
    typer.echo(f"{'placement':<16}{'hottest tile':>14}{gained:>16}{'stack peak':>14}{gained:>16}{'mean of tiles':>16}")
    for name in found["placement"].values:
        row = f"{name:<16}"
        for key in ("tile_peak", "stack_peak"):
            peaks = found[f"placement_{key}"]
            peak = float(peaks.sel(placement=name))
            less = float(peaks.sel(placement="spread")) - peak
            row += f"{peak:>12.4f} K" + (f"{1e3 * less:>13.3f} mK" if abs(less) < 1 else f"{less:>14.3f} K")
        typer.echo(f"{row}{float(found['placement_tile_mean'].sel(placement=name)):>14.4f} K")
    if output is not None:
        found.to_netcdf(output)


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

    case = decks.load(scenario, _parsed(overrides))
    try:
        chip = check(case.scenario, solve=True)
        cells = meshed(chip).cells(chip.stack, chip.scenario.cooling)
    except DeckError as error:
        raise DeckError(case.locate(error.problems)) from None
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
    import os

    from stack3d import decks
    from stack3d.case.field import solve_field
    from stack3d.report.view import load_pyvista, show, write_field

    if output is None and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise DeckError("there is no screen to show it on; -o picture.png draws it into a file")
    case = decks.load(scenario, _parsed(overrides))
    if output is None or output.suffix == ".png":
        load_pyvista()
        show(solve_field(case.scenario), output, title=case.name)
    else:
        write_field(solve_field(case.scenario), output)
    if output is not None:
        typer.echo(str(output))


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
    with found.resolved() as case:
        try:
            check(case.scenario)
        except DeckError as error:
            raise DeckError(case.locate(error.problems)) from None
    for name, text in found.files(output.name).items():
        results.write_text(storage.inside(output.parent, name), text)
    typer.echo(
        f"{output}: {len(found.scenario['geometry']['layers'])} layers, {len(found.scenario['power']['sources'])} sources"
    )
    for note in found.notes:
        typer.echo(f"  note: {note}")


def _opened(path: Path) -> Any:
    from stack3d import results

    single = path.is_file() or (path / "result.nc").is_file()
    return results.open_result(path) if single else results.open_results(path)


Results = Annotated[list[Path], typer.Argument(help="Result files, or the folders of results or studies.", metavar="RESULT...")]
Threshold = Annotated[
    str | None, typer.Option("--threshold", help="Accuracy to keep, as '95 %'; 1 % below float by default.", metavar="SHARE")
]


def _share(text: str | None) -> float | None:
    from stack3d import units

    if text is None:
        return None
    try:
        share = units.parse(text, "fraction")
    except ValueError as error:
        raise DeckError(f"--threshold: {error}") from None
    if not 0 <= share <= 1:
        raise DeckError(f"--threshold: {text} lies outside 0 to 100 %")
    return share


@app.command()
def report(
    found: Results,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path("report.html"),
    threshold: Threshold = None,
) -> None:
    """Write one self-contained page with figures: of a case, of a study, or of a case at several device bands."""
    from stack3d import results
    from stack3d.report import report_page

    limit = _share(threshold)
    page = report_page([_opened(path) for path in found], threshold=limit)
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

    tree = _opened(result)
    names = figures or possible(tree)
    if output.suffix and len(names) > 1:
        raise DeckError(f"-o {output} is one file for {len(names)} figures; name one by --figure, or give a folder")
    limit = _share(threshold)
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
    results.write_text(output, netlist(_opened(result)))
    typer.echo(str(output))


@app.command()
def verify(scenario: One, overrides: Overrides = []) -> None:  # noqa: B006
    """Print the error of the chosen solver against an exact series; refuse with a reason where there is none."""
    from stack3d import decks
    from stack3d.heat.placing import placed_chip
    from stack3d.heat.trust import verify as compare

    case = decks.load(scenario, _parsed(overrides))
    try:
        result = compare(placed_chip(case.scenario))
    except DeckError as error:
        raise DeckError(case.locate(error.problems)) from None
    note = "; k(T) frozen at 300 K" if result.is_frozen else ""
    typer.echo(f"{result.solver}; series truncated to {result.truncation:.1e} K{note}")
    typer.echo(f"{'place':<28}{'computed [K]':>16}{'exact [K]':>16}{'error [K]':>14}{'of rise':>12}")
    for row in result.rows:
        off = row.computed - row.exact
        typer.echo(f"{row.name:<28}{row.computed:>16.6f}{row.exact:>16.6f}{off:>14.2e}{off / result.rise:>12.1e}")
    typer.echo(f"largest error {100 * result.worst:.4f} % of the rise of {result.rise:.4g} K")


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
    found = [fitting.fit_law(law, tables, device, hold=dict(_parsed(held)), seed=seed) for law in laws]
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


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the scenario; the file is NAME.yaml.", metavar="NAME")],
    kind: Annotated[str, typer.Option("--kind", help="What to start from: chip, package or device.")] = "chip",
) -> None:
    """Write a commented scenario to start from."""
    from stack3d.decks.starting import start

    path = start(name, kind, Path())
    typer.echo(f"{path}: a {kind} to change; stack3d validate {path}, then stack3d run {path}")


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


def main() -> None:
    """Entry point: one plain line per error, documented exit codes."""
    debug = "--debug" in sys.argv
    python_shows = warnings.showwarning

    def show_plainly(message: Warning | str, category: type[Warning], *more: Any) -> None:
        if issubclass(category, ValidityWarning):
            typer.echo(f"warning: {message}", err=True)
        else:
            python_shows(message, category, *more)

    warnings.showwarning = show_plainly  # type: ignore[assignment]
    signals.listen()
    command: Callable[..., Any] = app
    try:
        code = command(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except Stack3dError as error:
        if debug:
            raise
        _fail(str(error))
        sys.exit(error.exit_code)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _leave("interrupted; what is done is kept, and the same command goes on", EXIT_INTERRUPTED)
    except Terminated:
        _leave("asked to end; what is done is kept, and the same command goes on", EXIT_TERMINATED)
    except Exception as error:
        if debug:
            raise
        usage = getattr(error, "format_message", None)
        if usage is not None:  # a mistake in the command line itself
            _fail(usage())
            sys.exit(EXIT_BAD_INPUT)
        _fail(unexpected(error, _kept_trace(error)))
        sys.exit(EXIT_OTHER)


def _leave(line: str, code: int) -> None:
    """End at once: nothing that other threads still say is of use, and workers end with this process."""
    with contextlib.suppress(OSError, ValueError):
        _fail(line)
        sys.stdout.flush()
        sys.stderr.flush()
    if "distributed" in sys.modules:
        os._exit(code)
    sys.exit(code)


def _kept_trace(error: BaseException) -> str:
    """Write the trace of an error to a file and say where."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile("w", prefix="stack3d-", suffix=".txt", delete=False, encoding="utf-8") as file:
            file.write(f"stack3d {__version__}: {' '.join(sys.argv)}\n{text}")
        return f"its trace is in {file.name}"
    except OSError:
        return "run again with --debug before the command for its trace"


if __name__ == "__main__":
    main()
