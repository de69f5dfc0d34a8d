"""From a scenario file to a validated, hashed case: find decks, fill in names, apply overrides, report mistakes."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from stack3d import floorplans, yamlfile
from stack3d.errors import DeckError, Problem, did_you_mean, nearest_names, unknown_name
from stack3d.yamlfile import Items, Mapping, Place

KINDS = (
    "geometries", "solvers", "scenarios", "materials", "devices", "cooling", "networks", "data", "periphery", "coolants",
)  # fmt: skip
"""Folders of decks."""

_LAYER_LISTS = (("geometry", "layers"), ("geometry", "below"), ("geometry", "above"), ("geometry", "tiers", "layers"))
REFERENCES: dict[tuple[str, ...], str] = {
    ("geometry",): "geometries",
    ("solver",): "solvers",
    ("device",): "devices",
    ("hybrid", "*", "device"): "devices",
    ("cooling", "top"): "cooling",
    ("cooling", "bottom"): "cooling",
    ("cooling", "sides"): "cooling",
    ("cooling", "patches", "*", "condition"): "cooling",
    ("cooling", "faces", "*"): "cooling",
    **{("geometry", "materials", "*", *part): "materials" for part in ((), ("cylinders", "host"), ("cylinders", "fill"))},
    ("workload", "network"): "networks",
    ("workload", "network", "data"): "data",
    ("workload", "data"): "data",
    ("workload", "periphery"): "periphery",
    **{
        (*path, "*", *block, "material", *part): "materials"
        for path in _LAYER_LISTS
        for block in ((), ("blocks", "*"))
        for part in ((), ("cylinders", "host"), ("cylinders", "fill"))
    },
    **{(*path, "*", "channels", "coolant"): "coolants" for path in _LAYER_LISTS},
}
"""Where a scenario may name a deck instead of spelling it out, and of which kind."""

SET = "--set"
"""Stands for a file in the places of what overrides set."""
BUILT_IN: dict[str, tuple[str, ...]] = {"cooling": ("adiabatic",)}
FILES = (
    ("geometry", "mesh"),
    ("workload", "network", "file"),
    *(("workload", *of, "data", key) for of in (("network",), ()) for key in ("file", "inputs", "labels")),
    ("workload", "trace", "file"),
    ("power", "trace", "file"),
)
"""Keys that name a file whose content belongs to the case; a relative name counts from the deck that it stands in."""
BARE_FILES = {"networks": (".onnx",), "data": (".npz",)}
"""Endings of files that may stand where a deck of a kind is wanted."""

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Override:
    """One ``--set key=value`` and what it replaced."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.key}: {_plain_text(self.old)} -> {_plain_text(self.new)}"


def _plain_text(value: Any) -> str:
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    return "(absent)" if value is None else value if isinstance(value, str) else json.dumps(value)


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


