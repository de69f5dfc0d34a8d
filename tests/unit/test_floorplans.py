"""Floorplans from files: what units become, and where a mistake is said to be."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from stack3d import decks, floorplans, yamlfile
from stack3d.case import check
from stack3d.errors import DeckError
from stack3d.geometry.stack import build_stack, explicit_sources

SCENARIO = """\
scenario: planned
geometry:
  footprint: ["10 mm", "8 mm"]
  layers:
    - {name: die, thickness: "0.1 mm", material: silicon, floorplan: FILE}
    - {name: lid, thickness: "1 mm", material: copper}
power: {sources: [{name: extra, layer: die, unit: cache, power: "1 W"}]}
cooling: {top: cold_plate, ambient: "300 K"}
solver: {backend: tensor, mesh: {lateral: 8}, error_promise: 0.1}
"""
CSV = """\
# a comment
name,x [mm],y [mm],width [mm],height [mm],power [W],material
core,0,0,4,8,3.5,
cache,4,0,6,4,,
memory,4,4,6,4,0.5,diamond
"""
YAML = """\
units:
  - {name: core, x: ["0 mm", "4 mm"], y: ["0 mm", "8 mm"], power: "3.5 W"}
  - {name: cache, x: ["4 mm", "10 mm"], y: ["0 mm", "4 mm"]}
  - {name: memory, x: ["4 mm", "10 mm"], y: ["4 mm", "8 mm"], power: "0.5 W", material: diamond}
