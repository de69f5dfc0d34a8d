"""Layouts become decks: densities of metals by cell, places, powers by region, and mistakes by file and line."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import klayout.db as kdb
import numpy as np
import pytest

from stack3d.cli import main
from stack3d.errors import DeckError
from stack3d.geometry.importers import Imported, import_files
from stack3d.geometry.importers.layouts.lef import read_lef
from stack3d.geometry.stack import build_stack

IMPORTS = Path(__file__).parents[1] / "imports"
DEF = ["chip.def", "tech.lef", "layers.csv", "powers.csv"]
TABLE = "name,layer,thickness [um],fill,host\nbulk,,100,,silicon\nmetal,34/0,1,copper,silicon_dioxide\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return Path(shutil.copytree(IMPORTS / "layout_def", tmp_path / "chip"))


def micrometres(texts: list[str]) -> list[float]:
    return [float(text.removesuffix(" um")) for text in texts]


def drawn(folder: Path, boxes: list[tuple[int, int, int, int]], whole: tuple[int, int], suffix: str = "gds") -> list[Path]:
    """A layout of rectangles on 34/0 in a die, in nanometres, and a table of its layers."""
    layout = kdb.Layout()
    top = layout.create_cell("TOP")
    metal, die = layout.layer(34, 0), layout.layer(235, 0)
    for box in boxes:
        top.shapes(metal).insert(kdb.Box(*box))
    top.shapes(die).insert(kdb.Box(0, 0, *whole))
    layout.write(str(folder / f"die.{suffix}"))
    (folder / "layers.csv").write_text(TABLE)
    return [folder / f"die.{suffix}", folder / "layers.csv"]


def shares(found: Imported) -> Any:
    (text,) = found.tables.values()
    return np.array([[float(v) for v in row.split(",")] for row in text.splitlines()])


def metal(found: Imported, name: str = "metal") -> dict:
    return next(layer for layer in found.layers if layer["name"] == name)


@pytest.mark.parametrize("suffix", ["gds", "oas"])
def test_shares_of_cells_are_those_that_shapes_cover(tmp_path: Path, suffix: str) -> None:
    """A rectangle of 30 x 10 um at the corner of a die of 80 x 40 um, in cells of 20 um; what overlaps counts once."""
    files = drawn(tmp_path, [(0, 0, 30_000, 10_000), (0, 0, 5_000, 10_000)], (80_000, 40_000), suffix)
    found = import_files(files, "x", cell="20 um")
    np.testing.assert_allclose(shares(found), [[0.5, 0.25, 0, 0], [0, 0, 0, 0]])
    assert micrometres(found.scenario["geometry"]["footprint"]) == [80, 40]
    assert metal(found)["material"]["pattern"] == {"host": "silicon_dioxide", "fill": "copper", "map": "x_metal.csv"}


def test_an_even_layout_is_one_share(tmp_path: Path) -> None:
    """Bars of half the pitch: 32 cells of two pitches each hold one share, and no map is written."""
    files = [IMPORTS / "layout_gds" / name for name in ("die.gds", "layers.csv")]
    found = import_files(files)
    assert metal(found)["material"]["pattern"]["share"] == 0.5 and not found.tables
    with import_files(files, cell="1 um").resolved() as fine:
        layer = build_stack(fine.scenario.geometry).layer("metal")
        rows = {(b.extent.y0, b.extent.y1) for b in layer.blocks}
        assert len(layer.blocks) == 64 and len(rows) == 1  # the bars themselves
        assert len({layer.material.conductivity, *(b.material.conductivity for b in layer.blocks)}) == 2


@pytest.mark.parametrize(
    ("whole", "cell"), [((80_001, 40_003), "7 um"), ((97, 31), "10 nm"), ((1_900_000_000, 1_000_000), "1 mm")]
)
def test_cells_that_are_no_whole_units_hold_all_metal(tmp_path: Path, whole: tuple[int, int], cell: str) -> None:
    """The mean over the die is what is drawn, for cells of any size; the widest layouts have cells rounded up to a unit."""
    width, height = whole
    files = drawn(tmp_path, [(0, 0, width // 3, height), (width - 7, 0, width, height // 2)], whole)
    found = shares(import_files(files, "x", cell=cell))
    wanted = (width // 3 * height + 7 * (height // 2)) / (width * height)
    assert found.mean() == pytest.approx(wanted, abs=6e-5)
    assert found.max() == 1


def test_wires_vias_pins_and_blocks_of_def(place: Path) -> None:
    """A stripe of 10 um, a wire of 0.1 um over the die, pins of two blocks of which one is turned; obstructions are no metal."""
    found = import_files([place / name for name in DEF], "chip", cell="10 um")
    assert [(layer["name"], layer["thickness"]) for layer in found.layers] == [
        ("bulk", "100 um"), ("active", "10 um"), ("m1", "0.3 um"), ("v1", "0.3 um"), ("m2", "0.4 um")]  # fmt: skip
    tables = {
        name: np.array([[float(v) for v in row.split(",")] for row in text.splitlines()]) for name, text in found.tables.items()
    }
    m1, v1, m2 = (tables[f"chip_{name}.csv"] for name in ("m1", "v1", "m2"))
    assert m2[3, 4:6].tolist() == [0.5, 0.5] and not m2[3, [1, 2, 6]].any()
    assert m1[0, 1] == pytest.approx(0.01) and m1[2, [1, 6]].tolist() == [0.25, 0.25]  # wire; pins of 5 x 5 um
    assert v1[0, 9] == pytest.approx(1e-4 / 2) and v1.sum() == v1[0, 9]  # half of a via of 0.1 um lies over the edge
    assert metal(found, "m2")["material"]["pattern"]["sideways"] == "lines_y"
    sources = found.scenario["power"]["sources"]
    assert [(s["name"], s["layer"], s["power"]) for s in sources] == [
        ("region_1", "active", "0.0015 W"), ("region_2", "active", "0.0025 W"), ("region_3", "active", "0.001 W")]  # fmt: skip
    assert micrometres(sources[2]["x"]) == [90, 100] and micrometres(sources[2]["y"]) == [40, 50]
    assert [(p["name"], p["x"], p["y"]) for p in found.scenario["probes"]] == [
        ("first", "20 um", "25 um"), ("second", "65 um", "30 um")]  # fmt: skip


def test_nets_that_overlap_count_once(place: Path) -> None:
    """A wire of 0.1 um that ends on a via of another size, and a stripe of power across it: what they cover, by hand."""
    text = (place / "chip.def").read_text()
    begin, end = text.index("SPECIALNETS"), text.index("END NETS")
    routed = (
        "SPECIALNETS 1 ;\n- VDD + ROUTED M1 4000 ( 40000 5000 ) ( * 45000 ) ;\nEND SPECIALNETS\n"
        "NETS 1 ;\n- n ( first A ) + ROUTED M1 ( 30000 5000 ) ( 60000 5000 ) VIA12 ;\n"
    )
    (place / "chip.def").write_text(text[:begin] + routed + text[end:])
    found = import_files([place / name for name in DEF[:3]], "chip", cell="1 mm")
    # 30.1 um of wire, 4 um of it under the stripe of 4 x 40 um; a via of 0.2 um over its end; pins of 5 x 5 um of two blocks
    wanted = 30.1 * 0.1 - 4 * 0.1 / 2 + 4 * 40 + (0.2 * 0.2 - 0.15 * 0.1) + 2 * 25
    assert metal(found, "m1")["material"]["pattern"]["share"] * 100 * 50 == pytest.approx(wanted, abs=0.01)


def test_labels_and_layers_that_lef_alone_knows(tmp_path: Path, place: Path) -> None:
    """A label beside the die is no part of it; a metal that a chip does not use is all host; LEF may say a layer twice."""
    files = drawn(tmp_path, [(0, 0, 30_000, 10_000)], (80_000, 40_000))
    layout = kdb.Layout()
    layout.read(str(files[0]))
    layout.top_cell().shapes(layout.layer(83, 0)).insert(kdb.Text("pad", -50_000, 90_000))
    layout.write(str(files[0]))
    assert micrometres(import_files(files, "x").scenario["geometry"]["footprint"]) == [80, 40]
    lef = (place / "tech.lef").read_text().replace("  SPACING 0.1 ;", "  SPACING 0.1 ;\n  THICKNESS 0.2 ;")
    m3 = lef[lef.index("LAYER M2") : lef.index("VIA VIA12")].replace("M2", "M3")
    via = "VIA other\n  LAYER M1;\n    RECT 0 0 0.1 0.1 ;\nEND other\n"  # no space, as some write it
    (place / "tech.lef").write_text(lef.replace("VIA VIA12", f"{via}{m3}VIA VIA12", 1))
    (place / "again.lef").write_text(lef[: lef.index("MACRO")] + "END LIBRARY\n")
    found = import_files([place / name for name in ("chip.def", "tech.lef", "again.lef")])
    assert [layer["name"] for layer in found.layers] == ["bulk", "active", "M1", "V1", "M2", "M3"]
    assert metal(found, "M3")["material"]["pattern"]["share"] == 0


@pytest.mark.parametrize(("column", "told"), [("", True), ("mixed", False), ("lines_x", False)])
def test_direction_is_told_where_it_is_assumed_and_counts(tmp_path: Path, column: str, told: bool) -> None:
    files = drawn(tmp_path, [(0, 0, 30_000, 10_000)], (80_000, 40_000))
    head, *rows = TABLE.splitlines()
    files[1].write_text("\n".join([f"{head},sideways", f"{rows[0]},", f"{rows[1]},{column}"]) + "\n")
    for cell, mixture in (("20 um", True), ("10 um", False)):  # fine cells are all metal or none
        notes = import_files(files, "x", cell=cell).notes
        assert any("as without a direction" in note for note in notes) == (told and mixture), (cell, notes)


def test_shapes_that_lie_over_each_other_are_merged_in_time(tmp_path: Path) -> None:
    """Twenty thousand bars, each 2 nm beside the last, cover one rectangle; twenty such rows are refused."""
    (tmp_path / "layers.csv").write_text(TABLE)
    files = [tmp_path / "die.gds", tmp_path / "layers.csv"]
    for rows in (1, 20):
        layout = kdb.Layout()
        top, bar = layout.create_cell("TOP"), layout.create_cell("BAR")
        bar.shapes(layout.layer(34, 0)).insert(kdb.Box(0, 0, 1000, 10_000))
        placed = kdb.CellInstArray(bar.cell_index(), kdb.Trans(), kdb.Vector(2, 0), kdb.Vector(0, 1), 20_000, rows)
        top.insert(placed)
        top.shapes(layout.layer(235, 0)).insert(kdb.Box(0, 0, 80_000, 20_000))
        layout.write(str(files[0]))
        if rows == 1:
            share = metal(import_files(files, "x", cell="1 mm"))["material"]["pattern"]["share"]
            assert share == pytest.approx(40_998 / 160_000, abs=1e-6)
    with pytest.raises(DeckError, match=r"die.gds:1: draws 400000 shapes that lie over each other 9740 times"):
        import_files(files, "x", cell="1 mm")


def test_without_tables_lef_says_all_or_the_layer_is_told(place: Path) -> None:
    with pytest.raises(DeckError, match=r"tech.lef:12: 'V1': nothing says its thickness; give it in a table"):
        import_files([place / "chip.def", place / "tech.lef"])
    text = (place / "tech.lef").read_text().replace("  SPACING 0.1 ;", "  SPACING 0.1 ;\n  THICKNESS 0.2 ;")
    (place / "tech.lef").write_text(text)
    found = import_files([place / "chip.def", place / "tech.lef"])
    assert [layer["name"] for layer in found.layers] == ["bulk", "active", "M1", "V1", "M2"]
    assert [s["power"] for s in found.scenario["power"]["sources"]] == ["0 W", "0 W"]
    assert any("0 W; give a table of regions" in note for note in found.notes)


def test_two_commands_from_a_layout_to_temperatures(place: Path, capsys: pytest.CaptureFixture[str],
                                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """All that the table of powers heats leaves the die, with the densities in its layers."""
    monkeypatch.chdir(place)
    run = [
        "run",
        "deck.yaml",
        "--set",
        "solver={profile: study, mesh: {lateral: 4, per_source: 2}, error_promise: 0.9}",
        "--progress",
        "none",
        "--workers",
        "1",
    ]
    for arguments in (["import", *DEF, "-o", "deck.yaml", "--cell", "25 um"], run):
        monkeypatch.setattr(sys, "argv", ["stack3d", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, capsys.readouterr().err
    said = capsys.readouterr()
    assert "over ambient, 5 mW" in said.out and not said.err, said
    assert "m2: M2 cover 10 % of the die" in (place / "deck.yaml").read_text()
    balance = float(said.out.split("error ")[1].split(" ")[0])
    assert balance < 1e-9


@pytest.mark.parametrize(("file", "old", "new", "said"), [
    ("chip.def", "DIEAREA ( 0 0 ) ( 100000 50000 ) ;", "", "chip.def:1: DIEAREA: is missing"),
    ("chip.def", "( 50000 0 )", "( x 0 )", "chip.def:13: cannot be read: Not a floating-point value: x"),
    ("chip.def", "END DESIGN", "END DESIGN\n- -", ""),
    ("chip.def", "first RAM", "first ROM", ""),
    ("tech.lef", "THICKNESS 0.3", "THICKNESS thick", "tech.lef:10: THICKNESS: wants a number, got 'thick'"),
    ("tech.lef", "THICKNESS 0.3", "THICKNESS -3", "tech.lef:10: THICKNESS: wants more than 0"),
    ("tech.lef", "  TYPE CUT ;\n  SPACING 0.1 ;", "  TYPE CUT ; THICKNESS -3 ;", "tech.lef:13: THICKNESS: wants more than 0"),
    ("tech.lef", "  PITCH 0.2 ;", "  PITCH 0.2", ""),
    ("tech.lef", "  WIDTH 0.1 ;", "  WIDTH 0.1", "tech.lef:9: 'WIDTH': wants ; before 'THICKNESS'"),
    ("tech.lef", "MACRO RAM\n", "MACRO RAM\n  SOURCE USER\n", "tech.lef:32: 'SOURCE': wants ; before 'CLASS'"),
    ("tech.lef", "END V1\n", "END V\n", "tech.lef:15: END: wants 'V1', got 'V'"),
    ("tech.lef", "END RAM\nEND LIBRARY\n", "", "tech.lef:31: MACRO: wants END 'RAM', and the file ends"),
    ("tech.lef", "VERSION 5.8", 'DIVIDERCHAR "/ ;\nVERSION 5.8', "tech.lef:1: a quotation mark is never closed"),
    ("tech.lef", "  SIZE 20 BY 10 ;", "  SIZE 20 BY ten ;", "tech.lef:34: cannot be read: "),
    ("layers.csv", "m1,M1", "m1,M9", "layers.csv:4: layer: chip.def draws no layer 'M9'; there are 'M1', 'M2', 'V1'"),
    ("layers.csv", "v1,V1,0.3", "v1,V1,", "layers.csv:5: 'v1': nothing says its thickness"),
    ("layers.csv", "active,,10", "active,,", "layers.csv:3: thickness: is empty, and no layer is named"),
    ("layers.csv", "active,,10", "active,,-1", "layers.csv:3: thickness: wants more than 0, got '-1'"),
    ("layers.csv", "lines_y", "lines", "layers.csv:6: sideways: wants islands, mixed, planes, lines_x, lines_y, got 'lines'"),
    ("layers.csv", "copper,silicon_dioxide,islands", "gold,silicon_dioxide,islands", "layers.csv:5: fill: unknown material 'gold'"),
    ("layers.csv", "[um]", "[mm]", "layers.csv:1: columns are name, layer, thickness [um]"),
    ("layers.csv", "v1,V1,0.3,copper,", "v1,V1,0.3,", "layers.csv:5: wants 6 values, got 5"),
    ("powers.csv", "90,40,100,50", "90,40,110,50", "powers.csv:5: region 3: reaches outside the die, x 0 to 100"),
    ("powers.csv", "(mW)", "(V)", "powers.csv:1: value: wants a power"),
])  # fmt: skip
def test_mistakes_by_file_and_line(place: Path, file: str, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str],
                                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Nothing said stands for a file that is imported all the same."""
    text = (place / file).read_text()
    assert old in text
    (place / file).write_text(text.replace(old, new, 1))
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["stack3d", "import", *DEF, "-o", "deck.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    err = capsys.readouterr().err
    assert (ended.value.code or 0) == (2 if said else 0) and said in err and len(err.strip().splitlines()) == bool(said), err
    assert (place / "deck.yaml").exists() == (not said)


@pytest.mark.parametrize("how", [
    lambda text: text.replace("\n", " "),  # one line
    lambda text: "\n".join(text.split()),  # one word a line
    lambda text: text.replace("MACRO RAM\n", "MACRO RAM ").replace("\n  TYPE", " TYPE").replace(" ;\n", " ; "),
    lambda text: text.replace(" ;", " ; # THICKNESS 9 ; END M1"),
    lambda text: text.replace("  TYPE CUT ;", '  TYPE CUT ; PROPERTY A "THICKNESS 9 ; # END V1\n TYPE OVERLAP ; THICKNESS 8 ;" ;'),
    lambda text: "PROPERTYDEFINITIONS LAYER A STRING ; MACRO B STRING ; END PROPERTYDEFINITIONS\n" + text,
])  # fmt: skip
def test_lef_is_free_of_lines(place: Path, how: Callable[[str], str]) -> None:
    """However its words lie on lines, the same layers and blocks come of it."""
    files = [place / "chip.def", place / "tech.lef"]
    text = files[1].read_text().replace("  SPACING 0.1 ;", "  SPACING 0.1 ;\n  THICKNESS 0.2 ;")
    found = []
    for told in (text, how(text)):
        files[1].write_text(told)
        found.append(import_files(files))
    first, other = found
    assert other.scenario == first.scenario and other.tables == first.tables and other.notes == first.notes
    assert [source["name"] for source in other.scenario["power"]["sources"]] == ["first", "second"]


@pytest.mark.parametrize(("files", "more", "said"), [
    (["chip.def"], {}, "chip.def:1: wants its .lef files"),
    (["die.gds", "tech.lef"], {}, "die.gds:1: goes without .lef"),
    (["die.gds"], {}, "says no thicknesses; give a table (.csv) with the columns name, layer, thickness [um], fill, host, sideways; it draws '235/0', '34/0'"),
    (["tech.lef"], {}, "LEF belongs to a .def, and none is given"),
    (["die.gds", "layers.csv", "layers.csv"], {}, "layers.csv:1: is a second table of layers"),
    (["die.gds", "powers.csv", "powers.csv"], {}, "powers.csv:1: is a second table of powers"),
    (["die.gds", "chip.def"], {}, "one .gds makes one scenario"),
    (["die.gds", "die.flp"], {}, "a layout goes with .lef and .csv"),
    (["die.gds", "layers.csv"], {"transient": True}, "a layout holds no course of powers"),
    (["die.gds", "layers.csv"], {"cell": "1 nm"}, "cell: 0.001 um makes 128000 x 64000 cells a layer"),
    (["die.flp"], {"cell": "10 um"}, "--cell belongs to a layout"),
    (["die.gds", "layers.csv"], {"cell": "0 um"}, "--cell: wants more than 0, got '0 um'"),
    (["die.gds", "layers.csv"], {"cell": "3 kg"}, "--cell: "),
    (["none.gds", "layers.csv"], {}, "none.gds: there is no such file"),
])  # fmt: skip
def test_files_that_do_not_go_together(place: Path, files: list[str], more: dict[str, Any], said: str) -> None:
    shutil.copy(IMPORTS / "layout_gds" / "die.gds", place / "die.gds")
    with pytest.raises(DeckError) as error:
        import_files([place / name for name in files], None, **more)
    assert said in str(error.value)


def test_macros_that_lef_does_not_know_are_told(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Once each, and KLayout itself says nothing."""
    (place / "chip.def").write_text((place / "chip.def").read_text().replace("RAM", "ROM"))
    found = import_files([place / name for name in DEF])
    assert [note for note in found.notes if "ROM" in note] == ["Macro not found in LEF file: ROM: nothing of it is drawn."]
    assert capfd.readouterr() == ("", "")


def test_layouts_of_no_or_several_chips_are_refused(tmp_path: Path) -> None:
    layout = kdb.Layout()
    files = drawn(tmp_path, [], (1000, 1000))
    layout.write(str(files[0]))
    with pytest.raises(DeckError, match=r"die.gds:1: wants one top cell$"):
        import_files(files)
    for name in "AB":
        layout.create_cell(name).shapes(layout.layer(34, 0)).insert(kdb.Box(0, 0, 10, 10))
    layout.write(str(files[0]))
    with pytest.raises(DeckError, match="wants one top cell, got '[AB]', '[AB]'"):
        import_files(files)


def test_too_many_shapes_are_refused_before_they_are_merged(tmp_path: Path) -> None:
    """Arrays in arrays: ten thousand million rectangles in a file of some hundred bytes."""
    layout = kdb.Layout()
    inner = layout.create_cell("C0")
    inner.shapes(layout.layer(34, 0)).insert(kdb.Box(0, 0, 5, 5))
    for depth in range(1, 3):
        outer = layout.create_cell(f"C{depth}")
        step = 10 * 300 ** (depth - 1)
        outer.insert(kdb.CellInstArray(inner.cell_index(), kdb.Trans(), kdb.Vector(step, 0), kdb.Vector(0, step), 300, 300))
        inner = outer
    files = drawn(tmp_path, [], (1000, 1000))
    layout.write(str(files[0]))
    with pytest.raises(DeckError, match="draws 8100000000 shapes, at most 30000000"):
        import_files(files)


def test_layers_that_are_drawn_and_not_taken_are_named(tmp_path: Path, place: Path) -> None:
    files = drawn(tmp_path, [(0, 0, 30_000, 10_000)], (80_000, 40_000))
    assert [n for n in import_files(files, "x").notes if "not taken" in n] == [
        "Drawn, but not taken, for no layer of the table names it: '235/0'."
    ]
    (place / "one.csv").write_text("name,layer,thickness [um]\nbulk,,100\nm1,M1,\n")
    notes = import_files([place / name for name in ("chip.def", "tech.lef", "one.csv")]).notes
    assert [n for n in notes if "not taken" in n] == ["Drawn, but not taken, for no layer of the table names it: 'M2', 'V1'."]
    assert not any("not taken" in n for n in import_files([place / name for name in DEF]).notes)


def test_a_layer_of_def_that_no_lef_has_is_refused_where_it_is_drawn(place: Path) -> None:
    text = (place / "chip.def").read_text()
    (place / "chip.def").write_text(text.replace("- VDD ( * VDD )", "- M7 ( * M7 )").replace("ROUTED M2", "ROUTED M7"))
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "ROUTED M2" in row)
    said = rf"chip.def:{line}: layer: no LEF file has the layer 'M7' that is drawn; they have 'M1', 'M2'"
    with pytest.raises(DeckError, match=said):
        import_files([place / name for name in DEF])


def test_rules_that_are_no_default_hold_layers_and_may_end_without_a_name(tmp_path: Path) -> None:
    """LEF 5.8: their layers are sections within a section; neither swallows what follows."""
    rules = """
NONDEFAULTRULE wide
  LAYER M1 WIDTH 1.5 ; END M1
  VIA wide_via LAYER M1 ; RECT 0 0 1 1 ; END wide_via
  SPACING SAMENET V1 V1 0.1 ; END SPACING
END wide
NONDEFAULTRULE wider
  LAYER M1
    WIDTH 3 ;
  END M1
END
LAYER M9
  TYPE ROUTING ;
  THICKNESS 0.9 ;
END M9
"""
    path = tmp_path / "rules.lef"
    path.write_text(rules)
    found = read_lef([path])
    assert found.names == ["M9"] and found.known == {"M9"} and found.thickness(["M9"]) == pytest.approx(0.9e-6)
