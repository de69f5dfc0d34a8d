"""A scenario made from another tool's files: its tree knows the user's file and line of every part."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

from stack3d import decks, storage, yamlfile
from stack3d.decks.case import Case
from stack3d.errors import DeckError, Problem, did_you_mean, few
from stack3d.geometry.importers.parts import Element, bounds, box, deck_name, length, new_name
from stack3d.geometry.importers.user_files import mistake, place_of, told
from stack3d.layout import Rectangle
from stack3d.yamlfile import FileLine
from stack3d.yamltree import WATCHED

MOST_PROBES = 64
"""Floorplans with more elements get no probe at each."""
MOST_LISTED = 64
"""Layers with more sources or blocks get a floorplan of their own beside the deck."""


@dataclass(frozen=True)
class Imported:
    """A scenario and what had no equivalent.

    Parameters
    ----------
    scenario : Mapping
        As a deck writes it; the places are those of the files it was made from.
    notes : tuple of str
        One sentence per thing that was changed or left out.
    tables : mapping of str to str
        Files that the deck names, by name: powers over time.
    """

    scenario: yamlfile.Mapping
    notes: tuple[str, ...]
    tables: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> list[Any]:
        """Layers of the deck, those of parts too."""
        geometry = self.scenario["geometry"]
        return [
            *geometry.get("layers", geometry.get("below", [])),
            *(layer for part in geometry.get("parts", []) for layer in part["layers"]),
        ]

    @contextmanager
    def resolved(self) -> Iterator[Case]:
        """The scenario with everything filled in; mistakes stand at the lines of the user's files. Raises DeckError."""
        with storage.passing_folder("import") as folder:  # tables are read from files
            if (watch := WATCHED.get()) is not None:
                watch("checking the deck", 0, 1)
            for name, text in self.tables.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            try:
                yield decks.resolve(yamlfile.copy_of(self.scenario), Path(folder) / "deck.yaml")
            except DeckError as error:
                raise DeckError(self._of_user(error.problems, folder)) from None

    def _of_user(self, problems: Sequence[Problem], folder: str) -> list[Problem]:
        """Mistakes of the deck as those of the files it was made from: one a place, without keys and files of the deck.

        What stands at no line of its own, at the first one of the whole, follows from the others where there are any.
        """
        found: dict[FileLine, Problem] = {}
        for problem in problems:
            place = (problem.file, problem.line) if problem.file and folder not in problem.file else self.scenario.here
            text = problem.message.replace(f"looked in {folder} and ", "looked in ").replace(f"{folder}/", "")
            found.setdefault(place, Problem(_in_words(problem.key), text, *place))
        own = [problem for place, problem in found.items() if place != self.scenario.here]
        return own or list(found.values())

    def with_profile(self, name: str, note: str) -> Imported:
        """The same that asks for a solver by name, and says why where there is a note."""
        scenario = yamlfile.copy_of(self.scenario)
        scenario["solver"] = name
        return replace(self, scenario=scenario, notes=(*self.notes, *([note] if note else [])))

    def files(self, name: str) -> dict[str, str]:
        """Texts of the deck, called `name`, and of everything beside it: large floorplans and tables."""
        compact, plans = _spread_out(self.scenario, Path(name).stem)
        return {**self.tables, **plans, name: _commented(self.notes) + _yaml(compact)}

    def text(self) -> str:
        """The whole deck in one piece, the notes as comments on top."""
        return _commented(self.notes) + _yaml(self.scenario)


def _in_words(key: str) -> str:
    """The last word of a key of a deck, as ``flow rate`` of ``geometry.layers[2].pins.flow_rate``."""
    return re.sub(r"\[\d*\]", "", key).rpartition(".")[2].replace("_", " ")


def check_material(name: str, place: FileLine, key: str) -> None:
    """Raise DeckError for a name of a table that stands for no material."""
    if all(decks.find("materials", name, beside) is None for beside in (None, Path(place[0]).parent)):
        known = decks.available("materials")
        listed = ", ".join(sorted(known))
        raise mistake(place, key, f"unknown material {few(name)}{did_you_mean(name, known)}; known: {listed}")


def _commented(notes: Sequence[str]) -> str:
    return "".join(f"# {note}\n" for note in notes)


