"""Every packaged deck: it reads, it validates, and every number in it says where it comes from."""

from pathlib import Path
from typing import Any

import pytest

from stack3d import decks, yamlfile
from stack3d.case import check
from stack3d.errors import DeckError

PHYSICAL = ("geometries", "materials", "devices", "cooling", "networks", "data", "periphery", "coolants")
NOT_PHYSICAL = {"repeat", "tile_sites", "levels", "law", "sha256", "file", "name", "title", "licence", "role", "material"}
DECKS = [(kind, path) for kind in decks.KINDS for path in decks.available(kind).values()]
PLACES = {
    "geometries": "geometry", "solvers": "solver", "cooling": "cooling.top", "devices": "device", "data": "workload.data",
    "networks": "workload.network", "periphery": "workload.periphery", "materials": "geometry.above.lid.material",
    "coolants": "geometry.above.lid.channels.coolant",
}  # fmt: skip
CHANNELS = (
    '{count: 10, width: "100 um", wall_width: "100 um", coolant: water, flow_rate: "10 ml/min", inlet_temperature: "300 K",'
    ' wall_film_coefficient: "3e4 W/m^2/K"}'
)
BEFORE = {"coolants": [("geometry.above.lid.channels", yamlfile.parse_text(CHANNELS, "channels"))]}
"""What must be there before a deck can take its place."""
SCENARIOS = list(decks.available("scenarios").values())


def label(value: Any) -> str:
    return value.stem if isinstance(value, Path) else str(value)


def is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return True
    return isinstance(value, str) and bool(value) and (value.lstrip("[ +-.")[:1].isdigit())


def bare_numbers(node: dict[str, Any], key: str, covered: bool = False) -> list[str]:
    """Keys of numbers that neither their own mapping nor the one directly around it gives a source for."""
    own = any(isinstance(node.get(k), str) for k in ("source", "assumed"))
    found: list[str] = []
    for name, child in node.items():
        where = f"{key}.{name}"
        if name in NOT_PHYSICAL or name in ("source", "assumed"):
            continue
        if isinstance(child, dict):
            found += bare_numbers(child, where, own)
        elif isinstance(child, list):
            for i, item in enumerate(child):
                if isinstance(item, dict):
                    found += bare_numbers(item, f"{where}[{i}]")
                elif is_number(item) and not (own or covered):
                    found.append(f"{where}[{i}]")
        elif is_number(child) and not (own or covered):
            found.append(where)
    return found


@pytest.mark.parametrize(("kind", "path"), [d for d in DECKS if d[0] in PHYSICAL], ids=label)
def test_every_number_has_a_source(kind: str, path: Path) -> None:
    assert bare_numbers(yamlfile.read(path), kind) == []


def test_a_number_without_source_is_found() -> None:
    tree = {"a": {"value": 1, "source": "x"}, "b": "3 um", "c": [{"d": "1 W"}], "e": {"f": 2, "assumed": "y", "g": {"h": 3}}}
    assert bare_numbers(tree, "") == [".b", ".c[0].d"]
    assert bare_numbers({"assumed": "y", "a": {"b": {"c": 3}}}, "") == [".a.b.c"]


@pytest.mark.parametrize("path", SCENARIOS, ids=label)
def test_every_scenario_is_valid(path: Path) -> None:
    case = decks.load(path)
    assert case.name == path.stem
    assert check(case.scenario).stack.layers


@pytest.mark.parametrize("kind", list(PLACES))
def test_every_deck_works_in_a_scenario(kind: str) -> None:
    """Each deck takes its place in the quickstart; a deck that fits nowhere is no deck."""
    assert decks.available(kind)
    for name in decks.available(kind):
        assert decks.load("quickstart", [*BEFORE.get(kind, []), (PLACES[kind], name)]).digest()


@pytest.mark.parametrize("kind", [k for k in decks.KINDS if k != "scenarios"])
def test_a_misspelt_deck_gets_the_nearest_name(kind: str) -> None:
    name = next(iter(decks.available(kind)))
    with pytest.raises(DeckError, match=f"did you mean .*{name}"):
        decks.load("quickstart", [(PLACES[kind], name + "x")])


def test_the_folders_have_a_readme() -> None:
    root = Path(decks.__file__).parents[2]
    for folder in ("geometries", "solvers", "scenarios", "results", *(f"stack3d/library/{k}" for k in PHYSICAL[1:])):
        assert (root / folder / "README.md").is_file(), folder


def test_the_readme_names_the_results_of_its_quickstart() -> None:
    """A hash that moves makes every finished case run again: keys that came later do not count where they are not used."""
    case = decks.load("quickstart")
    assert case.scenario.power is not None and case.scenario.power.sources
    assert f"results/quickstart/cases/{case.digest()[:12]}\n" in (Path(decks.__file__).parents[2] / "README.md").read_text(
        "utf-8"
    )
