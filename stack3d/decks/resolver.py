"""Named decks and overrides become one scenario tree."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack3d import floorplans, yamlfile
from stack3d.decks import power_maps
from stack3d.decks.finding import BARE_FILES, available, candidates, find, instead, no_file
from stack3d.decks.mistakes import SET, index_of, steps_of
from stack3d.decks.named_paths import LAYER_LISTS, PART
from stack3d.errors import DeckError, Problem, ValidityWarning, brief, did_you_mean, text_of
from stack3d.yamlfile import FileLine, GrammarError, Items, Mapping

_OF_SOLIDS = ((), *(("cylinders", part) for part in ("host", "fill", "core")), ("pattern", "host"), ("pattern", "fill"))
"""Where a material may name others: itself, and those that it is mixed of."""
REFERENCES: dict[tuple[str, ...], str] = {
    ("geometry",): "geometries",
    (*PART, "deck"): "geometries",
    **{("geometry", "fill", *part): "materials" for part in _OF_SOLIDS},
    ("solver",): "solvers",
    ("device",): "devices",
    ("hybrid", "*", "device"): "devices",
    ("cooling", "top"): "cooling",
    ("cooling", "bottom"): "cooling",
    ("cooling", "sides"): "cooling",
    **{("mission", "*", "cooling", face): "cooling" for face in ("top", "bottom", "sides")},
    ("cooling", "patches", "*", "condition"): "cooling",
    ("cooling", "faces", "*"): "cooling",
    **{("geometry", "materials", "*", *part): "materials" for part in _OF_SOLIDS},
    ("workload", "network"): "networks",
    ("workload", "network", "data"): "data",
    ("workload", "data"): "data",
    ("workload", "periphery"): "periphery",
    **{
        (*path, "*", *block, "material", *part): "materials"
        for path in LAYER_LISTS
        for block in ((), ("blocks", "*"))
        for part in _OF_SOLIDS
    },
    **{(*path, "*", flow, "coolant"): "coolants" for path in LAYER_LISTS for flow in ("channels", "pins")},
}
"""Where a scenario may name a deck instead of spelling it out, and of which kind."""

BUILT_IN: dict[str, tuple[str, ...]] = {"cooling": ("adiabatic",)}


@dataclass(frozen=True)
class Override:
    """One ``--set key=value`` and what it replaced."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        old, new = ("(absent)" if value is None else text_of(value) for value in (self.old, self.new))
        return f"{self.key}: {old} -> {new}"


_AHEAD = {known[:depth] for known in REFERENCES for depth in range(1, len(known))}
"""Patterns below which there may be names of decks."""
_NAMED = {known[:depth] for known in REFERENCES for depth in range(len(known)) if known[depth] == "*"}
"""Patterns whose keys are names."""


def _step(pattern: tuple[str, ...], part: Any, node: Any) -> str:
    """How `REFERENCES` writes a key or index below a pattern: ``*`` for items, and for keys that are names."""
    return "*" if pattern in _NAMED or isinstance(node, Items) else str(part)


FIRST_PROFILE = "study"
"""Where a solver begins that states an accuracy alone."""


def _lay_over(below: Mapping, above: Mapping) -> None:
    """Put what stands in one mapping over another, mappings within them key by key."""
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping):
            _lay_over(below[key], value)
        else:
            below.put(key, value, above.places[key])


Known = dict[tuple[str, str, Path], Mapping]
"""Decks found before, by kind, name and folder of who names them: the cases of a study name the same ones."""


