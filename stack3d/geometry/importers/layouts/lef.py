"""What LEF says of layers and macros: a stream of words, in which statements end with ``;`` and sections with ``END``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack3d import yamlfile
from stack3d.errors import few
from stack3d.floorplans import MOST_BYTES, number
from stack3d.geometry.importers.layouts.layer_table import LayoutLayer
from stack3d.geometry.importers.user_files import mistake, place_of, read_lines

NAMED = ("LAYER", "MACRO", "NONDEFAULTRULE", "VIA", "VIARULE", "SITE", "ARRAY")
"""What begins a section that ends with ``END`` and its name; ``LAYER M1 ;`` begins none."""
UNNAMED = ("UNITS", "PROPERTYDEFINITIONS", "SPACING", "IRDROP", "NOISETABLE", "CORRECTIONTABLE")
"""What begins a section that ends with ``END`` and this word."""
INNER = {"MACRO": ("PIN",), "NONDEFAULTRULE": ("LAYER", "VIA")}
"""Named sections within others."""
BARE = ("OBS", "PORT", "TIMING", "DENSITY", "LIBRARY", ";")
"""Words after which a statement begins, or that stand after an ``END``."""
READ = {"LAYER": ("TYPE", "THICKNESS"), "MACRO": ("CLASS",)}
"""Statements that are read, by section."""
METAL = ("ROUTING", "CUT")
WORDS = re.compile(r'"(?:\\.|[^"\\])*"?|#.*|;|[^\s;#]+')
CLOSED = re.compile(r'"(?:\\.|[^"\\])*"')

type Word = tuple[int, str]
"""A word and its line."""


@dataclass
class LefTechnology:
    """What LEF files say of layers, from the bottom up, and of macros."""

    layers: list[LayoutLayer] = field(default_factory=list)
    blocks: set[str] = field(default_factory=set)
    """Macros of class BLOCK."""
    known: set[str] = field(default_factory=set)
    """Layers of every type, those that are no metal too."""

    @property
    def names(self) -> list[str]:
        """Of the layers, each once: a second file may state them again."""
        return [layer.name for layer in self.layers]

    def thickness(self, names: Sequence[str]) -> float | None:
        """Of the first of some layers that has one. [m]"""
        return next((layer.thickness for layer in self.layers if layer.name in names and layer.thickness is not None), None)


def read_lef(paths: Sequence[Path]) -> LefTechnology:
    """Layers of metal and of vias, and macros that are blocks; raises DeckError with file and line."""
    found = LefTechnology()
    for path in paths:
        _LefFile(path, found).read()
    return found


@dataclass
class _Section:
    """What is open: its kind, name and line, and of a layer its type and thickness. [m]"""

    kind: str
    name: str
    line: int
    type: str = ""
    thickness: float | None = None


class _LefFile:
    """A file as it is read, word by word, and the sections that are open."""

    def __init__(self, path: Path, found: LefTechnology) -> None:
        self.path, self.found = path, found
        self.words = _words(path)
        self.ahead = next(self.words, None)
        self.open: list[_Section] = []

    def read(self) -> None:
        """Add what it says; raises DeckError."""
        while (first := self._take()) is not None:
            line, key = first[0], first[1].upper()
            within = self.open[-1].kind if self.open else ""
            if key == "END":
                self._close(line)
            elif key == "BEGINEXT":
                while (word := self._take()) is not None and word[1].upper() != "ENDEXT":
                    pass
            elif (not within and key in NAMED) or key in INNER.get(within, ()):
                self._begin(f"{key} of a rule" if within == "NONDEFAULTRULE" else key, line)
            elif within in ("", "NONDEFAULTRULE") and key in UNNAMED:
                self.open.append(_Section(key, key, line))
            elif key not in BARE:
                self._statement(first, within)
        if self.open:
            last = self.open[-1]
            raise mistake(place_of(self.path, last.line), last.kind, f"wants END {few(last.name)}, and the file ends")

    def _take(self) -> Word | None:
        """The next word, None at the end of the file."""
        word, self.ahead = self.ahead, next(self.words, None)
        return word

    def _begin(self, kind: str, line: int) -> None:
        """Open a section by its name."""
        named = self._take()
        if named is None or (self.ahead is not None and self.ahead[1] == ";"):
            return
        self.open.append(_Section(kind, named[1], line))
        if kind == "LAYER":
            self.found.known.add(named[1])

    def _close(self, line: int) -> None:
        """Close the section whose name follows; raises DeckError for a layer, in which nothing else ends."""
        if not self.open or self.ahead is None:
            return
        last, name = self.open[-1], self.ahead[1]
        if name != last.name and (last.kind not in UNNAMED or name.upper() != last.name):
            if last.kind == "LAYER":
                raise mistake(place_of(self.path, line), "END", f"wants {few(last.name)}, got {few(name)}")
            if last.kind == "NONDEFAULTRULE":  # may end without its name
                self.open.pop()
            return
        self._take()
        ended = self.open.pop()
        if ended.kind == "LAYER" and ended.type in METAL and ended.name not in self.found.names:
            at = place_of(self.path, ended.line)
            self.found.layers.append(LayoutLayer(ended.name, (ended.name,), ended.thickness, "", "", "", at))

    def _statement(self, first: Word, within: str) -> None:
        """Read a statement to its end; raises DeckError where a section that is read goes on without a ``;``."""
        said, ends = [first], (*READ[within], "END") if within in READ else ("END",)
        while self.ahead is not None and self.ahead[1] != ";":
            is_end = self.ahead[1].upper() == "END" and within not in READ  # behind a name that ended something else
            if is_end or (len(said) > 1 and self.ahead[1].upper() in ends and first[1].upper() != "PROPERTY"):
                if within in READ:
                    raise mistake(place_of(self.path, first[0]), few(first[1]), f"wants ; before {few(self.ahead[1])}")
                return
            said.append(self.ahead)
            self._take()
        self._take()
        if within in READ and len(said) > 1 and first[1].upper() in READ[within]:
            self._add(self.open[-1], first[1].upper(), said[1])

    def _add(self, section: _Section, key: str, value: Word) -> None:
        """What a statement says of a layer or a macro; raises DeckError."""
        line, text = value
        if key == "TYPE":
            section.type = text.upper()
        elif key == "CLASS" and text.upper() == "BLOCK":
            self.found.blocks.add(section.name)
        elif key == "THICKNESS":
            section.thickness = 1e-6 * number(text, self.path, line, "THICKNESS")
            if not section.thickness > 0:
                raise mistake(place_of(self.path, line), "THICKNESS", f"wants more than 0, got {few(text)}")


def _words(path: Path) -> Iterator[Word]:
    """Words with their lines, without comments; what is in quotes is one, or one a line. Raises DeckError."""
    opened = 0
    for n, line in enumerate(yamlfile.lines_of(path, MOST_BYTES), 1):
        for word in WORDS.findall(f'"{line}' if opened else line):
            if word.startswith("#"):
                break
            is_open = word.startswith('"') and not CLOSED.fullmatch(word)
            opened = (opened or n) if is_open else 0
            yield n, word
    if opened:
        raise mistake(place_of(path, opened), "", "a quotation mark is never closed")


def refuse_unknown(drawn: Sequence[str], known: Collection[str], files: Sequence[Path]) -> None:
    """Raise DeckError, where the first is drawn, for layers of a DEF file that no LEF file has: nothing says how wide they are.

    Parameters
    ----------
    drawn : sequence of str
    known : collection of str
        Layers of the LEF files.
    files : sequence of Path
        The DEF file, then the LEF files, whose macros draw too.
    """
    unknown = [name for name in drawn if name not in known]
    if not unknown:
        return
    word = rf"(?<!\S){re.escape(unknown[0])}(?![^\s;])"
    routed = rf"\b(ROUTED|NEW|FIXED|COVER|SHIELD|LAYERS?|RECT|POLYGON)\s.*?{word}"
    found = ((path, n) for how in (routed, word) for path in files for n, text in read_lines(path) if re.search(how, text))
    path, line = next(found, (files[0], 1))
    there = ", ".join(map(few, sorted(known)[:40])) or "none"
    raise mistake(
        place_of(path, line), "layer", f"no LEF file has the layer {few(unknown[0])} that is drawn; they have {there}"
    )
