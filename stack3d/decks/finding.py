"""Where decks lie: beside the scenario, in the project's folders, in the package."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from stack3d import yamlfile
from stack3d.errors import DeckError, UnknownNameError, brief, did_you_mean, unknown_name

KINDS = (
    "geometries", "solvers", "scenarios", "materials", "devices", "cooling", "networks", "data", "periphery", "coolants",
)  # fmt: skip
"""Folders of decks."""

BARE_FILES = {"networks": (".onnx",), "data": (".npz",)}
"""Endings of files that may stand where a deck of a kind is wanted."""

COMMON = {"title", "name", "source", "assumed"}
"""Keys that say nothing of the kind of a deck."""

MOST_LOOKED_AT = 200
"""Files of a folder of the user that are read to see whether they are decks of a kind that could have been meant."""

ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,7}$")
"""Of a name that is one of a file."""

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


def available(kind: str, beside: Path | None = None, but: Path | None = None) -> dict[str, Path]:
    """Decks of a kind by name; the first folder that holds a name wins. Parameters as in `find`."""
    found: dict[str, Path] = {}
    for folder in folders(kind, beside):
        listed = sorted(folder.glob("*.yaml"))
        if folder.name != kind:
            listed = listed[:MOST_LOOKED_AT]
        for path in listed:
            if path.stem not in found and path != but and is_of(kind, path):
                found[path.stem] = path
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


def no_file(name: str, beside: Path | None = None) -> str | None:
    """What is said of a name that is a path, and where no such file lies; None for a name without slash and ending."""
    if not is_possible(name) or not ("/" in name or ENDING.search(name)):
        return None
    folders = dict.fromkeys(((beside or Path.cwd()).resolve(), Path.cwd()))
    for folder in folders:
        path = folder / name
        if path.is_dir():
            return f"{name} is a folder; name a file in it"
        if path.is_file():
            return f"{name} is no deck: those end with .yaml or .yml"
    there = [p.name for folder in folders for p in islice((folder / name).parent.glob("*"), MOST_LOOKED_AT) if p.is_file()]
    near = did_you_mean(Path(name).name, there)
    looked = " and ".join("the working folder" if f == Path.cwd() else yamlfile.shown(f) for f in folders)
    return f"no file {brief(name)}{near}; looked in {looked}"


def unknown_deck(kind: str, name: str, word: str) -> UnknownNameError:
    """The error of a name that no deck of a kind, called by a `word`, has, nor a file."""
    if missing := no_file(name):
        return UnknownNameError(missing)
    return unknown_name(word, name, available(kind))


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
    paths = [folder / f"{name}.yaml" for folder in folders(kind, beside)]
    return [path for path in paths if path != but and is_of(kind, path)]


def is_of(kind: str, path: Path) -> bool:
    """Whether a file is a deck of a kind: at least half of its keys are that kind's, and no more of them another's.

    A file of the package is, and in a folder that is called as the kind one of which no keys can be told.
    """
    if not path.is_file():
        return False
    if path.parent in (_PACKAGE / "library" / kind, _PACKAGE.parent / kind):
        return True
    keys, file = _keys_in(path)
    return kind in _kinds_with(keys, file) or (path.parent.name == kind and not keys)


def instead(kind: str, name: str, beside: Path | None = None) -> str:
    """Why the file that is called as a deck is not it, in brackets: of another kind, or not looked for; empty where none is."""
    if is_possible(name) and "/" not in name and is_of(kind, Path(f"{name}.yaml")):
        return f" (the file {name}.yaml here is one: write {name}.yaml)"
    for folder in folders(kind, beside) if is_possible(name) and "/" not in name else ():
        path = folder / f"{name}.yaml"
        if path.is_dir():
            return f" ({yamlfile.shown(path)} is a folder)"
        if path.is_file():
            kinds = _kinds_with(*_keys_in(path))
            return f" ({yamlfile.shown(path)} holds {f'keys of {kinds[0]}' if kinds else 'no deck'})"
    return ""


def _keys_in(path: Path) -> tuple[frozenset[str], str]:
    """Keys of a deck that say something of its kind, and the file that it names; of a broken or large one, what looks so."""
    try:
        text = yamlfile.read_text(path)
    except DeckError:
        return frozenset(), ""
    try:
        tree = yamlfile.parse_text(text, str(path)) if len(text) <= yamlfile.KEPT else None
    except DeckError:
        tree = None
    if tree is None:
        tree = dict.fromkeys(re.findall(r"^([A-Za-z_]\w*):", text, re.MULTILINE))
    if not isinstance(tree, dict):
        return frozenset(), ""
    return frozenset(tree) - COMMON, str(tree.get("file") or "")


def _kinds_with(keys: frozenset[str], file: str) -> list[str]:
    """Kinds of deck that most of the keys are of; the file that a deck names tells a network from data."""
    from stack3d.decks.schemas import keys_of

    named = [kind for kind, endings in BARE_FILES.items() if file.endswith(endings)]
    hits = {kind: len(keys & keys_of(kind)) for kind in named or KINDS}
    most = max(hits.values())
    return [kind for kind, n in hits.items() if n == most and 2 * n >= len(keys) > 0]


def scenario_path(path: str | Path) -> Path:
    """File of a scenario given by path, by name, or by that of a file here without ``.yaml``; raises DeckError."""
    name = str(path)
    found = Path(path).resolve() if is_possible(name) and Path(path).is_file() else find("scenarios", name)
    if found is None and is_possible(name) and (here := Path(f"{name}.yaml")).is_file():
        found = here.resolve()
    if found is None:
        if name and is_possible(name) and Path(path).exists():
            what = "a folder; name a file in it" if Path(path).is_dir() else "a pipe or a device; name an ordinary file"
            raise DeckError(f"{brief(name)} is no scenario but {what}")
        if missing := no_file(name):
            raise DeckError(missing)
        known = sorted(available("scenarios"))
        files = sorted(file.stem for file in islice(Path().glob("[!.]*.yaml"), MOST_LOOKED_AT))
        meant = did_you_mean(str(path), [*known, *files])
        raise DeckError(f"no scenario {brief(name)}{meant}; known: {', '.join(known) or 'none'}")
    return found


def is_scenario(path: Path) -> bool:
    """Whether a scenario was named where something else may have been wanted: a YAML file, or the name of a scenario."""
    if path.exists():
        return path.is_file() and path.suffix.lower() in (".yaml", ".yml")
    try:
        return scenario_path(path).is_file()
    except DeckError:
        return False