"""
FLP = "core 0.004 0.008 0 0\ncache 0.006 0.004 0.004 0\nmemory 0.006 0.004 0.004 0.004  # and a comment\ncore cache 1\n"


EXPECTED = {
    "extra": (1.0, 4e-3, 10e-3, 0.0, 4e-3),
    "core": (3.5, 0.0, 4e-3, 0.0, 8e-3),
    "memory": (0.5, 4e-3, 10e-3, 4e-3, 8e-3),
}


def load(folder: Path, name: str, text: str, scenario: str = SCENARIO) -> Any:
    (folder / name).write_text(text)
    (folder / "planned.yaml").write_text(scenario.replace("FILE", name))
    case = decks.load(folder / "planned.yaml")
    try:
        check(case.scenario)
    except DeckError as error:
        raise DeckError(case.locate(error.problems)) from None
    return case


def test_csv_and_yaml_say_the_same(tmp_path: Path) -> None:
    """Powers become sources, materials become blocks, a source takes the place of a unit; the case is that of a deck without."""
    cases = [load(tmp_path, name, text) for name, text in (("plan.csv", CSV), ("plan.yaml", YAML))]
    for case in cases:
        stack = build_stack(case.scenario.geometry)
        found = {
            s.name: (s.power, s.extent.x0, s.extent.x1, s.extent.y0, s.extent.y1)
            for s in explicit_sources(case.scenario, stack)
        }
        assert sorted(found) == sorted(EXPECTED)
        assert all(found[name] == pytest.approx(value, abs=1e-15) for name, value in EXPECTED.items())
        assert [(b.name, b.material.name) for b in stack.layer("die").blocks] == [("memory", "diamond")]
    assert cases[0].digest() == cases[1].digest()


OVER = CSV.replace(",diamond", ",").replace("4,4,6,4", "3,5,6,3")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OVER, "plan.csv:5: units 'memory' and 'core' overlap in 1 x 3 mm; their powers add up"),
        (OVER + "more,3,5,6,3,1,\n", "overlap in 1 x 3 mm; their powers add up; other pairs that overlap: 2"),
        (CSV.replace("4,4,6,4,0.5", "3.9999,4,6,4,0.5"), ""),  # files round their numbers
        (OVER.replace("6,3,0.5,", "6,3,,"), ""),  # a unit without power heats nothing
    ],
)
def test_units_that_heat_one_place_twice_are_told(tmp_path: Path, text: str, said: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(tmp_path, "plan.csv", text)
    found = [str(w.message) for w in caught if "overlap" in str(w.message)]
    assert len(found) == bool(said)
    assert all(one.endswith(said) for one in found)


def test_hotspot_has_places_only(tmp_path: Path) -> None:
    case = load(tmp_path, "chip.flp", FLP)
    [source] = explicit_sources(case.scenario, build_stack(case.scenario.geometry))
    assert (source.extent.x0, source.extent.x1, source.extent.y1) == pytest.approx((4e-3, 10e-3, 4e-3))


def test_tiers_repeat_their_floorplan(tmp_path: Path) -> None:
    tiers = (
        SCENARIO.replace(
            '    - {name: lid, thickness: "1 mm", material: copper}\n',
            '  above: [{name: lid, thickness: "1 mm", material: copper}]\n',
        )
        .replace("  layers:\n    -", "  tiers:\n    repeat: 2\n    layers:\n    -")
        .replace("layer: die, unit", "layer: t1_die, unit")
    )
    case = load(tmp_path, "plan.csv", CSV, tiers)
    found = {s.name: s.layer for s in explicit_sources(case.scenario, build_stack(case.scenario.geometry))}
    assert found == {"extra": "t1_die"} | {f"t{i}_die_{n}": f"t{i}_die" for i in (0, 1) for n in ("core", "memory")}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("plan.csv", CSV.replace("4,0,6,4", "4,O,6,4"), r"plan.csv:4: y: wants a number, got 'O'"),
        ("plan.csv", CSV.replace("4,0,6,4", "4,0,6"), r"plan.csv:4: wants 7 values, got 6"),
        (
            "plan.csv",
            CSV.replace("4,0,6,4", "4,0,6,4,3,0"),
            r"plan.csv:4: wants 7 values, got 9; numbers have a point, and no comma",
        ),
        ("plan.csv", CSV.replace(",", ";"), r"plan.csv:2: semicolons stand between its columns; put commas there"),
        ("plan.csv", CSV.replace("x [mm]", "x"), r"plan.csv:2: column x wants its unit"),
        ("plan.csv", CSV.replace("width", "breadth"), r"plan.csv:2: columns are .*wrong or missing: breadth, width"),
        ("plan.csv", CSV.replace("6,4,0.5", "7,4,0.5"), r"plan.csv:5: .*'memory' reaches outside layer 'die'"),
        (
            "plan.csv",
            CSV.replace("3.5,", "3.5,diamond").replace("4,4,6,4", "3,4,6,4"),
            r"plan.csv:5: .*'memory' overlaps block 'core'",
        ),
        ("plan.csv", CSV.replace("diamond", "diamand"), r"plan.csv:5: .*no deck 'diamand' in materials.*'diamond'"),
        ("plan.csv", CSV.replace("cache", "core"), r"plan.csv:4: name: unit 'core' is there twice"),
        ("plan.csv", CSV.replace("cache", "cash"), r"planned.yaml:7: power.sources\[0\].unit: no unit 'cache' .*'cash'"),
        (
            "plan.yaml",
            YAML.replace("power:", "powr:", 1),
            r"plan.yaml:2: units\[0\]: unknown key 'powr' \(did you mean 'power'",
        ),
        ("plan.yaml", YAML.replace('"4 mm"', '"4"', 1), r"plan.yaml:2: "),
        ("chip.flp", FLP.replace("0.008 0 0", "0.008 0"), r"chip.flp:1: core: wants name, width, height, left x, bottom y"),
        (
            "chip.flp",
            FLP.replace("0.004 0.004  #", "0.003 0.004  #"),
            r"chip.flp:3: memory: unit 'memory' overlaps unit 'core' of line 1",
        ),
        ("plan.csv", CSV.replace("3.5", "-3.5"), r"plan.csv:3: power: wants 0 or more, got -3.5 for unit 'core'"),
        ("plan.txt", "", r"planned.yaml:5: floorplan: a floorplan ends in \.yaml, \.yml, \.csv, \.flp"),
    ],
)
def test_mistakes_have_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DeckError, match=message):
        load(tmp_path, name, text)


def test_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "planned.yaml").write_text(SCENARIO.replace("FILE", "nowhere.csv"))
    with pytest.raises(DeckError, match=r"nowhere.csv: cannot be read: No such file"):
        decks.load(tmp_path / "planned.yaml")


def test_a_wrong_header_is_told_before_the_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.csv"
    path.write_text("name,x0,y0\n" + "a,1,2\n" * 100_000)
    read: list[str] = []
    lines = yamlfile.lines_of
    monkeypatch.setattr(yamlfile, "lines_of", lambda *given: (read.append(line) or line for line in lines(*given)))
    with pytest.raises(
        DeckError,
        match=r"long.csv:1: columns are .*wrong or missing: x0, y0, x, y, width, height; a header is, say, 'name,x \[mm\],",
    ):
        floorplans.read(path)
    assert len(read) == 1


def test_more_units_than_are_read_are_refused_at_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floorplans, "MOST_UNITS", 10)
    for name, text in {
        "long.csv": "name,x [mm],y [mm],width [mm],height [mm]\n" + "".join(f"u{i},{i},0,1,1\n" for i in range(1000)),
        "long.flp": "".join(f"u{i} 1e-3 1e-3 {i}e-3 0\n" for i in range(1000)),
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(DeckError, match=rf"{name}:1[12]: has more than 10 units, the most that is read"):
            floorplans.read(tmp_path / name)


def test_a_file_that_is_no_floorplan_shows_only_its_first_letters(tmp_path: Path) -> None:
    secret = "the user's long password follows: hunter2"
    for name in ("plan.csv", "plan.flp", "plan.yaml"):
        (tmp_path / name).write_text(f"{secret}\n{secret}\n")
        with pytest.raises(DeckError) as caught:
            floorplans.read(tmp_path / name)
        assert "hunter2" not in str(caught.value), caught.value


SMALLER = """\
scenario: planned
geometry:
  footprint: ["20 mm", "18 mm"]
  layers:
    - {name: board, thickness: "1 mm", material: pcb}
    - {name: die, thickness: "0.1 mm", material: silicon, size: ["10 mm", "8 mm"], PLACE floorplan: FILE, floorplan_from: layer}
