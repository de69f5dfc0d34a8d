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


NESTED = """\
Header: {version: "2.5", unit: micron, precision: 1000, include: [chips.3dbv]}
Design: {name: pair}
ChipletInst: {lower: {reference: Cache}, upper: {reference: Small}}
Stack: {lower: {loc: [100, 50], z: 20, orient: R0}, upper: {loc: [600, 1050], z: 73, orient: MZ}}
Connection: {bond: {top: upper.regions.face, bot: lower.regions.face, thickness: 3}}
"""
SMALL = "  Small: {type: die, design_area: [1000, 2000], thickness: 40, regions: {face: {side: front}}}\n"
POWERS = "chiplet,name,x [um],y [um],width [um],height [um],power [W]\n{0}upper,port,0,0,100,2000,1\n{0}lower,,,,,,2\n"


def nested(place: Path, orient: str, more: str = "") -> list[Path]:
    """The interposer with a design of two chiplets on it, which two files describe."""
    (place / "chips.3dbv").write_text((place / "chips.3dbv").read_text() + SMALL + more)
    (place / "pair.3dbx").write_text(NESTED)
    (place / "package.3dbx").write_text(
        'Header: {version: "2.5", include: [pair.3dbx]}\nDesign: {name: package}\n'
        "ChipletInst: {interposer: {reference: Interposer}, right: {reference: pair}}\n"
        f"Stack: {{interposer: {{z: 0}}, right: {{loc: [5000, 200], z: 125, orient: {orient}}}}}\n"
        "Connection: {bumps: {top: right/lower.regions.face, bot: interposer.regions.top, thickness: 25}}\n"
    )
    (place / "powers.csv").write_text(POWERS.format("right/"))
    return [place / "package.3dbx", place / "powers.csv"]


@pytest.mark.parametrize(("orient", "lower", "upper"), [
    ("R0", "{loc: [5000, 200], z: 125, orient: R0}", "{loc: [5500, 1200], z: 178, orient: MZ}"),
    ("R90", "{loc: [5000, 200], z: 125, orient: R90}", "{loc: [8000, 700], z: 178, orient: MZ_R90}"),
    ("MX_R90", "{loc: [5000, 200], z: 125, orient: MX_R90}", "{loc: [6000, 700], z: 178, orient: MZ_MX_R90}"),
    ("MY", "{loc: [5000, 200], z: 125, orient: MY}", "{loc: [7500, 1200], z: 178, orient: MZ_MY}"),
    ("R180", "{loc: [5000, 200], z: 125, orient: R180}", "{loc: [7500, 3200], z: 178, orient: MZ_R180}"),
])  # fmt: skip
def test_a_design_within_a_design_is_its_chiplets_in_place(place: Path, orient: str, lower: str, upper: str) -> None:
    """Against the same stack written flat, places and turns by hand; the type of the design may be stated as hier."""
    within = import_files(nested(place, orient, "  pair: {type: hier}\n"), "x")
    (place / "package.3dbx").write_text(
        'Header: {version: "2.5", include: [chips.3dbv]}\nDesign: {name: package}\n'
        "ChipletInst: {interposer: {reference: Interposer}, right_lower: {reference: Cache}, right_upper: {reference: Small}}\n"
        f"Stack: {{interposer: {{z: 0}}, right_lower: {lower}, right_upper: {upper}}}\n"
        "Connection:\n  a: {top: right_lower.regions.face, bot: interposer.regions.top, thickness: 25}\n"
        "  b: {top: right_upper.regions.face, bot: right_lower.regions.face, thickness: 3}\n"
    )
    (place / "chips.3dbv").write_text((place / "chips.3dbv").read_text().replace("  pair: {type: hier}\n", ""))
    (place / "powers.csv").write_text(POWERS.format("right_"))
    flat = import_files([place / "package.3dbx", place / "powers.csv"], "x")
    assert within.scenario == flat.scenario
    assert within.notes == tuple(note.replace("right_", "right/") if "No power" in note else note for note in flat.notes)


def test_a_design_upside_down(place: Path) -> None:
    """Two chiplets of one size change places, and what looked up looks down."""
    files = nested(place, "MZ")
    text = NESTED.replace("reference: Small", "reference: Cache").replace("[600, 1050]", "[100, 50]")
    (place / "pair.3dbx").write_text(text)
    files[0].write_text(files[0].read_text().replace("right/lower", "right/upper"))
    found = import_files(files, "x")
    assert "on" not in part(found, "right_upper") and part(found, "right_lower")["on"] == "right_upper"
    assert [layer["name"] for layer in part(found, "right_lower")["layers"]] == ["joint", "active", "bulk"]
    assert [layer["name"] for layer in part(found, "right_upper")["layers"]] == ["joint", "bulk", "active"]


@pytest.mark.parametrize(("file", "old", "new", "said"), [
    ("pair.3dbx", "name: pair", "nam: pair", "pair.3dbx:2: Design.name: wants a name by which this design is placed"),
    ("pair.3dbx", "reference: Small", "reference: pair", "pair.3dbx:3: ChipletInst.'upper'.reference: 'pair' would hold itself"),
    ("pair.3dbx", "reference: Small", "reference: package", "'package' would hold itself"),
    ("package.3dbx", "reference: pair", "reference: pairs",
     "unknown chiplet 'pairs' (did you mean 'pair'?); known: 'Interposer', 'Compute', 'Cache', 'Small', 'pair'"),
    ("package.3dbx", "right/lower.r", "right.r", "no such ChipletInst 'right'"),
    ("pair.3dbx", "[600, 1050]", "[4000, 1050]", "Stack.'right/upper': overhangs 'right/lower' under it"),
])  # fmt: skip
def test_mistakes_of_designs_within_designs(place: Path, file: str, old: str, new: str, said: str) -> None:
    files = nested(place, "R0")
    text = (place / file).read_text()
    assert old in text
    (place / file).write_text(text.replace(old, new, 1))
    with pytest.raises(DeckError) as error:
        import_files(files, "x")
    assert said in str(error.value)