def _yaml(tree: Any) -> str:
    from ruamel.yaml import YAML

    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = None  # leaves in one line
    writer.width = 120
    writer.sort_base_mapping_type_on_output = False
    out = StringIO()
    writer.dump(_plain(tree), out)
    return out.getvalue()


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _spread_out(scenario: Mapping[str, Any], stem: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The scenario with long lists of sources and blocks as floorplans, and the files these are."""
    files: dict[str, str] = {}
    power = dict(scenario["power"])
    of_layer: dict[str, list[Any]] = {}
    for source in power["sources"]:
        of_layer.setdefault(source["layer"], []).append(source)
    layers, moved = [], set()
    held = next(key for key in ("layers", "below") if key in scenario["geometry"])  # layers of parts take no floorplan
    for layer in scenario["geometry"][held]:
        sources, blocks = of_layer.get(layer["name"], []), layer.get("blocks", [])
        if max(len(sources), len(blocks)) > MOST_LISTED:
            file = f"{stem}_{layer['name']}.csv"
            rows = list(_rows(sources, blocks, stem, files))
            files[file] = _csv([["name", "x [um]", "y [um]", "width [um]", "height [um]", "power [W]", "material"], *rows])
            layer = {key: value for key, value in layer.items() if key != "blocks"} | {"floorplan": file}
            moved.add(layer["name"])
        layers.append(layer)
    power["sources"] = [source for source in power["sources"] if source["layer"] not in moved]
    return {**scenario, "geometry": {**scenario["geometry"], held: layers}, "power": power}, files


def _rows(sources: Sequence[Any], blocks: Sequence[Any], stem: str, files: dict[str, str]) -> Iterator[list[str]]:
    """Rows of a floorplan; materials of blocks become files of their own."""
    for source in sources:
        yield [source["name"], *_corner(source), source["power"].removesuffix(" W"), ""]
    named: dict[str, str] = {}
    taken = {source["name"] for source in sources}
    for block in blocks:
        text = _yaml(block["material"])
        if text not in named:
            named[text] = f"{stem}_material_{len([f for f in files if f.endswith('.yaml')]) + 1}.yaml"
            files[named[text]] = text
        yield [new_name(block["name"], taken), *_corner(block), "", named[text]]


def _corner(entry: Any) -> list[str]:
    """Lower left corner, width and height. [um]"""
    (x0, x1), (y0, y1) = ([float(v.removesuffix(" um")) for v in entry[axis]] for axis in ("x", "y"))
    return [f"{v:.12g}" for v in (x0, y0, x1 - x0, y1 - y0)]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


class ScenarioDraft:
    """A scenario as an importer fills it, layers from the bottom up.

    Parameters
    ----------
    title : str
    path : Path
        File that the whole is made from.
    footprint : Rectangle
        Its lower left corner is the origin of the deck. [m]
    """

    def __init__(self, title: str, path: Path, footprint: Rectangle) -> None:
        self.title, self.path, self.footprint = title, path, footprint
        self.place: FileLine = place_of(path)
        self.layers: list[Any] = []
        self.sources: list[Any] = []
        self.probes: list[Any] = []
        self.powers: dict[str, list[float]] = {}
        """By source, one value per step of time, none where none are given. [W]"""
        self.more: dict[str, Any] = {}
        """Other keys of the scenario."""
        self.notes: list[str] = []
        self._names: dict[str, set[str]] = {"layer": set(), "source": set(), "probe": set()}

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)

    def add_layer(
        self,
        name: str,
        thickness: float,
        material: Mapping[str, Any],
        place: FileLine,
        *,
        blocks: Sequence[Element] = (),
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Put a layer [m] on top, with `more` keys; returns the name it got.

        Parameters
        ----------
        name : str
        thickness : float
            [m]
        material : mapping
            Deck of the material.
        place : (file, line)
            Where the layer is described.
        blocks : sequence of Element
            Those with a material of their own become blocks.
        more : mapping, optional
            Further keys.
        """
        name = new_name(name, self._names["layer"])
        entry: dict[str, Any] = {"name": name, "thickness": length(thickness), "material": dict(material)}
        boxes, taken = [], set[str]()
        for element in blocks:
            if element.material is None:
                continue
            for part in element.boxes:
                where = {"name": new_name(element.name, taken), **box(part, self.footprint)}
                boxes.append(yamlfile.wrapped({**where, "material": element.material.deck()}, element.place))
        if boxes:
            entry["blocks"] = boxes
        self.layers.append(yamlfile.wrapped({**entry, **(more or {})}, place))
        return name

    def add_outline(self, extent: Rectangle) -> dict[str, Any]:
        """Keys of a layer that does not fill the footprint; none for one that does. [m]"""
        if self.footprint.contains(extent) and extent.contains(self.footprint):
            return {}
        corner = [length(extent.x0 - self.footprint.x0), length(extent.y0 - self.footprint.y0)]
        return {"size": [length(extent.x1 - extent.x0), length(extent.y1 - extent.y0)], "offset": corner}

    def add_sources(self, layer: str, prefix: str, elements: Sequence[Element], *, averaged: bool) -> None:
        """Heat of elements in a layer: the mean of their powers, or the first.

        Parameters
        ----------
        layer : str
        prefix : str
            Of the names of the sources.
        elements : sequence of Element
            With powers [W].
        averaged : bool
            Whether the mean of the powers counts, or the first.
        """
        for element in told(elements, self.place[0]):
            powers = element.powers or (0.0,)
            for share, part in zip(element.shares(), element.boxes):
                name = new_name(f"{prefix}{element.name}", self._names["source"])
                watts = share * (sum(powers) / len(powers) if averaged else powers[0])
                entry = {"name": name, "layer": layer, **box(part, self.footprint), "power": f"{watts:.12g} W"}
                self.sources.append(yamlfile.wrapped(entry, element.place))
                self.powers[name] = [share * p for p in element.powers]

    def add_probe(self, name: str, layer: str, x: float, y: float, place: FileLine) -> None:
        """A probe at a point. [m]

        Parameters
        ----------
        name, layer : str
        x, y : float
            In the coordinates of the file. [m]
        place : (file, line)
            Where it is described.
        """
        name = new_name(name, self._names["probe"])
        entry = {"name": name, "layer": layer, "x": length(x - self.footprint.x0), "y": length(y - self.footprint.y0)}
        self.probes.append(yamlfile.wrapped(entry, place))

    def add_probes(self, layer: str, prefix: str, elements: Sequence[Element]) -> None:
        """A probe at the centre of each element, of its largest rectangle; none where there are too many."""
        if len(elements) > MOST_PROBES:
            self.note(f"{layer}: {len(elements)} elements are too many for a probe in each.")
            return
        for element in elements:
            self.add_probe(f"{prefix}{element.name}", layer, *element.largest.centre, element.place)

    def finished(
        self, name: str, origin: str, trace: tuple[float, float, Sequence[float]] | None = None, assumed: str = ""
    ) -> Imported:
        """The scenario.

        Parameters
        ----------
        name : str
        origin : str
            What the geometry says it comes from.
        trace : (float, float, sequence of float), optional
            Time that each power holds, times that are reported [s], and temperature at the start [K].
        assumed : str, optional
            Which numbers of the geometry are not in the files.
        """
        name = deck_name(name)
        power: dict[str, Any] = {"sources": self.sources}
        timed: dict[str, Any] = {}
        tables: dict[str, str] = {}
        if trace is not None:
            power["trace"], timed["transient"], tables = _over_time(name, self.powers, *trace)
        geometry = {
            "footprint": [length(self.footprint.x1 - self.footprint.x0), length(self.footprint.y1 - self.footprint.y0)],
            "layers": self.layers,
            "source": origin,
            **({"assumed": assumed} if assumed else {}),
        }
        tree = {
            "scenario": name,
            "title": self.title,
            "geometry": geometry,
            "power": power,
            **timed,
            **self.more,
            "probes": self.probes,
            "solver": "standard",
        }
        return Imported(yamlfile.wrapped(tree, self.place), tuple(dict.fromkeys(self.notes)), tables)


def _over_time(
    name: str, powers: Mapping[str, Sequence[float]], slot: float, initial: float, outputs: Sequence[float]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The trace of a deck's ``power``, its ``transient``, and the table they read."""
    count = min(len(values) for values in powers.values() if values)
    file = f"{name}_trace.csv"
    rows = [["time [s]", *(f"{source} [W]" for source in powers)]]
    for i in range(count + 1):  # the last row closes the table
        row = (values[min(i, count - 1)] if values else 0.0 for values in powers.values())
        rows.append([f"{i * slot:.12g}", *(f"{watts:.12g}" for watts in row)])
    until = count * slot
    transient = {
        "until": f"{until:.12g} s",
        "initial": f"{initial:.12g} K",
        "outputs": [f"{t:.12g} s" for t in outputs if t <= until * (1 + 1e-9)],
    }
    return {"pattern": "table", "file": file}, transient, {file: _csv(rows)}


def filled(elements: Sequence[Element]) -> Rectangle | None:
    """The rectangle that elements fill; None where they leave a gap. [m]"""
    boxes = [part for element in elements for part in element.boxes]
    whole = bounds(boxes)
    area = sum(part.area for part in boxes)
    return whole if abs(area - whole.area) <= 1e-6 * whole.area else None