class Resolver:
    """Fills named decks into one scenario tree and collects what goes wrong."""

    def __init__(self, tree: Mapping, path: Path | None, known: Known | None = None) -> None:
        self.tree = tree
        self.known = {} if known is None else known
        self.path = path.resolve() if path else None
        self.base = path.parent if path else Path.cwd()
        self.problems: list[Problem] = []

    def load(self, kind: str, name: str, key: str, place: FileLine) -> Mapping | None:
        """Deck that a name at a place stands for; None, with the problem kept, when it cannot be had.

        Parameters
        ----------
        kind : str
            Folder of decks.
        name : str
        key : str
            Dotted key that names the deck.
        place : (file, line)
            Where it is named.
        """
        base = self.folder_of(place)
        if name.endswith(BARE_FILES.get(kind, ("\0",))):
            alone = Mapping(place)
            alone.put("name", Path(name).stem, place)
            alone.put("file", name, place)
            return alone
        if (kind, name, base) in self.known:
            found: Mapping = yamlfile.copy_of(self.known[kind, name, base])
            return found
        path = find(kind, name, base, self.path)
        if path is None:
            known = [*available(kind, base, self.path), *BUILT_IN.get(kind, ())]
            near = instead(kind, name, base) or did_you_mean(name, known)
            message = no_file(name, base) or f"no deck {brief(name)} in {kind}{near}; known: {', '.join(sorted(known))}"
            self.problems.append(Problem(key, message, *place))
            return None
        try:
            deck = yamlfile.read(path)
        except DeckError as error:
            self.problems += error.problems
            return None
        self._tell_rivals(kind, name, base, path)
        deck.put("name", path.stem, (yamlfile.shown(path), 1))
        self.known[kind, name, base] = yamlfile.copy_of(deck)
        return deck

    def _tell_rivals(self, kind: str, name: str, base: Path, path: Path) -> None:
        """Warn where a name could also stand for another deck of its kind with another content."""
        for other in candidates(kind, name, base, self.path):
            if other != path and other.read_bytes() != path.read_bytes():
                told = f"{brief(name)} in {kind} is {yamlfile.shown(path)}, not {yamlfile.shown(other)}"
                warnings.warn(ValidityWarning(f"{told}; a path says which one is meant"), stacklevel=2)
                return

    def folder_of(self, place: FileLine) -> Path:
        """Folder that names written at a place count from: that of the deck, else the scenario's."""
        return Path(place[0]).parent if Path(place[0]).suffix in (".yaml", ".yml") else self.base

    def expand_floorplans(self) -> None:
        """Spell out a geometry given by name, floorplans of layers and maps of power; names of files count from their deck."""
        geometry = self.tree.get("geometry")
        if isinstance(geometry, str):
            found = find("geometries", geometry, self.folder_of(self.tree.places["geometry"]), self.path)
            if found is None:
                return  # reported with all other names
            self.tree["geometry"] = self.load("geometries", geometry, "geometry", self.tree.places["geometry"])
        self.problems += floorplans.expand(self.tree, self.folder_of)
        self.problems += power_maps.expand(self.tree, self.folder_of)

    def profiled(self) -> None:
        """Lay a solver with ``profile`` (or with an accuracy and no mesh of its own) over the deck of that profile."""
        solver = self.tree.get("solver")
        if not isinstance(solver, Mapping) or not ("profile" in solver or ("accuracy" in solver and "mesh" not in solver)):
            return
        place = solver.places.get("profile", self.tree.places["solver"])
        name = solver.pop("profile", FIRST_PROFILE)
        if not isinstance(name, str):
            self.problems.append(Problem("solver.profile", f"wants the name of a solver, got {brief(name)}", *place))
            return
        deck = self.load("solvers", name, "solver.profile", place)
        if deck is None:
            return
        if name == FIRST_PROFILE and "backend" not in solver:
            deck.put("backend", "auto", place)
        _lay_over(deck, solver)
        self.tree["solver"] = deck

    def fill(self, node: Any, pattern: tuple[str, ...], key: str) -> None:
        """Replace every name below `node` that `REFERENCES` knows."""
        children: Iterable[tuple[Any, Any]] = ()
        if isinstance(node, Mapping):
            children = list(node.items())
        elif isinstance(node, Items):
            children = list(enumerate(node))
        for part, child in children:
            below = (*pattern, _step(pattern, part, node))
            name = f"{key}[{part}]" if isinstance(node, Items) else f"{key}.{part}".lstrip(".")
            kind = REFERENCES.get(below)
            if kind and isinstance(child, str) and child not in BUILT_IN.get(kind, ()):
                deck = self.load(kind, child, name, node.places[part])
                if deck is not None:
                    node[part] = child = deck
            if below in _AHEAD:
                self.fill(child, below, name)

    def override(self, key: str, value: Any) -> Override:
        """Set a dotted key, spelling out the decks on the way; items of a list by index or by name."""
        *ahead, last = parts = steps_of(key)
        if parts == ["solver", "profile"]:
            self._lay_open(key)
        node: Any = self.tree
        pattern: tuple[str, ...] = ()
        for depth, part in enumerate(ahead):
            index = _index(node, part, key, parts[:depth])
            _look_beside(node, parts, depth, key)
            pattern = (*pattern, _step(pattern, part, node))
            node = self._spelled_out(node, index, pattern, ".".join(parts[: depth + 1]))
        index = _index(node, last, key, ahead)
        old = node[index] if isinstance(node, Items) else node.get(index)
        value = yamlfile.wrapped(value, _BY_HAND)
        own = yamlfile.copy_of(value)  # names in it are filled in; the override is what the next one resolves again
        if isinstance(node, Items):
            node[index], node.places[index] = own, _BY_HAND
        else:
            node.put(index, own, _BY_HAND)
        return Override(key, old, value)

    def _lay_open(self, key: str) -> None:
        """A solver given by name alone takes another profile whole; one that was spelled out would hide it."""
        solver = self.tree.get("solver")
        if isinstance(solver, str):
            self.tree.put("solver", Mapping(_BY_HAND), _BY_HAND)
        elif isinstance(solver, Mapping) and str(solver.get("name", "")).endswith(" (changed)"):
            raise DeckError(Problem(key, "is set before other keys of solver, which lie over the profile", *_BY_HAND))

    def _spelled_out(self, node: Any, index: Any, pattern: tuple[str, ...], key: str) -> Any:
        """What stands at an index of `node`, to be changed: a named deck is read, what is absent becomes an empty mapping."""
        child = node[index] if isinstance(node, Items) else node.get(index)
        kind = REFERENCES.get(pattern)
        if kind and isinstance(child, str):
            child = self.load(kind, child, key, node.places[index])
            if child is None:
                raise DeckError(self.problems)
            node[index] = child
        if kind and isinstance(child, Mapping) and isinstance(child.get("name"), str):
            name = str(child["name"]).removesuffix(" (changed)")
            child.put("name", f"{name} (changed)", _BY_HAND)
        elif child is None and isinstance(node, Mapping):
            child = Mapping(_BY_HAND)
            node.put(index, child, _BY_HAND)
        return child


