"""Files of other tools: where they lie, their lines, and mistakes in them with file and line."""

from __future__ import annotations

import re
from pathlib import Path

from stack3d import yamlfile
from stack3d.errors import DeckError, Problem
from stack3d.floorplans import read_text
from stack3d.yamlfile import FileLine


def place_of(path: Path, line: int | None = None) -> FileLine:
    """File, as a user would type it, and line."""
    return yamlfile.shown(path), line


def mistake(place: FileLine, key: str, message: str) -> DeckError:
    """Error at a place."""
    return DeckError(Problem(key, message, *place))


def find_file(name: str, place: FileLine, key: str) -> Path:
    """The file that is named at a place: beside the file that names it, else in the working folder; raises DeckError."""
    tried = [Path(place[0]).parent / name, Path(name)]
    for path in tried:
        if path.is_file():
            return path
    folders = " and in ".join(dict.fromkeys(str(path.parent) for path in tried))
    raise mistake(place, key, f"there is no file {Path(name).name!r} in {folders}")


def read_lines(path: Path, comments: str = r"#.*") -> list[tuple[int, str]]:
    """Numbered lines without comments (a regular expression to the end of the line) and without empty ones."""
    return [(n, line) for n, line in enumerate(re.sub(comments, "", read_text(path)).splitlines(), 1) if line.strip()]
