"""Where decks lie: beside the scenario, in the project's folders, in the package."""

from __future__ import annotations

import re
from pathlib import Path

from stack3d.errors import DeckError, brief, did_you_mean

KINDS = (
    "geometries", "solvers", "scenarios", "materials", "devices", "cooling", "networks", "data", "periphery", "coolants",
)  # fmt: skip
"""Folders of decks."""

COMMON = {"title", "name", "source", "assumed"}
"""Keys that say nothing of the kind of a deck."""

_PACKAGE = Path(__file__).resolve().parents[1]


def folders(kind: str, beside: Path | None = None) -> list[Path]:
    """Existing folders in which decks of a kind are looked for, first one first."""
    found: list[Path] = []
    start = (beside or Path.cwd()).resolve()
    if beside is not None and (start.name == kind or start.name not in KINDS):  # not among decks of another kind
        found.append(start)
    for folder in (start, *start.parents):
        if (folder / "geometries").is_dir():
            found.append(folder / kind)
            break
    found += [_PACKAGE / "library" / kind, _PACKAGE.parent / kind]
    unique: list[Path] = []
    for folder in found:
        if folder.is_dir() and folder not in unique:
            unique.append(folder)
    return unique


def available(kind: str, beside: Path | None = None) -> dict[str, Path]:
    """Decks of a kind by name; the first folder that holds a name wins."""
    found: dict[str, Path] = {}
    for folder in folders(kind, beside):
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def is_possible(name: str) -> bool:
    """Whether a file system can hold a file of this name: printable, no part longer than 200 bytes."""
    return name.isprintable() and len(name) < 2000 and all(len(part.encode()) <= 200 for part in name.split("/"))


def find(kind: str, name: str, beside: Path | None = None, but: Path | None = None) -> Path | None:
    """Path of the deck that `name` (a name, or a path with a slash or .yaml) stands for; None when there is none.

    Parameters
    ----------
    kind : str
        Folder of decks, ``materials``, ``devices``, …
    name : str
    beside : Path, optional
        Folder that is looked in first; absent = the present one.
    but : Path, optional
        No candidate for a name: a scenario that is called as one of its decks does not stand for that deck.
    """
    if not is_possible(name):
        return None
    if name.endswith((".yaml", ".yml")) or "/" in name:
        for base in (beside or Path.cwd(), Path.cwd()):
            if (base / name).is_file():
                return (base / name).resolve()
        return None
    return next(iter(candidates(kind, name, beside, but)), None)


def candidates(kind: str, name: str, beside: Path | None = None, but: Path | None = None) -> list[Path]:
    """Files that the name of a deck could stand for, the one that it does stand for first; those of other kinds left out.

    Parameters
    ----------
    kind : str
        Folder of decks, ``materials``, ``devices``, …
    name : str
    beside : Path, optional
        Folder that is looked in first; absent = the present one.
    but : Path, optional
        A file that is left out.
    """
    found = []
    for folder in folders(kind, beside):
        path = folder / f"{name}.yaml"
        if path.is_file() and path != but and (folder.name == kind or _is_of(kind, path)):
            found.append(path)
    return found


def _is_of(kind: str, path: Path) -> bool:
    """Whether at least half of a file's keys are those of a kind of deck; a file that cannot be read is."""
    from stack3d.decks.schemas import keys_of

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return True
    keys = set(re.findall(r"^([A-Za-z_]\w*):", text, re.MULTILINE)) - COMMON
    return not keys or len(keys & keys_of(kind)) >= len(keys) / 2


def scenario_path(path: str | Path) -> Path:
    """File of a scenario given by path or by name; raises DeckError with the names there are."""
    name = str(path)
    found = Path(path).resolve() if is_possible(name) and Path(path).is_file() else find("scenarios", name)
    if found is None:
        known = sorted(available("scenarios"))
        raise DeckError(f"no scenario {brief(name)}{did_you_mean(str(path), known)}; known: {', '.join(known) or 'none'}")
    return found