def test_designs_that_multiply_are_refused(place: Path) -> None:
    """Eleven designs, each of two of the one before, would be two thousand chiplets."""
    head = 'Header: {version: "2.5", include: [%s]}\nDesign: {name: d%d}\n'
    for n in range(12):
        inner = "Cache" if n == 0 else f"d{n - 1}"
        text = head % ("chips.3dbv" if n == 0 else f"d{n - 1}.3dbx", n)
        text += f"ChipletInst: {{a: {{reference: {inner}}}, b: {{reference: {inner}}}}}\n"
        text += f"Stack: {{a: {{z: 0}}, b: {{loc: [{5000 * 2**n}, 0], z: 0}}}}\n"
        (place / f"d{n}.3dbx").write_text(text)
    with pytest.raises(DeckError, match=r"d10.3dbx:3: ChipletInst.'b'.reference: makes more than 2000 chiplets in all"):
        import_files([place / "d11.3dbx"], "x")


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


@pytest.mark.parametrize(("file", "old", "new", "said"), [
    ("package.3dbx", "cache: {loc", "cache: {foo: 3, loc", "Stack: key 'foo' is not read (*package.3dbx:20)."),
    ("package.3dbx", "{reference: Cache}", "{reference: Cache, foo: 3}", "ChipletInst: key 'foo' is not read (*package.3dbx:13)."),
    ("package.3dbx", "thickness: 25}", "thickness: 25, foo: 3}", "Connection: key 'foo' is not read (*package.3dbx:23)."),
    ("package.3dbx", "name: package", "name: package\n  foo: 3", "Design: key 'foo' is not read (*package.3dbx:9)."),
    ("package.3dbx", "Design:", "Foo: {a: 3}\nDesign:", "File: key 'Foo' is not read (*package.3dbx:7)."),
    ("chips.3dbv", "{side: back}", "{side: back, foo: 3}", "regions: key 'foo' is not read (*chips.3dbv:22)."),
    ("chips.3dbv", "thickness: 50", "thickness: 50\n    foo: 3", "ChipletDef: key 'foo' is not read (*chips.3dbv:27)."),
    ("package.3dbx", "orient: MZ_MY", "orientation: MZ_MY", "package.3dbx:20: Stack.'cache'.'orientation': unknown key (did you mean 'orient'?)"),
    ("package.3dbx", "loc: [1000, 500]", "lok: [1000, 500]", "package.3dbx:20: Stack.'cache'.'lok': unknown key (did you mean 'loc'?); known: loc, z, orient"),
    ("package.3dbx", "Connection:", "Connections:", "package.3dbx:22: 'Connections': unknown key (did you mean 'Connection'"),
    ("chips.3dbv", "unit: micron", "units: inch", "chips.3dbv:3: Header.'units': unknown key (did you mean 'unit'?)"),
    ("chips.3dbv", "seal_ring_width", "sealring_width", "chips.3dbv:17: ChipletDef.'Compute'.'sealring_width': unknown key"),
])  # fmt: skip
def test_unknown_keys_are_told_and_those_that_are_nearly_known_refused(place: Path, file: str, old: str, new: str,
                                                                       said: str) -> None:  # fmt: skip
    if "unknown key" in said:
        with pytest.raises(DeckError) as error:
            changed(place, file, old, new)
        assert said in str(error.value)
        return
    start, end = said.split("*")
    assert [n for n in changed(place, file, old, new).notes if n.startswith(start) and n.endswith(end)]
    assert not any("is not read" in note for note in import_files(FILES).notes)


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
    ("chips.3dbv", "type: die\n    design_area: [4000", "type: hier\n    design_area: [4000", "is a chiplet of chiplets: include the .3dbx whose Design.name is 'Cache'"),
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


BRIDGE = (
    ("compute: {reference: Compute}", "compute: {reference: Cache}"),
    ("compute.regions.rear", "compute.regions.face"),
    ("cache: {loc: [1000, 500], z: 428", "cache: {loc: [3000, 500], z: 178"),
)
"""What makes the cache lie on two chiplets of one height, side by side."""


def test_a_bridge_is_refused_by_name(place: Path) -> None:
    """Of what it stands on all is named; over one of the two alone it comes in."""
    text = (place / "package.3dbx").read_text()
    for old, new in BRIDGE:
        assert old in text
        text = text.replace(old, new)
    (place / "package.3dbx").write_text(text)
    with pytest.raises(
        DeckError, match=r"package\.3dbx:20: Stack\.'cache': stands on 'compute' and 'helper'; a bridge is not imported"
    ):
        import_files([place / "package.3dbx"])
    (place / "package.3dbx").write_text(text.replace("loc: [3000, 500]", "loc: [0, 200]"))
    assert part(import_files([place / "package.3dbx"]), "cache")["on"] == "compute"


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