def find(kind: str, name: str, beside: Path | None = None) -> Path | None:
    """Path of the deck that `name` (a name, or a path with a slash or .yaml) stands for; None when there is none."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        for base in (beside or Path.cwd(), Path.cwd()):
            if (base / name).is_file():
                return (base / name).resolve()
        return None
    for folder in folders(kind, beside):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    return None


def _step(pattern: tuple[str, ...], part: Any, node: Any) -> str:
    """How `REFERENCES` writes a key or index below a pattern: ``*`` for items, and for keys that are names."""
    named = any(known[: len(pattern) + 1] == (*pattern, "*") for known in REFERENCES)
    return "*" if named or isinstance(node, Items) else str(part)


class _Resolver:
    """Fills named decks into one scenario tree and collects what goes wrong."""

    def __init__(self, tree: Mapping, base: Path) -> None:
        self.tree = tree
        self.base = base
        self.problems: list[Problem] = []

    def load(self, kind: str, name: str, key: str, place: Place) -> Mapping | None:
        base = self.folder_of(place)
        if name.endswith(BARE_FILES.get(kind, ("\0",))):
            alone = Mapping(place)
            alone.put("name", Path(name).stem, place)
            alone.put("file", name, place)
            return alone
        path = find(kind, name, base)
        if path is None:
            known = [*available(kind, base), *BUILT_IN.get(kind, ())]
            message = f"no deck {name!r} in {kind}{did_you_mean(name, known)}; known: {', '.join(sorted(known))}"
            self.problems.append(Problem(key, message, *place))
            return None
        try:
            deck = yamlfile.read(path)
        except DeckError as error:
            self.problems += error.problems
            return None
        deck.put("name", path.stem, (yamlfile.shown(path), 1))
        return deck

    def folder_of(self, place: Place) -> Path:
        """Folder that names written at a place count from: that of the deck, else the scenario's."""
        return Path(place[0]).parent if Path(place[0]).suffix in (".yaml", ".yml") else self.base

    def expand_floorplans(self) -> None:
        """Spell out a geometry given by name, and the floorplans of its layers; names of files count from their deck."""
        geometry = self.tree.get("geometry")
        if isinstance(geometry, str):
            found = find("geometries", geometry, self.folder_of(self.tree.places["geometry"]))
            if found is None:
                return  # reported with all other names
            self.tree["geometry"] = self.load("geometries", geometry, "geometry", self.tree.places["geometry"])
        self.problems += floorplans.expand(self.tree, self.folder_of)

    def anchor_files(self) -> None:
        """Make the names of files absolute."""
        for *parents, last in FILES:
            node: Any = self.tree
            for part in parents:
                node = node.get(part) if isinstance(node, Mapping) else None
            if isinstance(node, Mapping) and isinstance(node.get(last), str):
                place, path = node.places[last], Path(node[last])
                beside = self.folder_of(place) / path
                is_here = place[0] == SET and not beside.exists() and path.exists()  # an override counts from here too
                node[last] = str((path if is_here else beside).resolve())

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
            if any(pattern_[: len(below)] == below and len(pattern_) > len(below) for pattern_ in REFERENCES):
                self.fill(child, below, name)

    def override(self, key: str, value: Any) -> Override:
        """Set a dotted key, spelling out the decks on the way; items of a list by index or by name."""
        place: Place = (SET, None)
        value = yamlfile.wrapped(value, place)
        node: Any = self.tree
        parts = key.replace("[", ".").replace("]", "").split(".")
        pattern: tuple[str, ...] = ()
        for depth, part in enumerate(parts):
            last = depth == len(parts) - 1
            index: Any = part
            if isinstance(node, Items):
                names = [item.get("name") if isinstance(item, Mapping) else None for item in node]
                if part.lstrip("-").isdigit() and -len(node) <= int(part) < len(node):
                    index = int(part)
                elif part in names:
                    index = names.index(part)
                else:
                    known = [n for n in names if n]
                    raise DeckError(
                        Problem(key, f"no item {part!r}{did_you_mean(part, known)}; known: {', '.join(known)}", *place)
                    )
            elif not isinstance(node, Mapping):
                raise DeckError(Problem(key, f"{'.'.join(parts[:depth])} is {node!r} and has no keys below it", *place))
            pattern = (*pattern, _step(pattern, part, node))
            if last:
                old = node[index] if isinstance(node, Items) else node.get(index)
                if isinstance(node, Items):
                    node[index], node.places[index] = value, place
                else:
                    node.put(index, value, place)
                return Override(key, old, value)
            child = node[index] if isinstance(node, Items) else node.get(index)
            kind = REFERENCES.get(pattern)
            if kind and isinstance(child, str):
                child = self.load(kind, child, ".".join(parts[: depth + 1]), node.places[index])
                if child is None:
                    raise DeckError(self.problems)
                node[index] = child
            if kind and isinstance(child, Mapping) and isinstance(child.get("name"), str):
                name = str(child["name"]).removesuffix(" (changed)")
                child.put("name", f"{name} (changed)", place)
            elif child is None and isinstance(node, Mapping):
                child = Mapping(place)
                node.put(index, child, place)
            node = child
        raise DeckError(Problem(key, "an empty key", *place))


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value``; the value is read as YAML, so ``[2, 4]`` and ``{temperature: 300 K}`` work."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise DeckError(f"--set wants KEY=VALUE, got {text!r}")
    return key.strip(), yamlfile.parse_text(value, f"--set {key.strip()}")


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def translate(error: Any, tree: Any, model: Any, at: tuple[str | int, ...] = ()) -> list[Problem]:
    """Turn a pydantic ValidationError below `at` into problems with file and line."""
    problems = []
    errors = error.errors()
    misspelt = set()  # keys that are missing only because their name is misspelt
    for item in errors:
        if item["type"] == "extra_forbidden":
            *parents, wrong = item["loc"]
            misspelt |= {(*parents, near) for near in nearest_names(str(wrong), _keys_at(model, parents), most=1)}
    for item in errors:
        if item["type"] == "missing" and item["loc"] in misspelt:
            continue
        path = tuple(p for p in item["loc"] if isinstance(p, int) or not p.endswith("]"))
        full = (*at, *path)
        message, kind = item["msg"], item["type"]
        if kind == "extra_forbidden":
            allowed = _keys_at(model, path[:-1])
            message = f"unknown key {path[-1]!r}{did_you_mean(str(path[-1]), allowed)}; allowed: {', '.join(allowed)}"
        elif kind == "missing":
            message = "is missing"
        elif kind == "value_error":
            message = message.removeprefix("Value error, ")
        elif not isinstance(item["input"], (dict, list)):
            message = f"{message[0].lower()}{message[1:]} (got {item['input']!r})"
        place = yamlfile.locate(tree, full) or (None, None)
        problems.append(Problem(_dotted(full), message, *place))
    return problems


