"""3Dblox stacks become decks of parts: places, turns, joints, powers, and mistakes by file and line."""

import shutil
import sys
from pathlib import Path

import pytest

from stack3d.cli import main
from stack3d.errors import DeckError
from stack3d.geometry.importers import Imported, import_files

PACKAGE = Path(__file__).parents[1] / "imports" / "blox_package"
FILES = [PACKAGE / "package.3dbx", PACKAGE / "powers.csv"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "package"))


def micrometres(texts: list[str]) -> list[float]:
    return [float(text.removesuffix(" um")) for text in texts]


def part(found: Imported, name: str) -> dict:
    return next(part for part in found.scenario["geometry"]["parts"] if part["name"] == name)


def changed(place: Path, file: str, old: str, new: str) -> Imported:
    text = (place / file).read_text()
    assert old in text
    (place / file).write_text(text.replace(old, new, 1))
    return import_files([place / "package.3dbx", place / "powers.csv"])


def test_chiplets_become_parts_in_their_place() -> None:
    """The interposer lies under all; faces that look down heat at their lower side; joints take the room between."""
    found = import_files(FILES)
    geometry = found.scenario["geometry"]
    assert micrometres(geometry["footprint"]) == [12000, 10000]
    assert [layer["name"] for layer in geometry["below"]] == ["interposer_bulk", "interposer_active"]
    compute, cache = part(found, "compute"), part(found, "cache")
    assert micrometres(compute["size"]) == [6000, 7000]  # design area, seal ring and scribe line
    assert [(layer["name"], layer["thickness"], layer["material"]) for layer in compute["layers"]] == [
        ("joint", "25 um", "microbump_underfill"), ("active", "10 um", "silicon"), ("bulk", "290 um", "silicon"),
    ]  # fmt: skip
    assert (cache["on"], micrometres(cache["at"])) == ("compute", [1000, 300])
    assert (cache["layers"][0]["thickness"], cache["layers"][0]["material"]) == ("3 um", "hybrid_bond")


def test_powers_lie_where_turned_chiplets_have_them() -> None:
    """`port` lies along the lower edge of a chiplet of 4 x 6 mm, turned by a quarter: along the right one of 6 x 4 mm."""
    sources = {source["name"]: source for source in import_files(FILES).scenario["power"]["sources"]}
    assert micrometres(part(import_files(FILES), "helper")["size"]) == [6000, 4000]
    assert micrometres(sources["port"]["x"]) == [11000, 12000] and micrometres(sources["port"]["y"]) == [200, 4200]
    assert micrometres(sources["cores"]["x"]) == [550, 2050] and micrometres(sources["cores"]["y"]) == [4250, 6250]
    assert {name: source["power"] for name, source in sources.items()} == {
        "interposer": "0 W", "compute": "12 W", "cores": "8 W", "cache": "1.5 W", "port": "2 W",
    }  # fmt: skip


@pytest.mark.parametrize(("orient", "x", "y"), [
    ("R0", [0, 4000], [0, 1000]), ("R90", [5000, 6000], [0, 4000]), ("R180", [0, 4000], [5000, 6000]),
    ("R270", [0, 1000], [0, 4000]), ("MX", [0, 4000], [5000, 6000]), ("MY", [0, 4000], [0, 1000]),
    ("MX_R90", [0, 1000], [0, 4000]), ("MZ_MY_R90", [5000, 6000], [0, 4000]),
])  # fmt: skip
def test_every_turn(place: Path, orient: str, x: list[float], y: list[float]) -> None:
    found = changed(place, "package.3dbx", "orient: MZ_R90", f"orient: {orient}")
    port = next(source for source in found.scenario["power"]["sources"] if source["name"] == "port")
    assert [v - 6000 for v in micrometres(port["x"])] == x and [v - 200 for v in micrometres(port["y"])] == y
    names = [layer["name"] for layer in part(found, "helper")["layers"]]
    assert names == ["joint", *(["active", "bulk"] if "MZ" in orient else ["bulk", "active"])]


def test_materials_come_from_the_table_or_are_told(place: Path) -> None:
    (place / "powers.csv").write_text("chiplet,power [W],material\ncompute,5,diamond\n")
    found = import_files([place / "package.3dbx", place / "powers.csv"])
    assert {layer["material"] for layer in part(found, "compute")["layers"][1:]} == {"diamond"}
    assert any("silicon for die (assumed)" in note for note in found.notes)
    assert any("No power is given for 'interposer', 'cache', 'helper'" in note for note in found.notes)


def test_chiplets_side_by_side_get_a_substrate(place: Path) -> None:
    text = (place / "package.3dbx").read_text()
    lines = [line for line in text.splitlines() if "interposer" not in line]
    (place / "package.3dbx").write_text("\n".join(lines))
    found = import_files([place / "package.3dbx"])
    assert [layer["name"] for layer in found.scenario["geometry"]["below"]] == ["substrate"]
    assert part(found, "compute")["layers"][0]["name"] == "active" and "on" not in part(found, "compute")
    assert any("substrate of 1 mm" in note for note in found.notes)


