"""A scenario with everything filled in, validated and hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack3d import yamlfile
from stack3d.decks import named_paths
from stack3d.decks.finding import scenario_path
from stack3d.decks.mistakes import placed, translate
from stack3d.decks.resolver import Known, Override, Resolver
from stack3d.errors import DeckError, Problem
from stack3d.yamlfile import Mapping

if TYPE_CHECKING:
    from stack3d.schema.scenario import Scenario


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
    scenario: Scenario
    overrides: tuple[Override, ...] = ()

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.scenario.scenario)

    def digest(self) -> str:
        """SHA-256 of what determines the outcome: resolved values and the files they name, not titles or sources."""
        left_out: dict[str, Any] = {
            "expect": True,
            "optimise": True,
            "uncertain": True,
            "sweep": True,
            "title": True,
            "train": True,
            "solver": {"mesh": {"builder": True}},
        }  # these change no number
        if not self.scenario.physics.steps:
            left_out["physics"] = True
        values = self.scenario.model_dump(mode="json", exclude=left_out)
        for _, node, last in named_paths.named_files(values):
            node[last] = named_paths.content_of(node[last])
        text = json.dumps(_strip(values), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def locate(self, problems: Iterable[Problem]) -> list[Problem]:
        """Add file and line to problems that know only their key."""
        return [placed(p, self.tree) for p in problems]

    @contextmanager
    def located(self) -> Iterator[None]:
        """Give the mistakes found inside their file and line."""
        try:
            yield
        except DeckError as error:
            raise DeckError(self.locate(error.problems)) from None


SAYS_NOTHING = ("source", "assumed", "title", "licence", "sha256")
"""Keys that change no number."""
LATER = ("map_unit", "floorplan_from", "begun_from")
"""Keys that came after results were first named by hashes: where they are not used, names stay what they were."""


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _strip(v) for k, v in value.items() if k not in SAYS_NOTHING and not (k in LATER and v is None)}
    return [_strip(v) for v in value] if isinstance(value, list) else value


def resolve(
    tree: Mapping, path: Path | None = None, overrides: Sequence[tuple[str, Any]] = (), known: Known | None = None
) -> Case:
    """Fill in named decks, apply overrides in order, validate; raises DeckError with every mistake.

    Parameters
    ----------
    tree : Mapping
        The scenario as read; it is changed in place.
    path : Path, optional
        Its file, beside which decks and files are looked for.
    overrides : sequence of (key, value)
        Dotted keys, applied in order.
    known : Known, optional
        Keeps the decks that are found for the cases that follow.
    """
    from pydantic import ValidationError

    from stack3d.schema.scenario import Scenario

    resolver = Resolver(tree, path, known)
    done = tuple(resolver.override(key, value) for key, value in overrides)
    resolver.expand_floorplans()
    resolver.profiled()
    resolver.fill(tree, (), "")
    named_paths.anchor(tree, resolver.folder_of)
    hybrid = tree.get("hybrid")
    devices = {f"hybrid[{i}].device": h.get("device") for i, h in enumerate(hybrid) if isinstance(h, Mapping)} if hybrid else {}
    for key, device in {"device": tree.get("device"), **devices}.items():
        resolver.problems += [replace(p, key=f"{key}.{p.key}") for p in named_paths.read_tables(device)]
    failed = {key for p in resolver.problems for key in (p.key, p.key.removesuffix(".profile"))}
    try:
        scenario = Scenario.model_validate(tree)
    except ValidationError as error:
        found = [p for p in translate(error, tree, Scenario) if p.key not in failed]
        raise DeckError(sorted([*resolver.problems, *found], key=lambda p: (not p.key, p.file or "", p.line or 0))) from None
    problems = resolver.problems + named_paths.check(tree)
    if problems:
        raise DeckError(problems)
    return Case(path, tree, scenario, done)


def load(path: str | Path, overrides: Sequence[tuple[str, Any]] = ()) -> Case:
    """Read a scenario by path or by name and resolve it; raises DeckError with every mistake."""
    found = scenario_path(path)
    return resolve(yamlfile.read(found), found, overrides)