_BY_HAND: FileLine = (SET, None)
"""Place of what was set on the command line."""


def overridden(tree: Mapping, path: Path | None, overrides: Iterable[tuple[str, Any]]) -> Mapping:
    """A copy of a scenario as written, with dotted keys set; raises DeckError."""
    resolver = Resolver(yamlfile.copy_of(tree), path)
    for key, value in overrides:
        resolver.override(key, value)
    return resolver.tree


def _index(node: Any, part: str, key: str, above: list[str]) -> Any:
    """Where a part of a dotted key stands below `node`: itself in a mapping, an index in a list."""
    if isinstance(node, Mapping):
        return part
    if not isinstance(node, Items):
        raise DeckError(Problem(key, f"{'.'.join(above)} is {brief(node)} and has no keys below it", *_BY_HAND))
    at = index_of(part.removeprefix("-"))
    if isinstance(at, int) and -len(node) <= (at := -at if part[0] == "-" else at) < len(node):
        return at
    names = [item.get("name") if isinstance(item, Mapping) else None for item in node]
    if part in names:
        return names.index(part)
    known = [n for n in names if isinstance(n, str)]
    raise DeckError(Problem(key, f"no item {part!r}{did_you_mean(part, known)}; known: {', '.join(known)}", *_BY_HAND))


def _look_beside(node: Any, parts: list[str], depth: int, key: str) -> None:
    """Raise where a list is not there, and what is to be set in it stands in another one: layers of tiers, for example."""
    part, item = parts[depth], parts[depth + 1]
    if not isinstance(node, Mapping) or node.get(part) is not None:
        return
    lists: dict[tuple[str, ...], Any] = {(name,): items for name, items in node.items()}
    lists |= {(one, two): items for one, held in node.items() if isinstance(held, Mapping) for two, items in held.items()}
    for at, items in lists.items():
        if isinstance(items, Items) and any(isinstance(one, Mapping) and one.get("name") == item for one in items):
            meant = ".".join((*parts[:depth], *at, *parts[depth + 1 :]))
            raise DeckError(
                Problem(key, f"there is no {'.'.join(parts[: depth + 1])!r} here; did you mean {meant!r}?", *_BY_HAND)
            )


def value_at(tree: Mapping, key: str) -> Any:
    """What stands at a dotted key, items of a list by index or by name; None where nothing does."""
    node: Any = tree
    parts = steps_of(key)
    for depth, part in enumerate(parts):
        index = _index(node, part, key, parts[:depth])
        node = node[index] if isinstance(node, Items) else node.get(index)
        if node is None:
            break
    return node


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value``; the value is read as YAML, so ``[2, 4]`` and ``{temperature: 300 K}`` work."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise DeckError(f"--set wants KEY=VALUE, got {text!r}")
    try:
        return key.strip(), yamlfile.parse_text(value, f"--set {key.strip()}")
    except GrammarError:
        ways = 'a list is written as ["1 s", "2 s"], a mapping as {period: 1 s}, other text with such signs in quotes'
        raise DeckError(Problem(key.strip(), f"cannot read {brief(value.strip())}; {ways}", "--set")) from None