power: {sources: [{name: extra, layer: die, unit: cache, power: "1 W"}]}
cooling: {top: cold_plate, ambient: "300 K"}
solver: {backend: tensor, mesh: {lateral: 8}, error_promise: 0.1}
"""


@pytest.mark.parametrize(("place", "x", "y"), [("", 5e-3, 5e-3), ('offset: ["2 mm", "3 mm"],', 2e-3, 3e-3)])
@pytest.mark.parametrize(("name", "text"), [("plan.csv", CSV), ("plan.yaml", YAML), ("plan.flp", FLP)])
def test_a_floorplan_may_count_from_its_layer(tmp_path: Path, place: str, x: float, y: float, name: str, text: str) -> None:
    """Sources and blocks lie as far into the layer as the file says, in the middle of the footprint or at an offset."""
    scenario = load(tmp_path, name, text, SMALLER.replace("PLACE", place)).scenario
    stack = build_stack(scenario.geometry)
    for source in explicit_sources(scenario, stack):
        _, x0, x1, y0, y1 = EXPECTED[source.name]
        found, wanted = source.extent, (x0 + x, x1 + x, y0 + y, y1 + y)
        assert (found.x0, found.x1, found.y0, found.y1) == pytest.approx(wanted)
    for block in stack.layer("die").blocks:
        assert (block.extent.x0, block.extent.y0) == pytest.approx((4e-3 + x, 4e-3 + y))


def test_a_corner_without_a_floorplan_is_a_mistake(tmp_path: Path) -> None:
    for scenario, said in (
        (SMALLER.replace("PLACE floorplan: FILE, ", ""), "floorplan_from: wants a floorplan beside it"),
        (SMALLER.replace("PLACE", "").replace("from: layer", "from: die"), "floorplan_from: .*footprint.*layer"),
    ):
        with pytest.raises(DeckError, match=said):
            load(tmp_path, "plan.csv", CSV, scenario)
