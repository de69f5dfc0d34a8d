"""A commented scenario to start from, one for each trade."""

from __future__ import annotations

from pathlib import Path

from stack3d import storage
from stack3d.errors import DeckError, unknown_name

FOLDER = Path(__file__).resolve().parents[1] / "library" / "starters"


def starters() -> dict[str, str]:
    """Kind of starting point → what its first line says."""
    return {
        path.stem: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for path in sorted(FOLDER.glob("*.yaml"))
    }


def start(name: str, kind: str, folder: Path) -> Path:
    """Write ``NAME.yaml``, a scenario of a kind with a comment at each key.

    Parameters
    ----------
    name : str
        Of the scenario and its file; an ending ``.yaml`` or ``.yml`` is left out.
    kind : str
        Of `starters`.
    folder : Path
        Where the file goes.

    Raises
    ------
    DeckError
        For a name that no file can have, and for a file that is there already.
    UnknownNameError
        For a kind that does not exist.
    ResultsError
        When the file cannot be written.
    """
    if kind not in starters():
        raise unknown_name("kind of starting point", kind, starters())
    name = name.removesuffix(".yaml").removesuffix(".yml")
    path = storage.inside(folder, f"{name}.yaml")
    text = (FOLDER / f"{kind}.yaml").read_text(encoding="utf-8").replace("{name}", name)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise DeckError(f"{path} is there already: choose another name") from None
    except OSError as error:
        raise storage.cannot_write(path, error) from None
    return path
