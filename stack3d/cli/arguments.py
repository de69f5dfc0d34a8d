"""The program, the arguments that several of its commands take, and what is made of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stack3d import __version__
from stack3d.errors import DeckError, ResultsError, Stack3dError, brief, reason_of, unknown_name

if TYPE_CHECKING:
    from stack3d.progress import Observer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def ask_at_the_first_tab() -> None:
    """Let zsh answer the tab at which it loads the script that typer installs; that one only rang the bell.

    Typer has no door for its scripts: where its next version keeps them elsewhere, the second tab answers, as before.
    """
    from typer import _completion_shared

    scripts: Any = getattr(_completion_shared, "_completion_scripts", None)
    if isinstance(scripts, dict) and isinstance(script := scripts.get("zsh"), str):
        call = '\nif [[ "$funcstack[1]" = "_%(prog_name)s" ]]; then\n  %(complete_func)s "$@"\nfi\n'
        scripts["zsh"] = script.rstrip() + "\n" + call


def decks_of(kind: str) -> Callable[[str], list[str]]:
    """What a shell offers where a deck of a kind is wanted: names, and files here, without a look into any of them."""

    def known(incomplete: str) -> list[str]:
        from stack3d.decks import folders

        named = [path.stem for folder in folders(kind) for path in sorted(folder.glob("*.yaml"))]
        names = dict.fromkeys([*named, *(path.name for path in sorted(Path().glob("[!.]*.yaml")))])
        return [name for name in names if name.startswith(incomplete)]

    return known


def among(*words: str) -> Callable[[str], list[str]]:
    """What a shell offers where one of a few words is wanted."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


SOME: dict[str, Any] = {
    "help": "Scenario files, or names of shipped scenarios (`stack3d list scenarios`).",
    "metavar": "SCENARIO...",
    "autocompletion": decks_of("scenarios"),
}
Scenarios = Annotated[list[str], typer.Argument(**SOME)]
One = Annotated[
    str,
    typer.Argument(
        help="A scenario file, or the name of a shipped one.", metavar="SCENARIO", autocompletion=decks_of("scenarios")
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set", help="Change a value of the scenario: --set cooling.ambient='85 degC'. Can be repeated.", metavar="KEY=VALUE"
    ),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", help="Memory that a case may take, as '8 GB'; all of the machine by default.", metavar="SIZE"),
]
Results = Annotated[list[Path], typer.Argument(help="Result files, or folders of results or studies.", metavar="RESULT...")]
Films = Annotated[
    list[str],
    typer.Option("--film", help="Film coefficient of a face: --film top='50 W/m^2/K'. Can be repeated.", metavar="FACE=FILM"),
]
Threshold = Annotated[
    str | None,
    typer.Option(
        "--threshold",
        help="Accuracy to keep, as '95 %'; by default one point below that of the float network.",
        metavar="SHARE",
    ),
]


def free(output: Path | None) -> Path | None:
    """The file that a command will write, looked at before its work; raises ResultsError."""
    from stack3d import storage

    if output is not None:
        storage.check_free(output)
    return output


SHOWN = ("auto", "bar", "plain", "none")
"""Ways to show the progress of one piece of work."""
ShownAs = Annotated[
    str,
    typer.Option(
        "--progress", help="How to show progress: auto, bar, plain (lines on stderr) or none.", autocompletion=among(*SHOWN)
    ),
]


def observed(progress: str) -> Observer:
    """Who shows progress, by the word of ``--progress``; raises UnknownNameError."""
    from stack3d.progress import observer_for

    if progress not in SHOWN:
        raise unknown_name("progress", progress, SHOWN)
    return observer_for(progress)