def test_stack_counts_where_a_connection_says_otherwise(place: Path) -> None:
    found = changed(place, "package.3dbx", "thickness: 3}", "thickness: 5}")
    assert part(found, "cache")["layers"][0]["thickness"] == "3 um"
    assert any("Connection 'bond' says 5 um where Stack leaves 3 um" in note for note in found.notes)


def test_macros_name_folders(place: Path) -> None:
    (place / "made").mkdir()
    (place / "chips.3dbv").rename(place / "made" / "chips.3dbv")
    text = (place / "package.3dbx").read_text().replace("[chips.3dbv]", "[HOME_OF_CHIPS/chips.3dbv]")
    (place / "package.3dbx").write_text(f"#!define HOME_OF_CHIPS made\n{text}")
    assert part(import_files([place / "package.3dbx"]), "compute")


@pytest.mark.parametrize(("file", "old", "new", "said"), [
    ("chips.3dbv", "unit: micron", "unit: inch", "chips.3dbv:3: Header.unit: wants micron, got 'inch'"),
    ("chips.3dbv", "thickness: 300", "thickness: -1", "chips.3dbv:19: ChipletDef.'Compute'.thickness: wants more than 0, got -1"),
    ("chips.3dbv", "thickness: 300", "thickness: thin", "chips.3dbv:19: ChipletDef.'Compute'.thickness: wants a number, got 'thin'"),
    ("chips.3dbv", "type: die\n    design_area: [4000", "type: hier\n    design_area: [4000", "a chiplet of chiplets is not imported"),
    ("chips.3dbv", "thickness: 50", "thickness: 50\n    shrink: 0.9", "shrink: wants 1: write the sizes as they are made"),
    ("chips.3dbv", "thickness: 50", "thickness: 50\n    offset: [5, 0]", "offset: wants [0, 0]: move the chiplet by loc under Stack"),
    ("package.3dbx", "[chips.3dbv]", "[chip.3dbv]", "package.3dbx:5: Header.include: there is no file 'chip.3dbv'"),
    ("package.3dbx", "reference: Compute", "reference: Computer", "did you mean 'Compute'"),
    ("package.3dbx", "orient: R0", "orient: R45", "package.3dbx:17: Stack.'interposer'.orient: wants R0, R90"),
    ("package.3dbx", "z: 428", "z: 420", "stands in 'compute', whose upper face is at 425 um, got 420"),
    ("package.3dbx", "  bond:", "  #bond:", "floats 3 um over 'compute', and no Connection joins them"),
    ("package.3dbx", "loc: [1000, 500]", "loc: [2500, 500]", "package.3dbx:20: Stack.'cache': overhangs 'compute' under it"),
    ("package.3dbx", "loc: [6000, 200], z: 125", "loc: [5000, 200], z: 125", "stands in 'compute', whose upper face is at 425 um, got 125"),
    ("package.3dbx", "compute.regions.face", "compute.regions.faces", "no region 'faces' (did you mean 'face'?)"),
    ("package.3dbx", "  cache: {loc", "  cash: {loc", "ChipletInst.'cache': has no place"),
    ("powers.csv", "cores,500", "cores,5000", "powers.csv:3: cores: reaches outside the design area of 'compute', 5900 x 6900 um"),
    ("powers.csv", ",12", ",-12", "powers.csv:2: power: wants 0 or more, got -12"),
    ("powers.csv", "helper,port", "helpers,port", "powers.csv:4: chiplet: no such ChipletInst 'helpers' (did you mean 'helper'?)"),
    ("powers.csv", "height [um]", "height", "columns are chiplet, name"),
    ("powers.csv", "port,0,", "port,,", "wants x [um], y [um], width [um], height [um], or none of them"),
])  # fmt: skip
def test_mistakes_by_file_and_line(place: Path, file: str, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str],
                                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    text = (place / file).read_text()
    assert old in text
    (place / file).write_text(text.replace(old, new, 1))
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["stack3d", "import", "package.3dbx", "powers.csv", "-o", "deck.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    err = capsys.readouterr().err
    assert ended.value.code == 2 and said in err and len(err.strip().splitlines()) == 1, err
    assert any(f"{name}:" in err for name in ("package.3dbx", "chips.3dbv", "powers.csv")), err
    assert not (place / "deck.yaml").exists()


def test_a_table_wants_a_stack() -> None:
    with pytest.raises(DeckError, match="a table belongs to a .3dbx"):
        import_files([FILES[1]])
    with pytest.raises(DeckError, match="leave --transient out"):
        import_files(FILES, None, True)


def test_two_commands_to_a_page(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`import`, and `run --report`; all heat leaves through the top."""
    monkeypatch.chdir(place)
    coarse = ["--set", "solver={profile: ci, backend: tensor}", "--progress", "none", "--workers", "1"]
    for arguments in (["import", *map(str, FILES), "-o", "deck.yaml"], ["run", "deck.yaml", *coarse, "--report", "page.html"]):
        monkeypatch.setattr(sys, "argv", ["stack3d", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "over ambient, 23.5 W" in said and "page.html" in said
    assert "<svg" in (place / "page.html").read_text()


def test_a_page_of_another_kind_is_refused_before_the_run(place: Path, capsys: pytest.CaptureFixture[str],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["stack3d", "run", "quickstart", "--report", "page.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and "a page is written as .html or .htm" in capsys.readouterr().err
    assert not (place / "results").exists()