def _keys_at(model: Any, path: Sequence[str | int]) -> list[str]:
    """Keys allowed at a path below a model, found by walking its annotations."""
    from typing import get_args

    from pydantic import BaseModel

    from stack3d.schema.base import names_of

    def models_in(annotation: Any) -> list[Any]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return [annotation]
        return [m for a in get_args(annotation) for m in models_in(a)]

    current = [model]
    for part in path:
        if isinstance(part, str):
            steps = [m.model_fields[part].annotation for m in current if part in m.model_fields]
            current = [m for s in steps for m in models_in(s)] or current
    return [name for m in current for name in names_of(m)]


@dataclass(frozen=True)
class Case:
    """A scenario with everything filled in.

    Parameters
    ----------
    path : Path or None
        The file it came from.
    tree : Mapping
        As written, decks spelled out; remembers lines.
    scenario : Scenario
        Validated, SI.
    overrides : tuple of Override
    """

    path: Path | None
    tree: Mapping
    scenario: Any
    overrides: tuple[Override, ...] = ()

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.scenario.scenario)

    def digest(self) -> str:
        """SHA-256 of what determines the outcome: resolved values and the files they name, not titles or sources."""
        values = self.scenario.model_dump(mode="json", exclude={"expect", "sweep", "title"})
        for path in FILES:
            node: Any = values
            for part in path[:-1]:
                node = node.get(part) if isinstance(node, dict) else None
            if node and node.get(path[-1]):
                file = Path(node[path[-1]])
                node[path[-1]] = file_digest(file) + (_digest_beside(file) if file.suffix == ".onnx" else "")
        text = json.dumps(_strip(values), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def locate(self, problems: Iterable[Problem]) -> list[Problem]:
        """Add file and line to problems that know only their key."""
        return [placed(p, self.tree) for p in problems]


def placed(problem: Problem, tree: Mapping) -> Problem:
    """Problem with the file and line of its key, unless it has them."""
    if not problem.key:
        return problem
    pieces = problem.key.replace("]", "").replace("[", ".").split(".")
    place = yamlfile.locate(tree, tuple(int(p) if p.isdigit() else p for p in pieces)) or (None, None)
    return problem if problem.file else Problem(problem.key, problem.message, *place)


def read_tables(device: Any) -> list[Problem]:
    """Replace every ``table: file.csv`` of a device's mechanisms by its columns; file names count from the deck.

    A column ``sd [uS]`` becomes ``sd: ["0.1 uS", …]``, as it could be written in the deck itself.
    """
    problems = []
    mechanisms = device.get("mechanisms") if isinstance(device, Mapping) else None
    for name, mechanism in mechanisms.items() if isinstance(mechanisms, Mapping) else ():
        table = mechanism.get("table") if isinstance(mechanism, Mapping) else None
        if isinstance(table, str):
            place = mechanism.places["table"]
            try:
                mechanism["table"] = _columns((Path(place[0]).parent / table).resolve())
            except (OSError, ValueError, IndexError) as error:
                problems.append(Problem(f"mechanisms.{name}.table", f"{table} cannot be read as a table: {error}", *place))
    return problems


def _columns(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    columns: dict[str, list[str]] = {}
    for index, title in enumerate(header):
        name, _, unit = title.strip().removesuffix("]").partition(" [")
        columns[name] = [f"{row[index].strip()} {unit}".strip() for row in rows]
    return columns


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _strip(v) for k, v in value.items() if k not in ("source", "assumed", "title", "licence", "sha256")}
    return [_strip(v) for v in value] if isinstance(value, list) else value


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest_beside(model: Path) -> str:
    """Digests of the files below a model's folder that the model mentions: it may keep its weights in them."""
    content = model.read_bytes()
    beside = [p for p in sorted(model.parent.iterdir()) if p.is_file() and p != model and p.name.encode() in content]
    return "".join(file_digest(p) for p in beside)


def file_digest(path: Path) -> str:
    """SHA-256 of a file; raises DeckError when it cannot be read."""
    try:
        status = path.stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise DeckError(Problem("", f"cannot be read: {error.strerror}", yamlfile.shown(path))) from None


def _check_files(tree: Mapping) -> list[Problem]:
    problems = []
    for path in FILES:
        node: Any = tree
        for part in path[:-1]:
            node = node.get(part) if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or not isinstance(node.get(path[-1]), str):
            continue
        place, file = node.places[path[-1]], node[path[-1]]
        try:
            digest = file_digest(Path(file))
        except DeckError as error:
            problems.append(Problem(_dotted(path), f"{file} {error.problems[0].message}", *place))
            continue
        stated = node.get("sha256")
        if stated and path[-1] == "file" and digest != stated:
            problems.append(Problem(_dotted(path), f"{file} has SHA-256 {digest[:12]}…, the deck says {stated[:12]}…", *place))
    return problems


def resolve(tree: Mapping, path: Path | None = None, overrides: Sequence[tuple[str, Any]] = ()) -> Case:
    """Fill in named decks, apply overrides in order, validate; raises DeckError with every mistake."""
    from pydantic import ValidationError

    from stack3d.schema.scenario import Scenario

    resolver = _Resolver(tree, path.parent if path else Path.cwd())
    done = tuple(resolver.override(key, value) for key, value in overrides)
    resolver.expand_floorplans()
    resolver.fill(tree, (), "")
    resolver.anchor_files()
    hybrid = tree.get("hybrid")
    devices = {f"hybrid[{i}].device": h.get("device") for i, h in enumerate(hybrid) if isinstance(h, Mapping)} if hybrid else {}
    for key, device in {"device": tree.get("device"), **devices}.items():
        resolver.problems += [replace(p, key=f"{key}.{p.key}") for p in read_tables(device)]
    failed = {p.key for p in resolver.problems}
    try:
        scenario = Scenario.model_validate(tree)
    except ValidationError as error:
        found = [p for p in translate(error, tree, Scenario) if p.key not in failed]
        raise DeckError(sorted([*resolver.problems, *found], key=lambda p: (p.file or "", p.line or 0))) from None
    problems = resolver.problems + _check_files(tree)
    if problems:
        raise DeckError(problems)
    return Case(path, tree, scenario, done)


def scenario_path(path: str | Path) -> Path:
    """File of a scenario given by path or by name; raises DeckError with the names there are."""
    found = find("scenarios", str(path)) if not Path(path).is_file() else Path(path).resolve()
    if found is None:
        known = sorted(available("scenarios"))
        raise DeckError(f"no scenario {str(path)!r}{did_you_mean(str(path), known)}; known: {', '.join(known) or 'none'}")
    return found


def load(path: str | Path, overrides: Sequence[tuple[str, Any]] = ()) -> Case:
    """Read a scenario by path or by name and resolve it; raises DeckError with every mistake."""
    found = scenario_path(path)
    return resolve(yamlfile.read(found), found, overrides)


def _models() -> dict[str, Any]:
    """Kind of deck → its model."""
    from stack3d.schema import cooling, device, geometry, numerics, scenario, workload

    return {
        "scenarios": scenario.Scenario,
        "geometries": geometry.Geometry,
        "solvers": numerics.Solver,
        "materials": geometry.Material,
        "devices": device.Device,
        "cooling": cooling.Face,
        "networks": workload.Network,
        "data": workload.Data,
        "periphery": workload.Periphery,
        "coolants": geometry.Coolant,
    }


def deck_schema(kind: str = "scenarios") -> dict[str, Any]:
    """JSON Schema of a kind of deck as users write it: a deck's name is allowed wherever a deck is."""
    models = _models()
    if kind not in models:
        raise unknown_name("kind of deck", kind, models)
    named = {f"#/$defs/{model.__name__}" for name, model in models.items() if name != "scenarios"}

    def widen(node: Any) -> Any:
        if isinstance(node, list):
            return [widen(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.get("$ref") in named:
            rest = {k: v for k, v in node.items() if k != "$ref"}
            return {**rest, "anyOf": [{"$ref": node["$ref"]}, {"type": "string", "description": "name or path of a deck"}]}
        return {key: widen(value) for key, value in node.items()}

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **widen(models[kind].model_json_schema())}