def written_as(output: Path | None, what: str, *suffixes: str) -> None:
    """Refuse a target whose name says that it is something else, a deck or a result; raises DeckError."""
    if output is not None and output.suffix.lower() not in suffixes:
        wanted = " or ".join(suffixes)
        raise DeckError(f"-o {brief(output.name)}: {what} written as {wanted}, not {output.suffix or 'without a suffix'}")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"stack3d {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the Python traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Heat, ageing and accuracy of 3D resistive-memory stacks.

    To begin: `stack3d run quickstart`, then `stack3d new mine --kind chip` (or package, device).

    Exit codes: 0 ok, 2 bad input, 3 solver failure (with `run --strict` also an error above the promise), 4 some cases of a
    batch failed, 5 a file, folder, disk or memory, 6 a package or library that is missing or fails, 130 interrupted, 143 asked
    to end, 1 a missed expectation or an internal failure.
    """


def fail(lines: str) -> None:
    """Say one error line per line."""
    for line in lines.splitlines():
        aside(f"error: {line}")


def aside(text: str) -> None:
    """Say something on standard error; where that is full or closed the word is lost, not the work."""
    with suppress(OSError):
        typer.echo(text, err=True)


def parsed(texts: list[str]) -> list[tuple[str, Any]]:
    """Keys and values of ``--set``."""
    from stack3d.decks import parse_override

    return [parse_override(text) for text in texts]


def limit_memory(size: str | None) -> None:
    """Refuse cases that want more; workers see it too."""
    from stack3d import memory

    if size is not None:
        memory.parse(size, "--memory")
        os.environ[memory.VARIABLE] = size


def share_of(text: str | None) -> float | None:
    """Accuracy that ``--threshold`` names; raises DeckError."""
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


def opened(path: Path) -> Any:
    """A result, or all results of a folder."""
    from stack3d import results

    single = path.is_file() or (path / "result.nc").is_file()
    return results.open_result(path) if single else results.open_results(path)


@contextmanager
def drawn_from(*paths: Path) -> Iterator[None]:
    """Tell what is wrong with results that no record vouches for as one line; in those from elsewhere anything may be."""
    from stack3d import results

    try:
        yield
    except (Stack3dError, OSError, MemoryError):
        raise
    except Exception as error:
        if not (doubtful := [str(path) for path in paths if not results.is_vouched(path)]):
            raise
        text = f"{', '.join(doubtful)}: what is in it is not as stack3d {__version__} writes results: {reason_of(error)}"
        raise ResultsError(f"{text}; name the folder of a case, or run it again") from error


def films_of(given: list[str]) -> dict[str, float]:
    """Films by face from ``FACE=FILM``; raises DeckError. [W m⁻² K⁻¹]"""
    return {face: value_of(text, "film_coefficient", "--film") for face, _, text in (one.partition("=") for one in given)}


def value_of(text: str, dimension: str, option: str) -> float:
    """SI value of an option; raises DeckError."""
    from stack3d import units

    try:
        value = units.parse(text, dimension)
    except ValueError as error:
        raise DeckError(f"{option}: {error}") from None
    if not value > 0:
        raise DeckError(f"{option}: {text} has to be above zero")
    return value


def write_page(found: Sequence[Path], output: Path, threshold: float | None = None) -> None:
    """Write the page of figures of results, and say where; raises DeckError for a target of another kind.

    The page of a case tells of its levers too, where their study lies beside it.
    """
    from stack3d import results
    from stack3d.report import report_page

    written_as(output, "a page is", ".html", ".htm")
    trials = found[0].with_name(f"{found[0].name}_levers") if len(found) == 1 and found[0].is_dir() else None
    levers = opened(trials) if trials is not None and (trials / "study.nc").is_file() else None
    with drawn_from(*found):
        page = report_page([opened(path) for path in found], threshold=threshold, levers=levers)
    results.write_text(output, page)
    typer.echo(f"{output}: {len(page) / 1e3:.0f} kB")


def table_of(study: Path) -> list[str]:
    """Lines of the table of a study in a folder."""
    from stack3d.report import study_lines

    return study_lines(opened(study))
